"""A driver for the imagined `acme-edge`: one list of pools, one list of networks in each."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from casm_ctrl.addressing.capacity import GatewayKind
from casm_ctrl.drivers.elements import OPERATION, add_leaf, leaves_of
from casm_ctrl.drivers.interface import (
    Abilities,
    Announcement,
    BlockMark,
    Driver,
    Edit,
    Element,
    ModuleNeed,
    ObjectKey,
    Quirk,
    Seen,
    SeenPool,
    SeenRange,
    UsageKind,
    UsageReading,
    Wanted,
    WantedPool,
)
from casm_ctrl.drivers.object_edit import ObjectEdit
from casm_ctrl.drivers.objects import Kind, Model, Step, objects
from casm_ctrl.drivers.refusal import cannot_pool, check_announcement, check_whole_addresses
from casm_ctrl.drivers.values import canonical_network, network_of, whole

MODULE, NAMESPACE = "acme-pools", "urn:example:acme-pools"


def q(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


# --- The model as data: how an object is reached, and what names it --------------------------------

NAME, PREFIX, CLOSED = q("name"), q("prefix"), q("closed")
POOL = Kind("pool", (Step(q("subscriber-pools")), Step(q("pool"), (NAME,))), own=frozenset())
NETWORK = Kind("network", (*POOL.steps, Step(q("network"), (NAME,))))
MODEL = Model(
    (POOL, NETWORK),
    drains=frozenset({CLOSED}),
    canonical=lambda tag, text: canonical_network(text) if tag == PREFIX else text.strip(),
)


class AcmeEdge:
    name = "acme-edge"
    roles = frozenset({"bng"})
    needs = (ModuleNeed(MODULE, NAMESPACE, "2026-01-01"),)
    optional: tuple[ModuleNeed, ...] = ()
    quirks: tuple[Quirk, ...] = ()

    def abilities(self, modules: Mapping[str, str | None]) -> Abilities:
        return Abilities(drain=True, usage=UsageKind.COUNT)

    def modules(self, announced: Mapping[str, str | None]) -> tuple[str, ...]:
        return (MODULE,)

    def config_filter(self) -> tuple[Element, ...]:
        return (etree.Element(q("subscriber-pools")),)

    def usage_filter(self) -> tuple[Element, ...]:
        return self.config_filter()

    def parse(self, data: Element) -> Seen:
        return Seen(
            pools=tuple(SeenPool(key) for key, _ in objects(data, POOL)),
            ranges=tuple(_range(key, entry) for key, entry in objects(data, NETWORK)),
        )

    def parse_usage(self, data: Element) -> tuple[UsageReading, ...]:
        counted = ((key, whole(leaves_of(entry).get(q("in-use")))) for key, entry in objects(data, NETWORK))
        return tuple(UsageReading(key, UsageKind.COUNT, used) for key, used in counted if used is not None)

    def render(self, wanted: Wanted, running: Element, modules: Mapping[str, str | None]) -> Edit:
        edit = ObjectEdit(MODEL, wanted, running)
        for pool in wanted.pools:
            if pool.blocks:
                _check(pool)
                edit.put(POOL.key(pool.name), POOL.entry(POOL.key(pool.name)))
            for block in pool.blocks:
                key = block.key or NETWORK.key(pool.name, str(BlockMark(wanted.store, block.number)))
                entry = NETWORK.entry(key)
                add_leaf(entry, PREFIX, str(block.prefix))
                closed = add_leaf(entry, CLOSED, "")
                if not block.drained:
                    closed.set(OPERATION, "remove")  # it must not be there
                edit.put(key, entry, block.number)
        edit.remove_rest()
        return edit.edit()


DRIVER: Driver = AcmeEdge()


def _range(key: ObjectKey, entry: Element) -> SeenRange:
    leaves = leaves_of(entry)
    return SeenRange(
        key,
        network_of(leaves.get(PREFIX)),
        mark=BlockMark.parse(key.keys[1]),
        drained=CLOSED in leaves,
    )


def _check(pool: WantedPool) -> None:
    """NotSupported, with what to do, for all that this model has no words for."""
    check_announcement(MODULE, pool, (Announcement.DEVICE_AUTOMATIC,))
    for block in pool.blocks:
        check_whole_addresses(MODULE, pool, block)
    if pool.gateway.kind is not GatewayKind.NONE:
        raise cannot_pool(MODULE, pool, "a gateway", "give it the gateway none")
    if pool.services or pool.access is not None or pool.usage_high is not None:
        raise cannot_pool(MODULE, pool, "services, access or usage marks", "take them off the device pool")
    if pool.network_instance is not None or pool.delegated_length is not None:
        raise cannot_pool(
            MODULE, pool, "a VRF or delegated prefixes", "take pools of addresses in the device's own space"
        )
