"""Alarms as states: raised, changed, cleared, and told once for each change (RFC 8632, 3 and 4)."""

from __future__ import annotations

import logging

import pytest

from casm_ctrl.base.clock import SECOND, ManualClock
from casm_ctrl.service.alarm_resources import device_of, in_xml, words_of
from casm_ctrl.service.alarms import (
    CONTROLLER,
    NUMBERS_PAUSE,
    TEXT_PAUSE,
    clear_alarm,
    clear_others,
    clear_removed,
    of_device,
    of_device_pool,
    of_pool,
    raise_alarm,
)
from casm_ctrl.store import alarms as store
from casm_ctrl.store.alarms import AlarmRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import list_events
from casm_ctrl.store.transaction import Transaction

HOME = of_device_pool("bng1/internet")


def _raise(database: Database, severity: str = "minor", text: str = "little is left") -> bool:
    return database.run(lambda tx: raise_alarm(tx, HOME, "pool-low", severity, text))


def _clear(database: Database, text: str = "enough is left") -> bool:
    return database.run(lambda tx: clear_alarm(tx, HOME, "pool-low", text))


def _only(database: Database) -> AlarmRow:
    with database.read() as tx:
        (found,) = store.list_alarms(tx, shelved=None)
    return found


def _changes(database: Database) -> list[tuple[str, str]]:
    with database.read() as tx:
        (found,) = store.status_changes(tx, [_only(database).id]).values()
    return [(change.severity, change.text) for change in found]


def _told(database: Database) -> list[tuple[str | None, str | None]]:
    with database.read() as tx:
        return [
            (event.source, event.target)
            for event in list_events(tx, limit=100)
            if event.subject_kind == "alarm" and event.verb == "alarm"
        ]


def test_the_same_alarm_raised_again_changes_nothing(network: Database) -> None:
    assert _raise(network)
    assert not _raise(network)
    assert _told(network) == [(None, "minor")]
    assert _changes(network) == [("minor", "little is left")]


def test_each_change_of_severity_is_a_change_of_status(network: Database, clock: ManualClock) -> None:
    _raise(network)
    first = _only(network)
    clock.advance(5)
    assert _raise(network, "major", "less is left")
    found = _only(network)
    assert (found.severity, found.text, found.created_at) == ("major", "less is left", first.created_at)
    assert found.raised_at == first.raised_at
    assert found.changed_at == first.changed_at + 5 * SECOND
    assert _changes(network) == [("major", "less is left"), ("minor", "little is left")]
    assert _told(network) == [(None, "minor"), ("minor", "major")]


def test_a_text_alone_changes_no_more_often_than_people_read(network: Database, clock: ManualClock) -> None:
    _raise(network)
    assert not _raise(network, text="5 left")
    clock.advance(TEXT_PAUSE)
    assert _raise(network, text="4 left")
    assert _only(network).text == "4 left"


