"""Kinds of pool: child pools, public scope, shared ports, delegated prefixes, and lengths to both ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from casm_ctrl.addressing.prefix import Family, Prefix, parse_prefix
from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import (
    Exhausted,
    Held,
    InUse,
    InvalidValue,
    LimitReached,
    NotFound,
    NotSupported,
    Overlap,
)
from casm_ctrl.service import views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddGroup,
    AddPool,
    AddSpace,
    Edit,
    RemoveDevicePool,
    RemovePool,
    SetQuota,
    change,
)
from casm_ctrl.service.holding import hold, release_held
from casm_ctrl.service.release import force_release, release
from casm_ctrl.service.rest import free_rested
from casm_ctrl.service.trace import trace
from casm_ctrl.store import devices, free_space, pools
from casm_ctrl.store.database import Database
from tests.allocation_world import ME, configure, refused

HOUR = 3600


@pytest.fixture
def spaces(database: Database) -> Database:
    """Spaces s and t; devices bng1 and bng2 in s, bng3 in t."""
    edits: list[Edit] = [AddSpace("s"), AddSpace("t")]
    for number, space in ((1, "s"), (2, "s"), (3, "t")):
        host = f"192.0.2.{number}"
        edits.append(
            AddDevice(f"bng{number}", "bng", "ietf-address-pool", host, 830, "casm", "env:SECRET", space)
        )
    change(database, ME, edits)
    return database


def add(database: Database, name: str, *prefixes: str, space: str = "s", **options: Any) -> None:
    change(database, ME, [AddPool(name, space, prefixes, quarantine=HOUR, lease_time=HOUR, **options)])


def serve(database: Database, label: str, pool: str, length: int) -> None:
    change(database, ME, [AddDevicePool(label, (pool,), length)])


def take(database: Database, label: str, count: int = 1, length: int | None = None) -> list[str]:
    """Allocate, and say what was given, port sets as they are written."""
    answer = allocate(database, ME, label, count=count, length=length)
    return [written(block) for block in answer["block"]]


def written(block: dict[str, Any]) -> str:
    return str(block["prefix"]) + (f" psid {block['psid']}/{block['psid-length']}" if "psid" in block else "")


def usage(database: Database, pool: str) -> dict[str, str]:
    """Address counts of a pool, those that are 0 left out."""
    found = views.show_pool(database, pool)["usage"]
    return {
        key.removesuffix("-addresses"): value
        for key, value in found.items()
        if key.endswith("-addresses") and value != "0"
    }


def free_rows(database: Database, pool: str) -> list[Prefix]:
    with database.read() as tx:
        row = pools.find_pool(tx, pool)
        assert row is not None
        return free_space.free_prefixes(tx, row.id, row.family)


def written_rows(database: Database, pool: str) -> list[str]:
    return [str(prefix) for prefix in free_rows(database, pool)]


def rest(database: Database, clock: ManualClock, seconds: int = HOUR) -> None:
    clock.advance(seconds)
    with database.write() as tx:
        free_rested(tx)


# --- Child pools ----------------------------------------------------------------------------------


def test_a_child_pool_comes_out_of_its_parent_and_goes_back(spaces: Database) -> None:
    add(spaces, "root", "10.0.0.0/24")
    fresh = free_rows(spaces, "root")
    add(spaces, "child", "10.0.0.64/26", "10.0.0.128/27", parent="root", exclude=("10.0.0.64/30",))
    assert usage(spaces, "root") == {"total": "256", "child": "96", "free": "160"}
    assert usage(spaces, "child") == {"total": "92", "free": "92", "excluded": "4"}
    assert views.show_pool(spaces, "root")["child-pool"] == ["child"]
    assert views.show_pool(spaces, "child")["parent"] == "root"
    serve(spaces, "bng1/c", "child", 28)
    assert take(spaces, "bng1/c") == ["10.0.0.80/28"]
    assert usage(spaces, "root") == {"total": "256", "child": "96", "free": "160"}
    release(spaces, ME, ["b1"])
    change(spaces, ME, [RemoveDevicePool("bng1/c"), RemovePool("child")])
    assert free_rows(spaces, "root") == fresh
    assert usage(spaces, "root") == {"total": "256", "free": "256"}


def test_children_have_children(spaces: Database) -> None:
    add(spaces, "root", "2001:db8::/32")
    add(spaces, "region", "2001:db8:100::/40", parent="root")
    add(spaces, "town", "2001:db8:140::/44", parent="region")
    serve(spaces, "bng1/town", "town", 48)
    assert take(spaces, "bng1/town") == ["2001:db8:140::/48"]
    assert usage(spaces, "region")["child"] == str(1 << 84)
    with pytest.raises(InUse, match="is used by child pool region"):
        change(spaces, ME, [RemovePool("root")])
    release(spaces, ME, ["b1"])
    change(spaces, ME, [RemoveDevicePool("bng1/town"), RemovePool("town"), RemovePool("region")])
    assert written_rows(spaces, "root") == ["2001:db8::/32"]


def test_no_block_of_the_parent_comes_from_a_child(spaces: Database) -> None:
    add(spaces, "root", "10.0.0.0/28")
    add(spaces, "child", "10.0.0.0/29", parent="root")
    serve(spaces, "bng1/r", "root", 30)
    assert take(spaces, "bng1/r", 2) == ["10.0.0.8/30", "10.0.0.12/30"]
    with pytest.raises(Exhausted):
        take(spaces, "bng1/r")


def test_the_parents_of_one_change_are_there_for_its_children(spaces: Database) -> None:
    edits = [AddPool("root", "s", ("10.0.0.0/24",)), AddPool("child", "s", ("10.0.0.0/25",), parent="root")]
    change(spaces, ME, edits)
    assert views.show_space(spaces, "s")["pool"] == ["child", "root"]


@pytest.mark.parametrize(
    ("prefixes", "options", "error", "words"),
    [
        (("10.1.0.0/24",), {}, InvalidValue, r"10\.1\.0\.0/24 is not inside pool 'root'"),
        (("10.0.0.0/23",), {}, InvalidValue, r"10\.0\.0\.0/23 is not inside pool 'root'"),
        (("10.0.0.0/24",), {}, Overlap, r"10\.0\.0\.0/24 is not free"),
        (("10.0.0.204/30",), {}, Overlap, r"10\.0\.0\.204/30 is not free: bng1/r has b1"),
        (("10.0.0.200/31",), {}, Held, r"10\.0\.0\.200/31 is not free: 10\.0\.0\.200/32 .* is excluded"),
        (("10.0.0.0/26", "10.0.0.64/27", "10.0.0.96/27", "10.0.0.0/32"), {}, Overlap, "share addresses"),
        (("10.0.0.64/26", "10.0.0.204/31"), {}, Overlap, r"10\.0\.0\.204/31 is not free"),
        (("2001:db8::/64",), {}, InvalidValue, "is not of the space and family of its parent 'root'"),
        (("10.0.0.64/26",), {"space": "t"}, InvalidValue, "is not of the space and family of its parent"),
        (("10.0.0.64/26",), {"scope": "public"}, InvalidValue, "is public and its parent 'root' is private"),
        (("10.0.0.64/26",), {"parent": "nobody"}, NotFound, "there is no pool 'nobody'"),
        (("10.0.0.64/26",), {"parent": "child"}, NotFound, "there is no pool 'child'"),
        (("10.0.0.64/26",), {"psid_offset": 6}, NotSupported, "neither a parent nor a child"),
        (("10.0.0.64/26",), {"delegated_length": 56}, InvalidValue, "cannot delegate /56 prefixes"),
    ],
)
def test_a_child_pool_that_cannot_be(
    spaces: Database,
    prefixes: Sequence[str],
    options: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    """The parent has an exclusion in 10.0.0.192/26, and a block beside it; nothing changes."""
    add(spaces, "root", "10.0.0.0/24", exclude=("10.0.0.200/32",))
    serve(spaces, "bng1/r", "root", 30)
    assert take(spaces, "bng1/r") == ["10.0.0.204/30"]
    before = free_rows(spaces, "root")
    with pytest.raises(error, match=words):
        add(spaces, "child", *prefixes, **{"parent": "root", **options})
    assert free_rows(spaces, "root") == before
    assert usage(spaces, "root")["free"] == "251"


def test_a_pool_with_shared_ports_is_no_parent(spaces: Database) -> None:
    add(spaces, "map", "192.0.2.0/24", psid_offset=6)
    with pytest.raises(NotSupported, match="neither a parent nor a child"):
        add(spaces, "child", "192.0.2.0/25", parent="map")


def test_what_was_held_in_a_child_is_held_in_its_parent(spaces: Database) -> None:
    """Somebody else's configuration does not go away with the child pool that it was seen in."""
    add(spaces, "root", "10.0.0.0/24")
    add(spaces, "child", "10.0.0.0/26", parent="root")
    span = parse_prefix("10.0.0.16/30").range
    with spaces.write() as tx:
        device = devices.find_device(tx, "bng1")
        assert device is not None
        tx.run(
            "INSERT INTO seen_range (device_id, path, keys, space_id, family, first, last, drained, since)"
            " VALUES (:device, 'p', 'k', :space, 4, :first, :last, 0, :now)",
            device=device.id,
            space=device.space_id,
            first=span.first_key,
            last=span.last_key,
            now=tx.now,
        )
        hold(tx, device.space_id, span, device.id, "seen")
    assert usage(spaces, "child") == {"total": "60", "free": "60", "held": "4"}
    assert usage(spaces, "root") == {"total": "256", "child": "64", "free": "192"}
    change(spaces, ME, [RemovePool("child")])
    assert usage(spaces, "root") == {"total": "252", "free": "252", "held": "4"}
    with spaces.write() as tx:
        tx.run("DELETE FROM seen_range")
        release_held(tx, device.id, [])
    assert written_rows(spaces, "root") == ["10.0.0.0/24"]


