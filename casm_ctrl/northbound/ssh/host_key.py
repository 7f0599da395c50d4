"""The server's host keys: files that only its user reads, made at the first start.

There is an RSA key beside the Ed25519 one: clients of before 2017 or so know no other, and could not connect.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

import asyncssh

from casm_ctrl.base.errors import InvalidValue

_RSA_BITS = 3072


def host_keys(path: Path) -> tuple[asyncssh.SSHKey, ...]:
    """The key in `path`, and the RSA key in `PATH_rsa`. InvalidValue where others may read one, or it is no key.

    Both are made where there is no `path`; who brings a key of their own has only that, unless they
    bring an RSA key too.
    """
    second = path.with_name(f"{path.name}_rsa")
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # The first key comes last: where it is, the making of both has come to its end.
            if not second.exists():
                _write(second, asyncssh.generate_private_key("ssh-rsa", key_size=_RSA_BITS, comment="casm"))
            _write(path, asyncssh.generate_private_key("ssh-ed25519", comment="casm"))
        return tuple(_read(file) for file in (path, second) if file == path or file.exists())
    except OSError as error:
        raise InvalidValue(
            f"the host key {path} cannot be used: {error.strerror}", "name another file with --host-key"
        ) from error


def _read(path: Path) -> asyncssh.SSHKey:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise InvalidValue(
            f"the host key {path} has mode {mode:04o}: others than its owner may use it",
            f"chmod 600 {path}",
        )
    try:
        return asyncssh.read_private_key(path)
    except asyncssh.KeyImportError as error:
        raise InvalidValue(
            f"{path} is not a private key without a passphrase", "name another file with --host-key"
        ) from error


def _write(path: Path, key: asyncssh.SSHKey) -> None:
    # Written beside it and linked: two servers that start at once take the same key.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.export_private_key())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
