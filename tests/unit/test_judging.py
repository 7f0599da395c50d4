"""Valid by its changed pieces is valid as a whole, and the other way round."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.base.errors import YangInvalid
from casm_ctrl.netconf.datastores.configuration import Configuration, changed, split
from casm_ctrl.northbound.configuration.judging import LOOKED_AT, REFERENCES, Judge
from casm_ctrl.yang.engine import engine_for, forest
from casm_ctrl.yang.modules import find_module
from casm_ctrl.yang.schema import load_schema
from tests.datastores_world import DEVICES, POOLS

MODULES = ("casm-devices", "casm-pools")
SCHEMA, ENGINE = load_schema(MODULES), engine_for(*MODULES)

VALID = f"""
<config>
 <address-spaces xmlns='{POOLS}'>
  <address-space><name>s</name></address-space><address-space><name>t</name></address-space>
 </address-spaces>
 <pools xmlns='{POOLS}'>
  <pool><name>p</name><address-space>s</address-space><family>ipv4</family><prefix>10.0.0.0/16</prefix></pool>
  <pool><name>c</name><address-space>s</address-space><parent>p</parent><family>ipv4</family>
   <prefix>10.0.1.0/24</prefix></pool>
  <pool><name>x</name><address-space>s</address-space><family>ipv4</family><psid-offset>6</psid-offset>
   <prefix>192.0.2.0/24</prefix></pool>
  <pool><name>y</name><address-space>t</address-space><family>ipv6</family><prefix>2001:db8::/32</prefix></pool>
 </pools>
 <devices xmlns='{DEVICES}'>
  <device><name>a</name><role>bng</role><driver>any</driver><host>h.example</host><user>u</user><credential>env:X</credential>
   <address-space>s</address-space><network-instance><name>v</name><address-space>t</address-space></network-instance>
   <device-pool><name>one</name><pool>p</pool><pool>c</pool><length>24</length><owner-group>g</owner-group></device-pool>
   <device-pool><name>two</name><pool>y</pool><length>48</length><network-instance>v</network-instance></device-pool>
   <device-pool><name>ports</name><pool>x</pool><length>36</length></device-pool>
  </device>
  <device><name>b</name><role>bng</role><driver>any</driver><host>h.example</host><user>u</user><credential>env:X</credential>
   <address-space>s</address-space></device>
 </devices>
 <owner-groups xmlns='{DEVICES}'>
  <owner-group><name>g</name><member><device>a</device><role>serves</role></member>
   <member><device>b</device><role>serves</role></member></owner-group>
 </owner-groups>
 <quotas xmlns='{DEVICES}'>
  <quota><name>q</name><kind>pool</kind><subject>p</subject><family>ipv4</family><max-addresses>9</max-addresses></quota>
  <quota><name>r</name><kind>device</kind><subject>b</subject><family>ipv4</family><max-addresses>9</max-addresses></quota>
 </quotas>
