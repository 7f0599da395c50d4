"""RPCs of a YANG module: what a server takes and refuses (RFC 7950, 7.14, 8.3, 9 and 15; RFC 6241, appendix A)."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from lxml import etree

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.messages import Heading, Output, build_reply, parse_rpc
from casm_ctrl.netconf.names import BASE, YANG, nc
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound.verbs import MODULE, NAMESPACE, tag
from casm_ctrl.northbound.verbs.inputs import read_input
from casm_ctrl.northbound.verbs.outputs import OutputWriter
from casm_ctrl.yang.engine import engine_for
from casm_ctrl.yang.operations import OperationNode, read_operations

POOL = "<device-pool>bng1/home</device-pool>"


@cache
def node(name: str) -> OperationNode:
    return read_operations(engine_for(MODULE).context, MODULE)[tag(name)]


def message(name: str, body: str) -> bytes:
    return f'<rpc xmlns="{BASE}" message-id="1"><{name} xmlns="{NAMESPACE}">{body}</{name}></rpc>'.encode()


def read(name: str, body: str) -> dict[str, Any]:
    return read_input(parse_rpc(message(name, body)).operation, node(name), engine_for(MODULE))


def refused(name: str, body: str) -> RpcError:
    with pytest.raises(RpcError) as caught:
        read(name, body)
    error = caught.value
    assert error.severity == "error"
    assert error.message
    # The path is an XPath on the request, with prefixes that are bound where it stands (RFC 6241, 4.3).
    element = rpc_error.to_xml(error).find(nc("error-path"))
    assert element is not None
    bound = {prefix: uri for prefix, uri in element.nsmap.items() if prefix is not None}
    etree.XPath(str(element.text), namespaces=bound)
    return error


def located(name: str, body: str, error: RpcError) -> list[Any]:
    """What the error-path finds in the request itself."""
    request = etree.fromstring(message(name, body))
    find = etree.XPath(str(error.path), namespaces=dict(error.namespaces))
    found = find(request.getroottree())
    assert isinstance(found, list)
    return found


def info(error: RpcError) -> dict[str, str | None]:
    return {etree.QName(child).localname: child.text for child in error.info}


# --- Input (RFC 7950, 7.14.2 and 8.3.1) -----------------------------------------------------------


def test_input_is_typed() -> None:
    """RFC 7950 7.14.4: input parameters are child elements of the rpc's element, in any order."""
    given = read(
        "allocate",
        f"<length>25</length><label><value>north</value><name>region</name></label>{POOL}<pool>b</pool>"
        "<count>3</count><pool>a</pool><dry-run>true</dry-run>",
    )
    assert given == {
        "device-pool": "bng1/home",
        "length": 25,
        "count": 3,
        "pool": ["b", "a"],
        "label": [{"name": "region", "value": "north"}],
        "dry-run": True,
    }


def test_defaults_of_input() -> None:
    """RFC 7950 7.14.2: a leaf in the input with a default that is not sent has that value."""
    given = read("plan", "")
    assert given == {
        "remove-zombies": False,
        "keep": False,
        "wait": 30,
        "accept-new": False,
        "jobs": 8,
        "retries": 2,
        "retry": False,
    }


def test_no_input_at_all() -> None:
    """RFC 7950 7.14.1: an rpc without input takes none."""
    assert read("read-status", "") == {}
    error = refused("read-status", "<verbose/>")
    assert (error.tag, info(error)) == ("unknown-element", {"bad-element": "verbose"})


def test_empty_leaf_is_a_flag() -> None:
    """RFC 7950 9.11: a leaf of type empty says something by being there."""
    assert read("apply", "<atomic/>")["atomic"] is True
    assert "atomic" not in read("apply", "")


def test_user_ordered_leaf_list_keeps_its_order() -> None:
    """RFC 7950 7.7.7: entries that the user orders keep their order, other nodes between them or not."""
    names = ["z", "a", "m"]
    body = "".join(f"<device>{name}</device>" for name in names)
    assert read("plan", f"<keep>true</keep>{body}")["device"] == names


def test_mandatory_leaf_is_missing() -> None:
    """RFC 7950 7.14.2: a mandatory leaf of the input must be there (RFC 6241, appendix A: missing-element)."""
    error = refused("allocate", "<count>1</count>")
    assert (error.type, error.tag) == ("protocol", "missing-element")
    assert info(error) == {"bad-element": "device-pool"}
    assert error.path == "/nc:rpc/casm-o:allocate/casm-o:device-pool"


