"""The server's end of one NETCONF session as a state machine: bytes in, bytes out, no sockets.

Who owns the transport feeds what it reads to `receive`, takes one request after the other from
`next_rpc`, and sends what `answer` and `take_output` give. A request is handed out only after the one
before it was answered, so replies are in order (RFC 6241, 4.5) and what waits is still in its framing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

from casm_ctrl.base.errors import ProtocolViolation
from casm_ctrl.netconf import framing, rpc_error
from casm_ctrl.netconf.framing import MAX_MESSAGE, Decoder, Framing, MessageTooBig
from casm_ctrl.netconf.messages import (
    Answer,
    Errors,
    Heading,
    Hello,
    Rpc,
    RpcRefused,
    build_hello,
    build_reply,
    negotiate,
    parse_hello,
    parse_rpc,
)
from casm_ctrl.netconf.names import nc
from casm_ctrl.netconf.server.sessions import Counters, How

MAX_HELLO = 1 << 20
"""Octets in a client's hello: who has not said yet what it speaks gets less of our memory."""


def parse(message: bytes) -> Rpc | RpcRefused:
    """What `message` asks, or why it asks nothing. On a thread, where it is large."""
    try:
        return parse_rpc(message)
    except RpcRefused as refusal:
        return refusal


class State(Enum):
    """Where a session is."""

    HELLO = "hello"
    """Our hello is sent, the client's is awaited."""
    OPEN = "open"
    BUSY = "busy"
    """A request was handed out and is not answered yet."""
    CLOSING = "closing"
    """close-session was answered: send what is left, then close."""
    FAILED = "failed"
    """The peer broke the protocol: close at once."""


class Event(Enum):
    """What moves a session from one state to another."""

    GREETED = "greeted"
    REQUESTED = "requested"
    ANSWERED = "answered"
    CLOSED = "closed"
    VIOLATED = "violated"


EDGES: dict[tuple[State, Event], State] = {
    (State.HELLO, Event.GREETED): State.OPEN,
    (State.HELLO, Event.VIOLATED): State.FAILED,
    (State.OPEN, Event.REQUESTED): State.BUSY,
    (State.OPEN, Event.VIOLATED): State.FAILED,
    (State.BUSY, Event.ANSWERED): State.OPEN,
    (State.BUSY, Event.CLOSED): State.CLOSING,
}


