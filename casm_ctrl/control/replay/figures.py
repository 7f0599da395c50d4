"""What a replay measures."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def _column() -> array[float]:
    return array("d")


@dataclass(slots=True)
class Course:
    """How it went, step by step: for the picture. Of all pools together."""

    times: array[int] = field(default_factory=lambda: array("q"))
    wanted: array[float] = field(default_factory=_column)
    served: array[float] = field(default_factory=_column)
    capacity: array[float] = field(default_factory=_column)
    """Subscribers that what is installed could serve."""
    short: array[float] = field(default_factory=_column)
    """Minutes of shortage in this step, of all device pools."""


@dataclass(slots=True)
class PoolFigures:
    """Of one pool. Sizes are in its smallest blocks."""

    name: str
    device_pools: int
    unit: int
    size: float
    needs: float
    """The peak over time of the sum of needs in whole blocks."""
    own: float
    """The sum of the device pools' own peaks."""
    on_top: bool
    """What rests in quarantine is on top of its size."""
    subscribers: float
    """The peak over time of the sum of subscribers, in addresses."""
    peak_used: float = 0.0
    """The most that device pools had at once."""
    peak_resting: float = 0.0
    shortage_minutes: float = 0.0
    refused: int = 0


@dataclass(slots=True)
class Figures:
    """Of one policy over the whole time."""

    policy: str
    begin: int
    end: int
    pools: dict[str, PoolFigures] = field(default_factory=dict)
    course: Course = field(default_factory=Course)
    shortage_seconds: float = 0.0
    """Summed over device pools: how long each had somebody who was refused."""
    unserved_seconds: float = 0.0
    """Summed over subscribers."""
    refused: int = 0
    """Subscribers who asked and were refused; who asks again is not counted again."""
    added: int = 0
    drains: int = 0
    cancelled: int = 0
    returned: int = 0
    touched: int = 0
    """Subscribers that were on a block when its drain began."""
    cut: int = 0
    """Subscribers that were on a block when it was taken away."""
    served_seconds: float = 0.0
    capacity_seconds: float = 0.0
    decisions: int = 0
    rules: dict[str, int] = field(default_factory=dict)
    """How often each rule acted."""
    blocked: dict[str, int] = field(default_factory=dict)
    """How often each guard kept something back."""
    worst: list[tuple[str, float]] = field(default_factory=list)
    """The device pools with the most minutes of shortage."""
    seconds: float = 0.0
    """How long the replay took."""
    worked: float = 0.0
    """What of a processor that took."""

    @property
    def utilisation(self) -> float:
        """Of what was installed, which part served somebody: over the whole time."""
        return self.served_seconds / self.capacity_seconds if self.capacity_seconds else 0.0

    def document(self) -> dict[str, Any]:
        """As JSON. Blocks are the smallest of their pool; fractions are of larger ones."""
        return {
            "policy": self.policy,
            "shortage-minutes": round(self.shortage_seconds / 60, 1),
            "unserved-subscriber-minutes": round(self.unserved_seconds / 60, 1),
            "login-failures": self.refused,
            "blocks-added": self.added,
            "blocks-returned": self.returned,
            "drains": self.drains,
            "drains-cancelled": self.cancelled,
            "subscribers-drained": self.touched,
            "subscribers-cut-off": self.cut,
            "peak-blocks": _blocks(sum(pool.peak_used for pool in self.pools.values())),
            "peak-quarantined": _blocks(sum(pool.peak_resting for pool in self.pools.values())),
            "utilisation": round(self.utilisation, 4),
            "decisions": self.decisions,
            "rule": _counts(self.rules),
            "blocked-by": _counts(self.blocked),
            "worst": [
                {"device-pool": label, "shortage-minutes": round(seconds / 60, 1)}
                for label, seconds in self.worst
            ],
            "pool": [_pool(pool) for pool in self.pools.values()],
        }


def _pool(pool: PoolFigures) -> dict[str, Any]:
    return {
        "name": pool.name,
        "device-pools": pool.device_pools,
        "block-length": pool.unit,
        "size": _blocks(pool.size),
        "peak-needs": _blocks(pool.needs),
        "peak-subscribers": _blocks(pool.subscribers),
        "own-peaks": _blocks(pool.own),
        "quarantine-on-top": pool.on_top,
        "peak-blocks": _blocks(pool.peak_used),
        "peak-quarantined": _blocks(pool.peak_resting),
        "shortage-minutes": round(pool.shortage_minutes, 1),
        "login-failures": pool.refused,
    }


def _counts(counted: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"name": name, "times": counted[name]} for name in sorted(counted)]


def _blocks(count: float) -> float:
    """A whole number as one."""
    return int(count) if count == int(count) else round(count, 2)
