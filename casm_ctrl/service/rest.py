"""What time brings: the end of a lifetime, the end of quarantine, and the end of an answer's being kept."""

from __future__ import annotations

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.service.release import take_back
from casm_ctrl.service.verb import Document, perform
from casm_ctrl.store import blocks, clock_watch, holdings, requests
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Mode, Transaction

AT_ONCE = 200
"""One sweep frees no more: what waits is found by the next."""

_CONTROLLER = Author("controller")


def free_rested(tx: Transaction) -> int:
    """Free the blocks whose rest period ended and that no finding holds. Returns how many.

    None while the clock is held: it jumped, and nobody knows how long they rested.
    """
    rested = blocks.rested_blocks(tx, AT_ONCE)
    if not rested or clock_watch.look(tx):
        return 0
    for number in rested:
        block = blocks.get_block(tx, number)
        blocks.transition(tx, _CONTROLLER, block, State.FREE, "rest", "the rest period ended")
    return len(rested)


def release_expired(tx: Transaction) -> int:
    """Start the release of blocks whose lifetime is over, as an operator would. Returns how many.

    None while the clock is held. A device pool's least number of blocks does not keep them: who asked for a
    lifetime asked for its end.
    """
    expired = holdings.expired_blocks(tx, AT_ONCE)
    if not expired or clock_watch.look(tx):
        return 0
    for number in expired:
        block = blocks.get_block(tx, number)
        assert block.expires_at is not None
        take_back(tx, _CONTROLLER, block, "expire", f"its lifetime ended at {to_rfc3339(block.expires_at)}")
    return len(expired)


def sweep(tx: Transaction) -> None:
    """Do all that time brought."""
    if not tx.is_due():
        return
    release_expired(tx)
    free_rested(tx)


def forget_answers(tx: Transaction) -> int:
    """Forget answers to request ids that were kept long enough (requests.KEPT_DAYS). Returns how many.

    None while the clock is held.
    """
    return 0 if clock_watch.look(tx) else requests.forget_old(tx)


def sweep_store(database: Database) -> None:
    """The same in a transaction of its own, and then forget answers. Nothing is begun for writing where
    nothing is due."""
    with database.read() as tx:
        due, old = tx.is_due(), requests.any_old(tx)
    if due:
        database.run(sweep, Mode.SHARE)
    if old:
        database.run(forget_answers, Mode.SHARE)


def accept_clock(database: Database, author: Author) -> Document:
    """The clock is right as it is now: timed releases go on. Audited."""

    def body(tx: Transaction) -> Document:
        clock_watch.accept(tx)
        record(tx, author, [Event("clock-accept", "store", 1, "clock")])
        return {"clock-held": False}

    return perform(database, author, "clock-accept", {}, body)
