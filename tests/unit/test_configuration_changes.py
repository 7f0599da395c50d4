"""What changes in place: spaces, what a pool is, devices, owner groups; and what is judged at the end of a change."""

from __future__ import annotations

from typing import Any

import pytest

from casm_ctrl.base.errors import AlreadyExists, CasmError, InUse, InvalidValue, NotSupported, Refusal
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddGroup,
    AddPool,
    AddPrefix,
    AddSpace,
    ChangeDevice,
    ChangeGroup,
    ChangePoolKind,
    ChangeReservation,
    ChangeSpace,
    Edit,
    RemoveDevice,
    RemovePrefix,
    Reserve,
    SetQuota,
    change,
)
from casm_ctrl.service.exchange.nouns import DEVICE, GROUP, POOL, QUOTA, SPACE, Entry, Noun
from casm_ctrl.service.exchange.stored import find_stored
from casm_ctrl.service.views import audit
from casm_ctrl.store.database import Database
from tests.allocation_world import ME, configure, give, refused

WORLD: list[Edit] = [
    AddSpace("s"),
    AddSpace("t"),
    AddPool("p", "s", ("10.0.0.0/16",), labels=(("region", "north"),)),
    AddPool("q", "t", ("10.0.0.0/16",)),
    *(
        AddDevice(f"bng{n}", "bng", "ietf-address-pool", f"192.0.2.{n}", 830, "casm", "env:X", "s")
        for n in (1, 2, 3)
    ),
    AddGroup("pair", (("bng1", "serves"), ("bng2", "stands-by"))),
    AddDevicePool("bng1/own", ("p",), 24),
    AddDevicePool("bng1/both", ("p",), 24, group="pair"),
    SetQuota("limit", "pool", "p", 1000),
]


@pytest.fixture
def world(database: Database) -> Database:
    configure(database, *WORLD)
    return database


def _stored(database: Database, noun: Noun, key: str) -> dict[str, Any]:
    with database.read() as tx:
        entry = find_stored(tx, Entry(noun, key, {}))
    assert entry is not None
    return dict(entry.values)


def test_a_space_is_described_anew(world: Database) -> None:
    configure(world, ChangeSpace("s", "the old one"))
    assert _stored(world, SPACE, "s") == {"description": "the old one"}
    assert audit(world, limit=1)[0]["verb"] == "space-change"


def test_the_edit_that_is_refused_is_told_by_its_place(world: Database) -> None:
    with pytest.raises(CasmError) as caught:
        change(world, ME, [ChangeSpace("s", "x"), ChangeSpace("nix", "y")])
    assert caught.value.edit_index == 1
    with pytest.raises(CasmError) as caught:
        change(world, ME, [ChangeSpace("s", "x"), RemovePrefix("p", "10.0.0.0/16"), ChangeSpace("t", "x")])
    assert (caught.value.edit_index, caught.value.message) == (
        1,
        "10.0.0.0/16 is the only prefix of pool 'p'",
    )
    assert _stored(world, SPACE, "s") == {"description": ""}


def test_a_pool_may_have_no_prefix_on_the_way(world: Database) -> None:
    configure(world, RemovePrefix("p", "10.0.0.0/16"), AddPrefix("p", "10.0.0.0/15"))
    assert _stored(world, POOL, "p")["prefix"] == ("10.0.0.0/15",)
    give(world, "bng1/own")


def test_a_reservation_gets_another_reason(world: Database) -> None:
    configure(world, Reserve("p", "10.0.8.0/24", "for one"), ChangeReservation("p", "10.0.8.0/24", "for two"))
    assert _stored(world, POOL, "p")["reservation"] == (("10.0.8.0/24", "for two"),)
    refused(
        world,
        InvalidValue,
        "for no reason",
        lambda: configure(world, ChangeReservation("p", "10.0.8.0/24", "")),
    )


# --- What a pool is -------------------------------------------------------------------------------


def test_a_pool_becomes_another_kind_and_keeps_what_stands_on_it(world: Database) -> None:
    configure(
        world,
        RemovePrefix("p", "10.0.0.0/16"),
        ChangePoolKind("p", "s", "ipv4", scope="public", psid_offset=6, port_routed=True),
        AddPrefix("p", "10.0.0.0/16"),
    )
    found = _stored(world, POOL, "p")
    assert (found["scope"], found["psid-offset"], found["port-routed"]) == ("public", 6, True)
    assert found["label"] == (("region", "north"),)
    assert _stored(world, QUOTA, "limit")["subject"] == "p"
    assert give(world, "bng1/own") == ["10.0.0.0/24"]


