"""Samples in the store: kept, read back, thinned with age, and the same after a kill in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from casm_ctrl.base.clock import SECOND, ManualClock, Micros
from casm_ctrl.base.readings import (
    COUNT,
    NONE,
    NOTICE,
    PERCENT,
    POLL,
    Accepted,
    BlockReading,
    DeviceReading,
    PoolReading,
    Refused,
)
from casm_ctrl.service import samples, thinning, views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.averages import DAY, HOUR
from casm_ctrl.service.configuration import AddDevicePool, AddGroup, RemoveDevicePool
from casm_ctrl.service.samples import record
from casm_ctrl.service.thinning import thin
from casm_ctrl.store import clock_watch
from casm_ctrl.store import samples as store
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import list_events
from tests.allocation_world import ME, configure, give

QUARTER = 900


def refuse(database: Database, refused: Refused) -> bool:
    return database.run(lambda tx: samples.refuse_in(tx, "bng1", refused))


def reading(
    database: Database, pool: int = 1, source: str = POLL, refused: int | None = None, **used: int
) -> Accepted:
    """Of blocks by their names, each of 256 addresses."""
    blocks = [BlockReading(int(name[1:]), count, 256) for name, count in used.items()]
    told = PoolReading.of_blocks(pool, "bng1/internet", blocks, refused)
    now = database.clock.now()
    return Accepted(DeviceReading("bng1", COUNT, source, now, (told,), now, booted_at=Micros(1)))


def test_a_reading_is_kept_as_a_sample_and_as_the_count_of_its_blocks(
    network: Database, clock: ManualClock
) -> None:
    give(network, count=2)
    clock.advance(60)
    record(network, "bng1", reading(network, b1=17, b2=3))
    with network.read() as tx:
        [sample] = samples.recent(tx, 1, 0)
        last = samples.last_reading(tx, "bng1")
    assert (sample.at, sample.used, sample.capacity, sample.source) == (clock.now(), 20, 512, POLL)
    assert [block.used for block in sample.blocks] == [17, 3]
    assert last is not None
    assert (last.booted_at, last.sampled_at, last.pools[0].used) == (1, clock.now(), 20)
    assert views.show_block(network, "b1")["used-addresses"] == "17"


def test_before_the_first_reading_there_is_none(network: Database) -> None:
    with network.read() as tx:
        assert samples.last_reading(tx, "bng1") is None
        assert samples.recent(tx, 1, 0) == []
        assert samples.hours(tx, 1, 0) == samples.days(tx, 1, 0) == []
        assert samples.block_days(tx, 1, 0) == {}


def test_a_notice_of_one_block_leaves_the_others_as_they_were(network: Database, clock: ManualClock) -> None:
    give(network, count=2)
    record(network, "bng1", reading(network, b1=100, b2=30, refused=2))
    clock.advance(1)
    record(network, "bng1", reading(network, source=NOTICE, b1=256))
    with network.read() as tx:
        sample = samples.recent(tx, 1, 0)[-1]
        last = samples.last_reading(tx, "bng1")
    assert (sample.source, sample.used, sample.refused) == (NOTICE, 286, 2)
    assert last is not None
    assert last.pools[0].used == 286


def test_a_notice_of_a_whole_pool_leaves_its_blocks_to_the_next_poll(network: Database) -> None:
    give(network, count=2)
    record(network, "bng1", reading(network, b1=100, b2=30, refused=2))
    whole = PoolReading(1, "bng1/internet", 500, 512)
    record(network, "bng1", Accepted(DeviceReading("bng1", COUNT, NOTICE, network.clock.now(), (whole,))))
    with network.read() as tx:
        sample = samples.recent(tx, 1, 0)[-1]
        last = samples.last_reading(tx, "bng1")
    assert (sample.used, sample.capacity, sample.blocks) == (500, 512, ())
    assert last is not None
    [pool] = last.pools
    assert (pool.used, pool.refused, [block.used for block in pool.blocks]) == (500, 2, [100, 30])


def test_two_of_one_moment_are_both_kept(network: Database) -> None:
    give(network)
    record(network, "bng1", reading(network, b1=1))
    record(network, "bng1", reading(network, source=NOTICE, b1=2))
    with network.read() as tx:
        assert [sample.used for sample in samples.recent(tx, 1, 0)] == [1, 2]


def test_a_mark_that_is_crossed_is_told_once(network: Database, clock: ManualClock) -> None:
    configure(network, AddDevicePool("bng1/marked", ("p",), 24, usage_high=75))
    allocate(network, ME, "bng1/marked")
    with network.write() as tx:
        tx.run("UPDATE block SET state = 'installed'")
    for used in (10, 250, 251):
        clock.advance(60)
        record(network, "bng1", reading(network, pool=3, b1=used))
    with network.read() as tx:
        told = [event for event in list_events(tx) if event.verb == "usage-threshold"]
    assert [event.target for event in told] == ["high"]


def test_shares_are_kept_as_shares_and_count_nothing(network: Database) -> None:
    give(network)
    told = PoolReading(1, "", 40, 100, (BlockReading(1, 40, 100),))
    record(network, "bng1", Accepted(DeviceReading("bng1", PERCENT, POLL, Micros(0), (told,))))
    with network.read() as tx:
        [sample] = samples.recent(tx, 1, 0)
        [hour] = samples.hours(tx, 1, 0)
    assert (sample.kind, sample.used, hour.kind, hour.average) == (PERCENT, 40, PERCENT, 40)
    assert "used-addresses" not in views.show_block(network, "b1")


def test_members_of_a_group_each_count(network: Database, clock: ManualClock) -> None:
    configure(
        network,
        AddGroup("pair", (("bng1", "serves"), ("bng2", "serves"))),
        AddDevicePool("bng1/both", ("p",), 24, group="pair"),
    )
    allocate(network, ME, "bng1/both")
    record(network, "bng1", reading(network, pool=3, b1=5))
    clock.advance(1)
    record(network, "bng2", reading(network, pool=3, b1=7))
    with network.read() as tx:
        assert [sample.used for sample in samples.recent(tx, 3, 0)] == [5, 12]
        [hour] = samples.hours(tx, 3, 0)
    assert hour.peak == 12


def fill(database: Database, clock: ManualClock, quarters: int, begin: int = 0) -> None:
    """A sample every quarter of an hour: b1 counts 0 … 95 up in each day, b2 always 3."""
    for number in range(begin, begin + quarters):
        record(database, "bng1", reading(database, b1=number % 96, b2=3, refused=number))
        clock.advance(QUARTER)


@pytest.fixture
def clock() -> ManualClock:
    """At midnight, so that days are whole."""
    return ManualClock(19_676 * 86400 * SECOND)


@pytest.fixture
def network(network: Database) -> Database:
    """The store was made at another time, and that is right."""
    with network.write() as tx:
        clock_watch.accept(tx)
    return network


def test_samples_are_thinned_with_age(network: Database, clock: ManualClock) -> None:
    give(network, count=2)
    begin = clock.now()
    fill(network, clock, 96 * 2 + 40)
    with network.read() as tx:
        before = (samples.hours(tx, 1, begin), samples.days(tx, 1, begin))
    clock.advance(61)
    done = thin(network)
    assert done.hours == 48 + 10
    with network.read() as tx:
        assert (samples.hours(tx, 1, begin), samples.days(tx, 1, begin)) == before
        raw = samples.recent(tx, 1, 0)
        peaks = samples.block_days(tx, 1, begin)
        hours, days = before
    assert len(hours) == 58
    assert [hour.average for hour in hours[:2]] == [4, 8]
    assert [hour.peak for hour in hours[:2]] == [6, 10]
    assert [day.peak for day in days] == [98, 98, 42]
    assert [day.refused for day in days] == [95, 96, 40]
    assert {day.covered for day in days[:2]} == {100}
    assert peaks == {
        1: {begin: 95, begin + DAY: 95, begin + 2 * DAY: 39},
        2: {begin: 3, begin + DAY: 3, begin + 2 * DAY: 3},
    }
    assert clock.now() - 24 * HOUR <= raw[0].at < clock.now() - 23 * HOUR
    assert thin(network).hours == 0


def test_hours_go_after_35_days_and_days_stay(network: Database, clock: ManualClock) -> None:
    give(network)
    begin = clock.now()
    for _ in range(40):
        record(network, "bng1", reading(network, b1=9))
        clock.advance(86400)
        thin(network)
    with network.read() as tx:
        assert len(samples.days(tx, 1, begin)) == 40
        assert len(samples.block_days(tx, 1, begin)[1]) == 40
        kept = samples.hours(tx, 1, begin)
    assert kept[0].begin >= clock.now() - 36 * DAY
    assert len(kept) == 36


def test_what_was_killed_in_between_is_done_again(
    network: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step but the last ends in a failure just before its transaction would be durable, once."""
    give(network, count=2)
    begin = clock.now()
    fill(network, clock, 96 + 40)
    with network.read() as tx:
        before = (samples.hours(tx, 1, begin), samples.days(tx, 1, begin), samples.block_days(tx, 1, begin))
    clock.advance(61)
    put_progress, delete_polls, failed = store.put_progress, store.delete_polls, set[object]()

    class KilledError(Exception):
        pass

    def once(key: object) -> None:
        if key not in failed:
            failed.add(key)
            raise KilledError

    def progress(tx: object, told: store.Progress) -> None:
        put_progress(tx, told)  # type: ignore[arg-type]
        once(told)

    def delete(tx: object, device: int, until: int) -> int:
        gone = delete_polls(tx, device, until)  # type: ignore[arg-type]
        once(until)
        return gone

    monkeypatch.setattr(store, "put_progress", progress)
    monkeypatch.setattr(store, "delete_polls", delete)
    while True:
        try:
            thin(network)
        except KilledError:
            continue
        break
    assert len(failed) > 4
    with network.read() as tx:
        after = (samples.hours(tx, 1, begin), samples.days(tx, 1, begin), samples.block_days(tx, 1, begin))
    assert after == before


