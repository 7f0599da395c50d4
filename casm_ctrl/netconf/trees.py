"""Configuration trees: what one means, where two differ, and where a node stands in one.

A datastore's content is an element of any name around top-level data nodes. Namespaces count as lxml's
Clark notation writes them; the prefixes inside values (identityref, instance-identifier) are text here.

Without a Schema (a device whose modules are not known to us) siblings of one name are a multiset: their
order does not count, everything else does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from typing import NamedTuple, cast

from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

NO_NODES: Mapping[str, SchemaNode] = {}
"""The children of a node that no Schema knows."""


Name = tuple[tuple[str, str], ...]
"""What names a node among its siblings: (tag of a key, or '.' for the node itself; value)."""


_PREFIX = re.compile(r"([A-Za-z_][\w.-]*):")


class Node(NamedTuple):
    """A data node in canonical form: equal where the configuration is equal."""

    tag: str
    attributes: tuple[tuple[str, str], ...]
    text: str
    children: tuple[tuple[str, tuple[Node, ...]], ...]
    """Sorted by tag; the nodes of one tag sorted too, or in document order where the user orders them."""


# --- Reading --------------------------------------------------------------------------------------


def text_of(leaf: Element) -> str:
    """The leaf's value: its text without comments and processing instructions."""
    if len(leaf) == 0:
        return leaf.text or ""
    return (leaf.text or "") + "".join(child.tail or "" for child in leaf)


def key_of(entry: Element, keys: Sequence[str]) -> tuple[str, ...] | None:
    """The values of a list entry's keys, in the order of `keys`; None where one is missing."""
    values = []
    for position, tag in enumerate(keys):
        # Entries begin with their keys (RFC 7950, 7.8.5), so the first look is nearly always right.
        leaf: Element | None = entry[position] if position < len(entry) else None
        if leaf is None or leaf.tag != tag:
            leaf = next(entry.iterchildren(tag), None)
            if leaf is None:
                return None
        values.append(text_of(leaf))
    return tuple(values)


def index_entries(parent: Element, node: SchemaNode) -> dict[tuple[str, ...], Element]:
    """The entries of one list or leaf-list under `parent`, by their keys or value; of equals, the first."""
    index: dict[tuple[str, ...], Element] = {}
    for entry in parent.iterchildren(node.tag):
        key = (text_of(entry),) if node.kind is Kind.LEAF_LIST else key_of(entry, node.keys)
        if key is not None:
            index.setdefault(key, entry)
    return index


def hollow(element: Element) -> Element:
    """A new element with the name, attributes and prefixes of `element`, and nothing in it."""
    shell = etree.Element(element.tag, nsmap=cast("Mapping[str, str]", element.nsmap))
    for name, value in element.items():
        shell.set(name, value)
    return shell


def is_implicit(node: SchemaNode) -> bool:
    """True for a non-presence container: it means nothing by itself (RFC 7950, 7.5.1)."""
    return node.kind is Kind.CONTAINER and not node.presence


def says_something(element: Element, node: SchemaNode) -> bool:
    """False for a non-presence container that holds nothing but such containers."""
    if not is_implicit(node):
        return True
    for child in element.iterchildren("*"):
        child_node = node.children.get(str(child.tag))
        if child_node is None or says_something(child, child_node):
            return True
    return False


def schema_namespaces(schema: Schema) -> dict[str, None]:
    """The namespaces of the schema's nodes, in schema order."""
    found: dict[str, None] = {}
    waiting = [schema.roots]
    for nodes in waiting:
        for tag, node in nodes.items():
            found[tag[1:].partition("}")[0]] = None
            waiting.append(node.children)
    return found


# --- Writing --------------------------------------------------------------------------------------


def add_child(parent: Element, source: Element, prefixes: Prefixes | None = None) -> Element:
    """A new last child of `parent` named like `source`, without attributes and content.

    Where its namespace is not the parent's, it is declared with the prefix of `prefixes`, or without one. The
    prefixes that the source's text may stand on (an identityref) are declared too; lxml forgets those
    when the element moves to where their namespace has another prefix.
    """
    declared: dict[str | None, str] = {}
    tag, text = str(source.tag), source.text
    namespace = tag[1:].partition("}")[0]
    if text and ":" in text:
        scope = source.nsmap
        declared = {prefix: scope[prefix] for prefix in _PREFIX.findall(text) if prefix in scope}
    if not str(parent.tag).startswith(f"{{{namespace}}}"):
        declared[prefixes.prefix(namespace) if prefixes else None] = namespace
    if not declared:
        return etree.SubElement(parent, tag)
    return etree.SubElement(parent, tag, nsmap=cast("Mapping[str, str]", declared))


