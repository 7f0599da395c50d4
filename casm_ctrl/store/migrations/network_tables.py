"""What the operator describes: address spaces, pools and what is free of them, devices, device pools, quotas."""

from __future__ import annotations

NETWORK_TABLES = """
CREATE TABLE space (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT ''
);

-- parent_id: cut from another pool. psid_offset: IPv4 with shared ports, whose lengths count port bits too.
CREATE TABLE pool (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    space_id INTEGER NOT NULL REFERENCES space,
    parent_id INTEGER REFERENCES pool,
    family INTEGER NOT NULL CHECK (family IN (4, 6)),
    scope TEXT NOT NULL CHECK (scope IN ('private', 'public')),
    public INTEGER NOT NULL GENERATED ALWAYS AS (CASE scope WHEN 'public' THEN 1 ELSE 0 END) STORED,
    description TEXT NOT NULL DEFAULT '',
    strategy TEXT NOT NULL DEFAULT 'best-fit',
    quarantine INTEGER NOT NULL CHECK (quarantine >= 0),
    lease_time INTEGER NOT NULL CHECK (lease_time >= 0),
    psid_offset INTEGER,
    port_routed INTEGER NOT NULL DEFAULT 0,
    delegated_length INTEGER,
    CHECK (psid_offset IS NULL OR (family = 4 AND psid_offset BETWEEN 0 AND 15))
);
-- What prefixes and blocks copy of their pool: promise 1 is kept by the copies, so they must be the pool's.
CREATE UNIQUE INDEX pool_scope ON pool (id, space_id, family, public);

CREATE TABLE pool_label (
    pool_id INTEGER NOT NULL REFERENCES pool ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (pool_id, name)
) WITHOUT ROWID;

-- Prefixes of root pools: disjoint per space, and public ones across all spaces.
CREATE TABLE pool_prefix (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pool_id INTEGER NOT NULL,
    space_id INTEGER NOT NULL,
    public INTEGER NOT NULL,
    family INTEGER NOT NULL,
    first BLOB NOT NULL CHECK (length(first) = 16),
    last BLOB NOT NULL CHECK (length(last) = 16 AND last >= first),
    length INTEGER NOT NULL,
    FOREIGN KEY (pool_id, space_id, family, public) REFERENCES pool (id, space_id, family, public)
);
CREATE UNIQUE INDEX pool_prefix_space ON pool_prefix (space_id, family, first);
CREATE UNIQUE INDEX pool_prefix_public ON pool_prefix (family, first) WHERE public = 1;
CREATE INDEX pool_prefix_pool ON pool_prefix (pool_id, first);

-- Longest first, so that best fit reads one row however many holes a pool has. A free piece of a shared
-- address is kept for the owner of its other pieces (tenant); 0: anybody may have it.
CREATE TABLE free_block (
    pool_id INTEGER NOT NULL REFERENCES pool,
    tenant INTEGER NOT NULL DEFAULT 0,
    length INTEGER NOT NULL,
    first BLOB NOT NULL CHECK (length(first) = 16),
    PRIMARY KEY (pool_id, tenant, length DESC, first)
) WITHOUT ROWID;

CREATE TABLE owner (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('device', 'group')),
    name TEXT NOT NULL,
    UNIQUE (kind, name)
);

CREATE TABLE device (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    owner_id INTEGER NOT NULL REFERENCES owner,
    role TEXT NOT NULL CHECK (role IN ('bng', 'cgn', 'dhcp')),
    driver TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    username TEXT NOT NULL,
    credential TEXT NOT NULL,
    host_key TEXT,
    space_id INTEGER NOT NULL REFERENCES space,
    deadlines TEXT NOT NULL DEFAULT '{}',
    client TEXT NOT NULL DEFAULT 'asyncssh' CHECK (client IN ('asyncssh', 'ncclient')),
    on_drift TEXT NOT NULL DEFAULT 'report' CHECK (on_drift IN ('report', 'restore')),
    poll_interval INTEGER NOT NULL DEFAULT 300,
    hot_interval INTEGER NOT NULL DEFAULT 30,
    notifications INTEGER NOT NULL DEFAULT 1 CHECK (notifications IN (0, 1)),
    edit_generation INTEGER NOT NULL DEFAULT 0,
    sync_state TEXT NOT NULL DEFAULT 'never',
    seen_at INTEGER,
    read_from INTEGER,
    error TEXT,
    serial TEXT,
    serial_at INTEGER,
    held_key TEXT,
    held_serial TEXT,
    held_at INTEGER,
    replaced_at INTEGER
);

-- What is cut from a pool and is no block: exclusions, reservations, child pools, and space that is held
-- because somebody else's configuration was seen in it (device_id says where).
CREATE TABLE carve (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pool_id INTEGER NOT NULL REFERENCES pool,
    kind TEXT NOT NULL CHECK (kind IN ('exclusion', 'reservation', 'child', 'held')),
    child_id INTEGER REFERENCES pool,
    device_id INTEGER REFERENCES device,
    family INTEGER NOT NULL,
    first BLOB NOT NULL CHECK (length(first) = 16),
    last BLOB NOT NULL CHECK (length(last) = 16 AND last >= first),
    length INTEGER NOT NULL,
    reason TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX carve_pool ON carve (pool_id, first);
CREATE INDEX carve_kind ON carve (pool_id, kind, first);
CREATE INDEX carve_device ON carve (device_id) WHERE device_id IS NOT NULL;
CREATE INDEX carve_child ON carve (child_id, first) WHERE child_id IS NOT NULL;

-- How many prefixes a pool has, and how many pieces of each kind are carved from it, by length: usage does
-- not read them all. Allocation writes none of these.
CREATE TABLE piece_count (
    pool_id INTEGER NOT NULL REFERENCES pool,
    kind TEXT NOT NULL CHECK (kind IN ('prefix', 'exclusion', 'reservation', 'child', 'held')),
    length INTEGER NOT NULL,
    pieces INTEGER NOT NULL,
    PRIMARY KEY (pool_id, kind, length)
) WITHOUT ROWID;

CREATE TABLE device_label (
    device_id INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (device_id, name)
) WITHOUT ROWID;

CREATE TABLE device_instance (
    device_id INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    name TEXT NOT NULL,
    space_id INTEGER NOT NULL REFERENCES space,
    PRIMARY KEY (device_id, name)
) WITHOUT ROWID;

CREATE TABLE owner_member (
    owner_id INTEGER NOT NULL REFERENCES owner,
    device_id INTEGER NOT NULL REFERENCES device,
    role TEXT NOT NULL CHECK (role IN ('serves', 'stands-by', 'relays')),
    PRIMARY KEY (owner_id, device_id)
) WITHOUT ROWID;

CREATE TABLE device_pool (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id INTEGER NOT NULL REFERENCES device,
    name TEXT NOT NULL,
    owner_id INTEGER NOT NULL REFERENCES owner,
    aaa_name TEXT NOT NULL,
    length INTEGER NOT NULL,
    gateway TEXT NOT NULL DEFAULT 'none',
    gateway_mask INTEGER,
    serve_edges INTEGER NOT NULL DEFAULT 0 CHECK (serve_edges = 0 OR serve_edges = 1),
    access TEXT,
    withdraw_when_unknown TEXT NOT NULL DEFAULT 'operator',
    description TEXT NOT NULL DEFAULT '',
    strategy TEXT,
    first_length INTEGER,
    next_length INTEGER,
    min_blocks INTEGER NOT NULL DEFAULT 0,
    max_blocks INTEGER,
    network_instance TEXT,
    announcement TEXT NOT NULL DEFAULT 'none' CHECK (announcement = 'none' OR announcement = 'device-automatic'
        OR announcement = 'driver-static-discard' OR announcement = 'external'),
    next_hop TEXT,
    route_tag BIGINT,
    usage_high INTEGER,
    usage_low INTEGER,
    usage_level TEXT NOT NULL DEFAULT 'normal',
    UNIQUE (device_id, name),
    UNIQUE (device_id, aaa_name),
    UNIQUE (id, owner_id)
);

CREATE TABLE device_pool_source (
    device_pool_id INTEGER NOT NULL REFERENCES device_pool ON DELETE CASCADE,
    position INTEGER NOT NULL,
    pool_id INTEGER NOT NULL REFERENCES pool,
    PRIMARY KEY (device_pool_id, position),
    UNIQUE (device_pool_id, pool_id)
) WITHOUT ROWID;
CREATE INDEX device_pool_source_pool ON device_pool_source (pool_id);

CREATE TABLE device_pool_service (
    device_pool_id INTEGER NOT NULL REFERENCES device_pool ON DELETE CASCADE,
    name TEXT NOT NULL,
    PRIMARY KEY (device_pool_id, name)
) WITHOUT ROWID;

-- How many addresses (of one family, a decimal string: IPv6) the blocks of a subject may hold together.
CREATE TABLE quota (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('device', 'space', 'pool')),
    subject_id INTEGER NOT NULL,
    family INTEGER NOT NULL CHECK (family IN (4, 6)),
    addresses TEXT NOT NULL,
    UNIQUE (kind, subject_id, family)
);

-- Configuration of modules that have no tables here, whole: /nacm, who may do what over NETCONF.
CREATE TABLE config_document (
    module TEXT PRIMARY KEY,
    xml TEXT NOT NULL
);
"""
