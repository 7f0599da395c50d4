"""Operational data of a store in which there is one of everything: complete, valid, and what the service says."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.netconf.datastores.configuration import Configuration, Name
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.selection import EVERYTHING, NOTHING, Selection
from casm_ctrl.netconf.retrieval.subtree import apply_filter
from casm_ctrl.netconf.trees import canonical
from casm_ctrl.northbound.configuration.running import Running
from casm_ctrl.northbound.state.entries import Content
from casm_ctrl.northbound.state.operational import State
from casm_ctrl.service import quotas, views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.store import devices
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.transaction import Transaction
from casm_ctrl.yang.engine import engine_for
from casm_ctrl.yang.schema import Kind, SchemaNode, load_schema
from tests.filled_world import ME, fill
from tests.sqlite_meter import Meter

MODULES = ("casm-pools", "casm-devices")
SCHEMA = load_schema(list(MODULES))
ENGINE = engine_for(*MODULES)
POOLS, DEVICES = "urn:casm:yang:casm-pools", "urn:casm:yang:casm-devices"


@dataclass(frozen=True)
class World:
    database: Database
    state: State

    def read(self, subtree: str | None = None, content: Content = "all") -> list[Element | bytes]:
        return self.state.read(Selection.from_subtree(filter_of(subtree)), content)

    def text(self, subtree: str | None = None, content: Content = "all") -> str:
        """Where the answer is exact."""
        return b"".join(node for node in self.read(subtree, content) if isinstance(node, bytes)).decode()


def world_of(database: Database) -> World:
    return World(database, State(database, Running(database, SCHEMA, ENGINE), SCHEMA))


@pytest.fixture(scope="module")
def filled(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    path = shutil.copyfile(store_template, tmp_path_factory.mktemp("filled") / "casm.db")
    clock = ManualClock()
    database = open_database(str(path), clock)
    fill(database, clock)
    yield world_of(database)
    database.close()


def filter_of(subtree: str | None) -> Element | None:
    return None if subtree is None else etree.fromstring(f"<filter type='subtree'>{subtree}</filter>")


def device(inner: str) -> str:
    return f"<devices xmlns='{DEVICES}'><device>{inner}</device></devices>"


def blocks(inner: str) -> str:
    return device(f"<device-pool><block>{inner}</block></device-pool>")


def elements(nodes: list[Element | bytes]) -> Element:
    data = etree.Element("data")
    data.extend(etree.fromstring(node) if isinstance(node, bytes) else copy.deepcopy(node) for node in nodes)
    return data


def names(tag: str) -> str:
    return tag.rpartition("}")[2]


# --- Complete, valid, and the same as elsewhere ---------------------------------------------------


def paths(element: Element, above: str = "") -> Iterator[str]:
    for child in element:
        yield (path := f"{above}/{child.tag}")
        yield from paths(child, path)


def state_nodes(nodes: dict[str, SchemaNode] | Any, above: str = "") -> Iterator[str]:
    for tag, node in nodes.items():
        if not node.config:
            yield f"{above}/{tag}"
        yield from state_nodes(node.children, f"{above}/{tag}")


def test_every_state_node_of_the_model_is_told(filled: World) -> None:
    told = set(paths(elements(filled.read())))
    assert [path for path in state_nodes(SCHEMA.roots) if path not in told] == []


def test_all_of_it_is_a_valid_datastore(filled: World) -> None:
    nodes = filled.read()
    assert all(isinstance(node, bytes) for node in nodes)
    ENGINE.validate(b"".join(node for node in nodes if isinstance(node, bytes)), what="data")


def test_both_kinds_of_store_tell_valid_state(database: Database, clock: ManualClock) -> None:
    fill(database, clock)
    nodes = world_of(database).read()
    ENGINE.validate(b"".join(node for node in nodes if isinstance(node, bytes)), what="data")


def as_json(filled: World, subtree: str | None = None) -> dict[str, Any]:
    text = ENGINE.convert(filled.text(subtree).encode(), source="xml", target="json")
    found: dict[str, Any] = json.loads(text)
    return found


def sorted_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: sorted_lists(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return sorted(map(sorted_lists, value), key=repr)
    return value


def same(told: Any, document: Any, *but: str) -> None:
    """`told` is what a document of the service says, without the names in `but`."""
    wanted = {name: value for name, value in document.items() if name not in but and value != []}
    found = {name: value for name, value in told.items() if name in wanted or name not in but}
    assert sorted_lists(found) == sorted_lists(json.loads(json.dumps(wanted)))


def test_blocks_are_told_as_block_show_does(filled: World) -> None:
    told = as_json(filled)
    count = 0
    for entry in told["casm-devices:devices"]["device"]:
        for pool in entry.get("device-pool", []):
            for block in pool.get("block", []):
                document = views.show_block(filled.database, block["id"])
                assert document["device-pool"] == f"{entry['name']}/{pool['name']}"
                same(block, document, "address-space", "device-pool", "event", "finding")
                count += 1
    assert count == len(views.list_blocks(filled.database)) > 25
    states = {block["state"] for block in views.list_blocks(filled.database)}
    assert states == {"reserved", "installed", "draining", "withdrawing", "quarantined"}


def test_devices_and_their_pools_are_told_as_device_show_does(filled: World) -> None:
    for entry in as_json(filled)["casm-devices:devices"]["device"]:
        document = views.show_device(filled.database, entry["name"])
        assert entry["sync"] == document["sync"]
        sizes = ("blocks", "capacity-addresses", "routes")
        assert [[pool[name] for name in sizes] for pool in entry.get("device-pool", [])] == [
            [pool[name] for name in sizes] for pool in document["device-pool"]
        ]


def test_findings_are_told_as_status_does(filled: World) -> None:
    told = [
        {"device": entry["name"], **finding}
        for entry in as_json(filled)["casm-devices:devices"]["device"]
        for finding in entry.get("finding", [])
    ]
    assert {finding["block-id"] for finding in told} == {"b1", "none"}
    listed = [
        {"block-id": finding.pop("block", "none"), **finding}
        for finding in views.status(filled.database)["finding"]
    ]

    def in_order(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(findings, key=lambda finding: str(sorted(finding.items())))

    assert in_order(told) == in_order(listed)
    named = device("<name>bng1</name><finding><kind>foreign</kind><block-id>b1</block-id></finding>")
    assert filled.text(named).count("<finding>") == 1
    assert "<finding>" not in filled.text(device("<finding/>"), "config")


def test_pools_spaces_and_quotas_are_told_as_elsewhere(filled: World) -> None:
    told = as_json(filled)
    for entry in told["casm-pools:pools"]["pool"]:
        document = views.show_pool(filled.database, entry["name"])
        same(entry["usage"], document["usage"])
        assert entry.get("child-pool", []) == document["child-pool"]
    for entry in told["casm-pools:address-spaces"]["address-space"]:
        document = views.show_space(filled.database, entry["name"])
        assert sorted_lists(entry["usage"]) == sorted_lists([no_empty(usage) for usage in document["usage"]])
    used = {row["name"]: row["used-addresses"] for row in quotas.list_quotas(filled.database)}
    quota = told["casm-devices:quotas"]["quota"]
    assert {entry["name"]: entry["used-addresses"] for entry in quota} == used


def no_empty(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value != []}


def test_what_xml_cannot_carry_is_replaced(network: Database) -> None:
    with network.write() as tx:
        row = devices.find_device(tx, "bng1")
        assert row is not None
        devices.set_sync(tx, row.id, "failed", "it said \x01\x07 <&> \ufffe and more", seen=True)
    text = world_of(network).text(device("<name>bng1</name><sync/>"))
    ENGINE.validate(text.encode(), what="part")
    assert "<last-error>it said ?? &lt;&amp;&gt; ? and more</last-error>" in text


def test_configuration_that_the_store_does_not_have_yet_has_no_state(network: Database) -> None:
    """As while a confirmed commit is pending."""
    running = Running(network, SCHEMA, ENGINE)
    tag = f"{{{POOLS}}}pools"
    new = etree.fromstring(f"<pool xmlns='{POOLS}'><name>new</name><address-space>s</address-space></pool>")

    class Pending:
        def configuration_in(self, tx: Transaction) -> tuple[int, Configuration]:
            revision, configuration = running.configuration_in(tx)
            return revision, configuration.with_pieces({Name(tag, ("new",)): new})

    state = State(network, Pending(), SCHEMA)
    pools = elements(state.read(EVERYTHING)).find(tag)
    assert pools is not None
    assert [len(pool.findall(f"{{{POOLS}}}usage")) for pool in pools] == [1, 0]
    assert [pool.findtext(f"{{{POOLS}}}name") for pool in pools] == ["p", "new"]


# --- What is selected -----------------------------------------------------------------------------


def test_nothing_selected_is_nothing_read(filled: World) -> None:
    assert filled.state.read(NOTHING) == []
    assert filled.read("<other xmlns='urn:other'/>") == []
    assert filled.read(device("<name>nobody</name>")) == []
    assert filled.read(blocks("<id>b999</id>")) == []
    assert filled.read(blocks("<id>17</id>")) == []
    assert filled.read(blocks("<prefix>nonsense</prefix>")) == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("<id>b17</id>", 1),
        ("<prefix>10.0.0.0/28</prefix>", 1),
        ("<prefix>192.0.2.0/32</prefix>", 3),
        ("<pool>map</pool>", 3),
        ("<pool>map</pool><psid>1</psid>", 1),
        ("<state>draining</state>", 1),
        ("<id>b17</id><state>quarantined</state>", 0),
        ("<id>b17</id><id>b18</id>", 0),
    ],
)
def test_blocks_are_found_without_naming_their_device(filled: World, asked: str, found: int) -> None:
    text = filled.text(blocks(asked))
    assert text.count("<block>") == found
    ENGINE.validate(text.encode(), what="part")


def test_leaves_of_blocks_come_without_the_rest(filled: World) -> None:
    text = filled.text(
        device("<name>bng1</name><device-pool><name>pd</name><block><state/></block></device-pool>")
    )
    assert text == (
        f'<devices xmlns="{DEVICES}"><device><name>bng1</name><device-pool><name>pd</name>'
        "<block><id>b16</id><state>installed</state></block>"
        "<block><id>b17</id><state>reserved</state></block></device-pool></device></devices>"
    )


def test_content_is_configuration_or_state(filled: World) -> None:
    """RFC 8526 3.1.1: of nodes that are not configuration, the ancestors and keys come along."""
    wanted = device("<name>bng2</name>")
    whole, configuration, state = (filled.text(wanted, content) for content in ("all", "config", "nonconfig"))
    role, state_of_it, key = "<role>bng</role>", "<sync>", "<name>bng2</name>"
    assert [part in configuration for part in (role, state_of_it, "<block>", key)] == [
        True,
        False,
        False,
        True,
    ]
    assert [part in state for part in (role, state_of_it, "<block>", key)] == [False, True, True, True]
    assert [part in whole for part in (role, state_of_it, "<block>", key)] == [True] * 4
    ENGINE.validate(configuration.encode(), what="part")
    assert filled.text(device("<name>bng2</name><role/>"), "nonconfig") == ""
    assert filled.text(device("<sync/>"), "config") == ""


def test_configuration_is_what_is_running(filled: World) -> None:
    with filled.database.read() as tx:
        _, running = Running(filled.database, SCHEMA, ENGINE).tree_in(tx)
    assert canonical(elements(filled.read(None, "config")), SCHEMA) == canonical(running, SCHEMA)


@st.composite
def filters(draw: st.DrawFn, parent: Element) -> list[Element]:
    """Filter nodes for some of an element's children: selected, matched, looked into, or wrong."""
    chosen = draw(st.lists(st.integers(0, len(parent) - 1), min_size=1, max_size=3))
    return [draw(_filter_node(parent[place])) for place in chosen]


