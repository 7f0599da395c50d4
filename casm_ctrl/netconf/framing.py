"""How messages are cut out of a byte stream (RFC 6242, 4): end-of-message marks and chunks.

A session begins with marks and changes to chunks after both hellos where both ends speak base:1.1
(4.1). The change takes effect at once for what follows, also for bytes that came in the same read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from casm_ctrl.base.errors import InvalidValue, ProtocolViolation

END_OF_MESSAGE = b"]]>]]>"
END_OF_CHUNKS = b"\n##\n"
MAX_CHUNK = 4_294_967_295
"""The largest chunk-size (RFC 6242, 4.2)."""
MAX_MESSAGE = 64 << 20
"""Octets in one message that we take by default: about 200,000 address ranges."""

_HEADER = re.compile(rb"\n#(?:(#)|([1-9][0-9]{0,9}))\n")
_HEADER_BEGUN = re.compile(rb"(?:\n(?:#(?:#|[1-9][0-9]{0,9})?)?)?\Z")
_HEADER_LONGEST = 13
_SHOWN = 40


class MessageTooBig(ProtocolViolation):
    """A message is larger than this end takes."""


class Framing(Enum):
    """The two ways to frame a message."""

    END_OF_MESSAGE = "end-of-message"
    CHUNKED = "chunked"


class Decoder:
    """Takes bytes in any pieces and gives complete messages. Holds at most one message and one piece.

    Anything that is not framing raises ProtocolViolation, then and on every later call: after a wrong
    chunk there is no way to find the next message, and the session must end (RFC 6242, 4.2).
    """

    def __init__(self, framing: Framing = Framing.END_OF_MESSAGE, *, max_message: int = MAX_MESSAGE) -> None:
        self._framing = framing
        self._max_message = max_message
        self._buffer = bytearray()
        self._searched = 0
        self._message = bytearray()
        self._chunk_left = 0
        self._failure: ProtocolViolation | None = None

    @property
    def inside_message(self) -> bool:
        """True where a message has begun and not ended: the peer must not close now."""
        begun = bytes(self._buffer[:_SHOWN]).strip() or len(self._buffer) > _SHOWN
        return bool(self._message or self._chunk_left or begun)

    @property
    def held(self) -> int:
        """Octets that wait here for the rest of a message, or for being asked for."""
        return len(self._buffer) + len(self._message)

    def allow(self, max_message: int) -> None:
        """Take messages of this size from now on."""
        self._max_message = max_message

    def use(self, framing: Framing) -> None:
        """Frame what follows the last message that was taken in another way."""
        self._framing = framing
        self._searched = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take `data`, and give the messages that are complete now, each when it is asked for.

        What is not asked for stays for the next call, so that `use` may come between two messages.
        """
        if self._failure is None:
            self._buffer += data
        return self._messages()

    def _messages(self) -> Iterator[bytes]:
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> bytes | None:
        if self._failure is not None:
            raise self._failure
        if self._framing is Framing.CHUNKED:
            return self._next_chunked()
        return self._next_marked()

    def _next_marked(self) -> bytes | None:
        end = self._buffer.find(END_OF_MESSAGE, max(0, self._searched - len(END_OF_MESSAGE) + 1))
        if (end if end >= 0 else len(self._buffer) - len(END_OF_MESSAGE)) > self._max_message:
            self._fail_too_big()
        if end < 0:
            self._searched = len(self._buffer)
            return None
        message = bytes(self._buffer[:end])
        del self._buffer[: end + len(END_OF_MESSAGE)]
        self._searched = 0
        return message

    def _next_chunked(self) -> bytes | None:
        while True:
            if self._chunk_left:
                piece = self._buffer[: self._chunk_left]
                del self._buffer[: len(piece)]
                self._message += piece
                self._chunk_left -= len(piece)
                if self._chunk_left:
                    return None
            header = _HEADER.match(self._buffer)
            if header is None:
                self._check_header_begun()
                return None
            if header[1] is not None:
                del self._buffer[: header.end()]
                return self._end_of_chunks()
            self._begin_chunk(header[2])
            del self._buffer[: len(header[2]) + 3]

    def _check_header_begun(self) -> None:
        begun = bytes(self._buffer[:_HEADER_LONGEST])
        if not _HEADER_BEGUN.match(begun):
            self._fail(f"a chunk should begin, and {_show(begun)} came")

    def _begin_chunk(self, digits: bytes) -> None:
        size = int(digits)
        if size > MAX_CHUNK:
            self._fail(f"the chunk-size {size} is larger than {MAX_CHUNK}")
        if len(self._message) + size > self._max_message:
            self._fail_too_big()
        self._chunk_left = size

    def _end_of_chunks(self) -> bytes:
        if not self._message:
            self._fail("a message ended without a chunk")
        message, self._message = bytes(self._message), bytearray()
        return message

    def _fail_too_big(self) -> None:
        self._fail(f"a message is larger than {self._max_message} octets", MessageTooBig)

    def _fail(self, failure: str, kind: type[ProtocolViolation] = ProtocolViolation) -> None:
        self._failure = kind(failure, "the session must be closed")
        self._buffer.clear()
        self._message.clear()
        raise self._failure


def encode(message: bytes, framing: Framing, *, chunk: int = MAX_CHUNK) -> bytes:
    """`message` (not empty) framed, in chunks of at most `chunk` octets.

    InvalidValue where marks frame it and it holds one: XML can write `]]>` in other ways.
    """
    if framing is Framing.END_OF_MESSAGE:
        if END_OF_MESSAGE in message:
            raise InvalidValue("a message holds the end-of-message mark ]]>]]>", "write > as &gt;")
        return message + END_OF_MESSAGE
    pieces = []
    for start in range(0, len(message), chunk):
        piece = message[start : start + chunk]
        pieces.append(b"\n#%d\n" % len(piece))
        pieces.append(piece)
    return b"".join(pieces) + END_OF_CHUNKS


def _show(data: bytes) -> str:
    return repr(data[:_SHOWN])[1:]
