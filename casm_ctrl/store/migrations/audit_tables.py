"""What was asked and what was done: requests, events, and the seals over these."""

from __future__ import annotations

AUDIT_TABLES = """
CREATE TABLE request (
    actor TEXT NOT NULL,
    request_id TEXT NOT NULL,
    verb TEXT NOT NULL,
    digest BLOB NOT NULL,
    answer TEXT NOT NULL,
    at INTEGER NOT NULL,
    kept_until INTEGER NOT NULL,
    PRIMARY KEY (actor, request_id)
) WITHOUT ROWID;
CREATE INDEX request_age ON request (kept_until);

-- One row for each change of a subject (a block's transition is its audit row), and one for each request.
-- `revision`: the configuration's from then on, where that changed; `session_id`: the NETCONF session that did it.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT,
    verb TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id INTEGER NOT NULL,
    subject TEXT NOT NULL,
    source TEXT,
    target TEXT,
    reason TEXT NOT NULL DEFAULT '',
    revision INTEGER,
    session_id INTEGER
);
CREATE INDEX event_subject ON event (subject_kind, subject_id, seq);
CREATE INDEX event_request ON event (actor, request_id) WHERE request_id IS NOT NULL;

-- The hash chain over the events: who seals now, where the chain stands, and the seals.
CREATE TABLE sealer (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    holder TEXT NOT NULL,
    expires INTEGER NOT NULL,
    sealed INTEGER NOT NULL,
    hash BLOB NOT NULL,
    complete INTEGER NOT NULL,
    mark_seq INTEGER NOT NULL,
    mark_tx INTEGER NOT NULL
);

CREATE TABLE seal (
    number INTEGER PRIMARY KEY,
    event_seq INTEGER NOT NULL,
    hash BLOB NOT NULL
);
CREATE UNIQUE INDEX seal_event ON seal (event_seq);
"""
