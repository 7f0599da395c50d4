"""The edit that makes a running RFC 8512 configuration hold what is wanted.

A device pool is a policy of the NAT instance that has its name. Blocks of whole addresses are external
pools in it. A port set needs a policy of its own, for `port-set-restrict` is one container per policy.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection

from lxml import etree

from casm_ctrl.addressing.capacity import GatewayKind
from casm_ctrl.addressing.prefix import PORT_BITS, Family, Prefix
from casm_ctrl.base.errors import InvalidValue, NotSupported
from casm_ctrl.drivers import ietf_nat_model as nat
from casm_ctrl.drivers.elements import add_leaf, leaves_of
from casm_ctrl.drivers.ietf_nat_model import INSTANCE, MODEL, MODULE, POLICY, POOL
from casm_ctrl.drivers.interface import (
    Announcement,
    Edit,
    Element,
    ObjectKey,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.drivers.object_edit import ObjectEdit, Outcome
from casm_ctrl.drivers.objects import objects
from casm_ctrl.drivers.refusal import cannot_block, cannot_pool, check_announcement

ACCESS = ("cgn", "lw4over6", "map", "ds-lite")
MOST = (1 << 32) - 1
"""The largest id that the model can write."""

_NAMED_POLICY = re.compile(r"(.+)/([0-9]{1,10})\Z")


def render_edit(wanted: Wanted, running: Element) -> Edit:
    """The difference between `wanted` and `running`. NotSupported where the model has no words for it."""
    return _Rendering(wanted, running).edit()


class _Rendering:
    def __init__(self, wanted: Wanted, running: Element) -> None:
        self._wanted = wanted
        self._edit = ObjectEdit(MODEL, wanted, running)
        self._instances = {key: leaves_of(entry).get(nat.NAME) for key, entry in objects(running, INSTANCE)}
        self._policies = dict(objects(running, POLICY))
        self._put: set[ObjectKey] = set()
        self._taken: dict[tuple[str, str], set[int]] = defaultdict(set)
        """Numbers of policies and of pools, by kind and instance: there, or ours by record, or put by this edit."""
        for key in (*self._policies, *(key for key, _ in objects(running, POOL)), *wanted.ours):
            self._take(key)

    def edit(self) -> Edit:
        for pool in self._wanted.pools:
            if pool.blocks:
                _check_pool(pool)
                self._render_pool(pool)
        self._edit.remove_rest()
        return self._edit.edit()

    def _render_pool(self, pool: WantedPool) -> None:
        for block in pool.blocks:
            _check_block(pool, block)
        name, policy = _split_name(pool.name)
        instance = self._instance(pool, name)
        if instance not in self._put:
            entry = INSTANCE.entry(instance)
            add_leaf(entry, nat.NAME, name)
            self._put_once(instance, entry, words=f"name {name}")
        whole = [block for block in pool.blocks if block.prefix.psid is None]
        if whole:
            self._render_whole(pool, self._policy(pool, instance, policy), whole)
        for block in pool.blocks:
            if block.prefix.psid is not None:
                self._render_port_set(pool, instance, block)

    # --- Whole addresses --------------------------------------------------------------------------

    def _render_whole(self, pool: WantedPool, policy: ObjectKey, blocks: Collection[WantedBlock]) -> None:
        """All blocks of a device pool stand in one policy; those that were found in another stay there."""
        for key in sorted({policy, *(_policy_of(block.key) for block in blocks if block.key is not None)}):
            entry = POLICY.entry(key)
            _add_marks(entry, pool, None)
            if key not in self._put and self._put_once(key, entry) is Outcome.FOREIGN:
                _refuse_marks_of_others(pool, key)
        for block in blocks:
            key = block.key or self._free_pool(policy, block.number)
            entry = POOL.entry(key)
            add_leaf(entry, nat.EXTERNAL_PREFIX, str(block.prefix))
            self._put_once(key, entry, block.number, str(block.prefix))

    def _policy(self, pool: WantedPool, instance: ObjectKey, named: str | None) -> ObjectKey:
        """The policy that a device pool's whole addresses stand in."""
        there = {key: policy for key, policy in self._policies.items() if key.keys[:1] == instance.keys}
        if named is not None:
            return POLICY.key(instance.keys[0], named)
        at_home = {
            _policy_of(block.key)
            for block in pool.blocks
            if block.key is not None and block.prefix.psid is None and block.key.keys[:1] == instance.keys
        }
        ours = {k for k, p in there.items() if k in self._wanted.ours and not nat.restricts_ports(p)}
        if at_home or ours:
            return min(at_home or ours, key=_number)
        others = [key for key in there if key not in self._wanted.ours]
        if len(others) == 1 and not nat.restricts_ports(there[others[0]]):
            return others[0]
        if others:
            listed = ", ".join(key.keys[1] for key in sorted(others, key=_number))
            raise NotSupported(
                f"the pool '{pool.name}' stands for NAT instance {instance.keys[0]}, which has the policies {listed}",
                f"give the device pool the AAA name '{pool.name}/POLICY' with the number of one of them",
            )
        return self._free_policy(instance, 1)

    # --- Port sets --------------------------------------------------------------------------------

    def _render_port_set(self, pool: WantedPool, instance: ObjectKey, block: WantedBlock) -> None:
        policy = _policy_of(block.key) if block.key else self._free_policy(instance, block.number)
        key = block.key or self._free_pool(policy, block.number)
        entry = POLICY.entry(policy)
        restrict = etree.SubElement(entry, nat.RESTRICT)
        number, bits = block.prefix.psid or (0, 0)
        offset = 0 if pool.psid_offset is None else pool.psid_offset
        for tag, value in ((nat.PSID_OFFSET, offset), (nat.PSID_LEN, bits), (nat.PSID, number)):
            add_leaf(restrict, tag, str(value))
        _add_marks(entry, pool, key.keys[2])
        self._put_once(policy, entry, words=f"port set {number}/{bits}, offset {offset}")
        inside = POOL.entry(key)
        address = Prefix(Family.IPV4, block.prefix.first >> PORT_BITS, 32)
        add_leaf(inside, nat.EXTERNAL_PREFIX, str(address))
        self._put_once(key, inside, block.number, str(block.prefix))

    # --- Finding and numbering --------------------------------------------------------------------

    def _instance(self, pool: WantedPool, name: str) -> ObjectKey:
        """That of the pool's blocks, else the one that has its name, else a new one."""
        at_home = {INSTANCE.key(block.key.keys[0]) for block in pool.blocks if block.key is not None}
        found = sorted(at_home & self._instances.keys(), key=_number) or [
            key for key, text in self._instances.items() if text is not None and text.strip() == name
        ]
        if not at_home and len(found) > 1:
            raise InvalidValue(
                f"the NAT instances {', '.join(key.keys[0] for key in found)} are all called '{name}'",
                "give each instance a name of its own on the device",
            )
        if found or at_home:
            return found[0] if found else min(at_home, key=_number)
        new = INSTANCE.key(str(_free({_number(key) for key in self._instances}, 1)))
        self._instances[new] = name
        return new

    def _free_policy(self, instance: ObjectKey, number: int) -> ObjectKey:
        number = _free(self._taken[POLICY.path, instance.keys[0]], number)
        return POLICY.key(instance.keys[0], str(number))

    def _free_pool(self, policy: ObjectKey, number: int) -> ObjectKey:
        """A pool's id is its block's number where that is free: pool ids are unique in an instance."""
        return POOL.key(*policy.keys, str(_free(self._taken[POOL.path, policy.keys[0]], number)))

    def _take(self, key: ObjectKey) -> None:
        self._taken[key.path, key.keys[0]].add(_number(key))

    def _put_once(self, key: ObjectKey, entry: Element, block: int | None = None, words: str = "") -> Outcome:
        self._put.add(key)
        self._take(key)
        return self._edit.put(key, entry, block, words)


