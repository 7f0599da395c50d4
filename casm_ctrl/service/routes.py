"""Routes to blocks: who announces them, whether that is proven, and the word of those who announce by hand.

A block serves when it is on its devices and its route is proven. It comes to rest only when it is gone from
them and its route is gone too: subscribers of another device must not be sent where the old route leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from casm_ctrl.base.clock import Micros, to_rfc3339
from casm_ctrl.base.errors import IllegalTransition, InvalidValue
from casm_ctrl.service.documents import prefix_document
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.release import each_block
from casm_ctrl.service.verb import Document
from casm_ctrl.store import block_members, blocks, devices, routes
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.routes import RouteRow
from casm_ctrl.store.states import Seen, State, Wanted
from casm_ctrl.store.transaction import Transaction

EXTERNAL = "external"
ON_DEVICE = "driver-static-discard"


class Proof(Enum):
    """What is known of the route to a block."""

    NOT_NEEDED = "not-needed"
    """What routes it covers it already, or the device announces what it serves."""
    PRESENT = "present"
    ABSENT = "absent"
    UNPROVEN = "unproven"
    """Nobody has confirmed it, or no read has shown it."""


@dataclass(frozen=True)
class Route:
    """`since`: when it was confirmed or first read so."""

    announcement: str
    proof: Proof
    since: Micros | None = None
    actor: str = ""


def route_of(tx: Transaction, block: BlockRow, pool: DevicePoolRow | None = None) -> Route:
    """The route to a block; of one that several members of a group announce, what all of them have."""
    pool = pool or devices.get_device_pool(tx, block.device_pool_id)
    if pool.announcement not in (EXTERNAL, ON_DEVICE):
        return judge(pool.announcement, (), frozenset())
    members = block_members.list_members(tx, [block.id])[block.id]
    serving = frozenset(member.device_id for member in members if member.role == "serves")
    return judge(pool.announcement, routes.list_routes(tx, block.id), serving)


def judge(announcement: str, rows: Sequence[RouteRow], serving: frozenset[int]) -> Route:
    """What `rows` prove of the route to a block which the devices `serving` have."""
    if announcement not in (EXTERNAL, ON_DEVICE):
        return Route(announcement, Proof.NOT_NEEDED)
    announcers = frozenset([routes.CONFIRMED]) if announcement == EXTERNAL else serving
    rows = [row for row in rows if row.device_id in announcers]
    complete = {row.device_id for row in rows} == announcers
    if not complete or len({row.present for row in rows}) != 1:
        return Route(announcement, Proof.UNPROVEN)
    last = max(rows, key=lambda row: row.since)
    return Route(announcement, Proof.PRESENT if last.present else Proof.ABSENT, last.since, last.actor)


def is_serving(state: State, route: Route) -> bool:
    """Whether subscribers who have a block's addresses can be reached, as far as that is proven."""
    there = state in (State.INSTALLED, State.DRAINING)
    return there and route.proof in (Proof.NOT_NEEDED, Proof.PRESENT)


def lingers(tx: Transaction, block: BlockRow) -> bool:
    """Whether a route to a block may still be announced: it must not rest yet. One that is announced by hand
    may be from the time that the block was on a device, whether or not that was confirmed."""
    route = route_of(tx, block)
    if route.announcement == EXTERNAL:
        return block.sent and route.proof is not Proof.ABSENT
    return any(row.present for row in routes.list_routes(tx, block.id))


def route_document(state: State, route: Route) -> Document:
    """`serving` of a block in a state, and the route to it with who proved it."""
    document: Document = {"announcement": route.announcement, "proof": route.proof.value}
    if route.since is not None:
        document |= {"since": to_rfc3339(route.since), "actor": route.actor}
    return {"serving": is_serving(state, route), "route": document}


def list_routes(database: Database, device: str | None = None) -> list[Document]:
    """The route to each block, of all devices or one: where it should lead, and what is known of it."""
    with database.read() as tx:
        owned = None if device is None else the_device(tx, device).id
        pools = {row.id: row for row in devices.list_device_pools(tx)}
        return [
            _listed(tx, block, pools[block.device_pool_id])
            for block in blocks.list_blocks(tx, device_id=owned)
            if block.state is not State.QUARANTINED
        ]


def _listed(tx: Transaction, block: BlockRow, pool: DevicePoolRow) -> Document:
    optional = {
        "next-hop": pool.next_hop,
        "network-instance": pool.network_instance,
        "route-tag": pool.route_tag,
    }
    return {
        "block": block.name,
        **prefix_document(block.prefix, block.psid_offset),
        "device-pool": pool.label,
        "state": block.state.value,
        **route_document(block.state, route_of(tx, block, pool)),
        **{name: value for name, value in optional.items() if value is not None},
    }


def confirm_routes(
    database: Database,
    author: Author,
    names: Sequence[str],
    *,
    gone: bool = False,
    space: str | None = None,
) -> Document:
    """Take the word of who announces by hand that the routes to these blocks are there, or `gone`.

    InvalidValue where a block's device pool is not announced externally; IllegalTransition where the route of
    a block that is to stay is said to be gone, or of one that rests to be there. A block that is gone from its
    devices rests from the moment its route is gone.
    """

    def one(tx: Transaction, block: BlockRow) -> BlockRow:
        pool = devices.get_device_pool(tx, block.device_pool_id)
        if pool.announcement != EXTERNAL:
            raise InvalidValue(
                f"the route to {block.label} was to be confirmed, and routes of {pool.label} are announced"
                f" '{pool.announcement}'",
                "only routes with announcement external are confirmed by hand",
            )
        _check(block, gone)
        if routes.put_route(tx, block.id, routes.CONFIRMED, author.actor, present=not gone):
            words = author.reason or ("the route is gone" if gone else "the route is announced")
            event = Event(
                "route-confirm", "block", block.id, block.label, block.state.value, block.state.value, words
            )
            record(tx, author, [event])
        if gone and block.state is State.WITHDRAWING and _nowhere(tx, block):
            reason = "proven gone, and its route is gone"
            after = blocks.transition(tx, author, block, State.QUARANTINED, "route-confirm", reason)
            assert after is not None
            return after
        return block

    return each_block(database, author, "route-confirm", names, space, one, {"gone": gone})


def _check(block: BlockRow, gone: bool) -> None:
    if gone and block.wanted is not Wanted.ABSENT:
        raise IllegalTransition(
            f"the route to {block.label} cannot be gone: the block is {block.state.value}, wanted"
            f" {block.wanted.value}",
            f"release it first, with 'casm release {block.name}'; or announce the route again",
        )
    if not gone and block.state is State.QUARANTINED:
        raise IllegalTransition(
            f"the route to {block.label} must not be announced: the block rests",
            "withdraw the route",
        )


def _nowhere(tx: Transaction, block: BlockRow) -> bool:
    members = block_members.list_members(tx, [block.id])[block.id]
    return all(member.seen is Seen.ABSENT for member in members)
