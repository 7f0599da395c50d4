"""The driver `ietf-dhcpv6-server`: DHCPv6 servers with the data model of RFC 9243.

A device pool is one `allocation-range`, whose id is the name that never changes; each block is a pool of
its own in it, named by its mark: an `address-pool`, or a `prefix-pool` where prefixes are delegated.
Nothing in the model stops new leases of one pool and lets others be renewed, so blocks cannot be drained.
docs/drivers/ietf-dhcpv6-server.md says what else the driver cannot do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from lxml import etree

from casm_ctrl.addressing.prefix import Range
from casm_ctrl.drivers import ietf_dhcpv6_server_usage as usage
from casm_ctrl.drivers.elements import leaves_of, text_of, top_element
from casm_ctrl.drivers.ietf_dhcpv6_server_edit import render_edit
from casm_ctrl.drivers.ietf_dhcpv6_server_model import (
    ADDRESS_POOL,
    ALLOCATED,
    ALLOCATION_RANGE,
    ALLOCATION_RANGES,
    DESCRIPTION,
    END,
    HOST_RESERVATION,
    LEASES,
    MODULE,
    NAMESPACE,
    OPTION_SET,
    OPTION_SET_KEY,
    OPTION_SETS,
    POOL_PREFIX,
    PREFIX_POOL,
    PREFIX_RESERVATION,
    SERVER,
    START,
    TOTAL,
)
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
    SeenStatic,
    UsageKind,
    UsageReading,
    Wanted,
)
from casm_ctrl.drivers.notices import Subscription, UsageFault, UsageNotice, Watched
from casm_ctrl.drivers.objects import Kind, objects
from casm_ctrl.drivers.static_routes import WithStaticRoutes
from casm_ctrl.drivers.values import extent_of, network_of


class IetfDhcpv6Server:
    """Stateless: one object serves every device."""

    name = MODULE
    roles = frozenset({"dhcp"})
    needs = (ModuleNeed(MODULE, NAMESPACE, "2022-06-20"),)
    optional: Final[tuple[ModuleNeed, ...]] = ()
    quirks: Final[tuple[Quirk, ...]] = ()

    def abilities(self, modules: Mapping[str, str | None]) -> Abilities:
        """Leases are counted per pool; nothing is drained."""
        return Abilities(drain=False, usage=UsageKind.COUNT)

    def modules(self, announced: Mapping[str, str | None]) -> tuple[str, ...]:
        return (MODULE,)

    def config_filter(self) -> tuple[Element, ...]:
        """All allocation ranges, anybody's, and the names of the option sets to which ours may refer."""
        server = top_element(SERVER, NAMESPACE)
        sets = etree.SubElement(server, OPTION_SETS)
        etree.SubElement(etree.SubElement(sets, OPTION_SET), OPTION_SET_KEY)
        etree.SubElement(server, ALLOCATION_RANGES)
        return (server,)

    def usage_filter(self) -> tuple[Element, ...]:
        """The two counts of each pool, and not its leases: there may be millions."""
        server = top_element(SERVER, NAMESPACE)
        ranges = ALLOCATION_RANGE.steps[-1]
        entry = etree.SubElement(etree.SubElement(server, ALLOCATION_RANGES), ranges.tag)
        etree.SubElement(entry, ranges.keys[0])
        for kind in (ADDRESS_POOL, PREFIX_POOL):
            container, pools = kind.steps[-2:]
            pool = etree.SubElement(etree.SubElement(entry, container.tag), pools.tag)
            etree.SubElement(pool, pools.keys[0])
            leases = etree.SubElement(pool, LEASES)
            etree.SubElement(leases, TOTAL)
            etree.SubElement(leases, ALLOCATED)
        return (server,)

    def parse(self, data: Element) -> Seen:
        """Every allocation range and pool, anybody's; nodes that we do not know are passed over."""
        return Seen(
            tuple(SeenPool(key, _generation(entry)) for key, entry in objects(data, ALLOCATION_RANGE)),
            tuple(
                SeenRange(key, _extent(kind, entry), mark=BlockMark.parse(key.keys[1]))
                for kind, key, entry in _pools(data)
            ),
            statics=tuple(_statics(data)),
        )

    def parse_usage(self, data: Element) -> tuple[UsageReading, ...]:
        """Addresses or prefixes in use, as counts.

        A count that cannot be true (no whole number, more used than there is) leaves its pool without a reading.
        """
        return usage.readings(data, [])

    def usage_faults(self, data: Element) -> tuple[UsageFault, ...]:
        faults: list[UsageFault] = []
        usage.readings(data, faults)
        return tuple(faults)

    def subscriptions(self, announced: Mapping[str, str | None]) -> tuple[Subscription, ...]:
        """The two notifications of thresholds that are exceeded; the model has none for the way back."""
        return (Subscription(usage.event_filters()),)

    def parse_notice(self, event: Element, watched: Collection[Watched]) -> tuple[UsageNotice, ...]:
        return usage.notices(event, watched)

    def render(self, wanted: Wanted, running: Element, modules: Mapping[str, str | None]) -> Edit:
        return render_edit(wanted, running)


DRIVER: Driver = WithStaticRoutes(IetfDhcpv6Server())


def _pools(data: Element) -> Iterator[tuple[Kind, ObjectKey, Element]]:
    for kind in (ADDRESS_POOL, PREFIX_POOL):
        for key, entry in objects(data, kind):
            yield kind, key, entry


def _statics(data: Element) -> Iterator[SeenStatic]:
    for key, _ in objects(data, HOST_RESERVATION):
        address = extent_of(key.keys[-1], key.keys[-1])
        if address is not None:
            yield SeenStatic(key, next(address.prefixes()))
    for key, _ in objects(data, PREFIX_RESERVATION):
        prefix = network_of(key.keys[-1])
        if prefix is not None:
            yield SeenStatic(key, next(prefix.prefixes()))


def _generation(entry: Element) -> GenerationMark | None:
    leaf = entry.find(DESCRIPTION)
    return None if leaf is None else GenerationMark.parse(text_of(leaf).strip())


def _extent(kind: Kind, entry: Element) -> Range | None:
    """What is served: of an address pool the addresses from start to end, which may be less than its prefix."""
    leaves = leaves_of(entry)
    if kind is PREFIX_POOL:
        return network_of(leaves.get(POOL_PREFIX))
    return extent_of(leaves.get(START), leaves.get(END))
