"""How full the pools of a Junos device are: the answer to get-address-assignment-pool-statistics.

It has no place in a datastore, so it is asked for by the name of a pool; it tells of every pool of the chain, and of
all of them together. Its namespace has the release in it, so names are compared without.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lxml import etree

from casm_ctrl.drivers import juniper_junos_model as model
from casm_ctrl.drivers.checked import Checked
from casm_ctrl.drivers.elements import add_leaf, leaves_of
from casm_ctrl.drivers.interface import BlockMark, Element, ObjectKey, UsageKind, UsageReading
from casm_ctrl.drivers.notices import UsageFault

MODULE = "junos-rpc-network-access"
NAMESPACE = "http://yang.juniper.net/junos/rpc/network-access"


def requests(keys: Iterable[ObjectKey]) -> Iterator[Element]:
    """One for each chain: the pools that are linked from another of ours are named by marks."""
    names = {key.keys[0] for key in keys if key.path == model.NETWORK_PATH}
    for name in sorted(name for name in names if BlockMark.parse(name) is None):
        operation = etree.Element(
            f"{{{NAMESPACE}}}get-address-assignment-pool-statistics",
            nsmap={None: NAMESPACE},  # type: ignore[dict-item]
        )
        add_leaf(operation, f"{{{NAMESPACE}}}get-address-assignment-pool-table-specific", name)
        yield operation


def parse_usage(data: Element, keys: Iterable[ObjectKey]) -> tuple[UsageReading, ...]:
    """Counts of the networks among `keys`, by the pools that hold them. Those that cannot be true are left out."""
    networks: dict[str, list[ObjectKey]] = {}
    for key in keys:
        if key.path == model.NETWORK_PATH:
            networks.setdefault(key.keys[0], []).append(key)
    found: dict[ObjectKey, UsageReading] = {}
    for pool, used, total in _statistics(data, []):
        held = networks.get(pool, [])
        if len(held) == 1 and used is not None and total is not None:
            found[held[0]] = UsageReading(held[0], UsageKind.COUNT, used, total)
    return tuple(found.values())


def faults_in(data: Element) -> tuple[UsageFault, ...]:
    """What cannot be true, of any pool in the replies."""
    faults: list[UsageFault] = []
    for _ in _statistics(data, faults):
        pass
    return tuple(faults)


def _statistics(data: Element, faults: list[UsageFault]) -> Iterator[tuple[str, int | None, int | None]]:
    """(pool, used, total); both are None where one of them cannot be true."""
    for statistics in data.iter("{*}aaa-module-address-assignment-pool-statistics"):
        leaves = {etree.QName(tag).localname: text.strip() for tag, text in leaves_of(statistics).items()}
        pool = leaves.get("pool-name", "")
        checked = Checked(ObjectKey("pool", (pool,)), leaves, faults)
        used, total = checked.count(_USED), checked.count(_TOTAL)
        checked.at_most(_USED, used, total, "addresses")
        yield (pool, used, total) if checked.sound else (pool, None, None)


_USED, _TOTAL = "used-addresses", "total-addresses"
