"""Apply to one device exactly what was planned for it, or nothing.

The edit is worked out again under the device's locks, from what the store wants and the device holds then;
it is sent where it is the planned one, and only once: what is to follow it is for the next plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from casm_ctrl.base.errors import MassRemoval, PlanOutdated, StoreBehind
from casm_ctrl.drivers.interface import Element
from casm_ctrl.store.events import Author
from casm_ctrl.sync.basis import DeviceBasis, StoreBasis, shorten
from casm_ctrl.sync.change import Change
from casm_ctrl.sync.converge import Convergence, Limits
from casm_ctrl.sync.difference import Difference
from casm_ctrl.sync.plan_file import DevicePlan, edit_digest, show_edit
from casm_ctrl.sync.reading import read_ours
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.visit import Visit

_AGAIN = "nothing was sent; look at what changed, and make a new plan"


@dataclass
class Planned:
    """A device's plan on its way."""

    plan: DevicePlan
    plan_id: str
    """Names the plan in the audit."""
    begun: Difference | None = None
    """What was taken up to be sent: from here on only reading tells what became of it."""

    def check_store(self, now: StoreBasis) -> None:
        """PlanOutdated where the store moved on since the plan."""
        moved = self.plan.store.moved(now)
        if moved:
            raise PlanOutdated(
                f"{self.plan.device}: the store moved on since the plan: {shorten(moved)}", _AGAIN
            )

    def check_device(self, now: DeviceBasis) -> None:
        """PlanOutdated where the device holds something else than when it was planned."""
        moved = self.plan.running.moved(now)
        if moved:
            raise PlanOutdated(
                f"{self.plan.device}: the device moved on since the plan: {shorten(moved)}", _AGAIN
            )

    def take(self, difference: Difference | None) -> None:
        """Take up what is to be sent (None: nothing). PlanOutdated where that is not the planned edit."""
        edit = "" if difference is None else show_edit(difference.edit.config)
        if edit_digest(edit) != self.plan.meaning:
            raise PlanOutdated(
                f"{self.plan.device}: the edit that is needed now is not the planned one, though what is wanted"
                " and what runs are as they were: the device counts other subscribers, a time to wait for is over, or"
                " this program is another version",
                _AGAIN,
            )
        self.begun = difference

    def was_made(self, left: Difference | None, now: DeviceBasis) -> bool:
        """Whether the device shows what was begun; `left` is still to be done there (None: nothing)."""
        assert self.begun is not None
        if left is None or now.digest == self.plan.running.digest:
            return left is None
        blocks = {(c.action, c.key) for c in self.begun.edit.changes if c.block is not None}
        return blocks.isdisjoint((c.action, c.key) for c in left.edit.changes)


class PlannedConvergence(Convergence):
    """One visit that makes the planned change, or reads what became of it in the visit before."""

    def __init__(
        self, visit: Visit, author: Author, limits: Limits, report: Report, planned: Planned
    ) -> None:
        super().__init__(visit, author, limits, report)
        self.planned = planned

    async def lock(self) -> None:
        await super().lock()
        if self.planned.begun is None and self._wanted is not None:
            self.planned.check_store(StoreBasis.of(self._wanted))

    async def next_change(self, running: Element) -> Change | None:
        if self.planned.begun is not None:
            await self._look_back()
            return None
        running = await read_ours(self.visit.session, self.driver)
        self.planned.check_device(DeviceBasis.of(running, self.driver.parse(running)))
        change = await super().next_change(running)
        self.planned.take(None if change is None else change.difference)
        if change is not None:
            intent = change.difference.intent
            by_plan = replace(intent, words=[f"by plan {self.planned.plan_id}", *intent.words])
            change.difference = replace(change.difference, intent=by_plan)
        return change

    async def _look_back(self) -> None:
        """Record what the edit came to. PlanOutdated where it was lost on its way; what is left to be done
        is only told of."""
        begun, report = self.planned.begun, self.report
        assert begun is not None
        running = await read_ours(self.visit.session, self.driver)
        left: Difference | None
        try:
            change = await super().next_change(running)
            left = None if change is None else change.difference
        except (MassRemoval, StoreBehind):  # it is not going to be made: how much it is is for the next plan
            left = replace(begun, edit=replace(begun.edit, changes=()))
        if not report.changes:  # another visit's edit
            if not self.planned.was_made(left, DeviceBasis.of(running, self.driver.parse(running))):
                raise PlanOutdated(
                    f"{report.device}: the planned edit was begun and its outcome was lost; the device was read,"
                    " and shows that it was not made",
                    "make a new plan",
                )
            report.changes = list(begun.edit.changes)
            if report.result is Result.IN_SYNC:
                report.result = Result.CHANGED
        if left is not None:
            if report.result is Result.CHANGED:
                report.result = Result.WAITING
            report.more["waiting"] += [f"more is to be done: see 'casm plan {report.device}'"]
