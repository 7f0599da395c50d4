"""The tables of alarms (RFC 8632), in SQLite's dialect as the others of the first schema."""

from __future__ import annotations

ALARM_TABLES = """
-- An alarm, from when it was first raised until it is purged. resource: an instance-identifier of our YANG, whose
-- prefixes are names of modules. severity, text: of the last raise or clear that changed it. shelf: where
-- it is put away.
CREATE TABLE alarm (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    resource TEXT NOT NULL,
    type_id TEXT NOT NULL,
    qualifier TEXT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('indeterminate', 'warning', 'minor', 'major', 'critical')),
    is_cleared INTEGER NOT NULL CHECK (is_cleared IN (0, 1)),
    text TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    raised_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    operator_state TEXT NOT NULL CHECK (operator_state IN ('none', 'ack', 'closed', 'shelved', 'un-shelved')),
    shelf TEXT,
    UNIQUE (resource, type_id, qualifier)
);
CREATE INDEX alarm_open ON alarm (type_id, resource) WHERE is_cleared = 0;

-- What became of an alarm: each change of its severity (or cleared) and text; the oldest are forgotten.
CREATE TABLE alarm_status (
    alarm_id INTEGER NOT NULL REFERENCES alarm ON DELETE CASCADE,
    at INTEGER NOT NULL,
    severity TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (alarm_id, at)
) WITHOUT ROWID;

-- What operators, or shelves, did with an alarm; the oldest are forgotten.
CREATE TABLE alarm_operator (
    alarm_id INTEGER NOT NULL REFERENCES alarm ON DELETE CASCADE,
    at INTEGER NOT NULL,
    operator TEXT NOT NULL,
    state TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (alarm_id, at)
) WITHOUT ROWID;

-- When the list of alarms, and that of shelved ones, last changed.
CREATE TABLE alarm_list (
    name TEXT PRIMARY KEY CHECK (name IN ('alarms', 'shelved')),
    changed_at INTEGER NOT NULL
) WITHOUT ROWID;
"""
