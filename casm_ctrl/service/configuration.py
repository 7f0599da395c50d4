"""Every change of configuration goes through `change`: checked, applied, audited, and counted.

An edit is a value that says what should be made or removed; the checks say in words what the database
would refuse anyway.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from casm_ctrl.base.errors import AlreadyExists, InUse
from casm_ctrl.base.identifiers import check_name
from casm_ctrl.service.access_members import AddAccessMember as AddAccessMember
from casm_ctrl.service.access_members import RemoveAccessMember as RemoveAccessMember
from casm_ctrl.service.access_members import ResetAccess as ResetAccess
from casm_ctrl.service.access_members import add_access_member, remove_access_member, reset_access
from casm_ctrl.service.config_documents import SetDocument as SetDocument
from casm_ctrl.service.config_documents import set_document
from casm_ctrl.service.device_edits import AddDevice as AddDevice
from casm_ctrl.service.device_edits import ChangeDevice as ChangeDevice
from casm_ctrl.service.device_edits import RemoveDevice as RemoveDevice
from casm_ctrl.service.device_edits import SetHostKey as SetHostKey
from casm_ctrl.service.device_edits import add_device, change_device, remove_device, set_host_key
from casm_ctrl.service.device_pool_change import ChangeDevicePool as ChangeDevicePool
from casm_ctrl.service.device_pool_change import change_device_pool
from casm_ctrl.service.device_pool_edits import AddDevicePool as AddDevicePool
from casm_ctrl.service.device_pool_edits import RemoveDevicePool as RemoveDevicePool
from casm_ctrl.service.device_pool_edits import add_device_pool, remove_device_pool
from casm_ctrl.service.edits import Done
from casm_ctrl.service.groups import AddGroup as AddGroup
from casm_ctrl.service.groups import RemoveGroup as RemoveGroup
from casm_ctrl.service.groups import add_group, remove_group
from casm_ctrl.service.lookup import the_space
from casm_ctrl.service.pool_change import ChangePool as ChangePool
from casm_ctrl.service.pool_change import change_pool
from casm_ctrl.service.pool_edits import AddPool as AddPool
from casm_ctrl.service.pool_edits import RemovePool as RemovePool
from casm_ctrl.service.pool_edits import add_pool, remove_pool
from casm_ctrl.service.pool_prefixes import AddPrefix as AddPrefix
from casm_ctrl.service.pool_prefixes import RemovePrefix as RemovePrefix
from casm_ctrl.service.pool_prefixes import add_prefix, remove_prefix
from casm_ctrl.service.quotas import RemoveQuota as RemoveQuota
from casm_ctrl.service.quotas import SetQuota as SetQuota
from casm_ctrl.service.quotas import remove_quota, set_quota
from casm_ctrl.service.reservations import Exclude as Exclude
from casm_ctrl.service.reservations import Include as Include
from casm_ctrl.service.reservations import Reserve as Reserve
from casm_ctrl.service.reservations import Unreserve as Unreserve
from casm_ctrl.service.reservations import exclude, include, reserve, unreserve
from casm_ctrl.service.verb import Document, perform
from casm_ctrl.store import quotas, spaces
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class AddSpace:
    name: str
    description: str = ""


@dataclass(frozen=True)
class RemoveSpace:
    name: str


Edit = (
    AddSpace
    | RemoveSpace
    | AddPool
    | RemovePool
    | ChangePool
    | AddPrefix
    | RemovePrefix
    | Reserve
    | Unreserve
    | Exclude
    | Include
    | AddDevice
    | ChangeDevice
    | SetHostKey
    | RemoveDevice
    | AddDevicePool
    | ChangeDevicePool
    | RemoveDevicePool
    | AddGroup
    | RemoveGroup
    | SetQuota
    | RemoveQuota
    | SetDocument
    | AddAccessMember
    | RemoveAccessMember
    | ResetAccess
)


def change(database: Database, author: Author, edits: Sequence[Edit]) -> Document:
    """Apply all of `edits` or none. Returns the new `config-revision`; raises a Refusal that names the edit."""

    def body(tx: Transaction) -> Document:
        done = [apply_edit(tx, edit) for edit in edits]
        revision = spaces.bump_config_revision(tx)
        record(
            tx,
            author,
            (Event(d.verb, d.kind, d.id, d.name, reason=author.reason or d.words) for d in done),
        )
        return {"config-revision": str(revision)}

    arguments = {"edits": [[type(edit).__name__, dataclasses.asdict(edit)] for edit in edits]}
    return perform(database, author, "change", arguments, body)


def apply_edit(tx: Transaction, edit: Edit) -> Done:
    """Make one edit, in a transaction that counts and records all of them."""
    return _HANDLERS[type(edit)](tx, edit)


# --- Spaces ---------------------------------------------------------------------------------------


def _add_space(tx: Transaction, edit: AddSpace) -> Done:
    check_name("space", edit.name)
    if spaces.find_space(tx, edit.name) is not None:
        raise AlreadyExists(f"there is an address space '{edit.name}' already", "choose another name")
    number = spaces.insert_space(tx, edit.name, edit.description)
    return Done("space-add", "space", number, edit.name)


def _remove_space(tx: Transaction, edit: RemoveSpace) -> Done:
    space = the_space(tx, edit.name)
    users = spaces.space_users(tx, space.id)
    if users:
        raise InUse(f"address space '{edit.name}' is used by {', '.join(users)}", "remove those first")
    quotas.delete_quotas_on(tx, "space", space.id)
    spaces.delete_space(tx, space.id)
    return Done("space-remove", "space", space.id, edit.name)


_HANDLERS: dict[type[Any], Callable[[Transaction, Any], Done]] = {
    AddSpace: _add_space,
    RemoveSpace: _remove_space,
    AddPool: add_pool,
    RemovePool: remove_pool,
    ChangePool: change_pool,
    AddPrefix: add_prefix,
    RemovePrefix: remove_prefix,
    Reserve: reserve,
    Unreserve: unreserve,
    Exclude: exclude,
    Include: include,
    AddDevice: add_device,
    ChangeDevice: change_device,
    SetHostKey: set_host_key,
    RemoveDevice: remove_device,
    AddDevicePool: add_device_pool,
    ChangeDevicePool: change_device_pool,
    RemoveDevicePool: remove_device_pool,
    AddGroup: add_group,
    RemoveGroup: remove_group,
    SetQuota: set_quota,
    RemoveQuota: remove_quota,
    SetDocument: set_document,
    AddAccessMember: add_access_member,
    RemoveAccessMember: remove_access_member,
    ResetAccess: reset_access,
}
