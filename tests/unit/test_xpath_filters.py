"""XPath filters: what is written for libxml2, what is cut out of the data, what is pushed down, and what is refused."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.netconf.names import BASE, Element
from casm_ctrl.netconf.retrieval.filter_argument import NO_FILTER, SubtreeFilter, filter_of
from casm_ctrl.netconf.retrieval.selection import EVERYTHING, Selection, Step
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.xpath.filters import TooCostly, compile_condition, compile_filter
from casm_ctrl.netconf.xpath.plan import plan_of
from casm_ctrl.netconf.xpath.selection import selection_of
from casm_ctrl.netconf.xpath.syntax import DEEPEST, LONGEST, parse_xpath
from casm_ctrl.netconf.xpath.tree import XPathError
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

D = "urn:d"
PREFIXES: dict[str | None, str] = {None: "urn:default", "d": D}

DATA = etree.fromstring(
    f"<data xmlns='{D}'><devices>"
    "<device><name>a</name><port>1</port><pool><id>1</id><size>7</size></pool><pool><id>2</id></pool></device>"
    "<device><name>b</name><port>2</port><tag>x</tag><tag>y</tag></device></devices>"
    "<pools kind='k'><pool><name>p</name></pool></pools></data>"
)


def tag(name: str) -> str:
    return f"{{{D}}}{name}"


def node(name: str, kind: Kind, *children: SchemaNode, keys: tuple[str, ...] = ()) -> tuple[str, SchemaNode]:
    inner = {child.tag: child for child in children}
    return tag(name), SchemaNode(tag(name), kind, keys=tuple(map(tag, keys)), children=inner)


def leaf(name: str) -> SchemaNode:
    return node(name, Kind.LEAF)[1]


_POOL = node("pool", Kind.LIST, leaf("id"), leaf("size"), keys=("id",))[1]
_DEVICE = node("device", Kind.LIST, leaf("name"), leaf("port"), _POOL, keys=("name",))[1]
SCHEMA = Schema(dict([node("devices", Kind.CONTAINER, _DEVICE)]))


def select(expression: str, schema: Schema | None = None, depth: int | None = None) -> str:
    before = etree.tostring(DATA)
    found = compile_filter(expression, PREFIXES).select(DATA, schema, depth)
    assert etree.tostring(DATA) == before
    return "".join(text_of(one) for one in found)


def text_of(element: Element) -> str:
    """An element in short: name(children) or name=value."""
    name = etree.QName(element).localname
    return f"{name}({' '.join(map(text_of, element))})" if len(element) else f"{name}={element.text or ''}"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("//d:size", "devices(device(pool(size=7)))"),
        ("/d:devices/d:device[2]/d:tag", "devices(device(tag=x tag=y))"),
        ("//d:tag[.='y']", "devices(device(tag=y))"),
        ("//d:name", "devices(device(name=a) device(name=b))pools(pool(name=p))"),
        ("//d:pool[d:size]/d:id | //d:pool[d:name]", "devices(device(pool(id=1)))pools(pool(name=p))"),
        ("/d:pools/@kind", "pools(pool(name=p))"),
        ("/d:pools/namespace::*", "pools(pool(name=p))"),
        ("//d:size/text()", "devices(device(pool(size=7)))"),
        ("(//d:name)[2]", "devices(device(name=b))"),
        ("//d:device[1]/following::d:name", "devices(device(name=b))pools(pool(name=p))"),
        ("/self::*", ""),
        ("/..", ""),
        ("//d:size/ancestor::*[2]/d:port", "devices(device(port=1))"),
        ("//d:size/ancestor::*[4]", ""),
        ("//d:size[count(ancestor::*) = 3]", "devices(device(pool(size=7)))"),
        ("//d:size[count(ancestor::node()) = 4]", "devices(device(pool(size=7)))"),
        ("/*[not(parent::*)]/d:pool", "pools(pool(name=p))"),
        ("descendant-or-self::*[not(parent::*)]/d:pool", "pools(pool(name=p))"),
        ("id('a')", ""),
        ("//d:name[re-match(., '[ap]')]", "devices(device(name=a))pools(pool(name=p))"),
        (
            "//d:device[re-match(d:port, '\\d')][not(re-match(d:name, 'a?'))]/d:name",
            "devices(device(name=b))",
        ),
        ("//d:size[bit-is-set(., '7')]", "devices(device(pool(size=7)))"),
        ("current()/d:pools/d:pool", "pools(pool(name=p))"),
    ],
)
def test_what_is_selected(expression: str, expected: str) -> None:
    """RFC 6241 8.9.1"""
    assert select(expression) == expected


def test_keys_of_entries_come_along() -> None:
    """RFC 6241 8.9.1"""
    assert select("//d:size", SCHEMA) == "devices(device(name=a pool(id=1 size=7)))"
    assert select("//d:pool[1]/d:id", SCHEMA) == "devices(device(name=a pool(id=1)))"
    assert select("//d:device/d:port", SCHEMA) == "devices(device(name=a port=1) device(name=b port=2))"


def test_a_selected_node_is_cut_to_a_depth() -> None:
    """RFC 8526 3.1.1: from each selected node; the deeper of two counts."""
    assert select("/d:devices/d:device[1]", SCHEMA, 1) == "devices(device(name=a))"
    assert (
        select("/d:devices/d:device[1]", SCHEMA, 2) == "devices(device(name=a port=1 pool(id=1) pool(id=2)))"
    )
    both = "/d:devices/d:device[1] | //d:pool[d:id='1']/d:size"
    assert select(both, SCHEMA, 1) == "devices(device(name=a pool(id=1 size=7)))"
    assert select(both, SCHEMA, 2) == "devices(device(name=a port=1 pool(id=1 size=7) pool(id=2)))"
    assert select("/", SCHEMA, 2) == select("/*", SCHEMA, 2)


# --- What is written for libxml2 ------------------------------------------------------------------


def plan(expression: str) -> tuple[list[str], list[tuple[str, ...]]]:
    made = plan_of(parse_xpath(expression, PREFIXES))
    return [text for _, text in made.constants], list(made.branches)


def test_steps_that_look_far_are_taken_node_by_node() -> None:
    assert plan("//d:a//d:b/d:c") == ([], [("$root/descendant::n0:a", "descendant::n0:b/child::n0:c")])
    assert plan("/d:a | /d:b")[1] == [("$root/child::n0:a",), ("$root/child::n0:b",)]


def test_what_no_node_decides_is_evaluated_once() -> None:
    constants, [(branch,)] = plan("//d:a[count(//d:b) > 3][d:c and //d:e]")
    assert constants == ["(count($root/descendant::n0:b) > 3)", "boolean($root/descendant::n0:e)"]
    assert branch == "$root/descendant::n0:a[$value0][(child::n0:c and $value1)]"
    constants, [(branch,)] = plan("//d:a[//d:b[//d:c]]")
    assert len(constants) == 2
    assert branch == "$root/descendant::n0:a[$value1]"


# --- What is pushed down --------------------------------------------------------------------------


def asked(expression: str) -> Selection:
    return selection_of(compile_filter(expression, PREFIXES).expression)


def test_an_entry_is_looked_up_by_its_key() -> None:
    for text in (
        "/d:devices/d:device[d:name='a']",
        "d:devices/d:device['a' = d:name]",
        '/d:devices/child::d:device[(d:name = "a")]',
    ):
        inside = asked(text).below(tag("devices"))
        assert inside.values(tag("device"), tag("name")) == frozenset("a")
        assert not inside.exact
        assert inside.below(tag("device")).everything


def test_alternatives_are_looked_up() -> None:
    both = asked("/d:devices/d:device[d:name='a' or d:name='b']/d:port").below(tag("devices"))
    assert both.values(tag("device"), tag("name")) == frozenset("ab")
    both = asked("/d:devices/d:device[d:name='a'] | /d:devices/d:device[d:name='b'][d:port='1']/d:pool")
    assert both.below(tag("devices")).values(tag("device"), tag("name")) == frozenset("ab")


def test_the_leaf_that_decides_is_read_too() -> None:
    inside = asked("/d:devices/d:device[d:name='a']/d:port").below(tag("devices")).below(tag("device"))
    assert not inside.everything
    assert inside.names(tag("name")) and inside.names(tag("port")) and not inside.names(tag("pool"))


@pytest.mark.parametrize(
    "expression",
    [
        "//d:device[d:name='a']",
        "/",
        "/d:devices/d:device[d:name=//d:pool/d:name]/d:port",
        "/d:devices/d:device[count(/d:pools) = 1]",
        "/d:devices/../d:pools",
        "/d:devices/d:device/following::d:pool",
        "(/d:devices)[1]",
        "/d:devices/d:device[d:name=current()/d:pools]",
    ],
)
def test_everything_is_read_where_anything_may_decide(expression: str) -> None:
    assert asked(expression) == EVERYTHING.loosely()


def test_what_looks_up_is_read_from_there() -> None:
    def below(expression: str) -> Selection:
        return asked(expression).below(tag("devices"))

    whole = Selection((Step(tag("devices"), EVERYTHING, exact=False),), exact=False)
    for text in (
        "/d:devices/d:device[2][../d:device[1]]",
        "/d:devices/d:device/following-sibling::d:device",
        "/d:devices/d:device/d:port/../../d:device",
        "/d:devices/d:device[d:port > 3]/../d:device",
        "/d:devices//d:port",
    ):
        assert asked(text) == whole, text
    assert below("/d:devices/d:device[d:name='a']/d:port/..").values(tag("device"), tag("name")) == frozenset(
        "a"
    )
    assert below("/d:devices/d:device[d:name='a'][d:port > 3]/d:tag").below(tag("device")).everything


def test_a_position_counts_all_entries_before_it() -> None:
    first = asked("/d:devices/d:device[1][d:name='a']").below(tag("devices"))
    assert first.values(tag("device"), tag("name")) is None
    first = asked("/d:devices/d:device[d:name='a'][1]").below(tag("devices"))
    assert first.values(tag("device"), tag("name")) == frozenset("a")


def test_what_is_not_a_value_as_it_is_looked_up_is_left_to_the_filter() -> None:
    """A number equals many texts, and values are looked up without white space around them."""
    for predicate in ("d:port=1", "d:name=' a'", "d:name!='a'", "not(d:name='a')", ".='a'", "*='a'"):
        inside = asked(f"/d:devices/d:device[{predicate}]").below(tag("devices"))
        assert inside.values(tag("device"), tag("name")) is None, predicate


# --- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "its end"),
        ("/d:a[", "its end"),
        ("/d:a]", "']' at character 5"),
        ("d:a d:b", "'d:b' at character 5"),
        ("/x:a", "the prefix 'x' of 'x:a'"),
        ("//d:a[x:b='1']", "the prefix 'x' of 'x:b'"),
        ("//d:a[@x:b]", "the prefix 'x'"),
        ("$v", "the variable at character 1"),
        ("count(//d:a)", "gives a number"),
        ("'a'", "gives a string"),
        ("/d:a = 1", "gives a boolean"),
        ("frob()", "no function frob()"),
        ("document('x')", "no function document()"),
        ("x:node-set(/)", "no function x:node-set()"),
        ("//d:a[deref(.)]", "deref() is not supported"),
        ("//d:a[re-match(., d:b)]", "must be a literal"),
        ("//d:a[re-match(., '(x')]", "in '(x': the pattern ends too early"),
        ("//d:a[count('x')]", "count() takes a node-set, not a string"),
        ("//d:a[contains(.)]", "contains() takes 2 arguments, not 1"),
        ("//d:a | 'x'", "joins node-sets only"),
        ("'a'/d:b", "no node-set"),
        ("foo::d:a", "no axis 'foo'"),
        ("/d:a[\x01]", "has no meaning"),
        ("/d:a['x]", "has no meaning"),
        ("/" * 3, "'/' at character 3"),
        ("/d:a" * (LONGEST // 4 + 1), f"may have {LONGEST}"),
        ("d:a[" * (DEEPEST + 1) + "1" + "]" * (DEEPEST + 1), f"deeper than {DEEPEST}"),
        ("(" * 3000, f"deeper than {DEEPEST}"),
    ],
)
def test_what_is_no_filter(expression: str, words: str) -> None:
    with pytest.raises(XPathError) as refused:
        compile_filter(expression, PREFIXES)
    assert words in str(refused.value)


def test_errors_are_those_of_netconf() -> None:
    def refusal(attributes: str, inside: str = "", xpath: bool = True) -> tuple[str, str, list[str | None]]:
        element = etree.fromstring(f'<filter xmlns="{BASE}" xmlns:d="{D}" {attributes}>{inside}</filter>')
        with pytest.raises(RpcError) as refused:
            filter_of(element, xpath=xpath)
        return refused.value.type, refused.value.tag, [info.text for info in refused.value.info]

    assert refusal('type="xpath"') == ("protocol", "missing-attribute", ["select", "filter"])
    assert refusal('type="XPATH" select="/"') == ("protocol", "bad-attribute", ["type", "filter"])
    assert refusal('select="/"') == ("protocol", "bad-attribute", ["select", "filter"])
    assert refusal('type="xpath" select="/" mode="x"') == (
        "protocol",
        "unknown-attribute",
        ["mode", "filter"],
    )
    assert refusal('type="xpath" select="/"', "<a/>") == ("protocol", "unknown-element", ["a"])
    assert refusal('type="xpath" select="/x:a"') == ("protocol", "invalid-value", [])
    assert refusal('type="xpath" select="/"', xpath=False)[1] == "operation-not-supported"
    assert filter_of(None) is NO_FILTER
    assert isinstance(filter_of(etree.fromstring("<filter/>")), SubtreeFilter)


# --- What it may cost -----------------------------------------------------------------------------


def wide(entries: int) -> Element:
    data = etree.Element("data")
    devices = etree.SubElement(data, tag("devices"))
    for number in range(20):
        device = etree.SubElement(devices, tag("device"))
        etree.SubElement(device, tag("name")).text = f"d{number}"
        for block in range(entries // 20):
            entry = etree.SubElement(device, tag("block"))
            for name in ("prefix", "state", "description"):
                etree.SubElement(entry, tag(name)).text = f"{number}-{block}"
    return data


BOMBS = [
    "//*[..//*[..//*[..//*]]]",
    "//*[.//*[.//*[.//*[.//*]]] = //*]",
    "//*[preceding::*[preceding::*]]",
    "//*[count(following::*) > count(preceding::*)]",
    "//*[. = //*]",
    "//*[contains(., .)]",
    "//*[contains(concat(/, /), .)]",
    "//*[translate(/, ., .) = string(..)]",
    "//*[re-match(., '((.*a)*b)*c')]",
    "//d:state[re-match(concat(., /), '(x{0,10}){0,50}')]",
    "//*[count(//* | ..//*) > 1]",
    "(//* | //*/ancestor::* | //*/following::*)[1]",
    "//*//*/ancestor::*//*/following::*",
    "//*/../../*/../*/..//*[../*/../*]",
    "//*[(//*)[. = current()//*]]",
    "//*[sum(//* | .) > 1]",
    " | ".join(["//*[preceding::*]"] * 200),
    " | ".join(["//*"] * 1000),
    "//*[" + " or ".join(["../following::* = ."] * 100) + "]",
]


@pytest.fixture(scope="module")
def large() -> Element:
    """Some 70,000 nodes."""
    return wide(10_000)


@pytest.mark.parametrize("expression", BOMBS)
def test_what_may_take_long_is_refused_before_it_begins(large: Element, expression: str) -> None:
    with pytest.raises(TooCostly, match="name whole paths"):
        compile_filter(expression, PREFIXES).find(large)


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        ("//d:block[d:prefix='3-4']", 1),
        ("/d:devices/d:device[d:name='d3']/d:block[d:prefix='3-4']/d:state", 1),
        ("//d:block", 10_000),
        ("//*[//*[//*[//*[//*]]]]", 40_041),
        ("//d:device[count(//d:block) > 3]", 20),
        ("//d:block//d:state", 10_000),
        ("//d:state/..", 10_000),
        ("//d:state/ancestor::*", 10_021),
        ("//d:block[../d:name='d3']", 500),
        ("//d:block[d:prefix = d:state]", 10_000),
        ("//d:block[contains(d:description, '-499')]", 20),
        ("//d:block[starts-with(d:prefix, '3-') and not(d:state='3-4')]", 499),
        ("//d:block[count(*) > 2] | //d:name | //d:state | //d:description", 30_020),
        ("//d:device[d:block/d:prefix = //d:state]", 20),
        ("//block[prefix='3-4' or state='4-4']/description", 2),
        ("/d:devices/d:device/d:block[last()]", 20),
        (r"//d:block[re-match(d:prefix, '3-4\d*')]", 111),
    ],
)
def test_what_people_ask_is_answered(large: Element, expression: str, count: int) -> None:
    assert len(compile_filter(expression, PREFIXES).find(large)) == count


def test_a_condition_is_judged_before_there_is_data() -> None:
    """RFC 8639 2.2: it is held against each event."""
    event = etree.fromstring(f"<event><a xmlns='{D}'><b>1</b><b>2</b></a></event>")
    assert compile_condition("/d:a/d:b = 2", PREFIXES, 100).holds(event)
    assert not compile_condition("count(//d:b) > 2", PREFIXES, 100).holds(event)
    assert compile_condition("d:a[count(//d:b) = 2 and d:b[2]]", PREFIXES, 100).holds(event)
    assert compile_condition("'a'", PREFIXES, 100).holds(event)
    with pytest.raises(TooCostly):
        compile_condition("//*[..//*[..//*[..//*]]]", PREFIXES, 100)
