"""Configuration trees of our YANG as entries, the form in which the service knows configuration, and where each
stands in the tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.netconf.names import Element, local_name, namespace
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.trees import quote, text_of
from casm_ctrl.northbound.refusals import rpc_error_of
from casm_ctrl.service.exchange.documents import TOP
from casm_ctrl.service.exchange.nouns import DEVICE, DEVICE_POOL, Entry, Kind, Leaf, Noun
from casm_ctrl.service.exchange.values import canonical, check_count, check_seconds
from casm_ctrl.yang.modules import find_module

NAMESPACES: Mapping[str, str] = {
    module: find_module(module).namespace for module in dict.fromkeys(name.partition(":")[0] for name in TOP)
}
"""What the prefixes in paths mean: modules' names, and their namespaces."""

_OURS = {
    f"{{{NAMESPACES[name.partition(':')[0]]}}}{name.partition(':')[2]}": noun for name, noun in TOP.items()
}
_CONTAINERS = {noun.name: tuple(name.split(":")) for name, noun in TOP.items()}

Id = tuple[str, str]
"""Of an entry: the name of its noun, and its key; a device pool's is DEVICE/NAME."""


@dataclass(frozen=True)
class Content:
    """What a tree says: our entries by id, and the top-level elements of other modules by namespace."""

    entries: Mapping[Id, Entry]
    others: Mapping[str, list[Element]] = field(default_factory=dict)

    def of(self, noun: Noun) -> dict[str, Entry]:
        """The entries of one noun by key."""
        return {key: entry for (name, key), entry in self.entries.items() if name == noun.name}


def read_content(tree: Element) -> Content:
    """The content of a `<config>`. RpcError with the path of a value that is none of its leaf."""
    entries: dict[Id, Entry] = {}
    others: dict[str, list[Element]] = {}
    for top in tree.iterchildren("*"):
        noun = _OURS.get(str(top.tag))
        if noun is None:
            others.setdefault(namespace(top) or "", []).append(top)
            continue
        for element in top.iterchildren("*"):
            for entry in _read(noun, element):
                entries[entry.noun.name, entry.key] = entry
    return Content(entries, others)


def _read(noun: Noun, element: Element, outer: str = "") -> Iterator[Entry]:
    """The entry that an element is, and those inside it."""
    said: dict[str, list[Element]] = {}
    for child in element.iterchildren("*"):
        name = local_name(child)
        if any(leaf.inside == name for leaf in noun.leaves):
            for inner in child.iterchildren("*"):
                said.setdefault(local_name(inner), []).append(inner)
        else:
            said.setdefault(name, []).append(child)
    key = text_of(said.pop(noun.key)[0])
    if noun is DEVICE_POOL:
        key = f"{outer}/{key}"
    values: dict[str, Any] = {}
    for leaf in noun.leaves:
        if leaf.name in said:
            try:
                values[leaf.name] = canonical(leaf, _value(leaf, said[leaf.name]))
            except (InvalidValue, ValueError) as error:
                wrong = error if isinstance(error, InvalidValue) else InvalidValue(str(error), "correct it")
                raise refusal(wrong, leaf_path(noun, key, leaf)) from None
    if noun is DEVICE_POOL:
        values.setdefault("aaa-name", key.partition("/")[2])
    yield Entry(noun, key, values)
    if noun is DEVICE:
        for inner in said.get(DEVICE_POOL.name, ()):
            yield from _read(DEVICE_POOL, inner, key)


def _value(leaf: Leaf, elements: list[Element]) -> Any:
    texts = [text_of(element) for element in elements]
    if leaf.kind is Kind.NUMBER:
        return int(texts[0])
    if leaf.kind is Kind.COUNT:
        return check_count(texts[0])
    if leaf.kind is Kind.SECONDS:
        return check_seconds(texts[0])
    if leaf.kind is Kind.FLAG:
        return texts[0] == "true"
    if leaf.kind in (Kind.SET, Kind.LIST):
        return texts
    if leaf.kind is Kind.MAP:
        return [tuple(_text(element, name) for name in leaf.pair) for element in elements]
    return texts[0]


def _text(element: Element, name: str) -> str:
    tag = f"{{{namespace(element)}}}{name}"
    return next((text_of(leaf) for leaf in element.iterchildren(tag)), "")


# --- Places ---------------------------------------------------------------------------------------


def entry_path(noun: Noun, key: str) -> str:
    """An instance-identifier (RFC 7950, 9.13) with the prefixes of NAMESPACES."""
    if noun is DEVICE_POOL:
        device, _, name = key.partition("/")
        return f"{entry_path(DEVICE, device)}/casm-devices:device-pool[casm-devices:name={quote(name)}]"
    module, container = _CONTAINERS[noun.name]
    return f"/{module}:{container}/{module}:{noun.name}[{module}:{noun.key}={quote(key)}]"


def leaf_path(noun: Noun, key: str, leaf: Leaf, value: str | None = None) -> str:
    """A leaf of an entry; with `value` that value of a leaf-list, or the entry of an inner list with that key."""
    path = entry_path(noun, key)
    module = path[1:].partition(":")[0]
    steps = [leaf.inside] if leaf.inside else []
    path += "".join(f"/{module}:{step}" for step in (*steps, leaf.name))
    if value is None:
        return path
    return f"{path}[{f'{module}:{leaf.pair[0]}' if leaf.kind is Kind.MAP else '.'}={quote(value)}]"


def refusal(error: InvalidValue, path: str) -> RpcError:
    return rpc_error_of(error, path=path, namespaces=NAMESPACES)


def same_elements(a: list[Element], b: list[Element]) -> bool:
    """True where the elements are written alike, in one order and with the same prefixes."""
    return [etree.tostring(x, method="c14n2", with_tail=False) for x in a] == [
        etree.tostring(x, method="c14n2", with_tail=False) for x in b
    ]
