"""The lock of the running configuration (RFC 6241, 7.5): at most one row, of one session of one server process.

It ends with its session. A server that died does not renew it: it ends LEASE seconds after the last renewal, or
at once where it is known that the process is gone. Times here are the store's clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.deadlines import LEASE
from casm_ctrl.base.processes import Process
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class Holder:
    """A session of a server. `server` is that server's own id, made when it started."""

    server: str
    session_id: int
    user: str
    process: Process


@dataclass(frozen=True)
class ConfigLock:
    holder: Holder
    since: Micros
    expires: Micros

    def ended(self, now: Micros) -> bool:
        """True where its server is dead."""
        return self.expires <= now or self.holder.process.is_gone()


_COLUMNS = "server, session_id, username, machine, process, since, expires"


def find_lock(tx: Transaction) -> ConfigLock | None:
    """The row that is there, ended or not."""
    row = tx.first(f"SELECT {_COLUMNS} FROM config_lock")
    if row is None:
        return None
    server, session_id, user, machine, process, since, expires = row
    return ConfigLock(Holder(server, session_id, user, Process(machine, process)), since, expires)


def put_lock(tx: Transaction, holder: Holder) -> None:
    """Take the lock, whoever had it."""
    tx.run(
        f"INSERT INTO config_lock (id, {_COLUMNS})"
        " VALUES (1, :server, :session, :username, :machine, :process, :now, :expires)"
        " ON CONFLICT (id) DO UPDATE SET server = :server, session_id = :session, username = :username,"
        " machine = :machine, process = :process, since = :now, expires = :expires",
        server=holder.server,
        session=holder.session_id,
        username=holder.user,
        machine=holder.process.machine,
        process=holder.process.id,
        now=tx.now,
        expires=tx.now + round(LEASE * SECOND),
    )


def renew_lock(tx: Transaction, server: str) -> bool:
    """Keep the lock of a session of that server for another LEASE seconds; False where it has none."""
    expires = tx.now + round(LEASE * SECOND)
    return bool(
        tx.run(
            "UPDATE config_lock SET expires = :expires WHERE server = :server", expires=expires, server=server
        )
    )


def delete_lock(tx: Transaction, server: str | None = None, session_id: int | None = None) -> bool:
    """Release the lock, where that session of that server has it; whoever has it where none is named."""
    if server is None:
        return bool(tx.run("DELETE FROM config_lock"))
    return bool(
        tx.run(
            "DELETE FROM config_lock WHERE server = :server AND session_id = :session",
            server=server,
            session=session_id,
        )
    )