# --- Scope ----------------------------------------------------------------------------------------


def test_public_space_is_unique_across_all_spaces(spaces: Database) -> None:
    add(spaces, "here", "198.51.100.0/24", scope="public")
    with pytest.raises(Overlap, match=r"of pool 'here' in space 's'"):
        add(spaces, "there", "198.51.100.128/25", scope="public", space="t")
    add(spaces, "inside", "198.51.100.0/24", space="t")
    add(spaces, "other", "203.0.113.0/24", scope="public", space="t")
    with pytest.raises(Overlap):
        add(spaces, "more", "203.0.112.0/23", scope="public")


def test_children_of_public_pools_are_public_too(spaces: Database) -> None:
    add(spaces, "here", "198.51.100.0/24", scope="public")
    with pytest.raises(InvalidValue, match="is private and its parent 'here' is public"):
        add(spaces, "child", "198.51.100.0/26", parent="here")
    add(spaces, "child", "198.51.100.0/26", parent="here", scope="public")
    with pytest.raises(Overlap):
        add(spaces, "there", "198.51.100.0/28", scope="public", space="t")
    change(spaces, ME, [RemovePool("child")])
    with pytest.raises(Overlap):
        add(spaces, "there", "198.51.100.0/28", scope="public", space="t")


def test_the_same_private_prefix_serves_in_two_spaces(spaces: Database) -> None:
    add(spaces, "one", "10.0.0.0/30")
    add(spaces, "two", "10.0.0.0/30", space="t")
    serve(spaces, "bng1/x", "one", 30)
    serve(spaces, "bng3/x", "two", 30)
    assert take(spaces, "bng1/x") == take(spaces, "bng3/x") == ["10.0.0.0/30"]


