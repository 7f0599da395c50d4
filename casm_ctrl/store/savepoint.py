"""Take back a part of a transaction, and go on with the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from casm_ctrl.base.errors import Refusal
from casm_ctrl.store.transaction import Transaction


@contextmanager
def savepoint(tx: Transaction) -> Iterator[None]:
    """Where the block raises a Refusal, what it wrote is taken back before the error goes on."""
    tx.put("SAVEPOINT part")
    try:
        yield
    except Refusal:
        tx.put("ROLLBACK TO SAVEPOINT part")
        raise
    finally:
        tx.put("RELEASE SAVEPOINT part")
