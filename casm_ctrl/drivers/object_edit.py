"""The smallest edit that makes objects on a device what is wanted, and touches nobody else's.

A driver says what each object should hold, one after the other; what the device holds already is left
out. In what it says, a node with the operation `remove` is one that must not be there. The edit is for
default-operation `none`: RFC 6241, 7.2 has a node without an operation exist in the target, so a container
that the device does not show carries `merge`, an entry that it lacks `create`, a leaf `merge`, and what
goes `delete`: `create` and `delete` refuse to meet what was not read.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from enum import Enum

from lxml import etree

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.drivers.elements import OPERATION, is_leaf, text_of
from casm_ctrl.drivers.interface import Action, BlockMark, Change, Edit, Element, ObjectKey, Wanted
from casm_ctrl.drivers.objects import Model

_Name = tuple[str, ...]


class Outcome(Enum):
    """What an object that was put turned out to be."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    FOREIGN = "foreign"
    """It is there, and is not ours: it was left as it is. Objects of ours may still be put into it."""


class ObjectEdit:
    """Collects what should be; `edit()` ends it. Finding an object costs the same however many there are."""

    def __init__(self, model: Model, wanted: Wanted, running: Element) -> None:
        self._model = model
        self._wanted = wanted
        self._running = running
        self._root = etree.Element("edit")
        self._changes: list[Change] = []
        self._put: set[ObjectKey] = set()
        self._indexes: dict[Element, dict[_Name, Element]] = {}

    def find(self, key: ObjectKey) -> Element | None:
        """The object's entry in what runs."""
        kind = self._model.kind_of(key)
        return None if kind is None else self._descend(_chain(kind.entry(key)))

    def was_put(self, key: ObjectKey) -> bool:
        """Whether it was said already what the object should hold."""
        return key in self._put

    def put(self, key: ObjectKey, entry: Element, block: int | None = None, words: str = "") -> Outcome:
        """`entry` (from `Kind.entry`, filled by the driver) should be so. `words` tell of a new object.

        InvalidValue where two blocks claim one object.
        """
        if key in self._put:
            raise InvalidValue(f"{key} is claimed twice", "give each block an object of its own")
        self._put.add(key)
        there = self._descend(_chain(entry))
        if there is None:
            self._create(entry)
            self._changes.append(Change(Action.ADD, key, block, words))
            return Outcome.NEW
        if not self._is_ours(key, block):
            return Outcome.FOREIGN
        nodes = self._reduce(entry, there)
        if not nodes:
            return Outcome.SAME
        shell = self._shell(_chain(entry))
        words = self._tell(nodes, there)
        for node in nodes:
            shell.append(node)
        self._indexes.pop(shell, None)
        self._changes.append(Change(self._action(nodes), key, block, words))
        return Outcome.CHANGED

    def remove_rest(self) -> None:
        """Remove what is ours and was not put; what holds things of others is kept."""
        stale: dict[Element, ObjectKey] = {}
        for key in self._wanted.ours - self._put:
            there = self.find(key)
            if there is not None:
                stale[there] = key
        gone: set[Element] = set()
        for there, key in sorted(stale.items(), key=lambda item: (-len(item[1].keys), item[1])):
            kind = self._model.by_path[key.path]
            if kind.own is None or not self._left(there, kind.own, gone):
                gone.add(there)
        for there, key in sorted(stale.items(), key=lambda item: item[1]):
            if there not in gone:
                continue
            mark = next((mark for text in key.keys if (mark := BlockMark.parse(text)) is not None), None)
            known = mark is not None and mark.store == self._wanted.store
            self._changes.append(Change(Action.REMOVE, key, mark.block if mark and known else None))
            if not any(parent in gone for parent in there.iterancestors()):
                self._shell(_chain(self._model.by_path[key.path].entry(key))).set(OPERATION, "delete")

    def edit(self) -> Edit:
        """What was collected. Empty where nothing is to be done."""
        for node in self._root.iter("*"):
            if node is not self._root and node.get(OPERATION) not in ("create", "delete") and len(node):
                inside = sorted(node, key=_place)
                if any(here is not there for here, there in zip(node, inside, strict=True)):
                    node[:] = inside
        tops = tuple(self._root)
        for top in tops:
            self._root.remove(top)
        return Edit(tops if self._changes else (), tuple(self._changes))

    # --- Finding ----------------------------------------------------------------------------------

    def _is_ours(self, key: ObjectKey, block: int | None) -> bool:
        if key in self._wanted.ours:
            return True
        return block is not None and str(BlockMark(self._wanted.store, block)) in key.keys

    def _name(self, node: Element) -> _Name:
        """What tells a node from its siblings."""
        keys = self._model.keys.get(node.tag)
        if keys is not None:
            return (node.tag, *(_text(node.find(tag)) for tag in keys))
        return (node.tag, text_of(node).strip()) if node.tag in self._model.values else (node.tag,)

    def _child(self, parent: Element, node: Element) -> Element | None:
        index = self._indexes.get(parent)
        if index is None:
            index = self._indexes[parent] = {self._name(e): e for e in parent.iterchildren(etree.Element)}
        return index.get(self._name(node))

    def _descend(self, chain: Sequence[Element]) -> Element | None:
        there: Element | None = self._running
        for node in chain:
            there = None if there is None else self._child(there, node)
        return there

    def _left(self, there: Element, own: frozenset[str], gone: set[Element]) -> bool:
        """Whether anything that is not ours would be left in an object without those that are gone."""
        keys = self._model.keys.get(there.tag, ())
        for child in there.iterchildren(etree.Element):
            if child in gone or child.tag in own or child.tag in keys:
                continue
            if is_leaf(child) or child.tag in self._model.keys or self._left(child, own, gone):
                return True
        return False

    # --- Building ---------------------------------------------------------------------------------

    def _shell(self, chain: Sequence[Element]) -> Element:
        """The node of the edit that leads to the end of `chain`, made with its keys where it is missing."""
        there: Element | None = self._running
        place = self._root
        fresh = False
        for node in chain:
            there = None if there is None else self._child(there, node)
            found = self._child(place, node)
            if found is None:
                found = self._bare(node)
                if there is None and not fresh:
                    found.set(OPERATION, "create" if self._is_entry(node) else "merge")
                place.append(found)
                self._indexes[place][self._name(node)] = found
            fresh = fresh or found.get(OPERATION) == "create"
            place = found
        return place

    def _is_entry(self, node: Element) -> bool:
        """Whether `node` is one of a list or leaf-list."""
        return node.tag in self._model.keys or node.tag in self._model.values

    def _bare(self, node: Element) -> Element:
        """`node` with its keys only; an entry of a leaf-list is its key."""
        bare = copy.deepcopy(node)
        keys = self._model.keys.get(node.tag, ())
        bare[:] = [child for child in bare if child.tag in keys]
        bare.attrib.clear()
        bare.text = text_of(node) if node.tag in self._model.values else None
        return bare

    def _create(self, entry: Element) -> None:
        shell = self._shell(_chain(entry))
        for child in entry.iterchildren(etree.Element):
            if child.tag in self._model.keys.get(entry.tag, ()):
                continue
            made = _without_removals(child)
            if made is not None:
                shell.append(made)
        self._indexes.pop(shell, None)

    def _reduce(self, wanted: Element, there: Element) -> list[Element]:
        """What must be sent of the children of `wanted`, where the device holds `there`."""
        nodes = []
        for child in wanted.iterchildren(etree.Element):
            if child.tag in self._model.keys.get(wanted.tag, ()):
                continue
            found = self._child(there, child)
            node = self._reduce_node(child, found)
            if node is not None:
                nodes.append(node)
        return nodes

    def _reduce_node(self, wanted: Element, found: Element | None) -> Element | None:
        if wanted.get(OPERATION) == "remove":
            if found is None:
                return None
            gone = self._bare(wanted)
            gone.set(OPERATION, "delete")
            return gone
        if found is None:
            made = _without_removals(wanted)
            if made is not None:
                made.set(OPERATION, "create" if wanted.tag in self._model.keys else "merge")
            return made
        if is_leaf(wanted):
            return None if self._same(wanted, found) else _with(wanted, "merge")
        inside = self._reduce(wanted, found)
        if not inside:
            return None
        shell = self._bare(wanted)
        for node in inside:
            shell.append(node)
        return shell

    def _same(self, wanted: Element, found: Element) -> bool:
        first, second = text_of(wanted), text_of(found)
        text = self._model.canonical
        return first == second or text(wanted.tag, first) == text(wanted.tag, second)

    # --- Telling ----------------------------------------------------------------------------------

    def _action(self, nodes: Sequence[Element]) -> Action:
        for node in nodes:
            for leaf in node.iter(*self._model.drains) if self._model.drains else ():
                gone = leaf.get(OPERATION) == "delete" or text_of(leaf).strip() == "false"
                return Action.UNDRAIN if gone else Action.DRAIN
        return Action.CHANGE

    def _tell(self, nodes: Sequence[Element], there: Element) -> str:
        """`ip-upper-address 192.0.2.99 (was 192.0.2.9)`, for each leaf that differs."""
        words = []
        for node in nodes:
            found = self._child(there, node)
            if not is_leaf(node):
                if found is None:
                    leaves = " ".join(
                        f"{_local(leaf)} {text_of(leaf)}" for leaf in node.iter("*") if is_leaf(leaf)
                    )
                    words.append(f"{_local(node)} {leaves}")
                else:
                    keys = self._model.keys.get(node.tag, ())
                    inside = [n for n in node.iterchildren(etree.Element) if n.tag not in keys]
                    words.append(self._tell(inside, found))
                continue
            was = "was missing" if found is None else f"was {text_of(found).strip() or 'set'}"
            if node.get(OPERATION) == "delete":
                words.append(f"{_local(node)} removed ({was})")
            else:
                words.append(" ".join(filter(None, (_local(node), text_of(node), f"({was})"))))
        return ", ".join(filter(None, words))


def _chain(entry: Element) -> list[Element]:
    """The nodes from the top to `entry`."""
    return [*reversed(list(entry.iterancestors())), entry]


def _without_removals(node: Element) -> Element | None:
    """A copy without what must not be there; None where nothing is left of it."""
    if node.get(OPERATION) == "remove":
        return None
    made = copy.deepcopy(node)
    for inner in [one for one in made.iter("*") if one is not made and one.get(OPERATION) == "remove"]:
        gone: Element | None = inner
        while gone is not None and gone is not made and not len(gone):
            parent = gone.getparent()
            if parent is not None:
                parent.remove(gone)
            gone = parent
    return made if len(made) or is_leaf(node) else None


def _with(node: Element, operation: str) -> Element:
    made = copy.deepcopy(node)
    made.set(OPERATION, operation)
    return made


def _text(leaf: Element | None) -> str:
    return "" if leaf is None else text_of(leaf).strip()


def _local(node: Element) -> str:
    return str(etree.QName(node).localname)


def _place(node: Element) -> int:
    """Keys first, then what goes: leaving one case of a choice never meets another."""
    operation = node.get(OPERATION)
    if operation == "delete":
        return 1
    return 0 if operation is None and is_leaf(node) else 2
