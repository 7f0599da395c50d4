"""The BRAS address models of Huawei's VRP as data: names, objects, and how values are written."""

from __future__ import annotations

from lxml import etree

from casm_ctrl.drivers.elements import OPERATION, add_leaf, text_of
from casm_ctrl.drivers.interface import Element
from casm_ctrl.drivers.objects import Kind, Model, Step
from casm_ctrl.drivers.values import canonical_address, canonical_network

IPV4_MODULE = "huawei-bras-ipv4-address-manage"
IPV6_MODULE = "huawei-bras-ipv6-address-manage"
IPV4_NAMESPACE = f"urn:huawei:yang:{IPV4_MODULE}"
IPV6_NAMESPACE = f"urn:huawei:yang:{IPV6_MODULE}"
INSTANCE_NAMESPACE = "urn:huawei:yang:huawei-network-instance"
L3VPN_NAMESPACE = "urn:huawei:yang:huawei-l3vpn"


def four(local: str) -> str:
    """`local` in the IPv4 module's namespace, in Clark notation."""
    return f"{{{IPV4_NAMESPACE}}}{local}"


def six(local: str) -> str:
    """`local` in the IPv6 module's namespace."""
    return f"{{{IPV6_NAMESPACE}}}{local}"


def instance(local: str) -> str:
    """`local` in the namespace of the VPN instances."""
    return f"{{{INSTANCE_NAMESPACE}}}{local}"


def l3vpn(local: str) -> str:
    """`local` in the namespace of the address families of VPN instances."""
    return f"{{{L3VPN_NAMESPACE}}}{local}"


IPV4_TOP = four(IPV4_MODULE.removeprefix("huawei-"))
IPV6_TOP = six(IPV6_MODULE.removeprefix("huawei-"))
SECTIONS = (four("local"), four("sections"))
GROUP_VPN = (four("vpn-instance"), four("name"))
GROUP_THRESHOLD = (four("warning-threshold"), four("threshold-value"))

IPV4_POOL = Kind(
    "ipv4-pool", (Step(IPV4_TOP), Step(four("ipv4-pools")), Step(four("ipv4-pool"), (four("name"),)))
)
"""A pool of ours holds one block, as its section 0; `lock` is per pool."""
SECTION = Kind(
    "ipv4-section",
    (*IPV4_POOL.steps, *(Step(tag) for tag in SECTIONS), Step(four("section"), (four("number"),))),
)
"""Any other section, in anybody's pool."""
STATIC_BIND = Kind(
    "ipv4-static-bind",
    (*SECTION.steps, Step(four("static-binds")), Step(four("static-bind"), (four("ip-address"),))),
)
"""An address that belongs to one MAC address for ever. Read only."""
IPV4_LOCK = Kind("ipv4-pool-lock", (*IPV4_POOL.steps, Step(four("local")), Step(four("lock"))))
"""The lock of a pool that others made, where we drain what was adopted in it."""
POOL_GROUP = Kind(
    "ipv4-pool-group",
    (Step(IPV4_TOP), Step(four("pool-groups")), Step(four("pool-group"), (four("name"),))),
    own=frozenset({GROUP_VPN[0], GROUP_THRESHOLD[0]}),
)
"""What the name that AAA uses stands for: a list of pools."""
MEMBER = Kind(
    "ipv4-pool-group-member",
    (*POOL_GROUP.steps, Step(four("bind-pools")), Step(four("pool-name"), value=True)),
)

PREFIX = Kind(
    "ipv6-prefix", (Step(IPV6_TOP), Step(six("ipv6-prefixs")), Step(six("ipv6-prefix"), (six("name"),)))
)
"""Holds the addresses. One pool binds one prefix, and a prefix is bound to one pool."""
IPV6_POOL = Kind(
    "ipv6-pool", (Step(IPV6_TOP), Step(six("ipv6-pools")), Step(six("ipv6-pool"), (six("name"),)))
)
"""Serves what its prefix holds, and has the lock."""
IPV6_LOCKS = {
    "local": Kind("ipv6-local-pool-lock", (*IPV6_POOL.steps, Step(six("local")), Step(six("lock")))),
    "delegation": Kind(
        "ipv6-delegation-pool-lock", (*IPV6_POOL.steps, Step(six("delegation")), Step(six("lock")))
    ),
}
"""By the type of the pool."""

_ADDRESSES = frozenset(map(four, ("gate-ip", "gate-mask", "start-ip-address", "end-ip-address")))
_NETWORKS = frozenset({six("prefix")})


def canonical(tag: str, text: str) -> str:
    """`text` of the leaf `tag` in its canonical form; as it is where it has none."""
    if tag in _ADDRESSES:
        return canonical_address(text)
    return canonical_network(text) if tag in _NETWORKS else text.strip()


MODEL = Model(
    (IPV4_POOL, SECTION, IPV4_LOCK, POOL_GROUP, MEMBER, PREFIX, IPV6_POOL, *IPV6_LOCKS.values()),
    drains=frozenset({four("lock"), six("lock")}),
    canonical=canonical,
)


def find_text(entry: Element | None, *path: str) -> str | None:
    """The text of the leaf at `path` below `entry`; None where it is not there."""
    leaf = None if entry is None else entry.find("/".join(path))
    return None if leaf is None else text_of(leaf).strip()


def add_at(entry: Element, path: tuple[str, ...], text: str | None) -> None:
    """Say that the leaf at `path` below `entry` holds `text`, or with None that it must not be there."""
    node = entry
    for tag in path[:-1]:
        found = node.find(tag)
        node = etree.SubElement(node, tag) if found is None else found
    add_leaf(node, path[-1], text or "", "remove" if text is None else None)


def add_lock(entry: Element, *, locked: bool) -> None:
    """Say whether `entry` (the container of a pool's type) is locked. Without `drain`: who is there may renew.

    What `drain` says on the device is left as it is: an operator may have chosen to evict.
    """
    lock = etree.SubElement(entry, f"{entry.tag.partition('}')[0]}}}lock")
    if not locked:
        lock.set(OPERATION, "remove")
