"""What the loop changes of its own accord: each change is one transaction, in which everything that may forbid it is
looked at once more.

The record of the decision and the change are durable together, so that nobody finds one without the other. What is
refused here is recorded too, as a decision that a guard keeps back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from casm_ctrl.base.automation import effective
from casm_ctrl.base.clock import SECOND, Micros, to_rfc3339
from casm_ctrl.base.limits import Limits
from casm_ctrl.service import decisions
from casm_ctrl.service.alarm_causes import note_breaker
from casm_ctrl.service.allocation import allocate_in
from casm_ctrl.service.control_settings import get_limits
from casm_ctrl.service.decisions import Made
from casm_ctrl.service.pool_facts import HOUR, held_by
from casm_ctrl.service.release import drain_block, keep_block, release_block
from casm_ctrl.service.request import Request, check
from casm_ctrl.store import automation, blocks, clock_watch, control_state, devices, watches
from casm_ctrl.store import decisions as decision_rows
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.control_state import BreakerRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.store.transaction import Mode, Transaction

CONTROLLER = "controller"
"""Who the audit says it was."""
GROW, DRAIN, CANCEL_DRAIN, GIVE_BACK = "grow", "drain", "cancel-drain", "give-back"
AUTOMATIC = "automatic"
CLOCK_HELD = (
    "the store's clock jumped, and nobody knows how long anything lasted: nothing is taken back until somebody has"
    " looked at it ('casm accept-clock')"
)


@dataclass(frozen=True)
class Warrant:
    """What a change stands on. `generation`: of the device pool, as it was read. `controller`: who watches
    `device_id`."""

    device_id: int
    generation: int
    controller: int


@dataclass(frozen=True)
class Acted:
    """It is done in the store, and to be applied: the decision's number, and the blocks."""

    decision: int
    blocks: tuple[int, ...]


@dataclass(frozen=True)
class Kept:
    """A guard keeps it back; `decision` says so."""

    decision: int
    guard: str
    words: str


class Superseded(Exception):
    """The device pool was changed since it was looked at, or somebody else watches the device: decide anew."""


def grow(database: Database, made: Made, warrant: Warrant, count: int, length: int) -> Acted | Kept:
    """Allocate `count` blocks of `length`. Exhausted, LimitReached and others of `allocate`, with nothing changed."""
    request = Request(made.device_pool, count, length)
    check(request)

    def change(tx: Transaction, number: int, author: Author) -> Iterable[BlockRow]:
        answer = allocate_in(tx, author, request)
        cut = [blocks.get_block(tx, int(document["id"][1:])) for document in answer["block"]]
        for block in cut:
            control_state.add_block(tx, block.id, made.device_pool_id, number)
        return cut

    return _act(database, made, warrant, change, count=count, grown=True)


def drain(database: Database, made: Made, warrant: Warrant, block: int) -> Acted | Kept:
    """Let devices give out nothing new from a block. IllegalTransition where it is on its way out."""

    def change(tx: Transaction, number: int, author: Author) -> Iterable[BlockRow]:
        row = _the_block(tx, made, block)
        if row.wanted is not Wanted.PRESENT:
            raise Superseded
        after = drain_block(tx, author, row)
        control_state.begin_drain(tx, block, made.device_pool_id, number)
        return (after,)

    return _act(database, made, warrant, change, shrunk=True)


def cancel_drain(database: Database, made: Made, warrant: Warrant, block: int) -> Acted | Kept:
    """Let devices give out from it again. IllegalTransition where a removal may have been sent."""

    def change(tx: Transaction, number: int, author: Author) -> Iterable[BlockRow]:
        row = _the_block(tx, made, block)
        if row.wanted is not Wanted.DRAINED:
            raise Superseded
        known = control_state.blocks_of(tx, made.device_pool_id).get(block)
        if known is not None and known.drained_by is not None:
            decisions.settle(tx, known.drained_by, decisions.REVERSED, f"taken back: {made.because}")
        after = keep_block(tx, author, row)
        control_state.end_drain(tx, block)
        return (after,)

    return _act(database, made, warrant, change, shrunk=True)


def give_back(
    database: Database, made: Made, warrant: Warrant, block: int, *, forced: bool = False
) -> Acted | Kept:
    """Release a drained block: it goes with the next apply, once counts prove it empty; `forced`: also with the
    subscribers that are still in it, as the operator's force-after says.

    LimitReached where its device pool would keep too few.
    """

    def change(tx: Transaction, number: int, author: Author) -> Iterable[BlockRow]:
        row = _the_block(tx, made, block)
        known = control_state.blocks_of(tx, made.device_pool_id).get(block)
        if row.wanted is Wanted.ABSENT and (not forced or known is None or known.forced):
            raise Superseded
        if forced:
            control_state.force(tx, block)
        after = release_block(tx, author, row)
        return (row if after is None else after,)

    return _act(database, made, warrant, change, shrunk=True)


