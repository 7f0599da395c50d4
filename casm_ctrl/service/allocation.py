"""Allocate: give blocks to a device pool, all that were asked for or none."""

from __future__ import annotations

from casm_ctrl.addressing.prefix import Prefix
from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.base.errors import Exhausted, InvalidValue
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.service.documents import prefix_document
from casm_ctrl.service.lookup import the_device_pool
from casm_ctrl.service.rest import free_rested
from casm_ctrl.service.verb import Document, perform
from casm_ctrl.store import blocks, devices, free_space, pools
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.store.transaction import Transaction

MOST_AT_ONCE = 100_000
"""A request for more is a mistake: it would hold the store for longer than others wait."""


def allocate(
    database: Database,
    author: Author,
    device_pool: str,
    *,
    count: int = 1,
    length: int | None = None,
) -> Document:
    """Reserve `count` blocks of `length` (default: the device pool's) from its pools, in their order.

    Answers {"block": […]}, the blocks in the order they were cut. Raises Exhausted, with nothing
    changed, where the pools together cannot give all of them.
    """
    if not 1 <= count <= MOST_AT_ONCE:
        raise InvalidValue(f"{count} blocks were asked for", f"ask for 1 to {MOST_AT_ONCE:,}")

    def body(tx: Transaction) -> Document:
        free_rested(tx)
        row = the_device_pool(tx, device_pool)
        sources = [pools.get_pool(tx, number) for number in devices.device_pool_sources(tx, row.id)]
        wanted = row.length if length is None else length
        longest = min(pool.longest for pool in sources)
        if not 0 <= wanted <= longest:
            raise InvalidValue(
                f"/{wanted} is not a block length of {sources[0].family.value}",
                f"give --length 0 to {longest}",
            )
        members = devices.owner_members(tx, row.owner_id)
        since = to_rfc3339(tx.now)
        answer: list[Document] = []
        for pool in sources:
            tenant = pool.tenant(row.owner_id)
            prefixes = free_space.take(tx, pool.id, pool.family, wanted, count - len(answer), tenant)
            if not prefixes:
                continue
            numbers = blocks.insert_blocks(tx, author, row, members, pool, prefixes)
            answer += (
                _reserved(row, pool, number, prefix, since)
                for number, prefix in zip(numbers, prefixes, strict=True)
            )
            if len(answer) == count:
                break
        if len(answer) < count:
            raise _exhausted(tx, row, sources, wanted, count, len(answer))
        record(
            tx, author, [Event("allocate", "device-pool", row.id, f"{count} of /{wanted} for {row.label}")]
        )
        return {"block": answer}

    arguments = {"device-pool": device_pool, "count": count, "length": length}
    return perform(database, author, "allocate", arguments, body)


def _reserved(row: DevicePoolRow, pool: PoolRow, number: int, prefix: Prefix, since: str) -> Document:
    return {
        "id": block_id(number),
        **prefix_document(prefix),
        "address-space": pool.space,
        "pool": pool.name,
        "device-pool": row.label,
        "wanted": Wanted.PRESENT.value,
        "state": State.RESERVED.value,
        "since": since,
    }


def _exhausted(
    tx: Transaction, row: DevicePoolRow, sources: list[PoolRow], length: int, count: int, found: int
) -> Exhausted:
    """What is left, in words. Reads before the transaction is taken back, so `found` are out of it."""
    stock = []
    for pool in sources:
        largest = free_space.largest_free_length(tx, pool.id)
        left = "has nothing else free" if largest is None else f"has a /{largest} as its largest free block"
        stock.append(f"pool '{pool.name}' {left}")
    return Exhausted(
        f"{count} block(s) of /{length} were asked for '{row.label}', {found} could be had; then {', '.join(stock)}",
        "ask for fewer or for a longer length, add a pool, or release blocks",
    )
