"""What a simulated device can do wrong, each by name, as data that a test sets from inside or outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import Enum

from lxml import etree

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.netconf.names import Element


class FaultKind(Enum):
    """The value is the name that the control socket takes."""

    HANG_AFTER_TCP = "hang-after-tcp"
    """Takes the TCP connection and never speaks SSH."""
    HANG_AFTER_SSH = "hang-after-ssh"
    """Opens the subsystem and never says hello."""
    HANG_AFTER_HELLO = "hang-after-hello"
    """Takes requests and never does or answers one."""
    GARBAGE_HELLO = "garbage-hello"
    """Sends something that is not NETCONF instead of the hello."""

    DELAY_BEFORE = "delay-before"
    """Waits `seconds` before it does the operation."""
    DELAY_AFTER = "delay-after"
    """Waits `seconds` after it has done the operation, before the reply."""
    REFUSE = "refuse"
    """Answers with an rpc-error of `tag` and does nothing."""
    OK_WITHOUT_EFFECT = "ok-without-effect"
    """Answers ok and does nothing."""
    DROP_BEFORE = "drop-before"
    """Drops the connection without doing the operation."""
    DROP_AFTER = "drop-after"
    """Does the operation and drops the connection: the reply is lost."""
    NO_REPLY = "no-reply"
    """Does the operation, keeps the connection and never replies to it."""
    GARBAGE_REPLY = "garbage-reply"
    """Does the operation and sends something that is not NETCONF instead of the reply."""

    HALF_OPEN = "half-open"
    """Vanishes before it does the operation: its end of the connection stays open, and takes and says nothing
    any more. It notices after `seconds`, and gives up the session; with 0 only when it restarts."""
    HUGE_REPLY = "huge-reply"
    """Replies to get and get-config with so many `octets` more, of nodes that nobody knows."""
    DRAIN_IGNORED = "drain-ignored"
    """Gives out addresses of what is drained."""

    TINY_CHUNKS = "tiny-chunks"
    """Sends chunks of `octets`."""
    ROLLBACK_DELAY = "rollback-delay"
    """Rolls an unconfirmed commit back `seconds` late."""

    USAGE_NAN = "usage-nan"
    """Says NaN where it counts what is in use."""
    USAGE_NEGATIVE = "usage-negative"
    """Says that fewer than none are in use."""
    USAGE_ABOVE = "usage-above"
    """Says that more are in use than there are."""
    COUNTER_BACKWARDS = "counter-backwards"
    """Says half of what its counters and peaks are, which never fall."""
    CLOCK_JUMP = "clock-jump"
    """Its clock is `seconds` ahead, or behind where that is below 0, in all that it tells."""
    ANOTHER_DEVICE = "another-device"
    """Tells the usage of pools and blocks that are another device's."""
    MISSING_BLOCKS = "missing-blocks"
    """Leaves the last block of each pool out of what it tells."""
    STALE = "stale"
    """Tells of usage what it told, or would have, when it was asked first."""
    SILENT = "silent"
    """Takes subscriptions and sends no notifications."""


OF_OPERATIONS = frozenset(
    {
        FaultKind.DELAY_BEFORE,
        FaultKind.DELAY_AFTER,
        FaultKind.REFUSE,
        FaultKind.OK_WITHOUT_EFFECT,
        FaultKind.DROP_BEFORE,
        FaultKind.DROP_AFTER,
        FaultKind.NO_REPLY,
        FaultKind.GARBAGE_REPLY,
        FaultKind.HALF_OPEN,
        FaultKind.HUGE_REPLY,
    }
)
"""The kinds for which `operation` and `occurrence` say when."""

OF_READINGS = frozenset(
    {
        FaultKind.USAGE_NAN,
        FaultKind.USAGE_NEGATIVE,
        FaultKind.USAGE_ABOVE,
        FaultKind.COUNTER_BACKWARDS,
        FaultKind.CLOCK_JUMP,
        FaultKind.ANOTHER_DEVICE,
        FaultKind.MISSING_BLOCKS,
        FaultKind.STALE,
        FaultKind.SILENT,
    }
)
"""The kinds that spoil, or keep back, what it tells of its pools."""

GARBAGE = b"\x00\xff<<< this is not NETCONF >>>\r\n\n#notasize\n]]>]]>\n##\n"
ANY = "*"
FILLER = "urn:casm:simulator:filler"
_LINE = "x" * 64


def filler(octets: int) -> Element:
    """A top node of about so many octets, of a namespace that no module has: many small leaves, as devices have."""
    top = etree.Element(f"{{{FILLER}}}filler", nsmap={None: FILLER})  # type: ignore[dict-item]
    for _ in range(octets // (len("<l></l>") + len(_LINE))):
        etree.SubElement(top, f"{{{FILLER}}}l").text = _LINE
    return top


@dataclass(frozen=True)
class Fault:
    """One fault, in force until it is cleared."""

    kind: FaultKind
    operation: str = ANY
    """The operation's name, or one of the names that `journal.names_of` gives it; `*` is any."""
    occurrence: int = 0
    """Strikes at this one of the matching operations, counted from 1 since it was set; 0 at each."""
    seconds: float = 0.0
    tag: str = "operation-failed"
    octets: int = 1

    @staticmethod
    def from_json(document: Mapping[str, object]) -> Fault:
        """The fault that a JSON object says; InvalidValue where it says none."""
        known = {field.name for field in fields(Fault)}
        unknown = sorted(set(document) - known)
        if unknown:
            raise InvalidValue(f"a fault has no '{unknown[0]}'", f"use {', '.join(sorted(known))}")
        kinds = {kind.value: kind for kind in FaultKind}
        kind = kinds.get(str(document.get("kind")))
        if kind is None:
            raise InvalidValue(f"'{document.get('kind')}' is not a fault", f"use {', '.join(sorted(kinds))}")
        values = {name: value for name, value in document.items() if name != "kind"}
        for name, wanted in (("operation", str), ("tag", str), ("occurrence", int), ("octets", int)):
            if not isinstance(values.get(name, wanted()), wanted):
                raise InvalidValue(f"a fault's '{name}' is '{values[name]}'", f"give a {wanted.__name__}")
        if not isinstance(values.get("seconds", 0), (int, float)):
            raise InvalidValue(f"a fault's 'seconds' is '{values['seconds']}'", "give a number")
        return Fault(kind, **values)  # type: ignore[arg-type]


class Faults:
    """The faults of one device that are in force, and how often each was met."""

    def __init__(self) -> None:
        self._met: dict[Fault, int] = {}

    def set(self, *faults: Fault) -> None:
        """Put `faults` in force besides those that are; one that was set before counts from 1 again."""
        for fault in faults:
            self._met[fault] = 0

    def clear(self) -> None:
        self._met.clear()

    def get(self, kind: FaultKind) -> Fault | None:
        """A fault of `kind`, one that is not of operations."""
        return next((fault for fault in self._met if fault.kind is kind), None)

    def strike(self, names: Iterable[str]) -> Mapping[FaultKind, Fault]:
        """The faults that hit an operation which goes by `names`; called once for each operation."""
        names = {ANY, *names}
        hits: dict[FaultKind, Fault] = {}
        for fault in self._met:
            if fault.kind in OF_OPERATIONS and fault.operation in names:
                self._met[fault] += 1
                if fault.occurrence in (0, self._met[fault]):
                    hits[fault.kind] = fault
        return hits
