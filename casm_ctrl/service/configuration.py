"""Every change of configuration goes through `change`: checked, applied, audited, and counted.

An edit is a value that says what should be made or removed; the checks say in words what the database
would refuse anyway.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from casm_ctrl.base.errors import CasmError, PlanOutdated
from casm_ctrl.service.access_members import AddAccessMember as AddAccessMember
from casm_ctrl.service.access_members import RemoveAccessMember as RemoveAccessMember
from casm_ctrl.service.access_members import ResetAccess as ResetAccess
from casm_ctrl.service.access_members import add_access_member, remove_access_member, reset_access
from casm_ctrl.service.alarm_shelves import AddShelf as AddShelf
from casm_ctrl.service.alarm_shelves import RemoveShelf as RemoveShelf
from casm_ctrl.service.alarm_shelves import add_shelf, remove_shelf
from casm_ctrl.service.alarms import clear_removed
from casm_ctrl.service.config_documents import SetDocument as SetDocument
from casm_ctrl.service.config_documents import set_document
from casm_ctrl.service.config_lock import check_free
from casm_ctrl.service.control_settings import SetLimits as SetLimits
from casm_ctrl.service.control_settings import set_limits
from casm_ctrl.service.device_change import ChangeDevice as ChangeDevice
from casm_ctrl.service.device_change import change_device
from casm_ctrl.service.device_edits import AddDevice as AddDevice
from casm_ctrl.service.device_edits import RemoveDevice as RemoveDevice
from casm_ctrl.service.device_edits import SetHostKey as SetHostKey
from casm_ctrl.service.device_edits import add_device, remove_device, set_host_key
from casm_ctrl.service.device_pool_change import ChangeDevicePool as ChangeDevicePool
from casm_ctrl.service.device_pool_change import change_device_pool
from casm_ctrl.service.device_pool_edits import AddDevicePool as AddDevicePool
from casm_ctrl.service.device_pool_edits import RemoveDevicePool as RemoveDevicePool
from casm_ctrl.service.device_pool_edits import add_device_pool, remove_device_pool
from casm_ctrl.service.edits import Done
from casm_ctrl.service.groups import AddGroup as AddGroup
from casm_ctrl.service.groups import ChangeGroup as ChangeGroup
from casm_ctrl.service.groups import RemoveGroup as RemoveGroup
from casm_ctrl.service.groups import add_group, change_group, remove_group
from casm_ctrl.service.pool_change import ChangePool as ChangePool
from casm_ctrl.service.pool_change import change_pool
from casm_ctrl.service.pool_edits import AddPool as AddPool
from casm_ctrl.service.pool_edits import RemovePool as RemovePool
from casm_ctrl.service.pool_edits import add_pool, remove_pool
from casm_ctrl.service.pool_kind import ChangePoolKind as ChangePoolKind
from casm_ctrl.service.pool_kind import change_pool_kind
from casm_ctrl.service.pool_prefixes import AddPrefix as AddPrefix
from casm_ctrl.service.pool_prefixes import RemovePrefix as RemovePrefix
from casm_ctrl.service.pool_prefixes import add_prefix, remove_prefix
from casm_ctrl.service.pool_recast import RecastPool as RecastPool
from casm_ctrl.service.pool_recast import recast_pool
from casm_ctrl.service.quotas import RemoveQuota as RemoveQuota
from casm_ctrl.service.quotas import SetQuota as SetQuota
from casm_ctrl.service.quotas import remove_quota, set_quota
from casm_ctrl.service.reservations import ChangeReservation as ChangeReservation
from casm_ctrl.service.reservations import Exclude as Exclude
from casm_ctrl.service.reservations import Include as Include
from casm_ctrl.service.reservations import Reserve as Reserve
from casm_ctrl.service.reservations import Unreserve as Unreserve
from casm_ctrl.service.reservations import change_reservation, exclude, include, reserve, unreserve
from casm_ctrl.service.space_edits import AddSpace as AddSpace
from casm_ctrl.service.space_edits import ChangeSpace as ChangeSpace
from casm_ctrl.service.space_edits import RemoveSpace as RemoveSpace
from casm_ctrl.service.space_edits import add_space, change_space, remove_space
from casm_ctrl.service.verb import Document, perform
from casm_ctrl.store import spaces
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.transaction import Mode, Transaction

Edit = (
    AddSpace
    | ChangeSpace
    | RemoveSpace
    | AddPool
    | RemovePool
    | ChangePool
    | ChangePoolKind
    | RecastPool
    | AddPrefix
    | RemovePrefix
    | Reserve
    | ChangeReservation
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
    | ChangeGroup
    | RemoveGroup
    | SetQuota
    | RemoveQuota
    | SetDocument
    | AddShelf
    | RemoveShelf
    | SetLimits
    | AddAccessMember
    | RemoveAccessMember
    | ResetAccess
)


def change(
    database: Database,
    author: Author,
    edits: Sequence[Edit],
    *,
    revision: int | None = None,
) -> Document:
    """Apply all of `edits` or none. Returns the new `config-revision`.

    Raises a Refusal that names the edit, with its place among them as `edit_index`; InUse where another
    session than the author's has the configuration locked; PlanOutdated where it is not at `revision` any more.
    """

    def body(tx: Transaction) -> Document:
        if revision is not None:
            expect(tx, revision)
        return {"config-revision": str(make(tx, author, edits))}

    arguments = {"edits": [[type(edit).__name__, dataclasses.asdict(edit)] for edit in edits]}
    return perform(database, author, "change", arguments, body, mode=Mode.CONFIGURE)


def make(tx: Transaction, author: Author, edits: Sequence[Edit]) -> int:
    """Apply the edits, count and record them. Returns the new config-revision."""
    check_free(tx, author.session)
    done = apply_edits(tx, edits)
    revision = spaces.bump_config_revision(tx)
    told = (Event(d.verb, d.kind, d.id, d.name, reason=author.reason or d.words) for d in done)
    record(tx, author, told, revision=revision)
    return revision


def apply_edits(tx: Transaction, edits: Sequence[Edit]) -> list[Done]:
    """Make the edits, and look then at what could be judged at the end only. What refuses one is raised with its
    place among them."""
    done: list[Done] = []
    for index, edit in enumerate(edits):
        with _refusing(index):
            done.append(_HANDLERS[type(edit)](tx, edit))
    for index, made in enumerate(done):
        if made.check is not None:
            with _refusing(index):
                made.check(tx)
    for made in done:
        if made.verb == f"{made.kind}-remove":
            clear_removed(tx, made.kind, made.name)
    return done


@contextmanager
def _refusing(index: int) -> Iterator[None]:
    try:
        yield
    except CasmError as error:
        error.edit_index = index
        raise


def expect(tx: Transaction, revision: int) -> None:
    """PlanOutdated where the configuration has moved on."""
    found = spaces.get_store(tx).config_revision
    if found != revision:
        raise PlanOutdated(
            f"the configuration is at revision {found}, and the change was made for {revision}",
            "read the configuration, and commit again",
        )


def apply_edit(tx: Transaction, edit: Edit) -> Done:
    """Make one edit by itself, in a transaction that counts and records all that are made."""
    return apply_edits(tx, [edit])[0]


_HANDLERS: dict[type[Any], Callable[[Transaction, Any], Done]] = {
    AddSpace: add_space,
    ChangeSpace: change_space,
    RemoveSpace: remove_space,
    AddPool: add_pool,
    RemovePool: remove_pool,
    ChangePool: change_pool,
    ChangePoolKind: change_pool_kind,
    RecastPool: recast_pool,
    AddPrefix: add_prefix,
    RemovePrefix: remove_prefix,
    Reserve: reserve,
    ChangeReservation: change_reservation,
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
    ChangeGroup: change_group,
    RemoveGroup: remove_group,
    SetQuota: set_quota,
    RemoveQuota: remove_quota,
    SetDocument: set_document,
    AddShelf: add_shelf,
    RemoveShelf: remove_shelf,
    SetLimits: set_limits,
    AddAccessMember: add_access_member,
    RemoveAccessMember: remove_access_member,
    ResetAccess: reset_access,
}
