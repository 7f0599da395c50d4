"""What was decided is done: first in the store, with its record, then on the devices, and then it is told what came of
it. A person who asks for one of these by hand goes the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from casm_ctrl.base.errors import CasmError, InvalidValue
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.control.deciding.view import CancelDrain, Drain, GiveBack, Grow
from casm_ctrl.control.loop.looking import Todo
from casm_ctrl.service import automatic, rest
from casm_ctrl.service.automatic import Acted, Kept, Superseded, Warrant
from casm_ctrl.service.decisions import Made
from casm_ctrl.service.lookup import the_block, the_device_pool
from casm_ctrl.service.verb import Document
from casm_ctrl.store import control_state, devices
from casm_ctrl.store import decisions as decision_rows
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.sync.apply import apply_one
from casm_ctrl.sync.backoff import is_passing
from casm_ctrl.sync.report import Report
from casm_ctrl.sync.run import Run


@dataclass
class Actor:
    """Acts for one controller, or for a person (`controller` None)."""

    run: Run
    controller: int | None = None

    async def decide(self, todo: Todo) -> Acted | Kept | CasmError:
        """Do it in the store. An error says that it is not to be had: nothing was changed then."""
        made, action = todo.made, todo.decision.action
        warrant = Warrant(made.device_id, todo.pool.control.generation, self.controller)
        store = self.run.store
        try:
            if isinstance(action, Grow):
                return await store.run(automatic.grow, made, warrant, action.count, action.length)
            if isinstance(action, Drain):
                return await store.run(automatic.drain, made, warrant, action.block)
            if isinstance(action, CancelDrain):
                return await store.run(automatic.cancel_drain, made, warrant, action.block)
            assert isinstance(action, GiveBack)
            return await store.run(automatic.give_back, made, warrant, action.block, forced=action.forced)
        except CasmError as error:
            await store.run(automatic.note_refused, made, str(error))
            return error

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
        return sum(
            len(decision_rows.blocks_of(tx, decision.id))
            for decision in decision_rows.unfinished_decisions(tx, row.id)
            if decision.action == automatic.GIVE_BACK
        )


# --- By hand --------------------------------------------------------------------------------------


async def grow(run: Run, device_pool: str, count: int, length: int | None, why: str) -> Document:
    """Give a device pool `count` blocks and install them. `why` is recorded as the reason of the decision."""
    facts = await run.store.run(_facts_of_pool, device_pool)
    wanted = facts.length if length is None else length
    return await _by_hand(
        run,
        facts,
        automatic.GROW,
        why,
        (),
        lambda database, made, warrant: automatic.grow(database, made, warrant, count, wanted),
    )


async def drain(run: Run, block: str, why: str) -> Document:
    """Drain a block (its id, or its prefix); the loop gives it back when counts prove it empty."""
    facts, number, pool = await run.store.run(_facts_of_block, block)
    return await _by_hand(
        run,
        facts,
        automatic.DRAIN,
        why,
        ((number, pool),),
        lambda database, made, warrant: automatic.drain(database, made, warrant, number),
    )


async def cancel_drain(run: Run, block: str, why: str) -> Document:
    """Take a drain back."""
    facts, number, pool = await run.store.run(_facts_of_block, block)
    return await _by_hand(
        run,
        facts,
        automatic.CANCEL_DRAIN,
        why,
        ((number, pool),),
        lambda database, made, warrant: automatic.cancel_drain(database, made, warrant, number),
    )


async def give_back(run: Run, block: str, why: str) -> Document:
    """Release a block: it is withdrawn once counts prove it empty, and rests."""
    facts, number, pool = await run.store.run(_facts_of_block, block)
    return await _by_hand(
        run,
        facts,
        automatic.GIVE_BACK,
        why,
        ((number, pool),),
        lambda database, made, warrant: automatic.give_back(database, made, warrant, number),
    )


@dataclass(frozen=True)
class _Facts:
    id: int
    label: str
    device_id: int
    length: int
    generation: int
    members: tuple[str, ...]


def _facts_of_pool(database: Database, label: str) -> _Facts:
    with database.read() as tx:
        row = the_device_pool(tx, label)
        members = (
            devices.get_device(tx, member.device_id).name
            for member in devices.owner_members(tx, row.owner_id)
            if member.holds_blocks
        )
        generation = control_state.get_pool_control(tx, row.id).generation
        return _Facts(row.id, row.label, row.device_id, row.length, generation, tuple(members))


def _facts_of_block(database: Database, name: str) -> tuple[_Facts, int, int]:
    with database.read() as tx:
        block = the_block(tx, name)
    return _facts_of_pool(database, block.device_pool), block.id, block.pool_id


async def _by_hand(
    run: Run,
    facts: _Facts,
    action: str,
    why: str,
    blocks: tuple[tuple[int, int], ...],
    act: Callable[[Database, Made, Warrant], Acted | Kept],
) -> Document:
    """{decision, block: […], device: [errors]}. A CasmError where nothing was changed."""
    if not why:
        raise InvalidValue("nobody said why", "say why with --reason")
    made = Made(facts.id, facts.label, facts.device_id, action, "by-hand", why, blocks=blocks)
    try:
        done = await run.store.run(act, made, Warrant(facts.device_id, facts.generation, None))
    except Superseded:
        raise InvalidValue(
            f"{facts.label} was changed meanwhile, or is so already", "look again, and repeat"
        ) from None
    assert isinstance(done, Acted)
    actor = Actor(run)
    errors = await actor.apply(facts.members)
    left = await actor.finish(facts.device_id, errors)
    answer: dict[str, Any] = {
        "decision": str(done.decision),
        "block": [block_id(number) for number in done.blocks],
        "finished": done.decision not in left,
        "failed": [{"device": name, "message": error.message} for name, error in errors.items()],
    }
    return answer
