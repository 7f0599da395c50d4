"""The order in which edits of one commit are made, and where in the configuration each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, auto

from casm_ctrl.northbound.configuration.entries import NAMESPACES
from casm_ctrl.service.configuration import Edit
from casm_ctrl.service.exchange.nouns import Entry, Leaf


@dataclass(frozen=True)
class PlacedEdit:
    """An edit, and the instance path of what it comes from, with prefixes that `namespaces` binds."""

    edit: Edit
    path: str
    namespaces: Mapping[str, str] = field(default_factory=lambda: dict(NAMESPACES))


class Step(IntEnum):
    """In this order: each finds what it stands on, and nothing in its way that goes in the same commit."""

    ADD_SPACE = auto()
    CHANGE_SPACE = auto()
    REMOVE_QUOTA = auto()
    REMOVE_DEVICE_POOL = auto()
    GIVE_BACK = auto()
    """Reservations and exclusions."""
    REMOVE_POOL = auto()
    """Those that nothing draws from before device pools have changed; children before their parents."""
    REMOVE_PREFIX = auto()
    """Of child pools first."""
    ADD_PREFIX = auto()
    """Pools, what they are, and their prefixes; parents before their children."""
    CUT = auto()
    """Reservations and exclusions."""
    CHANGE_POOL = auto()
    ADD_DEVICE = auto()
    CHANGE_DEVICE = auto()
    ADD_GROUP = auto()
    CHANGE_GROUP = auto()
    ADD_DEVICE_POOL = auto()
    CHANGE_DEVICE_POOL = auto()
    REMOVE_GROUP = auto()
    REMOVE_EMPTIED_POOL = auto()
    REMOVE_DEVICE = auto()
    SET_QUOTA = auto()
    REMOVE_SPACE = auto()
    SET_DOCUMENT = auto()


class Steps:
    """Edits as they are found."""

    def __init__(self) -> None:
        self._found: list[tuple[Step, int, PlacedEdit]] = []

    def add(
        self, step: Step, edit: Edit, path: str, namespaces: Mapping[str, str] = NAMESPACES, *, rank: int = 0
    ) -> None:
        """`rank`: the smaller is made first, of one step."""
        self._found.append((step, rank, PlacedEdit(edit, path, dict(namespaces))))

    def in_order(self) -> list[PlacedEdit]:
        """Of one step and rank as they were found."""
        return [placed for _, _, placed in sorted(self._found, key=lambda found: found[:2])]


def changed(was: Entry, now: Entry) -> list[Leaf]:
    """The leaves that say something else."""
    return [leaf for leaf in now.noun.leaves if was.get(leaf.name) != now.get(leaf.name)]
