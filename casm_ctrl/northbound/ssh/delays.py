"""How long a login waits after others failed: by user and address together, so that nobody is locked out from
another address, and more mildly by address alone. Pure: who asks brings the time."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

FIRST, LONGEST = 0.5, 8.0
"""Seconds; doubled with each failure. Less than a client has to log in."""
FREE_OF_ADDRESS = 10
"""Failures of one address, whatever users it named, until all of its logins wait."""
FORGET = 900.0
"""Seconds after which failures are forgotten."""
MOST = 10_000
"""Entries that are kept: the oldest go first."""


@dataclass
class _Failures:
    count: int = 0
    last: float = 0.0
    next: float = 0.0
    """When the next attempt may be judged: those made at once stand in a queue."""


class Delays:
    """Failures of logins, and what the next ones cost. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def attempt(self, username: str, source_host: str, now: float) -> float:
        """The seconds that an attempt waits before it is judged."""
        return max(
            self._wait((username, source_host), 0, now), self._wait(("", source_host), FREE_OF_ADDRESS, now)
        )

    def failed(self, username: str, source_host: str, now: float) -> None:
        for key in ((username, source_host), ("", source_host)):
            failures = self._current(key, now) or _Failures()
            failures.count += 1
            failures.last = now
            self._failures[key] = failures
            self._failures.move_to_end(key)
        while len(self._failures) > MOST:
            self._failures.popitem(last=False)

    def succeeded(self, username: str, source_host: str) -> None:
        """Who knows the password may have mistyped it. The address's other failures stay."""
        self._failures.pop((username, source_host), None)

    def _current(self, key: tuple[str, str], now: float) -> _Failures | None:
        failures = self._failures.get(key)
        if failures is not None and now - failures.last > FORGET:
            del self._failures[key]
            return None
        return failures

    def _wait(self, key: tuple[str, str], free: int, now: float) -> float:
        failures = self._current(key, now)
        if failures is None or failures.count <= free:
            return 0.0
        delay = min(FIRST * 2.0 ** min(failures.count - free - 1, 10), LONGEST)
        # A queue of guesses must not keep out for long who knows the password, at the same address.
        failures.next = min(max(failures.next, now) + delay, now + LONGEST)
        return failures.next - now
