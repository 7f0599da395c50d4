"""What somebody expects beside what was counted: subscribers that come or go, as `region=north:+20%@30d`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from casm_ctrl.base.clock import parse_duration, show_duration
from casm_ctrl.base.errors import InvalidValue

_FORM = re.compile(r"(?P<who>.+):(?P<percent>[+-][0-9]{1,6}(?:\.[0-9]{1,3})?)%(?:@(?P<over>[0-9]+[smhdw]?))?")


@dataclass(frozen=True, slots=True)
class Growth:
    """`percent` more subscribers (less where it is below 0) than the pattern says, from now on or, where `over` is
    not 0, little by little within so many seconds.

    `name` and `value`: the label that a device or a pool that it draws from has; without `value`, `name` is that of a
    device pool, a device, a pool, or `all`.
    """

    name: str
    value: str | None
    percent: float
    over: int = 0

    @staticmethod
    def parse(text: str) -> Growth:
        """InvalidValue where `text` is not WHO:±PERCENT%[@TIME]."""
        match = _FORM.fullmatch(text)
        percent = 0.0 if match is None else float(match["percent"])
        if match is None or percent < -100:
            raise InvalidValue(
                f"'{text}' is not a growth",
                "write region=north:+20%, bng1/home:-5%, pool=public-v4:+10%@30d or all:+3%@26w",
            )
        name, equals, value = match["who"].partition("=")
        if equals and not (name and value):
            raise InvalidValue(f"'{match['who']}' names nothing", "write a label as region=north")
        over = parse_duration(match["over"]) if match["over"] else 0
        return Growth(name, value if equals else None, percent, over)

    def factor(self, seconds: float) -> float:
        """What subscribers are multiplied by, `seconds` from now."""
        part = 1.0 if self.over <= 0 else min(max(seconds, 0.0) / self.over, 1.0)
        return 1 + self.percent / 100 * part

    def means(self, names: frozenset[str], labels: frozenset[tuple[str, str]]) -> bool:
        """Whether it is about a device pool with these labels and names: its own, its device's, its pools'."""
        if self.value is None:
            return self.name == "all" or self.name in names
        if self.name in ("device", "pool", "device-pool") and self.value in names:
            return True
        return (self.name, self.value) in labels

    def __str__(self) -> str:
        who = self.name if self.value is None else f"{self.name}={self.value}"
        return f"{who}:{self.percent:+g}%" + (f"@{show_duration(self.over)}" if self.over else "")


def total(growths: tuple[Growth, ...], seconds: float) -> float:
    """Several growths of one device pool: each on top of the others."""
    factor = 1.0
    for growth in growths:
        factor *= growth.factor(seconds)
    return factor
