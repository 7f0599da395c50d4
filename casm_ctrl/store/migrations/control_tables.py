"""The tables of the control loop, in SQLite's dialect as the others of the first schema."""

from __future__ import annotations

CONTROL_TABLES = """
-- Who or what is held from automatic changes: all (subject 0), a device, a pool or a device pool.
CREATE TABLE control_hold (
    kind TEXT NOT NULL CHECK (kind IN ('all', 'device', 'pool', 'device-pool')),
    subject_id INTEGER NOT NULL,
    since INTEGER NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (kind, subject_id)
) WITHOUT ROWID;
"""
