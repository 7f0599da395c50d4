"""edit-config: each operation at each kind of node, and each error with its tag and path."""

from __future__ import annotations

import time

import pytest
from lxml import etree

from casm_ctrl.netconf.datastores.edit import apply_edit
from casm_ctrl.netconf.names import BASE, YANG, Element
from casm_ctrl.netconf.rpc_error import RpcError, to_peer_error, to_xml
from casm_ctrl.netconf.trees import canonical
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode, load_schema

NS = "urn:example:m"
AUGMENT = "urn:example:augment"


def tag(name: str) -> str:
    return f"{{{NS}}}{name}"


def nodes(*members: SchemaNode) -> dict[str, SchemaNode]:
    return {member.tag: member for member in members}


def leaf(name: str, *cases: tuple[str, str], namespace: str = NS) -> SchemaNode:
    return SchemaNode(f"{{{namespace}}}{name}", Kind.LEAF, cases=cases)


LIST = SchemaNode(
    tag("range"),
    Kind.LIST,
    keys=(tag("name"), tag("type")),
    children=nodes(
        leaf("name"),
        leaf("type"),
        leaf("lower"),
        leaf("extra", namespace=AUGMENT),
        SchemaNode(tag("options"), Kind.CONTAINER, children=nodes(leaf("mtu"), leaf("mru"))),
    ),
)
RULE = SchemaNode(
    tag("rule"), Kind.LIST, keys=(tag("id"),), user_ordered=True, children=nodes(leaf("id"), leaf("action"))
)
TOP = SchemaNode(
    tag("top"),
    Kind.CONTAINER,
    children=nodes(
        LIST,
        RULE,
        leaf("note"),
        SchemaNode(tag("lock"), Kind.CONTAINER, presence=True, children=nodes(leaf("note"))),
        SchemaNode(tag("server"), Kind.LEAF_LIST),
        SchemaNode(tag("search"), Kind.LEAF_LIST, user_ordered=True),
        SchemaNode(
            tag("outer"),
            Kind.CONTAINER,
            children=nodes(SchemaNode(tag("inner"), Kind.CONTAINER, children=nodes(leaf("x")))),
        ),
        leaf("a1", ("c", "a")),
        leaf("a2", ("c", "a")),
        SchemaNode(tag("b"), Kind.CONTAINER, cases=(("c", "b"),), children=nodes(leaf("x"))),
        leaf("d1", ("c", "d"), ("e", "one")),
        leaf("d2", ("c", "d"), ("e", "two")),
        SchemaNode(tag("used"), Kind.LEAF, config=False),
    ),
)
SCHEMA = Schema(nodes(TOP, leaf("host")))


def config(inner: str) -> Element:
    return etree.fromstring(
        f"<config xmlns:nc='{BASE}' xmlns:yang='{YANG}' xmlns:m='{NS}' xmlns:x='{AUGMENT}'>{inner}</config>"
    )


def top(inner: str) -> Element:
    return config(f"<top xmlns='{NS}'>{inner}</top>")


def edit(before: str, change: str, default: str = "merge") -> Element:
    """What `before` becomes; both are the inside of <top>. Checks that the input stays as it was."""
    tree, request = top(before), top(change)
    texts = etree.tostring(tree), etree.tostring(request)
    try:
        return apply_edit(tree, request, SCHEMA, default)
    finally:
        assert (etree.tostring(tree), etree.tostring(request)) == texts


def becomes(before: str, change: str, after: str, default: str = "merge") -> None:
    result = edit(before, change, default)
    assert canonical(result, SCHEMA) == canonical(top(after), SCHEMA), etree.tostring(result).decode()
    assert BASE not in {etree.QName(name).namespace for node in result.iter("*") for name in node.attrib}


def refused(before: str, change: str, default: str = "merge") -> RpcError:
    with pytest.raises(RpcError) as caught:
        edit(before, change, default)
    return caught.value


def op(name: str) -> str:
    return f"nc:operation='{name}'"


def entry(inner: str = "", attributes: str = "", name: str = "a") -> str:
    return f"<range {attributes}><name>{name}</name><type>t</type>{inner}</range>"