def note_refused(
    database: Database, made: Made, words: str, tell: Callable[[Transaction, str], None]
) -> None:
    """It could not be done, and nothing was changed: that is the decision then. `tell` is called in the transaction,
    with all that it says."""
    because = f"{made.because}; but {words}"

    def body(tx: Transaction) -> None:
        decisions.record(tx, replace(made, because=because, blocked_by="refused", blocks=()))
        tell(tx, because)

    database.run(body)


def may_go_on(database: Database) -> bool:
    """Whether what was decided before and is not seen on devices yet may be tried again: not while the breaker is open.
    Where its time is over, this closes it."""

    def body(tx: Transaction) -> bool:
        breaker = control_state.lock_breaker(tx)
        return not breaker.open or _try_again(tx, breaker, get_limits(tx))

    with database.read() as tx:
        if not control_state.get_breaker(tx).open:
            return True
    return database.run(body)


def _the_block(tx: Transaction, made: Made, number: int) -> BlockRow:
    if tx.shares:
        blocks.lock_blocks(tx, (number,))
    row = blocks.find_block(tx, number)
    if row is None or row.device_pool_id != made.device_pool_id:
        raise Superseded
    return row


def _act(
    database: Database,
    made: Made,
    warrant: Warrant,
    change: Callable[[Transaction, int, Author], Iterable[BlockRow]],
    *,
    count: int = 1,
    grown: bool = False,
    shrunk: bool = False,
) -> Acted | Kept:
    def body(tx: Transaction) -> Acted | Kept:
        breaker = control_state.lock_breaker(tx)
        if not watches.is_watched_by(tx, warrant.device_id, warrant.controller):
            raise Superseded
        kept = _keeps_back(tx, made, breaker, count)
        if kept is not None:
            guard, words = kept
            number = decisions.record(tx, replace(made, blocked_by=guard))
            return Kept(number, guard, words)
        generation = warrant.generation
        if not control_state.next_generation(tx, made.device_pool_id, generation, grown=grown, shrunk=shrunk):
            raise Superseded
        number = decisions.record(tx, replace(made, blocks=()), acted=True)
        touched = tuple(change(tx, number, Author(CONTROLLER, reason=f"why {number}: {made.because}")))
        decision_rows.add_blocks(tx, number, ((block.id, block.pool_id) for block in touched))
        return Acted(number, tuple(block.id for block in touched))

    return database.run(body, Mode.SHARE)


# --- What keeps it back ---------------------------------------------------------------------------


def _keeps_back(tx: Transaction, made: Made, breaker: BreakerRow, count: int) -> tuple[str, str] | None:
    """(guard, words) of what forbids it now, whatever was seen when it was decided."""
    row = devices.get_device_pool(tx, made.device_pool_id)
    limits = get_limits(tx)
    if breaker.open and not _try_again(tx, breaker, limits):
        return "breaker", f"all automatic changes are stopped: {breaker.reason}"
    if _is_trial_under_way(tx, breaker, limits):
        return "breaker", f"one change is tried after they were stopped: {breaker.reason}"
    held = held_by(tx, row)
    if held is not None:
        return "hold", held
    policy = effective(
        automation.get_automation(tx, row.id), devices.get_device(tx, row.device_id).role, row.usage_high
    )
    mode = policy.grow if made.action == GROW else policy.shrink
    if mode != AUTOMATIC and made.action != CANCEL_DRAIN:
        return "observe", f"{made.action} is set to {mode} now"
    if made.action in (DRAIN, GIVE_BACK) and clock_watch.look(tx):
        return "clock", CLOCK_HELD
    words = _over_a_cap(tx, made, limits, count) if made.action in (GROW, DRAIN) else None
    return None if words is None else ("cap", words)


