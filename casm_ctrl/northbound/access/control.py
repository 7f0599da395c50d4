"""Access control of the server (RFC 8341): the rules of the configuration that is running, and who a caller is.

Everybody who has logged in is in the group `everybody`, which the server vouches for as it does for the groups that the
store has for a user (3.4.4, step 4); enable-external-groups false ignores all of these.
"""

from __future__ import annotations

import copy
import io
import re
import threading
from collections.abc import Callable, Iterable

from lxml import etree

from casm_ctrl.netconf.access.control import AccessControl, Counters
from casm_ctrl.netconf.access.rules import Right, acm
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.node_paths import Path
from casm_ctrl.northbound.alarms.actions import ACTION, action_nodes
from casm_ctrl.northbound.interface import Caller
from casm_ctrl.yang.access_marks import AccessMarks
from casm_ctrl.yang.schema import Schema

EVERYBODY = frozenset({"everybody"})

NACM = acm("nacm")

ReadRunning = Callable[[], tuple[int, Element]]
"""The running configuration and its revision: as Running.tree."""


class Access:
    """Asks for each caller what `netconf.access.control` decides. Safe between threads.

    `check_operation` looks at the rules that are running now; what else is asked, within the operation or on the event
    loop, which must not wait for the store, is decided by the rules as they were last read. Who serves calls `refresh`
    now and then, for what goes on without an operation.
    """

    def __init__(self, read_running: ReadRunning, schema: Schema, marks: AccessMarks) -> None:
        self.counters = Counters()
        self._read_running = read_running
        self._schema = schema
        self._marks = marks
        self._lock = threading.Lock()
        self._known: tuple[int, AccessControl] | None = None

    def control(self) -> AccessControl:
        """By the rules that are running now. Reads the store's revision: not for the event loop."""
        revision, tree = self._read_running()
        with self._lock:
            if self._known is None or self._known[0] < revision:
                nacm = next(tree.iterchildren(NACM), None)
                if self._known is not None and self._known[1].nacm is nacm:
                    self._known = (revision, self._known[1])
                else:
                    made = AccessControl(nacm, self._schema, self._marks, self.counters)
                    self._known = (revision, made)
            return self._known[1]

    def refresh(self) -> None:
        """Look whether the rules have changed."""
        self.control()

    def _latest(self) -> AccessControl:
        """By the rules as they were last read."""
        known = self._known
        return self.control() if known is None else known[1]

    # --- What a caller may do ---------------------------------------------------------------------

    def check_operation(self, caller: Caller, operation: Element) -> None:
        """Raise access-denied where the caller may not run `operation`."""
        if operation.tag == ACTION:
            nodes = list(action_nodes(operation))
            if nodes:
                self.control().check_action(caller.username, groups_of(caller), nodes)
        else:
            self.control().check_operation(caller.username, groups_of(caller), operation)

    def reads_everything(self, caller: Caller) -> bool:
        """True where `prune` has nothing to do."""
        return self._latest().reads_everything(caller.username, groups_of(caller))

    def whole_tops(self, caller: Caller, tags: Iterable[str]) -> list[str]:
        """Those of the top-level nodes in which nothing is hidden from the caller."""
        control, groups = self._latest(), groups_of(caller)
        return [tag for tag in tags if control.reads_whole(caller.username, groups, tag)]

    def prune(self, caller: Caller, nodes: Iterable[Element | bytes]) -> list[Element | bytes]:
        """Top-level data nodes without what the caller may not read. Written ones are read only where it must be.

        A filter is held against what this leaves (RFC 8341, 3.2.4), or what it selects would tell of hidden nodes.
        """
        control, groups = self._latest(), groups_of(caller)
        if control.reads_everything(caller.username, groups):
            return list(nodes)
        kept: list[Element | bytes] = []
        for node in nodes:
            if isinstance(node, bytes) and control.reads_whole(caller.username, groups, tag_of(node)):
                kept.append(node)
            else:
                element = etree.fromstring(node) if isinstance(node, bytes) else node
                kept += control.prune(caller.username, groups, [element])
        return kept

    def prune_tree(self, caller: Caller, tree: Element) -> Element:
        """What the caller sees of a datastore's content, to filter it or to copy it (3.2.6)."""
        return self._latest().prune_tree(caller.username, groups_of(caller), tree)

    def check_change(self, caller: Caller, before: Element, after: Element) -> None:
        """Raise access-denied, with the path, where the caller may not make `before` into `after`."""
        self._latest().check_change(caller.username, groups_of(caller), before, after)

    def judge_data(self, caller: Caller, path: Path, right: Right) -> bool:
        """Whether the caller has the right to the node at `path`, there or not."""
        return self._latest().judge_data(caller.username, groups_of(caller), path, right).verdict.permits

    def may_receive(self, caller: Caller, notification: Element) -> bool:
        """Whether a notification's event goes to the caller. For the event loop."""
        return self._latest().may_receive(caller.username, groups_of(caller), notification)

    # --- State (section 4) ------------------------------------------------------------------------

    def nacm(self) -> Element:
        """/nacm as it is running, with its counters."""
        return self.with_state(self._latest().nacm)

    def with_state(self, nacm: Element | None) -> Element:
        """/nacm with its counters, in schema order: `nacm` is its configuration, which is not changed."""
        made = etree.Element(NACM, nsmap={None: NACM[1:].partition("}")[0]})  # type: ignore[dict-item]
        if nacm is not None:
            made = copy.deepcopy(nacm)
            made.tail = None
        later = (acm("groups"), acm("rule-list"))
        place = next((index for index, child in enumerate(made) if child.tag in later), len(made))
        made[place:place] = self.counters.leafs()
        return made


def groups_of(caller: Caller) -> frozenset[str]:
    """The groups that the server vouches for."""
    return caller.groups | EVERYBODY


def tag_of(node: Element | bytes) -> str:
    """The tag of a node, or of the outermost element of a written one."""
    if not isinstance(node, bytes):
        return str(node.tag)
    plain = _PLAIN.match(node)
    if plain is not None:
        return f"{{{plain[2].decode()}}}{plain[1].decode()}"
    return next(str(element.tag) for _, element in etree.iterparse(io.BytesIO(node), events=("start",)))


_PLAIN = re.compile(rb'<([^\s<>/:]+) xmlns="([^"&]*)"[ />]')
"""How most nodes begin that are written."""
