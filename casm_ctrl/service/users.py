"""Users of the northbound server: who may log in, with what, and the groups that access rules know them by.

Hashes of passwords go in and never come out: no document and no event has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from casm_ctrl.base.errors import AlreadyExists, InvalidValue, NotFound
from casm_ctrl.base.fingerprints import fingerprint_of_line
from casm_ctrl.base.identifiers import check_name
from casm_ctrl.service.edits import refuse_twice
from casm_ctrl.service.verb import Document, perform
from casm_ctrl.store import users
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.transaction import Transaction
from casm_ctrl.store.users import UserRow

NOBODY = 0
"""The subject of a failed login: who it was is not known, whatever name was said."""


def add_user(
    database: Database,
    author: Author,
    name: str,
    *,
    groups: Sequence[str] = (),
    keys: Sequence[str] = (),
    password_hash: str | None = None,
) -> Document:
    """Let `name` log in, with any of `keys` (type and base64) or the password of that hash."""

    def body(tx: Transaction) -> Document:
        check_name("user", name)
        if users.find_user(tx, name) is not None:
            raise AlreadyExists(f"there is a user '{name}' already", "change it with 'casm user change'")
        number = users.insert_user(tx, name, password_hash)
        users.set_keys(tx, number, _checked_keys(keys))
        users.set_groups(tx, number, _checked_groups(groups))
        user = UserRow(number, name, password_hash, tuple(sorted(keys)), tuple(sorted(groups)))
        _record(tx, author, "user-add", user, _words(user))
        return {"user": _document(user)}

    arguments = {"name": name, "groups": list(groups), "keys": list(keys)}
    return perform(database, author, "user-add", arguments, body)


def change_user(
    database: Database,
    author: Author,
    name: str,
    *,
    add_groups: Sequence[str] = (),
    remove_groups: Sequence[str] = (),
    add_keys: Sequence[str] = (),
    remove_keys: Sequence[str] = (),
) -> Document:
    """Change groups and keys of a user; `remove_keys` are fingerprints."""

    def body(tx: Transaction) -> Document:
        user = _the_user(tx, name)
        groups = _changed("group", name, user.groups, add_groups, remove_groups, str)
        keys = _changed("key", name, user.keys, add_keys, remove_keys, fingerprint_of_line)
        users.set_groups(tx, user.id, _checked_groups(groups))
        users.set_keys(tx, user.id, _checked_keys(keys))
        after = UserRow(user.id, name, user.password_hash, keys, groups)
        _record(tx, author, "user-change", after, _words(after))
        return {"user": _document(after)}

    arguments = {
        "name": name,
        "add-groups": list(add_groups),
        "remove-groups": list(remove_groups),
        "add-keys": list(add_keys),
        "remove-keys": list(remove_keys),
    }
    return perform(database, author, "user-change", arguments, body)


def set_password(database: Database, author: Author, name: str, password_hash: str | None) -> Document:
    """Give a user the password of that hash, or none."""

    def body(tx: Transaction) -> Document:
        user = _the_user(tx, name)
        users.set_password_hash(tx, user.id, password_hash)
        _record(tx, author, "user-password", user, "set" if password_hash else "removed")
        return {"user": _document(UserRow(user.id, name, password_hash, user.keys, user.groups))}

    return perform(database, author, "user-password", {"name": name, "set": bool(password_hash)}, body)


def remove_user(database: Database, author: Author, name: str) -> Document:
    """Let `name` log in no more. Servers end the sessions that are open."""

    def body(tx: Transaction) -> Document:
        user = _the_user(tx, name)
        users.delete_user(tx, user.id)
        _record(tx, author, "user-remove", user, "")
        return {"user": {"name": name}}

    return perform(database, author, "user-remove", {"name": name}, body)


def list_users(database: Database) -> list[Document]:
    """All users, by name."""
    with database.read() as tx:
        return [_document(user) for user in users.list_users(tx)]


def user_names(database: Database) -> frozenset[str]:
    with database.read() as tx:
        return users.user_names(tx)


def has_users(database: Database) -> bool:
    with database.read() as tx:
        return users.has_users(tx)


# --- Logins ---------------------------------------------------------------------------------------


def find_login(database: Database, name: str) -> UserRow | None:
    """What `name` logs in with; only for who checks it."""
    with database.read() as tx:
        return users.find_user(tx, name)


def record_login(database: Database, user: UserRow, words: str) -> None:
    """Put into the audit that a user logged in: from where, and with what."""
    database.run(lambda tx: _record(tx, Author(f"{user.name}@netconf"), "login", user, words))


def record_failed_login(database: Database, source_host: str, words: str) -> None:
    """Put into the audit that logins from an address failed. The names that were said are only in `words`."""
    event = Event("login-failed", "user", NOBODY, source_host, reason=words)
    database.run(lambda tx: record(tx, Author("netconf"), [event]))


# --- Parts ----------------------------------------------------------------------------------------


def _the_user(tx: Transaction, name: str) -> UserRow:
    user = users.find_user(tx, name)
    if user is None:
        raise NotFound(f"there is no user '{name}'", "list them with 'casm user list'")
    return user


def _changed(
    what: str,
    name: str,
    before: Sequence[str],
    add: Sequence[str],
    remove: Sequence[str],
    called: Callable[[str], str],
) -> tuple[str, ...]:
    known = {called(value) for value in before}
    for gone in remove:
        if gone not in known:
            raise NotFound(f"user '{name}' has no {what} '{gone}'", "see 'casm user list'")
    kept = [value for value in before if called(value) not in remove]
    return tuple(sorted({*kept, *add}))


def _checked_groups(groups: Sequence[str]) -> Sequence[str]:
    refuse_twice("group", groups)
    for group in groups:
        check_name("group", group)
    return groups


def _checked_keys(keys: Sequence[str]) -> Sequence[str]:
    refuse_twice("key", keys)
    for key in keys:
        if len(key.split()) != 2 or fingerprint_of_line(key) == key:
            raise InvalidValue("a key is not a public key of SSH", "give its type and base64")
    return keys


def _document(user: UserRow) -> dict[str, Any]:
    return {
        "name": user.name,
        "group": list(user.groups),
        "key": [{"type": key.split()[0], "fingerprint": fingerprint_of_line(key)} for key in user.keys],
        "password": user.password_hash is not None,
    }


def _words(user: UserRow) -> str:
    groups = ", ".join(user.groups) or "none"
    keys = ", ".join(fingerprint_of_line(key) for key in user.keys) or "none"
    return f"groups {groups}; keys {keys}; password {'yes' if user.password_hash else 'no'}"


def _record(tx: Transaction, author: Author, verb: str, user: UserRow, words: str) -> None:
    record(tx, author, [Event(verb, "user", user.id, user.name, reason=author.reason or words)])
