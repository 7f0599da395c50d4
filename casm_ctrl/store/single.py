"""One block in one statement, on PostgreSQL: there a round trip costs more than the work.

It serves the usual request, with an id, for one block by best fit, where no limit is set: all that is to be decided is
which block. What else a request needs was read before, at one revision of the configuration, and is a `Draft`. The
statement is a transaction by itself. Whatever it does not do, it says, or it fails and has done nothing: then the
general way decides, in a transaction of several statements. That goes for a lost connection too: the request id tells
there whether it was done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DevicePoolRow, Member
from casm_ctrl.store.events import Author
from casm_ctrl.store.pools import PoolRow, pool_prefixes
from casm_ctrl.store.requests import KEPT, digest_of
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.store.transaction import Transaction

_TYPES = (
    *("bigint", "bigint", "text", "text", "bytea", "bigint", "text", "text"),
    *("bigint", "bigint", "bigint", "bigint", "bigint", "bigint", "bigint", "bigint[]", "text[]", "text"),
)
_CALL = f"SELECT allocate_one({', '.join(f'%s::{kind}' for kind in _TYPES)})"

LOWEST = 1 << 48
"""PostgreSQL writes IPv6 addresses below it with an IPv4 address at their end (2001:db8::1, but ::192.0.2.1)."""


@dataclass(frozen=True)
class Draft:
    """All of a request that the configuration decides. `pools`: for each, in order, the call's parameters."""

    words: str
    pools: tuple[tuple[Any, ...], ...]


def draft(
    tx: Transaction,
    key: object,
    row: DevicePoolRow,
    members: Sequence[Member],
    sources: Sequence[PoolRow],
    length: int,
    words: str,
) -> None:
    """Remember under `key` what a block of `length` out of `sources`, in their order, needs; as long as the
    configuration stays. Not where the statement could not write the block's text."""
    if not all(_writes(tx, pool, length) for pool in sources):
        return
    devices = "{" + ",".join(str(member.device_id) for member in members) + "}"
    roles = "{" + ",".join(member.role for member in members) + "}"
    calls = tuple(
        (
            pool.id,
            pool.space_id,
            int(pool.public),
            pool.family.number,
            length,
            row.id,
            row.owner_id,
            devices,
            roles,
            _known(pool, row),
        )
        for pool in sources
    )
    tx.remember((Draft, key), Draft(words, calls))


def _known(pool: PoolRow, row: DevicePoolRow) -> str:
    known = {
        "address-space": pool.space,
        "pool": pool.name,
        "device-pool": row.label,
        "wanted": Wanted.PRESENT.value,
        "state": State.RESERVED.value,
    }
    return json.dumps(known, separators=(",", ":"))[1:-1]


def _writes(tx: Transaction, pool: PoolRow, length: int) -> bool:
    if pool.family is Family.IPV6:
        return all(prefix.first >= LOWEST for prefix in pool_prefixes(tx, pool.id))
    return length <= Family.IPV4.width


def allocate_one(
    database: Database, author: Author, verb: str, arguments: Callable[[], Mapping[str, Any]], key: object
) -> dict[str, Any] | None:
    """The answer to the request that was drafted under `key`, durable; None where the general way has to be gone,
    and nothing was done."""
    revision, known = database.backend.memo.latest()
    drafted: Draft | None = known.get((Draft, key))
    if drafted is None:
        return None
    asked = (
        author.actor,
        author.request_id,
        digest_of(verb, arguments()),
        KEPT,
        author.reason,
        drafted.words,
    )
    for pool in drafted.pools:
        row = database.at_once(_CALL, lambda now, pool=pool: (revision, now, *asked, *pool))  # type: ignore[misc]
        if row is None or row[0] == "stale":
            return None
        if row[0] != "none":
            answer: dict[str, Any] = json.loads(row[0])
            return answer
    return None
