"""The driver of somebody else that docs/drivers/example.md shows: installed by its entry point, and held to what
ours are held to."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from casm_ctrl.base.errors import NotSupported
from casm_ctrl.drivers import registry
from casm_ctrl.drivers.interface import Driver, ObjectKey, UsageReading, WantedPool
from casm_ctrl.drivers.registry import load_driver
from tests.driver_cases import Bench, Case, block, wanted

EXAMPLE = Path(__file__).parents[2] / "docs" / "drivers" / "example"
HOME = ObjectKey("pool", ("home",))
HELD = """<subscriber-pools xmlns="urn:example:acme-pools"><pool><name>home</name>
<network><name>casm-k3f9qa-b1</name><prefix>192.0.2.0/25</prefix></network>
<network><name>by-hand</name><prefix>203.0.113.0/24</prefix></network></pool></subscriber-pools>"""


def b(number: int) -> ObjectKey:
    return ObjectKey("network", ("home", f"casm-k3f9qa-b{number}"))


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    """As pip leaves it: its metadata with the entry points of its pyproject.toml, and its module on the path."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "acme_casm_driver-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n")
    points = project["entry-points"]["casm_ctrl.drivers"]
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[casm_ctrl.drivers]\n{lines}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    registry._installed.cache_clear()
    yield load_driver("acme-edge")
    registry._installed.cache_clear()
    sys.modules.pop("acme_driver", None)


@pytest.fixture
def bench(driver: Driver) -> Bench:
    return Bench(driver, ("acme-pools",), EXAMPLE)


@pytest.mark.parametrize(
    "case",
    [
        Case(wanted(WantedPool("home", (block(1, "192.0.2.0/25"), block(2, "2001:db8::/48"))))),
        Case(wanted(WantedPool("home", (block(1, "192.0.2.0/25", drained=True),)), ours=(HOME, b(1))), HELD),
        Case(wanted(WantedPool("home", (block(2, "192.0.2.128/25"),)), ours=(HOME, b(1))), HELD),
        Case(wanted(ours=(HOME, b(1))), HELD),
    ],
    ids=["first", "drain", "replace", "last"],
)
def test_its_edits_are_valid_and_complete(bench: Bench, case: Case) -> None:
    bench.check(case)


def test_blocks_come_and_go_and_foreign_networks_stay(bench: Bench) -> None:
    first, second = block(1, "192.0.2.0/25"), block(2, "192.0.2.128/25")
    states = [(first,), (first, second), (second,), (second, block(3, "198.51.100.0/24"))]
    start = HELD.replace("casm-k3f9qa-b1", "theirs")
    bench.run([(WantedPool("home", blocks),) for blocks in states], start)


def test_it_counts(driver: Driver, bench: Bench) -> None:
    running = Case(wanted(), HELD.replace("</prefix>", "</prefix><in-use>7</in-use>", 1)).data()
    (reading,) = driver.parse_usage(running)
    assert isinstance(reading, UsageReading)
    assert (reading.key, reading.used) == (b(1), 7)


def test_it_refuses_what_its_model_has_no_words_for(bench: Bench) -> None:
    pool = WantedPool("home", (block(1, "192.0.2.0/25"),), network_instance="red")
    with pytest.raises(NotSupported, match="acme-pools has no words"):
        bench.check(Case(wanted(pool)))
