"""Where in a data model the nodes are that an XPath seeks at any depth: `//block` is `/devices/device/block`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from casm_ctrl.netconf.xpath.tree import Step, uses_position
from casm_ctrl.yang.schema import Schema, SchemaNode

MOST = 32
"""Places; a path that may lead to more of them is left as it is."""

_Place = tuple[tuple[Step, ...], Mapping[str, SchemaNode]]
"""Steps to children by name, and the nodes that may be below their last."""


def placed(steps: Sequence[Step], schema: Schema) -> list[Sequence[Step]]:
    """Paths from the root that find together what `steps` find, with as many steps to children by name in front as
    the schema can tell. None are left where there can be no such node."""
    places: list[_Place] = [((), schema.roots)]
    rest = list(steps)
    while rest:
        step, further = _next(rest)
        if step is None:
            break
        found = list(islice((one for place in places for one in _from(place, step)), MOST + 1))
        if len(found) > MOST:
            break
        places, rest = found, further
    return [(*way, *rest) for way, _ in places]


def _next(rest: Sequence[Step]) -> tuple[Step | None, list[Step]]:
    """The step in front, where the schema can place it, and those after it. `//x[1]`, which is written in two
    steps, comes as one to descendants: each of them has its position among its siblings."""
    step, *further = rest
    if step.axis == "descendant-or-self" and step.test == "node()" and not step.predicates and further:
        child, *others = further
        if child.axis == "child" and child.by_name and "*" not in child.test:
            return replace(child, axis="descendant"), others
        return None, further
    if not step.by_name or step.axis not in ("child", "descendant"):
        return None, further
    if any(map(uses_position, step.predicates)) and (step.axis == "descendant" or "*" in step.test):
        return None, further  # it counts nodes of other places, too
    return step, further


def _from(place: _Place, step: Step) -> Iterator[_Place]:
    way, nodes = place
    for tag, node in nodes.items():
        if _passes(step.test, tag):
            yield (*way, replace(step, axis="child", test=tag)), node.children
        if step.axis == "descendant":
            yield from _from(((*way, Step("child", tag)), node.children), step)


def _passes(test: str, tag: str) -> bool:
    uri, _, name = test.partition("}")
    space, _, local = tag.partition("}")
    return name in ("*", local) and uri in ("{*", space)
