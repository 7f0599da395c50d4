"""The edit that makes a running ietf-address-pool tree hold what is wanted, and touches nothing else.

The edit is for default-operation `none`. RFC 6241, 7.2: under it a node without an operation must exist
in the target, else the server answers data-missing; and whether a non-presence container without
children exists is the server's choice (RFC 7950, 7.5.8). So a container that `running` does not show
carries `merge`, which makes it where it is absent and is harmless where it is there; all below it is new then
and says `create` itself. `create` and `delete` refuse to meet what we did not read (data-exists,
data-missing); a single leaf is merged: set whether or not it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lxml import etree

from casm_ctrl.addressing.capacity import GatewayKind, gateway_address
from casm_ctrl.addressing.prefix import Family, format_address
from casm_ctrl.base.errors import InvalidValue, NotSupported
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.drivers import ietf_address_pool_tree as tree
from casm_ctrl.drivers.elements import OPERATION, add_leaf, leaves_of, text_of, top_element
from casm_ctrl.drivers.interface import (
    Action,
    Announcement,
    BlockMark,
    Change,
    Edit,
    Element,
    GenerationMark,
    ObjectKey,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.drivers.values import whole

_EXTENT = frozenset({tree.LOWER, tree.UPPER, tree.PREFIX})


@dataclass(frozen=True)
class _Member:
    """A wanted block as the entry that stands for it."""

    block: int
    key: ObjectKey
    entry: tree.RangeEntry
    words: str


@dataclass
class _Target:
    """What a pool on the device should hold of ours."""

    services: list[str] = field(default_factory=list)
    members: list[_Member] = field(default_factory=list)
    high: int | None = None
    """Percent in use at which the device should tell."""
    low: int | None = None
    """Percent in use below which it should tell again."""

    @property
    def thresholds(self) -> dict[str, int]:
        """By tag, for the families of its members."""
        families = {member.entry.prefix.family for member in self.members}
        marks = ((tree.THRESHOLDS, self.high), (tree.RELIEVED, self.low))
        return {
            tags[family]: percent
            for tags, percent in marks
            if percent is not None
            for family in tags
            if family in families
        }


def render_edit(wanted: Wanted, running: Element, *, extended: bool) -> Edit:
    """The difference between `wanted` and `running`; `extended` where the device has our augment."""
    targets = _targets(wanted, extended)
    pools = tree.read_pools(running)
    top = top_element(tree.POOLS, tree.NAMESPACE)
    if running.find(tree.POOLS) is None:
        top.set(OPERATION, "merge")
    changes: list[Change] = []
    for pool in sorted(targets.keys() | {key.keys[0] for key in wanted.ours if _is_of_model(key)}):
        target = targets.get(pool, _Target())
        if pool in pools:
            changes += _PoolEdit(wanted, target, pools[pool], extended).add_to(top)
        elif target.members:
            changes += _create_pool(wanted, pool, target, top)
    return Edit((top,), tuple(changes)) if changes else Edit((), ())


# --- What each pool should hold -------------------------------------------------------------------


def _targets(wanted: Wanted, extended: bool) -> dict[str, _Target]:
    """By the name of the pool on the device: an adopted entry stays in the pool where it was found."""
    targets: dict[str, _Target] = {}
    named: dict[ObjectKey, int] = {}
    for pool in wanted.pools:
        _check_pool(pool, extended)
        target = targets.setdefault(pool.name, _Target())
        if target.high is None:
            target.high, target.low = pool.usage_high, pool.usage_low
        target.services += [service for service in pool.services if service not in target.services]
        for block in pool.blocks:
            member = _member(wanted.store, pool, block)
            if block.drained and not extended:
                raise NotSupported(
                    f"{block_id(block.number)} ({block.prefix}) should drain in pool '{pool.name}', and the"
                    f" device does not announce {tree.EXT_MODULE}",
                    f"load {tree.EXT_MODULE} on the device, or take the drain back with 'casm cancel-drain'",
                )
            if named.setdefault(member.key, block.number) != block.number:
                raise InvalidValue(
                    f"{block_id(named[member.key])} and {block_id(block.number)} both claim {member.key}",
                    "give each block an entry of its own",
                )
            targets.setdefault(member.key.keys[0], _Target()).members.append(member)
    for target in targets.values():
        target.members.sort(key=lambda m: (m.entry.prefix.family.number, m.entry.prefix.first, m.key))
    return targets


def _check_pool(pool: WantedPool, extended: bool) -> None:
    """NotSupported where the model has no words for what the pool wants."""
    if pool.gateway.kind is GatewayKind.UNNUMBERED:
        raise NotSupported(
            f"the pool '{pool.name}' wants an unnumbered gateway, and {tree.MODULE} cannot name an interface",
            "choose gateway first, last, an address or none",
        )
    if pool.usage_low is not None and not extended:
        raise NotSupported(
            f"the pool '{pool.name}' wants to be told below {pool.usage_low} percent, and {tree.MODULE} has one"
            " threshold",
            f"take --usage-low off the device pool, or load {tree.EXT_MODULE} on the device",
        )
    if pool.network_instance is not None:
        raise NotSupported(
            f"the pool '{pool.name}' serves in network instance '{pool.network_instance}', and {tree.MODULE} knows"
            " of none",
            "take pools of the device's own address space, or another driver",
        )
    if pool.announcement is Announcement.STATIC_DISCARD:
        raise NotSupported(
            f"the pool '{pool.name}' wants static routes, and {tree.MODULE} has none",
            "choose announcement none, device-automatic or external",
        )
    if pool.access is not None and pool.access not in tree.INSTANCES:
        raise NotSupported(
            f"the pool '{pool.name}' serves '{pool.access}', and {tree.MODULE} does not know that access",
            f"choose one of {', '.join(tree.INSTANCES)}",
        )


def _member(store: str, pool: WantedPool, block: WantedBlock) -> _Member:
    kind = tree.ENTRY_LISTS.get(block.prefix.family)
    if kind is None:
        raise NotSupported(
            f"{block_id(block.number)} ({block.prefix}) is a port set, and {tree.MODULE} has whole addresses only",
            "release it, and give the device pool a length of 32 or less",
        )
    key = block.key or ObjectKey(kind.path, (pool.name, str(BlockMark(store, block.number))))
    if key.path != kind.path or len(key.keys) != 2:
        raise InvalidValue(
            f"{block_id(block.number)} ({block.prefix}) cannot stand as {key}",
            f"an {block.prefix.family.value} block is an entry of {kind.path} in a pool",
        )
    gateway = gateway_address(block.prefix, pool.gateway.kind, pool.gateway.address)
    entry = tree.RangeEntry(
        key.keys[1], block.prefix, gateway, pool.gateway.mask, pool.access, drained=block.drained
    )
    return _Member(block.number, key, entry, _gateway_words(pool, entry))


def _gateway_words(pool: WantedPool, entry: tree.RangeEntry) -> str:
    if entry.gateway is not None:
        family = entry.prefix.family
        address = format_address(family, entry.gateway)
        if family is Family.IPV6:
            return f"gateway {address}"
        return f"gateway {address}/{entry.prefix.length if entry.mask is None else entry.mask}"
    if pool.gateway.kind is GatewayKind.ADDRESS:
        return "no gateway in it: the pool's gateway lies outside this block"
    return ""


def _is_of_model(key: ObjectKey) -> bool:
    """Whether `key` can be an object of this model: an unknown one is never looked for."""
    if key.path == tree.POOL_PATH:
        return len(key.keys) == 1
    return len(key.keys) == 2 and any(key.path == kind.path for kind in tree.ENTRY_LISTS.values())


# --- A pool that is not there ---------------------------------------------------------------------


def _create_pool(wanted: Wanted, pool: str, target: _Target, top: Element) -> list[Change]:
    mark = str(GenerationMark(wanted.store, wanted.generation))
    entries = [member.entry for member in target.members]
    element = tree.build_pool(
        pool, entries, device_id=mark, services=target.services, thresholds=target.thresholds
    )
    element.set(OPERATION, "create")
    top.append(element)
    words = _join(
        f"{tree.local(tree.DEVICE_ID)} {mark}",
        *(f"service {name}" for name in target.services),
        *(f"{tree.local(tag)} {percent}" for tag, percent in target.thresholds.items()),
    )
    return [
        Change(Action.ADD, tree.pool_key(pool), None, words),
        *(_added(member) for member in target.members),
    ]


def _added(member: _Member) -> Change:
    words = _join(member.words, "drained" if member.entry.drained else "")
    return Change(Action.ADD, member.key, member.block, words)


# --- A pool that is there -------------------------------------------------------------------------


@dataclass(frozen=True)
class _PoolEdit:
    wanted: Wanted
    target: _Target
    seen: tree.PoolTree
    extended: bool

    def add_to(self, top: Element) -> list[Change]:
        """Append what must change in the pool to `top`, if anything must; what was appended, in words."""
        stale = self._stale()
        ours = self.seen.key in self.wanted.ours
        kept = self._kept(stale) if ours and not self.target.members else []
        if ours and not self.target.members and not kept:
            self._lead(top).set(OPERATION, "delete")
            return [*self._removed(stale), Change(Action.REMOVE, self.seen.key, None)]
        inside = etree.Element(tree.ENTRIES)
        changes = self._removed(stale)
        for kind in tree.ENTRY_LISTS.values():
            for key in stale:
                if key.path == kind.path:
                    tree.name_entry(inside, kind, key.keys[1]).set(OPERATION, "delete")
            for member in self.target.members:
                if member.key.path == kind.path:
                    changes += self._update(inside, member)
        services = self._missing_services() if ours and self.target.members else []
        marks = self._set_thresholds(inside) if ours else []
        if not changes and not services and not marks:
            return []
        pool = self._lead(top)
        if ours:
            changes.insert(0, self._touch(pool, services, kept, marks))
        if len(inside):
            if self.seen.element.find(tree.ENTRIES) is None:
                inside.set(OPERATION, "merge")
            pool.append(inside)
        return changes

    def _lead(self, top: Element) -> Element:
        pool = etree.SubElement(top, tree.POOL)
        add_leaf(pool, tree.POOL_NAME, self.seen.key.keys[0])
        return pool

    def _set_thresholds(self, inside: Element) -> list[str]:
        """The thresholds that the pool should have and has not, in words."""
        there = self.seen.element.find(tree.ENTRIES)
        present = {} if there is None else leaves_of(there)
        words = []
        wanted = self.target.thresholds
        for tag, percent in wanted.items():
            found = present.get(tag)
            if found is None or found.strip() != str(percent):
                add_leaf(inside, tag, str(percent), "merge")
                was = "was missing" if found is None else f"was {found.strip()}"
                words.append(f"{tree.local(tag)} {percent} ({was})")
        for family, tag in tree.RELIEVED.items():
            # One that is left of before, and above the new warning threshold, would make the edit invalid.
            found, high = present.get(tag), wanted.get(tree.THRESHOLDS[family])
            if tag not in wanted and found is not None and high is not None and (whole(found) or 0) > high:
                add_leaf(inside, tag, found.strip(), "remove")
                words.append(f"{tree.local(tag)} removed (was {found.strip()})")
        return words

    def _touch(
        self, pool: Element, services: Sequence[str], kept: Sequence[str], marks: Sequence[str]
    ) -> Change:
        """Write the generation of this edit on the pool, and its missing services."""
        mark = str(GenerationMark(self.wanted.store, self.wanted.generation))
        add_leaf(pool, tree.DEVICE_ID, mark, "merge")
        for service in services:
            tree.add_service(pool, service).set(OPERATION, "create")
        words = _join(
            f"{tree.local(tree.DEVICE_ID)} {mark}",
            *(f"service {name} added" for name in services),
            *marks,
            f"kept, for it holds {', '.join(kept)} that we did not write" if kept else "",
        )
        return Change(Action.CHANGE, self.seen.key, None, words)

    def _stale(self) -> list[ObjectKey]:
        """Our entries in the pool that no wanted block stands for."""
        standing = {member.key for member in self.target.members}
        return sorted(key for key in self.seen.entries if key in self.wanted.ours and key not in standing)

    def _removed(self, stale: Sequence[ObjectKey]) -> list[Change]:
        changes = []
        for key in stale:
            mark = BlockMark.parse(key.keys[1])
            known = mark is not None and mark.store == self.wanted.store
            changes.append(Change(Action.REMOVE, key, mark.block if mark and known else None))
        return changes

    def _missing_services(self) -> list[str]:
        present = {
            text_of(leaf)
            for entry in self.seen.element.iterchildren(tree.SERVICE)
            for leaf in entry.iterchildren(tree.SERVICE_NAME)
        }
        return [service for service in self.target.services if service not in present]

    def _kept(self, stale: Sequence[ObjectKey]) -> list[str]:
        """What the pool would still hold without our `stale` entries, by local name."""
        gone = {self.seen.entries[key] for key in stale}
        kept: list[str] = []
        for child in self.seen.element.iterchildren(etree.Element):
            if child.tag == tree.ENTRIES:
                kept += [
                    tree.local(e.tag)
                    for e in child.iterchildren(etree.Element)
                    if e not in gone and not self._is_our_threshold(e)
                ]
            elif not self._is_ours(child):
                kept.append(tree.local(child.tag))
        return list(dict.fromkeys(kept))

    def _is_our_threshold(self, entry: Element) -> bool:
        """One that says what the device pool asks for."""
        percent = self.target.high if entry.tag in tree.THRESHOLDS.values() else self.target.low
        ours = (*tree.THRESHOLDS.values(), *tree.RELIEVED.values())
        return entry.tag in ours and percent is not None and text_of(entry).strip() == str(percent)

    def _is_ours(self, child: Element) -> bool:
        """Whether `child` of the pool is what we write on a pool, or holds its default."""
        if child.tag == tree.POOL_NAME:
            return True
        if child.tag == tree.POOL_ID:
            return text_of(child).strip() == "0"
        if child.tag == tree.DEVICE_ID:
            mark = GenerationMark.parse(text_of(child).strip())
            return mark is not None and mark.store == self.wanted.store
        return child.tag == tree.SERVICE and tree.service_name(child) in self.target.services

    def _update(self, inside: Element, member: _Member) -> list[Change]:
        seen = self.seen.entries.get(member.key)
        if seen is None:
            tree.add_entry(inside, member.entry).set(OPERATION, "create")
            return [_added(member)]
        action, leaves, words = self._differences(seen, member)
        if not leaves:
            return []
        entry = tree.name_entry(inside, member.entry.list, member.entry.name)
        for tag, text in leaves.items():
            add_leaf(entry, tag, text, "merge")
        return [Change(action, member.key, member.block, _join(*words))]

    def _differences(self, seen: Element, member: _Member) -> tuple[Action, dict[str, str], list[str]]:
        """The leaves of ours that hold something else. Leaves that we do not set are not looked at."""
        present = leaves_of(seen)
        leaves: dict[str, str] = {}
        words: list[str] = []
        for tag, text in member.entry.leaves().items():
            found = present.get(tag)
            if found == text or (found is not None and tree.canonical(tag, found) == text):
                continue
            leaves[tag] = text
            was = "was missing" if found is None else f"was {found.strip()}"
            words.append(f"{tree.local(tag)} {text} {'restored ' if tag in _EXTENT else ''}({was})")
        drained = present.get(tree.DRAIN, "").strip() == "true"
        if not self.extended or drained == member.entry.drained:
            return Action.CHANGE, leaves, words
        leaves[tree.DRAIN] = "false" if drained else "true"
        return Action.UNDRAIN if drained else Action.DRAIN, leaves, words


def _join(*words: str) -> str:
    return ", ".join(filter(None, words))
