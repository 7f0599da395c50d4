"""rpc-error: how NETCONF says no (RFC 6241, 4.3), with one function for each row of appendix A.

A server raises `RpcError`; the protocol core puts it into the reply. A client gets the same element
back as `casm_ctrl.base.errors.PeerError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from lxml import etree

from casm_ctrl.base.errors import PeerError
from casm_ctrl.netconf.names import DEFAULT_BASE, Element, nc

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(eq=False)
class RpcError(Exception):
    """One rpc-error. `path` is an XPath whose prefixes `namespaces` binds; `info` goes into error-info."""

    type: str
    tag: str
    severity: str = "error"
    app_tag: str | None = None
    path: str | None = None
    message: str = ""
    info: tuple[Element, ...] = ()
    namespaces: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(to_peer_error(self))


class RpcErrors(Exception):
    """Several errors that one reply carries, for example of an edit that continues on error."""

    def __init__(self, errors: Iterable[RpcError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(map(str, self.errors)))


# --- XML ------------------------------------------------------------------------------------------


def to_xml(error: RpcError) -> Element:
    """The rpc-error element, its children in the order of the RFC's schema."""
    element = etree.Element(nc("rpc-error"), nsmap=DEFAULT_BASE)
    _leaf(element, "error-type", error.type)
    _leaf(element, "error-tag", error.tag)
    _leaf(element, "error-severity", error.severity)
    if error.app_tag:
        _leaf(element, "error-app-tag", error.app_tag)
    if error.path:
        bound = {**DEFAULT_BASE, **error.namespaces}  # the element itself stays without a prefix
        path = etree.SubElement(element, nc("error-path"), nsmap=bound)
        path.text = printable(error.path)
    if error.message:
        _leaf(element, "error-message", printable(error.message)).set(_XML_LANG, "en")
    if error.info:
        info = etree.SubElement(element, nc("error-info"))
        info.extend(deepcopy(child) for child in error.info)
    return element


def from_xml(element: Element) -> RpcError:
    """The error that an rpc-error element holds. What the peer left out gets the RFC's mildest reading."""
    path = element.find(nc("error-path"))
    info = element.find(nc("error-info"))
    return RpcError(
        type=_text(element, "error-type") or "application",
        tag=_text(element, "error-tag") or "operation-failed",
        severity=_text(element, "error-severity") or "error",
        app_tag=_text(element, "error-app-tag") or None,
        path=_text(element, "error-path") or None,
        message=_text(element, "error-message"),
        info=tuple(child for child in info if isinstance(child.tag, str)) if info is not None else (),
        namespaces={k: v for k, v in path.nsmap.items() if k is not None} if path is not None else {},
    )


def to_peer_error(error: RpcError) -> PeerError:
    """The error as the layers above NETCONF see it."""
    session_id = next((_number(child.text) for child in error.info if child.tag == nc("session-id")), None)
    return PeerError(
        type=error.type,
        tag=error.tag,
        severity=error.severity,
        app_tag=error.app_tag,
        path=error.path,
        message=error.message,
        info=" ".join(" ".join("".join(map(str, child.itertext())).split()) for child in error.info),
        session_id=session_id,
    )


def printable(text: str) -> str:
    """`text` without the control characters that XML 1.0 cannot carry."""
    return "".join(
        c if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff") else "?"
        for c in text
    )


def _leaf(parent: Element, name: str, text: str) -> Element:
    child = etree.SubElement(parent, nc(name))
    child.text = text
    return child


def _text(element: Element, name: str) -> str:
    return (element.findtext(nc(name)) or "").strip()


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() else None


def _info(**leaves: str) -> tuple[Element, ...]:
    elements = []
    for name, text in leaves.items():
        element = etree.Element(nc(name.replace("_", "-")), nsmap=DEFAULT_BASE)
        element.text = text
        elements.append(element)
    return tuple(elements)


# --- RFC 6241, appendix A -------------------------------------------------------------------------
#
# `layer` is error-type: the layer that the error occurred in.


