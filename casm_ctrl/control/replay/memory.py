"""What a controller keeps of a device pool's usage: readings of the hold-down, peaks of hours and days, a loss."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.deciding import guards
from casm_ctrl.control.deciding.demand import peak_ahead
from casm_ctrl.control.deciding.policy import Policy, Scarcity
from casm_ctrl.control.deciding.view import Loss, Reading
from casm_ctrl.control.replay.subscribers import Subscribers

HOUR = 3600 * SECOND
DAY = 24 * HOUR
KEPT_HOURS = 8 * 24


@dataclass(slots=True)
class Told:
    """A reading, which is made only if a decision is made from it."""

    at: int
    source: str
    used: int
    capacity: int
    refused: int
    blocks: Mapping[int, int]
    _made: Reading | None = None

    def reading(self) -> Reading:
        if self._made is None:
            self._made = Reading(
                at=self.at,
                source=self.source,
                used=self.used,
                capacity=self.capacity,
                refused=self.refused,
                refused_since=0,
                blocks=self.blocks,
            )
        return self._made


@dataclass(slots=True)
class Memory:
    """It begins with the first reading: nothing is known of the time before."""

    policy: Policy
    told: deque[Told] = field(default_factory=deque)
    """All readings of the last hold-down, and the newest one before those."""
    first: int | None = None
    peaks: tuple[int, ...] = ()
    """Of the days that count for a shrink, the last is today's so far."""
    loss: Loss | None = None
    restarted_at: int | None = None
    _hours: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT_HOURS))
    _hour: int = 0
    _day: int = 0

    def note(self, now: int, source: str, subscribers: Subscribers) -> None:
        """A device pool was read."""
        used, installed = subscribers.used, [block for block in subscribers.blocks if block.installed]
        self._note_peaks(now, used)
        told = self.told
        told.append(
            Told(
                now,
                source,
                used,
                sum([block.capacity for block in installed]),
                subscribers.refused,
                {block.number: block.used for block in installed},
            )
        )
        if len(told) > 1:
            before = told[-2]
            if self.loss is not None or used < before.used or self.restarted_at is not None:
                self.loss = guards.notice_loss(
                    before.reading(), told[-1].reading(), self.restarted_at, self.loss
                )
        oldest = now - self.policy.hold_down * SECOND
        while len(told) > 1 and told[1].at <= oldest:
            told.popleft()

    def readings(self) -> tuple[Reading, ...]:
        return tuple([one.reading() for one in self.told])

    def expected_peak(self, used: int) -> int | None:
        """The most of the next hours, where a policy asks for it."""
        if self.policy.scarcity is not Scarcity.APPLY:
            return None
        return peak_ahead(tuple(self._hours), used)

    def _note_peaks(self, now: int, used: int) -> None:
        hour, day = now // HOUR, now // DAY
        if self.first is None:
            self.first, self._day, self._hour = now, day, hour - 1
            self.peaks = (0,)
        while self._hour < hour:
            self._hours.append(0)
            self._hour += 1
        if used > self._hours[-1]:
            self._hours[-1] = used
        if day != self._day:
            self.peaks = (*self.peaks, 0)[-self.policy.history - 2 :]
            self._day = day
        if used > self.peaks[-1]:
            self.peaks = (*self.peaks[:-1], used)
