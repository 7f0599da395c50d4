"""The server's end of a session, driven by bytes: states, order of replies, violations, arguments."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.netconf import framing
from casm_ctrl.netconf.arguments import Arguments
from casm_ctrl.netconf.framing import Decoder, Framing
from casm_ctrl.netconf.messages import (
    Answer,
    Data,
    Errors,
    Ok,
    Reply,
    Rpc,
    build_hello,
    build_rpc,
    parse_hello,
    parse_reply,
)
from casm_ctrl.netconf.names import BASE, BASE_1_0, BASE_1_1, CANDIDATE, Element, nc
from casm_ctrl.netconf.retrieval.filter_argument import NO_FILTER, SubtreeFilter, filter_of
from casm_ctrl.netconf.rpc_error import RpcError, RpcErrors, in_use, operation_failed
from casm_ctrl.netconf.server.conversation import EDGES, Event, ServerSession, State
from casm_ctrl.netconf.server.serving import NoAnswer, serve
from casm_ctrl.netconf.server.sessions import Counters, Sessions

XMLNS = f'xmlns="{BASE}"'


def rpc(message_id: str, name: str = "get") -> bytes:
    return build_rpc(message_id, etree.Element(nc(name)))


def open_session(version: str = BASE_1_1) -> tuple[ServerSession, Framing]:
    session = ServerSession(5, [BASE_1_0, BASE_1_1, CANDIDATE])
    hello = parse_hello(next(Decoder().feed(session.take_output())), from_server=True)
    assert (hello.session_id, hello.has(CANDIDATE)) == (5, True)
    session.receive(framing.encode(build_hello([version]), Framing.END_OF_MESSAGE))
    assert session.next_rpc() is None
    assert session.state is State.OPEN
    return session, Framing.CHUNKED if version == BASE_1_1 else Framing.END_OF_MESSAGE


def replies(output: bytes, how: Framing) -> list[Reply]:
    return [parse_reply(message) for message in Decoder(how).feed(output)]


@pytest.mark.parametrize("version", [BASE_1_0, BASE_1_1])
def test_requests_are_answered_one_after_the_other(version: str) -> None:
    session, how = open_session(version)
    session.receive(b"".join(framing.encode(rpc(str(number)), how) for number in range(5)))
    while (request := session.next_rpc()) is not None:
        session.answer(request, Ok())
    assert [reply.message_id for reply in replies(session.take_output(), how)] == list("01234")
    assert session.take_output() == b""


def test_a_request_is_handed_out_only_when_the_one_before_is_answered() -> None:
    session, how = open_session()
    session.receive(framing.encode(rpc("1"), how) * 2)
    assert session.next_rpc() is not None
    with pytest.raises(AssertionError):
        session.next_rpc()


@given(st.lists(st.integers(min_value=0, max_value=700), max_size=30), st.integers(min_value=1, max_value=50))
def test_the_splitting_of_a_sessions_bytes_does_not_matter(cuts: list[int], chunk: int) -> None:
    stream = framing.encode(build_hello([BASE_1_1]), Framing.END_OF_MESSAGE)
    for number in range(3):
        stream += framing.encode(rpc(str(number)), Framing.CHUNKED, chunk=chunk)
    session = ServerSession(1, [BASE_1_1])
    session.take_output()
    output = b""
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in pairwise(edges):
        session.receive(stream[start:end])
        while (request := session.next_rpc()) is not None:
            session.answer(request, Data([]))
        output += session.take_output()
    assert [reply.message_id for reply in replies(output, Framing.CHUNKED)] == ["0", "1", "2"]


def test_close_session_ends_it_and_what_follows_is_dropped() -> None:
    session, how = open_session()
    session.receive(framing.encode(rpc("1", "close-session"), how) + framing.encode(rpc("2"), how))
    request = session.next_rpc()
    assert request is not None
    session.answer(request, Ok())
    assert (session.state, session.over) == (State.CLOSING, True)
    session.receive(framing.encode(rpc("3"), how))
    assert session.next_rpc() is None
    assert [reply.message_id for reply in replies(session.take_output(), how)] == ["1"]


def test_a_refused_close_session_leaves_it_open() -> None:
    session, how = open_session()
    session.receive(framing.encode(rpc("1", "close-session"), how))
    request = session.next_rpc()
    assert request is not None
    session.answer(request, Errors([in_use()]))
    assert session.state is State.OPEN


def test_a_malformed_request_is_answered_and_the_session_goes_on() -> None:
    session, how = open_session()
    for message in (b"<rpc", f"<rpc {XMLNS}><get/></rpc>".encode(), rpc("3")):
        session.receive(framing.encode(message, how))
    request = session.next_rpc()
    assert request is not None
    session.answer(request, Ok())
    got = replies(session.take_output(), how)
    assert [[error.tag for error in reply.errors] for reply in got] == [
        ["malformed-message"],
        ["missing-attribute"],
        [],
    ]
    assert session.counters == Counters(in_rpcs=1, in_bad_rpcs=2, out_rpc_errors=2)


def test_malformed_message_is_never_said_to_a_client_of_base_1_0() -> None:
    """RFC 6241, appendix A: the tag is new in base:1.1; without it the session ends."""
    session, how = open_session(BASE_1_0)
    session.receive(framing.encode(b"<rpc", how))
    assert session.next_rpc() is None
    assert session.state is State.FAILED
    assert session.take_output() == b""


@pytest.mark.parametrize(
    "greeting",
    [
        b"SSH-2.0-what]]>]]>",
        framing.encode(rpc("1"), Framing.END_OF_MESSAGE),
        framing.encode(build_hello([BASE_1_1], 3), Framing.END_OF_MESSAGE),
        framing.encode(build_hello(["urn:x"]), Framing.END_OF_MESSAGE),
        b"x" * 2000,
    ],
    ids=["garbage", "no hello", "with session-id", "no version", "endless"],
)
def test_a_wrong_greeting_ends_the_session(greeting: bytes) -> None:
    session = ServerSession(1, [BASE_1_0, BASE_1_1], max_message=1000)
    session.receive(greeting)
    assert session.next_rpc() is None
    assert session.state is State.FAILED
    assert session.violation
    session.receive(b"more")
    assert session.next_rpc() is None


def test_wrong_framing_ends_the_session_after_what_came_before_it() -> None:
    session, how = open_session()
    session.receive(framing.encode(rpc("1"), how) + b"\n#0\n")
    request = session.next_rpc()
    assert request is not None
    session.answer(request, Ok())
    assert session.next_rpc() is None
    assert session.state is State.FAILED
    assert len(replies(session.take_output(), how)) == 1


def test_a_mark_in_a_requests_attribute_does_not_break_base_1_0() -> None:
    session, how = open_session(BASE_1_0)
    message = rpc("]]&gt;]]&gt;".replace("&gt;", ">"))
    session.receive(framing.encode(message, how))
    request = session.next_rpc()
    assert request is not None
    assert request.heading.attributes["message-id"] == "]]>]]>"
    session.answer(request, Ok())
    assert [reply.message_id for reply in replies(session.take_output(), how)] == ["]]>]]>"]


def test_every_state_that_is_not_an_end_can_be_left() -> None:
    ends = {State.CLOSING, State.FAILED}
    assert {state for state, _ in EDGES} == set(State) - ends
    assert set(EDGES.values()) == set(State) - {State.HELLO}
    assert {event for _, event in EDGES} == set(Event)


# --- serve ----------------------------------------------------------------------------------------


class MemoryChannel:
    """A channel whose client is a list of reads."""

    username = "u"
    source_host = "192.0.2.1"

    def __init__(self, reads: list[bytes]) -> None:
        self.reads = reads
        self.written = b""
        self.closed = False

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        return self.reads.pop(0) if self.reads else b""

    def write(self, data: bytes) -> None:
        self.written += data

    @property
    def taken(self) -> bool:
        return False

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def vanish(self) -> None:
        self.reads.clear()


async def run(*messages: bytes) -> tuple[list[Reply], list[str]]:
    greeting = framing.encode(build_hello([BASE_1_1]), Framing.END_OF_MESSAGE)
    channel = MemoryChannel([greeting, *(framing.encode(message, Framing.CHUNKED) for message in messages)])
    told: list[str] = []

    async def call(request: Rpc) -> Answer:
        if request.name == "lock":
            raise in_use()
        if request.name == "commit":
            raise RpcErrors([in_use(), operation_failed("m")])
        if request.name == "discard-changes":
            raise NoAnswer
        return Ok()

    def replied(request: Rpc) -> None:
        told.append(request.name)

    await serve(channel, ServerSession(1, [BASE_1_1]), call, replied)
    assert channel.closed
    greeted = Decoder()
    got = []
    for message in greeted.feed(channel.written):
        got.append(message)
        greeted.use(Framing.CHUNKED)
    return [parse_reply(message) for message in got[1:]], told


async def test_serve_answers_with_results_and_errors() -> None:
    got, told = await run(
        rpc("1"), rpc("2", "lock"), rpc("3", "commit"), rpc("4", "discard-changes"), rpc("5")
    )
    assert [(reply.message_id, [error.tag for error in reply.errors]) for reply in got] == [
        ("1", []),
        ("2", ["in-use"]),
        ("3", ["in-use", "operation-failed"]),
        ("5", []),
    ]
    assert told == ["get", "lock", "commit", "get"]


async def test_serve_ends_after_close_session() -> None:
    got, _ = await run(rpc("1", "close-session"), rpc("2"))
    assert [reply.message_id for reply in got] == ["1"]


# --- Sessions -------------------------------------------------------------------------------------


def test_sessions_have_ids_of_their_own_and_end_once() -> None:
    ended: list[int] = []
    hung_up: list[str] = []
    sessions = Sessions(ManualClock(), ended.append, first_id=4_294_967_295)
    first = sessions.open("a", "192.0.2.1", lambda: hung_up.append("a"))
    second = sessions.open("b", "192.0.2.1", lambda: hung_up.append("b"))
    assert (first.session_id, second.session_id) == (4_294_967_295, 1)
    sessions.next_id = 1
    assert sessions.open("c", "192.0.2.1", lambda: None).session_id == 2
    assert sessions.kill(1)
    assert not sessions.kill(1)
    sessions.end(1)
    assert (ended, hung_up) == ([1], ["b"])
    assert {entry.username for entry in sessions} == {"a", "c"}


# --- Arguments ------------------------------------------------------------------------------------


def operation(body: str) -> Element:
    return etree.fromstring(f"<op {XMLNS}>{body}</op>")


def check(body: str, what: str = "") -> object:
    arguments = Arguments(operation(body), ("target", "word", "number", "flag", "text"))
    match what:
        case "target":
            return arguments.datastore("target", ("candidate", "running"))
        case "word":
            return arguments.choice("word", ("a", "b"), "a")
        case "number":
            return arguments.number("number", 600)
        case "flag":
            return arguments.has("flag")
        case "text":
            return arguments.text("text")
    return None


@pytest.mark.parametrize(
    ("body", "what", "value"),
    [
        ("<target><running/></target>", "target", "running"),
        ("<word> b </word>", "word", "b"),
        ("", "word", "a"),
        ("<number>1</number>", "number", 1),
        ("", "number", 600),
        ("<flag/>", "flag", True),
        ("<flag>\n</flag>", "flag", True),
        ("", "flag", False),
        ("<text> x </text>", "text", " x "),
        ("<text/>", "text", ""),
        ("", "text", None),
    ],
)
def test_good_arguments(body: str, what: str, value: object) -> None:
    assert check(body, what) == value


@pytest.mark.parametrize(
    ("body", "what", "tag", "info"),
    [
        ("", "target", "missing-element", "target"),
        ("<target/>", "target", "missing-element", "target"),
        ("<target><startup/></target>", "target", "unknown-element", "startup"),
        ("<target><running/><candidate/></target>", "target", "bad-element", "target"),
        ("<target><x:running xmlns:x='urn:x'/></target>", "target", "unknown-namespace", "running urn:x"),
        ("<what/>", "", "unknown-element", "what"),
        ("<x:flag xmlns:x='urn:x'/>", "", "unknown-namespace", "flag urn:x"),
        ("<flag/><flag/>", "", "bad-element", "flag"),
        ("<flag>x</flag>", "flag", "bad-element", "flag"),
        ("<word>c</word>", "word", "bad-element", "word"),
        ("<number>0</number>", "number", "bad-element", "number"),
        ("<number>4294967296</number>", "number", "bad-element", "number"),
        ("<number>x</number>", "number", "bad-element", "number"),
        ("<text><b/></text>", "text", "bad-element", "text"),
    ],
)
def test_wrong_arguments_get_the_error_of_the_rfc(body: str, what: str, tag: str, info: str) -> None:
    with pytest.raises(RpcError) as refusal:
        check(body, what)
    assert (refusal.value.type, refusal.value.tag) == ("protocol", tag)
    assert " ".join(child.text or "" for child in refusal.value.info) == info


def test_filters_are_subtree_filters() -> None:
    assert filter_of(None) is NO_FILTER
    for attributes in ("", 'type="subtree"', f'xmlns:nc="{BASE}" nc:type="subtree"'):
        element = etree.fromstring(f"<filter {XMLNS} {attributes}/>")
        assert filter_of(element) == SubtreeFilter(element)
    for attributes, tag in (
        ('type="xpath" select="/a"', "operation-not-supported"),
        ('type="regex"', "bad-attribute"),
        ('colour="red"', "unknown-attribute"),
    ):
        with pytest.raises(RpcError) as refusal:
            filter_of(etree.fromstring(f"<filter {XMLNS} {attributes}/>"), xpath=False)
        assert refusal.value.tag == tag
