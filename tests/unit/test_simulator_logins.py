"""Subscribers of a simulated device: who is served, who is refused and when each asks again."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.simulator.logins import AGAIN, Asked, Logins, Unit
from casm_ctrl.simulator.subscribers import Served, Subscribers

HOME: Asked = ("home", 4)
HOMES6: Asked = ("homes6", 6)
START = Micros(1_700_000_000 * SECOND)
NODE = etree.Element("node")


def after(seconds: float) -> Micros:
    return Micros(START + round(seconds * SECOND))


def block(prefix: str, *, pool: str = "home", drained: bool = False, unit: int = 1) -> Served:
    network = ipaddress.ip_network(prefix)
    first, last = int(network[0]), int(network[-1])
    return Served(pool, prefix, network.version, first, last, NODE, unit, drained=drained)


class World:
    """What a device serves, which a test may change, and its logins."""

    def __init__(self, *served: Served, seed: int = 1) -> None:
        self.served: Sequence[Served] = served
        self.subscribers = Subscribers()
        self.logins = Logins(self.subscribers, self._serving, random.Random(seed))

    def _serving(self, asked: Asked) -> Sequence[Served]:
        return [one for one in self.served if (one.pool, one.version) == asked]

    def serve(self, *served: Served, at: float) -> None:
        self.logins.advance(after(at))
        self.served = served
        self.logins.follow(after(at))

    def used(self) -> list[int]:
        return [self.subscribers.count(one).used for one in self.served]

    def waiting(self, at: float, asked: Asked = HOME) -> int:
        self.logins.advance(after(at))
        return self.logins.counts(asked, after(at)).waiting


# --- Who is served --------------------------------------------------------------------------------


def test_blocks_fill_in_their_order_and_the_rest_is_refused() -> None:
    world = World(block("192.0.2.0/28"), block("198.51.100.0/28"))
    assert world.logins.log_in(HOME, 20, START) == 0
    assert world.used() == [16, 4]
    assert world.logins.log_in(HOME, 20, START) == 8
    assert world.used() == [16, 16]
    counts = world.logins.counts(HOME, START)
    assert (counts.present, counts.waiting, counts.served, counts.refused, counts.turned_away) == (
        32,
        8,
        32,
        8,
        8,
    )
    assert world.logins.refused == {HOME: 8}


def test_a_pool_that_is_not_there_refuses_all() -> None:
    world = World()
    assert world.logins.log_in(("nowhere", 4), 5, START) == 5
    assert world.logins.counts(("nowhere", 4), START).waiting == 5
    assert world.logins.counts(("asked by nobody", 4), START).waiting == 0


def test_a_drained_block_keeps_who_is_there_and_takes_nobody() -> None:
    world = World(block("192.0.2.0/28"))
    world.logins.log_in(HOME, 6, START)
    world.serve(block("192.0.2.0/28", drained=True), block("198.51.100.0/28"), at=1)
    world.logins.log_in(HOME, 6, after(1))
    assert world.used() == [6, 6]
    assert world.logins.log_out(HOME, 12) == 12
    assert world.used() == [0, 0]


def test_what_was_put_there_takes_room() -> None:
    world = World(block("192.0.2.0/28"))
    world.subscribers.set("home", "192.0.2.0/28", 10)
    assert world.logins.log_in(HOME, 10, START) == 4
    assert world.used() == [16]
    assert world.subscribers.used("home", "192.0.2.0/28") == 10


def test_an_address_with_shared_ports_serves_several() -> None:
    world = World(block("192.0.2.0/30"))
    world.logins.use(HOME, Unit(shared_by=16))
    assert world.logins.log_in(HOME, 17, START) == 0
    assert world.used() == [2]
    assert world.logins.log_in(HOME, 50, after(1)) == 3
    assert world.used() == [4]
    world.logins.log_out(HOME, 30)
    assert world.used() == [3]


def test_a_delegated_prefix_is_all_of_its_addresses_where_the_model_counts_these() -> None:
    world = World(block("2001:db8::/52", pool="homes6"))
    world.logins.use(HOMES6, Unit(addresses=1 << 72))
    assert world.logins.log_in(HOMES6, 17, START) == 1
    assert world.used() == [16 << 72]


def test_a_delegated_prefix_is_one_where_the_model_counts_prefixes() -> None:
    world = World(block("2001:db8::/52", pool="homes6", unit=1 << 72))
    assert world.logins.log_in(HOMES6, 17, START) == 1
    assert world.used() == [16]


@pytest.mark.parametrize("wrong", [(0, 1), (1, 0), (2, 2)])
def test_what_nobody_can_take(wrong: tuple[int, int]) -> None:
    with pytest.raises(InvalidValue):
        Unit(*wrong)


def test_what_cannot_be_asked() -> None:
    world = World(block("192.0.2.0/28"))
    with pytest.raises(InvalidValue, match="-1 subscribers"):
        world.logins.log_in(HOME, -1, START)
    with pytest.raises(InvalidValue, match="'isdn' is no protocol"):
        world.logins.log_in(HOME, 1, START, "isdn")
    world.logins.log_in(HOME, 1, START)
    with pytest.raises(InvalidValue, match="are logged in"):
        world.logins.use(HOME, Unit(shared_by=2))


# --- Who asks again -------------------------------------------------------------------------------


def test_dhcp_clients_wait_twice_as_long_each_time_up_to_64_s() -> None:
    chance = random.Random(3)
    for attempt, mean in enumerate((4, 8, 16, 32, 64, 64, 64), start=1):
        waits = [AGAIN["dhcp"](attempt, chance) for _ in range(500)]
        assert mean - 1 <= min(waits) < mean - 0.9
        assert mean + 0.9 < max(waits) <= mean + 1


def test_ppp_clients_dial_again_after_three_to_five_seconds() -> None:
    chance = random.Random(3)
    waits = [AGAIN["ppp"](attempt, chance) for attempt in range(1, 500)]
    assert 3 <= min(waits) < 3.1
    assert 4.9 < max(waits) <= 5


@pytest.mark.parametrize(("protocol", "first", "last"), [("dhcp", 3.0, 5.0), ("ppp", 3.0, 5.0)])
def test_a_burst_is_served_at_the_first_try_after_the_block_is_in(
    protocol: str, first: float, last: float
) -> None:
    world = World()
    assert world.logins.log_in(HOME, 544, START, protocol) == 544
    world.serve(*(block(f"192.0.{index}.0/24") for index in (2, 3, 4)), at=1)
    assert world.waiting(first - 0.01) == 544
    assert 0 < world.waiting((first + last) / 2) < 544
    assert world.waiting(last) == 0
    counts = world.logins.counts(HOME, after(last))
    assert (counts.present, counts.served, counts.refused) == (544, 544, 544)
    assert last - 0.1 < counts.longest_wait <= last


def test_a_client_is_served_by_when_it_asks_and_not_by_when_one_looks() -> None:
    """A timer that is late changes nothing of what happened."""
    punctual, late = World(seed=5), World(seed=5)
    for world in (punctual, late):
        world.logins.log_in(HOME, 3, START)
    for tenth in range(1, 301):
        punctual.logins.advance(after(tenth / 10))
    late.logins.advance(after(30))
    assert punctual.logins.counts(HOME, after(30)) == late.logins.counts(HOME, after(30))
    assert late.logins.counts(HOME, after(30)).refused in range(9, 13)
    assert late.logins.counts(HOME, after(30)).longest_wait == 30
    assert punctual.logins.next_due == late.logins.next_due


def test_who_does_not_want_to_any_more_asks_no_more() -> None:
    world = World(block("192.0.2.0/28"))
    world.logins.log_in(HOME, 26, START)
    assert world.logins.log_out(HOME, 20) == 20
    assert world.logins.counts(HOME, START).waiting == 6
    assert world.logins.log_out(HOME, 20) == 6
    assert world.logins.next_due is None


# --- Who is cut off -------------------------------------------------------------------------------


def test_a_range_that_goes_cuts_off_its_subscribers_who_come_back_elsewhere() -> None:
    world = World(block("192.0.2.0/28"), block("198.51.100.0/24"))
    world.logins.log_in(HOME, 20, START)
    world.serve(block("198.51.100.0/24"), at=1)
    counts = world.logins.counts(HOME, after(1))
    assert (counts.present, counts.waiting, counts.cut_off, counts.refused) == (4, 16, 16, 0)
    assert world.waiting(11) == 0
    assert world.used() == [20]


def test_a_range_that_shrinks_cuts_off_who_has_no_place() -> None:
    world = World(block("192.0.2.0/28"))
    world.logins.log_in(HOME, 16, START)
    small = Served("home", "192.0.2.0/28", 4, 0xC0000200, 0xC0000207, NODE)
    world.serve(small, at=1)
    assert (world.used(), world.logins.counts(HOME, after(1)).cut_off) == ([8], 8)


def test_a_restart_loses_all_and_all_come_back_when_it_is_up() -> None:
    world = World(block("192.0.2.0/24"))
    world.logins.log_in(HOME, 260, START, "ppp")
    world.logins.restart(after(1), after(61))
    world.subscribers.clear()
    assert (world.used(), world.logins.refused) == ([0], {HOME: 0})
    assert world.logins.log_in(HOME, 10, after(30)) == 0
    assert world.waiting(60.9) == 270
    assert 0 < world.waiting(63) < 270
    assert world.waiting(66) == 14
    counts = world.logins.counts(HOME, after(66))
    assert (counts.present, counts.cut_off, counts.refused) == (256, 256, 18)
    assert world.logins.refused == {HOME: 14}
    assert counts.longest_wait > 64


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["in", "out", "serve", "restart", "wait"]), st.integers(0, 60), st.integers(0, 7)
        ),
        max_size=25,
    ),
    st.integers(0, 9),
)
def test_everybody_who_wants_is_served_or_waits(events: list[tuple[str, int, int]], seed: int) -> None:
    blocks = [block(f"192.0.{index}.0/28", drained=index == 2) for index in range(3)]
    world = World(seed=seed)
    wanting, now = 0, 0.0
    for what, number, which in events:
        now += number / 7
        if what == "in":
            world.logins.log_in(HOME, number, after(now))
            wanting += number
        elif what == "out":
            wanting -= world.logins.log_out(HOME, number)
        elif what == "serve":
            world.serve(*(one for bit, one in enumerate(blocks) if which >> bit & 1), at=now)
        elif what == "restart":
            world.logins.restart(after(now), after(now + which))
        world.logins.advance(after(now))
        counts = world.logins.counts(HOME, after(now))
        assert counts.present + counts.waiting == wanting
        assert sum(world.used()) == counts.present
        assert all(used <= one.total for used, one in zip(world.used(), world.served, strict=True))
        assert not any(used for used, one in zip(world.used(), world.served, strict=True) if one.drained)
        assert counts.refused >= counts.turned_away