# --- Shared ports ---------------------------------------------------------------------------------


@pytest.fixture
def shared(spaces: Database) -> Database:
    """Pool `map` of 4 addresses with PSID offset 6; bng1/m and bng2/m draw /36 from it."""
    add(spaces, "map", "192.0.2.0/30", psid_offset=6)
    serve(spaces, "bng1/m", "map", 36)
    serve(spaces, "bng2/m", "map", 36)
    return spaces


def test_an_address_has_one_owner(shared: Database) -> None:
    assert take(shared, "bng1/m") == ["192.0.2.0/32 psid 0/4"]
    assert take(shared, "bng2/m") == ["192.0.2.1/32 psid 0/4"]
    assert take(shared, "bng1/m", 2) == ["192.0.2.0/32 psid 1/4", "192.0.2.0/32 psid 2/4"]
    assert take(shared, "bng2/m", 15)[-1] == "192.0.2.1/32 psid 15/4"
    assert usage(shared, "map") == {"total": "4", "allocated": "1.1875", "free": "2.8125"}
    assert take(shared, "bng2/m", 1, 31) == ["192.0.2.2/31"]
    with pytest.raises(Exhausted):
        take(shared, "bng2/m")
    assert views.show_pool(shared, "map")["usage"].get("largest-free-length") is None
    assert views.show_pool(shared, "map")["usage"]["fragmentation"] == 100
    assert len(take(shared, "bng1/m", 13)) == 13