@pytest.mark.parametrize(
    ("edits", "kind", "words"),
    [
        ([ChangePoolKind("p", "s", "ipv4")], InUse, "while it has 10.0.0.0/16"),
        (
            [RemovePrefix("p", "10.0.0.0/16"), ChangePoolKind("p", "s", "ipv4")],
            InvalidValue,
            "is the only prefix of pool 'p'",
        ),
        (
            [
                RemovePrefix("p", "10.0.0.0/16"),
                ChangePoolKind("p", "t", "ipv4"),
                AddPrefix("p", "10.1.0.0/16"),
            ],
            InvalidValue,
            "pool 'p' is in space 't', and device 'bng1' serves 's'",
        ),
        (
            [
                RemovePrefix("p", "10.0.0.0/16"),
                ChangePoolKind("p", "s", "ipv4", psid_offset=16),
            ],
            InvalidValue,
            "16 is not a PSID offset",
        ),
        (
            [RemovePrefix("p", "10.0.0.0/16"), ChangePoolKind("p", "s", "ipv4", delegated_length=56)],
            InvalidValue,
            "cannot delegate /56",
        ),
        (
            [RemovePrefix("p", "10.0.0.0/16"), ChangePoolKind("p", "s", "ipv4", port_routed=True)],
            InvalidValue,
            "shares no ports",
        ),
        (
            [RemovePrefix("p", "10.0.0.0/16"), ChangePoolKind("p", "s", "ipv4", parent="p")],
            InvalidValue,
            "its own parent",
        ),
        (
            [RemovePrefix("p", "10.0.0.0/16"), ChangePoolKind("p", "s", "ipv4", parent="q")],
            InvalidValue,
            "not of the space and family of its parent",
        ),
        (
            [RemovePrefix("p", "10.0.0.0/16"), ChangePoolKind("p", "s", "ipv5")],
            InvalidValue,
            "'ipv5' is not a family",
        ),
        (
            [
                SetQuota("of-q", "pool", "q", 9),
                RemovePrefix("q", "10.0.0.0/16"),
                ChangePoolKind("q", "t", "ipv6"),
                AddPrefix("q", "2001:db8::/32"),
            ],
            InvalidValue,
            "pool 'q' would be ipv6, and its quota 'of-q' is ipv4",
        ),
        (
            [RemovePrefix("p", "10.0.0.0/16"), ChangePoolKind("p", "s", "ipv4", scope="mine")],
            InvalidValue,
            "'mine' is not a scope",
        ),
    ],
)
def test_kinds_that_a_pool_cannot_become(
    world: Database, edits: list[Edit], kind: type[Refusal], words: str
) -> None:
    refused(world, kind, words, lambda: configure(world, *edits))


def test_a_pool_with_a_block_stays_what_it_is(world: Database) -> None:
    give(world, "bng1/own")
    refused(
        world, InUse, "cannot lose 10.0.0.0/16", lambda: configure(world, RemovePrefix("p", "10.0.0.0/16"))
    )


# --- Devices --------------------------------------------------------------------------------------


def test_a_device_is_changed(world: Database) -> None:
    configure(
        world,
        ChangeDevice(
            "bng3",
            role="dhcp",
            driver="ietf-dhcpv6-server",
            host="dhcp.example.net",
            port=8300,
            user="other",
            credential="file:~/key",
            instances=(("red", "t"),),
            labels=(("site", "west"),),
            host_key="ssh-ed25519 AAAA",
        ),
        ChangeDevice("bng3", space="t"),
    )
    found = _stored(world, DEVICE, "bng3")
    assert {name: found[name] for name in ("role", "driver", "host", "port", "user", "credential")} == {
        "role": "dhcp",
        "driver": "ietf-dhcpv6-server",
        "host": "dhcp.example.net",
        "port": 8300,
        "user": "other",
        "credential": "file:~/key",
    }
    assert found["address-space"] == "t"
    assert found["network-instance"] == (("red", "t"),)
    assert found["label"] == (("site", "west"),)
    assert found["host-key"] == "ssh-ed25519 AAAA"
    configure(world, ChangeDevice("bng3", forget_host_key=True, labels=(), instances=()))
    assert {"host-key", "label", "network-instance"}.isdisjoint(_stored(world, DEVICE, "bng3"))


def test_two_devices_swap_their_addresses(world: Database) -> None:
    configure(world, ChangeDevice("bng1", host="192.0.2.2"), ChangeDevice("bng2", host="192.0.2.1"))
    assert [_stored(world, DEVICE, name)["host"] for name in ("bng1", "bng2")] == ["192.0.2.2", "192.0.2.1"]


def test_a_device_takes_the_address_of_one_that_goes(world: Database) -> None:
    new = AddDevice("bng9", "bng", "ietf-address-pool", "192.0.2.3", 830, "casm", "env:X", "s")
    configure(world, new, RemoveDevice("bng3"))


