"""Blocks as XML: what `casm block show` says of one, written of ten thousand in some fifty milliseconds.

A block is a row of texts, one for each node of the model in schema order, "" where there is none. They are put
together as they are, or chosen from. What the service says of a thing is asked of the service, once for all blocks of
which it says the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from casm_ctrl.addressing.prefix import Prefix, format_key
from casm_ctrl.base.clock import Micros, to_rfc3339
from casm_ctrl.northbound.state.text import leaf_text, local, node_text
from casm_ctrl.service.documents import (
    adoption_document,
    kind_document,
    prefix_document,
    used_document,
)
from casm_ctrl.service.routes import EXTERNAL, ON_DEVICE, judge, route_document
from casm_ctrl.service.verb import Document
from casm_ctrl.store import block_listing, devices, pools
from casm_ctrl.store.block_listing import Chosen
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.routes import RouteRow
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Row, Transaction
from casm_ctrl.yang.schema import SchemaNode

Slots = tuple[str, ...]

_KIND = ("psid-offset", "psid", "psid-length", "delegated-prefixes", "port-range")
_USED = ("used-addresses", "used-time")
_ADOPTION = ("managed", "adopted-object", "static")


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


class _Leaves(dict[str, str]):
    """One leaf's values as text."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __missing__(self, value: str) -> str:
        text = self[value] = leaf_text(self._name, value) if value else ""
        return text


