"""Has the clock jumped? Quarantine and expiry are times on it (design: Identifiers, output, time).

Between two looks in one epoch (a boot) the clock must have gone as far as the time that really passed;
across epochs it must at least not have gone back.
"""

from __future__ import annotations

from casm_ctrl.base.clock import SECOND
from casm_ctrl.store.transaction import Transaction

JUMP = 300 * SECOND
"""How far the clock may be off between two looks: five minutes."""


def look(tx: Transaction) -> bool:
    """Compare the clock with the last look. True while it is held because of a jump."""
    epoch, elapsed = tx.clock.elapsed()
    row = tx.first("SELECT epoch, elapsed, at, held FROM clock_watch")
    if row is None:
        _note(tx, held=False)
        return False
    passed = elapsed - row[1] if row[0] == epoch else max(tx.now - row[2], 0)
    held = bool(row[3]) or abs(tx.now - row[2] - passed) > JUMP
    _note(tx, held=held)
    return held


def accept(tx: Transaction) -> None:
    """The clock is right as it is now."""
    _note(tx, held=False)


def is_held(tx: Transaction) -> bool:
    """True while timed releases wait for an operator."""
    row = tx.first("SELECT held FROM clock_watch")
    return row is not None and bool(row[0])


def _note(tx: Transaction, *, held: bool) -> None:
    epoch, elapsed = tx.clock.elapsed()
    tx.run(
        "INSERT INTO clock_watch (id, epoch, elapsed, at, held) VALUES (1, :epoch, :elapsed, :now, :held)"
        " ON CONFLICT (id) DO UPDATE SET epoch = :epoch, elapsed = :elapsed, at = :now, held = :held",
        epoch=epoch,
        elapsed=elapsed,
        now=tx.now,
        held=int(held),
    )
