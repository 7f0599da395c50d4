"""The control loop's store and devices on a clock that a test moves: what the tests of what keeps it back stand on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from casm_ctrl.base.automation import Automation
from casm_ctrl.base.clock import SECOND, ManualClock
from casm_ctrl.service.configuration import ChangeDevicePool, change
from casm_ctrl.simulator import Fault, FaultKind, SimulatedDevice
from casm_ctrl.store.decisions import DecisionRow
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.sync.apply import apply_one
from casm_ctrl.sync.report import Report
from tests.control_world import ME, ControlWorld

BEGIN = 2_000_000_000 * SECOND
HOUR, DAY = 3600, 86_400
POOL = 1
"""The number of the device pool that is added first."""


@dataclass
class Slow(ControlWorld):
    """`clock` is the store's, `devices_clock` that of all devices."""

    clock: ManualClock = None  # type: ignore[assignment]
    devices_clock: ManualClock = None  # type: ignore[assignment]

    def add(self, name: str = "bng1", **options: Any) -> SimulatedDevice:
        return super().add(name, clock=self.devices_clock, **options)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.lab.do(lambda: self.devices_clock.advance(seconds))

    def use(self, number: int, used: int, device: str = "bng1") -> None:
        """Let so many addresses of a block be in use."""
        [block] = [row for row in self.blocks(device) if row.id == number]
        served = str(block.prefix)
        assert self.lab.do(lambda: self.devices[device].set_subscribers_in(served, used)) == used

    def refuse(self, *names: str, operation: str = "commit") -> None:
        fault = Fault(FaultKind.REFUSE, operation, tag="resource-denied")
        for device in map(self.devices.__getitem__, names):
            self.lab.do(partial(device.faults.set, fault))

    def heal(self) -> None:
        for device in self.devices.values():
            self.lab.do(device.faults.clear)

    def commits(self, device: str = "bng1") -> int:
        """How often it was told to commit."""
        entries = self.lab.do(lambda: self.devices[device].journal.entries)
        return sum("commit" in entry.names for entry in entries)

    async def apply(self, device: str) -> None:
        """As a person does."""
        async with self.run() as run:
            await apply_one(run, Report(device))

    def state(self, number: int) -> tuple[State, Wanted] | None:
        """None: it is free."""
        found = [row for name in self.devices for row in self.blocks(name) if row.id == number]
        return (found[0].state, found[0].wanted) if found else None

    def raised(self, kind: str) -> list[str]:
        """What an alarm that is not cleared says, by resource."""
        with self.database.read() as tx:
            rows = tx.all("SELECT text FROM alarm WHERE type_id = :kind AND is_cleared = 0", kind=kind)
        return [row[0] for row in rows]

    def changes_of(self, kind: str) -> int:
        """How often it was raised, changed or cleared."""
        with self.database.read() as tx:
            row = tx.one(
                "SELECT COUNT(*) FROM alarm_status JOIN alarm ON alarm.id = alarm_id WHERE type_id = :kind",
                kind=kind,
            )
        return int(row[0])

    def acted(self, action: str, pool: int = POOL) -> list[DecisionRow]:
        """The oldest first."""
        rows = [row for row in self.decisions(pool) if row.acted_at is not None and row.action == action]
        return rows[::-1]

    async def grown(self, **policy: Any) -> None:
        """bng1 has b1 with 100 subscribers, and b2 which nobody uses."""
        self.add(policy=Automation(grow="automatic", hold_down=1, history=0, **policy))
        change(self.database, ME, [ChangeDevicePool("bng1/internet", (("min_blocks", 2),))])
        await self.once()
        assert self.installed() == 2, self.told()
        change(self.database, ME, [ChangeDevicePool("bng1/internet", (("min_blocks", 0),))])
        self.use(1, 100)
        self.pass_time(30)
        await self.once()

    async def draining(self, used: int = 0, **policy: Any) -> None:
        """The loop drains b2, in which `used` are; all that follows is by `policy` too."""
        await self.grown(**policy)
        change(self.database, ME, [ChangeDevicePool("bng1/internet", (("shrink", "automatic"),))])
        self.use(2, used)
        for _ in range(3):
            if self.state(2) != (State.INSTALLED, Wanted.PRESENT):
                break
            self.pass_time(30)
            await self.once()
        assert self.state(2) == (State.DRAINING, Wanted.DRAINED), self.told()