def _over_a_cap(tx: Transaction, made: Made, limits: Limits, more: int) -> str | None:
    """Which cap of an hour `more` blocks are too many for, whoever changed those before; None: for none."""
    sources = set(devices.device_pool_sources(tx, made.device_pool_id))
    done = {"device_pool": 0, "device": 0, "hour": 0}
    by_pool = dict.fromkeys(sources, 0)
    for action, device_pool, device, source, count in decision_rows.changes_since(tx, tx.now - HOUR):
        if action == made.action:
            done["hour"] += count
            done["device_pool"] += count * (device_pool == made.device_pool_id)
            done["device"] += count * (device == made.device_id)
            if source in by_pool:
                by_pool[source] += count
    done["pool"] = max(by_pool.values(), default=0)
    watch = watches.find_watch(tx, made.device_id)
    gentle = watch is not None and watch.gentle_until is not None and tx.now < watch.gentle_until
    for scope, number in done.items():
        most = getattr(limits, f"{made.action}_per_{scope}")
        if most and gentle:
            most = max(1, most * limits.gentle_percent // 100)
        if number + more > most:
            leaf = f"{made.action}-per-{scope.replace('_', '-')}"
            return f"{number} blocks were changed in the last hour, and {leaf} is {most}"
    return None


def _try_again(tx: Transaction, breaker: BreakerRow, limits: Limits) -> bool:
    """True where the breaker's time is over: it is closed, and opens again with the first failure."""
    if not limits.breaker_reset or breaker.opened_at is None:
        return False
    over = Micros(breaker.opened_at + limits.breaker_reset * SECOND)
    if tx.now < over:
        return False
    control_state.close_breaker(tx, tried=True)
    note_breaker(tx, None)
    words = f"its time was over at {to_rfc3339(over)}; the first failure stops it again"
    record(tx, Author(CONTROLLER), [Event("control-resume", "store", 1, "automation", reason=words)])
    return True


def _is_trial_under_way(tx: Transaction, breaker: BreakerRow, limits: Limits) -> bool:
    """True where the breaker was closed because its time was over, and what came of the first change since is not
    known yet. One that never ends is waited for no longer than the breaker stays open."""
    closed = breaker.closed_at
    if not breaker.tried or closed is None or tx.now >= closed + limits.breaker_reset * SECOND:
        return False
    return decision_rows.is_any_since(tx, closed) and not decision_rows.is_any_since(
        tx, closed, decisions.DONE
    )


# --- What came of it ------------------------------------------------------------------------------


def finish(database: Database, device_id: int, failed: str | None = None) -> tuple[int, ...]:
    """Compare what was decided of a device and not seen there yet with what its blocks are now; `failed`: why the
    apply did. Returns the decisions that are not finished still."""

    def body(tx: Transaction) -> tuple[int, ...]:
        left = []
        for row in decision_rows.unfinished_decisions(tx, device_id):
            found = [blocks.find_block(tx, number) for number in decision_rows.blocks_of(tx, row.id)]
            ended = _ended(row.action, found)
            if ended is not None:
                outcome = decisions.REVERSED if row.outcome == decisions.REVERSED else ended[0]
                decisions.settle(tx, row.id, outcome, ended[1])
                continue
            left.append(row.id)
            if failed is not None:
                decisions.settle(tx, row.id, decisions.FAILED, failed, unfinished=True)
        return tuple(left)

    with database.read() as tx:
        if not decision_rows.unfinished_decisions(tx, device_id):
            return ()
    return database.run(body)


def _ended(action: str, found: list[BlockRow | None]) -> tuple[str, str] | None:
    """(outcome, words) where nothing more is to be done for a decision; None where something is."""
    there = [block for block in found if block is not None]
    if action == GROW:
        if any(block.wanted is not Wanted.PRESENT for block in there) or len(there) < len(found):
            return decisions.DONE, "taken back meanwhile"
        if all(block.state is State.INSTALLED for block in there):
            return decisions.DONE, "seen in running"
    elif action == DRAIN:
        if any(block.wanted is Wanted.PRESENT for block in there):
            return decisions.REVERSED, "taken back meanwhile"
        if all(block.state is not State.INSTALLED for block in there):
            return decisions.DONE, "the drain was seen in running"
    elif action == CANCEL_DRAIN:
        if all(block.wanted is not Wanted.PRESENT or block.state is State.INSTALLED for block in there):
            return decisions.DONE, "seen in running"
    elif any(block.wanted is not Wanted.ABSENT for block in there):
        return decisions.REVERSED, "taken back meanwhile"
    elif all(block.state is State.QUARANTINED for block in there):
        return decisions.DONE, "proven gone"
    return None


def judge_breaker(database: Database) -> str | None:
    """Why all automatic changes are to stop now: too many of them failed or were taken back, one after the other,
    or too many devices restarted. Stops them, and returns the reason; None where nothing is wrong or they are
    stopped already."""

    def body(tx: Transaction) -> str | None:
        breaker = control_state.lock_breaker(tx)
        reason = None if breaker.open else _too_much(tx, breaker)
        if reason is not None:
            control_state.open_breaker(tx, reason)
            note_breaker(tx, reason)
            event = Event("control-stop", "store", 1, "automation", reason=reason)
            record(tx, Author(CONTROLLER), [event])
        return reason

    with database.read() as tx:
        breaker = control_state.get_breaker(tx)
        if breaker.open or _too_much(tx, breaker) is None:
            return None
    return database.run(body)


def _too_much(tx: Transaction, breaker: BreakerRow) -> str | None:
    limits = get_limits(tx)
    since = max(tx.now - limits.breaker_window * SECOND, breaker.closed_at or 0)
    most = limits.breaker_failures
    if breaker.tried and not any(
        outcome == decisions.DONE
        for outcome, *_ in decision_rows.outcomes_since(tx, breaker.closed_at or 0, most)
    ):
        most = 1
    last = decision_rows.outcomes_since(tx, since, most)
    if len(last) == most and all(outcome != decisions.DONE for outcome, *_ in last):
        _, label, words = last[0]
        return f"{most} automatic changes in a row failed or were taken back, the last of {label}: {words}"
    restarted, watched = watches.restarted_since(tx, since)
    if restarted >= 3 and restarted * 100 >= limits.breaker_devices * watched:
        return f"{restarted} of {watched} devices restarted or lost their subscribers within {limits.breaker_window} s"
    return None
