"""`casm why` and `casm alarms` as people read them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from typer.testing import CliRunner

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.cli.main import app
from casm_ctrl.service import decisions
from casm_ctrl.service.alarms import of_device, of_device_pool, raise_alarm
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, change
from casm_ctrl.service.decisions import Made
from casm_ctrl.service.lookup import the_device_pool
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from casm_ctrl.store.transaction import Transaction

SCHEMAS = Path(__file__).parents[2] / "docs" / "json"
ME = Author("alice")
READING = {"at": "2026-11-23T17:00:00.000000Z", "source": "notice", "used": 204, "capacity": 254}


@pytest.fixture
def store(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A device pool about which nothing was decided 312 times, then a grow that was done, then one that was not."""
    monkeypatch.setenv("CASM_DATABASE", str(store_path))
    clock = ManualClock()
    database = open_database(str(store_path), clock)
    change(
        database,
        ME,
        [
            AddSpace("s"),
            AddPool("p", "s", ("10.0.0.0/20",)),
            AddDevice("bng1", "bng", "ietf-address-pool", "127.0.0.1", 9, "u", "env:X", "s"),
            AddDevicePool("bng1/home", ("p",), 24),
        ],
    )
    allocate(database, ME, "bng1/home")
    with database.read() as tx:
        row = the_device_pool(tx, "bng1/home")
    inputs = {"used": 204, "capacity": 254, "grow-at": 80, "readings": [READING]}

    def record(action: str, rule: str, words: str, *, acted: bool = False, **more: object) -> None:
        made = Made(row.id, row.label, row.device_id, action, rule, words, inputs=inputs, **more)  # type: ignore[arg-type]
        database.run(lambda tx: decisions.record(tx, made, acted=acted))
        clock.advance(30)

    for _ in range(312):
        record("nothing", "between-marks", "150 of 254 in use (59 %)")
    choices = (
        {"length": 24, "blocks": 1, "free": 15, "chosen": True},
        {"length": 25, "blocks": 2, "free": 30, "chosen": False},
    )
    record("grow", "threshold", "two readings say 81 %", acted=True, candidates=choices, blocks=[(1, 1)])
    record("grow", "threshold", "two readings say 81 %", would=True)
    record("nothing", "hold", "it is held", blocked_by="hold")
    return database


def _run(line: str) -> str:
    ended = CliRunner().invoke(app, line.split(), prog_name="casm")
    assert ended.exit_code == 0, ended.stderr
    return ended.stdout


def test_a_story_is_told_from_the_oldest_on(store: Database) -> None:
    told = _run("why bng1/home")
    heads = re.findall(r"^2023\S+ \S+  (.*)$", told, re.MULTILINE)
    assert [re.sub("since .*", "since", head) for head in heads] == [
        "did nothing (312 times since",
        "added blocks",
        "would add blocks (the policy only observes)",
        "was kept back",
    ]
    assert "204 of 254 at 2026-11-23 17:00:00Z (notice)" in told
    assert re.search(r"kept back by +hold", told)
    assert re.search(r"CHOSEN +LENGTH +BLOCKS +FREE\n +→ +24 +1 +15\n +- +25 +2 +30", told)
    assert "grow-at 80" in told
    assert "did nothing" not in _run("why bng1/home --last 3")


def test_a_block_tells_who_made_it(store: Database) -> None:
    told = _run("why 10.0.0.0/24")
    assert told.startswith("b1 10.0.0.0/24 of bng1/home: reserved since")
    assert "made by alice, allocate" in told
    assert "added blocks" in told


def test_a_story_has_its_schema(store: Database) -> None:
    registry = Registry().with_resources(
        (path.name, Resource.from_contents(json.loads(path.read_text())))
        for path in SCHEMAS.glob("*.schema.json")
    )
    schema = json.loads((SCHEMAS / "why.schema.json").read_text())
    for line in ("why bng1/home --json", "why b1 --json"):
        document = json.loads(_run(line))
        Draft202012Validator(schema, registry=registry).validate(document)
        assert document["why"]["decision"]


def test_alarms_are_listed_the_worst_first_and_counted(store: Database) -> None:
    assert _run("alarms") == "No alarms.\n"
    assert re.search(r"^alarms +none$", _run("status"), re.MULTILINE)

    def body(tx: Transaction) -> None:
        raise_alarm(tx, of_device("bng1"), "drift", "minor", "an entry is gone")
        raise_alarm(tx, of_device_pool("bng1/home"), "pool-exhausted", "critical", "12 wait")

    store.run(body)
    rows = _run("alarms").splitlines()
    assert [row.split()[:5] for row in rows[1:]] == [
        ["a2", "critical", "pool-exhausted", "device-pool", "bng1/home"],
        ["a1", "minor", "drift", "device", "bng1"],
    ]
    assert re.search(r"^alarms +1 critical, 1 minor: see 'casm alarms'$", _run("status"), re.MULTILINE)
    assert "\x1b" not in "".join(rows), "colours are for terminals"
    assert len(_run("alarms --type drift").splitlines()) == 2
    _run("alarms shelve card --device bng1")
    assert _run("alarms") == "No alarms.\n2 alarms on shelves: see 'casm alarms --shelved'.\n"
    assert "card" in _run("alarms --shelved")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("alarms --device bng7", "there is no device 'bng7'"),
        ("alarms purge", "which ones is not said: give --cleared, --closed or --older-than TIME (0: all)"),
        ("alarms purge --shelved", "which ones is not said"),
        (
            "alarms shelve a1 --description mine",
            "the shelf a1 would put all alarms away: say which: --device, ",
        ),
        ("alarms --type pool-full", "'pool-full' is no type of alarm: use pool-low, "),
    ],
)
def test_what_is_asked_of_no_alarm_or_of_all_is_refused(store: Database, line: str, words: str) -> None:
    ended = CliRunner().invoke(app, line.split(), prog_name="casm")
    assert ended.exit_code == 1
    assert words in ended.stderr


def test_all_alarms_can_be_put_away_and_deleted_by_who_says_so(store: Database) -> None:
    store.run(lambda tx: raise_alarm(tx, of_device("bng1"), "drift", "minor", "an entry is gone"))
    assert _run("alarms shelve all --resource //*") == "1 alarm on the shelf all.\n"
    assert _run("alarms purge --shelved --older-than 0") == "1 alarm deleted.\n"


def test_alarms_of_a_device_that_was_removed_are_told(store: Database) -> None:
    store.run(lambda tx: raise_alarm(tx, of_device("gone"), "drift", "minor", "an entry is gone"))
    assert "an entry is gone" in _run("alarms --device gone")
