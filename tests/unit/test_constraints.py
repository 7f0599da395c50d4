"""Promise 1 in the database: overlapping rows are refused whatever code writes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import to_key
from casm_ctrl.base.errors import StoreBroken
from casm_ctrl.service.configuration import AddPool, AddSpace
from casm_ctrl.store.database import Database
from tests.allocation_world import configure, dump, give

TABLES = ("block", "pool_prefix", "carve")
SPACES = (1, 2)
POOLS = {
    (1, 4, 0): 1,
    (2, 4, 0): 2,
    **{
        key: number
        for number, key in enumerate(
            ((1, 4, 1), (2, 4, 1), (1, 6, 0), (2, 6, 0), (1, 6, 1), (2, 6, 1)), start=3
        )
    },
}
"""A pool for each space, family and scope; those of carves are 1 and 2."""


@dataclass(frozen=True)
class Span:
    """A row in short: where it is, in which scope. `scope` is the space, or the pool of a carve."""

    first: int
    last: int
    scope: int = 1
    family: int = 4
    public: int = 0


@pytest.fixture
def connection(store_path: Path) -> Iterator[sqlite3.Connection]:
    """Two spaces with their pools, an owner, a device and a device pool, by bare SQL; rolled back after."""
    with closing(sqlite3.connect(store_path, isolation_level=None)) as opened:
        opened.execute("PRAGMA foreign_keys = ON")
        for number in SPACES:
            opened.execute("INSERT INTO space (id, name) VALUES (?, ?)", (number, f"s{number}"))
        for (space, family, public), number in POOLS.items():
            opened.execute(
                "INSERT INTO pool (id, name, space_id, family, scope, quarantine, lease_time)"
                " VALUES (?, ?, ?, ?, ?, 0, 0)",
                (number, f"p{number}", space, family, "public" if public else "private"),
            )
        opened.execute("INSERT INTO owner (id, kind, name) VALUES (1, 'device', 'd')")
        opened.execute(
            "INSERT INTO device (id, name, owner_id, role, driver, host, port, username, credential, space_id)"
            " VALUES (1, 'd', 1, 'bng', 'x', 'h', 830, 'u', 'env:X', 1)"
        )
        opened.execute(
            "INSERT INTO device_pool (id, device_id, name, owner_id, aaa_name, length) VALUES (1, 1, 'i', 1, 'i', 24)"
        )
        yield opened


def pool_of(table: str, span: Span) -> int:
    return span.scope if table == "carve" else POOLS[span.scope, span.family, span.public]


def insert(connection: sqlite3.Connection, table: str, span: Span, *, number: int | None = None) -> int:
    values: dict[str, object] = {
        "id": number,
        "pool_id": pool_of(table, span),
        "family": span.family,
        "first": to_key(span.first),
        "last": to_key(span.last),
        "length": 0,
    }
    if table == "carve":
        values |= {"kind": "held"}
    else:
        values |= {"space_id": span.scope, "public": span.public}
    if table == "block":
        values |= {
            "device_pool_id": 1,
            "owner_id": 1,
            "wanted": "present",
            "state": "reserved",
            "allocated_at": 0,
            "changed_at": 0,
        }
    sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))}) RETURNING id"
    row: tuple[int] = connection.execute(sql, list(values.values())).fetchone()
    return row[0]


def move(connection: sqlite3.Connection, table: str, number: int, span: Span) -> None:
    columns: dict[str, object] = {
        "first": to_key(span.first),
        "last": to_key(span.last),
        "family": span.family,
        "pool_id": pool_of(table, span),
    }
    if table != "carve":
        columns |= {"space_id": span.scope, "public": span.public}
    changes = ", ".join(f"{name} = ?" for name in columns)
    connection.execute(f"UPDATE {table} SET {changes} WHERE id = ?", [*columns.values(), number])


def clash(table: str, a: Span, b: Span) -> bool:
    """The naive rule."""
    public = table != "carve" and a.public and b.public
    return (
        a.family == b.family
        and (a.scope == b.scope or bool(public))
        and a.first <= b.last
        and b.first <= a.last
    )


HELD = Span(100, 199)
OVERLAPPING = {
    "equal": Span(100, 199),
    "nested": Span(120, 130),
    "around": Span(50, 250),
    "around-from-its-first": Span(100, 250),
    "around-to-its-last": Span(50, 199),
    "low-half": Span(100, 149),
    "high-half": Span(150, 199),
    "over-its-first": Span(50, 100),
    "over-its-last": Span(199, 250),
    "its-first": Span(100, 100),
    "its-last": Span(199, 199),
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("span", OVERLAPPING.values(), ids=OVERLAPPING.keys())
def test_an_overlap_is_refused_on_insert_and_on_update(
    connection: sqlite3.Connection, table: str, span: Span
) -> None:
    insert(connection, table, HELD)
    insert(connection, table, Span(40, 45))
    insert(connection, table, Span(300, 310))
    with pytest.raises(sqlite3.IntegrityError, match="casm: overlap in"):
        insert(connection, table, span)
    with pytest.raises(sqlite3.IntegrityError, match="casm: overlap in"):
        insert(connection, table, span, number=77)
    elsewhere = insert(connection, table, Span(1000, 1010))
    with pytest.raises(sqlite3.IntegrityError, match="casm: overlap in"):
        move(connection, table, elsewhere, span)
    assert connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (4,)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("span", [Span(99, 99), Span(200, 200), Span(0, 99), Span(200, 1 << 100)])
def test_neighbours_are_let_in(connection: sqlite3.Connection, table: str, span: Span) -> None:
    insert(connection, table, HELD)
    insert(connection, table, span)


@pytest.mark.parametrize("table", TABLES)
def test_families_and_scopes_are_apart(connection: sqlite3.Connection, table: str) -> None:
    """A carve's scope is its pool, which has one family."""
    scopes = [(4, 2)] if table == "carve" else [(6, 1), (4, 2)]
    insert(connection, table, HELD)
    for family, scope in scopes:
        insert(connection, table, Span(100, 199, scope=scope, family=family))
    apart = insert(connection, table, Span(500, 599))
    for family, scope in scopes:
        with pytest.raises(sqlite3.IntegrityError, match="casm: overlap in"):
            move(connection, table, apart, Span(150, 150, scope=scope, family=family))


