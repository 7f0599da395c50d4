"""Apply to many devices, all or nothing: commit on all on trial, decide, confirm on all (design: Shape).

Before the decision is stored whatever fails leaves all old, proven by reading; after it everything goes
forward, until each device is read and holds the new. A run that dies leaves a record by which the next to
come goes the same way (sync.settling).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from casm_ctrl.base.errors import CasmError, Held, NotSupported, Unproven, error_document
from casm_ctrl.service import atomic
from casm_ctrl.service.atomic import Joining
from casm_ctrl.service.verb import Document
from casm_ctrl.store.atomic_runs import Phase, Verdict
from casm_ctrl.sync.apply import look_at_previous_holders
from casm_ctrl.sync.atomic_member import Member
from casm_ctrl.sync.boundary import Boundary, RunBoundary, reach
from casm_ctrl.sync.lease import hold_lease
from casm_ctrl.sync.moves import moved
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.run import Run
from casm_ctrl.sync.settling import go_back, go_forward, persist, settle_run_of
from casm_ctrl.sync.visiting import note_result
from casm_ctrl.sync.worker import together

EXTENDED = 2 / 3
"""A trial is begun anew when less than this part of it is left, while others are still being committed."""

ENOUGH = 1 / 2
"""Nothing is decided while less than this part of any trial is left."""

Step = Callable[[Member], Awaitable[None]]


class _Failed(Exception):
    """A device failed; its report says why."""


@dataclass
class AtomicApply:
    """`reports` in the order of the devices' names, which is the order of leases and locks: two runs never
    wait for each other. `best_effort`: devices without confirmed commit take part, as the last."""

    run: Run
    reports: Sequence[Report]
    best_effort: bool
    number: int | None = None
    verdict: Verdict | None = None
    error: CasmError | None = None
    """What ended the run, where that was no device."""
    _members: list[Member] = field(default_factory=list)
    _unproven: int = 0

    async def go(self) -> None:
        """All of it; the reports say how it ended. CasmError where the run is refused, and nothing was sent."""
        self._places = asyncio.Semaphore(self.run.options.jobs)
        self._all_proven = asyncio.Event()
        try:
            async with AsyncExitStack() as leases:
                await self._join(leases)
                try:
                    await self._apply()
                finally:
                    await asyncio.gather(*(member.close() for member in self._members))
                await asyncio.gather(*(self._note(member) for member in self._members))
                reach(Boundary.DONE)
        except _Failed:
            for report in self.reports:
                report.result = Result.ROLLED_BACK if report.error is None else Result.FAILED

    def document(self) -> Document:
        """The run itself, for the answer."""
        document: Document = {
            "decision": "none" if self.verdict is None else self.verdict.value,
            "settled": all(member.settled for member in self._changing),
        }
        if self.number is not None:
            document["id"] = str(self.number)
        if self.error is not None:
            document["error"] = error_document(self.error)
        return document

    async def _join(self, leases: AsyncExitStack) -> None:
        """Settle what earlier runs left, and take all leases in their order. _Failed where that cannot be."""
        for report in self.reports:
            with self._naming(report):
                await settle_run_of(self.run, report)
        await together(look_at_previous_holders(self.run, report) for report in self.reports)
        for report in self.reports:
            claim = hold_lease(self.run.store, report.device, self.run.options.wait, self.run.progress)
            with self._naming(report):
                lease = await leases.enter_async_context(claim)
            self._members.append(Member(self.run, report, lease))

    # --- The two phases ---------------------------------------------------------------------------

    async def _apply(self) -> None:
        ended: BaseException | None = None
        try:
            await self._look()
            if not self._changing:
                return
            await self._begin()
            await self._each(self._trials, Member.stage)
            await self._commit_all()
            await self._decide()
        except BaseException as error:
            ended = error
            self.error = error if isinstance(error, CasmError) else None
            if not await self._take_back() or self.verdict is not Verdict.COMMIT:
                if isinstance(error, _Failed) or (self.number is not None and self.error is not None):
                    return
                raise
        await self._confirm_all()
        if ended is not None and not isinstance(ended, (CasmError, _Failed)):
            raise ended

    @property
    def _changing(self) -> list[Member]:
        return [member for member in self._members if member.change is not None]

    @property
    def _trials(self) -> list[Member]:
        return [member for member in self._changing if not member.last]

    @property
    def _lasts(self) -> list[Member]:
        return [member for member in self._changing if member.last]

    async def _look(self) -> None:
        """Enter all, lock all, read all, and see whether this is one change at all."""
        await self._each(self._members, Member.open)
        for member in self._members:
            with self._naming(member.report):
                await member.lock()
        await self._each(self._members, Member.read)
        for taken, given in moved(member.moves for member in self._members):
            raise Held(
                f"{taken.range} is taken from {taken.device} and given to {given.device}: that is two plans",
                f"apply to {taken.device} first, and to {given.device} when it is gone from there",
            )
        finals = [member.name for member in self._lasts]
        if finals and not self.best_effort:
            raise NotSupported(
                f"{', '.join(finals)}: without confirmed commit there is nothing that could be taken back",
                "leave them out, or let them be edited last: --best-effort",
            )
        for member in self._members:
            if member.report.result is Result.HELD:
                member.report.error = Held(
                    f"{member.name} cannot hold all that is wanted: {member.report.warnings[-1]}",
                    "settle what holds it, or apply without --atomic",
                )
        if any(member.report.error is not None for member in self._members):
            raise _Failed
        for member in self._members:
            if member.change is None:
                with self._naming(member.report):
                    await member.unlock()

    async def _begin(self) -> None:
        joining = [Joining(member.lease, member.last, member.before) for member in self._changing]
        self.number = await self.run.store.run(atomic.begin, self.run.author, joining)
        reach(RunBoundary.BEGUN)

    async def _commit_all(self) -> None:
        self._unproven = len(self._trials)
        await self._each(self._trials, self._commit, bounded=False)
        # Who died meanwhile is found out now: it has no session any more, or knows no such commit.
        await self._each(self._trials, Member.extend)

    async def _commit(self, member: Member) -> None:
        """Commit on trial, read back, and keep the trial alive until all others are as far."""
        async with self._places:
            await member.commit(self._id, Phase.PENDING)
        self._unproven -= 1
        if not self._unproven:
            self._all_proven.set()
        while not self._all_proven.is_set():
            pause = (member.left - EXTENDED) * member.edit.steps.trial
            try:
                async with asyncio.timeout(max(0.0, pause)):
                    await self._all_proven.wait()
            except TimeoutError:
                await member.extend()

    async def _decide(self) -> None:
        """The point of no return: durable before the first confirmation is sent."""
        reach(RunBoundary.COMMITTED)
        for member in self._trials:
            if member.left < ENOUGH:
                member.report.error = Unproven(
                    f"{member.name}: its confirmed commit would time out before all others are confirmed",
                    "give it a longer commit deadline, or apply to fewer devices at once",
                )
                raise _Failed
        held = [member.lease for member in self._changing]
        await self.run.store.run(atomic.decide, self.run.author, self._id, held)
        self.verdict = Verdict.COMMIT
        reach(RunBoundary.DECIDED)

    # --- Back -------------------------------------------------------------------------------------

    async def _take_back(self) -> bool:
        """Leave all old, unless it was decided after all. False where the store cannot tell: then nothing is
        done to the devices, and whoever comes next does what the store says."""
        if self.number is not None:
            if not await self._give_up():
                for member in self._changing:
                    if member.sent:
                        member.report.result, member.phase = Result.UNKNOWN, Phase.UNKNOWN
                return False
            if self.verdict is Verdict.COMMIT:
                return True
            reach(RunBoundary.GIVEN_UP)
        await asyncio.gather(*(self._undo(member) for member in self._members))
        return True

    async def _give_up(self) -> bool:
        """Decide that all goes back, where nothing is decided yet; False where nobody can tell."""
        for member in self._changing:
            with contextlib.suppress(CasmError):
                found = await self.run.store.run(atomic.give_up, self.run.author, self._id, member.lease)
                self.verdict = Verdict.ROLL_BACK if found is None else found.verdict
                return True
        return False

    async def _undo(self, member: Member) -> None:
        """Take back what was done to one device, and read it where something was sent."""
        report, done = member.report, False
        if member.entered:
            with contextlib.suppress(CasmError):
                await member.undo()
                done = True
        await member.close()
        try:
            if not done and member.sent:
                row = member.row(self._id)
                member.phase = await persist(lambda: go_back(self.run, member.lease, row), self._patience)
            if member.change is not None and self.number is not None:
                await member.settle(self._id)
        except CasmError as error:
            report.error = report.error or error
            report.result, member.phase = Result.UNKNOWN, Phase.UNKNOWN
            return
        if member.phase is Phase.OTHER:
            report.error = report.error or Unproven(
                f"{member.name} does not hold what it held before", f"see 'casm plan {member.name}'"
            )
        if report.error is not None:
            report.result = Result.FAILED
        elif member.change is not None or self.number is None:
            report.result = Result.ROLLED_BACK

    # --- Forward ----------------------------------------------------------------------------------

    async def _confirm_all(self) -> None:
        await asyncio.gather(*(self._forward(member, Member.confirm) for member in self._trials))
        reach(RunBoundary.CONFIRMED)
        late = [member.name for member in self._trials if not member.settled]
        for member in self._lasts:
            if late:
                member.report.result = Result.HELD
                member.report.error = Held(
                    f"{member.name} is edited after {', '.join(late)}", "apply again: it goes on from there"
                )
            else:
                await self._forward(member, self._edit_last)

    async def _edit_last(self, member: Member) -> None:
        """Its locks were held all the time: what was read still holds."""
        member.report.warn("edited last, and for good when it was sent: it could not have been taken back")
        await member.stage()
        await member.commit(self._id, Phase.UNKNOWN)
        await member.confirm()

    async def _forward(self, member: Member, step: Step) -> None:
        """`step` in the session that is open; where that is not enough, visits as in a normal apply."""
        report = member.report
        try:
            await step(member)
            report.result = Result.WAITING if member.edit.decision.waiting else Result.CHANGED
        except CasmError as error:
            report.warn(f"{error.message}: the change is decided, and the device is visited again")
            await member.close()
            report.changes.clear()
            try:
                member.phase = await persist(
                    lambda: go_forward(self.run, member.lease, report), self._patience
                )
            except CasmError as last:
                report.error, report.result, member.phase = last, Result.UNKNOWN, Phase.UNKNOWN
                return
            if report.result is Result.IN_SYNC:
                report.result, report.changes = Result.CHANGED, list(member.edit.difference.edit.changes)
        if member.phase is Phase.NEW:
            try:
                await member.settle(self._id)
            except CasmError as error:
                report.error, report.result = error, Result.UNKNOWN

    # --- What all of it needs ---------------------------------------------------------------------

    @property
    def _id(self) -> int:
        assert self.number is not None
        return self.number

    @property
    def _patience(self) -> float:
        """Seconds for which a device that cannot be reached is tried again: its trial is over then."""
        return max(member.edit.steps.trial for member in self._changing) + self.run.options.wait

    async def _each(self, members: Sequence[Member], step: Step, *, bounded: bool = True) -> None:
        """`step` on each; _Failed with the first that fails."""

        async def one(member: Member) -> None:
            async with self._places if bounded else contextlib.nullcontext():
                with self._naming(member.report):
                    await step(member)

        await together(one(member) for member in members)

    @contextlib.contextmanager
    def _naming(self, report: Report) -> Iterator[None]:
        try:
            yield
        except CasmError as error:
            report.error = error
            raise _Failed from error

    async def _note(self, member: Member) -> None:
        """For `status`, and in the report."""
        report = member.report
        if member.change is not None:
            report.more["holds"] = atomic.holds(member.phase)
        if report.result is Result.UNKNOWN:
            state = "unknown"
        elif report.error is not None:
            state = "failed"
        else:
            state = "in-sync" if report.result in (Result.CHANGED, Result.IN_SYNC) else "out-of-sync"
        with contextlib.suppress(CasmError):
            await note_result(self.run, member.lease, report, state, report.error)
