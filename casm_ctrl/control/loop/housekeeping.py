"""What time brings, whatever devices say: quarantine ends, samples and decisions grow old, the breaker is looked at."""

from __future__ import annotations

import asyncio
import logging

from casm_ctrl.base.errors import CasmError
from casm_ctrl.service import automatic, decisions, rest
from casm_ctrl.service.stock_alarms import note_stock
from casm_ctrl.service.thinning import thin
from casm_ctrl.sync.access import StoreAccess

OFTEN, RARELY = 10.0, 3600.0
"""Seconds between two sweeps, and between two times that old rows are thinned."""

_log = logging.getLogger(__name__)


async def keep_house(store: StoreAccess) -> None:
    """Until it is cancelled. A store that fails now may work the next time."""
    loop = asyncio.get_running_loop()
    thinned = loop.time() - RARELY + OFTEN
    while True:
        await asyncio.sleep(OFTEN)
        try:
            await sweep(store)
            if loop.time() - thinned >= RARELY:
                thinned = loop.time()
                await forget(store)
        except CasmError as error:
            _log.warning("the store cannot be used: %s", error)
        except Exception:
            _log.exception("housekeeping failed, and this is a fault of ours: it is tried again")


async def sweep(store: StoreAccess) -> None:
    """What is often due."""
    await store.run(rest.sweep_store)
    await store.run(automatic.judge_breaker)
    await store.run(note_stock)


async def forget(store: StoreAccess) -> None:
    """What grew old."""
    await store.run(thin)
    await store.run(decisions.forget_old)
