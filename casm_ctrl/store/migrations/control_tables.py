"""The tables of the control loop, in SQLite's dialect as the others of the first schema."""

from __future__ import annotations

CONTROL_TABLES = """
-- What was set of a device pool's automation; NULL: the role's default. Counts of addresses are text (IPv6).
CREATE TABLE device_pool_policy (
    device_pool_id INTEGER PRIMARY KEY REFERENCES device_pool ON DELETE CASCADE,
    grow TEXT,
    shrink TEXT,
    grow_at INTEGER,
    grow_at_free TEXT,
    shrink_at INTEGER,
    shrink_at_free TEXT,
    reserve INTEGER,
    hold_down INTEGER,
    history INTEGER,
    reclaim_from TEXT,
    reclaim_until TEXT,
    reclaim_zone TEXT,
    priority INTEGER,
    drain_deadline INTEGER,
    force_after INTEGER,
    scarcity TEXT
);

-- Who or what is held from automatic changes: all (subject 0), a device, a pool or a device pool.
CREATE TABLE control_hold (
    kind TEXT NOT NULL CHECK (kind IN ('all', 'device', 'pool', 'device-pool')),
    subject_id INTEGER NOT NULL,
    since INTEGER NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (kind, subject_id)
) WITHOUT ROWID;

-- Controllers that run the loop, and until when: each says again and again that it is there. Who is late has none.
CREATE TABLE controller (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    who TEXT NOT NULL,
    started INTEGER NOT NULL,
    expires INTEGER NOT NULL
);

-- Which controller watches a device, and what it knows of that. since: looked at without a gap since then.
CREATE TABLE device_watch (
    device_id INTEGER PRIMARY KEY REFERENCES device ON DELETE CASCADE,
    controller_id INTEGER REFERENCES controller ON DELETE SET NULL,
    since INTEGER NOT NULL,
    polled_at INTEGER,
    next_poll INTEGER NOT NULL,
    hot INTEGER NOT NULL DEFAULT 0 CHECK (hot IN (0, 1)),
    failures INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    booted_at INTEGER,
    restarted_at INTEGER,
    gentle_until INTEGER
);
CREATE INDEX device_watch_controller ON device_watch (controller_id);

-- What the loop last changed of a device pool. generation: of its automatic changes; who makes one says which it saw.
-- loss: its subscribers were gone at once, and what was in use before.
CREATE TABLE device_pool_control (
    device_pool_id INTEGER PRIMARY KEY REFERENCES device_pool ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    grown_at INTEGER,
    shrunk_at INTEGER,
    loss_at INTEGER,
    loss_cause TEXT,
    loss_before TEXT
);

-- The breaker that stops all automatic changes; closed where closed_at is set or there is no row. tried: nobody closed
-- it, its time was over.
CREATE TABLE control_breaker (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    opened_at INTEGER,
    reason TEXT,
    closed_at INTEGER,
    tried INTEGER NOT NULL DEFAULT 0 CHECK (tried IN (0, 1))
);

-- What was decided of a device pool, by change of mind: the same once more is counted. acted_at: when it was done,
-- where it was, and outcome says what came of that. unfinished: devices do not show it yet.
CREATE TABLE decision (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device_pool_id INTEGER NOT NULL,
    device_pool TEXT NOT NULL,
    device_id INTEGER NOT NULL,
    action TEXT NOT NULL,
    rule TEXT NOT NULL,
    because TEXT NOT NULL,
    blocked_by TEXT,
    would INTEGER NOT NULL CHECK (would IN (0, 1)),
    inputs TEXT NOT NULL,
    candidates TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    times INTEGER NOT NULL,
    acted_at INTEGER,
    outcome TEXT CHECK (outcome IN ('pending', 'done', 'failed', 'reversed')),
    outcome_at INTEGER,
    unfinished INTEGER NOT NULL DEFAULT 0 CHECK (unfinished IN (0, 1)),
    words TEXT NOT NULL DEFAULT ''
);
CREATE INDEX decision_of ON decision (device_pool_id, id);
CREATE INDEX decision_last ON decision (last_at);
CREATE INDEX decision_acted ON decision (acted_at) WHERE acted_at IS NOT NULL;
CREATE INDEX decision_unfinished ON decision (device_id) WHERE unfinished = 1;

-- The blocks that a decision was about: those that it added, drains or gives back, and from which pool.
CREATE TABLE decision_block (
    decision_id INTEGER NOT NULL REFERENCES decision ON DELETE CASCADE,
    block_id INTEGER NOT NULL,
    pool_id INTEGER NOT NULL,
    PRIMARY KEY (decision_id, block_id)
) WITHOUT ROWID;
CREATE INDEX decision_block_of ON decision_block (block_id, decision_id);

-- Blocks that the loop added or drains, by the decisions to do so. used: a reading found a subscriber in it.
-- forced: its drain took too long, and it goes with its subscribers.
CREATE TABLE control_block (
    block_id INTEGER PRIMARY KEY REFERENCES block ON DELETE CASCADE,
    device_pool_id INTEGER NOT NULL REFERENCES device_pool ON DELETE CASCADE,
    added_by INTEGER,
    used INTEGER NOT NULL DEFAULT 0 CHECK (used IN (0, 1)),
    drained_by INTEGER,
    drained_at INTEGER,
    forced INTEGER NOT NULL DEFAULT 0 CHECK (forced IN (0, 1))
);
CREATE INDEX control_block_of ON control_block (device_pool_id);

-- Samples of usage, packed (store.sample_rows). What one answer of a device said, for a day.
CREATE TABLE usage_poll (
    device_id INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    at INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (device_id, at)
) WITHOUT ROWID;

-- The last answer of a device that was believed; what was refused since then, and was told, by kind.
CREATE TABLE usage_device (
    device_id INTEGER PRIMARY KEY REFERENCES device ON DELETE CASCADE,
    at INTEGER NOT NULL,
    sampled_at INTEGER,
    booted_at INTEGER,
    data BLOB,
    refused TEXT NOT NULL DEFAULT ''
);

-- The hours of a day (number of the day since 1970, UTC), and the peak of each block in it.
CREATE TABLE usage_hours (
    device_pool_id INTEGER NOT NULL REFERENCES device_pool ON DELETE CASCADE,
    day INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (device_pool_id, day)
) WITHOUT ROWID;

-- The days of a month (12 * year + month - 1, UTC).
CREATE TABLE usage_days (
    device_pool_id INTEGER NOT NULL REFERENCES device_pool ON DELETE CASCADE,
    month INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (device_pool_id, month)
) WITHOUT ROWID;

CREATE TABLE usage_block_days (
    device_pool_id INTEGER NOT NULL REFERENCES device_pool ON DELETE CASCADE,
    month INTEGER NOT NULL,
    block_id INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (device_pool_id, month, block_id)
) WITHOUT ROWID;

-- Until when the samples of an owner's device pools were made into hours, and those into days.
CREATE TABLE usage_thinned (
    owner_id INTEGER PRIMARY KEY REFERENCES owner ON DELETE CASCADE,
    hours_until INTEGER NOT NULL,
    days_until INTEGER NOT NULL
);
CREATE INDEX usage_thinned_hours ON usage_thinned (hours_until);
"""
