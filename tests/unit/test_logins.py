"""What logins cost, who makes room, the host key, passwords, and users in the store."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.errors import AlreadyExists, InvalidValue, NotFound
from casm_ctrl.base.passwords import COST, hash_password, is_password
from casm_ctrl.northbound.ssh.authentication import read_public_key
from casm_ctrl.northbound.ssh.delays import FORGET, FREE_OF_ADDRESS, LONGEST, MOST, Delays
from casm_ctrl.northbound.ssh.failed_logins import MOST_ROWS, TELL_EVERY, FailedLogins, source_of
from casm_ctrl.northbound.ssh.half_open import HalfOpen
from casm_ctrl.northbound.ssh.host_key import host_keys
from casm_ctrl.northbound.ssh.places import Places
from casm_ctrl.northbound.ssh.proven_passwords import KEPT, MOST_USERS, ProvenPasswords
from casm_ctrl.service import users
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, list_events

KEY = " ".join(asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().split()[:2])
AUTHOR = Author("tester")


# --- Delays ---------------------------------------------------------------------------------------


def test_each_failure_doubles_what_the_next_attempt_waits() -> None:
    delays, waits = Delays(), []
    now = 0.0
    for _ in range(8):
        waits.append(delays.attempt("alice", "192.0.2.1", now))
        now += waits[-1]
        delays.failed("alice", "192.0.2.1", now)
    assert waits[:5] == [0.0, 0.5, 1.0, 2.0, 4.0]
    assert max(waits) <= LONGEST


def test_nobody_is_locked_out_from_another_address() -> None:
    delays = Delays()
    for _ in range(100):
        delays.failed("alice", "192.0.2.1", 0.0)
    assert delays.attempt("alice", "192.0.2.1", 0.0) > 0
    assert delays.attempt("alice", "192.0.2.2", 0.0) == 0


def test_attempts_at_once_stand_in_a_queue() -> None:
    delays = Delays()
    delays.failed("alice", "192.0.2.1", 0.0)
    waits = [delays.attempt("alice", "192.0.2.1", 0.0) for _ in range(4)]
    assert waits == sorted(set(waits))


def test_who_tries_many_names_waits_too() -> None:
    delays = Delays()
    for number in range(FREE_OF_ADDRESS + 1):
        assert delays.attempt(f"user{number}", "192.0.2.1", 0.0) == 0
        delays.failed(f"user{number}", "192.0.2.1", 0.0)
    assert delays.attempt("another", "192.0.2.1", 0.0) > 0


def test_failures_are_forgotten_and_bounded() -> None:
    delays = Delays()
    delays.failed("alice", "192.0.2.1", 0.0)
    assert delays.attempt("alice", "192.0.2.1", FORGET + 1) == 0
    for number in range(MOST + 10):
        delays.failed(f"u{number}", f"a{number}", 0.0)
    assert len(delays._failures) <= MOST


def test_success_forgets_the_failures_of_that_user() -> None:
    delays = Delays()
    delays.failed("alice", "192.0.2.1", 0.0)
    delays.succeeded("alice", "192.0.2.1")
    assert delays.attempt("alice", "192.0.2.1", 0.0) == 0


# --- Half-open connections ------------------------------------------------------------------------


@dataclass(frozen=True)
class Knocking:
    """A connection that is not authenticated."""

    name: object
    dropped: list[object] = field(default_factory=list, compare=False)
    has_spoken: bool = False

    def abort(self) -> None:
        self.dropped.append(self.name)


def test_a_flood_from_one_address_displaces_itself() -> None:
    dropped: list[object] = []
    half_open = HalfOpen(100, 3)
    half_open.enter(Knocking("good", dropped), "192.0.2.9")
    for number in range(10):
        half_open.enter(Knocking(f"bad{number}", dropped), "192.0.2.1")
    assert dropped == [f"bad{number}" for number in range(7)]
    assert len(half_open) == 4


def test_in_all_the_oldest_of_whoever_has_most_makes_room() -> None:
    dropped: list[object] = []
    half_open = HalfOpen(3, 2)
    for name, source in (("a", "1"), ("b1", "2"), ("b2", "2"), ("c", "3")):
        half_open.enter(Knocking(name, dropped), source)
    assert dropped == ["b1"]
    half_open.leave(Knocking("b1"), "2")
    assert len(half_open) == 3


def test_who_speaks_ssh_stays_before_who_says_nothing() -> None:
    dropped: list[object] = []
    half_open = HalfOpen(100, 3)
    half_open.enter(Knocking("good", dropped, has_spoken=True), "192.0.2.1")
    for number in range(5):
        half_open.enter(Knocking(number, dropped), "192.0.2.1")
    assert dropped == [0, 1, 2]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4))))
def test_what_is_counted_is_what_is_there(steps: list[tuple[bool, int]]) -> None:
    half_open = HalfOpen(8, 3)
    there: list[tuple[Knocking, str]] = []
    dropped: list[object] = []
    for number, (enters, source) in enumerate(steps):
        if enters:
            there.append((Knocking(number, dropped), str(source)))
            half_open.enter(*there[-1])
        elif there:
            half_open.leave(*there.pop(0))
        there = [(one, source) for one, source in there if one.name not in dropped]
        assert len(half_open) == len(there) <= 8


# --- Places ---------------------------------------------------------------------------------------


def test_one_user_does_not_take_all_places() -> None:
    places = Places(3, 2, "sessions")
    assert places.enter("alice") is None and places.enter("alice") is None
    assert "alice has as many sessions" in (places.enter("alice") or "")
    assert places.enter("bob") is None
    assert "the server has as many sessions" in (places.enter("carol") or "")
    places.leave("alice")
    assert places.enter("alice") is None and len(places) == 3


# --- What the audit is told -----------------------------------------------------------------------


def test_failures_of_one_address_are_told_once_in_a_while() -> None:
    failed = FailedLogins()
    assert [failed.failed("192.0.2.1", at) for at in (0.0, 1.0, 2.0)] == [0, None, None]
    assert failed.failed("192.0.2.1", TELL_EVERY) == 2


def test_many_addresses_do_not_fill_the_audit() -> None:
    failed = FailedLogins()
    told = [failed.failed(f"192.0.2.{number}", 0.0) for number in range(1000)]
    assert told.count(0) == MOST_ROWS


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unknown", "unknown"),
    ],
)
def test_a_source_is_an_address_or_a_network(host: str, source: str) -> None:
    assert source_of(host) == source


# --- The host key ---------------------------------------------------------------------------------


def test_a_host_key_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "new" / "host_key"
    made = host_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [key.public_data for key in host_keys(path)] == [key.public_data for key in made]
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["host_key", "host_key_rsa"]


def test_a_host_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "host_key"
    host_keys(path)
    path.chmod(0o640)
    with pytest.raises(InvalidValue, match="mode 0640"):
        host_keys(path)


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "host_key"
    path.write_text("nonsense")
    path.chmod(0o600)
    with pytest.raises(InvalidValue, match="not a private key"):
        host_keys(path)


# --- Passwords ------------------------------------------------------------------------------------


def test_a_password_is_known_by_its_hash_to_the_last_octet() -> None:
    long = "x" * 100
    known = hash_password(long, cost=4)
    assert is_password(long, known)
    assert not is_password(long[:-1] + "y", known)  # bcrypt alone heeds 72 octets
    assert not is_password("with\0zero", hash_password("with\0another", cost=4))


def test_nobody_has_a_password_and_what_is_no_hash_is_nobodys() -> None:
    assert not is_password("whatever", None)
    assert not is_password("whatever", "nonsense")


def test_a_hash_costs_what_it_should() -> None:
    assert hash_password("correct horse").startswith(f"$2b${COST}$")


def test_a_password_that_was_right_is_known_for_a_while() -> None:
    now = [0.0]
    proven = ProvenPasswords(lambda: now[0])
    old, new = "$2b$04$old", "$2b$04$new"
    assert not proven.holds(old, "right")
    proven.keep(old, "right")
    assert proven.holds(old, "right") and not proven.holds(old, "wrong")
    assert not proven.holds(new, "right"), "the store has another hash"
    now[0] = KEPT
    assert not proven.holds(old, "right")


def test_proven_passwords_are_bounded() -> None:
    proven = ProvenPasswords()
    for number in range(MOST_USERS + 1):
        proven.keep(str(number), "right")
    assert not proven.holds("0", "right") and proven.holds(str(MOST_USERS), "right")


@pytest.mark.parametrize("password", ["", "seven77", "x" * 1025])
def test_a_password_has_a_length(password: str) -> None:
    with pytest.raises(InvalidValue, match="characters"):
        hash_password(password)


# --- Users ----------------------------------------------------------------------------------------


def test_users_are_kept_and_their_hashes_never_shown(database: Database) -> None:
    hashed = hash_password("correct horse", cost=4)
    done = users.add_user(database, AUTHOR, "alice", groups=["admin"], keys=[KEY], password_hash=hashed)
    found = users.find_login(database, "alice")
    assert found is not None and found.password_hash == hashed and found.keys == (KEY,)
    users.set_password(database, AUTHOR, "alice", hash_password("another one", cost=4))
    shown = json.dumps([done, users.list_users(database)]) + repr(found)
    with database.read() as tx:
        shown += repr(list_events(tx))
    assert "$2b$" not in shown
    assert users.list_users(database)[0]["group"] == ["admin"]
    assert users.has_users(database)


def test_users_change_and_go(database: Database) -> None:
    fingerprint = users.add_user(database, AUTHOR, "alice", keys=[KEY])["user"]["key"][0]["fingerprint"]
    with pytest.raises(AlreadyExists):
        users.add_user(database, AUTHOR, "alice")
    changed = users.change_user(database, AUTHOR, "alice", add_groups=["operator"], remove_keys=[fingerprint])
    assert (changed["user"]["group"], changed["user"]["key"]) == (["operator"], [])
    with pytest.raises(NotFound, match="no key"):
        users.change_user(database, AUTHOR, "alice", remove_keys=[fingerprint])
    with pytest.raises(InvalidValue, match="public key"):
        users.change_user(database, AUTHOR, "alice", add_keys=["ssh-ed25519 ???"])
    users.remove_user(database, AUTHOR, "alice")
    with pytest.raises(NotFound):
        users.set_password(database, AUTHOR, "alice", None)
    assert not users.has_users(database)


def test_a_public_key_is_read_without_its_comment() -> None:
    assert read_public_key(f"{KEY} somebody@somewhere\n") == KEY
    with pytest.raises(InvalidValue):
        read_public_key("nonsense")