def test_mandatory_leaf_of_an_entry_is_missing() -> None:
    """RFC 7950 7.6.5: a mandatory leaf must be there in each entry."""
    error = refused("allocate", f"{POOL}<label><name>region</name></label>")
    assert (error.tag, info(error)) == ("missing-element", {"bad-element": "value"})


def test_key_is_missing() -> None:
    """RFC 7950 8.3.1: an entry without all of its keys is answered with missing-element."""
    error = refused("allocate", f"{POOL}<label><value>north</value></label>")
    assert (error.tag, info(error)) == ("missing-element", {"bad-element": "name"})
    assert error.path == "/nc:rpc/casm-o:allocate/casm-o:label/casm-o:name"


def test_unknown_element() -> None:
    """RFC 7950 8.3.1: an element that no node of the input has is answered with unknown-element."""
    body = f"{POOL}<colour>red</colour>"
    error = refused("allocate", body)
    assert (error.tag, info(error)) == ("unknown-element", {"bad-element": "colour"})
    assert [found.tag for found in located("allocate", body, error)] == [tag("allocate")]


def test_unknown_element_in_an_entry() -> None:
    """RFC 7950 8.3.1: unknown-element, however deep it stands."""
    error = refused("allocate", f"{POOL}<label><name>a</name><value>b</value><more/></label>")
    assert (error.tag, info(error)) == ("unknown-element", {"bad-element": "more"})
    assert error.path == "/nc:rpc/casm-o:allocate/casm-o:label"


def test_wrong_namespace() -> None:
    """RFC 6241 A: an element of a namespace that is not the input's is answered with unknown-namespace."""
    error = refused("allocate", f'{POOL}<count xmlns="urn:other">1</count>')
    assert error.tag == "unknown-namespace"
    assert info(error) == {"bad-element": "count", "bad-namespace": "urn:other"}


def test_no_namespace() -> None:
    """RFC 6241 A: unknown-namespace, where an element has none."""
    assert refused("allocate", f'{POOL}<count xmlns="">1</count>').tag == "unknown-namespace"


def test_leaf_twice() -> None:
    """RFC 7950 7.6: a leaf has at most one instance."""
    error = refused("allocate", POOL + POOL)
    assert (error.tag, info(error)) == ("bad-element", {"bad-element": "device-pool"})


def test_two_cases_of_a_choice() -> None:
    """RFC 7950 8.3.1: data of more than one case of a choice is answered with bad-element."""
    error = refused("allocate", f"{POOL}<count>2</count><prefix>192.0.2.0/24</prefix>")
    assert (error.tag, info(error)) == ("bad-element", {"bad-element": "prefix"})


def test_nodes_of_one_case_go_together() -> None:
    """RFC 7950 7.9.2: the nodes of one case may all be there."""
    assert read("apply", "<atomic/><best-effort>true</best-effort>")["best-effort"] is True


def test_mandatory_choice_is_missing() -> None:
    """RFC 7950 15.6: a mandatory choice without data is data-missing, missing-choice, and names the choice."""
    error = refused("replace-device", "<name>bng1</name><reason>why</reason>")
    assert (error.tag, error.app_tag) == ("data-missing", "missing-choice")
    assert info(error) == {"missing-choice": "identity"}
    assert error.info[0].tag == f"{{{YANG}}}missing-choice"


def test_too_few_entries() -> None:
    """RFC 7950 15.3: fewer entries than min-elements is operation-failed, too-few-elements, with the path."""
    error = refused("release", "")
    assert (error.tag, error.app_tag) == ("operation-failed", "too-few-elements")
    assert error.path == "/nc:rpc/casm-o:release/casm-o:block"


def test_an_entry_twice() -> None:
    """RFC 7950 7.8.2: no two entries have the same keys."""
    entry = "<label><name>a</name><value>b</value></label>"
    assert refused("allocate", POOL + entry + entry).tag == "operation-failed"


def test_a_value_of_a_leaf_list_twice() -> None:
    """RFC 7950 7.7: only in configuration are the values of a leaf-list unique; input is none."""
    assert read("release", "<block>b1</block><block>b1</block>")["block"] == ["b1", "b1"]


def test_must_is_false() -> None:
    """RFC 7950 15.4: a false must is operation-failed, must-violation, with its own message."""
    body = "<block>b1</block><force>true</force>"
    error = refused("release", body)
    assert (error.tag, error.app_tag) == ("operation-failed", "must-violation")
    assert error.message == "a forced release needs a reason: it is audited"
    assert [found.tag for found in located("release", body, error)] == [tag("force")]


