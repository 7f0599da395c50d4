"""What decisions say: their inputs, and numbers in sentences."""

from __future__ import annotations

from casm_ctrl.base.clock import SECOND, show_duration, to_rfc3339
from casm_ctrl.control.deciding.demand import Demand
from casm_ctrl.control.deciding.policy import Mode, Policy
from casm_ctrl.control.deciding.view import NOTHING, Action, Decision, PoolView

RULES = frozenset(
    {
        "between-marks",
        "breaker",
        "cancel-drain",
        "cap",
        "clock",
        "drain-overdue",
        "draining",
        "empty",
        "enough-free",
        "enough-while-scarce",
        "first-block",
        "forced",
        "gentle-start",
        "growing",
        "history",
        "hold",
        "hold-down",
        "idle",
        "loss",
        "max-blocks",
        "min-blocks",
        "no-drain",
        "no-reading",
        "not-by-block",
        "not-counted",
        "on-its-way",
        "one-reading",
        "peaks",
        "refused-logins",
        "scarcity",
        "stale",
        "stock",
        "surplus",
        "threshold",
        "window",
    }
)
"""All that a decision can name, as docs/policy-reasons.md explains them."""


def inputs(view: PoolView, demand: Demand) -> dict[str, object]:
    """What every decision records: readings, thresholds, and what was computed of them."""
    policy = view.policy
    found: dict[str, object] = {
        "used": demand.used,
        "capacity": demand.capacity,
        "coming": demand.coming,
        "waiting": demand.waiting,
        "login-rate": round(demand.rate, 3),
        "expected": demand.expected,
        "blocks": len(view.blocks),
        "kind": view.kind,
        "readings": [
            {"at": to_rfc3339(one.at), "source": one.source, "used": one.used, "capacity": one.capacity}
            for one in view.readings[-2:]
        ],
        "hold-down": policy.hold_down,
        "reserve": policy.reserve,
    }
    for name in ("grow_at", "grow_at_free", "shrink_at", "shrink_at_free"):
        value = getattr(policy, name)
        if value is not None:
            found[name.replace("_", "-")] = value
    return found


def use(used: int, capacity: int) -> str:
    """As `204 of 254 in use (80 %)`."""
    if not capacity:
        return f"{used} in use and no block that serves"
    return f"{used} of {capacity} in use ({used * 100 // capacity} %)"


def grow_mark(policy: Policy) -> str:
    if policy.grow_at is not None:
        return f"grow-at is {policy.grow_at} %"
    return f"grow-at-free is {policy.grow_at_free}"


def shrink_mark(policy: Policy) -> str:
    if policy.shrink_at is not None:
        return f"shrink-at is {policy.shrink_at} %"
    return f"shrink-at-free is {policy.shrink_at_free}"


def count_blocks(count: int, length: int) -> str:
    return f"{count} block{'s' if count > 1 else ''} of /{length}"


def last(micros: int) -> str:
    """A length of time in words, to the second."""
    return show_duration(max(0, micros) // SECOND)


def act(
    view: PoolView,
    demand: Demand,
    action: Action,
    rule: str,
    because: str,
    *,
    mode: Mode = Mode.AUTOMATIC,
    candidates: tuple[dict[str, object], ...] = (),
    alarm: str | None = None,
) -> Decision:
    """A decision to do something; only told where `mode` is observe."""
    assert rule in RULES
    return Decision(
        action=action,
        rule=rule,
        because=because,
        inputs=inputs(view, demand),
        candidates=candidates,
        would=mode is Mode.OBSERVE,
        alarm=alarm,
    )


def leave(
    view: PoolView,
    demand: Demand,
    rule: str,
    because: str,
    *,
    blocked_by: str | None = None,
    alarm: str | None = None,
    mode: Mode = Mode.AUTOMATIC,
    candidates: tuple[dict[str, object], ...] = (),
) -> Decision:
    """A decision to do nothing; with `blocked_by` something was to be done, and a guard keeps it back."""
    assert rule in RULES
    return Decision(
        action=NOTHING,
        rule=rule,
        because=because,
        inputs=inputs(view, demand),
        candidates=candidates,
        blocked_by=blocked_by,
        would=mode is Mode.OBSERVE,
        alarm=alarm,
    )
