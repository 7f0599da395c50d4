"""`casm user`: who may log in to the NETCONF server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.cli.call import Answer, Call, Document, command, lines

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(no_args_is_help=True, help="Users of the NETCONF server, their keys, passwords and groups.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.", show_default=False)]
_Groups = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        metavar="GROUP",
        help="A group that access rules name: admin, operator.",
        show_default=False,
    ),
]
_Keys = Annotated[
    list[Path] | None,
    typer.Option("--key", metavar="FILE", help="An SSH public key: id_ed25519.pub.", show_default=False),
]
_PasswordFrom = Annotated[
    str | None,
    typer.Option(
        "--password-from",
        metavar="SOURCE",
        help="Where the password is: env:VARIABLE, file:PATH, or - for the first line of stdin.",
        show_default=False,
    ),
]


@command(
    app,
    "add",
    examples=(
        "casm user add alice --group admin --key ~/.ssh/id_ed25519.pub",
        "casm user add nms --group operator --password-from env:NMS_PASSWORD",
    ),
    changes=True,
)
def add(
    call: Call,
    name: _Name,
    groups: _Groups = None,
    keys: _Keys = None,
    password_from: _PasswordFrom = None,
) -> Answer:
    """Let somebody log in to the NETCONF server, with a key or a password."""
    from casm_ctrl.base.passwords import hash_password
    from casm_ctrl.service.users import add_user

    hashed = hash_password(_password(password_from)) if password_from is not None else None
    done = add_user(
        call.database,
        call.author,
        name,
        groups=groups or (),
        keys=[_read_key(path) for path in keys or ()],
        password_hash=hashed,
    )
    user = done["user"]
    notes = []
    if not user["key"] and not user["password"]:
        notes.append(f"{name} has neither key nor password: only a certificate logs in")
    return Answer(done, lines(f"Added user {name}."), notes)


@command(app, "list", examples=("casm user list", "casm user list --json"))
def list_(call: Call) -> Answer:
    """List the users, their groups and the fingerprints of their keys."""
    from casm_ctrl.service.users import list_users

    found = list_users(call.database)
    return Answer({"user": found}, lambda: _table(found))


def _table(found: list[Document]) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import table

    if not found:
        return ["There is no user yet: make one with 'casm user add NAME --group admin --key FILE'."]
    rows = (
        (
            user["name"],
            " ".join(user["group"]) or "-",
            "yes" if user["password"] else "no",
            "\n".join(key["fingerprint"] for key in user["key"]) or "-",
        )
        for user in found
    )
    return [table(("NAME", "GROUPS", "PASSWORD", "KEYS"), rows)]


@command(
    app,
    "change",
    examples=(
        "casm user change alice --group operator --remove-group admin",
        "casm user change alice --key new.pub --remove-key SHA256:PSnLdL7p2gWnvQM2+fx/ZQ2M4qIXXb3nsxGqTlM3hDU",
    ),
    changes=True,
)
def change(
    call: Call,
    name: _Name,
    groups: _Groups = None,
    remove_groups: Annotated[
        list[str] | None,
        typer.Option("--remove-group", metavar="GROUP", help="A group to leave.", show_default=False),
    ] = None,
    keys: _Keys = None,
    remove_keys: Annotated[
        list[str] | None,
        typer.Option(
            "--remove-key", metavar="FINGERPRINT", help="A key that logs in no more.", show_default=False
        ),
    ] = None,
) -> Answer:
    """Add and remove groups and keys of a user. Sessions that are open keep their groups."""
    from casm_ctrl.service.users import change_user

    if not any((groups, remove_groups, keys, remove_keys)):
        raise InvalidValue("nothing is to be changed", "give --group, --remove-group, --key or --remove-key")
    done = change_user(
        call.database,
        call.author,
        name,
        add_groups=groups or (),
        remove_groups=remove_groups or (),
        add_keys=[_read_key(path) for path in keys or ()],
        remove_keys=remove_keys or (),
    )
    return Answer(done, lines(f"Changed user {name}."))


@command(
    app,
    "password",
    examples=("casm user password alice --password-from -", "casm user password alice --remove"),
    changes=True,
)
def password(
    call: Call,
    name: _Name,
    password_from: _PasswordFrom = None,
    remove: Annotated[bool, typer.Option("--remove", help="Let no password log in.")] = False,
) -> Answer:
    """Set a user's password, asked for at the terminal, or remove it."""
    from casm_ctrl.base.passwords import hash_password
    from casm_ctrl.service.users import set_password

    if remove and password_from is not None:
        raise InvalidValue("--remove and --password-from exclude each other", "give one of them")
    hashed = None if remove else hash_password(_password(password_from))
    done = set_password(call.database, call.author, name, hashed)
    return Answer(done, lines(f"{'Removed' if remove else 'Set'} the password of {name}."))


@command(app, "remove", examples=("casm user remove alice",), changes=True)
def remove_(call: Call, name: _Name) -> Answer:
    """Let a user log in no more. The server ends the sessions that are open."""
    from casm_ctrl.service.users import remove_user

    return Answer(remove_user(call.database, call.author, name), lines(f"Removed user {name}."))


def _read_key(path: Path) -> str:
    from casm_ctrl.northbound.ssh.authentication import read_public_key

    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{path} cannot be read: {error}", "name the .pub file of a key") from error
    return read_public_key(text)


def _password(source: str | None) -> str:
    """From where `source` says; from the terminal, twice, where it says nothing."""
    if source == "-":
        return sys.stdin.readline().rstrip("\n")
    if source is not None:
        return _read_password(source)
    if not sys.stdin.isatty():
        raise InvalidValue("there is no terminal to ask for the password", "use --password-from -")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _read_password(source: str) -> str:
    """What `env:VARIABLE` holds, or the first line of `file:PATH`. The source is not repeated in errors: it may be
    a password typed by mistake."""
    kind, _, name = source.partition(":")
    if kind == "env" and name:
        text = os.environ.get(name)
        if not text:
            raise InvalidValue(f"the variable {name} is not set", "export it, or use --password-from -")
        return text
    if kind == "file" and name:
        try:
            return Path(name).expanduser().read_text(encoding="utf-8").partition("\n")[0]
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidValue(f"{name} cannot be read: {error}", "name another file") from error
    raise InvalidValue(
        "--password-from does not say where the password is", "write env:VARIABLE, file:PATH or -"
    )
