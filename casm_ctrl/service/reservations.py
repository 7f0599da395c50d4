"""Reserve and exclude parts of a pool after it was made, and end that.

Both take free space that no block is then cut from. An exclusion is no address of the pool's (a link
network, a loopback); a reservation is kept for something, and says for what.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Prefix, parse_prefix
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.service.edits import Done
from casm_ctrl.service.holding import hold_seen
from casm_ctrl.service.lookup import the_pool
from casm_ctrl.service.occupancy import not_free
from casm_ctrl.store import configuration_changes, free_space, pools
from casm_ctrl.store.pools import Carve, PoolRow
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class Reserve:
    pool: str
    prefix: str
    reason: str


@dataclass(frozen=True)
class Unreserve:
    pool: str
    prefix: str


@dataclass(frozen=True)
class ChangeReservation:
    """Says another reason for what is reserved; it stays reserved all the while."""

    pool: str
    prefix: str
    reason: str


@dataclass(frozen=True)
class Exclude:
    pool: str
    prefix: str
    reason: str = ""


@dataclass(frozen=True)
class Include:
    """Ends an exclusion."""

    pool: str
    prefix: str


def reserve(tx: Transaction, edit: Reserve) -> Done:
    _check_reason(edit)
    return _carve(tx, edit, "reservation", "pool-reserve")


def change_reservation(tx: Transaction, edit: ChangeReservation) -> Done:
    _check_reason(edit)
    pool, prefix = the_pool(tx, edit.pool), parse_prefix(edit.prefix)
    carve = _find(tx, pool, prefix, "reservation")
    configuration_changes.set_carve_reason(tx, carve, edit.reason)
    return Done("pool-reserve", "pool", pool.id, pool.name, f"{prefix} {edit.reason}")


def _check_reason(edit: Reserve | ChangeReservation) -> None:
    if not edit.reason:
        raise InvalidValue(f"{edit.prefix} was to be reserved for no reason", "say what for with --reason")


def exclude(tx: Transaction, edit: Exclude) -> Done:
    return _carve(tx, edit, "exclusion", "pool-exclude")


def unreserve(tx: Transaction, edit: Unreserve) -> Done:
    return _give_back(tx, edit, "reservation", "pool-unreserve")


def include(tx: Transaction, edit: Include) -> Done:
    return _give_back(tx, edit, "exclusion", "pool-include")


def _carve(tx: Transaction, edit: Reserve | Exclude, kind: str, verb: str) -> Done:
    pool, prefix = the_pool(tx, edit.pool), parse_prefix(edit.prefix)
    check_inside(tx, pool, prefix)
    if not free_space.take_prefix(tx, pool.id, prefix):
        raise not_free(tx, pool, prefix)
    pools.insert_carves(tx, pool.id, kind, [prefix], reason=edit.reason)
    return Done(verb, "pool", pool.id, pool.name, f"{prefix} {edit.reason}".rstrip())


def _give_back(tx: Transaction, edit: Unreserve | Include, kind: str, verb: str) -> Done:
    pool, prefix = the_pool(tx, edit.pool), parse_prefix(edit.prefix)
    carve = _find(tx, pool, prefix, kind)
    pools.delete_carve(tx, carve)
    free_space.give(tx, pool.id, prefix)
    hold_seen(tx, pool, prefix.range)
    return Done(verb, "pool", pool.id, pool.name, str(prefix))


def _find(tx: Transaction, pool: PoolRow, prefix: Prefix, kind: str) -> Carve:
    cut = pools.list_carves(tx, pool_id=pool.id, kind=kind)
    for carve in cut:
        if carve.prefix == prefix:
            return carve
    listed = ", ".join(str(carve.prefix) for carve in cut[:5]) or "none"
    raise NotFound(
        f"{prefix} is no {kind} of pool '{pool.name}' (it has {listed})",
        f"name one as 'casm pool show {pool.name}' lists it",
    )


def check_inside(tx: Transaction, pool: PoolRow, prefix: Prefix) -> None:
    """InvalidValue where no prefix of the pool holds `prefix`."""
    if prefix.family.number != pool.family.number:
        raise InvalidValue(
            f"{prefix} is {prefix.family.value}, and pool '{pool.name}' is not", "give a prefix of its family"
        )
    own = pools.pool_prefixes(tx, pool.id)
    if not any(outer.contains(prefix) for outer in own):
        more = " and more" if len(own) > 5 else ""
        raise InvalidValue(
            f"{prefix} is not inside pool '{pool.name}' ({', '.join(map(str, own[:5]))}{more})",
            "give a part of one of its prefixes",
        )
