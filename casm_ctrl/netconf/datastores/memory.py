"""The configuration datastores of a server that keeps all of them in memory: running, candidate and startup.

Their content is an element around top-level data nodes; it is never changed once it is stored, so commit and
rollback cost nothing beyond validation, and a caller may keep `running` to see later whether it is still the same
object.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal

from casm_ctrl.base.clock import Clock, Micros
from casm_ctrl.netconf.datastores.edit import apply_edit
from casm_ctrl.netconf.datastores.rules import (
    NO_SESSION,
    RUNNING,
    DatastoreRules,
    Pending,
    empty_tree,
)
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.subtree import apply_filter
from casm_ctrl.yang.schema import Schema


class Datastores(DatastoreRules[Element]):
    """`validate` gets a complete configuration and raises YangInvalid. `rollback_delay` is for faulty devices: how
    much later than promised a confirmed commit's timeout takes effect, in microseconds; until then a confirmation
    is still taken."""

    def __init__(
        self,
        schema: Schema,
        validate: Callable[[Element], None],
        clock: Clock,
        *,
        running: Element | None = None,
        with_startup: bool = False,
        writable_running: bool = True,
        confirmed_commit: Literal["1.0", "1.1"] = "1.1",
        rollback_delay: int = 0,
    ) -> None:
        super().__init__(schema, clock, writable_running=writable_running, confirmed_commit=confirmed_commit)
        self.rollback_delay = rollback_delay
        self._engine = validate
        self._running = empty_tree() if running is None else copy.deepcopy(running)
        self._startup = self._running if with_startup else None
        self._pending: Pending | None = None
        self._before: Element | None = None
        """Running as it was before the first confirmed commit of the sequence that is pending."""

    # --- What they hold ---------------------------------------------------------------------------

    @property
    def running(self) -> Element:
        """Not to be changed, and not to be moved into another document; so for the other two."""
        return self._running

    @property
    def startup(self) -> Element | None:
        return self._startup

    @property
    def pending(self) -> Pending | None:
        return self._pending

    def get_config(self, source: str, subtree: Element | None = None) -> list[Element]:
        """Copies of a datastore's top-level nodes, or of what the `<filter>` selects (7.1)."""
        self.expire()
        return apply_filter(self._content(source), subtree, self._schema)

    def next_deadline(self) -> Micros | None:
        """When `expire` will have something to do."""
        deadline = super().next_deadline()
        return None if deadline is None else Micros(deadline + self.rollback_delay)

    def reboot(self, startup: Element | None = None) -> None:
        """Start again: no sessions, no locks, no candidate, no pending commit.

        Running comes from `startup` where given (an old file, a restored backup), else from the startup datastore,
        else it is what it was (8.4.1: without what was not confirmed).
        """
        if self._pending is not None:
            self._roll_back(NO_SESSION)
        self._locks.clear()
        self._candidate = None
        if startup is not None:
            self._running = copy.deepcopy(startup)
            if self._startup is not None:
                self._startup = self._running
        elif self._startup is not None:
            self._running = self._startup

    # --- What is done to it -----------------------------------------------------------------------

    def _edited(self, content: Element, config: Element, default_operation: str) -> Element:
        return apply_edit(content, config, self._schema, default_operation)

    def _judge(self, content: Element) -> None:
        self._engine(content)

    def _empty(self) -> Element:
        return empty_tree()

    def _store(self, session_id: int, target: str, content: Element) -> None:
        if target == RUNNING:
            self._running = content
        else:
            self._startup = content

    def _commit(self, session_id: int, content: Element) -> None:
        self._running, self._pending = content, None

    def _commit_confirmed(self, content: Element, pending: Pending, timeout: int) -> None:
        if self._pending is None:
            self._before = self._running
        self._running, self._pending = content, pending

    def _roll_back(self, session_id: int) -> None:
        assert self._before is not None
        self._running, self._pending = self._before, None

    def _leave(self) -> None:
        assert self._pending is not None
        self._pending = Pending(NO_SESSION, self._pending.persist, self._pending.deadline)
