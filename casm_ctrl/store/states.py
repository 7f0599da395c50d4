"""The life of a block: the states, and the only edges between them (design: State of a block).

The table is the one place that knows: the store refuses what is not in it, and the picture in the
documentation is drawn from it. A free block has no row, so FREE is where a row comes from or goes to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """What was proven of a block."""

    FREE = "free"
    RESERVED = "reserved"
    INSTALLED = "installed"
    DRAINING = "draining"
    WITHDRAWING = "withdrawing"
    QUARANTINED = "quarantined"


class Wanted(Enum):
    """What the controller asks for."""

    PRESENT = "present"
    DRAINED = "drained"
    ABSENT = "absent"


class Seen(Enum):
    """What a read of one member showed."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Edge:
    """One allowed change of state, and when it happens."""

    source: State
    target: State
    when: str


_ANY = (State.RESERVED, State.INSTALLED, State.DRAINING, State.WITHDRAWING)

EDGES: tuple[Edge, ...] = (
    Edge(State.FREE, State.RESERVED, "allocated, durable"),
    Edge(State.FREE, State.INSTALLED, "adopted"),
    Edge(State.RESERVED, State.INSTALLED, "seen on every serving member"),
    Edge(State.INSTALLED, State.DRAINING, "drain accepted and seen"),
    Edge(State.DRAINING, State.INSTALLED, "drain cancelled, and seen"),
    *(
        Edge(source, State.WITHDRAWING, "wanted absent; a removal may have been sent")
        for source in (State.RESERVED, State.INSTALLED, State.DRAINING)
    ),
    Edge(State.INSTALLED, State.RESERVED, "vanished without us: drift, still owned"),
    Edge(State.DRAINING, State.RESERVED, "vanished without us: drift, still owned"),
    Edge(State.WITHDRAWING, State.QUARANTINED, "proven gone; or forced by an operator, audited"),
    Edge(State.WITHDRAWING, State.FREE, "never sent to a device"),
    *(Edge(source, State.QUARANTINED, "forced by an operator; audited") for source in _ANY[:-1]),
    Edge(State.QUARANTINED, State.FREE, "the pool's rest period ended"),
)

_ALLOWED = frozenset((edge.source, edge.target) for edge in EDGES)


def is_edge(source: State, target: State) -> bool:
    """True where a block may go from `source` to `target`."""
    return (source, target) in _ALLOWED


def diagram() -> str:
    """The edges as Markdown: a Mermaid picture and a table. docs/states.md holds it; a test compares."""
    return "\n".join(_diagram_lines())


def _diagram_lines() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {State.FREE.value}"
    for edge in EDGES:
        yield f"    {edge.source.value} --> {edge.target.value}: {edge.when.replace(';', ',').replace(':', ',')}"
    yield "```"
    yield ""
    yield "| from | to | when |"
    yield "|---|---|---|"
    for edge in EDGES:
        yield f"| {edge.source.value} | {edge.target.value} | {edge.when} |"
