"""Keep what a device counted in a visit: how many addresses of each block subscribers use."""

from __future__ import annotations

from collections.abc import Mapping

from casm_ctrl.service.thresholds import tell_crossings
from casm_ctrl.store import counts as store
from casm_ctrl.store import leases
from casm_ctrl.store.database import Database
from casm_ctrl.store.leases import Lease
from casm_ctrl.store.transaction import Transaction


def record_counts(database: Database, lease: Lease, counts: Mapping[int, int]) -> None:
    """Store `counts` (addresses in use, by block) with the time of now as sample time; LeaseLost."""

    def body(tx: Transaction) -> None:
        leases.check(tx, lease)
        store.note_counts(tx, lease.device_id, counts)
        tell_crossings(tx, lease.device_id)

    database.run(body)
