"""The way back for whoever has the database: members of the groups of /nacm, and the first rules again.

These edits change the document of ietf-netconf-acm as it is in the store, whatever the rules in it say.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from casm_ctrl.base.errors import AlreadyExists, InvalidValue, NotFound
from casm_ctrl.service.config_documents import ACCESS, SetDocument, set_document
from casm_ctrl.service.edits import Done
from casm_ctrl.service.first_access import NAMESPACE, first_access
from casm_ctrl.store import config_documents
from casm_ctrl.store.transaction import Transaction

_NACM, _GROUPS, _GROUP, _NAME, _USER = (
    f"{{{NAMESPACE}}}{name}" for name in ("nacm", "groups", "group", "name", "user-name")
)
_BEFORE_GROUPS = tuple(
    f"{{{NAMESPACE}}}{name}"
    for name in ("enable-nacm", "read-default", "write-default", "exec-default", "enable-external-groups")
)


@dataclass(frozen=True)
class AddAccessMember:
    """Make `user` a member of the NACM group `group`, which is made where it is not there."""

    group: str
    user: str


@dataclass(frozen=True)
class RemoveAccessMember:
    group: str
    user: str


@dataclass(frozen=True)
class ResetAccess:
    """Put the first rules and defaults back. The groups and their members stay."""


def add_access_member(tx: Transaction, edit: AddAccessMember) -> Done:
    for what, name in (("group", edit.group), ("user", edit.user)):
        if not name or name != name.strip() or not name.isprintable() or name.startswith("*"):
            raise InvalidValue(f"'{name}' is not the name of a {what}", "give one without spaces around it")
    nacm = _stored(tx)
    group = _find_group(nacm, edit.group)
    if group is None:
        group = etree.SubElement(_groups(nacm), _GROUP)
        etree.SubElement(group, _NAME).text = edit.group
    if edit.user in _members(group):
        raise AlreadyExists(
            f"user '{edit.user}' is in the access group '{edit.group}' already", "there is nothing to do"
        )
    etree.SubElement(group, _USER).text = edit.user
    _store(tx, nacm)
    return Done("access-group-add", "access-group", 0, edit.group, f"user {edit.user}")


def remove_access_member(tx: Transaction, edit: RemoveAccessMember) -> Done:
    nacm = _stored(tx)
    group = _find_group(nacm, edit.group)
    found = [] if group is None else [leaf for leaf in group.iterchildren(_USER) if leaf.text == edit.user]
    if group is None or not found:
        there = "there is no such group" if group is None else f"its members: {_listed(group)}"
        raise NotFound(
            f"user '{edit.user}' is not in the access group '{edit.group}': {there}",
            "see 'casm access show'",
        )
    group.remove(found[0])
    _store(tx, nacm)
    return Done("access-group-remove", "access-group", 0, edit.group, f"user {edit.user}")


def reset_access(tx: Transaction, edit: ResetAccess) -> Done:
    nacm, old = etree.fromstring(first_access()), _stored(tx)
    groups = _groups(nacm)
    names = {name.text for name in groups.iter(_NAME)}
    for group in _groups(old).iterchildren(_GROUP):
        name = group.findtext(_NAME)
        if name in names:
            groups.remove(next(g for g in groups.iterchildren(_GROUP) if g.findtext(_NAME) == name))
        groups.append(group)
    _store(tx, nacm)
    return Done("access-reset", "document", 0, ACCESS)


def _stored(tx: Transaction) -> etree._Element:
    xml = config_documents.find_document(tx, ACCESS)
    return etree.fromstring(xml) if xml else etree.Element(_NACM, nsmap={"nacm": NAMESPACE})


def _store(tx: Transaction, nacm: etree._Element) -> None:
    set_document(tx, SetDocument(ACCESS, etree.tostring(nacm).decode()))


def _groups(nacm: etree._Element) -> etree._Element:
    """The container of the groups, made at its place where it is not there."""
    groups = nacm.find(_GROUPS)
    if groups is None:
        groups = etree.Element(_GROUPS)
        nacm.insert(sum(child.tag in _BEFORE_GROUPS for child in nacm), groups)
    return groups


def _find_group(nacm: etree._Element, name: str) -> etree._Element | None:
    return next(
        (group for group in _groups(nacm).iterchildren(_GROUP) if group.findtext(_NAME) == name), None
    )


def _members(group: etree._Element) -> list[str]:
    return [leaf.text or "" for leaf in group.iterchildren(_USER)]


def _listed(group: etree._Element) -> str:
    return ", ".join(_members(group)) or "none"