A_PATH = "/m:top/m:range[m:name='a'][m:type='t']"

# Each kind of node: how it looks with an operation, as it stands before, as the edit makes it.
KINDS = {
    "leaf": ("<note {}>new</note>", "<note>old</note>", "<note>new</note>"),
    "leaf at old value": ("<note {}>old</note>", "<note>old</note>", "<note>old</note>"),
    "leaf-list": ("<server {}>s</server>", "<server>s</server>", "<server>s</server>"),
    "container": (
        "<outer {}><inner><x>2</x></inner></outer>",
        "<outer><inner><x>1</x></inner></outer>",
        "<outer><inner><x>2</x></inner></outer>",
    ),
    "presence": ("<lock {}/>", "<lock/>", "<lock/>"),
    "list": (
        "<range {}><name>a</name><type>t</type><lower>2</lower></range>",
        entry("<lower>1</lower>"),
        entry("<lower>2</lower>"),
    ),
}
REST = entry("<lower>9</lower>", name="b") + "<server>other</server>"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("default", ["merge", "none"])
class TestOperations:
    def test_writing(self, kind: str, default: str) -> None:
        change, before, after = KINDS[kind]
        for name in ("merge", "replace", "create"):
            becomes(REST, change.format(op(name)), REST + after, default)
        for name in ("merge", "replace"):
            becomes(before + REST, change.format(op(name)), REST + after, default)

    def test_create_of_what_exists(self, kind: str, default: str) -> None:
        change, before, _ = KINDS[kind]
        error = refused(before + REST, change.format(op("create")), default)
        assert (error.type, error.tag) == ("application", "data-exists")
        assert error.path is not None
        assert error.path.startswith("/m:top/m:")

    def test_removing(self, kind: str, default: str) -> None:
        change, before, _ = KINDS[kind]
        for name in ("delete", "remove"):
            becomes(before + REST, change.format(op(name)), REST, default)
        becomes(REST, change.format(op("remove")), REST, default)

    def test_delete_of_what_is_missing(self, kind: str, default: str) -> None:
        error = refused(REST, KINDS[kind][0].format(op("delete")), default)
        assert (error.type, error.tag) == ("application", "data-missing")


def test_merge_keeps_and_replace_drops_the_rest() -> None:
    before = entry("<lower>1</lower><options><mtu>1</mtu></options>")
    change = "<options><mru>2</mru></options>"
    becomes(before, entry(change), entry("<lower>1</lower><options><mtu>1</mtu><mru>2</mru></options>"))
    becomes(before, entry(change, op("replace")), entry("<options><mru>2</mru></options>"))
    becomes(
        before,
        entry(f"<options {op('replace')}><mru>2</mru></options>"),
        entry("<lower>1</lower><options><mru>2</mru></options>"),
    )
    becomes(before, entry("", op("replace")), entry())


def test_default_replace_replaces_the_datastore() -> None:
    tree = config(f"<host xmlns='{NS}'>h</host><top xmlns='{NS}'><note>x</note></top>")
    result = apply_edit(tree, top("<server>s</server>"), SCHEMA, "replace")
    assert canonical(result, SCHEMA) == canonical(top("<server>s</server>"), SCHEMA)
    assert len(apply_edit(tree, config(""), SCHEMA, "replace")) == 0


def test_none_changes_nothing_by_itself() -> None:
    before = "<note>x</note><server>s</server>" + entry("<lower>1</lower>")
    becomes(before, "<note>y</note><server>s</server>" + entry(), before, "none")
    becomes(before, entry(f"<lower {op('delete')}/>"), "<note>x</note><server>s</server>" + entry(), "none")


@pytest.mark.parametrize(
    "way",
    [
        entry(f"<lower {op('create')}>1</lower>"),
        "<note>x</note>",
        "<server>s</server>",
        f"<lock><note {op('create')}>x</note></lock>",
        entry(f"<lower {op('remove')}/>"),
    ],
)
def test_none_does_not_make_the_way(way: str) -> None:
    assert refused("", way, "none").tag == "data-missing"


