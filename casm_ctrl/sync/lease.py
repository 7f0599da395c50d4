"""Hold a device's lease while working on it, and know at once when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

from casm_ctrl.base.deadlines import LEASE_RENEWAL
from casm_ctrl.base.errors import CasmError, LeaseHeld, LeaseLost
from casm_ctrl.base.identifiers import new_token
from casm_ctrl.service import intent
from casm_ctrl.store.leases import Lease
from casm_ctrl.sync.access import StoreAccess
from casm_ctrl.sync.backoff import pauses
from casm_ctrl.sync.boundary import Boundary, reach
from casm_ctrl.sync.report import Progress

_PATIENCE = (0.25, 2.0)
"""Seconds between the first two looks at a lease that somebody else holds, and between later ones."""


@contextlib.asynccontextmanager
async def hold_lease(
    store: StoreAccess, device: str, wait: float, progress: Progress
) -> AsyncIterator[Lease]:
    """The device's lease, renewed until the block ends. LeaseHeld after `wait` seconds names the holder."""
    lease = await _claim(store, device, wait, progress)
    reach(Boundary.LEASE)
    renewal = asyncio.create_task(_renew(store, lease))
    try:
        yield lease
    finally:
        renewal.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewal
        with contextlib.suppress(CasmError):  # it ends by itself, and the error of the work matters more
            await store.run(intent.release_lease, lease)


async def _claim(store: StoreAccess, device: str, wait: float, progress: Progress) -> Lease:
    holder, who = new_token("lease"), f"process {os.getpid()} on {socket.gethostname()}"
    clock = asyncio.get_running_loop().time
    until = clock() + wait
    for pause in pauses(*_PATIENCE):
        try:
            return await store.run(intent.claim_lease, device, holder, who)
        except LeaseHeld as error:
            if clock() >= until:
                raise LeaseHeld(f"{device}: {error.message}; waited {wait:g} s", error.remedy) from None
            progress(device, f"waiting: {error.message}")
            await asyncio.sleep(min(pause, until - clock()))
    raise AssertionError("pauses have no end")


async def _renew(store: StoreAccess, lease: Lease) -> None:
    """Until cancelled, or until the lease is lost: then whoever works finds out at its next check.

    A store that fails now may answer the next time, before the lease ends.
    """
    while True:
        await asyncio.sleep(LEASE_RENEWAL)
        try:
            await store.run(intent.renew_lease, lease)
        except LeaseLost:
            return
        except CasmError:
            continue
