"""What `casm usage` tells: the last sample, averages and peaks, gaps, and a picture of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from casm_ctrl.base.clock import SECOND, ManualClock, Micros
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.base.readings import (
    COUNT,
    PERCENT,
    POLL,
    Accepted,
    BlockReading,
    DeviceReading,
    PoolReading,
    Refused,
)
from casm_ctrl.control.usage.picture import draw
from casm_ctrl.service import samples
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool, AddGroup
from casm_ctrl.service.thinning import thin
from casm_ctrl.service.usage_report import usage_report
from casm_ctrl.store import clock_watch
from casm_ctrl.store import samples as store
from casm_ctrl.store.database import Database
from casm_ctrl.store.sample_rows import PollRow
from tests.allocation_world import ME, configure, give

DOCS = Path(__file__).parents[2] / "docs" / "json"
DAY = 86400


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(19_676 * DAY * SECOND)


def keep(database: Database, used: int, device: str = "bng1", pool: int = 1, block: int = 1) -> None:
    told = PoolReading.of_blocks(pool, "", [BlockReading(block, used, 254)], 3)
    samples.record(
        database, device, Accepted(DeviceReading(device, COUNT, POLL, database.clock.now(), (told,)))
    )


@pytest.fixture
def watched(network: Database, clock: ManualClock) -> Database:
    """b1 of bng1/internet, counted every ten minutes for two days, but not in six hours of the second."""
    with network.write() as tx:
        clock_watch.accept(tx)
    give(network)
    with network.write() as tx:
        for number in range(288):
            if not 180 <= number < 216:
                told = PoolReading.of_blocks(1, "", [BlockReading(1, 100 + number % 144 // 2, 254)], 3)
                row = PollRow(Micros(tx.now + number * 600 * SECOND), POLL, COUNT, (told,), {})
                store.insert_poll(tx, 1, row)
        store.put_last(tx, 1, row, None)
        store.note_owners(tx, [1], tx.now)
    clock.advance(288 * 600)
    thin(network)
    return network


def told(database: Database, *subjects: str, **asked: Any) -> dict[str, Any]:
    found = usage_report(database, subjects, since=asked.pop("since", 7 * DAY), **asked).document()
    return {pool["device-pool"]: pool for pool in found["device-pool"]}


def test_a_device_pool_is_told_with_its_average_and_peak(watched: Database) -> None:
    pool = told(watched, "bng1/internet")["bng1/internet"]
    assert (pool["kind"], pool["used"], pool["capacity"], pool["percent"]) == ("count", "171", "254", 67)
    assert pool["peak"] == "171"
    assert [span["peak"] for span in pool["span"]] == ["171", "171"]
    assert [span["covered"] for span in pool["span"]] == [100, 75]
    [block] = pool["block"]
    assert (block["id"], block["prefix"], block["used"], block["peak"]) == ("b1", "10.0.0.0/24", "171", "171")


def test_hours_that_nobody_saw_are_left_out(watched: Database) -> None:
    pool = told(watched, "bng1", since=2 * DAY, step="hour")["bng1/internet"]
    assert len(pool["span"]) == 42
    begins = [span["begin"][11:13] for span in pool["span"][24:]]
    assert begins == ["00", "01", "02", "03", "04", "05", *(f"{hour:02}" for hour in range(12, 24))]


def test_what_is_named_is_told(watched: Database) -> None:
    assert set(told(watched)) == {"bng1/internet", "bng2/internet"}
    assert set(told(watched, "bng2")) == {"bng2/internet"}
    assert set(told(watched, "p")) == {"bng1/internet", "bng2/internet"}
    empty = told(watched, "bng2")["bng2/internet"]
    assert (empty["span"], empty["block"], "used" in empty) == ([], [], False)
    with pytest.raises(NotFound, match="'nobody' is no device pool, device or pool"):
        told(watched, "nobody")
    for since in (0, 3661 * 86400):
        with pytest.raises(InvalidValue, match="give 1s to 3660d"):
            told(watched, since=since)


def test_why_readings_are_not_believed_is_told(watched: Database) -> None:
    watched.run(lambda tx: samples.refuse_in(tx, "bng1", Refused("bng1", "above-capacity", "300 of 254")))
    assert told(watched)["bng1/internet"]["not-believed"] == ["above-capacity"]
    keep(watched, 5)
    assert told(watched)["bng1/internet"]["not-believed"] == []


def test_members_of_a_group_are_summed(watched: Database) -> None:
    configure(
        watched,
        AddGroup("pair", (("bng1", "serves"), ("bng2", "serves"))),
        AddDevicePool("bng1/both", ("p",), 24, group="pair"),
    )
    allocate(watched, ME, "bng1/both")
    keep(watched, 5, "bng1", 3, 2)
    keep(watched, 7, "bng2", 3, 2)
    pool = told(watched, "bng1/both")["bng1/both"]
    assert (pool["used"], pool["block"][0]["used"]) == ("12", "12")


def test_the_answer_is_as_its_schema_says(watched: Database) -> None:
    told_shares = PoolReading(2, "", 40, 100, (BlockReading(9, 40, 100),))
    shares = DeviceReading("bng2", PERCENT, POLL, Micros(0), (told_shares,))
    samples.record(watched, "bng2", Accepted(shares))
    schema = json.loads((DOCS / "usage.schema.json").read_text())
    common = json.loads((DOCS / "common.schema.json").read_text())
    from referencing import Registry, Resource

    registry = Registry().with_resources([("common.schema.json", Resource.from_contents(common))])
    validator = Draft202012Validator(schema, registry=registry)
    for step in ("hour", "day"):
        document = usage_report(watched, since=7 * DAY, step=step).document()
        validator.validate({"casm": 1, "usage": document})


@pytest.mark.parametrize("name", ["usage.svg", "usage.png"])
def test_it_is_drawn(watched: Database, tmp_path: Path, name: str) -> None:
    report = usage_report(watched, since=2 * DAY, step="hour")
    assert draw(report, tmp_path / name) == ["bng1/internet"]
    assert (tmp_path / name).stat().st_size > 5000


def test_nothing_is_drawn_of_nothing(network: Database, tmp_path: Path) -> None:
    report = usage_report(network, since=DAY)
    with pytest.raises(InvalidValue, match="nothing to draw"):
        draw(report, tmp_path / "none.svg")
