"""The instants of a visit between which a crash may fall, and the switch that makes one fall there.

For tests: `CASM_STOP_AT=NAME[:OCCURRENCE[:SIGNAL]]` sends this process SIGNAL (default 9, SIGKILL) when it
reaches the boundary NAME for the OCCURRENCE-th time (default 1); `CASM_TRACE=FILE` appends each boundary
that is reached. docs/testing.md lists them with what a crash at each leaves behind.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


class Boundary(Enum):
    """In the order in which a visit that changes something reaches them."""

    LEASE = "lease"
    SESSION = "session"
    LOCK = "lock"
    READ = "read"
    SEEN_BEFORE = "seen-before"
    INTENT_BEFORE = "intent-before"
    INTENT_AFTER = "intent-after"
    EDIT = "edit"
    RECORD_BEFORE = "commit-record-before"
    RECORD_AFTER = "commit-record-after"
    COMMIT_SENT = "commit-sent"
    COMMIT_REPLY = "commit-reply"
    READ_BACK = "read-back"
    CONFIRM_SENT = "confirm-sent"
    CONFIRM_REPLY = "confirm-reply"
    RECORD_CLEARED = "commit-record-cleared"
    STARTUP = "startup-copied"
    PROOF_READ = "proof-read"
    SEEN_AFTER = "seen-after"
    UNLOCK = "unlock"
    DONE = "done"


class RunBoundary(Enum):
    """Those of an atomic run, in their order; between them its devices reach theirs."""

    BEGUN = "run-begun"
    COMMITTED = "run-committed"
    DECIDED = "run-decided"
    GIVEN_UP = "run-given-up"
    CONFIRMED = "run-confirmed"


_reached: Counter[str] = Counter()


def reach(boundary: Boundary | RunBoundary) -> None:
    """Note that the visit is at `boundary`; dies or stops there where the switch says so."""
    _reached[boundary.value] += 1
    trace = os.environ.get("CASM_TRACE")
    if trace:
        with open(trace, "a", encoding="ascii") as file:  # noqa: PTH123
            file.write(f"{boundary.value}\n")
    if _is_target(boundary) and int(_switch()[1]) == _reached[boundary.value]:
        os.kill(os.getpid(), int(_switch()[2]))


async def reach_while(boundary: Boundary, request: Coroutine[Any, Any, T]) -> T:
    """Run `request` with `boundary` between its being sent and its reply being taken."""
    if not _is_target(boundary):
        reach(boundary)
        return await request
    task = asyncio.ensure_future(request)
    await asyncio.sleep(0.05)  # only under the switch: long enough for the request to leave
    reach(boundary)
    return await task


def _switch() -> tuple[str, str, str]:
    name, _, rest = os.environ.get("CASM_STOP_AT", "").partition(":")
    occurrence, _, signal = rest.partition(":")
    return name, occurrence or "1", signal or "9"


def _is_target(boundary: Boundary | RunBoundary) -> bool:
    return _switch()[0] == str(boundary.value)
