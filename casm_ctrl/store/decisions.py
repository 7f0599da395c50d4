"""Rows of what was decided of device pools, and of the blocks that it was about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.transaction import Row, Transaction


@dataclass(frozen=True)
class DecisionRow:
    """`would`: it was not done, for the policy only observes. `first_at` to `last_at` the same was decided `times`
    times, and `because`, `inputs` and `candidates` are of the last. `acted_at`: when it was done; `outcome` is
    pending, done, failed or reversed, with `words`. `unfinished`: devices do not show it yet."""

    id: int
    device_pool_id: int
    device_pool: str
    device_id: int
    action: str
    rule: str
    because: str
    blocked_by: str | None
    would: bool
    inputs: Mapping[str, Any]
    candidates: Sequence[Mapping[str, Any]]
    first_at: Micros
    last_at: Micros
    times: int
    acted_at: Micros | None
    outcome: str | None
    outcome_at: Micros | None
    unfinished: bool
    words: str


_COLUMNS = (
    "id, device_pool_id, device_pool, device_id, action, rule, because, blocked_by, would, inputs, candidates,"
    " first_at, last_at, times, acted_at, outcome, outcome_at, unfinished, words"
)


def _decision(row: Row) -> DecisionRow:
    values = list(row)
    values[8] = bool(values[8])
    values[9], values[10] = json.loads(values[9]), json.loads(values[10])
    values[17] = bool(values[17])
    return DecisionRow(*values)


def insert_decision(
    tx: Transaction,
    *,
    device_pool_id: int,
    device_pool: str,
    device_id: int,
    action: str,
    rule: str,
    because: str,
    blocked_by: str | None,
    would: bool,
    inputs: str,
    candidates: str,
    acted: bool,
) -> int:
    """`inputs` and `candidates` are JSON. `acted`: it is done in this transaction, and its outcome is pending."""
    return tx.insert(
        "INSERT INTO decision (device_pool_id, device_pool, device_id, action, rule, because, blocked_by, would,"
        " inputs, candidates, first_at, last_at, times, acted_at, outcome, unfinished)"
        " VALUES (:device_pool_id, :device_pool, :device_id, :action, :rule, :because, :blocked_by, :would,"
        " :inputs, :candidates, :now, :now, 1, :acted, :outcome, :unfinished) RETURNING id",
        device_pool_id=device_pool_id,
        device_pool=device_pool,
        device_id=device_id,
        action=action,
        rule=rule,
        because=because,
        blocked_by=blocked_by,
        would=int(would),
        inputs=inputs,
        candidates=candidates,
        now=tx.now,
        acted=tx.now if acted else None,
        outcome="pending" if acted else None,
        unfinished=int(acted),
    )


def count_again(tx: Transaction, number: int, *, because: str, inputs: str, candidates: str) -> None:
    """The same was decided once more."""
    tx.run(
        "UPDATE decision SET last_at = :now, times = times + 1, because = :because, inputs = :inputs,"
        " candidates = :candidates WHERE id = :id",
        now=tx.now,
        because=because,
        inputs=inputs,
        candidates=candidates,
        id=number,
    )


def add_blocks(tx: Transaction, number: int, blocks: Iterable[tuple[int, int]]) -> None:
    """(block, pool) pairs that a decision is about."""
    tx.run_many(
        "INSERT INTO decision_block (decision_id, block_id, pool_id) VALUES (:decision, :block, :pool)",
        ({"decision": number, "block": block, "pool": pool} for block, pool in blocks),
    )


def set_outcome(tx: Transaction, number: int, outcome: str, words: str, *, unfinished: bool) -> None:
    """What came of it, so far."""
    tx.run(
        "UPDATE decision SET outcome = :outcome, outcome_at = :now, words = :words, unfinished = :unfinished"
        " WHERE id = :id",
        outcome=outcome,
        now=tx.now,
        words=words,
        unfinished=int(unfinished),
        id=number,
    )


def find_decision(tx: Transaction, number: int) -> DecisionRow | None:
    row = tx.first(f"SELECT {_COLUMNS} FROM decision WHERE id = :id", id=number)
    return None if row is None else _decision(row)


def last_decision(tx: Transaction, device_pool_id: int) -> DecisionRow | None:
    row = tx.first(
        f"SELECT {_COLUMNS} FROM decision WHERE device_pool_id = :id ORDER BY id DESC LIMIT 1",
        id=device_pool_id,
    )
    return None if row is None else _decision(row)


def blocks_of(tx: Transaction, number: int) -> list[int]:
    rows = tx.all("SELECT block_id FROM decision_block WHERE decision_id = :id ORDER BY block_id", id=number)
    return [row[0] for row in rows]


def decisions_of_pool(tx: Transaction, device_pool_id: int, most: int) -> list[DecisionRow]:
    """The newest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM decision WHERE device_pool_id = :id ORDER BY id DESC LIMIT :most",
        id=device_pool_id,
        most=most,
    )
    return [_decision(row) for row in rows]


