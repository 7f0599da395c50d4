"""How a device's usage is read, as configuration: how often, and whether it is asked to tell by itself."""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.errors import InvalidValue

LONGEST_INTERVAL = 86_400
"""Seconds."""


@dataclass(frozen=True)
class Polling:
    """The container `polling` of a device, in its leafs' words."""

    interval: int = 300
    """Seconds from one reading to the next, more or less: controllers spread them."""
    hot_interval: int = 30
    """As `interval`, while a pool of the device is near to where it grows."""
    notifications: bool = True
    """Whether notifications of the device are listened to, where it has them."""


EVERYWHERE = Polling()
"""Where a device has none of its own."""


def check_polling(polling: Polling) -> None:
    """InvalidValue where an interval is none, or that for hot pools is the longer one."""
    for name, seconds in (("interval", polling.interval), ("hot-interval", polling.hot_interval)):
        if not 1 <= seconds <= LONGEST_INTERVAL:
            raise InvalidValue(f"the {name} cannot be {seconds} s", f"give 1 to {LONGEST_INTERVAL} seconds")
    if polling.hot_interval > polling.interval:
        raise InvalidValue(
            f"the hot-interval {polling.hot_interval} s is longer than the interval {polling.interval} s",
            "a pool that is nearly full is looked at more often, not less",
        )
