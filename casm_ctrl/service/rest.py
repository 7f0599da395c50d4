"""The end of quarantine."""

from __future__ import annotations

from casm_ctrl.store import blocks, observations
from casm_ctrl.store.events import Author
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Transaction

AT_ONCE = 200
"""One sweep frees no more: what waits is found by the next."""

_CONTROLLER = Author("controller")


def free_rested(tx: Transaction) -> int:
    """Free the blocks whose rest period ended, unless a device still shows them. Returns how many."""
    freed = 0
    for number in blocks.rested_blocks(tx, AT_ONCE):
        if observations.holds_on(tx, number):
            continue
        block = blocks.get_block(tx, number)
        blocks.transition(tx, _CONTROLLER, block, State.FREE, "rest", "the rest period ended")
        freed += 1
    return freed
