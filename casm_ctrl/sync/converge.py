"""Make one device hold what the store wants: the loop of the design.

claim → session, identity → lock running and candidate → settle what may be pending → read → difference →
record the intent → edit, commit confirmed, read back, confirm, copy to startup → read → record → unlock.
What edits is a `Change`; here is when there is one, and what a visit that fails leaves behind.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from casm_ctrl.base.errors import (
    CasmError,
    DeadlineExceeded,
    DeviceUnfit,
    LeaseLost,
    NotSupported,
    PeerFault,
    ProtocolViolation,
    SessionLost,
    Unproven,
)
from casm_ctrl.drivers.interface import Driver, Element, Seen, UsageKind
from casm_ctrl.service.counting import record_counts
from casm_ctrl.service.desired import Desired, desired
from casm_ctrl.service.observation import observe
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.events import Author
from casm_ctrl.store.states import Wanted
from casm_ctrl.sync.access import StoreAccess
from casm_ctrl.sync.boundary import Boundary, reach
from casm_ctrl.sync.change import Change
from casm_ctrl.sync.decision import Decision, decide
from casm_ctrl.sync.difference import Difference, guard, work_out
from casm_ctrl.sync.reading import blocks_shown, read_counts, read_ours
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.validation import validate_edit
from casm_ctrl.sync.visit import Visit, sight_of

ROUNDS = 4
"""A drain that turns out empty is followed by its removal in the same visit; more rounds mean that the
device does not keep what it is told."""


class OutcomeUnknown(Exception):
    """The session ended with a commit or its confirmation in flight: only a new visit can tell."""

    def __init__(self, error: CasmError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class Limits:
    """What an operator allowed for this run."""

    confirm_removal: int | None = None
    remove_zombies: bool = False


@dataclass(frozen=True)
class Found:
    """What a visit worked out from what it read last."""

    wanted: Desired
    decision: Decision
    difference: Difference
    seen: Seen


class Convergence:
    """One visit that may change the device. `run` is all of it; its steps are there for who must wait
    between them, and who does so calls `fail` with what goes wrong."""

    def __init__(self, visit: Visit, author: Author, limits: Limits, report: Report) -> None:
        self.visit = visit
        self.store: StoreAccess = visit.store
        self.driver: Driver = visit.driver
        self.author = author
        self.limits = limits
        self.report = report
        self._wanted: Desired | None = None
        self._change: Change | None = None
        self.found: Found | None = None
        self._removed: dict[int, BlockRow] = {}
        """What this visit removed, in all its rounds."""

    async def run(self) -> None:
        """Converge; the report says how far it came. Errors leave the device as it was, or are followed
        by OutcomeUnknown where nobody can know yet."""
        try:
            await self.lock()
            running = await self.read()
            for _ in range(ROUNDS):
                change = await self.next_change(running)
                if change is None or not await change.prepare():
                    break
                await change.commit()
                await change.prove()
                await change.confirm()
                running = await self.conclude(change)
            else:
                raise Unproven(
                    f"{self.report.device} does not settle: after {ROUNDS} edits it still differs from what is"
                    " wanted",
                    f"look at 'casm plan {self.report.device}' and at the device",
                )
            await self.unlock()
        except BaseException as error:
            await self.fail(error)
            raise

    # --- The steps of a visit ---------------------------------------------------------------------

    async def lock(self) -> None:
        self._wanted = await self.store.run(desired, self.report.device)
        with contextlib.suppress(DeviceUnfit, NotSupported):
            # Fetched, where they are not known yet, before anybody is locked out; an edit needs them, who else may do
            # without.
            await self.visit.models()
        await self.visit.lock(self._wanted.pending)
        reach(Boundary.LOCK)

    async def read(self) -> Element:
        """All of running, under the locks, after what may be pending is settled."""
        wanted = self._wanted
        assert wanted is not None
        self.visit.progress(self.report.device, "reading")
        running = await self.visit.read_all(wanted.pending)
        if wanted.pending is not None:
            await self.visit.settle(wanted.pending)
            running = await self.visit.read_all()
        reach(Boundary.READ)
        await self._keep_startup(wanted)
        return running

    async def see(self, running: Element) -> Seen:
        """Record what `running` shows, under the locks and with nothing pending: it is proof."""
        seen = self.driver.parse(running)
        reach(Boundary.SEEN_BEFORE)
        sight = sight_of(seen, proof=True, kept=self.visit.kept)
        await self.store.run(observe, self.author, self.visit.lease, sight)
        reach(Boundary.SEEN_AFTER)
        return seen

    async def next_change(self, running: Element) -> Change | None:
        """Record what `running` shows, and work out what is to be changed. None: nothing is."""
        seen = await self.see(running)
        wanted = await self.store.run(desired, self.report.device)
        decision = await self._decide(wanted, seen)
        zombies = self.limits.remove_zombies
        difference = work_out(self.driver, self.visit.modules, wanted, decision, running, zombies=zombies)
        self.found = Found(wanted, decision, difference, seen)
        self._tell(wanted, decision)
        if not difference.edit.changes:
            return None
        await validate_edit(await self.visit.models(), self.driver, difference.edit, running)
        removed = self._removed | {block.id: block for block in difference.removed}
        guard(difference, tuple(removed.values()), wanted, seen, self.limits.confirm_removal)
        self._change = Change(self.visit, self.author, self.report, wanted, decision, difference, zombies)
        return self._change

    async def conclude(self, change: Change) -> Element:
        """After its confirmation: what runs now."""
        self._removed |= {block.id: block for block in change.difference.removed}
        self.report.changes += change.difference.edit.changes
        self.visit.progress(self.report.device, "proving")
        running = await read_ours(self.visit.session, self.driver)
        reach(Boundary.PROOF_READ)
        return running

    async def unlock(self) -> None:
        """All is done: a lock that cannot be given back ends with the session, and is no failure."""
        try:
            await self.visit.unlock()
        except PeerFault as error:
            self.report.warn(f"the locks are given back with the session's end: {error.message}")
            await self.visit.session.close()
        reach(Boundary.UNLOCK)

    async def fail(self, error: BaseException) -> None:
        """Leave the device as it was. OutcomeUnknown where `error` ended the session and nobody can know."""
        if isinstance(error, (SessionLost, DeadlineExceeded, ProtocolViolation)):
            if self.pending:
                raise OutcomeUnknown(error) from error
        elif not isinstance(error, LeaseLost):
            # Else the device is another's now, who takes back what we left; our locks end with the session.
            await self.abandon()
            with contextlib.suppress(CasmError):
                await self.visit.unlock()

    @property
    def pending(self) -> bool:
        """Something was sent, and what became of it is not known."""
        return self._change is not None and self._change.pending is not None

    async def abandon(self) -> None:
        """Take back what this visit left on the device, as far as it still listens."""
        if self._change is not None:
            await self._change.abandon()

    # --- What is there ----------------------------------------------------------------------------

    def _tell(self, wanted: Desired, decision: Decision) -> None:
        """What the report says is of the last round: what waited in an earlier one may be done now."""
        report = self.report
        for words in decision.warnings:
            report.warn(words)
        for finding in wanted.findings:
            report.warn(f"{finding.kind}: {finding.words}")
        for words in decision.held.values():
            report.warn(words)
        report.more["waiting"] = list(decision.waiting.values())
        report.result = (
            Result.HELD
            if decision.held
            else Result.WAITING
            if decision.waiting
            else Result.CHANGED
            if report.changes
            else Result.IN_SYNC
        )

    async def _keep_startup(self, wanted: Desired) -> None:
        """What was removed counts as gone only when startup does not hold it either, and a visit that left a
        commit pending may have ended between its confirmation and the copy."""
        leaving = any(block.wanted is Wanted.ABSENT and block.sent for block in wanted.blocks)
        if leaving or wanted.pending is not None:
            await self.visit.copy_to_startup()

    async def _decide(self, wanted: Desired, seen: Seen) -> Decision:
        on_device = blocks_shown(wanted.objects, seen)
        abilities = self.driver.abilities(self.visit.modules)
        leaving = any(block.wanted is Wanted.ABSENT and block.id in on_device for block in wanted.blocks)
        counts = (
            await read_counts(self.visit.session, self.driver, wanted.objects)
            if leaving and abilities.usage is UsageKind.COUNT
            else {}
        )
        if counts:
            await self.store.run(record_counts, self.visit.lease, counts)
        return decide(wanted, on_device, counts, abilities)
