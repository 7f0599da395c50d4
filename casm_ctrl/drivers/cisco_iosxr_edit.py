"""The edit that makes the address pools of an IOS XR device what is wanted.

Each block is an entry of its own, named by its first address: an IPv4 block and a block of delegated prefixes
a network, a block of IPv6 addresses a range of addresses. A gateway is also excluded from what is handed out.
"""

from __future__ import annotations

import re

from lxml import etree

from casm_ctrl.addressing.capacity import GatewayKind, gateway_address
from casm_ctrl.addressing.prefix import Family, Prefix, format_address
from casm_ctrl.base.errors import AlreadyExists, InvalidValue, NotSupported
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.drivers import cisco_iosxr_model as model
from casm_ctrl.drivers.elements import OPERATION, add_leaf, text_of
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
from casm_ctrl.drivers.refusal import cannot_pool, check_announcement, check_whole_addresses

_MODEL = "IOS XR"

_NAME = re.compile(r"[\w\-.:,@#%$+=| ;]{1,64}")
"""The type Cisco-ios-xr-string, as long as the operational model can show it."""

_ACCESS = ("pppoe", "dhcp", "other")
"""What every pool serves: the pool service asks no client for its kind."""


def render_edit(wanted: Wanted, running: Element) -> Edit:
    """The difference between `wanted` and `running`. NotSupported, AlreadyExists, InvalidValue."""
    edit = ObjectEdit(model.MODEL, wanted, running)
    for pool in wanted.pools:
        _check(pool)
        _PoolEdit(edit, pool, wanted.ours).put()
    edit.remove_rest()
    return edit.edit()


def _check(pool: WantedPool) -> None:
    """NotSupported where the model has no words for what the pool wants."""
    for what, text in (("pool", pool.name), ("VRF", pool.network_instance)):
        if text is not None and not _NAME.fullmatch(text):
            raise InvalidValue(
                f"IOS XR takes no {what} called '{text}'",
                "use at most 64 letters, digits, spaces and the characters - _ . : , ; @ # % $ + = |",
            )
    check_announcement(_MODEL, pool, (Announcement.DEVICE_AUTOMATIC,))
    if pool.gateway.kind is GatewayKind.UNNUMBERED:
        raise cannot_pool(
            _MODEL,
            pool,
            "an unnumbered gateway",
            "choose gateway none, and name the interface in the subscribers' dynamic template",
        )
    if pool.services:
        raise cannot_pool(
            _MODEL,
            pool,
            f"the services {', '.join(pool.services)}",
            "take the services away from the device pool; AAA chooses the pool by its name",
        )
    if pool.access is not None and pool.access not in _ACCESS:
        raise cannot_pool(_MODEL, pool, f"access '{pool.access}'", f"choose one of {', '.join(_ACCESS)}")
    if pool.usage_high is not None and pool.usage_low is None:
        raise cannot_pool(
            _MODEL, pool, "a high utilization mark without a low one", "give the device pool a low mark too"
        )
    if pool.delegated_length is not None and pool.gateway.kind is not GatewayKind.NONE:
        raise cannot_pool(_MODEL, pool, "a gateway in delegated prefixes", "choose gateway none")


