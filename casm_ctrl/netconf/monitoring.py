"""What ietf-netconf-monitoring tells about a server (RFC 6022): capabilities, schemas and sessions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from lxml import etree

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.names import MONITORING, Element
from casm_ctrl.netconf.sessions import SessionEntry
from casm_ctrl.yang.modules import Module


def netconf_state(
    capabilities: Iterable[str], modules: Iterable[Module], sessions: Iterable[SessionEntry]
) -> Element:
    """The container netconf-state."""
    state = etree.Element(_tag("netconf-state"), nsmap=cast("dict[str, str]", {None: MONITORING}))
    parent = etree.SubElement(state, _tag("capabilities"))
    for capability in capabilities:
        _leaf(parent, "capability", capability)
    parent = etree.SubElement(state, _tag("schemas"))
    for module in modules:
        schema = etree.SubElement(parent, _tag("schema"))
        _leaf(schema, "identifier", module.name)
        _leaf(schema, "version", module.revision)
        _leaf(schema, "format", "yang")
        _leaf(schema, "namespace", module.namespace)
        _leaf(schema, "location", "NETCONF")
    parent = etree.SubElement(state, _tag("sessions"))
    for entry in sessions:
        session = etree.SubElement(parent, _tag("session"))
        _leaf(session, "session-id", str(entry.session_id))
        _leaf(session, "transport", "netconf-ssh")
        _leaf(session, "username", entry.username)
        _leaf(session, "source-host", entry.source_host)
        _leaf(session, "login-time", to_rfc3339(entry.login_time))
        _leaf(session, "in-rpcs", str(entry.counters.in_rpcs))
        _leaf(session, "in-bad-rpcs", str(entry.counters.in_bad_rpcs))
        _leaf(session, "out-rpc-errors", str(entry.counters.out_rpc_errors))
        _leaf(session, "out-notifications", "0")
    return state


def find_schema(modules: Sequence[Module], identifier: str, version: str | None, form: str) -> Module:
    """The one module that get-schema asks for, with the errors of RFC 6022, 3.1."""
    found = [module for module in modules if module.name == identifier and version in (None, module.revision)]
    if not found or form != "yang":
        raise rpc_error.invalid_value(
            f"there is no schema '{identifier}'" + (f" of version '{version}'" if version else ""),
            app_tag=None,
        )
    if len(found) > 1:
        raise rpc_error.operation_failed(
            f"'{identifier}' has more than one version: name one", app_tag="data-not-unique"
        )
    return found[0]


def _tag(name: str) -> str:
    return f"{{{MONITORING}}}{name}"


def _leaf(parent: Element, name: str, text: str) -> None:
    etree.SubElement(parent, _tag(name)).text = text
