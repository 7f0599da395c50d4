"""Numbers of blocks: none is ever given twice."""

from __future__ import annotations

from casm_ctrl.store.transaction import Transaction


def last_block_number(tx: Transaction) -> int:
    """The highest number that a block of this store ever had."""
    if tx.dialect == "postgresql":
        row = tx.first("SELECT last_value FROM block_id_seq WHERE is_called")
    else:
        row = tx.first("SELECT seq FROM sqlite_sequence WHERE name = 'block'")
    return 0 if row is None else int(row[0])


def raise_block_number(tx: Transaction, number: int) -> None:
    """Never give a number up to `number` again: a mark with it was seen, from a later copy of this store."""
    if number <= last_block_number(tx):
        return
    if tx.dialect == "postgresql":
        # Those that others take meanwhile are above the last number too, or lost: never given twice.
        tx.all("SELECT setval('block_id_seq', GREATEST(:seq, nextval('block_id_seq')))", seq=number)
    elif last_block_number(tx) == 0:
        tx.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('block', :seq)", seq=number)
    else:
        tx.run("UPDATE sqlite_sequence SET seq = :seq WHERE name = 'block'", seq=number)


def next_numbers(tx: Transaction, count: int) -> list[int]:
    """Numbers that no block ever had. On PostgreSQL they need not follow each other."""
    if tx.dialect == "postgresql":
        rows = tx.all("SELECT nextval('block_id_seq') FROM generate_series(1, :count)", count=count)
        return [int(row[0]) for row in rows]
    start = last_block_number(tx) + 1
    return list(range(start, start + count))
