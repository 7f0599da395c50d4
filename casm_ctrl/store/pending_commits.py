"""The confirmed commit of the configuration that waits for its confirmation (RFC 6241, 8.4): at most one row.

The tables of the configuration do not have it: they change when it is confirmed, so that taking it back is to
delete the row. (`store.leases` has those that are pending on devices.) Times here are the store's clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.deadlines import LEASE
from casm_ctrl.base.processes import Process
from casm_ctrl.store.config_lock import Holder
from casm_ctrl.store.transaction import Transaction

Names = Mapping[str, tuple[str, ...]]
"""Things by kind: `pool`, `device-pool`."""


@dataclass(frozen=True)
class ConfirmedCommit:
    """`holder.session_id` is 0 where its session is gone and it persists. `edit` makes of the store's configuration
    what is pending: an edit-config's content with default-operation none. `touched` are the things that nothing
    may be allocated from meanwhile."""

    holder: Holder
    persist_id: str | None
    began: Micros
    deadline: Micros
    edit: str
    touched: Names
    expires: Micros

    def ended(self, now: Micros) -> bool:
        """True where its time is over, or its server is dead: it is as if it had never been."""
        return min(self.deadline, self.expires) <= now or self.holder.process.is_gone()


_COLUMNS = (
    "server, session_id, username, machine, process, persist_id, began, deadline, edit, touched, expires"
)


def find_pending(tx: Transaction) -> ConfirmedCommit | None:
    """The row that is there, ended or not."""
    row = tx.first(f"SELECT {_COLUMNS} FROM confirmed_commit")
    if row is None:
        return None
    server, session_id, user, machine, process, persist, began, deadline, edit, touched, expires = row
    holder = Holder(server, session_id, user, Process(machine, process))
    return ConfirmedCommit(holder, persist, began, deadline, edit, _names(touched), expires)


def touched_names(tx: Transaction) -> Names:
    """The things that a pending commit touches; it may have ended. Remembered while the configuration stays."""
    rows = tx.known("SELECT touched FROM confirmed_commit")
    return _names(rows[0][0]) if rows else {}


def put_pending(tx: Transaction, pending: ConfirmedCommit) -> None:
    """Write the row, whatever was there."""
    holder = pending.holder
    delete_pending(tx)
    tx.run(
        f"INSERT INTO confirmed_commit (id, {_COLUMNS}) VALUES (1, :server, :session, :username, :machine,"
        " :process, :persist, :began, :deadline, :edit, :touched, :expires)",
        server=holder.server,
        session=holder.session_id,
        username=holder.user,
        machine=holder.process.machine,
        process=holder.process.id,
        persist=pending.persist_id,
        began=pending.began,
        deadline=pending.deadline,
        edit=pending.edit,
        touched=json.dumps(pending.touched),
        expires=pending.expires,
    )


def renew_pending(tx: Transaction, server: str) -> bool:
    """Keep what is pending of that server for another LEASE seconds; False where nothing is."""
    expires = tx.now + round(LEASE * SECOND)
    return bool(
        tx.run(
            "UPDATE confirmed_commit SET expires = :expires WHERE server = :server",
            expires=expires,
            server=server,
        )
    )


def leave_pending(tx: Transaction, server: str, session_id: int) -> None:
    """The session that made it is gone, and it persists."""
    tx.run(
        "UPDATE confirmed_commit SET session_id = 0 WHERE server = :server AND session_id = :session",
        server=server,
        session=session_id,
    )


def delete_pending(tx: Transaction) -> bool:
    return bool(tx.run("DELETE FROM confirmed_commit"))


def _names(text: str) -> Names:
    return {kind: tuple(names) for kind, names in json.loads(text).items()}
