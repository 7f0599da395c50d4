"""Holds and replacements of devices in the store, and what a device is known by beside its host key."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import AlreadyExists, Held, IdentityChanged, InvalidValue, NotFound
from casm_ctrl.base.fingerprints import fingerprint_of_line
from casm_ctrl.service import identity, views
from casm_ctrl.service.configuration import SetHostKey, change
from casm_ctrl.service.replacement import ReplaceDevice, replace_device
from casm_ctrl.store import circuits, devices, identities, leases, routes
from casm_ctrl.store.circuits import CircuitRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.leases import PendingCommit
from casm_ctrl.sync.serials import SOURCES, read_serials
from tests.scripted_session import ScriptedSession

ME = Author("tester", reason="new chassis")
OLD = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA0CBi5aXjiGIGWrAlCGzGXpEuF1GN9xUVQoWWw6IJ0i"
NEW = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBBBi5aXjiGIGWrAlCGzGXpEuF1GN9xUVQoWWw6IJ0i"


@pytest.fixture
def held(network: Database) -> Database:
    """The device bng1 has a key, and is held for another."""
    change(network, ME, [SetHostKey("bng1", OLD)])
    identity.hold_device(network, ME, "bng1", host_key=NEW)
    return network


def number_of(database: Database, name: str = "bng1") -> int:
    with database.read() as tx:
        row = devices.find_device(tx, name)
        assert row is not None
        return row.id


def identity_of(database: Database, name: str = "bng1") -> identities.Identity:
    number = number_of(database, name)
    with database.read() as tx:
        return identities.get_identity(tx, number)


def test_a_held_device_is_not_entered(held: Database) -> None:
    with pytest.raises(IdentityChanged) as caught:
        identity.known_device(held, "bng1")
    assert fingerprint_of_line(OLD) in caught.value.message
    assert fingerprint_of_line(NEW) in caught.value.message
    assert "\n" not in str(caught.value)
    assert identity.known_device(held, "bng2").name == "bng2"


def test_a_hold_stays_as_it_began(held: Database, clock: ManualClock) -> None:
    first = identity_of(held).hold
    clock.advance(60)
    identity.hold_device(held, ME, "bng1", host_key=OLD)
    assert identity_of(held).hold == first
    shown = views.show_device(held, "bng1")["sync"]["held"]
    assert fingerprint_of_line(NEW) in shown["words"]
    events = [e for e in views.audit(held, limit=50) if e["verb"] == "identity-changed"]
    assert len(events) == 1


def test_a_replacement_takes_what_was_presented(held: Database) -> None:
    done = replace_device(held, ME, ReplaceDevice("bng1"))
    assert done["device"]["fingerprint"] == fingerprint_of_line(NEW)
    assert done["device"]["old-fingerprint"] == fingerprint_of_line(OLD)
    now = identity_of(held)
    assert (now.host_key, now.hold) == (NEW, None)
    assert now.replaced_at is not None
    assert identity.known_device(held, "bng1").host_key == NEW


def test_a_key_that_is_named_wins_over_the_one_that_was_seen(held: Database) -> None:
    replace_device(held, ME, ReplaceDevice("bng1", OLD))
    assert identity_of(held).host_key == OLD


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_replacement_needs_a_reason(held: Database, reason: str) -> None:
    with pytest.raises(InvalidValue, match="without a reason"):
        replace_device(held, Author("tester", reason=reason), ReplaceDevice("bng1"))


def test_what_is_not_held_is_not_replaced_by_nothing(network: Database) -> None:
    with pytest.raises(InvalidValue, match="is not held"):
        replace_device(network, ME, ReplaceDevice("bng1"))
    with pytest.raises(NotFound):
        replace_device(network, ME, ReplaceDevice("nobody", NEW))


def test_a_key_that_nobody_saw_must_be_named(network: Database) -> None:
    change(network, ME, [SetHostKey("bng1", OLD)])
    error = identity.hold_device(network, ME, "bng1", host_key="")
    assert "of another type" in error.message
    with pytest.raises(InvalidValue, match="could be read"):
        replace_device(network, ME, ReplaceDevice("bng1"))


def test_the_key_of_another_device_is_refused(held: Database) -> None:
    change(held, ME, [SetHostKey("bng2", NEW)])
    with pytest.raises(AlreadyExists, match="'bng2'"):
        replace_device(held, ME, ReplaceDevice("bng1"))


def test_a_dry_run_answers_the_same_and_changes_nothing(held: Database) -> None:
    before = identity_of(held)
    dry = replace_device(held, ME, ReplaceDevice("bng1"), dry_run=True)
    assert identity_of(held) == before
    assert replace_device(held, ME, ReplaceDevice("bng1"))["device"] == dry["device"]


def test_a_request_is_repeated_safely(held: Database) -> None:
    author = Author("tester", "request-1", "new chassis")
    done = replace_device(held, author, ReplaceDevice("bng1"))
    assert replace_device(held, author, ReplaceDevice("bng1")) == done


def test_all_that_was_known_of_the_old_device_is_forgotten(held: Database) -> None:
    number = number_of(held)
    with held.write() as tx:
        lease = leases.claim(tx, number, "dead", "dead")
        leases.renew(tx, lease, 17)
        tx.run("UPDATE device_lease SET expires = 0")
        circuits.put_circuit(tx, CircuitRow(number, 1, None, "silent"))
        generation = devices.get_device(tx, number).edit_generation
    replace_device(held, ME, ReplaceDevice("bng1"))
    with held.write() as tx:
        assert circuits.find_circuit(tx, number) is None
        assert devices.get_device(tx, number).edit_generation == generation + 1
        assert devices.get_device(tx, number).sync_state == "unknown"
        assert leases.claim(tx, number, "next", "next").previous_session is None
        assert routes.list_routes(tx, 1) == []


def test_a_commit_that_may_be_pending_is_waited_for(held: Database, clock: ManualClock) -> None:
    number = number_of(held)
    with held.write() as tx:
        deadline = type(tx.now)(tx.now + 60_000_000)
        leases.put_pending(tx, PendingCommit(number, 1, 1, "id", 4, tx.now, deadline, ""))
    clock.advance(119)
    with pytest.raises(Held, match="may be pending until"):
        replace_device(held, ME, ReplaceDevice("bng1"))
    clock.advance(2)
    done = replace_device(held, ME, ReplaceDevice("bng1"))
    assert done["device"]["dropped-commit"] is True
    with held.read() as tx:
        assert leases.get_pending(tx, number) is None


# --- Serials --------------------------------------------------------------------------------------


def test_the_first_serial_is_recorded_and_another_holds(network: Database) -> None:
    assert identity.check_serial(network, ME, "bng1", ("serial-num A", "engine-id 1")) == ()
    identity.note_serial(network, ME, "bng1", "serial-num A")
    assert identity.check_serial(network, ME, "bng1", ("serial-num B", "serial-num A")) is None  # a stack
    assert identity.check_serial(network, ME, "bng1", ("engine-id 1",)) is None  # nothing to compare
    assert identity.check_serial(network, ME, "bng2", ("serial-num A",)) == ("bng1",)
    with pytest.raises(IdentityChanged, match=r"serial-num B, not the recorded serial-num A"):
        identity.check_serial(network, ME, "bng1", ("serial-num B",))
    done = replace_device(network, ME, ReplaceDevice("bng1", NEW))
    assert done["device"]["serial"] == "serial-num B"
    assert identity_of(network).serial == "serial-num B"


def test_a_serial_is_recorded_beside_another_only_when_the_two_were_told_apart(network: Database) -> None:
    for name in ("bng1", "bng2"):  # both entered for the first time, and neither known yet
        assert identity.check_serial(network, ME, name, ("serial-num A",)) == ()
    assert identity.note_serial(network, ME, "bng1", "serial-num A") == ()
    assert identity.note_serial(network, ME, "bng2", "serial-num A") == ("bng1",)
    assert identity_of(network, "bng2").serial is None
    assert identity.note_serial(network, ME, "bng2", "serial-num A", ["bng1"]) == ()
    assert identity_of(network, "bng2").serial == "serial-num A"


def test_a_replacement_that_says_another_devices_serial_is_to_be_told_apart(network: Database) -> None:
    identity.note_serial(network, ME, "bng1", "serial-num A")
    identity.note_serial(network, ME, "bng2", "serial-num B")
    with pytest.raises(IdentityChanged):
        identity.check_serial(network, ME, "bng2", ("serial-num A",))
    replace_device(network, ME, ReplaceDevice("bng2", NEW))
    assert identity_of(network, "bng2").serial is None
    assert identity.check_serial(network, ME, "bng2", ("serial-num A",)) == ("bng1",)


HARDWARE = """
<hardware xmlns="urn:ietf:params:xml:ns:yang:ietf-hardware" xmlns:h="urn:ietf:params:xml:ns:yang:iana-hardware">
  <component><name>card</name><class>h:module</class><parent>box</parent><serial-num>M1</serial-num></component>
  <component><name>inner</name><class>h:chassis</class><parent>box</parent><serial-num>C2</serial-num></component>
  <component><name>box</name><class>h:chassis</class><serial-num> FOX1234 </serial-num></component>
  <component><name>bare</name><class>h:chassis</class></component>