# --- Paths ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InstancePath:
    """An XPath to one node, as error-path carries it (RFC 6241, 4.3), and what its prefixes mean."""

    text: str
    namespaces: Mapping[str, str]


class Prefixes:
    """Prefixes for namespaces, taken from the namespaces themselves: `ietf-nat` for …:yang:ietf-nat.

    A peer chooses its prefixes anew in each message; a path that people compare must not vary with them.
    """

    def __init__(self) -> None:
        self._by_namespace: dict[str, str] = {}

    def qualify(self, tag: str) -> str:
        """A tag in Clark notation as prefix:name."""
        if not tag.startswith("{"):
            return tag
        namespace, _, name = tag[1:].partition("}")
        return f"{self.prefix(namespace)}:{name}"

    def bind(self, prefix: str, namespace: str) -> None:
        """Take this prefix for a namespace that has none yet."""
        self._by_namespace[namespace] = prefix

    def prefix(self, namespace: str) -> str:
        """The prefix of a namespace, from now on."""
        prefix = self._by_namespace.get(namespace)
        if prefix is None:
            words = re.findall(r"[A-Za-z_][A-Za-z0-9_.-]*", namespace)
            prefix = words[-1] if words else "ns"
            if prefix.lower().startswith("xml"):
                prefix = f"_{prefix}"  # such names are XML's own
            while prefix in self._by_namespace.values():
                prefix += "_"
            self._by_namespace[namespace] = prefix
        return prefix

    @property
    def namespaces(self) -> dict[str, str]:
        """Prefix → namespace, for all that was qualified so far."""
        return {prefix: namespace for namespace, prefix in self._by_namespace.items()}


def quote(text: str) -> str:
    """`text` as an XPath 1.0 expression."""
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    return "concat(" + ', "\'", '.join(f"'{part}'" for part in text.split("'")) + ")"


def instance_path(element: Element, root: Element, schema: Schema) -> InstancePath:
    """Where `element` stands below `root` (which is not named). List entries are named by their keys."""
    way = takewhile(lambda step: step is not root, chain((element,), element.iterancestors()))
    prefixes = Prefixes()
    nodes, text = schema.roots, ""
    for step in reversed(list(way)):
        tag = str(step.tag)
        node = nodes.get(tag)
        text += _step(prefixes, tag, _element_predicates(step, node))
        nodes = node.children if node else NO_NODES
    return InstancePath(text, prefixes.namespaces)


def _element_predicates(element: Element, node: SchemaNode | None) -> Iterator[tuple[str, str]]:
    if node is not None and node.kind is Kind.LEAF_LIST:
        yield ".", text_of(element)
    elif node is not None and node.kind is Kind.LIST:
        for tag in node.keys:
            leaf = next(element.iterchildren(tag), None)
            if leaf is not None:
                yield tag, text_of(leaf)


def _step(prefixes: Prefixes, tag: str, predicates: Iterable[tuple[str, str]]) -> str:
    tests = "".join(f"[{prefixes.qualify(name)}={quote(value)}]" for name, value in predicates)
    return f"/{prefixes.qualify(tag)}{tests}"


# --- Canonical form -------------------------------------------------------------------------------


def canonical(tree: Element, schema: Schema | None = None) -> Node:
    """What the configuration in `tree` means; the element around it, its name and attributes, does not count.

    White space between elements, prefixes, comments, processing instructions, the order of what the system
    orders and empty non-presence containers do not count either. Without a Schema an empty element counts,
    and text of white space alone is taken for formatting.
    """
    return Node("", (), "", _groups(tree, schema.roots if schema else NO_NODES))


def same_configuration(a: Element, b: Element, schema: Schema | None = None) -> bool:
    """True where two trees mean the same configuration."""
    if a is b or etree.tostring(a, with_tail=False) == etree.tostring(b, with_tail=False):
        return True
    return canonical(a, schema) == canonical(b, schema)


def _groups(element: Element, nodes: Mapping[str, SchemaNode]) -> tuple[tuple[str, tuple[Node, ...]], ...]:
    groups: dict[str, list[Node]] = {}
    for child in element.iterchildren("*"):
        tag = str(child.tag)
        canonical_child = _canonical_node(child, tag, nodes.get(tag))
        if canonical_child is not None:
            groups.setdefault(tag, []).append(canonical_child)
    for tag, members in groups.items():
        node = nodes.get(tag)
        if len(members) > 1 and not (node and node.user_ordered):
            members.sort()
    return tuple(sorted((tag, tuple(members)) for tag, members in groups.items()))


