"""The tree of module ietf-address-pool: its names, one entry's leaves, and a pool built or looked up.

Names are Clark notation throughout: a device may write any namespace prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import cast

from lxml import etree

from casm_ctrl.addressing.prefix import Family, Prefix, format_address, parse_address
from casm_ctrl.base.errors import InvalidValue, ProtocolViolation
from casm_ctrl.drivers.elements import add_leaf, list_entries, text_of, top_element
from casm_ctrl.drivers.interface import Element, ObjectKey

MODULE = "ietf-address-pool"
NAMESPACE = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
NSMAP = cast("Mapping[str, str]", {None: NAMESPACE})
EXT_MODULE = "casm-address-pool-ext"
EXT_NAMESPACE = "urn:casm:yang:casm-address-pool-ext"


def name(local: str) -> str:
    """`local` in the module's namespace."""
    return f"{{{NAMESPACE}}}{local}"


def local(tag: str) -> str:
    """The name without its namespace, as people read it."""
    return tag.rpartition("}")[2]


POOLS = name("address-pools")
STATUS = name("address-pool-status")
POOL = name("address-pool")
POOL_NAME = name("address-pool-name")
POOL_ID = name("address-pool-id")
DEVICE_ID = name("device-id")
SERVICE = name("address-pool-service")
SERVICE_NAME = name("service-name")
ENTRIES = name("address-pool-entries")

LOWER = name("ip-lower-address")
UPPER = name("ip-upper-address")
PREFIX = name("ipv6-prefix")
GATEWAY = name("usergateway")
NETMASK = name("gwnetmask")
TYPE = name("type")
LIFETIME = name("lifetime")
INSTANCE = name("instance")
DRAIN = f"{{{EXT_NAMESPACE}}}drain"

THRESHOLDS = {Family.IPV4: name("warning-threshold-v4"), Family.IPV6: name("warning-threshold-v6")}
"""Percent in use of a pool's entries at which the device should tell, by family."""
RELIEVED = {
    Family.IPV4: f"{{{EXT_NAMESPACE}}}normal-threshold-v4",
    Family.IPV6: f"{{{EXT_NAMESPACE}}}normal-threshold-v6",
}
"""Percent below which it should tell again, with our augment."""

POOL_PATH = "address-pool"

INSTANCES = ("pppoe", "dhcp", "vpn", "ds-lite", "lw4over6", "map", "cgn", "xlat", "other")
"""The values of the type instance-type: what an entry's `instance` may say."""

_ADDRESSES = frozenset({LOWER, UPPER, GATEWAY})


@dataclass(frozen=True)
class EntryList:
    """One of the two lists of entries in a pool. `path` is the list's name, and that of its ObjectKeys."""

    family: Family
    path: str
    peak: str

    @property
    def tag(self) -> str:
        return name(self.path)

    @property
    def key(self) -> str:
        return name(f"{self.path}-name")


ENTRY_LISTS = {
    Family.IPV4: EntryList(Family.IPV4, "ipv4-address-range", name("peak-address-usage-ratio")),
    Family.IPV6: EntryList(Family.IPV6, "ipv6-prefix", name("peak-prefix-usage-ratio")),
}
"""In schema order."""


# --- Built ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RangeEntry:
    """The values of one entry. `gateway` is an address of the prefix's family.

    `mask` is the prefix length that IPv4 subscribers are told; the model has no place for IPv6's.
    """

    name: str
    prefix: Prefix
    gateway: int | None = None
    mask: int | None = None
    instance: str | None = None
    drained: bool = False

    @property
    def list(self) -> EntryList:
        return ENTRY_LISTS[self.prefix.family]

    def leaves(self) -> dict[str, str]:
        """What we set beside the key and `drain`, canonical and in schema order."""
        prefix = self.prefix
        if prefix.family is Family.IPV4:
            leaves = {
                LOWER: format_address(Family.IPV4, prefix.first),
                UPPER: format_address(Family.IPV4, prefix.last),
            }
        else:
            leaves = {PREFIX: str(prefix)}
        if self.gateway is not None:
            leaves[GATEWAY] = format_address(prefix.family, self.gateway)
            if prefix.family is Family.IPV4:
                leaves[NETMASK] = netmask(prefix.length if self.mask is None else self.mask)
            leaves[TYPE] = "usergateway"
        if self.instance is not None:
            leaves[INSTANCE] = self.instance
        return leaves


