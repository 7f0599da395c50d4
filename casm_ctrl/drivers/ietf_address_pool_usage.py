"""How full the pools of ietf-address-pool are: what is read, and what a device tells by itself with our augment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

from lxml import etree

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.clock import Micros
from casm_ctrl.base.errors import ProtocolViolation
from casm_ctrl.drivers import ietf_address_pool_tree as tree
from casm_ctrl.drivers.boot import moment
from casm_ctrl.drivers.checked import Checked
from casm_ctrl.drivers.elements import leaves_of
from casm_ctrl.drivers.interface import Element, ObjectKey, UsageKind, UsageReading
from casm_ctrl.drivers.notices import Level, PoolUsage, UsageFault, UsageNotice, fault_of

T = TypeVar("T")


def _ext(name: str) -> str:
    return f"{{{tree.EXT_NAMESPACE}}}{name}"


_USED, _TOTAL, _PEAK = _ext("addresses-used"), _ext("addresses-total"), _ext("addresses-peak")
_SAMPLED, _SINCE, _STARTED = _ext("sampled-at"), _ext("counters-since"), _ext("started-at")
_REFUSED = {Family.IPV4: _ext("requests-refused-v4"), Family.IPV6: _ext("requests-refused-v6")}
_EVENT = _ext("pool-usage")
_EVENT_POOL, _EVENT_FAMILY, _EVENT_LEVEL = _ext("address-pool-name"), _ext("address-family"), _ext("level")
_EVENT_REFUSED = _ext("requests-refused")


# --- Read -----------------------------------------------------------------------------------------


def readings(data: Element, faults: list[UsageFault]) -> tuple[UsageReading, ...]:
    """Counts where the device has them, else the peak ratio; what cannot be true goes to `faults`.

    Its object has no reading then: a weaker value beside it may come from the same trouble.
    """
    found = (
        _reading(Checked(key, leaves_of(entry), faults))
        for pool in tree.read_pools(data, tree.STATUS).values()
        for key, entry in pool.entries.items()
    )
    return tuple(reading for reading in found if reading is not None)


def _reading(entry: Checked) -> UsageReading | None:
    used, total, most = entry.count(_USED), entry.count(_TOTAL), entry.count(_PEAK)
    entry.at_most(_USED, used, total, "addresses")
    if _USED in entry.leaves:
        return entry.counted(used, total, most, entry.leaves.get(_SAMPLED))
    peaks = [kind.peak for kind in tree.ENTRY_LISTS.values() if kind.peak in entry.leaves]
    percent = entry.percent(peaks[0]) if peaks else None
    if percent is None or not entry.sound:
        return None
    return UsageReading(entry.key, UsageKind.PERCENT, percent)


def pools(data: Element, faults: list[UsageFault]) -> tuple[PoolUsage, ...]:
    """One for each family that a pool has entries of or refused requests for. The model counts both in one: its
    counts are of a family only where there is no other."""
    found: list[PoolUsage] = []
    for name, pool in tree.read_pools(data, tree.STATUS).items():
        checked = Checked(pool.key, leaves_of(pool.element), faults)
        used, total = checked.count(_USED), checked.count(_TOTAL)
        checked.at_most(_USED, used, total, "addresses")
        refused = {family: checked.count(tag) for family, tag in _REFUSED.items()}
        served = {
            kind.family for kind in tree.ENTRY_LISTS.values() for key in pool.entries if key.path == kind.path
        }
        families = [family for family in _REFUSED if family in served or refused[family]]
        for family in families:
            alone = checked.sound and len(families) == 1
            found.append(
                PoolUsage(
                    name,
                    family,
                    used if alone else None,
                    total if alone else None,
                    refused[family] if checked.sound else None,
                    moment(checked.leaves.get(_SINCE)),
                    moment(checked.leaves.get(_SAMPLED)),
                )
            )
    return tuple(found)


def started_at(data: Element) -> Micros | None:
    return next((moment(leaves_of(top).get(_STARTED)) for top in data.iterchildren(tree.STATUS)), None)


# --- Told -----------------------------------------------------------------------------------------


def event_filter() -> Element:
    """The notification pool-usage, and no other."""
    return etree.Element(_EVENT, nsmap=cast("Mapping[str, str]", {None: tree.EXT_NAMESPACE}))


def notices(event: Element) -> tuple[UsageNotice, ...]:
    """What a pool-usage says; nothing of other events. ProtocolViolation where it makes no sense."""
    if event.tag != _EVENT:
        return ()
    leaves = {tag: text.strip() for tag, text in leaves_of(event).items()}
    name = leaves.get(_EVENT_POOL)
    if not name:
        raise ProtocolViolation(
            "the device told of the usage of a pool without its address-pool-name",
            "look at the device: what it tells is passed over",
        )
    faults: list[UsageFault] = []
    checked = Checked(ObjectKey(tree.POOL_PATH, (name,)), leaves, faults)
    level = _word(checked, _EVENT_LEVEL, {level.value: level for level in Level})
    families = {family.value: family for family in _REFUSED}
    family = _word(checked, _EVENT_FAMILY, families)
    used, total = checked.count(_USED), checked.count(_TOTAL)
    checked.at_most(_USED, used, total, "addresses")
    refused = checked.count(_EVENT_REFUSED)
    if faults:
        raise fault_of(faults[0], len(faults) - 1)
    since, sampled, started = (moment(leaves.get(tag)) for tag in (_SINCE, _SAMPLED, _STARTED))
    return (UsageNotice(name, level, family, (), used, total, refused, since, sampled, started),)


def _word(checked: Checked, tag: str, words: Mapping[str, T]) -> T | None:
    found = words.get(checked.leaves.get(tag, ""))
    if found is None:
        checked.fault(tag, f"it is none of {', '.join(words)}")
    return found
