"""Owner groups: a redundancy pair, or a DHCP server with its relays, that have blocks together.

A block of a group is configured on the members that serve and on those that stand by, which must be able
to take over at any moment; relays get none. It is installed when every serving member shows it, and gone
only when reads of all members that could hold it proved so.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.errors import AlreadyExists, InUse, InvalidValue
from casm_ctrl.base.identifiers import check_name
from casm_ctrl.service.edits import Done, refuse_twice
from casm_ctrl.service.lookup import the_device, the_group
from casm_ctrl.service.verb import Document
from casm_ctrl.store import devices, owners
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
class RemoveGroup:
    name: str


def add_group(tx: Transaction, edit: AddGroup) -> Done:
    check_name("group", edit.name)
    if owners.find_group(tx, edit.name) is not None:
        raise AlreadyExists(f"there is an owner group '{edit.name}' already", "choose another name")
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
    members = [Member(the_device(tx, device).id, role) for device, role in edit.members]
    number = owners.insert_group(tx, edit.name, members)
    words = ", ".join(f"{device} {role}" for device, role in edit.members)
    return Done("group-add", "group", number, edit.name, words)


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
