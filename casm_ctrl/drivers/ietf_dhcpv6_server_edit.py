"""The edit that makes a running RFC 9243 configuration hold what is wanted.

`network-prefix` is mandatory in an allocation range, and a pool's prefix "should be contained within" it: a
range of ours begins with the smallest prefix that covers its blocks, and is widened where a block lies outside. It
is never narrowed, since a server may take another prefix for another link. A range that others made keeps theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from casm_ctrl.addressing.capacity import GatewayKind
from casm_ctrl.addressing.prefix import Family, Prefix, format_address
from casm_ctrl.base.errors import NotSupported
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.drivers.elements import add_leaf, text_of
from casm_ctrl.drivers.ietf_dhcpv6_server_model import (
    ADDRESS_POOL,
    ALLOCATION_RANGE,
    CLIENT_LENGTH,
    DESCRIPTION,
    END,
    MAX_ADDRESSES,
    MAX_PREFIXES,
    MODEL,
    MODULE,
    NETWORK_PREFIX,
    OPTION_SET,
    OPTION_SET_KEY,
    OPTION_SETS,
    POOL_PREFIX,
    PREFIX_POOL,
    SERVER,
    START,
)
from casm_ctrl.drivers.interface import (
    Action,
    BlockMark,
    Edit,
    Element,
    GenerationMark,
    ObjectKey,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.drivers.object_edit import ObjectEdit
from casm_ctrl.drivers.refusal import cannot_block, cannot_pool, check_announcement
from casm_ctrl.drivers.values import network_of


@dataclass(frozen=True)
class _Member:
    """A wanted block as the pool that stands for it."""

    pool: WantedPool
    block: WantedBlock
    key: ObjectKey


@dataclass
class _Target:
    """What an allocation range should hold of ours."""

    members: list[_Member] = field(default_factory=list)
    option_sets: list[str] = field(default_factory=list)


def render_edit(wanted: Wanted, running: Element) -> Edit:
    """The difference between `wanted` and `running`. NotSupported where RFC 9243 has no words for it."""
    targets = _targets(wanted, running)
    edit = _render(wanted, running, targets, frozenset())
    touched = {change.key.keys[0] for change in edit.changes}
    new = {
        c.key.keys[0] for c in edit.changes if c.action is Action.ADD and c.key.path == ALLOCATION_RANGE.path
    }
    # A range says by which edit it was last touched, which is known only after the difference is.
    return _render(wanted, running, targets, frozenset(touched)) if touched - new else edit


# --- What each allocation range should hold -------------------------------------------------------


def _targets(wanted: Wanted, running: Element) -> dict[str, _Target]:
    """By the id of the range: an adopted pool stays in the range where it was found."""
    there = _option_sets(running)
    targets: dict[str, _Target] = {}
    for pool in wanted.pools:
        if not pool.blocks:
            continue
        _check_pool(pool, there)
        for block in pool.blocks:
            key = _key(wanted.store, pool, block)
            target = targets.setdefault(key.keys[0], _Target())
            target.members.append(_Member(pool, block, key))
        home = targets.get(pool.name)
        if home is not None:
            home.option_sets += [s for s in pool.services if s not in home.option_sets]
    return targets


def _option_sets(running: Element) -> frozenset[str]:
    path = f"{SERVER}/{OPTION_SETS}/{OPTION_SET}/{OPTION_SET_KEY}"
    return frozenset(text_of(leaf).strip() for leaf in running.iterfind(path))


def _check_pool(pool: WantedPool, option_sets: frozenset[str]) -> None:
    check_announcement(MODULE, pool, ())
    if pool.gateway.kind is not GatewayKind.NONE:
        raise cannot_pool(
            MODULE,
            pool,
            f"the gateway '{pool.gateway.kind.value}'",
            "choose gateway none: IPv6 routers announce themselves to their links (RFC 4861)",
        )
    if pool.network_instance is not None:
        raise cannot_pool(
            MODULE,
            pool,
            f"the network instance '{pool.network_instance}'",
            "serve it from a server of its own, whose default network instance has this address space",
        )
    if pool.access not in (None, "dhcp"):
        raise cannot_pool(
            MODULE, pool, f"the access '{pool.access}'", "choose access dhcp, or say nothing about access"
        )
    if pool.usage_low is not None or pool.usage_high == 0:
        raise cannot_pool(
            MODULE,
            pool,
            "to be told below a usage" if pool.usage_low is not None else "to be told at 0 percent",
            "set usage-high to 1 to 100, and leave usage-low out",
        )
    missing = [name for name in pool.services if name not in option_sets]
    if missing:
        raise NotSupported(
            f"the pool '{pool.name}' wants the option set '{missing[0]}', and the device has none of that name",
            "configure it under dhcpv6-server/option-sets on the device, or correct the device pool's services",
        )


def _key(store: str, pool: WantedPool, block: WantedBlock) -> ObjectKey:
    """The key of the block's pool: that which it has, if that is of the kind that the device pool needs."""
    _check_block(pool, block)
    kind = ADDRESS_POOL if pool.delegated_length is None else PREFIX_POOL
    if block.key is None:
        return kind.key(pool.name, str(BlockMark(store, block.number)))
    if block.key.path != kind.path:
        raise NotSupported(
            f"{block_id(block.number)} is {block.key} on the device, and the pool '{pool.name}' needs it as a"
            f" {kind.path}",
            "give the device pool the delegated length that fits, or release the block first",
        )
    return block.key