</config>"""


def _configuration(text: str) -> Configuration:
    parser = etree.XMLParser(remove_blank_text=True)
    return Configuration(SCHEMA, split(etree.fromstring(text, parser), SCHEMA))


BASE = _configuration(VALID)


def _is_valid(configuration: Configuration) -> bool:
    try:
        ENGINE.validate(forest(configuration.tree))
    except YangInvalid:
        return False
    return True


def _leafs() -> list[tuple[str, str]]:
    """(path, value) of all leafs: what a mutation may take away or change."""
    tree = BASE.tree
    return [
        (tree.getroottree().getelementpath(leaf), leaf.text or "") for leaf in tree.iter() if not len(leaf)
    ]


LEAFS = _leafs()
VALUES = [
    "s",
    "t",
    "p",
    "c",
    "x",
    "y",
    "a",
    "b",
    "g",
    "v",
    "ipv4",
    "ipv6",
    "24",
    "48",
    "serves",
    "pool",
    "none",
    "7",
]
_mutation = st.tuples(
    st.sampled_from([path for path, _ in LEAFS]),
    st.sampled_from(["change", "delete", "delete-parent"]),
    st.sampled_from(VALUES),
)


def _mutated(mutations: list[tuple[str, str, str]]) -> Configuration:
    tree = BASE.tree
    copied = etree.fromstring(etree.tostring(tree))
    for path, what, value in mutations:
        leaf = copied.find(path)
        if leaf is None:
            continue
        parent = leaf.getparent()
        assert parent is not None
        if what == "change":
            if etree.QName(leaf).localname != "name":
                leaf.text = value
        elif what == "delete":
            if etree.QName(leaf).localname not in ("name", "device"):
                parent.remove(leaf)
        elif (above := parent.getparent()) is not None:
            above.remove(parent)
    return Configuration(SCHEMA, split(copied, SCHEMA)).sharing(BASE)


@settings(max_examples=300, deadline=None)
@given(mutations=st.lists(_mutation, min_size=1, max_size=3))
def test_the_part_is_valid_where_the_whole_is(mutations: list[tuple[str, str, str]]) -> None:
    configuration = _mutated(mutations)
    judge = Judge(SCHEMA, ENGINE)
    try:
        judge.judge(configuration, BASE)
        valid = True
    except YangInvalid:
        valid = False
    assert valid == _is_valid(configuration)


def test_the_base_of_these_tests_is_valid() -> None:
    assert _is_valid(BASE)
    assert _mutated([]).pieces == BASE.pieces


@pytest.mark.parametrize(
    ("mutation", "concerned"),
    [
        (("delete-parent", "b"), {"b", "g", "r", "a", "s", "t", "p", "c", "x", "y"}),
        (("change-host", "b"), {"b", "s"}),
        (("delete-parent", "q"), {"q"}),
        (("delete-parent", "y"), {"y", "a", "s", "t", "p", "c", "x", "g", "b"}),
    ],
)
def test_what_is_concerned(mutation: tuple[str, str], concerned: set[str]) -> None:
    what, key = mutation
    pieces = dict(BASE.pieces)
    name = next(name for name in pieces if name.key == (key,))
    if what == "delete-parent":
        del pieces[name]
    else:
        other = etree.fromstring(etree.tostring(pieces[name]))
        host = other.find(f"{{{DEVICES}}}host")
        assert host is not None
        host.text = "other.example"
        pieces[name] = other
    configuration = Configuration(SCHEMA, pieces)
    assert changed(BASE, configuration) == [name]
    assert {found.key[0] for found in Judge(SCHEMA, ENGINE).concerned(configuration, BASE)} == concerned


# --- The tables are what the modules say ----------------------------------------------------------

_REFERRING = re.compile(
    r"leaf(?:-list)? ([\w-]+) \{\s*type (?:casm-p:)?(?:(address-space|pool|device)-ref|leafref)\b",
    re.MULTILINE,
)


def test_every_reference_is_in_the_table() -> None:
    """A leaf that refers to something and is not in the table would not be judged with what it refers to."""
    found = {
        leaf
        for module in MODULES
        for leaf, _ in _REFERRING.findall(find_module(module).text.partition("container ")[2])
    }
    known = {path.rpartition("/")[2] for leafs in REFERENCES.values() for path in leafs}
    inside_one_piece = {"network-instance", "announcement"}
    assert found - {"child-pool"} == known | inside_one_piece


def test_every_condition_on_other_pieces_is_known() -> None:
    """A must or when that looks at another piece needs its leaf in LOOKED_AT; the subject of a quota is known."""
    looked: set[str] = set()
    for module in MODULES:
        text = re.sub(r'"\s*\+\s*"', "", find_module(module).text)
        for condition in re.findall(r'(?:must|when) "([^"]*)"', text):
            for _, step in re.findall(r"deref\([^)]*\)+/\.\./((?:[\w-]+:)?([\w-]+))", condition):
                looked.add(step)
            if re.search(r"(?<![\w.\])])/(?!\.)", condition):
                assert "current()" in condition
                assert "/name = current()" in condition.replace("casm-p:", "")
    assert looked - {"name"} == set().union(*LOOKED_AT.values())