def test_all_of_an_address_comes_back_as_a_fresh_pools(shared: Database, clock: ManualClock) -> None:
    fresh = free_rows(shared, "map")
    take(shared, "bng1/m", 20)
    take(shared, "bng2/m", 5, 34)
    release(shared, ME, [f"b{number}" for number in (1, 25, 3, 20, 22)])
    force_release(shared, ME, [f"b{number}" for number in range(1, 26) if number not in (1, 25, 3, 20, 22)])
    rest(shared, clock)
    assert free_rows(shared, "map") == fresh
    with shared.read() as tx:
        assert tx.all("SELECT DISTINCT tenant FROM free_block") == [(0,)]


def test_quarantine_keeps_an_address_for_its_owner(shared: Database, clock: ManualClock) -> None:
    take(shared, "bng1/m")
    force_release(shared, ME, ["b1"])
    assert take(shared, "bng2/m", 48)[0] == "192.0.2.1/32 psid 0/4"
    with pytest.raises(Exhausted):
        take(shared, "bng2/m")
    assert take(shared, "bng1/m") == ["192.0.2.0/32 psid 1/4"]
    release(shared, ME, ["b50"])
    rest(shared, clock)
    assert take(shared, "bng2/m") == ["192.0.2.0/32 psid 0/4"]


def test_what_is_left_of_an_address_is_used_up_first(shared: Database) -> None:
    assert take(shared, "bng1/m", 1, 40) == ["192.0.2.0/32 psid 0/8"]
    assert take(shared, "bng1/m", 1, 33) == ["192.0.2.0/32 psid 1/1"]
    assert take(shared, "bng1/m", 1, 33) == ["192.0.2.1/32 psid 0/1"]
    assert take(shared, "bng1/m", 1, 34) == ["192.0.2.0/32 psid 1/2"]


def test_a_particular_port_set_is_given(shared: Database) -> None:
    answer = allocate(shared, ME, "bng1/m", prefix="192.0.2.1/32 psid 5/4")
    assert [written(block) for block in answer["block"]] == ["192.0.2.1/32 psid 5/4"]
    with pytest.raises(Held, match=r"192\.0\.2\.1/32 psid 6/4 is not free: its address is shared"):
        allocate(shared, ME, "bng2/m", prefix="192.0.2.1/32 psid 6/4")
    with pytest.raises(Overlap, match="bng1/m has b1"):
        allocate(shared, ME, "bng2/m", prefix="192.0.2.1/32")
    with pytest.raises(Overlap, match="bng1/m has b1"):
        allocate(shared, ME, "bng1/m", prefix="192.0.2.1/32 psid 2/3")
    allocate(shared, ME, "bng1/m", prefix="192.0.2.1/32 psid 6/4")
    with pytest.raises(InvalidValue, match="/43 is not a block length"):
        allocate(shared, ME, "bng1/m", prefix="192.0.2.0/32 psid 0/11")


