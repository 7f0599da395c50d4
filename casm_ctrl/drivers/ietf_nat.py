"""The driver `ietf-nat`: carrier-grade NATs that speak RFC 8512.

Blocks of public IPv4 addresses, and port sets, are external address pools of a NAT instance. The model has
no word for a drain, and no room for a mark: what is ours is what the store recorded.
docs/drivers.md says more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from lxml import etree

from casm_ctrl.base.clock import Micros
from casm_ctrl.drivers import ietf_nat_model as nat
from casm_ctrl.drivers import ietf_nat_usage as usage
from casm_ctrl.drivers.elements import leaves_of
from casm_ctrl.drivers.ietf_nat_edit import render_edit
from casm_ctrl.drivers.ietf_nat_model import INSTANCE, POLICY, POOL, q
from casm_ctrl.drivers.interface import (
    Abilities,
    Driver,
    Edit,
    Element,
    ModuleNeed,
    Quirk,
    Seen,
    SeenPool,
    SeenRange,
    UsageKind,
    UsageReading,
    Wanted,
)
from casm_ctrl.drivers.notices import Subscription, UsageFault, UsageNotice, Watched
from casm_ctrl.drivers.objects import objects
from casm_ctrl.drivers.static_routes import WithStaticRoutes

_CONFIGURED = (
    "id",
    "name",
    "enable",
    "type",
    "per-interface-binding",
    "nat-pass-through",
    "policy",
    "mapping-limits",
    "connection-limits",
    "notification-limits",
)


class IetfNat:
    """Stateless: one object serves every device."""

    name = nat.MODULE
    roles = frozenset({"cgn"})
    needs = (ModuleNeed(nat.MODULE, nat.NAMESPACE, "2019-01-10"),)
    optional: tuple[ModuleNeed, ...] = ()
    quirks: tuple[Quirk, ...] = ()

    def abilities(self, modules: Mapping[str, str | None]) -> Abilities:
        """No drain. Addresses in use are counted for each external pool."""
        return Abilities(drain=False, usage=UsageKind.COUNT)

    def modules(self, announced: Mapping[str, str | None]) -> tuple[str, ...]:
        return (nat.MODULE,)

    def config_filter(self) -> tuple[Element, ...]:
        """All that a person may have put into an instance, so that none with such is removed; of the
        mapping table, which may hold millions, the static entries."""
        top, instance = _instances()
        for name in _CONFIGURED:
            etree.SubElement(instance, q(name))
        mapping = etree.SubElement(etree.SubElement(instance, q("mapping-table")), q("mapping-entry"))
        etree.SubElement(mapping, q("index"))
        etree.SubElement(mapping, q("type")).text = "static"
        return (top,)

    def usage_filter(self) -> tuple[Element, ...]:
        """The statistics of each pool, and which policy it stands in."""
        top, instance = _instances()
        etree.SubElement(instance, nat.ID)
        policy = etree.SubElement(instance, q("policy"))
        etree.SubElement(policy, nat.ID)
        etree.SubElement(etree.SubElement(policy, nat.EXTERNAL_POOL), nat.POOL_ID)
        statistics = etree.SubElement(instance, q("statistics"))
        etree.SubElement(statistics, q("discontinuity-time"))
        etree.SubElement(statistics, q("pools-stats"))
        return (top,)

    def parse(self, data: Element) -> Seen:
        """Every instance and policy, and every external pool as a range, in document order."""
        policies = dict(objects(data, POLICY))
        instances = dict(objects(data, INSTANCE))
        containers = [*instances, *policies]
        names = {key.keys[0]: _name_of(entry) or key.keys[0] for key, entry in instances.items()}
        several = Counter(key.keys[0] for key in policies)
        return Seen(
            pools=tuple(SeenPool(key) for key in containers),
            ranges=tuple(
                SeenRange(
                    key,
                    nat.extent(entry, policies[POLICY.key(*key.keys[:2])]),
                    pool=names[key.keys[0]] + (f"/{key.keys[1]}" if several[key.keys[0]] > 1 else ""),
                )
                for key, entry in objects(data, POOL)
            ),
        )

    def parse_usage(self, data: Element) -> tuple[UsageReading, ...]:
        """Addresses in use by external pool. Left out: a pool whose id its instance has twice, for the
        statistics do not say which policy they are of; and a count that cannot be true."""
        return usage.readings(data, [])

    def usage_faults(self, data: Element) -> tuple[UsageFault, ...]:
        faults: list[UsageFault] = []
        usage.readings(data, faults)
        return tuple(faults)

    def started_at(self, data: Element) -> Micros | None:
        """Since when the statistics count, of the instance that has counted longest."""
        return usage.counting_since(data)

    def subscriptions(self, announced: Mapping[str, str | None]) -> tuple[Subscription, ...]:
        """The events nat-pool-event and nat-instance-event."""
        return (Subscription(usage.event_filters()),)

    def parse_notice(self, event: Element, watched: Collection[Watched]) -> tuple[UsageNotice, ...]:
        return usage.notices(event, watched)

    def render(self, wanted: Wanted, running: Element, modules: Mapping[str, str | None]) -> Edit:
        return render_edit(wanted, running)


DRIVER: Driver = WithStaticRoutes(IetfNat())


def _name_of(instance: Element) -> str:
    """What a NAT instance is called; empty where it has a number only."""
    return leaves_of(instance).get(nat.NAME, "").strip()


def _instances() -> tuple[Element, Element]:
    """(top node, entry of the list of instances) of a filter."""
    top = etree.Element(nat.NAT, nsmap={None: nat.NAMESPACE})  # type: ignore[dict-item]
    instances = etree.SubElement(top, nat.INSTANCES)
    return top, etree.SubElement(instances, q("instance"))