def in_use(message: str = "the resource is in use") -> RpcError:
    return RpcError("application", "in-use", message=message)


def invalid_value(
    message: str, *, path: str | None = None, app_tag: str | None = None, layer: str = "application"
) -> RpcError:
    return RpcError(layer, "invalid-value", path=path, app_tag=app_tag, message=message)


def too_big(message: str = "the message is too large to be processed", *, layer: str = "rpc") -> RpcError:
    return RpcError(layer, "too-big", message=message)


def missing_attribute(attribute: str, element: str, *, layer: str = "rpc") -> RpcError:
    return RpcError(
        layer,
        "missing-attribute",
        message=f"<{element}> needs the attribute {attribute}",
        info=_info(bad_attribute=attribute, bad_element=element),
    )


def bad_attribute(attribute: str, element: str, message: str = "", *, layer: str = "application") -> RpcError:
    return RpcError(
        layer,
        "bad-attribute",
        message=message or f"the attribute {attribute} of <{element}> has a wrong value",
        info=_info(bad_attribute=attribute, bad_element=element),
    )


def unknown_attribute(attribute: str, element: str, *, layer: str = "application") -> RpcError:
    return RpcError(
        layer,
        "unknown-attribute",
        message=f"<{element}> has no attribute {attribute}",
        info=_info(bad_attribute=attribute, bad_element=element),
    )


def missing_element(
    element: str, message: str = "", *, path: str | None = None, layer: str = "protocol"
) -> RpcError:
    return RpcError(
        layer,
        "missing-element",
        path=path,
        message=message or f"the element <{element}> is missing",
        info=_info(bad_element=element),
    )


def bad_element(
    element: str, message: str = "", *, path: str | None = None, layer: str = "protocol"
) -> RpcError:
    return RpcError(
        layer,
        "bad-element",
        path=path,
        message=message or f"the element <{element}> has a wrong value",
        info=_info(bad_element=element),
    )


def unknown_element(
    element: str, message: str = "", *, path: str | None = None, layer: str = "protocol"
) -> RpcError:
    return RpcError(
        layer,
        "unknown-element",
        path=path,
        message=message or f"the element <{element}> is not known here",
        info=_info(bad_element=element),
    )


def unknown_namespace(
    element: str, namespace: str, *, path: str | None = None, layer: str = "protocol"
) -> RpcError:
    return RpcError(
        layer,
        "unknown-namespace",
        path=path,
        message=f"the namespace '{namespace}' of <{element}> is not known here",
        info=_info(bad_element=element, bad_namespace=namespace),
    )


def access_denied(message: str = "access is denied", *, layer: str = "application") -> RpcError:
    return RpcError(layer, "access-denied", message=message)


def lock_denied(session_id: int, message: str = "") -> RpcError:
    """`session_id` holds the lock; 0 where no NETCONF session does."""
    return RpcError(
        "protocol",
        "lock-denied",
        message=message or f"session {session_id} holds the lock",
        info=_info(session_id=str(session_id)),
    )


def resource_denied(message: str) -> RpcError:
    return RpcError("application", "resource-denied", message=message)


def rollback_failed(message: str) -> RpcError:
    return RpcError("application", "rollback-failed", message=message)


def data_exists(path: str | None = None, message: str = "the data exists already") -> RpcError:
    return RpcError("application", "data-exists", path=path, message=message)


def data_missing(path: str | None = None, message: str = "the data does not exist") -> RpcError:
    return RpcError("application", "data-missing", path=path, message=message)


def operation_not_supported(message: str, *, layer: str = "protocol") -> RpcError:
    return RpcError(layer, "operation-not-supported", message=message)


def operation_failed(
    message: str, *, path: str | None = None, app_tag: str | None = None, layer: str = "application"
) -> RpcError:
    return RpcError(layer, "operation-failed", path=path, app_tag=app_tag, message=message)


def malformed_message(message: str) -> RpcError:
    return RpcError("rpc", "malformed-message", message=message)
