"""Messages as both ends write and read them, and what a hostile or careless peer may send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.base.errors import PeerError, ProtocolViolation
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.framing import Framing
from casm_ctrl.netconf.messages import (
    Data,
    Errors,
    Heading,
    Hello,
    ModuleCapability,
    Ok,
    Output,
    RpcRefused,
    build_hello,
    build_reply,
    build_rpc,
    negotiate,
    parse_document,
    parse_hello,
    parse_module,
    parse_reply,
    parse_rpc,
)
from casm_ctrl.netconf.names import BASE, BASE_1_0, BASE_1_1, CANDIDATE, nc

XMLNS = f'xmlns="{BASE}"'

# --- XML ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<a>",
        b"not xml",
        b"<a>\0</a>",
        b"<a>\xff</a>",
        b'<?xml version="1.0" encoding="iso-8859-1"?><a>\xe4</a>',
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b"<a>&unknown;</a>",
        b"<a>" * 300 + b"</a>" * 300,
        b"<a/><b/>",
        b"<p:a/>",
    ],
)
def test_what_netconf_may_not_carry_is_refused(document: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        parse_document(document)


def test_entities_cannot_blow_a_message_up() -> None:
    entities = '<!ENTITY a0 "aaaaaaaaaa">'
    entities += "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    for body in ("<x>&a9;</x>", '<x y="&a9;"/>'):
        with pytest.raises(ProtocolViolation):
            parse_document(f"<!DOCTYPE x [{entities}]>{body}".encode())


def test_comments_instructions_and_a_leading_line_end_are_dropped() -> None:
    root = parse_document(b'\n<?xml version="1.0"?><!-- c --><a><?pi x?><!-- c --><b/></a>')
    assert [child.tag for child in root] == ["b"]


@given(st.binary(max_size=200))
def test_any_bytes_give_a_document_or_a_clean_error(data: bytes) -> None:
    try:
        parse_document(data)
    except ProtocolViolation as violation:
        assert "\n" not in violation.message


# --- hello ----------------------------------------------------------------------------------------

MODULE = "urn:example:m?module=example-m&revision=2020-01-02&features=a,b"


def test_hello_round_trip_keeps_capabilities_with_their_parameters() -> None:
    hello = parse_hello(build_hello([BASE_1_0, BASE_1_1, MODULE], 7), from_server=True)
    assert hello == Hello((BASE_1_0, BASE_1_1, MODULE), 7)
    assert hello.modules == {"example-m": "2020-01-02"}
    assert hello.has(BASE_1_1)
    assert not hello.has(CANDIDATE)


def test_a_capability_is_known_whatever_parameters_it_has() -> None:
    hello = Hello((f"{BASE_1_1}?x=y", f"{CANDIDATE}?protocol=1"))
    assert hello.has(BASE_1_1)
    assert hello.has(CANDIDATE)


def test_modules_are_read_from_capabilities() -> None:
    assert parse_module(MODULE) == ModuleCapability("example-m", "urn:example:m", "2020-01-02", ("a", "b"))
    assert parse_module(MODULE) == parse_module(
        ModuleCapability("example-m", "urn:example:m", "2020-01-02", ("a", "b")).capability
    )
    assert parse_module("http://x/y?module=m") == ModuleCapability("m", "http://x/y", None)
    assert parse_module(CANDIDATE) is None
    assert parse_module("urn:x?module=") is None
    twice = Hello(
        ("urn:x?module=m&revision=2020-01-01", "urn:x?module=m&revision=2021-01-01", "urn:x?module=m")
    )
    assert twice.modules == {"m": "2021-01-01"}


def test_white_space_around_a_capability_is_not_part_of_it() -> None:
    uris = f"<capability>\n  {BASE_1_0}\n</capability><capability/>"
    data = f"<hello {XMLNS}><capabilities>{uris}</capabilities></hello>"
    assert parse_hello(data.encode(), from_server=False) == Hello((BASE_1_0,))


@pytest.mark.parametrize("session_id", ["", "0", "-1", "x", "4294967296", "1</session-id><session-id>2"])
def test_a_servers_hello_needs_one_valid_session_id(session_id: str) -> None:
    data = build_hello([BASE_1_0], 99).replace(b">99<", f">{session_id}<".encode())
    with pytest.raises(ProtocolViolation):
        parse_hello(data, from_server=True)


def test_hello_is_refused_where_it_breaks_the_rules() -> None:
    with pytest.raises(ProtocolViolation, match="session-id"):
        parse_hello(build_hello([BASE_1_0], 1), from_server=False)
    with pytest.raises(ProtocolViolation, match="session-id"):
        parse_hello(build_hello([BASE_1_0]), from_server=True)
    with pytest.raises(ProtocolViolation, match="no capabilities"):
        parse_hello(build_hello([]), from_server=False)
    with pytest.raises(ProtocolViolation, match="<rpc>"):
        parse_hello(build_rpc("1", etree.Element(nc("get"))), from_server=False)
    with pytest.raises(ProtocolViolation, match="not <hello>"):
        parse_hello(b"<hello/>", from_server=False)


def test_the_highest_common_version_decides_the_framing() -> None:
    both, old, new, none = (
        Hello(versions) for versions in ((BASE_1_0, BASE_1_1), (BASE_1_0,), (BASE_1_1,), ("urn:x",))
    )
    assert negotiate(both, both) is Framing.CHUNKED
    assert negotiate(both, new) is Framing.CHUNKED
    assert negotiate(both, old) is Framing.END_OF_MESSAGE
    for ours, theirs in ((old, new), (new, old), (both, none)):
        with pytest.raises(ProtocolViolation, match="in common"):
            negotiate(ours, theirs)


# --- rpc ------------------------------------------------------------------------------------------


def refused(data: bytes) -> RpcRefused:
    with pytest.raises(RpcRefused) as info:
        parse_rpc(data)
    return info.value


def test_rpc_round_trip() -> None:
    rpc = parse_rpc(build_rpc("a&b", etree.Element(nc("discard-changes"))))
    assert rpc.name == "discard-changes"
    assert rpc.heading.attributes == {"message-id": "a&b"}


def test_rpc_without_message_id_gets_the_error_of_the_rfc() -> None:
    """RFC 6241, 4.1 and 4.3, the example."""
    refusal = refused(f'<rpc {XMLNS} user="fred"><get/></rpc>'.encode())
    reply = parse_reply(build_reply(refusal.heading, Errors([refusal.error])))
    (error,) = reply.errors
    assert (error.type, error.tag, error.severity) == ("rpc", "missing-attribute", "error")
    assert error.info == "message-id rpc"
    assert reply.element.get("user") == "fred"
    assert reply.message_id is None


@pytest.mark.parametrize(
    ("data", "tag"),
    [
        (b"<rpc", "malformed-message"),
        (b'<rpc message-id="1"><get/></rpc>', "malformed-message"),
        (f"<hello {XMLNS}/>".encode(), "malformed-message"),
        (f'<rpc {XMLNS} message-id="1"/>'.encode(), "missing-element"),
        (f'<rpc {XMLNS} message-id="1"><get/><get/></rpc>'.encode(), "bad-element"),
    ],
)
def test_a_message_that_is_no_rpc_is_answered(data: bytes, tag: str) -> None:
    assert refused(data).error.tag == tag


# --- rpc-reply ------------------------------------------------------------------------------------


def test_a_reply_repeats_attributes_and_prefixes() -> None:
    """RFC 6241, 4.2: unmodified, and any xmlns attributes too."""
    data = f'<rpc message-id="101" {XMLNS} xmlns:ex="http://example.net/1.0" ex:user-id="fred"><get/></rpc>'
    reply = build_reply(parse_rpc(data.encode()).heading, Data([]))
    assert b'xmlns:ex="http://example.net/1.0"' in reply
    assert b'ex:user-id="fred"' in reply
    assert parse_reply(reply).message_id == "101"
    prefixed = parse_rpc(f'<nc:rpc xmlns:nc="{BASE}" message-id="1"><nc:get/></nc:rpc>'.encode())
    assert parse_reply(build_reply(prefixed.heading, Ok())).ok


def test_replies_of_every_kind_come_back_as_they_were_given() -> None:
    heading = Heading({"message-id": "1"})
    assert parse_reply(build_reply(heading, Ok())).ok
    node = etree.fromstring('<x xmlns="urn:x"><y>1 &lt; 2 \u00e4</y></x>')
    tree = etree.Element("parent")
    tree.append(node)
    node.tail = "tail"
    reply = parse_reply(build_reply(heading, Data([node, node])))
    assert reply.data is not None
    assert [etree.tostring(child) for child in reply.data] == [etree.tostring(node, with_tail=False)] * 2
    assert node.getparent() is tree
    output = parse_reply(build_reply(heading, Output([node])))
    assert output.element[0].tag == "{urn:x}x"
    assert output.data is None
    assert not output.ok
    empty = parse_reply(build_reply(heading, Data([])))
    assert empty.data is not None
    assert len(empty.data) == 0


def test_errors_come_back_as_the_peers_errors() -> None:
    errors = [
        rpc_error.lock_denied(42),
        rpc_error.RpcError(
            "application",
            "invalid-value",
            app_tag="must-violation",
            path="/p:a/p:b",
            message="two\x00 words\nhere",
            namespaces={"p": "urn:p"},
        ),
    ]
    data = build_reply(Heading({"message-id": "1"}), Errors(errors))
    reply = parse_reply(data)
    assert reply.failed
    assert not reply.ok
    assert reply.errors == (
        PeerError("protocol", "lock-denied", message="session 42 holds the lock", info="42", session_id=42),
        PeerError(
            "application",
            "invalid-value",
            app_tag="must-violation",
            path="/p:a/p:b",
            message="two? words\nhere",
        ),
    )
    path = reply.element.find(f".//{nc('error-path')}")
    assert path is not None
    assert path.nsmap["p"] == "urn:p"


def test_a_warning_is_not_a_failure() -> None:
    warning = rpc_error.RpcError("application", "operation-failed", severity="warning", message="beware")
    data = build_reply(Heading({"message-id": "1"}), Errors([warning])).replace(
        b"</rpc-reply>", b"<ok/></rpc-reply>"
    )
    reply = parse_reply(data)
    assert reply.ok
    assert [error.severity for error in reply.errors] == ["warning"]


def test_an_error_that_says_little_is_read_all_the_same() -> None:
    reply = parse_reply(f'<rpc-reply {XMLNS} message-id="1"><rpc-error/></rpc-reply>'.encode())
    assert reply.errors == (PeerError("application", "operation-failed"),)


def test_something_else_than_a_reply_is_a_violation() -> None:
    with pytest.raises(ProtocolViolation, match="<rpc-reply> was awaited"):
        parse_reply(build_hello([BASE_1_0], 1))


ROWS: list[rpc_error.RpcError] = [
    rpc_error.in_use(),
    rpc_error.invalid_value("m", path="/a", app_tag="t"),
    rpc_error.too_big(),
    rpc_error.missing_attribute("a", "e"),
    rpc_error.bad_attribute("a", "e"),
    rpc_error.unknown_attribute("a", "e"),
    rpc_error.missing_element("e"),
    rpc_error.bad_element("e"),
    rpc_error.unknown_element("e"),
    rpc_error.unknown_namespace("e", "urn:n"),
    rpc_error.access_denied(),
    rpc_error.lock_denied(1),
    rpc_error.resource_denied("m"),
    rpc_error.rollback_failed("m"),
    rpc_error.data_exists("/a"),
    rpc_error.data_missing("/a"),
    rpc_error.operation_not_supported("m"),
    rpc_error.operation_failed("m", app_tag="t"),
    rpc_error.malformed_message("m"),
]
TYPES = {
    "in-use": {"protocol", "application"},
    "invalid-value": {"protocol", "application"},
    "too-big": {"transport", "rpc", "protocol", "application"},
    "missing-attribute": {"rpc", "protocol", "application"},
    "bad-attribute": {"rpc", "protocol", "application"},
    "unknown-attribute": {"rpc", "protocol", "application"},
    "missing-element": {"protocol", "application"},
    "bad-element": {"protocol", "application"},
    "unknown-element": {"protocol", "application"},
    "unknown-namespace": {"protocol", "application"},
    "access-denied": {"protocol", "application"},
    "lock-denied": {"protocol"},
    "resource-denied": {"transport", "rpc", "protocol", "application"},
    "rollback-failed": {"protocol", "application"},
    "data-exists": {"application"},
    "data-missing": {"application"},
    "operation-not-supported": {"protocol", "application"},
    "operation-failed": {"rpc", "protocol", "application"},
    "malformed-message": {"rpc"},
}
INFO = {
    "missing-attribute": ["bad-attribute", "bad-element"],
    "bad-attribute": ["bad-attribute", "bad-element"],
    "unknown-attribute": ["bad-attribute", "bad-element"],
    "missing-element": ["bad-element"],
    "bad-element": ["bad-element"],
    "unknown-element": ["bad-element"],
    "unknown-namespace": ["bad-element", "bad-namespace"],
    "lock-denied": ["session-id"],
}


@pytest.mark.parametrize("error", ROWS, ids=lambda error: error.tag)
def test_each_row_of_appendix_a_has_its_type_and_its_info(error: rpc_error.RpcError) -> None:
    """RFC 6241, appendix A."""
    assert error.type in TYPES[error.tag]
    assert [child.tag for child in error.info] == [nc(name) for name in INFO.get(error.tag, [])]
    again = rpc_error.from_xml(etree.fromstring(etree.tostring(rpc_error.to_xml(error))))
    assert rpc_error.to_peer_error(again) == rpc_error.to_peer_error(error)


def test_every_row_of_appendix_a_is_there() -> None:
    assert {error.tag for error in ROWS} == set(TYPES)
