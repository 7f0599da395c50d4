"""Addresses of a public pool are the same ones in all spaces: who shows them in another space has them."""

from __future__ import annotations

import pytest

from casm_ctrl.addressing.prefix import parse_prefix
from casm_ctrl.base.errors import Exhausted
from casm_ctrl.service import intent
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, change
from casm_ctrl.service.desired import desired
from casm_ctrl.service.observation import Observed, Sight, Sighting, observe
from casm_ctrl.service.release import release
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author

ME = Author("tester", reason="test")
PUBLIC = "198.51.100.0/24"
LOW, HIGH = "198.51.100.0/25", "198.51.100.128/25"


@pytest.fixture
def public(network: Database) -> Database:
    """Space `s` has the public pool `pub`, from which bng1/out gets /25 blocks; device far is in space `vpn`."""
    far = AddDevice("far", "bng", "ietf-address-pool", "192.0.2.9", 830, "casm", "env:SECRET", "vpn")
    pool = AddPool("pub", "s", (PUBLIC,), scope="public")
    change(network, ME, [AddSpace("vpn"), far, pool, AddDevicePool("bng1/out", ("pub",), 25)])
    return network


def show(database: Database, *prefixes: str) -> Observed:
    """Device far shows these, somebody's."""
    sightings = tuple(Sighting("range", ("theirs", text), parse_prefix(text).range) for text in prefixes)
    lease = intent.claim_lease(database, "far", "tester", "the test")
    seen = observe(database, ME, lease, Sight(sightings, (), proof=True))
    intent.release_lease(database, lease)
    return seen


def given(database: Database) -> str:
    return str(allocate(database, ME, "bng1/out")["block"][0]["prefix"])


def test_free_addresses_that_another_space_shows_are_held(public: Database) -> None:
    (finding,) = show(public, LOW).findings
    assert "nothing is allocated from there" in finding.words
    assert given(public) == HIGH
    with pytest.raises(Exhausted):
        given(public)
    show(public, LOW)
    with pytest.raises(Exhausted):
        given(public)
    show(public)
    assert given(public) == LOW


def test_a_block_that_another_space_shows_is_not_installed(public: Database) -> None:
    assert given(public) == LOW
    (finding,) = show(public, LOW).findings
    assert (finding.block, finding.holds) == (1, True)
    assert list(desired(public, "bng1").holds) == [1]
    release(public, ME, ["b1"])
    assert given(public) == HIGH
    show(public)
    assert given(public) == LOW


def test_a_public_pool_that_comes_later_is_held_too(network: Database) -> None:
    far = AddDevice("far", "bng", "ietf-address-pool", "192.0.2.9", 830, "casm", "env:SECRET", "vpn")
    change(network, ME, [AddSpace("vpn"), far])
    assert show(network, LOW).findings == ()
    pool = AddPool("pub", "s", (PUBLIC,), scope="public")
    change(network, ME, [pool, AddDevicePool("bng1/out", ("pub",), 25)])
    assert given(network) == HIGH


def test_a_private_pool_of_another_space_is_nothing_to_it(network: Database) -> None:
    far = AddDevice("far", "bng", "ietf-address-pool", "192.0.2.9", 830, "casm", "env:SECRET", "vpn")
    pool = AddPool("pub", "s", (PUBLIC,))
    change(network, ME, [AddSpace("vpn"), far, pool, AddDevicePool("bng1/out", ("pub",), 25)])
    assert show(network, LOW).findings == ()
    assert given(network) == LOW
