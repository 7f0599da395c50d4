"""`casm drift`: what differs on devices from what the controller put there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli.call import Answer, Call, Document, command
from casm_ctrl.cli.options import AcceptNew, DeviceNames, Jobs, Retries, Retry, Wait
from casm_ctrl.cli.synchronise import faults, warnings

if TYPE_CHECKING:
    from rich.console import RenderableType


def register(app: typer.Typer, panel: str) -> None:
    command(
        app,
        "drift",
        panel=panel,
        examples=("casm drift", "casm drift bng1", "casm drift --check", "casm drift bng1 --restore"),
        seals=True,
    )(drift)


def drift(
    call: Call,
    devices: DeviceNames = None,
    restore: Annotated[
        bool,
        typer.Option(
            "--restore",
            help="Apply to the devices on which objects of ours drifted. What others configured stays.",
        ),
    ] = False,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Restore nothing, whatever the devices' --on-drift says.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="End with 1 where anything drifted.")] = False,
    accept_new: AcceptNew = False,
    wait: Wait = "30s",
    jobs: Jobs = 8,
    retries: Retries = 2,
    retry: Retry = False,
) -> Answer:
    """Show what differs on devices from what was put there, and addresses of our pools that others configured."""
    from casm_ctrl.base.clock import parse_duration
    from casm_ctrl.base.errors import InvalidValue
    from casm_ctrl.cli import progress
    from casm_ctrl.sync import drift as drifting
    from casm_ctrl.sync.reconciler import Options

    if restore and report_only:
        raise InvalidValue("drift was to be restored and to be reported only", "choose one of the two")
    restoring = True if restore else False if report_only else None
    options = Options(
        wait=parse_duration(wait), accept_new=accept_new, jobs=jobs, retries=retries, retry=retry
    )
    done = progress.run(
        lambda tell: drifting.drift(
            call.database, call.author, devices or (), options, tell, restore=restoring
        )
    )
    found: list[Document] = done["device"]
    drifted = [
        f"{device['name']}: {_count(device)}" for device in found if check and device["result"] == "drift"
    ]
    return Answer(done, lambda: _drifted(found), notes=warnings(found), faults=[*faults(found), *drifted])


def _count(device: Document) -> str:
    from casm_ctrl.cli.output import plural

    words = []
    if device.get("drift"):
        words.append(f"{plural(len(device['drift']), 'object')} of ours drifted")
    if device.get("finding"):
        words.append(f"{plural(len(device['finding']), 'range')} of others in the way or given up")
    return ", ".join(words)


def _drifted(found: Sequence[Document]) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import table

    if not found:
        yield "There is no device yet: make one with 'casm device add NAME'."
        return
    rows = [
        (device["name"], drift["kind"], drift.get("block"), drift["object"], drift["words"])
        for device in found
        for drift in device.get("drift", ())
    ]
    rows += [
        (device["name"], finding["kind"], finding.get("block"), finding["object"], finding["words"])
        for device in found
        for finding in device.get("finding", ())
    ]
    if rows:
        yield table(("DEVICE", "KIND", "BLOCK", "OBJECT", "WHAT"), rows, flexible=("OBJECT", "WHAT"))
        yield ""
    yield table(
        ("DEVICE", "RESULT", "DRIFTED", "OTHERS", "NOT YET APPLIED"),
        (
            (
                device["name"],
                device["result"],
                len(device.get("drift", ())),
                len(device.get("finding", ())),
                device.get("pending"),
            )
            for device in found
        ),
        right=("DRIFTED", "OTHERS", "NOT YET APPLIED"),
    )
