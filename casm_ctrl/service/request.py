"""What an allocation asks for: how much, out of which pools, by which strategy, for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from casm_ctrl.addressing.ports import parse_block, parse_offset
from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.addressing.strategy import STRATEGIES, cover
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.service.device_pool_edits import SHARED_ACCESS
from casm_ctrl.service.edits import refuse_twice
from casm_ctrl.service.lookup import the_pool
from casm_ctrl.store import devices, holdings, pools
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.transaction import Transaction

MOST_AT_ONCE = 100_000
"""A request for more is a mistake: it would hold the store for longer than others wait."""


@dataclass(frozen=True)
class Request:
    """`count` blocks of `length`, or blocks for a number of `addresses`, or the one `prefix`.

    `pools` names some of the device pool's pools, in the order in which they are tried; `labels` chooses
    those that have all of them (`scope` is one that every pool has). Neither: all of them, in its order.
    `lifetime` is seconds; `expires` is RFC 3339.
    """

    device_pool: str
    count: int = 1
    length: int | None = None
    addresses: int | None = None
    prefix: str | None = None
    pools: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    strategy: str | None = None
    lifetime: int | None = None
    expires: str | None = None

    def arguments(self) -> dict[str, Any]:
        """What makes it this request: those that were left out are."""
        return {name: value for name, value in vars(self).items() if value not in (None, ())}


@dataclass(frozen=True)
class Piece:
    """`count` blocks of `length`. Where there is none so large, its halves will do, down to /`smallest`."""

    length: int
    count: int
    smallest: int


def check(request: Request) -> None:
    """InvalidValue where the request contradicts itself."""
    if not 1 <= request.count <= MOST_AT_ONCE:
        raise InvalidValue(f"{request.count} blocks were asked for", f"ask for 1 to {MOST_AT_ONCE:,}")
    if request.addresses is not None and request.addresses < 1:
        raise InvalidValue(f"{request.addresses} addresses were asked for", "ask for 1 or more")
    if request.addresses is not None and (request.count != 1 or request.prefix is not None):
        raise InvalidValue(
            "a number of addresses was asked for, and a number of blocks or a prefix as well",
            "ask for one of them",
        )
    if request.prefix is not None and (request.count != 1 or request.length is not None):
        raise InvalidValue(
            f"the prefix {request.prefix} was asked for, and a number or length of blocks as well",
            "ask for one of them",
        )
    if request.pools and request.labels:
        raise InvalidValue("pools were chosen by name and by label", "choose by one of them")
    if request.strategy is not None and request.strategy not in STRATEGIES:
        raise InvalidValue(f"'{request.strategy}' is not a strategy", f"use {', '.join(STRATEGIES)}")
    refuse_twice("pool", request.pools)


def choose_pools(tx: Transaction, row: DevicePoolRow, request: Request) -> list[PoolRow]:
    """The pools to try, in order. They are always pools that the device pool may draw from."""
    sources = [pools.get_pool(tx, number) for number in devices.device_pool_sources(tx, row.id)]
    if request.pools:
        known = {pool.name: pool for pool in sources}
        for name in request.pools:
            if name not in known:
                the_pool(tx, name)
                raise InvalidValue(
                    f"'{row.label}' does not draw from pool '{name}' (it does from {', '.join(known)})",
                    "choose among those",
                )
        return [known[name] for name in request.pools]
    if request.labels:
        chosen = [pool for pool in sources if _has_labels(tx, pool, request.labels)]
        if not chosen:
            asked = ", ".join(f"{name}={value}" for name, value in request.labels)
            raise InvalidValue(
                f"no pool of '{row.label}' has {asked} (it draws from {', '.join(p.name for p in sources)})",
                "see their labels with 'casm pool show', or choose with --pool",
            )
        return chosen
    return sources


def _has_labels(tx: Transaction, pool: PoolRow, labels: Sequence[tuple[str, str]]) -> bool:
    has = {"scope": pool.scope, **pools.pool_labels(tx, pool.id)}
    return all(has.get(name) == value for name, value in labels)


def pieces(tx: Transaction, row: DevicePoolRow, sources: Sequence[PoolRow], request: Request) -> list[Piece]:
    """What is to be cut, the largest first; InvalidValue where a length is none of the pools'."""
    if request.addresses is not None:
        return _cover(tx, row, sources, request, request.addresses)
    if request.length is not None:
        return [_whole(tx, row, request.length, request.count, sources)]
    if row.first_length is None and row.next_length is None:
        return [_whole(tx, row, row.length, request.count, sources)]
    first = row.length if row.first_length is None else row.first_length
    later = row.length if row.next_length is None else row.next_length
    holdings.lock_device_pool(tx, row.id)
    if holdings.count_kept(tx, row.id, 1):
        return [_whole(tx, row, later, request.count, sources)]
    rest = [_whole(tx, row, later, request.count - 1, sources)] if request.count > 1 else []
    return [_whole(tx, row, first, 1, sources), *rest]


