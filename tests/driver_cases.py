"""What every driver's output must stand, on a table of cases: the same checks for all device models.

A case is a device's running configuration and what is wanted on it. Its golden file holds what was running,
the edit, and the plan's lines. To write golden files anew run the driver's test with `CASM_WRITE_GOLDEN=1`,
then read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

from lxml import etree

from casm_ctrl.addressing.prefix import parse_prefix
from casm_ctrl.drivers.interface import (
    Action,
    Driver,
    Edit,
    Element,
    ObjectKey,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.netconf.datastores.edit import apply_edit
from casm_ctrl.netconf.retrieval.subtree import apply_filter
from casm_ctrl.yang.engine import Engine, forest
from casm_ctrl.yang.schema import Schema, load_schema
from tests.pyang_judge import complaints

STORE = "k3f9qa"
GOLDEN = Path(__file__).parent / "unit" / "golden"


def block(number: int, prefix: str, *, drained: bool = False, key: ObjectKey | None = None) -> WantedBlock:
    return WantedBlock(number, parse_prefix(prefix), drained, key)


def wanted(*pools: WantedPool, ours: tuple[ObjectKey, ...] = (), generation: int = 7) -> Wanted:
    return Wanted(STORE, generation, pools, frozenset(ours))


@dataclass(frozen=True)
class Case:
    """`running`: the top-level nodes of the device, as text.."""

    wanted: Wanted
    running: str = ""

    def data(self) -> Element:
        return etree.fromstring(f"<data>{self.running}</data>")


class Bench:
    """One driver with the published modules that it must fit."""

    def __init__(self, driver: Driver, modules: tuple[str, ...], folder: Path) -> None:
        self.driver = driver
        self.modules = modules
        self.folder = folder
        self.engine = Engine(modules, [folder])
        self.schema: Schema = load_schema(modules, [folder])

    def render(self, wanted: Wanted, running: Element) -> Edit:
        return self.driver.render(wanted, running, dict.fromkeys(self.modules))

    def apply(self, running: Element, edit: Edit) -> Element:
        """`running` after the edit, as a server that follows RFC 6241 makes it."""
        config = etree.Element("config")
        config.extend(deepcopy(edit.config))
        return apply_edit(running, config, self.schema, "none")

    def check(self, case: Case, running: Element | None = None) -> Element:
        """The edit is valid for libyang and pyang, its result too, and shows what is wanted, and there is
        nothing left to do. The result. `running`: what runs, where it is not the case's own."""
        running = case.data() if running is None else running
        before = etree.tostring(running)
        self.engine.validate(forest(running), what="config")
        edit = self.render(case.wanted, running)
        assert etree.tostring(running) == before, "rendering reads, it does not write"
        self.engine.validate(forest(edit.config), what="edit")
        assert complaints(self.modules, self.folder, edit.config) == []
        after = self.apply(running, edit)
        self.engine.validate(forest(after), what="config")
        assert complaints(self.modules, self.folder, after) == []
        self.assert_shown(case.wanted, edit, after)
        now = (case.wanted.ours | keys_of(edit, Action.ADD)) - keys_of(edit, Action.REMOVE)
        again = replace(
            case.wanted, pools=recorded(case.wanted, edit), ours=now, generation=case.wanted.generation + 1
        )
        assert self.render(again, after) == Edit((), ())
        return after

    def run(self, states: Iterable[tuple[WantedPool, ...]], start: str) -> None:
        """Converge on one state after the other, with the objects recorded as the store records them, and
        at last on none: each block keeps its object, and in the end the device is as it was at the start."""
        running = etree.fromstring(f"<data>{start}</data>")
        keys: dict[int, ObjectKey] = {}
        ours: frozenset[ObjectKey] = frozenset()
        for generation, pools in enumerate((*states, ()), start=1):
            held = tuple(
                replace(pool, blocks=tuple(replace(b, key=keys.get(b.number)) for b in pool.blocks))
                for pool in pools
            )
            case = Case(Wanted(STORE, generation, held, ours))
            edit = self.render(case.wanted, running)
            running = self.check(case, running)
            ours = (ours | keys_of(edit, Action.ADD)) - keys_of(edit, Action.REMOVE)
            added = {c.block: c.key for c in edit.changes if c.action is Action.ADD and c.block is not None}
            assert not {n for n in added if n in keys and keys[n] in ours}, "a block has one object"
            here = {b.number for pool in pools for b in pool.blocks}
            keys = {n: key for n, key in {**keys, **added}.items() if n in here}
            assert keys.keys() == here
        assert ours == frozenset()
        assert meaning(running) == meaning(etree.fromstring(f"<data>{start}</data>"))

    def assert_shown(self, wanted: Wanted, edit: Edit, after: Element) -> None:
        """Each wanted block is one range on the device, and no other range carries a mark of ours."""
        ranges = self.driver.parse(after).ranges
        by_key = {seen.key: seen for seen in ranges}
        keys = {change.block: change.key for change in edit.changes if change.action is Action.ADD}
        standing = set()
        for pool in wanted.pools:
            for one in pool.blocks:
                found = [s for s in ranges if s.mark is not None and s.mark.block == one.number]
                key = keys.get(one.number) or one.key or found[0].key
                seen = by_key[key]
                standing.add(key)
                assert (seen.range, seen.drained) == (one.prefix.range, one.drained)
                assert seen.network_instance == pool.network_instance
        ours = {s.key for s in ranges if s.mark is not None and s.mark.store == wanted.store}
        assert ours <= standing


