"""`casm pool`, `casm space show` and `casm block show` for pools of every kind: what people and programs read."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from typer.testing import CliRunner

from casm_ctrl.cli.main import app
from casm_ctrl.cli.output import bar, number, share

SCHEMAS = Path(__file__).parents[2] / "docs" / "json"
SETUP = (
    "init",
    "space add internet",
    "pool add public --space internet --scope public --prefix 198.51.100.0/24 --exclude 198.51.100.0/28",
    "pool add lab --space internet --scope public --prefix 198.51.100.128/26 --parent public --strategy sparse",
    "pool add bench --space internet --scope public --prefix 198.51.100.160/27 --parent lab",
    "pool add map --space internet --prefix 192.0.2.0/24 --psid-offset 6 --port-routed",
    "pool add pd --space internet --prefix 2001:db8::/32 --delegated-length 56",
    "device add bng1 --role bng --driver ietf-address-pool --host 192.0.2.1 --user u --credential env:PW",
    "device-pool add bng1/map --pool map --length 36",
    "device-pool add bng1/pd --pool pd --length 40",
    "device-pool add bng1/bench --pool bench --length 30",
    "allocate bng1/map --count 2",
    "allocate bng1/pd",
    "allocate bng1/bench --count 3",
    "release b5 --force --reason test",
)
Casm = Callable[..., str]


def run(*arguments: str) -> str:
    ended = CliRunner().invoke(app, list(arguments), prog_name="casm")
    assert ended.exit_code == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with pools of every kind, closed: one file."""
    path = tmp_path_factory.mktemp("kinds") / "cli.db"
    for line in SETUP:
        run("--database", str(path), *line.split())
    return path


@pytest.fixture
def casm(monkeypatch: pytest.MonkeyPatch, stock: Path, tmp_path: Path) -> Casm:
    """Runs `casm` on a copy of `stock`."""
    shutil.copyfile(stock, tmp_path / "cli.db")
    monkeypatch.setenv("CASM_DATABASE", str(tmp_path / "cli.db"))
    return run


def test_child_pools_stand_under_their_parents(casm: Casm) -> None:
    lines = casm("pool", "list").splitlines()
    assert [line[:9].rstrip() for line in lines] == ["NAME", "map", "pd", "public", "  lab", "    bench"]
    found = {row["name"]: row for row in json.loads(casm("pool", "list", "--json"))["pool"]}
    assert (found["bench"]["parent"], found["public"]["child-pool"]) == ("lab", ["lab"])
    assert found["lab"]["policy"]["strategy"] == "sparse"
    assert "parent" not in found["public"]


def test_usage_is_shown_by_kind(casm: Casm) -> None:
    shown = casm("pool", "show", "public")
    for line in (
        "child pools  lab",
        "  allocated          0     0%",
        "  child             64  26.6%",
        "  free             176  73.3%",
        "  total            240      -",
        "  excluded          16      -",
        "  largest free   /26",
        "  fragmentation  63%",
    ):
        assert line in shown.splitlines()
    shown = casm("pool", "show", "bench")
    for line in ("parent      lab", "  quarantined          4  12.5%", "  lengths        3 of /30"):
        assert line in shown.splitlines()
    assert "                 2 reserved" in shown.splitlines()


def test_kinds_are_shown(casm: Casm) -> None:
    assert "shared ports  PSID offset 6, port-routed" in casm("pool", "show", "map").splitlines()
    assert "  allocated      0.125  <0.1%" in casm("pool", "show", "map").splitlines()
    assert "delegates   /56: up to 16,777,216 prefixes" in casm("pool", "show", "pd").splitlines()
    assert "delegates    65,536 prefixes" in casm("block", "show", "b3").splitlines()


def test_a_port_set_is_named_as_it_is_written(casm: Casm) -> None:
    assert "192.0.2.0/32 psid 1/4 offset 6" in casm("block", "list", "--pool", "map")
    shown = casm("block", "show", "192.0.2.0/32 psid 1/4").splitlines()
    for line in (
        "block        b2",
        "prefix       192.0.2.0/32 psid 1/4 offset 6",
        "ports        1088-1151",
    ):
        assert line in shown
    assert "             … 55 more, to 64576-64639" in shown


def test_a_space_shows_what_its_pools_use(casm: Casm) -> None:
    shown = [" ".join(line.split()) for line in casm("space", "show", "internet").splitlines()]
    for line in ("Usage of ipv4", "Usage of ipv6", "allocated 8.125 1.6%", "total 496 -", "excluded 16 -"):
        assert line in shown
    assert not any("child" in line for line in shown)


