"""The driver `cisco-iosxr`: the address pools of IOS XR (Cisco-IOS-XR-ip-daps-cfg and -oper).

A device pool is a pool with the name that AAA uses, in the VRF that it serves; each block is an entry of its own
in it. docs/drivers.md says what the driver cannot do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from lxml import etree

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.drivers import cisco_iosxr_model as model
from casm_ctrl.drivers import cisco_iosxr_usage as usage
from casm_ctrl.drivers.cisco_iosxr_edit import render_edit
from casm_ctrl.drivers.elements import leaves_of, text_of
from casm_ctrl.drivers.interface import (
    Abilities,
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
)
from casm_ctrl.drivers.notices import UsageFault
from casm_ctrl.drivers.objects import objects
from casm_ctrl.drivers.values import whole


class CiscoIosXr:
    """Stateless: one object serves every device."""

    name = "cisco-iosxr"
    roles = frozenset({"bng"})
    needs = (ModuleNeed(model.MODULE, model.NAMESPACE, "2019-04-05"),)
    optional = (ModuleNeed(usage.MODULE, usage.NAMESPACE),)
    quirks = (
        Quirk(
            "no-room-for-marks",
            "networks and ranges are named by their first address and have no description: an object is ours by"
            " the store alone, and another store's objects look like anybody's",
        ),
    )

    def abilities(self, modules: Mapping[str, str | None]) -> Abilities:
        """`blocked` drains a network or range; counts are in the operational model."""
        counts = usage.MODULE in modules
        return Abilities(drain=True, usage=UsageKind.COUNT if counts else UsageKind.NONE)

    def modules(self, announced: Mapping[str, str | None]) -> tuple[str, ...]:
        return (model.MODULE,)

    def config_filter(self) -> tuple[Element, ...]:
        """All pools of all VRFs, anybody's: an overlap with another's range must be seen."""
        return (etree.Element(model.TOP, nsmap=cast("Mapping[str, str]", {None: model.NAMESPACE})),)

    def usage_filter(self) -> tuple[Element, ...]:
        return (usage.usage_filter(),)

    def parse(self, data: Element) -> Seen:
        """Every pool, network and range, of VRFs and families in turn."""
        lengths = _delegated_lengths(data)
        pools = [SeenPool(key) for kind in model.POOLS.values() for key, _ in objects(data, kind)]
        return Seen(
            pools=tuple(pools),
            ranges=tuple(
                _range(key, entry, shape, lengths.get(model.pool_of(key)))
                for shape in model.SHAPES.values()
                for key, entry in objects(data, shape.kind)
            ),
            parts=tuple(_parts(data)),
        )

    def parse_usage(self, data: Element) -> tuple[UsageReading, ...]:
        return usage.parse_usage(data, [])

    def usage_faults(self, data: Element) -> tuple[UsageFault, ...]:
        faults: list[UsageFault] = []
        usage.parse_usage(data, faults)
        return tuple(faults)

    def render(self, wanted: Wanted, running: Element, modules: Mapping[str, str | None]) -> Edit:
        return render_edit(wanted, running)


DRIVER: Driver = CiscoIosXr()


def _delegated_lengths(data: Element) -> dict[tuple[str, str], int | None]:
    """The length of the prefixes that IPv6 pools give out, by (VRF, pool)."""
    lengths = {}
    for key, pool in objects(data, model.POOLS[Family.IPV6]):
        leaf = pool.find(model.LENGTH)
        if leaf is not None:
            lengths[model.pool_of(key)] = whole(text_of(leaf))
    return lengths


def _range(key: ObjectKey, entry: Element, shape: model.Shape, delegated: int | None) -> SeenRange:
    leaves = leaves_of(entry)
    return SeenRange(
        key,
        shape.extent(leaves, delegated),
        drained=model.canonical(model.BLOCKED, leaves.get(model.BLOCKED, "0")) != "0",
        network_instance=model.network_instance(key.keys[0]),
        pool=model.pool_of(key)[1],
    )


def _parts(data: Element) -> Iterator[ObjectKey]:
    for kind in (model.VRF, *model.EXCLUDES.values()):
        yield from (key for key, _ in objects(data, kind))
