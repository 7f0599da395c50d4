"""The forecast as an answer: device pools, pools and address spaces, with when they run dry and how that is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.clock import Micros, to_rfc3339
from casm_ctrl.base.errors import NotFound
from casm_ctrl.control.forecast.exhaustion import NEVER, SECONDS_A_DAY, Exhaustion, exhaustion
from casm_ctrl.control.forecast.growth import Growth, total
from casm_ctrl.control.forecast.pattern import DAY, Pattern, learn
from casm_ctrl.control.forecast.supply import Consumer, Outcome, outcome
from casm_ctrl.service.forecast_facts import Demand, Facts, Stock, forecast_facts
from casm_ctrl.service.verb import Document
from casm_ctrl.store.database import Database

HORIZON = 180
"""Days that are looked ahead where nothing else is said."""
LONGEST = 3660


@dataclass(frozen=True)
class Course:
    """A device pool: what was counted, its pattern, what it can serve, and what somebody expects beside."""

    demand: Demand
    pattern: Pattern | None
    growths: tuple[Growth, ...]
    exhaustion: Exhaustion

    @property
    def label(self) -> str:
        return self.demand.row.label


@dataclass(frozen=True)
class Outlook:
    """Everything that was asked for, from one snapshot of the store."""

    facts: Facts
    days: int
    growths: tuple[Growth, ...]
    courses: tuple[Course, ...]
    outcome: Outcome

    def chosen(self, *names: str) -> bool:
        return not self.facts.chosen or any(name in self.facts.chosen for name in names)

    def document(self) -> Document:
        """Keys are leaf names; what is not known is left out."""
        return {
            "time": to_rfc3339(self.facts.now),
            "horizon": self.days,
            "growth": [str(growth) for growth in self.growths],
            "device-pool": [
                _course_document(course, self.outcome.unserved.get(course.label, NEVER))
                for course in self.courses
                if self.chosen(course.label)
            ],
            "pool": [
                self._pool_document(stock) for stock in self.facts.stocks if self.chosen(stock.row.name)
            ],
            "address-space": list(self._spaces()),
        }

    def _pool_document(self, stock: Stock) -> Document:
        return {
            "pool": stock.row.name,
            "address-space": stock.row.space,
            "free-percent": stock.free * 100 // stock.total if stock.total else 0,
            **_exhaustion_document(self.outcome.pools[stock.row.name]),
        }

    def _spaces(self) -> Iterable[Document]:
        """A space has no more where a device pool gets no block from any of its pools."""
        stocks: dict[tuple[str, int], list[Stock]] = {}
        for stock in self.facts.stocks:
            stocks.setdefault((stock.row.space, stock.row.family.number), []).append(stock)
        for (space, number), group in sorted(stocks.items()):
            if not self.chosen(space):
                continue
            names = {stock.row.name for stock in group}
            dry = [
                self.outcome.unserved[course.label]
                for course in self.courses
                if course.label in self.outcome.unserved and names & set(course.demand.sources)
            ]
            total = sum(stock.total for stock in group)
            yield {
                "address-space": space,
                "family": (Family.IPV4 if number == 4 else Family.IPV6).value,
                "free-percent": sum(stock.free for stock in group) * 100 // total if total else 0,
                **_exhaustion_document(_first(dry)),
            }


def look_ahead(
    database: Database,
    subjects: Sequence[str] = (),
    *,
    days: int = HORIZON,
    growths: Sequence[Growth] = (),
) -> Outlook:
    """What is to be expected of `subjects` (device pools, devices, pools, address spaces; none: all) within so many
    days. NotFound."""
    facts = forecast_facts(database, subjects)
    for growth in growths:
        if facts.demands and not any(growth.means(each.names, each.labels) for each in facts.demands):
            raise NotFound(
                f"'{growth}' is about no device pool",
                "name a label of devices or pools (region=north), a device pool, a device, a pool, or all",
            )
    courses = tuple(_course(demand, facts.now, days, tuple(growths)) for demand in facts.demands)
    consumers = [_consumer(course) for course in courses]
    free = {stock.row.name: stock.free for stock in facts.stocks}
    return Outlook(facts, days, tuple(growths), courses, outcome(consumers, free, facts.now, days))


def _course(demand: Demand, now: Micros, days: int, growths: tuple[Growth, ...]) -> Course:
    own = tuple(growth for growth in growths if growth.means(demand.names, demand.labels))
    pattern = learn(demand.hours, demand.days)
    found = NEVER if pattern is None else exhaustion(pattern, demand.capacity, now, days, own)
    return Course(demand, pattern, own, found)


def _consumer(course: Course) -> Consumer:
    demand, held = course.demand, course.demand.automation
    counts = not (demand.hours and demand.hours[-1].kind == "percent")
    return Consumer(
        label=course.label,
        sources=demand.sources,
        size=demand.size,
        serves=demand.serves if counts else max(1, demand.capacity // max(1, demand.blocks)),
        blocks=demand.blocks,
        capacity=demand.capacity,
        pattern=course.pattern,
        grow_at=held.grow_at,
        grow_at_free=held.grow_at_free,
        min_blocks=demand.row.min_blocks,
        max_blocks=demand.row.max_blocks,
        priority=held.priority or 0,
        gives_back=held.shrink == "automatic",
        growths=course.growths,
    )


def _course_document(course: Course, unserved: Exhaustion) -> Document:
    demand, pattern = course.demand, course.pattern
    document: Document = {
        "device-pool": course.label,
        "blocks": demand.blocks,
        "capacity": str(demand.capacity),
        "history-days": 0 if pattern is None else pattern.days,
        "pattern": "none" if pattern is None else "week" if pattern.weekly else "day",
    }
    if demand.used is not None:
        document["used"] = str(demand.used)
    if pattern is not None:
        today = demand.hours[-1].begin // DAY
        level = pattern.trend.at(today + 0.5)
        if level > 0 and pattern.weekly:
            document["growth-per-week"] = f"{pattern.trend.slope * 700 / level:.1f}"
        tomorrow = pattern.day_peak(today + 1).times(total(course.growths, SECONDS_A_DAY))
        document["expected-peak"] = str(round(tomorrow.likely))
    document |= _exhaustion_document(course.exhaustion)
    if unserved.likely is not None:
        document["no-block-left"] = to_rfc3339(unserved.likely)
    return document


def _exhaustion_document(found: Exhaustion) -> Document:
    named = (("earliest", found.early), ("exhausted", found.likely), ("latest", found.late))
    return {name: to_rfc3339(at) for name, at in named if at is not None}


def _first(found: Sequence[Exhaustion]) -> Exhaustion:
    def least(times: Iterable[Micros | None]) -> Micros | None:
        return min((at for at in times if at is not None), default=None)

    return Exhaustion(
        least(one.early for one in found),
        least(one.likely for one in found),
        least(one.late for one in found),
    )