def test_numbers_alone_change_rarely_and_cost_no_row_of_the_audit(
    network: Database, clock: ManualClock
) -> None:
    _raise(network, text="80 in use, 61s ago")
    for _ in range(NUMBERS_PAUSE // TEXT_PAUSE - 1):
        clock.advance(TEXT_PAUSE)
        assert not _raise(network, text=f"79 in use, {clock.now() // SECOND}s ago")
    assert _told(network) == [(None, "minor")]
    clock.advance(TEXT_PAUSE)
    assert _raise(network, text="78 in use, 1h ago")


def test_a_cleared_alarm_stays_in_the_list_and_is_raised_again(network: Database, clock: ManualClock) -> None:
    _raise(network, "major")
    assert _clear(network)
    assert not _clear(network)
    found = _only(network)
    assert (found.is_cleared, found.severity, found.text) == (True, "major", "enough is left")
    clock.advance(1)
    assert _raise(network, "major", "enough is left")
    again = _only(network)
    assert not again.is_cleared
    assert again.id == found.id
    assert again.raised_at > found.raised_at
    assert _told(network) == [(None, "major"), ("major", "cleared"), ("cleared", "major")]


def test_what_was_never_raised_is_not_cleared(network: Database) -> None:
    assert not _clear(network)
    assert _told(network) == []


def test_changes_in_one_transaction_have_times_of_their_own(network: Database) -> None:
    """The key of a status-change is its time."""
    network.run(lambda tx: raise_alarm(tx, HOME, "pool-low", "minor", "a"))
    network.run(
        lambda tx: (clear_alarm(tx, HOME, "pool-low", "b"), raise_alarm(tx, HOME, "pool-low", "minor", "c"))
    )
    assert [text for _, text in _changes(network)] == ["c", "b", "a"]


def test_an_alarm_is_one_for_resource_type_and_qualifier(network: Database) -> None:
    def body(tx: Transaction) -> None:
        for resource, type_id, qualifier in (
            (HOME, "pool-low", ""),
            (HOME, "pool-exhausted", ""),
            (HOME, "pool-low", "v6"),
            (of_pool("p"), "pool-low", ""),
        ):
            assert raise_alarm(tx, resource, type_id, "major", "words", qualifier)

    network.run(body)
    with network.read() as tx:
        assert len(store.list_alarms(tx)) == 4


def test_no_more_changes_are_kept_than_wanted(network: Database, clock: ManualClock) -> None:
    for _ in range(40):
        _raise(network)
        clock.advance(1)
        _clear(network)
        clock.advance(1)
    assert len(_changes(network)) == 32
    assert _changes(network)[0] == ("cleared", "enough is left")


def test_what_is_removed_has_no_open_alarms(network: Database) -> None:
    def body(tx: Transaction) -> None:
        raise_alarm(tx, HOME, "pool-low", "minor", "words")
        raise_alarm(tx, of_device("bng1"), "drift", "minor", "words")
        raise_alarm(tx, of_device("bng10"), "drift", "minor", "words")
        clear_removed(tx, "device", "bng1")

    network.run(body)
    with network.read() as tx:
        assert [a.resource for a in store.list_alarms(tx) if not a.is_cleared] == [of_device("bng10")]


def test_all_but_those_that_are_so_are_cleared(network: Database) -> None:
    def body(tx: Transaction) -> None:
        for name in ("a", "b"):
            raise_alarm(tx, of_pool(name), "pool-low", "minor", "words")
        clear_others(tx, "pool-low", {of_pool("a")}, "enough again")

    network.run(body)
    with network.read() as tx:
        assert [a.resource for a in store.list_alarms(tx) if a.is_cleared] == [of_pool("b")]


def test_a_change_is_one_line_of_the_log_once_it_is_durable(
    network: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "casm_ctrl"):
        with network.rehearse() as tx:
            raise_alarm(tx, HOME, "pool-low", "major", "taken back")
        _raise(network, "major", "little is left")
        _clear(network)
    number = _only(network).id
    assert [record.message for record in caplog.records] == [
        f"alarm raised: id=a{number} type=pool-low severity=major resource={HOME} text=little is left",
        f"alarm cleared: id=a{number} type=pool-low severity=cleared resource={HOME} text=enough is left",
    ]


def test_resources_are_instance_identifiers() -> None:
    assert HOME == "/casm-devices:devices/device[name='bng1']/device-pool[name='internet']"
    assert in_xml(HOME) == (
        "/casm-devices:devices/casm-devices:device[casm-devices:name='bng1']"
        "/casm-devices:device-pool[casm-devices:name='internet']",
        {"casm-devices": "urn:casm:yang:casm-devices"},
    )
    assert [words_of(each) for each in (HOME, of_device("bng1"), of_pool("v4"), CONTROLLER)] == [
        "device-pool bng1/internet",
        "device bng1",
        "pool v4",
        "controller",
    ]
    assert [device_of(each) for each in (HOME, of_pool("v4"))] == ["bng1", None]
