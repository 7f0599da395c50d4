"""Pools of every kind against a naive model: sets of sixteenths of addresses, each with its owner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from casm_ctrl.addressing.ports import parse_block
from casm_ctrl.addressing.prefix import Family, Prefix, parse_prefix
from casm_ctrl.base.clock import SECOND, ManualClock
from casm_ctrl.base.errors import Exhausted, InUse, Refusal
from casm_ctrl.service import views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddPool,
    AddSpace,
    Edit,
    RemoveDevicePool,
    RemovePool,
    change,
)
from casm_ctrl.service.release import force_release, release
from casm_ctrl.service.rest import free_rested
from casm_ctrl.store import free_space, pools
from casm_ctrl.store.events import Author
from tests.stores import MakeStore

ME = Author("tester", reason="test")
OWNERS = ("bng1", "bng2")
REST = 600
PARTS = 16
"""Port sets are /36 at the longest here: sixteenths of an address."""
ROOT = "192.0.2.0/29"
BASE = parse_prefix(ROOT).first
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "shared": {"psid_offset": 6},
    "routed": {"psid_offset": 0, "port_routed": True},
}
CHILDREN = ("192.0.2.0/30", "192.0.2.0/31", "192.0.2.4/31", "192.0.2.5/32", "192.0.2.6/31")


def units(prefixes: Iterable[Prefix]) -> set[int]:
    """Sixteenths of addresses, counted from the root's first."""
    found: set[int] = set()
    for prefix in prefixes:
        wide = prefix.of(Family.PORTS)
        first = ((wide.first >> 12) - BASE * PARTS, wide.size >> 12)
        found.update(range(first[0], first[0] + first[1]))
    return found


@dataclass
class ModelBlock:
    pool: str
    owner: str
    units: set[int]
    rest_until: int | None = None


@dataclass
class ModelPool:
    own: set[int]
    kind: str
    parent: str | None = None
    prefix: str = ROOT
    children: list[str] = field(default_factory=list)


