"""A throw-away PostgreSQL from the system's package: its data in a temporary folder, durable as in production."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tests.ports import ReservedPort

_START = 30.0
"""Seconds that a start may take on a busy machine, a recovery included."""


def programs() -> Path | None:
    """The folder of the newest initdb and postgres that are installed, or None."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda folder: float(folder.parent.name))
    anywhere = shutil.which("initdb")
    return None if anywhere is None else Path(anywhere).resolve().parent


def missing_server() -> str | None:
    """What is missing to run one, in words, or None."""
    return None if programs() is not None else "PostgreSQL (initdb and postgres)"


class Postgresql:
    """One server on 127.0.0.1 with its own data; a context manager that leaves nothing behind.

    `postgres`: the program to run; else the system's.
    """

    def __init__(self, postgres: Path | None = None) -> None:
        folder = programs()
        assert folder is not None
        self._programs = folder
        self._postgres = postgres or folder / "postgres"
        self.folder = Path(tempfile.mkdtemp(prefix="casm-pg-"))
        self.data = self.folder / "data"
        self._port = ReservedPort()
        self.port = self._port.number
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        self._groups: list[int] | None = [] if self._user else None

    def __enter__(self) -> Self:
        try:
            if self._user is not None:
                os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
            initdb: list[str | Path] = [self._programs / "initdb", "-D", self.data, "-U", "casm"]
            done = subprocess.run(
                [*initdb, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
                capture_output=True,
                text=True,
                check=False,
                cwd=self.folder,
                user=self._user,
                extra_groups=self._groups,
            )
            assert done.returncode == 0, done.stderr
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start it, also after `kill`, and wait until it takes connections."""
        settings = (
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
            "fsync=on",
            "max_connections=100",
        )
        command = [str(self._postgres), "-D", str(self.data)]
        for setting in settings:
            command += ["-c", setting]
        until = time.monotonic() + _START
        self._process = self._spawn(command)
        while True:
            try:
                psycopg.connect(self.dsn("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise AssertionError((self.folder / "log").read_text()[-2000:]) from None
                if self._process.poll() is not None:
                    # The children of one that was killed hold its memory for a moment.
                    self._process = self._spawn(command)
                time.sleep(0.02)

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, user=self._user, extra_groups=self._groups
            )

    def kill(self) -> None:
        """kill -9 of the server; its children follow as soon as they notice."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
        self._port.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, name: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=casm dbname={name}"

    def url(self, name: str) -> str:
        """As `casm --database` takes it."""
        return f"postgresql+psycopg://casm@127.0.0.1:{self.port}/{name}"

    def execute(self, *statements: str, name: str = "postgres") -> None:
        with psycopg.connect(self.dsn(name), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def make(self, template: str = "template1") -> str:
        """A new database, a copy of `template`; returns its name."""
        name = f"casm{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def empty(self, name: str) -> None:
        """Make the store in a database as it was new, in a tenth of the time of a copy."""
        self.execute(_EMPTY, name=name)


_EMPTY = """
DO $$
DECLARE name text;
BEGIN
    SET LOCAL session_replication_role = replica;
    SET LOCAL synchronous_commit = off;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'
        AND tablename NOT IN ('alembic_version', 'store', 'merge_turn')
    LOOP EXECUTE 'DELETE FROM ' || name; END LOOP;
    FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'
    LOOP PERFORM setval(name::regclass, 1, false); END LOOP;
    UPDATE store SET config_revision = 0;
END $$
"""