def _check_block(pool: WantedPool, block: WantedBlock) -> None:
    if block.prefix.family is not Family.IPV6:
        raise cannot_block(
            MODULE, pool, block, "is not IPv6", "draw from IPv6 pools, or choose another driver"
        )
    if block.drained:
        raise cannot_block(
            MODULE,
            pool,
            block,
            "should drain",
            "take the drain back with 'casm cancel-drain', or release the block: its leases then end unrenewed",
        )
    if pool.delegated_length is not None and pool.delegated_length < block.prefix.length:
        raise cannot_block(
            MODULE,
            pool,
            block,
            f"is smaller than one delegated prefix of /{pool.delegated_length}",
            "release the block, or give the device pool a greater delegated length",
        )


# --- The edit -------------------------------------------------------------------------------------


def _render(
    wanted: Wanted, running: Element, targets: Mapping[str, _Target], touched: frozenset[str]
) -> Edit:
    edit = ObjectEdit(MODEL, wanted, running)
    ours = {key.keys[0] for key in wanted.ours if MODEL.kind_of(key) is ALLOCATION_RANGE}
    for name in sorted(targets.keys() | ours):
        key = ALLOCATION_RANGE.key(name)
        there = edit.find(key)
        target = targets.get(name)
        written = there is None or (key in wanted.ours and _is_written(wanted, there))
        if target is not None or not written:
            entry = ALLOCATION_RANGE.entry(key)
            words = ""
            if target is not None and written:
                words = _fill(entry, wanted, target, there, touched=name in touched)
            elif target is not None:
                _check_foreign(key, there, target)
            if target is not None or there is not None:
                edit.put(key, entry, None, words)
        outside = None if there is None or written else network_of(_text(there, NETWORK_PREFIX))
        for member in target.members if target is not None else ():
            block = member.block
            length = member.pool.delegated_length
            words = "" if length is None else f"prefixes of /{length}"
            if outside is not None and not outside.contains(block.prefix):
                beyond = f"outside the network-prefix {_text(there, NETWORK_PREFIX)} of its allocation-range"
                words = f"{words}, {beyond}" if words else beyond
            edit.put(member.key, _pool(wanted.store, member), block.number, words)
    edit.remove_rest()
    return edit.edit()


def _is_written(wanted: Wanted, entry: Element) -> bool:
    """Whether we made the range, and nobody gave it a description of his own since."""
    mark = GenerationMark.parse(_text(entry, DESCRIPTION) or "")
    return mark is not None and mark.store == wanted.store


def _check_foreign(key: ObjectKey, there: Element | None, target: _Target) -> None:
    """NotSupported where a range that others made lacks an option set that is wanted: it is not ours to add."""
    has = set() if there is None else {text_of(leaf).strip() for leaf in there.iterchildren(OPTION_SET_KEY)}
    missing = [name for name in target.option_sets if name not in has]
    if missing:
        raise NotSupported(
            f"the option set '{missing[0]}' is wanted on {key}, which others made and which does not have it",
            "add its option-set-id there by hand, or take it out of the device pool's services",
        )


def _fill(entry: Element, wanted: Wanted, target: _Target, there: Element | None, *, touched: bool) -> str:
    """Write the leaves of a range of ours; what they say, in words. Only one that is `touched` is marked anew."""
    mark = None if touched else _text(there, DESCRIPTION)
    cover = _cover(member.block.prefix for member in target.members)
    network = _text(there, NETWORK_PREFIX)
    wide = network_of(network)
    prefix = network if network is not None and wide is not None and wide.contains(cover) else str(cover)
    add_leaf(entry, DESCRIPTION, mark or str(GenerationMark(wanted.store, wanted.generation)))
    add_leaf(entry, NETWORK_PREFIX, prefix)
    for option_set in target.option_sets:
        add_leaf(entry, OPTION_SET_KEY, option_set)
    return ", ".join([f"network-prefix {prefix}", *(f"option-set-id {name}" for name in target.option_sets)])


def _cover(prefixes: Iterable[Prefix]) -> Prefix:
    """The smallest IPv6 prefix that holds all of `prefixes`."""
    blocks = list(prefixes)
    first, last = min(block.first for block in blocks), max(block.last for block in blocks)
    bits = (first ^ last).bit_length()
    return Prefix(Family.IPV6, first >> bits << bits, 128 - bits)


def _pool(store: str, member: _Member) -> Element:
    """The entry of one block. An adopted address pool keeps its prefix: what it serves lies within."""
    pool, prefix = member.pool, member.block.prefix
    kind = MODEL.by_path[member.key.path]
    entry = kind.entry(member.key)
    if kind is PREFIX_POOL or member.key.keys[1] == str(BlockMark(store, member.block.number)):
        add_leaf(entry, POOL_PREFIX, str(prefix))
    if kind is PREFIX_POOL:
        add_leaf(entry, CLIENT_LENGTH, str(pool.delegated_length))
    else:
        add_leaf(entry, START, format_address(Family.IPV6, prefix.first))
        add_leaf(entry, END, format_address(Family.IPV6, prefix.last))
    if pool.usage_high is not None:
        add_leaf(entry, MAX_PREFIXES if kind is PREFIX_POOL else MAX_ADDRESSES, str(pool.usage_high))
    return entry


def _text(entry: Element | None, tag: str) -> str | None:
    leaf = None if entry is None else entry.find(tag)
    return None if leaf is None else text_of(leaf).strip()
