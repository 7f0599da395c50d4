"""XPath filters on random data and expressions: held against libxml2 alone, and against what is pushed down."""

from __future__ import annotations

import copy
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.selection import Selection
from casm_ctrl.netconf.trees import canonical
from casm_ctrl.netconf.xpath.filters import TooCostly, compile_filter
from casm_ctrl.netconf.xpath.selection import selection_of
from casm_ctrl.netconf.xpath.tree import XPathError
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

A, B = "urn:a", "urn:b"
PREFIXES: dict[str | None, str] = {"a": A, "b": B}

NAMES = st.sampled_from("pqr")
TEXTS = st.sampled_from(["", "1", "2"])


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> Element:
    """Elements nested at random."""
    element = etree.Element(f"{{{draw(st.sampled_from([A, A, B]))}}}{draw(NAMES)}")
    if draw(st.integers(0, 9)) == 0:
        element.set("kind", draw(st.sampled_from("kl")))
    children = draw(st.lists(trees(depth - 1), max_size=4)) if depth else []
    element.extend(children)
    if not children:
        element.text = draw(TEXTS)
    return element


def names(unprefixed: bool) -> st.SearchStrategy[str]:
    prefixed = st.builds("{}:{}".format, st.sampled_from("aaab"), NAMES)
    return st.one_of(prefixed, st.sampled_from(["*", "a:*"]), *([NAMES] if unprefixed else []))


AXES = (
    *("child", "child", "child", "descendant", "descendant-or-self", "self", "parent", "ancestor"),
    *("ancestor-or-self", "following-sibling", "preceding-sibling", "following", "preceding"),
)


@st.composite
def steps(draw: st.DrawFn, depth: int, unprefixed: bool) -> str:
    kind = draw(st.integers(0, 11))
    if kind < 6:
        step = draw(names(unprefixed))
    elif kind < 9:
        step = f"{draw(st.sampled_from(AXES))}::{draw(st.one_of(names(unprefixed), st.just('node()')))}"
    else:
        return draw(st.sampled_from([".", "..", "node()", "text()", "@kind"]))
    if depth:
        found = draw(st.lists(predicates(depth - 1, unprefixed), max_size=2))
        step += "".join(f"[{predicate}]" for predicate in found)
    return step


@st.composite
def paths(draw: st.DrawFn, depth: int, unprefixed: bool, absolute: bool | None = None) -> str:
    start = draw(st.sampled_from(["/", "//", "" if absolute is None else "/"]))
    found = [draw(steps(depth, unprefixed)) for _ in range(draw(st.integers(1, 3)))]
    path = start + found[0]
    for step in found[1:]:
        path += draw(st.sampled_from(["/", "/", "/", "//"])) + step
    return path


@st.composite
def predicates(draw: st.DrawFn, depth: int, unprefixed: bool) -> str:
    path = paths(depth, unprefixed)
    kind = draw(st.integers(0, 11))
    match kind:
        case 0 | 1 | 2:
            return f"{draw(names(unprefixed))} = '{draw(TEXTS)}'"
        case 3:
            return draw(st.sampled_from(["1", "2", "last()", "position() > 1", "position() = last()"]))
        case 4:
            return draw(path)
        case 5:
            return f"not({draw(path)})"
        case 6:
            return f"count({draw(path)}) > {draw(st.integers(0, 2))}"
        case 7:
            return f"{draw(path)} = {draw(path)}"
        case 8:
            return f"'{draw(TEXTS)}' = {draw(path)}"
        case 9:
            return f"starts-with({draw(path)}, '1') or string({draw(path)}) = '2'"
    one = draw(predicates(depth, unprefixed)) if depth else "a:p = '1'"
    other = f"{draw(names(unprefixed))} = '{draw(TEXTS)}'"
    return f"({one}) {'and' if kind == 10 else 'or'} {other}"


def expressions(unprefixed: bool, absolute: bool | None = None) -> st.SearchStrategy[str]:
    return st.lists(paths(2, unprefixed, absolute), min_size=1, max_size=2).map(" | ".join)


def document(elements: list[Element]) -> Element:
    data = etree.Element("data")
    data.extend(elements)
    return data


