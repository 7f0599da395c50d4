"""A PostgreSQL store that cannot be used: each reason is one line that says what was found and what to do."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from casm_ctrl.cli.main import app
from casm_ctrl.store.database import HEAD
from tests.peers.postgresql import Postgresql, programs

pytestmark = pytest.mark.peer

RULES = """\
host all secret 127.0.0.1/32 scram-sha-256
host all outsider 127.0.0.1/32 reject
"""


@pytest.fixture(scope="module")
def server(postgresql: Postgresql) -> Iterator[Postgresql]:
    """The server of this run, with a user that needs a password, one that is let in, and one that is not."""
    rules = postgresql.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(RULES + before)
    postgresql.execute(
        "CREATE ROLE secret LOGIN PASSWORD 'right'",
        "CREATE ROLE outsider LOGIN",
        "CREATE ROLE guest LOGIN",
        "SELECT pg_reload_conf()",
    )
    yield postgresql
    rules.write_text(before)
    postgresql.execute("DROP ROLE secret, outsider, guest", "SELECT pg_reload_conf()")


@pytest.fixture
def store(server: Postgresql) -> str:
    """The name of a database with a store in it."""
    name = server.make()
    assert CliRunner().invoke(app, ["--database", server.url(name), "init"]).exit_code == 0
    return name


def refused(url: str, what: str, remedy: str, *command: str) -> None:
    """The command fails with one line on stderr, with both in it, and without any password."""
    ended = CliRunner().invoke(app, ["--database", url, *(command or ("status",))], prog_name="casm")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.startswith("casm: ")
    assert ended.stderr.count("\n") == 1
    assert what in ended.stderr
    assert ended.stderr.rstrip().endswith(remedy)
    assert "wr0ng" not in ended.stderr
    assert "unexpected" not in ended.stderr


def other(server: Postgresql, name: str, user: str) -> str:
    return server.url(name).replace("casm@", f"{user}@")


PASSWORD = "check the user and the password (PGPASSWORD or ~/.pgpass)"


def test_a_wrong_password(server: Postgresql, store: str) -> None:
    refused(other(server, store, "secret:wr0ng"), "was refused to this user", PASSWORD)
    refused(other(server, store, "secret:wr0ng"), "was refused to this user", PASSWORD, "init")


def test_no_password(server: Postgresql, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", "/nonexistent")
    refused(other(server, store, "secret"), "was refused to this user", PASSWORD)
    monkeypatch.setenv("PGPASSWORD", "right")
    refused(
        other(server, store, "secret"),
        "permission denied",
        "its user the rights, or connect to the primary server",
    )


def test_a_user_who_is_not_let_in(server: Postgresql, store: str) -> None:
    refused(other(server, store, "outsider"), "lets nobody in from here", "or take another user or address")


def test_an_unknown_user(server: Postgresql, store: str) -> None:
    refused(
        other(server, store, "stranger"), 'role "stranger" does not exist', "or correct the name in the URL"
    )


@pytest.mark.parametrize("command", ["status", "init"])
def test_a_missing_database(server: Postgresql, command: str) -> None:
    refused(server.url("nowhere"), "is not there", "make it with 'createdb', then 'casm init'", command)


def test_a_database_without_a_store(server: Postgresql) -> None:
    refused(server.url(server.make()), "holds no store of ours", "run 'casm init', or name another")


@pytest.mark.parametrize("command", ["status", "init"])
def test_a_refused_connection(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    remedy = "check its host and port, and that the server runs"
    refused(f"postgresql+psycopg://casm@127.0.0.1:{port}/casm", "Connection refused", remedy, command)


def test_an_unknown_host() -> None:
    refused(
        "postgresql+psycopg://casm@no-such-host.invalid/casm", "cannot be reached", "and that the server runs"
    )


def test_tls_that_the_server_does_not_speak(server: Postgresql, store: str) -> None:
    refused(f"{server.url(store)}?sslmode=require", "does not speak TLS", "or the server's certificate")


def test_a_misspelt_option(server: Postgresql, store: str) -> None:
    refused(f"{server.url(store)}?sslmood=require", '"sslmood"', "USER@HOST:PORT/DATABASE")


def test_too_many_connections(server: Postgresql, store: str) -> None:
    server.execute(f"ALTER DATABASE {store} CONNECTION LIMIT 0")
    refused(other(server, store, "guest"), "takes no more connections", "or raise max_connections there")


@pytest.mark.parametrize("command", [("space", "add", "x"), ("init",)])
def test_a_user_without_rights(server: Postgresql, store: str, command: tuple[str, ...]) -> None:
    refused(
        other(server, store, "guest"),
        "permission denied",
        "its user the rights, or connect to the primary server",
        *command,
    )


def test_a_database_that_is_read_only(server: Postgresql, store: str) -> None:
    """As a standby is."""
    server.execute(f"ALTER DATABASE {store} SET default_transaction_read_only = on")
    refused(
        server.url(store),
        "cannot be written",
        "to the primary server",
        "space",
        "add",
        "x",
    )


@pytest.mark.parametrize(
    ("revision", "command", "what", "remedy"),
    [
        (
            "0000",
            "status",
            f"has schema 0000, and this program needs {HEAD}",
            "'casm init' to bring it up to date",
        ),
        ("0000", "init", f"from which this program knows no way to {HEAD}", "use the program that wrote it"),
        ("9999", "status", f"this program knows {HEAD} at the latest", "use the newer program that wrote it"),
        ("9999", "init", f"this program knows {HEAD} at the latest", "use the newer program that wrote it"),
    ],
)
def test_a_store_of_another_version(
    server: Postgresql, store: str, revision: str, command: str, what: str, remedy: str
) -> None:
    server.execute(f"UPDATE alembic_version SET version_num = '{revision}'", name=store)
    refused(server.url(store), what, remedy, command)


def test_a_server_without_the_extension(tmp_path_factory: pytest.TempPathFactory) -> None:
    """PostgreSQL looks for its extensions beside itself: this is a copy that has all but btree_gist."""
    folder = programs()
    if folder is None or folder.parts[1:3] != ("usr", "lib"):
        pytest.skip("PostgreSQL is not where Debian's package has it")
    root = tmp_path_factory.mktemp("bare")
    for parent in (root, *root.parents[:-2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    version = folder.parent.name
    home, share = root / "lib/postgresql" / version, root / "share/postgresql" / version
    for made in (home / "bin", share / "extension"):
        made.mkdir(parents=True)
    shutil.copy(folder / "postgres", home / "bin/postgres")
    (home / "lib").symlink_to(folder.parent / "lib")
    system = Path("/usr/share/postgresql") / version
    for entry in system.iterdir():
        if entry.name != "extension":
            (share / entry.name).symlink_to(entry)
    for entry in (system / "extension").iterdir():
        if not entry.name.startswith("btree_gist"):
            (share / "extension" / entry.name).symlink_to(entry)
    with Postgresql(home / "bin/postgres") as bare:
        url = bare.url(bare.make())
        refused(url, "needs the extension btree_gist", "install PostgreSQL's contrib modules there", "init")
        refused(url, "holds no store of ours", "run 'casm init', or name another")
