"""Request ids (promise 4) and the audit (promise 6, the part that concerns verbs)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import Exhausted, NotFound, RequestReused
from casm_ctrl.service import rest, views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddSpace, RemoveSpace, change
from casm_ctrl.service.release import cancel_drain, drain, force_release, release
from casm_ctrl.service.verb import Document
from casm_ctrl.store import requests
from casm_ctrl.store.blocks import get_block, mark_sent
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, EventRow, list_events

DAY = 86400


def author(request_id: str | None = "r1", actor: str = "alice") -> Author:
    return Author(actor, request_id, "because")


def all_events(database: Database) -> list[EventRow]:
    with database.read() as tx:
        return list_events(tx, limit=10_000)


def forget(database: Database) -> int:
    with database.write() as tx:
        return requests.forget_old(tx)


VERBS: dict[str, Callable[[Database, Author], Document]] = {
    "change": lambda database, who: change(database, who, [AddSpace("new")]),
    "allocate": lambda database, who: allocate(database, who, "bng1/internet", count=2),
    "release": lambda database, who: release(database, who, ["b1", "10.0.1.0/24"]),
    "force-release": lambda database, who: force_release(database, who, ["b1"]),
    "drain": lambda database, who: drain(database, who, ["b1"]),
    "cancel-drain": lambda database, who: cancel_drain(database, who, ["b1"]),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_repetition_gets_the_answer_and_changes_nothing(
    network: Database, clock: ManualClock, verb: str
) -> None:
    allocate(network, author(None), "bng1/internet", count=3)
    first = VERBS[verb](network, author())
    before = all_events(network)
    clock.advance(60)
    assert VERBS[verb](network, author()) == first
    assert all_events(network) == before


@pytest.mark.parametrize("verb", VERBS)
def test_an_id_that_stands_for_something_else_is_refused(network: Database, verb: str) -> None:
    allocate(network, author(), "bng1/internet", count=3)
    before = all_events(network)
    with pytest.raises(
        RequestReused, match="request id 'r1' was used by alice for another request \\(allocate, 2023-11-14T"
    ):
        VERBS[verb](network, author())
    assert all_events(network) == before


def test_every_argument_counts(network: Database) -> None:
    allocate(network, author(), "bng1/internet", count=1, length=25)
    others: list[Callable[[], Document]] = [
        lambda: allocate(network, author(), "bng2/internet", count=1, length=25),
        lambda: allocate(network, author(), "bng1/internet", count=2, length=25),
        lambda: allocate(network, author(), "bng1/internet", count=1, length=26),
        lambda: allocate(network, author(), "bng1/internet", count=1),
    ]
    for changed in others:
        with pytest.raises(RequestReused):
            changed()


def test_the_reason_is_no_argument(network: Database) -> None:
    """It is said for people; who repeats a request with better words still means the same."""
    first = allocate(network, Author("alice", "r1", "why"), "bng1/internet")
    assert allocate(network, Author("alice", "r1", "because"), "bng1/internet") == first


def test_each_actor_has_ids_of_its_own(network: Database) -> None:
    first = allocate(network, author(), "bng1/internet")
    second = allocate(network, author(actor="bob"), "bng1/internet")
    assert first["block"][0]["id"] != second["block"][0]["id"]


def test_without_an_id_each_request_is_new(network: Database) -> None:
    first, second = (allocate(network, author(None), "bng1/internet") for _ in range(2))
    assert first != second


def test_a_refusal_is_not_stored(network: Database) -> None:
    """The same id may succeed once the reason for the refusal is gone."""
    with pytest.raises(Exhausted):
        allocate(network, author(), "bng1/internet", count=257)
    with pytest.raises(NotFound):
        release(network, author("r2"), ["10.0.0.0/24"])
    allocate(network, author(), "bng1/internet")
    release(network, author("r2"), ["10.0.0.0/24"])


def test_duplicates_in_flight_have_one_effect(network: Database) -> None:
    """Threads that send one request at once all get the first one's answer."""
    answers: list[Document] = []
    start = threading.Barrier(8)

    def send() -> None:
        start.wait()
        answers.append(allocate(network, author(), "bng1/internet", count=3))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all(answer == answers[0] for answer in answers)
    assert len(views.list_blocks(network)) == 3


# --- How long an answer is kept -------------------------------------------------------------------


def test_answers_are_kept_thirty_days(network: Database, clock: ManualClock) -> None:
    change(network, author("space"), [AddSpace("x")])
    clock.advance(30 * DAY)
    assert forget(network) == 0
    clock.advance(1)
    assert forget(network) == 1
    assert forget(network) == 0


def test_an_answer_is_kept_as_long_as_its_blocks(network: Database, clock: ManualClock) -> None:
    answer = allocate(network, author(), "bng1/internet", count=2)
    change(network, author("space"), [AddSpace("x")])
    clock.advance(100 * DAY)
    assert forget(network) == 1
    release(network, author("r2"), ["b1"])
    assert forget(network) == 0
    assert allocate(network, author(), "bng1/internet", count=2) == answer
    release(network, author("r3"), ["b2"])
    clock.advance(31 * DAY)
    assert forget(network) == 3


