"""Collecting the texts of the modules that a driver needs of a device: where each came from, what is missing.

A text is taken from a folder that the operator named, else from the device (get-schema, RFC 6022), else from our
package, which has the common modules of IETF and IANA. The operator's comes first, since some vendors publish
modules that no strict compiler takes, and a corrected copy must win. A device may be hostile: what it sends is
bounded in size, number and time, and names in it never become paths before they were checked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from casm_ctrl.base.errors import (
    CasmError,
    DeadlineExceeded,
    DeviceRefused,
    DeviceUnfit,
    NotFound,
    YangInvalid,
)
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.session import Session
from casm_ctrl.netconf.names import MONITORING
from casm_ctrl.sync.announced import Announced
from casm_ctrl.yang.closure import Closure
from casm_ctrl.yang.header import Import, is_identifier
from casm_ctrl.yang.library import KeptText, Library, RecordedModule
from casm_ctrl.yang.modules import find_module, standard_folders, yang_folder

MOST_MODULES = 1000
MOST_OCTETS = 256 << 20
SECONDS = 300.0
"""What one device may make us collect, and for how long."""

PATIENCE = 2.0
"""Seconds to wait for another device to hand out the same text."""

PROTOCOL_MODULE = "ietf-netconf"
"""For the attribute nc:operation in edits; always ours, since devices announce many things by that name."""


@dataclass
class Sources:
    """Where texts come from besides the device; shared by all devices of a run."""

    library: Library = field(default_factory=Library)
    yang_path: tuple[Path, ...] = ()
    _turns: dict[Import, asyncio.Lock] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def turn(self, wanted: Import) -> AsyncIterator[None]:
        """One after the other, so that a thousand devices of one kind are not all asked for the same text; but
        nobody waits long for a device that is slow to answer."""
        lock = self._turns.setdefault(wanted, asyncio.Lock())
        try:
            async with asyncio.timeout(PATIENCE):
                await lock.acquire()
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            lock.release()


@dataclass(frozen=True)
class FoundModule:
    """A text, where it came from (`yang-path`, `device`, `package`), and the module that imports it."""

    text: KeptText
    origin: str
    needed_by: str

    @property
    def record(self) -> RecordedModule:
        return RecordedModule(self.text.name, self.text.revision, self.text.hash, self.origin)


@dataclass(frozen=True)
class MissingModule:
    """A module that nobody has, and why the device did not give it."""

    wanted: Import
    needed_by: str
    why: str

    def __str__(self) -> str:
        by = f", which {self.needed_by} imports" if self.needed_by else ""
        return f"the text of module {self.wanted}{by} ({self.why})"


@dataclass
class Inventory:
    """What was found for a device, and what was not."""

    found: list[FoundModule] = field(default_factory=list)
    missing: list[MissingModule] = field(default_factory=list)


async def take_inventory(
    session: Session, names: tuple[str, ...], announced: Announced, sources: Sources, *, fresh: bool
) -> Inventory:
    """Collect the modules `names` and all that they need.

    `fresh`: ask the device also for texts that the cache has, since it may have changed one under the same
    revision. DeviceUnfit where it sends what is no module or too much; DeadlineExceeded.
    """
    collector = _Collector(session, announced, sources, fresh)
    try:
        async with asyncio.timeout(SECONDS):
            return await collector.collect(names)
    except TimeoutError:
        raise DeadlineExceeded(
            f"{session.target} did not hand out its YANG modules within {SECONDS:g} s",
            "fetch them by other means, and name their folder by --yang-path",
        ) from None


class _Collector:
    def __init__(self, session: Session, announced: Announced, sources: Sources, fresh: bool) -> None:
        self._session = session
        self._announced = announced
        self._sources = sources
        self._fresh = fresh
        self._octets = 0

    async def collect(self, names: tuple[str, ...]) -> Inventory:
        inventory = Inventory()
        revisions = {**self._announced.imports, **self._announced.revisions}
        revisions.pop(PROTOCOL_MODULE, None)
        closure = Closure((*names, PROTOCOL_MODULE), revisions)
        given_up: set[Import] = set()
        while waiting := [wanted for wanted in closure.missing if wanted not in given_up]:
            for wanted in waiting:
                by = closure.needed_by(wanted)
                found = await self._find(wanted, by, inventory)
                if found is None:
                    given_up.add(wanted)
                    continue
                with self._blamed(wanted, found.origin):
                    closure.give(wanted, found.text.header)
                inventory.found.append(found)
                if len(inventory.found) > MOST_MODULES:
                    raise self._unfit(f"needs more than {MOST_MODULES} YANG modules")
        return inventory

    async def _find(self, wanted: Import, by: str, inventory: Inventory) -> FoundModule | None:
        """The text, or None with a line in the inventory."""
        text = self._in_folders(wanted, self._sources.yang_path)
        if text is not None:
            return FoundModule(text, "yang-path", by)
        why = ""
        if wanted.name != PROTOCOL_MODULE:
            async with self._sources.turn(wanted):
                known = self._sources.library.find(*wanted) if wanted.revision and not self._fresh else ()
                if len(known) == 1:
                    return FoundModule(known[0], "device", by)
                try:
                    return FoundModule(await self._ask(wanted), "device", by)
                except (DeviceRefused, NotFound) as error:
                    why = error.message
        text = self._in_folders(wanted, (yang_folder(), *standard_folders()))
        if text is not None:
            return FoundModule(text, "package", by)
        inventory.missing.append(MissingModule(wanted, by, why))
        return None

    def _in_folders(self, wanted: Import, folders: tuple[Path, ...]) -> KeptText | None:
        """The revision that is wanted, or where none is, the newest."""
        try:
            path = find_module(wanted.name, wanted.revision, folders).path
        except NotFound:
            return None
        try:
            return self._sources.library.keep(path.read_bytes())
        except YangInvalid as error:
            raise YangInvalid(f"{path}: {error.message}", error.remedy) from error

    async def _ask(self, wanted: Import) -> KeptText:
        if not self._session.capabilities.has(MONITORING):
            raise NotFound("the device does not announce get-schema")
        if not is_identifier(wanted.name):
            raise self._unfit(f"announces a YANG module with the name '{wanted.name[:40]}'")
        text = await Client(self._session).get_schema(wanted.name, wanted.revision)
        octets = text.encode()
        self._octets += len(octets)
        if self._octets > MOST_OCTETS:
            raise self._unfit(f"hands out more than {MOST_OCTETS >> 20} MiB of YANG modules")
        if not octets.strip():
            raise NotFound("the device hands out an empty text")
        with self._blamed(wanted, "device"):
            return self._sources.library.keep(octets)

    @contextlib.contextmanager
    def _blamed(self, wanted: Import, origin: str) -> Iterator[None]:
        try:
            yield
        except YangInvalid as error:
            if origin != "device":
                raise
            raise self._unfit(
                f"hands out, for the module {wanted}, what is not it: {error.message}"
            ) from error

    def _unfit(self, words: str) -> CasmError:
        return DeviceUnfit(
            f"{self._session.target} {words}",
            "correct the device, or name the folder of its modules by --yang-path",
        )
