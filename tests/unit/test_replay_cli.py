"""`casm replay`: what it answers, what people see, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from typer.testing import CliRunner, Result

from casm_ctrl.base.errors import CasmError, InvalidValue
from casm_ctrl.cli.beside import beside
from casm_ctrl.cli.main import app

SCHEMAS = Path(__file__).parents[2] / "docs" / "json"
PAGE = (Path(__file__).parents[2] / "docs" / "replay.md").read_text(encoding="utf-8")
USAGE = [
    {"device-pool": "bng1/home", "length": 28},
    {"time": "2026-11-23T00:00:00Z", "wanted": {"bng1/home": 5, "bng2/home": 9}},
    {"time": "2026-11-23T02:00:00Z", "wanted": {"bng1/home": 30, "bng2/home": 9}},
]


@pytest.fixture
def samples(tmp_path: Path) -> str:
    path = tmp_path / "usage.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in USAGE))
    return str(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["replay", *arguments], prog_name="casm")


def answer(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    files = [json.loads((SCHEMAS / f"{name}.schema.json").read_text()) for name in ("replay", "common")]
    registry: Any = Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in files)
    Draft202012Validator(files[0], registry=registry).validate(document)
    return document["replay"]


def test_two_policies_side_by_side(samples: str, tmp_path: Path) -> None:
    policy = tmp_path / "tight.json"
    policy.write_text(json.dumps({"policy": {"grow": "automatic"}, "pools": {"*": {"blocks": 2}}}))
    found = answer("--samples", samples, "--policy", str(policy), "--policy", "static")
    first, second = found["policy"]
    assert (first["policy"], second["policy"]) == ("tight", "static")
    assert first["login-failures"] > 0
    assert found["usage"]["device-pools"] == 2


def test_a_made_up_network_is_written_and_replayed_the_same(tmp_path: Path) -> None:
    file, made = (
        tmp_path / "usage.jsonl",
        ("--generate", "1d", "--device-pools", "4", "--pools", "2", "--seed", "3"),
    )
    written = answer(*made, "--write", str(file))
    assert "policy" not in written
    assert written["written"]["samples"] == written["usage"]["samples"] >= 4 * 289
    direct = answer(*made, "--policy", "automatic")["policy"]
    assert answer("--samples", str(file), "--seed", "3", "--policy", "automatic")["policy"] == direct


def test_what_people_see(samples: str, tmp_path: Path) -> None:
    picture = tmp_path / "replay.svg"
    result = run("--samples", samples, "--stock", "subscribersx1.2", "--plot", str(picture))
    assert result.exit_code == 0
    assert re.search(r"^ +AUTOMATIC +STATIC$", result.stdout, re.MULTILINE)
    assert re.search(r"^  login failures +[0-9]+ +[0-9]+$", result.stdout, re.MULTILINE)
    assert f"Drawn in {picture}." in result.stdout
    assert picture.read_text().startswith("<?xml")


def test_the_files_of_the_page_can_be_replayed(tmp_path: Path) -> None:
    usage, *policies = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "usage.jsonl").write_text(usage)
    for policy in policies:
        (tmp_path / "policy.json").write_text(policy)
        ended = run("--samples", str(tmp_path / "usage.jsonl"), "--policy", str(tmp_path / "policy.json"))
        assert ended.exit_code == 0, ended.stderr
        assert json.loads(policy)["name"].upper() in ended.stdout


def test_that_usage_is_not_demand_is_said(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(
        "time,device-pool,used\n2026-11-23T00:00:00Z,bng1/home,5\n2026-11-23T01:00:00Z,bng1/home,6\n"
    )
    result = run("--samples", str(path), "--policy", "automatic")
    assert result.exit_code == 0
    assert "who was refused one then is not in it" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "usage is given 0 times: give one of --samples, --from-store and --generate"),
        (("--generate", "1d", "--from-store", "1d"), "usage is given 2 times"),
        (("--generate", "36h"), "--generate 36h is not a number of days: give 1d to 366d"),
        (
            ("--generate", "1d", "--device-pools", "2", "--pools", "3"),
            "2 device pools are to draw from 3 pools",
        ),
        (("--generate", "1d", "--stock", "much"), "'much' is not what --stock takes"),
        (("--generate", "1d", "--stock", "needsx0"), "'needsx0' is not what --stock takes"),
        (("--generate", "1d", "--step", "2h"), "--step 2h is 7200 seconds: give 10s to 60m"),
        (("--generate", "1d", "--plot", "replay.pdf"), "names no kind of picture"),
        (("--generate", "1d", "--policy", "missing.json"), "missing.json cannot be read"),
        (("--generate", "1d", *(["--policy", "static"] * 3)), "3 policies are given"),
        (("--samples", "missing.jsonl"), "missing.jsonl cannot be read"),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("casm: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


def _refuse() -> None:
    raise InvalidValue("it is wrong", "make it right")


def test_work_beside_gives_its_results_in_order_and_its_errors() -> None:
    with beside([lambda: 1, lambda: "two"]) as results:
        assert results() == [1, "two"]
    with pytest.raises(CasmError, match="it is wrong: make it right"), beside([_refuse]) as results:
        results()
