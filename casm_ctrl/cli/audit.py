"""`casm audit`: what happened, by whom, and why; and whether anybody changed the record of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command, group_command

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(help="What happened, by whom and why.", no_args_is_help=False)


@group_command(app, examples=("casm audit", "casm audit --limit 20", "casm audit --block b12 --json"))
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
    source, target = event.get("from"), event.get("to", event.get("outcome"))
    if source is None or target is None or source == target:
        return target
    return f"{source} → {target}"


@command(app, "verify", examples=("casm audit verify", "casm audit verify --expect 413:HASH --json"))
def verify(
    call: Call,
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect",
            metavar="NUMBER:HASH",
            help="A seal that an earlier verification showed, and that was kept outside the store.",
        ),
    ] = None,
) -> Answer:
    """Walk the chain of seals over the audit, and find every event that was changed since it was sealed.

    Ends with 1 where there is a finding. Says how many events are not sealed yet, and how old the oldest is.
    """
    from casm_ctrl.cli.progress import counting
    from casm_ctrl.service import sealing

    anchor = None if expect is None else sealing.Anchor.parse(expect)
    with counting("verifying seals", sealing.count_seals(call.database)) as step:
        found = sealing.verify(call.database, anchor, step)
    faults = list(found["finding"])
    if len(faults) < int(found["findings"]):
        faults.append(f"and {int(found['findings']) - len(faults)} findings more")
    return Answer({"audit": found}, lambda: _verified(found), faults=faults)


@command(app, "seal", examples=("casm audit seal",))
def seal(call: Call) -> Answer:
    """Seal what has happened up to now. Commands that change something do so at their end."""
    from casm_ctrl.service import sealing

    done = sealing.seal(call.database)
    notes = ["another process seals now: nothing was done here"] if done["busy"] else []
    return Answer({"audit": done}, lambda: _sealed(done), notes=notes)


def _verified(found: Document) -> Iterable[RenderableType]:
    if not int(found["findings"]):
        yield "The audit is as it was sealed."
    yield from _standing(found)


def _sealed(done: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import plural

    yield f"{plural(int(done['newly-sealed']), 'event')} sealed."
    yield from _standing(done)


def _standing(found: Document) -> Iterable[RenderableType]:
    from casm_ctrl.base.clock import show_duration
    from casm_ctrl.cli.output import facts, moment, number

    age = found.get("oldest-unsealed-age")
    yield facts(
        (
            ("sealed", number(found["sealed"])),
            ("last seal", f"{found['sealed']}:{found['hash']}" if "hash" in found else None),
            ("not sealed yet", number(found["unsealed"])),
            ("the oldest of them", moment(found.get("oldest-unsealed"))),
            ("its age", None if age is None else show_duration(age)),
        )
    )