def test_hours_survive_a_clock_that_is_set_back(network: Database, clock: ManualClock) -> None:
    give(network)
    begin = clock.now()
    fill(network, clock, 12)
    clock.advance(61)
    thin(network)
    clock.jump(-7200)
    record(network, "bng1", reading(network, b1=200))
    clock.jump(7200)
    with network.read() as tx:
        assert [hour.peak for hour in samples.hours(tx, 1, begin)] == [6, 200, 14]
    thin(network)
    with network.read() as tx:
        assert [hour.peak for hour in samples.hours(tx, 1, begin)] == [6, 200, 14]


def test_nothing_is_thinned_by_a_clock_that_jumped(network: Database, clock: ManualClock) -> None:
    give(network)
    fill(network, clock, 12)
    thin(network)
    clock.jump(400 * 86400)
    assert thin(network).samples == 0
    with network.read() as tx:
        assert len(samples.recent(tx, 1, 0)) == 12


def test_a_step_is_short(network: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    give(network)
    monkeypatch.setattr(thinning, "_STRETCH", HOUR)
    fill(network, clock, 96 + 24)
    clock.advance(61)
    done = thin(network)
    assert done.steps >= 30 + 6
    assert done.samples == 25


def test_the_samples_of_a_device_pool_go_with_it(network: Database, clock: ManualClock) -> None:
    configure(network, AddDevicePool("bng1/gone", ("p",), 24))
    told = PoolReading(3, "", 1, 10)
    record(network, "bng1", Accepted(DeviceReading("bng1", COUNT, POLL, Micros(0), (told,))))
    clock.advance(86400)
    thin(network)
    configure(network, RemoveDevicePool("bng1/gone"))
    with network.read() as tx:
        assert tx.one("SELECT COUNT(*) FROM usage_hours")[0] == 0


def test_a_reading_that_is_not_believed_is_told_once_until_one_is(
    network: Database, clock: ManualClock
) -> None:
    give(network)
    record(network, "bng1", reading(network, b1=5))
    wrong = Refused("bng1", "above-capacity", "bng1 told 300 in use of b1, which has 256")
    told = [
        refuse(network, wrong),
        refuse(network, wrong),
        refuse(network, Refused("bng1", "missing-blocks", "b1 is left out")),
        refuse(network, Refused("bng1", "stale", "said before", grave=False)),
    ]
    assert told == [True, False, True, False]
    with network.read() as tx:
        events = [event for event in list_events(tx) if event.verb == samples.REFUSED]
        last = samples.last_reading(tx, "bng1")
        assert len(samples.recent(tx, 1, 0)) == 1
    assert sorted((event.subject, event.target) for event in events) == [
        ("bng1", "above-capacity"),
        ("bng1", "missing-blocks"),
    ]
    assert last is not None
    assert last.pools[0].used == 5
    record(network, "bng1", reading(network, b1=6))
    assert refuse(network, wrong)


def test_a_clock_that_was_set_is_what_the_next_reading_is_judged_by(
    network: Database, clock: ManualClock
) -> None:
    give(network)
    record(network, "bng1", reading(network, b1=5))
    now = reading(network, b1=5).reading
    new = replace(now, sampled_at=Micros(now.at - 7200 * SECOND - 3), booted_at=None)
    assert refuse(network, Refused("bng1", "clock-jump", "back", renewed=new))
    with network.read() as tx:
        last = samples.last_reading(tx, "bng1")
    assert last is not None
    assert (last.sampled_at, last.booted_at, last.pools[0].used) == (new.sampled_at, 1, 5)


def test_before_any_reading_a_refused_one_is_told_too(network: Database) -> None:
    assert refuse(network, Refused("bng1", "impossible-value", "NaN"))
    assert not refuse(network, Refused("bng1", "impossible-value", "NaN"))
    with network.read() as tx:
        assert samples.last_reading(tx, "bng1") is None


def test_a_sample_of_a_device_that_is_polled_rarely_stands_for_longer(
    network: Database, clock: ManualClock
) -> None:
    give(network)
    with network.write() as tx:
        tx.run("UPDATE device SET poll_interval = 3600 WHERE id = 1")
    begin = clock.now()
    for _ in range(4):
        record(network, "bng1", reading(network, b1=10))
        clock.advance(3600)
    with network.read() as tx:
        assert [hour.covered for hour in samples.hours(tx, 1, begin)] == [100] * 4
    clock.advance(61)
    thin(network)
    with network.read() as tx:
        assert [hour.covered for hour in samples.hours(tx, 1, begin)] == [100] * 4


def test_a_device_that_tells_nothing_has_no_samples_but_a_start(network: Database) -> None:
    record(network, "bng1", Accepted(DeviceReading("bng1", NONE, POLL, Micros(0), (), booted_at=Micros(7))))
    with network.read() as tx:
        last = samples.last_reading(tx, "bng1")
        assert tx.one("SELECT COUNT(*) FROM usage_poll")[0] == 0
    assert last is not None
    assert (last.booted_at, last.pools) == (7, ())
