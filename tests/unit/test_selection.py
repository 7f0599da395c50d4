"""What a subtree filter asks for: never less than the filter selects, and no entry that its keys rule out."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.selection import EVERYTHING, NOTHING, Selection, Step
from casm_ctrl.netconf.retrieval.subtree import apply_filter
from casm_ctrl.netconf.trees import canonical, text_of

A, B = "urn:a", "urn:b"


def selection(text: str) -> Selection:
    return Selection.from_subtree(etree.fromstring(f"<filter xmlns:b='{B}'>{text}</filter>"))


def tag(name: str, namespace: str = A) -> str:
    return f"{{{namespace}}}{name}"


def test_no_filter_asks_for_everything_and_an_empty_one_for_nothing() -> None:
    """RFC 6241 6.4.1, 6.4.2"""
    assert Selection.from_subtree(None) is EVERYTHING
    assert selection("").nothing
    assert EVERYTHING.below(tag("x")).below(tag("y")).everything


def test_keys_choose_entries() -> None:
    """RFC 6241 6.2.5"""
    top = selection(
        f"<top xmlns='{A}'><item><name>x</name><size/></item><item><name>y</name></item></top>"
    ).below(tag("top"))
    assert top.exact
    assert top.values(tag("item"), tag("name")) == frozenset("xy")
    assert top.values(tag("item"), tag("size")) is None
    assert top.values(tag("other"), tag("name")) == frozenset()
    x = top.below(tag("item"), lambda leaf, value: (leaf, value) == (tag("name"), "x"))
    assert x.exact
    assert x.below(tag("size")).everything
    assert x.below(tag("colour")) is NOTHING
    assert x.below(tag("name"), value="x").everything
    assert top.below(tag("item"), lambda leaf, value: value == "y") is EVERYTHING
    assert top.below(tag("item"), lambda leaf, value: False) is NOTHING


def test_what_is_not_known_may_be_too_much() -> None:
    top = selection(f"<top xmlns='{A}'><item><name>x</name></item></top>").below(tag("top"))
    assert top.below(tag("item")) == Selection(None, exact=False)
    assert top.below(tag("item"), lambda leaf, value: None) == Selection(None, exact=False)
    assert not selection(f"<top xmlns='{A}' kind='k'><item/></top>").below(tag("top")).exact
    assert selection(f"<top xmlns='{A}'>text</top><other xmlns='{A}'/>") == Selection(None, exact=False)


def test_everything_covers_the_rest() -> None:
    both = selection(f"<top xmlns='{A}'><item><name/></item><item/></top>").below(tag("top"))
    assert both.below(tag("item")) is EVERYTHING
    assert both.values(tag("item"), tag("name")) is None


def test_names_without_a_namespace_and_wildcards() -> None:
    """RFC 6241 6.2.1"""
    top = selection("<top><item><name>x</name></item></top>")
    assert top.below(tag("top", A)).values(tag("item", A), tag("name", A)) == frozenset("x")
    assert top.below(tag("top", B)).values(tag("item", B), tag("name", B)) == frozenset("x")
    assert Selection((Step(f"{{{A}}}*", EVERYTHING),)).below(tag("x")).everything
    assert Selection((Step(f"{{{A}}}*", EVERYTHING),)).below(tag("x", B)).nothing
    assert Selection((Step("{*}*", EVERYTHING),)).below(tag("x", B)).everything
    assert not Selection((Step("{*}*", EVERYTHING),)).only(tag("x"))
    assert top.only(tag("top"))
    assert not top.only(tag("other"))
    assert not EVERYTHING.only(tag("top"))


def test_content_matches_choose_instances_of_a_leaf() -> None:
    inner = selection(f"<top xmlns='{A}'><one>1</one><two/></top>").below(tag("top"), lambda *_: True)
    assert inner.below(tag("one"), value="1").everything
    assert inner.below(tag("one"), value="2").nothing
    assert inner.below(tag("two"), value="2").everything
    assert inner.loosely().below(tag("two"), value="2") == Selection(None, exact=False)


NAMES = st.sampled_from(["p", "q", "r"])
TEXTS = st.sampled_from(["", "1", "2"])
NAMESPACES = st.sampled_from([A, B, ""])


@st.composite
def trees(draw: st.DrawFn, wild: bool = False, depth: int = 3) -> Element:
    """Elements nested at random; `wild`: of a filter."""
    namespace = draw(NAMESPACES if wild else st.sampled_from([A, B]))
    element = etree.Element(f"{{{namespace}}}{draw(NAMES)}" if namespace else draw(NAMES))
    if draw(st.integers(0, 9)) == 0:
        element.set("kind", draw(st.sampled_from("kl")))
    children = draw(st.lists(trees(wild, depth - 1), max_size=3)) if depth else []
    element.extend(children)
    if not children:
        element.text = draw(TEXTS)
    return element


def cut(source: Element, asked: Selection, known: bool) -> Element | None:
    """What of an element is selected, as somebody who holds it would give it."""
    if asked.nothing:
        return None
    if asked.everything:
        return copy.deepcopy(source)
    made = etree.Element(source.tag, {str(k): str(v) for k, v in source.attrib.items()})
    made.extend(pieces(source, asked, known))
    return made if len(made) else None


def pieces(source: Element, asked: Selection, known: bool) -> list[Element]:
    found = []
    for child in source:

        def holds(leaf: str, value: str, child: Element = child) -> bool:
            return any(text_of(one).strip() == value for one in child.iterchildren(leaf))

        text = text_of(child).strip()
        part = cut(child, asked.below(str(child.tag), holds if known else None, text), known)
        if part is not None:
            found.append(part)
    return found


def document(elements: list[Element]) -> Element:
    data = etree.Element("data")
    data.extend(elements)
    return data


@given(st.lists(trees(), max_size=4), st.lists(trees(wild=True), max_size=4), st.booleans())
def test_a_selection_holds_what_the_filter_selects(
    content: list[Element], wanted: list[Element], known: bool
) -> None:
    """Filtered, what is given by the selection is what the filter selects of everything; and where the selection is
    exact it is that already."""
    data, subtree = document(content), document(wanted)
    subtree.tag = "filter"
    asked = Selection.from_subtree(subtree)
    given_by_it = document(pieces(data, asked, known))
    expected = document(apply_filter(data, subtree))
    assert canonical(document(apply_filter(given_by_it, subtree))) == canonical(expected)
    if known and not subtree.xpath(".//@*") and asked.exact:
        assert canonical(given_by_it) == canonical(expected)
