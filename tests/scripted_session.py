"""A session with a device that hands out the YANG texts it is given: also texts that no device should hand out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from lxml import etree

from casm_ctrl.base.errors import DeviceRefused
from casm_ctrl.netconf.client.session import Capabilities, Target
from casm_ctrl.netconf.messages import Hello
from casm_ctrl.netconf.names import MONITORING, Element, nc

BASE = ("urn:ietf:params:netconf:base:1.1", "urn:ietf:params:netconf:capability:candidate:1.0")
WITH_SCHEMAS = f"{MONITORING}?module=ietf-netconf-monitoring&revision=2010-10-04"
LIBRARY = "urn:ietf:params:netconf:capability:yang-library:1.0?revision=2016-06-21&module-set-id=1"


@dataclass(eq=False)
class ScriptedSession:
    """`texts` by module name, or by `NAME@REVISION` where a revision is asked for. `data` answers each get."""

    uris: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    data: str = ""
    schemas: bool = True
    asked: Counter[str] = field(default_factory=Counter)
    target: Target = field(default_factory=lambda: Target("d1", "127.0.0.1", 830, "u", "env:X"))
    session_id: int = 1
    host_key: str = ""
    ended: bool = False

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities.of(Hello((*BASE, *((WITH_SCHEMAS,) if self.schemas else ()), *self.uris)))

    async def rpc(self, operation: Element, *, deadline: float | None = None) -> Element:
        reply = etree.Element(nc("rpc-reply"))
        if operation.tag == nc("get"):
            self.asked["get"] += 1
            reply.append(etree.fromstring(f"<data xmlns='{nc('')[1:-1]}'>{self.data}</data>"))
            return reply
        assert operation.tag == f"{{{MONITORING}}}get-schema"
        name = operation.findtext(f"{{{MONITORING}}}identifier") or ""
        version = operation.findtext(f"{{{MONITORING}}}version")
        self.asked[name] += 1
        text = self.texts.get(f"{name}@{version}", self.texts.get(name))
        if text is None:
            raise DeviceRefused(f"there is no schema '{name}'")
        etree.SubElement(reply, f"{{{MONITORING}}}data").text = text
        return reply

    async def close(self) -> None:
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
