"""Sessions of the NETCONF server in the audit: who came, from where, and how it ended (RFC 6470, 2.3 and 2.4)."""

from __future__ import annotations

from typing import Literal

from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record

Ended = Literal["closed", "killed", "dropped", "timeout", "bad-hello", "other"]
"""How a session ended, in the words of RFC 6470."""


def note_start(database: Database, author: Author, session_id: int, username: str, host: str) -> None:
    """A session was opened: the hellos were exchanged."""
    _note(database, author, Event("session-start", "session", session_id, f"{username} from {host}"))


def note_end(
    database: Database,
    author: Author,
    session_id: int,
    username: str,
    host: str,
    ended: Ended,
    killed_by: int | None = None,
) -> None:
    """A session is over. `killed_by`: the session that killed it."""
    reason = "" if killed_by is None else f"killed by session {killed_by}"
    subject = f"{username} from {host}"
    _note(database, author, Event("session-end", "session", session_id, subject, None, ended, reason))


def _note(database: Database, author: Author, event: Event) -> None:
    database.run(lambda tx: record(tx, author, [event]))
