"""Framing (RFC 6242) and messages (RFC 6241, 4 and 8.1), by the RFCs' own rules and examples."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from lxml import etree

from casm_ctrl.base.errors import ProtocolViolation
from casm_ctrl.netconf import framing, rpc_error
from casm_ctrl.netconf.framing import END_OF_MESSAGE, Decoder, Framing
from casm_ctrl.netconf.messages import Data, Errors, Ok, Output, build_hello
from casm_ctrl.netconf.names import Element, nc
from casm_ctrl.netconf.server.conversation import ServerSession, State

BASE_1_0 = "urn:ietf:params:netconf:base:1.0"
BASE_1_1 = "urn:ietf:params:netconf:base:1.1"
NC = "urn:ietf:params:xml:ns:netconf:base:1.0"
EXAMPLE_RPC = (  # RFC 6242, 4.2
    b'<?xml version="1.0" encoding="UTF-8"?>\n<rpc message-id="102"\n'
    b'     xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">\n  <close-session/>\n</rpc>'
)


def take(chunks: bytes, kind: Framing = Framing.CHUNKED, *, step: int | None = None) -> list[bytes]:
    """The messages in `chunks`, given to the decoder `step` octets at a time."""
    decoder, found = Decoder(kind), []
    for start in range(0, len(chunks), step or len(chunks)):
        found += list(decoder.feed(chunks[start : start + (step or len(chunks))]))
    return found


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"\n#%d\n%s" % (len(chunk), chunk) for chunk in chunks) + b"\n##\n"


# --- RFC 6242 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_the_example_of_chunks(step: int) -> None:
    """RFC 6242 4.2: the example of chunks of 4, 18 and 79 octets is one message."""
    example = (
        b'\n#4\n<rpc\n#18\n message-id="102"\n\n#79\n     xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">\n'
        b"  <close-session/>\n</rpc>\n##\n"
    )
    (message,) = take(example, step=step)
    assert etree.fromstring(message)[0].tag == nc("close-session")


@pytest.mark.parametrize("size", [1, 2, 9, 10, 99, 100, 65535, 65536])
def test_chunks_of_any_size(size: int) -> None:
    """RFC 6242 4.2: chunk-size counts octets, of any chunk from 1."""
    data = b"x" * size
    assert take(chunked(data, data)) == [data + data]


def test_octets_are_counted_not_characters() -> None:
    """RFC 6242 4.2: a chunk may end inside a character of several octets."""
    text = "<a>é€😀</a>".encode()
    assert take(chunked(*(text[i : i + 1] for i in range(len(text))))) == [text]


@pytest.mark.parametrize(
    "stream",
    [
        b"\n#0\n\n##\n",  # a chunk-size has no leading zero, and is not zero
        b"\n#04\n<rpc\n##\n",
        b"\n#4294967296\n",  # above the largest chunk-size
        b"\n#-4\n<rpc\n##\n",
        b"\n#4 \n<rpc\n##\n",
        b"\n#+4\n<rpc\n##\n",
        b"\n#0x4\n<rpc\n##\n",
        b"\r\n#4\r\n<rpc\r\n##\r\n",  # LF, not CR LF
        b"#4\n<rpc\n##\n",  # no LF before
        b"\n#4\n<rpc##\n",  # no LF before the end of chunks
        b"\n##\n",  # a message has one chunk at least
        b"\n#4\n<rpcX\n##\n",
        b"<rpc/>]]>]]>",
        b"\n#99999999999\n",
    ],
)
def test_what_is_no_chunk_ends_the_session(stream: bytes) -> None:
    """RFC 6242 4.2: a peer that finds an error in the framing must end the session."""
    session = opened()
    session.receive(stream)
    assert session.next_rpc() is None
    assert session.state is State.FAILED
    session.receive(chunked(EXAMPLE_RPC))
    assert session.next_rpc() is None


def test_the_mark_inside_a_chunk_is_data() -> None:
    """RFC 6242 4.1: with base:1.1 `]]>]]>` may occur in a message."""
    data = b"<a>]]&gt;]]&gt;<!-- ]]>]]> --></a>"
    assert take(chunked(data[:15], data[15:])) == [data]


@pytest.mark.parametrize("step", [1, 5, 6, 7, 1000])
def test_end_of_message_marks(step: int) -> None:
    """RFC 6242 4.3: with base:1.0 every message ends with `]]>]]>`."""
    assert take(b"<a/>]]>]]><b/>\n]]>]]>", Framing.END_OF_MESSAGE, step=step) == [b"<a/>", b"<b/>\n"]


def test_the_hello_has_a_mark_whatever_follows() -> None:
    """RFC 6242 4.1: hello is framed with end-of-message, and what follows it with chunks where both speak base:1.1."""
    session = ServerSession(4, [BASE_1_0, BASE_1_1])
    assert session.take_output().endswith(END_OF_MESSAGE)
    session.receive(build_hello([BASE_1_1]) + END_OF_MESSAGE + chunked(EXAMPLE_RPC))
    rpc = session.next_rpc()
    assert rpc is not None
    session.answer(rpc, Ok())
    assert session.take_output().startswith(b"\n#")


def test_what_is_too_large_ends_the_session_before_it_is_held() -> None:
    """RFC 6242 4.2: the size that a chunk announces is believed only up to the limit."""
    decoder = Decoder(Framing.CHUNKED, max_message=1000)
    with pytest.raises(ProtocolViolation, match=r"1,?000"):
        list(decoder.feed(b"\n#1001\n"))


# --- RFC 6241, 8.1: hello -------------------------------------------------------------------------


def opened(capabilities: Sequence[str] = (BASE_1_1,)) -> ServerSession:
    session = ServerSession(4, [BASE_1_0, BASE_1_1])
    session.receive(build_hello(capabilities) + END_OF_MESSAGE)
    assert session.next_rpc() is None
    session.take_output()
    return session


@pytest.mark.parametrize(
    ("capabilities", "chunks"),
    [
        ([BASE_1_0], False),
        ([BASE_1_1], True),
        ([BASE_1_0, BASE_1_1], True),
        ([BASE_1_1 + "?x=1"], True),
        ([NC], False),  # as Junos writes it, and clients that were made for it
    ],
)
def test_the_highest_common_version_is_used(capabilities: list[str], chunks: bool) -> None:
    """RFC 6241 8.1: capabilities decide the version, whatever parameters follow them."""
    session = opened(capabilities)
    session.receive(chunked(EXAMPLE_RPC) if chunks else EXAMPLE_RPC + END_OF_MESSAGE)
    assert session.next_rpc() is not None


@pytest.mark.parametrize(
    "hello",
    [
        f'<hello xmlns="{NC}"><capabilities><capability>{BASE_1_1}</capability></capabilities>'
        "<session-id>4</session-id></hello>",
        f'<hello xmlns="{NC}"><capabilities><capability>urn:other</capability></capabilities></hello>',
        f'<hello xmlns="{NC}"><capabilities/></hello>',
        f'<hello xmlns="{NC}"/>',
        f"<hello><capabilities><capability>{BASE_1_1}</capability></capabilities></hello>",
        f'<rpc xmlns="{NC}" message-id="1"><get/></rpc>',
        "<hello",
        "",
    ],
)
def test_a_hello_that_is_none_ends_the_session(hello: str) -> None:
    """RFC 6241 8.1: no session-id from a client, a common base capability, and hello before all else."""
    session = ServerSession(4, [BASE_1_0, BASE_1_1])
    session.receive(hello.encode() + END_OF_MESSAGE)
    assert session.next_rpc() is None
    assert session.state is State.FAILED


def test_the_servers_hello_has_a_session_id() -> None:
    """RFC 6241 8.1: the server gives its session-id, and its capabilities in full."""
    hello = etree.fromstring(
        ServerSession(4, [BASE_1_0, BASE_1_1]).take_output().removesuffix(END_OF_MESSAGE)
    )
    assert hello.findtext(nc("session-id")) == "4"
    assert [c.text for c in hello.iter(nc("capability"))] == [BASE_1_0, BASE_1_1]


# --- RFC 6241, 4: rpc and rpc-reply ---------------------------------------------------------------


def reply_to(request: str | bytes, answer: Ok | Data | Output | Errors | None = None) -> Element:
    """What a client of base:1.1 gets; `answer` is for a request that is handed out."""
    session = opened()
    session.receive(chunked(request.encode() if isinstance(request, str) else request))
    rpc = session.next_rpc()
    if rpc is not None:
        session.answer(rpc, answer or Ok())
    (message,) = take(session.take_output())
    return etree.fromstring(message)


def only_error(reply: Element) -> rpc_error.RpcError:
    (found,) = reply.findall(nc("rpc-error"))
    return rpc_error.from_xml(found)


def test_message_id_is_echoed() -> None:
    """RFC 6241 4.1: message-id comes back octet for octet."""
    assert (
        reply_to(f'<rpc message-id=" a&#10;&lt;b&gt; " xmlns="{NC}"><get/></rpc>').get("message-id")
        == " a\n<b> "
    )


def test_attributes_are_echoed() -> None:
    """RFC 6241 4.2: the example with ex:user-id; every attribute of the rpc comes back unmodified."""
    reply = reply_to(
        f'<rpc message-id="101" xmlns="{NC}" xmlns:ex="http://example.net/content/1.0" ex:user-id="fred"><get/></rpc>',
        Data([]),
    )
    assert reply.get("{http://example.net/content/1.0}user-id") == "fred"
    assert reply.find(nc("data")) is not None


def test_a_missing_message_id_is_an_error() -> None:
    """RFC 6241 4.3: the example; type rpc, tag missing-attribute, bad-attribute and bad-element."""
    error = only_error(reply_to(f'<rpc xmlns="{NC}"><get-config/></rpc>'))
    assert (error.type, error.tag, error.severity) == ("rpc", "missing-attribute", "error")
    assert [(i.tag, i.text) for i in error.info] == [
        (nc("bad-attribute"), "message-id"),
        (nc("bad-element"), "rpc"),
    ]


def test_ok() -> None:
    """RFC 6241 4.4: <ok> where nothing went wrong and there is no data."""
    assert [child.tag for child in reply_to(EXAMPLE_RPC)] == [nc("ok")]


def test_several_errors_come_in_one_reply() -> None:
    """RFC 6241 4.3: more than one rpc-error may be sent, and none with ok or data."""
    errors = [rpc_error.invalid_value("a"), rpc_error.invalid_value("b")]
    reply = reply_to(EXAMPLE_RPC.replace(b"close-session", b"get"), Errors(errors))
    assert [child.tag for child in reply] == [nc("rpc-error")] * 2


def test_requests_are_answered_in_order() -> None:
    """RFC 6241 4.5: pipelined requests are answered one after the other, in their order."""
    session = opened()
    session.receive(
        b"".join(
            chunked(b'<rpc message-id="%d" xmlns="%s"><get/></rpc>' % (i, NC.encode())) for i in range(9)
        )
    )
    while (rpc := session.next_rpc()) is not None:
        session.answer(rpc, Ok())
    replies = take(session.take_output())
    assert [etree.fromstring(reply).get("message-id") for reply in replies] == [str(i) for i in range(9)]


@pytest.mark.parametrize(
    "message",
    [
        b"<rpc",
        b"not XML",
        b'<rpc message-id="1"><get/></rpc>',  # in no namespace
        b'<rpc-reply message-id="1" xmlns="NC"/>',
        b'<rpc message-id="1" xmlns="NC"><get></rpc>',
        b'<!DOCTYPE rpc [<!ENTITY e "x">]><rpc message-id="1" xmlns="NC"><get/></rpc>',
        b'\xff\xfe<rpc message-id="1" xmlns="NC"><get/></rpc>',
        b'<rpc message-id="1" xmlns="NC"><get>\xc3(</get></rpc>',
        b'<?xml version="1.0" encoding="ISO-8859-1"?><rpc message-id="1" xmlns="NC"><g>\xe9</g></rpc>',
        b'<rpc message-id="1" xmlns="NC"><get/></rpc><rpc/>',
    ],
)
def test_a_message_that_cannot_be_handled_is_answered(message: bytes) -> None:
    """RFC 6241 A: malformed-message, type rpc, for base:1.1 only; 3: UTF-8, well-formed, and no DOCTYPE."""
    error = only_error(reply_to(message.replace(b'"NC"', f'"{NC}"'.encode())))
    assert (error.type, error.tag) == ("rpc", "malformed-message")


def test_malformed_message_is_not_said_to_old_clients() -> None:
    """RFC 6241 A: a server must not send malformed-message to a client of base:1.0, but may end the session."""
    session = opened([BASE_1_0])
    session.receive(b"<rpc" + END_OF_MESSAGE)
    assert session.next_rpc() is None
    assert session.state is State.FAILED
    assert b"malformed-message" not in session.take_output()


def test_an_rpc_without_an_operation() -> None:
    """RFC 6241 4.1: an rpc holds the operation."""
    assert only_error(reply_to(f'<rpc message-id="1" xmlns="{NC}"/>')).tag == "missing-element"


def test_close_session_ends_the_session() -> None:
    """RFC 6241 7.8: requests after close-session are ignored."""
    session = opened()
    session.receive(chunked(EXAMPLE_RPC) + chunked(EXAMPLE_RPC))
    rpc = session.next_rpc()
    assert rpc is not None
    session.answer(rpc, Ok())
    assert session.state is State.CLOSING
    assert session.next_rpc() is None
    assert len(take(session.take_output())) == 1


@pytest.mark.parametrize(
    ("error", "kind", "tag", "info"),
    [
        (rpc_error.lock_denied(454), "protocol", "lock-denied", [("session-id", "454")]),
        (rpc_error.unknown_element("x", "no"), "protocol", "unknown-element", [("bad-element", "x")]),
        (rpc_error.unknown_namespace("x", "urn:y"), "protocol", "unknown-namespace",
         [("bad-element", "x"), ("bad-namespace", "urn:y")]),
        (rpc_error.unknown_attribute("a", "x"), "application", "unknown-attribute",
         [("bad-attribute", "a"), ("bad-element", "x")]),
    ],
)  # fmt: skip
def test_error_info(error: rpc_error.RpcError, kind: str, tag: str, info: list[tuple[str, str]]) -> None:
    """RFC 6241 A: each tag has its type and what error-info must hold."""
    told = only_error(reply_to(EXAMPLE_RPC.replace(b"close-session", b"get"), Errors([error])))
    assert (told.type, told.tag) == (kind, tag)
    assert [(etree.QName(i).localname, i.text) for i in told.info] == info


def test_a_reply_is_framed_in_chunks_of_any_size() -> None:
    """RFC 6242 4.2: what we send obeys the grammar, also in chunks of one octet."""
    text = b"<data>]]>]]></data>"
    for size in (1, 2, 3, len(text), framing.MAX_CHUNK):
        assert take(framing.encode(text, Framing.CHUNKED, chunk=size)) == [text]
