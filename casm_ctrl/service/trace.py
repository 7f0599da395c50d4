"""Who had an address at a time, since when and by whom; and the history of a block.

An address may be known to be with a device, known not to be, or in between: after something was sent and
before the result was seen. The answer says which, and where the edges are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from casm_ctrl.addressing.prefix import PORT_BITS, Family, format_address, parse_address
from casm_ctrl.base.clock import Micros, from_rfc3339, to_rfc3339
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.base.identifiers import block_id, parse_block_id
from casm_ctrl.service.documents import event_document, prefix_document
from casm_ctrl.service.lookup import the_space
from casm_ctrl.service.verb import Document
from casm_ctrl.store import block_members, blocks, events, history, holders, past_blocks, spaces
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.history import Stay
from casm_ctrl.store.holders import Place, Spot
from casm_ctrl.store.past_blocks import PastBlock
from casm_ctrl.store.states import Seen, State
from casm_ctrl.store.transaction import Transaction

EVENTS = 1000
"""The history of one block shows so many of its latest events."""


def parse_spot(text: str) -> Spot:
    """ADDRESS or ADDRESS:PORT; an IPv6 address with a port is written [ADDRESS]:PORT."""
    match = re.fullmatch(r"\[([^\]]*)\](?::([0-9]{1,5}))?|([0-9.]+):([0-9]{1,5})", text.strip())
    if match is None:
        family, value = parse_address(text)
        return Spot(family, value)
    port = match[2] or match[4]
    family, value = parse_address(match[1] or match[3])
    if port is not None and int(port) >= 1 << PORT_BITS:
        raise InvalidValue(f"'{port}' is not a port", f"give 0 to {(1 << PORT_BITS) - 1}")
    # Only IPv4 addresses are shared.
    return Spot(family, value, None if port is None or family is Family.IPV6 else int(port))


def trace(database: Database, text: str, *, at: str | None = None, space: str | None = None) -> Document:
    """Of an address at a time (RFC 3339; default: now) every block that held it, in each space; and where
    none did in a space that has it in its pools, what it is there. Of a block, its whole history."""
    number = parse_block_id(text)
    spot = None if number is not None else parse_spot(text)
    with database.read() as tx:
        moment = tx.now if at is None else from_rfc3339(at)
        if moment > tx.now:
            raise InvalidValue(f"{to_rfc3339(moment)} has not come yet", "give a time that is over")
        if number is not None:
            return {"time": to_rfc3339(moment), "block": [_history(tx, number, moment)], "nearest": []}
        assert spot is not None
        wanted = holders.spaces_with_history(tx) if space is None else [the_space(tx, space).id]
        found: list[Document] = []
        nearest: list[Document] = []
        outside: list[Document] = []
        for space_id in wanted:
            at_that_time, before = _holders(tx, space_id, spot, moment)
            found += (_entry(tx, block, moment) for block in at_that_time)
            if not any(_holds(block, moment) for block in at_that_time):
                document = _nearest(tx, space_id, spot, before)
                (outside if document["what"] == "outside" else nearest).append(document)
        document = {"address": format_address(spot.family, spot.value), "time": to_rfc3339(moment)}
        if spot.port is not None:
            document["port"] = spot.port
        # Spaces that have nothing to do with the address are told only where no other has.
        return {**document, "block": found, "nearest": nearest or ([] if found else outside)}


# --- Who had it -----------------------------------------------------------------------------------


Holder = BlockRow | PastBlock


def _holders(
    tx: Transaction, space_id: int, spot: Spot, moment: Micros
) -> tuple[list[Holder], PastBlock | None]:
    """The blocks that held the address at a moment, in the order of their prefixes; and the block that held
    it last before. A freed block that may still have been on a device is among the first."""
    live: list[Holder] = [
        block for block in holders.live_holders(tx, space_id, spot) if block.allocated_at <= moment
    ]
    past = holders.past_holders_at(tx, space_id, spot, moment)
    there = [block for block in past if _holds(block, moment) or _lingers(tx, block, moment)]
    before = max((block for block in past if block not in there), key=lambda b: b.freed_at, default=None)
    return sorted([*live, *there], key=lambda block: (block.prefix.first_key, block.id)), before


def _holds(block: Holder, moment: Micros) -> bool:
    return isinstance(block, BlockRow) or moment < block.freed_at


def _lingers(tx: Transaction, block: PastBlock, moment: Micros) -> bool:
    """True where a block that was free again may still have been on a device: it came back with an old
    configuration, or was given up by force."""
    stays = history.stays_at(tx, block.id, moment)
    return any(stay.seen_at(moment) is not Seen.ABSENT for stay in stays)


def _entry(tx: Transaction, block: Holder, moment: Micros) -> Document:
    """A block as it was at a moment."""
    document: Document = {
        "id": block_id(block.id),
        **prefix_document(block.prefix, block.psid_offset),
        "address-space": block.space,
        "pool": block.pool,
        "device-pool": block.device_pool,
    }
    event = events.state_event_at(tx, block.id, moment)
    if event is not None:
        document["state"] = event.target or State.FREE.value
        document["since"] = to_rfc3339(event.at)
        after = events.next_state_event(tx, event)
        if after is not None:
            document["until"] = to_rfc3339(after.at)
        document["by"] = event_document(event)
    first = events.first_event(tx, block.id)
    if first is not None:
        document["allocated"] = event_document(first)
    if isinstance(block, PastBlock):
        document["freed"] = to_rfc3339(block.freed_at)
    document["member"] = _members(tx, block, history.stays_at(tx, block.id, moment), moment)
    return document


def _history(tx: Transaction, number: int, moment: Micros) -> Document:
    """A block as it is, all its stays on devices and its latest events."""
    block: Holder | None = blocks.find_block(tx, number) or past_blocks.past_block(tx, number)
    if block is None:
        raise NotFound(f"there is no block {block_id(number)}", "list them with 'casm block list'")
    listed = events.list_events(tx, subject_kind="block", subject_id=number, limit=EVENTS)
    return {
        **_entry(tx, block, moment),
        "member": _members(tx, block, history.list_stays(tx, number), moment),
        "event": [event_document(event) for event in listed],
    }


def _members(tx: Transaction, block: Holder, stays: Sequence[Stay], moment: Micros) -> list[Document]:
    """Each member of the owner with its stays; one that it never was on has none and is absent."""
    if isinstance(block, PastBlock):
        members = list(block.devices)
    else:
        members = [(row.device, row.role) for row in block_members.list_members(tx, [block.id])[block.id]]
    seen = {stay.device for stay in stays}
    found = [_stay_document(stay, moment) for stay in stays]
    found += (
        {"device": device, "role": role, "presence": Seen.ABSENT.value}
        for device, role in members
        if device not in seen
    )
    return found


def _stay_document(stay: Stay, moment: Micros) -> Document:
    document: Document = {
        "device": stay.device,
        "role": stay.role,
        "presence": stay.seen_at(moment).value,
        "possibly-from": to_rfc3339(stay.maybe_from),
    }
    edges = (
        ("certainly-from", stay.sure_from),
        ("certainly-until", stay.certain_until),
        ("possibly-until", stay.maybe_until),
    )
    document |= {name: to_rfc3339(edge) for name, edge in edges if edge is not None}
    if stay.ended is not None:
        document["ended"] = stay.ended
    return document


# --- What is nearest ------------------------------------------------------------------------------


def _nearest(tx: Transaction, space_id: int, spot: Spot, before: PastBlock | None) -> Document:
    """What an address that nobody held is in the pools as they are now, and who had it last."""
    place = holders.place_of(tx, space_id, spot)
    live = holders.live_holders(tx, space_id, spot)
    document: Document = {
        "address-space": _space_name(tx, space_id, before),
        "what": "allocated-later" if live else place.what,
        "words": _words(place, live, spot),
    }
    if place.pool is not None:
        document["pool"] = place.pool.name
    if before is not None:
        document["previous"] = {
            "id": block_id(before.id),
            **prefix_document(before.prefix, before.psid_offset),
            "device-pool": before.device_pool,
            "allocated": to_rfc3339(before.allocated_at),
            "freed": to_rfc3339(before.freed_at),
        }
    return document


def _space_name(tx: Transaction, space_id: int, before: PastBlock | None) -> str:
    named = {row.id: row.name for row in spaces.list_spaces(tx)}
    return named.get(space_id) or (before.space if before is not None else f"space {space_id}, removed")


def _words(place: Place, live: Sequence[BlockRow], spot: Spot) -> str:
    if live:
        block = live[0]
        return f"it is in {block.label} of {block.device_pool} since {to_rfc3339(block.allocated_at)}"
    if place.pool is None:
        beside = ", ".join(f"{prefix} of pool '{name}'" for name, prefix in place.nearest)
        return f"it is in no pool; the nearest are {beside}" if beside else "it is in no pool"
    pool = f"pool '{place.pool.name}'"
    if place.what == "free":
        where = f"it is free in {pool}"
        if place.pool.psid_offset is not None and spot.port is not None:
            where = f"no port set of {pool} that holds this port is in a block"
        return where
    kinds = {"exclusion": "excluded from", "reservation": "reserved in", "held": "held in"}
    reason = f": {place.reason}" if place.reason else ""
    return f"it is {kinds.get(place.what, place.what)} {pool}{reason}"
