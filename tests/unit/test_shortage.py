"""`casm scarcity` and `casm defragment`: plans from what the store knows, and releasing what they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from typer.testing import CliRunner

from casm_ctrl.base.clock import ManualClock, Micros
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.base.readings import COUNT, POLL, Accepted, BlockReading, DeviceReading, PoolReading
from casm_ctrl.cli.main import app
from casm_ctrl.control.shortage import plan_clearing, plan_scarcity, to_release
from casm_ctrl.netconf.names import Element, local_name
from casm_ctrl.northbound import verbs as northbound_verbs
from casm_ctrl.northbound.access.questions import Questions
from casm_ctrl.northbound.models import Models
from casm_ctrl.northbound.verbs.context import VerbContext
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool, AddPool
from casm_ctrl.service.first_access import first_documents
from casm_ctrl.service.samples import record
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.migrate import create_store
from tests.allocation_world import ME, configure
from tests.verbs_world import StrictWriter, Verbs, text

SCHEMAS = Path(__file__).parents[2] / "docs" / "json"


def count(database: Database, clock: ManualClock, device: str, pools: dict[str, dict[int, int]]) -> None:
    """The device counts so many in each block of its device pools, twice."""
    with database.read() as tx:
        ids = {row[0]: row[1] for row in tx.all("SELECT name, id FROM device_pool")}
    for _ in range(2):
        clock.advance(60)
        told = tuple(
            PoolReading.of_blocks(
                ids[name],
                f"{device}/{name}",
                [BlockReading(block, used, 253) for block, used in blocks.items()],
            )
            for name, blocks in pools.items()
        )
        now = clock.now()
        record(
            database,
            device,
            Accepted(DeviceReading(device, COUNT, POLL, now, told, now, booted_at=Micros(1))),
        )


@pytest.fixture
def empty(network: Database, clock: ManualClock) -> Database:
    """Pool q, a /22: three of its /24 are bng1's, and all but idle; one is bng2's, and full. Nothing is left."""
    configure(
        network,
        AddPool("q", "s", ("10.1.0.0/22",), quarantine=3600, lease_time=86400),
        AddDevicePool("bng1/rich", ("q",), 24),
        AddDevicePool("bng2/poor", ("q",), 24),
    )
    allocate(network, ME, "bng1/rich", count=3)
    allocate(network, ME, "bng2/poor", count=1)
    with network.read() as tx:
        ids = [row[0] for row in tx.all("SELECT id FROM block ORDER BY id")]
    network.run(lambda tx: tx.run("UPDATE block SET state = 'installed', sent = 1"))
    count(network, clock, "bng1", {"rich": dict(zip(ids[:3], (40, 2, 7), strict=True))})
    count(network, clock, "bng2", {"poor": {ids[3]: 253}})
    return network


def test_who_is_idle_gives_to_who_is_full(empty: Database) -> None:
    plan = plan_scarcity(empty, "q")
    [move] = plan["move"]
    assert (move["from"], move["to"], move["subscribers"], move["refused"]) == (
        "bng1/rich",
        "bng2/poor",
        "2",
        "0",
    )
    assert move["rule"] == "idle"
    shares = {share["device-pool"]: share for share in plan["share"]}
    assert int(shares["bng2/poor"]["would-serve"]) > int(shares["bng2/poor"]["serves"])
    assert to_release(plan) == [move["block"]]


def test_where_nobody_is_short_there_is_nothing_to_move(network: Database) -> None:
    assert plan_scarcity(network, "p")["move"] == []


def test_a_pool_that_nobody_draws_from_has_no_plan(network: Database) -> None:
    configure(network, AddPool("lonely", "s", ("10.9.0.0/24",), quarantine=0, lease_time=0))
    assert plan_scarcity(network, "lonely")["share"] == []


def test_the_place_with_the_fewest_subscribers_is_cleared(empty: Database) -> None:
    plan = plan_clearing(empty, "q", 23)
    found = plan["clearing"]
    assert found["prefix"] == "10.1.0.0/23"
    assert found["subscribers"] == "42"
    assert [piece["subscribers"] for piece in found["drain"]] == ["40", "2"]
    assert [other["prefix"] for other in found["other"]] == ["10.1.2.0/23"]
    assert to_release(plan) == [piece["block"] for piece in found["drain"]]


def test_what_nobody_counts_is_not_cleared(network: Database) -> None:
    configure(
        network,
        AddPool("q", "s", ("10.1.0.0/23",), quarantine=0, lease_time=0),
        AddDevicePool("bng1/rich", ("q",), 24),
    )
    allocate(network, ME, "bng1/rich", count=1)
    network.run(lambda tx: tx.run("UPDATE block SET state = 'installed', sent = 1"))
    plan = plan_clearing(network, "q", 23)
    assert "clearing" not in plan
    assert "not counted" in plan["kept"][0]["reason"]


def test_what_was_never_sent_costs_nothing(network: Database) -> None:
    configure(
        network,
        AddPool("q", "s", ("10.1.0.0/23",), quarantine=0, lease_time=0),
        AddDevicePool("bng1/rich", ("q",), 24),
    )
    allocate(network, ME, "bng1/rich", count=1)
    assert plan_clearing(network, "q", 23)["clearing"]["subscribers"] == "0"


@pytest.mark.parametrize("length", [21, 33, 0])
def test_a_length_that_the_pool_does_not_hold_is_refused(empty: Database, length: int) -> None:
    with pytest.raises(InvalidValue, match="its largest is a /22: give 22 to 32"):
        plan_clearing(empty, "q", length)


def test_an_unknown_pool_is_refused(network: Database) -> None:
    with pytest.raises(NotFound):
        plan_scarcity(network, "none")
    with pytest.raises(NotFound):
        plan_clearing(network, "none", 24)


# --- The commands ---------------------------------------------------------------------------------


def casm(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), prog_name="casm")


def answer(name: str, *arguments: str) -> dict[str, Any]:
    """What the command says under --json, held against its schema."""
    ended = casm("--json", name, *arguments)
    assert ended.exit_code == 0, ended.output
    common = json.loads((SCHEMAS / "common.schema.json").read_text())
    registry: Registry[Any] = Registry().with_resource("common.schema.json", Resource.from_contents(common))
    document: dict[str, Any] = json.loads(ended.stdout)
    Draft202012Validator(
        json.loads((SCHEMAS / f"{name}.schema.json").read_text()), registry=registry
    ).validate(document)
    found = document[name]
    assert isinstance(found, dict)
    return found


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A pool of four blocks, all given away and installed, counted: 40, 2 and 7 in bng1's, and bng2's is full."""
    path = str(tmp_path / "cli.db")
    monkeypatch.setenv("CASM_DATABASE", path)
    device = "--role bng --driver ietf-address-pool --user u --credential env:PW --host"
    for line in (
        "init",
        "space add s",
        "pool add q --space s --prefix 10.1.0.0/22",
        f"device add bng1 {device} 192.0.2.1",
        f"device add bng2 {device} 192.0.2.2",
        "device-pool add bng1/rich --pool q --length 24",
        "device-pool add bng2/poor --pool q --length 24",
        "allocate bng1/rich --count 3",
        "allocate bng2/poor",
    ):
        assert casm(*line.split()).exit_code == 0
    database = open_database(path)
    database.run(lambda tx: tx.run("UPDATE block SET state = 'installed', sent = 1"))
    clock = ManualClock()
    count(database, clock, "bng1", {"rich": {1: 40, 2: 2, 3: 7}})
    count(database, clock, "bng2", {"poor": {4: 253}})
    database.close()