@st.composite
def _filter_node(draw: st.DrawFn, child: Element) -> Element:
    bare = draw(st.integers(0, 9)) == 0
    node = etree.Element(names(str(child.tag)) if bare else child.tag)
    if draw(st.integers(0, 19)) == 0:
        node.set("kind", "x")
    if len(child) == 0:
        node.text = draw(st.sampled_from([None, child.text, child.text, "other"]))
    elif draw(st.integers(0, 4)):
        node.extend(draw(filters(child)))
    return node


def answer(data: Element, subtree: Element, content: Content) -> Element:
    """What the filter selects of `data`, of that the configuration or the state, and what it takes to place that."""
    numbered = copy.deepcopy(data)
    origin = dict(enumerate(numbered.iter()))
    for number, element in origin.items():
        element.set("number", str(number))

    def cut(element: Element, node: SchemaNode) -> Element | None:
        inner = node.kind in (Kind.LIST, Kind.CONTAINER)
        children = [cut(child, node.children[str(child.tag)]) for child in element]
        found = [child for child in children if child is not None]
        if not found and (inner or content == ("config" if not node.config else "nonconfig")):
            return None
        made = etree.Element(element.tag)
        made.text = None if inner else element.text
        whole = origin[int(element.get("number", ""))]
        have = {child.tag for child in found}
        for tag in node.keys:
            made.extend(copy.deepcopy(key) for key in whole.iterchildren(tag) if tag not in have)
        made.extend(found)
        etree.strip_attributes(made, "number")
        return made

    result = etree.Element("data")
    for one in apply_filter(numbered, subtree):
        part = cut(one, SCHEMA.roots[str(one.tag)])
        result.extend([] if part is None else [part])
    return result


