"""What the verbs stand on, and what each is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from casm_ctrl.netconf.client.session_pool import SessionPool
from casm_ctrl.northbound.interface import Caller
from casm_ctrl.northbound.models import Models
from casm_ctrl.northbound.verbs.repeating import Repeats
from casm_ctrl.northbound.verbs.underway import Underway
from casm_ctrl.service.verb import Document
from casm_ctrl.store.config_lock import Holder
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.sync.report import Progress


def _silent(device: str, phase: str) -> None:
    """Nobody watches."""


@cache
def _own_models() -> Models:
    return Models()


@dataclass(frozen=True)
class VerbContext:
    """One for a server. `sessions`: with devices, warm between requests; None: each run has its own."""

    database: Database
    sessions: SessionPool | None = None
    yang_path: tuple[Path, ...] | None = None
    """Folders with the texts of devices' YANG modules; None: those of the environment."""
    changed: Callable[[], None] = lambda: None
    """Called, on any thread, after something was written: the audit has more events."""
    progress: Progress = _silent
    models: Callable[[], Models] = _own_models
    """The modules of the server; made when they are needed first, unless the server gives its own."""
    repeats: Repeats = field(default_factory=Repeats)
    underway: Underway = field(default_factory=Underway)
    """Must be told when a session ends."""
    holder: Callable[[int], Holder | None] = lambda session_id: None
    """What the store knows a session by: a lock of running that it holds does not keep its own requests back."""


@dataclass(frozen=True)
class Given:
    """One request: who asks, and the input by leaf name, in Python's types.

    Integers are int, booleans and leafs of type empty bool, all other leafs str; a leaf-list is a list, a
    list a list of dicts. What was left out is not there, unless the model has a default for it.
    """

    caller: Caller
    values: Mapping[str, Any]
    session: Holder | None = None

    def get(self, name: str) -> Any:
        """The value of a leaf; None where it was left out."""
        return self.values.get(name)

    @property
    def author(self) -> Author:
        return Author(self.caller.actor, self.get("request-id"), self.get("reason") or "", self.session)

    def without(self, *names: str) -> Document:
        """The input without some leafs: what tells one request from another."""
        return {name: value for name, value in self.values.items() if name not in names}