def _add_marks(entry: Element, pool: WantedPool, pool_id: str | None) -> None:
    """`notify-pool-usage`, of one pool or (without an id) of all in the policy. A low mark of 0 is none."""
    notify = etree.SubElement(entry, nat.NOTIFY)
    if pool.usage_high is None:
        entry.remove(notify)
        return
    if pool_id is not None:
        add_leaf(notify, nat.POOL_ID, pool_id)
    add_leaf(notify, nat.LOW, str(pool.usage_low or 0))
    add_leaf(notify, nat.HIGH, str(pool.usage_high))


def _refuse_marks_of_others(pool: WantedPool, policy: ObjectKey) -> None:
    if pool.usage_high is not None:
        raise NotSupported(
            f"the pool '{pool.name}' wants usage marks on NAT policy {'/'.join(policy.keys)}, which is not ours",
            "set notify-pool-usage there by hand, and take --usage-high off the device pool",
        )


def _free(taken: Collection[int], preferred: int) -> int:
    """`preferred` where it can be had, else the lowest number that can."""
    if 1 <= preferred <= MOST and preferred not in taken:
        return preferred
    return next(number for number in range(1, MOST) if number not in taken)


def _number(key: ObjectKey) -> int:
    text = key.keys[-1]
    return int(text) if text.isdecimal() else 0


def _policy_of(key: ObjectKey) -> ObjectKey:
    return POLICY.key(*key.keys[:2])


def _split_name(name: str) -> tuple[str, str | None]:
    """(the instance's name, the policy's number) of an AAA name: NAME or NAME/POLICY."""
    match = _NAMED_POLICY.match(name)
    return (match[1], match[2]) if match else (name, None)


# --- What the model has no words for --------------------------------------------------------------


def _check_pool(pool: WantedPool) -> None:
    if pool.gateway.kind is not GatewayKind.NONE:
        raise cannot_pool(MODULE, pool, "a gateway", "give it the gateway none")
    if pool.services:
        raise cannot_pool(MODULE, pool, "services", "take them off the device pool")
    if pool.access is not None and pool.access not in ACCESS:
        raise cannot_pool(MODULE, pool, f"access '{pool.access}'", f"choose one of {', '.join(ACCESS)}")
    if pool.network_instance is not None:
        raise cannot_pool(
            MODULE,
            pool,
            f"network instance '{pool.network_instance}'",
            "choose the realm of the NAT instance on the device, and take pools of the device's own space",
        )
    check_announcement(MODULE, pool, (Announcement.DEVICE_AUTOMATIC,))


def _check_block(pool: WantedPool, block: WantedBlock) -> None:
    if block.prefix.family is Family.IPV6:
        raise cannot_block(MODULE, pool, block, "is IPv6", "an external pool is IPv4: release it")
    if block.drained:
        raise cannot_block(
            MODULE,
            pool,
            block,
            "should drain",
            "take the drain back with 'casm cancel-drain', or release it: a NAT pool is served or gone",
        )
    if block.prefix.psid is not None and block.prefix.psid[1] == PORT_BITS:
        raise cannot_block(
            MODULE, pool, block, "has a port-set id of 16 bits", "give the device pool a length of 47 or less"
        )
    if block.key is not None and MODEL.kind_of(block.key) is not POOL:
        raise InvalidValue(
            f"{block.prefix} cannot stand as {block.key}", f"a block is an entry of {POOL.path}"
        )