def decisions_of_block(tx: Transaction, block_id: int, most: int) -> list[DecisionRow]:
    """The newest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM decision WHERE id IN (SELECT decision_id FROM decision_block WHERE block_id = :block)"
        " ORDER BY id DESC LIMIT :most",
        block=block_id,
        most=most,
    )
    return [_decision(row) for row in rows]


def unfinished_decisions(tx: Transaction, device_id: int) -> list[DecisionRow]:
    """What was done of the device pools of a device and is not seen there yet, in order."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM decision WHERE unfinished = 1 AND device_id = :id ORDER BY id", id=device_id
    )
    return [_decision(row) for row in rows]


def unfinished_blocks(tx: Transaction, device_id: int, action: str) -> frozenset[int]:
    """The blocks on a device of which `action` was done, and is not seen yet."""
    rows = tx.all(
        "SELECT decision_block.block_id FROM decision JOIN decision_block ON decision_id = decision.id"
        " JOIN block_member ON block_member.block_id = decision_block.block_id"
        " WHERE unfinished = 1 AND action = :action AND block_member.device_id = :id",
        action=action,
        id=device_id,
    )
    return frozenset(row[0] for row in rows)


def changes_since(tx: Transaction, moment: int) -> list[tuple[str, int, int, int, int]]:
    """Blocks that were changed since `moment`: (action, device pool, device, pool, how many)."""
    rows = tx.all(
        "SELECT action, device_pool_id, device_id, pool_id, COUNT(*) FROM decision"
        " JOIN decision_block ON decision_id = id WHERE acted_at > :moment"
        " GROUP BY action, device_pool_id, device_id, pool_id",
        moment=moment,
    )
    return [(row[0], row[1], row[2], row[3], int(row[4])) for row in rows]


def outcomes_since(tx: Transaction, moment: int, most: int) -> list[tuple[str, str, str]]:
    """(outcome, device pool, words) of the automatic changes since `moment` that ended or failed, those whose outcome
    is the newest first."""
    rows = tx.all(
        "SELECT outcome, device_pool, words FROM decision WHERE acted_at >= :moment AND outcome != 'pending'"
        " ORDER BY outcome_at DESC, id DESC LIMIT :most",
        moment=moment,
        most=most,
    )
    return [(row[0], row[1], row[2]) for row in rows]


def is_any_since(tx: Transaction, moment: int, outcome: str | None = None) -> bool:
    """Whether there was an automatic change since `moment`; of those that came to `outcome`, where one is given."""
    which = "" if outcome is None else " AND outcome = :outcome"
    found = tx.first(
        f"SELECT 1 FROM decision WHERE acted_at >= :moment{which} LIMIT 1",
        moment=moment,
        **({} if outcome is None else {"outcome": outcome}),
    )
    return found is not None


def counts_since(tx: Transaction, moment: int) -> dict[str, int]:
    """How many decisions of each action were done since `moment`."""
    rows = tx.all(
        "SELECT action, COUNT(*) FROM decision WHERE acted_at > :moment GROUP BY action", moment=moment
    )
    return {row[0]: int(row[1]) for row in rows}


def forget_decisions(tx: Transaction, idle_before: int, before: int, most: int) -> int:
    """Forget up to `most` decisions: where nothing was done before `idle_before`, others before `before`."""
    return tx.run(
        "DELETE FROM decision WHERE id IN (SELECT id FROM decision WHERE last_at < :idle"
        " AND (acted_at IS NULL OR last_at < :before) AND unfinished = 0"
        " ORDER BY last_at LIMIT :most)",
        idle=idle_before,
        before=before,
        most=most,
    )
