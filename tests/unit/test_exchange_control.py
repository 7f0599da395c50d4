"""Limits, holds and shelves of alarms go with an export, and come in by an import, as all else does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import InUse
from casm_ctrl.base.processes import this_process
from casm_ctrl.service import config_lock
from casm_ctrl.service.alarm_control import ALARMS
from casm_ctrl.service.alarm_shelves import exactly_device_pool, list_shelves, within_device
from casm_ctrl.service.alarm_views import list_alarms
from casm_ctrl.service.alarms import of_device, of_device_pool, of_pool, raise_alarm
from casm_ctrl.service.configuration import AddShelf, SetDocument, SetLimits, change
from casm_ctrl.service.control_settings import show_settings
from casm_ctrl.service.exchange.nouns import What
from casm_ctrl.service.holds import hold, list_holds
from casm_ctrl.service.views import audit
from casm_ctrl.store.config_lock import Holder
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from casm_ctrl.store.transaction import Transaction
from casm_ctrl.yang.engine import engine_for
from tests.exchange_world import AUTHOR, counts, faults, give, take

EDITS = (
    SetLimits((("grow_per_hour", 100), ("scarce_at", 0))),
    AddShelf("card", (within_device("bng1"), "a;b=c\\.*[d]"), ("drift",), "major", 'to "night", = ; \\ then'),
    AddShelf(
        "any", (exactly_device_pool("bng2/internet"),), qualified=(("pool-low", "v4"), ("pool-low", "v6"))
    ),
    AddShelf("rest"),
)
HOLDS = (("all", None), ("device", "bng1"), ("device-pool", "bng1/internet"), ("pool", "p"))
THREE = {"limit": (2, 0), "hold": (4, 0), "shelf": (3, 0)}


def bind(database: Database) -> None:
    change(database, AUTHOR, EDITS)
    for kind, subject in HOLDS:
        hold(database, Author("tester", reason=f"because, of {kind}; = \\"), kind, subject)


@pytest.fixture
def other(network: Database, store_template: Path, tmp_path: Path) -> Iterator[Database]:
    """Another store with the same network, on SQLite."""
    database = open_database(str(shutil.copyfile(store_template, tmp_path / "other.db")), ManualClock())
    assert give(database, take(network))["error"] == []
    yield database
    database.close()


def unbound(done: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {noun: count for noun, count in done.items() if noun in THREE}


@pytest.mark.parametrize("what", [What.ALL, What.CONTROL])
@pytest.mark.parametrize("form", ["json", "csv"])
def test_what_one_store_exports_another_imports(
    network: Database, other: Database, form: str, what: What
) -> None:
    bind(network)
    text = take(network, form, what)
    done = give(other, text)
    assert done["error"] == []
    assert unbound(counts(done)) == THREE
    assert "config-revision" in done
    assert take(other, form, what) == text
    assert show_settings(other) == show_settings(network)
    assert list_holds(other) == list_holds(network)
    assert list_shelves(other) == list_shelves(network)
    before = audit(other, limit=100)
    again = give(other, text)
    assert unbound(counts(again)) == {noun: (0, new) for noun, (new, _) in THREE.items()}
    assert "config-revision" not in again
    assert audit(other, limit=100) == before


@pytest.mark.parametrize("form", ["json", "csv"])
def test_the_way_back_is_the_same(network: Database, other: Database, form: str) -> None:
    bind(other)
    text = take(other, form, What.CONTROL)
    assert counts(give(network, text)) == THREE
    assert take(network, form, What.CONTROL) == text
    assert give(network, text, dry_run=True)["error"] == []


def test_the_order_of_shelves_is_kept(network: Database, other: Database) -> None:
    """The first that matches takes an alarm."""
    bind(network)
    give(other, take(network, what=What.CONTROL))
    assert [shelf["name"] for shelf in list_shelves(other)] == ["card", "any", "rest"]


def test_json_of_it_is_instance_data(network: Database) -> None:
    bind(network)
    engine = engine_for("casm-pools", "casm-devices", "casm-control", "casm-alarms", "ietf-alarms")
    for what in (What.ALL, What.CONTROL):
        engine.validate(take(network, what=what).encode(), format="json", what="data")
    document = json.loads(take(network, what=What.CONTROL))
    assert document["casm-control:control"] == {"grow-per-hour": 100, "scarce-at": 0}
    (first, *_) = document["casm-control:control-status"]["hold"]
    assert (first["kind"], first["subject"], first["actor"]) == ("all", "", "tester")
    (card, *_) = document["ietf-alarms:alarms"]["control"]["alarm-shelving"]["shelf"]
    assert card["alarm-type"] == [{"alarm-type-id": "casm-alarms:drift", "alarm-type-qualifier-match": ".*"}]
    assert card["casm-alarms:below"] == "major"
    # libyang writes the module of a '*' too.
    assert within_device("bng1").replace("*", "casm-devices:*") in card["resource"]


def test_a_store_that_has_none_has_nothing_of_them_in_json(network: Database) -> None:
    assert take(network, what=What.CONTROL) == "{\n}\n"
    assert take(network, "csv", What.CONTROL).splitlines() == [
        "limit,value",
        "",
        "hold,reason,since,actor",
        "",
        "shelf,resource,alarm-type,description,below",
    ]


def test_it_counts_where_it_came_in(network: Database) -> None:
    """A shelf takes the alarms that it matches, whatever prefixes its expression was written with."""
    written = (
        '<alarms xmlns="urn:ietf:params:xml:ns:yang:ietf-alarms"><control><alarm-shelving><shelf>'
        '<name>x</name><resource xmlns:q="urn:casm:yang:casm-devices">'
        "//q:device[q:name='bng1' or q:name='other']</resource>"
        "</shelf></alarm-shelving></control></alarms>"
    )
    change(network, AUTHOR, [SetDocument(ALARMS, written)])
    text = take(network, "csv", What.CONTROL)
    written = "//casm-devices:device[casm-devices:name='bng1' or casm-devices:name='other']"
    assert written.replace("=", "\\=") in text
    change(network, AUTHOR, [SetDocument(ALARMS, "")])

    def raise_both(tx: Transaction) -> None:
        raise_alarm(tx, of_device("bng1"), "drift", "minor", "an entry is gone")
        raise_alarm(tx, of_device_pool("bng1/internet"), "pool-low", "major", "little is left")
        raise_alarm(tx, of_pool("p"), "pool-low", "major", "little is left")

    network.run(raise_both)
    assert list_alarms(network, cleared=None, shelved=True)["alarm"] == []
    assert counts(give(network, text)) == {"shelf": (1, 0)}
    shelved = list_alarms(network, cleared=None, shelved=True)["alarm"]
    assert [alarm["resource"] for alarm in shelved] == [of_device("bng1")]


def test_what_differs_is_named_and_stays(network: Database) -> None:
    """An import adds: it never changes what is there, and of limits not what it does not name either."""
    bind(network)
    text = take(network, "csv", What.CONTROL)
    mine = take(network), audit(network, limit=100)
    wrong = text.replace("grow-per-hour,100", "grow-per-hour,99").replace("of device;", "of me;")
    found = faults(give(network, wrong.replace(",major", ",minor")))
    assert [message for _, message in found] == [
        "limit 'grow-per-hour' is there and differs: value is 100 there and 99 here",
        "hold 'device bng1' is there and differs: reason is because, of device; = \\ there and because, of me; = \\"
        " here",
        "shelf 'card' is there and differs: below is major there and minor here",
    ]
    assert (take(network), audit(network, limit=100)) == mine
    done = give(network, "limit,value\ndrain-per-hour,0\ngrow-per-hour,100\nbreaker-failures,5\n")
    assert counts(done) == {"limit": (1, 2)}  # of the last the default is said, which holds
    assert show_settings(network)["set"] == ["grow-per-hour", "drain-per-hour", "scarce-at"]
    (fault,) = faults(give(network, '{"casm-control:control": {"scarce-at": 10}}'))
    assert fault == (1, "limit 'scarce-at' is there and differs: value is 0 there and 10 here")


CSV_FAULTS = """\
limit,value
grow-per-day,1
grow_per_hour,1
breaker-devices,101

