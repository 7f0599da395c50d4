"""Quotas, and the least and greatest number of blocks of a device pool."""

from __future__ import annotations

from typing import Any

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import AlreadyExists, InvalidValue, LimitReached, NotFound, Refusal
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevicePool,
    AddPool,
    RemoveDevicePool,
    RemovePool,
    RemoveQuota,
    SetQuota,
    change,
)
from casm_ctrl.service.quotas import list_quotas
from casm_ctrl.service.release import drain, force_release, release
from casm_ctrl.store.database import Database
from tests.allocation_world import ME, configure, give, refused

POOL = SetQuota("q", "pool", "p", 1024)


@pytest.mark.parametrize(
    ("kind", "subject", "family"), [("pool", "p", None), ("space", "s", "ipv4"), ("device", "bng1", "ipv4")]
)
def test_a_quota_counts_all_that_its_subject_has(
    network: Database, clock: ManualClock, kind: str, subject: str, family: str | None
) -> None:
    configure(network, SetQuota("q", kind, subject, 1024, family), AddDevicePool("bng1/more", ("p",), 24))
    give(network, count=2)
    give(network, "bng1/more", length=25)
    refused(
        network,
        LimitReached,
        f"512 addresses were asked for 'bng1/more', and quota 'q' of {kind} '{subject}' is 1024, of which 640 are used",
        lambda: give(network, "bng1/more", length=23),
    )
    give(network, "bng1/more")
    assert list_quotas(network) == [
        {
            "name": "q",
            "kind": kind,
            "subject": subject,
            "family": "ipv4",
            "max-addresses": "1024",
            "used-addresses": "896",
        }
    ]
    force_release(network, ME, ["b1"])
    with pytest.raises(LimitReached):
        give(network)
    clock.advance(86400)
    give(network)


def test_a_quota_does_not_limit_others(network: Database) -> None:
    configure(
        network,
        SetQuota("q", "device", "bng1", 0, "ipv4"),
        SetQuota("six", "space", "s", 0, "ipv6"),
        AddPool("other", "s", ("192.0.2.0/24",)),
        SetQuota("none", "pool", "other", 0),
    )
    assert give(network, "bng2/internet") == ["10.0.0.0/24"]


def test_a_quota_that_was_lowered_only_stops_growth(network: Database) -> None:
    give(network, count=4)
    configure(network, SetQuota("q", "pool", "p", 256))
    with pytest.raises(LimitReached, match="is 256, of which 1024 are used"):
        give(network)
    release(network, ME, ["b1"])


def test_parts_of_addresses_count(network: Database) -> None:
    configure(
        network,
        AddPool("shared", "s", ("203.0.113.0/30",), psid_offset=6),
        AddDevicePool("bng1/ports", ("shared",), 36),
        SetQuota("q", "pool", "shared", 1),
    )
    give(network, "bng1/ports", count=16)
    with pytest.raises(LimitReached, match=r"0\.0625 addresses were asked for"):
        give(network, "bng1/ports")


@pytest.mark.parametrize(
    ("edit", "kind", "words"),
    [
        (SetQuota("q", "pool", "nix", 1), NotFound, "there is no pool 'nix'"),
        (SetQuota("q", "tenant", "s", 1), InvalidValue, "'tenant' cannot have a quota"),
        (SetQuota("q", "space", "s", 1), InvalidValue, "no family was given for the quota of space 's'"),
        (SetQuota("q", "device", "bng1", 1, "ipv5"), InvalidValue, "'ipv5' is not a family"),
        (SetQuota("q", "pool", "p", 1, "ipv6"), InvalidValue, "pool 'p' is ipv4, and the quota ipv6"),
        (SetQuota("q", "pool", "p", -1), InvalidValue, "-1 is not a number of ipv4 addresses"),
        (SetQuota("q", "pool", "p", 2**32 + 1), InvalidValue, "4294967297 is not a number of ipv4 addresses"),
        (SetQuota("b1", "pool", "p", 1), InvalidValue, "reads as a block's id"),
        (RemoveQuota("nix"), NotFound, "there is no quota 'nix' (there is none yet)"),
    ],
)
def test_quotas_that_cannot_be(network: Database, edit: Any, kind: type[Refusal], words: str) -> None:
    refused(network, kind, words, lambda: change(network, ME, [edit]))


def test_one_quota_for_each_subject(network: Database) -> None:
    configure(network, POOL, SetQuota("q", "pool", "p", 2048))
    refused(
        network,
        AlreadyExists,
        "quota 'q' limits ipv4 of pool 'p' already",
        lambda: change(network, ME, [SetQuota("r", "pool", "p", 1)]),
    )
    assert list_quotas(network)[0]["max-addresses"] == "2048"
    configure(network, RemoveQuota("q"))
    assert list_quotas(network) == []


def test_with_its_subject_goes_a_quota(network: Database) -> None:
    configure(
        network, POOL, RemoveDevicePool("bng1/internet"), RemoveDevicePool("bng2/internet"), RemovePool("p")
    )
    assert list_quotas(network) == []


# --- Least and most -------------------------------------------------------------------------------


def test_no_more_blocks_than_the_most(network: Database, clock: ManualClock) -> None:
    configure(network, AddDevicePool("bng1/few", ("p",), 24, max_blocks=2))
    give(network, "bng1/few")
    refused(
        network,
        LimitReached,
        "2 block(s) were asked for 'bng1/few', which has 1 and may have at most 2",
        lambda: allocate(network, ME, "bng1/few", count=2),
    )
    refused(
        network,
        LimitReached,
        "2 block(s) were asked for 'bng1/few'",
        lambda: allocate(network, ME, "bng1/few", addresses=300, length=25),
    )
    give(network, "bng1/few", prefix="10.0.9.0/24")
    with pytest.raises(LimitReached):
        give(network, "bng1/few", prefix="10.0.10.0/24")
    force_release(network, ME, ["b1"])
    give(network, "bng1/few")


def test_no_fewer_blocks_than_the_least(network: Database) -> None:
    configure(network, AddDevicePool("bng1/two", ("p",), 24, min_blocks=2))
    give(network, "bng1/two", count=3)
    release(network, ME, ["b1"])
    drain(network, ME, ["b2"])
    refused(
        network,
        LimitReached,
        "without b3 10.0.2.0/24, 'bng1/two' would keep 1 block(s), and has to keep 2",
        lambda: release(network, ME, ["b3"]),
    )
    release(network, ME, ["b3"], below_minimum=True)
    force_release(network, ME, ["b2"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"min_blocks": -1}, "-1 is not a number of blocks"),
        ({"max_blocks": 0}, "at most 0 block(s) is less than at least 1"),
        ({"min_blocks": 3, "max_blocks": 2}, "at most 2 block(s) is less than at least 3"),
        ({"strategy": "worst"}, "'worst' is not a strategy"),
        ({"first_length": 33}, "/33 is not a block length of ipv4"),
        ({"next_length": 8}, "can hold a /8: their largest prefix is a /16"),
        ({"first_length": 20, "gateway_mask": 22}, "the gateway mask /22 is longer than the blocks (/20)"),
    ],
)
def test_device_pools_that_cannot_be(network: Database, changes: dict[str, Any], words: str) -> None:
    edit = AddDevicePool("bng1/more", ("p",), 24, **changes)
    refused(network, InvalidValue, words, lambda: change(network, ME, [edit]))
