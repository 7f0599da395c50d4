"""The driver `juniper-junos`: the address-assignment pools of Junos (junos-conf-access).

A device pool is a chain of pools that link one to the next, of which the first has the name that AAA uses; each
holds one block. docs/drivers/juniper-junos.md says what the driver cannot do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from casm_ctrl.drivers import juniper_junos_model as model
from casm_ctrl.drivers import juniper_junos_usage as usage
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
from casm_ctrl.drivers.juniper_junos_edit import render_edit
from casm_ctrl.drivers.notices import UsageFault
from casm_ctrl.drivers.objects import objects


class JuniperJunos:
    """Stateless: one object serves every device."""

    name = "juniper-junos"
    roles = frozenset({"bng"})
    needs = (
        ModuleNeed(model.ROOT_MODULE, model.ROOT_NAMESPACE),
        ModuleNeed(model.MODULE, model.NAMESPACE, "2019-01-01"),
    )
    optional = (ModuleNeed(usage.MODULE, usage.NAMESPACE),)
    quirks = (
        Quirk(
            "usage-by-rpc",
            "how full pools are is in no datastore: it is asked for by an RPC for each chain",
        ),
        Quirk(
            "inactive",
            "what was deactivated stays in the configuration with an attribute: its addresses are still taken, and"
            " it is read as withdrawn",
        ),
    )

    def abilities(self, modules: Mapping[str, str | None]) -> Abilities:
        """hold-down drains a pool; counts come by RPC."""
        counts = usage.MODULE in modules
        return Abilities(drain=True, usage=UsageKind.COUNT if counts else UsageKind.NONE)

    def modules(self, announced: Mapping[str, str | None]) -> tuple[str, ...]:
        return (model.ROOT_MODULE, model.MODULE)

    def config_filter(self) -> tuple[Element, ...]:
        """All pools, anybody's: an overlap with another's network must be seen."""
        entry = model.POOL.entry(model.POOL.key(""))
        entry[:] = []
        return (entry.getroottree().getroot(),)

    def usage_filter(self) -> tuple[Element, ...]:
        return ()

    def usage_requests(self, ours: Collection[ObjectKey]) -> tuple[Element, ...]:
        return tuple(usage.requests(ours))

    def parse(self, data: Element) -> Seen:
        """Every pool with its network, in the order of the document."""
        pools = model.pools(data)
        heads = _heads(pools)
        return Seen(
            pools=tuple(
                SeenPool(model.POOL.key(name), model.generation_of(pool)) for name, pool in pools.items()
            ),
            ranges=tuple(
                _range(name, pool, heads[name])
                for name, pool in pools.items()
                if model.network_text(pool) is not None
            ),
            parts=tuple(key for kind in model.PARTS for key, _ in objects(data, kind)),
            statics=tuple(static for name, pool in pools.items() for static in model.hosts(name, pool)),
        )

    def parse_usage(self, data: Element) -> tuple[UsageReading, ...]:
        """Nothing: no datastore holds it."""
        return ()

    def parse_usage_replies(self, data: Element, ours: Collection[ObjectKey]) -> tuple[UsageReading, ...]:
        return usage.parse_usage(data, ours)

    def usage_faults(self, data: Element) -> tuple[UsageFault, ...]:
        """Of the replies."""
        return usage.faults_in(data)

    def render(self, wanted: Wanted, running: Element, modules: Mapping[str, str | None]) -> Edit:
        return render_edit(wanted, running)


DRIVER: Driver = JuniperJunos()


def _heads(pools: Mapping[str, Element]) -> dict[str, str]:
    """By pool, the first of its chain: its name is the one that AAA uses. A pool in a ring is its own."""
    links = {name: model.link_of(pool) for name, pool in pools.items()}
    heads: dict[str, str] = {}
    for head in sorted(pools.keys() - set(links.values())):
        pool: str | None = head
        while pool is not None and pool in links and pool not in heads:
            heads[pool] = head
            pool = links[pool]
    return {name: heads.get(name, name) for name in pools}


def _range(name: str, pool: Element, head: str) -> SeenRange:
    return SeenRange(
        model.network_key(name, model.network_text(pool) or ""),
        model.extent(pool),
        mark=model.mark_of(name, pool),
        drained=model.is_drained(pool),
        withdrawn=model.is_inactive(pool),
        pool=head,
    )
