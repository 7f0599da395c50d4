"""Paths to data as rules and people write them."""

from __future__ import annotations

import pytest

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.netconf.node_paths import Predicate, Step, elements_of, find_node, read_path, with_prefix
from tests.access_world import ACME, EXTRA, model, shown

NAMES = {"a": ACME, "x": EXTRA}


def tag(name: str, namespace: str = ACME) -> str:
    return f"{{{namespace}}}{name}"


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("/", ()),
        (" / ", ()),
        ("/a:one", (Step(tag("one")),)),
        ("/a:one/two", (Step(tag("one")), Step(tag("two")))),
        ("/a:one/x:two/three", (Step(tag("one")), Step(tag("two", EXTRA)), Step(tag("three", EXTRA)))),
        ("/a:l[a:k='1']", (Step(tag("l"), (Predicate(tag("k"), "1"),)),)),
        ("/a:l[k='1']", (Step(tag("l"), (Predicate(tag("k"), "1"),)),)),
        ("/a:l[x:k='1']", (Step(tag("l"), (Predicate(tag("k", EXTRA), "1"),)),)),
        (
            "/a:l[ k = \"it's\" ] [j='\"']/b",
            (Step(tag("l"), (Predicate(tag("k"), "it's"), Predicate(tag("j"), '"'))), Step(tag("b"))),
        ),
        ("/a:l[.='a/b]']", (Step(tag("l"), (Predicate(None, "a/b]"),)),)),
        ("/a:l[k=$USER]", (Step(tag("l"), (Predicate(tag("k"), None),)),)),
        ("/a:l[k='$USER']", (Step(tag("l"), (Predicate(tag("k"), "$USER"),)),)),
        ("/a:l[k='']", (Step(tag("l"), (Predicate(tag("k"), ""),)),)),
    ],
)
def test_a_path_is_read(text: str, steps: tuple[Step, ...]) -> None:
    """RFC 8341 4 and RFC 7950 9.13."""
    assert read_path(text, NAMES) == steps


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a:one",
        "/one",
        "//a:one",
        "/a:one/",
        "/a:one[1]",
        "/a:one[k]",
        "/a:one[k='1'",
        "/a:one[k>'1']",
        "/a:one[k=$OTHER]",
        "/a:one | /a:two",
        "/a:*",
        "/b:one",
        "/a:one[b:k='1']",
    ],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        read_path(text, NAMES)


def test_elements_that_stand_for_a_path() -> None:
    way = elements_of(read_path("/a:one/l[k='1'][j=$USER]/v[.='x']", NAMES), "anna")
    assert [element.tag for element in way] == [tag("one"), tag("l"), tag("v")]
    assert shown(way[:1]) == "one(l(k=1 j=anna v=x))"
    assert elements_of(()) == []


def test_the_node_that_a_path_leads_to() -> None:
    schema, _ = model()
    node = find_node(read_path("/a:interfaces/interface/x:colour", NAMES), schema)
    assert node is not None
    assert node.tag == tag("colour", EXTRA)
    assert find_node(read_path("/a:interfaces/colour", NAMES), schema) is None
    assert find_node((), schema) is None


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("/interfaces/interface", "/acme-interfaces:interfaces/interface"),
        ("/acme-interfaces:interfaces", "/acme-interfaces:interfaces"),
        ("/twice", "/twice"),
        ("/nothing", "/nothing"),
        ("/", "/"),
        ("words", "words"),
    ],
)
def test_a_path_gets_its_module(text: str, full: str) -> None:
    tops = [tag("interfaces"), tag("twice"), tag("twice", EXTRA)]
    assert with_prefix(text, tops, {ACME: "acme-interfaces", EXTRA: "acme-extra"}) == full
