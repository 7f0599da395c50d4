"""What ietf-netconf-monitoring tells about a server (RFC 6022): capabilities, datastores, schemas, sessions, counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from lxml import etree

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.arguments import Arguments
from casm_ctrl.netconf.datastores.service import HeldLock
from casm_ctrl.netconf.messages import Hello
from casm_ctrl.netconf.names import CANDIDATE, MONITORING, STARTUP, Element
from casm_ctrl.netconf.server.sessions import Counters, Sessions
from casm_ctrl.yang.modules import Module

NETCONF_STATE = f"{{{MONITORING}}}netconf-state"
GET_SCHEMA = f"{{{MONITORING}}}get-schema"

_NSMAP = cast("dict[str, str]", {None: MONITORING})
_COUNTER32 = 1 << 32
"""Where a counter begins again at zero."""


def netconf_state(
    capabilities: Sequence[str],
    modules: Iterable[Module],
    sessions: Sessions,
    locks: Mapping[str, HeldLock],
) -> Element:
    """The container netconf-state. `capabilities` are those of the hello, `locks` those of whole datastores."""
    state = etree.Element(NETCONF_STATE, nsmap=_NSMAP)
    _add_leafs(_add(state, "capabilities"), *(("capability", capability) for capability in capabilities))
    _add_datastores(_add(state, "datastores"), capabilities, locks)
    _add_schemas(_add(state, "schemas"), modules)
    _add_sessions(_add(state, "sessions"), sessions)
    _add_statistics(_add(state, "statistics"), sessions)
    return state


def find_schema(modules: Sequence[Module], operation: Element) -> Element:
    """The `<data>` that answers a get-schema, with the errors of RFC 6022, 3.1.

    An empty version is that of a module without revisions where there is one, and else as good as none.
    """
    arguments = Arguments(operation, ("identifier", "version", "format"))
    arguments.element("identifier")
    identifier = (arguments.text("identifier") or "").strip()
    version = (arguments.text("version") or "").strip()
    found = [module for module in modules if module.name == identifier]
    found = [module for module in found if module.revision == version] or ([] if version else found)
    form = arguments.text("format")
    if not found or not (form is None or _is_yang(arguments.element("format"), form.strip())):
        wanted = f"'{identifier}'" + (f" of version '{version}'" if version else "")
        raise rpc_error.invalid_value(
            f"there is no schema {wanted}" + (f" in the format '{form.strip()}'" if form else ""),
            app_tag=None,
        )
    if len(found) > 1:
        raise rpc_error.operation_failed(
            f"'{identifier}' has more than one version: name one", app_tag="data-not-unique"
        )
    data = etree.Element(f"{{{MONITORING}}}data", nsmap=_NSMAP)
    data.text = found[0].text
    return data


def _is_yang(element: Element, form: str) -> bool:
    """Whether an identityref is `yang` of ietf-netconf-monitoring (RFC 7950, 9.10.3); clients leave prefixes out."""
    prefix, _, name = form.rpartition(":")
    return name == "yang" and (not prefix or element.nsmap.get(prefix) == MONITORING)


def _add_datastores(parent: Element, capabilities: Sequence[str], locks: Mapping[str, HeldLock]) -> None:
    has = Hello(tuple(capabilities)).has
    for name, there in (("running", True), ("candidate", has(CANDIDATE)), ("startup", has(STARTUP))):
        if not there:
            continue
        datastore = _add(parent, "datastore")
        _add_leafs(datastore, ("name", name))
        if name in locks:
            _add_leafs(
                _add(_add(datastore, "locks"), "global-lock"),
                ("locked-by-session", str(locks[name].session_id)),
                ("locked-time", to_rfc3339(locks[name].since)),
            )


def _add_schemas(parent: Element, modules: Iterable[Module]) -> None:
    for module in modules:
        _add_leafs(
            _add(parent, "schema"),
            ("identifier", module.name),
            ("version", module.revision),
            ("format", "yang"),
            ("namespace", module.namespace),
            ("location", "NETCONF"),
        )


def _add_sessions(parent: Element, sessions: Sessions) -> None:
    for entry in sessions:
        session = _add(parent, "session")
        _add_leafs(
            session,
            ("session-id", str(entry.session_id)),
            ("transport", "netconf-ssh"),
            ("username", entry.username),
            ("source-host", entry.source_host),
            ("login-time", to_rfc3339(entry.login_time)),
        )
        _add_counters(session, entry.counters)


def _add_statistics(parent: Element, sessions: Sessions) -> None:
    statistics = sessions.statistics
    _add_leafs(
        parent,
        ("netconf-start-time", to_rfc3339(statistics.started)),
        ("in-bad-hellos", _counter(statistics.in_bad_hellos)),
        ("in-sessions", _counter(statistics.in_sessions)),
        ("dropped-sessions", _counter(statistics.dropped_sessions)),
    )
    _add_counters(parent, sessions.counters)


def _add_counters(parent: Element, counters: Counters) -> None:
    _add_leafs(
        parent,
        ("in-rpcs", _counter(counters.in_rpcs)),
        ("in-bad-rpcs", _counter(counters.in_bad_rpcs)),
        ("out-rpc-errors", _counter(counters.out_rpc_errors)),
        ("out-notifications", _counter(counters.out_notifications)),
    )


def _counter(count: int) -> str:
    return str(count % _COUNTER32)


def _add(parent: Element, name: str) -> Element:
    return etree.SubElement(parent, f"{{{MONITORING}}}{name}")


def _add_leafs(parent: Element, *leafs: tuple[str, str]) -> None:
    for name, text in leafs:
        _add(parent, name).text = text
