"""What a simulated device says about the use of its pools: from its configuration and its subscribers.

A table with a row for each model: what of the configuration it serves, and how that is told. Some models tell usage in
a tree of its own, some where it is configured, and Junos only when it is asked by an operation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.simulator import usage_ietf as ietf
from casm_ctrl.simulator import usage_vendors as vendors
from casm_ctrl.simulator.served import Shape, read_served
from casm_ctrl.simulator.subscribers import Circumstances, Served, Subscribers, Told


@dataclass(frozen=True)
class UsageModel:
    """One top node of configuration whose addresses are given out."""

    top: str
    """In Clark notation."""
    served: Callable[[Element], Iterator[Served]]
    tell: Callable[[Element, Told, Circumstances], Element | None] | None
    """Given a copy of the top node with everything it serves: the top node of the state, which is either a
    new one or the one that was given, with state in it. None where the model has no state of usage."""
    names: Callable[[Element], Mapping[str, Sequence[str]]] = lambda top: {}
    """The pools behind names that AAA uses: those that are no pool's own, or stand for more than that one."""


def _of(shapes: Sequence[Shape]) -> Callable[[Element], Iterator[Served]]:
    return lambda top: read_served(top, shapes)


MODELS = (
    UsageModel(ietf.POOLS_TOP, _of(ietf.POOL_SHAPES), ietf.tell_pools),
    UsageModel(ietf.NAT_TOP, _of(ietf.NAT_SHAPES), ietf.tell_nat, ietf.name_instances),
    UsageModel(ietf.DHCP_TOP, _of(ietf.DHCP_SHAPES), ietf.tell_dhcp),
    UsageModel(vendors.DAPS_TOP, _of(vendors.DAPS_SHAPES), vendors.tell_daps),
    UsageModel(vendors.BRAS4_TOP, _of(vendors.BRAS4_SHAPES), vendors.tell_sections, vendors.name_groups),
    UsageModel(vendors.BRAS6_TOP, vendors.read_bras6, vendors.tell_ipv6_pools),
    UsageModel(vendors.JUNOS_TOP, _of(vendors.JUNOS_SHAPES), None, vendors.name_chains),
)


def served_by(running: Element) -> Iterator[Served]:
    """Everything in a configuration that gives out addresses."""
    for model in MODELS:
        for top in running.iterchildren(model.top):
            yield from model.served(top)


def serving(running: Element) -> Mapping[tuple[str, int], Sequence[Served]]:
    """What serves subscribers who ask for a pool: by the name that AAA uses for it, and 4 or 6."""
    found: dict[tuple[str, int], list[Served]] = {}
    for model in MODELS:
        for top in running.iterchildren(model.top):
            own: dict[str, list[Served]] = {}
            for one in model.served(top):
                own.setdefault(one.pool, []).append(one)
            pools = {**{name: [name] for name in own}, **model.names(top)}
            for name, members in pools.items():
                for one in (served for member in members for served in own.get(member, ())):
                    found.setdefault((name, one.version), []).append(one)
    return found


def usage_state(running: Element, subscribers: Subscribers, about: Circumstances) -> list[Element]:
    """Top nodes of state. One whose tag is that of a node of configuration holds the configuration too."""
    found = []
    for model in MODELS:
        for node in running.iterchildren(model.top):
            if model.tell is None:
                continue
            top = copy.deepcopy(node)
            counted = [(served, subscribers.count(served)) for served in model.served(top)]
            state = model.tell(top, counted, about)
            if state is not None:
                found.append(state)
    asked = ietf.EXTENSION_MODULE in about.modules and any(about.refused.values())
    if asked and running.find(ietf.POOLS_TOP) is None:
        # Nothing is configured, and it tells what was asked for.
        state = ietf.tell_pools(etree.Element(ietf.POOLS_TOP), (), about)
        if state is not None:
            found.append(state)
    return found


Answers = Callable[[Element, Subscribers, Element], Sequence[Element]]
"""Given running, the subscribers and an operation: its output."""


def _pool_statistics(running: Element, subscribers: Subscribers, operation: Element) -> Sequence[Element]:
    told = [(served, subscribers.count(served)) for served in served_by(running)]
    return vendors.answer_pool_statistics(running, told, operation)


OPERATIONS: Mapping[str, tuple[str, Mapping[str, Answers]]] = {
    "junos-rpc-network-access": (
        vendors.JUNOS_RPC,
        {"get-address-assignment-pool-statistics": _pool_statistics},
    ),
}
"""By the name of the module: its namespace, and its operations that a device can do."""


def answers_of(modules: Sequence[str]) -> Mapping[str, Answers]:
    """The operations of these modules, by tag."""
    return {
        f"{{{namespace}}}{name}": answer
        for namespace, operations in (OPERATIONS[module] for module in modules)
        for name, answer in operations.items()
    }