@pytest.fixture(scope="module")
def everything(filled: World) -> Element:
    return elements(filled.read())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_is_read_by_a_selection_holds_what_the_filter_selects(
    filled: World, everything: Element, data: st.DataObject
) -> None:
    """And bytes are that to the letter, of the content that was asked for."""
    subtree = etree.Element("filter")
    subtree.extend(data.draw(filters(everything)))
    content: Content = data.draw(st.sampled_from(("all", "config", "nonconfig")))
    found = etree.Element("data")
    for node in filled.state.read(Selection.from_subtree(subtree), content):
        if isinstance(node, bytes):
            found.append(etree.fromstring(node))
        else:
            found.extend(answer(elements([node]), subtree, content))
    expected = answer(everything, subtree, content)
    assert canonical(found) == canonical(expected), etree.tostring(subtree).decode()
    assert [child.tag for child in found] == [child.tag for child in expected]


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_an_inexact_selection_is_answered_with_more(
    filled: World, everything: Element, data: st.DataObject
) -> None:
    """As XPath filters are: elements, which hold what is selected and all content."""
    subtree = etree.Element("filter")
    subtree.extend(data.draw(filters(everything)))
    nodes = filled.state.read(Selection.from_subtree(subtree).loosely(), "config")
    assert not any(isinstance(node, bytes) for node in nodes)
    found = etree.Element("data")
    found.extend(apply_filter(elements(nodes), subtree, SCHEMA))
    expected = etree.Element("data")
    expected.extend(apply_filter(everything, subtree, SCHEMA))
    assert canonical(found) == canonical(expected), etree.tostring(subtree).decode()