hold,reason
device nope,r
everything,r
all of it,r
pool p," "

shelf,alarm-type,below,resource
a,drift=.*,,
b,casm-alarms:nope=.*,,
c,casm-alarms:drift=(,,
d,,heavy,
e,,,"(*"
"""


def test_all_that_is_wrong_is_told_and_nothing_is_written(network: Database) -> None:
    before = take(network), audit(network, limit=100)
    found = faults(give(network, CSV_FAULTS))
    assert [line for line, _ in found] == [2, 3, 4, 7, 8, 9, 10, 13, 14, 15, 16, 17]
    assert (take(network), audit(network, limit=100)) == before
    wrong = {
        "casm-control:control": [],
        "casm-control:control-status": {"controller": [], "hold": [{"kind": "all"}, {"subject": "x"}]},
        "ietf-alarms:alarms": {"control": {"notify-status-changes": "raise-and-clear", "alarm-shelving": 1}},
    }
    told = [message for _, message in faults(give(network, json.dumps(wrong)))]
    assert len(told) == 6
    for words in ("not an object", "has no 'controller'", "hold 'all' has no reason", "has no kind"):
        assert any(words in message for message in told), words
    assert any("has no 'notify-status-changes'" in message for message in told)


def test_a_hold_on_what_comes_with_it(database: Database) -> None:
    """What is held may be of the same file; where that is wrong, it alone is told."""
    pool = "pool,address-space,prefix,parent\nnew,s,10.0.0.0/24,{}\n"
    text = f"hold,reason\npool new,not yet\n\n{pool}\naddress-space\ns\n"
    (fault,) = faults(give(database, text.format("nobody")))
    assert fault[0] == 5
    assert counts(give(database, text.format(""))) == {
        "address-space": (1, 0),
        "pool": (1, 0),
        "hold": (1, 0),
    }
    assert [row["subject"] for row in list_holds(database)] == ["new"]


def test_who_imports_it_is_in_the_audit(network: Database, other: Database) -> None:
    bind(network)
    text = take(network, what=What.CONTROL)
    give(other, text, author=Author("anna", "r1", "moved house"))
    events = [event for event in audit(other, limit=100) if event["actor"] == "anna"]
    assert {event["verb"] for event in events} == {"control-set", "hold", "alarm-shelf-add", "import"}
    assert {row["actor"] for row in list_holds(other)} == {"anna"}
    assert {row["reason"] for row in list_holds(other)} == {row["reason"] for row in list_holds(network)}


def test_a_lock_keeps_limits_back_and_no_hold(network: Database) -> None:
    """A hold is no configuration."""
    config_lock.lock(network, Holder("server", 1, "olga", this_process()))
    with pytest.raises(InUse):
        give(network, "limit,value\ngrow-per-hour,1\n")
    done = give(network, "hold,reason\ndevice bng1,work\n")
    assert (counts(done), "config-revision" in done) == ({"hold": (1, 0)}, False)
    assert [row["subject"] for row in list_holds(network)] == ["bng1"]
