"""How full the pools of an IOS XR device are: Cisco-IOS-XR-ip-daps-oper.

Each node of the router lists, by pool, the ranges that it serves with counts of addresses or, in a pool of
delegated prefixes, of prefixes. A range is told by its first and last address, which for a network may
or may not be its edges; the object in the configuration is found from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from lxml import etree

from casm_ctrl.addressing.prefix import Family, Range, format_address
from casm_ctrl.drivers import cisco_iosxr_model as model
from casm_ctrl.drivers.checked import Checked
from casm_ctrl.drivers.elements import leaves_of, list_entries, text_of
from casm_ctrl.drivers.interface import Element, ObjectKey, UsageKind, UsageReading
from casm_ctrl.drivers.notices import UsageFault
from casm_ctrl.drivers.values import extent_of, whole

MODULE = "Cisco-IOS-XR-ip-daps-oper"
NAMESPACE = f"http://cisco.com/ns/yang/{MODULE}"
_COUNTED = 1 << 32
"""The counters have 32 bits: what may hold as many has no capacity that can be believed."""


def _name(local: str) -> str:
    return f"{{{NAMESPACE}}}{local}"


_NODES, _NODE, _NODE_NAME = _name("nodes"), _name("node"), _name("node-name")
_POOLS, _POOL, _POOL_NAME = _name("pools"), _name("pool"), _name("pool-name")
_RANGES, _RANGE, _START = _name("address-ranges"), _name("address-range"), _name("start-address")
_ALLOCATED, _FREE = _name("allocated-addresses"), _name("free-addresses")
_ADDRESSES = (_name("ipv4-address"), _name("ipv6-address"))


def usage_filter() -> Element:
    """The ranges of all pools and the length of their prefixes, without the addresses in use one by one."""
    top = etree.Element(_name("address-pool-service"), nsmap=cast("Mapping[str, str]", {None: NAMESPACE}))
    node = etree.SubElement(etree.SubElement(top, _NODES), _NODE)
    etree.SubElement(node, _NODE_NAME)
    pool = etree.SubElement(etree.SubElement(node, _POOLS), _POOL)
    etree.SubElement(pool, _POOL_NAME)
    etree.SubElement(pool, _RANGES)
    etree.SubElement(etree.SubElement(pool, _name("configuration")), _name("pool-prefix-length"))
    return top


def parse_usage(data: Element, faults: list[UsageFault]) -> tuple[UsageReading, ...]:
    """Counts by object; what cannot be true goes to `faults`.

    Where several nodes show a range, each shows all of it: the fullest counts.

    A range that may be one of several objects (a network, a range of addresses) is read as each of them; only one
    can be in the configuration. Where a count is missing or cannot be true on any node, there is none.
    """
    found: dict[ObjectKey, UsageReading | None] = {}
    for pool, entry, length in _entries(data):
        span, vrf = _span(entry, length)
        if span is None:
            continue
        keys = _keys(vrf, pool, span)
        count = _count(span, length, Checked(keys[0], leaves_of(entry), faults))
        for key in keys:
            before = found.get(key)
            if count is None or (key in found and before is None):
                found[key] = None
            elif before is None or before.used < count[0]:
                found[key] = UsageReading(key, UsageKind.COUNT, *count)
    return tuple(reading for reading in found.values() if reading is not None)


def _entries(data: Element) -> Iterator[tuple[str, Element, int]]:
    """(pool, range, length of what it gives out) of all nodes of the router."""
    for node in data.iterfind(f"{_name('address-pool-service')}/{_NODES}/{_NODE}"):
        for pools in node.iterchildren(_POOLS):
            for name, pool in list_entries(pools, _POOL, _POOL_NAME):
                leaf = pool.find(f"{_name('configuration')}/{_name('pool-prefix-length')}")
                length = None if leaf is None else whole(text_of(leaf))
                for ranges in pool.iterchildren(_RANGES):
                    for _, entry in list_entries(ranges, _RANGE, _START):
                        yield name.strip(), entry, length or 128


def _span(entry: Element, length: int) -> tuple[Range | None, str]:
    """(range, VRF) of an entry, to the end of its last prefix; no range where its addresses make none."""
    leaves = leaves_of(entry)
    end = entry.find(f"{_name('end-address')}/{_name('address')}")
    last = {} if end is None else leaves_of(end)
    span = extent_of(leaves.get(_START), next((last[tag] for tag in _ADDRESSES if tag in last), None))
    if span is not None:
        span = Range(span.family, span.first, span.last | _unit(span, length) - 1)
    return span, leaves.get(_name("vrf-name"), "").strip() or model.DEFAULT_VRF


def _unit(span: Range, length: int) -> int:
    """How many addresses one subscriber gets."""
    return 1 << max(0, 128 - length) if span.family is Family.IPV6 else 1


def _count(span: Range, length: int, leaves: Checked) -> tuple[int, int | None] | None:
    """(used, capacity); None where a count is missing, or there are more than the range can hold."""
    used, free = leaves.count(_ALLOCATED), leaves.count(_FREE)
    size = -(-span.size // _unit(span, length))
    leaves.at_most(_ALLOCATED, used, size, "in the range")
    if used is None or free is None or not leaves.sound:
        return None
    if size >= _COUNTED:
        return used, None
    leaves.at_most(_FREE, used + free, size, f"in the range, of which {used} are allocated")
    return (used, used + free) if leaves.sound else None


def _keys(vrf: str, pool: str, span: Range) -> list[ObjectKey]:
    """The objects whose addresses these may be: a network is shown with its edges or without."""
    family = span.family
    found = [
        shape.kind.key(vrf, pool, format_address(family, span.first))
        for shape in model.SHAPES.values()
        if shape.family is family and shape.last != model.LENGTH
    ]
    bits = (span.first ^ span.last).bit_length()
    first, last = span.first >> bits << bits, span.last | (1 << bits) - 1
    if span.first - first <= 1 and last - span.last <= 1:
        shape = model.IPV4_NETWORK if family is Family.IPV4 else model.IPV6_NETWORK
        found.append(shape.kind.key(vrf, pool, format_address(family, first)))
    return found
