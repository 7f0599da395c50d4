"""The loop: a task for each device that this controller watches, and one that renews what it watches.

Nothing that is remembered here is truth: who is killed begins anew from the store (design: Shape). A device is looked
at by one task, one look after the other, so what it tells and what it is asked are never decided about twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from casm_ctrl.base.clock import SECOND
from casm_ctrl.base.errors import CasmError, DeviceRefused, NotFound, PeerFault
from casm_ctrl.base.polling import EVERYWHERE, Polling
from casm_ctrl.control.loop import alarming
from casm_ctrl.control.loop.acting import Actor
from casm_ctrl.control.loop.housekeeping import forget, keep_house, sweep
from casm_ctrl.control.loop.looking import Looked, Looker
from casm_ctrl.control.loop.schedule import pause_after, rest_after
from casm_ctrl.drivers.notices import Level, UsageNotice
from casm_ctrl.service import automatic, control_state
from casm_ctrl.service.automatic import Acted, Superseded
from casm_ctrl.store.transaction import Transaction
from casm_ctrl.sync.notices import Hearing
from casm_ctrl.sync.places import Places
from casm_ctrl.sync.run import Run

HEARTBEAT = 10.0
"""Seconds between two renewals of what it watches; a third of what they are good for."""
POLLS, TOLD = 8, 4
"""Devices that are looked at, and changed, at the same time: those whose time has come, and beside them, waiting for
none of those, those that told something by themselves. Few, for one process uses one core; who waits for a slow device
makes room."""
ROUNDS = 6
"""Looks one after the other at a device that is changed: each shows what the one before it did. What is left waits for
the next poll."""
TAKEOVER = 10.0
"""Seconds within which devices are looked at that are new to this controller, whenever the next look was due: who
watched them before may have left something unfinished, and nobody listens to them meanwhile."""
AFTER = 1.0
"""Seconds until a device is looked at that was changed because of what it told, or that told that a pool has room
again: others that tell something meanwhile come first."""
APART = 0.1
"""Seconds between two readings of which one is to say what the other says."""
MOST_NOTICES = 64
"""Of one device, between two looks: of those of one pool the newest tells all."""
MOST_POOLS = 1000
"""Pools that a device told of in vain are known by name, also such as are not ours: no more than so many."""
PATIENCE = 5.0
"""Seconds that changes under way are given when the loop is to end."""

Listen = Callable[
    [Run, str, Callable[[str, UsageNotice], None], Callable[[str, Hearing], None]], Coroutine[Any, Any, None]
]
"""Tells what a device tells by itself, until it is cancelled (sync.notices.listen)."""

_log = logging.getLogger(__name__)


@dataclass
class Watch:
    """A device that is watched."""

    name: str
    due: float
    """When it is looked at, by the event loop's clock, unless it tells something before."""
    polling: Polling = EVERYWHERE
    notices: list[UsageNotice] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    ear: asyncio.Task[None] | None = None
    answered: bool = False
    listening: bool = False
    """It can tell something at this moment."""
    vain: dict[str | None, int] = field(default_factory=dict)
    """By pool, as it is told of: how many looks in a row came of that, and nothing of them."""
    urgent: asyncio.Event = field(default_factory=asyncio.Event)
    """It told of a pool for which it was not looked at in vain."""
    failed: int = 0
    """So many changes of it failed, one after the other."""
    acting: bool = False
    """A change of it is under way: it is not to be cut off."""

    def tell(self, device: str, notice: UsageNotice) -> None:
        """It told something by itself: it is looked at now, or where a pool has room again, soon."""
        del device
        same = (notice.pool, notice.family, not notice.fault)
        kept = [one for one in self.notices if (one.pool, one.family, not one.fault) != same or one.readings]
        self.notices = [*kept[1 - MOST_NOTICES :], notice]
        if not self._rest(notice):
            self.urgent.set()
        if notice.level is Level.NORMAL:
            asyncio.get_running_loop().call_later(AFTER, self.told.set)
        else:
            self.told.set()

    def note(self, device: str, hearing: Hearing) -> None:
        """Whether it is listened to."""
        self.listening = hearing.listening
        if hearing.why:
            _log.info("%s: %s", device, hearing.why)

    def take(self) -> list[UsageNotice]:
        """What it told since the last look; a look that begins now is the answer to all of it."""
        self.told.clear()
        self.urgent.clear()
        notices, self.notices = self.notices, []
        return notices

    async def wait(self) -> bool:
        """Until it is to be looked at; true where it told something."""
        seconds = self.due - asyncio.get_running_loop().time()
        if not self.told.is_set() and seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.told.wait(), seconds)
        rests = [self._rest(notice) for notice in self.notices]
        rest = min([*rests, self.due - asyncio.get_running_loop().time()])
        if rests and rest > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.urgent.wait(), rest)
        if not self.told.is_set() or len(self.vain) > MOST_POOLS:
            self.vain.clear()
        for pool in {notice.pool for notice in self.notices if notice.level is Level.EXHAUSTED}:
            self.vain[pool] = self.vain.get(pool, 0) + 1
        return self.told.is_set()

    def _rest(self, notice: UsageNotice) -> float:
        """Seconds for which the look that it asks for may wait: only that a pool is full is told again and again."""
        if notice.level is not Level.EXHAUSTED:
            return 0.0
        return rest_after(self.vain.get(notice.pool, 0), self.polling)

    def cancel(self) -> list[asyncio.Task[None]]:
        tasks = [task for task in (self.task, self.ear) if task is not None]
        for task in tasks:
            task.cancel()
        return tasks


