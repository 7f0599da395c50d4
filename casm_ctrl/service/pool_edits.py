"""Make and remove pools: root pools own prefixes of a space, child pools are cut from a parent's free space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from casm_ctrl.addressing.prefix import PORT_BITS, Family, Prefix, first_overlap, parse_prefix, subtract_all
from casm_ctrl.addressing.strategy import STRATEGIES
from casm_ctrl.base.errors import AlreadyExists, InUse, InvalidValue, NotSupported, Overlap
from casm_ctrl.base.identifiers import check_name
from casm_ctrl.service.edits import LONGEST_TIME, Done, refuse_twice
from casm_ctrl.service.holding import hold_seen
from casm_ctrl.service.lookup import the_pool, the_space
from casm_ctrl.service.occupancy import not_free
from casm_ctrl.service.reservations import check_inside
from casm_ctrl.store import blocks, free_space, holds, pools, quotas
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.transaction import Transaction

SCOPES = ("private", "public")


@dataclass(frozen=True)
class AddPool:
    """`quarantine` and `lease_time` are seconds; prefixes and exclusions are text as people write them."""

    name: str
    space: str
    prefixes: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    scope: str = "private"
    description: str = ""
    quarantine: int = 3600
    lease_time: int = 86400
    labels: tuple[tuple[str, str], ...] = ()
    strategy: str = "best-fit"
    parent: str | None = None
    """Cut the prefixes from this pool's free space."""
    psid_offset: int | None = None
    """IPv4 with shared ports: blocks may be longer than /32 (RFC 7597, 5.1)."""
    port_routed: bool = False
    """Border relays steer by port, so port sets of one address may have several owners."""
    delegated_length: int | None = None
    """Delegated prefixes: what a subscriber gets; no block is longer."""


class ChildOf(Protocol):
    """What is looked at where a pool is to be cut from another."""

    @property
    def name(self) -> str: ...
    @property
    def parent(self) -> str | None: ...
    @property
    def scope(self) -> str: ...
    @property
    def psid_offset(self) -> int | None: ...


@dataclass(frozen=True)
class RemovePool:
    name: str


def add_pool(tx: Transaction, edit: AddPool) -> Done:
    check_name("pool", edit.name)
    if pools.find_pool(tx, edit.name) is not None:
        raise AlreadyExists(f"there is a pool '{edit.name}' already", "choose another name")
    space = the_space(tx, edit.space)
    _check_policy(edit)
    refuse_twice("label", [name for name, _ in edit.labels])
    prefixes = [parse_prefix(text) for text in edit.prefixes]
    if not prefixes:
        raise InvalidValue(f"pool '{edit.name}' has no prefix", "give at least one with --prefix")
    family = _one_family(edit.name, prefixes)
    _check_kind(edit, family, prefixes)
    _refuse_overlap("prefixes", prefixes)
    parent = None if edit.parent is None else check_parent(tx, edit, space.id, family)
    if parent is None:
        for prefix in prefixes:
            refuse_foreign_overlap(tx, prefix, space.id, edit.scope == "public")
    holes = _exclusions(edit, prefixes)
    left = subtract_all(prefixes, holes)
    if not left:
        raise InvalidValue(
            f"pool '{edit.name}' excludes all that it holds", "exclude less, or give another prefix"
        )
    number = pools.insert_pool(
        tx,
        name=edit.name,
        space_id=space.id,
        family=family,
        scope=edit.scope,
        description=edit.description,
        strategy=edit.strategy,
        quarantine=edit.quarantine,
        lease_time=edit.lease_time,
        parent_id=None if parent is None else parent.id,
        psid_offset=edit.psid_offset,
        port_routed=edit.port_routed,
        delegated_length=edit.delegated_length,
    )
    pool = pools.get_pool(tx, number)
    if parent is None:
        pools.insert_pool_prefixes(tx, pool, prefixes)
    else:
        cut_from(tx, parent, pool, prefixes)
    pools.insert_labels(tx, number, dict(edit.labels))
    pools.insert_carves(tx, number, "exclusion", holes)
    free_space.insert_free(tx, number, left)
    for prefix in prefixes:
        hold_seen(tx, pool, prefix.range)
    return Done("pool-add", "pool", number, edit.name, ", ".join(str(prefix) for prefix in prefixes))


def remove_pool(tx: Transaction, edit: RemovePool) -> Done:
    pool = the_pool(tx, edit.name)
    held = sum(blocks.block_counts(tx, pool.id).values())
    if held:
        listed = ", ".join(block.label for block in blocks.list_blocks(tx, pool_id=pool.id, limit=3))
        more = f" and {held - 3:,} more" if held > 3 else ""
        raise InUse(
            f"pool '{edit.name}' still has the blocks {listed}{more}",
            "release them, apply, and wait until their quarantine has ended",
        )
    users = pools.pool_users(tx, pool.id)
    if users:
        raise InUse(f"pool '{edit.name}' is used by {', '.join(users)}", "remove those first")
    cut = pools.list_cut(tx, pool.id)
    for carve in cut:
        pools.delete_carve(tx, carve)
    quotas.delete_quotas_on(tx, "pool", pool.id)
    holds.delete_hold(tx, "pool", pool.id)
    pools.delete_pool(tx, pool.id)
    for carve in cut:
        free_space.give(tx, carve.pool_id, carve.prefix)
        hold_seen(tx, pool, carve.prefix.range)
    return Done("pool-remove", "pool", pool.id, edit.name)


