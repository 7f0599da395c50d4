"""How full the external pools of RFC 8512 are: what is read, and the two events that a NAT tells by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import cast

from lxml import etree

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.clock import Micros
from casm_ctrl.base.errors import ProtocolViolation
from casm_ctrl.drivers import ietf_nat_model as nat
from casm_ctrl.drivers.boot import moment
from casm_ctrl.drivers.checked import Checked
from casm_ctrl.drivers.elements import leaves_of
from casm_ctrl.drivers.ietf_nat_model import INSTANCE, POOL, q
from casm_ctrl.drivers.interface import Element, ObjectKey, UsageReading
from casm_ctrl.drivers.notices import Level, UsageFault, UsageNotice, Watched, fault_of
from casm_ctrl.drivers.objects import Kind, Step, objects

_STATISTICS = Kind(
    "per-pool-stats",
    (
        *INSTANCE.steps,
        Step(q("statistics")),
        Step(q("pools-stats")),
        Step(q("per-pool-stats"), (nat.POOL_ID,)),
    ),
)
_USED, _FREE = q("addresses-allocated"), q("addresses-free")
_PORTS, _PORTS_FREE = q("ports-allocated"), q("ports-free")
_POOL_EVENT, _INSTANCE_EVENT = q("nat-pool-event"), q("nat-instance-event")
_FIRED = q("notify-pool-threshold")
_FULL = 100
"""Percent in use above which there is nothing left."""


# --- Read -----------------------------------------------------------------------------------------


def readings(data: Element, faults: list[UsageFault]) -> tuple[UsageReading, ...]:
    """Addresses in use by external pool; what cannot be true goes to `faults`."""
    keys = [key for key, _ in objects(data, POOL)]
    times = Counter((key.keys[0], key.keys[2]) for key in keys)
    counts = {key.keys: entry for key, entry in objects(data, _STATISTICS)}
    found = []
    for key in keys:
        name = (key.keys[0], key.keys[2])
        if name in counts and times[name] == 1:
            found.append(_reading(key, counts[name], faults))
    return tuple(reading for reading in found if reading is not None)


def _reading(key: ObjectKey, entry: Element, faults: list[UsageFault]) -> UsageReading | None:
    leaves = {**_inside(entry, "pool-stats"), **_inside(entry, "port-stats")}
    checked = Checked(key, leaves, faults)
    used, free, ports, _ = (checked.count(tag) for tag in (_USED, _FREE, _PORTS, _PORTS_FREE))
    if used == 0 and ports:
        checked.fault(_USED, f"{ports} ports are in use")
    return checked.counted(used, None if used is None or free is None else used + free)


def _inside(entry: Element, container: str) -> dict[str, str]:
    inside = entry.find(q(container))
    return {} if inside is None else leaves_of(inside)


def counting_since(data: Element) -> Micros | None:
    """The first of the instances' `discontinuity-time`: one that was made later says nothing of the others."""
    found = (
        moment(_inside(instance, "statistics").get(q("discontinuity-time")))
        for _, instance in objects(data, INSTANCE)
    )
    return min((since for since in found if since is not None), default=None)


# --- Told -----------------------------------------------------------------------------------------


def event_filters() -> tuple[Element, ...]:
    namespaces = cast("Mapping[str, str]", {None: nat.NAMESPACE})
    return tuple(etree.Element(tag, nsmap=namespaces) for tag in (_POOL_EVENT, _INSTANCE_EVENT))


def notices(event: Element, watched: Collection[Watched]) -> tuple[UsageNotice, ...]:
    """What an event says of the device pools that are watched; nothing of others. ProtocolViolation where it makes
    no sense."""
    if event.tag not in (_POOL_EVENT, _INSTANCE_EVENT):
        return ()
    leaves = {tag: text.strip() for tag, text in leaves_of(event).items()}
    instance = leaves.get(nat.ID)
    if not instance:
        raise ProtocolViolation(
            f"the device told a {etree.QName(event).localname} without the id of its NAT instance",
            "look at the device: what it tells is passed over",
        )
    faults: list[UsageFault] = []
    if event.tag == _INSTANCE_EVENT:
        checked = Checked(INSTANCE.key(instance), leaves, faults)
        for name in ("notify-addresses-threshold", "notify-ports-threshold"):
            checked.percent(q(name))
        _refuse(faults)
        if not leaves.keys() & {q("notify-addresses-threshold"), q("notify-ports-threshold")}:
            return ()  # of subscribers, which are no addresses
        meant = [pool for pool in watched if any(key.keys[:1] == (instance,) for key in pool.objects)]
        return tuple(UsageNotice(pool.name, Level.HIGH, Family.IPV4) for pool in meant)
    checked = Checked(ObjectKey(POOL.path, (instance, leaves.get(nat.POOL_ID, ""))), leaves, faults)
    fired = checked.percent(_FIRED)
    if fired is None and not faults:
        checked.fault(_FIRED, "it is missing")
    _refuse(faults)
    return tuple(
        UsageNotice(pool.name, _level(pool, fired or 0), Family.IPV4)
        for pool in watched
        if any(_is_meant(key, instance, leaves) for key in pool.objects)
    )


def _is_meant(key: ObjectKey, instance: str, leaves: Mapping[str, str]) -> bool:
    """`policy-id` may be missing: pool ids are unique in an instance."""
    policy = leaves.get(q("policy-id"), "")
    return (
        key.path == POOL.path
        and key.keys[0] == instance
        and key.keys[2] == leaves.get(nat.POOL_ID)
        and policy in ("", key.keys[1])
    )


def _level(pool: Watched, fired: int) -> Level:
    """The event names the threshold that fired, and not in which direction: the low one fires on the way down."""
    if fired >= _FULL:
        return Level.EXHAUSTED
    low, high = pool.usage_low or 0, pool.usage_high
    if high is not None and low < high:
        return Level.NORMAL if fired <= low else Level.HIGH
    return Level.HIGH


def _refuse(faults: Iterable[UsageFault]) -> None:
    for fault in faults:
        raise fault_of(fault)