# --- What it costs --------------------------------------------------------------------------------


def steps(meter: Meter, world: World, subtree: str) -> int:
    """What a read costs once what is rendered for a revision is there."""
    world.read(subtree)
    meter.reset()
    world.read(subtree)
    return meter.steps


QUESTIONS = [
    blocks("<id>b2</id>"),
    blocks("<prefix>10.0.1.0/24</prefix>"),
    device("<name>bng1</name><device-pool><name>internet</name><block><id>b2</id></block></device-pool>"),
    device("<name>bng1</name><sync/>"),
    device("<name>bng2</name>"),
    f"<pools xmlns='{POOLS}'><pool><name>p</name><usage/></pool></pools>",
]


def test_a_filtered_read_costs_the_same_in_a_larger_store(store_path: Path) -> None:
    database = open_database(str(store_path), ManualClock())
    make: list[Edit] = [AddSpace("s"), AddPool("p", "s", ("10.0.0.0/8",))]
    for name in ("bng1", "bng2"):
        new = AddDevice(name, "bng", "ietf-address-pool", f"{name}.example", 830, "u", "env:X", "s")
        make += [new, AddDevicePool(f"{name}/internet", ("p",), 24)]
    change(database, ME, make)
    for name in ("bng1", "bng2"):
        allocate(database, ME, f"{name}/internet", count=2)
    world, meter = world_of(database), Meter(database)
    before = [steps(meter, world, question) for question in QUESTIONS]
    allocate(database, ME, "bng1/internet", count=2000)
    more = [
        AddDevice(f"m{n}", "bng", "ietf-address-pool", f"m{n}.example", 830, "u", "env:X", "s")
        for n in range(50)
    ]
    change(database, ME, more)
    after = [steps(meter, world, question) for question in QUESTIONS]
    assert all(late <= early * 1.2 + 5 for early, late in zip(before, after, strict=True)), (before, after)
    database.close()


def test_one_answer_is_one_snapshot(store_path: Path) -> None:
    database = open_database(str(store_path), ManualClock())
    change(database, ME, [AddSpace("s"), AddPool("p", "s", ("10.0.0.0/8",))])
    world, meter = world_of(database), Meter(database)
    assert len(world.read()) == 2
    assert meter.transactions == 1
    database.close()
