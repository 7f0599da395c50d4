"""The edit that makes the address-assignment pools of a Junos device what is wanted.

A Junos pool holds one network, so each block has a pool. The first block's is the head, with the name that AAA
uses; the others' are named by their marks, and each links to the next. A head stays where it is: when its block
leaves, a block that is not on the device yet takes its place, since to move one that is would end its sessions.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from lxml import etree

from casm_ctrl.addressing.capacity import gateway_address
from casm_ctrl.addressing.prefix import Family, format_address
from casm_ctrl.base.errors import AlreadyExists, InUse, InvalidValue
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.drivers import juniper_junos_chain as chains
from casm_ctrl.drivers import juniper_junos_model as model
from casm_ctrl.drivers.elements import OPERATION, add_leaf
from casm_ctrl.drivers.interface import (
    Action,
    BlockMark,
    Change,
    Edit,
    Element,
    GenerationMark,
    ObjectKey,
    Wanted,
    WantedBlock,
)
from casm_ctrl.drivers.juniper_junos_places import Places, place
from casm_ctrl.drivers.object_edit import ObjectEdit


def render_edit(wanted: Wanted, running: Element) -> Edit:
    """The difference between `wanted` and `running`, with its generation noted on the head of each chain that it
    changes. NotSupported, AlreadyExists, InUse, InvalidValue."""
    device = _Device.of(wanted, running)
    places = [place(wanted.store, pool, device.pools, device.ours) for pool in wanted.pools if pool.blocks]
    edit = _render(device, places, frozenset())
    changed = {change.key.keys[0] for change in edit.changes}
    heads = frozenset(
        one.head for one in places if changed & set(one.blocks) or changed & device.chain_of(one.head)
    )
    return _render(device, places, heads) if heads else edit


@dataclass(frozen=True)
class _Device:
    """What runs, and which of its pools are ours: those that hold a network of ours too."""

    wanted: Wanted
    running: Element
    pools: Mapping[str, Element]
    ours: frozenset[str]

    @staticmethod
    def of(wanted: Wanted, running: Element) -> _Device:
        ours = frozenset(
            key.keys[0]
            for key in wanted.ours
            if key.path in (model.POOL.path, model.NETWORK_PATH) and key.keys
        )
        return _Device(wanted, running, model.pools(running), ours)

    def links(self, members: Iterable[str]) -> chains.Links:
        of = {name: model.link_of(pool) for name, pool in self.pools.items()}
        return chains.Links(of, self.ours | set(members))

    def chain_of(self, head: str) -> set[str]:
        return set(self.links(()).walk(head))


def _render(device: _Device, places: list[Places], noted: frozenset[str]) -> Edit:
    wanted = device.wanted
    ours = wanted.ours | {model.POOL.key(name) for name in device.ours}
    edit = ObjectEdit(model.MODEL, replace(wanted, ours=ours), device.running)
    members = [set(one.blocks) for one in places]
    links = device.links(name for chain in members for name in chain)
    standing: set[str] = set().union(*members)
    chains.check_removed({name for name in device.ours if name in device.pools} - standing, links)
    blocks: dict[str, WantedBlock] = {}
    for one in places:
        twice = blocks.keys() & one.blocks.keys()
        if twice:
            raise InvalidValue(
                f"two device pools want the pool '{min(twice)}'", "give each a name of its own"
            )
        blocks |= one.blocks
        _ChainEdit(edit, device, one, links, standing - set(one.blocks), noted).put()
    edit.remove_rest()
    made = edit.edit()
    return Edit(made.config, tuple(_tell(device, blocks, made.changes)))


class _ChainEdit:
    """The pools of one device pool."""

    def __init__(
        self,
        edit: ObjectEdit,
        device: _Device,
        places: Places,
        links: chains.Links,
        others: set[str],
        noted: frozenset[str],
    ) -> None:
        self._edit = edit
        self._device = device
        self._places = places
        self._links = links
        self._others = others
        self._noted = noted
        self._store = device.wanted.store

    def put(self) -> None:
        names = list(self._places.blocks)
        chain = chains.order(self._places.head, names, self._links, self._others)
        after = dict(pairwise(chain))
        for name in chain:
            block = self._places.blocks.get(name)
            if block is not None:
                self._put_pool(name, block, after.get(name))

    def _put_pool(self, name: str, block: WantedBlock, link: str | None) -> None:
        key = model.POOL.key(name)
        there = self._device.pools.get(name)
        mine = name in self._device.ours or name == str(BlockMark(self._store, block.number))
        if there is not None and not mine:
            raise AlreadyExists(
                f"{block_id(block.number)} ({block.prefix}) should stand in the pool '{name}', and somebody else"
                " configured that",
                "take it over with 'casm adopt' and 'casm block manage', or take it off the device",
            )
        entry = model.POOL.entry(key)
        self._add_drain(entry, block, there)
        self._add_link(entry, link)
        family = block.prefix.family
        inside = etree.SubElement(etree.SubElement(entry, model.FAMILY), model.INET[family])
        add_leaf(inside, model.NETWORK[family], str(block.prefix))
        fresh = there is None or model.network_text(there) != str(block.prefix)
        if there is None:
            self._copy_attributes(inside, family)
        elif fresh:
            self._check_takeover(name, block, there)
        self._add_range(inside, name, block, there, fresh=fresh)
        self._add_notes(entry, name, block, fresh=fresh)
        words = [] if link is None else [f"link {link}"]
        if block.drained:
            words.append("hold-down")
        self._edit.put(key, entry, block.number, ", ".join(words))
        self._put_gateway(name, block)

    def _add_drain(self, entry: Element, block: WantedBlock, there: Element | None) -> None:
        """Passive where it drains; a pool that somebody drains actively drains already."""
        drained = there is not None and model.is_drained(there)
        if block.drained and not drained:
            add_leaf(entry, model.HOLD_DOWN, "")
        if not block.drained and there is not None:
            for tag in (model.ACTIVE_DRAIN, model.HOLD_DOWN):
                etree.SubElement(entry, tag).set(OPERATION, "remove")

    def _add_link(self, entry: Element, link: str | None) -> None:
        if link is None:
            etree.SubElement(entry, model.LINK).set(OPERATION, "remove")
        else:
            add_leaf(entry, model.LINK, link)

    def _copy_attributes(self, inside: Element, family: Family) -> None:
        """What subscribers are told must not depend on the pool that they got: as in the head, but for routers."""
        head = self._device.pools.get(self._places.head)
        source = None if head is None or model.family_of(head) is not family else model.inside(head)
        if source is None:
            return
        for found in source.iterchildren(model.DHCP_ATTRIBUTES, model.XAUTH_ATTRIBUTES):
            made = copy.deepcopy(found)
            for router in list(made.iterchildren(model.ROUTER_LIST)):
                made.remove(router)
            made.tail = None
            if len(made):
                inside.append(made)

    def _check_takeover(self, name: str, block: WantedBlock, there: Element) -> None:
        """The network of a pool is replaced: nothing of somebody else's may depend on the old one."""
        left = list(model.dependents(name, there, self._device.wanted.ours))
        family = model.family_of(there)
        if family not in (None, block.prefix.family):
            left.append(f"the family {family.value if family else 'inet'}")
        if left:
            raise InUse(
                f"{block_id(block.number)} ({block.prefix}) should take the place of {model.network_text(there)} in the"
                f" pool '{name}', and {', '.join(left)} in it belongs to the old one",
                "take that away on the device",
            )

    def _add_range(
        self, inside: Element, name: str, block: WantedBlock, there: Element | None, *, fresh: bool
    ) -> None:
        """What an IPv6 pool gives out: all of its prefixes of one length, or all of its addresses."""
        ours = str(BlockMark(self._store, block.number))
        held = {} if there is None else model.ranges(there)
        if fresh:
            for other in held.keys() - {ours}:
                _named(inside, other).set(OPERATION, "remove")
        made = fresh or name == ours or (there is not None and model.notes(there).get("block") == ours)
        if block.prefix.family is not Family.IPV6 or not (made or ours in held):
            return
        entry = _named(inside, ours)
        length = self._places.pool.delegated_length
        if length is not None:
            add_leaf(entry, model.LENGTH, str(length))
            return
        for tag, address in ((model.LOW, block.prefix.first), (model.HIGH, block.prefix.last)):
            add_leaf(entry, tag, f"{format_address(Family.IPV6, address)}/128")

    def _add_notes(self, entry: Element, name: str, block: WantedBlock, *, fresh: bool) -> None:
        values = {}
        if fresh and BlockMark.parse(name) is None:
            values["block"] = str(BlockMark(self._store, block.number))
        if name in self._noted:
            values["generation"] = str(GenerationMark(self._store, self._device.wanted.generation))
        if values:
            model.add_notes(entry, values)

    def _put_gateway(self, name: str, block: WantedBlock) -> None:
        """DHCP tells the router; the address is not given out, in either family."""
        gateway = gateway_address(
            block.prefix, self._places.pool.gateway.kind, self._places.pool.gateway.address
        )
        if gateway is None:
            return
        address = format_address(block.prefix.family, gateway)
        kinds = [model.EXCLUDED[block.prefix.family]]
        if block.prefix.family is Family.IPV4:
            kinds.insert(0, model.ROUTER)
        for kind in kinds:
            key = kind.key(name, address)
            self._edit.put(key, kind.entry(key))