def test_none_takes_a_non_presence_container_as_given() -> None:
    becomes(
        "",
        f"<outer><inner><x {op('create')}>1</x></inner></outer>",
        "<outer><inner><x>1</x></inner></outer>",
        "none",
    )
    becomes("", f"<outer><inner><x {op('remove')}/></inner></outer>", "", "none")


def test_emptied_containers_vanish_with_the_last_node() -> None:
    result = edit(
        "<outer><inner><x>1</x></inner></outer><lock><note>n</note></lock>",
        f"<outer><inner><x {op('delete')}/></inner></outer><lock><note {op('delete')}/></lock>",
    )
    assert [child.tag for child in result[0]] == [tag("lock")]
    result = edit("<note>x</note>", f"<note {op('delete')}/>")
    assert len(result) == 0
    assert len(edit("", "<outer><inner/></outer>")) == 0


def test_operation_is_inherited() -> None:
    becomes(
        "<outer><inner><x>1</x></inner></outer>", f"<outer {op('remove')}><inner><x>1</x></inner></outer>", ""
    )
    error = refused("<note>x</note>", f"<lock {op('create')}><note {op('delete')}/></lock>")
    assert (error.tag, error.path) == ("data-missing", "/m:top/m:lock/m:note")


def test_new_entries_begin_with_their_keys() -> None:
    result = edit("", "<range><lower>1</lower><type>t</type><name>a</name></range>")
    assert [etree.QName(child).localname for child in result[0][0]] == ["name", "type", "lower"]


def test_many_entries_in_one_edit() -> None:
    before = "".join(entry("<lower>1</lower>", name=f"r{i}") for i in range(50))
    change = "".join(entry("", op("delete"), name=f"r{i}") for i in range(0, 50, 2))
    after = "".join(entry("<lower>1</lower>", name=f"r{i}") for i in range(1, 50, 2))
    becomes(before, change, after)


def test_augmented_nodes_keep_their_namespace() -> None:
    result = edit(entry(), entry("<x:extra>e</x:extra>"))
    assert result.findtext(f".//{{{AUGMENT}}}extra") == "e"


def test_prefixes_of_values_stay_declared() -> None:
    result = edit("<note>x</note>", "<note xmlns:id='urn:example:id'>id:this</note>")
    note = next(result.iter(tag("note")))
    assert note.nsmap["id"] == "urn:example:id"


# --- What the user orders -------------------------------------------------------------------------


def rule(number: str, attributes: str = "") -> str:
    return f"<rule {attributes}><id>{number}</id></rule>"


RULES = rule("1") + rule("2") + rule("3")


def order(change: str, before: str = RULES) -> str:
    result = edit(before, change)
    return "".join(rule[0].text or "" for rule in result[0].iterchildren(tag("rule")))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (rule("9"), "1239"),
        (rule("9", "yang:insert='first'"), "9123"),
        (rule("9", "yang:insert='last'"), "1239"),
        (rule("9", "yang:insert='before' yang:key=\"[m:id='2']\""), "1923"),
        (rule("9", "yang:insert='after' yang:key='[m:id=\"2\"]'"), "1293"),
        (rule("9", "yang:insert='after' yang:key=' [ m:id = \"2\" ] '"), "1293"),
        (rule("9", "yang:insert='after' yang:key=\"[id='2']\""), "1293"),
        (rule("3", "yang:insert='first'"), "312"),
        (rule("1", "yang:insert='last'"), "231"),
        (rule("1", "nc:operation='replace' yang:insert='after' yang:key=\"[m:id='2']\""), "213"),
        (rule("2"), "123"),
        (rule("2", "nc:operation='replace'"), "123"),
        (
            rule("8", "yang:insert='first'") + rule("9", "yang:insert='after' yang:key=\"[m:id='8']\""),
            "89123",
        ),
    ],
)
def test_entries_go_where_insert_says(change: str, expected: str) -> None:
    assert order(change) == expected
    assert order(change, "<note>x</note>" + RULES + "<server>s</server>") == expected