# --- Checks ---------------------------------------------------------------------------------------


def _check_policy(edit: AddPool) -> None:
    if edit.scope not in SCOPES:
        raise InvalidValue(f"'{edit.scope}' is not a scope", f"use {' or '.join(SCOPES)}")
    check_strategy(edit.strategy)
    for seconds in (edit.quarantine, edit.lease_time):
        check_time(seconds)


def check_strategy(text: str) -> None:
    if text not in STRATEGIES:
        raise InvalidValue(f"'{text}' is not a strategy", f"use {', '.join(STRATEGIES)}")


def check_time(seconds: int) -> None:
    if seconds < 0:
        raise InvalidValue("a length of time is below 0", "give 0 or more")
    if seconds > LONGEST_TIME:
        raise InvalidValue(f"{seconds} s is too long", f"give at most {LONGEST_TIME} s")


def _check_kind(edit: AddPool, family: Family, prefixes: list[Prefix]) -> None:
    """Shared ports and delegated prefixes are kinds of a pool; it is of one."""
    if edit.psid_offset is not None:
        if family is not Family.IPV4:
            raise InvalidValue(f"pool '{edit.name}' shares ports and is IPv6", "share ports of IPv4 only")
        if not 0 <= edit.psid_offset < PORT_BITS:
            raise InvalidValue(
                f"{edit.psid_offset} is not a PSID offset",
                f"give 0 to {PORT_BITS - 1} (RFC 7597: 6 by default)",
            )
    elif edit.port_routed:
        raise InvalidValue(f"pool '{edit.name}' is port-routed and shares no ports", "give --psid-offset too")
    length = edit.delegated_length
    if length is not None:
        shortest = max(prefix.length for prefix in prefixes)
        if family is not Family.IPV6 or not shortest <= length <= family.width:
            raise InvalidValue(
                f"pool '{edit.name}' cannot delegate /{length} prefixes",
                f"give IPv6 prefixes, and a length of {shortest} to {Family.IPV6.width}",
            )


def check_parent(tx: Transaction, edit: ChildOf, space_id: int, family: Family) -> PoolRow:
    parent = the_pool(tx, edit.parent or "")
    if parent.space_id != space_id or parent.family.number != family.number:
        raise InvalidValue(
            f"pool '{edit.name}' is not of the space and family of its parent '{parent.name}'"
            f" ({parent.space}, {parent.family.words})",
            "give a child its parent's",
        )
    if parent.scope != edit.scope:
        raise InvalidValue(
            f"pool '{edit.name}' is {edit.scope} and its parent '{parent.name}' is {parent.scope}",
            f"give --scope {parent.scope}",
        )
    if parent.psid_offset is not None or edit.psid_offset is not None:
        raise NotSupported("a pool with shared ports is neither a parent nor a child", "make it a root pool")
    return parent


def cut_from(tx: Transaction, parent: PoolRow, pool: PoolRow, prefixes: list[Prefix]) -> None:
    for prefix in prefixes:
        check_inside(tx, parent, prefix)
        if not free_space.take_prefix(tx, parent.id, prefix):
            raise not_free(tx, parent, prefix)
    pools.insert_carves(tx, parent.id, "child", prefixes, child_id=pool.id)


def _exclusions(edit: AddPool, prefixes: list[Prefix]) -> list[Prefix]:
    holes = [parse_prefix(text) for text in edit.exclude]
    for hole in holes:
        if not any(prefix.contains(hole) for prefix in prefixes):
            listed = ", ".join(str(prefix) for prefix in prefixes)
            raise InvalidValue(
                f"the exclusion {hole} is not inside pool '{edit.name}' ({listed})",
                "exclude only what the pool holds",
            )
    _refuse_overlap("exclusions", holes)
    return holes


def _one_family(name: str, prefixes: list[Prefix]) -> Family:
    families = {prefix.family for prefix in prefixes}
    if len(families) > 1:
        raise InvalidValue(f"pool '{name}' mixes IPv4 and IPv6", "make one pool for each family")
    return families.pop()


def _refuse_overlap(what: str, prefixes: list[Prefix]) -> None:
    both = first_overlap(prefixes)
    if both is not None:
        raise Overlap(f"the {what} {both[0]} and {both[1]} share addresses", "give each address once")


def refuse_foreign_overlap(tx: Transaction, prefix: Prefix, space_id: int, public: bool) -> None:
    found = pools.find_overlapping_prefix(tx, prefix, space_id=space_id)
    if found is None and public:
        found = pools.find_overlapping_prefix(tx, prefix, space_id=None)
    if found is not None:
        pool, space, other = found
        raise Overlap(
            f"{prefix} shares addresses with {other} of pool '{pool}' in space '{space}'",
            "give a prefix that no pool has, or another space (public pools are unique across all spaces)",
        )
