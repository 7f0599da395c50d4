"""Framing of RFC 6242 under any splitting of the bytes, and against anything that is not framing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.errors import InvalidValue, ProtocolViolation
from casm_ctrl.netconf.framing import MAX_CHUNK, Decoder, Framing, encode

MESSAGES = st.lists(st.binary(min_size=1, max_size=200), max_size=6)
CUTS = st.lists(st.integers(min_value=0, max_value=2000), max_size=40)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


def decode(decoder: Decoder, parts: list[bytes]) -> list[bytes]:
    return [message for part in parts for message in decoder.feed(part)]


@given(MESSAGES, CUTS, st.integers(min_value=1, max_value=300))
def test_chunks_round_trip_under_any_splitting(messages: list[bytes], cuts: list[int], chunk: int) -> None:
    stream = b"".join(encode(message, Framing.CHUNKED, chunk=chunk) for message in messages)
    decoder = Decoder(Framing.CHUNKED)
    assert decode(decoder, pieces(stream, cuts)) == messages
    assert not decoder.inside_message


@given(MESSAGES, CUTS)
def test_marks_round_trip_under_any_splitting(messages: list[bytes], cuts: list[int]) -> None:
    messages = [message.replace(b"]", b"") for message in messages]
    stream = b"".join(encode(message, Framing.END_OF_MESSAGE) for message in messages)
    assert decode(Decoder(), pieces(stream, cuts)) == messages


@given(MESSAGES, CUTS)
def test_the_change_to_chunks_takes_effect_inside_one_read(messages: list[bytes], cuts: list[int]) -> None:
    stream = encode(b"<hello/>", Framing.END_OF_MESSAGE)
    stream += b"".join(encode(message, Framing.CHUNKED) for message in messages)
    decoder, got = Decoder(), []
    for part in pieces(stream, cuts):
        for message in decoder.feed(part):
            got.append(message)
            decoder.use(Framing.CHUNKED)
    assert got == [b"<hello/>", *messages]


@given(st.binary(max_size=300), CUTS, st.sampled_from(Framing))
def test_garbage_gives_messages_or_one_lasting_error(
    garbage: bytes, cuts: list[int], framing: Framing
) -> None:
    decoder = Decoder(framing, max_message=100)
    try:
        for message in decode(decoder, pieces(garbage, cuts)):
            assert len(message) <= 100
    except ProtocolViolation as failure:
        with pytest.raises(ProtocolViolation) as again:
            list(decoder.feed(b"\n#1\nx\n##\n"))
        assert again.value.message == failure.message
        assert not decoder.inside_message


@given(st.binary(max_size=300), CUTS)
def test_the_splitting_does_not_change_the_outcome(stream: bytes, cuts: list[int]) -> None:
    def outcome(parts: list[bytes]) -> tuple[list[bytes], str | None]:
        decoder, got = Decoder(Framing.CHUNKED), []
        try:
            for part in parts:
                for message in decoder.feed(part):
                    got.append(message)
        except ProtocolViolation as failure:
            return got, failure.message.split(",")[0]
        return got, None

    assert outcome(pieces(b"\n#3\nabc\n##\n" + stream, cuts)) == outcome([b"\n#3\nabc\n##\n" + stream])


@pytest.mark.parametrize(
    "stream",
    [
        b"\n#0\n",
        b"\n#01\na",
        b"\n#\n",
        b"\n#+1\na",
        b"\n# 1\na",
        b"\n#1 \na",
        b"\n#1\r\na",
        b"\n#4294967296\n",
        b"\n#99999999999\n",
        b"\r\n#1\na",
        b"#1\na",
        b"x",
        b"\n##\n",
        b"\n#1\nab",
        b"\n#1\na\n###\n",
        b"<rpc/>]]>]]>",
        "\n#\N{ARABIC-INDIC DIGIT ONE}\n".encode(),
    ],
)
def test_the_grammar_of_chunks_is_strict(stream: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        list(Decoder(Framing.CHUNKED).feed(stream))


def test_a_mark_inside_a_chunk_is_data() -> None:
    message = b"<a>]]>]]></a>"
    assert list(Decoder(Framing.CHUNKED).feed(encode(message, Framing.CHUNKED, chunk=6))) == [message]


def test_the_largest_chunk_size_is_taken_where_messages_may_be_so_large() -> None:
    assert list(Decoder(Framing.CHUNKED, max_message=MAX_CHUNK).feed(b"\n#4294967295\n")) == []


def test_a_message_of_the_limit_passes_and_one_octet_more_fails_before_it_is_held() -> None:
    for framing in Framing:
        assert list(Decoder(framing, max_message=8).feed(encode(b"12345678", framing))) == [b"12345678"]
        with pytest.raises(ProtocolViolation, match="larger than 8 octets"):
            list(Decoder(framing, max_message=8).feed(encode(b"123456789", framing)))
    with pytest.raises(ProtocolViolation, match="larger than 8 octets"):
        list(Decoder(Framing.CHUNKED, max_message=8).feed(b"\n#5\n12345\n#4\n"))
    endless = Decoder(max_message=8)
    with pytest.raises(ProtocolViolation, match="larger than 8 octets"):
        for _ in range(100):
            list(endless.feed(b"x"))


def test_marks_refuse_a_message_that_holds_one() -> None:
    with pytest.raises(InvalidValue):
        encode(b"<!-- ]]>]]> -->", Framing.END_OF_MESSAGE)


def test_white_space_between_messages_is_not_a_message_begun() -> None:
    decoder = Decoder()
    assert list(decoder.feed(b"<a/>]]>]]>\n")) == [b"<a/>"]
    assert not decoder.inside_message
    assert list(decoder.feed(b"<b")) == []
    assert decoder.inside_message
