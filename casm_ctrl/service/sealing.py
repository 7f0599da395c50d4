"""Seal the audit, and verify what was sealed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from casm_ctrl.base.clock import SECOND, to_rfc3339
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.base.identifiers import new_token
from casm_ctrl.service.verb import Document
from casm_ctrl.store import seals
from casm_ctrl.store.database import Database
from casm_ctrl.store.seals import NOTHING, Head, Sealed
from casm_ctrl.store.transaction import Mode, Transaction

AT_ONCE = 1000
"""Events in one transaction of the sealer: other writers wait for it for some milliseconds."""

A_FEW = 5
"""Batches that a command seals at its end."""

STEP = 1000
"""A verification tells how far it is after so many seals."""

LISTED = 100
"""A verification lists so many findings, and counts the others."""


@dataclass(frozen=True)
class Anchor:
    """A seal whose hash somebody wrote down elsewhere: who can write the whole store can make a new chain,
    but not one with that hash."""

    number: int
    hash: bytes

    @staticmethod
    def parse(text: str) -> Anchor:
        """NUMBER:HASH, as `casm audit verify` prints it."""
        match = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", text)
        if match is None:
            raise InvalidValue(
                f"'{text}' is not a seal", "write NUMBER:HASH, as 'casm audit verify' shows it"
            )
        return Anchor(int(match[1]), bytes.fromhex(match[2]))


def seal(database: Database) -> Document:
    """Seal all that was committed, and tell where the chain stands. Where another process seals, nothing is
    done here: `busy`."""
    sealed, busy = seal_some(database, None)
    with database.read() as tx:
        return {"newly-sealed": str(sealed), "busy": busy, **standing(tx)}


def seal_some(database: Database, batches: int | None) -> tuple[int, bool]:
    """Seal in transactions of AT_ONCE events, at most `batches` of them (None: until nothing is left).

    Returns how many events, and whether another process seals now.
    """
    holder = new_token("sealer")
    sealed, busy, left = 0, False, batches
    while is_behind(database) and left != 0:
        number = seal_once(database, holder)
        busy = number is None
        sealed += number or 0
        if number is None or number < AT_ONCE:
            break
        left = None if left is None else left - 1
    if sealed:
        database.run(lambda tx: seals.release(tx, holder), Mode.SHARE)
    return sealed, busy


def seal_once(database: Database, holder: str, limit: int = AT_ONCE) -> int | None:
    """One batch under the lease of `holder`, which it keeps. How many events; None where another seals."""

    def body(tx: Transaction) -> int | None:
        head = seals.claim(tx, holder)
        if head is None:
            return None
        last = seals.last_event(tx)
        ended = seals.horizon(tx)
        return seals.append(tx, head, limit, last, ended).sealed - head.sealed

    return database.run(body, Mode.SHARE)


def is_behind(database: Database) -> bool:
    """True where there may be something to seal: one look, and no lock."""
    with database.read() as tx:
        head = seals.get_head(tx)
        return seals.last_event(tx) > (0 if head is None else head.complete)


# --- Verification ---------------------------------------------------------------------------------


@dataclass
class _Findings:
    listed: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, words: str) -> None:
        self.count += 1
        if len(self.listed) < LISTED:
            self.listed.append(words)


def count_seals(database: Database) -> int:
    """How many seals a verification has to walk, by the head of the chain."""
    with database.read() as tx:
        head = seals.get_head(tx)
        return 0 if head is None else head.sealed


def verify(
    database: Database, anchor: Anchor | None = None, step: Callable[[int], None] = lambda more: None
) -> Document:
    """Walk the whole chain in one snapshot. Every row of an event or a seal that was changed, taken out, put
    in or moved after it was sealed is a finding. `step` is called with how many seals more were walked."""
    with database.read() as tx:
        return examine(tx, anchor, step)


def examine(
    tx: Transaction, anchor: Anchor | None = None, step: Callable[[int], None] = lambda more: None
) -> Document:
    """`verify` in a transaction."""
    findings = _Findings()
    head = seals.get_head(tx)
    last = _walk(tx, findings, anchor, step)
    _compare_head(findings, head, last)
    complete = 0 if head is None else head.complete
    for seq in seals.unsealed_below(tx, complete, LISTED):
        findings.add(f"event {seq} has no seal, and all up to {complete} were sealed: it was put in later")
    if anchor is not None and (last is None or anchor.number > last.number):
        findings.add(f"seal {anchor.number}, which was to be expected, is missing")
    return {"finding": findings.listed, "findings": str(findings.count), **standing(tx)}


def _walk(
    tx: Transaction, findings: _Findings, anchor: Anchor | None, step: Callable[[int], None]
) -> Sealed | None:
    """Every seal against the one before it and its own event; returns the last."""
    expected, previous, last = 1, NOTHING, None
    for walked, seal in enumerate(seals.walk(tx), start=1):
        if walked % STEP == 0:
            step(STEP)
        whole = seal.number == expected
        if seal.number < expected:
            findings.add(f"seal {seal.number} is no number of the chain")
        elif not whole:
            findings.add(f"{_numbers(expected, seal.number - 1)} missing")
        if seal.event is None:
            findings.add(f"event {seal.event_seq} is missing: seal {seal.number} holds it")
        elif whole and seals.chain(previous, seal.number, seal.event) != seal.hash:
            findings.add(
                f"event {seal.event_seq} is not what seal {seal.number} holds: one of the two was changed"
            )
        if anchor is not None and seal.number == anchor.number and seal.hash != anchor.hash:
            findings.add(f"seal {seal.number} has not the hash that was to be expected")
        expected, previous, last = max(seal.number, 0) + 1, seal.hash, seal
    return last


def _numbers(first: int, last: int) -> str:
    return f"seal {first} is" if first == last else f"the seals {first} to {last} are"


def _compare_head(findings: _Findings, head: Head | None, last: Sealed | None) -> None:
    """The head knows the last seal, so that the chain cannot be cut short unseen."""
    number, digest = (0, NOTHING) if last is None else (last.number, last.hash)
    if head is None:
        if last is not None:
            findings.add(f"the head of the chain is missing: there are seals up to {number}")
        return
    if head.sealed > number:
        findings.add(f"{_numbers(number + 1, head.sealed)} missing at the end of the chain")
    elif head.sealed < number or head.hash != digest:
        findings.add(
            f"the chain ends with seal {number}, and its head names seal {head.sealed} or another hash"
        )


def standing(tx: Transaction) -> Document:
    """Where the chain stands, and how many events are not in it yet, and since when."""
    head = seals.get_head(tx)
    number, oldest = seals.unsealed(tx, 0 if head is None else head.complete)
    document: Document = {"sealed": str(0 if head is None else head.sealed), "unsealed": str(number)}
    if head is not None and head.sealed:
        document["hash"] = head.hash.hex()
    if oldest is not None:
        document["oldest-unsealed"] = to_rfc3339(oldest)
        document["oldest-unsealed-age"] = max(0, (tx.now - oldest) // SECOND)
    return document