@pytest.mark.parametrize(
    ("schema", "line"),
    [
        ("pool-list", "pool list"),
        ("pool-show", "pool show map"),
        ("pool-show", "pool show lab"),
        ("pool-show", "pool show pd"),
        ("space-show", "space show internet"),
        ("block-list", "block list"),
        ("block-show", "block show '192.0.2.0/32 psid 1/4'"),
        ("block-show", "block show b3"),
        ("status", "status"),
        ("release", "release '192.0.2.0/32 psid 1/4'"),
        (
            "pool-add",
            "pool add more --space internet --prefix 198.51.100.64/26 --parent public --scope public",
        ),
    ],
)
def test_answers_about_kinds_have_their_schema(casm: Casm, schema: str, line: str) -> None:
    registry: Registry[Any] = Registry().with_resources(
        (path.name, Resource.from_contents(json.loads(path.read_text())))
        for path in SCHEMAS.glob("*.schema.json")
    )
    contents = json.loads((SCHEMAS / f"{schema}.schema.json").read_text())
    Draft202012Validator(contents, registry=registry).validate(json.loads(casm(*shlex.split(line), "--json")))


def test_counts_with_fractions_read_well() -> None:
    assert number("1023.9375") == "1,023.9375"
    assert number(str(2**96)) == "2^96"
    assert share("0.0625", "4") == "1.5%"
    assert share("0.0625", "1024") == "<0.1%"
    assert share("0", "0") == "-"


@pytest.mark.parametrize(
    ("part", "filled"), [("0", 0), ("0.0625", 1), ("5", 1), ("50", 10), ("51", 11), ("100", 20)]
)
def test_bars_are_for_terminals(monkeypatch: pytest.MonkeyPatch, part: str, filled: int) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    drawn = bar(part, "100")
    assert drawn is not None
    assert drawn.plain == "█" * filled + "░" * (20 - filled)
    assert bar(part, "0") is None
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert bar(part, "100") is None


def _pool(casm: Casm, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(casm("--json", "pool", "show", name))["pool"]
    return {
        key: value for key, value in shown.items() if key not in ("usage", "policy", "label", "description")
    }


def test_change_what_a_pool_is(casm: Casm) -> None:
    casm("space", "add", "test")
    casm("pool", "add", "free", "--space", "internet", "--prefix", "203.0.113.0/24", "--label", "a=b")
    casm("pool", "reserve", "free", "203.0.113.64/26", "--reason", "a site")
    casm("pool", "exclude", "free", "203.0.113.0/28", "--reason", "links")
    casm(
        "pool",
        "change",
        "free",
        "--space",
        "test",
        "--scope",
        "public",
        "--psid-offset",
        "6",
        "--port-routed",
    )
    kept = {
        "name": "free",
        "prefix": ["203.0.113.0/24"],
        "exclude": ["203.0.113.0/28"],
        "reservation": [{"prefix": "203.0.113.64/26", "reason": "a site"}],
        "child-pool": [],
        "family": "ipv4",
    }
    ports = {"psid-offset": 6, "port-routed": True}
    assert _pool(casm, "free") == {**kept, **ports, "address-space": "test", "scope": "public"}
    casm("pool", "change", "free", "--unset", "psid-offset", "--scope", "private", "--space", "internet")
    assert _pool(casm, "free") == {**kept, "address-space": "internet", "scope": "private"}
    casm("pool", "change", "free", "--reserved-for", "203.0.113.64/26=another site")
    changed = {**kept, "reservation": [{"prefix": "203.0.113.64/26", "reason": "another site"}]}
    assert _pool(casm, "free") == {**changed, "address-space": "internet", "scope": "private"}


def test_a_pool_becomes_a_child_with_another_prefix(casm: Casm) -> None:
    casm("pool", "add", "free", "--space", "internet", "--prefix", "203.0.113.0/24")
    replace = ("--remove-prefix", "203.0.113.0/24", "--add-prefix", "198.51.100.64/26")
    casm("pool", "change", "free", "--scope", "public", "--parent", "public", *replace)
    shown = _pool(casm, "free")
    assert (shown["parent"], shown["prefix"]) == ("public", ["198.51.100.64/26"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("map --space internet --scope public", "map"),
        ("public --unset nothing", "'nothing' cannot be taken away"),
        ("lab --parent public --unset parent", "parent was to be set and taken away at once"),
        ("lab --scope private", "lab"),
        ("free --delegated-length 64", "free"),
    ],
)
def test_what_a_pool_is_stays_where_it_cannot_change(casm: Casm, words: str, told: str) -> None:
    casm("pool", "add", "free", "--space", "internet", "--prefix", "203.0.113.0/24")
    before = {name: _pool(casm, name) for name in ("map", "lab", "free")}
    ended = CliRunner().invoke(app, ["pool", "change", *words.split()], prog_name="casm")
    assert ended.exit_code == 1
    assert told in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert {name: _pool(casm, name) for name in before} == before
