"""Shelves, what operators say, purging and compressing (RFC 8632, 3.5 and 4)."""

from __future__ import annotations

import itertools

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import AlreadyExists, CasmError, InvalidValue, NotFound
from casm_ctrl.service.alarm_actions import Chosen, compress, purge, set_operator_state
from casm_ctrl.service.alarm_control import ALARMS, Control, ResourceMatch, Shelf, parse_control
from casm_ctrl.service.alarm_shelves import (
    exactly_device_pool,
    exactly_pool,
    list_shelves,
    within_device,
)
from casm_ctrl.service.alarm_views import list_alarms, show_alarm
from casm_ctrl.service.alarms import clear_alarm, of_device, of_device_pool, of_pool, raise_alarm
from casm_ctrl.service.configuration import AddShelf, RemoveShelf, SetDocument, change
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, list_events
from casm_ctrl.store.transaction import Transaction

ME = Author("tester")
HOME = of_device_pool("bng1/internet")


@pytest.fixture
def alarmed(network: Database) -> Database:
    """Three alarms: of a device, of its device pool, and of a pool."""

    def body(tx: Transaction) -> None:
        raise_alarm(tx, of_device("bng1"), "drift", "minor", "an entry is gone")
        raise_alarm(tx, HOME, "pool-low", "major", "little is left")
        raise_alarm(tx, of_pool("p"), "pool-low", "warning", "little is left")

    network.run(body)
    return network


def _listed(database: Database, *, shelved: bool = False) -> set[tuple[str, str]]:
    found = list_alarms(database, cleared=None, shelved=shelved)["alarm"]
    return {(alarm["resource"], alarm["alarm-type-id"].partition(":")[2]) for alarm in found}


def _id(database: Database, resource: str) -> str:
    found = list_alarms(database, cleared=None, shelved=None)["alarm"]
    return next(str(alarm["id"]) for alarm in found if alarm["resource"] == resource)


def _told(database: Database, verb: str = "alarm") -> list[tuple[str, str | None]]:
    with database.read() as tx:
        return [
            (event.subject.partition(" ")[0], event.target)
            for event in list_events(tx, limit=200)
            if event.subject_kind == "alarm" and event.verb == verb
        ]


# --- Matching -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "matched"),
    [
        (within_device("bng1"), {"device", "device-pool"}),
        (exactly_device_pool("bng1/internet"), {"device-pool"}),
        (exactly_pool("p"), {"pool"}),
        (exactly_pool("other"), set()),
        ("//casm-devices:device-pool", {"device-pool"}),
        ("/casm-devices:devices/casm-devices:device[starts-with(casm-devices:name, 'bng')]", {"device"}),
        ("//casm-pools:pool[casm-pools:name != 'p'] | //casm-devices:device", {"device"}),
        ("count(//*)", set()),
        ("/unknown:devices", set()),
        (r"/casm-pools:pools/pool\[name='.*'\]", {"pool"}),
    ],
)
def test_resources_match_by_xpath_or_by_regular_expression(expression: str, matched: set[str]) -> None:
    resources = {"device": of_device("bng1"), "device-pool": HOME, "pool": of_pool("p")}
    match = ResourceMatch(expression, {})
    assert {kind for kind, resource in resources.items() if match.matches(resource)} == matched


def test_all_that_a_shelf_says_must_match_and_the_first_shelf_counts() -> None:
    first = Shelf("first", (ResourceMatch("//casm-pools:pool", {}),), (("pool-low", ".*"),), below="major")
    control = Control(shelves=(first, Shelf("second", types=(("alarm-type-id", "v6"),))))
    pool = of_pool("p")
    assert control.shelf_of(pool, "pool-low", "", "minor") == "first"
    assert control.shelf_of(pool, "pool-low", "", "major") is None
    assert control.shelf_of(pool, "pool-low", "v6", "major") == "second"
    assert control.shelf_of(HOME, "pool-low", "", "minor") is None
    assert control.shelf_of(pool, "drift", "", "minor") is None


