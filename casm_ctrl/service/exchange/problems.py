"""What is wrong in a file: all of it, up to a limit, so that it is mended in one go."""

from __future__ import annotations

from dataclasses import dataclass, field

from casm_ctrl.base.errors import CasmError, one_line
from casm_ctrl.service.exchange.nouns import Place

MOST = 50
"""Who has more wrong than this has one thing wrong many times."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where, and what to do about it."""

    place: Place
    message: str
    remedy: str


@dataclass
class Problems:
    """The first `MOST` problems, and how many there were."""

    kept: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, place: Place, message: str, remedy: str) -> None:
        self.count += 1
        if len(self.kept) < MOST:
            self.kept.append(Problem(place, one_line(message), one_line(remedy)))

    def add_error(self, place: Place, error: CasmError, about: str = "") -> None:
        self.add(place, f"{about}: {error.message}" if about else error.message, error.remedy)
