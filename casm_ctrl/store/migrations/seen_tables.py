"""What is on devices: objects of ours, what was adopted, and what the last reads showed."""

from __future__ import annotations

SEEN_TABLES = """
-- Objects on devices that we wrote or adopted: what is not here is not ours.
CREATE TABLE device_object (
    device_id INTEGER NOT NULL REFERENCES device,
    path TEXT NOT NULL,
    keys TEXT NOT NULL,
    block_id INTEGER,
    origin TEXT NOT NULL CHECK (origin IN ('wrote', 'adopted')),
    since INTEGER NOT NULL,
    PRIMARY KEY (device_id, path, keys)
) WITHOUT ROWID;

-- Blocks that were adopted and that nobody manages yet, by the object on a device in which they were found. One
-- object may be several blocks: it is kept whole, and never rendered by us.
CREATE TABLE adopted_piece (
    block_id INTEGER NOT NULL REFERENCES block ON DELETE CASCADE,
    device_id INTEGER NOT NULL REFERENCES device,
    path TEXT NOT NULL,
    keys TEXT NOT NULL,
    PRIMARY KEY (block_id, device_id)
) WITHOUT ROWID;
CREATE INDEX adopted_piece_object ON adopted_piece (device_id, path, keys);

-- Static assignments in what was adopted: reservations, once the block around them is free.
CREATE TABLE static_assignment (
    device_id INTEGER NOT NULL REFERENCES device,
    path TEXT NOT NULL,
    keys TEXT NOT NULL,
    space_id INTEGER NOT NULL,
    family INTEGER NOT NULL,
    first BLOB NOT NULL CHECK (length(first) = 16),
    length INTEGER NOT NULL,
    PRIMARY KEY (device_id, path, keys)
) WITHOUT ROWID;
CREATE INDEX static_assignment_place ON static_assignment (space_id, family, first);

-- What the last read of a device showed that concerns our space and is not as it should be.
CREATE TABLE finding (
    device_id INTEGER NOT NULL REFERENCES device,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    keys TEXT NOT NULL,
    block_id INTEGER NOT NULL DEFAULT 0,
    holds INTEGER NOT NULL,
    since INTEGER NOT NULL,
    words TEXT NOT NULL,
    PRIMARY KEY (device_id, kind, path, keys, block_id)
) WITHOUT ROWID;
CREATE INDEX finding_block ON finding (block_id) WHERE holds = 1;

-- Ranges as the last read of each device showed them, ours and anybody's: kept as start and end.
CREATE TABLE seen_range (
    device_id INTEGER NOT NULL REFERENCES device,
    path TEXT NOT NULL,
    keys TEXT NOT NULL,
    network_instance TEXT,
    space_id INTEGER,
    family INTEGER NOT NULL,
    first BLOB NOT NULL,
    last BLOB NOT NULL,
    block_id INTEGER,
    drained INTEGER NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (device_id, path, keys)
) WITHOUT ROWID;
CREATE INDEX seen_range_block ON seen_range (block_id) WHERE block_id IS NOT NULL;
"""
