"""The record of what was decided of device pools, and why (promise 6): one row for each change of mind.

A decision that is the same as the last one of its device pool (the same action, rule, guard and blocks) is counted
in that row, with its newest numbers: a loop that looks every few seconds and does nothing fills no store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from casm_ctrl.base.clock import SECOND
from casm_ctrl.store import decisions as store
from casm_ctrl.store.database import Database
from casm_ctrl.store.decisions import DecisionRow
from casm_ctrl.store.transaction import Transaction

NOTHING = "nothing"
"""The action of a decision to do nothing."""
DONE, FAILED, REVERSED = "done", "failed", "reversed"
"""What became of a decision that was acted on; it is pending before."""

_DAY = 86_400
KEPT_IDLE, KEPT = 35 * _DAY, 3 * 365 * _DAY
"""Seconds for which decisions are kept where nothing was done, and where something was."""
_AT_ONCE = 500


@dataclass(frozen=True)
class Made:
    """A decision about a device pool, in plain values.

    `rule` names the rule that decided, `because` says it in one sentence with its numbers. `blocked_by`: the guard
    that forbids it. `would`: the policy only observes. `blocks` are (block, pool) pairs that it is about.
    """

    device_pool_id: int
    device_pool: str
    device_id: int
    action: str
    rule: str
    because: str
    blocked_by: str | None = None
    would: bool = False
    inputs: Mapping[str, Any] = field(default_factory=dict)
    candidates: Sequence[Mapping[str, Any]] = ()
    blocks: Sequence[tuple[int, int]] = ()


def record(tx: Transaction, made: Made, *, acted: bool = False) -> int:
    """Keep it, and return its number. `acted`: it is done in this transaction; it is pending until it is settled."""
    inputs, candidates = _json(made.inputs), _json(list(made.candidates))
    if not acted:
        last = store.last_decision(tx, made.device_pool_id)
        if last is not None and _is_same(tx, last, made):
            store.count_again(tx, last.id, because=made.because, inputs=inputs, candidates=candidates)
            return last.id
    number = store.insert_decision(
        tx,
        device_pool_id=made.device_pool_id,
        device_pool=made.device_pool,
        device_id=made.device_id,
        action=made.action,
        rule=made.rule,
        because=made.because,
        blocked_by=made.blocked_by,
        would=made.would,
        inputs=inputs,
        candidates=candidates,
        acted=acted,
    )
    store.add_blocks(tx, number, made.blocks)
    return number


def _is_same(tx: Transaction, last: DecisionRow, made: Made) -> bool:
    return (
        last.acted_at is None
        and (last.action, last.rule, last.blocked_by, last.would)
        == (made.action, made.rule, made.blocked_by, made.would)
        and store.blocks_of(tx, last.id) == sorted(block for block, _ in made.blocks)
    )


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, default=str)


def settle(tx: Transaction, number: int, outcome: str, words: str, *, unfinished: bool = False) -> None:
    """What came of a decision that was acted on. `unfinished`: devices do not show it yet, and it is tried again."""
    row = store.find_decision(tx, number)
    if row is None or row.outcome is None:
        return
    if (row.outcome, row.words, row.unfinished) != (outcome, words, unfinished):
        store.set_outcome(tx, number, outcome, words, unfinished=unfinished)


def forget_old(database: Database) -> int:
    """Forget decisions that were kept long enough, a few at a time. Returns how many."""

    def body(tx: Transaction) -> int:
        idle, acted = tx.now - KEPT_IDLE * SECOND, tx.now - KEPT * SECOND
        return store.forget_decisions(tx, idle, acted, _AT_ONCE)

    return database.run(body)
