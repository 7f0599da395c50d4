"""The messages of NETCONF: hello, rpc and rpc-reply (RFC 6241, 4 and 8.1), for servers and for clients.

Bytes here are one message without its framing. What comes from the peer is read by one parser that
knows no DTD, no entities and no network, and that refuses deep nesting and huge text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from lxml import etree

from casm_ctrl.base.errors import PeerError, ProtocolViolation
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.framing import Framing
from casm_ctrl.netconf.names import (
    BASE,
    BASE_1_0,
    BASE_1_1,
    DEFAULT_BASE,
    Element,
    local_name,
    nc,
)
from casm_ctrl.netconf.rpc_error import RpcError

MAX_SESSION_ID = 4_294_967_295
_REMEDY = "check that the port is the device's NETCONF port"


# --- XML ------------------------------------------------------------------------------------------


def parse_document(data: bytes) -> Element:
    """The root of one XML document in UTF-8; ProtocolViolation where it is not one that NETCONF may carry.

    Comments and processing instructions are dropped. libxml2's own limits hold: 256 levels, 10 MB in
    one text. White space before the XML declaration is forgiven: some peers write a line end there.
    """
    data = data.lstrip(b" \t\r\n")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise ProtocolViolation(f"a message is not well-formed XML: {error.msg}", _REMEDY) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise ProtocolViolation("a message has a DTD, which RFC 6241 forbids", _REMEDY)
    return root


def serialize(element: Element) -> bytes:
    """`element` as a message, in UTF-8 with its XML declaration."""
    return etree.tostring(element, xml_declaration=True, encoding="UTF-8")


# --- hello ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModuleCapability:
    """A YANG module as a capability announces it (RFC 6020, 5.6.4)."""

    name: str
    namespace: str
    revision: str | None = None
    features: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()
    """The modules that say how the device deviates from this one."""

    @property
    def capability(self) -> str:
        uri = f"{self.namespace}?module={self.name}"
        if self.revision:
            uri += f"&revision={self.revision}"
        if self.features:
            uri += f"&features={','.join(self.features)}"
        if self.deviations:
            uri += f"&deviations={','.join(self.deviations)}"
        return uri


@dataclass(frozen=True)
class Hello:
    """What one end can do; `session_id` comes from servers only."""

    capabilities: tuple[str, ...]
    session_id: int | None = None

    def has(self, capability: str) -> bool:
        """True where `capability` is announced, whatever parameters follow it (RFC 6241, 8.1)."""
        return any(uri.partition("?")[0] == capability for uri in self.capabilities)

    @property
    def modules(self) -> Mapping[str, str | None]:
        """Revision by module name; the newest where one is announced twice."""
        modules: dict[str, str | None] = {}
        for uri in self.capabilities:
            module = parse_module(uri)
            if module is not None:
                modules[module.name] = max(
                    (module.revision, modules.get(module.name)), key=lambda revision: revision or ""
                )
        return modules


def parse_module(capability: str) -> ModuleCapability | None:
    """The YANG module that a capability announces; None where it is another capability."""
    namespace, _, query = capability.partition("?")
    parameters = {}
    for parameter in query.split("&"):
        key, _, value = parameter.partition("=")
        parameters[key.strip()] = unquote(value.strip())
    if not parameters.get("module"):
        return None
    features, deviations = (
        tuple(name for name in parameters.get(key, "").split(",") if name)
        for key in ("features", "deviations")
    )
    revision = parameters.get("revision") or None
    return ModuleCapability(parameters["module"], namespace, revision, features, deviations)


def build_hello(capabilities: Iterable[str], session_id: int | None = None) -> bytes:
    """The hello message; a client gives no `session_id`."""
    hello = etree.Element(nc("hello"), nsmap=DEFAULT_BASE)
    parent = etree.SubElement(hello, nc("capabilities"))
    for capability in capabilities:
        etree.SubElement(parent, nc("capability")).text = capability
    if session_id is not None:
        etree.SubElement(hello, nc("session-id")).text = str(session_id)
    return serialize(hello)


def parse_hello(data: bytes, *, from_server: bool) -> Hello:
    """The peer's hello; ProtocolViolation where it is not one (RFC 6241, 8.1)."""
    root = parse_document(data)
    if root.tag != nc("hello"):
        raise ProtocolViolation(f"the first message is <{local_name(root)}>, not <hello>", _REMEDY)
    uris = [(uri.text or "").strip() for uri in root.iterfind(f"{nc('capabilities')}/{nc('capability')}")]
    capabilities = tuple(uri for uri in uris if uri)
    if not capabilities:
        raise ProtocolViolation("the hello has no capabilities", _REMEDY)
    ids = root.findall(nc("session-id"))
    if not from_server:
        if ids:
            raise ProtocolViolation("a client's hello has a session-id", "leave it out (RFC 6241, 8.1)")
        return Hello(capabilities)
    text = (ids[0].text or "").strip() if len(ids) == 1 else ""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_SESSION_ID):
        raise ProtocolViolation(f"the hello has no valid session-id ('{text}')", _REMEDY)
    return Hello(capabilities, int(text))


def negotiate(ours: Hello, theirs: Hello) -> Framing:
    """How both frame what follows: the highest base version that both speak (RFC 6242, 4.1).

    Clients that were written for Junos announce base:1.0 by the namespace of that name, as Junos does.
    """
    if ours.has(BASE_1_1) and theirs.has(BASE_1_1):
        return Framing.CHUNKED
    if ours.has(BASE_1_0) and (theirs.has(BASE_1_0) or theirs.has(BASE)):
        return Framing.END_OF_MESSAGE
    raise ProtocolViolation("the peers have no NETCONF version in common", "use base:1.0 or base:1.1")


