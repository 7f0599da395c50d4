"""docs/policy.md: its commands print what it shows, its table has the defaults, its edit can be made."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from casm_ctrl.base.automation import NAMES, ROLE_DEFAULTS
from casm_ctrl.base.limits import DEFAULT_LIMITS, Limits
from casm_ctrl.cli.control_settings import WORDS
from casm_ctrl.cli.main import app
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, change
from casm_ctrl.service.control_settings import get_limits
from casm_ctrl.service.views import show_device, show_device_pool
from casm_ctrl.store.events import Author
from tests.northbound_harness import Endpoint

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "policy.md").read_text(encoding="utf-8")
NETWORK = (
    "init",
    "space add internet",
    "pool add public-v4 --space internet --prefix 198.51.100.0/22 --scope public",
    "device add bng1 --role bng --driver ietf-address-pool --host 192.0.2.1 --user casm --credential env:PW",
    "device-pool add bng1/home --pool public-v4 --length 27 --gateway first",
)

Run = Callable[[str], str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """A command on a network as the page has it: what is printed."""
    monkeypatch.setenv("CASM_DATABASE", str(tmp_path / "cli.db"))

    def call(line: str) -> str:
        ended = CliRunner().invoke(app, shlex.split(line), prog_name="casm")
        assert ended.exception is None or isinstance(ended.exception, SystemExit)
        return ended.output

    for line in NETWORK:
        call(line)
    return call


def test_the_examples_print_what_they_show(run: Run) -> None:
    """An example that is cut short says so with an ellipsis."""
    shown = [
        part
        for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
        for part in re.split(r"^\$ casm ", block, flags=re.MULTILINE)[1:]
    ]
    assert len(shown) >= 10
    for part in shown:
        line, _, printed = part.partition("\n")
        found = run(line)
        assert not found.startswith("casm: ") or printed.startswith("casm: "), found
        if printed != "…\n":
            assert found == printed, line


def test_the_table_has_the_defaults() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| `--[a-z-]+` \| (.*)$", PAGE, re.MULTILINE))
    window = {"reclaim_from", "reclaim_until", "reclaim_zone"}
    assert {name.replace("-", "_") for name in rows} == set(NAMES) - window
    for name, cells in rows.items():
        for role, text in zip(ROLE_DEFAULTS, cells.split(" | "), strict=False):
            value = getattr(ROLE_DEFAULTS[role], name.replace("-", "_"))
            assert text == ("\N{EN DASH}" if value is None else str(value)), (name, role)


def test_settings_are_described_with_their_defaults() -> None:
    assert {name.replace("-", "_") for name in WORDS} == set(vars_of(DEFAULT_LIMITS))
    section = (DOCS / "cli.md").read_text(encoding="utf-8").partition("### casm control settings")[2]
    assert all(f"`{name}`" in section.partition("\n### ")[0] for name in WORDS)


def vars_of(limits: Limits) -> dict[str, int]:
    return {name: getattr(limits, name) for name in type(limits).__dataclass_fields__}


async def test_the_edit_can_be_made(endpoint: Endpoint) -> None:
    network = (
        AddSpace("s"),
        AddPool("p", "s", ("10.0.0.0/16",)),
        AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "u", "env:X", "s"),
        AddDevicePool("bng1/home", ("p",), 24),
    )
    change(endpoint.database, Author("tester"), network)
    (edit,) = re.findall(r"^```xml\n(<edit-config.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    client = await endpoint.open("alice")
    await client.rpc(edit)
    await client.rpc("<commit/>")
    held = show_device_pool(endpoint.database, "bng1/home")["automation"]
    assert held == {
        "grow": "automatic",
        "grow-at": 75,
        "reclaim-from": "02:00",
        "reclaim-until": "05:00",
        "reclaim-zone": "Europe/Berlin",
    }
    assert show_device(endpoint.database, "bng1")["polling"]["interval"] == 120
    with endpoint.database.read() as tx:
        assert get_limits(tx) == Limits(grow_per_hour=100)
    shown = await client.data("<get/>")
    assert shown.findtext(".//{*}automation/{*}grow") == "automatic"
    assert shown.findtext(".//{*}control/{*}grow-per-hour") == "100"
    policy = shown.find(".//{*}device-pool/{*}policy")
    assert policy is not None
    assert {str(leaf.tag).partition("}")[2]: leaf.text for leaf in policy} == {
        "grow": "automatic",
        "shrink": "observe",
        "grow-at": "75",
        "shrink-at": "50",
        "reserve": "10",
        "hold-down": "900",
        "history": "7",
        "reclaim-from": "02:00",
        "reclaim-until": "05:00",
        "reclaim-zone": "Europe/Berlin",
        "priority": "100",
        "drain-deadline": "172800",
        "scarcity": "plan",
    }
    one = await client.data(
        '<get><filter type="xpath" xmlns:d="urn:casm:yang:casm-devices"'
        " select=\"//d:device-pool[d:policy/d:grow='automatic']/d:policy/d:hold-down\"/></get>"
    )
    assert one.findtext(".//{*}policy/{*}hold-down") == "900"
    assert one.find(".//{*}policy/{*}grow") is None
    configured = await client.data("<get-config><source><running/></source></get-config>")
    assert configured.find(".//{*}policy") is None


def test_the_list_tells_what_is_automatic(run: Run) -> None:
    assert run("device-pool list").splitlines()[1].split("  ")[-1].strip() == "-"
    run("device-pool policy bng1/home --grow-at 70")
    assert run("device-pool list").splitlines()[1].split("  ")[-1].strip() == "-"
    run("device-pool policy bng1/home --grow automatic --shrink automatic")
    assert run("device-pool list").splitlines()[1].endswith("  grow, shrink")
