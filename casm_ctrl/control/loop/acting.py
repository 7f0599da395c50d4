"""What was decided is done: first in the store, with its record, then on the devices, and then it is told what came of
it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from casm_ctrl.base.errors import CasmError, LimitReached
from casm_ctrl.control.deciding.grow import DECISION_BLOCKED
from casm_ctrl.control.deciding.view import CancelDrain, Drain, GiveBack, Grow
from casm_ctrl.control.loop import alarming
from casm_ctrl.control.loop.looking import Todo
from casm_ctrl.service import automatic, rest
from casm_ctrl.service.automatic import Acted, Kept, Warrant
from casm_ctrl.service.decisions import Made
from casm_ctrl.store import decisions as decision_rows
from casm_ctrl.store import devices
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.transaction import Transaction
from casm_ctrl.sync.apply import apply_one
from casm_ctrl.sync.backoff import is_passing
from casm_ctrl.sync.report import Report
from casm_ctrl.sync.run import Run


@dataclass
class Actor:
    """Acts for one controller; `controller` is its number, and 0 before it has one: that watches nothing."""

    run: Run
    controller: int = 0

    async def decide(self, todo: Todo) -> Acted | Kept | CasmError:
        """Do it in the store. An error says that it is not to be had: nothing was changed then."""
        made, action = todo.made, todo.decision.action

        def tell(tx: Transaction, because: str) -> None:
            alarming.tell_decision(tx, made.device_pool, DECISION_BLOCKED, because)

        warrant = Warrant(made.device_id, todo.pool.control.generation, self.controller)
        store = self.run.store
        try:
            if isinstance(action, Grow):
                return await self._grow(made, warrant, action)
            if isinstance(action, Drain):
                return await store.run(automatic.drain, made, warrant, action.block)
            if isinstance(action, CancelDrain):
                return await store.run(automatic.cancel_drain, made, warrant, action.block)
            assert isinstance(action, GiveBack)
            return await store.run(automatic.give_back, made, warrant, action.block, forced=action.forced)
        except CasmError as error:
            await store.run(automatic.note_refused, made, str(error), tell)
            return error

    async def _grow(self, made: Made, warrant: Warrant, action: Grow) -> Acted | Kept:
        """Where a limit refuses so many blocks, half as many, down to one: some are better than none."""
        count, given = action.count, made
        while True:
            try:
                return await self.run.store.run(automatic.grow, given, warrant, count, action.length)
            except LimitReached as error:
                if count == 1:
                    raise
                count //= 2
                given = replace(made, because=f"{made.because}; but only {count}, for {error.message}")

    async def apply(self, names: Collection[str]) -> dict[str, CasmError]:
        """Make devices hold what is wanted, beside each other. Returns the errors, by device."""
        done = await asyncio.gather(*(self._apply(name) for name in names))
        return {name: error for name, error in zip(names, done, strict=True) if error is not None}

    async def _apply(self, name: str) -> CasmError | None:
        """Tried again once where the session was lost: a kept one may have ended unnoticed."""
        failed: CasmError | None = None
        for _ in range(2):
            leaving = await self.run.store.run(_leaving, name)
            options = replace(self.run.options, confirm_removal=leaving or None)
            run = replace(self.run, author=Author(automatic.CONTROLLER), options=options)
            try:
                await apply_one(run, Report(name))
            except CasmError as error:
                failed = error
                if not is_passing(error):
                    break
            else:
                return None
        return failed

    async def finish(self, device_id: int, errors: Mapping[str, CasmError]) -> tuple[int, ...]:
        """Tell what came of the decisions about a device. Returns those that are not finished."""
        failed = "; ".join(f"{name}: {error.message}" for name, error in errors.items()) or None
        left = await self.run.store.run(automatic.finish, device_id, failed)
        await self.run.store.run(rest.sweep_store)
        return left


def _leaving(database: Database, device: str) -> int:
    """How many blocks the loop gives back on a device: as many may go in one visit."""
    with database.read() as tx:
        row = devices.find_device(tx, device)
        if row is None:
            return 0
        return len(
            {
                block
                for decision in decision_rows.unfinished_decisions(tx, row.id)
                if decision.action == automatic.GIVE_BACK
                for block in decision_rows.blocks_of(tx, decision.id)
            }
        )