def test_a_number_of_addresses_is_had_where_ports_are_shared(shared: Database) -> None:
    answer = allocate(shared, ME, "bng1/m", addresses=3)
    assert usage(shared, "map")["allocated"] == "3"
    assert {block["device-pool"] for block in answer["block"]} == {"bng1/m"}
    with pytest.raises(Exhausted, match="2 addresses were asked for 'bng2/m'"):
        allocate(shared, ME, "bng2/m", addresses=2)


def test_a_quota_counts_port_sets_as_parts_of_addresses(shared: Database) -> None:
    change(shared, ME, [SetQuota("most", "pool", "map", 1)])
    take(shared, "bng1/m", 12)
    take(shared, "bng2/m", 4)
    with pytest.raises(LimitReached, match="quota 'most'"):
        take(shared, "bng2/m")


def test_port_routed_port_sets_have_any_owner(spaces: Database) -> None:
    add(spaces, "free", "192.0.2.0/31", psid_offset=0, port_routed=True)
    serve(spaces, "bng1/m", "free", 36)
    serve(spaces, "bng2/m", "free", 36)
    assert take(spaces, "bng1/m") == ["192.0.2.0/32 psid 0/4"]
    assert take(spaces, "bng2/m") == ["192.0.2.0/32 psid 1/4"]
    release(spaces, ME, ["b1", "b2"])
    assert written_rows(spaces, "free") == ["192.0.2.0/31"]


def test_the_database_refuses_a_second_owner_of_an_address(shared: Database) -> None:
    """Whatever the program believes: b1 and b2 are bng1's, b3 is bng2's, on the next address."""
    take(shared, "bng1/m", 2)
    take(shared, "bng2/m")
    insert = (
        "INSERT INTO block (id, pool_id, space_id, public, family, first, last, length, device_pool_id,"
        " owner_id, shared, wanted, state, allocated_at, changed_at)"
        " SELECT :id, pool_id, space_id, public, family, :first, :last, length, device_pool_id,"
        " (SELECT owner_id FROM block WHERE id = :like), shared, wanted, state, allocated_at, changed_at"
        " FROM block WHERE id = 1"
    )
    spot = Prefix(Family.PORTS, (0xC0000200 << 16) | 0x8000, 36)
    keys = {"first": spot.first_key, "last": spot.last_key}
    with pytest.raises(Overlap), shared.write() as tx:
        tx.run(insert, id=100, like=3, **keys)
    with pytest.raises(Overlap), shared.write() as tx:
        tx.run("UPDATE block SET owner_id = (SELECT owner_id FROM block WHERE id = 3) WHERE id = 1")
    with pytest.raises(Overlap), shared.write() as tx:
        tx.run("UPDATE block SET first = :first, last = :last WHERE id = 3", **keys)
    with shared.write() as tx:
        tx.run(insert, id=100, like=1, **keys)


def test_a_port_set_is_shown_with_its_offset_everywhere(shared: Database) -> None:
    """RFC 7597, 5.1: without the offset an id says nothing of ports."""
    document = {"prefix": "192.0.2.0/32", "psid-offset": 6, "psid": 0, "psid-length": 4}
    given = allocate(shared, ME, "bng1/m")["block"][0]
    past = release(shared, ME, ["192.0.2.0/32 psid 0/4 offset 6"])["block"][0]
    again = allocate(shared, ME, "bng1/m", prefix="192.0.2.0/32 psid 0/4 offset 6")["block"][0]
    listed = views.list_blocks(shared)[0]
    traced = trace(shared, "192.0.2.0:1030")["block"][0]
    for shown in (given, past, again, listed, traced):
        assert {name: shown[name] for name in document} == document
    with pytest.raises(NotFound, match=r"192\.0\.2\.0/32 psid 0/4 offset 4"):
        release(shared, ME, ["192.0.2.0/32 psid 0/4 offset 4"])
    with pytest.raises(InvalidValue, match="has the PSID offset 4, and the pools of 'bng2/m' have 6"):
        allocate(shared, ME, "bng2/m", prefix="192.0.2.1/32 psid 0/4 offset 4")
    with pytest.raises(Overlap, match=r"bng1/m has b2 192\.0\.2\.0/32 psid 0/4 offset 6"):
        allocate(shared, ME, "bng2/m", prefix="192.0.2.0/32 psid 0/4")
    assert views.audit(shared, limit=1, block="b2")[0]["subject"] == "b2 192.0.2.0/32 psid 0/4 offset 6"


