"""Usage as it is told: by `casm usage`, and by read-usage over NETCONF, which say the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from lxml import etree

from casm_ctrl.base.readings import Accepted
from casm_ctrl.control.usage.judging import Expected, judge
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound import verbs
from casm_ctrl.northbound.verbs.context import VerbContext
from casm_ctrl.service import samples
from casm_ctrl.sync.run import Options, running
from casm_ctrl.sync.usage import poll
from tests.sync_world import ME, World, Worlds
from tests.verbs_world import StrictWriter, Verbs, text, texts


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("usage-told"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """bng1 with two blocks that was polled once, with 40 subscribers in b1."""
    monkeypatch.setattr(verbs, "OutputWriter", StrictWriter)
    monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
    with worlds.world() as made:
        device = made.installed(2)
        made.lab.do(lambda: device.set_subscribers_in("198.51.100.0/26", 40))

        async def look() -> None:
            async with running(made.database, ME, Options(), lambda device, words: None) as run:
                judged = judge(None, await poll(run, "bng1"), Expected())
                assert isinstance(judged, Accepted), judged
                await run.store.run(samples.record, "bng1", judged)

        asyncio.run(look())
        yield made


def test_the_command_and_the_rpc_say_the_same(world: World) -> None:
    answer = world.casm("usage", "bng1/internet", "--by", "hour", code=0).answer["usage"]
    [pool] = answer["device-pool"]
    assert (pool["used"], pool["capacity"], pool["percent"], pool["kind"]) == ("40", "128", 31, "count")
    assert [(block["id"], block["used"], block["peak"]) for block in pool["block"]] == [
        ("b1", "40", "40"),
        ("b2", "0", "0"),
    ]
    reply = Verbs(VerbContext(world.database)).call(
        "read-usage", "<subject>bng1/internet</subject><step>hour</step>"
    )
    where = "usage/device-pool"
    assert text(reply, f"{where}/used") == "40"
    assert texts(reply, f"{where}/block/id") == ["b1", "b2"]
    assert texts(reply, f"{where}/span/peak") == [span["peak"] for span in pool["span"]] == ["40"]
    assert text(reply, f"{where}/time") == pool["time"]


def test_what_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(RpcError) as caught:
        Verbs(VerbContext(world.database)).call("read-usage", "<subject>nobody</subject>")
    assert "nobody" in (caught.value.message or "")
    assert world.casm("usage", "nobody").code == 1
    assert world.casm("usage", "--since", "soon").code == 1


def test_a_picture_is_drawn(world: World) -> None:
    path = world.folder / "usage.svg"
    answer = world.casm("usage", "--by", "hour", "--plot", str(path), code=0).answer["usage"]
    assert answer["picture"] == {"file": str(path), "device-pool": ["bng1/internet"]}
    assert etree.parse(path).getroot().tag.endswith("svg")
    assert world.casm("usage", "--plot", "usage.pdf").code == 1
