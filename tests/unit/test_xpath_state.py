"""XPath filters on the store: what is read for one is enough, and no more than the same asked as a subtree."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.trees import canonical
from casm_ctrl.netconf.xpath.filters import compile_filter
from casm_ctrl.netconf.xpath.selection import selection_of
from casm_ctrl.northbound.configuration.running import Running
from casm_ctrl.northbound.state.operational import State
from casm_ctrl.store.database import open_database
from casm_ctrl.yang.engine import engine_for
from casm_ctrl.yang.schema import load_schema
from tests.filled_world import fill

MODULES = ("casm-pools", "casm-devices")
SCHEMA = load_schema(list(MODULES))
PREFIXES: dict[str | None, str] = {"p": "urn:casm:yang:casm-pools", "d": "urn:casm:yang:casm-devices"}


@pytest.fixture(scope="module")
def state(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """Of a store in which there is one of everything."""
    path = shutil.copyfile(store_template, tmp_path_factory.mktemp("filled") / "casm.db")
    clock = ManualClock()
    database = open_database(str(path), clock)
    fill(database, clock)
    yield State(database, Running(database, SCHEMA, engine_for(*MODULES)), SCHEMA)
    database.close()


def read(state: State, expression: str) -> Element:
    """What is read for an expression."""
    data = etree.Element("data")
    for node in state.read(selection_of(compile_filter(expression, PREFIXES).expression, SCHEMA)):
        assert not isinstance(node, bytes)
        data.append(node)
    return data


def document(nodes: list[Element]) -> Element:
    data = etree.Element("data")
    data.extend(nodes)
    return data


ONE_BLOCK = "/d:devices/d:device[d:name='bng1']/d:device-pool[d:name='pd']/d:block[d:id='b16']"


@pytest.mark.parametrize(
    ("expression", "entries"),
    [
        (ONE_BLOCK, 1),
        ("//d:block[d:id='b2']", 1),
        ("//d:block[d:prefix='10.0.0.0/28']", 1),
        ("//d:block[d:prefix='10.0.0.0/28']/d:state", 1),
        ("/d:devices//d:block[d:id='b2' or d:id='b3']", 2),
        ("//d:block[d:pool='map']", 3),
        ("//d:block[d:pool='map'][1]", 3),
        ("//block[id='b2']", 1),
        ("//d:device[d:name='bng1']/d:sync", 0),
        ("//p:pool[p:name='big']", 0),
        ("/p:pools/p:pool[p:name='big']/p:usage/p:free-addresses", 0),
        ("//d:device[d:name='bng2']//d:block[d:wanted='drained']", 2),
    ],
)
def test_no_more_is_read_than_is_named(state: State, expression: str, entries: int) -> None:
    """RFC 6241 8.9.1: blocks, of which there may be very many."""
    assert len(list(read(state, expression).iter(f"{{{PREFIXES['d']}}}block"))) <= entries


@pytest.mark.parametrize(
    "expression",
    [
        ONE_BLOCK,
        f"{ONE_BLOCK}/d:state",
        f"{ONE_BLOCK}/..",
        f"{ONE_BLOCK} | //p:pool[p:name='big']/p:usage",
        "//d:block[d:prefix='10.0.0.0/28']",
        "//d:block[d:prefix='nonsense']",
        "//d:block[d:state='draining']/d:prefix",
        "//d:block[d:pool='map'][2]",
        "//d:block[d:pool='map' and d:psid='1']",
        "//d:block[2]",
        "//d:block[last()]/d:id",
        "//d:block[starts-with(d:prefix, '10.')]/d:id",
        "//d:block[d:member/d:device='bng2']",
        "//d:block[d:member[d:device='bng2'][d:role='stands-by']]/d:id",
        "//d:device[d:name='bng1']/d:sync",
        "//d:device[d:device-pool/d:block/d:state='draining']/d:name",
        "//d:device-pool[d:pool='map']/d:block/d:id",
        "//d:device-pool[count(d:block) > 2]/d:name",
        "//p:pool[p:name=//d:device-pool[d:name='pd']/d:pool]/p:usage",
        "//p:pool[p:usage/p:free-addresses > 1000]/p:name",
        "//p:pool[p:parent='big']",
        "//d:name[.='bng1']/..",
        "//*[.='b2']",
        "//d:block/d:id[.='b2']/../d:state",
        "/*/*[2]/*[1]",
        "/p:*//p:prefix",
        "//nothing | //d:nothing",
        "/",
    ],
)
def test_what_is_read_is_enough(state: State, expression: str) -> None:
    """RFC 6241 8.9.1: filtered, it is what the expression selects of everything."""
    wanted = compile_filter(expression, PREFIXES)
    found = document(wanted.select(read(state, expression), SCHEMA))
    expected = document(wanted.select(read(state, "/"), SCHEMA))
    assert canonical(found, SCHEMA) == canonical(expected, SCHEMA)
    if "othing" not in expression and "nonsense" not in expression:
        assert len(expected)
