"""What a device says of its pools, spoilt: readings that cannot be true, in the words of any model.

Leaves are known by their names: the models have few words for so simple a thing.
"""

from __future__ import annotations

import contextlib
import copy
import ipaddress
from collections.abc import Callable, Iterator, Sequence

from lxml import etree

from casm_ctrl.base.clock import SECOND, Micros, from_rfc3339, to_rfc3339
from casm_ctrl.netconf.names import Element, local_name
from casm_ctrl.simulator.faults import FaultKind, Faults

_USED = {
    "addresses-used": "addresses-total",
    "addresses-allocated": "addresses-free",
    "allocated-count": "total-count",
    "allocated-addresses": "free-addresses",
    "used-number": "total-number",
    "pd-used-number": "pd-total-number",
    "address-used-number": "address-total-number",
    "used-addresses": "total-addresses",
}
"""By the leaf that counts what is in use: the leaf beside it with all, or with the rest."""
_RATIOS = frozenset({"average-address-usage-ratio", "average-prefix-usage-ratio"})
_COUNTERS = frozenset(
    {"requests-refused", "requests-refused-v4", "requests-refused-v6", "addresses-peak"}
    | {"peak-address-usage-ratio", "peak-prefix-usage-ratio"}
)
"""What only grows between two restarts."""
_LINES = frozenset(
    {
        "ipv4-address-range",
        "ipv6-prefix",
        "per-pool-stats",
        "address-pool",
        "prefix-pool",
        "address-range",
        "section",
    }
    | {"ipv6-pool", "aaa-module-address-assignment-pool-statistics"}
)
"""The lists with an entry for a block."""
_KEYS = frozenset(
    {
        "address-pool-name",
        "ipv4-address-range-name",
        "ipv6-prefix-name",
        "pool-id",
        "pool-name",
        "start-address",
    }
    | {"number", "name"}
)


class BadReadings:
    """Spoils what is told while a fault is in force."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._frozen: dict[str, Sequence[Element]] = {}

    def spoil(self, told: Sequence[Element], *, what: str = "") -> Sequence[Element]:
        """`told`, which becomes the caller's no more. `what` names a reading that can grow stale."""
        if self._faults.get(FaultKind.STALE) is None:
            self._frozen.clear()
        elif what:
            told = [copy.deepcopy(node) for node in self._frozen.setdefault(what, told)]
        for kind, change in _CHANGES.items():
            if self._faults.get(kind) is not None:
                for node in told:
                    change(node)
        jump = self.jump
        for node in told if jump else ():
            for leaf in _named(node, "sampled-at"):
                leaf.text = to_rfc3339(from_rfc3339(leaf.text or "") + jump)
        return told

    @property
    def jump(self) -> Micros:
        """By how much the clock that the device tells is ahead."""
        fault = self._faults.get(FaultKind.CLOCK_JUMP)
        return Micros(0 if fault is None else round(fault.seconds * SECOND))

    @property
    def silent(self) -> bool:
        return self._faults.get(FaultKind.SILENT) is not None


def _say(text: str) -> Callable[[Element], None]:
    def change(node: Element) -> None:
        for leaf in _named(node, *_USED, *_RATIOS):
            leaf.text = text

    return change


def _exceed(node: Element) -> None:
    for leaf in _named(node, *_USED):
        beside = leaf.getparent().find(f"{{*}}{_USED[local_name(leaf)]}")  # type: ignore[union-attr]
        most = int((beside.text if beside is not None else None) or 0)
        leaf.text = str(2 * most + int(leaf.text or 0) + 1)
    for leaf in _named(node, *_RATIOS):
        leaf.text = "150"


def _go_backwards(node: Element) -> None:
    for leaf in _named(node, *_COUNTERS):
        leaf.text = str(int(leaf.text or 0) // 2)


def _leave_out(node: Element) -> None:
    """The last entry of each list of blocks, where it tells usage."""
    lines = [line for line in _named(node, *_LINES) if any(True for _ in _named(line, *_USED, *_RATIOS))]
    innermost = [line for line in lines if not any(other is not line for other in _within(line, lines))]
    for line in innermost:
        following = line.itersiblings(line.tag)
        parent = line.getparent()
        if parent is not None and next(following, None) is None:
            parent.remove(line)


def _within(line: Element, lines: Sequence[Element]) -> Iterator[Element]:
    inside = set(line.iter())
    return (other for other in lines if other in inside)


def _become_another(node: Element) -> None:
    for leaf in list(_named(node, *_KEYS)):
        leaf.text = _another(leaf.text or "")


def _another(text: str) -> str:
    if text.isdigit():
        return str(int(text) + 1000)
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(text)
        return str(type(address)(int(address) ^ 1 << address.max_prefixlen - 9))
    return f"other-{text}"


def _named(node: Element, *names: str) -> Iterator[Element]:
    wanted = frozenset(names)
    return (one for one in node.iter(etree.Element) if local_name(one) in wanted)


_CHANGES: dict[FaultKind, Callable[[Element], None]] = {
    FaultKind.USAGE_NAN: _say("NaN"),
    FaultKind.USAGE_NEGATIVE: _say("-7"),
    FaultKind.USAGE_ABOVE: _exceed,
    FaultKind.COUNTER_BACKWARDS: _go_backwards,
    FaultKind.MISSING_BLOCKS: _leave_out,
    FaultKind.ANOTHER_DEVICE: _become_another,
}
