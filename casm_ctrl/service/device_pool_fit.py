"""Whether a device pool still can be as it is, when what it stands on was changed: its device, owner or pools."""

from __future__ import annotations

from casm_ctrl.base.errors import AlreadyExists
from casm_ctrl.service.device_pool_edits import AddDevicePool, check_device_pool, owner_of
from casm_ctrl.store import automation, devices, owners, pools
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.transaction import Transaction


def as_it_is(tx: Transaction, row: DevicePoolRow) -> AddDevicePool:
    """The device pool as it would be added anew."""
    return AddDevicePool(
        name=row.label,
        pools=tuple(pools.get_pool(tx, number).name for number in devices.device_pool_sources(tx, row.id)),
        length=row.length,
        aaa_name=row.aaa_name,
        gateway=row.gateway,
        gateway_mask=row.gateway_mask,
        services=tuple(devices.device_pool_services(tx, row.id)),
        access=row.access,
        withdraw_when_unknown=row.withdraw_when_unknown,
        description=row.description,
        group=owners.group_of(tx, row.owner_id),
        strategy=row.strategy,
        first_length=row.first_length,
        next_length=row.next_length,
        min_blocks=row.min_blocks,
        max_blocks=row.max_blocks,
        serve_edges=row.serve_edges,
        network_instance=row.network_instance,
        announcement=row.announcement,
        next_hop=row.next_hop,
        route_tag=row.route_tag,
        usage_high=row.usage_high,
        usage_low=row.usage_low,
        automation=automation.get_automation(tx, row.id),
    )


def check_fit(tx: Transaction, row: DevicePoolRow) -> None:
    """A Refusal where the device pool could not be added as it is; AlreadyExists where two on one of its devices
    have one AAA name."""
    edit = as_it_is(tx, row)
    _, holders = owner_of(tx, edit, devices.get_device(tx, row.device_id))
    check_device_pool(tx, edit, devices.get_device(tx, row.device_id), holders)
    for holder in holders:
        for other in owners.device_pools_on(tx, holder.id):
            if other.id != row.id and other.aaa_name == row.aaa_name:
                raise AlreadyExists(
                    f"device '{holder.name}' would have the AAA name '{row.aaa_name}' twice:"
                    f" of '{row.label}' and of '{other.label}'",
                    "leave the device out of the group, or remove one of the two",
                )