def test_a_replaced_container_has_the_order_of_the_edit() -> None:
    result = apply_edit(
        top(RULES), config(f"<top xmlns='{NS}' {op('replace')}>{rule('3') + rule('1')}</top>"), SCHEMA
    )
    assert [node[0].text for node in result[0]] == ["3", "1"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("", "ab9"),
        ("yang:insert='first'", "9ab"),
        ("yang:insert='after' yang:value='a'", "a9b"),
        ("yang:insert='before' yang:value='b'", "a9b"),
    ],
)
def test_leaf_list_entries_go_where_insert_says(attributes: str, expected: str) -> None:
    result = edit("<search>a</search><search>b</search>", f"<search {attributes}>9</search>")
    assert "".join(node.text or "" for node in result[0]) == expected


@pytest.mark.parametrize(
    ("attributes", "error_tag", "app_tag"),
    [
        ("yang:insert='middle'", "bad-attribute", None),
        ("yang:insert='before'", "missing-attribute", None),
        ("yang:insert='before' yang:key=\"[m:id='7']\"", "bad-attribute", "missing-instance"),
        ("yang:insert='before' yang:key=\"[m:id='9']\"", "bad-attribute", "missing-instance"),
        ("yang:insert='before' yang:key=\"[m:name='1']\"", "bad-attribute", None),
        ("yang:insert='before' yang:key=\"[m:id='1']nonsense\"", "bad-attribute", None),
        ("yang:insert='before' yang:key='1'", "bad-attribute", None),
        ("yang:insert='first' nc:operation='remove'", "bad-attribute", None),
    ],
)
def test_bad_inserts(attributes: str, error_tag: str, app_tag: str | None) -> None:
    error = refused(RULES, rule("9", attributes))
    assert (error.tag, error.app_tag, error.path) == (error_tag, app_tag, "/m:top/m:rule[m:id='9']")


def test_insert_is_for_user_ordered_lists() -> None:
    error = refused("", entry("", "yang:insert='first'"))
    assert (error.tag, error.path) == ("unknown-attribute", A_PATH)


# --- Choices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ("<a1>1</a1><a2>2</a2><note>n</note>", "<b><x>1</x></b>", "<b><x>1</x></b><note>n</note>"),
        ("<a1>1</a1>", "<a2>2</a2>", "<a1>1</a1><a2>2</a2>"),
        ("<b><x>1</x></b>", "<a1>1</a1>", "<a1>1</a1>"),
        ("<d1>1</d1>", "<d2>2</d2>", "<d2>2</d2>"),
        ("<d1>1</d1>", "<a1>2</a1>", "<a1>2</a1>"),
        ("<a1>1</a1>", "<d1>2</d1>", "<d1>2</d1>"),
        ("<a1>1</a1>", "<b/>", "<a1>1</a1>"),
        ("<a1>1</a1>", f"<b><x>1</x></b><a1 {op('delete')}/>", "<b><x>1</x></b>"),
    ],
)
def test_a_node_of_one_case_removes_the_others(before: str, change: str, after: str) -> None:
    becomes(before, change, after)


@pytest.mark.parametrize("change", ["<a1>1</a1><b><x>1</x></b>", "<d1>1</d1><d2>2</d2>"])
def test_two_cases_in_one_edit(change: str) -> None:
    error = refused("", change)
    assert error.tag == "bad-element"


