"""The subscribers of one device pool on its blocks: who comes, who goes, who is refused."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from casm_ctrl.addressing.prefix import Prefix
from casm_ctrl.base.clock import SECOND

RETRY = 10.0
"""Seconds after which who was refused asks again, about: DHCP after 4, 8 and 16 s, PPP after 3 to 5 s."""


@dataclass(slots=True)
class Block:
    """A block of the device pool, from its allocation until it is given back."""

    number: int
    prefix: Prefix
    capacity: int
    allocated_at: int
    automatic: bool
    serves: bool = False
    """It is installed and not drained."""
    installed: bool = False
    drained_at: int | None = None
    used: int = 0
    ever_used: bool = False


@dataclass(slots=True)
class Served:
    """What a stretch of time brought: seconds of shortage, subscriber-seconds without service, newly refused."""

    short: float = 0.0
    unserved: float = 0.0
    refused: int = 0


@dataclass(slots=True)
class Subscribers:
    """Sessions on blocks. New ones take the first block that has room, as devices do; who leaves is anyone."""

    lifetime: float
    """Seconds that a session lasts on average, from which follows how a drained block empties; 0: for ever."""
    timeout: float
    """Seconds after which every session has ended; 0: none ends for that."""
    chance: random.Random
    blocks: list[Block] = field(default_factory=list)
    wanted: int = 0
    waiting: int = 0
    """Of those who are wanted, how many are not served."""
    refused: int = 0
    """Requests that the device refused, who asks again counted again."""
    _turned_away: int = 0
    """Who lost a session at once and found no room for another, and is not yet told of."""
    _share: dict[float, float] = field(default_factory=dict)

    @property
    def used(self) -> int:
        return self.wanted - self.waiting

    def room(self) -> tuple[int, int, int]:
        """(capacity, use) of the blocks that serve, and the use of those that are drained."""
        capacity = used = drained = 0
        for block in self.blocks:
            if block.serves:
                capacity += block.capacity
                used += block.used
            else:
                drained += block.used
        return capacity, used, drained

    def pass_time(self, begin: int, end: int, wanted: int) -> Served:
        """Time passes (microseconds) in which as many as are wanted change evenly to `wanted`."""
        seconds = (end - begin) / SECOND
        present = self._end_sessions(end, seconds)
        if present > wanted:
            self._leave(present - wanted, present)
        waiting = self._log_in(wanted - present) if present < wanted else 0
        return self._account(seconds, wanted, waiting)

    def serve_waiting(self) -> None:
        """There is more room: who waits asks again within seconds."""
        self.waiting = self._log_in(self.waiting)

    def lose_all(self) -> None:
        """The device restarted: every session has ended, and whoever is wanted asks again."""
        for block in self.blocks:
            block.used = 0
        self._ask_again(self.wanted)

    def cut(self, block: Block) -> int:
        """Take a block away with whoever is on it; how many that were."""
        self.blocks.remove(block)
        self._ask_again(self.waiting + block.used)
        return block.used

    def _ask_again(self, asking: int) -> None:
        """So many ask at this moment, who waited before among them; who has to wait now is refused."""
        waited, self.waiting = self.waiting, self._log_in(asking)
        self._turned_away += max(0, self.waiting - waited)

    def _end_sessions(self, now: int, seconds: float) -> int:
        """Sessions end by themselves; how many are left."""
        share = self._share.get(seconds)
        if share is None:
            share = self._share[seconds] = -math.expm1(-seconds / self.lifetime) if self.lifetime else 0.0
        uniform, present = self.chance.random, 0
        for block in self.blocks:
            used = block.used
            if used:
                ending = share
                if self.timeout and block.drained_at is not None:
                    left = self.timeout - (now - block.drained_at) / SECOND
                    ending = 1.0 if left <= 0 else 1 - (1 - share) * max(0.0, 1 - seconds / (left + seconds))
                block.used = used = used - min(used, int(used * ending + uniform()))
                present += used
        return present

    def _leave(self, leaving: int, present: int) -> None:
        """So many more log out, from each block its share."""
        uniform, left = self.chance.random, leaving
        for block in self.blocks:
            used = block.used
            if used:
                gone = min(used, left, int(leaving * used / present + uniform()))
                block.used = used - gone
                left -= gone
        for block in reversed(self.blocks):  # what rounding left over
            if not left:
                return
            gone = min(block.used, left)
            block.used -= gone
            left -= gone

    def _log_in(self, coming: int) -> int:
        """So many ask for a session; how many of them are refused."""
        for block in self.blocks:
            if not coming:
                return 0
            if block.serves:
                taken = min(coming, block.capacity - block.used)
                if taken > 0:
                    block.used += taken
                    block.ever_used = True
                    coming -= taken
        return coming

    def _account(self, seconds: float, wanted: int, waiting: int) -> Served:
        was, came = self.waiting, wanted - self.wanted
        away, self._turned_away = self._turned_away, 0
        self.wanted, self.waiting = wanted, waiting
        if not was and not waiting:
            return Served(refused=away) if away else _FINE
        if was and waiting:
            part = 1.0
        elif waiting:  # it got full on the way
            part = waiting / came if came > waiting else 1.0
        else:  # there were enough on the way
            part = was / -came if -came > was else 1.0
        new, short = away + max(0, waiting - was), seconds * part
        self.refused += new + round((was + waiting) / 2 * short / RETRY)
        return Served(short, (was + waiting) / 2 * short, new)


_FINE = Served()
