"""Usage is exact whatever happens: a model of address sets beside the verbs, compared after every step."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from casm_ctrl.addressing.prefix import Prefix, Range, parse_prefix
from casm_ctrl.base.clock import SECOND, ManualClock
from casm_ctrl.base.errors import Exhausted, InUse, Overlap
from casm_ctrl.service import views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddPool,
    AddSpace,
    RemoveDevicePool,
    RemovePool,
    change,
)
from casm_ctrl.service.holding import hold, release_held
from casm_ctrl.service.release import cancel_drain, drain, force_release, release
from casm_ctrl.service.rest import free_rested
from casm_ctrl.store import blocks, devices, free_space, pools
from casm_ctrl.store.events import Author
from casm_ctrl.store.states import State, Wanted
from tests.stores import MakeStore

ME = Author("tester", reason="test")
LEASE, QUARANTINE = 500, 100
CHOICES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    # Prefixes and exclusions of the pools that come and go; some overlap.
    (("10.0.0.0/26",), ()),
    (("10.0.0.64/26",), ("10.0.0.64/32", "10.0.0.96/28")),
    (("10.0.0.32/27",), ()),
    (("10.0.1.0/27", "10.0.1.32/27"), ("10.0.1.16/30",)),
    (("2001:db8::/122",), ("2001:db8::/128",)),
    (("2001:db8::20/123", "2001:db8::80/125"), ()),
)


def addresses(*pieces: Prefix | Range) -> set[int]:
    return {address for piece in pieces for address in range(piece.first, piece.last + 1)}


@dataclass
class ModelBlock:
    """A live block as the model knows it."""

    pool: str
    prefix: Prefix
    sent: bool = False
    wanted: Wanted = Wanted.PRESENT
    state: State = State.RESERVED
    rest_until: int | None = None


@dataclass
class ModelPool:
    """A pool as sets of addresses."""

    own: set[int]
    prefixes: list[Prefix]
    held: set[int] = field(default_factory=set)


class UsageMachine(RuleBasedStateMachine):
    """The verbs in any order, on one store, next to a model that knows only sets."""

    make_store: ClassVar[MakeStore]

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.database = type(self).make_store(self.clock)
        self.pools: dict[str, ModelPool] = {}
        self.blocks: dict[int, ModelBlock] = {}

    @initialize()
    def begin(self) -> None:
        device = AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s")
        change(self.database, ME, [AddSpace("s"), device])
        for choice in (0, 3, 4):
            self.add_pool(choice)

    # Configuration

    @rule(choice=st.integers(0, len(CHOICES) - 1))
    def add_pool(self, choice: int) -> None:
        name = f"p{choice}"
        if name in self.pools:
            return
        own, holes = ([parse_prefix(text) for text in given] for given in CHOICES[choice])
        family = own[0].family
        clash = any(
            addresses(*own) & addresses(*pool.prefixes)
            for pool in self.pools.values()
            if pool.prefixes[0].family is family
        )
        texts, excluded = CHOICES[choice]
        pool = AddPool(name, "s", texts, excluded, quarantine=QUARANTINE, lease_time=LEASE)
        length = family.width - 3
        try:
            change(self.database, ME, [pool, AddDevicePool(f"bng1/{name}", (name,), length)])
        except Overlap:
            assert clash
            return
        assert not clash
        self.pools[name] = ModelPool(addresses(*own) - addresses(*holes), own)

    @rule(choice=st.integers(0, len(CHOICES) - 1))
    def remove_pool(self, choice: int) -> None:
        name = f"p{choice}"
        if name not in self.pools:
            return
        used = any(block.pool == name for block in self.blocks.values())
        try:
            change(self.database, ME, [RemoveDevicePool(f"bng1/{name}"), RemovePool(name)])
        except InUse:
            assert used
            return
        assert not used
        del self.pools[name]

    # Allocation

    @rule(data=st.data(), count=st.integers(1, 4), bits=st.integers(0, 5))
    def allocate(self, data: st.DataObject, count: int, bits: int) -> None:
        if not self.pools:
            return
        name = data.draw(st.sampled_from(sorted(self.pools)))
        family = self.pools[name].prefixes[0].family
        self._rest()
        free = self._free(name)
        with suppress(Exhausted):
            answer = allocate(self.database, ME, f"bng1/{name}", count=count, length=family.width - bits)
            for block in answer["block"]:
                prefix = parse_prefix(block["prefix"])
                assert addresses(prefix) <= free, "it gave what was not free"
                free -= addresses(prefix)
                self.blocks[int(block["id"][1:])] = ModelBlock(name, prefix)
            return
        starts = [a for a in free if a % (1 << bits) == 0 and all(a + i in free for i in range(1 << bits))]
        assert len(starts) < count, "it refused what it had"
        self._undo_rest()

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        number = self._choose(data)
        if number is None:
            return
        block = self.blocks[number]
        release(self.database, ME, [f"b{number}"])
        if block.wanted is not Wanted.ABSENT and block.state is not State.QUARANTINED:
            block.wanted = Wanted.ABSENT
            if not block.sent:
                del self.blocks[number]

    @rule(data=st.data(), verb=st.sampled_from([drain, cancel_drain]))
    def drain(self, data: st.DataObject, verb: Any) -> None:
        number = self._choose(data)
        if number is None or self.blocks[number].state not in (State.RESERVED, State.INSTALLED):
            return
        if self.blocks[number].wanted is Wanted.ABSENT:
            return
        verb(self.database, ME, [f"b{number}"])
        self.blocks[number].wanted = Wanted.DRAINED if verb is drain else Wanted.PRESENT

    @rule(data=st.data())
    def force(self, data: st.DataObject) -> None:
        number = self._choose(data)
        if number is None:
            return
        force_release(self.database, ME, [f"b{number}"])
        if self.blocks[number].state is not State.QUARANTINED:
            self._quarantined(number)

    @rule(data=st.data())
    def install(self, data: st.DataObject) -> None:
        number = self._choose(data)
        if number is None or self.blocks[number].state is not State.RESERVED:
            return
        with self.database.write() as tx:
            sent = blocks.mark_sent(tx, blocks.get_block(tx, number))
            blocks.transition(tx, ME, sent, State.INSTALLED, "test", "seen")
        self.blocks[number].state, self.blocks[number].sent = State.INSTALLED, True

    @rule(data=st.data())
    def prove_gone(self, data: st.DataObject) -> None:
        number = self._choose(data)
        if number is None or not self.blocks[number].sent or self.blocks[number].wanted is not Wanted.ABSENT:
            return
        if self.blocks[number].state is State.QUARANTINED:
            return
        with self.database.write() as tx:
            leaving = blocks.transition(
                tx, ME, blocks.get_block(tx, number), State.WITHDRAWING, "test", "sent"
            )
            assert leaving is not None
            blocks.transition(tx, ME, leaving, State.QUARANTINED, "test", "gone")
        self._quarantined(number)

    def _quarantined(self, number: int) -> None:
        block = self.blocks[number]
        block.state, block.wanted = State.QUARANTINED, Wanted.ABSENT
        block.rest_until = self.clock.now() + LEASE * SECOND

    def _choose(self, data: st.DataObject) -> int | None:
        return data.draw(st.sampled_from(sorted(self.blocks))) if self.blocks else None

    # Time

    @rule(seconds=st.sampled_from([1, LEASE // 3, LEASE]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def sweep(self) -> None:
        with self.database.write() as tx:
            freed = free_rested(tx)
        assert freed == self._rest()

    def _rest(self) -> int:
        now = self.clock.now()
        ended = {n: b for n, b in self.blocks.items() if b.rest_until is not None and b.rest_until <= now}
        for number in ended:
            del self.blocks[number]
        self.rested = ended
        return len(ended)

    def _undo_rest(self) -> None:
        """A refused allocation changes nothing, not even what it freed before it refused."""
        self.blocks |= self.rested

    # What others configured

    @rule(first=st.integers(0, 127), size=st.integers(1, 40))
    def hold(self, first: int, size: int) -> None:
        base = parse_prefix("10.0.0.0/24")
        span = Range(base.family, base.first + first, base.first + first + size - 1)
        with self.database.write() as tx:
            device = devices.find_device(tx, "bng1")
            assert device is not None
            hold(tx, device.space_id, span, device.id, "seen")
        for name, pool in self.pools.items():
            if pool.prefixes[0].family is base.family:
                pool.held |= self._free(name) & addresses(span)

    @rule()
    def release_held(self) -> None:
        with self.database.write() as tx:
            device = devices.find_device(tx, "bng1")
            assert device is not None
            release_held(tx, device.id, [])
        for pool in self.pools.values():
            pool.held = set()

    # The comparison

    def _free(self, name: str) -> set[int]:
        pool = self.pools[name]
        taken = [block.prefix for block in self.blocks.values() if block.pool == name]
        return pool.own - pool.held - addresses(*taken)

    @invariant()
    def usage_is_exact(self) -> None:
        for name, pool in self.pools.items():
            mine = [block for block in self.blocks.values() if block.pool == name]
            resting = addresses(*(b.prefix for b in mine if b.state is State.QUARANTINED))
            serving = addresses(*(b.prefix for b in mine if b.state is not State.QUARANTINED))
            usage = views.show_pool(self.database, name)["usage"]
            assert {key: int(value) for key, value in usage.items() if key.endswith("-addresses")} == {
                "total-addresses": len(pool.own - pool.held),
                "allocated-addresses": len(serving),
                "quarantined-addresses": len(resting),
                "child-addresses": 0,
                "free-addresses": len(self._free(name)),
                "excluded-addresses": len(addresses(*pool.prefixes)) - len(pool.own),
                "reserved-addresses": 0,
                "held-addresses": len(pool.held),
            }
            assert int(usage["total-addresses"]) == sum(
                int(usage[f"{kind}-addresses"]) for kind in ("allocated", "quarantined", "free")
            )

    @invariant()
    def counts_are_the_rows(self) -> None:
        with self.database.read() as tx:
            counted = tx.all("SELECT pool_id, state, length, COUNT(*) FROM block GROUP BY 1, 2, 3")
            rows = {(row[0], State(row[1]), row[2]): row[3] for row in counted}
            kept = {
                (pool.id, *key): number
                for pool in pools.list_pools(tx)
                for key, number in blocks.block_counts(tx, pool.id).items()
            }
            assert kept == rows
            for pool in pools.list_pools(tx):
                left = free_space.free_prefixes(tx, pool.id, pool.family)
                assert addresses(*left) == self._free(pool.name)

    def teardown(self) -> None:
        self.database.close()


def test_usage_is_exact_after_any_verbs(make_store: MakeStore) -> None:
    machine = type("Machine", (UsageMachine,), {"make_store": staticmethod(make_store)})
    examples = 25 if make_store.dialect == "sqlite" else 5
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None)
    )
