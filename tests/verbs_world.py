"""The RPCs of casm-operations called as the server calls them; each reply is judged by the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from casm_ctrl.netconf.messages import Answer, Output, build_reply, parse_rpc
from casm_ctrl.netconf.names import BASE, Element
from casm_ctrl.northbound import verbs
from casm_ctrl.northbound.interface import Caller
from casm_ctrl.northbound.verbs.context import VerbContext
from casm_ctrl.northbound.verbs.outputs import OutputWriter
from casm_ctrl.yang.engine import engine_for
from tests.no_outlet import NoOutlet


def ask(name: str, body: str = "") -> str:
    """The operation, with the module's namespace as the default in it."""
    return f'<{name} xmlns="{verbs.NAMESPACE}">{body}</{name}>'


class StrictWriter(OutputWriter):
    """Takes no document that says what the model has no place for."""

    def write(self, document: Mapping[str, Any]) -> list[bytes]:
        assert self.strays(document) == []
        return super().write(document)


@dataclass
class Verbs:
    """`context` must be made with `StrictWriter` in place of the writer: see the fixtures."""

    context: VerbContext
    user: str = "alice"
    operations: Any = field(init=False)

    def __post_init__(self) -> None:
        self.operations = verbs.operations(self.context)

    def caller(self) -> Caller:
        return Caller(1, self.user, "127.0.0.1", NoOutlet())

    def message(self, name: str, body: str) -> bytes:
        return f'<rpc xmlns="{BASE}" message-id="1">{ask(name, body)}</rpc>'.encode()

    def call(self, name: str, body: str = "") -> Element:
        """The rpc-reply of a store verb; its error is raised."""
        message = self.message(name, body)
        rpc = parse_rpc(message)
        return self._judged(message, self.operations.plain[verbs.tag(name)](self.caller(), rpc.operation))

    async def ask(self, name: str, body: str = "") -> Element:
        """The same of a verb that talks to devices."""
        message = self.message(name, body)
        rpc = parse_rpc(message)
        answer = await self.operations.awaited[verbs.tag(name)](self.caller(), rpc.operation)
        return self._judged(message, answer)

    def _judged(self, message: bytes, answer: Answer) -> Element:
        assert isinstance(answer, Output)
        reply = build_reply(parse_rpc(message).heading, answer)
        engine_for(verbs.MODULE).validate(reply, what="reply", request=message)
        return etree.fromstring(reply)


def text(reply: Element, path: str) -> str | None:
    """The text of a node, by names without their namespace."""
    return reply.findtext("/".join(f"{{*}}{step}" for step in path.split("/")))


def texts(reply: Element, path: str) -> list[str | None]:
    return [node.text for node in reply.findall("/".join(f"{{*}}{step}" for step in path.split("/")))]
