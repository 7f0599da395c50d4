"""What a filter asks for, so that whoever holds the data reads and writes no more than that.

A Selection is as wide as the filter or wider, never narrower: it says which subtrees, and which entries of
lists by the values of their leaves. Whoever answers by it either gives what is selected to the letter, or gives
more and the filter itself is applied to that (netconf.retrieval.subtree); `exact` tells whether the former is possible.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.trees import text_of

ANY = "*"

Holds = Callable[[str, str], bool | None]
"""Whether some child leaf, by its tag, has a value; None where that is not known. The tag may be `{*}name`."""


@dataclass(frozen=True)
class Step:
    """Nodes of one name among siblings. `tag` is in Clark notation; `{*}name` is one in any namespace, `{uri}*`
    any name of one, `{*}*` every node.

    `equals` are (tag of a child, value) pairs that must all hold. `value`: the node itself must have it.
    `exact`: nothing else decides whether such a node is selected.
    """

    tag: str
    below: Selection
    equals: tuple[tuple[str, str], ...] = ()
    value: str | None = None
    exact: bool = True


@dataclass(frozen=True)
class Selection:
    """What is asked for inside a node, or of a whole datastore. `steps` None: everything."""

    steps: tuple[Step, ...] | None = None
    exact: bool = True
    """False: more than what was asked for, so that the filter must still be applied."""

    @staticmethod
    def from_subtree(subtree: Element | None) -> Selection:
        """Of a subtree `<filter>` element (RFC 6241, 6): everything where there is none, nothing where it is
        empty. What attributes match, and content matches among the top-level nodes, are left to the filter."""
        if subtree is None:
            return EVERYTHING
        steps = tuple(_read(child) for child in subtree.iterchildren("*"))
        if any(step.value is not None for step in steps):
            return Selection(None, exact=False)  # one decides for all others of its namespace (6.3)
        return Selection(steps)

    @property
    def everything(self) -> bool:
        return self.steps is None

    @property
    def nothing(self) -> bool:
        return self.steps == ()

    def below(self, tag: str, holds: Holds | None = None, value: str | None = "") -> Selection:
        """What is asked for inside a node with this tag: NOTHING where it is not selected itself, EVERYTHING of a
        leaf that is. `value` is the leaf's, without white space around it; None: one that is asked for. `holds`
        knows the leaves of an inner node. Without it nothing is known of them: the answer may be too much."""
        if self.steps is None:
            return self
        found: list[Step] = []
        exact = self.exact
        for step in self.steps:
            if not _names(step.tag, tag) or (value is not None and step.value not in (None, value)):
                continue
            sure = self.exact and step.exact
            for leaf, value in step.equals:
                held = None if holds is None else holds(leaf, value)
                if held is False:
                    break
                sure = sure and held is True
            else:
                if step.below.everything and sure and step.below.exact:
                    return EVERYTHING
                found.append(step)
                exact = exact and sure
        if len(found) == 1 and exact == found[0].below.exact:
            return found[0].below
        return _union((step.below for step in found), exact)

    def values(self, tag: str, leaf: str) -> frozenset[str] | None:
        """The values that a child leaf must have for a node with this tag to be selected; None where any will
        do."""
        if self.steps is None:
            return None
        values: set[str] = set()
        for step in self.steps:
            if _names(step.tag, tag):
                asked = [value for name, value in step.equals if _names(name, leaf)]
                if not asked:
                    return None
                values.update(asked[:1])  # of two for one leaf, either bounds what can be selected
        return frozenset(values)

    def names(self, tag: str) -> bool:
        """Whether nodes with this tag may be selected, or decide what is."""
        return self.steps is None or any(_names(step.tag, tag) for step in self.steps)

    def among(self, tags: Collection[str]) -> Iterable[str]:
        """Those of `tags`, in Clark notation, that it names, in their order."""
        if self.steps is None:
            return tags
        named = {step.tag for step in self.steps}
        if any(ANY in tag for tag in named):
            return [tag for tag in tags if self.names(tag)]
        found = [tag for tag in named if tag in tags]
        return found if len(found) < 2 else [tag for tag in tags if tag in named]

    def decides(self, tag: str, leaf: str | None = None) -> bool:
        """Whether the leaves (or one of them) of nodes with this tag decide which of them are selected."""
        return self.steps is not None and any(
            _names(step.tag, tag) and any(leaf is None or _names(name, leaf) for name, _ in step.equals)
            for step in self.steps
        )

    def only(self, *tags: str) -> bool:
        """True where nothing but nodes with these tags is asked for."""
        return self.steps is not None and all(
            any(_names(step.tag, tag) for tag in tags) and ANY not in step.tag.partition("}")[2]
            for step in self.steps
        )

    def loosely(self) -> Selection:
        """The same, of which it is known that it is more than what was asked for."""
        return replace(self, exact=False)


EVERYTHING = Selection()
NOTHING = Selection(())


def _union(parts: Iterable[Selection], exact: bool) -> Selection:
    steps: list[Step] = []
    for part in parts:
        exact = exact and part.exact
        if part.steps is None:
            return Selection(None, exact)
        steps.extend(part.steps)
    return Selection(tuple(steps), exact) if steps else NOTHING


def _names(pattern: str, tag: str) -> bool:
    """Whether a tag of a step, which may have wildcards, names another, which may be `{*}name`."""
    if pattern == tag:
        return True
    space, _, name = pattern.partition("}")
    if name != ANY and name != tag.partition("}")[2]:
        return False
    other = tag.partition("}")[0]
    return "{*" in (space, other) or space == other


def _read(element: Element) -> Step:
    children = [_read(child) for child in element.iterchildren("*")]
    name = etree.QName(element)
    contents = tuple((child.tag, child.value) for child in children if child.value is not None)
    return Step(
        tag=f"{{{name.namespace or ANY}}}{name.localname}",
        below=Selection(tuple(children)) if len(contents) < len(children) else EVERYTHING,
        equals=contents,
        value=None if children else text_of(element).strip() or None,
        exact=not element.keys() and all(child.exact for child in children if child.value is not None),
    )
