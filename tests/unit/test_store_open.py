"""Making and opening a store: what is wrong with it is said in one line, and nothing is written."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import (
    AlreadyExists,
    CasmError,
    InvalidValue,
    NotSupported,
    Overlap,
    StoreBroken,
    StoreLocked,
    StoreMissing,
    StoreReadOnly,
    StoreVersion,
)
from casm_ctrl.service import views
from casm_ctrl.service.configuration import AddSpace, change
from casm_ctrl.store import sqlite as sqlite_module
from casm_ctrl.store.database import HEAD, Database, open_database
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store

ME = Author("tester")


def refused(path: Path | str, kind: type[CasmError], message: str) -> None:
    with pytest.raises(CasmError) as caught:
        open_database(str(path)).close()
    assert type(caught.value) is kind, caught.value
    assert message in caught.value.message
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


# --- Making ---------------------------------------------------------------------------------------


def test_a_store_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "casm.db"
    database, before = create_store(str(path))
    made = views.status(database)
    database.close()
    assert before is None
    assert path.stat().st_mode & 0o777 == 0o600
    again, before = create_store(str(path))
    assert before == HEAD
    assert views.status(again) == made
    again.close()


def test_durability_is_asked_for(database: Database) -> None:
    with database.read() as tx:
        if database.dialect == "postgresql":
            assert tx.one("SHOW fsync") == ("on",)
            return
        assert tx.one("PRAGMA journal_mode") == ("wal",)
        assert tx.one("PRAGMA synchronous") == (2,)
        assert tx.one("PRAGMA foreign_keys") == (1,)


def test_a_name_that_needs_escaping_is_a_file_like_others(tmp_path: Path) -> None:
    path = tmp_path / "a ?b#c%20é.db"
    create_store(f"sqlite:///{path}".replace("%", "%25").replace("?", "%3F"))[0].close()
    create_store(str(tmp_path / "plain #é.db"))[0].close()
    open_database(str(tmp_path / "plain #é.db")).close()


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    execute(path, "CREATE TABLE customers (id INTEGER)", "CREATE TABLE alembic_version (version_num TEXT)")
    execute(path, f"INSERT INTO alembic_version VALUES ('{HEAD}')")
    before = path.read_bytes()
    refused(path, StoreMissing, "holds no store of ours")
    with pytest.raises(AlreadyExists, match="is another program's database"):
        create_store(str(path))
    assert path.read_bytes() == before


def test_a_store_is_made_whole_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the making fails at its last step, nothing of it is there, and it can be repeated."""

    def fail() -> str:
        raise RuntimeError("killed")

    path = tmp_path / "casm.db"
    with monkeypatch.context() as patch:
        patch.setattr("casm_ctrl.store.migrate.new_store_id", fail)
        with pytest.raises(RuntimeError, match="killed"):
            create_store(str(path))
    refused(path, StoreMissing, "holds no store of ours")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone() == (0,)
    create_store(str(path))[0].close()


def test_two_that_make_one_store_make_one(tmp_path: Path) -> None:
    def make(_: int) -> tuple[str | None, str]:
        database, before = create_store(str(tmp_path / "casm.db"))
        with closing(database):
            return before, str(views.status(database)["store-id"])

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(make, range(4)))
    assert sorted(before or "" for before, _ in made) == ["", HEAD, HEAD, HEAD]
    assert len({store for _, store in made}) == 1


def test_a_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file" / "casm.db", tmp_path, Path("/proc/casm.db")):
        with pytest.raises(StoreReadOnly, match="cannot be made"):
            create_store(str(path))


# --- Opening --------------------------------------------------------------------------------------


def test_what_is_no_store(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.db", StoreMissing, "there is no store at")
    refused(tmp_path / "no" / "where.db", StoreMissing, "there is no store at")
    refused(tmp_path, StoreMissing, "there is no store at")
    assert list(tmp_path.iterdir()) == [], "opening makes nothing"
    (tmp_path / "empty.db").touch()
    refused(tmp_path / "empty.db", StoreMissing, "holds no store of ours")
    (tmp_path / "garbage.db").write_bytes(b"not a database at all" * 500)
    refused(tmp_path / "garbage.db", StoreBroken, "is not a usable SQLite database")
    with pytest.raises(StoreBroken, match="is not a usable SQLite database"):
        create_store(str(tmp_path / "garbage.db"))


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("postgresql+psycopg2://localhost/casm", NotSupported),
        ("postgresql://localhost", InvalidValue),
        ("mysql://localhost/casm", NotSupported),
        ("sqlite://", InvalidValue),
        ("sqlite:///:memory:", InvalidValue),
        (":memory:", InvalidValue),
        ("", InvalidValue),
        ("://", InvalidValue),
    ],
)
def test_what_is_no_url(url: str, kind: type[CasmError]) -> None:
    with pytest.raises(kind):
        open_database(url)
    with pytest.raises(kind):
        create_store(url)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(NotSupported) as caught:
        open_database("postgresql+pg8000://casm:hunter2@db.example/casm")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("revision", "message"),
    [("0000", f"has schema 0000, and this program needs {HEAD}"), ("9999", f"knows {HEAD} at the latest")],
)
def test_another_schema(store_path: Path, revision: str, message: str) -> None:
    execute(store_path, f"UPDATE alembic_version SET version_num = '{revision}'")
    refused(store_path, StoreVersion, message)


def test_a_newer_store_is_not_written_by_an_older_program(store_path: Path) -> None:
    execute(store_path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreVersion, match="use the newer program"):
        create_store(str(store_path))


