"""What a configuration serves, read from it by a table: where each model has its pools, ranges and drains."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from casm_ctrl.netconf.names import Element
from casm_ctrl.simulator.subscribers import Served


@dataclass(frozen=True)
class Shape:
    """A list of a model whose entries give out addresses. Paths are local names with `/` between."""

    pools: Sequence[str]
    """From the top node to its pools, a path for each list on the way: their keys make the pool's name."""
    keys: Sequence[str]
    """The key of each of those lists."""
    entries: str
    """From a pool to its entries; empty where the pool itself is the only one."""
    entry: str
    """The leaf that names an entry."""
    first: str
    """The first address; a prefix where there is neither `last` nor `length`."""
    last: str = ""
    """The last address."""
    length: str = ""
    """The number of bits of the prefix that begins at `first`."""
    unit: str = ""
    """In the pool or the entry: the length of the prefixes that subscribers get."""
    last_is_prefix: bool = False
    """`last` is the last of those prefixes, and not the last address."""
    kept: Sequence[tuple[str, str]] = ()
    """In the entry and the pool: first and last of the addresses that nobody gets (a path for both: one address)."""
    drains: Sequence[str] = ()
    """In the entry or the pool: a leaf that drains it, unless it says 0 or false."""
    vrf: int | None = None
    """Which of `keys` names the VRF: it is not a part of the pool's name."""


def read_served(top: Element, shapes: Sequence[Shape]) -> Iterator[Served]:
    """Everything in the configuration under `top` that gives out addresses, in the order of `shapes`.

    What has no addresses (yet), or wrong ones, gives out none and is left out.
    """
    for shape in shapes:
        for pool, names in _pools(top, shape, 0, ()):
            vrf = "" if shape.vrf is None else names[shape.vrf]
            label = "/".join(name for index, name in enumerate(names) if index != shape.vrf)
            for entry in pool.iterfind(_path(shape.entries)) if shape.entries else [pool]:
                name = text_at(entry, shape.entry)
                extent = _extent(shape, entry, pool)
                if name is not None and extent is not None:
                    yield _served(shape, pool, entry, label, name, extent, vrf)


def text_at(node: Element, path: str) -> str | None:
    """The text of the leaf at `path`; None where it is not there."""
    leaf = node.find(_path(path))
    return None if leaf is None else (leaf.text or "").strip()


def _pools(
    node: Element, shape: Shape, depth: int, names: tuple[str, ...]
) -> Iterator[tuple[Element, tuple[str, ...]]]:
    if depth == len(shape.pools):
        yield node, names
        return
    for found in node.iterfind(_path(shape.pools[depth])):
        key = text_at(found, shape.keys[depth]) or ""
        yield from _pools(found, shape, depth + 1, (*names, key))


_Extent = tuple[int, int, int, int]
"""Version, first, last and unit."""


def _served(
    shape: Shape, pool: Element, entry: Element, label: str, name: str, extent: _Extent, vrf: str
) -> Served:
    version, first, last, unit = extent
    scopes = _scopes(entry, pool)
    return Served(
        label,
        name,
        version,
        first,
        last,
        entry,
        unit,
        sum(_kept(scope, shape.kept, first, last) for scope in scopes) // unit,
        any(_drains(scope.find(_path(drain))) for scope in scopes for drain in shape.drains),
        vrf,
    )


def _scopes(entry: Element, pool: Element) -> list[Element]:
    return [entry] if entry is pool else [entry, pool]


def _extent(shape: Shape, entry: Element, pool: Element) -> _Extent | None:
    texts = {name: text_at(entry, path) for name, path in _ends(shape).items()}
    if None in texts.values():
        return None
    try:
        unit_text = text_at(pool, shape.unit) or text_at(entry, shape.unit)
        if shape.last:
            low, high = ipaddress.ip_address(texts["first"] or ""), ipaddress.ip_address(texts["last"] or "")
            version, first, last = low.version, int(low), int(high)
        else:
            length = texts.get("length")
            text = f"{texts['first']}/{length}" if length is not None else texts["first"]
            network = ipaddress.ip_network(text or "", strict=False)
            version, first, last = network.version, int(network[0]), int(network[-1])
        width = 32 if version == 4 else 128
        unit = 1 << width - int(unit_text) if shape.unit and unit_text else 1
    except ValueError:
        return None
    return version, first, last + unit - 1 if shape.last_is_prefix else last, unit


def _ends(shape: Shape) -> Mapping[str, str]:
    paths = {"first": shape.first, "last": shape.last, "length": shape.length}
    return {name: path for name, path in paths.items() if path}


def _kept(scope: Element, places: Sequence[tuple[str, str]], first: int, last: int) -> int:
    count = 0
    for low_path, high_path in places:
        lows, highs = scope.iterfind(_path(low_path)), scope.iterfind(_path(high_path))
        for low, high in zip(lows, highs, strict=False):
            begin, end = int(ipaddress.ip_address(low.text or "")), int(ipaddress.ip_address(high.text or ""))
            count += max(0, min(end, last) - max(begin, first) + 1)
    return count


def _drains(leaf: Element | None) -> bool:
    return leaf is not None and (leaf.text or "").strip() not in ("0", "false")


def _path(path: str) -> str:
    """Local names of any namespace: augments have their own."""
    return "/".join(f"{{*}}{name}" for name in path.split("/")) if path else "."