@pytest.mark.usefixtures("store")
def test_a_plan_changes_nothing_until_it_is_released() -> None:
    assert answer("scarcity", "q")["move"][0]["block"] == "b2"
    assert "Nothing was changed" in casm("scarcity", "q").stdout
    assert json.loads(casm("--json", "block", "show", "b2").stdout)["block"]["wanted"] == "present"
    assert answer("scarcity", "q", "--release")["released"] == ["b2"]
    assert json.loads(casm("--json", "block", "show", "b2").stdout)["block"]["wanted"] == "absent"


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("words", [("scarcity", "q"), ("defragment", "q", "--length", "23")])
def test_a_repeated_release_answers_the_first_plan_and_releases_nothing_more(words: tuple[str, ...]) -> None:
    first = answer(*words, "--release", "--request-id", "order-1")
    assert answer(*words, "--release", "--request-id", "order-1") == first
    listed = json.loads(casm("--json", "block", "list").stdout)["block"]
    assert [block["id"] for block in listed if block["wanted"] == "absent"] == first["released"]
    other = casm("defragment", "q", "--length", "24", "--release", "--request-id", "order-1")
    assert other.exit_code == 1
    assert "was used by" in other.stderr


@pytest.mark.usefixtures("store")
def test_a_place_is_cleared() -> None:
    assert answer("defragment", "q", "--length", "23")["clearing"]["subscribers"] == "42"
    told = casm("defragment", "q", "--length", "23", "--release", "--reason", "a /23 for bng7").stdout
    assert "Released b1, b2" in told
    assert "casm apply" in told
    blocks = [
        json.loads(casm("--json", "block", "show", name).stdout)["block"] for name in ("b1", "b2", "b3")
    ]
    assert [block["wanted"] for block in blocks] == ["absent", "absent", "present"]