class _PoolEdit:
    """One device pool: at most one pool on the device for each family, and those of adopted blocks."""

    def __init__(self, edit: ObjectEdit, pool: WantedPool, ours: frozenset[ObjectKey]) -> None:
        self._edit = edit
        self._pool = pool
        self._ours = ours
        self._vrf = model.vrf_name(pool.network_instance)

    def put(self) -> None:
        members = [(block, self._key(block)) for block in sorted(self._pool.blocks, key=_address)]
        places = {(model.SHAPES[key.path].family, *model.pool_of(key)) for _, key in members}
        for family, vrf, pool in sorted(places, key=lambda place: (place[0].number, *place[1:])):
            self._put_pool(family, vrf, pool)
        for block, key in members:
            self._put_block(block, key)

    def _put_pool(self, family: Family, vrf: str, name: str) -> None:
        """The pool in which blocks stand. One in which adopted blocks were found keeps what it has."""
        kind = model.POOLS[family]
        key = kind.key(vrf, name)
        there = self._edit.find(key)
        if there is not None:
            self._check_length(family, key, there)
            if (vrf, name) != (self._vrf, self._pool.name):
                return
        above = model.VRF.key(vrf)
        if not self._edit.was_put(above):
            self._edit.put(above, model.VRF.entry(above))
        pool = self._pool
        entry = kind.entry(key)
        words = []
        if family is Family.IPV6 and pool.delegated_length is not None:
            add_leaf(entry, model.LENGTH, str(pool.delegated_length))
            words.append(f"delegates /{pool.delegated_length}")
        if pool.usage_high is not None:
            marks = etree.SubElement(entry, model.MARK)
            for tag, percent in zip(model.MARKS[family], (pool.usage_high, pool.usage_low), strict=True):
                add_leaf(marks, tag, str(percent))
            words.append(f"utilization-mark high {pool.usage_high} low {pool.usage_low}")
        self._edit.put(key, entry, None, ", ".join(words))

    def _check_length(self, family: Family, key: ObjectKey, there: Element) -> None:
        """Subscribers of a pool get prefixes of one length: NotSupported where it is not the wanted one."""
        if family is not Family.IPV6:
            return
        leaf = there.find(model.LENGTH)
        found = None if leaf is None else model.canonical(model.LENGTH, text_of(leaf))
        length = self._pool.delegated_length
        if found == (None if length is None else str(length)):
            return
        if found is None and key in self._ours:
            return  # somebody took the leaf away: it is put back
        raise NotSupported(
            f"{key} on the device gives out {_gives(found)}, and the device pool '{self._pool.name}'"
            f" {_gives(length)}: to change that would move its subscribers",
            "set prefix-length on the device right, or give the device pool another AAA name",
        )

    def _key(self, block: WantedBlock) -> ObjectKey:
        """The object that stands for a block, checked against what it can hold."""
        prefix, delegated = block.prefix, self._pool.delegated_length
        label = f"{block_id(block.number)} ({prefix})"
        check_whole_addresses(_MODEL, self._pool, block)
        if delegated is not None and (prefix.family is not Family.IPV6 or delegated < prefix.length):
            raise NotSupported(
                f"{label} cannot be delegated in prefixes of /{delegated}",
                "take blocks from an IPv6 pool, and no smaller than its delegated length",
            )
        if (
            prefix.family is Family.IPV4
            and self._pool.gateway.kind is not GatewayKind.NONE
            and self._pool.gateway.mask not in (None, prefix.length)
        ):
            raise NotSupported(
                f"{label} should be used with the mask /{self._pool.gateway.mask}, and IOS XR tells subscribers the"
                f" network's own, /{prefix.length}",
                "take the mask away from the device pool, or allocate blocks of that length",
            )
        first = format_address(prefix.family, prefix.first)
        key = block.key or _shape(prefix, delegated).kind.key(self._vrf, self._pool.name, first)
        shape = model.SHAPES.get(key.path)
        if (
            shape is None
            or shape.family is not prefix.family
            or len(key.keys) != shape.kind.count
            or model.canonical(shape.first, key.keys[-1]) != first
        ):
            raise InvalidValue(
                f"{label} cannot stand as {key}",
                f"an {prefix.family.value} block is named by its first address",
            )
        return key

    def _put_block(self, block: WantedBlock, key: ObjectKey) -> None:
        shape = model.SHAPES[key.path]
        entry = shape.kind.entry(key)
        running = self._edit.find(key)
        add_leaf(
            entry,
            shape.last,
            shape.last_text(block.prefix, self._pool.delegated_length or shape.family.width),
        )
        words = []
        gateway = gateway_address(block.prefix, self._pool.gateway.kind, self._pool.gateway.address)
        if gateway is not None:
            address = format_address(shape.family, gateway)
            words.append(f"gateway {address}")
            if shape is model.IPV4_NETWORK:
                add_leaf(entry, model.ROUTER, address)
        elif self._pool.gateway.kind is GatewayKind.ADDRESS:
            words.append("no gateway in it: the pool's gateway lies outside this block")
        if block.drained:
            add_leaf(entry, model.BLOCKED, "1")
            words.append("blocked")
        elif running is not None and _is_blocked(running):
            etree.SubElement(entry, model.BLOCKED).set(OPERATION, "remove")
        if self._edit.put(key, entry, block.number, ", ".join(words)) is Outcome.FOREIGN:
            raise AlreadyExists(
                f"{block_id(block.number)} ({block.prefix}) should stand as {key}, and somebody else configured that",
                "take it over with 'casm adopt' and 'casm block manage', or take it off the device",
            )
        self._put_exclude(key, gateway, running)

    def _put_exclude(self, key: ObjectKey, gateway: int | None, running: Element | None) -> None:
        """Keep the gateway from being handed out; that of a router which stays, too."""
        family = model.SHAPES[key.path].family
        kind = model.EXCLUDES[family]
        if gateway is None:
            router = None if running is None else running.find(model.ROUTER)
            if router is None:
                return
            address = model.canonical(model.ROUTER, text_of(router))
            if kind.key(*model.pool_of(key), address) not in self._ours:
                return
        else:
            address = format_address(family, gateway)
        exclude = kind.key(*model.pool_of(key), address)
        entry = kind.entry(exclude)
        add_leaf(entry, model.EXCLUDE_END, address)
        self._edit.put(exclude, entry, None, "the gateway is not handed out")


def _shape(prefix: Prefix, delegated: int | None) -> model.Shape:
    if prefix.family is Family.IPV4:
        return model.IPV4_NETWORK
    return model.IPV6_ADDRESSES if delegated is None else model.IPV6_NETWORK


def _address(block: WantedBlock) -> tuple[int, int]:
    return block.prefix.family.number, block.prefix.first


def _is_blocked(entry: Element) -> bool:
    leaf = entry.find(model.BLOCKED)
    return leaf is not None and model.canonical(model.BLOCKED, text_of(leaf)) != "0"


def _gives(length: str | int | None) -> str:
    return "addresses" if length is None else f"prefixes of /{length}"
