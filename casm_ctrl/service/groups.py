"""Owner groups: a redundancy pair, or a DHCP server with its relays, that have blocks together.

A block of a group is configured on the members that serve and on those that stand by, which must be able
to take over at any moment; relays get none. It is installed when every serving member shows it, and gone
only when reads of all members that could hold it proved so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from casm_ctrl.base.errors import AlreadyExists, InUse, InvalidValue
from casm_ctrl.base.identifiers import check_name
from casm_ctrl.service.device_pool_fit import check_fit
from casm_ctrl.service.edits import Done, refuse_twice
from casm_ctrl.service.lookup import the_device, the_group
from casm_ctrl.service.verb import Document
from casm_ctrl.store import configuration_changes, devices, holdings, owners
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import Member
from casm_ctrl.store.owners import GroupRow
from casm_ctrl.store.transaction import Transaction

MEMBER_ROLES = ("serves", "stands-by", "relays")


@dataclass(frozen=True)
class AddGroup:
    """`members` are (device, role) pairs."""

    name: str
    members: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ChangeGroup:
    """`members` are all (device, role) pairs that it is to have."""

    name: str
    members: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RemoveGroup:
    name: str


def add_group(tx: Transaction, edit: AddGroup) -> Done:
    check_name("group", edit.name)
    if owners.find_group(tx, edit.name) is not None:
        raise AlreadyExists(f"there is an owner group '{edit.name}' already", "choose another name")
    members = _members(tx, edit)
    number = owners.insert_group(tx, edit.name, members)
    return Done("group-add", "group", number, edit.name, _words(edit))


def change_group(tx: Transaction, edit: ChangeGroup) -> Done:
    """InUse where other devices would hold blocks that there are, or hold them otherwise: each block is installed
    on, and proven gone from, those that had it when it was allocated."""
    group = the_group(tx, edit.name)
    after = _members(tx, edit)
    before = devices.owner_members(tx, group.id)
    owned = configuration_changes.lock_pools_of(tx, group.id)
    if _holders(before) != _holders(after):
        for number in owned:
            block = holdings.first_block(tx, number)
            if block is not None:
                raise InUse(
                    f"who serves or stands by in group '{group.name}' cannot change: '{block.device_pool}' has"
                    f" {block.label} ({block.state.value})",
                    "release its blocks, apply, and wait until their quarantine has ended; relays may change",
                )
    configuration_changes.set_members(tx, group.id, after)
    return Done("group-change", "group", group.id, group.name, _words(edit), _check_pools(group.id))


def _holders(members: Sequence[Member]) -> set[tuple[int, str]]:
    return {(member.device_id, member.role) for member in members if member.holds_blocks}


def _check_pools(group_id: int) -> Callable[[Transaction], None]:
    def check(tx: Transaction) -> None:
        for number in configuration_changes.lock_pools_of(tx, group_id):
            check_fit(tx, devices.get_device_pool(tx, number))

    return check


def _members(tx: Transaction, edit: AddGroup | ChangeGroup) -> list[Member]:
    """The members of a group as `edit` says; a Refusal where they cannot be those of one."""
    refuse_twice("device", [device for device, _ in edit.members])
    for device, role in edit.members:
        if role not in MEMBER_ROLES:
            raise InvalidValue(
                f"'{role}' is not what '{device}' can do in a group", f"use {', '.join(MEMBER_ROLES)}"
            )
    if all(role != "serves" for _, role in edit.members):
        raise InvalidValue(
            f"no member of group '{edit.name}' serves", "give at least one with --member DEVICE:serves"
        )
    return [Member(the_device(tx, device).id, role) for device, role in edit.members]


def _words(edit: AddGroup | ChangeGroup) -> str:
    return ", ".join(f"{device} {role}" for device, role in edit.members)


def remove_group(tx: Transaction, edit: RemoveGroup) -> Done:
    group = the_group(tx, edit.name)
    owned = owners.group_pools(tx, group.id)
    if owned:
        raise InUse(
            f"owner group '{group.name}' has the device pools {', '.join(owned)}", "remove those first"
        )
    owners.delete_group(tx, group.id)
    return Done("group-remove", "group", group.id, group.name)


def list_groups(database: Database) -> list[Document]:
    with database.read() as tx:
        return [_document(tx, group) for group in owners.list_groups(tx)]


def show_group(database: Database, name: str) -> Document:
    with database.read() as tx:
        return _document(tx, the_group(tx, name))


def _document(tx: Transaction, group: GroupRow) -> Document:
    return {
        "name": group.name,
        "member": [
            {"device": devices.get_device(tx, member.device_id).name, "role": member.role}
            for member in devices.owner_members(tx, group.id)
        ],
        "device-pool": owners.group_pools(tx, group.id),
    }
