"""Is the device the one that the store knows, and no other's second name (design: Identity)?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Container
from weakref import WeakSet

from casm_ctrl.base.errors import AlreadyExists, CasmError, IdentityChanged, LockDenied
from casm_ctrl.drivers.registry import load_driver
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.session import Session
from casm_ctrl.service.configuration import SetHostKey, change
from casm_ctrl.service.identity import check_serial, note_serial
from casm_ctrl.service.lookup import the_device
from casm_ctrl.store import devices
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DeviceRow
from casm_ctrl.store.events import Author
from casm_ctrl.sync.access import StoreAccess
from casm_ctrl.sync.backoff import pauses
from casm_ctrl.sync.serials import read_serials
from casm_ctrl.sync.visit import target_of

_PATIENCE = (0.25, 2.0)
"""Seconds between the first two tries to get a lock that somebody else holds, and between later ones."""


async def check_identity(
    store: StoreAccess, author: Author, device: DeviceRow, session: Session, wait: float
) -> None:
    """Record the host key and the serial of a device that has none; IdentityChanged where they are another
    device's, or the serial is not the recorded one: it is held then.

    `wait`: seconds that another device may keep its candidate locked while the two are told apart.
    """
    told_apart: list[str] = []
    if device.host_key != session.host_key:
        await _record_key(store, author, device, session, wait, told_apart)
    if session in _checked:
        return
    serials = await read_serials(session)
    others = await store.run(check_serial, author, device.name, serials) if serials else None
    while others is not None:
        for name in others:
            if name not in told_apart:
                await _tell_apart(session, device, await store.run(_device, name), wait)
                told_apart.append(name)
        # Two names of one device may be entered at the same time for the first time: then there are more.
        others = await store.run(note_serial, author, device.name, serials[0], tuple(told_apart)) or None
    _checked.add(session)


_checked: WeakSet[Session] = WeakSet()
"""Sessions whose device told its serial: it stays the same for as long as they last."""


async def _record_key(
    store: StoreAccess,
    author: Author,
    device: DeviceRow,
    session: Session,
    wait: float,
    told_apart: list[str],
) -> None:
    while True:
        others = await store.run(_same_key, device, session.host_key)
        for other in others:
            if other.name not in told_apart:
                await _tell_apart(session, device, other, wait)
                told_apart.append(other.name)
        try:
            await store.run(change, author, [SetHostKey(device.name, session.host_key, tuple(told_apart))])
        except AlreadyExists:
            # Two that share a key are entered at the same time for the first time: look again.
            if {other.name for other in await store.run(_same_key, device, session.host_key)} <= {
                *told_apart
            }:
                raise
        else:
            return


def _device(database: Database, name: str) -> DeviceRow:
    with database.read() as tx:
        return the_device(tx, name)


def _same_key(database: Database, device: DeviceRow, host_key: str) -> list[DeviceRow]:
    with database.read() as tx:
        names = devices.devices_with_key(tx, host_key, besides=device.id)
        return [the_device(tx, name) for name in names]


async def _tell_apart(session: Session, device: DeviceRow, other: DeviceRow, wait: float) -> None:
    """Two servers may share one SSH host key; one lock they cannot share.

    The other's candidate is locked for a moment: where this session is then denied its own by that very
    session, both are one device.
    """
    try:
        driver = load_driver(other.driver)
        async with await open_session(target_of(other, False, driver)) as theirs:
            await _lock_candidate(theirs, wait)
            try:
                await _lock_candidate(session, wait, (theirs.session_id, None, 0))
            except LockDenied as denied:
                if denied.session_id in (theirs.session_id, None, 0):
                    raise IdentityChanged(
                        f"{session.target} and device '{other.name}' at {other.host}:{other.port} are one server",
                        "correct the host and port of one, or remove it",
                    ) from denied
                raise
            finally:
                with contextlib.suppress(CasmError):
                    await Client(session).unlock("candidate")
    except IdentityChanged:
        raise
    except CasmError as error:
        raise IdentityChanged(
            f"{session.target} has the host key of device '{other.name}', and they could not be told apart:"
            f" {error.message}",
            f"make '{other.name}' reachable and try again, or give each its own key",
        ) from error


async def _lock_candidate(session: Session, wait: float, final: Container[int | None] = ()) -> None:
    """Lock it, patiently where somebody works there; LockDenied after `wait` seconds, or at once where a
    session of `final` has it."""
    clock = asyncio.get_running_loop().time
    until = clock() + wait
    waits = pauses(*_PATIENCE)
    while True:
        try:
            await Client(session).lock("candidate")
        except LockDenied as denied:
            if denied.session_id in final or clock() >= until:
                raise
            await asyncio.sleep(min(next(waits), until - clock()))
        else:
            return
