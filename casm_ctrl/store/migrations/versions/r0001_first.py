"""The first schema.

Addresses are 16 bytes, most significant first, so byte order is address order; times are microseconds
UTC. On SQLite promise 1 is kept by triggers that look at the predecessor only: the rows that exist are
disjoint, so the row with the greatest first address at or below the new one's last is the only one to ask.
On PostgreSQL exclusion constraints keep it; the tables are the same, in that dialect.
"""

from __future__ import annotations

from alembic import op

from casm_ctrl.store.migrations.alarm_tables import ALARM_TABLES
from casm_ctrl.store.migrations.control_tables import CONTROL_TABLES
from casm_ctrl.store.migrations.postgresql import in_postgresql, postgresql_constraints

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
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


def disjoint(table: str, name: str, scope: str, new_scope: str, when: str = "1") -> list[str]:
    """Triggers that keep the ranges of `table` disjoint among the rows that `scope` selects."""
    check = f"""
        SELECT RAISE(ABORT, 'casm: overlap in {name}')
        WHERE (SELECT other.last FROM {table} AS other
               WHERE {scope} AND other.family = NEW.family AND other.first <= NEW.last AND other.id != NEW.id
               ORDER BY other.first DESC LIMIT 1) >= NEW.first;
    """
    return [
        f"CREATE TRIGGER {name}_{event} BEFORE {clause} ON {table} WHEN {when} BEGIN {check} END"
        for event, clause in (("insert", "INSERT"), ("update", f"UPDATE OF first, last, family, {new_scope}"))
    ]


ADDRESS = "substr({row}.first, 1, 14)"
"""The address of a port set: its key without the 16 port bits."""


def one_owner() -> list[str]:
    """Triggers that keep all port sets of one address with one owner. The rows that exist agree, so the
    neighbours on both sides are the only ones to ask."""
    sides = [("<=", "DESC"), (">=", "ASC")]
    checks = "".join(
        f"""
        SELECT RAISE(ABORT, 'casm: overlap: the address is shared by another owner')
        WHERE (SELECT other.owner_id FROM block AS other
               WHERE other.space_id = NEW.space_id AND other.family = 4 AND other.id != NEW.id
               AND other.first {side} NEW.first AND {ADDRESS.format(row="other")} = {ADDRESS.format(row="NEW")}
               ORDER BY other.first {order} LIMIT 1) != NEW.owner_id;
        """
        for side, order in sides
    )
    return [
        f"CREATE TRIGGER block_one_owner_{event} BEFORE {clause} ON block WHEN NEW.shared = 1 BEGIN {checks} END"
        for event, clause in (("insert", "INSERT"), ("update", "UPDATE OF first, owner_id, shared, space_id"))
    ]


def sqlite_constraints() -> list[str]:
    """Promise 1, as triggers."""
    return [
        *disjoint("block", "block_in_space", "other.space_id = NEW.space_id", "space_id"),
        *disjoint("block", "block_public_in_all", "other.public = 1", "public", when="NEW.public = 1"),
        *disjoint("pool_prefix", "prefix_in_space", "other.space_id = NEW.space_id", "space_id"),
        *disjoint("pool_prefix", "prefix_public_in_all", "other.public = 1", "public", when="NEW.public = 1"),
        *disjoint("carve", "carve_in_pool", "other.pool_id = NEW.pool_id", "pool_id"),
        *one_owner(),
    ]


def upgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    statements = [text for text in (TABLES + CONTROL_TABLES + ALARM_TABLES).split(";\n") if text.strip()]
    if postgresql:
        statements = [*in_postgresql(statements), *postgresql_constraints()]
    else:
        statements += sqlite_constraints()
    for statement in statements:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a store is never taken back to an older schema: restore a copy")