def test_a_port_set_shows_its_ports(shared: Database) -> None:
    take(shared, "bng1/m", 2)
    block = views.show_block(shared, "192.0.2.0/32 psid 0x1/4")
    assert (block["id"], block["prefix"], block["psid"], block["psid-length"]) == ("b2", "192.0.2.0/32", 1, 4)
    assert block["psid-offset"] == 6
    assert len(block["port-range"]) == 63
    assert block["port-range"][0] == {"first": 1088, "last": 1151}
    assert views.show_block(shared, "b1")["port-range"][0] == {"first": 1024, "last": 1087}
    take(shared, "bng1/m", 1, 31)
    assert not {"psid", "psid-offset", "port-range"} & views.show_block(shared, "b3").keys()
    with pytest.raises(NotFound, match=r"no block has the prefix 192\.0\.2\.0/32 psid 9/4"):
        views.show_block(shared, "192.0.2.0/32 psid 9/4")
    assert release(shared, ME, ["192.0.2.0/32 psid 1/4"])["block"][0]["id"] == "b2"
    assert views.show_block(shared, "b2")["psid"] == 1


def test_shared_ports_are_named_in_words(shared: Database) -> None:
    refused(
        shared,
        InvalidValue,
        "/43 is not a block length of ipv4 with shared ports",
        lambda: allocate(shared, ME, "bng1/m", length=43),
    )
    refused(
        shared,
        InvalidValue,
        "the gateway 2001:db8::1 is not ipv4",
        lambda: configure(shared, AddDevicePool("bng1/n", ("map",), 36, gateway="2001:db8::1")),
    )


@pytest.mark.parametrize("offset", [0, 6, 15])
def test_the_longest_port_set_leaves_room_for_the_offset(spaces: Database, offset: int) -> None:
    add(spaces, "map", "192.0.2.0/32", psid_offset=offset)
    serve(spaces, "bng1/m", "map", 48 - offset)
    with pytest.raises(InvalidValue, match=f"--length .*{48 - offset}"):
        serve(spaces, "bng1/n", "map", 49 - offset)
    with pytest.raises(InvalidValue):
        take(spaces, "bng1/m", 1, 49 - offset)
    assert take(spaces, "bng1/m") == [f"192.0.2.0/32 psid 0/{16 - offset}"]
    assert usage(spaces, "map")["allocated"] == f"{2.0 ** (offset - 16):.16f}".rstrip("0")


