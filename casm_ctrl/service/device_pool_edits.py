"""Make and remove device pools: what one service on a device, or on a group of them, serves from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Family, parse_address
from casm_ctrl.addressing.strategy import STRATEGIES
from casm_ctrl.base.automation import UNSET, Automation, check_automation
from casm_ctrl.base.clock import parse_duration
from casm_ctrl.base.errors import AlreadyExists, InUse, InvalidValue
from casm_ctrl.base.identifiers import split_device_pool
from casm_ctrl.service.edits import Done, refuse_twice
from casm_ctrl.service.lookup import the_device, the_device_pool, the_group, the_pool
from casm_ctrl.store import automation, blocks, devices, holds, owners, pools
from casm_ctrl.store.devices import DeviceRow
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.transaction import Transaction

ANNOUNCEMENTS = ("none", "device-automatic", "driver-static-discard", "external")
SHARED_ACCESS = ("map", "lw4over6")
"""Kinds of translation whose subscribers are told their ports: a device that is a CGN for others may be a border
relay of theirs, and is given port sets for it."""
ACCESS = ("pppoe", "dhcp", "vpn", "ds-lite", "lw4over6", "map", "cgn", "xlat", "other")


@dataclass(frozen=True)
class AddDevicePool:
    """`name` is DEVICE/NAME. `aaa_name` defaults to the name; it never changes."""

    name: str
    pools: tuple[str, ...]
    length: int
    aaa_name: str = ""
    gateway: str = "none"
    gateway_mask: int | None = None
    services: tuple[str, ...] = ()
    access: str | None = None
    withdraw_when_unknown: str = "operator"
    description: str = ""
    group: str | None = None
    """The owner group that has the blocks; the device is a member of it."""
    strategy: str | None = None
    first_length: int | None = None
    next_length: int | None = None
    min_blocks: int = 0
    max_blocks: int | None = None
    serve_edges: bool = False
    network_instance: str | None = None
    """Of the device, where its pools' address space does not tell."""
    announcement: str = "none"
    next_hop: str | None = None
    route_tag: int | None = None
    usage_high: int | None = None
    """Percent in use at which the device should tell."""
    usage_low: int | None = None
    automation: Automation = UNSET


@dataclass(frozen=True)
class RemoveDevicePool:
    name: str


def add_device_pool(tx: Transaction, edit: AddDevicePool) -> Done:
    device_name, name = split_device_pool(edit.name)
    device = the_device(tx, device_name)
    if devices.find_device_pool(tx, device_name, name) is not None:
        raise AlreadyExists(f"there is a device pool '{edit.name}' already", "choose another name")
    owner_id, holders = owner_of(tx, edit, device)
    aaa_name = edit.aaa_name or name
    for holder in holders:
        _refuse_taken_name(tx, holder, aaa_name)
    sources = check_device_pool(tx, edit, device, holders)
    number = devices.insert_device_pool(
        tx,
        device=device,
        owner_id=owner_id,
        name=name,
        aaa_name=aaa_name,
        length=edit.length,
        gateway=edit.gateway,
        gateway_mask=edit.gateway_mask,
        serve_edges=edit.serve_edges,
        network_instance=edit.network_instance,
        announcement=edit.announcement,
        next_hop=edit.next_hop,
        route_tag=edit.route_tag,
        usage_high=edit.usage_high,
        usage_low=edit.usage_low,
        access=edit.access,
        withdraw_when_unknown=edit.withdraw_when_unknown,
        description=edit.description,
        strategy=edit.strategy,
        first_length=edit.first_length,
        next_length=edit.next_length,
        min_blocks=edit.min_blocks,
        max_blocks=edit.max_blocks,
        pool_ids=[pool.id for pool in sources],
        services=edit.services,
    )
    automation.put_automation(tx, number, edit.automation)
    return Done("device-pool-add", "device-pool", number, edit.name, f"from {', '.join(edit.pools)}")


