"""What an operator wants of a device pool, as decisions take it: every value is there.

Fields have the names of their YANG leaves with underscores. Lengths of time are seconds; moments are
microseconds since 1970, as everywhere; times of day are texts as an operator writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from casm_ctrl.base.automation import NAMES, Automation, check_automation, effective
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.base.limits import Limits as Limits

DAY: Final = 86_400
MARGIN: Final = 10
"""Percent that usage stays below the mark for growing after a block was taken away: else it would come back."""


class Mode(StrEnum):
    """What automation does with a decision."""

    OBSERVE = "observe"
    """It says what it would do."""
    AUTOMATIC = "automatic"
    """It does it."""


class Scarcity(StrEnum):
    """What is done for others with blocks that are idle here while the stock is nearly empty."""

    PLAN = "plan"
    """A plan is shown to who asks."""
    APPLY = "apply"
    """Blocks that the next hours will not need are drained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a device pool gets blocks and gives them back. `of` makes one, checks it and fills in what was not set."""

    grow: Mode
    shrink: Mode
    grow_at: int | None
    """Percent of the capacity in use from which on it grows; None where `grow_at_free` says it."""
    grow_at_free: int | None
    """It grows from that many free addresses down; None where `grow_at` says it."""
    shrink_at: int | None
    """Percent in use up to which a block may go; None where `shrink_at_free` says it."""
    shrink_at_free: int | None
    """A block may go from that many free addresses on; None where `shrink_at` says it."""
    sparing: bool
    """`grow_at` is the role's and not an operator's: then nothing is added while a whole block's worth is free
    and enough for what is expected. A percentage of many blocks is more than anybody needs."""
    reserve: int
    """Percent of what is in use that stays free beyond what is expected."""
    hold_down: int
    """Seconds between opposite changes, and between the two readings that agree on a shrink."""
    history: int
    """Days of samples before the first shrink; what their peaks needed stays."""
    reclaim_from: str | None = None
    """HH:MM from which on blocks are drained; None: at any time."""
    reclaim_until: str | None = None
    """HH:MM at which that ends; before `reclaim_from` where the window lies over midnight."""
    reclaim_zone: str = "UTC"
    """The zone of both, by its IANA name."""
    priority: int
    """0 to 255: the greater is served first, and gives back last."""
    length: int = 24
    first_length: int | None = None
    """Of the first block; None: `length`."""
    next_length: int | None = None
    """Of those after it; None: `length`."""
    min_blocks: int = 0
    max_blocks: int | None = None
    drain_deadline: int
    """Seconds after which a drain that has not emptied its block is overdue."""
    force_after: int | None = None
    """Seconds after that at which the block goes with its subscribers; None: never."""
    scarcity: Scarcity

    @staticmethod
    def defaults(role: str, length: int = 24) -> Policy:
        """What holds for a device pool on a device of `role` (bng, cgn, dhcp) where nothing was set."""
        return Policy.of(role, {"length": length})

    @staticmethod
    def of(role: str, given: Mapping[str, Any], usage_high: int | None = None) -> Policy:
        """The policy with what was set (`given`: by field; None is not set) over the defaults of `role`: a mark for
        growing that was not set is `usage_high` of the device pool. InvalidValue where values contradict each other.
        """
        values = {name: value for name, value in given.items() if value is not None}
        unknown = sorted(values.keys() - _FIELDS)
        if unknown:
            raise InvalidValue(f"a policy has no {', '.join(unknown)}", "see the leaves of automation")
        automation = Automation(**{name: value for name, value in values.items() if name in _AUTOMATION})
        check_automation(automation, role, usage_high)
        held = vars(effective(automation, role, usage_high))
        policy = Policy(
            **{name: value for name, value in held.items() if value is not None or name in _MARKS}
            | {name: value for name, value in values.items() if name not in _AUTOMATION}
            | {"grow": Mode(held["grow"]), "shrink": Mode(held["shrink"])}
            | {"scarcity": Scarcity(held["scarcity"])}
            | {"sparing": usage_high is None and not _GROWING & values.keys()}
        )
        if policy.max_blocks is not None and policy.max_blocks < max(1, policy.min_blocks):
            raise InvalidValue(
                f"max-blocks {policy.max_blocks} is below min-blocks {policy.min_blocks}",
                "allow more, or keep fewer",
            )
        return policy

    @staticmethod
    def sources(given: Mapping[str, Any], usage_high: int | None = None) -> dict[str, str]:
        """Where each field that `of` makes has its value from: set, usage-high or default."""
        found = {name: "default" if given.get(name) is None else "set" for name in _FIELDS}
        if usage_high is not None and found["grow_at"] == found["grow_at_free"] == "default":
            found["grow_at"] = "usage-high"
        return found

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths that its blocks may have, the largest block first."""
        return tuple(sorted({self.length, self.first_length or self.length, self.next_length or self.length}))

    def in_window(self, now: int) -> bool:
        """Whether blocks may be drained at `now` (microseconds)."""
        if self.reclaim_from is None or self.reclaim_until is None:
            return True
        moment = (_EPOCH + timedelta(microseconds=now)).astimezone(_zone(self.reclaim_zone))
        minute = moment.hour * 60 + moment.minute
        start, end = _minutes(self.reclaim_from), _minutes(self.reclaim_until)
        return start <= minute < end if start < end else minute >= start or minute < end

    @property
    def window_words(self) -> str:
        return f"{self.reclaim_from} to {self.reclaim_until} {self.reclaim_zone}"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = frozenset(field.name for field in fields(Policy)) - {"sparing"}
_AUTOMATION = frozenset(NAMES)
_GROWING = frozenset({"grow_at", "grow_at_free"})
_MARKS = _GROWING | {"shrink_at", "shrink_at_free"}


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
