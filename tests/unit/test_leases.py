"""Who works on a device: leases on a clock that the test moves."""

from __future__ import annotations

import pytest

from casm_ctrl.base.clock import SECOND, ManualClock, Micros
from casm_ctrl.base.deadlines import LEASE
from casm_ctrl.base.errors import LeaseHeld, LeaseLost, NotFound
from casm_ctrl.service import intent
from casm_ctrl.service.observation import Sight, observe
from casm_ctrl.store import leases
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.leases import Lease, PendingCommit

ME = Author("tester")
NOTHING = Sight((), (), proof=True)


def claim(database: Database, holder: str = "a", device: str = "bng1") -> Lease:
    return intent.claim_lease(database, device, holder, f"process of {holder}")


def test_a_lease_has_one_holder(network: Database) -> None:
    first = claim(network, "a")
    with pytest.raises(LeaseHeld, match=r"process of a for at most 15 s more"):
        claim(network, "b")
    claim(network, "b", device="bng2")
    intent.release_lease(network, first)
    assert claim(network, "b").generation == first.generation + 1


def test_an_unknown_device_has_no_lease(network: Database) -> None:
    with pytest.raises(NotFound):
        claim(network, device="nowhere")


def test_a_lease_ends_when_it_is_not_renewed(network: Database, clock: ManualClock) -> None:
    claim(network, "a")
    clock.advance(LEASE - 0.001)
    with pytest.raises(LeaseHeld):
        claim(network, "b")
    clock.advance(0.001)
    assert claim(network, "b").generation == 2


def test_renewal_keeps_it(network: Database, clock: ManualClock) -> None:
    lease = claim(network, "a")
    for _ in range(4):
        clock.advance(LEASE - 1)
        intent.renew_lease(network, lease)
        with pytest.raises(LeaseHeld):
            claim(network, "b")


def test_an_expired_lease_that_nobody_took_may_be_renewed(network: Database, clock: ManualClock) -> None:
    lease = claim(network, "a")
    clock.advance(10 * LEASE)
    intent.renew_lease(network, lease)
    with pytest.raises(LeaseHeld):
        claim(network, "b")


def test_who_lost_it_can_do_nothing_more(network: Database, clock: ManualClock) -> None:
    old = claim(network, "a")
    clock.advance(LEASE)
    new = claim(network, "b")
    pending = PendingCommit(1, 1, 1, "x", 1, Micros(0), Micros(0), "d")
    with network.write() as tx:
        leases.put_pending(tx, pending)
    with pytest.raises(LeaseLost):
        intent.renew_lease(network, old)
    with pytest.raises(LeaseLost):
        observe(network, ME, old, NOTHING)
    with pytest.raises(LeaseLost):
        intent.clear_pending(network, old)
    with pytest.raises(LeaseLost):
        intent.record_result(network, old, "in-sync", None, seen=True)
    intent.release_lease(network, old)
    with network.read() as tx:
        leases.check(tx, new)
        assert leases.get_pending(tx, 1) == pending


def test_the_same_holder_does_not_get_its_old_lease_back(network: Database, clock: ManualClock) -> None:
    """A generation tells two leases of one holder apart, as after SIGSTOP and SIGCONT of a process."""
    old = claim(network, "a")
    clock.advance(LEASE)
    new = claim(network, "a")
    assert new.generation == old.generation + 1
    with pytest.raises(LeaseLost):
        intent.renew_lease(network, old)


def test_who_takes_an_expired_lease_learns_the_session(network: Database, clock: ManualClock) -> None:
    first = claim(network, "a")
    assert first.previous_session is None
    intent.renew_lease(network, first, 41)
    intent.renew_lease(network, first)
    clock.advance(LEASE)
    assert claim(network, "b").previous_session == 41


def test_a_lease_that_was_given_back_left_no_session(network: Database) -> None:
    first = claim(network, "a")
    intent.renew_lease(network, first, 41)
    intent.release_lease(network, first)
    assert claim(network, "b").previous_session is None


def test_a_session_is_not_forgotten_by_who_never_opened_one(network: Database, clock: ManualClock) -> None:
    """`b` took the lease and died before it reached the device: the lock there is still `a`'s."""
    intent.renew_lease(network, claim(network, "a"), 41)
    clock.advance(LEASE)
    claim(network, "b")
    clock.advance(LEASE)
    assert claim(network, "c").previous_session == 41


def test_the_generation_outlives_a_release(network: Database) -> None:
    generations = []
    for holder in "abc":
        lease = claim(network, holder)
        generations.append(lease.generation)
        intent.release_lease(network, lease)
    assert generations == [1, 2, 3]


def test_a_pending_commit_is_kept_and_replaced(network: Database) -> None:
    pending = PendingCommit(1, 3, 7, None, 12, Micros(5), Micros(5 + 60 * SECOND), "digest")
    with network.write() as tx:
        leases.put_pending(tx, pending)
    with network.read() as tx:
        assert leases.get_pending(tx, 1) == pending
        assert leases.get_pending(tx, 2) is None
    with network.write() as tx:
        leases.clear_pending(tx, 1)
        assert leases.get_pending(tx, 1) is None
