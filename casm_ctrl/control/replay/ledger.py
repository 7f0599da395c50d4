"""What was done in the last hour, by device pool, device and pool: what the caps are measured by."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.deciding.guards import caps
from casm_ctrl.control.deciding.policy import Limits
from casm_ctrl.control.deciding.view import Cap

HOUR = 3600 * SECOND
GROW, DRAIN = "grow", "drain"


class Ledger:
    """Blocks that were added, and drains that were begun."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._done: dict[str, deque[tuple[int, str, str, str, int]]] = {GROW: deque(), DRAIN: deque()}
        self._going: dict[str, int] = {}
        self._none = {kind: caps(limits, kind, {}) for kind in self._done}

    def note(self, kind: str, now: int, device_pool: str, device: str, pool: str, blocks: int) -> None:
        """So many blocks were added, or began to be drained."""
        self._done[kind].append((now, device_pool, device, pool, blocks))

    def drain_goes_on(self, device: str, change: int) -> None:
        """A drain began (1), or is over (-1)."""
        self._going[device] = self._going.get(device, 0) + change

    def caps(self, kind: str, now: int, device_pool: str, device: str, pool: str) -> tuple[Cap, ...]:
        """What may still be done for a device pool."""
        done = self._done[kind]
        while done and done[0][0] <= now - HOUR:
            done.popleft()
        going = self._going.get(device, 0) if kind == DRAIN else 0
        if not done and not going:
            return self._none[kind]
        sums = self._sums(kind, device_pool, device, pool)
        return caps(self.limits, kind, {**sums, "drains_per_device": going})

    def _sums(self, kind: str, device_pool: str, device: str, pool: str) -> Mapping[str, int]:
        sums = dict.fromkeys(("device_pool", "device", "pool", "hour"), 0)
        for _, its_device_pool, its_device, its_pool, blocks in self._done[kind]:
            sums["hour"] += blocks
            sums["device_pool"] += blocks if its_device_pool == device_pool else 0
            sums["device"] += blocks if its_device == device else 0
            sums["pool"] += blocks if its_pool == pool else 0
        return sums