# --- rpc ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heading:
    """What a reply repeats of its request: all attributes, and the prefixes that were bound there."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    namespaces: Mapping[str | None, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rpc:
    """One request: its heading and the element of its operation."""

    heading: Heading
    operation: Element
    size: int = 0
    """Octets of the message."""

    @property
    def name(self) -> str:
        return local_name(self.operation)


class RpcRefused(Exception):
    """A message that is no proper rpc; `error` answers it under `heading`."""

    def __init__(self, error: RpcError, heading: Heading | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.heading = heading if heading is not None else Heading()


def build_rpc(message_id: str, operation: Element) -> bytes:
    """The request for `operation`, which becomes a child of the message."""
    rpc = etree.Element(nc("rpc"), {"message-id": message_id}, nsmap=DEFAULT_BASE)
    rpc.append(operation)
    return serialize(rpc)


def parse_rpc(data: bytes) -> Rpc:
    """The request in a message; RpcRefused where it must be answered with an error instead."""
    try:
        root = parse_document(data)
    except ProtocolViolation as violation:
        raise RpcRefused(rpc_error.malformed_message(violation.message)) from None
    if root.tag != nc("rpc"):
        raise RpcRefused(rpc_error.malformed_message(f"<{root.tag}> is not <rpc> of {BASE_1_0}"))
    heading = Heading({str(k): str(v) for k, v in root.attrib.items()}, dict(root.nsmap))
    if "message-id" not in root.attrib:
        raise RpcRefused(rpc_error.missing_attribute("message-id", "rpc"), heading)
    operations = [child for child in root if isinstance(child.tag, str)]
    if not operations:
        raise RpcRefused(rpc_error.missing_element("rpc", "<rpc> holds no operation"), heading)
    if len(operations) > 1:
        name = local_name(operations[1])
        raise RpcRefused(rpc_error.bad_element(name, "<rpc> holds more than one operation"), heading)
    return Rpc(heading, operations[0], len(data))


# --- rpc-reply ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ok:
    """The operation was done and has nothing to say."""


@dataclass(frozen=True)
class Data:
    """Nodes for the `<data>` of get and get-config; bytes are nodes that are written already."""

    nodes: Sequence[Element | bytes]


@dataclass(frozen=True)
class Output:
    """An operation's own output elements (RFC 7950, 7.14.4); bytes are elements that are written already."""

    nodes: Sequence[Element | bytes]


@dataclass(frozen=True)
class Errors:
    """The operation was refused, or failed."""

    errors: Sequence[RpcError]


Answer = Ok | Data | Output | Errors


def build_reply(heading: Heading, answer: Answer) -> bytes:
    """The rpc-reply. The nodes of the answer are written where they are, not moved.

    It has no XML declaration (RFC 6241, 3: a message may have one): clients that decode what they read, and
    parse the text, fail on one that names an encoding.
    """
    namespaces = {**heading.namespaces, None: nc("")[1:-1]}
    reply = etree.Element(nc("rpc-reply"), dict(heading.attributes), nsmap=namespaces)  # type: ignore[arg-type]
    parent, nodes = reply, _nodes(answer)
    if isinstance(answer, Data):
        parent = etree.SubElement(reply, nc("data"))
    parent.text = ""
    # Copying a large tree into the reply only to write it would double time and memory.
    opening, _, closing = etree.tostring(reply, encoding="UTF-8", xml_declaration=False).partition(b"></")
    return b"".join([opening, b">", *map(_write, nodes), b"</", closing])


def write_nodes(answer: Answer) -> Answer:
    """The same answer with its nodes written: what takes long in a large one, and may be done on a thread."""
    if isinstance(answer, Data | Output):
        return type(answer)([_write(node) for node in answer.nodes])
    return answer


def _nodes(answer: Answer) -> Sequence[Element | bytes]:
    if isinstance(answer, Ok):
        return [etree.Element(nc("ok"), nsmap=DEFAULT_BASE)]
    if isinstance(answer, Errors):
        return [rpc_error.to_xml(error) for error in answer.errors]
    return answer.nodes


def _write(node: Element | bytes) -> bytes:
    if isinstance(node, bytes):
        return node
    return etree.tostring(node, encoding="UTF-8", xml_declaration=False, with_tail=False)


@dataclass(frozen=True)
class Reply:
    """A reply as a client reads it. `errors` holds warnings too: look at `failed`."""

    message_id: str | None
    element: Element
    errors: tuple[PeerError, ...] = ()

    @property
    def failed(self) -> bool:
        return any(error.severity != "warning" for error in self.errors)

    @property
    def ok(self) -> bool:
        return not self.failed and self.element.find(nc("ok")) is not None

    @property
    def data(self) -> Element | None:
        """The `<data>` of get and get-config; None where there is none."""
        return self.element.find(nc("data"))


def parse_reply(data: bytes) -> Reply:
    """The rpc-reply in a message; ProtocolViolation where it is something else."""
    return read_reply(parse_document(data))


def read_reply(root: Element) -> Reply:
    """The rpc-reply that a document is; ProtocolViolation where it is something else."""
    if root.tag != nc("rpc-reply"):
        raise ProtocolViolation(f"<{local_name(root)}> came where <rpc-reply> was awaited", _REMEDY)
    errors = tuple(
        rpc_error.to_peer_error(rpc_error.from_xml(element)) for element in root.iterfind(nc("rpc-error"))
    )
    return Reply(root.get("message-id"), root, errors)
