"""The data model of RFC 8512 as data: the nodes of ietf-nat that the driver works with."""

from __future__ import annotations

from casm_ctrl.addressing.prefix import PORT_BITS, Family, Prefix, Range
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.drivers.elements import leaves_of
from casm_ctrl.drivers.interface import Element
from casm_ctrl.drivers.objects import Kind, Model, Step
from casm_ctrl.drivers.values import canonical_network, read_network, whole

MODULE = "ietf-nat"
NAMESPACE = "urn:ietf:params:xml:ns:yang:ietf-nat"


def q(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


NAT, INSTANCES, ID, NAME = q("nat"), q("instances"), q("id"), q("name")
EXTERNAL_POOL, POOL_ID, EXTERNAL_PREFIX = q("external-ip-address-pool"), q("pool-id"), q("external-ip-pool")
RESTRICT, PSID_OFFSET, PSID_LEN, PSID = q("port-set-restrict"), q("psid-offset"), q("psid-len"), q("psid")
NOTIFY, LOW, HIGH = q("notify-pool-usage"), q("low-threshold"), q("high-threshold")

INSTANCE = Kind("instance", (Step(NAT), Step(INSTANCES), Step(q("instance"), (ID,))), own=frozenset({NAME}))
POLICY = Kind("policy", (*INSTANCE.steps, Step(q("policy"), (ID,))), own=frozenset({NOTIFY, RESTRICT}))
POOL = Kind("external-ip-address-pool", (*POLICY.steps, Step(EXTERNAL_POOL, (POOL_ID,))))


def _canonical(tag: str, text: str) -> str:
    return canonical_network(text) if tag == EXTERNAL_PREFIX else text.strip()


MODEL = Model((INSTANCE, POLICY, POOL), canonical=_canonical)


def extent(pool: Element, policy: Element) -> Range | None:
    """What an external pool of `policy` gives out; None where its prefix is missing or is none.

    A policy that restricts ports by a port-set id gives out that port set of each address: of one address it
    is one range of ours. Any other restriction, and that of several addresses, is taken for all their ports:
    too much is a conflict that a person looks at, too little an address on two devices.
    """
    text = leaves_of(pool).get(EXTERNAL_PREFIX)
    try:
        prefix = read_network(text or "")
    except InvalidValue:
        return None
    port_set = _port_set(policy)
    if port_set is None or prefix != Prefix(Family.IPV4, prefix.first, 32):
        return prefix.range
    number, bits = port_set
    first = prefix.first << PORT_BITS | number << (PORT_BITS - bits)
    return Prefix(Family.PORTS, first, 32 + bits).range


def _port_set(policy: Element) -> tuple[int, int] | None:
    """(port-set id, its length) where a policy restricts ports by one that can be."""
    restrict = policy.find(RESTRICT)
    leaves = {} if restrict is None else leaves_of(restrict)
    number, bits = whole(leaves.get(PSID)), whole(leaves.get(PSID_LEN))
    if number is None or bits is None or not 1 <= bits <= PORT_BITS or number >> bits:
        return None
    return number, bits


def restricts_ports(policy: Element) -> bool:
    restrict = policy.find(RESTRICT)
    return restrict is not None and len(restrict) > 0
