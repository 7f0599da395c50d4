"""The access rules of a new store: /nacm as `casm init` writes it (RFC 8341; docs/access.md).

Whoever has logged in reads everything but /nacm, and runs the operations that only read. The group `operator` also
runs the operations of ours (but not the one that tells of the rules), and the group `admin` may do everything.
"""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from casm_ctrl.service.config_documents import ACCESS, normal_form

NAMESPACE = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"

GROUPS = ("admin", "operator")
"""The groups that are there from the start, without members."""

OURS = "casm-operations"

ABOUT_RULES = "check-access"
"""Reads too, but tells of the rules, which are hidden from all but `admin`."""

READING = {
    "ietf-netconf": ("get", "get-config", "validate"),
    "ietf-netconf-nmda": ("get-data",),
    "ietf-netconf-monitoring": ("get-schema",),
    "notifications": ("create-subscription",),
    "ietf-subscribed-notifications": (
        "establish-subscription",
        "modify-subscription",
        "delete-subscription",
    ),
    "ietf-yang-push": ("resync-subscription",),
    OURS: (
        "plan",
        "verify",
        "trace",
        "read-audit",
        "verify-audit",
        "read-status",
        "read-forecast",
        "read-usage",
        "plan-scarcity",
        "plan-defragmentation",
        "why",
        "export-store",
    ),
}
"""What everybody runs: operations by the module that defines them. A session modifies and deletes only its own
subscriptions (RFC 8639, 2.4)."""


def first_documents() -> Mapping[str, str]:
    """The configuration documents of a new store, by module."""
    return {ACCESS: normal_form(ACCESS, first_access())}


def first_access() -> str:
    """The first /nacm."""
    nacm = etree.Element(f"{{{NAMESPACE}}}nacm", nsmap={None: NAMESPACE})  # type: ignore[dict-item]
    _leaf(nacm, "exec-default", "deny")
    groups = etree.SubElement(nacm, f"{{{NAMESPACE}}}groups")
    for name in GROUPS:
        _leaf(etree.SubElement(groups, f"{{{NAMESPACE}}}group"), "name", name)
    _rule(_rule_list(nacm, "admin", "admin"), "everything")
    operator = _rule_list(nacm, "operator", "operator")
    _rule(operator, ABOUT_RULES, OURS, ABOUT_RULES, action="deny")
    _rule(operator, "our-operations", OURS, "*")
    _rule(operator, "alarm-actions", "ietf-alarms", exec_only=True)
    everybody = _rule_list(nacm, "everybody", "*")
    for module, names in READING.items():
        for name in names:
            _rule(everybody, name, module, name)
    return etree.tostring(nacm).decode()


def _rule_list(nacm: etree._Element, name: str, group: str) -> etree._Element:
    made = etree.SubElement(nacm, f"{{{NAMESPACE}}}rule-list")
    _leaf(made, "name", name)
    _leaf(made, "group", group)
    return made


def _rule(
    rules: etree._Element,
    name: str,
    module: str = "*",
    rpc: str | None = None,
    action: str = "permit",
    *,
    exec_only: bool = False,
) -> None:
    """One about everything, or about running: the operation `rpc`, or with `exec_only` all that is defined there."""
    rule = etree.SubElement(rules, f"{{{NAMESPACE}}}rule")
    _leaf(rule, "name", name)
    _leaf(rule, "module-name", module)
    if rpc is not None:
        _leaf(rule, "rpc-name", rpc)
    if rpc is not None or exec_only:
        _leaf(rule, "access-operations", "exec")
    _leaf(rule, "action", action)


def _leaf(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, f"{{{NAMESPACE}}}{name}").text = text
