"""Change what a pool is: its space, parent, scope, and what it gives out.

Its prefixes are kept by these, so that they are taken away first and given again after, in the same change. What
stands on a prefix keeps it, and so keeps what the pool is; quotas, labels and device pools stay with the pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.addressing.prefix import PORT_BITS, Family
from casm_ctrl.base.errors import InUse, InvalidValue
from casm_ctrl.service.device_pool_fit import check_fit
from casm_ctrl.service.edits import Done
from casm_ctrl.service.lookup import the_pool, the_space
from casm_ctrl.service.pool_edits import SCOPES, check_parent
from casm_ctrl.service.pool_prefixes import refuse_without_prefix
from casm_ctrl.store import configuration_changes, devices, pools, quotas
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class ChangePoolKind:
    """All that a pool is besides its prefixes and policy. The pool has no prefix when it is made, and is given some
    by the edits that follow."""

    name: str
    space: str
    family: str
    """ipv4 or ipv6."""
    scope: str = "private"
    parent: str | None = None
    psid_offset: int | None = None
    port_routed: bool = False
    delegated_length: int | None = None


def change_pool_kind(tx: Transaction, edit: ChangePoolKind) -> Done:
    pool, space = the_pool(tx, edit.name), the_space(tx, edit.space)
    own = pools.pool_prefixes(tx, pool.id)
    if own:
        raise InUse(
            f"pool '{pool.name}' cannot become another kind of pool while it has {own[0]}",
            "take its prefixes away in the same change, or make another pool",
        )
    if edit.scope not in SCOPES:
        raise InvalidValue(f"'{edit.scope}' is not a scope", f"use {' or '.join(SCOPES)}")
    family = _family(edit)
    parent = None
    if edit.parent is not None:
        if edit.parent == edit.name:
            raise InvalidValue(f"pool '{edit.name}' would be its own parent", "name another parent")
        parent = check_parent(tx, edit, space.id, family)
    configuration_changes.set_pool_kind(
        tx,
        pool.id,
        space_id=space.id,
        parent_id=None if parent is None else parent.id,
        family=family,
        scope=edit.scope,
        psid_offset=edit.psid_offset,
        port_routed=edit.port_routed,
        delegated_length=edit.delegated_length,
    )

    def check(tx: Transaction) -> None:
        refuse_without_prefix(tx, pool.id)
        _refuse_other_quota(tx, pool.id, pool.name, family)
        for number in configuration_changes.pools_drawing(tx, pool.id):
            check_fit(tx, devices.get_device_pool(tx, number))

    return Done("pool-change", "pool", pool.id, pool.name, _words(edit), check)


def _refuse_other_quota(tx: Transaction, pool_id: int, name: str, family: Family) -> None:
    """InvalidValue where its quota counts addresses of the family that it was of."""
    other = Family.IPV4 if family is Family.IPV6 else Family.IPV6
    quota = quotas.quota_on(tx, "pool", pool_id, other)
    if quota is not None:
        raise InvalidValue(
            f"pool '{name}' would be {family.value}, and its quota '{quota.name}' is {other.value}",
            "remove the quota in the same change, or give it that family",
        )


def _family(edit: ChangePoolKind) -> Family:
    """The family that its prefixes are to be of; InvalidValue where it cannot be of the kind that is said."""
    known = {family.value: family for family in (Family.IPV4, Family.IPV6)}
    if edit.family not in known:
        raise InvalidValue(f"'{edit.family}' is not a family", "use ipv4 or ipv6")
    family = known[edit.family]
    offset, length = edit.psid_offset, edit.delegated_length
    if offset is not None and (family is not Family.IPV4 or not 0 <= offset < PORT_BITS):
        raise InvalidValue(
            f"{offset} is not a PSID offset of {family.words}", f"give 0 to {PORT_BITS - 1}, of IPv4"
        )
    if edit.port_routed and offset is None:
        raise InvalidValue(f"pool '{edit.name}' is port-routed and shares no ports", "give --psid-offset too")
    if length is not None and (family is not Family.IPV6 or not 1 <= length <= family.width):
        raise InvalidValue(
            f"pool '{edit.name}' cannot delegate /{length} prefixes",
            f"give IPv6 prefixes, and a length of 1 to {Family.IPV6.width}",
        )
    return family


def _words(edit: ChangePoolKind) -> str:
    parts = [f"{edit.family} of space {edit.space}", edit.scope]
    if edit.parent is not None:
        parts.append(f"child of {edit.parent}")
    if edit.psid_offset is not None:
        parts.append(f"psid-offset {edit.psid_offset}" + (", port-routed" if edit.port_routed else ""))
    if edit.delegated_length is not None:
        parts.append(f"delegated-length {edit.delegated_length}")
    return ", ".join(parts)
