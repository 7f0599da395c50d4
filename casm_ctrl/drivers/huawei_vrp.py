"""The driver `huawei-vrp`: the BRAS address pools of Huawei's VRP, IPv4 and IPv6.

`lock` is per pool, so each block has a pool of its own. IPv4: a pool named by the block's mark, with the
block as its section 0 under a gateway in it, bound to the pool group that has the name AAA uses. IPv6: a
prefix named by the mark, and the pool that binds it. docs/drivers/huawei-vrp.md says what the driver
cannot do, and what an operator configures beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lxml import etree

from casm_ctrl.drivers import huawei_vrp_reading as reading
from casm_ctrl.drivers.elements import top_element
from casm_ctrl.drivers.huawei_vrp_edit import render_edit
from casm_ctrl.drivers.huawei_vrp_model import (
    INSTANCE_NAMESPACE,
    IPV4_MODULE,
    IPV4_NAMESPACE,
    IPV4_TOP,
    IPV6_MODULE,
    IPV6_NAMESPACE,
    IPV6_TOP,
    four,
    instance,
    l3vpn,
    six,
)
from casm_ctrl.drivers.interface import (
    Abilities,
    Driver,
    Edit,
    Element,
    ModuleNeed,
    Quirk,
    Seen,
    UsageKind,
    UsageReading,
    Wanted,
)
from casm_ctrl.drivers.notices import UsageFault


class HuaweiVrp:
    """Stateless: one object serves every device."""

    name = "huawei-vrp"
    roles = frozenset({"bng"})
    needs = (
        ModuleNeed(IPV4_MODULE, IPV4_NAMESPACE, "2022-09-21"),
        ModuleNeed(IPV6_MODULE, IPV6_NAMESPACE, "2022-10-09"),
    )
    optional: Final[tuple[ModuleNeed, ...]] = ()
    quirks = (
        Quirk(
            "prefix-lock-evicts",
            "the lock of an IPv6 prefix refuses renewals, that of the pool which binds it does not: blocks are"
            " drained by the pool's, and the prefix's is never written",
        ),
        Quirk(
            "pools-in-use-stay",
            "a pool with subscribers cannot be deleted, so the device refuses to give up a block before it was"
            " drained and is empty",
        ),
    )

    def abilities(self, modules: Mapping[str, str | None]) -> Abilities:
        return Abilities(drain=True, usage=UsageKind.COUNT)

    def modules(self, announced: Mapping[str, str | None]) -> tuple[str, ...]:
        return (IPV4_MODULE, IPV6_MODULE)

    def config_filter(self) -> tuple[Element, ...]:
        """All pools, prefixes and groups, and which VPN instances there are for which address family."""
        ipv4, ipv6 = top_element(IPV4_TOP, IPV4_NAMESPACE), top_element(IPV6_TOP, IPV6_NAMESPACE)
        for tag in (four("ipv4-pools"), four("pool-groups")):
            etree.SubElement(ipv4, tag)
        for tag in (six("ipv6-prefixs"), six("ipv6-pools")):
            etree.SubElement(ipv6, tag)
        vpns = top_element(instance("network-instance"), INSTANCE_NAMESPACE)
        entry = _path(vpns, instance("instances"), instance("instance"))
        etree.SubElement(entry, instance("name"))
        _path(entry, l3vpn("afs"), l3vpn("af"), l3vpn("type"))
        return (ipv4, ipv6, vpns)

    def usage_filter(self) -> tuple[Element, ...]:
        """The statistics of each section and IPv6 pool, and none of the subscribers' addresses."""
        ipv4, ipv6 = top_element(IPV4_TOP, IPV4_NAMESPACE), top_element(IPV6_TOP, IPV6_NAMESPACE)
        pool = _path(ipv4, four("ipv4-pools"), four("ipv4-pool"))
        etree.SubElement(pool, four("name"))
        section = _path(pool, four("local"), four("sections"), four("section"))
        etree.SubElement(section, four("number"))
        etree.SubElement(section, four("statistic"))
        pool = _path(ipv6, six("ipv6-pools"), six("ipv6-pool"))
        etree.SubElement(pool, six("name"))
        for kind in reading.HOLDING:
            _path(pool, six(kind), six("bind-prefix"))
        etree.SubElement(pool, six("statistic"))
        etree.SubElement(ipv6, six("statistic-include-shared-user"))
        return (ipv4, ipv6)

    def parse(self, data: Element) -> Seen:
        return reading.parse(data)

    def parse_usage(self, data: Element) -> tuple[UsageReading, ...]:
        return reading.parse_usage(data, [])

    def usage_faults(self, data: Element) -> tuple[UsageFault, ...]:
        faults: list[UsageFault] = []
        reading.parse_usage(data, faults)
        return tuple(faults)

    def render(self, wanted: Wanted, running: Element, modules: Mapping[str, str | None]) -> Edit:
        return render_edit(wanted, running)


DRIVER: Driver = HuaweiVrp()


def _path(node: Element, *tags: str) -> Element:
    """The end of a path of new nodes below `node`."""
    for tag in tags:
        node = etree.SubElement(node, tag)
    return node
