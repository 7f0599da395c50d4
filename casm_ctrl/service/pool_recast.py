"""Make a pool one of another kind in one step, with all that it holds: its prefixes, exclusions and reservations.

Its prefixes go, the pool becomes what it is to be, and they come again. So what stands on one of them (a block, a
child pool) keeps the pool what it is, as it does where the same is done edit by edit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.service.documents import family_word
from casm_ctrl.service.edits import Done
from casm_ctrl.service.lookup import the_pool
from casm_ctrl.service.pool_kind import ChangePoolKind, change_pool_kind
from casm_ctrl.service.pool_prefixes import AddPrefix, RemovePrefix, add_prefix, remove_prefix
from casm_ctrl.service.reservations import (
    Exclude,
    Include,
    Reserve,
    Unreserve,
    exclude,
    include,
    reserve,
    unreserve,
)
from casm_ctrl.store import pools
from casm_ctrl.store.transaction import Transaction

UNSETTABLE = ("parent", "psid-offset", "port-routed", "delegated-length")
"""What a pool need not have."""


@dataclass(frozen=True)
class RecastPool:
    """What is None stays. `unset` names of UNSETTABLE to be taken away."""

    name: str
    space: str | None = None
    scope: str | None = None
    parent: str | None = None
    psid_offset: int | None = None
    port_routed: bool | None = None
    delegated_length: int | None = None
    unset: tuple[str, ...] = ()


def recast_pool(tx: Transaction, edit: RecastPool) -> Done:
    pool = the_pool(tx, edit.name)
    given = {
        "parent": edit.parent,
        "psid-offset": edit.psid_offset,
        "port-routed": edit.port_routed,
        "delegated-length": edit.delegated_length,
    }
    for name in edit.unset:
        if name not in given:
            raise InvalidValue(f"'{name}' cannot be taken away from a pool", f"name {', '.join(UNSETTABLE)}")
        if given[name] is not None:
            raise InvalidValue(f"{name} was to be set and taken away at once", "do one of them")
    known = {
        "parent": None if pool.parent_id is None else pools.get_pool(tx, pool.parent_id).name,
        "psid-offset": pool.psid_offset,
        "port-routed": pool.port_routed,
        "delegated-length": pool.delegated_length,
    }
    after: dict[str, Any] = {
        name: None if name in edit.unset else known[name] if value is None else value
        for name, value in given.items()
    }
    kind = ChangePoolKind(
        name=pool.name,
        space=edit.space or pool.space,
        family=family_word(pool),
        scope=edit.scope or pool.scope,
        parent=after["parent"],
        psid_offset=after["psid-offset"],
        port_routed=bool(edit.port_routed or (after["port-routed"] and after["psid-offset"] is not None)),
        delegated_length=after["delegated-length"],
    )
    prefixes = [str(prefix) for prefix in pools.pool_prefixes(tx, pool.id)]
    cuts = [
        carve
        for carve in pools.list_carves(tx, pool_id=pool.id)
        if carve.kind in ("exclusion", "reservation")
    ]
    for cut in cuts:
        if cut.kind == "exclusion":
            include(tx, Include(pool.name, str(cut.prefix)))
        else:
            unreserve(tx, Unreserve(pool.name, str(cut.prefix)))
    for prefix in prefixes:
        remove_prefix(tx, RemovePrefix(pool.name, prefix))
    done = change_pool_kind(tx, kind)
    for prefix in prefixes:
        add_prefix(tx, AddPrefix(pool.name, prefix))
    for cut in cuts:
        if cut.kind == "exclusion":
            exclude(tx, Exclude(pool.name, str(cut.prefix), cut.reason))
        else:
            reserve(tx, Reserve(pool.name, str(cut.prefix), cut.reason))
    return done
