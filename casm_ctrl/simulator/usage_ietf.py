"""How the models of the IETF tell usage: ietf-address-pool with our augment, ietf-nat, ietf-dhcpv6-server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from lxml import etree

from casm_ctrl.base.clock import Micros, to_rfc3339
from casm_ctrl.netconf.names import Element
from casm_ctrl.simulator.served import Shape, text_at
from casm_ctrl.simulator.subscribers import Circumstances, Count, Told

GAUGE = (1 << 32) - 1
"""Where a gauge32 stops."""
LEASES = (1 << 64) - 1

# --- ietf-address-pool ----------------------------------------------------------------------------

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
EXTENSION_MODULE = "casm-address-pool-ext"
EXTENSION = f"urn:casm:yang:{EXTENSION_MODULE}"
POOLS_TOP = f"{{{POOLS}}}address-pools"
_ENTRIES = "address-pool-entries"
POOL_SHAPES = (
    Shape(
        ("address-pool",),
        ("address-pool-name",),
        f"{_ENTRIES}/ipv4-address-range",
        "ipv4-address-range-name",
        "ip-lower-address",
        last="ip-upper-address",
        kept=(("usergateway", "usergateway"),),
        drains=("drain",),
    ),
    Shape(
        ("address-pool",),
        ("address-pool-name",),
        f"{_ENTRIES}/ipv6-prefix",
        "ipv6-prefix-name",
        "ipv6-prefix",
        kept=(("usergateway", "usergateway"),),
        drains=("drain",),
    ),
)
_RATIO = {4: "address-usage-ratio", 6: "prefix-usage-ratio"}


def tell_pools(top: Element, told: Told, about: Circumstances) -> Element | None:
    """address-pool-status. Shares are whole percent, rounded down: 0 % does not mean unused.

    With the augment there are its counts too.
    """
    counts = EXTENSION_MODULE in about.modules
    namespaces: Mapping[str | None, str] = {None: POOLS, **({"casm-ap": EXTENSION} if counts else {})}
    status = etree.Element(_pool("address-pool-status"), nsmap=cast("dict[str, str]", namespaces))
    for pool in top.iterchildren(_pool("address-pool")):
        name = text_at(pool, "address-pool-name")
        seen = etree.SubElement(status, _pool("address-pool"))
        _add(seen, "address-pool-name", name)
        state = etree.SubElement(seen, _pool("status"))
        entries = etree.SubElement(seen, _pool(_ENTRIES))
        of_pool = [(served, count) for served, count in told if served.pool == name]
        for served, count in of_pool:
            line = etree.SubElement(entries, served.node.tag)
            kind = etree.QName(served.node).localname
            _add(line, f"{kind}-name", served.entry)
            for share, value in (("peak", count.peak), ("average", count.used)):
                _add(
                    line,
                    f"{share}-{_RATIO[served.version]}",
                    100 * value // count.total if count.total else 0,
                )
            if counts:
                _add_counts(line, count, about.now)
        every = Count(*(sum(column) for column in zip((0, 0, 0), *map(_columns, of_pool), strict=True)))
        state.text = "active" if every.used else "idle"
        if counts:
            _add_counts(seen, every, about.now)
            _add_refused(seen, name or "", about)
    if counts:
        configured = {text_at(pool, "address-pool-name") for pool in top.iterchildren(_pool("address-pool"))}
        for name in sorted({name for (name, _), refused in about.refused.items() if refused} - configured):
            seen = etree.SubElement(status, _pool("address-pool"))
            _add(seen, "address-pool-name", name)
            _add_refused(seen, name, about)
        _extend(status, "started-at", to_rfc3339(about.booted))
    return status if len(status) else None


def _add_refused(seen: Element, name: str, about: Circumstances) -> None:
    """Requests for a pool that were refused; also for one that is not configured."""
    for version in (4, 6):
        _extend(seen, f"requests-refused-v{version}", str(about.refused.get((name, version), 0)))
    _extend(seen, "counters-since", to_rfc3339(about.counters_since(name)))


def _extend(parent: Element, name: str, text: str) -> None:
    etree.SubElement(parent, f"{{{EXTENSION}}}{name}").text = text


def _columns(line: tuple[object, Count]) -> tuple[int, int, int]:
    count = line[1]
    return count.used, count.total, count.peak


def _add_counts(parent: Element, count: Count, now: Micros) -> None:
    for name, value in (("used", count.used), ("total", count.total), ("peak", count.peak)):
        _extend(parent, f"addresses-{name}", str(value))
    _extend(parent, "sampled-at", to_rfc3339(now))


def _pool(name: str) -> str:
    return f"{{{POOLS}}}{name}"


def _add(parent: Element, name: str, value: object) -> Element:
    """A leaf in its parent's namespace."""
    leaf = etree.SubElement(parent, f"{{{etree.QName(parent).namespace}}}{name}")
    leaf.text = None if value is None else str(value)
    return leaf


