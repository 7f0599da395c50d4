"""Every change of configuration goes through `change`: checked, applied, audited, and counted.

An edit is a value that says what should be made or removed; the checks say in words what the database
would refuse anyway.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from casm_ctrl.base.deadlines import Deadlines
from casm_ctrl.base.errors import AlreadyExists, InUse, InvalidValue
from casm_ctrl.base.identifiers import check_name
from casm_ctrl.service.device_pool_edits import AddDevicePool as AddDevicePool
from casm_ctrl.service.device_pool_edits import RemoveDevicePool as RemoveDevicePool
from casm_ctrl.service.device_pool_edits import add_device_pool, remove_device_pool
from casm_ctrl.service.edits import LONGEST_TIME, Done, refuse_twice
from casm_ctrl.service.groups import AddGroup as AddGroup
from casm_ctrl.service.groups import RemoveGroup as RemoveGroup
from casm_ctrl.service.groups import add_group, remove_group
from casm_ctrl.service.holding import release_held
from casm_ctrl.service.lookup import the_device, the_space
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
from casm_ctrl.store import devices, quotas, spaces
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.transaction import Transaction

ROLES = ("bng", "cgn", "dhcp")


@dataclass(frozen=True)
class AddSpace:
    name: str
    description: str = ""


@dataclass(frozen=True)
class RemoveSpace:
    name: str


@dataclass(frozen=True)
class AddDevice:
    """`credential` is a reference, `env:NAME` or `file:PATH`; `instances` maps network instances to spaces."""

    name: str
    role: str
    driver: str
    host: str
    port: int
    user: str
    credential: str
    space: str
    host_key: str | None = None
    instances: tuple[tuple[str, str], ...] = ()
    deadlines: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class SetHostKey:
    """Record the key that a device presented and an operator accepted.

    `told_apart` are devices with the same key that were proven to be others.
    """

    device: str
    host_key: str
    told_apart: tuple[str, ...] = ()


@dataclass(frozen=True)
class RemoveDevice:
    name: str


Edit = (
    AddSpace
    | RemoveSpace
    | AddPool
    | RemovePool
    | AddPrefix
    | RemovePrefix
    | Reserve
    | Unreserve
    | Exclude
    | Include
    | AddDevice
    | SetHostKey
    | RemoveDevice
    | AddDevicePool
    | RemoveDevicePool
    | AddGroup
    | RemoveGroup
    | SetQuota
    | RemoveQuota
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


# --- Devices --------------------------------------------------------------------------------------


def _add_device(tx: Transaction, edit: AddDevice) -> Done:
    check_name("device", edit.name)
    if devices.find_device(tx, edit.name) is not None:
        raise AlreadyExists(f"there is a device '{edit.name}' already", "choose another name")
    if edit.role not in ROLES:
        raise InvalidValue(f"'{edit.role}' is not a role", f"use {', '.join(ROLES)}")
    if not 1 <= edit.port <= 65535:
        raise InvalidValue(f"{edit.port} is not a TCP port", "use 1 to 65535 (NETCONF over SSH is 830)")
    if not edit.credential.startswith(("env:", "file:")) or edit.credential.endswith(":"):
        raise InvalidValue(
            "the credential is not a reference",
            "write env:VARIABLE (a password) or file:PATH (a private key)",
        )
    for what, value in (("host", edit.host), ("user", edit.user)):
        if not value or any(character.isspace() for character in value):
            raise InvalidValue(f"'{value}' is not a {what}", f"give the {what} without spaces")
    for other in devices.list_devices(tx):
        if (other.host, other.port) == (edit.host, edit.port):
            raise AlreadyExists(
                f"device '{other.name}' is at {edit.host} port {edit.port} already",
                "two names cannot be one device",
            )
    _check_deadlines(edit.deadlines)
    refuse_twice("network instance", [name for name, _ in edit.instances])
    space = the_space(tx, edit.space)
    instances = {name: the_space(tx, target).id for name, target in edit.instances}
    number = devices.insert_device(
        tx,
        name=edit.name,
        role=edit.role,
        driver=edit.driver,
        host=edit.host,
        port=edit.port,
        username=edit.user,
        credential=edit.credential,
        host_key=edit.host_key,
        space_id=space.id,
        deadlines=dict(edit.deadlines),
    )
    devices.insert_instances(tx, number, instances)
    if edit.host_key is not None:
        _refuse_second_identity(tx, edit.name, number, edit.host_key)
    return Done("device-add", "device", number, edit.name, f"{edit.driver} at {edit.host} port {edit.port}")


def _check_deadlines(deadlines: Sequence[tuple[str, float]]) -> None:
    phases = [phase.name for phase in dataclasses.fields(Deadlines)]
    for name, seconds in deadlines:
        if name not in phases:
            raise InvalidValue(f"'{name}' is not a deadline", f"use {', '.join(phases)}")
        if not 0 < seconds < LONGEST_TIME:
            raise InvalidValue(f"the deadline {name} is not above 0 and finite", "give seconds")
    refuse_twice("deadline", [name for name, _ in deadlines])


def _set_host_key(tx: Transaction, edit: SetHostKey) -> Done:
    device = the_device(tx, edit.device)
    _refuse_second_identity(tx, edit.device, device.id, edit.host_key, edit.told_apart)
    devices.set_host_key(tx, device.id, edit.host_key)
    return Done("device-host-key", "device", device.id, device.name, edit.host_key.split()[0])


def _refuse_second_identity(
    tx: Transaction, name: str, device_id: int, host_key: str, told_apart: tuple[str, ...] = ()
) -> None:
    if not host_key.strip():
        raise InvalidValue(f"the host key is empty for device '{name}'", "give its type and its base64")
    others = set(devices.devices_with_key(tx, host_key, besides=device_id)) - set(told_apart)
    if others:
        raise AlreadyExists(
            f"device '{name}' presents the host key that is recorded for device '{min(others)}'",
            "they are one device, or one is a copy: correct the host and port, or give each its own key",
        )


def _remove_device(tx: Transaction, edit: RemoveDevice) -> Done:
    device = the_device(tx, edit.name)
    users = devices.device_users(tx, device.id)
    if users:
        raise InUse(
            f"device '{edit.name}' is used by {', '.join(users)}",
            "release its blocks, apply, and remove its device pools first",
        )
    release_held(tx, device.id, [])
    quotas.delete_quotas_on(tx, "device", device.id)
    devices.delete_device(tx, device)
    return Done("device-remove", "device", device.id, edit.name)


_HANDLERS: dict[type[Any], Callable[[Transaction, Any], Done]] = {
    AddSpace: _add_space,
    RemoveSpace: _remove_space,
    AddPool: add_pool,
    RemovePool: remove_pool,
    AddPrefix: add_prefix,
    RemovePrefix: remove_prefix,
    Reserve: reserve,
    Unreserve: unreserve,
    Exclude: exclude,
    Include: include,
    AddDevice: _add_device,
    SetHostKey: _set_host_key,
    RemoveDevice: _remove_device,
    AddDevicePool: add_device_pool,
    RemoveDevicePool: remove_device_pool,
    AddGroup: add_group,
    RemoveGroup: remove_group,
    SetQuota: set_quota,
    RemoveQuota: remove_quota,
}
