"""`casm audit`: what happened, by whom, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command

if TYPE_CHECKING:
    from rich.console import RenderableType


def register(app: typer.Typer, panel: str) -> None:
    @command(
        app,
        "audit",
        panel=panel,
        examples=("casm audit", "casm audit --limit 20", "casm audit --block b12 --json"),
    )
    def audit(
        call: Call,
        block: Annotated[
            str | None,
            typer.Option(
                "--block",
                metavar="BLOCK",
                help="Only what happened to this block: its id, live or freed, or its prefix.",
                autocompletion=complete.blocks,
            ),
        ] = None,
        limit: Annotated[
            int, typer.Option("--limit", metavar="N", min=1, max=1_000_000, help="The latest N events.")
        ] = 100,
    ) -> Answer:
        """Show the audit, the latest event last."""
        from casm_ctrl.service import views

        found = views.audit(call.database, limit=limit, block=block)
        return Answer({"event": found}, lambda: _show(found))


def _show(found: list[Document]) -> Iterable[RenderableType]:
    return [event_table(found) if found else "Nothing has happened yet."]


def event_table(events: Sequence[Document], *, subject: bool = True) -> RenderableType:
    """Events, one a line; without the subject where all are of one."""
    from casm_ctrl.cli.output import moment, table

    columns = ("SEQ", "TIME", "ACTOR", "WHAT", *(("SUBJECT",) if subject else ()), "STATE", "WHY")
    rows = (
        (
            row["sequence"],
            moment(row["time"]),
            row["actor"],
            row["verb"],
            *((_subject(row),) if subject else ()),
            _states(row),
            row["reason"],
        )
        for row in events
    )
    return table(columns, rows, right=("SEQ",), flexible=("SUBJECT", "WHY"))


def _subject(event: Document) -> str:
    kind: str = event["subject-kind"]
    return event["subject"] if kind == "block" else f"{kind} {event['subject']}"


def _states(event: Document) -> str | None:
    source, target = event.get("from"), event.get("to")
    if source is None or target is None or source == target:
        return target
    return f"{source} → {target}"
