"""`casm status`: all at a glance."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli.call import Answer, Call, Document, command
from casm_ctrl.cli.pool import USAGE, usage_cells

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text


def register(app: typer.Typer, panel: str) -> None:
    @command(
        app, "status", panel=panel, examples=("casm status", "casm status --check", "casm status --json")
    )
    def status(
        call: Call,
        check: Annotated[
            bool,
            typer.Option(
                "--check",
                help="End with 1 where there is a finding, the clock jumped, or a device is not in sync.",
            ),
        ] = False,
    ) -> Answer:
        """Show pools, devices and findings, from the store: no device is asked."""
        from casm_ctrl.base.errors import StoreFault
        from casm_ctrl.service import rest, views
        from casm_ctrl.service.stock_alarms import try_note_stock

        with contextlib.suppress(StoreFault):  # who may only read sees what is due as it stands
            rest.sweep_store(call.database)
        try_note_stock(call.database)
        found = views.status(call.database)
        return Answer({"status": found}, lambda: _show(found), faults=_faults(found) if check else ())


def _faults(found: Document) -> list[str]:
    from casm_ctrl.cli.output import plural

    wrong = [device["name"] for device in found["device"] if device["sync"]["state"] != "in-sync"]
    parts = []
    if found["finding"]:
        parts.append(plural(len(found["finding"]), "finding"))
    if found["clock-held"]:
        parts.append("the clock jumped")
    if wrong:
        listed = ", ".join(wrong[:5]) + (" …" if len(wrong) > 5 else "")
        parts.append(f"{plural(len(wrong), 'device')} not in sync ({listed})")
    return [f"{' and '.join(parts)}: see 'casm status', then 'casm plan' and 'casm apply'"] if parts else []


def _in_the_way(found: Document) -> Iterable[str]:
    """Who keeps others from changing configuration."""
    from casm_ctrl.cli.output import moment

    lock, commit = found.get("configuration-lock"), found.get("confirmed-commit")
    if lock is not None:
        yield (
            f"The configuration is locked by {lock['user']} (NETCONF session {lock['session-id']}) since"
            f" {moment(lock['since'])}."
        )
    if commit is not None:
        whose = f" (NETCONF session {commit['session-id']})" if "session-id" in commit else ""
        yield (
            f"A confirmed commit of {commit['user']}{whose} is taken back at {moment(commit['deadline'])} unless it is"
            " confirmed."
        )


def _show(found: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import facts, moment, table, titled

    yield facts(
        (
            ("store", found["store-id"]),
            ("configuration", f"revision {found['config-revision']}"),
            ("audit", _audit(found["audit"])),
            ("alarms", _alarms(found["alarm-summary"])),
        )
    )
    yield from _in_the_way(found)
    if found["clock-held"]:
        yield "The clock jumped: no block leaves quarantine until it was looked at; see 'casm accept-clock --help'."
    if found["hold"]:
        from casm_ctrl.cli.hold import hold_table

        yield from titled("Held from automatic changes", hold_table(found["hold"]))
    if found["pool"]:
        rows = (
            (
                pool["name"],
                pool["address-space"],
                pool["family"],
                *usage_cells(pool["usage"]),
                _blocks(pool["usage"]),
            )
            for pool in found["pool"]
        )
        columns = ("POOL", "SPACE", "FAMILY", *USAGE, "BLOCKS")
        yield from titled("Pools", table(columns, rows, right=USAGE))
    if found["device"]:
        devices = (
            (
                device["name"],
                device["role"],
                "held" if "held" in device["sync"] else device["sync"]["state"],
                moment(device["sync"].get("last-seen")),
                _blocks(device),
                None if "held" in device["sync"] else device["sync"].get("last-error"),
            )
            for device in found["device"]
        )
        yield from titled(
            "Devices", table(("DEVICE", "ROLE", "SYNC", "LAST SEEN", "BLOCKS", "LAST ERROR"), devices)
        )
        pending = [
            f"{device['name']}: a confirmed commit may be pending until {moment(device['pending-commit-until'])}"
            for device in found["device"]
            if "pending-commit-until" in device
        ]
        yield from pending
        for device in found["device"]:
            if "held" in device["sync"]:
                yield f"{device['name']} is held {held_words(device['sync']['held'])}"
            if "open-until" in device["sync"].get("circuit", {}):
                yield f"{device['name']} {circuit_words(device['sync']['circuit'])}"
    for run in found["atomic-run"]:
        held = ", ".join(f"{device['name']} {device['holds']}" for device in run["device"])
        yield f"atomic run {run['id']} of {run['actor']} is not over, {_DECISIONS[run['decision']]}: {held}"
    yield from _findings(found["finding"])
    if not found["pool"] and not found["device"]:
        yield "The store is empty. Begin with 'casm space add NAME', then 'casm pool add'."


def _alarms(summary: list[Document]) -> Text:
    """How many are raised, by severity."""
    from rich.text import Text

    from casm_ctrl.cli.alarms import SEVERITY_STYLES

    raised = [(row["not-cleared"], row["severity"]) for row in summary if row["not-cleared"]]
    text = Text("none" if not raised else "")
    for index, (count, severity) in enumerate(raised):
        text.append(", " if index else "").append(f"{count:,} {severity}", style=SEVERITY_STYLES[severity])
    return text.append(": see 'casm alarms'") if raised else text


def _audit(standing: Document) -> str:
    from casm_ctrl.base.clock import show_duration
    from casm_ctrl.cli.output import plural

    if "oldest-unsealed-age" not in standing:
        return "all sealed"
    age = show_duration(standing["oldest-unsealed-age"])
    return f"{plural(int(standing['unsealed']), 'event')} not sealed yet, the oldest {age} old"


_DECISIONS = {
    "none": "and not decided: the next 'casm apply' to one of its devices takes it back",
    "commit": "and decided: the next 'casm apply' to one of its devices goes on with it",
    "roll-back": "and being taken back: the next 'casm apply' to one of its devices goes on with it",
}


def _blocks(counted: Document) -> str | None:
    counts = counted["block-count"]
    return ", ".join(f"{int(row['blocks']):,} {row['state']}" for row in counts) or None


def circuit_words(circuit: Document) -> str:
    """Why and for how long runs pass a device over, or that they may soon."""
    from casm_ctrl.cli.output import moment, plural

    silent = f"did not answer in {plural(circuit['failures'], 'run')}"
    if circuit["state"] == "open":
        return f"{silent}, and is left alone until {moment(circuit['open-until'])}"
    if circuit["state"] == "half-open":
        return f"{silent}; the next run tries it once"
    return silent


def held_words(held: Document) -> str:
    """Since when, and why a device is held."""
    from casm_ctrl.cli.output import moment

    return f"since {moment(held['since'])}: {held['words']}; see 'casm device replace --help'"


def _findings(findings: list[Document]) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import titled

    if findings:
        yield from titled("Findings", finding_table(findings))
    else:
        yield ""
        yield "No findings."


def finding_table(findings: list[Document]) -> RenderableType:
    """What wants a person's eye, one a line."""
    from casm_ctrl.cli.output import moment, table

    rows = (
        (
            f["device"],
            f["kind"],
            f.get("block"),
            f["words"],
            "yes" if f["holds"] else "no",
            moment(f["since"]),
        )
        for f in findings
    )
    return table(("DEVICE", "KIND", "BLOCK", "WHAT", "HOLDS", "SINCE"), rows, flexible=("WHAT",))
