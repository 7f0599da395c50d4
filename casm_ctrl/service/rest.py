"""The end of quarantine."""

from __future__ import annotations

from casm_ctrl.service.verb import Document, perform
from casm_ctrl.store import blocks, clock_watch, observations
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Transaction

AT_ONCE = 200
"""One sweep frees no more: what waits is found by the next."""

_CONTROLLER = Author("controller")


def free_rested(tx: Transaction) -> int:
    """Free the blocks whose rest period ended, unless a device still shows them. Returns how many.

    None while the clock is held: it jumped, and nobody knows how long they rested.
    """
    freed = 0
    rested = blocks.rested_blocks(tx, AT_ONCE)
    if not rested or clock_watch.look(tx):
        return freed
    for number in rested:
        if observations.holds_on(tx, number):
            continue
        block = blocks.get_block(tx, number)
        blocks.transition(tx, _CONTROLLER, block, State.FREE, "rest", "the rest period ended")
        freed += 1
    return freed


def accept_clock(database: Database, author: Author) -> Document:
    """The clock is right as it is now: timed releases go on. Audited."""

    def body(tx: Transaction) -> Document:
        clock_watch.accept(tx)
        record(tx, author, [Event("clock-accept", "store", 1, "clock")])
        return {"clock-held": False}

    return perform(database, author, "clock-accept", {}, body)
