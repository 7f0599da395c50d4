"""What would the server say to somebody? The rules as they are in the store, held against one request in words."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.netconf.access.control import AccessControl
from casm_ctrl.netconf.access.rules import Right
from casm_ctrl.netconf.access.user import Verdict
from casm_ctrl.netconf.node_paths import Path, find_node, read_path, with_prefix
from casm_ctrl.northbound.access.control import EVERYBODY
from casm_ctrl.northbound.models import Models
from casm_ctrl.service.config_documents import ACCESS
from casm_ctrl.service.users import find_login
from casm_ctrl.service.verb import Document
from casm_ctrl.store.config_documents import find_document
from casm_ctrl.store.database import Database
from casm_ctrl.yang.access_marks import read_marks
from casm_ctrl.yang.operations import notification_tags, read_operations

DATA_RIGHTS = tuple(right.value for right in Right if right is not Right.EXEC)


@dataclass(frozen=True)
class Judgement:
    """What is said to `user`, who is in `groups`, and why. `path` is the data asked about; `decided_at` the part of
    it that decided, where reading stops at a node above."""

    user: str
    groups: tuple[str, ...]
    operation: str
    verdict: Verdict
    path: str | None = None
    decided_at: str | None = None

    def document(self) -> Document:
        verdict = self.verdict
        by: Document = {"default": verdict.default}
        if verdict.rule is not None:
            by = {"rule-list": verdict.rule.rule_list, "rule": verdict.rule.name}
        document: Document = {"user": self.user, "group": list(self.groups), "operation": self.operation}
        if self.path is not None:
            document["path"] = self.path
        document["permitted"] = verdict.permits
        document["decided-by"] = by
        if self.decided_at is not None:
            document["decided-at"] = self.decided_at
        return document


class Questions:
    """The rules that are in the store now."""

    def __init__(self, database: Database, models: Models) -> None:
        self._database = database
        self._models = models
        self._marks = read_marks(models.engine.context)
        with database.read() as tx:
            xml = find_document(tx, ACCESS)
        nacm = etree.fromstring(xml) if xml else None
        self.control = AccessControl(nacm, models.schema, self._marks)

    def ask(
        self, user: str, operation: str, path: str | None, extra: frozenset[str] = frozenset()
    ) -> Judgement:
        """Whether `user` may. `operation` is create, read, update or delete with a `path`, else the name of an RPC or
        of a notification, with its module in front where two have it; `exec` and that name say the same of an RPC.
        `extra` are groups to be supposed.

        NotFound where there is no such thing, InvalidValue where the words are none of these.
        """
        reported = self._reported(user) | extra | EVERYBODY
        groups = tuple(sorted(self.control.groups_of(user, reported)))
        if operation in DATA_RIGHTS:
            if path is None:
                raise InvalidValue(
                    f"'{operation}' is about data, and no path was given", "give one: /pools, or / for all"
                )
            steps, text = self._read(path)
            found = self.control.judge_data(user, reported, steps, Right(operation))
            above = _cut(text, found.depth) if found.depth < len(steps) else None
            return Judgement(user, groups, operation, found.verdict, text, above)
        if operation == Right.EXEC.value and path is not None:
            operation, path = path.strip().lstrip("/"), None
        if path is not None:
            raise InvalidValue(
                f"a path goes with {', '.join(DATA_RIGHTS)}, not with '{operation}'", "leave it out"
            )
        tag, notifies = self._find(operation)
        judge = self.control.judge_notification if notifies else self.control.judge_operation
        return Judgement(user, groups, operation, judge(user, reported, tag))

    def _reported(self, user: str) -> frozenset[str]:
        """The groups that the store has for a user; none for one who is not in it."""
        row = find_login(self._database, user)
        return frozenset(row.groups) if row is not None else frozenset()

    def _read(self, path: str) -> tuple[Path, str]:
        schema = self._models.schema
        text = with_prefix(path.strip(), schema.roots, self._marks.modules)
        names = {name: namespace for namespace, name in self._marks.modules.items()}
        steps = read_path(text, names)
        if steps and find_node(steps, schema) is None:
            raise NotFound(f"there is no data at '{path}'", "see the modules in yang/, or docs/yang.md")
        return steps, text

    def _find(self, operation: str) -> tuple[str, bool]:
        """The tag of an RPC or notification, and whether it is the latter."""
        module, _, name = operation.rpartition(":")
        found = [
            (tag, notifies)
            for one in sorted({each.name for each in self._models.modules})
            if module in ("", one) and self._models.engine.context.module(one)
            for tag, notifies in self._named(one)
            if etree.QName(tag).localname == name
        ]
        if not found:
            raise NotFound(
                f"there is no RPC and no notification '{operation}'",
                f"name one of those, or {', '.join(DATA_RIGHTS)} with a path",
            )
        if len(found) > 1:
            raise InvalidValue(f"'{name}' is in several modules", "write MODULE:NAME")
        return found[0]

    def _named(self, module: str) -> list[tuple[str, bool]]:
        context = self._models.engine.context
        return [(tag, False) for tag in read_operations(context, module)] + [
            (tag, True) for tag in notification_tags(context, module)
        ]


def _cut(path: str, depth: int) -> str:
    """The first `depth` nodes of a path; quoted values may hold slashes."""
    quote, seen = "", 0
    for index, character in enumerate(path):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "/":
            seen += 1
            if seen > depth:
                return path[:index]
    return path
