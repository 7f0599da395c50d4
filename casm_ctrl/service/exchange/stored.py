"""What the store holds, as entries: what an export writes, and what an import is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.automation import UNSET, Automation
from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.base.limits import DEFAULT_LIMITS, NAMES, leaf
from casm_ctrl.service.alarm_control import Shelf, qualified, read_control
from casm_ctrl.service.control_settings import get_limits
from casm_ctrl.service.documents import (
    automation_document,
    deadlines_document,
    prefix_document,
    used_document,
)
from casm_ctrl.service.exchange.nouns import (
    BLOCK,
    DEVICE,
    DEVICE_POOL,
    GROUP,
    HOLD,
    LIMIT,
    POOL,
    QUOTA,
    SHELF,
    SPACE,
    Entry,
    Noun,
)
from casm_ctrl.store import (
    automation,
    blocks,
    configuration_changes,
    devices,
    holds,
    owners,
    pools,
    quotas,
    spaces,
)
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.devices import DevicePoolRow, DeviceRow
from casm_ctrl.store.holds import Hold
from casm_ctrl.store.owners import GroupRow
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.quotas import QuotaRow
from casm_ctrl.store.spaces import SpaceRow
from casm_ctrl.store.transaction import Transaction


def stored_entries(tx: Transaction, noun: Noun) -> Iterator[Entry]:
    """Everything of one noun, by name; blocks by device pool and then by address, one device pool in memory
    at a time."""
    if noun is BLOCK:
        for device_pool in devices.list_device_pools(tx):
            yield from stored_blocks(tx, device_pool)
        return
    yield from _LISTS[noun.name](tx)


def stored_blocks(tx: Transaction, device_pool: DevicePoolRow) -> Iterator[Entry]:
    rows = blocks.list_blocks(tx, device_pool_id=device_pool.id)
    rows.sort(key=lambda row: (row.prefix.family.number, row.prefix.first_key))
    return map(block_entry, rows)


def find_stored(tx: Transaction, entry: Entry) -> Entry | None:
    """What the store has under the name of `entry`; not for blocks, which have none."""
    return _FINDERS[entry.noun.name](tx, entry.key)


def space_entry(row: SpaceRow) -> Entry:
    return Entry(SPACE, row.name, {"description": row.description})


def pool_entry(tx: Transaction, row: PoolRow) -> Entry:
    carves = pools.list_carves(tx, pool_id=row.id)
    return _entry(
        POOL,
        row.name,
        {
            "address-space": row.space,
            "parent": None if row.parent_id is None else pools.get_pool(tx, row.parent_id).name,
            "family": (Family.IPV6 if row.family is Family.IPV6 else Family.IPV4).value,
            "scope": row.scope,
            "description": row.description,
            "psid-offset": row.psid_offset,
            "port-routed": row.port_routed,
            "delegated-length": row.delegated_length,
            "prefix": tuple(str(prefix) for prefix in pools.pool_prefixes(tx, row.id)),
            "exclude": tuple(str(carve.prefix) for carve in carves if carve.kind == "exclusion"),
            "reservation": tuple(
                (str(carve.prefix), carve.reason) for carve in carves if carve.kind == "reservation"
            ),
            "label": tuple(pools.pool_labels(tx, row.id).items()),
            "strategy": row.strategy,
            "quarantine": row.quarantine,
            "lease-time": row.lease_time,
        },
    )


def device_entry(tx: Transaction, row: DeviceRow) -> Entry:
    names = {space.id: space.name for space in spaces.list_spaces(tx)}
    instances = devices.device_instances(tx, row.id)
    return _entry(
        DEVICE,
        row.name,
        {
            "role": row.role,
            "driver": row.driver,
            "host": row.host,
            "port": row.port,
            "user": row.username,
            "credential": row.credential,
            "host-key": row.host_key,
            "client": row.client,
            "on-drift": row.on_drift,
            "interval": row.polling.interval,
            "hot-interval": row.polling.hot_interval,
            "notifications": row.polling.notifications,
            "label": tuple(configuration_changes.device_labels(tx, row.id).items()),
            **deadlines_document(row.deadlines),
            "address-space": row.space,
            "network-instance": tuple(sorted((name, names[number]) for name, number in instances.items())),
        },
    )


def group_entry(tx: Transaction, row: GroupRow) -> Entry:
    members = devices.owner_members(tx, row.id)
    pairs = sorted((devices.get_device(tx, member.device_id).name, member.role) for member in members)
    return _entry(GROUP, row.name, {"member": tuple(pairs)})


def device_pool_entry(tx: Transaction, row: DevicePoolRow, own: Automation | None = None) -> Entry:
    """`own`: what was set of its automation, where that is known; None: it is looked up."""
    sources = devices.device_pool_sources(tx, row.id)
    held = automation.get_automation(tx, row.id) if own is None else own
    return _entry(
        DEVICE_POOL,
        row.label,
        {
            "aaa-name": row.aaa_name,
            "pool": tuple(pools.get_pool(tx, number).name for number in sources),
            "length": row.length,
            "strategy": row.strategy,
            "first-length": row.first_length,
            "next-length": row.next_length,
            "min-blocks": row.min_blocks,
            "max-blocks": row.max_blocks,
            "owner-group": owners.group_of(tx, row.owner_id),
            "gateway": row.gateway,
            "gateway-mask": row.gateway_mask,
            "serve-edges": row.serve_edges,
            "service": tuple(sorted(devices.device_pool_services(tx, row.id))),
            "access": row.access,
            "withdraw-when-unknown": row.withdraw_when_unknown,
            "description": row.description,
            "network-instance": row.network_instance,
            "announcement": row.announcement,
            "next-hop": row.next_hop,
            "route-tag": row.route_tag,
            "usage-high": row.usage_high,
            "usage-low": row.usage_low,
            **automation_document(held),
        },
    )


def _device_pools(tx: Transaction) -> Iterator[Entry]:
    held = automation.list_automation(tx)
    for row in devices.list_device_pools(tx):
        yield device_pool_entry(tx, row, held.get(row.id, UNSET))


def quota_entry(row: QuotaRow) -> Entry:
    values = {
        "kind": row.kind,
        "subject": row.subject,
        "family": row.family.value,
        "max-addresses": str(row.addresses),
    }
    return Entry(QUOTA, row.name, values)


def block_entry(row: BlockRow) -> Entry:
    values: dict[str, Any] = prefix_document(row.prefix, row.psid_offset)
    key = values.pop("prefix")
    values["device-pool"] = row.device_pool
    values["pool"] = row.pool
    if row.expires_at is not None:
        values["expires"] = to_rfc3339(row.expires_at)
    values["id"] = row.name
    values["wanted"] = row.wanted.value
    values["state"] = row.state.value
    values["since"] = to_rfc3339(row.changed_at)
    if row.rest_until is not None:
        values["quarantined-until"] = to_rfc3339(row.rest_until)
    values |= used_document(row.used, row.used_at)
    return Entry(BLOCK, key, values)


def limit_entries(tx: Transaction) -> Iterator[Entry]:
    """What was set: of the rest the defaults hold."""
    limits = get_limits(tx)
    for name in NAMES:
        value = getattr(limits, name)
        if value != getattr(DEFAULT_LIMITS, name):
            yield Entry(LIMIT, leaf(name), {"value": value})


def hold_entry(row: Hold) -> Entry:
    values = {"reason": row.reason, "since": to_rfc3339(row.since), "actor": row.actor}
    return Entry(HOLD, f"{row.kind} {row.subject}".rstrip(), values)


def shelf_entry(shelf: Shelf) -> Entry:
    return _entry(
        SHELF,
        shelf.name,
        {
            "resource": tuple(sorted(match.named for match in shelf.resources)),
            "alarm-type": tuple(sorted((qualified(name), match) for name, match in shelf.types)),
            "description": shelf.description,
            "below": shelf.below,
        },
    )


def _entry(noun: Noun, key: str, values: dict[str, Any]) -> Entry:
    return Entry(noun, key, {name: value for name, value in values.items() if value not in (None, ())})


_LISTS: dict[str, Callable[[Transaction], Iterator[Entry]]] = {
    SPACE.name: lambda tx: map(space_entry, spaces.list_spaces(tx)),
    POOL.name: lambda tx: (pool_entry(tx, row) for row in pools.list_pools(tx)),
    DEVICE.name: lambda tx: (device_entry(tx, row) for row in devices.list_devices(tx)),
    GROUP.name: lambda tx: (group_entry(tx, row) for row in owners.list_groups(tx)),
    DEVICE_POOL.name: _device_pools,
    QUOTA.name: lambda tx: map(quota_entry, quotas.list_quotas(tx)),
    LIMIT.name: limit_entries,
    HOLD.name: lambda tx: map(hold_entry, holds.list_holds(tx)),
    SHELF.name: lambda tx: map(shelf_entry, read_control(tx).shelves),
}


def _find_space(tx: Transaction, name: str) -> Entry | None:
    row = spaces.find_space(tx, name)
    return None if row is None else space_entry(row)


def _find_pool(tx: Transaction, name: str) -> Entry | None:
    row = pools.find_pool(tx, name)
    return None if row is None else pool_entry(tx, row)


def _find_device(tx: Transaction, name: str) -> Entry | None:
    row = devices.find_device(tx, name)
    return None if row is None else device_entry(tx, row)


def _find_group(tx: Transaction, name: str) -> Entry | None:
    row = owners.find_group(tx, name)
    return None if row is None else group_entry(tx, row)


def _find_device_pool(tx: Transaction, label: str) -> Entry | None:
    device, _, name = label.partition("/")
    row = devices.find_device_pool(tx, device, name)
    return None if row is None else device_pool_entry(tx, row)


def _find_quota(tx: Transaction, name: str) -> Entry | None:
    row = quotas.find_quota(tx, name)
    return None if row is None else quota_entry(row)


def _find_listed(noun: Noun) -> Callable[[Transaction, str], Entry | None]:
    """Of a noun of which there are few."""
    return lambda tx, key: next((entry for entry in _LISTS[noun.name](tx) if entry.key == key), None)


_FINDERS: dict[str, Callable[[Transaction, str], Entry | None]] = {
    SPACE.name: _find_space,
    POOL.name: _find_pool,
    DEVICE.name: _find_device,
    GROUP.name: _find_group,
    DEVICE_POOL.name: _find_device_pool,
    QUOTA.name: _find_quota,
    **{noun.name: _find_listed(noun) for noun in (LIMIT, HOLD, SHELF)},
}