@dataclass
class Summary:
    """What was done, for people."""

    looks: int = 0
    failed: int = 0
    acted: int = 0
    notices: int = 0


class Controller:
    """Watches its share of the devices of a store, until it is cancelled or told to stop."""

    def __init__(
        self, run: Run, *, listen: Listen | None = None, chance: Callable[[], float] = random.random
    ) -> None:
        """`listen` None: devices are only polled."""
        self.run = run
        self._hear = listen
        self.summary = Summary()
        self._chance = chance
        self._looker = Looker(run, chance)
        self._actor = Actor(run)
        self.failing: dict[str, str] = {}
        """What is wrong with devices whose last look, or the change that followed it, failed."""
        self._watches: dict[str, Watch] = {}
        self._polls, self._told = Places(POLLS), Places(TOLD)
        self._number = 0
        self._revision = -1
        self._settings: dict[str, object] = {}

    @property
    def watched(self) -> int:
        """How many devices it watches."""
        return len(self._watches)

    @property
    def listening(self) -> int:
        """How many devices are listened to."""
        return sum(watch.listening for watch in self._watches.values())

    # --- Its life ---------------------------------------------------------------------------------

    async def watch(self, stop: asyncio.Event) -> None:
        """Watch until `stop`. Store errors pass: the next heartbeat may find it again."""
        self._number = await self.run.store.run(control_state.begin)
        house = asyncio.create_task(keep_house(self.run.store))
        try:
            while not stop.is_set():
                try:
                    await self._renew()
                except CasmError as error:
                    _log.warning("the store cannot be used: %s", error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), HEARTBEAT)
        finally:
            house.cancel()
            await asyncio.gather(house, return_exceptions=True)
            await self._end()

    async def once(self) -> None:
        """One look at each device, and what follows from it."""
        self._number = await self.run.store.run(control_state.begin)
        try:
            await self._renew(tasks=False)
            await asyncio.gather(*(self._visit(watch, told=False) for watch in self._watches.values()))
            await sweep(self.run.store)
            await forget(self.run.store)
        finally:
            await self._end()

    async def _end(self) -> None:
        """Give changes that are under way a little time, end the rest, and let others have the devices."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        for watch in self._watches.values():
            if watch.ear is not None:
                watch.ear.cancel()
            if not watch.acting:
                watch.cancel()
        busy = [watch.task for watch in self._watches.values() if watch.acting and watch.task is not None]
        while any(watch.acting for watch in self._watches.values()):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or not busy:
                break
            await asyncio.sleep(min(0.05, left))
        tasks = [task for watch in self._watches.values() for task in watch.cancel()]
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(CasmError):
            await self.run.store.run(control_state.end, self._number)

    async def _renew(self, *, tasks: bool = True) -> None:
        watched = await self.run.store.run(control_state.keep, self._number)
        self._number = self._actor.controller = watched.controller
        now = asyncio.get_running_loop().time()
        for name in self._watches.keys() - watched.devices.keys():
            _log.info("%s is watched by another", name)
            self._watches.pop(name).cancel()
        if watched.revision != self._revision:
            await self._heed_settings(watched.revision)
        for name in watched.devices.keys() - self._watches.keys():
            wait = max(0, watched.devices[name].next_poll - watched.now) / SECOND
            wait = min(wait, TAKEOVER * self._chance()) if tasks else 0.0
            watch = self._watches[name] = Watch(name, now + wait)
            if tasks:
                watch.task = asyncio.create_task(self._keep_watching(watch))

    async def _heed_settings(self, revision: int) -> None:
        """The configuration changed: who is polled or decided about in another way is looked at now."""
        found = await self.run.store.run(control_state.settings, self._number)
        for name, watch in self._watches.items():
            if name in self._settings and found.get(name) != self._settings[name]:
                watch.told.set()
                watch.urgent.set()
        self._settings, self._revision = found, revision

    # --- A device ---------------------------------------------------------------------------------

    async def _keep_watching(self, watch: Watch) -> None:
        while True:
            told = await watch.wait()
            await self._visit(watch, told=told)
            self._listen(watch)

    def _listen(self, watch: Watch) -> None:
        """Once it answered, and as long as it is to be listened to."""
        if self._hear is None or not watch.answered:
            return
        if watch.polling.notifications and watch.ear is None:
            watch.ear = asyncio.create_task(self._hear(self.run, watch.name, watch.tell, watch.note))
        elif watch.ear is not None and not watch.polling.notifications:
            watch.ear.cancel()
            watch.ear = None

    async def _visit(self, watch: Watch, *, told: bool) -> None:
        """Look at it, and do what follows, until nothing does. Errors are noted, and the next look is due."""
        now = asyncio.get_running_loop().time
        try:
            async with (self._told if told else self._polls).place():
                await self._rounds(watch, told=told)
        except Superseded:
            watch.due = now() + HEARTBEAT / 2
        except NotFound:
            watch.due = now() + HEARTBEAT  # it is removed: the next heartbeat knows
        except CasmError as error:
            self.summary.failed += 1
            watch.due = now() + await self._note_failure(watch, error)
        except Exception:
            self.summary.failed += 1
            self.failing[watch.name] = "the look at it failed, and this is a fault of ours: the log has it"
            _log.exception("the look at %s failed, and this is a fault of ours", watch.name)
            watch.due = now() + HEARTBEAT * 6

    async def _rounds(self, watch: Watch, *, told: bool) -> None:
        alone = False
        for _ in range(ROUNDS):
            notices = watch.take()
            self.summary.looks += 1
            self.summary.notices += len(notices)
            looked = await self._looker.look(watch.name, self._number, notices)
            watch.answered, watch.polling = True, looked.facts.device.polling
            watch.due = asyncio.get_running_loop().time() + looked.due
            watch.acting = True
            try:
                more = await self._act(watch, looked)
            finally:
                watch.acting = False
            if looked.alone and not alone:
                alone = True
                await asyncio.sleep(APART)
            elif not more:
                break
            elif told:
                watch.due = min(watch.due, asyncio.get_running_loop().time() + AFTER)
                break
        if not watch.failed:
            self.failing.pop(watch.name, None)

    def _say(self, device: str, error: CasmError) -> None:
        """Log it where somebody reads it, once until it is over."""
        again = self.failing.get(device) is not None
        self.failing[device] = str(error)
        _log.log(logging.INFO if again else logging.WARNING, "%s: %s", device, error)

    async def _act(self, watch: Watch, looked: Looked) -> bool:
        """Do what was decided, and what an earlier look left unfinished; true where another look is to follow at once.

        What is done of all device pools goes to the device in one visit.
        """
        again, members = False, dict[str, None]()
        for one in looked.todo:
            try:
                done = await self._actor.decide(one)
            except Superseded:
                again = True
                continue
            if isinstance(done, Acted):
                self.summary.acted += 1
                watch.vain.clear()
                members |= dict.fromkeys(one.pool.members)
        acted, unfinished = bool(members), looked.facts.unfinished
        pools = {row.device_pool_id for row in unfinished}
        waiting = [pool for pool in looked.facts.pools if pool.row.id in pools and pool.held is None]
        going: bool = bool(waiting) and await self.run.store.run(automatic.may_go_on)
        if going:
            for pool in waiting:
                members |= dict.fromkeys(pool.members)
        if not members:
            watch.failed = 0
            if unfinished:  # it is held: what is seen already is finished all the same
                await self._actor.finish(looked.facts.device.id, {})
            return again
        errors = await self._actor.apply(list(members))
        watch.failed = watch.failed + 1 if errors else 0
        for name, error in errors.items():
            self._say(name, error)
        left = await self._actor.finish(looked.facts.device.id, errors)
        if errors:
            await self.run.store.run(automatic.judge_breaker)
            pause = pause_after(watch.failed, watch.polling, self._chance())
            watch.due = asyncio.get_running_loop().time() + pause
            return False
        return again or acted or len(left) < len(unfinished)

    async def _note_failure(self, watch: Watch, error: CasmError) -> float:
        """Seconds until the next look."""
        self._say(watch.name, error)
        self._looker.forget(watch.name)

        def pause(failures: int) -> float:
            return pause_after(failures, watch.polling, self._chance())

        def tell(tx: Transaction, failures: int) -> None:
            if isinstance(error, PeerFault) and not isinstance(error, DeviceRefused):
                alarming.tell_silence(tx, watch.name, failures, error.message)

        try:
            return await self.run.store.run(
                control_state.note_failed_look, watch.name, error.message, pause, tell
            )
        except CasmError:
            return HEARTBEAT