def check_device_pool(
    tx: Transaction, edit: AddDevicePool, device: DeviceRow, holders: Sequence[DeviceRow]
) -> list[PoolRow]:
    """The pools of a device pool whose blocks are on `holders`; a Refusal where it cannot be as `edit` says."""
    if not edit.pools:
        raise InvalidValue(
            f"device pool '{edit.name}' may draw from no pool", "name at least one with --pool"
        )
    refuse_twice("pool", edit.pools)
    refuse_twice("service", edit.services)
    sources = [the_pool(tx, pool) for pool in edit.pools]
    if len({pool.family for pool in sources}) > 1:
        raise InvalidValue(
            "the pools are not of one family", "make one device pool for IPv4 and one for IPv6"
        )
    family = sources[0].family
    if len({pool.space_id for pool in sources}) > 1:
        raise InvalidValue(
            "the pools are not of one address space", "make one device pool for each address space"
        )
    if len({pool.delegated_length for pool in sources}) > 1:
        raise InvalidValue(
            "the pools do not delegate prefixes of one length", "make one device pool for each length"
        )
    for holder in holders:
        _refuse_foreign_space(tx, holder, sources)
        own = edit.network_instance if holder.id == device.id else None
        network_instance(tx, holder, sources[0].space_id, own)
    shared = edit.access in SHARED_ACCESS
    _check_lengths(tx, edit, sources, whole=not shared and any(h.role == "cgn" for h in holders))
    _check_policy(edit)
    check_gateway(edit.gateway, family)
    shortest = min(edit.length, edit.first_length or edit.length, edit.next_length or edit.length)
    if edit.gateway_mask is not None and not 0 <= edit.gateway_mask <= shortest:
        raise InvalidValue(
            f"the gateway mask /{edit.gateway_mask} is longer than the blocks (/{shortest})",
            f"give 0 to {shortest}",
        )
    if edit.access is not None and edit.access not in ACCESS:
        raise InvalidValue(f"'{edit.access}' is not a kind of access", f"use {', '.join(ACCESS)}")
    check_withdraw(edit.withdraw_when_unknown)
    check_announcement(edit.announcement, edit.next_hop, edit.route_tag, family)
    check_usage_marks(edit.usage_high, edit.usage_low)
    check_automation(edit.automation, device.role, edit.usage_high)
    return sources


def owner_of(tx: Transaction, edit: AddDevicePool, device: DeviceRow) -> tuple[int, list[DeviceRow]]:
    """Who has the blocks: the owner's id, and the devices on which they are configured."""
    if edit.group is None:
        return device.owner_id, [device]
    group = the_group(tx, edit.group)
    members = [m.device_id for m in devices.owner_members(tx, group.id) if m.holds_blocks]
    if device.id not in members:
        raise InvalidValue(
            f"device '{device.name}' does not serve or stand by in group '{group.name}'",
            f"name the device pool after one that does; see 'casm group show {group.name}'",
        )
    return group.id, [devices.get_device(tx, number) for number in members]


def _refuse_taken_name(tx: Transaction, holder: DeviceRow, aaa_name: str) -> None:
    for row in owners.device_pools_on(tx, holder.id):
        if row.aaa_name == aaa_name:
            raise AlreadyExists(
                f"device pool '{row.label}' has the AAA name '{aaa_name}' already",
                "give another with --aaa-name",
            )


def _refuse_foreign_space(tx: Transaction, holder: DeviceRow, sources: Sequence[PoolRow]) -> None:
    mapped = {holder.space_id, *devices.device_instances(tx, holder.id).values()}
    for pool in sources:
        if pool.space_id not in mapped:
            raise InvalidValue(
                f"pool '{pool.name}' is in space '{pool.space}', and device '{holder.name}' serves '{holder.space}'",
                "take a pool of a space that the device serves, or add the device with that space",
            )


def network_instance(tx: Transaction, device: DeviceRow, space_id: int, named: str | None) -> str | None:
    """The network instance of `device` that serves a space: the one `named`, else the device's default one
    (None), else the only one there is. InvalidValue where it cannot be told."""
    instances = devices.device_instances(tx, device.id)
    fitting = sorted(name for name, space in instances.items() if space == space_id)
    if named is not None:
        if named not in fitting:
            found = "is in another address space" if named in instances else "is not known"
            raise InvalidValue(
                f"network instance '{named}' of device '{device.name}' {found}",
                f"use {', '.join(fitting)}" if fitting else "leave --network-instance out",
            )
        return named
    if device.space_id == space_id:
        return None
    if len(fitting) != 1:
        raise InvalidValue(
            f"device '{device.name}' serves that address space in {len(fitting)} network instances",
            f"say in which with --network-instance: {', '.join(fitting)}",
        )
    return fitting[0]


