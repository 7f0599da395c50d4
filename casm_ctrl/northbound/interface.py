"""What the parts of the server and the server itself know of each other.

A part gives a table of operations by tag. Those that are plain functions run on one of a few threads, since
they use the store; those that are coroutines run on the event loop, since they talk to devices or to sessions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from casm_ctrl.netconf.messages import Answer
from casm_ctrl.netconf.names import Element


class Outlet(Protocol):
    """The way from the server to one client, beside replies."""

    def send(self, message: bytes) -> None:
        """Frame a whole XML message, such as a `<notification>`, and write it between replies. Event loop only."""
        ...

    async def drain(self) -> None:
        """Wait until the client has taken most of what was written."""
        ...

    def after_reply(self, act: Callable[[], None]) -> None:
        """Call `act` on the event loop when the reply to the request in progress was written: a subscription
        sends nothing before its ok (RFC 5277, 2.1.1). From the event loop, while the request is carried out."""
        ...


@dataclass(frozen=True)
class Caller:
    """Who asks: one session of one user. `groups` are those that the transport vouches for (RFC 8341, 3.4.2.1)."""

    session_id: int
    username: str
    source_host: str
    outlet: Outlet = field(compare=False, repr=False)
    groups: frozenset[str] = frozenset()

    @property
    def actor(self) -> str:
        """As the audit names who did something."""
        return f"{self.username}@netconf"


Operation = Callable[[Caller, Element], Answer]
AsyncOperation = Callable[[Caller, Element], Awaitable[Answer]]


@dataclass(frozen=True)
class Operations:
    """What a part does, by the tag of the element inside `<rpc>`. RpcError, RpcErrors and CasmError are answers."""

    plain: Mapping[str, Operation] = field(default_factory=dict)
    awaited: Mapping[str, AsyncOperation] = field(default_factory=dict)

    @property
    def tags(self) -> frozenset[str]:
        return frozenset(self.plain) | frozenset(self.awaited)
