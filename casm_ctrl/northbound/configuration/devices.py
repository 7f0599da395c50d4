"""What becomes of devices and their device pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from casm_ctrl.base.errors import CasmError, NotSupported
from casm_ctrl.northbound.configuration.entries import NAMESPACES, Content, entry_path, leaf_path
from casm_ctrl.northbound.configuration.refusals import blamed_path
from casm_ctrl.northbound.configuration.steps import Step, Steps, changed
from casm_ctrl.northbound.refusals import rpc_error_of
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    ChangeDevice,
    ChangeDevicePool,
    RemoveDevice,
    RemoveDevicePool,
)
from casm_ctrl.service.device_pool_change import FIXED, OPTIONAL
from casm_ctrl.service.exchange.edits import automation_value, edits_of
from casm_ctrl.service.exchange.nouns import DEVICE, DEVICE_POOL, Entry, Leaf
from casm_ctrl.service.exchange.values import number
from casm_ctrl.sync.admission import admit_device, canonical_key, check_driver

_T = TypeVar("_T")

_FIELDS = {"owner-group": "group", "pool": "pools", "service": "services"}
"""What AddDevicePool calls a leaf, where it is not as the leaf with underscores."""


def device_edits(steps: Steps, old: Content, new: Content) -> None:
    was, now = old.of(DEVICE), new.of(DEVICE)
    for key in sorted({*was, *now}):
        path = entry_path(DEVICE, key)
        if key not in now:
            steps.add(Step.REMOVE_DEVICE, RemoveDevice(key), path)
        elif key not in was:
            for edit in edits_of(now[key]):
                if isinstance(edit, AddDevice):
                    steps.add(Step.ADD_DEVICE, _admitted(edit, now[key]), path)
        else:
            _change_device(steps, was[key], now[key])


def _admitted(edit: AddDevice, entry: Entry) -> AddDevice:
    try:
        return admit_device(edit)
    except CasmError as error:
        raise _placed(error, blamed_path(error, entry)) from None


def _change_device(steps: Steps, was: Entry, now: Entry) -> None:
    """Each leaf by itself: what it becomes together is looked at when all are made."""
    others = changed(was, now)
    for leaf in others:
        place = leaf_path(DEVICE, now.key, leaf)
        if leaf.name in ("driver", "role"):
            _at(place, check_driver, now.get("driver"), now.get("role"))
        steps.add(Step.CHANGE_DEVICE, _at(place, _device_edit, now, leaf), place)


def _device_edit(now: Entry, leaf: Leaf) -> ChangeDevice:
    value = now.get(leaf.name)
    if leaf.inside == "deadlines":
        seconds = None if value is None else number(value)
        return ChangeDevice(now.key, deadlines=((leaf.name, seconds),))
    if leaf.inside == "polling":
        return ChangeDevice(now.key, polling=((leaf.name.replace("-", "_"), value),))
    if leaf.name == "host-key":
        if value is None:
            return ChangeDevice(now.key, forget_host_key=True)
        return ChangeDevice(now.key, host_key=canonical_key(value))
    fields = {"address-space": "space", "network-instance": "instances", "label": "labels"}
    name = fields.get(leaf.name, leaf.name.replace("-", "_"))
    arguments: dict[str, Any] = {name: value}
    return ChangeDevice(now.key, **arguments)


def device_pool_edits(steps: Steps, old: Content, new: Content) -> None:
    was, now = old.of(DEVICE_POOL), new.of(DEVICE_POOL)
    for key in sorted({*was, *now}):
        path = entry_path(DEVICE_POOL, key)
        if key not in now:
            steps.add(Step.REMOVE_DEVICE_POOL, RemoveDevicePool(key), path)
        elif key not in was:
            for edit in edits_of(now[key]):
                if isinstance(edit, AddDevicePool):
                    steps.add(Step.ADD_DEVICE_POOL, edit, path)
        else:
            _change_device_pool(steps, was[key], now[key])


def _change_device_pool(steps: Steps, was: Entry, now: Entry) -> None:
    """All leaves at once: they are judged together."""
    others = changed(was, now)
    if not others:
        return
    values: list[tuple[str, Any]] = []
    unset: list[str] = []
    for leaf in others:
        field = _FIELDS.get(leaf.name, leaf.name.replace("-", "_"))
        value = automation_value(now, field) if leaf.inside else now.get(leaf.name)
        if field in FIXED:
            error = NotSupported(
                f"the {leaf.name} of device pool '{now.key}' cannot change: {FIXED[field]}",
                "add another device pool, and release the blocks of this one",
            )
            raise _placed(error, leaf_path(DEVICE_POOL, now.key, leaf))
        if leaf.name in OPTIONAL and value in (None, ()):
            unset.append(leaf.name)
        else:
            values.append((field, value))
    one = len(others) == 1
    place = leaf_path(DEVICE_POOL, now.key, others[0]) if one else entry_path(DEVICE_POOL, now.key)
    steps.add(Step.CHANGE_DEVICE_POOL, ChangeDevicePool(now.key, tuple(values), tuple(unset)), place)


def _at(path: str, judge: Callable[..., _T], *arguments: Any) -> _T:
    """What `judge` says; a Refusal of it is that of `path`."""
    try:
        return judge(*arguments)
    except CasmError as error:
        raise _placed(error, path) from None


def _placed(error: CasmError, path: str) -> Exception:
    return rpc_error_of(error, path=path, namespaces=NAMESPACES)
