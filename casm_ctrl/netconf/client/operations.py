"""The operations of NETCONF as elements: RFC 6241, chapter 7 and 8, and get-schema of RFC 6022.

Pure builders: an element is what stands inside `<rpc>`. Elements that are given are copied, not moved.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

from lxml import etree

from casm_ctrl.netconf.names import DEFAULT_BASE, MONITORING, Element, nc


def get(subtree: Iterable[Element] = ()) -> Element:
    """Running configuration and state (7.7), or what the subtree filter selects of it (6)."""
    operation = _operation("get")
    _add_filter(operation, subtree)
    return operation


def get_nothing() -> Element:
    """A get whose empty filter selects nothing (6.4.2): asks only whether the server answers."""
    operation = _operation("get")
    etree.SubElement(operation, nc("filter"), {"type": "subtree"})
    return operation


def get_config(source: str, subtree: Iterable[Element] = ()) -> Element:
    """One datastore's configuration (7.1), or what the subtree filter selects of it."""
    operation = _operation("get-config")
    _add_datastore(operation, "source", source)
    _add_filter(operation, subtree)
    return operation


def edit_config(
    target: str,
    config: Iterable[Element],
    *,
    default_operation: str | None = None,
    test_option: str | None = None,
    error_option: str | None = None,
) -> Element:
    """Change one datastore (7.2). `config` are the children of `<config>`."""
    operation = _operation("edit-config")
    _add_datastore(operation, "target", target)
    _add_leaf(operation, "default-operation", default_operation)
    _add_leaf(operation, "test-option", test_option)
    _add_leaf(operation, "error-option", error_option)
    etree.SubElement(operation, nc("config")).extend(map(copy.deepcopy, config))
    return operation


def copy_config(source: str, target: str) -> Element:
    """Replace one datastore by another (7.3)."""
    operation = _operation("copy-config")
    _add_datastore(operation, "target", target)
    _add_datastore(operation, "source", source)
    return operation


def lock(target: str) -> Element:
    """7.5"""
    operation = _operation("lock")
    _add_datastore(operation, "target", target)
    return operation


def unlock(target: str) -> Element:
    """7.6"""
    operation = _operation("unlock")
    _add_datastore(operation, "target", target)
    return operation


def commit(
    *,
    confirmed: bool = False,
    confirm_timeout: int | None = None,
    persist: str | None = None,
    persist_id: str | None = None,
) -> Element:
    """Make the candidate running (8.3.4.1), for good or (8.4) for `confirm_timeout` seconds.

    `persist` lets another session confirm; `persist_id` is the token that such a commit was given.
    """
    operation = _operation("commit")
    if confirmed:
        etree.SubElement(operation, nc("confirmed"))
    _add_leaf(operation, "confirm-timeout", None if confirm_timeout is None else str(confirm_timeout))
    _add_leaf(operation, "persist", persist)
    _add_leaf(operation, "persist-id", persist_id)
    return operation


def cancel_commit(persist_id: str | None = None) -> Element:
    """Undo a confirmed commit that is still pending (8.4.4.1)."""
    operation = _operation("cancel-commit")
    _add_leaf(operation, "persist-id", persist_id)
    return operation


def discard_changes() -> Element:
    """Make the candidate equal running again (8.3.4.2)."""
    return _operation("discard-changes")


def validate(source: str) -> Element:
    """8.6.4.1"""
    operation = _operation("validate")
    _add_datastore(operation, "source", source)
    return operation


def close_session() -> Element:
    """7.8"""
    return _operation("close-session")


def kill_session(session_id: int) -> Element:
    """7.9"""
    operation = _operation("kill-session")
    _add_leaf(operation, "session-id", str(session_id))
    return operation


def get_schema(identifier: str, version: str | None = None) -> Element:
    """A YANG module's text (RFC 6022, 3.1)."""
    operation = etree.Element(f"{{{MONITORING}}}get-schema", nsmap={None: MONITORING})  # type: ignore[dict-item]
    for name, text in (("identifier", identifier), ("version", version), ("format", "yang")):
        if text is not None:
            etree.SubElement(operation, f"{{{MONITORING}}}{name}").text = text
    return operation


def _operation(name: str) -> Element:
    return etree.Element(nc(name), nsmap=DEFAULT_BASE)


def _add_datastore(parent: Element, role: str, name: str) -> None:
    etree.SubElement(etree.SubElement(parent, nc(role)), nc(name))


def _add_leaf(parent: Element, name: str, text: str | None) -> None:
    if text is not None:
        etree.SubElement(parent, nc(name)).text = text


def _add_filter(parent: Element, subtree: Iterable[Element]) -> None:
    nodes = [copy.deepcopy(node) for node in subtree]
    if nodes:
        etree.SubElement(parent, nc("filter"), {"type": "subtree"}).extend(nodes)
