"""Three devices and one change over all of them: what the tests of atomic runs stand on."""

from __future__ import annotations

from typing import Any

from tests.sync_world import Done, World

NAMES = ("bng1", "bng2", "bng3")


def three(world: World, **options: Any) -> None:
    """Three devices with a block each, and one more wanted on each: b4, b5, b6."""
    for name in NAMES:
        world.add(name, **options)
        world.give(1, name)
    world.apply(code=0)
    for name in NAMES:
        world.give(1, name)
        world.forget_operations(name)


def holds(world: World) -> dict[str, str]:
    """What each device holds, as plain ncclient sees it."""
    words = {(1, 4): "new", (1,): "old", (2, 5): "new", (2,): "old", (3, 6): "new", (3,): "old"}
    return {name: words.get(tuple(sorted(world.shown(name))), "neither") for name in NAMES}


ALL_NEW = dict.fromkeys(NAMES, "new")
ALL_OLD = dict.fromkeys(NAMES, "old")


def runs(world: World) -> int:
    with world.database.read() as tx:
        return len(tx.all("SELECT * FROM atomic_run"))


def results(done: Done) -> dict[str, str]:
    return {device["name"]: device["result"] for device in done.answer["device"]}
