"""The types of alarms that there are, and how severe an alarm is (RFC 8632, 3.2 and 4.2): the inventory, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from casm_ctrl.base.errors import InvalidValue

MODULE = "casm-alarms"
"""The YANG module whose identities the types are."""

CLEARED = "cleared"
SEVERITIES = ("indeterminate", "warning", "minor", "major", "critical")
"""The least severe first."""
_RANKS = {severity: rank for rank, severity in enumerate(SEVERITIES)}

DEVICE, DEVICE_POOL, POOL, CONTROLLER = "device", "device-pool", "pool", "controller"


@dataclass(frozen=True)
class AlarmType:
    """`resources`: the kinds of what it is raised on. All are cleared by the controller when it is over."""

    resources: tuple[str, ...]
    severities: tuple[str, ...]
    description: str


TYPES: Mapping[str, AlarmType] = {
    "pool-low": AlarmType(
        (DEVICE_POOL, POOL),
        ("minor", "major"),
        "A pool has little left that blocks can be cut from, or a device pool little that subscribers can be given,"
        " and nothing is on its way. Add prefixes to the pool, take blocks back elsewhere, or let automation grow it.",
    ),
    "pool-exhausted": AlarmType(
        (DEVICE_POOL, POOL),
        ("major", "critical"),
        "A pool has no block left for those who asked for one, or a device pool turns subscribers away. Add prefixes,"
        " or take blocks back elsewhere.",
    ),
    "device-unreachable": AlarmType(
        (DEVICE,),
        ("warning", "major"),
        "A device does not answer, run after run: nothing of it is known, and nothing can be changed. See whether it"
        " is up, whether its address and credentials are right, and what stands between.",
    ),
    "out-of-sync": AlarmType(
        (DEVICE,),
        ("major",),
        "A device does not have what is wanted of it, and a run that was to make it so was refused or failed."
        " The text says by what; 'casm plan' shows what is missing.",
    ),
    "drift": AlarmType(
        (DEVICE,),
        ("minor",),
        "Somebody else changed on a device what the controller has made there. 'casm drift' shows it; 'casm apply'"
        " puts it back, or 'casm adopt' takes it over.",
    ),
    "address-conflict": AlarmType(
        (DEVICE,),
        ("critical",),
        "A device serves addresses that it does not own (any more): an old startup, a restored backup, or somebody"
        " else's configuration. Nothing is allocated from there until it is gone. 'casm status' lists where.",
    ),
    "decision-blocked": AlarmType(
        (DEVICE_POOL,),
        ("minor",),
        "Automation would change a device pool, and a guard keeps it back: a hold, a cap, the breaker, an empty stock."
        " 'casm why' tells which, and what it would do.",
    ),
    "bad-reading": AlarmType(
        (DEVICE,),
        ("minor",),
        "A device tells usage that cannot be true: it is not believed, and nothing is taken back by it. The text says"
        " which value of which leaf.",
    ),
    "drain-overdue": AlarmType(
        (DEVICE_POOL,),
        ("minor",),
        "A block is drained for longer than its deadline, and still has subscribers. Wait, cancel the drain, or give"
        " the block back with them.",
    ),
    "automation-stopped": AlarmType(
        (CONTROLLER,),
        ("major",),
        "The breaker has stopped all automatic changes, for too many of them failed. Find out why, then let automation"
        " go on.",
    ),
    "device-restarted": AlarmType(
        (DEVICE,),
        ("warning",),
        "A device has restarted, or lost its subscribers at once: what it counts proves nothing until they are back."
        " Nothing is taken back from it meanwhile.",
    ),
}


def check_type(type_id: str) -> None:
    """InvalidValue where there is none of that name."""
    if type_id not in TYPES:
        raise InvalidValue(f"'{type_id}' is no type of alarm", f"use {', '.join(TYPES)}")


def rank(severity: str) -> int:
    """Greater is more severe."""
    return _RANKS[severity]
