"""The header of a YANG text, and the closure over imports: texts come from devices, so anything may come."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.errors import YangInvalid
from casm_ctrl.yang.closure import Closure
from casm_ctrl.yang.header import Header, Import, is_identifier, read_header
from casm_ctrl.yang.modules import find_module

SMALL = """
/* module wrong { } */ module "small" { // not { this
  yang-version 1.1; namespace 'urn:' + "small"; prefix s;
  import lib { prefix l; revision-date 2020-01-01; }
  import plain { prefix p; description "no { block } here"; }
  include part { revision-date "2021-01-01"; }
  contact "import wrong { prefix w; }";
  revision 2023-05-01 { description 'a revision 2099-01-01;'; }
  revision "2022-01-01";
  feature one; feature two { if-feature "one or three"; }
  container c { leaf feature { type string { pattern '[;{}"]*'; } } leaf url { type string; default a//b; } }
  deviation /l:top/l:leaf { deviate not-supported; }
  deviation "/l:top/p:inner" { deviate not-supported; }
}
"""


def header(name: str, *imports: str, revision: str | None = None, belongs_to: str | None = None) -> Header:
    needed = tuple(Import(*text.split("@")) for text in imports)
    return Header(name, revision, f"urn:{name}", belongs_to, needed, (), (), ())


def test_header() -> None:
    assert read_header(SMALL) == Header(
        name="small",
        revision="2023-05-01",
        namespace="urn:small",
        belongs_to=None,
        imports=(Import("lib", "2020-01-01"), Import("plain")),
        includes=(Import("part", "2021-01-01"),),
        features=("one", "two"),
        deviates=("lib", "plain"),
        yang_version="1.1",
    )


def test_submodule() -> None:
    found = read_header("submodule part { belongs-to small { prefix s; } import lib { prefix l; } }")
    assert (found.name, found.belongs_to, found.imports) == ("part", "small", (Import("lib"),))


def test_a_common_module() -> None:
    found = read_header(find_module("ietf-nat").text)
    assert (str(found), found.namespace) == ("ietf-nat@2019-01-10", "urn:ietf:params:xml:ns:yang:ietf-nat")
    assert "napt44" in found.features
    assert Import("ietf-interfaces") in found.imports


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   // nothing",
        "module",
        "module m;",
        "module m {",
        "module m { } }",
        "module m { } module n { }",
        "container m { }",
        "module ../../etc/passwd { }",
        "module m { import ../../x { prefix x; } }",
        "module m { revision yesterday; }",
        'module m { description "never ends }',
        "module m { /* never ends }",
        "{ }",
        "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>",
        "<rpc-error>no</rpc-error>",
    ],
)
def test_what_is_no_module_is_refused_in_words(text: str) -> None:
    with pytest.raises(YangInvalid) as refused:
        read_header(text)
    assert refused.value.message
    assert refused.value.remedy


@given(st.text(alphabet="mod{};\"'+/*\\ \nul-e.revision2024", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(YangInvalid):
        assert is_identifier(read_header(text).name)


@pytest.mark.parametrize(
    ("name", "good"),
    [("ietf-nat", True), ("_a.b-1", True), ("1a", False), ("a/b", False), ("..", False), ("a" * 129, False)],
)
def test_identifiers(name: str, good: bool) -> None:
    assert is_identifier(name) is good


def test_closure_follows_imports_until_nothing_is_missing() -> None:
    closure = Closure(["a"], {"a": None, "b": "2022-01-01"})
    assert list(closure.missing) == [Import("a")]
    closure.give(Import("a"), header("a", "b", "c@2001-01-01", revision="2020-01-01"))
    assert list(closure.missing) == [Import("b", "2022-01-01"), Import("c", "2001-01-01")]
    closure.give(Import("b", "2022-01-01"), header("b", "a", "d", revision="2022-01-01"))
    closure.give(Import("c", "2001-01-01"), header("c", revision="2001-01-01"))
    assert list(closure.missing) == [Import("d")]
    assert closure.needed_by(Import("d")) == "b@2022-01-01"
    closure.give(Import("d"), header("d", belongs_to="e"))
    closure.give(Import("e"), header("e"))
    assert not list(closure.missing)
    assert len(closure.headers) == 5


@pytest.mark.parametrize("given_header", [header("b"), header("a", revision="1999-01-01")])
def test_closure_refuses_another_module(given_header: Header) -> None:
    closure = Closure(["a"], {"a": "2020-01-01"})
    with pytest.raises(YangInvalid, match="a@2020-01-01"):
        closure.give(closure.missing[0], given_header)
