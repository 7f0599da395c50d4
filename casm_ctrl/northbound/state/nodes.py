"""The state nodes of each kind of entry: what the service tells of it, read where it is selected and only there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from casm_ctrl.base.automation import effective, read_automation
from casm_ctrl.netconf.retrieval.selection import Selection
from casm_ctrl.northbound.state.block_texts import Names
from casm_ctrl.northbound.state.blocks import Blocks, asked_ids
from casm_ctrl.northbound.state.entries import Cutter, Piece, States
from casm_ctrl.northbound.state.text import local
from casm_ctrl.service.documents import automation_document
from casm_ctrl.service.quotas import used_addresses
from casm_ctrl.service.sizes import size_document
from casm_ctrl.service.usage import pool_usage, space_usage, usage_document
from casm_ctrl.service.verb import Document
from casm_ctrl.service.views import findings_of, sync_of
from casm_ctrl.store import block_listing, devices, pools, quotas, spaces
from casm_ctrl.store.block_listing import Chosen, Place
from casm_ctrl.store.transaction import Row, Transaction
from casm_ctrl.yang.schema import SchemaNode

SIZES = ("blocks", "capacity-addresses", "routes")


class Nodes:
    """Within one read of the store."""

    def __init__(self, tx: Transaction, cutter: Cutter) -> None:
        self._tx = tx
        self._cutter = cutter
        self._names = Names(tx)
        self._places: dict[tuple[frozenset[str] | None, ...], frozenset[Place]] = {}
        self._kinds: Mapping[str, Callable[[Piece, str], States]] = {
            "address-space": self._of_space,
            "pool": self._of_pool,
            "device": self._of_device,
            "quota": self._of_quota,
        }

    def of(self, piece: Piece) -> States:
        """What writes the nodes of an entry of a list at the top that are not copied from its configuration. An entry
        that the store does not have (yet) has no state."""
        kind = self._kinds.get(local(piece.node.tag))
        return {} if kind is None else kind(piece, _key(piece))

    # --- The lists at the top ---------------------------------------------------------------------

    def _of_space(self, piece: Piece, name: str) -> States:
        def usage() -> Any:
            space = spaces.find_space(self._tx, name)
            return None if space is None else space_usage(self._tx, pools.list_pools(self._tx, space.id))

        return self._told(piece, {"usage": usage})

    def _of_pool(self, piece: Piece, name: str) -> States:
        row = cache(lambda: pools.find_pool(self._tx, name))

        def children() -> Any:
            pool = row()
            return None if pool is None else pools.child_names(self._tx, pool.id)

        def usage() -> Any:
            pool = row()
            return None if pool is None else usage_document(pool_usage(self._tx, pool))

        return self._told(piece, {"child-pool": children, "usage": usage})

    def _of_quota(self, piece: Piece, name: str) -> States:
        def used() -> Any:
            row = quotas.find_quota(self._tx, name)
            return None if row is None else used_addresses(row, quotas.used(self._tx, row))

        return self._told(piece, {"used-addresses": used})

    def _of_device(self, piece: Piece, name: str) -> States:
        def sync() -> Any:
            row = devices.find_device(self._tx, name)
            return None if row is None else sync_of(self._tx, row)

        def findings() -> Any:
            row = devices.find_device(self._tx, name)
            return None if row is None else findings_of(self._tx, row)

        listed = _child(piece.node, "device-pool")
        return {
            **self._told(piece, {"sync": sync, "finding": findings}),
            listed.tag: lambda inside: self._device_pools(piece, listed, name, inside),
        }

    # --- Device pools -----------------------------------------------------------------------------

    def _device_pools(self, piece: Piece, node: SchemaNode, device: str, inside: Selection) -> str:
        entries = piece.inner(node)
        role = _text(piece, "role") or ""
        chosen: Iterable[Piece] = entries.values()
        names = inside.values(node.tag, node.keys[0])
        if names is None:
            places = self.places(inside, node)
            names = None if places is None else frozenset(name for where, name in places if where == device)
        if names is not None:
            chosen = [entries[name,] for name in sorted(names) if (name,) in entries]
        return "".join(
            self._cutter.entry(entry, inside, partial(self._of_device_pool, entry, device, role))
            for entry in chosen
        )

    def _of_device_pool(self, piece: Piece, device: str, role: str) -> States:
        if self._cutter.content == "config":
            return {}
        row = cache(lambda: devices.find_device_pool(self._tx, device, _key(piece)))
        block = _child(piece.node, "block")

        @cache
        def rows() -> Sequence[Row]:
            """All of its blocks: read once where they are both counted and shown."""
            pool = row()
            return () if pool is None else block_listing.list_rows(self._tx, Chosen(pool.id))

        @cache
        def sizes(whole: bool) -> Document:
            pool = row()
            if pool is None:
                return {}
            spans = block_listing.spans_of(rows()) if whole else block_listing.list_spans(self._tx, pool.id)
            return size_document(pool, spans)

        def size(name: str, inside: Selection) -> str:
            told = sizes(inside.everything).get(name)
            return self._cutter.document(_child(piece.node, name), told, inside)

        def blocks(inside: Selection) -> str:
            pool = row()
            if pool is None:
                return ""
            found = Blocks(self._tx, self._names, block, pool)
            text = found.text(inside, rows() if inside.everything else None)
            self._cutter.exact = self._cutter.exact and found.exact
            return text

        return {
            **self._told(piece, {"policy": partial(_policy, piece, role)}),
            **{_child(piece.node, name).tag: partial(size, name) for name in SIZES},
            block.tag: blocks,
        }

    # --- Where blocks are -------------------------------------------------------------------------

    def places(self, inside: Selection, node: SchemaNode) -> frozenset[Place] | None:
        """The device pools that may have what is asked for, where that is blocks alone, named by id, prefix or
        pool; None where it may be any. `inside` is what is asked for in devices, `node` the list of device pools."""
        asked = inside.below(node.tag)
        block = _child(node, "block")
        if not asked.only(block.tag):
            return None
        ids = asked.values(block.tag, _child(block, "id").tag)
        prefixes = asked.values(block.tag, _child(block, "prefix").tag)
        names = asked.values(block.tag, _child(block, "pool").tag)
        if ids is None and prefixes is None and names is None:
            return None
        known = self._places.get((ids, prefixes, names))
        if known is None:
            numbers = asked_ids(self._tx, asked, block)
            if numbers is not None:
                known = frozenset(block_listing.places_of(self._tx, numbers))
            else:
                found = [pools.find_pool(self._tx, name) for name in names or ()]
                known = frozenset().union(
                    *(block_listing.places_in(self._tx, pool.id) for pool in found if pool is not None)
                )
            self._places[ids, prefixes, names] = known
        return known

    def _told(self, piece: Piece, documents: Mapping[str, Callable[[], Any]]) -> States:
        """Writers of nodes that the service tells as documents; each is asked when its node is."""
        if self._cutter.content == "config":
            return {}

        def writer(node: SchemaNode, ask: Callable[[], Any]) -> Callable[[Selection], str]:
            return lambda inside: self._cutter.document(node, ask(), inside)

        return {
            node.tag: writer(node, ask)
            for name, ask in documents.items()
            for node in (_child(piece.node, name),)
        }


def _key(piece: Piece) -> str:
    """The value of an entry's one key."""
    return next(piece.element.iterchildren(piece.node.keys[0])).text or ""


def _text(piece: Piece, name: str) -> str | None:
    """The value of a leaf of an entry; None where it has none."""
    leaf = next(piece.element.iterchildren(_child(piece.node, name).tag), None)
    return None if leaf is None else leaf.text


def _policy(piece: Piece, role: str) -> Document:
    """What holds of a device pool's automation, by its configuration and the role of its device."""
    container = next(piece.element.iterchildren(_child(piece.node, "automation").tag), ())
    said = {local(str(leaf.tag)): leaf.text or "" for leaf in container}
    high = _text(piece, "usage-high")
    given = read_automation(said)
    return automation_document(effective(given, role, None if high is None else int(high)))


def _child(node: SchemaNode, name: str) -> SchemaNode:
    return node.children[f"{node.tag.rpartition('}')[0]}}}{name}"]
