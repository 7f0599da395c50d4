"""The subscribers of a simulated device as who uses it sees them: they log in and out, or follow a demand."""

from __future__ import annotations

import asyncio

from casm_ctrl.base.clock import Micros
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.simulator.demand import Demand, Restart
from casm_ctrl.simulator.logins import AGAIN, Asked, LoginCounts, Unit
from casm_ctrl.simulator.machine import Machine

TICK = 0.2
"""Seconds between two looks at a demand that is followed."""
ALL = 1 << 60


class Crowd:
    """A mixin: `pool` is the name by which AAA knows a pool, `family` 4 or 6. It need not be configured."""

    _machine: Machine

    def __init__(self) -> None:
        self._followers: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def reboot(self, configuration: bytes | None = None, *, downtime: float = 0.0) -> None:
        raise NotImplementedError

    def now(self) -> Micros:
        """By the clock that the device was given."""
        return self._machine.now()

    def log_in(self, pool: str, count: int = 1, *, protocol: str = "dhcp", family: int = 4) -> int:
        """So many subscribers ask for an address at once; how many are refused.

        Those ask again as clients of the `protocol` (`dhcp`, `ppp`) do, until they are served or log out.
        """
        return self._machine.log_in(_asked(pool, family), count, protocol)

    def log_out(self, pool: str, count: int = 1, *, family: int = 4) -> int:
        """So many leave, drawn from all who are logged in, then from those who wait; how many did."""
        return self._machine.log_out(_asked(pool, family), count)

    def cut_off(self, pool: str, *, family: int = 4) -> int:
        """All who are logged in lose their sessions at once and log in again within seconds; how many there were."""
        return self._machine.cut_off(_asked(pool, family))

    def logins(self, pool: str, *, family: int = 4) -> LoginCounts:
        """What became of the logins of a pool."""
        return self._machine.count_logins(_asked(pool, family))

    def use(self, pool: str, *, shared_by: int = 1, delegated: int | None = None) -> None:
        """Say what a subscriber of a pool takes, where it is not an address, or what the configuration says.

        `shared_by`: one address has the ports of so many. `delegated`: a prefix of that length.
        """
        if delegated is not None and not 1 <= delegated <= 128:
            raise InvalidValue(f"there are no prefixes of length {delegated}", "give 1 to 128")
        unit = Unit(shared_by, 1 if delegated is None else 1 << 128 - delegated)
        self._machine.logins.use((pool, 4 if delegated is None else 6), unit)

    def follow(
        self,
        pool: str,
        demand: Demand,
        *,
        time_scale: float = 1.0,
        protocol: str = "dhcp",
        family: int = 4,
    ) -> None:
        """Let subscribers come and go as `demand` says from now on, instead of as one before did.

        The demand begins where it says (`began`), and its time runs `time_scale` times as fast as the clock; clients
        that were refused ask again in real time. Its restarts are restarts of the whole device.
        """
        if time_scale <= 0:
            raise InvalidValue(f"time cannot run {time_scale:g} times as fast", "give more than 0")
        if protocol not in AGAIN:
            raise InvalidValue(f"'{protocol}' is no protocol of subscribers", f"use {', '.join(AGAIN)}")
        self.leave_alone(pool, family=family)
        self.log_out(pool, ALL, family=family)
        work = self._follow(pool, demand, time_scale, protocol, family)
        self._followers[pool, family] = asyncio.get_running_loop().create_task(work)

    def leave_alone(self, pool: str, *, family: int = 4) -> None:
        """Follow no demand any more: who is logged in stays."""
        task = self._followers.pop((pool, family), None)
        if task is not None:
            task.cancel()

    async def disperse(self) -> None:
        """End what happens by itself."""
        tasks = list(self._followers.values())
        self._followers.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, pool: str, demand: Demand, scale: float, protocol: str, family: int) -> None:
        walk = demand.walk(demand.began)
        began = self.now()
        self.log_in(pool, walk.wanted, protocol=protocol, family=family)
        while True:
            await asyncio.sleep(TICK)
            before = walk.at
            step = walk.to(Micros(demand.began + round((self.now() - began) * scale)))
            if step.logouts:
                self.log_out(pool, step.logouts, family=family)
            if step.restarted:
                self.log_out(pool, ALL, family=family)
                await self.reboot(downtime=_downtime(demand, before, step.at) / scale)
            if step.logins:
                self.log_in(pool, step.logins, protocol=protocol, family=family)


def _asked(pool: str, family: int) -> Asked:
    if family not in (4, 6):
        raise InvalidValue(f"'{family}' is no family", "give 4 or 6")
    return pool, family


def _downtime(demand: Demand, before: Micros, at: Micros) -> float:
    restarts = (event for event in demand.events if isinstance(event, Restart))
    return max((event.downtime for event in restarts if before < event.at <= at), default=0.0)
