"""`casm forecast` and read-forecast: from samples in the store to device pools, pools and spaces."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from typer.testing import CliRunner

from casm_ctrl.base.clock import SECOND, ManualClock, Micros, from_rfc3339
from casm_ctrl.base.errors import NotFound
from casm_ctrl.base.readings import COUNT, POLL, Accepted, BlockReading, DeviceReading, PoolReading
from casm_ctrl.cli.main import app
from casm_ctrl.control.forecast.growth import Growth
from casm_ctrl.control.forecast.outlook import look_ahead
from casm_ctrl.control.forecast.pattern import DAY
from casm_ctrl.service.samples import record
from casm_ctrl.store.database import Database, open_database
from tests.allocation_world import give

SCHEMAS = Path(__file__).parents[2] / "docs" / "json"


def fill(database: Database, clock: ManualClock, days: int) -> None:
    """Two blocks of 256 that fill up by 4 a day from 200 on, read each hour; a fifth more from 18 to 22 UTC."""
    give(database, count=2)
    for hour in range(days * 24):
        clock.advance(3600)
        evening = 1.2 if 18 <= clock.now() // (3600 * SECOND) % 24 < 22 else 1.0
        used = round((200 + 4 * hour / 24) * evening)
        blocks = [BlockReading(1, min(used, 256), 256), BlockReading(2, max(0, used - 256), 256)]
        told = PoolReading.of_blocks(1, "bng1/internet", blocks)
        now = clock.now()
        reading = DeviceReading("bng1", COUNT, POLL, now, (told,), now, booted_at=Micros(1))
        record(database, "bng1", Accepted(reading))


def of_pool(document: dict[str, Any]) -> dict[str, Any]:
    [found] = [one for one in document["device-pool"] if one["device-pool"] == "bng1/internet"]
    assert isinstance(found, dict)
    return found


def test_a_device_pool_runs_dry_when_growth_meets_its_blocks(network: Database, clock: ManualClock) -> None:
    fill(network, clock, 21)
    plain = of_pool(look_ahead(network, days=90).document())
    assert (plain["pattern"], plain["blocks"]) == ("week", 2)
    assert int(plain["capacity"]) > 500
    # 1.2 * (200 + 4 * day) is 508 on day 56.
    assert abs(from_rfc3339(plain["exhausted"]) - (clock.now() + 35 * DAY)) < 4 * DAY
    assert plain["earliest"] <= plain["exhausted"] <= plain["latest"]
    assert float(plain["growth-per-week"]) == pytest.approx(28 / 284 * 100, rel=0.2)

    more = of_pool(look_ahead(network, days=90, growths=[Growth.parse("bng1:+30%")]).document())
    others = of_pool(look_ahead(network, days=90, growths=[Growth.parse("bng2:+30%")]).document())
    assert more["exhausted"] < plain["exhausted"] == others["exhausted"]
    assert int(more["expected-peak"]) == pytest.approx(1.3 * int(plain["expected-peak"]), abs=1)
    assert others["expected-peak"] == plain["expected-peak"]

    asked = look_ahead(network, ["bng1/internet"], days=30).document()
    assert [one["device-pool"] for one in asked["device-pool"]] == ["bng1/internet"]
    assert asked["pool"] == asked["address-space"] == []


def test_blocks_serve_what_the_device_tells(network: Database, clock: ManualClock) -> None:
    """Not what their configuration lets expect, 253 each: more than that may be in use."""
    fill(network, clock, 21)
    found = of_pool(look_ahead(network).document())
    assert (found["capacity"], found["blocks"]) == ("512", 2)


def test_a_name_that_nothing_has_is_refused(network: Database) -> None:
    with pytest.raises(NotFound, match="nothing-like-it"):
        look_ahead(network, ["nothing-like-it"])


def test_without_samples_nothing_is_said(network: Database) -> None:
    give(network)
    found = of_pool(look_ahead(network).document())
    assert found["pattern"] == "none"
    assert "exhausted" not in found


# --- The command ----------------------------------------------------------------------------------


@pytest.fixture
def weeks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A store in which the last weeks were counted."""
    path = str(tmp_path / "cli.db")
    monkeypatch.setenv("CASM_DATABASE", path)
    for line in (
        "init",
        "space add s",
        "pool add p --space s --prefix 10.0.0.0/16",
        "device add bng1 --role bng --driver ietf-address-pool --host 192.0.2.1 --user u --credential env:PW",
        "device-pool add bng1/internet --pool p --length 24",
    ):
        assert casm(*line.split()).exit_code == 0
    clock = ManualClock(time.time_ns() // 1000 - 15 * DAY)
    database = open_database(path, clock)
    fill(database, clock, 15)
    database.close()


def casm(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), prog_name="casm")


@pytest.mark.usefixtures("weeks")
def test_the_command_answers_by_its_schema_and_draws(tmp_path: Path) -> None:
    picture = tmp_path / "home.svg"
    ended = casm("--json", "forecast", "--plot", str(picture), "--growth", "all:+10%@30d")
    assert ended.exit_code == 0, ended.output
    document = json.loads(ended.stdout)
    assert document["forecast"]["picture"]["device-pool"] == ["bng1/internet"]
    assert b"<svg" in picture.read_bytes()
    registry: Registry[Any] = Registry().with_resource(
        "common.schema.json", Resource.from_contents(json.loads((SCHEMAS / "common.schema.json").read_text()))
    )
    schema = json.loads((SCHEMAS / "forecast.schema.json").read_text())
    Draft202012Validator(schema, registry=registry).validate(document)

    told = casm("forecast", "bng1", "--horizon", "52w").stdout
    assert "bng1/internet" in told
    assert "%/week" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--horizon", "10m"), "is 0 days"),
        (("--growth", "everybody"), "is not a growth"),
        (("--plot", "home.gif"), "no kind of picture"),
        (("--plot", "there/is/no/folder.svg"), "there is no 'there/is/no'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    ended = casm("forecast", *arguments)
    assert ended.exit_code == 1
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["nobody:+5%", "region=nowhere:+5%@2w"])
def test_a_growth_of_nothing_that_is_there_is_refused(network: Database, text: str) -> None:
    with pytest.raises(NotFound, match="is about no device pool"):
        look_ahead(network, growths=[Growth.parse("all:+1%"), Growth.parse(text)])
