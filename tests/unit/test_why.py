"""Why blocks come and go: the record of each decision as people and programs read it (promise 6)."""

from __future__ import annotations

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.service import decisions
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.decisions import DONE, NOTHING, Made
from casm_ctrl.service.lookup import the_block, the_device_pool
from casm_ctrl.service.release import force_release
from casm_ctrl.service.rest import sweep_store
from casm_ctrl.service.why import why
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author

ME = Author("tester", reason="wanted")
HOME = "bng1/internet"
READINGS = [{"at": "2026-11-23T17:00:00.000000Z", "source": "poll", "used": 204, "capacity": 254}]
CANDIDATES = (
    {"block": "b1", "prefix": "10.0.0.0/24", "used": 0, "routes-after": 1, "chosen": True},
    {"block": "b2", "prefix": "10.0.1.0/24", "used": 7, "routes-after": 1, "chosen": False},
)


def _made(database: Database, action: str = NOTHING, rule: str = "between-marks", **more: object) -> Made:
    with database.read() as tx:
        row = the_device_pool(tx, HOME)
    values = {"because": "204 of 254 in use (80 %)", "inputs": {"used": 204, "readings": READINGS}} | more
    return Made(row.id, row.label, row.device_id, action, rule, **values)  # type: ignore[arg-type]


def _decide(database: Database, made: Made, *, acted: bool = False) -> int:
    return database.run(lambda tx: decisions.record(tx, made, acted=acted))


def _blocks(database: Database, count: int = 1) -> list[tuple[int, int]]:
    """(block, pool) pairs of new blocks."""
    made = allocate(database, ME, HOME, count=count)["block"]
    with database.read() as tx:
        rows = [the_block(tx, block["id"]) for block in made]
    return [(row.id, row.pool_id) for row in rows]


def test_what_was_decided_is_told_with_all_that_it_was_decided_by(network: Database) -> None:
    blocks = _blocks(network, 2)
    made = _made(network, "drain", "idle", candidates=CANDIDATES, blocks=blocks[:1])
    number = _decide(network, made, acted=True)
    network.run(lambda tx: decisions.settle(tx, number, DONE, "seen on bng1"))
    (told,) = why(network, HOME)["decision"]
    assert (told["action"], told["rule"], told["because"]) == ("drain", "idle", "204 of 254 in use (80 %)")
    assert (told["outcome"], told["outcome-words"]) == ("done", "seen on bng1")
    assert told["done"] == told["first"]
    assert told["block"] == [{"id": f"b{blocks[0][0]}", "prefix": "10.0.0.0/24"}]
    assert told["reading"] == [{**READINGS[0], "used": "204", "capacity": "254"}]
    assert told["input"] == [{"name": "used", "text": "204"}]
    assert [each["chosen"] for each in told["candidate"]] == [True, False]
    assert {"name": "routes-after", "text": "1"} in told["candidate"][0]["value"]


def test_nothing_that_is_decided_again_is_counted(network: Database, clock: ManualClock) -> None:
    for _ in range(312):
        _decide(network, _made(network))
        clock.advance(30)
    _decide(network, _made(network, rule="hold", blocked_by="hold"))
    newest, oldest = why(network, HOME)["decision"]
    assert (oldest["times"], oldest["action"]) == ("312", "nothing")
    assert oldest["first"] < oldest["last"]
    assert (newest["blocked-by"], newest["times"]) == ("hold", "1")
    assert len(why(network, HOME, last=1)["decision"]) == 1


def test_a_block_is_found_by_id_and_prefix_also_when_it_is_free_again(
    network: Database, clock: ManualClock
) -> None:
    (block,) = _blocks(network)
    _decide(network, _made(network, "grow", "threshold", blocks=[block]), acted=True)
    for name in (f"b{block[0]}", "10.0.0.0/24"):
        told = why(network, name)
        assert told["subject"]["device-pool"] == HOME
        assert told["subject"]["state"] == "reserved"
        assert told["subject"]["origin"]["actor"] == "tester"
        assert [decision["action"] for decision in told["decision"]] == ["grow"]
    force_release(network, ME, [f"b{block[0]}"])
    clock.advance(7 * 86_400)
    sweep_store(network)
    for name in (f"b{block[0]}", "10.0.0.0/24"):
        told = why(network, name)
        assert told["subject"]["state"] == "free"
        assert told["decision"][0]["block"] == [{"id": f"b{block[0]}", "prefix": "10.0.0.0/24"}]


def test_a_block_that_a_person_made_has_an_origin_and_no_decisions(network: Database) -> None:
    (block,) = _blocks(network)
    told = why(network, f"b{block[0]}")
    assert told["decision"] == []
    assert told["subject"]["origin"]["verb"] == "allocate"


@pytest.mark.parametrize("name", ["bng1", "all", ""])
def test_what_is_no_name_of_either_is_refused(network: Database, name: str) -> None:
    with pytest.raises(InvalidValue, match="neither a block nor a device pool: name a block by its id"):
        why(network, name)


@pytest.mark.parametrize("name", ["b99", "10.9.0.0/24", "bng1/other", "2001:db8::/48"])
def test_what_nobody_knows_is_not_there(network: Database, name: str) -> None:
    with pytest.raises(NotFound):
        why(network, name)
