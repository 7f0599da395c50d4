"""Make one device hold what the store wants: the loop of the design, and the only code that edits.

claim → session, identity → lock running and candidate → settle what may be pending → read → difference →
record the intent → edit, commit confirmed, read back, confirm, copy to startup → read → record → unlock.
An ok is not proof, the read is.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from casm_ctrl.base.errors import (
    CasmError,
    DeadlineExceeded,
    LeaseLost,
    PeerFault,
    ProtocolViolation,
    SessionLost,
    Unproven,
)
from casm_ctrl.base.identifiers import new_token
from casm_ctrl.drivers.interface import Driver, Seen, UsageKind
from casm_ctrl.service import intent
from casm_ctrl.service.desired import Desired, desired
from casm_ctrl.service.observation import observe
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.events import Author
from casm_ctrl.store.leases import Lease, PendingCommit
from casm_ctrl.store.states import Wanted
from casm_ctrl.sync.access import StoreAccess
from casm_ctrl.sync.boundary import Boundary, reach, reach_while
from casm_ctrl.sync.decision import Decision, decide
from casm_ctrl.sync.difference import Difference, guard, work_out
from casm_ctrl.sync.reading import blocks_shown, read_counts, read_ours
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.visit import PERSIST, Visit, digest, sight_of

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


class Convergence:
    """One visit that may change the device."""

    def __init__(self, visit: Visit, author: Author, limits: Limits, report: Report) -> None:
        self.visit = visit
        self.client = visit.client
        self.store: StoreAccess = visit.store
        self.lease: Lease = visit.lease
        self.driver: Driver = visit.driver
        self.author = author
        self.limits = limits
        self.report = report
        self._edited = False
        """The candidate may hold our edits."""
        self._pending: PendingCommit | None = None
        """A confirmed commit of this visit that may be pending."""
        self._kept = not visit.has(":startup")
        """Startup, where there is one, was made the same as running in this visit."""
        self._removed: dict[int, BlockRow] = {}
        """What this visit removed, in all its rounds."""

    async def run(self) -> None:
        """Converge; the report says how far it came. Errors leave the device as it was, or are followed
        by OutcomeUnknown where nobody can know yet."""
        wanted = await self.store.run(desired, self.report.device)
        try:
            await self.visit.lock(wanted.pending)
            reach(Boundary.LOCK)
            await self._rounds(wanted)
            await self._unlock()
            reach(Boundary.UNLOCK)
        except (SessionLost, DeadlineExceeded, ProtocolViolation) as error:
            if self._pending is not None:
                raise OutcomeUnknown(error) from error
            raise
        except LeaseLost:
            raise  # the device is another's now, who takes back what we left; our locks end with the session
        except BaseException:
            await self._withdraw()
            raise

    async def _unlock(self) -> None:
        """All is done: a lock that cannot be given back ends with the session, and is no failure."""
        try:
            await self.visit.unlock()
        except PeerFault as error:
            self.report.warn(f"the locks are given back with the session's end: {error.message}")

    async def _rounds(self, wanted: Desired) -> None:
        self.visit.progress(self.report.device, "reading")
        running = await self.visit.read_all(wanted.pending)
        if wanted.pending is not None:
            await self.visit.settle(wanted.pending)
            running = await self.visit.read_all()
        reach(Boundary.READ)
        await self._keep_startup(wanted)
        for _ in range(ROUNDS):
            seen = self.driver.parse(running)
            reach(Boundary.SEEN_BEFORE)
            await self._observe(seen)
            wanted = await self.store.run(desired, self.report.device)
            decision = await self._decide(wanted, seen)
            difference = work_out(
                self.driver,
                self.visit.modules,
                wanted,
                decision,
                running,
                zombies=self.limits.remove_zombies,
            )
            self._tell(wanted, decision)
            if not difference.edit.changes:
                return
            removed = self._removed | {block.id: block for block in difference.removed}
            guard(difference, tuple(removed.values()), wanted, seen, self.limits.confirm_removal)
            if not await self._change(difference, decision, wanted):
                return
            self._removed = removed
            self.report.changes += difference.edit.changes
            self.visit.progress(self.report.device, "proving")
            running = await read_ours(self.visit.session, self.driver)
            reach(Boundary.PROOF_READ)
        raise Unproven(
            f"{self.report.device} does not settle: after {ROUNDS} edits it still differs from what is wanted",
            f"look at 'casm plan {self.report.device}' and at the device",
        )

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

    # --- What is there ----------------------------------------------------------------------------

    async def _keep_startup(self, wanted: Desired) -> None:
        """What was removed counts as gone only when startup does not hold it either, and a visit that left a
        commit pending may have ended between its confirmation and the copy."""
        leaving = any(block.wanted is Wanted.ABSENT and block.sent for block in wanted.blocks)
        if leaving or wanted.pending is not None:
            await self._copy_to_startup()

    async def _copy_to_startup(self) -> bool:
        """False where there is no startup datastore."""
        if not self.visit.has(":startup"):
            return False
        await self.client.copy_config("running", "startup")
        self._kept = True
        return True

    async def _observe(self, seen: Seen) -> None:
        await self.store.run(observe, self.author, self.lease, sight_of(seen, proof=True, kept=self._kept))
        reach(Boundary.SEEN_AFTER)

    async def _decide(self, wanted: Desired, seen: Seen) -> Decision:
        on_device = blocks_shown(wanted.objects, seen)
        abilities = self.driver.abilities(self.visit.modules)
        leaving = any(block.wanted is Wanted.ABSENT and block.id in on_device for block in wanted.blocks)
        counts = await self._count(wanted) if leaving and abilities.usage is UsageKind.COUNT else {}
        return decide(wanted, on_device, counts, abilities)

    async def _count(self, wanted: Desired) -> dict[int, int]:
        return await read_counts(self.visit.session, self.driver, wanted.objects)

    # --- Changing ---------------------------------------------------------------------------------

    async def _change(self, difference: Difference, decision: Decision, wanted: Desired) -> bool:
        """Record, edit, commit confirmed, read back, confirm. False where subscribers came meanwhile."""
        reach(Boundary.INTENT_BEFORE)
        await self.store.run(intent.record_intent, self.author, self.lease, difference.intent)
        reach(Boundary.INTENT_AFTER)
        self.visit.progress(self.report.device, f"editing ({len(difference.edit.changes)} changes)")
        self._edited = True
        await self.client.edit_config("candidate", difference.edit.config, default_operation="none")
        reach(Boundary.EDIT)
        if await self._refilled(difference, wanted):
            await self.client.discard_changes()
            self._edited = False
            return False
        persist = new_token(f"casm-{wanted.store}") if self.visit.has(PERSIST) else None
        candidate = await self.client.get_config("candidate")
        await self.store.run(intent.renew_lease, self.lease, self.visit.session.session_id)
        reach(Boundary.RECORD_BEFORE)
        timeout = self.visit.session.target.deadlines.commit
        self._pending = await self.store.run(
            intent.record_pending,
            self.author,
            self.lease,
            difference.intent,
            persist_id=persist,
            session_id=self.visit.session.session_id,
            timeout=timeout,
            digest=digest(candidate),
        )
        reach(Boundary.RECORD_AFTER)
        self.visit.progress(self.report.device, "committing")
        await reach_while(
            Boundary.COMMIT_SENT,
            self.client.commit(confirmed=True, confirm_timeout=timeout, persist=persist),
        )
        reach(Boundary.COMMIT_REPLY)
        await self._prove(difference, decision, wanted)
        reach(Boundary.READ_BACK)
        await self.store.run(intent.renew_lease, self.lease)
        self.visit.progress(self.report.device, "confirming")
        await reach_while(Boundary.CONFIRM_SENT, self.client.commit(persist_id=persist))
        reach(Boundary.CONFIRM_REPLY)
        self._edited = False
        if await self._copy_to_startup():
            reach(Boundary.STARTUP)
        await self.store.run(intent.clear_pending, self.lease)
        self._pending = None
        reach(Boundary.RECORD_CLEARED)
        return True

    async def _refilled(self, difference: Difference, wanted: Desired) -> bool:
        """Counts again, just before the commit: a block that was empty may not be any more."""
        if not difference.intent.emptied:
            return False
        counts = await self._count(wanted)
        refilled = [
            block
            for block in difference.removed
            if counts.get(block.id) and block.id in difference.intent.emptied
        ]
        for block in refilled:
            self.report.warn(f"{block.label} was empty and is in use again: nothing was removed")
        if refilled:
            self.report.result = Result.WAITING
        return bool(refilled)

    async def _prove(self, difference: Difference, decision: Decision, wanted: Desired) -> None:
        """An ok is not proof: what runs now must need no further edit. Unproven where it does."""
        running = await read_ours(self.visit.session, self.driver)
        again = work_out(
            self.driver, self.visit.modules, wanted, decision, running, zombies=self.limits.remove_zombies
        )
        if again.edit.changes:
            left = again.edit.changes[0]
            raise Unproven(
                f"{self.visit.session.target} answered ok to the commit, and {left.key} is not as it was told",
                "the commit was taken back; look at the device's log",
            )

    async def _withdraw(self) -> None:
        """Take back what this visit left on the device, as far as the device still listens.

        Running is unlocked before the commit is cancelled: there is a server on which a cancel under the
        lock answers ok and does nothing. Each step is tried for itself, for a device that refuses one may
        take the next; but nothing is settled while our edits may be in the candidate. Where not all of it
        succeeds the commit's record stays, and the next visit settles it.
        """
        pending = self._pending if self._pending is not None and self._pending.persist_id else None
        if pending is not None:
            with contextlib.suppress(CasmError):
                await self.client.unlock("running")
                await self.client.cancel_commit(pending.persist_id)
            with contextlib.suppress(CasmError):
                await self.client.lock("running")
        if self._edited:
            with contextlib.suppress(CasmError):
                await self.client.discard_changes()
                self._edited = False
        if pending is not None and not self._edited:
            with contextlib.suppress(CasmError):
                await self.visit.settle(pending)
                self._pending = None
        with contextlib.suppress(CasmError):
            await self.visit.unlock()
