"""Which modules a set of modules needs: their imports and submodules, and theirs (RFC 7950, 5.1).

Pure: who drives it fetches what is `missing` from wherever modules come, and gives the headers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from casm_ctrl.base.errors import YangInvalid
from casm_ctrl.yang.header import Header, Import


class Closure:
    """Grows from `names` until nothing is missing.

    `revisions` are those that the device announces: an import that names no revision means that one,
    else whichever is found.
    """

    def __init__(self, names: Iterable[str], revisions: Mapping[str, str | None]) -> None:
        self._revisions = revisions
        self._wanted: dict[Import, str] = {}
        self._given: dict[Import, Header] = {}
        for name in names:
            self._want(Import(name), "")

    @property
    def missing(self) -> tuple[Import, ...]:
        """What was not given yet. Empty: the closure is complete."""
        return tuple(wanted for wanted in self._wanted if wanted not in self._given)

    @property
    def headers(self) -> Mapping[Import, Header]:
        """What was given, by what was asked."""
        return self._given

    def needed_by(self, wanted: Import) -> str:
        """The module that imports or includes it; empty where it was named at the start."""
        return self._wanted[wanted]

    def give(self, wanted: Import, header: Header) -> None:
        """`header` is what was found for `wanted`. YangInvalid where it is another module."""
        if header.name != wanted.name:
            raise YangInvalid(
                f"what was given for the module {wanted} is {header}", "correct the file or the device"
            )
        if wanted.revision and header.revision != wanted.revision:
            has = f"revision {header.revision}" if header.revision else "no revision"
            raise YangInvalid(
                f"what was given for the module {wanted} has {has}", "correct the file or the device"
            )
        self._given[wanted] = header
        for needed in (*header.imports, *header.includes):
            self._want(needed, str(header))
        if header.belongs_to:
            self._want(Import(header.belongs_to), str(header))

    def _want(self, needed: Import, by: str) -> None:
        revision = needed.revision or self._revisions.get(needed.name)
        self._wanted.setdefault(Import(needed.name, revision), by)