def _whole(tx: Transaction, row: DevicePoolRow, length: int, count: int, sources: Sequence[PoolRow]) -> Piece:
    return Piece(check_length(tx, row, length, sources), count, length)


def check_length(tx: Transaction, row: DevicePoolRow, length: int, sources: Sequence[PoolRow]) -> int:
    longest = min(pool.longest for pool in sources)
    shared = row.access in SHARED_ACCESS
    if not shared and length > Family.IPV4.width and sources[0].family is Family.PORTS:
        members = [devices.get_device(tx, m.device_id) for m in devices.owner_members(tx, row.owner_id)]
        cgn = [device.name for device in members if device.role == "cgn"]
        if cgn:
            raise InvalidValue(
                f"/{length} is a port set, and '{cgn[0]}' is a CGN, which gets whole addresses",
                f"give --length 1 to {Family.IPV4.width}: the CGN shares their ports out itself; a device pool with"
                " access map or lw4over6 is given port sets",
            )
    if not 1 <= length <= longest:
        raise InvalidValue(
            f"/{length} is not a block length of {sources[0].family.words}", f"give --length 1 to {longest}"
        )
    return length


def _cover(
    tx: Transaction, row: DevicePoolRow, sources: Sequence[PoolRow], request: Request, addresses: int
) -> list[Piece]:
    unit = check_length(tx, row, row.length if request.length is None else request.length, sources)
    shortest = min(prefix.length for pool in sources for prefix in pools.pool_prefixes(tx, pool.id))
    found = cover(addresses, sources[0].family, unit, max(1, min(unit, shortest)))
    if sum(count for _, count in found) > MOST_AT_ONCE:
        raise InvalidValue(
            f"{addresses} addresses are more than {MOST_AT_ONCE:,} blocks of /{found[0][0]}", "ask for fewer"
        )
    return [Piece(length, count, unit) for length, count in found]


def particular(
    tx: Transaction, row: DevicePoolRow, request: Request, sources: Sequence[PoolRow]
) -> Prefix | None:
    """The prefix that was asked for; InvalidValue where it is of another family or longer than a block."""
    if request.prefix is None:
        return None
    prefix, family = parse_block(request.prefix), sources[0].family
    if prefix.family.number != family.number:
        raise InvalidValue(
            f"{prefix} is {prefix.family.value}, and the pools of '{request.device_pool}' are {family.words}",
            "give a prefix of their family",
        )
    check_length(tx, row, prefix.length, sources)
    offset = parse_offset(request.prefix)
    fitting = [pool.psid_offset for pool in sources]
    if offset is not None and offset not in fitting:
        raise InvalidValue(
            f"{request.prefix} has the PSID offset {offset}, and the pools of '{request.device_pool}' have"
            f" {fitting[0]}",
            "give the offset of the pool, or none",
        )
    return prefix