def check_announcement(text: str, next_hop: str | None, tag: int | None, family: Family) -> None:
    """InvalidValue where blocks cannot be announced so."""
    if text not in ANNOUNCEMENTS:
        raise InvalidValue(f"'{text}' is not a way to announce routes", f"use {', '.join(ANNOUNCEMENTS)}")
    if next_hop is not None:
        if text != "external":
            raise InvalidValue(
                f"routes that are announced '{text}' have no next hop of ours",
                "leave --next-hop out, or announce them with --announcement external",
            )
        if parse_address(next_hop)[0].number != family.number:
            raise InvalidValue(
                f"the next hop {next_hop} is not ipv{family.number}", f"give an address of ipv{family.number}"
            )
    if tag is not None and (text not in ("driver-static-discard", "external") or not 0 <= tag < 1 << 32):
        raise InvalidValue(
            f"a route announced '{text}' cannot have the tag {tag}",
            "give 0 to 4294967295, with --announcement driver-static-discard or external",
        )


def check_usage_marks(high: int | None, low: int | None) -> None:
    """InvalidValue where the two percentages make no band."""
    if high is not None and not 1 <= high <= 100:
        raise InvalidValue(f"{high} % is not a mark of high usage", "give --usage-high 1 to 100")
    if low is not None and (high is None or not 0 <= low < high):
        raise InvalidValue(
            f"{low} % is not a mark of low usage below {'none' if high is None else f'{high} %'}",
            "give --usage-high, and --usage-low below it",
        )


def _check_lengths(tx: Transaction, edit: AddDevicePool, sources: Sequence[PoolRow], *, whole: bool) -> None:
    """`whole`: a CGN gets whole addresses; it shares their ports out itself."""
    family = sources[0].family
    longest = min(pool.longest for pool in sources)
    if whole and family is Family.PORTS:
        longest = Family.IPV4.width
    shortest = min(prefix.length for pool in sources for prefix in pools.pool_prefixes(tx, pool.id))
    for option, length in (
        ("--length", edit.length),
        ("--first-length", edit.first_length),
        ("--next-length", edit.next_length),
    ):
        if length is None:
            continue
        if not 1 <= length <= longest:
            asked = f"/{length} is not a block length of {family.words}"
            if whole and length > longest and family is Family.PORTS:
                asked = (
                    f"/{length} is a port set, and '{edit.name}' goes to a CGN, which gets whole addresses"
                )
            raise InvalidValue(asked, f"give {option} 1 to {longest}")
        if length < shortest:
            raise InvalidValue(
                f"no pool of '{edit.name}' can hold a /{length}: their largest prefix is a /{shortest}",
                f"give {option} {shortest} or more, or a larger pool",
            )


def _check_policy(edit: AddDevicePool) -> None:
    if edit.strategy is not None and edit.strategy not in STRATEGIES:
        raise InvalidValue(f"'{edit.strategy}' is not a strategy", f"use {', '.join(STRATEGIES)}")
    if edit.min_blocks < 0:
        raise InvalidValue(f"{edit.min_blocks} is not a number of blocks", "give --min-blocks 0 or more")
    if edit.max_blocks is not None and edit.max_blocks < max(1, edit.min_blocks):
        raise InvalidValue(
            f"at most {edit.max_blocks} block(s) is less than at least {max(1, edit.min_blocks)}",
            f"give --max-blocks {max(1, edit.min_blocks)} or more",
        )


def check_gateway(text: str, family: Family) -> None:
    """InvalidValue where `text` is none of first, last, none, an address of `family`, unnumbered:INTERFACE."""
    if text in ("first", "last", "none") or (text.startswith("unnumbered:") and text != "unnumbered:"):
        return
    if parse_address(text)[0].number != family.number:
        raise InvalidValue(
            f"the gateway {text} is not ipv{family.number}", f"give an address of ipv{family.number}"
        )


def check_withdraw(text: str) -> None:
    """InvalidValue where `text` is none of operator, never, `after DURATION`."""
    if text in ("operator", "never"):
        return
    word, _, duration = text.partition(" ")
    if word != "after":
        raise InvalidValue(f"'{text}' does not say when to withdraw", "use operator, never or 'after 24h'")
    parse_duration(duration)


def remove_device_pool(tx: Transaction, edit: RemoveDevicePool) -> Done:
    row = the_device_pool(tx, edit.name)
    held = blocks.list_blocks(tx, device_pool_id=row.id)
    if held:
        listed = ", ".join(f"{block.label} ({block.state.value})" for block in held[:3])
        raise InUse(
            f"device pool '{edit.name}' still has {len(held)} block(s): {listed}",
            "release them, apply, and wait until their quarantine has ended",
        )
    holds.delete_hold(tx, "device-pool", row.id)
    devices.delete_device_pool(tx, row.id)
    return Done("device-pool-remove", "device-pool", row.id, edit.name)
