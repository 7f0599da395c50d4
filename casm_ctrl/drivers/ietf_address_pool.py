"""The driver `ietf-address-pool`: the device model of draft-sun-casm-address-pool-management-yang.

A device pool is one `address-pool` list entry with the name that AAA uses; each block is an entry of
its own in it, named by its mark. Where a device has our augment casm-address-pool-ext, blocks can be drained
and usage is counts. docs/drivers.md says what the driver cannot do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lxml import etree

from casm_ctrl.addressing.prefix import Range, parse_range
from casm_ctrl.base.clock import Micros
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.drivers import ietf_address_pool_tree as tree
from casm_ctrl.drivers import ietf_address_pool_usage as usage
from casm_ctrl.drivers.elements import leaves_of, text_of
from casm_ctrl.drivers.ietf_address_pool_edit import render_edit
from casm_ctrl.drivers.ietf_address_pool_tree import RangeEntry as RangeEntry
from casm_ctrl.drivers.ietf_address_pool_tree import build_pool as build_pool
from casm_ctrl.drivers.interface import (
    Abilities,
    BlockMark,
    Driver,
    Edit,
    Element,
    GenerationMark,
    ModuleNeed,
    ObjectKey,
    Quirk,
    Seen,
    SeenPool,
    SeenRange,
    UsageKind,
    UsageReading,
    Wanted,
)
from casm_ctrl.drivers.notices import PoolUsage, Subscription, UsageFault, UsageNotice, Watched
from casm_ctrl.drivers.static_routes import WithStaticRoutes


class IetfAddressPool:
    """Stateless: one object serves every device."""

    name = tree.MODULE
    roles = frozenset({"bng", "dhcp"})
    needs = (ModuleNeed(tree.MODULE, tree.NAMESPACE, "2015-10-14"),)
    optional = (ModuleNeed(tree.EXT_MODULE, tree.EXT_NAMESPACE),)
    quirks = (
        Quirk(
            "lifetime-zero",
            "the description of lifetime says that 0 withdraws, and its type date-and-time forbids the value:"
            " a device may send 0 all the same; it is read as withdrawn, and we never write the leaf",
        ),
    )

    def abilities(self, modules: Mapping[str, str | None]) -> Abilities:
        """Without our augment nothing can be drained, and usage is the peak ratio in percent."""
        if tree.EXT_MODULE in modules:
            return Abilities(drain=True, usage=UsageKind.COUNT)
        return Abilities(drain=False, usage=UsageKind.PERCENT)

    def modules(self, announced: Mapping[str, str | None]) -> tuple[str, ...]:
        """The model, and our augment of it where the device has it."""
        return (tree.MODULE, tree.EXT_MODULE) if tree.EXT_MODULE in announced else (tree.MODULE,)

    def config_filter(self) -> tuple[Element, ...]:
        """All pools, anybody's: an overlap with another's range must be seen."""
        return (etree.Element(tree.POOLS, nsmap=tree.NSMAP),)

    def usage_filter(self) -> tuple[Element, ...]:
        return (etree.Element(tree.STATUS, nsmap=tree.NSMAP),)

    def parse(self, data: Element) -> Seen:
        """Every pool and range in document order; nodes that we do not know are passed over."""
        pools = tree.read_pools(data).values()
        return Seen(
            pools=tuple(SeenPool(pool.key, _generation(pool.element)) for pool in pools),
            ranges=tuple(_range(key, entry) for pool in pools for key, entry in pool.entries.items()),
        )

    def parse_usage(self, data: Element) -> tuple[UsageReading, ...]:
        """Counts where the device has them, else the peak ratio.

        A value that cannot be true (more used than there is, over 100 percent, not a whole number) leaves its
        object without a reading: a weaker value beside it may come from the same trouble.
        """
        return usage.readings(data, [])

    def usage_faults(self, data: Element) -> tuple[UsageFault, ...]:
        """What `parse_usage` and `parse_pools` leave out."""
        faults: list[UsageFault] = []
        usage.readings(data, faults)
        usage.pools(data, faults)
        return tuple(faults)

    def parse_pools(self, data: Element) -> tuple[PoolUsage, ...]:
        """With our augment, by family: what was refused, and counts where a pool has one family only."""
        return usage.pools(data, [])

    def started_at(self, data: Element) -> Micros | None:
        return usage.started_at(data)

    def subscriptions(self, announced: Mapping[str, str | None]) -> tuple[Subscription, ...]:
        """The notification pool-usage of our augment."""
        return (Subscription((usage.event_filter(),)),) if tree.EXT_MODULE in announced else ()

    def parse_notice(self, event: Element, watched: Collection[Watched]) -> tuple[UsageNotice, ...]:
        """Of any pool: whether it is one of ours, who listens knows."""
        return usage.notices(event)

    def render(self, wanted: Wanted, running: Element, modules: Mapping[str, str | None]) -> Edit:
        return render_edit(wanted, running, extended=tree.EXT_MODULE in modules)


DRIVER: Driver = WithStaticRoutes(IetfAddressPool())


def _generation(pool: Element) -> GenerationMark | None:
    leaf = pool.find(tree.DEVICE_ID)
    return None if leaf is None else GenerationMark.parse(text_of(leaf).strip())


def _range(key: ObjectKey, entry: Element) -> SeenRange:
    leaves = leaves_of(entry)
    return SeenRange(
        key,
        _extent(leaves),
        mark=BlockMark.parse(key.keys[1]),
        drained=leaves.get(tree.DRAIN, "").strip() == "true",
        withdrawn=leaves.get(tree.LIFETIME, "").strip() == "0",
    )


def _extent(leaves: Mapping[str, str]) -> Range | None:
    """The addresses of an entry of either list; None where they are missing, reversed or no addresses."""
    try:
        if tree.PREFIX in leaves:
            return tree.read_prefix(leaves[tree.PREFIX]).range
        if tree.LOWER in leaves and tree.UPPER in leaves:
            return parse_range(leaves[tree.LOWER], leaves[tree.UPPER])
    except InvalidValue:
        pass
    return None
