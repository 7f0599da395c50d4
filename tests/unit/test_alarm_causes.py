"""Alarms of devices: raised and cleared by what the store is told of them."""

from __future__ import annotations

import pytest

from casm_ctrl.addressing.prefix import parse_range
from casm_ctrl.service import circuits, intent
from casm_ctrl.service.alarm_causes import note_drift
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.identity import hold_device
from casm_ctrl.service.observation import Sight, Sighting, observe
from casm_ctrl.store import alarms as store
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author

ME = Author("tester", reason="test")
PATH = "ipv4-address-range"


def _raised(database: Database) -> dict[str, str]:
    """Severity by type, of what is not cleared; all is of bng1 here."""
    with database.read() as tx:
        found = [alarm for alarm in store.list_alarms(tx) if not alarm.is_cleared]
    assert {alarm.resource for alarm in found} <= {"/casm-devices:devices/device[name='bng1']"}
    return {alarm.type_id: alarm.severity for alarm in found}


def _end(database: Database, state: str, error: str | None = None, *, silent: bool = False) -> None:
    lease = intent.claim_lease(database, "bng1", "tester", "the test")
    intent.record_result(database, lease, state, error, seen=error is None, silent=silent)
    intent.release_lease(database, lease)


def _look(database: Database, *sightings: Sighting) -> None:
    containers = tuple({("address-pool", s.keys[:1]) for s in sightings})
    lease = intent.claim_lease(database, "bng1", "tester", "the test")
    observe(database, ME, lease, Sight(sightings, containers, proof=True))
    intent.release_lease(database, lease)


def _sighting(name: str, text: str) -> Sighting:
    return Sighting(PATH, ("internet", name), parse_range(*text.split("-")))


def test_a_device_that_is_silent_run_after_run(network: Database) -> None:
    for severity in ("warning", "warning", "major", "major"):
        circuits.record_silence(network, "bng1", "connection refused", 0.0)
        assert _raised(network) == {"device-unreachable": severity}
    circuits.record_answer(network, "bng1")
    assert _raised(network) == {}


def test_a_run_that_was_refused(network: Database) -> None:
    _end(network, "failed", "the candidate is modified")
    assert _raised(network) == {"out-of-sync": "major"}
    _end(network, "in-sync")
    assert _raised(network) == {}


def test_a_device_that_did_not_answer_is_not_out_of_sync(network: Database) -> None:
    _end(network, "failed", "connection refused", silent=True)
    assert _raised(network) == {}


def test_a_device_that_is_another(network: Database) -> None:
    hold_device(network, ME, "bng1", serial="X1")
    assert _raised(network) == {"out-of-sync": "major"}


def test_a_drain_that_waits_is_no_alarm(network: Database) -> None:
    _end(network, "out-of-sync")
    assert _raised(network) == {}


@pytest.mark.parametrize("end", ["look", "run"])
def test_drift_that_a_look_found(network: Database, end: str) -> None:
    note_drift(network, "bng1", ["the entry b1 is missing", "the entry b2 is altered"])
    assert _raised(network) == {"drift": "minor"}
    if end == "look":
        note_drift(network, "bng1", [])
    else:
        _end(network, "in-sync")
    assert _raised(network) == {}


def test_a_block_that_somebody_took_away_is_drift_until_it_is_back(network: Database) -> None:
    block = allocate(network, ME, "bng1/internet")["block"][0]
    lease = intent.claim_lease(network, "bng1", "tester", "the test")
    with network.read() as tx:
        mark = tx.one("SELECT store_id FROM store")[0]
    there = Sighting(
        PATH,
        ("internet", "x"),
        parse_range("10.0.0.0", "10.0.0.255"),
        mark_store=mark,
        mark_block=int(block["id"][1:]),
    )
    intent.release_lease(network, lease)
    _look(network, there)
    assert _raised(network) == {}
    _look(network)
    assert _raised(network) == {"drift": "minor"}
    _look(network, there)
    _end(network, "in-sync")
    assert _raised(network) == {}


def test_addresses_of_another_are_critical_until_they_are_gone(network: Database) -> None:
    allocate(network, ME, "bng2/internet")
    _look(network, _sighting("stranger", "10.0.0.7-10.0.0.9"))
    assert _raised(network) == {"address-conflict": "critical"}
    _look(network)
    assert _raised(network) == {}


def test_somebody_elses_addresses_that_touch_nothing_are_no_alarm(network: Database) -> None:
    _look(network, _sighting("stranger", "192.168.0.7-192.168.0.9"))
    assert _raised(network) == {}
