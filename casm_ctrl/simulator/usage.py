"""What a simulated device says about its pools: address-pool-status, from its configuration and subscribers."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from lxml import etree

from casm_ctrl.base.clock import Micros, to_rfc3339
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.netconf.names import Element

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
EXTENSION = "urn:casm:yang:casm-address-pool-ext"


@dataclass(frozen=True)
class _Kind:
    """One of the two lists of ranges, and what their status calls things."""

    tag: str
    name: str
    ratio: str


_KINDS = (
    _Kind("ipv4-address-range", "ipv4-address-range-name", "address-usage-ratio"),
    _Kind("ipv6-prefix", "ipv6-prefix-name", "prefix-usage-ratio"),
)


class Subscribers:
    """How many addresses of each range are in use, and the most that ever were."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str], int] = {}
        self._peak: dict[tuple[str, str], int] = {}

    def set(self, pool: str, entry: str, used: int) -> None:
        """Say that `used` addresses of a range are in use; what does not fit is cut off when it is read."""
        if used < 0:
            raise InvalidValue(f"{used} addresses cannot be in use", "give 0 or more")
        self._used[pool, entry] = used
        self._peak[pool, entry] = max(used, self._peak.get((pool, entry), 0))

    def clear(self) -> None:
        """All subscribers leave and the peaks are forgotten, as after a restart."""
        self._used.clear()
        self._peak.clear()

    def of(self, pool: str, entry: str) -> tuple[int, int]:
        """(in use now, most ever)."""
        return self._used.get((pool, entry), 0), self._peak.get((pool, entry), 0)


def pool_status(running: Element, subscribers: Subscribers, now: Micros, *, counts: bool) -> list[Element]:
    """address-pool-status for the pools in `running`; nothing where there are none.

    Shares are whole percent, rounded down: 0 % does not mean unused. `counts` adds the leaves of
    casm-address-pool-ext.
    """
    pools = running.findall(f"{_pool('address-pools')}/{_pool('address-pool')}")
    if not pools:
        return []
    namespaces: Mapping[str | None, str] = {None: POOLS, **({"casm-ap": EXTENSION} if counts else {})}
    status = etree.Element(_pool("address-pool-status"), nsmap=cast("dict[str, str]", namespaces))
    for pool in pools:
        _add_pool(status, pool, subscribers, now, counts)
    return [status]


def _add_pool(status: Element, pool: Element, subscribers: Subscribers, now: Micros, counts: bool) -> None:
    name = pool.findtext(_pool("address-pool-name")) or ""
    seen = etree.SubElement(status, _pool("address-pool"))
    etree.SubElement(seen, _pool("address-pool-name")).text = name
    state = etree.SubElement(seen, _pool("status"))
    entries = etree.SubElement(seen, _pool("address-pool-entries"))
    all_used = all_total = all_peak = 0
    for kind in _KINDS:
        for entry in pool.iterfind(f"{_pool('address-pool-entries')}/{_pool(kind.tag)}"):
            entry_name = entry.findtext(_pool(kind.name)) or ""
            total = _capacity(entry)
            used, peak = (min(value, total) for value in subscribers.of(name, entry_name))
            line = etree.SubElement(entries, _pool(kind.tag))
            etree.SubElement(line, _pool(kind.name)).text = entry_name
            for prefix, value in (("peak", peak), ("average", used)):
                share = 100 * value // total if total else 0
                etree.SubElement(line, _pool(f"{prefix}-{kind.ratio}")).text = str(share)
            if counts:
                _add_counts(line, used, total, peak, now)
            all_used, all_total, all_peak = all_used + used, all_total + total, all_peak + peak
    state.text = "active" if all_used else "idle"
    if counts:
        _add_counts(seen, all_used, all_total, all_peak, now)


def _add_counts(parent: Element, used: int, total: int, peak: int, now: Micros) -> None:
    for name, value in (("used", used), ("total", total), ("peak", peak)):
        etree.SubElement(parent, f"{{{EXTENSION}}}addresses-{name}").text = str(value)
    etree.SubElement(parent, f"{{{EXTENSION}}}sampled-at").text = to_rfc3339(now)


def _capacity(entry: Element) -> int:
    """Addresses of a range that subscribers can have: all but the gateway's."""
    prefix = entry.findtext(_pool("ipv6-prefix"))
    if prefix is not None:
        network = ipaddress.IPv6Network(prefix, strict=False)
        first, last = int(network[0]), int(network[-1])
    else:
        texts = (entry.findtext(_pool(f"ip-{end}-address")) for end in ("lower", "upper"))
        first, last = (int(ipaddress.IPv4Address(text)) if text else -1 for text in texts)
        if first < 0 or last < 0:
            return 0
    gateway = entry.findtext(_pool("usergateway"))
    served = max(0, last - first + 1)
    return served - 1 if gateway and first <= int(ipaddress.ip_address(gateway)) <= last else served


def _pool(name: str) -> str:
    return f"{{{POOLS}}}{name}"
