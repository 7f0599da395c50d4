"""The audit of what all devices run: an overlap is found exactly where there is one."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import Family, Prefix, Range, parse_prefix, parse_range
from casm_ctrl.base.clock import Micros
from casm_ctrl.drivers.interface import ObjectKey, Seen, SeenRange
from casm_ctrl.service.desired import Desired, DesiredPool
from casm_ctrl.service.network import Network
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.devices import DevicePoolRow, DeviceRow
from casm_ctrl.store.observations import ObjectRow
from casm_ctrl.store.spaces import StoreRow
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.sync.network_audit import Fault, Reading, audit

SPACES = {1: "internet", 2: "vpn"}


def device(name: str, space: int = 1) -> Desired:
    row = DeviceRow(
        id=1,
        name=name,
        owner_id=1,
        role="bng",
        driver="ietf-address-pool",
        host="127.0.0.1",
        port=830,
        username="u",
        credential="env:X",
        host_key=None,
        space_id=space,
        space=SPACES[space],
        deadlines={},
        edit_generation=0,
        sync_state="in-sync",
        seen_at=None,
        error=None,
        client="asyncssh",
        on_drift="report",
    )
    return Desired("k3f9qa", Micros(0), row, (), (), {}, (), None, 0)


def network(*public: Prefix) -> Network:
    instances = {name: {"red": 2} for name in "abcd"}
    return Network(StoreRow("k3f9qa", 0, 1), SPACES, instances, public)


def reading(name: str, *ranges: Range, space: int = 1, instance: str | None = None) -> Reading:
    seen = tuple(
        SeenRange(ObjectKey("range", (name, str(number))), span, network_instance=instance)
        for number, span in enumerate(ranges)
    )
    return Reading(device(name, space), Seen((), seen))


spans = st.builds(
    lambda family, first, size: Range(family, first, first + size),
    st.sampled_from([Family.IPV4, Family.IPV6]),
    st.integers(0, 200),
    st.integers(0, 40),
)


@given(st.lists(st.tuples(st.sampled_from("abcd"), spans), max_size=12))
def test_an_overlap_is_found_exactly_where_there_is_one(placed: list[tuple[str, Range]]) -> None:
    by_device: dict[str, list[Range]] = {}
    for name, span in placed:
        by_device.setdefault(name, []).append(span)
    found = audit((reading(name, *ranges) for name, ranges in by_device.items()), network())
    overlapping = any(a.overlaps(b) for (_, a), (_, b) in combinations(placed, 2))
    assert bool(found) == overlapping
    assert all(finding.fault is Fault.TWICE for finding in found)
    for finding in found:
        assert finding.range is not None
        assert all(any(r.overlaps(finding.range) for r in by_device[name]) for name in finding.devices)


def test_port_sets_of_one_address_do_not_meet() -> None:
    address = parse_prefix("192.0.2.1/32").first << 16
    first, second = (Prefix(Family.PORTS, address | n << 12, 36).range for n in (1, 2))
    assert audit([reading("a", first), reading("b", second)], network()) == ()
    whole = parse_range("192.0.2.1", "192.0.2.1")
    assert [f.devices for f in audit([reading("a", first), reading("b", whole)], network())] == [("b", "a")]


def test_spaces_may_overlap_except_in_public_pools() -> None:
    span = parse_range("192.0.2.10", "192.0.2.20")
    here, there = reading("a", span), reading("b", span, instance="red")
    assert audit([here, there], network()) == ()
    (finding,) = audit([here, there], network(parse_prefix("192.0.2.0/24")))
    assert finding.fault is Fault.TWICE
    assert "public" in finding.words
    assert finding.space is None


def test_an_instance_without_a_space_is_compared_with_nothing() -> None:
    span = parse_range("192.0.2.10", "192.0.2.20")
    assert audit([reading("a", span), reading("b", span, instance="unknown")], network()) == ()


def installed(state: State, wanted: Wanted, *, drained: bool) -> Reading:
    """One block of device a, which is there as it should be but for what is drained."""
    prefix = parse_prefix("192.0.2.0/24")
    block = BlockRow(
        id=1,
        pool_id=1,
        pool="p",
        space_id=1,
        space="internet",
        prefix=prefix,
        device_pool_id=1,
        device_id=1,
        device_pool="a/p",
        owner_id=1,
        wanted=wanted,
        state=state,
        generation=1,
        sent=True,
        proven_empty=False,
        allocated_at=Micros(0),
        changed_at=Micros(0),
        rest_until=None,
        used=None,
        expires_at=None,
    )
    row = DevicePoolRow(1, 1, "a", "p", 1, "p", 24, "none", None, None, "operator", "")
    key = ObjectKey("range", ("a", "0"))
    before = replace(
        device("a"),
        pools=(DesiredPool(row, (), (block,)),),
        objects=(ObjectRow(key.path, key.keys, 1, "wrote"),),
    )
    return Reading(before, Seen((), (SeenRange(key, prefix.range, drained=drained),)))


def test_a_drain_is_as_the_store_says() -> None:
    asked = [
        installed(State.INSTALLED, Wanted.PRESENT, drained=False),
        installed(State.INSTALLED, Wanted.DRAINED, drained=True),
        installed(State.INSTALLED, Wanted.ABSENT, drained=True),
        installed(State.DRAINING, Wanted.PRESENT, drained=True),
    ]
    assert [audit([reading], network()) for reading in asked] == [()] * len(asked)
    for state, wanted, drained in (
        (State.DRAINING, Wanted.DRAINED, False),
        (State.INSTALLED, Wanted.PRESENT, True),
    ):
        (finding,) = audit([installed(state, wanted, drained=drained)], network())
        assert finding.fault is Fault.DIFFERENT
        assert finding.blocks == ("b1",)
