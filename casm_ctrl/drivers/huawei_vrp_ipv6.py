"""IPv6 blocks on VRP: a prefix that holds each, and a pool that serves it.

The models have no group for IPv6: a name that AAA sends leads to one pool. The block that finds the
name of the device pool free has its pool called so; pools of further blocks are called by their marks, and serve
once the domain lists them, which these models do not reach. A pool keeps its name as long as its prefix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from lxml import etree

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.errors import NotSupported
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.drivers import huawei_vrp_limits as limits
from casm_ctrl.drivers.elements import add_leaf
from casm_ctrl.drivers.huawei_vrp_model import (
    IPV6_LOCKS,
    IPV6_POOL,
    PREFIX,
    add_at,
    add_lock,
    find_text,
    six,
)
from casm_ctrl.drivers.huawei_vrp_reading import bindings
from casm_ctrl.drivers.interface import BlockMark, Element, ObjectKey, Wanted, WantedBlock, WantedPool
from casm_ctrl.drivers.object_edit import ObjectEdit
from casm_ctrl.drivers.objects import objects

_Held = tuple[WantedPool, WantedBlock, ObjectKey]


class Ipv6Edit:
    """Puts IPv6 prefixes, their pools and locks into an edit."""

    def __init__(self, wanted: Wanted, running: Element, edit: ObjectEdit) -> None:
        self._wanted = wanted
        self._edit = edit
        self._bound = {prefix: (pool, kind) for prefix, pool, kind in bindings(running)}
        self._taken = {key.keys[0] for key, _ in objects(running, IPV6_POOL)}
        self.served: dict[ObjectKey, int] = {}
        """The block that each pool of ours serves."""

    def put_all(self, held: Sequence[_Held]) -> None:
        """`held` in the order of block numbers, so that the same block gets the name each time."""
        self._check_stale({key for _, _, key in held})
        names = self._names([one for one in held if self._is_own(one)])
        for pool, block, key in held:
            if self._is_own((pool, block, key)):
                self._check_kind(pool, block, key)
                self._edit.put(key, _prefix(pool, block, key), block.number, _words(pool, block))
                self._put_pool(pool, block, key, names[key])
            elif block.drained:
                self._put_lock(block, key)
                self._edit.put(key, PREFIX.entry(key), block.number)
            else:
                self._edit.put(key, PREFIX.entry(key), block.number)

    def _is_own(self, one: _Held) -> bool:
        """Whether we made the prefix; an adopted one has a name of others, and cannot be changed."""
        return one[2].keys[0] == str(BlockMark(self._wanted.store, one[1].number))

    def _check_stale(self, wanted: Set[ObjectKey]) -> None:
        """NotSupported where a prefix should go that a pool of others binds: the device would refuse it."""
        for key in self._wanted.ours - wanted:
            bound = self._bound.get(key.keys[0]) if key.path == PREFIX.path else None
            if bound is not None and not self._is_ours(bound[0], key.keys[0]):
                raise NotSupported(
                    f"the prefix '{key.keys[0]}' should go, and the pool '{bound[0]}', which others made, binds it",
                    "unbind it on the device, or delete that pool, and apply again",
                )

    def _is_ours(self, pool: str, prefix: str) -> bool:
        """Whether we made the pool that binds a prefix."""
        return IPV6_POOL.key(pool) in self._wanted.ours or pool == prefix

    def _check_kind(self, pool: WantedPool, block: WantedBlock, key: ObjectKey) -> None:
        """NotSupported where the prefix is on the device for another use: VRP does not change that."""
        there = self._edit.find(key)
        length = None if pool.delegated_length is None else str(pool.delegated_length)
        kind = find_text(there, six("type"))
        was = find_text(there, six("delegation"), six("prefix-address"), six("prefix-length"))
        if there is not None and (kind != _kind(pool) or (length is not None and was not in (None, length))):
            raise NotSupported(
                f"{block_id(block.number)} ({block.prefix}) is on the device as a prefix of type {kind}"
                f"{'' if was is None else f' that delegates /{was}'}, and VRP does not change that",
                "set the delegated length of the device pool back, or release the block first",
            )

    def _names(self, held: Sequence[_Held]) -> Mapping[ObjectKey, str]:
        """The name of the pool of each block."""
        names = {}
        for _, _, key in held:
            (mark,) = key.keys
            if mark in self._bound:
                names[key] = self._bound[mark][0]
            elif IPV6_POOL.key(mark) in self._wanted.ours:
                names[key] = mark
        taken = self._taken | set(names.values())
        for pool, _, key in held:
            if key not in names:
                limits.check_name(pool, Family.IPV6)
                names[key] = key.keys[0] if pool.name in taken else pool.name
                taken.add(names[key])
        return names

    def _put_pool(self, pool: WantedPool, block: WantedBlock, key: ObjectKey, name: str) -> None:
        pool_key = IPV6_POOL.key(name)
        if self._edit.find(pool_key) is not None and not self._is_ours(name, key.keys[0]):
            # Somebody bound our prefix to a pool of his own.
            if block.drained:
                self._put_lock(block, key)
            return
        kind = _kind(pool)
        entry = IPV6_POOL.entry(pool_key)
        add_leaf(entry, six("type"), kind)
        inside = etree.SubElement(entry, six(kind))
        add_at(inside, (six("bind-prefix"), six("prefix-name")), key.keys[0])
        add_lock(inside, locked=block.drained)
        if pool.usage_high is not None:
            add_at(inside, (six("warning"), six("threshold-value")), str(pool.usage_high))
        words = "" if name == pool.name else f"not the pool '{pool.name}': list it in the domain to serve"
        self._edit.put(pool_key, entry, None, words)
        self.served[pool_key] = block.number

    def _put_lock(self, block: WantedBlock, key: ObjectKey) -> None:
        """Lock the pool of others that binds the prefix."""
        bound = self._bound.get(key.keys[0])
        if bound is None:
            raise NotSupported(
                f"{block_id(block.number)} ({block.prefix}) should drain, and no pool binds the prefix"
                f" '{key.keys[0]}', so there is nothing to lock",
                "take the drain back with 'casm cancel-drain', or release the block: nobody is served from it",
            )
        pool, kind = bound
        lock = IPV6_LOCKS[kind].key(pool)
        self._edit.put(lock, IPV6_LOCKS[kind].entry(lock), None, f"drains {block_id(block.number)}")


def _kind(pool: WantedPool) -> str:
    return "local" if pool.delegated_length is None else "delegation"


def _prefix(pool: WantedPool, block: WantedBlock, key: ObjectKey) -> Element:
    kind = _kind(pool)
    entry = PREFIX.entry(key)
    add_leaf(entry, six("type"), kind)
    inside = etree.SubElement(entry, six(kind))
    add_at(inside, (six("prefix-address"), six("prefix")), str(block.prefix))
    if pool.delegated_length is not None:
        add_at(inside, (six("prefix-address"), six("prefix-length")), str(pool.delegated_length))
    add_at(inside, (six("vpn-instance"), six("name")), pool.network_instance)
    return entry


def _words(pool: WantedPool, block: WantedBlock) -> str:
    delegated = "" if pool.delegated_length is None else f"prefixes of /{pool.delegated_length}"
    vpn = "" if pool.network_instance is None else f"vpn-instance {pool.network_instance}"
    return ", ".join(filter(None, (delegated, vpn, "drained" if block.drained else "")))
