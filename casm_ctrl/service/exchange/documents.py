"""JSON instance data of our YANG models (RFC 7951), written piece by piece: an entry a line, so that two exports
can be compared line by line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from casm_ctrl.service.exchange.nouns import (
    BLOCK,
    DEVICE,
    DEVICE_POOL,
    GROUP,
    HOLD,
    LIMIT,
    POOL,
    QUOTA,
    SHELF,
    SPACE,
    Entry,
    Kind,
    Noun,
    What,
)

TOP = {
    "casm-pools:address-spaces": SPACE,
    "casm-pools:pools": POOL,
    "casm-devices:devices": DEVICE,
    "casm-devices:owner-groups": GROUP,
    "casm-devices:quotas": QUOTA,
}
"""The containers at the top, and whose list each holds."""

LIMITS = "casm-control:control"
"""The container whose leafs limits are."""

INSIDE: Mapping[str, tuple[tuple[str, ...], Noun]] = {
    "casm-control:control-status": ((), HOLD),
    "ietf-alarms:alarms": (("control", "alarm-shelving"), SHELF),
}
"""Of lists of other modules: the container at the top, those on the way to the list, and whose it is."""

Read = Callable[[Noun], Iterable[Entry]]
"""All entries of a noun: device pools in the order of devices, and blocks in that of device pools."""

_encode = json.JSONEncoder(ensure_ascii=False).encode


def write_json(what: What, read: Read) -> Iterator[str]:
    """The document in pieces. What is empty is left out; so is, in part of the data, what only has a name."""
    yield "{"
    between = "\n"
    for container, noun in TOP.items():
        pieces = _listed(
            f'{between}  "{container}": {{"{noun.name}": [\n', _items(noun, what, read), "\n  ]}"
        )
        for piece in pieces:
            yield piece
            between = ",\n"
    for opening, items, closing in _control(what, read):
        for piece in _listed(f"{between}  {opening}", items, closing):
            yield piece
            between = ",\n"
    yield "\n}\n"


def _control(what: What, read: Read) -> Iterator[tuple[str, Iterator[Iterable[str]], str]]:
    """What automation is bound by: what comes before the items, these, and what comes after them."""
    if LIMIT in what.nouns:
        limits = (("    ", f"{_encode(entry.key)}: {_encode(entry.get('value'))}") for entry in read(LIMIT))
        yield f'"{LIMITS}": {{\n', limits, "\n  }"
    for container, (way, noun) in INSIDE.items():
        steps = "".join(f'{{"{step}": ' for step in way)
        yield (
            f'"{container}": {steps}{{"{noun.name}": [\n',
            _items(noun, what, read),
            "\n  ]}" + "}" * len(way),
        )


def _items(noun: Noun, what: What, read: Read) -> Iterator[Iterable[str]]:
    if noun is DEVICE:
        yield from _devices(what, read)
    elif noun in what.nouns:
        for entry in read(noun):
            yield ("    ", _encode(_body(entry)))


def _devices(what: What, read: Read) -> Iterator[Iterable[str]]:
    """Devices with their device pools, and these with their blocks; of what is not asked for, the names."""
    nouns = what.nouns
    if DEVICE not in nouns and BLOCK not in nouns:
        return
    device_pools = _Ahead(read(DEVICE_POOL))
    blocks = _Ahead(read(BLOCK) if BLOCK in nouns else ())

    def device(entry: Entry) -> Iterator[str]:
        yield "    " + _opened(entry if DEVICE in nouns else Entry(DEVICE, entry.key, {}))
        own = device_pools.take(lambda head: head.key.partition("/")[0] == entry.key)
        yield from _listed(', "device-pool": [\n', map(device_pool, own), "\n    ]")
        yield "}"

    def device_pool(entry: Entry) -> Iterator[str]:
        name = entry.key.partition("/")[2]
        yield "      " + _opened(Entry(DEVICE_POOL, name, entry.values if DEVICE_POOL in nouns else {}))
        own = blocks.take(lambda head: head.values["device-pool"] == entry.key)
        yield from _listed(
            ', "block": [\n', (("        ", _encode(_body(block))) for block in own), "\n      ]"
        )
        yield "}"

    yield from map(device, read(DEVICE))


def _listed(opening: str, items: Iterable[Iterable[str]], closing: str) -> Iterator[str]:
    """The pieces of `items` between `opening` and `closing`; nothing where there is no item."""
    before = opening
    for item in items:
        yield before
        yield from item
        before = ",\n"
    if before != opening:
        yield closing


def _opened(entry: Entry) -> str:
    return _encode(_body(entry))[:-1]


def _body(entry: Entry) -> dict[str, Any]:
    """The entry as a JSON object, without what is inside it in other lists."""
    body: dict[str, Any] = {}
    if entry.noun is BLOCK:
        body["id"] = entry.values["id"]
    if entry.noun is HOLD:
        body["kind"], _, body["subject"] = entry.key.partition(" ")
    else:
        body[entry.noun.key] = entry.key
    for leaf in entry.noun.leaves:
        value = entry.values.get(leaf.name)
        if value is None or value == "" or (entry.noun is BLOCK and leaf.name == "device-pool"):
            continue
        if leaf.kind is Kind.MAP:
            name, other = leaf.pair
            value = [{name: key, other: text} for key, text in value]
        if leaf.inside:
            body.setdefault(leaf.inside, {})[leaf.name] = value
        else:
            body[f"{leaf.module}:{leaf.name}" if leaf.module else leaf.name] = value
    return body


class _Ahead:
    """Entries one by one, with a look at the next one."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._rest = iter(entries)
        self._head = next(self._rest, None)

    def take(self, belongs: Callable[[Entry], bool]) -> Iterator[Entry]:
        """The next entries, as long as they belong to something."""
        while self._head is not None and belongs(self._head):
            head, self._head = self._head, next(self._rest, None)
            yield head