@pytest.mark.parametrize("table", ["block", "pool_prefix"])
def test_public_addresses_are_unique_in_all_spaces(connection: sqlite3.Connection, table: str) -> None:
    insert(connection, table, Span(100, 199, public=1))
    insert(connection, table, Span(100, 199, scope=2))
    for span in OVERLAPPING.values():
        with pytest.raises(sqlite3.IntegrityError, match="casm: overlap in"):
            insert(connection, table, Span(span.first, span.last, scope=2, public=1))
    with pytest.raises(
        sqlite3.IntegrityError, match=f"casm: overlap in {'block' if table == 'block' else 'prefix'}_public"
    ):
        connection.execute(f"UPDATE {table} SET public = 1 WHERE space_id = 2")


@pytest.mark.parametrize("table", TABLES)
def test_a_row_may_change_within_itself(connection: sqlite3.Connection, table: str) -> None:
    number = insert(connection, table, Span(100, 199))
    for span in (Span(120, 130), Span(90, 250), Span(90, 250)):
        move(connection, table, number, span)


@pytest.mark.parametrize("table", TABLES)
def test_replacing_a_row_does_not_get_around(connection: sqlite3.Connection, table: str) -> None:
    """INSERT OR REPLACE and a REPLACE of another row's id are refused like any other overlap."""
    first = insert(connection, table, HELD)
    insert(connection, table, Span(200, 299))
    row = connection.execute(f"SELECT * FROM {table} WHERE id = ?", (first,)).fetchone()
    names = [column[1] for column in connection.execute(f"PRAGMA table_info({table})")]
    values = dict(zip(names, row, strict=True)) | {"last": to_key(250)}
    sql = f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    with pytest.raises(sqlite3.IntegrityError, match="casm: overlap in"):
        connection.execute(sql, list(values.values()))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("first", "last"), [(b"", to_key(1)), (to_key(0), b"\0"), (to_key(2), to_key(1)), (bytes(17), bytes(17))]
)
def test_keys_have_sixteen_bytes_and_an_order(
    connection: sqlite3.Connection, table: str, first: bytes, last: bytes
) -> None:
    number = insert(connection, table, HELD)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute(f"UPDATE {table} SET first = ?, last = ? WHERE id = ?", (first, last, number))


