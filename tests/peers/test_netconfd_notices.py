"""Yuma123's netconfd with our augment: thresholds are committed, and our filters are subscribed with."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from casm_ctrl.base.clients import CLIENTS
from casm_ctrl.service.configuration import AddDevicePool, ChangeDevice, ChangeDevicePool, change
from casm_ctrl.store.database import open_database
from casm_ctrl.sync.run import Options, running
from casm_ctrl.yang.modules import find_module
from tests.listening_world import listening
from tests.peers.controller import AUTHOR, Controller, device, pool, read
from tests.peers.netconfd import Netconfd

pytestmark = pytest.mark.peer

OURS = ("ietf-address-pool", "casm-address-pool-ext")


@pytest.fixture
def bng(netconfd_programs: None, tmp_path: Path) -> Iterator[Netconfd]:
    folder = tmp_path / "modules"
    folder.mkdir()
    for name in OURS:
        module = find_module(name)
        shutil.copyfile(module.path, folder / module.path.name)
    with Netconfd(folder, modules=OURS) as server:
        yield server


@pytest.fixture
def casm(tmp_path: Path, bng: Netconfd) -> Controller:
    controller = Controller(tmp_path)
    controller.prepare(
        pool(),
        replace(device("bng1", bng), driver="ietf-address-pool"),
        AddDevicePool("bng1/web", ("p4",), 28, usage_high=80, usage_low=60),
    )
    return controller


def test_both_thresholds_are_committed_and_changed(casm: Controller, bng: Netconfd) -> None:
    casm.allocate("bng1/web")
    assert casm.apply_here()["bng1"]["result"] == "changed"
    assert "warning-threshold-v4>80<" in read(bng)
    assert "normal-threshold-v4" in read(bng)
    database = open_database(str(casm.database))
    change(database, AUTHOR, [ChangeDevicePool("bng1/web", (("usage_high", 50), ("usage_low", 40)))])
    assert casm.apply_here()["bng1"]["result"] == "changed"
    change(database, AUTHOR, [ChangeDevicePool("bng1/web", (("usage_high", 30),), unset=("usage-low",))])
    database.close()
    assert casm.apply_here()["bng1"]["result"] == "changed"
    assert "normal-threshold-v4" not in read(bng)
    assert casm.apply_here()["bng1"]["result"] == "in-sync"


@pytest.mark.parametrize("client", CLIENTS)
async def test_it_takes_our_subscription_and_is_heard_again_after_its_end(
    casm: Controller, bng: Netconfd, client: str
) -> None:
    database = open_database(str(casm.database))
    change(database, AUTHOR, [ChangeDevice("bng1", client=client)])
    async with (
        running(database, AUTHOR, Options(), lambda name, words: None) as run,
        listening(run, "bng1") as heard,
    ):
        await heard.until_looks(1)
        await asyncio.to_thread(bng.restart)
        await heard.until_looks(2)
    database.close()
    assert [hearing.listening for _, hearing in heard.states][:2] == [True, False]
