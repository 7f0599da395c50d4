"""The rules of RFC 8341 as values, read from the configuration /nacm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.node_paths import Path, read_path
from casm_ctrl.netconf.trees import text_of

NAMESPACE = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"

EVERYTHING = "*"


def acm(name: str) -> str:
    """`name` in the namespace of ietf-netconf-acm, in Clark notation."""
    return f"{{{NAMESPACE}}}{name}"


class Right(Enum):
    """The access operations."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    EXEC = "exec"


ALL_RIGHTS = frozenset(Right)


class About(Enum):
    """The rule-type of a rule."""

    ANYTHING = "no rule-type"
    OPERATION = "protocol-operation"
    NOTIFICATION = "notification"
    DATA = "data-node"


@dataclass(frozen=True)
class Rule:
    """One rule. `subject` is the rpc-name or notification-name, `path` that of a rule about data, in `words` as it is
    written."""

    rule_list: str
    name: str
    permits: bool
    module: str = EVERYTHING
    about: About = About.ANYTHING
    subject: str = EVERYTHING
    path: Path = ()
    rights: frozenset[Right] = ALL_RIGHTS
    words: str = ""

    def is_for(self, right: Right, module: str | None) -> bool:
        """Whether it is about that right to something that `module` defines."""
        return right in self.rights and self.module in (EVERYTHING, module)

    def names(self, about: About, name: str) -> bool:
        """Whether it is about an operation or notification of that name."""
        return self.about is About.ANYTHING or (self.about is about and self.subject in (EVERYTHING, name))


@dataclass(frozen=True)
class RuleList:
    name: str
    groups: frozenset[str]
    rules: tuple[Rule, ...]

    def is_for(self, groups: frozenset[str]) -> bool:
        return bool(groups) and (EVERYTHING in self.groups or not groups.isdisjoint(self.groups))


@dataclass(frozen=True)
class Rules:
    """All of /nacm; what a leaf's absence means is the default of the module."""

    enabled: bool = True
    reads: bool = True
    writes: bool = False
    runs: bool = True
    external_groups: bool = True
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The groups of each user."""
    groups: tuple[str, ...] = ()
    rule_lists: tuple[RuleList, ...] = ()

    def groups_of(self, user: str, reported: frozenset[str]) -> frozenset[str]:
        """The groups of `user`; `reported` are those that the transport vouches for (3.4.4, step 4)."""
        own = self.members.get(user, frozenset())
        return own | reported if self.external_groups else own


def read_rules(nacm: Element | None) -> Rules:
    """The rules in the container /nacm; without one everything is as its default says."""
    if nacm is None:
        return Rules()
    members: dict[str, set[str]] = {}
    names = []
    for group in nacm.iterfind(f"{acm('groups')}/{acm('group')}"):
        name = _text(group, "name")
        names.append(name)
        for user in group.iterchildren(acm("user-name")):
            members.setdefault(text_of(user), set()).add(name)
    return Rules(
        enabled=_text(nacm, "enable-nacm", "true") == "true",
        reads=_text(nacm, "read-default", "permit") == "permit",
        writes=_text(nacm, "write-default", "deny") == "permit",
        runs=_text(nacm, "exec-default", "permit") == "permit",
        external_groups=_text(nacm, "enable-external-groups", "true") == "true",
        members={user: frozenset(groups) for user, groups in members.items()},
        groups=tuple(names),
        rule_lists=tuple(map(_rule_list, nacm.iterchildren(acm("rule-list")))),
    )


def _rule_list(element: Element) -> RuleList:
    name = _text(element, "name")
    rules = (_rule(name, rule) for rule in element.iterchildren(acm("rule")))
    return RuleList(
        name,
        frozenset(text_of(leaf) for leaf in element.iterchildren(acm("group"))),
        tuple(rule for rule in rules if rule is not None),
    )


def _rule(rule_list: str, element: Element) -> Rule | None:
    """One rule. Where nobody can tell what its path means it does no harm: it denies everywhere, or is left out."""
    permits = _text(element, "action") == "permit"
    about, subject, path = About.ANYTHING, EVERYTHING, Path()
    for leaf in element.iterchildren(acm("rpc-name"), acm("notification-name"), acm("path")):
        if leaf.tag == acm("path"):
            about = About.DATA
            try:
                path = read_path(
                    text_of(leaf), {str(prefix): uri for prefix, uri in leaf.nsmap.items() if prefix}
                )
            except InvalidValue:
                if permits:
                    return None
        else:
            about = About.OPERATION if leaf.tag == acm("rpc-name") else About.NOTIFICATION
            subject = text_of(leaf)
    return Rule(
        rule_list,
        _text(element, "name"),
        permits,
        _text(element, "module-name", EVERYTHING),
        about,
        subject,
        path,
        _rights(_text(element, "access-operations", EVERYTHING)),
        _text(element, "path").strip(),
    )


def _rights(text: str) -> frozenset[Right]:
    return ALL_RIGHTS if text.strip() == EVERYTHING else frozenset(Right(word) for word in text.split())


def _text(parent: Element, name: str, default: str = "") -> str:
    leaf = next(parent.iterchildren(acm(name)), None)
    return default if leaf is None else text_of(leaf)
