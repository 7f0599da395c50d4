"""What a VRP device holds, read: ranges, containers, locks, and counts of addresses in use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from casm_ctrl.addressing.prefix import Range
from casm_ctrl.drivers.checked import Checked
from casm_ctrl.drivers.elements import leaves_of
from casm_ctrl.drivers.huawei_vrp_model import (
    IPV4_LOCK,
    IPV4_POOL,
    IPV6_LOCKS,
    IPV6_POOL,
    IPV6_TOP,
    MEMBER,
    POOL_GROUP,
    PREFIX,
    SECTION,
    STATIC_BIND,
    find_text,
    four,
    six,
)
from casm_ctrl.drivers.interface import (
    BlockMark,
    Element,
    ObjectKey,
    Seen,
    SeenPool,
    SeenRange,
    SeenStatic,
    UsageReading,
)
from casm_ctrl.drivers.notices import UsageFault
from casm_ctrl.drivers.objects import objects
from casm_ctrl.drivers.values import extent_of, network_of

OWN_SECTION = "0"
"""The number of the one section in a pool of ours. It is a part of the pool's object: nothing else is in it."""
HOLDING = ("local", "delegation")
"""The types of IPv6 pools and prefixes that hold addresses; others pass requests on to a server."""


def section_key(pool: str, number: str) -> ObjectKey:
    """The object that a section is, or is a part of."""
    if number == OWN_SECTION and BlockMark.parse(pool) is not None:
        return IPV4_POOL.key(pool)
    return SECTION.key(pool, number)


def bindings(data: Element) -> Iterator[tuple[str, str, str]]:
    """(name of the prefix, name of the pool, type of the pool) of each IPv6 pool that binds a prefix."""
    for key, entry in objects(data, IPV6_POOL):
        for kind in HOLDING:
            name = find_text(entry, six(kind), six("bind-prefix"), six("prefix-name"))
            if name:
                yield name, key.keys[0], kind


def parse(data: Element) -> Seen:
    """Everything in the two models that holds addresses, anybody's."""
    groups = [SeenPool(key) for key, _ in objects(data, POOL_GROUP)]
    pools4, ranges4 = _parse_ipv4(data)
    pools6, ranges6 = _parse_ipv6(data)
    parts = [key for kind in (IPV4_LOCK, MEMBER, *IPV6_LOCKS.values()) for key, _ in objects(data, kind)]
    return Seen((*groups, *pools4, *pools6), (*ranges4, *ranges6), tuple(parts), tuple(_statics(data)))


def _statics(data: Element) -> Iterator[SeenStatic]:
    vpns = _vpns(dict(objects(data, IPV4_POOL)))
    for key, _ in objects(data, STATIC_BIND):
        address = extent_of(key.keys[-1], key.keys[-1])
        if address is not None:
            yield SeenStatic(key, next(address.prefixes()), vpns[key.keys[0]])


def _vpns(pools: Mapping[ObjectKey, Element]) -> dict[str, str | None]:
    """By the name of an IPv4 pool, its VPN instance."""
    return {
        key.keys[0]: find_text(pool, four("local"), four("vpn-instance"), four("name")) or None
        for key, pool in pools.items()
    }


def _parse_ipv4(data: Element) -> tuple[list[SeenPool], list[SeenRange]]:
    pools = dict(objects(data, IPV4_POOL))
    locked = {key.keys[0] for key, _ in objects(data, IPV4_LOCK)}
    vpns = _vpns(pools)
    groups: dict[str, str] = {}
    for member, _ in objects(data, MEMBER):
        groups.setdefault(member.keys[1], member.keys[0])
    ranges = {}
    for key, entry in objects(data, SECTION):
        name, number = key.keys
        whose = section_key(name, number)
        mark = BlockMark.parse(name) if whose != key else None
        ranges[whose] = SeenRange(
            whose, _extent(entry), mark, name in locked, vpns[name], pool=groups.get(name, name)
        )
    for key in pools:
        (name,) = key.keys
        mark = BlockMark.parse(name)
        if mark is not None and key not in ranges:
            ranges[key] = SeenRange(key, None, mark, name in locked, vpns[name])
    return [SeenPool(key) for key in pools if key not in ranges], list(ranges.values())


