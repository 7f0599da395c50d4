"""Sessions that are kept between uses: reused, found dead by deadline, kept alive, given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from casm_ctrl.base.clients import CLIENTS
from casm_ctrl.base.deadlines import Deadlines
from casm_ctrl.base.errors import DeadlineExceeded, HostKeyRefused, SessionLost, Unreachable
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.operations import get_nothing
from casm_ctrl.netconf.client.session import Target
from casm_ctrl.netconf.client.session_pool import SessionPool, Upkeep
from casm_ctrl.simulator.device import SimulatedDevice
from casm_ctrl.simulator.faults import Fault, FaultKind
from tests.session_contract import OTHER_KEY, resources, settle

UPKEEP = Upkeep(check_after=5, check_deadline=0.3, keep_alive=60, idle_limit=600)


class Time:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
async def device(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SimulatedDevice]:
    async with SimulatedDevice() as device:
        monkeypatch.setenv("CASM_TEST_PASSWORD", device.options.password)
        yield device


@pytest.fixture(params=CLIENTS)
def target(request: pytest.FixtureRequest, device: SimulatedDevice) -> Target:
    return Target(
        "bng1",
        device.host,
        device.port,
        device.options.username,
        "env:CASM_TEST_PASSWORD",
        device.host_key,
        deadlines=Deadlines(rpc=5),
        client=request.param,
    )


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def pool(clock: Time) -> AsyncIterator[SessionPool]:
    """One that tends only when it is told to."""
    pool = SessionPool(UPKEEP, now=clock)
    yield pool
    await pool.close()


async def use(pool: SessionPool, target: Target) -> tuple[int, bool]:
    """(session id, fresh) of one use, in which the device answered."""
    async with pool.use(target) as lent:
        await lent.session.rpc(get_nothing())
        return lent.session.session_id, lent.fresh


async def gone(device: SimulatedDevice, session_id: int) -> None:
    """Return when the device has no such session any more."""
    end = time.monotonic() + 5
    while session_id in device.session_ids:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


# --- Reuse ----------------------------------------------------------------------------------------


async def test_a_session_is_used_again(pool: SessionPool, target: Target, device: SimulatedDevice) -> None:
    first = await use(pool, target)
    assert first == (first[0], True)
    for _ in range(3):
        assert await use(pool, target) == (first[0], False)
    assert device.session_ids == (first[0],)
    assert len(pool) == 1


async def test_the_next_visit_may_name_the_key_that_the_first_one_recorded(
    pool: SessionPool, target: Target
) -> None:
    new = replace(target, host_key=None, accept_new=True)
    number, fresh = await use(pool, new)
    assert fresh
    assert await use(pool, target) == (number, False)


async def test_one_task_at_a_time(pool: SessionPool, target: Target, device: SimulatedDevice) -> None:
    inside = 0

    async def work() -> int:
        nonlocal inside
        async with pool.use(target) as lent:
            inside += 1
            assert inside == 1
            await lent.session.rpc(get_nothing())
            inside -= 1
            return lent.session.session_id

    assert len(set(await asyncio.gather(*(work() for _ in range(5))))) == 1
    assert len(device.session_ids) == 1


async def test_two_devices_do_not_wait_for_each_other(pool: SessionPool, target: Target) -> None:
    async with pool.use(target) as one, pool.use(replace(target, device="bng2")) as two:
        assert one.session.session_id != two.session.session_id
    assert len(pool) == 2


async def test_a_short_pause_costs_no_request(
    pool: SessionPool, target: Target, clock: Time, device: SimulatedDevice
) -> None:
    await use(pool, target)
    before = device.journal.count("get")
    clock.advance(UPKEEP.check_after - 1)
    await use(pool, target)
    assert device.journal.count("get") == before + 1
    clock.advance(UPKEEP.check_after)
    await use(pool, target)
    assert device.journal.count("get") == before + 3


async def test_a_session_ends_with_an_error_and_with_it_its_locks(
    pool: SessionPool, target: Target, device: SimulatedDevice
) -> None:
    with pytest.raises(RuntimeError):
        async with pool.use(target) as lent:
            lost = lent.session.session_id
            await Client(lent.session).lock("running")
            raise RuntimeError
    assert len(pool) == 0
    await gone(device, lost)
    async with pool.use(target) as lent:
        assert lent.fresh
        await Client(lent.session).lock("running")
        await Client(lent.session).unlock("running")


async def test_a_session_that_its_user_closed_is_not_kept(pool: SessionPool, target: Target) -> None:
    async with pool.use(target) as lent:
        await lent.session.close()
    assert len(pool) == 0
    assert (await use(pool, target))[1]


async def test_a_use_that_is_cancelled_ends_the_session(
    pool: SessionPool, target: Target, device: SimulatedDevice
) -> None:
    inside: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with pool.use(target) as lent:
            inside.set_result(lent.session.session_id)
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    number = await inside
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(device, number)
    assert (await use(pool, target))[1]


@pytest.mark.parametrize("changed", [{"deadlines": Deadlines(rpc=7)}, {"credential": "env:CASM_TEST_OTHER"}])
async def test_another_way_in_is_another_session(
    pool: SessionPool, target: Target, changed: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASM_TEST_OTHER", "casm")
    number, _ = await use(pool, target)
    other, fresh = await use(pool, replace(target, **changed))  # type: ignore[arg-type]
    assert fresh
    assert other != number
    assert len(pool) == 1


# --- Sessions that are dead -----------------------------------------------------------------------


async def test_a_session_that_was_closed_meanwhile_is_opened_anew(
    pool: SessionPool, target: Target, device: SimulatedDevice
) -> None:
    async with pool.use(target) as lent:
        session = lent.session
    await device.reboot()
    end = time.monotonic() + 30
    while not session.ended:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    assert (await use(pool, target))[1]
    assert len(pool) == 1


async def test_a_session_that_is_half_open_is_found_by_deadline(
    pool: SessionPool, target: Target, clock: Time, device: SimulatedDevice
) -> None:
    await use(pool, target)
    clock.advance(UPKEEP.check_after)
    device.faults.set(Fault(FaultKind.NO_REPLY, "get", occurrence=1))
    begin = time.monotonic()
    async with pool.use(target) as lent:
        assert lent.fresh
        await lent.session.rpc(get_nothing())
    assert UPKEEP.check_deadline <= time.monotonic() - begin < 25


async def test_a_loss_during_use_reaches_the_user_and_the_next_one_is_told(
    pool: SessionPool, target: Target, device: SimulatedDevice
) -> None:
    await use(pool, target)
    device.faults.set(Fault(FaultKind.DROP_BEFORE, "get", occurrence=1))
    with pytest.raises(SessionLost):
        await use(pool, target)
    assert (await use(pool, target))[1]


async def test_a_device_that_is_not_there_any_more_is_an_error_of_opening(
    pool: SessionPool, target: Target, clock: Time, device: SimulatedDevice
) -> None:
    await use(pool, target)
    await device.stop()
    clock.advance(UPKEEP.check_after)
    with pytest.raises(Unreachable):
        await use(pool, target)
    assert len(pool) == 0


async def test_a_device_that_hangs_is_an_error_of_opening(
    pool: SessionPool, target: Target, clock: Time, device: SimulatedDevice
) -> None:
    short = replace(target, deadlines=Deadlines(hello=0.3, rpc=0.3))
    await use(pool, short)
    clock.advance(UPKEEP.check_after)
    device.faults.set(Fault(FaultKind.HANG_AFTER_HELLO), Fault(FaultKind.HANG_AFTER_SSH))
    begin = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"hello was not done within 0\.3 s"):
        await use(pool, short)
    assert time.monotonic() - begin < 25


async def test_a_key_that_was_recorded_anew_is_looked_for_on_a_new_session(
    pool: SessionPool, target: Target, device: SimulatedDevice
) -> None:
    await use(pool, target)
    asked = device.journal.count("get")
    with pytest.raises(HostKeyRefused):
        await use(pool, replace(target, host_key=OTHER_KEY))
    assert device.journal.count("get") == asked
    device.change_host_key()
    assert (await use(pool, replace(target, host_key=device.host_key)))[1]


# --- Upkeep ---------------------------------------------------------------------------------------


async def test_an_idle_session_is_closed(
    pool: SessionPool, target: Target, clock: Time, device: SimulatedDevice
) -> None:
    number, _ = await use(pool, target)
    clock.advance(UPKEEP.idle_limit - 1)
    await pool.tend()
    assert device.session_ids == (number,)
    clock.advance(1)
    await pool.tend()
    assert len(pool) == 0
    await gone(device, number)
    assert (await use(pool, target))[1]


async def test_a_silent_session_is_asked_and_kept(
    pool: SessionPool, target: Target, clock: Time, device: SimulatedDevice
) -> None:
    number, _ = await use(pool, target)
    before = device.journal.count("get")
    clock.advance(UPKEEP.keep_alive - 1)
    await pool.tend()
    assert device.journal.count("get") == before
    for asked in (1, 2):
        clock.advance(UPKEEP.keep_alive)
        await pool.tend()
        assert device.journal.count("get") == before + asked
    assert await use(pool, target) == (number, False)


async def test_a_refusal_keeps_a_session_alive(
    pool: SessionPool, target: Target, clock: Time, device: SimulatedDevice
) -> None:
    number, _ = await use(pool, target)
    device.faults.set(Fault(FaultKind.REFUSE, "get", occurrence=1, tag="access-denied"))
    clock.advance(UPKEEP.keep_alive)
    await pool.tend()
    assert await use(pool, target) == (number, False)


async def test_a_session_that_does_not_answer_is_given_up(
    pool: SessionPool, target: Target, clock: Time, device: SimulatedDevice
) -> None:
    await use(pool, target)
    device.faults.set(Fault(FaultKind.NO_REPLY, "get", occurrence=1))
    clock.advance(UPKEEP.keep_alive)
    await pool.tend()
    assert len(pool) == 0


async def test_tending_does_not_wait_for_a_session_in_use(
    pool: SessionPool, target: Target, clock: Time
) -> None:
    async with pool.use(target) as lent:
        clock.advance(UPKEEP.idle_limit)
        await pool.tend()
        await lent.session.rpc(get_nothing())
    assert len(pool) == 1


async def test_a_pool_that_is_entered_tends_by_itself(target: Target, device: SimulatedDevice) -> None:
    async with SessionPool(Upkeep(idle_limit=0.2)) as pool:
        number, _ = await use(pool, target)
        await gone(device, number)
        assert len(pool) == 0


async def test_a_pool_leaves_nothing_behind(target: Target, device: SimulatedDevice) -> None:
    before = resources()
    async with SessionPool() as pool:
        for number in range(5):
            await use(pool, replace(target, device=f"bng{number}"))
        assert len(pool) == 5
    assert len(pool) == 0
    await settle(before)
    assert device.session_ids == ()


async def test_a_pool_that_is_closed_keeps_nothing_more(target: Target, device: SimulatedDevice) -> None:
    pool = SessionPool()
    async with pool.use(target) as lent:
        await pool.close()
        await lent.session.rpc(get_nothing())
    assert len(pool) == 0
    await gone(device, lent.session.session_id)


async def test_of_too_many_the_one_that_was_idle_longest_goes(
    target: Target, clock: Time, device: SimulatedDevice
) -> None:
    pool = SessionPool(Upkeep(most=2), now=clock)
    numbers = []
    for name in ("bng1", "bng2", "bng3"):
        clock.advance(1)
        numbers.append((await use(pool, replace(target, device=name)))[0])
    assert len(pool) == 2
    await gone(device, numbers[0])
    assert await use(pool, replace(target, device="bng3")) == (numbers[2], False)
    assert await use(pool, replace(target, device="bng2")) == (numbers[1], False)
    await pool.close()
