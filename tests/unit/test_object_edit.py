"""The generic edit over a small model of pools that hold blocks."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.base.errors import InvalidValue, ProtocolViolation
from casm_ctrl.drivers.elements import OPERATION, add_leaf
from casm_ctrl.drivers.interface import Action, Element, ObjectKey, Wanted
from casm_ctrl.drivers.object_edit import ObjectEdit, Outcome
from casm_ctrl.drivers.objects import Kind, Model, Step, objects

NS = "urn:toy"


def q(name: str) -> str:
    return f"{{{NS}}}{name}"


POOL = Kind(
    "pool",
    (Step(q("top")), Step(q("pool"), (q("name"),))),
    own=frozenset({q("mode"), q("limits")}),
)
BLOCK = Kind("block", (*POOL.steps, Step(q("blocks")), Step(q("block"), (q("id"),))))
MEMBER = Kind("member", (*POOL.steps, Step(q("members")), Step(q("member"), value=True)))
MODEL = Model(
    (POOL, BLOCK, MEMBER),
    lists={q("range"): (q("first"),)},
    leaf_lists=frozenset({q("tag")}),
    drains=frozenset({q("locked")}),
)
B1, B2 = "casm-k3f9qa-b1", "casm-k3f9qa-b2"


def running(text: str = "") -> Element:
    return etree.fromstring(f"<data>{text}</data>")


def wanted(*ours: ObjectKey) -> Wanted:
    return Wanted("k3f9qa", 7, (), frozenset(ours))


def pool(name: str, mode: str = "fast") -> Element:
    entry = POOL.entry(POOL.key(name))
    add_leaf(entry, q("mode"), mode)
    return entry


def block(name: str, number: str, extent: str = "1-9", *, locked: bool = False) -> Element:
    entry = BLOCK.entry(BLOCK.key(name, number))
    add_leaf(entry, q("extent"), extent)
    flag = add_leaf(entry, q("locked"), "")
    if not locked:
        flag.set(OPERATION, "remove")
    return entry


def shown(edit: ObjectEdit) -> tuple[str, list[tuple[Action, ObjectKey, int | None, str]]]:
    """The edit without namespaces, operations as `+name` (create), `~` (merge), `-` (delete)."""
    made = edit.edit()

    def one(node: Element) -> str:
        sign = {"create": "+", "merge": "~", "delete": "-", None: ""}[node.get(OPERATION)]
        name = etree.QName(node).localname
        inner = " ".join(one(child) for child in node) or (node.text or "")
        return f"{sign}{name}({inner})" if inner else f"{sign}{name}"

    return " ".join(one(top) for top in made.config), [
        (c.action, c.key, c.block, c.words) for c in made.changes
    ]


HELD = f"""<top xmlns="{NS}"><pool><name>a</name><mode>fast</mode><blocks>
  <block><id>{B1}</id><extent>1-9</extent></block></blocks></pool>
  <pool><name>b</name><mode>slow</mode></pool></top>"""


def test_what_is_not_there_is_made_from_the_first_missing_node_down() -> None:
    edit = ObjectEdit(MODEL, wanted(), running())
    assert edit.put(POOL.key("a"), pool("a"), None, "by us") is Outcome.NEW
    assert edit.put(BLOCK.key("a", B1), block("a", B1), 1) is Outcome.NEW
    xml, changes = shown(edit)
    assert xml == f"~top(+pool(name(a) mode(fast) blocks(block(id({B1}) extent(1-9)))))"
    assert changes == [
        (Action.ADD, POOL.key("a"), None, "by us"),
        (Action.ADD, BLOCK.key("a", B1), 1, ""),
    ]


def test_what_is_there_already_needs_no_edit() -> None:
    edit = ObjectEdit(MODEL, wanted(POOL.key("a"), BLOCK.key("a", B1)), running(HELD))
    assert edit.put(POOL.key("a"), pool("a")) is Outcome.SAME
    assert edit.put(BLOCK.key("a", B1), block("a", B1), 1) is Outcome.SAME
    edit.remove_rest()
    assert shown(edit) == ("", [])


def test_only_the_leaves_that_differ_are_sent() -> None:
    edit = ObjectEdit(MODEL, wanted(POOL.key("a"), BLOCK.key("a", B1)), running(HELD))
    edit.put(POOL.key("a"), pool("a", "slow"))
    edit.put(BLOCK.key("a", B1), block("a", B1, "1-8"), 1)
    xml, changes = shown(edit)
    assert xml == f"top(pool(name(a) ~mode(slow) blocks(block(id({B1}) ~extent(1-8)))))"
    assert [change[3] for change in changes] == ["mode slow (was fast)", "extent 1-8 (was 1-9)"]


def test_a_drain_and_its_end_are_told_apart() -> None:
    ours = wanted(BLOCK.key("a", B1))
    edit = ObjectEdit(MODEL, ours, running(HELD))
    edit.put(BLOCK.key("a", B1), block("a", B1, locked=True), 1)
    xml, changes = shown(edit)
    assert xml == f"top(pool(name(a) blocks(block(id({B1}) ~locked))))"
    assert changes[0][0] is Action.DRAIN
    back = ObjectEdit(MODEL, ours, running(HELD.replace("</extent>", "</extent><locked/>")))
    back.put(BLOCK.key("a", B1), block("a", B1), 1)
    xml, changes = shown(back)
    assert xml == f"top(pool(name(a) blocks(block(id({B1}) -locked))))"
    assert changes[0][0] is Action.UNDRAIN


def test_a_removal_stands_before_what_is_added() -> None:
    edit = ObjectEdit(MODEL, wanted(BLOCK.key("a", B1)), running(HELD))
    edit.put(BLOCK.key("a", B2), block("a", B2), 2)
    edit.remove_rest()
    xml, changes = shown(edit)
    assert xml == f"top(pool(name(a) blocks(-block(id({B1})) +block(id({B2}) extent(1-9)))))"
    assert (Action.REMOVE, BLOCK.key("a", B1), 1, "") in changes


def test_a_pool_that_is_ours_and_empty_goes_in_one_piece() -> None:
    edit = ObjectEdit(MODEL, wanted(POOL.key("a"), BLOCK.key("a", B1)), running(HELD))
    edit.remove_rest()
    xml, changes = shown(edit)
    assert xml == "top(-pool(name(a)))"
    assert {change[1] for change in changes} == {POOL.key("a"), BLOCK.key("a", B1)}


@pytest.mark.parametrize("kept", ["<note>mine</note>", "<blocks><block><id>other</id></block></blocks>"])
def test_a_pool_in_which_somebody_keeps_something_stays(kept: str) -> None:
    held = f'<top xmlns="{NS}"><pool><name>a</name><mode>fast</mode>{kept}</pool></top>'
    edit = ObjectEdit(MODEL, wanted(POOL.key("a")), running(held))
    edit.remove_rest()
    assert shown(edit) == ("", [])


def test_what_is_not_ours_is_left_alone_and_may_be_added_to() -> None:
    edit = ObjectEdit(MODEL, wanted(), running(HELD))
    assert edit.put(POOL.key("b"), pool("b", "fast")) is Outcome.FOREIGN
    assert edit.put(BLOCK.key("b", B2), block("b", B2), 2) is Outcome.NEW
    edit.remove_rest()
    xml, _ = shown(edit)
    assert xml == f"top(pool(name(b) ~blocks(+block(id({B2}) extent(1-9)))))"


def test_an_object_with_the_mark_of_a_wanted_block_is_ours() -> None:
    edit = ObjectEdit(MODEL, wanted(), running(HELD))
    assert edit.put(BLOCK.key("a", B1), block("a", B1, "1-8"), 1) is Outcome.CHANGED


def test_lists_and_leaf_lists_inside_an_object_are_compared_by_their_keys() -> None:
    held = (
        f'<top xmlns="{NS}"><pool><name>a</name><tag>x</tag><tag>y</tag>'
        "<range><first>1</first><last>2</last></range></pool></top>"
    )
    edit = ObjectEdit(MODEL, wanted(POOL.key("a")), running(held))
    entry = POOL.entry(POOL.key("a"))
    add_leaf(entry, q("tag"), "y")
    add_leaf(entry, q("tag"), "z")
    add_leaf(entry, q("tag"), "x", "remove")
    for first, last in (("1", "3"), ("5", "6")):
        row = etree.SubElement(entry, q("range"))
        add_leaf(row, q("first"), first)
        add_leaf(row, q("last"), last)
    edit.put(POOL.key("a"), entry)
    xml, _ = shown(edit)
    assert xml == "top(pool(name(a) -tag(x) ~tag(z) range(first(1) ~last(3)) +range(first(5) last(6))))"


def test_an_entry_of_a_leaf_list_is_an_object_by_its_value() -> None:
    """So it is added to what others made, and taken away again, without touching their entries."""
    held = (
        f'<top xmlns="{NS}"><pool><name>b</name><members><member> x </member><member>y</member></members>'
        "</pool></top>"
    )
    edit = ObjectEdit(MODEL, wanted(MEMBER.key("b", "x")), running(held))
    for name in ("y", "z"):
        assert edit.put(MEMBER.key("b", name), MEMBER.entry(MEMBER.key("b", name)))
    edit.remove_rest()
    xml, changes = shown(edit)
    assert xml == "top(pool(name(b) members(-member(x) +member(z))))"
    assert [(change[0], change[1]) for change in changes] == [
        (Action.ADD, MEMBER.key("b", "z")),
        (Action.REMOVE, MEMBER.key("b", "x")),
    ]
    assert [key.keys for key, _ in objects(running(held), MEMBER)] == [("b", "x"), ("b", "y")]


def test_one_object_for_two_blocks_is_refused() -> None:
    edit = ObjectEdit(MODEL, wanted(), running())
    edit.put(BLOCK.key("a", "x"), block("a", "x"), 1)
    with pytest.raises(InvalidValue, match="claimed twice"):
        edit.put(BLOCK.key("a", "x"), block("a", "x"), 2)


def test_objects_are_read_with_their_keys() -> None:
    assert [key for key, _ in objects(running(HELD), BLOCK)] == [BLOCK.key("a", B1)]
    with pytest.raises(ProtocolViolation, match="without its key name"):
        list(objects(running(f'<top xmlns="{NS}"><pool><mode>x</mode></pool></top>'), POOL))


def test_lists_of_one_tag_in_two_places_keep_their_own_keys() -> None:
    four = Kind("four", (Step(q("top")), Step(q("v4")), Step(q("pool"), (q("name"),))))
    six = Kind("six", (Step(q("top")), Step(q("v6")), Step(q("pool"), (q("name6"),))))
    held = f"""<top xmlns="{NS}"><v4><pool><name>a</name></pool><pool><name>b</name></pool></v4>
      <v6><pool><name6>a</name6></pool><pool><name6>b</name6></pool></v6></top>"""
    edit = ObjectEdit(Model((four, six)), wanted(four.key("b"), six.key("a")), running(held))
    for kind in (four, six):
        found = edit.find(kind.key("b"))
        assert found is not None
        assert found[0].text == "b"
        assert edit.put(kind.key("c"), kind.entry(kind.key("c"))) is Outcome.NEW
    edit.remove_rest()
    xml, _ = shown(edit)
    assert xml == "top(v4(-pool(name(b)) +pool(name(c))) v6(-pool(name6(a)) +pool(name6(c))))"


def test_many_blocks_are_compared_in_one_pass() -> None:
    """Each node is named a fixed number of times, however many stand beside it."""
    entries = "".join(f"<block><id>casm-k3f9qa-b{n}</id></block>" for n in range(1, 3001))
    held = f'<top xmlns="{NS}"><pool><name>a</name><blocks>{entries}</blocks></pool></top>'
    named = 0

    class Counting(ObjectEdit):
        def _name(self, node: Element) -> tuple[str, ...]:
            nonlocal named
            named += 1
            return super()._name(node)

    edit = Counting(MODEL, wanted(), running(held))
    for n in range(1, 3002):
        edit.put(BLOCK.key("a", f"casm-k3f9qa-b{n}"), block("a", f"casm-k3f9qa-b{n}"), n)
    assert named < 40 * 3000
    edit.edit()
