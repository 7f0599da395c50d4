"""Entries of lists as XML text: configuration as it stands in a tree, and state where the schema has it among it.

What is selected of an entry is written to the letter wherever that can be told from what is known of it; where it
cannot, more is written, and `exact` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.selection import Holds, Selection
from casm_ctrl.netconf.trees import key_of, text_of
from casm_ctrl.northbound.state.text import elements_text, local, node_text
from casm_ctrl.service.verb import Document
from casm_ctrl.yang.schema import Kind, SchemaNode

Content = Literal["all", "config", "nonconfig"]

States = Mapping[str, Callable[[Selection], str]]
"""By tag, what writes a node that is not copied from configuration; it gets what is asked for inside the entry."""


class Piece:
    """An entry of configuration, and its text, which is made once. `apart`: the tags of those of its children that
    are not copied: state, and lists whose entries hold some."""

    def __init__(self, element: Element, node: SchemaNode) -> None:
        self.element = element
        self.node = node
        self.apart = frozenset(tag for tag, child in node.children.items() if _has_state(child))
        self._namespace = node.tag[1:].partition("}")[0]

    @cached_property
    def keys(self) -> str:
        return self.write([leaf for key in self.node.keys for leaf in self.element.iterchildren(key)])

    @cached_property
    def segments(self) -> Sequence[tuple[str, str]]:
        """Its content in schema order: (text, "") of what is copied, ("", tag) where something else stands."""
        segments: list[tuple[str, str]] = []
        copied: list[Element] = []
        for tag in self.node.children:
            if tag in self.apart:
                segments += [(self.write(copied), ""), ("", tag)]
                copied = []
            else:
                copied += self.element.iterchildren(tag)
        return [segment for segment in (*segments, (self.write(copied), "")) if segment != ("", "")]

    @cached_property
    def _inner(self) -> dict[str, dict[tuple[str, ...], Piece]]:
        return {}

    def inner(self, node: SchemaNode) -> Mapping[tuple[str, ...], Piece]:
        """The entries of a list inside it, by their keys."""
        known = self._inner.get(node.tag)
        if known is None:
            known = self._inner[node.tag] = {
                key_of(entry, node.keys) or (): Piece(entry, node)
                for entry in self.element.iterchildren(node.tag)
            }
        return known

    def write(self, elements: Sequence[Element]) -> str:
        return elements_text(elements, self._namespace)


class Cutter:
    """Writes what is selected. `exact` turns False where that may be more than was asked for."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.exact = True

    def note(self, part: Selection) -> None:
        """`part` is about to be written."""
        self.exact = self.exact and part.exact

    def entry(self, piece: Piece, around: Selection, states: Callable[[], States]) -> str:
        """One entry; "" where nothing of it is selected. `around`: what is asked for in its list's parent."""
        inside = around.below(piece.node.tag, holds_of(piece.element, piece.node))
        if inside.nothing:
            return ""
        self.note(inside)
        whole = inside.everything and self.content != "nonconfig"
        content = self._whole(piece, states()) if whole else self._selected(piece, inside, states())
        name = local(piece.node.tag)
        return f"<{name}>{content}</{name}>" if content else ""

    def _whole(self, piece: Piece, states: States) -> str:
        everything = Selection()
        pieces = []
        for text, tag in piece.segments:
            if not tag:
                pieces.append(text)
            elif tag in states:
                pieces.append(states[tag](everything))
        return "".join(pieces)

    def _selected(self, piece: Piece, inside: Selection, states: States) -> str:
        """What is selected inside an entry; its keys come along, and first (RFC 6241, 6.2.5)."""
        pieces = []
        keys = False
        for tag in inside.among(piece.node.children):
            if tag in states:
                pieces.append(states[tag](inside))
            elif tag not in piece.apart and self.content != "nonconfig":
                text = self._copied(piece, piece.node.children[tag], inside)
                if tag in piece.node.keys:
                    keys = keys or bool(text)
                else:
                    pieces.append(text)
        text = "".join(pieces)
        return piece.keys + text if text or keys else ""

    def _copied(self, piece: Piece, node: SchemaNode, around: Selection) -> str:
        """The instances of a node of configuration, as far as they are selected."""
        pieces = []
        for element in piece.element.iterchildren(node.tag):
            part = self._part(element, node, around)
            if part.nothing:
                continue
            self.note(part)
            if part.everything:
                pieces.append(piece.write([element]))
            elif node.kind in (Kind.CONTAINER, Kind.LIST):
                inner = Piece(element, node)
                name, content = local(node.tag), self._selected(inner, part, {})
                pieces.append(f"<{name}>{content}</{name}>" if content else "")
        return "".join(pieces)

    def _part(self, element: Element, node: SchemaNode, around: Selection) -> Selection:
        if node.kind in (Kind.LEAF, Kind.LEAF_LIST):
            return around.below(node.tag, value=text_of(element).strip())
        return around.below(node.tag, holds_of(element, node))

    # --- Documents of the service -----------------------------------------------------------------

    def document(self, node: SchemaNode, value: Any, around: Selection) -> str:
        """What is selected of a node of state, whose `value` (of a list: values) the service tells."""
        if self.content == "config" or value is None:
            return ""
        kept = self._cut(node, value, around)
        return "" if kept is None else node_text(local(node.tag), node, kept)

    def _cut(self, node: SchemaNode, value: Any, around: Selection) -> Any:
        """The part of a document's value that is selected; None where that is nothing."""
        if isinstance(value, list):
            kept = [part for one in value if (part := self._cut(node, one, around)) is not None]
            return kept or None
        if not isinstance(value, dict):
            part = around.below(node.tag, value=_word(value).strip())
            self.note(part)
            return value if part.everything else None
        part = around.below(node.tag, _document_holds(node, value))
        if not part.nothing:
            self.note(part)
        if part.nothing or part.everything:
            return None if part.nothing else value
        found: Document = {}
        for tag, child in node.children.items():
            name = local(tag)
            if name in value and (inner := self._cut(child, value[name], part)) is not None:
                found[name] = inner
        if not found:
            return None
        return {**{local(key): value[local(key)] for key in node.keys}, **found}


def holds_of(element: Element, node: SchemaNode) -> Holds:
    """What the leaves of an element of configuration are; of state nobody knows here."""

    def holds(leaf: str, value: str) -> bool | None:
        known: bool | None = False
        for child in _named(node, leaf):
            if not child.config:
                known = None
            elif child.kind in (Kind.LEAF, Kind.LEAF_LIST) and any(
                text_of(one).strip() == value for one in element.iterchildren(child.tag)
            ):
                return True
        return known

    return holds


def _document_holds(node: SchemaNode, document: Document) -> Holds:
    def holds(leaf: str, value: str) -> bool | None:
        for child in _named(node, leaf):
            told = document.get(local(child.tag))
            texts = told if isinstance(told, list) else [] if told is None else [told]
            if any(not isinstance(text, dict) and _word(text).strip() == value for text in texts):
                return True
        return False

    return holds


def _named(node: SchemaNode, leaf: str) -> Iterator[SchemaNode]:
    """The children that a tag, which may be in any namespace, names."""
    if not leaf.startswith("{*}"):
        child = node.children.get(leaf)
        return iter(() if child is None else (child,))
    return (child for tag, child in node.children.items() if local(tag) == local(leaf))


def _has_state(node: SchemaNode) -> bool:
    return not node.config or any(_has_state(child) for child in node.children.values())


def _word(value: Any) -> str:
    return ("false", "true")[value] if isinstance(value, bool) else str(value)
