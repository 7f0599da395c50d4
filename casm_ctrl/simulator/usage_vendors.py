"""How the models of vendors tell usage: Cisco IOS XR, Huawei VRP, Juniper Junos."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from lxml import etree

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.names import Element
from casm_ctrl.simulator.served import Shape, read_served, text_at
from casm_ctrl.simulator.subscribers import Circumstances, Count, Served, Told

UINT32 = (1 << 32) - 1
INT32 = (1 << 31) - 1
"""Where counters of these models stop."""


def _add(parent: Element, name: str, value: object = None) -> Element:
    """A node in its parent's namespace."""
    node = etree.SubElement(parent, f"{{{etree.QName(parent).namespace}}}{name}")
    node.text = None if value is None else str(value)
    return node


def _top(namespace: str, name: str) -> Element:
    return etree.Element(f"{{{namespace}}}{name}", nsmap={None: namespace})  # type: ignore[dict-item]


# --- Cisco-IOS-XR-ip-daps -------------------------------------------------------------------------

_DAPS_OPER = "Cisco-IOS-XR-ip-daps-oper"
_DAPS_STATE = f"http://cisco.com/ns/yang/{_DAPS_OPER}"
DAPS_TOP = "{http://cisco.com/ns/yang/Cisco-IOS-XR-ip-daps-cfg}address-pool-service"
_EXCLUDES = (("excludes/exclude/start-address", "excludes/exclude/end-address"),)


def _daps(version: int, entries: str, entry: str, **more: object) -> Shape:
    return Shape(
        ("vrfs/vrf", f"ipv{version}/pools/pool"),
        ("vrf-name", "pool-name" if version == 4 else "ipv6-pool-name"),
        entries,
        entry,
        entry,
        kept=_EXCLUDES,
        drains=("blocked",),
        unit="prefix-length" if version == 6 else "",
        vrf=0,
        **more,  # type: ignore[arg-type]
    )


DAPS_SHAPES = (
    _daps(4, "networks/network", "ipv4-prefix", length="prefix-length"),
    _daps(4, "address-ranges/address-range", "start-address", last="end-address"),
    _daps(6, "networks/network", "prefix", length="prefix-length"),
    _daps(6, "address-ranges/address-range", "start-address", last="end-address"),
    _daps(6, "prefix-ranges/prefix-range", "start-prefix", last="end-prefix", last_is_prefix=True),
)


def tell_daps(top: Element, told: Told, about: Circumstances) -> Element | None:
    """The ranges of each pool as one node of the router shows them: networks from edge to edge."""
    if _DAPS_OPER not in about.modules:
        return None
    state = _top(_DAPS_STATE, "address-pool-service")
    node = _add(_add(state, "nodes"), "node")
    _add(node, "node-name", "0/RSP0/CPU0")
    pools = _add(node, "pools")
    shown: dict[str, Element] = {}
    for served, count in told:
        pool = shown.get(served.pool)
        if pool is None:
            pool = shown[served.pool] = _add(pools, "pool")
            _add(pool, "pool-name", served.pool)
            _add(pool, "address-ranges")
        _add_range(pool[1], served, count)
        if served.unit > 1 and len(pool) == 2:
            length = 128 - (served.unit.bit_length() - 1)
            _add(_add(pool, "configuration"), "pool-prefix-length", length)
    return state


