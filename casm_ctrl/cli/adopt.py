"""`casm adopt`: take over what is on devices already."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli.call import Answer, Call, Document, command
from casm_ctrl.cli.options import AcceptNew, DeviceNames, Jobs, ReportFile, Retries, Retry, Wait
from casm_ctrl.cli.synchronise import faults, warnings

if TYPE_CHECKING:
    from rich.console import RenderableType

_SHOWN = 20
"""Rows of a table that a terminal is shown of each kind; a report holds all."""


def register(app: typer.Typer, panel: str) -> None:
    command(
        app,
        "adopt",
        panel=panel,
        examples=(
            "casm adopt bng1 --dry-run",
            "casm adopt bng1 bng2",
            "casm adopt --all --report adopted.json",
        ),
        seals=True,
    )(adopt)


def adopt(
    call: Call,
    devices: DeviceNames = None,
    every: Annotated[bool, typer.Option("--all", help="All devices, judged together.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be adopted, and write nothing.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="End with 1 where anything is in conflict.")] = False,
    report: ReportFile = None,
    accept_new: AcceptNew = False,
    wait: Wait = "30s",
    jobs: Jobs = 8,
    retries: Retries = 2,
    retry: Retry = False,
) -> Answer:
    """Take over the address ranges that devices have already. No device is sent a change.

    What conflicts is said with what to do, and is not adopted; the rest is. What was adopted stays as it is on the
    device until 'casm block manage'.
    """
    from casm_ctrl.base.clock import parse_duration
    from casm_ctrl.base.errors import InvalidValue
    from casm_ctrl.cli import progress
    from casm_ctrl.cli.reports import check_report, write_report
    from casm_ctrl.sync import adopt as adopting
    from casm_ctrl.sync.reconciler import Options

    if bool(devices) == every:
        raise InvalidValue(
            "adopt was asked for without a device" if not every else "adopt was given devices, and --all",
            "name the devices, or say --all",
        )
    if report is not None:
        check_report(report)
    options = Options(
        wait=parse_duration(wait), accept_new=accept_new, jobs=jobs, retries=retries, retry=retry
    )
    done = progress.run(
        lambda tell: adopting.adopt(call.database, call.author, devices or (), options, tell, dry_run=dry_run)
    )
    if report is not None:
        write_report(report, {"casm": 1, **done})
    found: Document = done["adopt"]
    conflicts = [
        f"{device['name']}: {conflict['words']}: {conflict['remedy']}"
        for device in found["device"]
        for conflict in device["conflict"]
        if check
    ]
    listed = found["device"]
    return Answer(
        done, lambda: show_adopted(found), notes=warnings(listed), faults=[*faults(listed), *conflicts]
    )


def show_adopted(found: Document) -> Iterable[RenderableType]:
    """What was adopted, what was not and what to do, and how each device stands."""
    from casm_ctrl.cli.output import plural, table

    listed: list[Document] = found["device"]
    if not listed:
        yield "There is no device yet: make one with 'casm device add NAME'."
        return
    adopted = [
        (
            device["name"],
            one["range"],
            one["device-pool"],
            one["pool"],
            ", ".join(block.get("id", block["prefix"]) for block in one["block"][:4])
            + (" …" if len(one["block"]) > 4 else ""),
            len(one["static"]) or None,
        )
        for device in listed
        for one in device["adopted"]
    ]
    if adopted:
        yield table(
            ("DEVICE", "RANGE", "DEVICE POOL", "POOL", "BLOCKS", "STATIC"),
            adopted[:_SHOWN],
            right=("STATIC",),
            flexible=("BLOCKS",),
        )
        yield from _more(len(adopted), "range")
    conflicts = [
        (device["name"], conflict["kind"], conflict["words"], conflict["remedy"])
        for device in listed
        for conflict in device["conflict"]
    ]
    if conflicts:
        yield table(
            ("DEVICE", "CONFLICT", "WHAT", "WHAT TO DO"), conflicts[:_SHOWN], flexible=("WHAT", "WHAT TO DO")
        )
        yield from _more(len(conflicts), "conflict")
    for proposal in found["proposal"]:
        yield f"{proposal['words']}:"
        yield f"  {proposal['command']}"
    if found["proposal"]:
        yield ""
    yield table(
        ("DEVICE", "RESULT", "ADOPTED", "BLOCKS", "CONFLICTS", "OURS BEFORE"),
        [
            (
                device["name"],
                device["result"],
                len(device["adopted"]),
                sum(len(one["block"]) for one in device["adopted"]),
                len(device["conflict"]),
                int(device["ours"]),
            )
            for device in listed[:_SHOWN]
        ],
        right=("ADOPTED", "BLOCKS", "CONFLICTS", "OURS BEFORE"),
    )
    yield from _more(len(listed), "device")
    verb = "would be adopted" if found["dry-run"] else "adopted"
    conflicting = plural(int(found["conflicts"]), "conflict")
    yield (
        f"{plural(int(found['ranges']), 'range')} {verb} as {plural(int(found['blocks']), 'block')} on"
        f" {plural(len(listed), 'device')}, {conflicting}; no device was sent a change."
    )


def _more(count: int, noun: str) -> Iterable[str]:
    from casm_ctrl.cli.output import plural

    if count > _SHOWN:
        yield f"… and {plural(count - _SHOWN, noun)} more: --json or --report FILE shows all."
    yield ""
