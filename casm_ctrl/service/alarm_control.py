"""What is configured of alarms: /alarms/control of ietf-alarms (RFC 8632, 4.1), as it is kept.

How many changes of an alarm are kept, of which ones others are told, and the shelves: alarms that match one are put
away, until they match it no more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.service.alarm_resources import NAMESPACES, tree_of
from casm_ctrl.service.alarm_types import CLEARED, MODULE, rank
from casm_ctrl.store import config_documents
from casm_ctrl.store.transaction import Transaction

ALARMS = "ietf-alarms"
NAMESPACE = "urn:ietf:params:xml:ns:yang:ietf-alarms"
OURS = "urn:casm:yang:casm-alarms"
ANY_TYPE = "alarm-type-id"
"""The identity that all types are derived from."""

_PREFIX = re.compile(r"""'[^']*'|"[^"]*"|([A-Za-z_][\w.-]*):(?!:)""")
"""A prefix in an expression (XPath 1.0, 3.7: QName); what is in quotes, and an axis, have none."""


@dataclass(frozen=True)
class ResourceMatch:
    """An XPath expression with its prefixes: what it selects matches. What is none is a regular expression, which the
    whole resource matches."""

    text: str
    prefixes: Mapping[str, str]

    @property
    def named(self) -> str:
        """The same with names of modules as prefixes, which need no binding."""
        modules = {space: module for module, space in NAMESPACES.items()}

        def name_of(match: re.Match[str]) -> str:
            module = modules.get(self.prefixes.get(match[1] or "", ""))
            return match[0] if module is None else f"{module}:"

        return _PREFIX.sub(name_of, self.text)

    def matches(self, resource: str) -> bool:
        """The expression sees the resource, its ancestors and their keys, and nothing else of the data."""
        try:
            expression = etree.XPath(
                self.text, namespaces={**NAMESPACES, **self.prefixes}, smart_strings=False
            )
        except etree.XPathSyntaxError:
            return re.fullmatch(self.text, resource) is not None
        node = tree_of(resource)
        try:
            found = expression(node.getroottree())
        except etree.XPathError:
            return False
        return isinstance(found, list) and any(each is node for each in found)


@dataclass(frozen=True)
class Shelf:
    """All that is said must match; what is not said matches all. `types` are (type, expression for the qualifier),
    of which one must match; `below`: only what is less severe."""

    name: str
    resources: tuple[ResourceMatch, ...] = ()
    types: tuple[tuple[str, str], ...] = ()
    below: str | None = None
    description: str = ""

    def matches(self, resource: str, type_id: str, qualifier: str, severity: str) -> bool:
        if self.below is not None and rank(severity) >= rank(self.below):
            return False
        if self.types and not any(
            name in (ANY_TYPE, type_id) and re.fullmatch(expression, qualifier)
            for name, expression in self.types
        ):
            return False
        return not self.resources or any(match.matches(resource) for match in self.resources)


@dataclass(frozen=True)
class Control:
    """`keep`: so many changes of each alarm; None: all. `notify` is all-state-changes, raise-and-clear, or
    severity-level, which is `level`."""

    keep: int | None = 32
    notify: str = "all-state-changes"
    level: str | None = None
    shelves: tuple[Shelf, ...] = ()

    def shelf_of(self, resource: str, type_id: str, qualifier: str, severity: str) -> str | None:
        """The first shelf that matches; None: the alarm is not shelved."""
        found = (s.name for s in self.shelves if s.matches(resource, type_id, qualifier, severity))
        return next(found, None)

    def tells(self, before: str | None, after: str) -> bool:
        """Whether others are told of a change; `before` is None where there was no such alarm."""
        was_clear = before is None or before == CLEARED
        if self.notify == "all-state-changes" or after == CLEARED:
            return True
        if self.notify == "raise-and-clear":
            return was_clear
        level = rank(self.level or "indeterminate")
        return rank(after) >= level or (not was_clear and rank(before or after) >= level)


def read_control(tx: Transaction) -> Control:
    xml = config_documents.find_document(tx, ALARMS)
    return Control() if not xml else parse_control(xml)


def parse_control(xml: str) -> Control:
    """Of the document, as it is validated and kept."""
    top = etree.fromstring(xml)
    control = top.find(_al("control"))
    if control is None:
        return Control()
    keep = control.findtext(_al("max-alarm-status-changes")) or "32"
    return Control(
        keep=None if keep == "infinite" else max(1, int(keep)),
        notify=control.findtext(_al("notify-status-changes")) or "all-state-changes",
        level=control.findtext(_al("notify-severity-level")),
        shelves=tuple(_shelf(shelf) for shelf in control.iter(_al("shelf"))),
    )


def check_control(xml: str) -> None:
    """InvalidValue where the document has something else than what is read of it, or an expression in it is none that
    can be matched by."""
    for child in etree.fromstring(xml):
        if child.tag != _al("control"):
            name = etree.QName(child).localname
            raise InvalidValue(
                f"<{name}> of the module {ALARMS} is not supported", "configure <control> alone"
            )
    for shelf in parse_control(xml).shelves:
        for text in (*(match.text for match in shelf.resources), *(text for _, text in shelf.types)):
            try:
                etree.XPath(text)
            except etree.XPathSyntaxError:
                try:
                    re.compile(text)
                except re.error as error:
                    raise InvalidValue(
                        f"'{text}' of the shelf {shelf.name} is no expression: {error}",
                        "write an XPath expression of the resources, or a regular expression",
                    ) from None
        for name, expression in shelf.types:
            try:
                re.compile(expression)
            except re.error as error:
                raise InvalidValue(
                    f"'{expression}' for the type {name} of the shelf {shelf.name} is no expression: {error}",
                    "write a regular expression; '.*' matches all",
                ) from None


def _shelf(shelf: etree._Element) -> Shelf:
    return Shelf(
        shelf.findtext(_al("name")) or "",
        tuple(
            ResourceMatch(
                leaf.text or "", {prefix: space for prefix, space in leaf.nsmap.items() if prefix is not None}
            )
            for leaf in shelf.iterchildren(_al("resource"))
        ),
        tuple(
            (_type_of(entry), entry.findtext(_al("alarm-type-qualifier-match")) or "")
            for entry in shelf.iterchildren(_al("alarm-type"))
        ),
        shelf.findtext(f"{{{OURS}}}below"),
        shelf.findtext(_al("description")) or "",
    )


def _type_of(entry: etree._Element) -> str:
    leaf = entry.find(_al("alarm-type-id"))
    assert leaf is not None
    return type_name(leaf)


def type_name(leaf: etree._Element) -> str:
    """The name of the type that a leaf holds; one of another module, which nothing here is of, with its prefix."""
    prefix, colon, name = (leaf.text or "").strip().rpartition(":")
    space = leaf.nsmap.get(prefix if colon else None)
    if space == OURS or (space == NAMESPACE and name == ANY_TYPE):
        return name
    return f"{prefix}:{name}"


def _al(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def qualified(type_id: str) -> str:
    """The identity of a type, as JSON has it (RFC 7951, 6.8)."""
    return f"{MODULE}:{type_id}"
