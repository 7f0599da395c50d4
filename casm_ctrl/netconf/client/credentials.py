"""Credentials are references: `env:NAME` holds a password, `file:PATH` a private key.

They are resolved when a session is opened and kept nowhere. Nothing else is tried: no agent, no other
keys. What they hold never shows in a message, a `repr` or a log.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from casm_ctrl.base.errors import InvalidValue


@dataclass(frozen=True)
class Password:
    """What the variable held."""

    text: str = field(repr=False)


@dataclass(frozen=True)
class PrivateKey:
    """What the file held: a key in OpenSSH's or PEM form, not encrypted."""

    path: str
    data: bytes = field(repr=False)


def parse_reference(reference: str) -> tuple[str, str]:
    """(`env` or `file`, what it names); InvalidValue where `reference` is neither."""
    kind, colon, name = reference.partition(":")
    if kind not in ("env", "file") or not colon or not name:
        raise InvalidValue(  # the text itself is not repeated: it may be a secret typed by mistake
            "the credential is not a reference",
            "write env:NAME (a variable with a password) or file:PATH (a private key)",
        )
    return kind, name


def read_credential(reference: str) -> Password | PrivateKey:
    """What `reference` holds at this moment; InvalidValue names the variable or file that fails."""
    kind, name = parse_reference(reference)
    return _password(name) if kind == "env" else _private_key(name)


def unusable_key(path: str, why: str) -> InvalidValue:
    """For clients that cannot load the key that `read_credential` gave them."""
    return InvalidValue(
        f"the private key in {path} cannot be used: {why}",
        "give a file with one unencrypted key of OpenSSH, for example from ssh-keygen -t ed25519 -N ''",
    )


def _password(name: str) -> Password:
    text = os.environ.get(name)
    if not text:
        state = "empty" if text == "" else "not set"
        raise InvalidValue(f"the environment variable {name} is {state}", f"put the password into {name}")
    return Password(text)


def _private_key(name: str) -> PrivateKey:
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(1 << 16)
    except OSError as error:
        raise InvalidValue(
            f"the private key {path} cannot be read: {error.strerror}", "check the path and its permissions"
        ) from None
    # OpenSSH's rule: who owns the key must keep it from others; a mounted secret of another owner passes.
    if status.st_uid == os.getuid() and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidValue(f"the private key {path} may be read by others", f"run chmod 600 {path}")
    if b"PRIVATE KEY-----" not in data:
        raise unusable_key(str(path), "it holds no private key")
    return PrivateKey(str(path), data)
