"""Usage that was recorded, as a replay takes it."""

from __future__ import annotations

import pytest

from casm_ctrl.base.clock import SECOND, ManualClock
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.base.readings import COUNT, PERCENT, POLL, Accepted, BlockReading, DeviceReading, PoolReading
from casm_ctrl.cli.replay_store import recorded_usage
from casm_ctrl.control.deciding.decision import decide
from casm_ctrl.control.replay.course import lay_grid, replay
from casm_ctrl.control.replay.scenario import AUTOMATIC
from casm_ctrl.service import samples
from casm_ctrl.store import clock_watch
from casm_ctrl.store.database import Database
from tests.allocation_world import give

DAY = 86400


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(19_676 * DAY * SECOND)


def keep(database: Database, used: int, kind: str = COUNT) -> None:
    told = PoolReading.of_blocks(1, "", [BlockReading(1, used, 254)])
    reading = DeviceReading("bng1", kind, POLL, database.clock.now(), (told,))
    samples.record(database, "bng1", Accepted(reading))


def test_hours_before_the_last_day_and_all_samples_of_it(network: Database, clock: ManualClock) -> None:
    with network.write() as tx:
        clock_watch.accept(tx)
    give(network)
    for number in range(288):
        keep(network, 10 + number % 6)
        clock.advance(600)
    usage = recorded_usage(network, "3d")
    one = usage.series["bng1/internet"]
    assert usage.used_only
    assert (one.role, one.length) == ("bng", 24)
    old = [count for at, count in zip(one.times, one.counts, strict=True) if at < clock.now() - DAY * SECOND]
    assert set(old) == {15}
    assert 23 <= len(old) <= 24
    assert len(one.times) - len(old) == 144
    found = replay(AUTOMATIC, usage, lay_grid(usage), decide)
    assert (found.refused, found.added) == (0, 0)


def test_percentages_prove_nothing(network: Database, clock: ManualClock) -> None:
    give(network)
    keep(network, 10, PERCENT)
    with pytest.raises(InvalidValue, match="no usage was recorded in the last 1d"):
        recorded_usage(network, "1d")
