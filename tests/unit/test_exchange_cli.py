"""`casm export` and `casm import` as people and programs run them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from typer.testing import CliRunner

from casm_ctrl.cli.main import app

SCHEMAS = Path(__file__).parents[2] / "docs" / "json"
SCRIPTS = Path(__file__).parents[2] / "scripts"


def _run(*arguments: str, given: str | None = None) -> tuple[int, str, str]:
    ended = CliRunner().invoke(app, list(arguments), prog_name="casm", input=given)
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return ended.exit_code, ended.stdout, ended.stderr


def _valid(name: str, text: str) -> dict[str, Any]:
    registry: Registry[Any] = Registry().with_resources(
        (path.name, Resource.from_contents(json.loads(path.read_text())))
        for path in SCHEMAS.glob("*.schema.json")
    )
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    document: dict[str, Any] = json.loads(text)
    Draft202012Validator(schema, registry=registry).validate(document)
    return document


def _timeless(text: str) -> str:
    """Without the times at which blocks came into their state."""
    return re.sub(r"20[0-9T:.-]+Z", "", text)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a pool, a device and two blocks; returns the folder that is worked in."""
    monkeypatch.setenv("CASM_DATABASE", str(tmp_path / "casm.db"))
    monkeypatch.chdir(tmp_path)
    for line in (
        "init",
        "space add internet",
        "pool add p4 --space internet --prefix 198.51.100.0/24",
        "device add bng1 --role bng --driver ietf-address-pool --host 192.0.2.1 --user u --credential env:PW"
        " --deadline rpc=60",
        "device-pool add bng1/home --pool p4 --length 26",
        "allocate bng1/home --count 2",
        "control settings grow-per-hour=100",
        "hold --device bng1 --reason replaced",
        "alarms shelve card --device bng1 --type drift --below major",
        "alarms shelve rest --device-pool bng1/home",
    ):
        assert _run(*line.split())[0] == 0
    return tmp_path


@pytest.mark.parametrize("form", ["json", "csv"])
def test_an_export_goes_into_another_store(store: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    status, out, err = _run("export", "--format", form, "--output", "net", "--json")
    assert status == 0
    assert err == ""
    exported = {row["noun"]: row["entries"] for row in _valid("export", out)["export"]["exported"]}
    assert exported == {
        "address-space": "1",
        "pool": "1",
        "device": "1",
        "owner-group": "0",
        "device-pool": "1",
        "quota": "0",
        "block": "2",
        "limit": "1",
        "hold": "1",
        "shelf": "2",
    }
    assert (store / "net").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in store.iterdir() if "net" in path.name) == ["net"]
    monkeypatch.setenv("CASM_DATABASE", str(store / "other.db"))
    _run("init")
    if form == "json":
        judge = [sys.executable, str(SCRIPTS / "validate_instance.py"), "--what", "data", "net"]
        assert subprocess.run(judge, capture_output=True, text=True, check=True).stdout == "net: valid\n"
    status, out, _ = _run("import", "net", "--json", "--dry-run")
    assert status == 0
    assert _valid("import", out)["import"]["dry-run"] is True
    assert _run("block", "list", "--json")[1] == '{\n  "casm": 1,\n  "block": []\n}\n'
    status, out, _ = _run("import", "net")
    assert (status, out.splitlines()[-1]) == (
        0,
        "Imported. The blocks are reserved: 'casm apply' installs them.",
    )
    assert _timeless(_run("export", "--format", form)[1]) == _timeless((store / "net").read_text())
    status, out, _ = _run("import", "-", given=(store / "net").read_text())
    assert (status, out.splitlines()[-1]) == (0, "Nothing was changed: all of it is there already.")


def test_errors_are_lines_and_a_document(store: Path) -> None:
    (store / "bad.csv").write_text(
        "device,role,driver,host,user,credential,address-space\n"
        "cgn1,cgn,ietf-address-pool,192.0.2.7,u,env:X,internet\n"
        "bng2,bng,nonsense,192.0.2.8,u,env:X,internet\n"
    )
    status, out, err = _run("import", "bad.csv")
    assert (status, out) == (1, "")
    lines = err.splitlines()
    assert lines[0].startswith(
        "casm: bad.csv:2: device 'cgn1': the driver 'ietf-address-pool' is not for a cgn"
    )
    assert lines[1].startswith("casm: bad.csv:3: device 'bng2'")
    assert lines[2:] == ["casm: nothing was imported from bad.csv: 2 errors"]
    status, out, again = _run("import", "bad.csv", "--json")
    assert (status, again) == (1, err)
    assert [row["line"] for row in _valid("import", out)["import"]["error"]] == [2, 3]


def test_notes_tell_what_was_not_taken(store: Path) -> None:
    (store / "netbox.csv").write_text("Prefix,VRF,Status,Sites\n10.0.0.0/8,Global,Active,2\n")
    (store / "blocks.csv").write_text("block,device-pool,state\n198.51.100.192/26,bng1/home,installed\n")
    assert _run("import", "netbox.csv", "--space", "internet")[2] == (
        "casm: columns that were not taken: Sites\n"
    )
    status, _, err = _run("import", "blocks.csv", "--request-id", "r1")
    assert status == 0
    assert "casm: 1 block of the file in another state than reserved" in err
    assert "was answered before" in _run("import", "blocks.csv", "--request-id", "r1")[2]


def test_a_file_that_cannot_be_had(store: Path) -> None:
    assert _run("import", "nothing.json")[2].startswith("casm: nothing.json cannot be read: No such file")
    assert _run("export", "--output", "no/where")[2].startswith(
        "casm: no/where cannot be written: No such file"
    )
    status, out, _ = _run("export", "--json")
    assert status == 1
    assert _valid("error", out)["error"]["app-tag"] == "invalid-value"


def test_a_pipe_is_written_as_it_is(store: Path) -> None:
    os.mkfifo("pipe")
    reading = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert _run("export", "--what", "pools", "--output", "pipe")[0] == 0
        assert os.read(reading, 100).startswith(b'{\n  "casm-pools:address-spaces"')
    finally:
        os.close(reading)