def test_a_damaged_store(store_path: Path) -> None:
    content = bytearray(store_path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    store_path.write_bytes(bytes(content))
    with (
        pytest.raises(StoreBroken, match=r"not a usable SQLite database|failed"),
        closing(open_database(str(store_path))) as database,
    ):
        views.status(database)


# --- Locks ----------------------------------------------------------------------------------------


@pytest.fixture
def impatient(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(sqlite_module, "STORE_LOCK", 0.05)
    with closing(open_database(str(store_path), ManualClock())) as database:
        yield database


def test_a_store_that_another_process_keeps_locked(impatient: Database, store_path: Path) -> None:
    with closing(sqlite3.connect(store_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE store SET config_revision = 77")
        with pytest.raises(StoreLocked, match=r"stayed locked by another process for 0\.05 s"):
            change(impatient, ME, [AddSpace("x")])
        assert views.list_spaces(impatient) == [], "readers do not wait"
        assert views.status(impatient)["config-revision"] == "0"
        other.execute("ROLLBACK")
    change(impatient, ME, [AddSpace("x")])


def test_a_write_waits_for_the_one_before(store_path: Path) -> None:
    database = open_database(str(store_path), ManualClock())
    with (
        closing(database),
        closing(sqlite3.connect(store_path, isolation_level=None, check_same_thread=False)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(change, database, ME, [AddSpace("x")])
            other.execute("UPDATE store SET config_revision = 76")
            assert not answer.done()
            other.execute("COMMIT")
            assert answer.result(timeout=5) == {"config-revision": "77"}


def test_a_read_is_one_snapshot(database: Database) -> None:
    with database.read() as tx:
        assert tx.one("SELECT COUNT(*) FROM space") == (0,)
        change(database, ME, [AddSpace("x")])
        assert tx.one("SELECT COUNT(*) FROM space") == (0,)
    assert len(views.list_spaces(database)) == 1


def test_an_error_takes_all_back(database: Database) -> None:
    with pytest.raises(KeyboardInterrupt), database.write() as tx:
        tx.run("UPDATE store SET config_revision = 5")
        raise KeyboardInterrupt
    assert views.status(database)["config-revision"] == "0"
    change(database, ME, [AddSpace("x")])


def test_a_rehearsal_is_always_taken_back(database: Database) -> None:
    with database.rehearse() as tx:
        tx.run("UPDATE store SET config_revision = 5")
        assert tx.one("SELECT config_revision FROM store") == (5,)
    assert views.status(database)["config-revision"] == "0"


def test_an_overlap_that_only_the_database_saw_is_said_in_words(network: Database) -> None:
    columns = "pool_id, space_id, public, family, first, last, length"
    with pytest.raises(Overlap, match="the store refused addresses that belong"), network.write() as tx:
        tx.run(f"INSERT INTO pool_prefix ({columns}) SELECT {columns} FROM pool_prefix")


def test_an_unknown_failure_keeps_the_databases_words(database: Database) -> None:
    with (
        pytest.raises(StoreBroken, match=r'no such table: nowhere|relation "nowhere" does not exist'),
        database.write() as tx,
    ):
        tx.run("DELETE FROM nowhere")


# --- Read-only ------------------------------------------------------------------------------------

TRY = """
import os
import sys
import alembic.command, alembic.config
from casm_ctrl.base.errors import CasmError
from casm_ctrl.service import views
from casm_ctrl.service.configuration import AddSpace, change
from casm_ctrl.store.database import open_database
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store
if os.getuid() == 0:
    # After the imports: the interpreter may lie where nobody may read.
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    if sys.argv[2] == "create":
        create_store(sys.argv[1])
    database = open_database(sys.argv[1])
    if sys.argv[2] == "write":
        change(database, Author("nobody"), [AddSpace("x")])
    print("read", views.status(database)["config-revision"])
except CasmError as error:
    print(type(error).__name__, error)
"""


def as_nobody(path: Path, verb: str) -> str:
    """What a process without rights on the store says; root's own rights would hide the fault."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", TRY, str(path), verb],
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def running_as_root() -> bool:
    return os.getuid() == 0


@pytest.fixture
def foreign(store_path: Path) -> Iterator[Path]:
    """The store where everybody may go: pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "casm.db"
        path.write_bytes(store_path.read_bytes())
        yield path
        Path(folder).chmod(0o755)


def test_a_store_in_a_folder_that_cannot_be_written(foreign: Path) -> None:
    foreign.chmod(0o444)
    foreign.parent.chmod(0o555)
    assert as_nobody(foreign, "write").startswith(f"StoreReadOnly the store {foreign} cannot be")
    assert as_nobody(foreign, "create").startswith(
        f"StoreReadOnly the store {foreign} cannot be made: Permission"
    )
    elsewhere = foreign.parent / "new.db"
    assert as_nobody(elsewhere, "create").startswith(f"StoreReadOnly the store {elsewhere} cannot be made")


def test_a_store_file_that_cannot_be_written(foreign: Path) -> None:
    foreign.chmod(0o444)
    foreign.parent.chmod(0o777)
    assert as_nobody(foreign, "write").startswith(f"StoreReadOnly the store {foreign} cannot be written")


def test_a_store_that_cannot_be_read(foreign: Path) -> None:
    foreign.chmod(0o000)
    assert as_nobody(foreign, "read").startswith(f"StoreReadOnly the store {foreign} cannot be")


def test_a_folder_that_cannot_be_entered(foreign: Path) -> None:
    foreign.parent.chmod(0o700 if running_as_root() else 0o000)
    assert as_nobody(foreign, "read").startswith(f"StoreReadOnly the store {foreign} cannot be opened")
