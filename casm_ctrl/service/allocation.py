"""Allocate: give blocks to a device pool, all that were asked for or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.addressing.strategy import ADJACENT, BEST_FIT, SPARSE, count_routes
from casm_ctrl.base.clock import Micros, to_rfc3339
from casm_ctrl.base.errors import Exhausted, InvalidValue
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.service import limits
from casm_ctrl.service.documents import prefix_document
from casm_ctrl.service.exhaustion import exhausted
from casm_ctrl.service.lifetime import expiry
from casm_ctrl.service.lookup import the_device_pool
from casm_ctrl.service.occupancy import not_free
from casm_ctrl.service.pending_commit import check_untouched
from casm_ctrl.service.request import MOST_AT_ONCE as MOST_AT_ONCE
from casm_ctrl.service.request import Piece, Request, check, choose_pools, particular, pieces
from casm_ctrl.service.rest import sweep
from casm_ctrl.service.stock_alarms import try_note_stock
from casm_ctrl.service.verb import Document, perform
from casm_ctrl.store import (
    blocks,
    clock_watch,
    devices,
    free_search,
    free_space,
    holdings,
    pools,
    quotas,
    single,
)
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.requests import digest_of, find_answer
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.store.transaction import Mode, Transaction

NEIGHBOURS = 128
"""The adjacent strategy grows beside so many of a device pool's newest blocks."""

ROUTES_COUNTED = 1000
"""The answer says how many routes the device pool needs where it has no more blocks than this."""


def allocate(
    database: Database,
    author: Author,
    device_pool: str,
    *,
    count: int = 1,
    length: int | None = None,
    addresses: int | None = None,
    prefix: str | None = None,
    pools: Sequence[str] = (),
    labels: Sequence[tuple[str, str]] = (),
    strategy: str | None = None,
    lifetime: int | None = None,
    expires: str | None = None,
    dry_run: bool = False,
) -> Document:
    """Reserve what a Request asks for: by default one block of the device pool's length, from its pools in
    their order.

    Answers {"block": […]}, the blocks in the order they were cut, and with the adjacent strategy "routes".
    Raises Exhausted, Overlap, Held or LimitReached, with nothing changed, where not all of it can be had.
    `dry_run`: the same answer or refusal, and nothing is changed, nor stored under the request id.
    """
    request = Request(
        device_pool,
        count,
        length,
        addresses,
        prefix,
        tuple(pools),
        tuple(labels),
        strategy,
        lifetime,
        expires,
    )
    check(request)

    def body(tx: Transaction) -> Document:
        return allocate_in(tx, author, request)

    if author.request_id is not None and not dry_run:
        answer = single.allocate_one(database, author, "allocate", request.arguments, request)
        if answer is not None:
            return answer
    if dry_run:
        with database.rehearse() as tx:
            answered = None
            if author.request_id is not None:
                answered = find_answer(tx, author, digest_of("allocate", request.arguments()))
            return body(tx) if answered is None else answered
    try:
        return perform(database, author, "allocate", request.arguments(), body, mode=Mode.SHARE)
    except Exhausted:
        try_note_stock(database)
        raise


@dataclass
class _Cutting:
    """One request while its blocks are cut. `runs` are what was cut so far, in order."""

    tx: Transaction
    row: DevicePoolRow
    sources: list[PoolRow]
    strategy: str | None
    runs: list[tuple[PoolRow, list[Prefix]]] = field(default_factory=list)

    def cut(self, length: int, count: int) -> int:
        """Cut up to `count` blocks of `length` from the pools in order. Returns how many."""
        found = 0
        for pool in self.sources:
            prefixes = self._take(pool, length, count - found)
            if prefixes:
                self.runs.append((pool, prefixes))
                found += len(prefixes)
                if found == count:
                    break
        return found

    def _take(self, pool: PoolRow, length: int, count: int) -> list[Prefix]:
        strategy = self.strategy_of(pool)
        tenant = pool.tenant(self.row.owner_id)
        if strategy == BEST_FIT or (tenant and length > Family.IPV4.width):
            return free_space.take(self.tx, pool.id, pool.family, length, count, tenant)
        if strategy == SPARSE:
            return free_search.take_sparse(self.tx, pool.id, pool.family, length, count)
        have = [
            p for number, p in holdings.recent_blocks(self.tx, self.row.id, NEIGHBOURS) if number == pool.id
        ]
        have += [prefix for other, prefixes in self.runs if other.id == pool.id for prefix in prefixes]
        return free_search.take_adjacent(self.tx, pool.id, pool.family, length, count, have)

    @property
    def adjacent(self) -> bool:
        return ADJACENT in {self.strategy_of(pool) for pool in self.sources}

    def strategy_of(self, pool: PoolRow) -> str:
        return self.strategy or self.row.strategy or pool.strategy