def _add_range(ranges: Element, served: Served, count: Count) -> None:
    family = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}[served.version]
    first, last = family(served.first), family(served.last // served.unit * served.unit)
    line = _add(ranges, "address-range")
    _add(line, "start-address", first)
    end = _add(_add(line, "end-address"), "address")
    _add(end, "address-family", f"ipv{served.version}")
    _add(end, f"ipv{served.version}-address", last)
    _add(line, "pool-name", served.pool)
    _add(line, "vrf-name", served.vrf)
    _add(line, "allocated-addresses", min(count.used, UINT32))
    _add(line, "free-addresses", min(count.free, UINT32))
    _add(line, "excluded-addresses", served.kept)
    _add(line, "network-blocked-status", int(served.drained))


# --- huawei-bras-ipv4-address-manage and huawei-bras-ipv6-address-manage --------------------------

BRAS4_TOP = "{urn:huawei:yang:huawei-bras-ipv4-address-manage}bras-ipv4-address-manage"
BRAS6_TOP = "{urn:huawei:yang:huawei-bras-ipv6-address-manage}bras-ipv6-address-manage"
BRAS4_SHAPES = (
    Shape(
        ("ipv4-pools/ipv4-pool",),
        ("name",),
        "local/sections/section",
        "number",
        "start-ip-address",
        last="end-ip-address",
        kept=(("local/gateway/gate-ip", "local/gateway/gate-ip"),),
        drains=("local/lock",),
    ),
)
_KINDS = ("local", "delegation")
_PREFIXES = tuple(
    Shape(
        ("ipv6-prefixs/ipv6-prefix",),
        ("name",),
        "",
        "name",
        f"{kind}/prefix-address/prefix",
        unit="delegation/prefix-address/prefix-length" if kind == "delegation" else "",
    )
    for kind in _KINDS
)


def tell_sections(top: Element, told: Told, about: Circumstances) -> Element | None:
    """The statistic of each section."""
    for served, count in told:
        statistic = _add(served.node, "statistic")
        for name, value in (("total", count.total), ("used", count.used), ("idle", count.free)):
            _add(statistic, f"{name}-number", min(value, UINT32))
    return top


def name_groups(top: Element) -> Mapping[str, Sequence[str]]:
    """The pools of each pool group, which is what AAA names."""
    return {
        text_at(group, "name") or "": [
            (pool.text or "").strip() for pool in group.iterfind("{*}bind-pools/{*}pool-name")
        ]
        for group in top.iterfind("{*}pool-groups/{*}pool-group")
    }


def read_bras6(top: Element) -> Iterator[Served]:
    """Prefixes, each by the pool that binds it: the pool is what gives out, is locked and counts."""
    prefixes = {served.pool: served for served in read_served(top, _PREFIXES)}
    for pool in top.iterfind("{*}ipv6-pools/{*}ipv6-pool"):
        for kind in _KINDS:
            served = prefixes.get(text_at(pool, f"{kind}/bind-prefix/prefix-name") or "")
            if served is not None:
                locked = pool.find(f"{{*}}{kind}/{{*}}lock") is not None
                yield replace(
                    served, pool=text_at(pool, "name") or "", entry=served.pool, node=pool, drained=locked
                )


def tell_ipv6_pools(top: Element, told: Told, about: Circumstances) -> Element | None:
    """The statistic of each pool: of a delegation pool its prefixes, of a local one its addresses."""
    for served, count in told:
        what = "pd" if served.node.find("{*}delegation") is not None else "address"
        statistic = _add(served.node, "statistic")
        _add(statistic, f"{what}-total-number", min(count.total, INT32))
        _add(statistic, f"{what}-used-number", min(count.used, INT32))
    return top


# --- Junos ----------------------------------------------------------------------------------------

JUNOS_TOP = "{http://yang.juniper.net/junos/conf/root}configuration"
JUNOS_RPC = "http://yang.juniper.net/junos/rpc/network-access"
_JUNOS_REPLY = "http://xml.juniper.net/junos/24.4R1/junos-authd"
_JUNOS_POOLS = "access/address-assignment/pool"
JUNOS_SHAPES = tuple(
    Shape(
        (_JUNOS_POOLS,),
        ("name",),
        "",
        "name",
        network,
        kept=((f"{inside}/excluded-address/name", f"{inside}/excluded-address/name"),),
        drains=("hold-down", "active-drain"),
    )
    for inside, network in (
        ("family/inet", "family/inet/network"),
        ("family/inet6", "family/inet6/prefix"),
    )
)


def name_chains(top: Element) -> Mapping[str, Sequence[str]]:
    """The pools that serve who asks for one: itself, and those that it links to."""
    links = {
        text_at(pool, "name") or "": text_at(pool, "link")
        for pool in top.iterfind("{*}access/{*}address-assignment/{*}pool")
    }
    chains = {}
    for name in links:
        chain: list[str] = []
        follows: str | None = name
        while follows in links and follows not in chain:
            chain.append(follows)
            follows = links[follows]
        chains[name] = chain
    return chains


def answer_pool_statistics(running: Element, told: Told, operation: Element) -> Sequence[Element]:
    """get-address-assignment-pool-statistics: a pool and those that it links to, and all of them together."""
    name = text_at(operation, "get-address-assignment-pool-table-specific") or ""
    chains: dict[str, Sequence[str]] = {}
    for top in running.iterchildren(JUNOS_TOP):
        chains |= name_chains(top)
    if name not in chains:
        raise rpc_error.invalid_value(f"there is no pool '{name}'", layer="application")
    chain = chains[name]
    counts: Mapping[str, Count] = {served.pool: count for served, count in told}
    lines = [(pool, counts.get(pool, Count(0, 0, 0))) for pool in chain]
    statistics = _top(_JUNOS_REPLY, "aaa-module-statistics")
    both = Count(sum(count.used for _, count in lines), sum(count.total for _, count in lines), 0)
    for pool, count in (("(all pools in chain)", both), *lines):
        line = _add(statistics, "aaa-module-address-assignment-pool-statistics")
        _add(line, "pool-name", pool)
        _add(line, "used-addresses", count.used)
        _add(line, "total-addresses", count.total)
    return [statistics]
