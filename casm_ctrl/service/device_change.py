"""Change a device: how it is entered, what it is, and which address spaces it serves. Its name never changes.

What holds blocks of ours, or objects, keeps its driver, since that is how they are found again; a network instance
keeps its address space while blocks are in it, since that is where their addresses are unique.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from casm_ctrl.base.errors import InUse, InvalidValue
from casm_ctrl.base.polling import EVERYWHERE, Polling, check_polling
from casm_ctrl.service.device_edits import (
    check_client,
    check_credential,
    check_deadlines,
    check_host,
    check_on_drift,
    check_role,
    check_user,
    refuse_second_address,
    refuse_second_identity,
)
from casm_ctrl.service.device_pool_edits import network_instance
from casm_ctrl.service.device_pool_fit import check_fit
from casm_ctrl.service.edits import Done, refuse_twice
from casm_ctrl.service.lookup import the_device, the_space
from casm_ctrl.store import automation, configuration_changes, devices, holdings, owners, pools
from casm_ctrl.store.devices import DevicePoolRow, DeviceRow
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class ChangeDevice:
    """What is None stays as it is; of `deadlines` and `polling` those that are named change, and None is the
    default again. `instances` and `labels` are all that it is to have."""

    name: str
    client: str | None = None
    deadlines: tuple[tuple[str, float | None], ...] = ()
    on_drift: str | None = None
    role: str | None = None
    driver: str | None = None
    host: str | None = None
    port: int | None = None
    user: str | None = None
    credential: str | None = None
    space: str | None = None
    instances: tuple[tuple[str, str], ...] | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    host_key: str | None = None
    forget_host_key: bool = False
    """No key is known then: the next session needs one that is."""
    polling: tuple[tuple[str, int | None], ...] = ()
    """By the names of the fields of Polling."""


def change_device(tx: Transaction, edit: ChangeDevice) -> Done:
    device = the_device(tx, edit.name)
    if edit == ChangeDevice(edit.name):
        raise InvalidValue(
            f"nothing of device '{edit.name}' was to be changed", "say what, as --host 192.0.2.1"
        )
    deadlines = _deadlines(device, edit)
    polling = _polling(device, edit)
    _check(edit)
    driver = edit.driver or device.driver
    if driver != device.driver:
        _refuse_installed(tx, device, driver)
    space = device.space_id if edit.space is None else the_space(tx, edit.space).id
    served = _instances_served(tx, device)
    host_key = None if edit.forget_host_key else edit.host_key or device.host_key
    configuration_changes.update_device(
        tx,
        device.id,
        role=edit.role or device.role,
        driver=driver,
        host=edit.host or device.host,
        port=device.port if edit.port is None else edit.port,
        username=edit.user or device.username,
        credential=edit.credential or device.credential,
        host_key=host_key,
        space_id=space,
        client=edit.client or device.client,
        deadlines=deadlines,
        on_drift=edit.on_drift or device.on_drift,
    )
    if edit.instances is not None:
        instances = {name: the_space(tx, target).id for name, target in edit.instances}
        configuration_changes.set_instances(tx, device.id, instances)
    if edit.labels is not None:
        configuration_changes.set_device_labels(tx, device.id, dict(edit.labels))
    if polling != device.polling:
        automation.put_polling(tx, device.id, polling)
    other = any(
        value is not None for value in (edit.driver, edit.host, edit.port, edit.space, edit.instances)
    )
    if other:
        configuration_changes.doubt_reading(tx, device.id)
    return Done(
        "device-change",
        "device",
        device.id,
        device.name,
        _words(edit, deadlines),
        _check_later(device, served),
    )


def _deadlines(device: DeviceRow, edit: ChangeDevice) -> dict[str, float]:
    check_deadlines(edit.deadlines)
    merged = {**device.deadlines, **dict(edit.deadlines)}
    return {phase: seconds for phase, seconds in merged.items() if seconds is not None}


def _polling(device: DeviceRow, edit: ChangeDevice) -> Polling:
    """What it becomes; whether its parts fit is looked at when all are made."""
    defaults = vars(EVERYWHERE)
    for name, _ in edit.polling:
        if name not in defaults:
            raise InvalidValue(f"'{name}' is nothing of polling", f"use {', '.join(defaults)}")
    said: dict[str, Any] = {name: defaults[name] if value is None else value for name, value in edit.polling}
    return dataclasses.replace(device.polling, **said)


def _check(edit: ChangeDevice) -> None:
    """What can be said of the edit alone."""
    if edit.client is not None:
        check_client(edit.client)
    if edit.on_drift is not None:
        check_on_drift(edit.on_drift)
    if edit.role is not None:
        check_role(edit.role)
    if edit.host is not None or edit.port is not None:
        check_host(edit.host if edit.host is not None else "-", 830 if edit.port is None else edit.port)
    if edit.user is not None:
        check_user(edit.user)
    if edit.credential is not None:
        check_credential(edit.credential)
    if edit.host_key is not None and edit.forget_host_key:
        raise InvalidValue(f"the host key of '{edit.name}' was to be set, and forgotten", "say one of them")
    refuse_twice("network instance", [name for name, _ in edit.instances or ()])
    refuse_twice("label", [name for name, _ in edit.labels or ()])


def _refuse_installed(tx: Transaction, device: DeviceRow, driver: str) -> None:
    there = configuration_changes.installed_on(tx, device.id)
    if there is not None:
        raise InUse(
            f"device '{device.name}' cannot change from the driver '{device.driver}' to '{driver}': it has {there}",
            "release its blocks, apply, and wait until their quarantine has ended",
        )


def _instances_served(tx: Transaction, device: DeviceRow) -> dict[int, tuple[int, str | None]]:
    """Of each device pool with blocks on the device: its space, and in which network instance it serves that."""
    found = {}
    for row in owners.device_pools_on(tx, device.id):
        if holdings.first_block(tx, row.id) is not None:
            found[row.id] = _instance(tx, device, row)
    return found


def _instance(tx: Transaction, device: DeviceRow, row: DevicePoolRow) -> tuple[int, str | None]:
    space = pools.get_pool(tx, devices.device_pool_sources(tx, row.id)[0]).space_id
    named = row.network_instance if row.device_id == device.id else None
    return space, network_instance(tx, device, space, named)


def _check_later(
    device: DeviceRow, served: dict[int, tuple[int, str | None]]
) -> Callable[[Transaction], None]:
    def check(tx: Transaction) -> None:
        now = devices.find_device(tx, device.name)
        if now is None:
            return
        refuse_second_address(tx, now.name, now.host, now.port)
        check_polling(now.polling)
        if now.host_key is not None and now.host_key != device.host_key:
            refuse_second_identity(tx, now.name, now.id, now.host_key)
        for row in owners.device_pools_on(tx, now.id):
            check_fit(tx, row)
            if row.id in served and _instance(tx, now, row) != served[row.id]:
                block = holdings.first_block(tx, row.id)
                assert block is not None
                raise InUse(
                    f"device '{now.name}' cannot serve '{row.label}' in another network instance: it has"
                    f" {block.label} ({block.state.value})",
                    "release its blocks, apply, and wait until their quarantine has ended",
                )

    return check


def _words(edit: ChangeDevice, deadlines: dict[str, float]) -> str:
    """What was said, for the audit; of the host key its type."""
    parts = [
        f"{name.replace('_', '-')} {value}"
        for name in ("client", "role", "driver", "host", "port", "user", "credential", "space")
        if (value := getattr(edit, name)) is not None
    ]
    if edit.deadlines:
        shown = ", ".join(f"{phase} {seconds:g} s" for phase, seconds in deadlines.items()) or "the defaults"
        parts.append(f"deadlines: {shown}")
    if edit.on_drift is not None:
        parts.append(f"on drift: {edit.on_drift}")
    parts += [f"{name.replace('_', '-')} {_said(value)}" for name, value in edit.polling]
    for what, pairs in (("network instances", edit.instances), ("labels", edit.labels)):
        if pairs is not None:
            parts.append(f"{what}: {', '.join(f'{name}={value}' for name, value in pairs) or 'none'}")
    if edit.host_key is not None:
        parts.append(f"host key {edit.host_key.split()[0]}")
    if edit.forget_host_key:
        parts.append("host key forgotten")
    return ", ".join(parts)


def _said(value: int | None) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "the default" if value is None else f"{value} s"