def owners(found: Any) -> set[Element]:
    """The elements of what libxml2 gives."""
    nodes = (node if isinstance(node, etree._Element) else node.getparent() for node in found)
    return {node for node in nodes if node is not None}


@given(trees(), expressions(unprefixed=False, absolute=True))
def test_what_is_found_is_what_libxml2_finds(top: Element, text: str) -> None:
    """Where there is one top-level node, a document can be the datastore; so libxml2 alone can be asked."""
    wanted = owners(top.xpath(text, namespaces={"a": A, "b": B}))
    expected = {top.getroottree().getpath(node) for node in wanted}
    data = document([top])
    try:
        found = compile_filter(text, PREFIXES).find(data)
    except TooCostly:
        return
    paths_found = {
        data.getroottree().getpath(node).removeprefix("/data") for node in found if node is not data
    }
    assert {_indexed(path) for path in paths_found} == {_indexed(path) for path in expected}


def _indexed(path: str) -> str:
    """The top-level node is the only one, and so has no index."""
    first, _, rest = path.removeprefix("/").partition("/")
    return f"{first.removesuffix('[1]')}/{rest}"


def value(element: Element) -> str:
    return "".join(cast("list[str]", list(element.itertext())))


def cut(source: Element, asked: Selection) -> Element | None:
    """What of an element is asked for, as somebody who holds it would give it."""
    if asked.nothing:
        return None
    if asked.everything:
        return copy.deepcopy(source)
    made = etree.Element(source.tag, {str(k): str(v) for k, v in source.attrib.items()})
    made.text = source.text
    made.extend(pieces(source, asked))
    return made


def pieces(source: Element, asked: Selection) -> list[Element]:
    found = []
    for child in source:

        def holds(leaf: str, wanted: str, child: Element = child) -> bool:
            return any(value(one).strip() == wanted for one in child.iterchildren(leaf))

        part = cut(child, asked.below(str(child.tag), holds, value(child).strip()))
        if part is not None:
            found.append(part)
    return found


def schema_of(elements: list[Element]) -> dict[str, SchemaNode]:
    """A data model in which there is what there is."""
    below: dict[str, list[Element]] = {}
    for element in elements:
        below.setdefault(str(element.tag), []).extend(element)
    return {
        tag: SchemaNode(tag, Kind.CONTAINER if children else Kind.LEAF, children=schema_of(children))
        for tag, children in below.items()
    }


@given(st.lists(trees(), max_size=4), expressions(unprefixed=True), st.booleans())
def test_what_is_pushed_down_is_enough(content: list[Element], text: str, known: bool) -> None:
    """Filtered, what the selection asks for is what the filter selects of everything."""
    schema = Schema(schema_of(content)) if known else None
    data = document(content)
    wanted = compile_filter(text, PREFIXES)
    given_by_it = document(pieces(data, selection_of(wanted.expression, schema)))
    try:
        expected = document(wanted.select(data))
    except TooCostly:
        return
    assert canonical(document(wanted.select(given_by_it))) == canonical(expected)


WORDS = (
    *(
        "/",
        "//",
        "a:p",
        "p",
        "*",
        "@",
        "::",
        "child",
        "ancestor",
        ".",
        "..",
        "[",
        "]",
        "(",
        ")",
        "|",
        "=",
        "<",
    ),
    *(
        "and",
        "or",
        "div",
        "-",
        "+",
        "1",
        ".5",
        "'x'",
        '"',
        ",",
        "count",
        "node()",
        "text()",
        "last()",
        "$",
        ":",
    ),
    *("not(", "current()", "id(", "é", "a:", " ", "\n", "\x00", "#", "mod", "string(", "position()"),
)
words = st.lists(st.sampled_from(WORDS), max_size=12).map("".join)


@given(st.one_of(words, st.text(max_size=30), st.builds("//p[{}]".format, words)))
def test_whatever_is_asked_is_answered_or_refused(text: str) -> None:
    data = document([etree.fromstring("<p xmlns='urn:a'><q>1</q><p kind='k'>x</p></p>")])
    try:
        wanted = compile_filter(text, PREFIXES)
        selection_of(wanted.expression)
        wanted.select(data)
    except (XPathError, TooCostly):
        pass
