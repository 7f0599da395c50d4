"""The routes that a plan makes necessary: which are to be announced, by whom, and which to be withdrawn."""

from __future__ import annotations

from casm_ctrl.service.desired import Desired
from casm_ctrl.service.documents import prefix_document
from casm_ctrl.service.verb import Document
from casm_ctrl.store.states import State, Wanted


def routes_of(wanted: Desired) -> list[Document]:
    """One for each block of the device pools whose routes somebody announces."""
    found = []
    for pool in wanted.pools:
        row = pool.row
        if row.announcement == "none":
            continue
        more = {
            "next-hop": row.next_hop,
            "network-instance": pool.network_instance,
            "route-tag": row.route_tag,
        }
        for block in pool.blocks:
            if block.state is State.QUARANTINED:
                continue
            route = wanted.routes.get(block.id)
            found.append(
                {
                    "action": "withdraw" if block.wanted is Wanted.ABSENT else "announce",
                    "block": block.name,
                    **prefix_document(block.prefix, block.psid_offset),
                    "announcement": row.announcement,
                    "proof": "not-needed" if route is None else route.proof.value,
                    **{name: value for name, value in more.items() if value is not None},
                }
            )
    return found
