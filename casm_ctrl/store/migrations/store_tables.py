"""The store itself, its clock, and who may use it over NETCONF."""

from __future__ import annotations

STORE_TABLES = """
CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    store_id TEXT NOT NULL,
    created INTEGER NOT NULL,
    config_revision INTEGER NOT NULL
);

-- The last look at the clock: when it jumps, timed releases hold until an operator accepts it.
CREATE TABLE clock_watch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    elapsed INTEGER NOT NULL,
    at INTEGER NOT NULL,
    held INTEGER NOT NULL CHECK (held IN (0, 1))
);

-- Users of the northbound server. Passwords are bcrypt hashes; keys are SSH public keys: type and base64.
CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    password_hash TEXT
);

CREATE TABLE account_key (
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    line TEXT NOT NULL,
    PRIMARY KEY (account_id, line)
) WITHOUT ROWID;

CREATE TABLE account_group (
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    name TEXT NOT NULL,
    PRIMARY KEY (account_id, name)
) WITHOUT ROWID;
"""
