"""The record of a change of many devices: who decides, what is forgotten, and when."""

from __future__ import annotations

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.deadlines import LEASE
from casm_ctrl.base.errors import Held, LeaseLost
from casm_ctrl.service import atomic, intent, views
from casm_ctrl.service.atomic import Joining
from casm_ctrl.store.atomic_runs import Phase, Verdict
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.leases import Lease

ME = Author("tester")
NAMES = ("bng1", "bng2")


def claim(database: Database, name: str, holder: str = "a") -> Lease:
    return intent.claim_lease(database, name, holder, f"process of {holder}")


def begun(database: Database) -> tuple[int, list[Lease]]:
    held = [claim(database, name) for name in NAMES]
    return atomic.begin(database, ME, [Joining(lease, False, "before") for lease in held]), held


def phases(database: Database) -> dict[str, str]:
    (run,) = views.status(database)["atomic-run"]
    return {device["name"]: device["holds"] for device in run["device"]}


def test_a_run_is_undecided_until_it_is_decided(network: Database) -> None:
    number, held = begun(network)
    found = atomic.open_run(network, "bng1")
    assert found is not None
    assert found.verdict is None
    assert not atomic.may_go_on(network, "bng1")
    assert phases(network) == {"bng1": "old", "bng2": "old"}
    for lease in held:
        atomic.note(network, lease, number, Phase.PENDING)
    assert phases(network) == {"bng1": "unknown", "bng2": "unknown"}
    atomic.decide(network, ME, number, held)
    assert atomic.may_go_on(network, "bng1")
    given_up = atomic.give_up(network, ME, number, held[0])
    assert given_up is not None
    assert given_up.verdict is Verdict.COMMIT
    assert [member.phase for member in given_up.members] == [Phase.UNKNOWN, Phase.UNKNOWN]


def test_what_was_given_up_cannot_be_decided(network: Database, clock: ManualClock) -> None:
    number, held = begun(network)
    clock.advance(LEASE + 1)
    other = claim(network, "bng2", "b")
    found = atomic.give_up(network, ME, number, other)
    assert found is not None
    assert found.verdict is Verdict.ROLL_BACK
    with pytest.raises(LeaseLost):
        atomic.decide(network, ME, number, held)
    with pytest.raises(Held, match="taken back"):
        atomic.decide(network, ME, number, [held[0]])
    assert not atomic.may_go_on(network, "bng1")


def test_a_lost_lease_decides_nothing(network: Database, clock: ManualClock) -> None:
    """One of the devices is another's now: the run stays undecided."""
    number, held = begun(network)
    clock.advance(LEASE + 1)
    claim(network, "bng2", "b")
    with pytest.raises(LeaseLost):
        atomic.decide(network, ME, number, held)
    found = atomic.open_run(network, "bng1")
    assert found is not None
    assert found.verdict is None
    with pytest.raises(LeaseLost):
        atomic.note(network, held[1], number, Phase.PENDING)
    with pytest.raises(LeaseLost):
        atomic.settle(network, ME, held[1], number, Phase.OLD)


def test_a_run_is_forgotten_with_its_last_device(network: Database) -> None:
    number, held = begun(network)
    atomic.settle(network, ME, held[0], number, Phase.OLD)
    assert atomic.open_run(network, "bng1") is None
    assert atomic.open_run(network, "bng2") is not None
    atomic.note(network, held[0], number, Phase.PENDING)
    assert phases(network) == {"bng1": "old", "bng2": "old"}, "what is settled stays so"
    atomic.settle(network, ME, held[1], number, Phase.OLD)
    assert views.status(network)["atomic-run"] == []
    assert atomic.give_up(network, ME, number, held[0]) is None


def test_a_device_is_in_one_run_that_is_not_over(network: Database) -> None:
    number, held = begun(network)
    with pytest.raises(Held, match=f"bng1 is part of atomic run {number}"):
        atomic.begin(network, ME, [Joining(held[0], False, "x")])
    atomic.settle(network, ME, held[0], number, Phase.NEW)
    assert atomic.begin(network, ME, [Joining(held[0], True, "x")]) > number


def test_what_became_of_each_device_is_in_the_audit(network: Database) -> None:
    number, held = begun(network)
    atomic.decide(network, ME, number, held)
    atomic.settle(network, ME, held[0], number, Phase.NEW)
    reasons = [event["reason"] for event in views.audit(network, limit=10) if event["subject"] == "bng1"]
    assert [reason for reason in reasons if "atomic run" in reason] == [
        f"atomic run {number} begins",
        f"atomic run {number} is decided: what was committed is confirmed",
        f"atomic run {number}: it holds the new",
    ]