def test_a_shelf_that_says_nothing_shelves_all() -> None:
    assert Control(shelves=(Shelf("all"),)).shelf_of(HOME, "drift", "", "critical") == "all"


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        ("all-state-changes", [True] * 8),
        ("raise-and-clear", [True, False, False, False, False, False, False, True]),
        ("severity-level", [True, True, False, False, True, True, True, True]),
    ],
)
def test_what_is_told_is_as_the_example_of_the_model(notify: str, told: list[bool]) -> None:
    """The one in the description of notify-status-changes."""
    control = Control(notify=notify, level="major")
    course = [None, "major", "minor", "warning", "minor", "major", "critical", "major", "cleared"]
    pairs = itertools.pairwise(course)
    assert [control.tells(before, after or "") for before, after in pairs] == told


# --- Moving ---------------------------------------------------------------------------------------


def test_a_shelf_takes_what_it_matches_and_gives_it_back(alarmed: Database) -> None:
    change(alarmed, ME, [AddShelf("work", (within_device("bng1"),), description="new line card")])
    assert _listed(alarmed) == {(of_pool("p"), "pool-low")}
    assert _listed(alarmed, shelved=True) == {(of_device("bng1"), "drift"), (HOME, "pool-low")}
    name = _id(alarmed, HOME)
    assert show_alarm(alarmed, name)["shelf-name"] == "work"
    said = show_alarm(alarmed, name)["operator-state-change"][0]
    assert (said["state"], said["text"]) == ("shelved", "shelf work")
    change(alarmed, ME, [RemoveShelf("work")])
    assert len(_listed(alarmed)) == 3
    assert show_alarm(alarmed, name)["operator-state-change"][0]["state"] == "un-shelved"
    assert list_shelves(alarmed) == []


def test_nobody_is_told_of_shelved_alarms_and_they_are_kept_current(alarmed: Database) -> None:
    change(alarmed, ME, [AddShelf("low", types=("pool-low",))])
    before = _told(alarmed)
    alarmed.run(lambda tx: raise_alarm(tx, HOME, "pool-low", "critical", "nothing is left"))
    alarmed.run(lambda tx: clear_alarm(tx, of_pool("p"), "pool-low", "enough"))
    assert _told(alarmed) == before
    assert (HOME, "critical") in _told(alarmed, "alarm-untold")
    assert show_alarm(alarmed, _id(alarmed, HOME))["perceived-severity"] == "critical"
    assert show_alarm(alarmed, _id(alarmed, of_pool("p")))["is-cleared"] is True


def test_an_alarm_that_becomes_severe_leaves_a_shelf_for_lesser_ones(alarmed: Database) -> None:
    change(alarmed, ME, [AddShelf("lesser", below="major")])
    assert _listed(alarmed) == {(HOME, "pool-low")}
    alarmed.run(lambda tx: raise_alarm(tx, of_device("bng1"), "drift", "major", "many entries are gone"))
    assert (of_device("bng1"), "drift") in _listed(alarmed)
    assert _told(alarmed)[-1] == (of_device("bng1"), "major")


def test_a_shelf_has_a_name_of_its_own_and_known_types(alarmed: Database) -> None:
    change(alarmed, ME, [AddShelf("work")])
    for edit, error in (
        (AddShelf("work"), AlreadyExists),
        (AddShelf("x", types=("nonsense",)), InvalidValue),
        (AddShelf("x", below="severe"), InvalidValue),
        (AddShelf(" x"), InvalidValue),
        (AddShelf("x", resources=("((",)), CasmError),
        (RemoveShelf("other"), NotFound),
    ):
        with pytest.raises(error):
            change(alarmed, ME, [edit])


def test_a_document_may_have_prefixes_of_its_own(alarmed: Database) -> None:
    xml = """<a:alarms xmlns:a="urn:ietf:params:xml:ns:yang:ietf-alarms"><a:control>
      <a:max-alarm-status-changes>2</a:max-alarm-status-changes>
      <a:alarm-shelving><a:shelf><a:name>mine</a:name>
        <a:resource xmlns:q="urn:casm:yang:casm-pools">/q:pools/q:pool[q:name='p']</a:resource>
        <a:alarm-type xmlns:t="urn:casm:yang:casm-alarms"><a:alarm-type-id>t:pool-low</a:alarm-type-id>
          <a:alarm-type-qualifier-match>.*</a:alarm-type-qualifier-match></a:alarm-type>
      </a:shelf></a:alarm-shelving></a:control></a:alarms>"""
    change(alarmed, ME, [SetDocument(ALARMS, xml)])
    assert _listed(alarmed, shelved=True) == {(of_pool("p"), "pool-low")}
    for severity in ("major", "minor", "critical"):
        alarmed.run(lambda tx, severity=severity: raise_alarm(tx, HOME, "pool-low", severity, "words"))  # type: ignore[misc]
    assert len(show_alarm(alarmed, _id(alarmed, HOME))["status-change"]) == 2


