"""Configurations in pieces: what an edit makes of them is what it makes of the whole tree."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.netconf.datastores.configuration import Configuration, Name, changed, split
from casm_ctrl.netconf.datastores.edit import apply_edit
from casm_ctrl.netconf.names import BASE, Element
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.trees import same_configuration
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

NS = "urn:ietf:params:xml:ns:yang:example-p"


def _tag(name: str) -> str:
    return f"{{{NS}}}{name}"


def _leaf(name: str) -> SchemaNode:
    return SchemaNode(_tag(name), Kind.LEAF)


def _tree(*nodes: SchemaNode) -> dict[str, SchemaNode]:
    return {node.tag: node for node in nodes}


ENTRY = SchemaNode(
    _tag("entry"), Kind.LIST, keys=(_tag("k"),), children=_tree(_leaf("k"), _leaf("a"), _leaf("b"))
)
SCHEMA = Schema(
    _tree(
        SchemaNode(_tag("many"), Kind.CONTAINER, children=_tree(ENTRY)),
        SchemaNode(_tag("one"), Kind.CONTAINER, children=_tree(_leaf("a"), _leaf("b"))),
        _leaf("top"),
    )
)

_operation = st.sampled_from(["", "", "merge", "replace", "create", "delete", "remove"])


def _attribute(operation: str) -> str:
    return f" nc:operation='{operation}'" if operation else ""


@st.composite
def _nodes(draw: st.DrawFn, edit: bool) -> str:
    def operation() -> str:
        return _attribute(draw(_operation)) if edit else ""

    def leafs() -> str:
        names = draw(st.lists(st.sampled_from("ab"), unique=True, max_size=2))
        return "".join(f"<{name}{operation()}>{draw(st.integers(0, 2))}</{name}>" for name in names)

    keys = draw(st.lists(st.sampled_from("xyz"), unique=True, max_size=3))
    entries = "".join(f"<entry{operation()}><k>{key}</k>{leafs()}</entry>" for key in keys)
    many = f"<many{operation()}>{entries}</many>" if entries or (edit and draw(st.booleans())) else ""
    one = f"<one{operation()}>{leafs()}</one>" if draw(st.booleans()) else ""
    top = f"<top{operation()}>1</top>" if draw(st.booleans()) else ""
    return many + one + top


def _config(nodes: str) -> Element:
    return etree.fromstring(f"<config xmlns='{NS}' xmlns:nc='{BASE}'>{nodes}</config>")


def _applied(tree: Element, edit: Element, default: str) -> Element | str:
    try:
        return apply_edit(tree, edit, SCHEMA, default)
    except RpcError as error:
        return f"{error.tag} {error.path}"


@settings(max_examples=300, deadline=None)
@given(
    before=_nodes(False),
    edits=st.lists(
        st.tuples(_nodes(True), st.sampled_from(["merge", "replace", "none"])), min_size=1, max_size=3
    ),
)
def test_an_edit_of_pieces_is_an_edit_of_the_tree(before: str, edits: list[tuple[str, str]]) -> None:
    tree = _config(before)
    first = configuration = Configuration(SCHEMA, split(tree, SCHEMA))
    for text, default in edits:
        edit = _config(text)
        expected = _applied(tree, edit, default)
        try:
            configuration = configuration.edited(edit, default)
        except RpcError as error:
            assert f"{error.tag} {error.path}" == expected
            continue
        assert not isinstance(expected, str)
        assert same_configuration(configuration.tree, expected, SCHEMA)
        tree = expected
    # What says that it did not change did not, and the short way finds what the long one does.
    differing = set(changed(first, configuration))
    assert differing == set(changed(Configuration(SCHEMA, first.pieces), configuration))
    same = first.pieces.keys() - differing
    assert all(first.pieces[name] is configuration.pieces[name] for name in same)


def test_prefixes_in_values_stay_declared() -> None:
    """As in the path of an access rule, whose prefix nothing but the value uses."""
    text = f"<one xmlns='{NS}'><a xmlns:p='{NS}'>/p:one</a></one>"
    tree = etree.fromstring(f"<config>{text}</config>")
    configuration = Configuration(SCHEMA, split(tree, SCHEMA))
    for config in (configuration.tree, configuration.part([Name(_tag("one"))])):
        assert config[0][0].nsmap["p"] == NS


def test_a_long_history_does_not_count() -> None:
    first = configuration = Configuration(SCHEMA, {})
    for number in range(200):
        entry = etree.fromstring(f"<entry xmlns='{NS}'><k>{number}</k></entry>")
        configuration = configuration.with_pieces({Name(_tag("many"), (str(number),)): entry})
        assert len(configuration.moved) <= 64
    assert len(changed(first, configuration)) == 200
    assert changed(configuration, configuration) == []
