"""The server's host key: a file that only its user reads, made at the first start."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

import asyncssh

from casm_ctrl.base.errors import InvalidValue


def host_key(path: Path) -> asyncssh.SSHKey:
    """The key in `path`, made where there is none; InvalidValue where others may read it, or it is no key."""
    try:
        if not path.exists():
            _make(path)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise InvalidValue(
                f"the host key {path} has mode {mode:04o}: others than its owner may use it",
                f"chmod 600 {path}",
            )
        return asyncssh.read_private_key(path)
    except OSError as error:
        raise InvalidValue(
            f"the host key {path} cannot be used: {error.strerror}", "name another file with --host-key"
        ) from error
    except asyncssh.KeyImportError as error:
        raise InvalidValue(
            f"{path} is not a private key without a passphrase", "name another file with --host-key"
        ) from error


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = asyncssh.generate_private_key("ssh-ed25519", comment="casm")
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