def _canonical_node(element: Element, tag: str, node: SchemaNode | None) -> Node | None:
    """The element in canonical form; None where it says nothing (RFC 7950, 7.5.1)."""
    attributes = tuple(sorted((str(name), str(value)) for name, value in element.items()))
    children = _groups(element, node.children if node else NO_NODES) if len(element) else ()
    text = ""
    if not children:
        text = text_of(element)
        if (node is None or node.kind in (Kind.CONTAINER, Kind.LIST)) and not text.strip():
            text = ""
    bare = not (children or attributes or text)
    if bare and node is not None and is_implicit(node):
        return None
    return Node(tag, attributes, text, children)


# --- Differences in words -------------------------------------------------------------------------


def describe_difference(
    before: Element, after: Element, limit: int = 10, schema: Schema | None = None
) -> list[str]:
    """What became of `before` in `after`, one line a node with its path; empty where they mean the same.

    At most `limit` lines; where there are more differences, one line more says how many.
    """
    prefixes = Prefixes()
    nodes = schema.roots if schema else NO_NODES
    lines: list[str] = []
    more = 0
    for line in _differences(canonical(before, schema), canonical(after, schema), nodes, prefixes, ""):
        if len(lines) < limit:
            lines.append(line)
        else:
            more += 1
    if more:
        lines.append(f"and {more} more")
    return lines


def _differences(
    a: Node, b: Node, nodes: Mapping[str, SchemaNode], prefixes: Prefixes, path: str
) -> Iterator[str]:
    if a == b:
        return
    if a.text != b.text:
        yield f"{path} became {quote(b.text)}, it was {quote(a.text)}"
    if a.attributes != b.attributes:
        yield f"the attributes of {path} became {_show(b.attributes)}, they were {_show(a.attributes)}"
    ours, theirs = dict(a.children), dict(b.children)
    for tag in sorted(ours.keys() | theirs.keys()):
        node = nodes.get(tag)
        old, new = ours.get(tag, ()), theirs.get(tag, ())
        if old != new:
            yield from _group_differences(tag, old, new, node, prefixes, path)


def _group_differences(
    tag: str,
    old: Sequence[Node],
    new: Sequence[Node],
    node: SchemaNode | None,
    prefixes: Prefixes,
    path: str,
) -> Iterator[str]:
    naming = _naming(old, new, node)

    def place(member: Node) -> str:
        return path + _step(prefixes, tag, naming(member))

    # Members of one name (entries of a list without keys) are told apart by content alone.
    olds, news = _by_name(old, naming), _by_name(new, naming)
    nodes = node.children if node else NO_NODES
    for name, members in olds.items():
        others = news.get(name, [])
        if len(members) == len(others) == 1:
            yield from _differences(members[0], others[0], nodes, prefixes, place(members[0]))
        else:
            yield from (
                f"{place(gone)} was removed" for gone in (Counter(members) - Counter(others)).elements()
            )
            yield from (
                f"{place(made)} was added" for made in (Counter(others) - Counter(members)).elements()
            )
    for name, members in news.items():
        if name not in olds:
            yield from (f"{place(made)} was added" for made in members)
    if node and node.user_ordered:
        kept = [name for name in olds if name in news]
        if kept != [name for name in news if name in olds]:
            yield f"the order of {path}{_step(prefixes, tag, ())} changed"


def _by_name(members: Iterable[Node], naming: Callable[[Node], Name]) -> dict[Name, list[Node]]:
    named: dict[Name, list[Node]] = {}
    for member in members:
        named.setdefault(naming(member), []).append(member)
    return named


def _naming(old: Sequence[Node], new: Sequence[Node], node: SchemaNode | None) -> Callable[[Node], Name]:
    """What tells the nodes of one tag apart: keys, the value, or without a Schema a leaf that looks like a key."""
    keys: tuple[str, ...] = ()
    by_value = node is not None and node.kind is Kind.LEAF_LIST
    if node is not None:
        keys = node.keys
    elif max(len(old), len(new)) > 1:
        by_value = not any(member.children for member in (*old, *new))
        keys = _likely_key(old, new)

    def name(member: Node) -> Name:
        if by_value:
            return ((".", member.text),)
        leaves = dict(member.children)
        return tuple((key, leaves[key][0].text) for key in keys if key in leaves)

    return name


def _likely_key(old: Sequence[Node], new: Sequence[Node]) -> tuple[str, ...]:
    """A leaf that all siblings have and that differs in each; `name` and `id` are looked at first."""
    sides = [[dict(member.children) for member in side] for side in (old, new)]
    common = set.intersection(*(set(leaves) for side in sides for leaves in side))
    for tag in sorted(common, key=lambda tag: (etree.QName(tag).localname not in ("name", "id"), tag)):
        if all(len({leaves[tag][0].text for leaves in side}) == len(side) for side in sides):
            return (tag,)
    return ()


def _show(attributes: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{etree.QName(name).localname}={quote(value)}" for name, value in attributes) or "none"
