"""Any sequence of wishes on one device: what every driver must keep, whatever comes after what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.addressing.prefix import Prefix
from casm_ctrl.base.errors import CasmError
from casm_ctrl.drivers.interface import Action, Edit, Element, ObjectKey, Wanted, WantedBlock, WantedPool
from casm_ctrl.yang.engine import forest
from tests.driver_cases import STORE, Bench, keys_of

Wish = Mapping[int, bool]
"""The numbers of the blocks that should be there, and whether each is drained."""


def wishes(numbers: Sequence[int], *, most: int = 6) -> st.SearchStrategy[list[Wish]]:
    return st.lists(st.dictionaries(st.sampled_from(numbers), st.booleans()), min_size=1, max_size=most)


@dataclass(frozen=True)
class Step:
    """One edit of a sequence, and what came of it."""

    wanted: Wanted
    edit: Edit
    after: Element
    keys: Mapping[int, ObjectKey]


def play(
    bench: Bench,
    running: Element,
    sequence: Sequence[Wish],
    pools: Callable[[Sequence[WantedBlock]], tuple[WantedPool, ...]],
    prefix: Callable[[int], Prefix],
    refusals: tuple[type[CasmError], ...] = (),
) -> list[Step]:
    """Bring one wish after the other to the device, with what the store would have recorded. A wish that the
    driver refuses with one of `refusals` changes nothing.

    Each edit and each configuration is valid; each block is there as wanted, under the same key as long as it
    stays; nothing of others has changed; and the same wish again needs no edit.
    """
    ours: frozenset[ObjectKey] = frozenset()
    keys: dict[int, ObjectKey] = {}
    steps = []
    foreign = _leaves(running)
    for generation, wish in enumerate(sequence, 1):
        blocks = [WantedBlock(n, prefix(n), drained, keys.get(n)) for n, drained in wish.items()]
        wanted = Wanted(STORE, generation, pools(blocks), ours)
        try:
            edit = bench.render(wanted, running)
        except refusals:
            continue
        bench.engine.validate(forest(edit.config), what="edit")
        running = bench.apply(running, edit)
        bench.engine.validate(forest(running), what="config")
        ours = (ours | keys_of(edit, Action.ADD)) - keys_of(edit, Action.REMOVE)
        made = {c.block: c.key for c in edit.changes if c.action is Action.ADD and c.block is not None}
        assert not made.keys() & keys.keys(), "a block that stays keeps its object"
        keys = {n: key for n, key in {**keys, **made}.items() if n in wish}
        seen = {one.key: one for one in bench.driver.parse(running).ranges}
        for block in blocks:
            shown = seen[keys[block.number]]
            assert (shown.range, shown.drained) == (block.prefix.range, block.drained)
        shown_by_us = {key for key in seen if key in ours}
        assert shown_by_us == set(keys.values())
        assert foreign <= _leaves(running), "what others configured is as it was"
        again = bench.render(Wanted(STORE, generation + 1, wanted.pools, ours), running)
        assert again == Edit((), ())
        steps.append(Step(wanted, edit, running, dict(keys)))
    return steps


def _leaves(data: Element) -> set[tuple[str, str]]:
    """Every leaf by its path, with all leaves of the nodes above that stand first in them: the keys."""
    found: set[tuple[str, str]] = set()

    def walk(node: Element, path: str) -> None:
        for child in node.iterchildren(etree.Element):
            first = child[0].text if len(child) and not len(child[0]) else ""
            step = f"{path}/{etree.QName(child).localname}[{first}]"
            if len(child):
                walk(child, step)
            else:
                found.add((step, child.text or ""))

    walk(data, "")
    return found
