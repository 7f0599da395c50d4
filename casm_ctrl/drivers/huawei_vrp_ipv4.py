"""IPv4 blocks on VRP: pools with one section each, bound to the group that AAA names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

from lxml import etree

from casm_ctrl.addressing.capacity import GatewayKind, gateway_address
from casm_ctrl.addressing.prefix import Family, Range, format_address
from casm_ctrl.base.errors import NotSupported
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.drivers import huawei_vrp_limits as limits
from casm_ctrl.drivers.elements import add_leaf
from casm_ctrl.drivers.huawei_vrp_model import (
    GROUP_THRESHOLD,
    GROUP_VPN,
    IPV4_LOCK,
    IPV4_POOL,
    MEMBER,
    POOL_GROUP,
    SECTION,
    add_at,
    add_lock,
    find_text,
    four,
)
from casm_ctrl.drivers.huawei_vrp_reading import OWN_SECTION
from casm_ctrl.drivers.interface import Element, ObjectKey, Wanted, WantedBlock, WantedPool
from casm_ctrl.drivers.object_edit import ObjectEdit
from casm_ctrl.drivers.objects import objects
from casm_ctrl.drivers.refusal import cannot_block
from casm_ctrl.drivers.values import dotted_mask

_LOCAL = four("local")
_Held = tuple[WantedPool, WantedBlock, ObjectKey]


class Ipv4Edit:
    """Puts IPv4 pools, groups and locks into an edit."""

    def __init__(self, wanted: Wanted, running: Element, edit: ObjectEdit) -> None:
        self._wanted = wanted
        self._running = running
        self._edit = edit

    def put_all(self, held: Sequence[_Held]) -> None:
        self._check_stale({key for _, _, key in held})
        self._check_subnets(held)
        self._check_locks([(block, key) for _, block, key in held if key.path == SECTION.path])
        members = Counter(pool.name for pool, _, key in held if key.path == IPV4_POOL.path)
        for pool, block, key in held:
            if key.path == SECTION.path:
                self._put_section(block, key)
                continue
            self._edit.put(key, _pool(pool, block, key), block.number, _words(pool, block))
            group = POOL_GROUP.key(pool.name)
            if not self._edit.was_put(group):
                limits.check_name(pool, Family.IPV4)
                limits.check_member_count(pool, members[pool.name])
                self._put_group(pool, group)
            member = MEMBER.key(pool.name, key.keys[0])
            self._edit.put(member, MEMBER.entry(member))

    def _check_stale(self, wanted: Set[ObjectKey]) -> None:
        """NotSupported where a pool should go that a group binds by others' doing: the device would refuse it."""
        stale = {key.keys[0] for key in self._wanted.ours - wanted if key.path == IPV4_POOL.path}
        for key, _ in objects(self._running, MEMBER) if stale else ():
            if key.keys[1] in stale and key not in self._wanted.ours:
                raise NotSupported(
                    f"the pool '{key.keys[1]}' should go, and somebody bound it to the group '{key.keys[0]}'",
                    "unbind it there on the device, and apply again",
                )

    def _put_group(self, pool: WantedPool, key: ObjectKey) -> None:
        there = self._edit.find(key)
        threshold = None if pool.usage_high is None else str(pool.usage_high)
        if there is not None and key not in self._wanted.ours:
            vpn = find_text(there, *GROUP_VPN) or None
            other = vpn != pool.network_instance
            if other or (threshold is not None and find_text(there, *GROUP_THRESHOLD) != threshold):
                raise NotSupported(
                    f"the group '{pool.name}' on the device was made by others, and has not the"
                    f" {'VPN instance' if other else 'warning threshold'} of the device pool",
                    "set it on the group by hand, or change the device pool",
                )
        entry = POOL_GROUP.entry(key)
        add_at(entry, GROUP_VPN, pool.network_instance)
        if threshold is not None:
            add_at(entry, GROUP_THRESHOLD, threshold)
        self._edit.put(key, entry)

    # --- Sections in pools of others --------------------------------------------------------------

    def _put_section(self, block: WantedBlock, key: ObjectKey) -> None:
        """An adopted section: its addresses are set back, and its pool is locked where it should drain."""
        self._edit.put(key, _section(SECTION.entry(key), block), block.number)
        lock = IPV4_LOCK.key(key.keys[0])
        if block.drained and not self._edit.was_put(lock):
            self._edit.put(lock, IPV4_LOCK.entry(lock), None, f"drains {block_id(block.number)}")

    def _check_locks(self, adopted: Sequence[tuple[WantedBlock, ObjectKey]]) -> None:
        """NotSupported where a lock would stop more sections than those that should drain."""
        drained = {key: block for block, key in adopted if block.drained}
        pools = {key.keys[0] for key in drained}
        for key, _ in objects(self._running, SECTION) if pools else ():
            if key.keys[0] in pools and key not in drained:
                block = next(block for one, block in drained.items() if one.keys[0] == key.keys[0])
                raise NotSupported(
                    f"{block_id(block.number)} ({block.prefix}) should drain, and the lock of the pool"
                    f" '{key.keys[0]}' would stop its section {key.keys[1]} too",
                    "release all of the pool's blocks at once, or release this one without a drain",
                )

    # --- Gateways ---------------------------------------------------------------------------------

    def _check_subnets(self, held: Sequence[_Held]) -> None:
        subnets = []
        for pool, block, key in held:
            if key.path == IPV4_POOL.path:
                first, mask = _gateway(pool, block)
                size = 1 << (32 - mask)
                network = Range(Family.IPV4, first // size * size, first // size * size + size - 1)
                subnets.append(limits.Subnet(network, pool.network_instance, key.keys[0], block))
        own = {subnet.pool for subnet in subnets}
        for key, entry in objects(self._running, IPV4_POOL):
            if key.keys[0] not in own and key not in self._wanted.ours:
                other = limits.subnet_of(entry, key.keys[0])
                subnets += [] if other is None else [other]
        limits.check_subnets(subnets)


def _gateway(pool: WantedPool, block: WantedBlock) -> tuple[int, int]:
    """Address and mask of the gateway of the block's own pool. NotSupported where it is in no such pool.

    An unnumbered gateway lends the address of an interface, and the pool needs a subnet all the same.
    """
    prefix, gateway = block.prefix, pool.gateway
    kind = GatewayKind.FIRST if gateway.kind is GatewayKind.UNNUMBERED else gateway.kind
    address = gateway_address(prefix, kind, gateway.address)
    if address is None:
        raise cannot_block(
            limits.MODEL,
            pool,
            block,
            "does not hold the gateway",
            "choose gateway first or last: each block is a pool with a gateway of its own",
        )
    mask = prefix.length if gateway.mask is None else gateway.mask
    if not 0 <= mask <= prefix.length:
        raise cannot_block(
            limits.MODEL,
            pool,
            block,
            f"is larger than the subnet of its gateway (/{mask})",
            "leave the mask out: a section lies within the gateway's subnet",
        )
    return address, mask


def _pool(pool: WantedPool, block: WantedBlock, key: ObjectKey) -> Element:
    entry = IPV4_POOL.entry(key)
    add_leaf(entry, four("type"), "local")
    local = etree.SubElement(entry, _LOCAL)
    add_at(local, GROUP_VPN, pool.network_instance)
    address, mask = _gateway(pool, block)
    add_at(local, (four("gateway"), four("gate-ip")), format_address(Family.IPV4, address))
    add_at(local, (four("gateway"), four("gate-mask")), dotted_mask(mask))
    lent = pool.gateway.interface if pool.gateway.kind is GatewayKind.UNNUMBERED else None
    add_at(local, (four("gateway-unnumbered"), four("interface-name")), lent)
    section = etree.SubElement(etree.SubElement(local, four("sections")), four("section"))
    add_leaf(section, four("number"), OWN_SECTION)
    _section(section, block)
    add_lock(local, locked=block.drained)
    return entry


def _section(entry: Element, block: WantedBlock) -> Element:
    add_leaf(entry, four("start-ip-address"), format_address(Family.IPV4, block.prefix.first))
    add_leaf(entry, four("end-ip-address"), format_address(Family.IPV4, block.prefix.last))
    return entry


def _words(pool: WantedPool, block: WantedBlock) -> str:
    address, mask = _gateway(pool, block)
    gateway = f"gateway {format_address(Family.IPV4, address)}/{mask}"
    lent = "" if pool.gateway.interface is None else f" of {pool.gateway.interface}"
    vpn = "" if pool.network_instance is None else f", vpn-instance {pool.network_instance}"
    return f"{gateway}{lent}{vpn}{', drained' if block.drained else ''}"
