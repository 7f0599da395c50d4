"""Random edits, committed in every way: what is shown is what was edited, and what is stored is what is shown."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.trees import Node, canonical
from casm_ctrl.northbound.configuration.running import Running
from tests.datastores_world import DEVICES, POOLS, World, edit, world_on

ROUNDS = 25
OPERATIONS = ("merge", "merge", "replace", "replace", "create", "delete", "remove", "remove")
CONFIRMED = "<commit><confirmed/></commit>"


@pytest.fixture
def world(store_path: Path) -> Iterator[World]:
    with world_on(store_path) as made:
        yield made


class Edits:
    """Edits at random: entries and leafs that are there and such as are not, with all operations."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self) -> str:
        entries = self._some("abpq", self._pool)
        config = f'<pools xmlns="{POOLS}">{entries}</pools>' if entries else ""
        entries = self._some(("bng1", "bng2", "bng3"), self._device)
        config += f'<devices xmlns="{DEVICES}">{entries}</devices>' if entries else ""
        entries = self._some(
            "st", lambda name: f"<address-space{self._operation()}><name>{name}</name></address-space>"
        )
        config += f'<address-spaces xmlns="{POOLS}">{entries}</address-spaces>' if entries else ""
        return edit(config, test_option="set")

    def chance(self, likelihood: float) -> bool:
        return self._random.random() < likelihood

    def _some(self, names: str | tuple[str, ...], write: object) -> str:
        assert callable(write)
        return "".join(str(write(name)) for name in names if self.chance(0.25))

    def _operation(self, likelihood: float = 0.3) -> str:
        return f' nc:operation="{self._random.choice(OPERATIONS)}"' if self.chance(likelihood) else ""

    def _pool(self, name: str) -> str:
        number = ord(name)
        whole = (
            f"<address-space>{self._random.choice('sst')}</address-space><family>ipv4</family>"
            f"<prefix>10.{number}.0.0/16</prefix>"
        )
        return (
            f"<pool{self._operation()}><name>{name}</name>{whole if self.chance(0.6) else ''}"
            + self._maybe("description", ("one", "two"))
            + self._maybe("exclude", (f"10.{number}.1.0/24", f"10.{number}.2.0/24"))
            + f"<policy{self._operation(0.1)}>{self._maybe('quarantine', ('10', '3600'))}</policy></pool>"
        )

    def _device(self, name: str) -> str:
        whole = (
            "<role>bng</role><driver>ietf-address-pool</driver><user>casm</user><credential>env:X</credential>"
            f"<host>192.0.2.{name[-1]}</host><address-space>s</address-space>"
        )
        pools = "".join(
            f'<pool yang:insert="{self._random.choice(("first", "last"))}">{pool}</pool>'
            for pool in "abpq"
            if self.chance(0.4)
        )
        inner = f"<device-pool{self._operation(0.2)}><name>x</name>{pools}<length>24</length></device-pool>"
        return (
            f"<device{self._operation(0.15)}><name>{name}</name>{whole if self.chance(0.5) else ''}"
            f"{self._maybe('port', ('830', '+0831'))}{inner if self.chance(0.5) else ''}</device>"
        )

    def _maybe(self, leaf: str, values: tuple[str, ...]) -> str:
        if not self.chance(0.3):
            return ""
        return f"<{leaf}{self._operation()}>{self._random.choice(values)}</{leaf}>"


@pytest.mark.parametrize("seed", range(3))
def test_what_is_shown_is_what_was_edited_and_what_is_stored(world: World, seed: int) -> None:
    edits, committed = Edits(seed), 0
    for _ in range(ROUNDS):
        for _ in range(3):
            answers(world, edits.one())
        before, wanted = content(world, "running"), content(world, "candidate")
        if edits.chance(0.5):
            if answers(world, CONFIRMED):
                assert content(world, "running") == wanted
                if edits.chance(0.5):
                    world.ok("<cancel-commit/>")
                    assert content(world, "running") == before == stored(world)
                    continue
                assert stored(world) == content(world, "running")
                world.ok("<commit/>")
                assert content(world, "running") == wanted == stored(world)
                committed += 1
                continue
        elif answers(world, "<commit/>"):
            assert content(world, "running") == wanted == stored(world)
            committed += 1
            continue
        assert content(world, "running") == before == stored(world)
        world.ok("<discard-changes/>")
    assert committed > 2


def answers(world: World, operation: str) -> bool:
    """False where it is refused, as it may be."""
    try:
        world.ok(operation)
    except RpcError:
        return False
    return True


def content(world: World, datastore: str) -> Node:
    return canonical(world.datastores.content(datastore), world.running.schema)


def stored(world: World) -> Node:
    """What another server would show."""
    running = Running(world.database, world.running.schema, world.running.engine)
    return canonical(running.tree()[1], running.schema)
