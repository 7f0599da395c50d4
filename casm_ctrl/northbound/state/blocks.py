"""The blocks of a device pool, as far as they are selected."""

from __future__ import annotations

from collections.abc import Sequence

from casm_ctrl.addressing.prefix import parse_prefix
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.base.identifiers import parse_block_id
from casm_ctrl.netconf.retrieval.selection import Selection
from casm_ctrl.northbound.state.block_texts import BlockTexts, Names, Slots
from casm_ctrl.northbound.state.text import leaf_value, local
from casm_ctrl.service.routes import ON_DEVICE
from casm_ctrl.store import block_listing, pools
from casm_ctrl.store.block_listing import Chosen
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.transaction import Row, Transaction
from casm_ctrl.yang.schema import Kind, SchemaNode


class Blocks:
    """The blocks of one device pool, within one read. `exact` turns False where more was written than selected."""

    def __init__(self, tx: Transaction, names: Names, node: SchemaNode, row: DevicePoolRow) -> None:
        self.exact = True
        self._tx = tx
        self._names = names
        self._node = node
        self._row = row
        self._leaf_places = {
            local(tag): place
            for place, (tag, child) in enumerate(node.children.items())
            if child.kind is Kind.LEAF
        }
        self._chosen_places: dict[tuple[int, ...], Sequence[int]] = {}

    def text(self, selection: Selection, rows: Sequence[Row] | None = None) -> str:
        """What is selected of them. `selection` is what is asked for inside the device pool; `rows` are those of all
        of its blocks, where they were read."""
        chosen = self._choose(selection)
        if chosen is None:
            return ""
        tag = self._node.tag
        inside = selection.below(tag)
        if rows is None:
            reasons, members = (
                inside.names(self._tag(name)) or selection.decides(tag, self._tag(name))
                for name in ("reason", "member")
            )
            # Routes are judged by who serves, and counts are summed up already.
            members = members or self._row.announcement == ON_DEVICE
            rows = block_listing.list_rows(self._tx, chosen, reasons=reasons, members=members)
        alike = not selection.decides(tag)
        if alike:
            inside = selection.below(tag, _unknown)
            self._note(inside)
        whole = alike and inside.everything
        texts = BlockTexts(self._tx, self._names, self._node, self._row, chosen, whole=whole)
        if whole:
            return "".join(texts.written(rows))
        found = texts.of(rows)
        if alike:
            return "".join([self._cut(inside, slots) for slots in found])
        places = [
            place for name, place in self._leaf_places.items() if selection.decides(tag, self._tag(name))
        ]
        known: dict[Slots, Selection] = {}
        pieces = []
        for slots in found:
            key = tuple([slots[place] for place in places])
            if key not in known:
                known[key] = self._match(selection, slots)
            pieces.append(self._cut(known[key], slots))
        return "".join(pieces)

    # --- Choosing ---------------------------------------------------------------------------------

    def _choose(self, selection: Selection) -> Chosen | None:
        """The blocks to read; None where there are none to be selected."""
        if not selection.names(self._node.tag):
            return None
        ids = asked_ids(self._tx, selection, self._node)
        if ids is not None:
            return Chosen(self._row.id, ids=ids) if ids else None
        names = selection.values(self._node.tag, self._tag("pool"))
        if names is None:
            return Chosen(self._row.id)
        found = [pools.find_pool(self._tx, name) for name in names]
        return Chosen(self._row.id, pool_ids=frozenset(pool.id for pool in found if pool is not None))

    def _match(self, selection: Selection, slots: Slots) -> Selection:
        """What is asked for inside a block with these leaves."""

        def holds(leaf: str, value: str) -> bool:
            name = local(leaf)
            place = self._leaf_places.get(name)
            if place is None or leaf not in (self._tag(name), f"{{*}}{name}") or not slots[place]:
                return False
            return slots[place] == f"<{name}>{value}</{name}>" or leaf_value(slots[place]).strip() == value

        inside = selection.below(self._node.tag, holds)
        self._note(inside)
        return inside

    def _cut(self, inside: Selection, slots: Slots) -> str:
        """What is selected of one block; its id comes along."""
        if inside.everything:
            return f"<block>{''.join(slots)}</block>"
        key = tuple(map(id, inside.steps or ()))  # the steps are those of the selection, for all blocks
        places = self._chosen_places.get(key)
        if places is None:
            places = self._chosen_places[key] = self._places(inside)
        pieces = [slots[place] for place in places if slots[place]]
        if not pieces:
            return ""
        return f"<block>{'' if pieces[0] is slots[0] else slots[0]}{''.join(pieces)}</block>"

    def _places(self, inside: Selection) -> Sequence[int]:
        """The slots that are selected. Where only a part of one is, more is written than was asked for."""
        places = []
        for place, child in enumerate(self._node.children.values()):
            part = inside.below(child.tag, value=None)
            if part.everything or (child.kind is not Kind.LEAF and not part.nothing):
                self.exact = self.exact and part.everything and part.exact
                places.append(place)
        return places

    def _note(self, part: Selection) -> None:
        self.exact = self.exact and part.exact

    def _tag(self, name: str) -> str:
        return f"{self._node.tag.rpartition('}')[0]}}}{name}"


def asked_ids(tx: Transaction, selection: Selection, node: SchemaNode) -> frozenset[int] | None:
    """The ids of the blocks that are asked for by id or prefix; None where others are too. `selection` is what is
    asked for around them."""
    namespace = node.tag.rpartition("}")[0]
    names = selection.values(node.tag, f"{namespace}}}id")
    if names is not None:
        return frozenset(number for name in names if (number := parse_block_id(name)) is not None)
    texts = selection.values(node.tag, f"{namespace}}}prefix")
    if texts is None:
        return None
    found: set[int] = set()
    for text in texts:
        try:
            prefix = parse_prefix(text)
        except InvalidValue:
            continue  # no block is written so
        found.update(block_listing.ids_at(tx, prefix))
    return frozenset(found)


def _unknown(leaf: str, value: str) -> bool | None:
    return None
