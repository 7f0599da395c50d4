"""Paths to data nodes as rules and people write them (node-instance-identifier, RFC 8341, section 4).

An instance-identifier (RFC 7950, 9.13) whose key predicates may be left out; `$USER` may stand where a value does.
`/` is everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lxml import etree

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.trees import text_of
from casm_ctrl.yang.schema import Schema, SchemaNode

_NAME = r"(?:(?P<{0}prefix>[A-Za-z_][\w.-]*):)?(?P<{0}name>[A-Za-z_][\w.-]*)"
_STEP = re.compile(r"/\s*" + _NAME.format("") + r"\s*")
_TEST = re.compile(
    r"\[\s*(?:(?P<self>\.)|" + _NAME.format("key_") + r")\s*=\s*"
    r"(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<user>\$USER))\s*\]\s*"
)


@dataclass(frozen=True)
class Predicate:
    """What one predicate asks for. `tag` is a child leaf, or None for the value of the node itself (leaf-lists);
    `value` None is the name of the user."""

    tag: str | None
    value: str | None

    def holds(self, element: Element, user: str) -> bool:
        wanted = user if self.value is None else self.value
        if self.tag is None:
            return text_of(element) == wanted
        return any(text_of(leaf) == wanted for leaf in element.iterchildren(self.tag))


@dataclass(frozen=True)
class Step:
    """One node of a path, by tag, and what its predicates ask for."""

    tag: str
    tests: tuple[Predicate, ...] = ()

    def holds(self, element: Element, user: str) -> bool:
        """Whether `element`, which has the tag, is meant."""
        return all(test.holds(element, user) for test in self.tests)


Path = tuple[Step, ...]


def read_path(text: str, namespaces: Mapping[str, str]) -> Path:
    """The steps of a path. `namespaces` says what prefixes mean; a node without one is of its parent's namespace.

    InvalidValue where it is no such path; positions ([1]) name nothing that a rule could be about.
    """
    wrong = InvalidValue(f"'{text}' is not a path to data", "write /MODULE:NODE/NODE[KEY='VALUE']/NODE, or /")
    trimmed = text.strip()
    if trimmed == "/":
        return ()
    steps: list[Step] = []
    position, inherited = 0, ""
    while match := _STEP.match(trimmed, position):
        if match["prefix"]:
            inherited = _namespace(match["prefix"], namespaces)
        elif not inherited:
            raise wrong
        position = match.end()
        tests: list[Predicate] = []
        while test := _TEST.match(trimmed, position):
            tests.append(_read_test(test, inherited, namespaces))
            position = test.end()
        steps.append(Step(f"{{{inherited}}}{match['name']}", tuple(tests)))
    if position != len(trimmed) or not steps:
        raise wrong
    return tuple(steps)


def _read_test(match: re.Match[str], inherited: str, namespaces: Mapping[str, str]) -> Predicate:
    tag = None
    if not match["self"]:
        prefix = match["key_prefix"]
        tag = f"{{{_namespace(prefix, namespaces) if prefix else inherited}}}{match['key_name']}"
    if match["user"]:
        return Predicate(tag, None)
    return Predicate(tag, match["single"] if match["single"] is not None else match["double"])


def _namespace(prefix: str, namespaces: Mapping[str, str]) -> str:
    try:
        return namespaces[prefix]
    except KeyError:
        raise InvalidValue(
            f"the prefix '{prefix}' of a path means nothing here", "use the name of a YANG module"
        ) from None


def elements_of(path: Path, user: str = "") -> list[Element]:
    """Elements that stand for the nodes of a path, outermost first, with the keys that it gives."""
    made: list[Element] = []
    for step in path:
        element = etree.Element(step.tag) if not made else etree.SubElement(made[-1], step.tag)
        for test in step.tests:
            value = user if test.value is None else test.value
            if test.tag is None:
                element.text = value
            else:
                etree.SubElement(element, test.tag).text = value
        made.append(element)
    return made


def find_node(path: Path, schema: Schema) -> SchemaNode | None:
    """The node of the schema that a path leads to; None where there is none (and for `/`)."""
    nodes: Mapping[str, SchemaNode] = schema.roots
    found: SchemaNode | None = None
    for step in path:
        found = nodes.get(step.tag)
        if found is None:
            return None
        nodes = found.children
    return found


def with_prefix(text: str, tops: Iterable[str], modules: Mapping[str, str]) -> str:
    """`text` with the module in front of its first node, where one without is the only top-level node so named.

    `tops` are the tags of the top-level nodes, `modules` the names of modules by namespace.
    """
    match = _STEP.match(text)
    if match is None or match["prefix"]:
        return text
    named = [tag[1:].partition("}")[0] for tag in tops if tag.endswith("}" + match["name"])]
    return f"/{modules[named[0]]}:{text[match.start('name') :]}" if len(named) == 1 else text
