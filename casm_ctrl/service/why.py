"""Why a block came or went, and why a device pool is as it is: what was decided, with all that it was decided by.

Promise 6: every automatic decision has a record, also that to do nothing. What people asked for is in the audit, and
how a block came to be is told here too, whoever asked for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from casm_ctrl.addressing.ports import parse_block, write_block
from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.base.identifiers import block_id, parse_block_id
from casm_ctrl.service.lookup import the_block, the_device_pool, the_space
from casm_ctrl.service.verb import Document
from casm_ctrl.store import blocks, decisions, events, past_blocks
from casm_ctrl.store.database import Database
from casm_ctrl.store.decisions import DecisionRow
from casm_ctrl.store.past_blocks import PastBlock
from casm_ctrl.store.transaction import Transaction

USUAL = 10
"""So many decisions are told unless more are asked for."""
READINGS = "readings"
"""What of the inputs is a list."""


def why(database: Database, name: str, *, last: int = USUAL, space: str | None = None) -> Document:
    """The last decisions about a device pool (DEVICE/NAME), or about a block (its id, or its prefix, live or freed),
    the newest first. NotFound."""
    with database.read() as tx:
        if "/" in name and not name[0].isdigit() and ":" not in name.partition("/")[0]:
            row = the_device_pool(tx, name)
            found = decisions.decisions_of_pool(tx, row.id, last)
            return {"subject": {"device-pool": row.label}, "decision": _told(tx, found)}
        number, subject = _block(tx, name, space)
        found = decisions.decisions_of_block(tx, number, last)
        return {"subject": subject, "decision": _told(tx, found)}


def _block(tx: Transaction, name: str, space: str | None) -> tuple[int, Document]:
    """A block's number, and what it is or was."""
    number = parse_block_id(name)
    if number is None and "/" not in name:
        raise InvalidValue(
            f"'{name}' is neither a block nor a device pool",
            "name a block by its id (b12) or prefix, or a device pool as DEVICE/NAME",
        )
    past = None if number is None else past_blocks.past_block(tx, number)
    if past is None:
        try:
            block = the_block(tx, name, space)
        except NotFound:
            past = None if number is not None else _latest(tx, name, space)
            if past is None:
                raise
    if past is not None:
        subject: Document = {
            "block": block_id(past.id),
            "prefix": write_block(past.prefix, past.psid_offset),
            "device-pool": past.device_pool,
            "state": "free",
            "since": to_rfc3339(past.freed_at),
        }
        return past.id, subject | _origin(tx, past.id)
    subject = {
        "block": block.name,
        "prefix": write_block(block.prefix, block.psid_offset),
        "device-pool": block.device_pool,
        "state": block.state.value,
        "since": to_rfc3339(block.changed_at),
    }
    return block.id, subject | _origin(tx, block.id)


def _latest(tx: Transaction, name: str, space: str | None) -> PastBlock | None:
    """The block that had the prefix last."""
    wanted = None if space is None else the_space(tx, space).id
    found = [past for past in past_blocks.past_of(tx, parse_block(name)) if wanted in (None, past.space_id)]
    return max(found, key=lambda past: past.freed_at, default=None)


def _origin(tx: Transaction, number: int) -> Document:
    """Who made it, when and how."""
    first = events.first_event(tx, number)
    if first is None:
        return {}
    origin = {"time": to_rfc3339(first.at), "actor": first.actor, "verb": first.verb}
    return {"origin": origin | ({"reason": first.reason} if first.reason else {})}


def _told(tx: Transaction, rows: Sequence[DecisionRow]) -> list[Document]:
    return [_document(tx, row) for row in rows]


def _document(tx: Transaction, row: DecisionRow) -> Document:
    document: Document = {
        "number": str(row.id),
        "device-pool": row.device_pool,
        "action": row.action,
        "rule": row.rule,
        "because": row.because,
        "would": row.would,
        "first": to_rfc3339(row.first_at),
        "last": to_rfc3339(row.last_at),
        "times": str(row.times),
    }
    if row.blocked_by is not None:
        document["blocked-by"] = row.blocked_by
    if row.acted_at is not None:
        document["done"] = to_rfc3339(row.acted_at)
    if row.outcome is not None:
        document["outcome"] = row.outcome
    if row.words:
        document["outcome-words"] = row.words
    document["block"] = [_block_document(tx, number) for number in decisions.blocks_of(tx, row.id)]
    document["reading"] = [_values_of(reading) for reading in row.inputs.get(READINGS, ())]
    inputs = {name: value for name, value in row.inputs.items() if name != READINGS}
    document["input"] = _pairs(inputs)
    document["candidate"] = [
        {
            "number": index,
            "chosen": bool(candidate.get("chosen")),
            "value": _pairs({name: value for name, value in candidate.items() if name != "chosen"}),
        }
        for index, candidate in enumerate(row.candidates, start=1)
    ]
    return document


def _block_document(tx: Transaction, number: int) -> Document:
    """A block by id and prefix, also one that was freed."""
    found = blocks.find_block(tx, number)
    past = past_blocks.past_block(tx, number) if found is None else None
    document: Document = {"id": block_id(number)}
    if found is not None:
        document["prefix"] = write_block(found.prefix, found.psid_offset)
    elif past is not None:
        document["prefix"] = write_block(past.prefix, past.psid_offset)
    return document


def _values_of(reading: Mapping[str, Any]) -> Document:
    """A sample as it was recorded; counts are strings."""
    return {name: _text(value) for name, value in reading.items()}


def _pairs(values: Mapping[str, Any]) -> list[Document]:
    return [{"name": name, "text": _text(value)} for name, value in values.items()]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "unknown"
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return ", ".join(_text(each) for each in value)
    return str(value)