@pytest.mark.parametrize(
    ("prefix", "options", "words"),
    [
        ("2001:db8::/32", {"psid_offset": 6}, "shares ports and is IPv6"),
        ("192.0.2.0/24", {"psid_offset": 16}, "16 is not a PSID offset"),
        ("192.0.2.0/24", {"psid_offset": -1}, "-1 is not a PSID offset"),
        ("192.0.2.0/24", {"port_routed": True}, "is port-routed and shares no ports"),
        ("192.0.2.0/24", {"delegated_length": 28}, "cannot delegate /28 prefixes"),
        ("2001:db8::/32", {"delegated_length": 31}, "cannot delegate /31 prefixes"),
        ("2001:db8::/32", {"delegated_length": 129}, "cannot delegate /129 prefixes"),
        ("192.0.2.0/24", {"strategy": "random"}, "'random' is not a strategy"),
    ],
)
def test_a_kind_that_is_none(spaces: Database, prefix: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        add(spaces, "odd", prefix, **options)


# --- Delegated prefixes ---------------------------------------------------------------------------


def test_delegated_prefixes_are_counted(spaces: Database) -> None:
    add(spaces, "pd", "2001:db8::/32", delegated_length=56, exclude=("2001:db8::/48",))
    shown = views.show_pool(spaces, "pd")
    assert shown["delegated-length"] == 56
    assert shown["usage"]["delegated-prefixes"] == str((1 << 24) - 256)
    serve(spaces, "bng1/pd", "pd", 40)
    assert take(spaces, "bng1/pd") == ["2001:db8:100::/40"]
    assert views.show_block(spaces, "b1")["delegated-prefixes"] == str(1 << 16)
    assert take(spaces, "bng1/pd", 1, 56) == ["2001:db8:1::/56"]
    assert views.show_block(spaces, "b2")["delegated-prefixes"] == "1"
    with pytest.raises(InvalidValue, match="56"):
        take(spaces, "bng1/pd", 1, 57)
    with pytest.raises(InvalidValue, match="56"):
        serve(spaces, "bng1/longer", "pd", 57)


# --- Lengths --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "whole"), [(Family.IPV4, "0.0.0.0/0"), (Family.IPV6, "::/0")])
def test_blocks_of_every_length_from_a_whole_family(spaces: Database, family: Family, whole: str) -> None:
    """One of each length from 1 to the longest, one more of the longest: all that there is, exactly."""
    add(spaces, "all", whole)
    serve(spaces, "bng1/all", "all", family.width)
    given = []
    for length in range(1, family.width + 1):
        (prefix,) = take(spaces, "bng1/all", 1, length)
        assert prefix.endswith(f"/{length}")
        given.append(parse_prefix(prefix))
    given.append(parse_prefix(take(spaces, "bng1/all")[0]))
    assert sum(prefix.size for prefix in given) == 1 << family.width
    with pytest.raises(Exhausted):
        take(spaces, "bng1/all")
    assert usage(spaces, "all") == {"total": str(1 << family.width), "allocated": str(1 << family.width)}
    release(spaces, ME, [f"b{number}" for number in range(1, family.width + 2)])
    assert written_rows(spaces, "all") == [whole]


def test_no_block_is_a_whole_family(spaces: Database) -> None:
    add(spaces, "all", "::/0")
    with pytest.raises(InvalidValue, match="/0 is not a block length of ipv6: give --length 1 to 128"):
        serve(spaces, "bng1/all", "all", 0)
    serve(spaces, "bng1/all", "all", 64)
    with pytest.raises(InvalidValue, match="/0 is not a block length of ipv6: give --length 1 to 128"):
        take(spaces, "bng1/all", 1, 0)


@pytest.mark.parametrize("prefix", ["0.0.0.0/1", "128.0.0.0/1", "8000::/1", "255.255.255.255/32", "::/128"])
def test_pools_at_the_ends(spaces: Database, prefix: str) -> None:
    add(spaces, "end", prefix)
    length = parse_prefix(prefix).length
    serve(spaces, "bng1/end", "end", length)
    assert take(spaces, "bng1/end") == [prefix]
    assert views.show_pool(spaces, "end")["usage"].get("fragmentation") is None
    release(spaces, ME, ["b1"])
    assert written_rows(spaces, "end") == [prefix]


def test_a_pool_of_all_port_sets(spaces: Database) -> None:
    add(spaces, "all", "0.0.0.0/0", psid_offset=0)
    serve(spaces, "bng1/all", "all", 48)
    assert take(spaces, "bng1/all", 2) == ["0.0.0.0/32 psid 0/16", "0.0.0.0/32 psid 1/16"]
    assert take(spaces, "bng1/all", 1, 1) == ["128.0.0.0/1"]
    release(spaces, ME, ["b1", "b2", "b3"])
    assert written_rows(spaces, "all") == ["0.0.0.0/0"]


# --- What spaces use ------------------------------------------------------------------------------


def test_a_space_counts_its_pools_together(spaces: Database) -> None:
    assert views.show_space(spaces, "s")["usage"] == []
    add(spaces, "root", "10.0.0.0/24", exclude=("10.0.0.0/30",))
    add(spaces, "child", "10.0.0.64/26", parent="root", exclude=("10.0.0.64/31",))
    add(spaces, "map", "192.0.2.0/30", psid_offset=6)
    add(spaces, "six", "2001:db8::/126")
    add(spaces, "elsewhere", "10.0.0.0/8", space="t")
    serve(spaces, "bng1/c", "child", 30)
    serve(spaces, "bng1/m", "map", 36)
    take(spaces, "bng1/c", 2)
    take(spaces, "bng1/m", 8)
    force_release(spaces, ME, ["b1"])
    four, six = views.show_space(spaces, "s")["usage"]
    assert four == {
        "family": "ipv4",
        "total-addresses": str(256 - 4 - 2 + 4),
        "allocated-addresses": "4.5",
        "quarantined-addresses": "4",
        "child-addresses": "0",
        "free-addresses": "245.5",
        "excluded-addresses": "6",
        "reserved-addresses": "0",
        "held-addresses": "0",
        "largest-free-length": 25,
        "fragmentation": 47,
        "block-count": [{"state": "quarantined", "blocks": "1"}, {"state": "reserved", "blocks": "9"}],
        "length-count": [{"length": 30, "blocks": "2"}, {"length": 36, "blocks": "8"}],
    }
    assert (six["family"], six["total-addresses"], six["fragmentation"]) == ("ipv6", "4", 0)


# --- CGN ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("access", ["map", "lw4over6"])
def test_a_cgn_that_is_a_border_relay_too_gets_port_sets_for_that(shared: Database, access: str) -> None:
    configure(
        shared,
        AddDevice("cgn1", "cgn", "ietf-nat", "192.0.2.99", 830, "casm", "env:SECRET", "s"),
        AddDevicePool("cgn1/relay", ("map",), 36, access=access),
    )
    (block,) = allocate(shared, ME, "cgn1/relay")["block"]
    assert block["psid-length"] == 4


def test_a_cgn_gets_whole_addresses(shared: Database) -> None:
    """It shares their ports out itself: a port set would be shared twice."""
    configure(
        shared,
        AddDevice("cgn1", "cgn", "ietf-nat", "192.0.2.99", 830, "casm", "env:SECRET", "s"),
        AddPool("six", "s", ("2001:db8::/32",)),
    )

    def outside(length: int, name: str = "cgn1/outside") -> None:
        configure(shared, AddDevicePool(name, ("map",), length))

    refused(shared, InvalidValue, "/36 is a port set, and 'cgn1/outside' goes to a CGN", lambda: outside(36))
    outside(32)
    configure(shared, AddDevicePool("cgn1/six", ("six",), 56))
    for asked in ({"length": 33}, {"prefix": "192.0.2.9/32 psid 1/4"}, {"addresses": 1, "length": 36}):
        refused(
            shared,
            InvalidValue,
            "is a port set, and 'cgn1' is a CGN, which gets whole addresses",
            lambda asked=asked: allocate(shared, ME, "cgn1/outside", **asked),  # type: ignore[misc]
        )
    assert len(allocate(shared, ME, "cgn1/outside", count=2)["block"]) == 2
    assert allocate(shared, ME, "cgn1/six")["block"][0]["prefix"] == "2001:db8::/56"
    configure(shared, AddGroup("both", (("bng1", "serves"), ("cgn1", "stands-by"))))
    refused(
        shared,
        InvalidValue,
        "/36 is a port set, and 'bng1/both' goes to a CGN",
        lambda: configure(shared, AddDevicePool("bng1/both", ("map",), 36, group="both")),
    )
