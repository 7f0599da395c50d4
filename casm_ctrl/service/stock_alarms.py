"""Alarms about what is left in pools that device pools draw from: little, or no block for one of them.

Looked at from time to time and where a request was refused, never by each allocation: a look costs some rows of each
pool that is drawn from, and it writes only where an alarm changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.errors import StoreFault
from casm_ctrl.service.alarms import clear_others, of_pool, raise_alarm
from casm_ctrl.service.control_settings import get_limits
from casm_ctrl.service.usage import Usage, pool_usage
from casm_ctrl.store import alarms as store
from casm_ctrl.store import holdings, pools
from casm_ctrl.store.database import Database
from casm_ctrl.store.holdings import Drawing
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.transaction import Transaction

_LOW, _EXHAUSTED = "pool-low", "pool-exhausted"
_VERY = 5
"""A pool that has less than this part of what is little has very little."""


@dataclass(frozen=True)
class _Raised:
    resource: str
    type_id: str
    severity: str
    text: str


def note_stock(database: Database) -> None:
    """Raise and clear the alarms of all pools, as they stand."""
    with database.read() as tx:
        wanted = _look(tx)
        raised = {
            _Raised(alarm.resource, alarm.type_id, alarm.severity, alarm.text)
            for type_id in (_LOW, _EXHAUSTED)
            for alarm in store.open_alarms(tx, type_id)
            if alarm.resource.startswith("/casm-pools:")
        }
    if set(wanted) != raised:
        database.run(_set)


def try_note_stock(database: Database) -> None:
    """As `note_stock`, where something else is to be told: a store that fails now, or can only be read, changes nothing
    of that."""
    try:
        note_stock(database)
    except StoreFault:
        return


def _set(tx: Transaction) -> None:
    wanted = _look(tx)
    for one in wanted:
        raise_alarm(tx, one.resource, one.type_id, one.severity, one.text)
    for type_id, text in ((_LOW, "enough is free again"), (_EXHAUSTED, "blocks can be had again")):
        besides = {one.resource for one in wanted if one.type_id == type_id}
        clear_others(tx, type_id, besides, text, within="/casm-pools:")


def _look(tx: Transaction) -> list[_Raised]:
    """What is so now."""
    scarce_at = get_limits(tx).scarce_at
    drawn: dict[int, list[Drawing]] = {}
    for drawing in holdings.list_drawings(tx):
        for number in drawing.pools:
            drawn.setdefault(number, []).append(drawing)
    looked = {pool.id: (pool, pool_usage(tx, pool)) for pool in pools.list_pools(tx) if pool.id in drawn}
    found: list[_Raised] = []
    for pool, usage in looked.values():
        starved = [each for each in drawn[pool.id] if not _has(pool, usage, each.length)]
        if starved:
            # Who draws from another pool that has one is served from there.
            without = [
                each
                for each in starved
                if not any(_has(*looked[number], each.length) for number in each.pools)
            ]
            first = (without or starved)[0]
            left = (
                "nothing is free"
                if usage.largest is None
                else f"its largest free block is a /{usage.largest}"
            )
            others = f" and {len(starved) - 1} more" if len(starved) > 1 else ""
            words = f"it has no /{first.length} for {first.label}{others}: {left}"
            severity = "critical" if without else "major"
            found.append(_Raised(of_pool(pool.name), _EXHAUSTED, severity, words))
        elif usage.total and usage.free * 100 < scarce_at * usage.total:
            severity = "major" if usage.free * 100 * _VERY < scarce_at * usage.total else "minor"
            words = f"{usage.free * 100 // usage.total} % of its addresses are free, less than {scarce_at} %"
            found.append(_Raised(of_pool(pool.name), _LOW, severity, words))
    return found


def _has(pool: PoolRow, usage: Usage, length: int) -> bool:
    """Whether a block of `length` can be cut. Port sets of an address that is somebody's are free for them alone:
    where only such are left, who asks is told."""
    if usage.largest is None:
        return pool.family is Family.PORTS and usage.free > 0
    return usage.largest <= length
