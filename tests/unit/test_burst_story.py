"""Bursts of logins, second by second: clients that ask again as PPP and DHCP do, a device that tells whom it refuses,
and decisions at each notice and each look. No device and no clock: what is decided is tried on its own."""

from __future__ import annotations

import dataclasses
import heapq
import random

import pytest

from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.deciding.decision import decide
from casm_ctrl.control.deciding.view import BlockView, Drain, GiveBack, Grow, Reading
from tests.deciding_world import NOW, policy, prefix, stock, view

INSTALL = 0.5
"""Seconds from a decision until its blocks serve."""
READ = 0.05
"""Seconds after a notice until the read that agrees with it."""
HOT = 30.0
WAITS = {"ppp": (4.0,), "dhcp": (4.0, 8.0, 16.0)}


class Story:
    """One device pool. Events are (time, order, what, who)."""

    def __init__(
        self, logins: int, capacity: int, over: float, client: str, blocks: int, tells: bool
    ) -> None:
        chance = random.Random(f"{logins} {capacity} {over} {client} {blocks}")
        self.chance, self.capacity, self.client, self.tells = chance, capacity, client, tells
        self.policy = policy(length=24, hold_down=60)
        self.blocks = [self._new(number, -30 * 86_400.0, "installed") for number in range(1, blocks + 1)]
        self.used: dict[int, int] = {block.number: 0 for block in self.blocks}
        self.refused = 0
        self.readings: list[Reading] = []
        self.events: list[tuple[float, int, str, int]] = []
        self.order = 0
        self.told = -1.0
        self.high = False
        self.first_in: float | None = None
        self.last_refusal = -1.0
        self.last_grow: float | None = None
        self.drained = 0
        for _ in range(logins):
            self._at(chance.uniform(0, over), "login", 0)
        self._at(-200.0 if blocks else HOT, "look", 0)

    def _new(self, number: int, at: float, state: str) -> BlockView:
        return BlockView(
            number=number,
            prefix=prefix(number),
            capacity=self.capacity,
            state=state,
            automatic=state == "reserved",
            ever_used=False,
            allocated_at=NOW + round(at * SECOND),
        )

    def _at(self, when: float, what: str, who: int) -> None:
        self.order += 1
        heapq.heappush(self.events, (when, self.order, what, who))

    def run(self, until: float) -> None:
        while self.events and self.events[0][0] <= until:
            now, _, what, who = heapq.heappop(self.events)
            if what == "login":
                self._log_in(now, who)
            elif what == "install":
                self._change(who, state="installed")
                self.used[who] = 0
                self.first_in = now if self.first_in is None else self.first_in
                self.high = False
                self._look(now, "poll")
            elif what == "drained":
                self._change(who, state="draining", drained_at=NOW + round(now * SECOND))
                self._at(now + READ, "poll", 0)
                self._at(now + 2 * READ, "poll", 0)
            else:
                self._look(now, "notice" if what == "notice" else "poll")
                if what == "look":
                    self._at(now + HOT, "look", 0)

    def _serving(self) -> list[BlockView]:
        return [one for one in self.blocks if one.state == "installed" and one.wanted == "present"]

    def _log_in(self, now: float, tries: int) -> None:
        for block in self._serving():
            if self.used[block.number] < block.capacity:
                self.used[block.number] += 1
                room = sum(one.capacity for one in self._serving())
                if not self.high and sum(self.used.values()) * 100 >= 80 * room:
                    self.high = True
                    self._tell(now)
                return
        self.refused += 1
        self.last_refusal = now
        waits = WAITS[self.client]
        wait = waits[min(tries, len(waits) - 1)] + self.chance.uniform(-1, 1)
        self._at(now + wait, "login", tries + 1)
        if now - self.told >= 1:
            self._tell(now)

    def _tell(self, now: float) -> None:
        self.told = now
        self._at(now, "notice", 0)
        self._at(now + READ, "poll", 0)

    def _look(self, now: float, source: str) -> None:
        at = NOW + round(now * SECOND)
        serving = self._serving()
        reading = Reading(
            at=at,
            source=source,
            used=sum(self.used.values()),
            capacity=sum(one.capacity for one in serving),
            refused=self.refused if self.tells else None,
            refused_since=NOW - 86_400 * SECOND if self.tells else None,
            blocks=dict(self.used),
        )
        self.readings.append(reading)
        self.blocks = [
            dataclasses.replace(one, ever_used=one.ever_used or self.used.get(one.number, 0) > 0)
            for one in self.blocks
        ]
        for _ in range(3):
            shown = view(
                tuple(self.blocks),
                readings=tuple(self.readings),
                policy=self.policy,
                capacities={24: self.capacity},
                stock=stock(200, 512),
                look_every=HOT,
                install_time=INSTALL,
                first_sample=None,
                peaks=(reading.used,),
                last_grow=None if self.last_grow is None else NOW + round(self.last_grow * SECOND),
            )
            action = decide(shown, at).action
            if isinstance(action, Grow):
                for _ in range(action.count):
                    number = len(self.blocks) + 1
                    self.blocks.append(self._new(number, now, "reserved"))
                    self._at(now + INSTALL, "install", number)
                self.last_grow = now
            elif isinstance(action, Drain):
                self._change(action.block, wanted="drained", automatic_drain=True)
                self._at(now + INSTALL, "drained", action.block)
                self.drained += 1
            elif isinstance(action, GiveBack):
                self._change(action.block, wanted="absent", state="withdrawing")
            else:
                return

    def _change(self, number: int, **values: object) -> None:
        self.blocks = [
            dataclasses.replace(one, **values) if one.number == number else one  # type: ignore[arg-type]
            for one in self.blocks
        ]

    @property
    def count(self) -> int:
        """Blocks that it was ever given, with those that it had."""
        return len(self.blocks)


@pytest.mark.parametrize("client", ["ppp", "dhcp"])
@pytest.mark.parametrize(("capacity", "blocks"), [(254, 0), (254, 1), (256, 0), (126, 0), (62, 1)])
@pytest.mark.parametrize(
    ("logins", "over"), [(544, 0.2), (544, 1.0), (544, 5.0), (300, 0.5), (1000, 1.0), (1016, 3.0)]
)
def test_a_burst_is_served_with_at_most_one_block_more_than_needed(
    logins: int, over: float, capacity: int, blocks: int, client: str
) -> None:
    story = Story(logins, capacity, over, client, blocks, tells=True)
    story.run(200)
    assert sum(story.used.values()) == logins
    needed = -(-logins // capacity)
    assert needed <= story.count <= max(needed, blocks) + 1
    if story.first_in is not None and over <= 1.0:
        assert story.last_refusal <= story.first_in + 5


@pytest.mark.parametrize("client", ["ppp", "dhcp"])
def test_a_device_that_does_not_tell_whom_it_refuses_gets_enough_too(client: str) -> None:
    story = Story(544, 254, 1.0, client, 1, tells=False)
    story.run(300)
    assert sum(story.used.values()) == 544
    assert story.count <= 4


def test_what_was_too_much_is_back_a_hold_down_later() -> None:
    story = Story(544, 254, 0.2, "ppp", 1, tells=True)
    story.run(1)
    extra = story._new(len(story.blocks) + 1, 1.0, "reserved")
    story.blocks.append(extra)
    story._at(1.5, "install", extra.number)
    story._at(61.6, "poll", 0)
    story.run(66)
    gone = [one.number for one in story.blocks if one.state == "withdrawing"]
    assert gone == [extra.number]
