"""The data model Cisco-IOS-XR-ip-daps-cfg: its objects, their names, and the addresses that they hold.

The pools of a VRF stand in two lists, one for each family; in a pool stand networks, ranges of addresses and
ranges of prefixes, each named by its first address. Nothing has a name of its own or a description, so there
is no room for a mark: an object is ours because the store says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Family, Prefix, Range, format_address, parse_address
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.drivers.interface import ObjectKey
from casm_ctrl.drivers.objects import Kind, Model, Step
from casm_ctrl.drivers.values import canonical_address, extent_of, whole

MODULE = "Cisco-IOS-XR-ip-daps-cfg"
NAMESPACE = f"http://cisco.com/ns/yang/{MODULE}"
DEFAULT_VRF = "default"


def name(local: str) -> str:
    """`local` in the module's namespace."""
    return f"{{{NAMESPACE}}}{local}"


TOP = name("address-pool-service")
BLOCKED = name("blocked")
LENGTH = name("prefix-length")
ROUTER = name("default-router")
MARK = name("utilization-mark")
_START, _END = name("start-address"), name("end-address")
_START_PREFIX, _END_PREFIX = name("start-prefix"), name("end-prefix")
_IPV4_PREFIX, _IPV6_PREFIX = name("ipv4-prefix"), name("prefix")

_VRF = Step(name("vrf"), (name("vrf-name"),))
VRF = Kind("vrf", (Step(TOP), Step(name("vrfs")), _VRF), own=frozenset())


def _pool(family: Family, key: str, *own: str) -> Kind:
    steps = (*VRF.steps, Step(name(family.value)), Step(name("pools")), Step(name("pool"), (name(key),)))
    return Kind(f"{family.value}-pool", steps, own=frozenset(own))


POOLS = {
    Family.IPV4: _pool(Family.IPV4, "pool-name", MARK),
    Family.IPV6: _pool(Family.IPV6, "ipv6-pool-name", MARK, LENGTH),
}
"""A pool of ours goes with its utilization mark and its prefix length; all else in it is somebody's."""

MARKS = {
    Family.IPV4: (name("high"), name("low")),
    Family.IPV6: (name("high-mark"), name("low-mark")),
}


def _in_pool(family: Family, local: str, key: str) -> Kind:
    steps = (*POOLS[family].steps, Step(name(f"{local}s")), Step(name(local), (key,)))
    return Kind(f"{family.value}-{local}", steps)


EXCLUDES = {family: _in_pool(family, "exclude", _START) for family in POOLS}


@dataclass(frozen=True)
class Shape:
    """One of the lists whose entries hold addresses: from its key to `last`, or `last` bits long."""

    family: Family
    kind: Kind
    last: str

    @property
    def first(self) -> str:
        return self.kind.steps[-1].keys[0]

    @property
    def of_prefixes(self) -> bool:
        """`last` names the last delegated prefix, not the last address."""
        return self.last == _END_PREFIX

    def last_text(self, prefix: Prefix, delegated: int) -> str:
        """The leaf `last` of an entry that holds `prefix`, of which subscribers get /`delegated`."""
        if self.last == LENGTH:
            return str(prefix.length)
        size = 1 << self.family.width - delegated
        return format_address(self.family, prefix.last - size + 1 if self.of_prefixes else prefix.last)

    def extent(self, leaves: Mapping[str, str], delegated: int | None) -> Range | None:
        """The addresses of an entry; None where they are missing, reversed or of the wrong family.

        The last prefix of a range of prefixes is `delegated` long; 64 where nothing says how long.
        """
        first, last = leaves.get(self.first), leaves.get(self.last)
        found = self._network(first, whole(last)) if self.last == LENGTH else extent_of(first, last)
        if found is None or found.family is not self.family:
            return None
        if not self.of_prefixes:
            return found
        length = 64 if delegated is None or delegated > self.family.width else delegated
        return Range(self.family, found.first, found.last | (1 << self.family.width - length) - 1)

    def _network(self, first: str | None, length: int | None) -> Range | None:
        """A network holds the addresses of its prefix, whatever host bits it is written with."""
        try:
            if first is None or length is None or length > self.family.width:
                return None
            family, value = parse_address(first.strip())
            bits = family.width - length
            return None if bits < 0 else Prefix(family, value >> bits << bits, length).range
        except InvalidValue:
            return None


SHAPES = {
    shape.kind.path: shape
    for shape in (
        Shape(Family.IPV4, _in_pool(Family.IPV4, "network", _IPV4_PREFIX), LENGTH),
        Shape(Family.IPV4, _in_pool(Family.IPV4, "address-range", _START), _END),
        Shape(Family.IPV6, _in_pool(Family.IPV6, "network", _IPV6_PREFIX), LENGTH),
        Shape(Family.IPV6, _in_pool(Family.IPV6, "address-range", _START), _END),
        Shape(Family.IPV6, _in_pool(Family.IPV6, "prefix-range", _START_PREFIX), _END_PREFIX),
    )
}
"""By the name of the kind in an ObjectKey."""

IPV4_NETWORK = SHAPES["ipv4-network"]
IPV6_NETWORK = SHAPES["ipv6-network"]
IPV6_ADDRESSES = SHAPES["ipv6-address-range"]
EXCLUDE_END = _END

_ADDRESSES = frozenset({_START, _END, _START_PREFIX, _END_PREFIX, _IPV4_PREFIX, _IPV6_PREFIX, ROUTER})


def canonical(tag: str, text: str) -> str:
    """Addresses by value, numbers without leading zeros; any `blocked` but 0 is 1."""
    if tag in _ADDRESSES:
        return canonical_address(text)
    number = whole(text)
    if number is None:
        return text.strip()
    return str(min(number, 1)) if tag == BLOCKED else str(number)


MODEL = Model(
    (VRF, *POOLS.values(), *EXCLUDES.values(), *(shape.kind for shape in SHAPES.values())),
    drains=frozenset({BLOCKED}),
    canonical=canonical,
)


def vrf_name(network_instance: str | None) -> str:
    return network_instance or DEFAULT_VRF


def network_instance(vrf: str) -> str | None:
    """None for the default VRF, as everywhere in the controller."""
    return None if vrf == DEFAULT_VRF else vrf


def pool_of(key: ObjectKey) -> tuple[str, str]:
    """(VRF, pool) in which an object stands."""
    return key.keys[0], key.keys[1]
