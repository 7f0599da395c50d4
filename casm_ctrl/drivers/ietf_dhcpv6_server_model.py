"""The data model of RFC 9243 as data: names, objects, and how values are written."""

from __future__ import annotations

from casm_ctrl.drivers.objects import Kind, Model, Step
from casm_ctrl.drivers.values import canonical_address, canonical_network

MODULE = "ietf-dhcpv6-server"
NAMESPACE = "urn:ietf:params:xml:ns:yang:ietf-dhcpv6-server"


def name(local: str) -> str:
    """`local` in the module's namespace, in Clark notation."""
    return f"{{{NAMESPACE}}}{local}"


SERVER = name("dhcpv6-server")
OPTION_SETS = name("option-sets")
OPTION_SET = name("option-set")
OPTION_SET_KEY = name("option-set-id")
"""The key of an option set, and the leaf-list of those that refer to it."""
ALLOCATION_RANGES = name("allocation-ranges")
DESCRIPTION = name("description")
NETWORK_PREFIX = name("network-prefix")
POOL_PREFIX = name("pool-prefix")
START = name("start-address")
END = name("end-address")
CLIENT_LENGTH = name("client-prefix-length")
MAX_ADDRESSES = name("max-address-utilization")
MAX_PREFIXES = name("max-pd-space-utilization")
LEASES = name("active-leases")
TOTAL = name("total-count")
ALLOCATED = name("allocated-count")

_POOL_ID = (name("pool-id"),)

ALLOCATION_RANGE = Kind(
    "allocation-range",
    (Step(SERVER), Step(ALLOCATION_RANGES), Step(name("allocation-range"), (name("id"),))),
    own=frozenset({DESCRIPTION, NETWORK_PREFIX, OPTION_SET_KEY}),
)
ADDRESS_POOL = Kind(
    "address-pool",
    (*ALLOCATION_RANGE.steps, Step(name("address-pools")), Step(name("address-pool"), _POOL_ID)),
)
PREFIX_POOL = Kind(
    "prefix-pool",
    (*ALLOCATION_RANGE.steps, Step(name("prefix-pools")), Step(name("prefix-pool"), _POOL_ID)),
)

HOST_RESERVATION = Kind(
    "host-reservation",
    (
        *ADDRESS_POOL.steps,
        Step(name("host-reservations")),
        Step(name("host-reservation"), (name("reserved-addr"),)),
    ),
)
PREFIX_RESERVATION = Kind(
    "prefix-reservation",
    (
        *PREFIX_POOL.steps,
        Step(name("host-reservations")),
        Step(name("prefix-reservation"), (name("reserved-prefix"),)),
    ),
)
"""Nothing of ours: they are read, since their addresses are one client's for ever."""

_ADDRESSES = frozenset({START, END})
_PREFIXES = frozenset({NETWORK_PREFIX, POOL_PREFIX})


def canonical(tag: str, text: str) -> str:
    """`text` of the leaf `tag` in its canonical form; as it is where it has none."""
    if tag in _ADDRESSES:
        return canonical_address(text)
    return canonical_network(text) if tag in _PREFIXES else text.strip()


MODEL = Model(
    (ALLOCATION_RANGE, ADDRESS_POOL, PREFIX_POOL),
    lists={
        OPTION_SET: (OPTION_SET_KEY,),
        name("host-reservation"): (name("reserved-addr"),),
        name("prefix-reservation"): (name("reserved-prefix"),),
    },
    leaf_lists=frozenset({OPTION_SET_KEY}),
    canonical=canonical,
)