# --- What cannot be understood --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error_tag", "path", "info"),
    [
        ("<nonsense/>", "unknown-element", "/m:top/m:nonsense", "nonsense"),
        ("<used>1</used>", "unknown-element", "/m:top/m:used", "used"),
        ("<x:note/>", "unknown-element", "/m:top/augment:note", "note"),
        ("<note xmlns='urn:zz'/>", "unknown-namespace", "/m:top/zz:note", "note urn:zz"),
        ("<note xmlns=''/>", "unknown-namespace", "/m:top/note", "note"),
        ("<range><name>a</name></range>", "missing-element", "/m:top/m:range[m:name='a']", "type"),
        (entry() + entry(), "bad-element", A_PATH, "range"),
        ("<note>1</note><note>2</note>", "bad-element", "/m:top/m:note", "note"),
        (
            "<range><name>a</name><type>t</type><type>t</type></range>",
            "bad-element",
            A_PATH + "/m:type",
            "type",
        ),
        ("<server>1</server><server>1</server>", "bad-element", "/m:top/m:server[.='1']", "server"),
        ("<note><x/></note>", "bad-element", "/m:top/m:note", "note"),
        ("<outer>text</outer>", "bad-element", "/m:top/m:outer", "outer"),
        ("<note nc:operation='none'/>", "bad-attribute", "/m:top/m:note", "operation note"),
        ("<note nc:operation='destroy'/>", "bad-attribute", "/m:top/m:note", "operation note"),
        ("<note operation='delete'/>", "unknown-attribute", "/m:top/m:note", "operation note"),
        ("<note wrong='1'/>", "unknown-attribute", "/m:top/m:note", "wrong note"),
        (
            "<range><name nc:operation='delete'>a</name><type>t</type></range>",
            "bad-attribute",
            A_PATH + "/m:name",
            "operation name",
        ),
        (
            entry(f"<lower {op('create')}/>", op("delete")),
            "bad-attribute",
            A_PATH + "/m:lower",
            "operation lower",
        ),
    ],
)
def test_errors_name_the_node(change: str, error_tag: str, path: str, info: str) -> None:
    error = refused("", change)
    assert (error.type, error.tag, error.path) == ("application", error_tag, path)
    assert to_peer_error(error).info.split() == info.split()
    element = to_xml(error).find(f"{{{BASE}}}error-path")
    assert element is not None
    for prefix, uri in error.namespaces.items():
        assert element.nsmap[prefix] == uri


def test_text_around_the_top_level_nodes_has_no_path() -> None:
    rpc = etree.fromstring(f"<rpc><config>text<host xmlns='{NS}'>h</host></config></rpc>")
    with pytest.raises(RpcError) as caught:
        apply_edit(config(""), rpc[0], SCHEMA)
    assert (caught.value.tag, caught.value.path) == ("bad-element", None)


def test_paths_begin_below_config() -> None:
    rpc = etree.fromstring(f"<rpc><config><x xmlns='{NS}'/></config></rpc>")
    with pytest.raises(RpcError) as caught:
        apply_edit(config(""), rpc[0], SCHEMA)
    assert caught.value.path == "/m:x"


def test_unknown_default_operation() -> None:
    with pytest.raises(RpcError, match="default-operation"):
        apply_edit(top(""), top(""), SCHEMA, "create")


def test_comments_in_an_edit_are_nothing() -> None:
    becomes("", "<!-- c --><note>a<!-- d -->b</note><?pi?>", "<note>ab</note>")


# --- Size -----------------------------------------------------------------------------------------


def test_ten_thousand_entries_cost_seconds_neither_to_make_nor_to_change() -> None:
    """Some 0.3 s of CPU each; what is quadratic takes minutes."""
    entries = [entry("<lower>1</lower>", name=f"r{i}") for i in range(10_000)]
    start = time.process_time()
    made = edit("", "".join(entries))
    changed = apply_edit(made, top("".join(entries).replace(">1<", ">2<")), SCHEMA)
    gone = apply_edit(changed, top("".join(entries).replace("<range ", f"<range {op('delete')} ")), SCHEMA)
    assert time.process_time() - start < 10.0
    assert len(made[0]) == len(changed[0]) == 10_000
    assert len(gone) == 0


# --- Our device model -----------------------------------------------------------------------------


def test_edits_of_the_address_pool_model() -> None:
    schema = load_schema(["ietf-address-pool"])
    ns = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
    pools = next(node for node in schema.roots.values() if node.kind is Kind.CONTAINER)
    assert pools.tag == f"{{{ns}}}address-pools"
    name = f"<address-pools xmlns='{ns}'><address-pool><address-pool-name>p</address-pool-name>"
    close = "</address-pool></address-pools>"
    made = apply_edit(config(""), config(name + close), schema)
    assert made.findtext(f".//{{{ns}}}address-pool-name") == "p"
    again = config(name.replace("<address-pool>", f"<address-pool {op('create')}>") + close)
    with pytest.raises(RpcError) as caught:
        apply_edit(made, again, schema)
    assert caught.value.path == (
        "/ietf-address-pool:address-pools/ietf-address-pool:address-pool"
        "[ietf-address-pool:address-pool-name='p']"
    )
