"""Changes that are under way: leases, pending commits, locks, devices left alone, runs over many devices."""

from __future__ import annotations

CHANGE_TABLES = """
CREATE TABLE device_lease (
    device_id INTEGER PRIMARY KEY REFERENCES device,
    holder TEXT NOT NULL,
    who TEXT NOT NULL,
    generation INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    claimed INTEGER NOT NULL,
    session_id INTEGER
);

-- A confirmed commit that may be pending on a device: whoever comes next settles it before any edit.
CREATE TABLE pending_commit (
    device_id INTEGER PRIMARY KEY REFERENCES device,
    lease_generation INTEGER NOT NULL,
    edit_generation INTEGER NOT NULL,
    persist_id TEXT,
    session_id INTEGER NOT NULL,
    began INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    digest TEXT NOT NULL
);

-- Who holds the lock of the running configuration: a session of a server process.
CREATE TABLE config_lock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    server TEXT NOT NULL,
    session_id INTEGER NOT NULL,
    username TEXT NOT NULL,
    machine TEXT NOT NULL,
    process TEXT NOT NULL,
    since INTEGER NOT NULL,
    expires INTEGER NOT NULL
);

-- A change of our configuration that waits for its confirmation: no other table has it before that.
CREATE TABLE confirmed_commit (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    server TEXT NOT NULL,
    session_id INTEGER NOT NULL,
    username TEXT NOT NULL,
    machine TEXT NOT NULL,
    process TEXT NOT NULL,
    persist_id TEXT,
    began INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    edit TEXT NOT NULL,
    touched TEXT NOT NULL
);

-- A device that did not answer in its last runs; open_until: until then it is left alone.
CREATE TABLE device_circuit (
    device_id INTEGER PRIMARY KEY REFERENCES device,
    failures INTEGER NOT NULL CHECK (failures > 0),
    open_until INTEGER,
    error TEXT NOT NULL
);

-- A change of many devices that is not over: undecided, all go back to the old; decided, all go on.
CREATE TABLE atomic_run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    actor TEXT NOT NULL,
    began INTEGER NOT NULL,
    verdict TEXT CHECK (verdict = 'commit' OR verdict = 'roll-back')
);

CREATE TABLE atomic_member (
    run_id INTEGER NOT NULL REFERENCES atomic_run,
    device_id INTEGER NOT NULL REFERENCES device,
    phase TEXT NOT NULL CHECK (phase = 'old' OR phase = 'pending' OR phase = 'unknown' OR phase = 'new'
        OR phase = 'other'),
    settled INTEGER NOT NULL CHECK (settled = 0 OR settled = 1),
    last_of_all INTEGER NOT NULL CHECK (last_of_all = 0 OR last_of_all = 1),
    before TEXT NOT NULL,
    PRIMARY KEY (run_id, device_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX atomic_member_open ON atomic_member (device_id) WHERE settled = 0;
"""