spans = st.builds(
    lambda first, size, scope, family, public: Span(first, first + size, scope, family, public),
    st.integers(0, 40),
    st.sampled_from([0, 0, 1, 3, 7, 20]),
    st.sampled_from(SPACES),
    st.sampled_from([4, 4, 4, 6]),
    st.sampled_from([0, 0, 1]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.sampled_from(TABLES), steps=st.lists(st.tuples(spans, st.integers(0, 30)), max_size=30))
def test_the_triggers_are_the_naive_rule(
    connection: sqlite3.Connection, table: str, steps: list[tuple[Span, int]]
) -> None:
    """Rows are inserted, and every third time an old one is moved instead."""
    rows: dict[int, Span] = {}
    connection.execute("BEGIN")
    try:
        for step, (drawn, choice) in enumerate(steps):
            span = replace(drawn, family=4) if table == "carve" else drawn
            moved = sorted(rows)[choice % len(rows)] if rows and step % 3 == 2 else None
            refused = any(clash(table, span, other) for number, other in rows.items() if number != moved)
            try:
                if moved is None:
                    rows[insert(connection, table, span)] = span
                else:
                    move(connection, table, moved, span)
                    rows[moved] = span
                assert not refused
            except sqlite3.IntegrityError as error:
                assert "casm: overlap" in str(error)
                assert refused
    finally:
        connection.execute("ROLLBACK")


@pytest.mark.parametrize("table", TABLES)
def test_a_trigger_reads_one_row(connection: sqlite3.Connection, table: str) -> None:
    scope = "pool_id" if table == "carve" else "space_id"
    plan = connection.execute(
        f"EXPLAIN QUERY PLAN SELECT last FROM {table} WHERE {scope} = 1 AND family = 4 AND first <= ? AND id != 3"
        " ORDER BY first DESC LIMIT 1",
        (to_key(9),),
    ).fetchall()
    text = " ".join(row[3] for row in plan)
    assert f"SEARCH {table} USING INDEX" in text
    assert "TEMP B-TREE" not in text


# --- Copies -----------------------------------------------------------------------------------------

WRONG = [
    ("pool_prefix", "space_id = (SELECT id FROM space WHERE name = 't')"),
    ("pool_prefix", "public = 1"),
    ("pool_prefix", "family = 6"),
    ("block", "space_id = (SELECT id FROM space WHERE name = 't')"),
    ("block", "public = 1"),
    ("block", "family = 6"),
    ("block", "pool_id = (SELECT id FROM pool WHERE name = 'q')"),
    ("block", "owner_id = (SELECT owner_id FROM device WHERE name = 'bng2')"),
    ("pool", "scope = 'public'"),
    ("pool", "space_id = (SELECT id FROM space WHERE name = 't')"),
]


@pytest.mark.parametrize(("table", "change"), WRONG)
def test_what_a_row_copies_is_its_pools(network: Database, table: str, change: str) -> None:
    """Promise 1 is kept by columns that repeat the pool's: a wrong copy would be disjoint from nothing."""
    configure(network, AddSpace("t"), AddPool("q", "t", ("10.1.0.0/16",)))
    give(network)
    before = dump(network)
    with pytest.raises(StoreBroken, match=r"(?i)foreign key"), network.write() as tx:
        tx.run(f"UPDATE {table} SET {change} WHERE id = 1")
    assert dump(network) == before


def test_a_new_block_with_a_wrong_copy_is_refused(network: Database) -> None:
    give(network)
    columns = "first, last, length, device_pool_id, owner_id, wanted, state, allocated_at, changed_at"
    for wrong in ("2, 0, 4", "1, 1, 4", "1, 0, 6"):
        with pytest.raises(StoreBroken, match=r"(?i)foreign key"), network.write() as tx:
            tx.run("UPDATE block SET first = :low, last = :low", low=to_key(1))
            tx.run(
                f"INSERT INTO block (pool_id, space_id, public, family, {columns})"
                f" SELECT pool_id, {wrong}, :high, :high, {columns.removeprefix('first, last, ')} FROM block",
                high=to_key(9),
            )