@pytest.mark.parametrize(
    ("edit", "kind", "words"),
    [
        (ChangeDevice("bng1"), InvalidValue, "nothing of device 'bng1' was to be changed"),
        (ChangeDevice("bng1", host="192.0.2.2"), AlreadyExists, "device 'bng2' is at 192.0.2.2 port 830"),
        (ChangeDevice("bng1", port=0), InvalidValue, "0 is not a TCP port"),
        (ChangeDevice("bng1", user="a b"), InvalidValue, "'a b' is not a user"),
        (ChangeDevice("bng1", credential="hunter2"), InvalidValue, "the credential is not a reference"),
        (ChangeDevice("bng1", role="router"), InvalidValue, "'router' is not a role"),
        (ChangeDevice("bng1", space="t"), InvalidValue, "pool 'p' is in space 's', and device 'bng1'"),
        (ChangeDevice("bng1", labels=(("a", "1"), ("a", "2"))), InvalidValue, "label 'a' is given twice"),
        (
            ChangeDevice("bng1", host_key="ssh-ed25519 AAAA", forget_host_key=True),
            InvalidValue,
            "was to be set, and forgotten",
        ),
    ],
)
def test_device_changes_that_cannot_be(
    world: Database, edit: ChangeDevice, kind: type[Refusal], words: str
) -> None:
    refused(world, kind, words, lambda: configure(world, edit))


def test_no_refusal_tells_a_secret(world: Database) -> None:
    with pytest.raises(InvalidValue) as caught:
        configure(world, ChangeDevice("bng1", credential="hunter2"))
    assert "hunter2" not in str(caught.value)


def test_a_device_with_blocks_keeps_its_driver(world: Database) -> None:
    give(world, "bng1/both")
    for name in ("bng1", "bng2"):
        refused(
            world,
            InUse,
            f"device '{name}' cannot change from the driver",
            lambda name=name: configure(world, ChangeDevice(name, driver="ietf-nat")),  # type: ignore[misc]
        )
    configure(world, ChangeDevice("bng3", driver="cisco-iosxr"))


def test_blocks_stay_in_their_network_instance(world: Database) -> None:
    give(world, "bng1/own")
    refused(
        world,
        InUse,
        "cannot serve 'bng1/own' in another network instance: it has",
        lambda: configure(world, ChangeDevice("bng1", space="t", instances=(("blue", "s"),))),
    )
    configure(world, ChangeDevice("bng1", instances=(("blue", "t"),)))


# --- Owner groups ---------------------------------------------------------------------------------


def test_a_group_gets_other_members(world: Database) -> None:
    configure(world, ChangeGroup("pair", (("bng1", "stands-by"), ("bng3", "serves"))))
    assert _stored(world, GROUP, "pair")["member"] == (("bng1", "stands-by"), ("bng3", "serves"))
    give(world, "bng1/both")


def test_who_holds_the_blocks_of_a_group_stays(world: Database) -> None:
    give(world, "bng1/both")
    for members in (
        (("bng1", "serves"),),
        (("bng1", "serves"), ("bng2", "serves")),
        (("bng1", "serves"), ("bng2", "stands-by"), ("bng3", "stands-by")),
    ):
        refused(
            world,
            InUse,
            "who serves or stands by in group 'pair' cannot change",
            lambda members=members: configure(world, ChangeGroup("pair", members)),  # type: ignore[misc]
        )
    configure(world, ChangeGroup("pair", (("bng1", "serves"), ("bng2", "stands-by"), ("bng3", "relays"))))


@pytest.mark.parametrize(
    ("members", "kind", "words"),
    [
        ((("bng1", "stands-by"),), InvalidValue, "no member of group 'pair' serves"),
        ((("bng2", "serves"),), InvalidValue, "device 'bng1' does not serve or stand by in group 'pair'"),
        ((("bng1", "serves"), ("bng1", "relays")), InvalidValue, "device 'bng1' is given twice"),
        ((("bng1", "leads"),), InvalidValue, "'leads' is not what 'bng1' can do"),
    ],
)
def test_members_that_cannot_be(
    world: Database, members: tuple[tuple[str, str], ...], kind: type[Refusal], words: str
) -> None:
    refused(world, kind, words, lambda: configure(world, ChangeGroup("pair", members)))


def test_a_new_member_has_no_device_pool_of_that_aaa_name(world: Database) -> None:
    configure(world, AddDevicePool("bng3/x", ("p",), 24, aaa_name="both"))
    refused(
        world,
        AlreadyExists,
        "would have the AAA name 'both' twice",
        lambda: configure(world, ChangeGroup("pair", (("bng1", "serves"), ("bng3", "stands-by")))),
    )


def test_a_device_pool_stays_in_its_space_also_without_blocks(world: Database) -> None:
    from casm_ctrl.service.configuration import ChangeDevicePool

    configure(world, ChangeDevice("bng1", instances=(("blue", "t"),)))
    refused(
        world,
        NotSupported,
        "cannot move from address space 's' to 't'",
        lambda: configure(world, ChangeDevicePool("bng1/own", (("pools", ("q",)),))),
    )
