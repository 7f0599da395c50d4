"""Usage for `casm replay --from-store`: what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casm_ctrl.base.clock import parse_duration
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.control.replay.samples import Series, Usage
from casm_ctrl.service.recorded_usage import recorded

if TYPE_CHECKING:
    from casm_ctrl.store.database import Database


def recorded_usage(database: Database, time: str) -> Usage:
    """The usage of all device pools in the last `time`; InvalidValue where nothing was recorded."""
    usage = Usage(used_only=True)
    for one in recorded(database, parse_duration(time)):
        made = usage.series[one.label] = Series(
            one.label,
            role=one.role,
            pool=one.pool,
            length=one.length,
            subscriber_length=one.subscriber_length,
        )
        for at, used in one.points:
            made.times.append(at)
            made.counts.append(used)
    if not usage.series or usage.end <= usage.start:
        raise InvalidValue(
            f"no usage was recorded in the last {time}",
            "let the controller watch the devices first, or name a file with --samples",
        )
    return usage
