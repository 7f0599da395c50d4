"""In which pool each block of a device pool stands, and what Junos cannot do of what is wanted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from casm_ctrl.addressing.capacity import GatewayKind
from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.errors import InvalidValue, NotSupported
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.drivers import juniper_junos_model as model
from casm_ctrl.drivers.interface import Announcement, BlockMark, Element, WantedBlock, WantedPool
from casm_ctrl.drivers.refusal import cannot_block, cannot_pool, check_announcement, check_whole_addresses

_MODEL = "Junos"
_ACCESS = ("pppoe", "dhcp", "other")
"""What every pool serves: it is chosen by its name or its network."""


@dataclass(frozen=True)
class Places:
    """The pools of one device pool by name, `head` first; the others by the numbers of their blocks."""

    pool: WantedPool
    head: str
    blocks: Mapping[str, WantedBlock]


def place(store: str, pool: WantedPool, running: Mapping[str, Element], ours: Collection[str]) -> Places:
    """Blocks stay in the pools where they are. Where none is in the head, one that is nowhere takes it.

    NotSupported where the head would be left without a network.
    """
    _check(pool)
    for block in pool.blocks:
        _check_block(pool, block)
    found = _settled(pool, running)
    settled = {block.number for block in found.values()}
    new = [block for block in pool.blocks if block.number not in settled]
    if pool.name not in found and new:
        first = min(new, key=lambda block: (block.drained, block.number))
        found[pool.name] = first
        new.remove(first)
    for block in new:
        found[str(BlockMark(store, block.number))] = block
    head = pool.name if pool.name in found else _other_head(store, pool, found, running, ours)
    for name, block in found.items():
        _check_family(store, pool, name, block, found[head], running.get(name))
    rest = sorted(found.keys() - {head}, key=lambda name: found[name].number)
    return Places(pool, head, {name: found[name] for name in (head, *rest)})


def _settled(pool: WantedPool, running: Mapping[str, Element]) -> dict[str, WantedBlock]:
    """The blocks that have a pool, by its name. Of two that claim one, the one whose network it holds keeps it."""
    found: dict[str, WantedBlock] = {}
    for block in sorted(pool.blocks, key=lambda block: block.number):
        if block.key is None:
            continue
        if block.key.path != model.NETWORK_PATH or block.key.keys[1:] != (str(block.prefix),):
            raise InvalidValue(
                f"{block_id(block.number)} ({block.prefix}) cannot stand as {block.key}",
                "a block is named by a pool and its network",
            )
        name = block.key.keys[0]
        there = running.get(name)
        if name not in found or (there is not None and model.network_text(there) == str(block.prefix)):
            found[name] = block
    return found


def _other_head(
    store: str,
    pool: WantedPool,
    found: Mapping[str, WantedBlock],
    running: Mapping[str, Element],
    ours: Collection[str],
) -> str:
    """The first of the pools that were adopted under other names, where none has that of the device pool.

    NotSupported where the head was ours: to empty it would leave AAA with a name that leads nowhere.
    """
    marks = [mark for name in found if (mark := BlockMark.parse(name)) is not None]
    if pool.name in ours or any(mark.store == store for mark in marks):
        there = running.get(pool.name)
        held = None if there is None else model.network_text(there)
        what = "is gone" if held is None else f"holds {held}, which should leave"
        raise NotSupported(
            f"the pool '{pool.name}' {what}, and others stay that are reached through it: it needs a network, and to"
            " move one there would end the sessions in it",
            "allocate one more block for the device pool, which takes its place; or release the others first",
        )
    linked = {
        link for name in found if name in running and (link := model.link_of(running[name])) is not None
    }
    return min(found.keys() - linked or found.keys(), key=lambda name: found[name].number)


# --- What Junos cannot do -------------------------------------------------------------------------


def _check(pool: WantedPool) -> None:
    if not 1 <= len(pool.name) <= 63:
        raise InvalidValue(f"Junos takes no pool called '{pool.name}'", "use 1 to 63 characters")
    check_announcement(_MODEL, pool, (Announcement.DEVICE_AUTOMATIC,))
    if pool.network_instance is not None:
        raise cannot_pool(
            f"the module {model.MODULE}",
            pool,
            f"the routing instance '{pool.network_instance}'",
            "take pools of the device's own address space: pools of routing instances are in another module",
        )
    if pool.gateway.kind is GatewayKind.UNNUMBERED:
        raise cannot_pool(
            _MODEL,
            pool,
            "an unnumbered gateway",
            "choose gateway none, and name the interface in the subscribers' dynamic profile",
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
    if pool.usage_high is not None:
        raise cannot_pool(
            _MODEL,
            pool,
            "utilization marks of its own",
            "take them away from the device pool; high-utilization counts for all pools of the device",
        )
    if pool.delegated_length is not None and pool.gateway.kind is not GatewayKind.NONE:
        raise cannot_pool(_MODEL, pool, "a gateway in delegated prefixes", "choose gateway none")


def _check_block(pool: WantedPool, block: WantedBlock) -> None:
    check_whole_addresses(_MODEL, pool, block)
    prefix, delegated, mask = block.prefix, pool.delegated_length, pool.gateway.mask
    if delegated is not None and (prefix.family is not Family.IPV6 or delegated < prefix.length):
        raise cannot_block(
            _MODEL,
            pool,
            block,
            f"should be delegated in prefixes of /{delegated}",
            "take blocks from an IPv6 pool, and no smaller than its delegated length",
        )
    if (
        prefix.family is Family.IPV4
        and pool.gateway.kind is not GatewayKind.NONE
        and mask not in (None, prefix.length)
    ):
        raise cannot_block(
            _MODEL,
            pool,
            block,
            f"should be used with the mask /{mask} and not its own",
            "take the mask away from the device pool, or allocate blocks of that length",
        )


def _check_family(
    store: str, pool: WantedPool, name: str, block: WantedBlock, head: WantedBlock, there: Element | None
) -> None:
    """Linked pools are of one family, and give out prefixes of one length."""
    if block.prefix.family is not head.prefix.family:
        raise cannot_block(
            _MODEL,
            pool,
            block,
            f"is not of the family of {head.prefix}, which pools that link have in common",
            "make a device pool for each family, with names of their own",
        )
    if there is None or model.network_text(there) != str(block.prefix):
        return
    for label, entry in model.ranges(there).items():
        found = model.delegated_length(entry)
        ours = label == str(BlockMark(store, block.number))
        if block.prefix.family is Family.IPV6 and found != pool.delegated_length and not ours:
            gives = "addresses" if found is None else f"prefixes of /{found}"
            wants = "addresses" if pool.delegated_length is None else f"prefixes of /{pool.delegated_length}"
            raise NotSupported(
                f"the pool '{name}' on the device gives out {gives}, and the device pool '{pool.name}' {wants}: to"
                " change that would move its subscribers",
                "set its ranges on the device right, or give the device pool another AAA name",
            )