def test_must_looks_at_nodes_of_the_input() -> None:
    """RFC 7950 7.5.3: the context of a must in the input is the input."""
    assert read("release", "<block>b1</block><force>true</force><reason>fire</reason>")["force"] is True
    assert refused("apply", "<best-effort>true</best-effort>").app_tag == "must-violation"


def test_text_between_elements() -> None:
    """RFC 7950 7.5.7: a container, and so the input, holds elements only."""
    assert refused("allocate", f"{POOL} and more").tag == "bad-element"
    assert read("allocate", f"\n  {POOL}\n\t")["device-pool"] == "bng1/home"


def test_elements_in_a_leaf() -> None:
    """RFC 7950 7.6.6: a leaf holds text only."""
    error = refused("allocate", "<device-pool>bng1/<b>home</b></device-pool>")
    assert (error.tag, info(error)) == ("unknown-element", {"bad-element": "b"})


@pytest.mark.parametrize(
    "body", ['<device-pool unit="x">bng1/home</device-pool>', f"{POOL}<label urgent='1'/>"]
)
def test_attribute(body: str) -> None:
    """RFC 6241 A: an attribute that is not known is answered with unknown-attribute, and names it."""
    error = refused("allocate", body)
    assert error.tag == "unknown-attribute"
    assert set(info(error)) == {"bad-attribute", "bad-element"}


def test_comments_are_nothing() -> None:
    """RFC 6241 3.1: what XML says beside elements and text is not looked at."""
    assert read("allocate", f"<!-- please -->{POOL}<?now?>")["device-pool"] == "bng1/home"


# --- Values (RFC 7950, 8.3.1 and 9) ---------------------------------------------------------------

BAD = [
    ("allocate", "length", "129", "9.2.4 range"),
    ("allocate", "length", "-1", "9.2 uint8 is not negative"),
    ("allocate", "length", "2.5", "9.2 an integer has no fraction"),
    ("allocate", "length", "0x19", "9.2.1 hexadecimal is for defaults in modules only"),
    ("allocate", "length", "", "9.2 an integer is not empty"),
    ("allocate", "length", "99999999999999999999", "9.2 uint8 has 8 bits"),
    ("allocate", "count", "0", "9.2.4 range"),
    ("allocate", "dry-run", "yes", "9.5 boolean"),
    ("allocate", "dry-run", "TRUE", "9.5 boolean is in lower case"),
    ("allocate", "dry-run", "1", "9.5 boolean is a word"),
    ("allocate", "strategy", "worst-fit", "9.6 enumeration"),
    ("allocate", "strategy", "Sparse", "9.6 an enum is compared exactly"),
    ("allocate", "addresses", "2^10", "9.4.5 pattern"),
    ("allocate", "addresses", "010", "9.4.5 pattern"),
    ("allocate", "device-pool", "bng1", "9.4.5 pattern"),
    ("allocate", "device-pool", "bng1/home/x", "9.4.5 pattern"),
    ("allocate", "pool", "b12", "9.4.5 pattern: a block's id is no name"),
    ("allocate", "pool", "", "9.4.4 length"),
    ("allocate", "request-id", "", "9.4.4 length"),
    ("allocate", "expires", "tomorrow", "9.12 union: no member fits"),
    ("allocate", "expires", "2026-13-01T00:00:00Z", "9.12 union: no member fits"),
    ("allocate", "lifetime", "30d", "9.2 an integer has no unit"),
    ("allocate", "prefix", "198.51.100.0", "9.12 union: no member fits"),
    ("release", "block", "c12", "9.12 union: no member fits"),
    ("release", "block", "b0", "9.12 union: no member fits"),
    ("apply", "jobs", "257", "9.2.4 range"),
    ("apply", "atomic", "yes", "9.11 empty holds nothing"),
    ("check-drift", "restore", "maybe", "9.6 enumeration"),
    ("trace", "at", "now", "9.4.5 pattern of date-and-time"),
    ("verify-audit", "expect", "12", "9.4.5 pattern"),
]


@pytest.mark.parametrize(
    ("name", "leaf", "value", "why"), BAD, ids=lambda value: str(value).replace("/", "_")
)
def test_value(name: str, leaf: str, value: str, why: str) -> None:
    """RFC 7950 8.3.1: a value that its type does not allow is invalid-value, with the path of the leaf."""
    needed = {"allocate": POOL, "trace": "<address>192.0.2.1</address>"}.get(name, "")
    body = f"<{leaf}>{value}</{leaf}>" + ("" if f"<{leaf}>" in needed else needed)
    error = refused(name, body)
    assert error.tag == "invalid-value", why
    found = located(name, body, error)
    assert [element.tag for element in found] == [tag(leaf)], (error.path, why)


