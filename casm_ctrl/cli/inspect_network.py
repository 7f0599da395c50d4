"""`casm drift` and `casm verify`: is what devices run what the controller put there?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
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
    command(
        app,
        "verify",
        panel=panel,
        examples=("casm verify", "casm verify --report proof.json", "casm verify bng1 bng2 --json"),
    )(verify)


# --- Drift ----------------------------------------------------------------------------------------


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


# --- Verify ---------------------------------------------------------------------------------------


def verify(
    call: Call,
    devices: DeviceNames = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE", help="Write the whole report there, as JSON.", show_default=False
        ),
    ] = None,
    accept_new: AcceptNew = False,
    wait: Wait = "30s",
    jobs: Jobs = 8,
    retries: Retries = 2,
    retry: Retry = False,
) -> Answer:
    """Prove that no address is installed twice and that the store agrees with what every device runs.

    Reads every device, and changes nothing. Ends with 1 where anything is found, or a device cannot be read.
    """
    from casm_ctrl.base.clock import parse_duration
    from casm_ctrl.base.errors import InvalidValue
    from casm_ctrl.cli import progress
    from casm_ctrl.sync import verify as verifying
    from casm_ctrl.sync.reconciler import Options

    if report is not None and not report.absolute().parent.is_dir():
        raise InvalidValue(f"the report cannot be written to '{report}'", "make its folder first")
    options = Options(
        wait=parse_duration(wait), accept_new=accept_new, jobs=jobs, retries=retries, retry=retry
    )
    done = progress.run(
        lambda tell: verifying.verify(call.database, call.author, devices or (), options, tell)
    )
    if report is not None:
        write_report(report, {"casm": 1, **done})
    found: Document = done["verify"]
    return Answer(done, lambda: _verified(found), faults=[finding["words"] for finding in found["finding"]])


def write_report(path: Path, document: Document) -> None:
    """Write a report for those who keep it. InvalidValue where it cannot be written."""
    from casm_ctrl.base.errors import InvalidValue

    try:
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidValue(
            f"the report cannot be written to '{path}': {error.strerror}", "name a file that can be written"
        ) from error


def _verified(found: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import number, plural, table

    devices: list[Document] = found["device"]
    if not devices:
        yield "There is no device yet: make one with 'casm device add NAME'."
        return
    if found["finding"]:
        yield table(
            ("KIND", "DEVICES", "BLOCKS", "WHAT"),
            (
                (finding["kind"], finding["device"], finding["block"], finding["words"])
                for finding in found["finding"]
            ),
            flexible=("WHAT",),
        )
        yield ""
    yield table(
        ("DEVICE", "RESULT", "BLOCKS", "RANGES", "IPV4 ADDRESSES", "READ AT"),
        (
            (
                device["name"],
                device["result"],
                *(
                    number(int(device[name])) if name in device else None
                    for name in ("blocks", "ranges", "ipv4-addresses")
                ),
                device.get("read-at"),
            )
            for device in devices
        ),
        right=("BLOCKS", "RANGES", "IPV4 ADDRESSES"),
    )
    if not found["finding"]:
        blocks = plural(int(found["blocks"]), "block")
        yield (
            f"Proven: {blocks} on {plural(len(devices), 'device')}, every address is installed at most once."
        )
