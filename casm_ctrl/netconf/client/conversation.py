"""The client's end of one NETCONF session as a state machine: bytes in, replies and notifications out, no I/O.

Who owns the transport sends `greeting` and what `request` gives, and feeds what it reads to `receive`. The
change from marks to chunks comes with the device's hello (RFC 6242, 4.1), which must be there before the
first request.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from casm_ctrl.base.errors import ProtocolViolation
from casm_ctrl.netconf.client.notification import (
    Missed,
    Notification,
    begins_notification,
    read_notification,
)
from casm_ctrl.netconf.framing import Decoder, Framing, encode
from casm_ctrl.netconf.messages import (
    Hello,
    Reply,
    build_hello,
    build_rpc,
    negotiate,
    parse_document,
    parse_hello,
    read_reply,
)
from casm_ctrl.netconf.names import BASE_1_0, BASE_1_1, Element

OURS = Hello((BASE_1_0, BASE_1_1))
"""A client says which versions it speaks, and nothing else (RFC 6241, 8.1)."""

_FIRST_BYTES = 64

Message = Reply | Notification | Missed


class Conversation:
    """One session, from the hellos on. ProtocolViolation ends it: nothing that comes after can be trusted."""

    def __init__(self) -> None:
        self.hello: Hello | None = None
        """The device's, once it has come."""
        self._decoder = Decoder()
        self._framing = Framing.END_OF_MESSAGE
        self._ids = map(str, itertools.count(1))

    def greeting(self) -> bytes:
        """Our hello."""
        return encode(build_hello(OURS.capabilities), Framing.END_OF_MESSAGE)

    def request(self, operation: Element) -> tuple[str, bytes]:
        """(message-id, bytes to send) for one operation."""
        message_id = next(self._ids)
        return message_id, self.frame(build_rpc(message_id, operation))

    def frame(self, message: bytes) -> bytes:
        return encode(message, self._framing)

    def receive(self, data: bytes) -> Iterator[Message]:
        """Take what came, in any pieces, and give what is complete now: replies and notifications.

        The hello is kept in `hello`. A notification that makes no sense, or is no XML, is `Missed`: it answers
        nothing, and what comes after it is as good as before. Any other message of that kind ends the
        conversation.
        """
        if self.hello is None and not self._decoder.inside_message:
            _check_first(data)
        for message in self._decoder.feed(data):
            if self.hello is None:
                self._greet(message)
            else:
                yield _read(message)

    def _greet(self, message: bytes) -> None:
        hello = parse_hello(message, from_server=True)
        self._framing = negotiate(OURS, hello)
        self._decoder.use(self._framing)
        self.hello = hello


def _read(message: bytes) -> Message:
    try:
        root = parse_document(message)
    except ProtocolViolation as error:
        if not begins_notification(message):
            raise
        return Missed(1, f"a notification could not be read: {error.message}")
    told = read_notification(root, len(message))
    return read_reply(root) if told is None else told


def _check_first(data: bytes) -> None:
    """Refuse what can be no hello at once, instead of waiting for an end that never comes."""
    if data.strip() and not data.lstrip().startswith((b"<", b"\xef\xbb\xbf")):
        shown = repr(data[:_FIRST_BYTES])[1:]
        raise ProtocolViolation(
            f"a hello was awaited, and {shown} came", "check that the port is the device's NETCONF port"
        )