def _extent(section: Element) -> Range | None:
    leaves = leaves_of(section)
    return extent_of(leaves.get(four("start-ip-address")), leaves.get(four("end-ip-address")))


def _parse_ipv6(data: Element) -> tuple[list[SeenPool], list[SeenRange]]:
    locked = {key.keys[0] for kind in IPV6_LOCKS.values() for key, _ in objects(data, kind)}
    served = {prefix: pool for prefix, pool, _ in bindings(data)}
    drained = {prefix for prefix, pool in served.items() if pool in locked}
    pools = [SeenPool(key) for key, _ in objects(data, IPV6_POOL)]
    prefixes = objects(data, PREFIX)
    return pools, [_prefix(key, entry, key.keys[0] in drained, served) for key, entry in prefixes]


def _prefix(key: ObjectKey, entry: Element, drained: bool, served: Mapping[str, str]) -> SeenRange:
    """A prefix of another type than HOLDING is reported without a range: a server elsewhere holds it."""
    mark = BlockMark.parse(key.keys[0])
    for kind in map(six, HOLDING):
        text = find_text(entry, kind, six("prefix-address"), six("prefix"))
        vpn = find_text(entry, kind, six("vpn-instance"), six("name")) or None
        if text is not None or vpn is not None:
            pool = served.get(key.keys[0], "")
            return SeenRange(key, network_of(text), mark, drained, vpn, pool=pool)
    return SeenRange(key, None, mark, drained)


# --- Usage ----------------------------------------------------------------------------------------


def parse_usage(data: Element, faults: list[UsageFault]) -> tuple[UsageReading, ...]:
    """Counts by section and by IPv6 pool; a value that cannot be true goes to `faults`, and its object has no
    reading."""
    readings = [
        _section_reading(section_key(*key.keys), entry.find(four("statistic")), faults)
        for key, entry in objects(data, SECTION)
    ]
    shared = find_text(data, IPV6_TOP, six("statistic-include-shared-user"), six("enable"))
    pools = {key.keys[0]: entry for key, entry in objects(data, IPV6_POOL)}
    for prefix, pool, kind in bindings(data):
        if kind == "delegation" or shared == "true":
            statistic = pools[pool].find(six("statistic"))
            readings.append(_pool_reading(PREFIX.key(prefix), kind, statistic, faults))
    return tuple(reading for reading in readings if reading is not None)


def _section_reading(
    key: ObjectKey, statistic: Element | None, faults: list[UsageFault]
) -> UsageReading | None:
    """Reserved and delayed addresses still belong to subscribers who are gone: a lease holds them."""
    leaves = Checked(key, {} if statistic is None else leaves_of(statistic), faults)
    tags = tuple(map(four, ("used-number", "reserved-number", "delayed-number")))
    return _reading(leaves, tags, four("total-number"))


def _pool_reading(
    key: ObjectKey, kind: str, statistic: Element | None, faults: list[UsageFault]
) -> UsageReading | None:
    """Of a delegation pool prefixes, however they were given out; of a local one addresses and shared prefixes."""
    leaves = Checked(key, {} if statistic is None else leaves_of(statistic), faults)
    names = ("pd", "ndra", "address") if kind == "delegation" else ("address", "ndra")
    tags = tuple(six(f"{name}-used-number") for name in names)
    return _reading(leaves, tags, six(f"{names[0]}-total-number"))


def _reading(leaves: Checked, tags: tuple[str, ...], total: str) -> UsageReading | None:
    """The sum of what is used, of which the first has to be there. An int32 total that is negative has overflown: what
    it counts has more addresses than it can say."""
    counts = [leaves.count(tag) for tag in tags]
    used = None if counts[0] is None else sum(count for count in counts if count is not None)
    capacity = None if _OVERFLOWN.match(leaves.leaves.get(total, "")) else leaves.count(total)
    if used is not None and capacity is not None and used > capacity:
        leaves.fault(tags[0], f"{used} are in use in all, and there are only {capacity}")
    return leaves.counted(used, capacity)


_OVERFLOWN = re.compile(r"\s*-[1-9][0-9]{0,9}\s*\Z")
