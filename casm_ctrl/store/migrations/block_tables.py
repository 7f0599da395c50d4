"""Blocks, the members that show them, and what became of those that were freed."""

from __future__ import annotations

BLOCK_TABLES = """
-- Live blocks. An id is never used again. `sent`: an edit that holds the block may have left for a device.
-- `shared`: a port set whose address must have one owner; traffic back is routed by address.
CREATE TABLE block (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pool_id INTEGER NOT NULL,
    space_id INTEGER NOT NULL,
    public INTEGER NOT NULL,
    family INTEGER NOT NULL,
    first BLOB NOT NULL CHECK (length(first) = 16),
    last BLOB NOT NULL CHECK (length(last) = 16 AND last >= first),
    length INTEGER NOT NULL,
    device_pool_id INTEGER NOT NULL,
    owner_id INTEGER NOT NULL,
    wanted TEXT NOT NULL CHECK (wanted = 'present' OR wanted = 'drained' OR wanted = 'absent'),
    state TEXT NOT NULL CHECK (state = 'reserved' OR state = 'installed' OR state = 'draining'
        OR state = 'withdrawing' OR state = 'quarantined'),
    generation INTEGER NOT NULL DEFAULT 1,
    sent INTEGER NOT NULL DEFAULT 0 CHECK (sent IN (0, 1)),
    shared INTEGER NOT NULL DEFAULT 0 CHECK (shared IN (0, 1)),
    proven_empty INTEGER NOT NULL DEFAULT 0 CHECK (proven_empty IN (0, 1)),
    allocated_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    rest_until INTEGER,
    expires_at INTEGER,
    used TEXT,
    used_at INTEGER,
    FOREIGN KEY (pool_id, space_id, family, public) REFERENCES pool (id, space_id, family, public),
    FOREIGN KEY (device_pool_id, owner_id) REFERENCES device_pool (id, owner_id)
);
CREATE UNIQUE INDEX block_space ON block (space_id, family, first);
CREATE UNIQUE INDEX block_public ON block (family, first) WHERE public = 1;
CREATE INDEX block_device_pool ON block (device_pool_id, id);
CREATE INDEX block_rest ON block (rest_until) WHERE rest_until IS NOT NULL;
CREATE INDEX block_expiry ON block (expires_at) WHERE expires_at IS NOT NULL AND wanted != 'absent';

-- What of the block a member showed, and how many of its addresses it counted in use, and when.
CREATE TABLE block_member (
    block_id INTEGER NOT NULL REFERENCES block ON DELETE CASCADE,
    device_id INTEGER NOT NULL REFERENCES device,
    role TEXT NOT NULL,
    seen TEXT NOT NULL DEFAULT 'unknown' CHECK (seen = 'present' OR seen = 'absent' OR seen = 'unknown'),
    since INTEGER NOT NULL,
    used TEXT,
    used_at INTEGER,
    PRIMARY KEY (block_id, device_id)
) WITHOUT ROWID;
CREATE INDEX block_member_device ON block_member (device_id);

-- Whether the routes to a block are announced, where that must be proven: as somebody confirmed (device 0), or as
-- a read of a device showed.
CREATE TABLE block_route (
    block_id INTEGER NOT NULL REFERENCES block ON DELETE CASCADE,
    device_id INTEGER NOT NULL,
    present INTEGER NOT NULL CHECK (present IN (0, 1)),
    since INTEGER NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (block_id, device_id)
) WITHOUT ROWID;
CREATE INDEX block_route_device ON block_route (device_id);

-- Blocks that were freed: who had what, until when. `members` are [device id, name, role].
CREATE TABLE past_block (
    id INTEGER PRIMARY KEY,
    pool_id INTEGER NOT NULL,
    space_id INTEGER NOT NULL,
    space TEXT NOT NULL,
    public INTEGER NOT NULL,
    family INTEGER NOT NULL,
    first BLOB NOT NULL,
    last BLOB NOT NULL,
    length INTEGER NOT NULL,
    device_pool_id INTEGER NOT NULL,
    device_pool TEXT NOT NULL,
    pool TEXT NOT NULL,
    psid_offset INTEGER,
    members TEXT NOT NULL,
    sent INTEGER NOT NULL,
    allocated_at INTEGER NOT NULL,
    freed_at INTEGER NOT NULL
);
CREATE INDEX past_block_prefix ON past_block (space_id, family, length, first);
CREATE INDEX past_block_time ON past_block (space_id, family, length, first, allocated_at);

-- When a block was on a device: perhaps from maybe_from, surely from sure_from to sure_until, not any more
-- from maybe_until on (or the next row of the two tells). What is null has not come yet, or never came.
CREATE TABLE stay (
    block_id INTEGER NOT NULL,
    device_id INTEGER NOT NULL,
    device TEXT NOT NULL,
    role TEXT NOT NULL,
    maybe_from INTEGER NOT NULL,
    sure_from INTEGER,
    sure_until INTEGER,
    maybe_until INTEGER,
    ended TEXT CHECK (ended = 'removal' OR ended = 'vanished' OR ended = 'forced'),
    PRIMARY KEY (block_id, device_id, maybe_from)
) WITHOUT ROWID;
CREATE UNIQUE INDEX stay_open ON stay (device_id, block_id) WHERE maybe_until IS NULL;

-- Counts of blocks in stripes, so that no row is written by every allocation.
CREATE TABLE block_count (
    pool_id INTEGER NOT NULL REFERENCES pool,
    state TEXT NOT NULL,
    length INTEGER NOT NULL,
    stripe INTEGER NOT NULL,
    blocks INTEGER NOT NULL,
    PRIMARY KEY (pool_id, state, length, stripe)
) WITHOUT ROWID;
"""
