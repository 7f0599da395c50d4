"""`casm verify`: proof that every address is installed at most once, and that the store agrees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from casm_ctrl.cli.call import Answer, Call, Document, command
from casm_ctrl.cli.options import AcceptNew, DeviceNames, Jobs, ReportFile, Retries, Retry, Wait

if TYPE_CHECKING:
    from rich.console import RenderableType


def register(app: typer.Typer, panel: str) -> None:
    command(
        app,
        "verify",
        panel=panel,
        examples=("casm verify", "casm verify --report proof.json", "casm verify bng1 bng2 --json"),
    )(verify)


def verify(
    call: Call,
    devices: DeviceNames = None,
    report: ReportFile = None,
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
    from casm_ctrl.cli import progress
    from casm_ctrl.cli.reports import check_report, write_report
    from casm_ctrl.sync import verify as verifying
    from casm_ctrl.sync.reconciler import Options

    if report is not None:
        check_report(report)
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
