"""From what is wanted and what runs to one edit: whose blocks it touches, what is recorded, what is guarded."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from casm_ctrl.addressing.prefix import parse_prefix
from casm_ctrl.base.clock import Micros
from casm_ctrl.base.errors import MassRemoval, StoreBehind
from casm_ctrl.drivers.ietf_address_pool import DRIVER
from casm_ctrl.drivers.interface import Element
from casm_ctrl.netconf.names import nc
from casm_ctrl.service.desired import Desired, desired
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.observations import FindingRow, ObjectRow
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.sync.decision import Decision, decide
from casm_ctrl.sync.difference import Difference, guard, work_out

NS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
STORE = "abcdef"
EXT: dict[str, str | None] = {"ietf-address-pool": "2015-10-14", "casm-address-pool-ext": None}
PATH = "ipv4-address-range"


def name_of(number: int, store: str = STORE) -> str:
    return f"casm-{store}-b{number}"


def block(number: int, state: State = State.INSTALLED, wanted: Wanted = Wanted.PRESENT) -> BlockRow:
    known = {"id": number, "prefix": parse_prefix(f"10.0.{number}.0/24"), "state": state, "wanted": wanted}
    values: Any = {column.name: known.get(column.name) for column in dataclasses.fields(BlockRow)}
    return BlockRow(**values)


@pytest.fixture
def bare(network: Database) -> Desired:
    """What is wanted of a device that has nothing."""
    return replace(desired(network, "bng1"), store=STORE)


def wish(
    bare: Desired,
    *rows: BlockRow,
    objects: tuple[int, ...] = (),
    findings: tuple[FindingRow, ...] = (),
    edits: int = 3,
    last_block: int = 9,
) -> Desired:
    known = [ObjectRow(PATH, ("internet", name_of(number)), number, "wrote") for number in objects]
    if objects:
        known.append(ObjectRow("address-pool", ("internet",), None, "wrote"))
    return replace(
        bare,
        device=replace(bare.device, edit_generation=edits),
        pools=(replace(bare.pools[0], blocks=rows),),
        objects=tuple(known),
        findings=findings,
        last_block=last_block,
    )


def running(*numbers: int, generation: int | None = None, store: str = STORE) -> Element:
    """A device with the ranges of these blocks in the pool `internet`."""
    device_id = "" if generation is None else f"<device-id>casm-{store}-g{generation}</device-id>"
    entries = "".join(
        f"<{PATH}><{PATH}-name>{name_of(n, store)}</{PATH}-name><ip-lower-address>10.0.{n}.0</ip-lower-address>"
        f"<ip-upper-address>10.0.{n}.255</ip-upper-address></{PATH}>"
        for n in numbers
    )
    pools = (
        f'<address-pools xmlns="{NS}"><address-pool><address-pool-name>internet</address-pool-name>{device_id}'
        f"<address-pool-entries>{entries}</address-pool-entries></address-pool></address-pools>"
    )
    return etree.fromstring(f'<data xmlns="{nc("")[1:-1]}">{pools if numbers else ""}</data>')


def worked_out(
    want: Desired, there: Element, *, zombies: bool = False, decision: Decision | None = None
) -> Difference:
    if decision is None:
        seen = DRIVER.parse(there)
        shown = {r.key for r in seen.ranges}
        on_device = frozenset(
            row.block
            for row in want.objects
            if row.block is not None and any((k.path, k.keys) == (row.path, row.keys) for k in shown)
        )
        decision = decide(want, on_device, dict.fromkeys(on_device, 0), DRIVER.abilities(EXT))
    return work_out(DRIVER, EXT, want, decision, there, zombies=zombies)


def removed(difference: Difference) -> list[str]:
    return [
        str(change.key).rpartition(" ")[2].rstrip("]")
        for change in difference.edit.changes
        if change.action.value == "remove"
    ]


def test_what_is_in_sync_needs_no_edit(bare: Desired) -> None:
    found = worked_out(wish(bare, block(1), objects=(1,)), running(1, generation=3))
    assert not found.edit.changes
    assert not found.edit.config
    assert not found.removed


def test_an_install_is_recorded_before_it_is_sent(bare: Desired) -> None:
    found = worked_out(wish(bare, block(1, State.RESERVED)), running())
    assert [row.id for row in found.intent.sent] == [1]
    assert {(row.path, row.keys, row.block) for row in found.intent.written} == {
        ("address-pool", ("internet",), None),
        (PATH, ("internet", name_of(1)), 1),
    }
    assert found.intent.words[1].startswith(f"add b1: {PATH}[internet, {name_of(1)}]")


def test_what_is_removed_is_told_by_its_block_where_the_model_has_no_marks(bare: Desired) -> None:
    """The store alone knows whose an adopted object is, as it does for all objects of IOS XR and RFC 8512."""
    there = running(1, generation=3)
    for name in there.iter(f"{{{NS}}}{PATH}-name"):
        name.text = "by hand"
    want = replace(
        wish(bare, block(1, State.DRAINING, Wanted.ABSENT)),
        objects=(ObjectRow(PATH, ("internet", "by hand"), 1, "adopted"),),
    )
    found = worked_out(want, there, decision=Decision())
    assert [(c.action.value, c.block) for c in found.edit.changes if c.key.path == PATH] == [("remove", 1)]
    assert f"remove b1: {PATH}[internet, by hand]" in found.intent.words


def test_each_edit_has_a_later_generation_than_any_that_is_known(bare: Desired) -> None:
    want = wish(bare, block(1), block(2, State.RESERVED), objects=(1,), edits=3)
    assert worked_out(want, running(1, generation=3)).generation == 4
    assert worked_out(want, running(1, generation=8)).generation == 9
    other = running(1, generation=8, store="zzzzzz")
    assert worked_out(want, other).generation == 4


def test_a_removal_names_its_block(bare: Desired) -> None:
    leaving = block(1, State.DRAINING, Wanted.ABSENT)
    found = worked_out(wish(bare, leaving, block(2), objects=(1, 2)), running(1, 2))
    assert [row.id for row in found.removed] == [1]
    assert found.intent.emptied == {1}
    assert removed(found) == [name_of(1)]


def zombie(number: int) -> FindingRow:
    keys = ("internet", name_of(number))
    return FindingRow("bng1", "zombie", PATH, keys, None, False, Micros(0), "still there")


def test_a_zombie_goes_only_when_asked(bare: Desired) -> None:
    """Of a block that is free again, and of one in quarantine, with and without our row of the object."""
    for objects in ((1, 2), (2,)):
        for rows in ((block(2),), (block(1, State.QUARANTINED, Wanted.ABSENT), block(2))):
            want = wish(bare, *rows, objects=objects, findings=(zombie(1),))
            assert removed(worked_out(want, running(1, 2))) == []
            asked = worked_out(want, running(1, 2), zombies=True)
            assert removed(asked) == [name_of(1)]
            assert not asked.removed


def test_others_objects_are_never_touched(bare: Desired) -> None:
    there = running(1, 2, 3, store="zzzzzz")
    found = worked_out(wish(bare, block(5, State.RESERVED)), there, zombies=True)
    assert [change.block for change in found.edit.changes if change.block is not None] == [5]
    assert removed(found) == []


# --- The guards -----------------------------------------------------------------------------------


def guarded(difference: Difference, want: Desired, there: Element, confirmed: int | None = None) -> None:
    guard(difference, difference.removed, want, DRIVER.parse(there), confirmed)


def leaving(bare: Desired, *numbers: int, last_block: int = 9) -> Desired:
    rows = [block(n, State.DRAINING, Wanted.ABSENT) if n in numbers else block(n) for n in (1, 2, 3)]
    return wish(bare, *rows, objects=(1, 2, 3), last_block=last_block)


def test_too_many_removals(bare: Desired) -> None:
    there = running(1, 2, 3)
    want = leaving(bare, 1, 2)
    found = worked_out(want, there)
    with pytest.raises(MassRemoval):
        guarded(found, want, there)
    guarded(found, want, there, 2)
    one = leaving(bare, 1)
    guarded(worked_out(one, there), one, there)


def test_removals_of_earlier_rounds_count(bare: Desired) -> None:
    there = running(1, 2, 3)
    want = leaving(bare, 2)
    found = worked_out(want, there)
    guarded(found, want, there)
    with pytest.raises(MassRemoval):
        guard(found, (block(1), *found.removed), want, DRIVER.parse(there), None)


def test_a_device_that_a_later_copy_wrote(bare: Desired) -> None:
    want = leaving(bare)
    want = replace(want, pools=(replace(want.pools[0], blocks=(*want.blocks, block(4, State.RESERVED))),))
    later = running(1, 2, 3, generation=4)
    with pytest.raises(StoreBehind, match="edit 4 on it, and this store made only 3"):
        guarded(worked_out(want, later), want, later)
    guarded(worked_out(want, later), want, later, 0)
    marked = running(1, 2, 3, 12, generation=3)
    with pytest.raises(StoreBehind, match="block b12 on it, and this store's last is b9"):
        guarded(worked_out(want, marked), want, marked)
    assert worked_out(want, marked).intent.newest_mark == 12
