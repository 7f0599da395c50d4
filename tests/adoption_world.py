"""Adoption without devices: what they show is made up, and judged and written as `casm adopt` does."""

from __future__ import annotations

from collections.abc import Mapping

from casm_ctrl.addressing.prefix import Prefix, Range, first_overlap, parse_prefix, parse_range
from casm_ctrl.drivers.interface import ObjectKey, Seen, SeenRange
from casm_ctrl.service import adoption, intent
from casm_ctrl.service.adoption import Outcome
from casm_ctrl.service.configuration import (
    AddDevice,
    AddPool,
    AddSpace,
    Edit,
    change,
)
from casm_ctrl.service.desired import read_desired
from casm_ctrl.service.lookup import the_device
from casm_ctrl.store import blocks, devices, free_space, pools
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.states import State
from casm_ctrl.sync.adopt import Adoption
from casm_ctrl.sync.adoption_judging import DeviceRead, Judgement
from casm_ctrl.sync.run import Options
from casm_ctrl.sync.visit import sight_of

ME = Author("tester", reason="test")
PATH = "ipv4-address-range"


def span(text: str) -> Range:
    first, _, last = text.partition("-")
    return parse_range(first, last) if last else parse_prefix(text).range


def on(pool: str, name: str, text: str | Range, **more: object) -> SeenRange:
    where = text if isinstance(text, Range) else span(text)
    return SeenRange(ObjectKey(PATH, (pool, name)), where, **more)  # type: ignore[arg-type]


def seen(*texts: str) -> Seen:
    return Seen((), tuple(on("home", f"r{number}", text) for number, text in enumerate(texts)))


def make(database: Database, *edits: Edit, count: int = 3) -> None:
    """Space s with pools p and q, and devices d0, d1, … which have nothing of ours."""
    made: list[Edit] = [
        AddSpace("s"),
        AddSpace("vpn"),
        AddPool("p", "s", ("10.0.0.0/24",), quarantine=3600, lease_time=3600),
        AddPool("q", "s", ("10.0.1.0/24",)),
        AddPool("six", "s", ("2001:db8::/112",)),
    ]
    made += (
        AddDevice(
            f"d{n}",
            "bng",
            "ietf-address-pool",
            f"192.0.2.{n}",
            830,
            "u",
            "env:X",
            "s",
            instances=(("red", "vpn"),),
        )
        for n in range(count)
    )
    change(database, ME, [*made, *edits])


class Network:
    """What `casm adopt` does with what devices show, without the devices."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def judge(self, shown: Mapping[str, Seen]) -> tuple[Adoption, Judgement]:
        run = Adoption(self.database, ME, Options(), lambda *_: None, False, True)
        with self.database.read() as tx:
            for name, what in shown.items():
                device = the_device(tx, name)
                instances = devices.device_instances(tx, device.id)
                run.reads[name] = DeviceRead(read_desired(tx, device), instances, what)
        run.judge()
        return run, run.judgement

    def adopt(self, shown: Mapping[str, Seen]) -> tuple[Judgement, list[Outcome]]:
        run, judgement = self.judge(shown)
        outcomes = []
        for unit in run.units.values():
            leased = {name: intent.claim_lease(self.database, name, f"test-{name}", "test") for name in unit}
            finds = [run.find_of(one) for name in unit for one in run.by_device.get(name, ())]
            sights = {name: sight_of(shown[name], proof=False) for name in unit}
            outcomes.append(adoption.adopt(self.database, ME, leased, sights, finds))
            for lease in leased.values():
                intent.release_lease(self.database, lease)
        return judgement, outcomes

    def check(self) -> list[Prefix]:
        """No two blocks overlap, and what is free, held or had makes up each pool. Returns the blocks."""
        live = []
        with self.database.read() as tx:
            for pool in pools.list_pools(tx):
                held = blocks.list_blocks(tx, pool_id=pool.id)
                parts = [
                    *free_space.free_prefixes(tx, pool.id, pool.family),
                    *(carve.prefix for carve in pools.list_carves(tx, pool_id=pool.id)),
                    *(block.prefix for block in held),
                ]
                assert first_overlap(parts) is None
                assert sum(p.size for p in parts) == sum(p.size for p in pools.pool_prefixes(tx, pool.id))
                counted = sum(blocks.block_counts(tx, pool.id).values())
                assert counted == len(held)
                live += [block.prefix for block in held]
        return live


def kinds(judgement: Judgement, device: str = "d0") -> list[str]:
    return [conflict.kind for conflict in judgement.conflicts if conflict.device == device]


def states(database: Database) -> dict[str, State]:
    with database.read() as tx:
        return {str(block.prefix): block.state for block in blocks.list_blocks(tx)}
