"""Changes of configuration: each refusal in words, and all of a change or nothing of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from casm_ctrl.addressing.prefix import parse_range
from casm_ctrl.base.errors import AlreadyExists, CasmError, InUse, InvalidValue, NotFound, Overlap
from casm_ctrl.service import views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddPool,
    AddSpace,
    ChangeDevice,
    ChangePool,
    Edit,
    RemoveDevice,
    RemoveDevicePool,
    RemovePool,
    RemoveSpace,
    SetHostKey,
    change,
)
from casm_ctrl.service.desired import desired
from casm_ctrl.service.holding import hold
from casm_ctrl.service.release import force_release, release
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author

ME = Author("tester")
DEVICE = AddDevice("bng3", "bng", "ietf-address-pool", "192.0.2.3", 830, "casm", "env:SECRET", "s")
POOL = AddPool("q", "s", ("192.0.2.0/24",))
DEVICE_POOL = AddDevicePool("bng1/more", ("p",), 24)


def dump(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with database.read() as tx:
        listed = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1"
        if database.dialect == "postgresql":
            listed = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        names = [row[0] for row in tx.all(listed)]
        return {name: sorted(tx.all(f"SELECT * FROM {name}"), key=repr) for name in names}


def revision(database: Database) -> int:
    return int(views.status(database)["config-revision"])


def refused(database: Database, kind: type[CasmError], message: str, *edits: Edit) -> None:
    """`edits` are refused in these words, with a remedy, and nothing of them is left."""
    before = dump(database)
    with pytest.raises(kind) as caught:
        change(database, ME, edits)
    assert message in caught.value.message
    assert caught.value.remedy
    assert type(caught.value) is kind
    assert dump(database) == before


def but(edit: Edit, **changes: Any) -> Any:
    return dataclasses.replace(edit, **changes)


# --- Counting and all-or-none ---------------------------------------------------------------------


def test_each_change_grows_the_revision_by_one(network: Database) -> None:
    before = revision(network)
    assert change(network, ME, [AddSpace("x"), AddSpace("y")]) == {"config-revision": str(before + 1)}
    assert change(network, ME, [RemoveSpace("x")]) == {"config-revision": str(before + 2)}
    assert revision(network) == before + 2
    allocate(network, ME, "bng1/internet")
    assert revision(network) == before + 2


def test_one_bad_edit_undoes_all(network: Database) -> None:
    refused(
        network,
        NotFound,
        "there is no pool 'nowhere'",
        AddSpace("x"),
        but(POOL, space="x"),
        but(DEVICE, space="x"),
        AddDevicePool("bng3/internet", ("q",), 26),
        RemovePool("nowhere"),
    )


def test_edits_see_those_before_them(network: Database) -> None:
    change(
        network,
        ME,
        [
            AddSpace("x"),
            but(POOL, space="x"),
            but(DEVICE, space="x"),
            AddDevicePool("bng3/internet", ("q",), 26),
            RemoveDevicePool("bng3/internet"),
            RemoveDevice("bng3"),
            RemovePool("q"),
            RemoveSpace("x"),
        ],
    )


def test_what_was_added_and_removed_leaves_no_rows(network: Database) -> None:
    ignored = ("store", "event", "sqlite_sequence", "merge_turn", "past_block")
    before = {name: rows for name, rows in dump(network).items() if name not in ignored}
    pool = but(POOL, exclude=("192.0.2.128/25",), labels=(("region", "north"),))
    device = but(DEVICE, instances=(("vrf1", "s"),), deadlines=(("rpc", 5.0),))
    change(network, ME, [pool, device, AddDevicePool("bng3/i", ("q", "p"), 26, services=("internet", "tv"))])
    allocate(network, ME, "bng3/i", count=3)
    release(network, ME, ["b1", "b2", "b3"])
    change(network, ME, [RemoveDevicePool("bng3/i"), RemoveDevice("bng3"), RemovePool("q")])
    after = {name: rows for name, rows in dump(network).items() if name not in ignored}
    counts = after.pop("block_count")
    assert before.pop("block_count") == []
    assert {row[-1] for row in counts} <= {0}
    assert after == before


# --- Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["b12", "", "a b", "x" * 64])
def test_names_are_checked(network: Database, name: str) -> None:
    refused(network, InvalidValue, "cannot name a space", AddSpace(name))
    refused(network, InvalidValue, "cannot name a pool", but(POOL, name=name))
    refused(network, InvalidValue, "cannot name a device", but(DEVICE, name=name))
    refused(network, InvalidValue, "cannot name a device pool", but(DEVICE_POOL, name=f"bng1/{name}"))


def test_names_are_taken_once(network: Database) -> None:
    refused(network, AlreadyExists, "there is an address space 's' already", AddSpace("s"))
    refused(network, AlreadyExists, "there is a pool 'p' already", but(POOL, name="p"))
    refused(network, AlreadyExists, "there is a device 'bng1' already", but(DEVICE, name="bng1"))
    refused(
        network,
        AlreadyExists,
        "there is a device pool 'bng1/internet' already",
        but(DEVICE_POOL, name="bng1/internet"),
    )


def test_unknown_names_are_refused_with_those_that_are_known(network: Database) -> None:
    known = "(known are bng1, bng2)"
    refused(network, NotFound, "there is no address space 'x' (known are s)", but(POOL, space="x"))
    refused(network, NotFound, "there is no address space 'x' (known are s)", but(DEVICE, space="x"))
    refused(network, NotFound, "there is no address space 'x'", but(DEVICE, instances=(("vrf", "x"),)))
    refused(network, NotFound, "there is no address space 'x'", RemoveSpace("x"))
    refused(network, NotFound, "there is no pool 'x' (known are p)", but(DEVICE_POOL, pools=("p", "x")))
    refused(network, NotFound, "there is no pool 'x' (known are p)", RemovePool("x"))
    refused(network, NotFound, f"there is no device 'x' {known}", but(DEVICE_POOL, name="x/y"))
    refused(network, NotFound, f"there is no device 'x' {known}", RemoveDevice("x"))
    refused(network, NotFound, f"there is no device 'x' {known}", SetHostKey("x", "ssh-rsa AAAA"))
    refused(network, NotFound, "(known are bng1/internet)", RemoveDevicePool("bng1/x"))
    refused(network, InvalidValue, "'bng1' is not a device pool", RemoveDevicePool("bng1"))


def test_nothing_is_known_in_an_empty_store(database: Database) -> None:
    refused(database, NotFound, "there is no address space 's' (there is none yet)", POOL)


def test_many_known_names_are_not_all_listed(database: Database) -> None:
    change(database, ME, [AddSpace(f"s{number}") for number in range(8)])
    refused(database, NotFound, "(known are s0, s1, s2, s3, s4 and 3 more)", RemoveSpace("x"))


# --- Pools ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"prefixes": ()}, InvalidValue, "pool 'q' has no prefix"),
        ({"prefixes": ("192.0.2.1/24",)}, InvalidValue, "'192.0.2.1/24' has host bits set"),
        ({"prefixes": ("192.0.2.0",)}, InvalidValue, "has no prefix length"),
        ({"prefixes": ("192.0.2.0/24", "2001:db8::/32")}, InvalidValue, "pool 'q' mixes IPv4 and IPv6"),
        ({"prefixes": ("192.0.2.0/24", "192.0.2.0/24")}, Overlap, "192.0.2.0/24 and 192.0.2.0/24 share"),
        ({"prefixes": ("192.0.2.0/24", "192.0.2.64/26")}, Overlap, "192.0.2.0/24 and 192.0.2.64/26 share"),
        (
            {"prefixes": ("10.0.0.0/16",)},
            Overlap,
            "shares addresses with 10.0.0.0/16 of pool 'p' in space 's'",
        ),
        ({"prefixes": ("10.0.255.255/32",)}, Overlap, "shares addresses with 10.0.0.0/16 of pool 'p'"),
        ({"prefixes": ("10.0.0.0/8",)}, Overlap, "10.0.0.0/8 shares addresses with 10.0.0.0/16"),
        ({"prefixes": ("0.0.0.0/0",)}, Overlap, "0.0.0.0/0 shares addresses with 10.0.0.0/16"),
        ({"exclude": ("192.0.3.0/24",)}, InvalidValue, "192.0.3.0/24 is not inside pool 'q' (192.0.2.0/24)"),
        ({"exclude": ("192.0.2.0/23",)}, InvalidValue, "the exclusion 192.0.2.0/23 is not inside"),
        ({"exclude": ("2001:db8::/64",)}, InvalidValue, "the exclusion 2001:db8::/64 is not inside"),
        ({"exclude": ("192.0.2.9/30",)}, InvalidValue, "host bits"),
        (
            {"exclude": ("192.0.2.0/28", "192.0.2.4/32")},
            Overlap,
            "the exclusions 192.0.2.0/28 and 192.0.2.4/32",
        ),
        ({"exclude": ("192.0.2.0/28", "192.0.2.0/28")}, Overlap, "the exclusions"),
        ({"exclude": ("192.0.2.0/24",)}, InvalidValue, "pool 'q' excludes all that it holds"),
        ({"exclude": ("192.0.2.0/25", "192.0.2.128/25")}, InvalidValue, "excludes all"),
        ({"scope": "secret"}, InvalidValue, "'secret' is not a scope"),
        ({"quarantine": -1}, InvalidValue, "below 0"),
        ({"lease_time": -1}, InvalidValue, "below 0"),
        ({"quarantine": 1 << 32}, InvalidValue, "4294967296 s is too long"),
        ({"lease_time": 1 << 70}, InvalidValue, "is too long"),
    ],
)
def test_pools_that_cannot_be(
    network: Database, changes: dict[str, Any], kind: type[CasmError], message: str
) -> None:
    refused(network, kind, message, but(POOL, **changes))


def test_public_pools_are_unique_across_spaces(network: Database) -> None:
    change(network, ME, [AddSpace("t"), but(POOL, scope="public")])
    message = "192.0.2.128/25 shares addresses with 192.0.2.0/24 of pool 'q' in space 's'"
    other = AddPool("r", "t", ("198.51.100.0/24", "192.0.2.128/25"), scope="public")
    refused(network, Overlap, message, other)
    change(network, ME, [but(other, scope="private")])


def test_private_space_may_repeat_in_another_space(network: Database) -> None:
    change(network, ME, [AddSpace("t"), AddPool("r", "t", ("10.0.0.0/16",))])
    assert views.show_pool(network, "r")["usage"]["total-addresses"] == "65536"


def test_what_a_pool_shows(network: Database) -> None:
    pool = AddPool(
        "six",
        "s",
        ("2001:db8:1::/48", "2001:db8::/48"),
        exclude=("2001:db8::/56",),
        scope="public",
        description="north",
        quarantine=60,
        lease_time=120,
        labels=(("region", "north"),),
    )
    change(network, ME, [pool])
    total = str(2 * (1 << 80) - (1 << 72))
    assert views.show_pool(network, "six") == {
        "name": "six",
        "address-space": "s",
        "family": "ipv6",
        "scope": "public",
        "description": "north",
        "prefix": ["2001:db8::/48", "2001:db8:1::/48"],
        "exclude": ["2001:db8::/56"],
        "reservation": [],
        "child-pool": [],
        "label": [{"name": "region", "value": "north"}],
        "policy": {"strategy": "best-fit", "quarantine": 60, "lease-time": 120},
        "usage": {
            "total-addresses": total,
            "allocated-addresses": "0",
            "quarantined-addresses": "0",
            "child-addresses": "0",
            "free-addresses": total,
            "excluded-addresses": str(1 << 72),
            "reserved-addresses": "0",
            "held-addresses": "0",
            "largest-free-length": 48,
            "fragmentation": 49,
            "block-count": [],
            "length-count": [],
        },
    }


# --- Devices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"role": "router"}, "'router' is not a role"),
        ({"port": 0}, "0 is not a TCP port"),
        ({"port": 65536}, "65536 is not a TCP port"),
        ({"credential": "hunter2"}, "the credential is not a reference"),
        ({"credential": "env:"}, "the credential is not a reference"),
        ({"credential": "file:"}, "the credential is not a reference"),
        ({"host": ""}, "'' is not a host"),
        ({"host": "a b"}, "'a b' is not a host"),
        ({"user": "a\tb"}, "is not a user"),
        ({"instances": (("vrf", "s"), ("vrf", "s"))}, "network instance 'vrf' is given twice"),
        ({"deadlines": (("naptime", 5.0),)}, "'naptime' is not a deadline"),
        ({"deadlines": (("rpc", 0.0),)}, "the deadline rpc cannot be 0 s"),
        ({"deadlines": (("rpc", 0.0005),)}, "the deadline rpc cannot be 0.0005 s"),
        ({"deadlines": (("rpc", float("inf")),)}, "the deadline rpc cannot be inf s"),
        ({"deadlines": (("commit", 1.5),)}, "the deadline commit cannot be 1.5 s"),
        ({"deadlines": (("rpc", 1.0), ("rpc", 2.0))}, "deadline 'rpc' is given twice"),
        ({"client": "telnet"}, "there is no NETCONF client 'telnet'"),
        ({"host_key": "  "}, "the host key is empty"),
    ],
)
def test_devices_that_cannot_be(network: Database, changes: dict[str, Any], message: str) -> None:
    refused(network, InvalidValue, message, but(DEVICE, **changes))


def test_what_a_device_shows_of_how_it_is_entered(network: Database) -> None:
    change(network, ME, [DEVICE])
    shown = views.show_device(network, "bng3")
    assert shown["client"] == "asyncssh"
    assert "deadlines" not in shown
    deadlines = (("rpc", 120.0), ("hello", 0.25), ("commit", 90))
    change(network, ME, [ChangeDevice("bng3", "ncclient", deadlines)])
    shown = views.show_device(network, "bng3")
    assert shown["client"] == "ncclient"
    assert shown["deadlines"] == {"rpc": "120.0", "hello": "0.25", "commit": 90}
    change(network, ME, [ChangeDevice("bng3", deadlines=(("rpc", None), ("tcp", 1.0)))])
    shown = views.show_device(network, "bng3")
    assert shown["client"] == "ncclient"
    assert shown["deadlines"] == {"hello": "0.25", "commit": 90, "tcp": "1.0"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (ChangeDevice("bng1", "telnet"), "there is no NETCONF client 'telnet'"),
        (ChangeDevice("bng1", deadlines=(("naptime", 1.0),)), "'naptime' is not a deadline"),
        (ChangeDevice("bng1", deadlines=(("naptime", None),)), "'naptime' is not a deadline"),
        (ChangeDevice("bng1", deadlines=(("rpc", -1.0),)), "the deadline rpc cannot be -1 s"),
        (ChangeDevice("bng1", deadlines=(("rpc", None), ("rpc", 1.0))), "deadline 'rpc' is given twice"),
    ],
)
def test_device_changes_that_cannot_be(network: Database, changed: ChangeDevice, message: str) -> None:
    refused(network, InvalidValue, message, changed)


def test_a_refused_credential_is_not_repeated(network: Database) -> None:
    with pytest.raises(InvalidValue) as caught:
        change(network, ME, [but(DEVICE, credential="hunter2")])
    assert "hunter2" not in str(caught.value)


def test_two_devices_have_two_identities(network: Database) -> None:
    change(network, ME, [SetHostKey("bng1", "ssh-ed25519 AAAA")])
    message = "presents the host key that is recorded for device 'bng1'"
    refused(network, AlreadyExists, message, SetHostKey("bng2", "ssh-ed25519 AAAA"))
    refused(network, AlreadyExists, message, but(DEVICE, host_key="ssh-ed25519 AAAA"))
    refused(network, InvalidValue, "the host key is empty", SetHostKey("bng2", ""))
    change(network, ME, [SetHostKey("bng1", "ssh-ed25519 AAAA")])
    assert views.show_device(network, "bng1")["host-key"] == "ssh-ed25519 AAAA"


# --- Device pools ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"pools": ()}, InvalidValue, "device pool 'bng1/more' may draw from no pool"),
        ({"pools": ("p", "p")}, InvalidValue, "pool 'p' is given twice"),
        ({"pools": ("p", "six")}, InvalidValue, "the pools are not of one family"),
        ({"pools": ("elsewhere",)}, InvalidValue, "is in space 't', and device 'bng1' serves 's'"),
        ({"services": ("tv", "tv")}, InvalidValue, "service 'tv' is given twice"),
        ({"length": 33}, InvalidValue, "/33 is not a block length of ipv4"),
        ({"length": -1}, InvalidValue, "/-1 is not a block length"),
        ({"length": 15}, InvalidValue, "can hold a /15: their largest prefix is a /16"),
        ({"aaa_name": "internet"}, AlreadyExists, "'bng1/internet' has the AAA name 'internet' already"),
        ({"gateway": "middle"}, InvalidValue, "'middle' is not an IPv4 or IPv6 address"),
        ({"gateway": "unnumbered:"}, InvalidValue, "is not an IPv4 or IPv6 address"),
        ({"gateway": "2001:db8::1"}, InvalidValue, "the gateway 2001:db8::1 is not ipv4"),
        ({"gateway_mask": 25}, InvalidValue, "the gateway mask /25 is longer than the blocks (/24)"),
        ({"gateway_mask": -1}, InvalidValue, "the gateway mask /-1"),
        ({"access": "carrier-pigeon"}, InvalidValue, "'carrier-pigeon' is not a kind of access"),
        ({"withdraw_when_unknown": "soon"}, InvalidValue, "'soon' does not say when to withdraw"),
        ({"withdraw_when_unknown": "after x"}, InvalidValue, "'x' is not a length of time"),
        ({"withdraw_when_unknown": "after"}, InvalidValue, "is not a length of time"),
    ],
)
def test_device_pools_that_cannot_be(
    network: Database, changes: dict[str, Any], kind: type[CasmError], message: str
) -> None:
    more: list[Edit] = [
        AddSpace("t"),
        AddPool("elsewhere", "t", ("10.0.0.0/16",)),
        AddPool("six", "s", ("2001:db8::/32",)),
    ]
    change(network, ME, more)
    refused(network, kind, message, but(DEVICE_POOL, **changes))


@pytest.mark.parametrize("gateway", ["first", "last", "none", "10.0.0.1", "unnumbered:lo0"])
@pytest.mark.parametrize("withdraw", ["operator", "never", "after 24h"])
def test_what_a_device_pool_shows(network: Database, gateway: str, withdraw: str) -> None:
    edit = but(
        DEVICE_POOL,
        gateway=gateway,
        withdraw_when_unknown=withdraw,
        gateway_mask=16,
        serve_edges=True,
        access="pppoe",
        services=("tv", "internet"),
        aaa_name="Subscribers 1",
        description="x",
    )
    change(network, ME, [edit])
    assert views.show_device_pool(network, "bng1/more") == {
        "device-pool": "bng1/more",
        "aaa-name": "Subscribers 1",
        "pool": ["p"],
        "length": 24,
        "gateway": gateway,
        "gateway-mask": 16,
        "serve-edges": True,
        "access": "pppoe",
        "service": ["internet", "tv"],
        "withdraw-when-unknown": withdraw,
        "description": "x",
        "blocks": "0",
        "capacity-addresses": "0",
        "routes": "0",
        "min-blocks": 0,
        "announcement": "none",
        "block": [],
    }


def test_a_device_may_serve_more_than_its_own_space(network: Database) -> None:
    device = but(DEVICE, instances=(("vrf1", "t"),))
    pool = AddPool("elsewhere", "t", ("10.0.0.0/16",))
    change(network, ME, [AddSpace("t"), pool, device, AddDevicePool("bng3/vpn", ("elsewhere",), 24)])
    assert allocate(network, ME, "bng3/vpn")["block"][0]["address-space"] == "t"


# --- Removals -------------------------------------------------------------------------------------


def test_what_is_in_use_is_not_removed(network: Database) -> None:
    allocate(network, ME, "bng1/internet", count=4)
    refused(network, InUse, "space 's' is used by device bng1, device bng2, pool p", RemoveSpace("s"))
    refused(
        network,
        InUse,
        "pool 'p' still has the blocks b1 10.0.0.0/24, b2 10.0.1.0/24, b3 10.0.2.0/24 and 1 more",
        RemovePool("p"),
    )
    refused(network, InUse, "device 'bng1' is used by block b1, block b2", RemoveDevice("bng1"))
    refused(
        network,
        InUse,
        "'bng1/internet' still has 4 block(s): b1 10.0.0.0/24 (reserved)",
        RemoveDevicePool("bng1/internet"),
    )
    release(network, ME, ["b1", "b2", "b3", "b4"])
    refused(
        network, InUse, "is used by device pool bng1/internet, device pool bng2/internet", RemovePool("p")
    )
    refused(network, InUse, "device 'bng1' is used by device pool bng1/internet", RemoveDevice("bng1"))


def test_a_block_at_rest_still_holds_what_it_stands_on(network: Database) -> None:
    allocate(network, ME, "bng1/internet")
    force_release(network, Author("tester", reason="burnt down"), ["b1"])
    refused(network, InUse, "(quarantined)", RemoveDevicePool("bng1/internet"))
    refused(network, InUse, "still has the blocks b1", RemovePool("p"))


def test_a_space_that_a_network_instance_stands_for_is_not_removed(network: Database) -> None:
    change(network, ME, [AddSpace("t"), but(DEVICE, instances=(("vrf1", "t"),))])
    refused(network, InUse, "space 't' is used by device bng3", RemoveSpace("t"))


def test_with_a_device_goes_what_was_held_because_of_it(network: Database) -> None:
    """Nobody will read it again, so nothing would ever give the space back."""
    change(network, ME, [DEVICE])
    with network.write() as tx:
        row = tx.one("SELECT id, space_id FROM device WHERE name = 'bng3'")
        hold(tx, row[1], parse_range("10.0.4.0", "10.0.4.9"), row[0], "seen")
    assert views.show_pool(network, "p")["usage"]["held-addresses"] == "10"
    change(network, ME, [RemoveDevice("bng3")])
    usage = views.show_pool(network, "p")["usage"]
    assert (usage["held-addresses"], usage["free-addresses"]) == ("0", "65536")
    assert usage["largest-free-length"] == 16


def test_a_pool_with_held_space_may_be_removed(network: Database) -> None:
    change(network, ME, [POOL])
    with network.write() as tx:
        row = tx.one("SELECT id, space_id FROM device WHERE name = 'bng1'")
        hold(tx, row[1], parse_range("192.0.2.0", "192.0.2.99"), row[0], "seen")
    change(network, ME, [RemovePool("q")])


# --- Network instances and routes -----------------------------------------------------------------


def test_a_network_instance_is_told_by_the_space_or_named(network: Database) -> None:
    two = but(DEVICE, instances=(("blue", "t"), ("green", "t")))
    pool = AddPool("elsewhere", "t", ("10.0.0.0/16",))
    change(network, ME, [AddSpace("t"), pool, two])
    made = AddDevicePool("bng3/vpn", ("elsewhere",), 24)
    refused(network, InvalidValue, "serves that address space in 2 network instances", made)
    refused(network, InvalidValue, "'red' of device 'bng3' is not known", but(made, network_instance="red"))
    change(network, ME, [but(made, network_instance="green")])
    assert views.show_device_pool(network, "bng3/vpn")["network-instance"] == "green"
    assert desired(network, "bng3").pools[0].network_instance == "green"


def test_the_only_network_instance_of_a_space_is_taken(network: Database) -> None:
    device = but(DEVICE, instances=(("vrf1", "t"),))
    pool = AddPool("elsewhere", "t", ("10.0.0.0/16",))
    wrong = AddDevicePool("bng3/here", ("p",), 24, network_instance="vrf1")
    change(network, ME, [AddSpace("t"), pool, device, AddDevicePool("bng3/vpn", ("elsewhere",), 24)])
    refused(network, InvalidValue, "'vrf1' of device 'bng3' is in another address space", wrong)
    assert desired(network, "bng3").pools[0].network_instance == "vrf1"
    assert "network-instance" not in views.show_device_pool(network, "bng3/vpn")


def test_pools_of_two_spaces_or_two_delegated_lengths_make_no_device_pool(network: Database) -> None:
    more: list[Edit] = [
        AddSpace("t"),
        AddPool("elsewhere", "t", ("10.0.0.0/16",)),
        AddPool("d56", "s", ("2001:db8::/32",), delegated_length=56),
        AddPool("d60", "s", ("2001:db9::/32",), delegated_length=60),
        but(DEVICE, instances=(("vrf1", "t"),)),
    ]
    change(network, ME, more)
    both = AddDevicePool("bng3/both", ("p", "elsewhere"), 24)
    refused(network, InvalidValue, "the pools are not of one address space", both)
    mixed = AddDevicePool("bng3/pd", ("d56", "d60"), 40)
    refused(network, InvalidValue, "do not delegate prefixes of one length", mixed)
    change(network, ME, [AddDevicePool("bng3/pd", ("d56",), 40)])
    assert desired(network, "bng3").pools[0].delegated_length == 56


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"announcement": "pigeon"}, "'pigeon' is not a way to announce routes"),
        ({"next_hop": "192.0.2.1"}, "announced 'none' have no next hop"),
        ({"announcement": "external", "next_hop": "2001:db8::1"}, "2001:db8::1 is not ipv4"),
        ({"announcement": "device-automatic", "route_tag": 1}, "cannot have the tag 1"),
        ({"announcement": "external", "route_tag": 1 << 32}, "cannot have the tag 4294967296"),
        ({"usage_high": 0}, "0 % is not a mark of high usage"),
        ({"usage_low": 10}, "10 % is not a mark of low usage below none"),
        ({"usage_high": 80, "usage_low": 80}, "80 % is not a mark of low usage below 80 %"),
    ],
)
def test_routes_and_marks_that_cannot_be(network: Database, changes: dict[str, Any], message: str) -> None:
    refused(network, InvalidValue, message, but(DEVICE_POOL, **changes))


def test_routes_and_marks_are_kept(network: Database) -> None:
    given = {
        "announcement": "external",
        "next_hop": "192.0.2.1",
        "route_tag": 7,
        "usage_high": 90,
        "usage_low": 70,
    }
    change(network, ME, [but(DEVICE_POOL, **given)])
    shown = views.show_device_pool(network, "bng1/more")
    assert {name.replace("-", "_"): shown[name] for name in shown if name.replace("-", "_") in given} == given


# --- Pools that change ----------------------------------------------------------------------------


def test_a_pools_policy_and_labels_change(network: Database) -> None:
    change(network, ME, [AddPool("q", "s", ("10.9.0.0/16",), labels=(("region", "north"), ("old", "x")))])
    edit = ChangePool("q", "new", "sparse", 60, 120, (("region", "south"), ("service", "tv")), ("old",))
    change(network, ME, [edit])
    shown = views.show_pool(network, "q")
    assert shown["description"] == "new"
    assert shown["policy"] == {"strategy": "sparse", "quarantine": 60, "lease-time": 120}
    assert shown["label"] == [{"name": "region", "value": "south"}, {"name": "service", "value": "tv"}]
    change(network, ME, [ChangePool("q", quarantine=0)])
    assert views.show_pool(network, "q")["policy"] == {
        "strategy": "sparse",
        "quarantine": 0,
        "lease-time": 120,
    }


@pytest.mark.parametrize(
    ("edit", "kind", "message"),
    [
        (ChangePool("nowhere", "x"), NotFound, "there is no pool 'nowhere'"),
        (ChangePool("p"), InvalidValue, "nothing of pool 'p' was to be changed"),
        (ChangePool("p", strategy="lucky"), InvalidValue, "'lucky' is not a strategy"),
        (ChangePool("p", quarantine=-1), InvalidValue, "below 0"),
        (ChangePool("p", unlabel=("old",)), NotFound, "pool 'p' has no label 'old'"),
        (ChangePool("p", labels=(("a", "1"), ("a", "2"))), InvalidValue, "label 'a' is given twice"),
    ],
)
def test_changes_of_a_pool_that_cannot_be(
    network: Database, edit: ChangePool, kind: type[CasmError], message: str
) -> None:
    refused(network, kind, message, edit)
