"""Plans that are kept, on Yuma123's netconfd: applied as they were shown, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.peers.controller import Controller, device, device_pool, pool, read_pools
from tests.peers.netconfd import Netconfd

pytestmark = pytest.mark.peer


@pytest.fixture
def casm(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def test_a_plan_is_applied_once_and_never_where_somebody_was_faster(
    casm: Controller, netconfd: Netconfd, tmp_path: Path
) -> None:
    casm.prepare(pool(), device("bng1", netconfd), device_pool("bng1/internet"))
    casm.allocate("bng1/internet", 2)
    path = str(tmp_path / "monday.plan")
    casm("plan", "--out", path)
    kept = json.loads(Path(path).read_text())["device"][0]
    done = casm.apply("--plan", path)["bng1"]
    assert done["result"] == "changed"
    assert done["change"] == kept["change"]
    there = read_pools(netconfd)
    assert len(there["internet"]) == 2
    assert set(casm.states().values()) == {"installed"}
    again = casm.apply("--plan", path, status=1)["bng1"]
    assert again["error"]["app-tag"] == "plan-outdated"
    casm("plan", "--out", path)
    assert casm.apply("--plan", path)["bng1"]["result"] == "in-sync"
    casm.allocate("bng1/internet")
    casm("plan", "--out", path)
    casm.release("b1")
    refused = casm.apply("--plan", path, status=1)["bng1"]
    assert "block b1 has" in refused["error"]["message"]
    assert read_pools(netconfd) == there
