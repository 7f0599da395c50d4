"""Where the configuration in operational comes from (RFC 8342, 5.3.4), and filtering by that (RFC 8526, 3.1.1).

All that a server's users configure is of origin `intended`; a leaf that nobody set is of origin `default`. State has
no origin. The annotation stands on the nodes at the top, and where it differs from that of the parent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.cutting import Wanted, cut
from casm_ctrl.netconf.trees import is_implicit
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

NAMESPACE = "urn:ietf:params:xml:ns:yang:ietf-origin"
ORIGIN = f"{{{NAMESPACE}}}origin"
PREFIX = "or"

ANY, INTENDED, DEFAULT, LEARNED = "origin", "intended", "default", "learned"
IDENTITIES = frozenset((ANY, INTENDED, "dynamic", "system", LEARNED, DEFAULT, "unknown"))
"""All but `origin` itself derive from that, and from nothing else."""

OF_DEFAULTS: Mapping[str, tuple[str, str]] = {ORIGIN: (PREFIX, f"{PREFIX}:{DEFAULT}")}
"""The annotation of default data, for whoever fills it in: prefix and value."""

OriginOf = Callable[[str], str]
"""Where the configuration in the top-level node with a tag comes from."""


@dataclass(frozen=True)
class OriginFilter:
    """origin-filter, or where `negated` negated-origin-filter; `named` are identities."""

    named: frozenset[str]
    negated: bool = False

    def takes(self, origin: str) -> bool:
        return (origin in self.named or ANY in self.named) is not self.negated


def filter_origins(
    nodes: Iterable[Element], schema: Schema, wanted: OriginFilter, origin_of: OriginOf
) -> list[Element]:
    """`nodes`, which are changed, without configuration of other origins. Default data is annotated already. State
    stays."""
    kept = []
    for element in nodes:
        takes = wanted.takes(origin_of(str(element.tag)))

        def judge(found: Element, node: SchemaNode, takes: bool = takes) -> Wanted:
            if not node.config:
                return Wanted.WHOLE
            mine = wanted.takes(DEFAULT) if found.get(ORIGIN) is not None else takes
            if node.kind in (Kind.LEAF, Kind.LEAF_LIST):
                return Wanted.WHOLE if mine else Wanted.NOTHING
            return Wanted.ITSELF if mine and not is_implicit(node) else Wanted.INSIDE

        kept += cut([element], schema, judge)
    return kept


def without_annotations(node: Element) -> Element:
    """`node`, which is changed, without origins in it."""
    for element in node.iter("*"):
        if ORIGIN in element.attrib:
            del element.attrib[ORIGIN]
    return node


_START = re.compile(rb"<[^\s/>]+")


def annotated(node: Element | bytes, origin: str) -> bytes:
    """A top-level node, written, with its origin."""
    written = node if isinstance(node, bytes) else etree.tostring(node, encoding="UTF-8", with_tail=False)
    start = _START.match(written)
    assert start is not None, "a node was written with something in front of it"
    prefix = PREFIX
    while f"xmlns:{prefix}=".encode() in written[: written.index(b">")]:
        prefix += "_"
    attribute = f' xmlns:{prefix}="{NAMESPACE}" {prefix}:origin="{prefix}:{origin}"'.encode()
    return written[: start.end()] + attribute + written[start.end() :]
