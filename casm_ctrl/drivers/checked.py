"""Numbers in what a device says of its usage, read strictly: what cannot be true is named, and is never a number."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from casm_ctrl.drivers.boot import moment
from casm_ctrl.drivers.interface import ObjectKey, UsageKind, UsageReading
from casm_ctrl.drivers.notices import UsageFault
from casm_ctrl.drivers.values import whole


class Checked:
    """The leaves of one object. `faults` takes what cannot be true; with any of it the object has no reading."""

    def __init__(self, key: ObjectKey, leaves: Mapping[str, str], faults: list[UsageFault]) -> None:
        self.key = key
        self.leaves = leaves
        self._faults = faults
        self.sound = True

    def count(self, tag: str) -> int | None:
        """None where the leaf is missing, or a fault."""
        text = self.leaves.get(tag)
        if text is None:
            return None
        number = whole(text)
        if number is None:
            self.fault(tag, "it is no count")
        return number

    def percent(self, tag: str) -> int | None:
        """None where the leaf is missing, or a fault."""
        number = self.count(tag)
        if number is not None and number > 100:
            self.fault(tag, "it is more than 100 percent")
            return None
        return number

    def at_most(self, tag: str, number: int | None, limit: int | None, what: str) -> None:
        """A fault where `number`, of the leaf `tag`, is more than there is."""
        if number is not None and limit is not None and number > limit:
            self.fault(tag, f"there are only {limit} {what}".rstrip())

    def fault(self, tag: str, why: str) -> None:
        self.sound = False
        name = etree.QName(tag).localname
        self._faults.append(UsageFault(self.key, name, self.leaves.get(tag, "").strip(), why))

    def counted(
        self, used: int | None, capacity: int | None, peak: int | None = None, sampled_at: str | None = None
    ) -> UsageReading | None:
        """The reading of counts; None where `used` is not known or anything was a fault."""
        if used is None or not self.sound:
            return None
        return UsageReading(self.key, UsageKind.COUNT, used, capacity, peak, moment(sampled_at))
