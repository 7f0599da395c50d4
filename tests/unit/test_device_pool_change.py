"""Changes of a device pool: each leaf that may change, and those that may not, in words."""

from __future__ import annotations

from typing import Any

import pytest

from casm_ctrl.base.errors import InUse, InvalidValue, LimitReached, NotFound, NotSupported, Refusal
from casm_ctrl.service import views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddPool,
    AddSpace,
    ChangeDevicePool,
    RemoveDevicePool,
)
from casm_ctrl.service.device_pool_change import OPTIONAL
from casm_ctrl.service.release import release
from casm_ctrl.store.database import Database
from casm_ctrl.store.device_pool_changes import CHANGEABLE
from tests.allocation_world import ME, configure, give, refused

ALL: dict[str, Any] = {
    "length": 25,
    "gateway": "last",
    "gateway_mask": 20,
    "services": ("a", "b"),
    "access": "pppoe",
    "withdraw_when_unknown": "after 24h",
    "description": "grown",
    "strategy": "adjacent",
    "first_length": 24,
    "next_length": 26,
    "min_blocks": 1,
    "max_blocks": 4,
    "announcement": "external",
    "next_hop": "192.0.2.1",
    "route_tag": 7,
    "usage_high": 90,
    "usage_low": 80,
    "serve_edges": True,
}


def change(database: Database, *unset: str, **values: Any) -> None:
    configure(database, ChangeDevicePool("bng1/internet", tuple(values.items()), unset))


def shown(database: Database) -> dict[str, Any]:
    return views.show_device_pool(database, "bng1/internet")


@pytest.fixture
def more(network: Database) -> Database:
    """With a second pool, `q`, of another space's size, and one of IPv6."""
    configure(
        network,
        AddPool("q", "s", ("192.0.2.0/24",)),
        AddPool("six", "s", ("2001:db8::/32",)),
    )
    return network


def test_every_leaf_that_may_change_does(more: Database) -> None:
    """A device pool that was changed is one that was made so, and back."""
    before = shown(more)
    change(more, pools=("q", "p"), **ALL)
    configure(more, AddDevicePool("bng2/like", ("q", "p"), aaa_name="internet-2", **ALL))
    like = views.show_device_pool(more, "bng2/like")
    same = set(like) - {"device-pool", "aaa-name"}
    assert {name: shown(more)[name] for name in same} == {name: like[name] for name in same}
    assert {*ALL, "network_instance"} == {*CHANGEABLE, "services"}
    back = {
        "length": 24,
        "gateway": "none",
        "withdraw_when_unknown": "operator",
        "description": "",
        "min_blocks": 0,
        "announcement": "none",
        "serve_edges": False,
    }
    change(more, *(set(OPTIONAL) - {"network-instance"}), pools=("p",), **back)
    assert shown(more) == before


def test_what_is_not_named_stays(more: Database) -> None:
    change(more, **ALL)
    before = shown(more)
    change(more, length=26)
    assert shown(more) == before | {"length": 26}
    assert views.audit(more, limit=1)[0]["subject"] == "bng1/internet"


def test_an_allocation_follows(more: Database) -> None:
    assert give(more) == ["10.0.0.0/24"]
    change(more, length=26, pools=("q", "p"), max_blocks=2)
    assert give(more) == ["192.0.2.0/26"]
    refused(more, LimitReached, "may have at most 2", lambda: allocate(more, ME, "bng1/internet"))
    change(more, "max-blocks")
    give(more)


@pytest.mark.parametrize(
    ("values", "unset", "kind", "words"),
    [
        ({}, (), InvalidValue, "nothing of device pool 'bng1/internet' was to be changed"),
        ({"aaa_name": "x"}, (), NotSupported, "the aaa-name of device pool 'bng1/internet' cannot change"),
        ({"group": "x"}, (), NotSupported, "cannot change: its blocks are the owner's"),
        ({"length": 33}, (), InvalidValue, "/33 is not a block length of ipv4"),
        ({"length": 15}, (), InvalidValue, "can hold a /15: their largest prefix is a /16"),
        ({"pools": ("nix",)}, (), NotFound, "there is no pool 'nix'"),
        ({"pools": ("q", "q")}, (), InvalidValue, "pool 'q' is given twice"),
        ({"pools": ("p", "six")}, (), InvalidValue, "the pools are not of one family"),
        (
            {"pools": ("q",)},
            (),
            InUse,
            "cannot stop drawing from pool 'p': it has b1 10.0.0.0/24 from it (reserved)",
        ),
        ({"gateway": "2001:db8::1"}, (), InvalidValue, "the gateway 2001:db8::1 is not ipv4"),
        ({"gateway_mask": 25}, (), InvalidValue, "the gateway mask /25 is longer than the blocks"),
        ({"access": "tin"}, (), InvalidValue, "'tin' is not a kind of access"),
        ({"withdraw_when_unknown": "soon"}, (), InvalidValue, "'soon' does not say when"),
        ({"strategy": "worst"}, (), InvalidValue, "'worst' is not a strategy"),
        ({"min_blocks": -1}, (), InvalidValue, "-1 is not a number of blocks"),
        ({"min_blocks": 3, "max_blocks": 2}, (), InvalidValue, "at most 2 block(s) is less than at least 3"),
        (
            {"network_instance": "red"},
            (),
            InvalidValue,
            "network instance 'red' of device 'bng1' is not known",
        ),
        ({"next_hop": "192.0.2.1"}, (), InvalidValue, "have no next hop of ours"),
        ({"usage_low": 10}, (), InvalidValue, "10 % is not a mark of low usage"),
        ({}, ("length",), InvalidValue, "'length' of device pool 'bng1/internet' cannot be taken away"),
        ({"max_blocks": 1}, ("max-blocks",), InvalidValue, "'max-blocks' was to be changed, and taken away"),
    ],
)
def test_a_refusal_changes_nothing(
    more: Database, values: dict[str, Any], unset: tuple[str, ...], kind: type[Refusal], words: str
) -> None:
    give(more)
    refused(more, kind, words, lambda: change(more, *unset, **values))


def test_a_pool_without_blocks_may_go(more: Database) -> None:
    change(more, pools=("p", "q"))
    give(more)
    change(more, pools=("p",))
    release(more, ME, ["b1"])
    change(more, pools=("six",), length=56)
    assert give(more) == ["2001:db8::/56"]


def test_the_address_space_stays_also_without_blocks(network: Database) -> None:
    """A block that is being allocated meanwhile would be installed among the addresses of the other space."""
    device = AddDevice(
        "pe", "bng", "ietf-address-pool", "192.0.2.9", 830, "casm", "env:X", "s", instances=(("red", "vpn"),)
    )
    pool = AddPool("r", "vpn", ("10.0.0.0/16",))
    configure(network, AddSpace("vpn"), pool, device, AddDevicePool("pe/x", ("p",), 24))
    move = ChangeDevicePool("pe/x", (("pools", ("r",)),))
    words = "'pe/x' cannot move from address space 's' to 'vpn'"
    refused(network, NotSupported, words, lambda: configure(network, move))


def test_there_must_be_one(network: Database) -> None:
    configure(network, RemoveDevicePool("bng1/internet"))
    refused(network, NotFound, "there is no device pool 'bng1/internet'", lambda: change(network, length=25))
