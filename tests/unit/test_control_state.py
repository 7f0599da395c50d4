"""Controllers share devices, and take over those of one that is late; the breaker; how looks are noted."""

from __future__ import annotations

import socket
import subprocess

from casm_ctrl.base.clock import SECOND, ManualClock, Micros
from casm_ctrl.service import control_state
from casm_ctrl.service.configuration import RemoveDevice, RemoveDevicePool, change
from casm_ctrl.service.control_state import HOLD, Look
from casm_ctrl.store import control_state as store
from casm_ctrl.store import watches
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import find_device
from casm_ctrl.store.events import Author
from casm_ctrl.store.transaction import Transaction
from casm_ctrl.store.watches import WatchRow

ME = Author("tester", reason="why not")


def number_of(database: Database, device: str) -> int:
    with database.read() as tx:
        row = find_device(tx, device)
        assert row is not None
        return row.id


def look(
    database: Database, device: str, next_poll: int = 0, *, gap: int = 3600, restarted: bool = False
) -> None:
    number = number_of(database, device)
    done = Look(Micros(next_poll), restarted=restarted)

    def note(tx: Transaction) -> None:
        before = watches.find_watch(tx, number)
        assert before is not None
        control_state.note_look(tx, control_state.resumed(before, tx.now, gap=gap, gentle=600), done)

    database.run(note)


def watch_of(database: Database, device: str) -> WatchRow:
    number = number_of(database, device)
    with database.read() as tx:
        row = watches.find_watch(tx, number)
        assert row is not None
        return row


def test_one_controller_watches_all(network: Database) -> None:
    first = control_state.begin(network)
    assert list(control_state.keep(network, first).devices) == ["bng1", "bng2"]


def test_two_controllers_share_them(network: Database) -> None:
    first, second = control_state.begin(network), control_state.begin(network)
    mine, others = control_state.keep(network, first), control_state.keep(network, second)
    assert len(mine.devices) == len(others.devices) == 1
    assert {*mine.devices, *others.devices} == {"bng1", "bng2"}


def test_one_that_comes_later_gets_its_share_at_the_next_round(network: Database) -> None:
    first = control_state.begin(network)
    control_state.keep(network, first)
    second = control_state.begin(network)
    assert control_state.keep(network, second).devices == {}
    assert len(control_state.keep(network, first).devices) == 1
    assert len(control_state.keep(network, second).devices) == 1


def test_the_devices_of_one_that_is_late_are_taken(network: Database, clock: ManualClock) -> None:
    first = control_state.begin(network)
    control_state.keep(network, first)
    clock.advance(HOLD + 1)
    second = control_state.begin(network)
    assert list(control_state.keep(network, second).devices) == ["bng1", "bng2"]
    with network.read() as tx:
        assert not watches.is_watched_by(tx, number_of(network, "bng1"), first)
        assert watches.is_watched_by(tx, number_of(network, "bng1"), second)
    again = control_state.keep(network, first)  # it comes back, under another number, and gets a share later
    assert again.controller != first
    assert again.devices == {}


def test_one_that_ends_leaves_its_devices_at_once(network: Database) -> None:
    first, second = control_state.begin(network), control_state.begin(network)
    control_state.keep(network, first)
    control_state.end(network, first)
    assert len(control_state.keep(network, second).devices) == 2


def test_nobody_waits_for_a_process_of_this_machine_that_is_no_more(network: Database) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    with network.write() as tx:
        first = watches.add_controller(tx, f"process {gone.pid} on {socket.gethostname()}", HOLD)
        elsewhere = watches.add_controller(tx, f"process {gone.pid} on another.example", HOLD)
    control_state.keep(network, first)
    second = control_state.begin(network)
    with network.read() as tx:
        assert [row.id for row in watches.list_controllers(tx)] == [elsewhere, second]
    assert len(control_state.keep(network, second).devices) == 1


def test_what_a_watch_knew_outlives_its_controller(network: Database, clock: ManualClock) -> None:
    first = control_state.begin(network)
    control_state.keep(network, first)
    look(network, "bng1", 77)
    since = clock.now()
    clock.advance(HOLD + 1)
    second = control_state.begin(network)
    found = control_state.keep(network, second).devices["bng1"]
    assert (found.next_poll, found.since, found.polled_at) == (77, since, since)


def test_after_a_gap_watching_begins_anew(network: Database, clock: ManualClock) -> None:
    control_state.keep(network, control_state.begin(network))
    look(network, "bng1")
    began = clock.now()
    clock.advance(3600)
    look(network, "bng1")
    assert watch_of(network, "bng1").since == began
    assert watch_of(network, "bng1").gentle_until is None
    clock.advance(3601)
    look(network, "bng1", restarted=True)
    assert watch_of(network, "bng1").since == clock.now() == watch_of(network, "bng1").restarted_at
    assert watch_of(network, "bng1").gentle_until == clock.now() + 600 * SECOND


def test_failures_are_counted_until_a_look_succeeds(network: Database, clock: ManualClock) -> None:
    control_state.keep(network, control_state.begin(network))
    counted: list[int] = []

    def fail() -> float:
        return control_state.note_failed_look(
            network, "bng1", "no answer", lambda failures: 10.0 * failures, lambda tx, n: counted.append(n)
        )

    assert [fail() for _ in "12"] == [10, 20]
    assert counted == [1, 2]
    found = watch_of(network, "bng1")
    assert (found.error, found.next_poll) == ("no answer", clock.now() + 20 * SECOND)
    look(network, "bng1")
    assert (watch_of(network, "bng1").failures, watch_of(network, "bng1").error) == (0, None)


def test_a_device_that_is_watched_can_be_removed(network: Database) -> None:
    first = control_state.begin(network)
    control_state.keep(network, first)
    change(network, ME, [RemoveDevicePool("bng1/internet"), RemoveDevice("bng1")])
    assert list(control_state.keep(network, first).devices) == ["bng2"]


def test_a_change_stands_on_what_was_seen(network: Database, clock: ManualClock) -> None:
    with network.write() as tx:
        assert store.get_pool_control(tx, 1).generation == 0
        assert store.next_generation(tx, 1, 0, grown=True)
        assert not store.next_generation(tx, 1, 0, shrunk=True)
        assert store.next_generation(tx, 1, 1, shrunk=True)
        row = store.get_pool_control(tx, 1)
    assert (row.generation, row.grown_at, row.shrunk_at) == (2, clock.now(), clock.now())


def test_the_breaker_is_closed_by_a_person(network: Database) -> None:
    network.run(lambda tx: store.open_breaker(tx, "five changes failed"))
    before = control_state.status(network)["control"]["breaker"]
    assert (before["state"], before["reason"]) == ("open", "five changes failed")
    assert control_state.resume(network, ME)["control"]["breaker"] == {"state": "closed"}
    with network.read() as tx:
        assert tx.all("SELECT verb FROM event WHERE verb LIKE 'control-%'") == [("control-resume",)]


def test_the_status_lists_every_device(network: Database, clock: ManualClock) -> None:
    control_state.keep(network, control_state.begin(network))
    look(network, "bng1", clock.now() + 300 * SECOND)
    shown = control_state.status(network)["control"]
    assert [device["name"] for device in shown["device"]] == ["bng1", "bng2"]
    assert "last-poll" in shown["device"][0]
    assert "last-poll" not in shown["device"][1]
    assert shown["device"][0]["watched-by"] == shown["controller"][0]["name"]
