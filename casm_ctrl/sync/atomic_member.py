"""One device of an atomic run: its session in a task of its own, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.errors import Held, Unproven
from casm_ctrl.service import atomic
from casm_ctrl.store.atomic_runs import MemberRow, Phase
from casm_ctrl.store.leases import Lease
from casm_ctrl.sync.change import Change
from casm_ctrl.sync.converge import Convergence
from casm_ctrl.sync.moves import Moves, moves_of
from casm_ctrl.sync.reading import read_ours
from casm_ctrl.sync.report import Report
from casm_ctrl.sync.run import Run
from casm_ctrl.sync.settling import look
from casm_ctrl.sync.visit import digest
from casm_ctrl.sync.visiting import converging
from casm_ctrl.sync.worker import Worker

_NONE = Moves((), ())


@dataclass(eq=False)
class Member:
    """Its steps are those of a visit; the run says when each is done. Errors are those of a visit."""

    run: Run
    report: Report
    lease: Lease
    change: Change | None = None
    """What is to be changed there; None: nothing, or that is not known yet."""
    moves: Moves = _NONE
    before: str = ""
    """Digest of what it holds where its driver reads."""
    sent: bool = False
    """A commit may have been sent."""
    phase: Phase = Phase.OLD
    settled: bool = False
    _visit: Convergence | None = None
    _clean: bool = False
    """Nothing of ours is left on the device but what it is to hold: no lock, no edit, no trial."""

    def __post_init__(self) -> None:
        self._worker = Worker(lambda: converging(self.run, self.lease, self.report))

    @property
    def name(self) -> str:
        return self.report.device

    @property
    def edit(self) -> Change:
        assert self.change is not None
        return self.change

    @property
    def visit(self) -> Convergence:
        assert self._visit is not None
        return self._visit

    @property
    def entered(self) -> bool:
        return self._visit is not None

    @property
    def last(self) -> bool:
        """It has no confirmed commit."""
        return not self.visit.visit.way.on_trial

    @property
    def left(self) -> float:
        """The part of its trial that is surely left."""
        return self.edit.left / self.edit.steps.trial

    # --- Looking ----------------------------------------------------------------------------------

    async def open(self) -> None:
        self._visit = await self._worker.open()

    async def close(self) -> None:
        """The session may be used again only where nothing was left behind on the device."""
        await self._worker.close(clean=self._clean)

    async def lock(self) -> None:
        await self._worker.do(self.visit.lock)

    async def unlock(self) -> None:
        await self._worker.do(self.visit.unlock)
        self._clean = True

    async def read(self) -> None:
        """Settle what is pending, read, and work out what is to be changed."""
        await self._worker.do(self._read)

    async def _read(self) -> None:
        visit = self.visit
        self.change = await visit.next_change(await visit.read())
        if visit.found is not None:
            self.moves = moves_of(visit.found)
        if self.change is not None:
            self.before = digest(await read_ours(visit.visit.session, visit.driver))

    # --- Changing ---------------------------------------------------------------------------------

    async def stage(self) -> None:
        """Held where subscribers came to what was empty: it would not be all of the change."""
        if not await self._worker.do(self.edit.prepare):
            raise Held(f"{self.name}: subscribers came to what was to be removed", "apply again")

    async def commit(self, run: int, phase: Phase) -> None:
        """Send it and read it back. `phase` is what the device is in from now on, as far as anybody knows."""
        await self.run.store.run(atomic.note, self.lease, run, phase)
        self.phase, self.sent = phase, True
        await self._worker.do(self.edit.commit)
        await self._worker.do(self.edit.prove)

    async def extend(self) -> None:
        await self._worker.do(self.edit.extend)

    async def confirm(self) -> None:
        """Make it final, and prove that by another read."""
        await self._worker.do(self.edit.confirm)
        await self._worker.do(self._conclude)
        self.phase, self._clean = Phase.NEW, True

    async def _conclude(self) -> None:
        running = await self.visit.conclude(self.edit)
        self.edit.check(running)
        await self.visit.see(running)
        await self.visit.unlock()

    async def undo(self) -> None:
        """Take back what was done, in the session that is open; proven by reading where something was sent."""
        self.phase = await self._worker.do(self._undo)
        self._clean = True

    async def _undo(self) -> Phase:
        visit = self.visit
        await visit.abandon()
        if visit.pending:
            raise Unproven(f"{self.name}: what was committed could not be taken back in its session")
        phase = await look(visit, self.before) if self.sent else Phase.OLD
        await visit.unlock()
        return phase

    async def settle(self, run: int) -> None:
        """Record its phase for good."""
        await self.run.store.run(atomic.settle, self.run.author, self.lease, run, self.phase)
        self.settled = True

    def row(self, run: int) -> MemberRow:
        return MemberRow(
            run, self.lease.device_id, self.name, self.phase, self.settled, self.last, self.before
        )
