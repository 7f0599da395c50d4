"""What a failure to connect to PostgreSQL means. libpq gives it no code, only words."""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.errors import CasmError, StoreBroken, StoreMissing, StoreReadOnly


@dataclass(frozen=True)
class _Meaning:
    """A failure whose text has one of `any_of`, and all of `all_of`."""

    kind: type[CasmError]
    what: str
    remedy: str
    any_of: tuple[str, ...]
    all_of: tuple[str, ...] = ()

    def fits(self, text: str) -> bool:
        return any(words in text for words in self.any_of) and all(words in text for words in self.all_of)


_MEANINGS = (
    _Meaning(
        StoreReadOnly,
        "was refused to this user",
        "check the user and the password (PGPASSWORD or ~/.pgpass)",
        ("password authentication failed", "no password supplied", "authentication failed"),
    ),
    _Meaning(
        StoreReadOnly,
        "lets nobody in from here under this name",
        "let the user in with a line in the server's pg_hba.conf, or take another user or address",
        ("pg_hba.conf",),
    ),
    _Meaning(
        StoreMissing,
        "is not there",
        "make it with 'createdb', then 'casm init'",
        ("does not exist",),
        ("FATAL: database ",),
    ),
    _Meaning(
        StoreReadOnly,
        "does not know this user",
        "make it with 'createuser', or correct the name in the URL",
        ("does not exist",),
        ("FATAL: role ",),
    ),
    _Meaning(
        StoreBroken,
        "takes no more connections",
        "end some of its sessions, or raise max_connections there",
        ("too many connections", "too many clients", "remaining connection slots"),
    ),
    _Meaning(
        StoreBroken,
        "does not speak TLS as it was asked to",
        "correct sslmode in the URL, or the server's certificate",
        ("SSL",),
    ),
    _Meaning(
        StoreBroken,
        "cannot be asked for so",
        "correct the URL; write postgresql+psycopg://USER@HOST:PORT/DATABASE",
        ("invalid connection option", "invalid port number", "invalid integer value"),
    ),
    _Meaning(
        StoreBroken,
        "cannot be reached",
        "check its host and port, and that the server runs",
        ("Connection refused", "No such file or directory", "timeout expired", "resolve", "unreachable"),
    ),
)


def connection_error(text: str, where: str) -> CasmError | None:
    """Our error for what libpq says of a connection to the store `where`; None where it is about something
    else."""
    for meaning in _MEANINGS:
        if meaning.fits(text):
            words = text.removeprefix("connection failed: ")
            return meaning.kind(f"the store {where} {meaning.what}: {words}", meaning.remedy)
    return None