def allocate_in(tx: Transaction, author: Author, request: Request) -> Document:
    """`allocate` in a transaction of the caller's, of a request that was checked."""
    sweep(tx)
    check_untouched(tx, request.device_pool, request.pools)
    row = the_device_pool(tx, request.device_pool)
    sources = choose_pools(tx, row, request)
    check_untouched(tx, row.label, [pool.name for pool in sources])
    expires_at = expiry(tx.now, request.lifetime, request.expires)
    if expires_at is not None:
        clock_watch.look(tx)  # so that a jump before its end is known
    cutting = _Cutting(tx, row, sources, request.strategy)
    prefix = particular(tx, row, request, sources)
    if prefix is not None:
        limits.check_maximum(tx, row, 1)
        _cut_particular(cutting, prefix)
        words = f"{prefix} for {row.label}"
    else:
        wanted = pieces(tx, row, sources, request)
        if request.addresses is None:
            limits.check_maximum(tx, row, request.count)
        for piece in wanted:
            if not _cut_piece(cutting, piece):
                raise exhausted(tx, row, sources, cutting.runs, request, piece)
        words = f"{request.count} of /{wanted[0].length} for {row.label}"
        if request.addresses is not None:
            words = f"{request.addresses} addresses for {row.label}"
            limits.check_maximum(tx, row, sum(len(prefixes) for _, prefixes in cutting.runs))
    answer: Document = {"block": _insert(tx, author, cutting, expires_at)}
    limits.check_quotas(tx, row, sources, cutting.runs)
    if cutting.adjacent:
        answer |= _routes(tx, row)
    record(tx, author, [Event("allocate", "device-pool", row.id, words)])
    if tx.shares and _is_usual(tx, cutting, request):
        members = [member for member in devices.owner_members(tx, row.owner_id) if member.holds_blocks]
        single.draft(tx, request, row, members, sources, wanted[0].length, words)
    return answer


def _is_usual(tx: Transaction, cutting: _Cutting, request: Request) -> bool:
    """Whether only the configuration decides about another request like it: one block by best fit, no limits."""
    row = cutting.row
    return (
        request.count == 1
        and request.prefix is None
        and request.addresses is None
        and request.lifetime is None
        and request.expires is None
        and row.max_blocks is None
        and (request.length is not None or (row.first_length is None and row.next_length is None))
        and all(cutting.strategy_of(pool) == BEST_FIT for pool in cutting.sources)
        and not quotas.any_quota(tx)
    )


def _cut_piece(cutting: _Cutting, piece: Piece) -> bool:
    """Cut a piece whole, or where there is none so large, in halves of halves."""
    left = piece.count - cutting.cut(piece.length, piece.count)
    if left == 0:
        return True
    if piece.length >= piece.smallest:
        return False
    return _cut_piece(cutting, Piece(piece.length + 1, 2 * left, piece.smallest))


def _cut_particular(cutting: _Cutting, prefix: Prefix) -> None:
    for pool in cutting.sources:
        if not any(own.contains(prefix) for own in pools.pool_prefixes(cutting.tx, pool.id)):
            continue
        tenant = pool.tenant(cutting.row.owner_id)
        taken = free_space.take_prefix(cutting.tx, pool.id, prefix, tenant)
        if not taken:
            raise not_free(cutting.tx, pool, prefix)
        cutting.runs.append((pool, [prefix]))
        return
    listed = ", ".join(pool.name for pool in cutting.sources)
    raise InvalidValue(
        f"{prefix} is not inside any pool that '{cutting.row.label}' draws from here ({listed})",
        "give a prefix that one of them holds; see 'casm pool list'",
    )


def _insert(tx: Transaction, author: Author, cutting: _Cutting, expires_at: Micros | None) -> list[Document]:
    row, since = cutting.row, to_rfc3339(tx.now)
    members = [member for member in devices.owner_members(tx, row.owner_id) if member.holds_blocks]
    answer: list[Document] = []
    for pool, prefixes in cutting.runs:
        numbers = blocks.insert_blocks(tx, author, row, members, pool, prefixes, expires_at)
        same: Document = {
            "address-space": pool.space,
            "pool": pool.name,
            "device-pool": row.label,
            "wanted": Wanted.PRESENT.value,
            "state": State.RESERVED.value,
            "since": since,
        }
        if expires_at is not None:
            same["expires"] = to_rfc3339(expires_at)
        answer += [
            {"id": block_id(number), **prefix_document(prefix, pool.psid_offset), **same}
            for number, prefix in zip(numbers, prefixes, strict=True)
        ]
    return answer


def _routes(tx: Transaction, row: DevicePoolRow) -> Document:
    """How many routes the device pool needs now, unless it has too many blocks to count in passing."""
    have = holdings.recent_blocks(tx, row.id, ROUTES_COUNTED + 1)
    if len(have) > ROUTES_COUNTED:
        return {}
    by_space: dict[int, list[Prefix]] = {}
    for pool_id, prefix in have:
        by_space.setdefault(pools.get_pool(tx, pool_id).space_id, []).append(prefix)
    return {"routes": str(sum(count_routes(prefixes) for prefixes in by_space.values()))}