class BlockTexts:
    """The texts of some blocks of a device pool. `whole`: nobody chooses from them, so that texts which always stand
    together may be one."""

    def __init__(
        self,
        tx: Transaction,
        names: Names,
        node: SchemaNode,
        row: DevicePoolRow,
        chosen: Chosen,
        *,
        whole: bool,
    ) -> None:
        self._names = names
        self._announcement = row.announcement
        self._whole = whole
        self._children = {local(tag): child for tag, child in node.children.items()}
        self._reasons = _Leaves("reason")
        self._kinds: dict[tuple[int, int], Slots] = {}
        self._port_kinds: dict[tuple[int, int, int], Slots] = {}
        self._heads: dict[tuple[int, str, str], Slots] = {}
        self._members: dict[tuple[int, str, str], str] = {}
        self._routes: dict[str, Slots] = {}
        self._middles: dict[tuple[int, int, str, str], str] = {}
        """What stands between prefix and time."""
        self._adopted = self._adoptions(tx, chosen)
        proven = row.announcement in (EXTERNAL, ON_DEVICE)
        self._proofs = block_listing.routes_of(tx, chosen) if proven else None

    def of(self, rows: Sequence[Row]) -> Iterator[Slots]:
        """Of the rows of block_listing.list_rows."""
        kinds, heads, routes = self._kinds, self._heads, self._routes
        when, reasons, adopted = to_rfc3339, self._reasons, self._adopted
        unused, unadopted = self._used(None, None), self._slots({}, *_ADOPTION)
        after, end = 0, len(rows)
        while after < end:
            at = after
            row = rows[at]
            number, pool_id, _, family, first, length, wanted, state, changed, rest, expires = row[:11]
            used, used_at, reason, device = row[11:15]
            after += 1
            while after < end and rows[after][0] == number:
                after += 1
            kind = kinds.get((pool_id, length))
            since = when(changed)
            yield (
                f"<id>b{number}</id>",
                *(
                    self._place(pool_id, family, first, length)
                    if kind is None
                    else (f"<prefix>{format_key(family, first, length)}</prefix>", *kind)
                ),
                *(heads.get((pool_id, wanted, state)) or self._head(pool_id, wanted, state)),
                f"<since>{since}</since>",
                "" if rest is None else f"<quarantined-until>{when(rest)}</quarantined-until>",
                "" if expires is None else f"<expires>{when(expires)}</expires>",
                reasons[reason] if reason else "",
                ""
                if device is None
                else self._member(row, changed, since)
                if after == at + 1
                else self._member_list(rows[at:after]),
                *(unused if used is None else self._used(used, used_at)),
                *(adopted.get(number, unadopted) if adopted else unadopted),
                *(
                    (routes.get(state) or self._route(state))
                    if self._proofs is None
                    else self._proof(number, state, rows[at:after])
                ),
            )

    def written(self, rows: Sequence[Row]) -> Iterator[str]:
        """As `of`, each block as one text, where `whole`. Most differ from the one before in number, prefix and time
        alone: what stands between them is looked up."""
        middles, members, routes = self._middles, self._members, self._routes
        when, adopted, proven = to_rfc3339, self._adopted, self._proofs is not None
        at, end = 0, len(rows)
        while at < end:
            number, pool_id, _, family, first, length, wanted, state, changed, rest, expires = rows[at][:11]
            used, _, reason, device, role, seen, since, counted, _ = rows[at][11:]
            begin = at
            at += 1
            while at < end and rows[at][0] == number:
                at += 1
            key = (pool_id, length, wanted, state)
            middle = middles.get(key)
            head = members.get((device, role, seen))
            if (
                middle is None
                or head is None
                or at > begin + 1
                or not (rest is expires is used is counted is None)
                or reason
                or proven
                or number in adopted
            ):
                yield f"<block>{''.join(next(self.of(rows[begin:at])))}</block>"
                if (pool_id, length) in self._kinds:
                    middles[key] = "".join(
                        (*self._kinds[pool_id, length], *self._head(pool_id, wanted, state))
                    )
                continue
            time = when(changed)
            yield (
                f"<block><id>b{number}</id><prefix>{format_key(family, first, length)}</prefix>{middle}"
                f"<since>{time}</since><member>{head}<since>{time if since == changed else when(since)}</since>"
                f"</member>{(routes.get(state) or self._route(state))[0]}</block>"
            )

    # --- Where it is ------------------------------------------------------------------------------

    def _place(self, pool_id: int, family: int, first: bytes, length: int) -> Slots:
        """Prefix, psid-offset, psid, psid-length, delegated-prefixes, port-range."""
        pool = self._names.pool(pool_id)
        prefix = Prefix.read(family, first, length)
        if prefix.psid is None:
            # All of a pool that have one length are alike.
            document = kind_document(pool, prefix)
            self._kinds[pool_id, length] = self._slots(document, *_KIND)
            return (leaf_text("prefix", str(prefix)), *self._kinds[pool_id, length])
        known = self._port_kinds.get((pool_id, *prefix.psid))
        if known is None:
            document = prefix_document(prefix, pool.psid_offset) | kind_document(pool, prefix)
            known = self._port_kinds[pool_id, *prefix.psid] = self._slots(document, *_KIND)
        return (leaf_text("prefix", str(prefix_document(prefix)["prefix"])), *known)

    def _head(self, pool_id: int, wanted: str, state: str) -> Slots:
        """Pool, wanted, state."""
        document = {"pool": self._names.pool(pool_id).name, "wanted": wanted, "state": state}
        known = self._heads[pool_id, wanted, state] = self._slots(document, *document)
        return known

    # --- Members, and what they count -------------------------------------------------------------

    def _member_list(self, rows: Sequence[Row]) -> str:
        return "".join(map(self._member, sorted(rows, key=lambda row: self._names.device(row[14]))))

    def _member(self, row: Row, moment: int = 0, written: str = "") -> str:
        """One member. `written` is the text of `moment`: what happens to a block is often seen in that instant."""
        device, role, seen, since, used, used_at = row[14:]
        head = self._members.get((device, role, seen))
        if head is None:
            told = (("device", self._names.device(device)), ("role", role), ("seen", seen))
            head = self._members[device, role, seen] = "".join(leaf_text(name, value) for name, value in told)
        when = written if since == moment and written else to_rfc3339(since)
        counted = "" if used is None else "".join(self._used(used, used_at))
        return f"<member>{head}<since>{when}</since>{counted}</member>"

    def _used(self, used: str | None, at: int | None) -> Slots:
        """Used-addresses, used-time."""
        return self._slots(
            used_document(None if used is None else int(used), None if at is None else Micros(at)), *_USED
        )

    # --- Adoption and routes ----------------------------------------------------------------------

    def _adoptions(self, tx: Transaction, chosen: Chosen) -> Mapping[int, Slots]:
        """Managed, adopted-object, static: of the few blocks that have any."""
        pieces = block_listing.pieces_of(tx, chosen)
        statics = block_listing.statics_of(tx, chosen)
        found = {}
        for number in {*pieces, *statics}:
            document = adoption_document(pieces.get(number, ()), statics.get(number, ()))
            if number in pieces:
                document["managed"] = False
            found[number] = self._slots(document, *_ADOPTION)
        return found

    def _route(self, state: str) -> Slots:
        """Serving, route: where no route needs a proof, they follow from the block's state."""
        known = self._routes[state] = self._told_route(state, (), frozenset())
        return known

    def _proof(self, number: int, state: str, rows: Sequence[Row]) -> Slots:
        assert self._proofs is not None
        serving = frozenset(row[14] for row in rows if row[15] == "serves")
        return self._told_route(state, self._proofs.get(number, ()), serving)

    def _told_route(self, state: str, rows: Sequence[RouteRow], serving: frozenset[int]) -> Slots:
        document = route_document(State(state), judge(self._announcement, rows, serving))
        return self._slots(document, "serving", "route")

    def _slots(self, document: Document, *names: str) -> Slots:
        """The nodes of these names, each with all of its instances."""
        texts = tuple(
            node_text(name, self._children[name], document[name]) if name in document else ""
            for name in names
        )
        return ("".join(texts),) if self._whole else texts