</hardware>"""
SNMP = "<snmp xmlns='urn:ietf:params:xml:ns:yang:ietf-snmp'><engine><engine-id>80:00:B8</engine-id></engine></snmp>"
HARDWARE_URI = "urn:ietf:params:xml:ns:yang:ietf-hardware?module=ietf-hardware&revision=2018-03-13"
SNMP_URI = "urn:ietf:params:xml:ns:yang:ietf-snmp?module=ietf-snmp&revision=2014-12-10"


@pytest.mark.parametrize(
    ("uris", "data", "found"),
    [
        ((), HARDWARE + SNMP, ()),
        ((HARDWARE_URI,), HARDWARE, ("serial-num FOX1234",)),
        ((SNMP_URI,), SNMP, ("engine-id 80:00:b8",)),
        ((SNMP_URI, HARDWARE_URI), HARDWARE + SNMP, ("serial-num FOX1234", "engine-id 80:00:b8")),
        ((HARDWARE_URI,), "", ()),
    ],
)
async def test_serials_are_read_of_what_is_announced(
    uris: tuple[str, ...], data: str, found: tuple[str, ...]
) -> None:
    session = ScriptedSession(uris, data=data)
    assert await read_serials(session) == found
    assert session.asked["get"] == len(uris)


def test_what_is_asked_for_is_no_more_than_needed() -> None:
    assert [etree.tostring(source.filter()).decode().count("<") for source in SOURCES] == [8, 5]