class ServerSession:
    """One session, from our hello to the answer to close-session."""

    def __init__(
        self,
        session_id: int,
        capabilities: Sequence[str],
        *,
        counters: Counters | None = None,
        max_message: int = MAX_MESSAGE,
    ) -> None:
        self.session_id = session_id
        self.counters = counters if counters is not None else Counters()
        self.client: Hello | None = None
        self.violation: str | None = None
        """What the client did wrong, in state FAILED."""
        self.state = State.HELLO
        self.largest_chunk = framing.MAX_CHUNK
        """Octets per chunk in what we send; peers must take any size, and tests make it small."""
        self._hello = Hello(tuple(capabilities), session_id)
        self._framing = Framing.END_OF_MESSAGE
        self._max_message = max_message
        self._decoder = Decoder(max_message=min(MAX_HELLO, max_message))
        self._arrived: Iterator[bytes] = iter(())
        self._output = [framing.encode(build_hello(capabilities, session_id), self._framing)]

    @property
    def over(self) -> bool:
        """True where the transport is to be closed after the output is sent."""
        return self.state in (State.CLOSING, State.FAILED)

    @property
    def ending(self) -> How:
        """How the session ended, once nothing comes any more (RFC 6022, 2.1.5)."""
        if self.state is State.CLOSING:
            return "closed"
        return "bad-hello" if self.state is State.FAILED and self.client is None else "dropped"

    def receive(self, data: bytes) -> None:
        """Take bytes of the client. What follows the end of a session is dropped."""
        if not self.over:
            self._arrived = self._decoder.feed(data)

    @property
    def held(self) -> int:
        """Octets of the client that wait for the rest of a message, or for their turn."""
        return self._decoder.held

    @property
    def inside_message(self) -> bool:
        """True where a message has begun and not ended."""
        return self._decoder.inside_message

    def next_rpc(self) -> Rpc | None:
        """The next request; None where more bytes are needed or the session is over.

        The client's hello, and messages that are no requests, are dealt with here.
        """
        while (message := self.next_message()) is not None:
            rpc = self.take(message)
            if rpc is not None:
                return rpc
        return None

    def next_message(self) -> bytes | None:
        """The next whole message, for `take`; None where more bytes are needed or the session is over."""
        assert self.state is not State.BUSY, "the request before was not answered"
        if self.over:
            return None
        try:
            return next(self._arrived, None)
        except MessageTooBig as violation:
            self.refuse_too_big(violation.message)
        except ProtocolViolation as violation:
            self._fail(violation.message)
        return None

    def refuse_too_big(self, violation: str) -> None:
        """Answer that a message is too big to be looked at, and end."""
        if self.state is State.OPEN:
            # The reply cannot name the request: its beginning was not read as XML, or is forgotten.
            self._reply(Heading(), Errors([rpc_error.too_big(violation)]))
        self._fail(violation)

    def take(self, message: bytes, parsed: Rpc | RpcRefused | None = None) -> Rpc | None:
        """The request in a message; None where it is the hello, or none, and dealt with. `parsed` is what `parse`
        made of it."""
        try:
            rpc = self._take(message, parsed)
        except ProtocolViolation as violation:
            self._fail(violation.message)
            return None
        if rpc is not None:
            self._move(Event.REQUESTED)
        return rpc

    def notify(self, message: bytes) -> None:
        """Put a message that answers nothing, such as a notification, into the output, between two replies.

        Dropped where the client has not said hello yet, or the session is over.
        """
        if self.state in (State.OPEN, State.BUSY):
            self.counters.out_notifications += 1
            self._output.append(framing.encode(message, self._framing, chunk=self.largest_chunk))

    def answer(self, rpc: Rpc, answer: Answer) -> None:
        """Put the reply to the request that was handed out last into the output."""
        self._reply(rpc.heading, answer)
        closed = rpc.operation.tag == nc("close-session") and not isinstance(answer, Errors)
        self._move(Event.CLOSED if closed else Event.ANSWERED)

    def leave_unanswered(self) -> None:
        """Go on without a reply to the request that was handed out last; only a faulty server does."""
        self._move(Event.ANSWERED)

    def take_output(self) -> bytes:
        """Everything that is to be sent now; what was taken is not given again."""
        output, self._output = b"".join(self._output), []
        return output

    def _take(self, message: bytes, parsed: Rpc | RpcRefused | None) -> Rpc | None:
        if self.state is State.HELLO:
            client = parse_hello(message, from_server=False)
            self._framing = negotiate(self._hello, client)
            self.client = client
            self._decoder.use(self._framing)
            self._decoder.allow(self._max_message)
            self._move(Event.GREETED)
            return None
        try:
            rpc = parse_rpc(message)
        except RpcRefused as refusal:
            if refusal.error.tag == "malformed-message" and self._framing is Framing.END_OF_MESSAGE:
                # The tag is new in base:1.1 and must not be sent to older clients (RFC 6241, appendix A).
                raise ProtocolViolation(refusal.error.message) from None
            self.counters.in_bad_rpcs += 1
            self._reply(refusal.heading, Errors([refusal.error]))
            return None
        self.counters.in_rpcs += 1
        return rpc

    def _reply(self, heading: Heading, answer: Answer) -> None:
        self.counters.out_rpc_errors += isinstance(answer, Errors)
        reply = build_reply(heading, answer)
        self._output.append(framing.encode(reply, self._framing, chunk=self.largest_chunk))

    def _fail(self, violation: str) -> None:
        self.counters.in_bad_rpcs += self.state is State.OPEN
        self.violation = violation
        self._move(Event.VIOLATED)

    def _move(self, event: Event) -> None:
        self.state = EDGES[self.state, event]