def _named(inside: Element, name: str) -> Element:
    entry = etree.SubElement(inside, model.RANGE)
    add_leaf(entry, model.NAME, name)
    return entry


# --- In words -------------------------------------------------------------------------------------

_NOTE = re.compile(r"apply-macro |value casm-")
"""Our notes on a pool, which a person need not read where more changes."""


def _tell(device: _Device, blocks: Mapping[str, WantedBlock], changes: Iterable[Change]) -> Iterator[Change]:
    """A block is the network in a pool: what happens to its pool is told of it."""
    for change in changes:
        if change.key.path != model.POOL.path:
            yield change
            continue
        name = change.key.keys[0]
        there = device.pools.get(name)
        held = None if there is None else model.network_text(there)
        old = None if held is None else model.network_key(name, held)
        if change.action is Action.REMOVE:
            yield change if change.block is None else replace(change, block=None)
            yield from _removed(device, name, old)
            continue
        new = model.network_key(name, str(blocks[name].prefix))
        if change.action is Action.ADD:
            yield Change(Action.ADD, change.key, None, change.words)
            yield Change(Action.ADD, new, change.block)
        elif old == new:
            words = ", ".join(one for one in change.words.split(", ") if not _NOTE.match(one))
            noted = GenerationMark(device.wanted.store, device.wanted.generation)
            yield (
                replace(change, key=new, words=words)
                if words
                else Change(Action.CHANGE, change.key, None, f"noted as {noted}")
            )
        else:
            yield from _removed(device, name, old)
            yield Change(Action.ADD, new, change.block, "" if held is None else f"in place of {held}")


def _removed(device: _Device, name: str, old: ObjectKey | None) -> Iterator[Change]:
    if old is not None and old in device.wanted.ours:
        mark = model.mark_of(name, device.pools[name])
        known = mark is not None and mark.store == device.wanted.store
        yield Change(Action.REMOVE, old, mark.block if mark and known else None)
