"""What the XML code must know of a data model: kinds, keys and order of its nodes (RFC 7950).

Choices and cases are left out: they do not show in a document (RFC 7950, 7.9).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """The data-defining statements that show in a document."""

    CONTAINER = "container"
    LIST = "list"
    LEAF = "leaf"
    LEAF_LIST = "leaf-list"


@dataclass(frozen=True)
class SchemaNode:
    """One data node. `tag` is its name in Clark notation, `{namespace}name`, as lxml writes it."""

    tag: str
    kind: Kind
    config: bool = True
    keys: tuple[str, ...] = ()
    """Tags of a list's keys, in the order of its key statement."""
    presence: bool = False
    user_ordered: bool = False
    default: str | None = None
    cases: tuple[tuple[str, str], ...] = ()
    """(choice, case) pairs around the node, outermost first: an edit that makes a node of one case
    removes the others' (RFC 7950, 7.9)."""
    children: Mapping[str, SchemaNode] = field(default_factory=dict)
    """By tag, in schema order."""


@dataclass(frozen=True)
class Schema:
    """The data trees of a set of modules: top-level nodes by tag."""

    roots: Mapping[str, SchemaNode]
