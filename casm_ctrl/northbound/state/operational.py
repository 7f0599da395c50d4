"""Operational data of the store: running configuration and state together, as far as a Selection asks for it.

One read is one snapshot. It costs what is selected: entries are found by name, blocks by id, prefix or pool; and
nothing is read for a node that is not selected.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Protocol

from lxml import etree

from casm_ctrl.netconf.datastores.configuration import Configuration, Name, listed
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.selection import Selection
from casm_ctrl.northbound.state.entries import Content, Cutter, Piece
from casm_ctrl.northbound.state.nodes import Nodes
from casm_ctrl.northbound.state.text import local
from casm_ctrl.service.exchange.documents import TOP
from casm_ctrl.store.database import Database
from casm_ctrl.store.transaction import Transaction
from casm_ctrl.yang.modules import find_module
from casm_ctrl.yang.schema import Schema, SchemaNode


class Configured(Protocol):
    """Where the running configuration comes from."""

    def configuration_in(self, tx: Transaction) -> tuple[int, Configuration]: ...


class State:
    """Safe between threads. Texts of configuration are kept as long as it stays."""

    def __init__(self, database: Database, running: Configured, schema: Schema) -> None:
        self._database = database
        self._running = running
        self._schema = schema
        self._ours = dict(_our_lists(schema))
        self._pieces = _Pieces()

    def read(self, selection: Selection, content: Content = "all") -> list[Element | bytes]:
        """The top-level nodes with what is selected below them, in schema order; those without anything are left out.

        Bytes are what is selected to the letter, of the `content` that is asked for; keys of lists come along. An
        Element may hold more, and all content: the filter that the selection was made of is still to be applied.
        """
        with self._database.read() as tx:
            revision, configuration = self._running.configuration_in(tx)
            pieces = self._pieces.of(revision, configuration)
            return [
                node
                for tag in selection.among(self._schema.roots)
                for node in self._root(tx, pieces, tag, selection, content)
            ]

    def _root(
        self, tx: Transaction, pieces: _Shown, tag: str, selection: Selection, content: Content
    ) -> Iterator[Element | bytes]:
        inside = selection.below(tag)
        if inside.nothing:
            return
        entries = self._ours.get(tag)
        if entries is None:
            yield from _others(pieces.configuration, tag, inside, content)
            return
        cutter = Cutter(content if inside.exact else "all")
        cutter.note(inside)
        text = _container(tx, pieces, tag, entries, inside, cutter)
        if text and not cutter.exact and cutter.content != "all":
            cutter = Cutter("all")
            text = _container(tx, pieces, tag, entries, inside, cutter)
            cutter.exact = False
        if text:
            written = text.encode()
            yield written if cutter.exact else etree.fromstring(written, _PARSER)


def _container(
    tx: Transaction, pieces: _Shown, tag: str, entries: SchemaNode, inside: Selection, cutter: Cutter
) -> str:
    """A container at the top with what is selected of its list."""
    nodes = Nodes(tx, cutter)
    names = inside.values(entries.tag, entries.keys[0])
    if names is None and local(entries.tag) == "device":
        names = _devices_of_blocks(nodes, entries, inside.below(entries.tag))
    found = pieces.all(tag, entries) if names is None else pieces.named(tag, entries, sorted(names))
    text = "".join([cutter.entry(piece, inside, partial(nodes.of, piece)) for piece in found])
    return f'<{local(tag)} xmlns="{tag[1:].partition("}")[0]}">{text}</{local(tag)}>' if text else ""


def _devices_of_blocks(nodes: Nodes, node: SchemaNode, inside: Selection) -> frozenset[str] | None:
    """The devices that may have what is asked for, where that is blocks alone; None where it may be any."""
    pools = node.children[f"{node.tag.rpartition('}')[0]}}}device-pool"]
    places = nodes.places(inside, pools) if inside.only(pools.tag) else None
    return None if places is None else frozenset(device for device, _ in places)


def _others(
    configuration: Configuration, tag: str, inside: Selection, content: Content
) -> Iterator[Element | bytes]:
    """Configuration of modules that the store only keeps: they have no state here."""
    found = configuration.part([name for name in configuration.pieces if name.root == tag])
    for node in found.iterchildren("*"):
        if inside.everything and inside.exact:
            if content != "nonconfig":
                yield etree.tostring(node, with_tail=False)
        else:
            yield node


def _our_lists(schema: Schema) -> Iterator[tuple[str, SchemaNode]]:
    """The lists of the containers at the top that the store's nouns fill."""
    for container in TOP:
        module, _, name = container.partition(":")
        tag = f"{{{find_module(module).namespace}}}{name}"
        entries = listed(schema.roots[tag])
        assert entries is not None
        yield tag, entries


class _Shown:
    """The entries of one configuration, with their texts; those that it shares with the last one are taken over."""

    def __init__(self, revision: int, configuration: Configuration, before: Mapping[Name, Piece]) -> None:
        self.revision = revision
        self.configuration = configuration
        self.known = {
            name: piece for name, piece in before.items() if configuration.pieces.get(name) is piece.element
        }

    def all(self, root: str, node: SchemaNode) -> Iterator[Piece]:
        return (self._piece(name, node) for name in self.configuration.pieces if name.root == root)

    def named(self, root: str, node: SchemaNode, keys: list[str]) -> Iterator[Piece]:
        names = (Name(root, (key,)) for key in keys)
        return (self._piece(name, node) for name in names if name in self.configuration.pieces)

    def _piece(self, name: Name, node: SchemaNode) -> Piece:
        piece = self.known.get(name)
        if piece is None:
            piece = self.known[name] = Piece(self.configuration.pieces[name], node)
        return piece


class _Pieces:
    """The newest configuration's; a reader with an older snapshot makes its own."""

    def __init__(self) -> None:
        self._shown: _Shown | None = None
        self._lock = threading.Lock()

    def of(self, revision: int, configuration: Configuration) -> _Shown:
        shown = self._shown
        if shown is not None and shown.configuration is configuration:
            return shown
        made = _Shown(revision, configuration, {} if shown is None else shown.known.copy())
        with self._lock:
            if self._shown is None or self._shown.revision <= revision:
                self._shown = made
        return made


_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
