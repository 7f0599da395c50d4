"""What VRP can and cannot hold, looked at before an edit is made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from casm_ctrl.addressing.capacity import GatewayKind
from casm_ctrl.addressing.prefix import Family, Prefix, Range, format_address
from casm_ctrl.base.errors import InvalidValue, NotSupported
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.drivers.elements import text_of
from casm_ctrl.drivers.huawei_vrp_model import find_text, four, instance, l3vpn
from casm_ctrl.drivers.interface import Announcement, Element, WantedBlock, WantedPool
from casm_ctrl.drivers.refusal import cannot_block, cannot_pool, check_announcement, check_whole_addresses
from casm_ctrl.drivers.values import read_network

MODEL = "the model of VRP"
PUBLIC = "_public_"
"""VRP's name for the network outside all VPN instances; pools do not say it."""
MEMBERS = 1024
"""The most pools in one group."""
_ACCESS = (None, "pppoe", "dhcp")
_NAME = re.compile(r"[a-z0-9._-]+\Z")
_LENGTHS = {Family.IPV4: 128, Family.IPV6: 32}


def instances(running: Element) -> frozenset[tuple[str, str]]:
    """(name, address family) of each VPN instance, for example ("red", "ipv4-unicast")."""
    path = f"{instance('network-instance')}/{instance('instances')}/{instance('instance')}"
    return frozenset(
        (find_text(entry, instance("name")) or "", text_of(leaf).strip())
        for entry in running.iterfind(path)
        for leaf in entry.iterfind(f"{l3vpn('afs')}/{l3vpn('af')}/{l3vpn('type')}")
    )


def check_pool(pool: WantedPool, vpns: frozenset[tuple[str, str]]) -> None:
    """NotSupported where the device pool wants what VRP has no words for, whatever its blocks are."""
    check_announcement(MODEL, pool, (Announcement.DEVICE_AUTOMATIC,))
    if pool.network_instance == PUBLIC:
        raise cannot_pool(
            MODEL, pool, f"the network instance '{PUBLIC}'", "leave it out: a pool without one is there"
        )
    if pool.services:
        raise cannot_pool(
            MODEL,
            pool,
            f"the service '{pool.services[0]}'",
            "leave services out: which domains draw from the pool is said in the domains",
        )
    if pool.access not in _ACCESS:
        raise cannot_pool(
            MODEL, pool, f"the access '{pool.access}'", "choose pppoe or dhcp, or say nothing about access"
        )
    if pool.usage_low is not None:
        raise cannot_pool(
            MODEL, pool, "to be told below a usage", "leave usage-low out: VRP has one threshold"
        )
    for family in sorted({block.prefix.family for block in pool.blocks}, key=lambda one: one.value):
        kind = f"{family.value}-unicast"
        if pool.network_instance is not None and (pool.network_instance, kind) not in vpns:
            raise NotSupported(
                f"the pool '{pool.name}' serves in '{pool.network_instance}', and the device has no VPN instance"
                f" of that name with the address family {kind}",
                "configure it on the device, or correct the device pool's network instance",
            )


def check_name(pool: WantedPool, family: Family) -> None:
    """NotSupported where a pool or group cannot have the device pool's name."""
    longest = _LENGTHS[family]
    if not _NAME.match(pool.name) or pool.name in ("-", "--") or len(pool.name) > longest:
        raise NotSupported(
            f"VRP cannot call a pool '{pool.name}': names are up to {longest} lower-case letters, digits, '.',"
            " '_' and '-'",
            "give the device pool such a name for AAA",
        )


def check_block(pool: WantedPool, block: WantedBlock) -> None:
    """NotSupported where VRP has no pool for such a block."""
    check_whole_addresses(MODEL, pool, block)
    kind = pool.gateway.kind
    if block.prefix.family is Family.IPV4:
        if pool.delegated_length is not None:
            raise cannot_block(
                MODEL, pool, block, "should delegate prefixes", "leave the delegated length out for IPv4"
            )
        if kind is GatewayKind.NONE:
            raise cannot_block(
                MODEL, pool, block, "has no gateway", "choose gateway first: sections lie under a gateway"
            )
        if block.prefix.length == 32 and kind is not GatewayKind.UNNUMBERED:
            raise cannot_block(
                MODEL,
                pool,
                block,
                "is its gateway and nothing else",
                "choose an unnumbered gateway, or a block of more than one address",
            )
    elif kind is not GatewayKind.NONE:
        raise cannot_block(
            MODEL,
            pool,
            block,
            f"has the gateway '{kind.value}'",
            "choose gateway none: IPv6 subscribers learn it from router advertisements",
        )
    elif pool.delegated_length is not None and pool.delegated_length < block.prefix.length:
        raise cannot_block(
            MODEL,
            pool,
            block,
            f"is smaller than one delegated prefix of /{pool.delegated_length}",
            "release the block, or give the device pool a greater delegated length",
        )


def check_member_count(pool: WantedPool, count: int) -> None:
    if count > MEMBERS:
        raise NotSupported(
            f"the pool '{pool.name}' has {count} IPv4 blocks, and VRP binds {MEMBERS} pools to a group",
            "use larger blocks, or a second device pool",
        )


# --- Gateways that must not overlap ---------------------------------------------------------------


@dataclass(frozen=True)
class Subnet:
    """The subnet of a pool's gateway. `block`: of a pool of ours; None for others'."""

    network: Range
    vpn: str | None
    pool: str
    block: WantedBlock | None = None


def subnet_of(pool: Element, name: str) -> Subnet | None:
    """The subnet of the gateway of a pool on the device; None where it has none that makes sense."""
    local = pool.find(four("local"))
    address = find_text(local, four("gateway"), four("gate-ip"))
    mask = find_text(local, four("gateway"), four("gate-mask"))
    network = _network(address, mask)
    vpn = find_text(local, four("vpn-instance"), four("name")) or None
    return None if network is None else Subnet(network.range, vpn, name)


def check_subnets(subnets: Iterable[Subnet]) -> None:
    """NotSupported where the subnet of a gateway of ours overlaps another pool's: VRP refuses such pools."""
    widest: dict[str | None, Subnet] = {}
    for subnet in sorted(subnets, key=lambda one: (one.network.first, -one.network.last, one.pool)):
        before = widest.get(subnet.vpn)
        if before is not None and before.network.last >= subnet.network.first:
            ours, other = (subnet, before) if subnet.block is not None else (before, subnet)
            if ours.block is not None:
                raise NotSupported(
                    f"the gateway subnet {_words(ours)} of {block_id(ours.block.number)} ({ours.block.prefix})"
                    f" overlaps {_words(other)} of the pool '{other.pool}', and VRP allows no two such pools",
                    "leave the mask of the device pool's gateway out, or take the other pool away",
                )
        if before is None or subnet.network.last > before.network.last:
            widest[subnet.vpn] = subnet


def _words(subnet: Subnet) -> str:
    return f"{format_address(Family.IPV4, subnet.network.first)}-{format_address(Family.IPV4, subnet.network.last)}"


def _network(address: str | None, mask: str | None) -> Prefix | None:
    """The network of a gateway with a dotted mask."""
    try:
        bits = 0 if mask is None else read_network(f"{mask}/32").first
        ones = bits.bit_count()
        if address is None or bits != (0xFFFFFFFF << (32 - ones)) & 0xFFFFFFFF:
            return None
        return read_network(f"{address}/{ones}")
    except InvalidValue:
        return None
