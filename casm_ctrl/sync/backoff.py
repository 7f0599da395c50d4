"""How often, and after which pauses, something is tried again: exponential, with full jitter, bounded. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from casm_ctrl.base.errors import CasmError, DeadlineExceeded, SessionLost, Unreachable

_OPENING = ("TCP", "SSH", "hello")


@dataclass(frozen=True)
class Backoff:
    """`tries` after the first one, `limit` seconds for all of it, pauses of up to `first`, doubled each time
    up to `longest`."""

    tries: int = 2
    limit: float = 60.0
    first: float = 0.5
    longest: float = 8.0

    def pause(self, failed: int, elapsed: float, chance: Callable[[], float]) -> float | None:
        """Seconds to wait after the `failed`-th failure (from 1), `elapsed` seconds after the first try began;
        None: it is not tried again. `chance` gives numbers from 0 to 1: the whole pause is random, so that
        many that failed at once do not come back at once."""
        if failed > self.tries:
            return None
        pause = min(self.longest, self.first * 2 ** min(failed - 1, 32)) * chance()
        return pause if elapsed + pause <= self.limit else None


def pauses(first: float, longest: float, chance: Callable[[], float] = random.random) -> Iterator[float]:
    """Seconds between looks at what somebody else holds, for as long as one looks: twice as long each time, and
    random, so that those who wait for one thing do not all come at once."""
    bound = first
    while True:
        yield bound * (1 + chance()) / 2
        bound = min(2 * bound, longest)


def is_passing(error: CasmError) -> bool:
    """Whether the same may succeed a moment later: the way to the device failed, and the device refused
    nothing. A lock or lease that somebody holds was waited for already, for as long as was asked."""
    if isinstance(error, DeadlineExceeded):
        return error.phase in _OPENING
    return isinstance(error, (Unreachable, SessionLost))
