"""The client's end of a session without any I/O: hellos, framing, which messages are replies."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.errors import ProtocolViolation
from casm_ctrl.netconf.client.conversation import OURS, Conversation, Message
from casm_ctrl.netconf.client.notification import Missed, Notification
from casm_ctrl.netconf.client.operations import get_nothing
from casm_ctrl.netconf.framing import END_OF_MESSAGE, Decoder, Framing, encode
from casm_ctrl.netconf.messages import Reply, build_hello, parse_hello, parse_rpc
from casm_ctrl.netconf.names import BASE, BASE_1_0, BASE_1_1, NOTIFICATION, WRITABLE_RUNNING

NOTICE = (
    f'<notification xmlns="{NOTIFICATION}"><eventTime>2026-11-23T00:00:00Z</eventTime>'
    '<e xmlns="urn:x"/></notification>'
)


def hello(*versions: str) -> bytes:
    return build_hello([*versions, WRITABLE_RUNNING], 7) + END_OF_MESSAGE


def reply(message_id: str) -> bytes:
    return f'<rpc-reply xmlns="{BASE}" message-id="{message_id}"><ok/></rpc-reply>'.encode()


def named(message: Message) -> str | None:
    """A reply's message-id, a notification's event, why one was missed."""
    if isinstance(message, Reply):
        return message.message_id
    return message.element.tag if isinstance(message, Notification) else message.why


def greeted(*versions: str) -> Conversation:
    conversation = Conversation()
    assert list(conversation.receive(hello(*versions))) == []
    return conversation


def test_our_hello_says_what_we_speak_and_no_session_id() -> None:
    (message,) = Decoder().feed(Conversation().greeting())
    assert parse_hello(message, from_server=False) == OURS


@pytest.mark.parametrize(
    ("versions", "framing"),
    [
        ((BASE_1_0,), Framing.END_OF_MESSAGE),
        ((BASE_1_0, BASE_1_1), Framing.CHUNKED),
        ((BASE_1_1,), Framing.CHUNKED),
    ],
)
def test_the_hello_decides_how_requests_are_framed(versions: tuple[str, ...], framing: Framing) -> None:
    conversation = greeted(*versions)
    assert conversation.hello is not None
    assert conversation.hello.session_id == 7
    for number in ("1", "2"):
        message_id, data = conversation.request(get_nothing())
        (message,) = Decoder(framing).feed(data)
        assert message_id == number == parse_rpc(message).heading.attributes["message-id"]
    assert list(map(named, conversation.receive(encode(reply("2"), framing)))) == ["2"]


@pytest.mark.parametrize("versions", [(BASE_1_0,), (BASE_1_0, BASE_1_1)])
@given(cuts=st.lists(st.integers(0, 3000), max_size=20), chunk=st.integers(1, 200))
def test_any_cut_gives_the_same_replies(versions: tuple[str, ...], cuts: list[int], chunk: int) -> None:
    framing = Framing.CHUNKED if BASE_1_1 in versions else Framing.END_OF_MESSAGE
    stream = hello(*versions) + b"".join(
        encode(message, framing, chunk=chunk)
        for message in (reply("1"), NOTICE.encode(), reply("3"), reply("2"))
    )
    conversation = Conversation()
    found: list[str | None] = []
    places = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        found += map(named, conversation.receive(stream[start:end]))
    assert found == ["1", "{urn:x}e", "3", "2"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"Welcome to bng1!\r\n", "a hello was awaited, and 'Welcome to bng1"),
        (b"\x00\x01", "a hello was awaited"),
        (reply("1") + END_OF_MESSAGE, "the first message is <rpc-reply>"),
        (NOTICE.encode() + END_OF_MESSAGE, "the first message is <notification>"),
        (build_hello(["urn:x"], 7) + END_OF_MESSAGE, "no NETCONF version in common"),
        (build_hello([BASE_1_0]) + END_OF_MESSAGE, "no valid session-id"),
    ],
)
def test_what_is_no_hello_is_refused_at_once(data: bytes, words: str) -> None:
    with pytest.raises(ProtocolViolation, match=words):
        list(Conversation().receive(data))


@pytest.mark.parametrize("data", [b"", b" ", b"\r\n", b"<", b"\xef\xbb\xbf<hello"])
def test_what_may_become_a_hello_is_waited_for(data: bytes) -> None:
    assert list(Conversation().receive(data)) == []


@pytest.mark.parametrize(
    "message", [b"<rpc/>", b"<notifications/>", f'<rpc xmlns="{BASE}"/>'.encode(), hello(BASE_1_0)[:-6]]
)
def test_what_is_no_reply_ends_the_conversation(message: bytes) -> None:
    conversation = greeted(BASE_1_0)
    with pytest.raises(ProtocolViolation, match="came where <rpc-reply> was awaited"):
        list(conversation.receive(message + END_OF_MESSAGE))


def notice(inside: str, head: str = "") -> bytes:
    return f'{head}<n:notification xmlns:n="{NOTIFICATION}">{inside}</n:notification>'.encode()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (notice(""), "0 events"),
        (notice("<n:eventTime>2026-11-23T00:00:00Z</n:eventTime>"), "0 events"),
        (notice("<a/><b/>"), "2 events"),
        (notice("text"), "0 events"),
        (b"<notification><a/></notification>", "not in the namespace"),
        (b"<notification", "could not be read"),
        (notice("<a>"), "could not be read"),
        (notice("<a>&nothing;</a>"), "could not be read"),
        (notice("\0"), "could not be read"),
        (notice("<a>", '<?xml version="1.0"?>\n<!-- x -->'), "could not be read"),
        (notice("<a>" * 300 + "</a>" * 300), "could not be read"),
        ("<notification>\xff".encode("latin-1"), "could not be read"),
    ],
)
def test_a_notification_that_makes_no_sense_is_missed_and_nothing_else(message: bytes, words: str) -> None:
    conversation = greeted(BASE_1_0, BASE_1_1)
    stream = b"".join(encode(each, Framing.CHUNKED) for each in (reply("1"), message, reply("2")))
    first, missed, last = conversation.receive(stream)
    assert (named(first), named(last)) == ("1", "2")
    assert isinstance(missed, Missed)
    assert words in missed.why


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 200))
def test_whatever_a_notification_holds_the_replies_around_it_are_read(
    junk: bytes, place: int, cut: int
) -> None:
    whole = NOTICE.encode()
    place = min(len("<notification ") + place, len(whole))
    message = whole[:place] + junk + whole[min(place + cut, len(whole)) :]
    conversation = greeted(BASE_1_0, BASE_1_1)
    stream = b"".join(encode(each, Framing.CHUNKED) for each in (reply("1"), message, reply("2")))
    first, told, last = conversation.receive(stream)
    assert (named(first), named(last)) == ("1", "2")
    assert not isinstance(told, Reply)


def test_an_event_time_that_is_none_is_told_as_such() -> None:
    conversation = greeted(BASE_1_0)
    (told,) = conversation.receive(notice("<n:eventTime>noon</n:eventTime><a/>") + END_OF_MESSAGE)
    assert isinstance(told, Notification)
    assert told.event_time is None
    assert told.octets > 100