# --- ietf-nat (RFC 8512) --------------------------------------------------------------------------

NAT_TOP = "{urn:ietf:params:xml:ns:yang:ietf-nat}nat"
NAT_SHAPES = (
    Shape(
        ("instances/instance", "policy"),
        ("id", "id"),
        "external-ip-address-pool",
        "pool-id",
        "external-ip-pool",
    ),
)


def name_instances(top: Element) -> Mapping[str, Sequence[str]]:
    """The policies that serve who asks for an instance by its name, and each of them alone as `NAME/POLICY`."""
    names: dict[str, Sequence[str]] = {}
    for instance in top.iterfind("{*}instances/{*}instance"):
        number = text_at(instance, "id") or ""
        name = text_at(instance, "name") or number
        policies = [text_at(policy, "id") or "" for policy in instance.iterfind("{*}policy")]
        names[name] = [f"{number}/{policy}" for policy in policies]
        names |= {f"{name}/{policy}": [f"{number}/{policy}"] for policy in policies}
    return names


def tell_nat(top: Element, told: Told, about: Circumstances) -> Element | None:
    """per-pool-stats of each instance. The model has no counts per policy: pools of one id are counted as one."""
    for instance in top.iterfind("{*}instances/{*}instance"):
        name = text_at(instance, "id")
        counts: dict[str, Count] = {}
        for served, count in told:
            if served.pool.partition("/")[0] == name:
                before = counts.get(served.entry, Count(0, 0, 0))
                used, total = before.used + count.used, before.total + count.total
                counts[served.entry] = Count(used, total, used)
        statistics = _add(instance, "statistics", None)
        _add(statistics, "discontinuity-time", to_rfc3339(about.booted))
        pools = _add(statistics, "pools-stats", None)
        for entry, count in counts.items():
            line = _add(pools, "per-pool-stats", None)
            _add(line, "pool-id", entry)
            _add(line, "discontinuity-time", to_rfc3339(about.booted))
            stats = _add(line, "pool-stats", None)
            _add(stats, "addresses-allocated", min(count.used, GAUGE))
            _add(stats, "addresses-free", min(count.free, GAUGE))
    return top


# --- ietf-dhcpv6-server (RFC 9243) ----------------------------------------------------------------

DHCP_TOP = "{urn:ietf:params:xml:ns:yang:ietf-dhcpv6-server}dhcpv6-server"
_RANGES = "allocation-ranges/allocation-range"
DHCP_SHAPES = (
    Shape(
        (_RANGES,),
        ("id",),
        "address-pools/address-pool",
        "pool-id",
        "start-address",
        last="end-address",
    ),
    Shape(
        (_RANGES,),
        ("id",),
        "prefix-pools/prefix-pool",
        "pool-id",
        "pool-prefix",
        unit="client-prefix-length",
    ),
)


def tell_dhcp(top: Element, told: Told, about: Circumstances) -> Element | None:
    """The counts of active-leases in each pool; the leases one by one are not told."""
    for served, count in told:
        leases = _add(served.node, "active-leases", None)
        _add(leases, "total-count", min(count.total, LEASES))
        _add(leases, "allocated-count", min(count.used, LEASES))
    return top
