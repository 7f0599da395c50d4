"""Where space could be won in a pool: whose blocks would go to whom when it is empty, and which would have to go so
that a longer run of it is free. Both are plans: they change nothing.

What a device can is taken from what its driver can at the most: whether it drains, an apply finds out.
"""

from __future__ import annotations

from collections.abc import Sequence

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.control.deciding import defragment, scarcity
from casm_ctrl.control.deciding.defragment import Piece
from casm_ctrl.control.deciding.view import NONE, PoolView
from casm_ctrl.control.loop.viewing import Way, view_of
from casm_ctrl.drivers.registry import load_driver
from casm_ctrl.service.pool_facts import DeviceFacts, PoolFacts
from casm_ctrl.service.pool_pieces import PoolPieces, pool_pieces
from casm_ctrl.service.verb import Document
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.states import State, Wanted

RESTING = (State.WITHDRAWING, State.QUARANTINED)
"""What is on its way back to the stock already."""


# --- Who gives what -------------------------------------------------------------------------------


def plan_scarcity(database: Database, pool: str) -> Document:
    """Who of the device pools that draw from `pool` is short, and who would give what. NotFound."""
    found = pool_pieces(database, pool)
    views = [_view(facts, drawing, found) for facts, drawing in found.drawing]
    stock = scarcity.finest_stock(views).get(pool)
    document: Document = {"pool": pool, "move": [], "from-stock": [], "unmet": [], "share": [], "kept": []}
    if stock is None:
        return document
    plan = scarcity.share_out(views, stock)
    return document | {
        "move": [
            {
                "block": block_id(move.block),
                "prefix": move.prefix,
                "from": move.donor,
                "to": move.taker,
                "subscribers": str(move.subscribers),
                "refused": str(move.refused),
                "rule": move.rule,
                "because": move.because,
            }
            for move in plan.moves
        ],
        "from-stock": [{"device-pool": label, "blocks": count} for label, count in plan.from_stock],
        "unmet": [{"device-pool": label, "subscribers": str(count)} for label, count in plan.unmet],
        "share": [
            {
                "device-pool": share.label,
                "priority": share.priority,
                "wants": str(share.demand),
                "serves": str(share.before),
                "would-serve": str(share.after),
            }
            for share in plan.shares
        ],
        "kept": [{"device-pool": label, "reason": why} for label, why in plan.kept],
    }


def _view(facts: DeviceFacts, drawing: PoolFacts, found: PoolPieces) -> PoolView:
    kind = drawing.samples[-1].kind if drawing.samples else NONE
    way = Way(kind, _can_drain(facts.device.driver), facts.device.polling.interval)
    return view_of(facts, drawing, way)


def _can_drain(driver: str) -> bool:
    known = load_driver(driver)
    return known.abilities({need.name: need.revision for need in (*known.needs, *known.optional)}).drain


# --- What would have to go ------------------------------------------------------------------------


def plan_clearing(database: Database, pool: str, length: int) -> Document:
    """Which blocks would have to be drained so that a prefix of `length` is free in `pool`, at the least cost.

    InvalidValue where no prefix of the pool is that long; `clearing` is left out where nothing can be cleared.
    """
    found = pool_pieces(database, pool)
    if not any(prefix.length <= length <= prefix.family.width for prefix in found.prefixes):
        longest = min(prefix.length for prefix in found.prefixes) if found.prefixes else 0
        raise InvalidValue(
            f"no prefix of '{pool}' holds a /{length}: its largest is a /{longest}",
            f"give {longest} to {found.pool.family.width}",
        )
    pieces = _pieces(found)
    cleared = defragment.clear(found.prefixes, pieces, length)
    document: Document = {"pool": pool, "length": length}
    if cleared is None:
        return document | {
            "kept": [
                {"prefix": str(place), "reason": why}
                for place, why in defragment.what_stays(found.prefixes, pieces, length)[: defragment.SHOWN]
            ]
        }
    by_id = {block.id: block for block in found.blocks}
    return document | {
        "clearing": {
            "prefix": str(cleared.place),
            "subscribers": str(cleared.subscribers),
            "routes": cleared.routes,
            "because": cleared.because,
            "drain": [_piece_document(piece, by_id) for piece in cleared.drains],
            "other": [
                {"prefix": str(place), "subscribers": str(count), "blocks": number, "routes": routes}
                for place, count, number, routes in cleared.others
            ],
        }
    }


def _piece_document(piece: Piece, by_id: dict[int, BlockRow]) -> Document:
    assert piece.number is not None
    block = by_id[piece.number]
    return {
        "block": block_id(piece.number),
        "prefix": str(piece.prefix),
        "device-pool": piece.label,
        "subscribers": str(piece.subscribers or 0),
        "state": block.state.value,
        "wanted": block.wanted.value,
    }


def to_release(plan: Document) -> Sequence[str]:
    """The blocks of either plan that a person would release: those that are not on their way back already."""
    if "clearing" in plan:
        return [
            piece["block"]
            for piece in plan["clearing"]["drain"]
            if piece["state"] not in {state.value for state in RESTING}
            and piece["wanted"] != Wanted.ABSENT.value
        ]
    return [move["block"] for move in plan.get("move", ())]


def _pieces(found: PoolPieces) -> list[Piece]:
    counted = {block.row.id: block.row.used for _, drawing in found.drawing for block in drawing.blocks}
    pieces = [Piece(carve.prefix, stays=carve.reason or carve.kind) for carve in found.carves]
    for block in found.blocks:
        used = counted.get(block.id, block.used)
        resting = block.state in RESTING
        never_sent = block.state is State.RESERVED and not block.sent
        pieces.append(
            Piece(
                block.prefix,
                block.id,
                block.device_pool,
                0 if resting or never_sent else used,
                "" if resting or never_sent else _why_it_stays(found, block),
            )
        )
    return pieces


def _why_it_stays(found: PoolPieces, block: BlockRow) -> str:
    if block.id in found.unmanaged:
        return "it was adopted, and nobody manages it yet"
    driver = found.drivers.get(block.device_pool)
    if driver is not None and not _can_drain(driver):
        return "its device cannot drain a block"
    return ""
