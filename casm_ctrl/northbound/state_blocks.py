"""The blocks of a device pool as XML: what `casm block show` says of one, said of ten thousand in some fifty
milliseconds. A block is a row of texts, one for each node of the model, which are put together as they are or chosen
from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from casm_ctrl.addressing.prefix import Family, Prefix, format_key, parse_prefix
from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.base.identifiers import parse_block_id
from casm_ctrl.netconf.selection import Selection
from casm_ctrl.northbound.state_text import leaf_text, leaf_value, local, node_text
from casm_ctrl.service.documents import adoption_document, kind_document, prefix_document
from casm_ctrl.service.routes import EXTERNAL, ON_DEVICE, judge, route_document
from casm_ctrl.service.verb import Document
from casm_ctrl.store import block_listing, devices, pools
from casm_ctrl.store.block_listing import Chosen
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Row, Transaction
from casm_ctrl.yang.schema import Kind, SchemaNode

Slots = tuple[str, ...]
"""A block's nodes, each as text: by their place in the schema; "" where there is none."""

_ADOPTION = ("managed", "adopted-object", "static")
_UNADOPTED = ("",) * len(_ADOPTION)


class Names:
    """What blocks refer to by number, looked up once in a read."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._pools: dict[int, PoolRow] = {}
        self._devices: dict[int, str] = {}

    def pool(self, number: int) -> PoolRow:
        row = self._pools.get(number)
        if row is None:
            row = self._pools[number] = pools.get_pool(self._tx, number)
        return row

    def device(self, number: int) -> str:
        name = self._devices.get(number)
        if name is None:
            name = self._devices[number] = devices.get_device(self._tx, number).name
        return name


class Blocks:
    """The blocks of one device pool, within one read. `exact` turns False where more was written than selected."""

    def __init__(self, tx: Transaction, names: Names, node: SchemaNode, row: DevicePoolRow) -> None:
        self.exact = True
        self._tx = tx
        self._names = names
        self._node = node
        self._row = row
        self._heads: dict[tuple[int, str, str], Slots] = {}
        self._kinds: dict[tuple[int, int, int], Slots] = {}
        self._routes: dict[str, Slots] = {}
        self._members: dict[tuple[int, str, str], str] = {}

    def text(self, selection: Selection) -> str:
        """What is selected of them. `selection` is what is asked for inside the device pool."""
        chosen = self._choose(selection)
        if chosen is None:
            return ""
        inside = selection.below(self._node.tag)
        reasons, members = (
            inside.names(tag) or selection.decides(self._node.tag, tag)
            for tag in (self._tag("reason"), self._tag("member"))
        )
        # Routes are judged by who serves, and counts are summed up already.
        members = members or self._row.announcement == ON_DEVICE
        rows = block_listing.list_rows(self._tx, chosen, reasons=reasons, members=members)
        found = self._slots(rows, chosen)
        if inside.everything and not selection.decides(self._node.tag):
            self._note(selection.below(self._node.tag, _unknown))
            return "".join([f"<block>{''.join(slots)}</block>" for slots in found])
        return "".join(self._cut(selection, slots) for slots in found)

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

    def _cut(self, selection: Selection, slots: Slots) -> str:
        """What is selected of one block; its id comes along."""

        def holds(leaf: str, value: str) -> bool | None:
            return any(
                child.kind is Kind.LEAF and slot and leaf_value(slot).strip() == value
                for child, slot in zip(self._node.children.values(), slots, strict=True)
                if leaf in (child.tag, f"{{*}}{local(child.tag)}")
            )

        inside = selection.below(self._node.tag, holds)
        if inside.everything:
            self._note(inside)
            return f"<block>{''.join(slots)}</block>"
        pieces = []
        for child, slot in zip(self._node.children.values(), slots, strict=True):
            if not slot or not inside.names(child.tag):
                continue
            if child.kind is Kind.LEAF:
                part = inside.below(child.tag, value=leaf_value(slot).strip())
                if not part.everything:
                    continue
            else:
                part = inside.below(child.tag)
                if part.nothing:
                    continue
                self.exact = self.exact and part.everything
            self._note(part)
            pieces.append(slot)
        if not pieces:
            return ""
        key = slots[0]
        return f"<block>{'' if pieces[0] is key else key}{''.join(pieces)}</block>"

    def _note(self, part: Selection) -> None:
        self.exact = self.exact and part.exact

    def _tag(self, name: str) -> str:
        return f"{self._node.tag.rpartition('}')[0]}}}{name}"

    # --- Writing ----------------------------------------------------------------------------------

    def _slots(self, rows: Sequence[Row], chosen: Chosen) -> Iterator[Slots]:
        adopted = self._adoptions(chosen)
        proofs = self._proofs(chosen)
        place, head, when = self._place, self._heads, to_rfc3339
        at, end = 0, len(rows)
        while at < end:
            row = rows[at]
            number, pool_id, _, family, first, length, wanted, state = row[:8]
            changed, rest, expires, used, used_at, reason, device = row[8:15]
            after = at + 1
            while after < end and rows[after][0] == number:
                after += 1
            yield (
                f"<id>b{number}</id>",
                *place(pool_id, family, first, length),
                *(head.get((pool_id, wanted, state)) or self._head(pool_id, wanted, state)),
                f"<since>{when(changed)}</since>",
                "" if rest is None else f"<quarantined-until>{when(rest)}</quarantined-until>",
                "" if expires is None else f"<expires>{when(expires)}</expires>",
                leaf_text("reason", reason) if reason else "",
                "" if device is None else self._member_list(rows[at:after]),
                *_used(used, used_at),
                *adopted.get(number, _UNADOPTED),
                *(self._route(state) if proofs is None else proofs.of(number, state, rows[at:after])),
            )
            at = after

    def _place(self, pool_id: int, family: int, first: bytes, length: int) -> Slots:
        """Where it is: prefix, psid-offset, psid, psid-length, delegated-prefixes, port-range."""
        if family == 4 and length > Family.IPV4.width:
            prefix, pool = Prefix.read(family, first, length), self._names.pool(pool_id)
            document = prefix_document(prefix, pool.psid_offset)
            leaves = self._leaves(document, "prefix", "psid-offset", "psid", "psid-length")
            return (*leaves, *self._kind(pool, prefix))
        kind = self._kinds.get((pool_id, length, 0))
        if kind is None:
            kind = self._kind(self._names.pool(pool_id), Prefix.read(family, first, length))
        return (f"<prefix>{format_key(family, first, length)}</prefix>", "", "", "", *kind)

    def _kind(self, pool: PoolRow, prefix: Prefix) -> Slots:
        psid, _ = prefix.psid or (-1, 0)
        known = self._kinds.get((pool.id, prefix.length, psid + 1))
        if known is None:
            known = self._leaves(kind_document(pool, prefix), "delegated-prefixes", "port-range")
            self._kinds[pool.id, prefix.length, psid + 1] = known
        return known

    def _head(self, pool_id: int, wanted: str, state: str) -> Slots:
        """Pool, wanted, state."""
        document = {"pool": self._names.pool(pool_id).name, "wanted": wanted, "state": state}
        known = self._heads[pool_id, wanted, state] = self._leaves(document, *document)
        return known

    def _member_list(self, rows: Sequence[Row]) -> str:
        if len(rows) == 1:
            return self._member(rows[0])
        return "".join(map(self._member, sorted(rows, key=lambda row: self._names.device(row[14]))))

    def _member(self, row: Row) -> str:
        device, role, seen, since, used, used_at = row[14:]
        head = self._members.get((device, role, seen))
        if head is None:
            head = "".join(
                leaf_text(name, value)
                for name, value in (("device", self._names.device(device)), ("role", role), ("seen", seen))
            )
            self._members[device, role, seen] = head
        return f"<member>{head}<since>{to_rfc3339(since)}</since>{''.join(_used(used, used_at))}</member>"

    def _adoptions(self, chosen: Chosen) -> Mapping[int, Slots]:
        """Managed, adopted-object, static: of the few blocks that have any."""
        pieces = block_listing.pieces_of(self._tx, chosen)
        statics = block_listing.statics_of(self._tx, chosen)
        found = {}
        for number in {*pieces, *statics}:
            document = adoption_document(pieces.get(number, ()), statics.get(number, ()))
            if number in pieces:
                document["managed"] = False
            found[number] = self._leaves(document, *_ADOPTION)
        return found

    def _route(self, state: str) -> Slots:
        """Serving and route, where no route needs a proof: they follow from the block's state."""
        known = self._routes.get(state)
        if known is None:
            route = judge(self._row.announcement, (), frozenset())
            known = self._routes[state] = self._leaves(
                route_document(State(state), route), "serving", "route"
            )
        return known

    def _proofs(self, chosen: Chosen) -> _Proofs | None:
        if self._row.announcement not in (EXTERNAL, ON_DEVICE):
            return None
        return _Proofs(self, self._tx, chosen)

    @cached_property
    def _children(self) -> Mapping[str, SchemaNode]:
        return {local(tag): child for tag, child in self._node.children.items()}

    def _leaves(self, document: Document, *names: str) -> Slots:
        """The nodes of these names, each with all of its instances."""
        return tuple(
            node_text(name, self._children[name], document[name]) if name in document else ""
            for name in names
        )


class _Proofs:
    """What is known of the routes to blocks that need one."""

    def __init__(self, blocks: Blocks, tx: Transaction, chosen: Chosen) -> None:
        self._blocks = blocks
        self._rows = block_listing.routes_of(tx, chosen)

    def of(self, number: int, state: str, rows: Sequence[Row]) -> Slots:
        """Serving and route of a block with these members."""
        serving = frozenset(row[14] for row in rows if row[15] == "serves")
        route = judge(self._blocks._row.announcement, self._rows.get(number, ()), serving)
        return self._blocks._leaves(route_document(State(state), route), "serving", "route")


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


def _used(used: str | None, at: int | None) -> Slots:
    if used is None or at is None:
        return ("", "")
    return (f"<used-addresses>{used}</used-addresses>", f"<used-time>{to_rfc3339(at)}</used-time>")


def _unknown(leaf: str, value: str) -> bool | None:
    return None
