"""How full the pools of RFC 9243 are: what is read, and what a server tells by itself when one fills up."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import cast

from lxml import etree

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.errors import ProtocolViolation
from casm_ctrl.drivers.checked import Checked
from casm_ctrl.drivers.elements import leaves_of
from casm_ctrl.drivers.ietf_dhcpv6_server_model import (
    ADDRESS_POOL,
    ALLOCATED,
    LEASES,
    NAMESPACE,
    PREFIX_POOL,
    TOTAL,
)
from casm_ctrl.drivers.interface import Element, ObjectKey, UsageReading
from casm_ctrl.drivers.notices import Level, UsageFault, UsageNotice, Watched, fault_of
from casm_ctrl.drivers.objects import Kind, objects

# --- Read -----------------------------------------------------------------------------------------


def readings(data: Element, faults: list[UsageFault]) -> tuple[UsageReading, ...]:
    """Leases of addresses or of prefixes by pool; what cannot be true goes to `faults`."""
    found = (
        _reading(key, entry.find(LEASES), faults)
        for kind in (ADDRESS_POOL, PREFIX_POOL)
        for key, entry in objects(data, kind)
    )
    return tuple(reading for reading in found if reading is not None)


def _reading(key: ObjectKey, leases: Element | None, faults: list[UsageFault]) -> UsageReading | None:
    if leases is None:
        return None
    leaves = Checked(key, leaves_of(leases), faults)
    used, capacity = leaves.count(ALLOCATED), leaves.count(TOTAL)
    leaves.at_most(ALLOCATED, used, capacity, "leases")
    return leaves.counted(used, capacity)


# --- Told -----------------------------------------------------------------------------------------


def _q(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


@dataclass(frozen=True)
class _Event:
    kind: Kind
    used: str
    total: str


_EVENTS = {
    _q("address-pool-utilization-threshold-exceeded"): _Event(
        ADDRESS_POOL, _q("allocated-address-count"), _q("total-pool-addresses")
    ),
    _q("prefix-pool-utilization-threshold-exceeded"): _Event(
        PREFIX_POOL, _q("allocated-prefixes-count"), _q("total-pool-prefixes")
    ),
}
_POOL_ID = _q("pool-id")


def event_filters() -> tuple[Element, ...]:
    namespaces = cast("Mapping[str, str]", {None: NAMESPACE})
    return tuple(etree.Element(tag, nsmap=namespaces) for tag in _EVENTS)


def notices(event: Element, watched: Collection[Watched]) -> tuple[UsageNotice, ...]:
    """What an event says of the device pools that are watched. It does not name the allocation range that its pool is
    in: the names of blocks are unique, and so is what an operator called an adopted one, or each that is called so
    is meant. ProtocolViolation where it makes no sense."""
    about = _EVENTS.get(event.tag)
    if about is None:
        return ()
    leaves = {tag: text.strip() for tag, text in leaves_of(event).items()}
    name = leaves.get(_POOL_ID)
    if not name:
        raise ProtocolViolation(
            f"the device told {etree.QName(event).localname} without the pool-id of its pool",
            "look at the device: what it tells is passed over",
        )
    faults: list[UsageFault] = []
    checked = Checked(ObjectKey(about.kind.path, (name,)), leaves, faults)
    used, total = checked.count(about.used), checked.count(about.total)
    checked.at_most(about.used, used, total, "in the pool")
    for fault in faults:
        raise fault_of(fault)
    level = Level.EXHAUSTED if total is not None and used == total else Level.HIGH
    return tuple(
        UsageNotice(pool.name, level, Family.IPV6, tuple(_counted(key, used, total)))
        for pool in watched
        for key in sorted(pool.objects)
        if key.path == about.kind.path and key.keys[-1] == name
    )


def _counted(key: ObjectKey, used: int | None, total: int | None) -> list[UsageReading]:
    reading = Checked(key, {}, []).counted(used, total)
    return [] if reading is None else [reading]