def netmask(length: int) -> str:
    """An IPv4 prefix length as a dotted quad. InvalidValue above /32."""
    if not 0 <= length <= 32:
        raise InvalidValue(f"/{length} cannot be the mask of an IPv4 gateway", "use /0 to /32")
    return str(IPv4Address((0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF))


def build_pool(
    pool: str,
    entries: Iterable[RangeEntry],
    *,
    device_id: str | None = None,
    services: Iterable[str] = (),
    thresholds: Mapping[str, int] | None = None,
) -> Element:
    """One `address-pool` list entry with all that is given, in schema order, without operations.

    `thresholds`: percents by tag, of THRESHOLDS and RELIEVED.
    `address-pool-id` is never written: a device may number its pools itself.
    """
    element = top_element(POOL, NAMESPACE)
    add_leaf(element, POOL_NAME, pool)
    if device_id is not None:
        add_leaf(element, DEVICE_ID, device_id)
    for service in services:
        add_service(element, service)
    inside = etree.SubElement(element, ENTRIES)
    ordered = list(entries)
    for family in ENTRY_LISTS:
        for entry in ordered:
            if entry.prefix.family is family:
                add_entry(inside, entry)
        _add_threshold(inside, THRESHOLDS[family], thresholds)
    for tag in RELIEVED.values():
        _add_threshold(inside, tag, thresholds)
    return element


def _add_threshold(inside: Element, tag: str, thresholds: Mapping[str, int] | None) -> None:
    if thresholds and tag in thresholds:
        add_leaf(inside, tag, str(thresholds[tag]))


def add_service(pool: Element, service: str) -> Element:
    """An `address-pool-service` at the end of `pool`."""
    element = etree.SubElement(pool, SERVICE)
    add_leaf(element, SERVICE_NAME, service)
    return element


def add_entry(entries: Element, entry: RangeEntry) -> Element:
    """A list entry with all of its leaves at the end of `entries` (an address-pool-entries)."""
    element = name_entry(entries, entry.list, entry.name)
    for tag, text in entry.leaves().items():
        add_leaf(element, tag, text)
    if entry.drained:
        add_leaf(element, DRAIN, "true")
    return element


def name_entry(entries: Element, kind: EntryList, key: str) -> Element:
    """A list entry with its key only: it leads the way, or is deleted."""
    element = etree.SubElement(entries, kind.tag)
    add_leaf(element, kind.key, key)
    return element


# --- Looked up ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PoolTree:
    """A pool as the device has it, with its entries by key in the order of the document."""

    key: ObjectKey
    element: Element
    entries: Mapping[ObjectKey, Element]


def read_pools(data: Element, top: str = POOLS) -> dict[str, PoolTree]:
    """The pools under the node `top` of `data`, by name: configuration, or STATUS for state.

    ProtocolViolation where a list entry has no key, or two have the same.
    """
    pools: dict[str, PoolTree] = {}
    for container in data.iterchildren(top):
        for pool, element in list_entries(container, POOL, POOL_NAME):
            if pool in pools:
                raise _twice(pools[pool].key)
            pools[pool] = PoolTree(pool_key(pool), element, _read_entries(pool, element))
    return pools


def _read_entries(pool: str, element: Element) -> dict[ObjectKey, Element]:
    found: dict[ObjectKey, Element] = {}
    for entries in element.iterchildren(ENTRIES):
        for kind in ENTRY_LISTS.values():
            for key, entry in list_entries(entries, kind.tag, kind.key):
                object_key = ObjectKey(kind.path, (pool, key))
                if object_key in found:
                    raise _twice(object_key)
                found[object_key] = entry
    return found


def pool_key(pool: str) -> ObjectKey:
    return ObjectKey(POOL_PATH, (pool,))


def canonical(tag: str, text: str) -> str:
    """`text` of the leaf `tag` in its canonical form; as it is where it has none."""
    text = text.strip()
    try:
        if tag in _ADDRESSES:
            return format_address(*parse_address(text))
        if tag == PREFIX:
            return str(read_prefix(text))
    except InvalidValue:
        pass
    return text


def read_prefix(text: str) -> Prefix:
    """An inet:ipv6-prefix, whose host bits do not count (RFC 6991, 4). InvalidValue where it is none."""
    address, _, digits = text.strip().partition("/")
    family, value = parse_address(address)
    if family is not Family.IPV6 or not (digits.isascii() and digits.isdigit() and len(digits) <= 3):
        raise InvalidValue(f"'{text}' is not an IPv6 prefix", "write it as 2001:db8::/32")
    length = min(int(digits), 129)
    return Prefix(family, value >> max(0, 128 - length) << max(0, 128 - length), length)


def service_name(element: Element) -> str | None:
    """The name in an `address-pool-service`; None where the entry holds anything else too."""
    children = [child for child in element if isinstance(child.tag, str)]
    return text_of(children[0]) if [child.tag for child in children] == [SERVICE_NAME] else None


def _twice(key: ObjectKey) -> ProtocolViolation:
    return ProtocolViolation(
        f"the device sent {key} twice in one answer",
        "look at the device's answer; a list key names one entry",
    )
