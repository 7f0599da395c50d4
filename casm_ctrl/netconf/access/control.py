"""Access control: who may run, read, change and be told what (RFC 8341).

One `AccessControl` stands for one revision of /nacm; the rules of a user are compiled when that user is first met.
It is pure: who the user is, and which groups the transport vouches for, it is told.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from lxml import etree

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.access.changes import check_changes
from casm_ctrl.netconf.access.rules import About, Right, acm, read_rules
from casm_ctrl.netconf.access.user import Place, UserRules, Verdict, compile_rules
from casm_ctrl.netconf.names import NOTIFICATION, Element, local_name, nc
from casm_ctrl.netconf.node_paths import Path, elements_of
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.trees import hollow
from casm_ctrl.yang.access_marks import AccessMarks
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

CLOSE_SESSION = nc("close-session")
DENIED_BY_DEFAULT = frozenset({nc("kill-session"), nc("delete-config")})
"""Operations that need a rule (3.4.4, step 11)."""

NEVER_DROPPED = frozenset(
    f"{{{namespace}}}{name}"
    for namespace in (NOTIFICATION, "urn:ietf:params:xml:ns:netmod:notification")
    for name in ("replayComplete", "notificationComplete")
)
"""Notifications that everybody gets (3.4.6, step 3)."""

_MOST_USERS = 1000
"""Users whose rules are kept compiled; more, and all are compiled anew when they are met."""

_MAX_COUNT = 1 << 32


@dataclass
class Counters:
    """What was denied since the server started (3.4.1); they outlive a change of the rules. Safe between threads."""

    operations: int = 0
    data_writes: int = 0
    notifications: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count_operation(self) -> None:
        with self._lock:
            self.operations = (self.operations + 1) % _MAX_COUNT

    def count_data_write(self) -> None:
        with self._lock:
            self.data_writes = (self.data_writes + 1) % _MAX_COUNT

    def count_notification(self) -> None:
        with self._lock:
            self.notifications = (self.notifications + 1) % _MAX_COUNT

    def leafs(self) -> list[Element]:
        """The state below /nacm, in schema order."""
        values = {
            "denied-operations": self.operations,
            "denied-data-writes": self.data_writes,
            "denied-notifications": self.notifications,
        }
        made = []
        for name, value in values.items():
            leaf = etree.Element(acm(name), nsmap={None: acm("")[1:-1]})  # type: ignore[dict-item]
            leaf.text = str(value)
            made.append(leaf)
        return made


@dataclass(frozen=True)
class DataVerdict:
    """What was decided about data, and at which node of the path: for reading it may be one above (3.2.4)."""

    verdict: Verdict
    depth: int


@dataclass(frozen=True)
class _User:
    rules: UserRules
    root: Place


class AccessControl:
    """Decides by one configuration of /nacm (None: as its defaults say). Safe between threads."""

    def __init__(
        self,
        nacm: Element | None,
        schema: Schema,
        marks: AccessMarks,
        counters: Counters | None = None,
    ) -> None:
        self.nacm = nacm
        self.rules = read_rules(nacm)
        self.counters = counters or Counters()
        self._schema = schema
        self._marks = marks
        # Every prefix of the way to a marked node, the empty one too.
        self._guarded = frozenset(
            way for tags in marks.nodes for way in ((), *accumulate((tag,) for tag in tags[:-1]))
        )
        self._users: dict[tuple[str, frozenset[str]], _User] = {}

    # --- Operations (3.4.4) -----------------------------------------------------------------------

    def judge_operation(self, user: str, groups: frozenset[str], tag: str) -> Verdict:
        """Whether the user may run the operation whose element has that tag."""
        if not self.rules.enabled:
            return Verdict(True, default="enable-nacm")
        if tag == CLOSE_SESSION:
            return Verdict(True, default="close-session")
        name = etree.QName(tag).localname
        rules = self._user(user, groups).rules
        found = _first(rules, Right.EXEC, About.OPERATION, tag, name)
        if found is not None:
            return found
        if tag in self._marks.operations:
            return Verdict(False, default="default-deny-all")
        if tag in DENIED_BY_DEFAULT:
            return Verdict(False, default=name)
        return Verdict(self.rules.runs, default="exec-default")

    def check_operation(self, user: str, groups: frozenset[str], operation: Element) -> None:
        """Raise access-denied where the user may not run `operation`, the element inside `<rpc>`."""
        if not self.judge_operation(user, groups, str(operation.tag)).permits:
            self.counters.count_operation()
            raise rpc_error.access_denied(
                f"this user may not run <{local_name(operation)}>", layer="protocol"
            )

    def check_action(self, user: str, groups: frozenset[str], nodes: Sequence[Element]) -> None:
        """Raise access-denied where the user may not run the action that is the last of `nodes`: those before it, from
        the top, must be readable, and it must be executable (3.1.3, 3.4.5)."""
        if not self.rules.enabled:
            return
        place, permits = self._user(user, groups).root, True
        for node in nodes:
            place = place.enter(node)
            permits = permits and place.may(Right.EXEC if node is nodes[-1] else Right.READ)
        if not permits:
            self.counters.count_operation()
            raise rpc_error.access_denied(
                f"this user may not run the action <{local_name(nodes[-1])}>", layer="protocol"
            )

    # --- Reading (3.2.4, 3.4.5) -------------------------------------------------------------------

    def reads_everything(self, user: str, groups: frozenset[str]) -> bool:
        """True where nothing is hidden from the user, so that `prune` has nothing to do."""
        return not self.rules.enabled or self._user(user, groups).root.whole(Right.READ)

    def reads_whole(self, user: str, groups: frozenset[str], tag: str) -> bool:
        """As `reads_everything`, for what is in the top-level node with that tag."""
        return not self.rules.enabled or self._user(user, groups).root.enters_whole(tag, Right.READ)

    def prune(self, user: str, groups: frozenset[str], nodes: Sequence[Element]) -> list[Element]:
        """`nodes`, which are top-level data nodes, without what the user may not read.

        Nodes of which everything may be read are given back as they are; of others come copies. With a node goes all
        that is in it. An entry whose key is hidden goes too, since nothing could name it.
        """
        if self.reads_everything(user, groups):
            return list(nodes)
        root = self._user(user, groups).root
        kept = []
        for node in nodes:
            place = root.enter(node)
            if place.whole(Right.READ):
                kept.append(node)
            elif place.reads:
                duplicate = copy.deepcopy(node)
                duplicate.tail = None
                if _strip(duplicate, place, self._schema.roots.get(str(node.tag))):
                    kept.append(duplicate)
        return kept

    def prune_tree(self, user: str, groups: frozenset[str], tree: Element) -> Element:
        """As `prune`, for the nodes in one element: what a user sees of a datastore, to copy it (3.2.6). `tree` itself
        where that is all of it."""
        nodes = list(tree.iterchildren("*"))
        kept = self.prune(user, groups, nodes)
        if kept == nodes:
            return tree
        seen = hollow(tree)
        seen.extend(copy.deepcopy(node) if node.getparent() is not None else node for node in kept)
        return seen

    # --- Changing (3.2.5 to 3.2.8) ----------------------------------------------------------------

    def check_change(self, user: str, groups: frozenset[str], before: Element, after: Element) -> None:
        """Raise access-denied, with the path, where the user may not make `before` into `after`."""
        if not self.rules.enabled:
            return
        try:
            check_changes(before, after, self._user(user, groups).root, self._schema)
        except RpcError:
            self.counters.count_data_write()
            raise

    def judge_data(self, user: str, groups: frozenset[str], path: Path, right: Right) -> DataVerdict:
        """Whether the user has `right` to the node at `path`, and what decides."""
        if not self.rules.enabled:
            return DataVerdict(Verdict(True, default="enable-nacm"), len(path))
        place = self._user(user, groups).root
        verdict = place.verdict(right)
        for depth, element in enumerate(elements_of(path, user), start=1):
            place = place.enter(element)
            verdict = place.verdict(right)
            if right is Right.READ and not verdict.permits:
                return DataVerdict(verdict, depth)
        return DataVerdict(verdict, len(path))

    # --- Notifications (3.4.6) --------------------------------------------------------------------

    def judge_notification(self, user: str, groups: frozenset[str], tag: str) -> Verdict:
        """Whether the user may be told of the event whose element has that tag."""
        if not self.rules.enabled:
            return Verdict(True, default="enable-nacm")
        if tag in NEVER_DROPPED:
            return Verdict(True, default=etree.QName(tag).localname)
        rules = self._user(user, groups).rules
        found = _first(rules, Right.READ, About.NOTIFICATION, tag, etree.QName(tag).localname)
        if found is not None:
            return found
        if tag in self._marks.notifications:
            return Verdict(False, default="default-deny-all")
        return Verdict(self.rules.reads, default="read-default")

    def may_receive(self, user: str, groups: frozenset[str], notification: Element) -> bool:
        """Whether `notification`, the element of the event, goes to the user. Where not, it is counted."""
        permits = self.judge_notification(user, groups, str(notification.tag)).permits
        if not permits:
            self.counters.count_notification()
        return permits

    # --- Users ------------------------------------------------------------------------------------

    def groups_of(self, user: str, reported: frozenset[str]) -> frozenset[str]:
        """The groups that count for the user (3.4.4, step 4)."""
        return self.rules.groups_of(user, reported)

    def _user(self, user: str, groups: frozenset[str]) -> _User:
        """`groups` are those that the transport vouches for."""
        known = self._users.get((user, groups))
        if known is None:
            if len(self._users) >= _MOST_USERS:
                self._users.clear()
            own = self.rules.groups_of(user, groups)
            rules = compile_rules(self.rules, user, own, self._marks, self._guarded)
            known = self._users[user, groups] = _User(rules, rules.root())
        return known


def _first(rules: UserRules, right: Right, about: About, tag: str, name: str) -> Verdict | None:
    """The first rule about an operation or notification."""
    module = rules.module_of(tag)
    for rule in rules.rules:
        if rule.is_for(right, module) and rule.names(about, name):
            return Verdict(rule.permits, rule)
    return None


def _strip(element: Element, place: Place, node: SchemaNode | None) -> bool:
    """Take out of `element` what may not be read below `place`; False where a key of the entry itself is in that."""
    keys = node.keys if node is not None and node.kind is Kind.LIST else ()
    nodes = node.children if node is not None else {}
    for child in list(element.iterchildren("*")):
        there = place.enter(child)
        if there.whole(Right.READ):
            continue
        if not there.reads:
            if child.tag in keys:
                return False
            element.remove(child)
        elif len(child) and not _strip(child, there, nodes.get(str(child.tag))):
            element.remove(child)
    return True