def filtered(data: Element, subtree: Iterable[Element]) -> Element:
    """What a server answers to a subtree filter."""
    criteria = etree.Element("filter")
    criteria.extend(deepcopy(list(subtree)))
    answer = etree.Element("data")
    answer.extend(apply_filter(data, criteria))
    return answer


def meaning(node: Element) -> tuple[object, ...]:
    """A tree without the order of its nodes, and without nodes that hold nothing."""
    inside = [meaning(child) for child in node.iterchildren(etree.Element)]
    return (node.tag, (node.text or "").strip(), *sorted((m for m in inside if m[1:] != ("",)), key=repr))


def keys_of(edit: Edit, action: Action) -> frozenset[ObjectKey]:
    return frozenset(change.key for change in edit.changes if change.action is action)


def recorded(wanted: Wanted, edit: Edit) -> tuple[WantedPool, ...]:
    """The pools that are wanted, their blocks with the objects that the edit made for them."""
    made = {c.block: c.key for c in edit.changes if c.action is Action.ADD and c.block is not None}
    return tuple(
        replace(pool, blocks=tuple(replace(b, key=b.key or made.get(b.number)) for b in pool.blocks))
        for pool in wanted.pools
    )


def document(case: Case, edit: Edit) -> bytes:
    """The golden file's bytes: indented, so that a person can read a difference."""
    lines = "".join(
        f"<line action={quoteattr(change.action.value)} object={quoteattr(str(change.key))}"
        f" block={quoteattr('' if change.block is None else f'b{change.block}')}"
        f" words={quoteattr(change.words)}/>"
        for change in edit.changes
    )
    config = b"".join(etree.tostring(element) for element in edit.config).decode()
    root = etree.fromstring(
        f"<golden><running>{case.running}</running><config>{config}</config><plan>{lines}</plan></golden>"
    )
    etree.indent(root)
    return etree.tostring(root, encoding="utf-8") + b"\n"


def assert_golden(driver: Driver, modules: tuple[str, ...], name: str, case: Case) -> None:
    """The edit of a case is that of its golden file."""
    found = document(case, driver.render(case.wanted, case.data(), dict.fromkeys(modules)))
    path = GOLDEN / driver.name / f"{name}.xml"
    if os.environ.get("CASM_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(found)
    assert found.decode() == path.read_text(encoding="utf-8")


def assert_none_left_over(driver: Driver, cases: Mapping[str, Case]) -> None:
    assert {path.stem for path in (GOLDEN / driver.name).glob("*.xml")} == set(cases)
