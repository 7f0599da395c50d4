"""How a visit is told while it goes on, and what it came to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from casm_ctrl.base.errors import CasmError, error_document
from casm_ctrl.drivers.interface import Change
from casm_ctrl.service.verb import Document

Progress = Callable[[str, str], None]
"""Called with a device's name and what is being done there: '' when the run is done with it. Of the run as
a whole it is told under the name ''."""


class Result(Enum):
    """How a visit of one device ended."""

    IN_SYNC = "in-sync"
    CHANGED = "changed"
    CHANGES = "changes"
    WAITING = "waiting"
    HELD = "held"
    FAILED = "failed"
    UNKNOWN = "unknown"
    ROLLED_BACK = "rolled-back"
    SKIPPED = "skipped"
    FIT = "fit"
    DRIFT = "drift"
    RESTORED = "restored"
    ADOPTED = "adopted"
    ADOPTABLE = "adoptable"
    CONFLICTS = "conflicts"
    NOTHING_NEW = "nothing-new"


@dataclass
class Report:
    """Filled while a visit goes on, so that what was done is told even where it fails later."""

    device: str
    result: Result = Result.IN_SYNC
    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: CasmError | None = None
    more: Document = field(default_factory=dict)
    used: Mapping[int | None, int] = field(default_factory=dict)
    """By block, its addresses that subscribers use now, where the device counts them."""
    restores: bool = False
    """What drifted is to be made again what is wanted, without being asked."""
    final: bool = False
    """What failed is not to be tried again in this run."""

    def warn(self, words: str) -> None:
        """Once for each text."""
        if words not in self.warnings:
            self.warnings.append(words)

    def document(self) -> Document:
        document: Document = {
            "name": self.device,
            "result": self.result.value,
            "change": [
                {
                    "action": change.action.value,
                    "object": str(change.key),
                    **({} if change.block is None else {"block": f"b{change.block}"}),
                    "words": change.words,
                    **({"used-addresses": str(self.used[change.block])} if change.block in self.used else {}),
                }
                for change in self.changes
            ],
            "warning": list(self.warnings),
            **self.more,
        }
        if self.error is not None:
            document["error"] = error_document(self.error)
        return document
