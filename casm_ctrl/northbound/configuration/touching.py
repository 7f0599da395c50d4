"""What a change of configuration touches, so that nothing is allocated from it while it may still be taken back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy

from lxml import etree

from casm_ctrl.netconf.datastores.configuration import Configuration, Name
from casm_ctrl.netconf.names import Element, local_name
from casm_ctrl.netconf.trees import canonical, text_of

_HARMLESS = {
    "pool": frozenset({"description", "label", "policy"}),
    "device-pool": frozenset(
        {"description", "usage-high", "usage-low", "withdraw-when-unknown", "automation"}
    ),
    "device": frozenset(
        {
            "device-pool",
            "host",
            "port",
            "user",
            "credential",
            "host-key",
            "client",
            "on-drift",
            "polling",
            "deadlines",
            "label",
        }
    ),
}
"""Nodes on which no allocation depends, and whose change none can make impossible."""


def touched_by(
    before: Configuration, after: Configuration, names: Iterable[Name]
) -> dict[str, tuple[str, ...]]:
    """The pools and device pools (DEVICE/NAME) that differ, are new or gone; of a child pool its parent too, and of
    a device or group all device pools that stand on it. `names` are the pieces that differ."""
    found: dict[str, set[str]] = {"pool": set(), "device-pool": set()}
    for name in names:
        old, new = before.pieces.get(name), after.pieces.get(name)
        piece = new if new is not None else old
        assert piece is not None
        kind = local_name(piece)
        if kind == "pool" and _differ(old, new, kind):
            found["pool"].update(name.key)
            found["pool"].update(_texts((old, new), "parent"))
        elif kind == "device":
            found["device-pool"].update(_device_pools(name.key[0], old, new))
        elif kind == "owner-group":
            for configuration in (before, after):
                found["device-pool"].update(_of_group(configuration, name.key[0]))
    return {kind: tuple(sorted(some)) for kind, some in found.items() if some}


def _device_pools(device: str, old: Element | None, new: Element | None) -> Iterator[str]:
    olds, news = _entries(old), _entries(new)
    whole = _differ(old, new, "device")
    for name in olds.keys() | news.keys():
        if whole or _differ(olds.get(name), news.get(name), "device-pool"):
            yield f"{device}/{name}"


def _of_group(configuration: Configuration, group: str) -> Iterator[str]:
    for name, piece in configuration.pieces.items():
        if local_name(piece) == "device":
            for pool, entry in _entries(piece).items():
                if group in _texts((entry,), "owner-group"):
                    yield f"{name.key[0]}/{pool}"


def _entries(device: Element | None) -> Mapping[str, Element]:
    if device is None:
        return {}
    return {next(iter(_texts((entry,), "name"))): entry for entry in device.iterchildren("{*}device-pool")}


def _texts(pieces: Iterable[Element | None], leaf: str) -> set[str]:
    return {
        text_of(found)
        for piece in pieces
        if piece is not None
        for found in piece.iterchildren(f"{{*}}{leaf}")
    }


def _differ(old: Element | None, new: Element | None, kind: str) -> bool:
    if old is None or new is None:
        return True
    return canonical(_without(old, kind)) != canonical(_without(new, kind))


def _without(piece: Element, kind: str) -> Element:
    around = etree.Element("around")
    around.append(deepcopy(piece))
    for child in list(around[0]):
        if local_name(child) in _HARMLESS[kind]:
            around[0].remove(child)
    return around
