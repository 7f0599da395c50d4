"""The running configuration: what the store holds, as a tree of our YANG.

Rendered anew only when the store's config_revision moved; after a change of our own only the pieces that it
touched. While a confirmed commit is pending, running is what that makes of the store's configuration
(RFC 6241, 8.4), although the store does not have it yet.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from casm_ctrl.netconf.datastores.configuration import Configuration, Name, listed, pieces_of
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.with_defaults import trim
from casm_ctrl.northbound.configuration.rendering import entry_element
from casm_ctrl.service.exchange.documents import TOP
from casm_ctrl.service.exchange.nouns import DEVICE, DEVICE_POOL, Entry, Noun
from casm_ctrl.service.exchange.stored import device_pool_entry, find_stored, stored_entries
from casm_ctrl.store import config_documents, devices, pending_commits, spaces
from casm_ctrl.store.database import Database
from casm_ctrl.store.transaction import Transaction
from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.modules import find_module
from casm_ctrl.yang.schema import Schema, SchemaNode


@dataclass(frozen=True)
class Shown:
    """What is known of one revision."""

    revision: int
    stored: Configuration
    """What the store's tables hold."""
    shown: Configuration
    """With what is pending."""
    pending: bool
    """Whether a confirmed commit is."""


@dataclass(frozen=True, eq=False)
class _Part:
    """One top-level node by itself. Elements are compared by identity."""

    revision: int
    pieces: Mapping[Name, Element]
    tree: Element


class Running:
    """Safe between threads: what it gives is never changed."""

    def __init__(self, database: Database, schema: Schema, engine: Engine) -> None:
        self.schema = schema
        self.engine = engine
        self._database = database
        self._nouns = _nouns(schema)
        self._shown: Shown | None = None
        self._parts: dict[str, _Part] = {}
        """What `tree_of` gave last, by tag."""
        self._lock = threading.Lock()

    def tree(self) -> tuple[int, Element]:
        """The configuration's revision, and a `<config>` with all of it. Not to be changed."""
        with self._database.read() as tx:
            return self.tree_in(tx)

    def tree_in(self, tx: Transaction) -> tuple[int, Element]:
        """As `tree`, in the same snapshot as other reads."""
        revision, configuration = self.configuration_in(tx)
        return revision, configuration.tree

    def tree_of(self, root: str) -> tuple[int, Element]:
        """As `tree`, of the top-level node with that tag alone: for who looks at each operation. The same element as
        long as nothing in it changes."""
        with self._database.read() as tx:
            found = self._at(tx)
        known = self._parts.get(root)
        if known is None or known.revision != found.revision:
            pieces = {name: piece for name, piece in found.shown.pieces.items() if name.root == root}
            if known is not None and list(known.pieces.values()) == list(pieces.values()):
                known = _Part(found.revision, known.pieces, known.tree)
            else:
                known = _Part(found.revision, pieces, found.shown.part(pieces))
            self._parts[root] = known
        return found.revision, known.tree

    def configuration_in(self, tx: Transaction) -> tuple[int, Configuration]:
        """As `tree_in`, in pieces."""
        found = self._at(tx)
        return found.revision, found.shown

    def look_in(self, tx: Transaction) -> Shown:
        """As `configuration_in`, with what the store's tables hold, whatever is pending."""
        return self._at(tx)

    def renew(self, tx: Transaction, revision: int, base: Configuration, names: Iterable[Name]) -> None:
        """The tables of `base` at `revision`, where others wrote nothing since: render the pieces of `names` anew."""
        if spaces.get_store(tx).config_revision == revision:
            stored = base.with_pieces({name: self._piece(tx, name) for name in names})
            self._keep(self._overlaid(tx, revision, stored))

    def _at(self, tx: Transaction) -> Shown:
        revision = spaces.get_store(tx).config_revision
        shown = self._shown
        if shown is not None and shown.revision == revision:
            return shown
        stored = Configuration(self.schema, dict(self._render(tx)))
        if shown is not None:
            stored = stored.sharing(shown.stored)
        return self._keep(self._overlaid(tx, revision, stored))

    def _overlaid(self, tx: Transaction, revision: int, stored: Configuration) -> Shown:
        """A row that has ended counts until somebody takes it away: that makes another revision."""
        pending = pending_commits.find_pending(tx)
        if pending is None:
            return Shown(revision, stored, stored, pending=False)
        shown = stored.edited(etree.fromstring(pending.edit), "none")
        return Shown(revision, stored, shown, pending=True)

    def _keep(self, shown: Shown) -> Shown:
        """The newest is kept: a reader with an older snapshot may come last."""
        with self._lock:
            if self._shown is None or self._shown.revision <= shown.revision:
                self._shown = shown
        return shown

    # --- Rendering --------------------------------------------------------------------------------

    def _render(self, tx: Transaction) -> Iterator[tuple[Name, Element]]:
        pools: dict[str, list[Entry]] = {}
        for entry in stored_entries(tx, DEVICE_POOL):
            pools.setdefault(entry.key.partition("/")[0], []).append(entry)
        for root, (noun, node) in self._nouns.items():
            for entry in stored_entries(tx, noun):
                yield Name(root, (entry.key,)), _element(entry, node, pools.get(entry.key, ()))
        yield from self._documents(tx).items()

    def _documents(self, tx: Transaction) -> dict[Name, Element]:
        """The configuration of other modules, as far as this server has them."""
        found: dict[Name, Element] = {}
        for xml in config_documents.list_documents(tx).values():
            config = etree.fromstring(f"<config>{xml}</config>")
            for top in config.iterchildren("*"):
                node = self.schema.roots.get(str(top.tag))
                if node is not None:
                    found.update(pieces_of(trim(top, node), self.schema))
        return found

    def _piece(self, tx: Transaction, name: Name) -> Element | None:
        if name.root not in self._nouns:
            return self._documents(tx).get(name)
        noun, node = self._nouns[name.root]
        entry = find_stored(tx, Entry(noun, name.key[0], {}))
        if entry is None:
            return None
        pools: list[Entry] = []
        if noun is DEVICE:
            device = devices.find_device(tx, entry.key)
            assert device is not None
            pools = [device_pool_entry(tx, row) for row in devices.list_device_pools(tx, device.id)]
        return _element(entry, node, pools)


def _element(entry: Entry, node: SchemaNode, pools: Iterable[Entry]) -> Element:
    element = entry_element(entry, node)
    if entry.noun is DEVICE:
        inner = next(child for child in node.children.values() if child.tag.endswith(f"}}{DEVICE_POOL.name}"))
        element.extend(entry_element(pool, inner, pool.key.partition("/")[2]) for pool in pools)
    return element


def _nouns(schema: Schema) -> dict[str, tuple[Noun, SchemaNode]]:
    """The nouns of the store and their lists, by the tags of the containers at the top."""
    found: dict[str, tuple[Noun, SchemaNode]] = {}
    for container, noun in TOP.items():
        module, _, name = container.partition(":")
        tag = f"{{{find_module(module).namespace}}}{name}"
        entries = listed(schema.roots[tag])
        assert entries is not None
        found[tag] = (noun, entries)
    return found