GOOD = [
    ("allocate", "length", "+25", 25, "9.2.1 sign"),
    ("allocate", "length", " 25 ", 25, "9.2.1 white space"),
    ("allocate", "length", "031", 31, "9.2.1 octal is for defaults in modules only"),
    ("allocate", "length", "0", 0, "9.2.1 zero"),
    ("allocate", "dry-run", "true", True, "9.5"),
    ("allocate", "expires", "never", "never", "9.12 a member of the union"),
    ("allocate", "expires", "2027-01-31T00:00:00+01:00", "2027-01-31T00:00:00+01:00", "9.12"),
    ("allocate", "prefix", "192.0.2.1/32 psid 5/4", "192.0.2.1/32 psid 5/4", "9.12"),
    ("allocate", "addresses", "79228162514264337593543950336", "79228162514264337593543950336", "9.4"),
    ("allocate", "reason", "  two <![CDATA[<words>]]> &amp; more ", "  two <words> & more ", "9.4 string"),
    ("release", "block", "2001:db8::/48", ["2001:db8::/48"], "9.12"),
]


@pytest.mark.parametrize(
    ("name", "leaf", "text", "value", "why"), GOOD, ids=lambda value: str(value).replace("/", "_")
)
def test_lexical_forms(name: str, leaf: str, text: str, value: object, why: str) -> None:
    """RFC 7950 9.2.1: every lexical form of a type is taken; the value is what counts."""
    body = f"<{leaf}>{text}</{leaf}>" + (POOL if name == "allocate" else "")
    assert read(name, body)[leaf] == value, why


# --- Output (RFC 7950, 7.14.3 and 7.14.4) ---------------------------------------------------------


def reply(name: str, document: dict[str, Any]) -> bytes:
    return build_reply(Heading({"message-id": "1"}), Output(OutputWriter(node(name).output).write(document)))


def test_output_stands_in_the_order_of_the_model() -> None:
    """RFC 7950 7.14.4: output is encoded as child elements of rpc-reply, in the order of the model."""
    written = reply(
        "allocate",
        {
            "routes": "2",
            "block": [{"state": "reserved", "prefix": "192.0.2.0/24", "id": "b1"}, {"id": "b2"}],
        },
    )
    engine_for(MODULE).validate(written, what="reply", request=message("allocate", POOL))
    root = etree.fromstring(written)
    assert [etree.QName(child).localname for child in root] == ["block", "block", "routes"]
    assert [etree.QName(leaf).localname for leaf in root[0]] == ["id", "prefix", "state"]
    assert {etree.QName(element).namespace for element in root.iterdescendants()} == {NAMESPACE}


def test_output_is_text_as_it_is() -> None:
    """RFC 7950 9.4: strings keep their characters; those that XML cannot carry are replaced."""
    for text, written in (
        ("a<b>&'\"]]>", "a<b>&'\"]]>"),
        ("two\r\nlines\t", "two\r\nlines\t"),
        ("a\x00b", "a?b"),
    ):
        root = etree.fromstring(reply("export-store", {"document": text}))
        assert root[0].text == written


def test_output_of_booleans_and_numbers() -> None:
    """RFC 7950 9.2.2: values are written in their canonical form."""
    root = etree.fromstring(reply("seal-audit", {"busy": False, "newly-sealed": "0", "sealed": 7}))
    assert [(etree.QName(leaf).localname, leaf.text) for leaf in root] == [
        ("newly-sealed", "0"),
        ("busy", "false"),
        ("sealed", "7"),
    ]


def test_presence_container() -> None:
    """RFC 7950 7.5.1: what is told by being there is there only then."""
    document = {"device": [{"name": "a", "result": "fit"}, {"name": "b", "error": {"tag": "in-use"}}]}
    root = etree.fromstring(reply("check-devices", document))
    assert [child.find(f"{{{NAMESPACE}}}error") is not None for child in root] == [False, True]


def test_what_the_model_has_no_place_for_is_found() -> None:
    """RFC 7950 7.14.3: the output has the nodes of the model, and no others."""
    writer = OutputWriter(node("plan").output)
    document = {"device": [{"name": "a", "colour": 1, "error": {"shape": 2}}], "size": 3}
    assert writer.strays(document) == ["/device/colour", "/device/error/shape", "/size"]
    assert writer.strays({"device": [{"name": "a"}]}) == []
