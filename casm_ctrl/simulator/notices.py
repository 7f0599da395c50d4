"""What a device notices of its pools and tells by itself: that one fills up, is relieved, or has nothing left to give.

In the words of our augment of ietf-address-pool (`pool-usage`) and of ietf-nat (`nat-pool-event`, RFC 8512). Pure: who
has a clock asks `judge` when something changed, and again at `next_due`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from casm_ctrl.base.clock import SECOND, Micros, to_rfc3339
from casm_ctrl.netconf.names import Element
from casm_ctrl.simulator import usage_ietf as ietf
from casm_ctrl.simulator.logins import Asked
from casm_ctrl.simulator.served import read_served, text_at
from casm_ctrl.simulator.subscribers import Circumstances, Served, Subscribers

PAUSE = SECOND
"""Between two notifications that a pool is exhausted."""
NAT_PAUSE = 20
"""Seconds between two notifications of one pool of a NAT, where its policy says nothing (RFC 8512, notify-interval)."""


@dataclass(frozen=True)
class _Marks:
    """Percent, each None where it is not configured."""

    high: int | None = None
    normal: int | None = None


@dataclass(frozen=True)
class _NatPool:
    """What a policy wants to be told of: one of its external pools, or all of them together."""

    instance: str
    policy: str
    served: Sequence[Served]
    low: int
    high: int | None
    pause: int


@dataclass
class _Level:
    """What was told of one pool."""

    high: bool = False
    """`high` was, and `normal` not since."""
    warned: bool = False
    """`exhausted` was, and `normal` not since."""
    exhausted: bool = False
    """`exhausted` was, and there was no room since."""
    refused: int = 0
    """Requests that were refused when `exhausted` was told last."""
    told_at: int = 0


@dataclass
class _NatLevel:
    high: bool = False
    above_low: bool = False
    told_at: int | None = None


class Notices:
    """What was told of the pools of one device."""

    def __init__(self) -> None:
        self.next_due: Micros | None = None
        """When something is to be told that was held back; None where nothing is."""
        self._levels: dict[Asked, _Level] = {}
        self._nat_levels: dict[tuple[str, str], _NatLevel] = {}
        self._read: Element | None = None
        self._marks: dict[Asked, _Marks] = {}
        self._served: dict[Asked, list[Served]] = {}
        self._nat_pools: list[_NatPool] = []

    def clear(self) -> None:
        """Forget what was told, as after a restart."""
        self._levels.clear()
        self._nat_levels.clear()
        self.next_due = None

    def judge(self, running: Element, subscribers: Subscribers, about: Circumstances) -> list[Element]:
        """What is to be told now, in order: the contents of notifications. `running` is never changed."""
        if self._read is not running:
            self._read = running
            self._marks, self._served = _read_pools(running)
            self._nat_pools = list(_read_nat(running))
        self.next_due = None
        found = list(self._judge_nat(subscribers, about))
        if ietf.EXTENSION_MODULE in about.modules:
            found += self._judge_pools(subscribers, about)
        return found

    # --- ietf-address-pool ------------------------------------------------------------------------

    def _judge_pools(self, subscribers: Subscribers, about: Circumstances) -> Iterator[Element]:
        for asked in {**self._marks, **about.refused}:
            counts = [subscribers.count(one) for one in self._served.get(asked, ()) if not one.drained]
            used, total = sum(count.used for count in counts), sum(count.total for count in counts)
            level = self._levels.setdefault(asked, _Level())
            for word in self._words(level, asked, used, total, about):
                yield _pool_usage(asked, word, used, total, about)

    def _words(
        self, level: _Level, asked: Asked, used: int, total: int, about: Circumstances
    ) -> Iterator[str]:
        marks, refused = self._marks.get(asked, _Marks()), about.refused.get(asked, 0)
        if total and marks.high is not None and used * 100 >= marks.high * total and not level.high:
            level.high = True
            yield "high"
        if used < total:
            level.exhausted = False
            level.refused = refused
        elif (total and not level.exhausted) or refused > level.refused:
            if not level.exhausted or about.now - level.told_at >= PAUSE:
                level.exhausted = level.warned = True
                level.refused, level.told_at = refused, about.now
                yield "exhausted"
            else:
                self._hold(level.told_at + PAUSE)
        below = marks.high if marks.normal is None else marks.normal
        if (level.high or level.warned) and below is not None and used * 100 < below * total:
            level.high = level.warned = False
            yield "normal"

    # --- ietf-nat ---------------------------------------------------------------------------------

    def _judge_nat(self, subscribers: Subscribers, about: Circumstances) -> Iterator[Element]:
        for pool in self._nat_pools:
            counts = [subscribers.count(one) for one in pool.served]
            used, total = sum(count.used for count in counts), sum(count.total for count in counts)
            percent = 100 * used // total if total else 0
            level = self._nat_levels.setdefault((pool.instance, pool.policy), _NatLevel())
            mark = None
            if pool.high is not None and percent >= pool.high and not level.high:
                mark = pool.high
            elif level.above_low and percent < pool.low:
                mark = pool.low
            if mark is not None and level.told_at is not None and about.now < level.told_at + pool.pause:
                self._hold(level.told_at + pool.pause)
                continue
            level.above_low = percent >= pool.low
            level.high = pool.high is not None and percent >= pool.high
            if mark is not None:
                level.told_at = about.now
                yield _pool_event(pool, mark)

    def _hold(self, until: int) -> None:
        self.next_due = Micros(until if self.next_due is None else min(until, self.next_due))


# --- What is configured ---------------------------------------------------------------------------


def _read_pools(running: Element) -> tuple[dict[Asked, _Marks], dict[Asked, list[Served]]]:
    marks: dict[Asked, _Marks] = {}
    served: dict[Asked, list[Served]] = {}
    for top in running.iterchildren(ietf.POOLS_TOP):
        for one in read_served(top, ietf.POOL_SHAPES):
            served.setdefault((one.pool, one.version), []).append(one)
            marks[one.pool, one.version] = _Marks()
        for pool in top.iterfind("{*}address-pool"):
            for version in (4, 6):
                high, normal = (
                    _number(pool, f"address-pool-entries/{word}-threshold-v{version}")
                    for word in ("warning", "normal")
                )
                asked = (text_at(pool, "address-pool-name") or "", version)
                if asked in marks:
                    marks[asked] = _Marks(high, normal)
    return marks, served


def _read_nat(running: Element) -> Iterator[_NatPool]:
    for top in running.iterchildren(ietf.NAT_TOP):
        served = list(read_served(top, ietf.NAT_SHAPES))
        for instance in top.iterfind("{*}instances/{*}instance"):
            for policy in instance.iterfind("{*}policy"):
                yield from _read_policy(text_at(instance, "id") or "", policy, served)


def _read_policy(instance: str, policy: Element, served: Iterable[Served]) -> Iterator[_NatPool]:
    if policy.find("{*}notify-pool-usage") is None:
        return
    low, high, pause, number = (
        _number(policy, f"notify-pool-usage/{name}")
        for name in ("low-threshold", "high-threshold", "notify-interval", "pool-id")
    )
    name = text_at(policy, "id") or ""
    meant = [one for one in served if one.pool == f"{instance}/{name}" and number in (None, int(one.entry))]
    if meant:
        pause = (pause or NAT_PAUSE) * SECOND
        yield _NatPool(instance, name, meant, low or 0, None if high == low else high, pause)


def _number(node: Element, path: str) -> int | None:
    text = text_at(node, path)
    return int(text) if text else None


# --- What is told ---------------------------------------------------------------------------------


def _pool_usage(asked: Asked, level: str, used: int, total: int, about: Circumstances) -> Element:
    leaves: Mapping[str, object] = {
        "address-pool-name": asked[0],
        "address-family": f"ipv{asked[1]}",
        "level": level,
        "addresses-used": used,
        "addresses-total": total,
        "requests-refused": about.refused.get(asked, 0),
        "counters-since": to_rfc3339(about.counters_since(asked[0])),
        "sampled-at": to_rfc3339(about.now),
        "started-at": to_rfc3339(about.booted),
    }
    return _element(ietf.EXTENSION, "pool-usage", leaves)


def _pool_event(pool: _NatPool, mark: int) -> Element:
    namespace = str(etree.QName(ietf.NAT_TOP).namespace)
    leaves: Mapping[str, object] = {
        "id": pool.instance,
        "policy-id": pool.policy,
        "pool-id": pool.served[0].entry,
        "notify-pool-threshold": mark,
    }
    return _element(namespace, "nat-pool-event", leaves)


def _element(namespace: str, name: str, leaves: Mapping[str, object]) -> Element:
    made = etree.Element(f"{{{namespace}}}{name}", nsmap={None: namespace})  # type: ignore[dict-item]
    for leaf, value in leaves.items():
        etree.SubElement(made, f"{{{namespace}}}{leaf}").text = str(value)
    return made
