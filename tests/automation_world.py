"""Automation of device pools and polling of devices for generated networks."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from casm_ctrl.base.automation import Automation
from casm_ctrl.base.polling import Polling

_modes = st.sampled_from(("observe", "automatic"))
_long = st.sampled_from((1, 60, 86_400, 2**31 - 1))


@st.composite
def automations(draw: st.DrawFn) -> Automation:
    """Any that may be, on a device of any role, where the mark of high usage is 60 or more or none."""
    values: dict[str, Any] = {}
    for name, strategy in (
        ("grow", _modes),
        ("shrink", _modes),
        ("reserve", st.integers(0, 1000)),
        ("hold_down", _long),
        ("history", st.integers(0, 366)),
        ("priority", st.integers(0, 255)),
        ("drain_deadline", _long),
        ("scarcity", st.sampled_from(("plan", "apply"))),
    ):
        if draw(st.booleans()):
            values[name] = draw(strategy)
    if "drain_deadline" in values and draw(st.booleans()):
        values["force_after"] = draw(_long)
    low = draw(st.integers(0, 59))
    marks: tuple[dict[str, int], ...] = (
        {},
        {"grow_at": draw(st.integers(low + 1, 100))},
        {"shrink_at": low},
        {"grow_at": draw(st.integers(low + 1, 100)), "shrink_at": low},
        {"grow_at_free": low, "shrink_at_free": 1 << 100},
        {"grow_at_free": 1 << 100},
        {"shrink_at_free": 1 << 100},
        {"grow_at_free": 0, "shrink_at": low},
        {"grow_at": 100, "shrink_at_free": 9},
    )
    values |= draw(st.sampled_from(marks))
    if draw(st.booleans()):
        window = draw(st.sampled_from((("02:00", "05:00", "Europe/Berlin"), ("23:30", "00:30", "UTC"))))
        values |= dict(zip(("reclaim_from", "reclaim_until", "reclaim_zone"), window, strict=True))
    return Automation(**values)


pollings = st.builds(
    lambda hot, more, told: Polling(hot + more, hot, told),
    st.integers(1, 600),
    st.integers(0, 600),
    st.booleans(),
)
