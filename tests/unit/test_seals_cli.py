"""`casm audit verify` and `casm audit seal`, and that commands seal what they did."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from casm_ctrl.cli.main import app
from casm_ctrl.store.database import open_database


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that `casm` made, and in which it did two things."""
    monkeypatch.setenv("CASM_DATABASE", str(tmp_path / "casm.db"))
    for line in ("init", "space add internet", "pool add p4 --space internet --prefix 198.51.100.0/24"):
        assert casm(*line.split())[0] == 0
    return tmp_path / "casm.db"


def casm(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """(status, document, stderr)"""
    ended = CliRunner().invoke(app, ["--json", *arguments])
    return ended.exit_code, json.loads(ended.stdout)["audit"] if "audit" in arguments else {}, ended.stderr


def test_commands_seal_what_they_did(path: Path) -> None:
    status, found, _ = casm("audit", "verify")
    assert (status, found["findings"], found["unsealed"]) == (0, "0", "0")
    assert re.search(r"^audit +all sealed$", CliRunner().invoke(app, ["status"]).stdout, re.MULTILINE)
    assert int(found["sealed"]) >= 2


def test_a_finding_ends_with_1_and_is_named(path: Path) -> None:
    database = open_database(str(path))
    with database.write() as tx:
        tx.run("UPDATE event SET actor = 'mallory' WHERE seq = 1")
    database.close()
    status, found, said = casm("audit", "verify")
    assert (status, found["findings"]) == (1, "1")
    assert "event 1 is not what seal 1 holds" in said
    assert found["finding"][0] in said


def test_a_seal_that_was_kept_is_expected(path: Path) -> None:
    _, found, _ = casm("audit", "verify")
    kept = f"{found['sealed']}:{found['hash']}"
    assert casm("audit", "verify", "--expect", kept)[0] == 0
    assert casm("audit", "verify", "--expect", f"{found['sealed']}:{'0' * 64}")[0] == 1


def test_what_others_left_is_sealed_on_request(path: Path) -> None:
    database = open_database(str(path))
    with database.write() as tx:
        tx.run(
            "INSERT INTO event (at, actor, verb, subject_kind, subject_id, subject) VALUES (1, 'a', 'v', 'k', 0, 's')"
        )
    database.close()
    _, found, _ = casm("audit", "verify")
    assert found["unsealed"] == "1"
    assert found["oldest-unsealed"].startswith("1970")
    shown = CliRunner().invoke(app, ["status"]).stdout
    assert re.search(r"^audit +1 event not sealed yet, the oldest [0-9]+[smhdw] old$", shown, re.MULTILINE)
    status, done, _ = casm("audit", "seal")
    assert (status, done["newly-sealed"], done["unsealed"]) == (0, "1", "0")


def test_looking_writes_nothing(path: Path) -> None:
    before = path.read_bytes()
    path.chmod(0o444)
    for line in (("audit", "verify"),):
        assert casm(*line)[0] == 0
    assert path.read_bytes() == before


def test_the_options_of_the_group_hold_for_its_commands(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["audit", "--json", "--database", str(tmp_path / "none.db"), "verify"])
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["error"]["app-tag"] == "store-missing"