def test_only_what_is_done_may_be_configured(alarmed: Database) -> None:
    xml = """<alarms xmlns="urn:ietf:params:xml:ns:yang:ietf-alarms"><alarm-profile>
      <alarm-type-id xmlns:t="urn:casm:yang:casm-alarms">t:drift</alarm-type-id>
      <alarm-type-qualifier-match>.*</alarm-type-qualifier-match><resource>/x</resource>
      <description>none</description></alarm-profile></alarms>"""
    with pytest.raises(InvalidValue, match="not supported"):
        change(alarmed, ME, [SetDocument(ALARMS, xml)])


def test_the_defaults_are_those_of_the_model() -> None:
    assert parse_control('<alarms xmlns="urn:ietf:params:xml:ns:yang:ietf-alarms"/>') == Control()


# --- Operators ------------------------------------------------------------------------------------


def test_what_operators_say_is_kept_and_told(alarmed: Database, clock: ManualClock) -> None:
    name = _id(alarmed, HOME)
    clock.advance(1)
    done = set_operator_state(alarmed, ME, name, "ack", "we are on it")["alarm"]
    assert done["operator-state-change"][0] == {
        "time": done["last-changed"],
        "operator": "tester",
        "state": "ack",
        "text": "we are on it",
    }
    set_operator_state(alarmed, ME, name, "closed")
    assert [each["state"] for each in show_alarm(alarmed, name)["operator-state-change"]] == ["closed", "ack"]
    assert [state for _, state in _told(alarmed, "alarm-operator")] == ["ack", "closed"]
    summary = {each["severity"]: each for each in list_alarms(alarmed)["alarm-summary"]}
    assert summary["major"]["not-cleared-closed"] == 1


def test_a_shelved_alarm_and_one_that_is_not_there_take_no_words(alarmed: Database) -> None:
    change(alarmed, ME, [AddShelf("all")])
    with pytest.raises(InvalidValue, match="on the shelf 'all'"):
        set_operator_state(alarmed, ME, _id(alarmed, HOME), "ack")
    for name in ("a999", "12", "a", "b1"):
        with pytest.raises(NotFound):
            set_operator_state(alarmed, ME, name, "ack")


def test_purging_takes_what_matches_all_that_is_said(alarmed: Database, clock: ManualClock) -> None:
    alarmed.run(lambda tx: clear_alarm(tx, HOME, "pool-low", "enough"))
    clock.advance(100)
    for chosen, count in (
        (Chosen(cleared=True, older_than=100), 0),
        (Chosen(cleared=False, above="minor"), 0),
        (Chosen(cleared=False, below="minor", state="ack"), 0),
        (Chosen(operator="tester"), 0),
        (Chosen(cleared=True, older_than=99, equal="major"), 1),
        (Chosen(cleared=False, below="minor"), 1),
    ):
        assert purge(alarmed, ME, chosen) == {"purged-alarms": count}
    assert _listed(alarmed) == {(of_device("bng1"), "drift")}


def test_what_is_purged_and_still_so_appears_again(alarmed: Database) -> None:
    purge(alarmed, ME, Chosen())
    assert _listed(alarmed) == set()
    alarmed.run(lambda tx: raise_alarm(tx, HOME, "pool-low", "major", "little is left"))
    assert _listed(alarmed) == {(HOME, "pool-low")}


def test_compressing_leaves_the_last_change(alarmed: Database) -> None:
    alarmed.run(lambda tx: raise_alarm(tx, HOME, "pool-low", "minor", "a little more"))
    everything = ResourceMatch("//*", {})
    assert compress(alarmed, ME, resource=everything, type_id="drift") == {"compressed-alarms": 0}
    assert compress(alarmed, ME, resource=everything, type_id="pool-low") == {"compressed-alarms": 1}
    changes = show_alarm(alarmed, _id(alarmed, HOME))["status-change"]
    assert [each["perceived-severity"] for each in changes] == ["minor"]
