"""`casm why`: what automation decided about a block or a device pool, and by what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command

if TYPE_CHECKING:
    from rich.console import RenderableType


def register(app: typer.Typer, panel: str) -> None:
    command(
        app,
        "why",
        panel=panel,
        examples=("casm why bng1/home", "casm why b12", "casm why 198.51.100.0/24 --last 50 --json"),
    )(why_)


def why_(
    call: Call,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="BLOCK|DEVICE/NAME",
            help="A block, by its id or prefix, also one that was freed; or a device pool.",
            autocompletion=complete.why_subjects,
        ),
    ],
    last: Annotated[
        int, typer.Option("--last", metavar="N", min=1, max=10_000, help="The latest N decisions.")
    ] = 10,
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            metavar="SPACE",
            help="The address space of a prefix that is a block in several.",
            autocompletion=complete.spaces,
        ),
    ] = None,
) -> Answer:
    """Tell what automation decided, and why: samples, thresholds, rule, candidates and choice.

    The latest decision is told last. To do nothing is a decision too; as long as it stays the same it is counted.
    """
    from casm_ctrl.service.why import why

    found = why(call.database, subject, last=last, space=space)
    return Answer({"why": found}, lambda: _show(found))


def _show(found: Document) -> Iterable[RenderableType]:
    yield from _about(found["subject"])
    if not found["decision"]:
        yield "Automation has decided nothing about it."
    for decision in reversed(found["decision"]):
        yield from _story(decision)


def _about(subject: Document) -> Iterable[str]:
    from casm_ctrl.cli.output import moment

    if "block" not in subject:
        yield subject["device-pool"]
        return
    yield (
        f"{subject['block']} {subject['prefix']} of {subject['device-pool']}: {subject['state']} since"
        f" {moment(subject['since'])}"
    )
    origin = subject.get("origin")
    if origin is not None:
        reason = f" ({origin['reason']})" if "reason" in origin else ""
        yield f"It was made by {origin['actor']}, {origin['verb']}, at {moment(origin['time'])}{reason}."


def _story(decision: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import facts, moment, table

    yield ""
    yield f"{moment(decision['last'])}  {_headline(decision)}"
    readings = [
        f"{reading.get('used', '?')} of {reading.get('capacity', '?')} at {moment(reading.get('at'))}"
        f" ({reading.get('source', '?')})"
        for reading in decision["reading"]
    ]
    inputs = ", ".join(f"{pair['name']} {pair['text']}" for pair in decision["input"])
    listed = ", ".join(f"{block['id']} {block.get('prefix', '')}".rstrip() for block in decision["block"])
    guard = decision.get("blocked-by")
    yield _indented(
        facts(
            (
                ("because", decision["because"]),
                ("rule", decision["rule"]),
                ("kept back by", guard),
                ("samples", readings),
                ("decided by", inputs),
                ("blocks", listed),
                ("came to", _outcome(decision)),
            )
        )
    )
    if decision["candidate"]:
        told = dict.fromkeys(pair["name"] for each in decision["candidate"] for pair in each["value"])
        names = sorted(told, key=lambda name: name not in _FIRST)
        rows = []
        for each in decision["candidate"]:
            values = {pair["name"]: pair["text"] for pair in each["value"]}
            rows.append(("→" if each["chosen"] else "", *(values.get(name) for name in names)))
        columns = ("CHOSEN", *(name.upper().replace("-", " ") for name in names))
        yield _indented(table(columns, rows, flexible=()))


def _headline(decision: Document) -> str:
    """What was decided, in words: `did nothing, because … (312 times since …)`."""
    from casm_ctrl.cli.output import moment, number

    doing, did = _WORDS.get(decision["action"], (decision["action"], decision["action"]))
    if decision["action"] == "nothing":
        words = "was kept back" if "blocked-by" in decision else "did nothing"
    elif decision["would"]:
        words = f"would {doing} (the policy only observes)"
    elif "done" in decision:
        words = did
    else:
        words = f"wanted to {doing}"
    times = int(decision["times"])
    return f"{words} ({number(times)} times since {moment(decision['first'])})" if times > 1 else words


_FIRST = ("block", "prefix", "length")
"""Columns that say what a candidate is; the others are its costs."""
_WORDS = {
    "grow": ("add blocks", "added blocks"),
    "drain": ("drain a block", "began to drain a block"),
    "cancel-drain": ("serve from a drained block again", "serves from a drained block again"),
    "give-back": ("give a block back", "gave a block back"),
}


def _outcome(decision: Document) -> str | None:
    if "outcome" not in decision:
        return None
    words = decision.get("outcome-words")
    return f"{decision['outcome']}: {words}" if words else str(decision["outcome"])


def _indented(part: RenderableType) -> RenderableType:
    from rich.padding import Padding

    return Padding(part, (0, 0, 0, 2))
