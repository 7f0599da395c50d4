"""One edit of one device, from its intent to its end: prepare, commit, prove, confirm, or abandon.

An ok is not proof, the read is. Whoever drives it decides when to go on: a visit of one device at once,
an atomic run when all its devices are as far.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from casm_ctrl.base.errors import CasmError, Unproven
from casm_ctrl.base.identifiers import new_token
from casm_ctrl.drivers.interface import Element
from casm_ctrl.service import intent
from casm_ctrl.service.counting import record_counts
from casm_ctrl.service.desired import Desired
from casm_ctrl.store.events import Author
from casm_ctrl.store.leases import PendingCommit
from casm_ctrl.sync.boundary import Boundary, reach, reach_while
from casm_ctrl.sync.decision import Decision
from casm_ctrl.sync.difference import Difference, work_out
from casm_ctrl.sync.reading import read_counts, read_ours
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.visit import Visit, digest
from casm_ctrl.sync.way import Steps, Way, steps_of


@dataclass
class Change:
    """`zombies`: objects of ours whose blocks are long given up are removed too."""

    visit: Visit
    author: Author
    report: Report
    wanted: Desired
    decision: Decision
    difference: Difference
    zombies: bool
    pending: PendingCommit | None = None
    """What was recorded before it was sent: until this is cleared nobody knows what became of it."""
    steps: Steps = field(init=False)
    _staged: bool = False
    """The candidate may hold our edits."""
    _sent: float = 0.0
    """When the trial began, at the latest, by the event loop's clock."""

    def __post_init__(self) -> None:
        trial = self.visit.session.target.deadlines.commit
        token = new_token(f"casm-{self.wanted.store}")
        self.steps = steps_of(self.visit.way, self.visit.client, trial, token)

    async def prepare(self) -> bool:
        """Record the intent and stage the edit. False where subscribers came meanwhile: nothing is staged."""
        visit = self.visit
        reach(Boundary.INTENT_BEFORE)
        await visit.store.run(intent.record_intent, self.author, visit.lease, self.difference.intent)
        reach(Boundary.INTENT_AFTER)
        self._tell(f"editing ({len(self.difference.edit.changes)} changes)")
        self._staged = visit.way.candidate
        await self.steps.stage(self.difference.edit)
        if visit.way.candidate:
            reach(Boundary.EDIT)
        if await self._refilled():
            await self.steps.unstage()
            self._staged = False
            return False
        return True

    async def commit(self) -> None:
        """Record that it is about to run, and send it: on trial where the device can."""
        visit = self.visit
        candidate = await visit.client.get_config("candidate") if visit.way.candidate else None
        reach(Boundary.RECORD_BEFORE)
        self.pending = await visit.store.run(
            intent.record_pending,
            self.author,
            visit.lease,
            self.difference.intent,
            persist_id=self.steps.persist_id,
            session_id=visit.session.session_id,
            timeout=self.steps.trial,
            digest="" if candidate is None else digest(candidate),
        )
        reach(Boundary.RECORD_AFTER)
        self._tell("committing")
        self._sent = self._now()
        await reach_while(Boundary.COMMIT_SENT, self.steps.send())
        reach(Boundary.COMMIT_REPLY)
        if not visit.way.on_trial:
            self._staged = False

    async def extend(self) -> None:
        """Let the trial begin anew; it is recorded before the device is told.

        Unproven where it may have ended before: an ok is then no sign that it had not.
        """
        timeout = self.steps.trial
        self.pending = await self.visit.store.run(intent.extend_pending, self.visit.lease, timeout=timeout)
        sent = self._now()
        await self.steps.extend()
        if self.left <= 0:
            raise Unproven(
                f"{self.visit.session.target}: the confirmed commit was not extended within its {timeout} s",
                "give the device a longer commit deadline",
            )
        self._sent = sent

    @property
    def left(self) -> float:
        """Seconds for which the device surely does not undo it by itself."""
        return self._sent + self.steps.trial - self._now()

    async def prove(self) -> None:
        """Read what runs now: it must need no further edit. Unproven where it does."""
        self.check(await read_ours(self.visit.session, self.visit.driver))
        reach(Boundary.READ_BACK)

    def check(self, running: Element) -> None:
        """Unproven where `running` is not what this change makes."""
        visit = self.visit
        again = work_out(
            visit.driver,
            visit.modules,
            self.difference.recorded(self.wanted),
            self.decision,
            running,
            zombies=self.zombies,
        )
        if again.edit.changes:
            left = again.edit.changes[0]
            raise Unproven(
                f"{visit.session.target} answered ok to the commit, and {left.key} is not as it was told",
                "the commit was taken back; look at the device's log"
                if visit.way.on_trial
                else "nothing was taken back, for the device cannot; look at its log, and apply again",
            )

    async def confirm(self) -> None:
        """Make it final, also in startup where there is one."""
        visit = self.visit
        await visit.store.run(intent.renew_lease, visit.lease)
        if visit.way.on_trial:
            self._tell("confirming")
            await reach_while(Boundary.CONFIRM_SENT, self.steps.confirm())
            reach(Boundary.CONFIRM_REPLY)
        self._staged = False
        if await visit.copy_to_startup():
            reach(Boundary.STARTUP)
        await visit.store.run(intent.clear_pending, visit.lease)
        self.pending = None
        reach(Boundary.RECORD_CLEARED)

    async def abandon(self) -> None:
        """Take back what this change left on the device, as far as the device still listens.

        Each step is tried for itself; but nothing is settled while our edits may be in the candidate. Where
        not all of it succeeds the commit's record stays, and the next visit settles it.
        """
        if self.pending is not None:
            await self.steps.take_back()
        if self._staged:
            with contextlib.suppress(CasmError):
                await self.steps.unstage()
                self._staged = False
        if self.pending is not None and self.steps.ends and not self._staged:
            if self.visit.way is Way.RUNNING and not self.visit.has(":rollback-on-error"):
                self.report.warn("the device may have done a part of the edit: the next apply reads it")
            with contextlib.suppress(CasmError):
                await self.visit.settle(self.pending)
                self.pending = None

    async def _refilled(self) -> bool:
        """Counts again, just before the commit: a block that was empty may not be any more."""
        emptied = self.difference.intent.emptied
        if not emptied:
            return False
        counts = await read_counts(self.visit.session, self.visit.driver, self.wanted.objects)
        if counts:
            await self.visit.store.run(record_counts, self.visit.lease, counts)
        refilled = [
            block for block in self.difference.removed if counts.get(block.id) and block.id in emptied
        ]
        for block in refilled:
            self.report.warn(f"{block.label} was empty and is in use again: nothing was removed")
        if refilled:
            self.report.result = Result.WAITING
        return bool(refilled)

    def _tell(self, what: str) -> None:
        self.visit.progress(self.report.device, what)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
