"""Make and remove devices: NETCONF servers, and how they are entered."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from casm_ctrl.base.clients import CLIENTS, DEFAULT_CLIENT
from casm_ctrl.base.deadlines import Deadlines
from casm_ctrl.base.errors import AlreadyExists, InUse, InvalidValue
from casm_ctrl.base.identifiers import check_name
from casm_ctrl.base.polling import EVERYWHERE, Polling, check_polling
from casm_ctrl.service.edits import Done, refuse_twice
from casm_ctrl.service.holding import release_held
from casm_ctrl.service.lookup import the_device, the_space
from casm_ctrl.store import automation, configuration_changes, devices, holds, quotas
from casm_ctrl.store.transaction import Transaction

ON_DRIFT = ("report", "restore")
ROLES = ("bng", "cgn", "dhcp")
LONGEST_DEADLINE = 86400
"""Seconds."""


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
    """Seconds by phase, where they are not the defaults of `Deadlines`."""
    client: str = DEFAULT_CLIENT
    on_drift: str = "report"
    labels: tuple[tuple[str, str], ...] = ()
    polling: Polling = EVERYWHERE


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


def add_device(tx: Transaction, edit: AddDevice) -> Done:
    check_name("device", edit.name)
    if devices.find_device(tx, edit.name) is not None:
        raise AlreadyExists(f"there is a device '{edit.name}' already", "choose another name")
    check_role(edit.role)
    check_host(edit.host, edit.port)
    check_credential(edit.credential)
    check_user(edit.user)
    check_deadlines(edit.deadlines)
    check_client(edit.client)
    refuse_twice("network instance", [name for name, _ in edit.instances])
    refuse_twice("label", [name for name, _ in edit.labels])
    space = the_space(tx, edit.space)
    check_on_drift(edit.on_drift)
    check_polling(edit.polling)
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
        client=edit.client,
        on_drift=edit.on_drift,
    )
    devices.insert_instances(tx, number, instances)
    configuration_changes.set_device_labels(tx, number, dict(edit.labels))
    automation.put_polling(tx, number, edit.polling)

    def check(tx: Transaction) -> None:
        refuse_second_address(tx, edit.name, edit.host, edit.port)
        if edit.host_key is not None:
            refuse_second_identity(tx, edit.name, number, edit.host_key)

    words = f"{edit.driver} at {edit.host} port {edit.port}"
    return Done("device-add", "device", number, edit.name, words, check)


def check_role(role: str) -> None:
    if role not in ROLES:
        raise InvalidValue(f"'{role}' is not a role", f"use {', '.join(ROLES)}")


def check_host(host: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise InvalidValue(f"{port} is not a TCP port", "use 1 to 65535 (NETCONF over SSH is 830)")
    _refuse_spaces("host", host)


def check_user(user: str) -> None:
    _refuse_spaces("user", user)


def _refuse_spaces(what: str, value: str) -> None:
    if not value or any(character.isspace() for character in value):
        raise InvalidValue(f"'{value}' is not a {what}", f"give the {what} without spaces")


def check_credential(reference: str) -> None:
    """The secret itself is never taken: nor is it told in the refusal."""
    if not reference.startswith(("env:", "file:")) or reference.endswith(":"):
        raise InvalidValue(
            "the credential is not a reference",
            "write env:VARIABLE (a password) or file:PATH (a private key)",
        )


def refuse_second_address(tx: Transaction, name: str, host: str, port: int) -> None:
    """AlreadyExists where another device is at the same host and port."""
    for other in devices.names_at(tx, host, port):
        if other != name:
            raise AlreadyExists(
                f"device '{other}' is at {host} port {port} already",
                "two names cannot be one device",
            )


def check_on_drift(policy: str) -> None:
    if policy not in ON_DRIFT:
        raise InvalidValue(f"'{policy}' is not what to do on drift", f"use {' or '.join(ON_DRIFT)}")


def check_client(client: str) -> None:
    if client not in CLIENTS:
        raise InvalidValue(f"there is no NETCONF client '{client}'", f"use {' or '.join(CLIENTS)}")


def check_deadlines(deadlines: Sequence[tuple[str, float | None]]) -> None:
    phases = [phase.name for phase in dataclasses.fields(Deadlines)]
    for name, seconds in deadlines:
        if name not in phases:
            raise InvalidValue(f"'{name}' is not a deadline", f"use {', '.join(phases)}")
        if seconds is None:
            continue
        whole = seconds if name == "commit" else seconds * 1000
        if not (0 < seconds <= LONGEST_DEADLINE) or abs(whole - round(whole)) > 1e-6:
            unit = "whole seconds" if name == "commit" else "seconds, up to three digits after the point,"
            raise InvalidValue(f"the deadline {name} cannot be {seconds:g} s", f"give {unit} up to 86400")
    refuse_twice("deadline", [name for name, _ in deadlines])


def set_host_key(tx: Transaction, edit: SetHostKey) -> Done:
    device = the_device(tx, edit.device)
    refuse_second_identity(tx, edit.device, device.id, edit.host_key, edit.told_apart)
    devices.set_host_key(tx, device.id, edit.host_key)
    return Done("device-host-key", "device", device.id, device.name, edit.host_key.split()[0])


def refuse_second_identity(
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


def remove_device(tx: Transaction, edit: RemoveDevice) -> Done:
    device = the_device(tx, edit.name)
    users = devices.device_users(tx, device.id)
    if users:
        raise InUse(
            f"device '{edit.name}' is used by {', '.join(users)}",
            "release its blocks, apply, and remove its device pools first",
        )
    release_held(tx, device.id, [])
    quotas.delete_quotas_on(tx, "device", device.id)
    holds.delete_hold(tx, "device", device.id)
    devices.delete_device(tx, device)
    return Done("device-remove", "device", device.id, edit.name)
