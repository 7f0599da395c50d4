"""Find what a person named, or say in one line why not."""

from __future__ import annotations

from collections.abc import Iterable

from casm_ctrl.addressing.ports import parse_block, parse_offset, write_block
from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.base.errors import Ambiguous, NotFound
from casm_ctrl.base.identifiers import parse_block_id, split_device_pool
from casm_ctrl.store import blocks, devices, owners, past_blocks, pools, quotas, spaces
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.devices import DevicePoolRow, DeviceRow
from casm_ctrl.store.owners import GroupRow
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.quotas import QuotaRow
from casm_ctrl.store.spaces import SpaceRow
from casm_ctrl.store.transaction import Transaction


def _known(names: Iterable[str]) -> str:
    listed = sorted(names)
    if not listed:
        return "there is none yet"
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return f"known are {', '.join(listed[:5])}{more}"


def the_space(tx: Transaction, name: str) -> SpaceRow:
    space = spaces.find_space(tx, name)
    if space is None:
        known = _known(row.name for row in spaces.list_spaces(tx))
        raise NotFound(
            f"there is no address space '{name}' ({known})", f"make it with 'casm space add {name}'"
        )
    return space


def the_pool(tx: Transaction, name: str) -> PoolRow:
    pool = pools.find_pool(tx, name)
    if pool is None:
        known = _known(row.name for row in pools.list_pools(tx))
        raise NotFound(
            f"there is no pool '{name}' ({known})", "make it with 'casm pool add', or correct the name"
        )
    return pool


def the_device(tx: Transaction, name: str) -> DeviceRow:
    device = devices.find_device(tx, name)
    if device is None:
        known = _known(row.name for row in devices.list_devices(tx))
        raise NotFound(
            f"there is no device '{name}' ({known})", "make it with 'casm device add', or correct the name"
        )
    return device


def the_device_pool(tx: Transaction, label: str) -> DevicePoolRow:
    device_name, name = split_device_pool(label)
    found = devices.find_device_pool(tx, device_name, name)
    if found is None:
        device = the_device(tx, device_name)
        known = _known(row.label for row in devices.list_device_pools(tx, device.id))
        raise NotFound(
            f"there is no device pool '{label}' ({known})",
            "make it with 'casm device-pool add', or correct the name",
        )
    return found


def the_group(tx: Transaction, name: str) -> GroupRow:
    group = owners.find_group(tx, name)
    if group is None:
        known = _known(row.name for row in owners.list_groups(tx))
        raise NotFound(
            f"there is no owner group '{name}' ({known})",
            "make it with 'casm group add', or correct the name",
        )
    return group


def the_quota(tx: Transaction, name: str) -> QuotaRow:
    quota = quotas.find_quota(tx, name)
    if quota is None:
        known = _known(row.name for row in quotas.list_quotas(tx))
        raise NotFound(f"there is no quota '{name}' ({known})", "list them with 'casm quota list'")
    return quota


def the_block(tx: Transaction, text: str, space: str | None = None) -> BlockRow:
    """The live block that `text` names: its id, or its prefix where one live block (of `space`) has it."""
    number = parse_block_id(text)
    if number is not None:
        block = blocks.find_block(tx, number)
        if block is not None:
            return block
        past = past_blocks.past_block(tx, number)
        if past is None:
            raise NotFound(f"there is no block {text}", "list them with 'casm block list'")
        raise NotFound(
            f"block {text} ({write_block(past.prefix, past.psid_offset)}, {past.device_pool}) became free at"
            f" {to_rfc3339(past.freed_at)}",
            f"see its history with 'casm block show {text}'",
        )
    prefix, offset = parse_block(text), parse_offset(text)
    found = [b for b in blocks.find_blocks_at(tx, prefix) if offset in (None, b.psid_offset)]
    if space is not None:
        wanted = the_space(tx, space)
        found = [block for block in found if block.space_id == wanted.id]
    if not found:
        written = write_block(prefix, offset)
        raise NotFound(f"no block has the prefix {written}", "list them with 'casm block list'")
    if len(found) > 1:
        listed = ", ".join(f"{block.name} in {block.space}" for block in found)
        raise Ambiguous(
            f"{prefix} is more than one block: {listed}", "name one by its id, or choose with --space"
        )
    return found[0]
