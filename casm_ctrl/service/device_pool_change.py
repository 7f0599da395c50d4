"""Change what a device pool says of itself, but for what its blocks stand on.

What it would be is checked as a new device pool is. Names that others know, and the owner, never change:
the AAA name is in other systems, and the owner is that of every block.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from casm_ctrl.base import automation
from casm_ctrl.base.errors import InUse, InvalidValue, NotSupported
from casm_ctrl.service.device_pool_edits import AddDevicePool, check_device_pool, owner_of
from casm_ctrl.service.device_pool_fit import as_it_is
from casm_ctrl.service.edits import Done
from casm_ctrl.service.lookup import the_device_pool
from casm_ctrl.store import devices, holdings, pools
from casm_ctrl.store.automation import put_automation
from casm_ctrl.store.device_pool_changes import update_device_pool
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.transaction import Transaction

FIXED = {
    "aaa_name": "other systems know it by that name",
    "group": "its blocks are the owner's",
}
"""What never changes, and why not."""

OPTIONAL = (
    "gateway-mask",
    "service",
    "access",
    "strategy",
    "first-length",
    "next-length",
    "max-blocks",
    "network-instance",
    "next-hop",
    "route-tag",
    "usage-high",
    "usage-low",
    *(name.replace("_", "-") for name in automation.NAMES),
)
"""What may be taken away (`unset`)."""


@dataclass(frozen=True)
class ChangeDevicePool:
    """`values` are those of AddDevicePool, and of its automation, that are to be other; `unset` names of OPTIONAL
    to be taken away."""

    name: str
    values: tuple[tuple[str, Any], ...] = ()
    unset: tuple[str, ...] = ()


def change_device_pool(tx: Transaction, edit: ChangeDevicePool) -> Done:
    row = the_device_pool(tx, edit.name)
    before = as_it_is(tx, row)
    after = _after(before, _changes(edit))
    words = _differences(before, after)
    device = devices.get_device(tx, row.device_id)
    _, holders = owner_of(tx, after, device)
    sources = check_device_pool(tx, after, device, holders)
    _refuse_other_space(tx, row, sources)
    _refuse_under_blocks(tx, row, before, after, sources)
    update_device_pool(
        tx, row.id, vars(after), pool_ids=[pool.id for pool in sources], services=after.services
    )
    if after.automation != before.automation:
        put_automation(tx, row.id, after.automation)
    return Done("device-pool-change", "device-pool", row.id, edit.name, words)


def _changes(edit: ChangeDevicePool) -> dict[str, Any]:
    values = dict(edit.values)
    for name, why in FIXED.items():
        if name in values:
            raise NotSupported(
                f"the {name.replace('_', '-')} of device pool '{edit.name}' cannot change: {why}",
                "add another device pool, and release the blocks of this one",
            )
    for name in edit.unset:
        if name not in OPTIONAL:
            raise InvalidValue(
                f"'{name}' of device pool '{edit.name}' cannot be taken away", f"use {', '.join(OPTIONAL)}"
            )
        field = "services" if name == "service" else name.replace("-", "_")
        if field in values:
            raise InvalidValue(f"'{name}' was to be changed, and taken away", "say one of them")
        values[field] = () if name == "service" else None
    if not values:
        raise InvalidValue(
            f"nothing of device pool '{edit.name}' was to be changed", "say what, as --length 25"
        )
    return values


def _after(before: AddDevicePool, values: dict[str, Any]) -> AddDevicePool:
    """The device pool with `values`, of which some are its automation's: a threshold takes the place of that in the
    other unit, unless both are said."""
    own = {name: values.pop(name) for name in automation.NAMES if name in values}
    for one, other in automation.UNITS:
        for said, silent in ((one, other), (other, one)):
            if own.get(said) is not None:
                own.setdefault(silent, None)
    return dataclasses.replace(before, **values, automation=dataclasses.replace(before.automation, **own))


def _differences(before: AddDevicePool, after: AddDevicePool) -> str:
    """What becomes other, in words for the audit."""
    old, new = ({**vars(one), **vars(one.automation)} for one in (before, after))
    parts = [
        f"{name.replace('_', '-')} {_word(old[name])} → {_word(new[name])}"
        for name in old
        if name != "automation" and old[name] != new[name]
    ]
    return ", ".join(parts) or "nothing"


def _word(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None or value == "" else str(value)


def _refuse_other_space(tx: Transaction, row: DevicePoolRow, sources: list[PoolRow]) -> None:
    """NotSupported where its blocks would be of another address space, also where it has none: one that is being
    allocated meanwhile, on PostgreSQL beside this, would be installed where its addresses may be another's."""
    space = pools.get_pool(tx, devices.device_pool_sources(tx, row.id)[0]).space
    if sources[0].space != space:
        raise NotSupported(
            f"'{row.label}' cannot move from address space '{space}' to '{sources[0].space}'",
            "add another device pool, and release the blocks of this one",
        )


def _refuse_under_blocks(
    tx: Transaction,
    row: DevicePoolRow,
    before: AddDevicePool,
    after: AddDevicePool,
    sources: list[PoolRow],
) -> None:
    """InUse where blocks are of a pool that it would not draw from, or in another network instance."""
    kept = {pool.id for pool in sources}
    for number in devices.device_pool_sources(tx, row.id):
        if number in kept:
            continue
        block = holdings.first_block(tx, row.id, number)
        if block is not None:
            raise InUse(
                f"'{row.label}' cannot stop drawing from pool '{block.pool}': it has {block.label} from it"
                f" ({block.state.value})",
                "release its blocks of that pool, apply, and wait until their quarantine has ended",
            )
    if before.network_instance != after.network_instance:
        block = holdings.first_block(tx, row.id)
        if block is not None:
            raise InUse(
                f"'{row.label}' cannot move to another network instance: it has {block.label}"
                f" ({block.state.value})",
                "release its blocks, apply, and wait until their quarantine has ended",
            )