class KindsMachine(RuleBasedStateMachine):
    """Allocate, release, rest; make and remove child pools, and children of these."""

    make_store: ClassVar[MakeStore]

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.database = type(self).make_store(self.clock)
        self.pools: dict[str, ModelPool] = {}
        self.blocks: dict[int, ModelBlock] = {}
        self.rested: dict[int, ModelBlock] = {}

    @initialize(kind=st.sampled_from(sorted(KINDS)))
    def begin(self, kind: str) -> None:
        edits: list[Any] = [AddSpace("s")]
        for number, name in enumerate(OWNERS, start=1):
            host = f"192.0.2.{number}"
            edits.append(AddDevice(name, "bng", "ietf-address-pool", host, 830, "casm", "env:SECRET", "s"))
        change(self.database, ME, edits)
        self._add("root", kind, ROOT, None)

    def _add(self, name: str, kind: str, prefix: str, parent: str | None) -> None:
        pool = AddPool(name, "s", (prefix,), quarantine=REST, lease_time=REST, parent=parent, **KINDS[kind])
        change(
            self.database, ME, [pool, *(AddDevicePool(f"{owner}/{name}", (name,), 32) for owner in OWNERS)]
        )
        self.pools[name] = ModelPool(units([parse_prefix(prefix)]), kind, parent, prefix)

    # Child pools

    @rule(data=st.data(), choice=st.integers(0, len(CHILDREN) - 1))
    def add_child(self, data: st.DataObject, choice: int) -> None:
        name, prefix = f"c{choice}", CHILDREN[choice]
        if name in self.pools or self.pools["root"].kind != "plain":
            return
        parent = data.draw(st.sampled_from(sorted(self.pools)))
        wanted = units([parse_prefix(prefix)])
        try:
            self._add(name, "plain", prefix, parent)
        except Refusal:
            assert not wanted <= self._free(parent)
            return
        assert wanted <= self._free(parent), "it cut what was not free"
        self.pools[parent].children.append(name)

    @rule(choice=st.integers(0, len(CHILDREN) - 1))
    def remove_child(self, choice: int) -> None:
        name = f"c{choice}"
        if name not in self.pools:
            return
        used = self.pools[name].children or any(block.pool == name for block in self.blocks.values())
        edits: list[Edit] = [*(RemoveDevicePool(f"{owner}/{name}") for owner in OWNERS), RemovePool(name)]
        try:
            change(self.database, ME, edits)
        except InUse:
            assert used
            return
        assert not used
        parent = self.pools.pop(name).parent
        assert parent is not None
        self.pools[parent].children.remove(name)

    # Blocks

    @rule(
        data=st.data(),
        owner=st.sampled_from(OWNERS),
        count=st.integers(1, 6),
        length=st.integers(30, 36),
    )
    def allocate(self, data: st.DataObject, owner: str, count: int, length: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.pools)))
        if self.pools[name].kind == "plain":
            length = min(length, 32)
        self._rest()
        allowed = self._free(name) - self._others(name, owner)
        try:
            answer = allocate(self.database, ME, f"{owner}/{name}", count=count, length=length)
        except Exhausted:
            size = 1 << (36 - length)
            starts = [u for u in allowed if u % size == 0 and allowed.issuperset(range(u, u + size))]
            assert len(starts) < count, "it refused what it had"
            self.blocks |= self.rested
            return
        for block in answer["block"]:
            port_set = f" psid {block['psid']}/{block['psid-length']}" if "psid" in block else ""
            taken = units([parse_block(f"{block['prefix']}{port_set}")])
            assert len(taken) == 1 << (36 - length)
            assert taken <= allowed, "it gave what was not this owner's to have"
            allowed -= taken
            self.blocks[int(block["id"][1:])] = ModelBlock(name, owner, taken)

    @rule(data=st.data(), count=st.integers(1, 5), forced=st.booleans())
    def release(self, data: st.DataObject, count: int, forced: bool) -> None:
        live = sorted(number for number, block in self.blocks.items() if block.rest_until is None)
        if not live:
            return
        chosen = data.draw(st.lists(st.sampled_from(live), min_size=1, max_size=count, unique=True))
        names = [f"b{number}" for number in chosen]
        if forced:
            force_release(self.database, ME, names)
            for number in chosen:
                self.blocks[number].rest_until = self.clock.now() + REST * SECOND
            return
        release(self.database, ME, names)
        for number in chosen:
            del self.blocks[number]

    @rule(seconds=st.sampled_from([REST // 2, REST]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)
        with self.database.write() as tx:
            free_rested(tx)
        self._rest()

    def _rest(self) -> None:
        now = self.clock.now()
        self.rested = {
            n: b for n, b in self.blocks.items() if b.rest_until is not None and b.rest_until <= now
        }
        for number in self.rested:
            del self.blocks[number]

    # The model

    def _free(self, name: str) -> set[int]:
        pool = self.pools[name]
        taken = [block.units for block in self.blocks.values() if block.pool == name]
        return pool.own.difference(*taken, *(self.pools[child].own for child in pool.children))

    def _others(self, name: str, owner: str) -> set[int]:
        """All of the addresses of which another owner has a port set."""
        if self.pools[name].kind != "shared":
            return set()
        foreign = {
            unit // PARTS
            for b in self.blocks.values()
            if b.owner != owner and b.pool == name
            for unit in b.units
        }
        return {unit for unit in self.pools[name].own if unit // PARTS in foreign}

    @invariant()
    def rows_are_the_model(self) -> None:
        with self.database.read() as tx:
            for name, pool in self.pools.items():
                row = pools.find_pool(tx, name)
                assert row is not None
                left = free_space.free_prefixes(tx, row.id, row.family)
                assert units(left) == self._free(name)
                assert sum(len(units([prefix])) for prefix in left) == len(self._free(name))
                if not pool.children and not any(block.pool == name for block in self.blocks.values()):
                    assert [str(prefix) for prefix in left] == [pool.prefix], "not as fresh"
                kept = tx.all(
                    "SELECT owner.name, first, length FROM free_block JOIN owner ON owner.id = tenant"
                    " WHERE pool_id = :pool",
                    pool=row.id,
                )
                for owner, first, length in kept:
                    address = {unit // PARTS for unit in units([Prefix.read(4, first, length)])}
                    assert {
                        block.owner
                        for block in self.blocks.values()
                        if address & {unit // PARTS for unit in block.units}
                    } == {owner}

    @invariant()
    def usage_is_exact(self) -> None:
        for name, pool in self.pools.items():
            mine = [block for block in self.blocks.values() if block.pool == name]
            resting = sum(len(block.units) for block in mine if block.rest_until is not None)
            expected = {
                "total": len(pool.own),
                "allocated": sum(len(block.units) for block in mine) - resting,
                "quarantined": resting,
                "child": sum(len(self.pools[child].own) for child in pool.children),
                "free": len(self._free(name)),
            }
            usage = views.show_pool(self.database, name)["usage"]
            assert {kind: float(usage[f"{kind}-addresses"]) * PARTS for kind in expected} == expected

    @invariant()
    def the_space_counts_each_address_once(self) -> None:
        if not self.pools:
            return
        (usage,) = views.show_space(self.database, "s")["usage"]
        assert usage["total-addresses"] == "8"
        free = sum(len(self._free(name)) for name in self.pools)
        assert float(usage["free-addresses"]) * PARTS == free

    def teardown(self) -> None:
        self.database.close()


def test_every_kind_of_pool_is_as_the_model(make_store: MakeStore) -> None:
    machine = type("Machine", (KindsMachine,), {"make_store": staticmethod(make_store)})
    examples = 30 if make_store.dialect == "sqlite" else 5
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None)
    )
