"""The lock of the running configuration, which binds everybody: NETCONF sessions, the CLI, imports.

What changes configuration counts itself with `count_change`, which refuses while a session has running locked or a
confirmed commit of somebody waits for its confirmation (RFC 6241, 7.5 and 8.4).
"""

from __future__ import annotations

from casm_ctrl.base.clock import SECOND, to_rfc3339
from casm_ctrl.base.errors import InUse
from casm_ctrl.store import config_lock, pending_commits, spaces
from casm_ctrl.store.config_lock import ConfigLock, Holder
from casm_ctrl.store.database import Database
from casm_ctrl.store.pending_commits import ConfirmedCommit
from casm_ctrl.store.transaction import Transaction


def lock(database: Database, holder: Holder) -> ConfigLock | ConfirmedCommit | None:
    """Lock running for a session. None where it has it now, else what stands in its way."""

    def body(tx: Transaction) -> ConfigLock | ConfirmedCommit | None:
        held = standing_lock(tx)
        if held is not None:
            return held
        pending = standing_commit(tx)
        if pending is not None and not is_same(pending.holder, holder):
            return pending
        config_lock.put_lock(tx, holder)
        return None

    return database.run(body)


def unlock(database: Database, holder: Holder) -> bool:
    """Release the lock; False where that session did not have it, or not any more."""
    return database.run(lambda tx: config_lock.delete_lock(tx, holder.server, holder.session_id))


def renew(database: Database, server: str) -> None:
    """Keep what the server's sessions hold; at least every LEASE_RENEWAL seconds."""

    def body(tx: Transaction) -> None:
        config_lock.renew_lock(tx, server)
        pending_commits.renew_pending(tx, server)

    database.run(body)


def count_change(tx: Transaction, holder: Holder | None = None, *, settles: bool = False) -> int:
    """One more change of configuration, by `holder` or by nobody who holds anything; its revision.

    InUse where another has running locked, or a confirmed commit is pending, unless this change `settles` it.
    """
    check_free(tx, holder, settles=settles)
    return spaces.bump_config_revision(tx)


def check_free(tx: Transaction, holder: Holder | None = None, *, settles: bool = False) -> None:
    """InUse, with who is in the way, where the configuration cannot be changed by `holder`."""
    held = standing_lock(tx)
    if held is not None and not (holder is not None and is_same(held.holder, holder)):
        raise InUse(
            f"the running configuration is locked by {held.holder.user}, NETCONF session {held.holder.session_id},"
            f" since {to_rfc3339(held.since)}",
            "wait until it is unlocked, or end that session with kill-session",
        )
    pending = None if settles else standing_commit(tx)
    if pending is not None:
        raise InUse(
            f"a confirmed commit of {pending.holder.user} is pending until {to_rfc3339(pending.deadline)}"
            f" ({max(0, pending.deadline - tx.now) / SECOND:.0f} s)",
            "wait until it is confirmed or its time is over, or cancel it with cancel-commit",
        )


def standing_lock(tx: Transaction) -> ConfigLock | None:
    """The lock, unless its server is dead."""
    held = config_lock.find_lock(tx)
    return None if held is None or held.ended(tx.now) else held


def standing_commit(tx: Transaction) -> ConfirmedCommit | None:
    """The confirmed commit that is pending, unless its time is over or its server dead."""
    pending = pending_commits.find_pending(tx)
    return None if pending is None or pending.ended(tx.now) else pending


def is_same(one: Holder, other: Holder) -> bool:
    return (one.server, one.session_id) == (other.server, other.session_id)
