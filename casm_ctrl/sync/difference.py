"""From what is wanted and what runs to one edit, and its guards. Pure. `sync.validation` judges the edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from casm_ctrl.addressing.capacity import parse_gateway
from casm_ctrl.drivers.interface import (
    Action,
    Announcement,
    Change,
    Driver,
    Edit,
    Element,
    Gateway,
    ObjectKey,
    Seen,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.service.desired import Desired, DesiredPool
from casm_ctrl.service.guard import guard_generation, guard_removal
from casm_ctrl.service.intent import Intent
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.observations import ObjectRow
from casm_ctrl.store.states import State
from casm_ctrl.sync.decision import Decision


@dataclass(frozen=True)
class Difference:
    """An edit that is ready to be recorded and sent; `edit.changes` is empty where nothing is to be done."""

    edit: Edit
    generation: int
    removed: tuple[BlockRow, ...]
    intent: Intent

    def recorded(self, desired: Desired) -> Desired:
        """What was wanted, with the objects that this edit makes known as ours: as the store has it after the
        intent. A driver whose model has no room for marks knows its own objects by nothing else."""
        return replace(desired, objects=(*desired.objects, *self.intent.written))


def work_out(
    driver: Driver,
    modules: Mapping[str, str | None],
    desired: Desired,
    decision: Decision,
    running: Element,
    *,
    zombies: bool,
) -> Difference:
    """The edit that takes `running` to what was decided. Who sends it has it judged first.

    `zombies`: also remove objects with our mark whose blocks are long given up.
    """
    seen = driver.parse(running)
    generation = 1 + max([desired.device.edit_generation, *_generations(desired, seen)])
    wanted = _wanted(desired, decision, generation, zombies)
    edit = _with_blocks(driver.render(wanted, running, modules), desired)
    by_number = {block.id: block for block in desired.blocks}
    touched: dict[int, BlockRow] = {}
    removed: dict[int, BlockRow] = {}
    for change in edit.changes:
        block = None if change.block is None else by_number.get(change.block)
        if block is None:
            continue
        if change.action is not Action.REMOVE:
            touched[block.id] = block
        elif block.state is not State.QUARANTINED:
            removed[block.id] = block
    intent = Intent(
        generation=generation,
        sent=tuple(touched.values()),
        removed=tuple(removed.values()),
        emptied=frozenset(decision.emptied & removed.keys()),
        written=tuple(
            ObjectRow(c.key.path, c.key.keys, c.block, "wrote")
            for c in edit.changes
            if c.action is Action.ADD
        ),
        newest_mark=max(_numbers(desired, seen), default=0),
        words=[in_words(change) for change in edit.changes],
    )
    return Difference(edit, generation, tuple(removed.values()), intent)


def _with_blocks(edit: Edit, desired: Desired) -> Edit:
    """The edit, with the block of each object that the store knows as a block's: where a model has no room for
    marks, what is removed is told from a container by nothing else."""
    by_key = {(row.path, row.keys): row.block for row in desired.objects}
    return replace(
        edit,
        changes=tuple(
            change
            if change.block is not None
            else replace(change, block=by_key.get((change.key.path, change.key.keys)))
            for change in edit.changes
        ),
    )


def guard(
    difference: Difference,
    removed: Sequence[BlockRow],
    desired: Desired,
    seen: Seen,
    confirmed: int | None,
) -> None:
    """The guards of promise 7: MassRemoval or StoreBehind where nobody confirmed as many removals.

    `removed`: what the same run took away before this edit, and what this edit takes away.
    """
    name = desired.device.name
    guard_generation(
        name,
        marked=max(_generations(desired, seen), default=None),
        known=desired.device.edit_generation,
        newest_mark=max(_numbers(desired, seen), default=None),
        last_block=desired.last_block,
        removals=len(difference.removed),
        confirmed=confirmed,
    )
    guard_removal(name, removed, desired.blocks, confirmed)


def _generations(desired: Desired, seen: Seen) -> list[int]:
    return [
        pool.generation.generation
        for pool in seen.pools
        if pool.generation is not None and pool.generation.store == desired.store
    ]


def _numbers(desired: Desired, seen: Seen) -> list[int]:
    return [r.mark.block for r in seen.ranges if r.mark is not None and r.mark.store == desired.store]


def _wanted(desired: Desired, decision: Decision, generation: int, zombies: bool) -> Wanted:
    keys = {row.block: ObjectKey(row.path, row.keys) for row in desired.objects if row.block is not None}
    ours = {ObjectKey(row.path, row.keys) for row in desired.objects}
    dead = {ObjectKey(f.path, f.keys) for f in desired.findings if f.kind == "zombie"}
    ours = ours | dead if zombies else ours - dead
    return Wanted(
        store=desired.store,
        generation=generation,
        pools=tuple(
            WantedPool(
                name=pool.row.aaa_name,
                blocks=tuple(
                    WantedBlock(block.id, block.prefix, decision.present[block.id], keys.get(block.id))
                    for block in pool.blocks
                    if block.id in decision.present
                ),
                gateway=_gateway(pool.row.gateway, pool.row.gateway_mask),
                services=pool.services,
                access=pool.row.access,
                network_instance=pool.network_instance,
                delegated_length=pool.delegated_length,
                psid_offset=pool.psid_offset,
                usage_high=pool.row.usage_high,
                usage_low=pool.row.usage_low,
                announcement=_announcement(pool),
                route_tag=pool.row.route_tag,
            )
            for pool in desired.pools
        ),
        ours=frozenset(ours),
    )


def _announcement(pool: DesiredPool) -> Announcement:
    """Who only stands by must not attract what is for the member that serves."""
    asked = Announcement(pool.row.announcement)
    return Announcement.NONE if pool.role == "stands-by" and asked is Announcement.STATIC_DISCARD else asked


def _gateway(text: str, mask: int | None) -> Gateway:
    kind, address, interface = parse_gateway(text)
    return Gateway(kind, address=address, interface=interface, mask=mask)


def in_words(change: Change) -> str:
    """`add b3: ipv4-address-range[internet, casm-k3f9qa-b3] 198.51.100.0/24`."""
    block = "" if change.block is None else f" b{change.block}"
    return f"{change.action.value}{block}: {change.key}{' ' if change.words else ''}{change.words}"
