"""The free space of one pool: blocks are split off on allocation, rest, and merge with their buddies again."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.control.deciding import view


class Stock:
    """What of a pool is free, and what rests. Best fit: the smallest free prefix that holds the block.

    As the store allocates (design: Allocation), of prefixes of one family.
    """

    def __init__(
        self, prefixes: Iterable[Prefix], quarantine: int, *, lease_time: int = 0, aside: bool = False
    ) -> None:
        """`quarantine`: microseconds for which a block rests before another device pool may get it, and at least
        `lease_time` where it was taken with its subscribers. `aside`: what rests is on top of `size`: as long as it
        does, another block stands in for it."""
        self._free: dict[int, list[Prefix]] = {}
        self._there: set[Prefix] = set()
        self._resting: list[tuple[int, Prefix]] = []
        self._quarantine, self._forced = quarantine, max(quarantine, lease_time)
        self._view: view.Stock | None = None
        self._family = Family.IPV4
        self._aside: dict[int, list[Prefix]] | None = {} if aside else None
        self._beyond = 0
        self.size = 0
        """Values of the family, in all."""
        self.taken = 0
        """Values with device pools."""
        self.resting = 0
        """Values in quarantine."""
        for prefix in prefixes:
            self.size += prefix.size
            self._family = prefix.family
            self._beyond = max(self._beyond, prefix.last + 1)
            self._add(prefix)

    def allocate(self, length: int) -> Prefix | None:
        """A block of `length`, the first of the smallest free prefix that holds it; None where none does."""
        for shorter in range(length, -1, -1):
            found = self._pop(shorter)
            if found is None:
                continue
            while found.length < length:
                found, upper = found.halves()
                self._add(upper, merge=False)
            self.taken += found.size
            return found
        return None

    def view(self, name: str) -> view.Stock:
        """What is free, as decisions are made from."""
        if self._view is None:
            counted: dict[int, int] = {}
            for prefix in self._there:
                counted[prefix.length] = counted.get(prefix.length, 0) + 1
            self._view = view.Stock(pool=name, size=self.size, free=counted, width=self._family.width)
        return self._view

    @property
    def left(self) -> int:
        """Values that are free."""
        return self.size - self.taken - (self.resting if self._aside is None else 0)

    def sample(self, length: int) -> Prefix:
        """Some block of `length`."""
        return Prefix(self._family, 0, length)

    def give_back(self, block: Prefix, now: int, *, forced: bool = False) -> None:
        """A block was taken off its device: it rests from `now` on. `forced`: no count proved it empty."""
        self.taken -= block.size
        rest = self._forced if forced else self._quarantine
        if rest <= 0:
            self._add(block)
            return
        self.resting += block.size
        if self._aside is not None:
            self._add(self._stand_in(block))
        heapq.heappush(self._resting, (now + rest, block))

    def end_rests(self, now: int) -> bool:
        """Free what has rested long enough; true where something was."""
        ended = False
        while self._resting and self._resting[0][0] <= now:
            block = heapq.heappop(self._resting)[1]
            self.resting -= block.size
            if self._aside is None:
                self._add(block)
            else:
                self._aside.setdefault(block.length, []).append(block)
            ended = True
        return ended

    def _stand_in(self, block: Prefix) -> Prefix:
        assert self._aside is not None
        spare = self._aside.get(block.length)
        if spare:
            return spare.pop()
        first = -(-self._beyond // block.size) * block.size
        self._beyond = first + block.size
        return Prefix(block.family, first, block.length)

    def _add(self, prefix: Prefix, *, merge: bool = True) -> None:
        while merge and prefix.length and prefix.buddy in self._there:
            self._there.remove(prefix.buddy)  # its entry in the heap is passed over when it comes up
            prefix = prefix.parent
        self._there.add(prefix)
        self._view = None
        heapq.heappush(self._free.setdefault(prefix.length, []), prefix)

    def _pop(self, length: int) -> Prefix | None:
        heap = self._free.get(length)
        while heap:
            prefix = heapq.heappop(heap)
            if prefix in self._there:
                self._there.remove(prefix)
                self._view = None
                return prefix
        return None