def test_what_was_looked_at_is_not_looked_at_again_for_a_while(network: Database, clock: ManualClock) -> None:
    """Old requests whose blocks live on are as many as those blocks: no sweep may read them all each time."""
    for number in range(5):
        allocate(network, author(f"r{number}"), "bng1/internet")
    clock.advance(31 * DAY)
    with network.write() as tx:
        assert requests.any_old(tx)
        requests.forget_old(tx, limit=3)
        assert requests.any_old(tx)
        requests.forget_old(tx, limit=3)
        assert not requests.any_old(tx)
    release(network, author("gone"), ["b1", "b2"])
    clock.advance(31 * DAY)
    with network.write() as tx:
        assert requests.forget_old(tx) == 3  # two allocations, and the release


def test_the_sweep_forgets(network: Database, clock: ManualClock) -> None:
    change(network, author("space"), [AddSpace("x")])
    clock.advance(30 * DAY)
    rest.sweep_store(network)
    with pytest.raises(RequestReused):
        change(network, author("space"), [AddSpace("y")])
    clock.advance(1)
    rest.sweep_store(network)
    change(network, author("space"), [AddSpace("y")])


def test_nothing_is_forgotten_while_the_clock_is_held(network: Database, clock: ManualClock) -> None:
    change(network, author("space"), [AddSpace("x")])
    rest.accept_clock(network, author(None))
    clock.jump(40 * DAY)
    rest.sweep_store(network)
    with pytest.raises(RequestReused):
        change(network, author("space"), [AddSpace("y")])
    rest.accept_clock(network, author(None))
    rest.sweep_store(network)
    change(network, author("space"), [AddSpace("y")])


# --- The audit ------------------------------------------------------------------------------------


def test_a_batch_is_one_row_for_the_request_and_one_per_block(network: Database) -> None:
    before = len(all_events(network))
    allocate(network, author(), "bng1/internet", count=5)
    events = all_events(network)[before:]
    assert Counter(event.subject_kind for event in events) == {"block": 5, "device-pool": 1}
    for event in events:
        assert (event.actor, event.request_id, event.verb, event.reason) == (
            "alice",
            "r1",
            "allocate",
            "because",
        )
    assert [(e.source, e.target) for e in events if e.subject_kind == "block"] == [("free", "reserved")] * 5
    (request,) = (event for event in events if event.subject_kind == "device-pool")
    assert request.subject == "5 of /24 for bng1/internet"


def test_a_release_tells_each_step(network: Database) -> None:
    allocate(network, author(None), "bng1/internet", count=2)
    before = len(all_events(network))
    release(network, author(), ["b1", "b2", "b1"])
    events = all_events(network)[before:]
    for number in (1, 2):
        steps = [(e.source, e.target) for e in events if (e.subject_kind, e.subject_id) == ("block", number)]
        assert steps == [("reserved", "reserved"), ("reserved", "withdrawing"), ("withdrawing", "free")]
    assert [e.subject for e in events if e.subject_kind == "request"] == [
        "2 block(s): b1 10.0.0.0/24, b2 10.0.1.0/24"
    ]


def test_every_edit_of_configuration_is_one_row(network: Database) -> None:
    before = len(all_events(network))
    change(network, Author("bob", None), [AddSpace("x"), AddSpace("y"), RemoveSpace("x")])
    assert [(e.verb, e.subject) for e in all_events(network)[before:]] == [
        ("space-add", "x"),
        ("space-add", "y"),
        ("space-remove", "x"),
    ]


def test_a_refusal_leaves_no_event(network: Database) -> None:
    before = all_events(network)
    with pytest.raises(NotFound):
        change(network, author(), [AddSpace("x"), RemoveSpace("nowhere")])
    assert all_events(network) == before


def test_order_is_the_sequence_when_the_clock_goes_back(network: Database, clock: ManualClock) -> None:
    allocate(network, author(None), "bng1/internet")
    clock.advance(-3600)
    drain(network, author(None), ["b1"])
    history = views.audit(network, limit=10, block="b1")
    assert [event["verb"] for event in history] == ["allocate", "drain"]
    assert history[0]["time"] > history[1]["time"]


def test_the_history_of_a_freed_block_stays(network: Database) -> None:
    allocate(network, author(None), "bng1/internet")
    release(network, author(None), ["b1"])
    assert [event.get("to") for event in views.audit(network, limit=10, block="b1")][-1] == "free"
    shown = views.show_block(network, "b1")
    assert (shown["state"], shown["prefix"]) == ("free", "10.0.0.0/24")
    with pytest.raises(NotFound, match="there is no block b2"):
        views.audit(network, limit=10, block="b2")


def test_what_was_sent_is_not_released_at_once(network: Database) -> None:
    allocate(network, author(None), "bng1/internet")
    with network.write() as tx:
        mark_sent(tx, get_block(tx, 1))
    answer = release(network, author(), ["b1"])
    assert (answer["block"][0]["state"], answer["block"][0]["wanted"]) == ("reserved", "absent")
    before = all_events(network)
    again = release(network, author("r2"), ["b1"])
    assert again["block"] == answer["block"]
    assert [event.subject_kind for event in all_events(network)[len(before) :]] == ["request"]