@pytest.mark.usefixtures("store")
def test_what_cannot_be_cleared_says_why() -> None:
    assert casm("pool", "reserve", "q", "10.1.0.0/28").exit_code in (0, 1)
    ended = casm("defragment", "q", "--length", "20")
    assert ended.exit_code == 1
    assert ended.stderr.count("\n") == 1


# --- Over NETCONF ---------------------------------------------------------------------------------


@pytest.fixture
def verbs(empty: Database, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    monkeypatch.setattr(northbound_verbs, "OutputWriter", StrictWriter)
    return Verbs(VerbContext(empty))


def check_same(element: Element, document: dict[str, Any]) -> None:
    """The element says what the document does, and nothing else."""
    found: dict[str, list[Element]] = {}
    for child in element:
        found.setdefault(local_name(child), []).append(child)
    assert set(found) == {name for name, value in document.items() if value != []}
    for name, children in found.items():
        value = document[name]
        for child, one in zip(children, value if isinstance(value, list) else [value], strict=True):
            if isinstance(one, dict):
                check_same(child, one)
            else:
                assert child.text == str(one)


def test_an_rpc_gives_the_plan_of_scarcity(verbs: Verbs, empty: Database) -> None:
    [answer] = verbs.call("plan-scarcity", "<pool>q</pool>")
    plan = plan_scarcity(empty, "q")
    assert plan["move"]
    check_same(answer, plan)
    [unmoved] = verbs.call("plan-scarcity", "<pool>p</pool>")
    check_same(unmoved, plan_scarcity(empty, "p"))


@pytest.mark.parametrize("length", [22, 23, 24])
def test_an_rpc_gives_the_plan_of_a_clearing(verbs: Verbs, empty: Database, length: int) -> None:
    [answer] = verbs.call("plan-defragmentation", f"<pool>q</pool><length>{length}</length>")
    plan = plan_clearing(empty, "q", length)
    assert plan["clearing"]["drain"]
    check_same(answer, plan)


def test_an_rpc_tells_what_stands_against_a_clearing(verbs: Verbs, empty: Database) -> None:
    allocate(empty, ME, "bng1/internet", length=16)
    empty.run(lambda tx: tx.run("UPDATE block SET state = 'installed', sent = 1"))
    [answer] = verbs.call("plan-defragmentation", "<pool>p</pool><length>24</length>")
    plan = plan_clearing(empty, "p", 24)
    assert plan["kept"]
    check_same(answer, plan)


def test_the_rpcs_only_read(verbs: Verbs, empty: Database) -> None:
    """Release does what they plan."""
    with empty.read() as tx:
        before = tx.all("SELECT * FROM block"), tx.all("SELECT * FROM event")
    [plan] = verbs.call("plan-scarcity", "<pool>q</pool>")
    verbs.call("plan-defragmentation", "<pool>q</pool><length>23</length>")
    with empty.read() as tx:
        assert (tx.all("SELECT * FROM block"), tx.all("SELECT * FROM event")) == before
    block = text(plan, "move/block")
    released = verbs.call("release", f"<block>{block}</block>")
    assert (text(released, "block/id"), text(released, "block/wanted")) == (block, "absent")


def test_everybody_may_plan_in_a_new_store(tmp_path: Path) -> None:
    database, _ = create_store(str(tmp_path / "new.db"), documents=first_documents())
    try:
        questions = Questions(database, Models())
        for name in ("plan-scarcity", "plan-defragmentation"):
            assert questions.ask("anna", name, None).document()["permitted"] is True
    finally:
        database.close()
