"""`casm alarms`: what wants a person now, what is put away, and what people say of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command, group_command, lines

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

app = typer.Typer(help="What wants a person now, and what is put away.", no_args_is_help=False)

_Device = typer.Option(
    "--device", metavar="DEVICE", help="Of a device and what is on it.", autocompletion=complete.devices
)
_Alarm = Annotated[
    str, typer.Argument(metavar="ALARM", help="As a12.", autocompletion=complete.alarms, show_default=False)
]
_Text = Annotated[str, typer.Option("--text", metavar="TEXT", help="What others should know.")]
SEVERITY_STYLES = {
    "critical": "bold red",
    "major": "red",
    "minor": "yellow",
    "warning": "cyan",
    "indeterminate": "dim",
}


@group_command(
    app,
    examples=("casm alarms", "casm alarms --all --device bng1", "casm alarms --shelved --json"),
)
def alarms(
    call: Call,
    everything: Annotated[bool, typer.Option("--all", help="With those that are cleared.")] = False,
    cleared: Annotated[bool, typer.Option("--cleared", help="Only those that are cleared.")] = False,
    shelved: Annotated[bool, typer.Option("--shelved", help="Those that are on a shelf.")] = False,
    device: Annotated[str | None, _Device] = None,
    alarm_type: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="As pool-low.", autocompletion=complete.alarm_types),
    ] = None,
) -> Answer:
    """List alarms that are raised, the most severe first."""
    from casm_ctrl.service.alarm_views import list_alarms
    from casm_ctrl.service.stock_alarms import try_note_stock

    try_note_stock(call.database)
    wanted = True if cleared else None if everything else False
    found = list_alarms(call.database, cleared=wanted, shelved=shelved, device=device, type_id=alarm_type)
    return Answer(found, lambda: _list(found, shelved=shelved))


def _list(found: Document, *, shelved: bool) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import plural

    if found["alarm"]:
        yield alarm_table(found["alarm"], shelved=shelved)
    else:
        yield "No alarms."
    hidden = found["number-of-shelved-alarms"]
    if hidden and not shelved:
        yield f"{plural(hidden, 'alarm')} on shelves: see 'casm alarms --shelved'."


def alarm_table(found: Sequence[Document], *, shelved: bool = False) -> RenderableType:
    """Alarms, one a line."""
    from casm_ctrl.cli.output import moment, table

    columns = ("ID", "SEVERITY", "TYPE", "ON", "SINCE", "STATE", *(("SHELF",) if shelved else ()), "TEXT")
    rows = (
        (
            row["id"],
            severity_text(row),
            _type(row),
            resource_words(row),
            moment(row["last-raised"]),
            _state(row),
            *((row["shelf-name"],) if shelved else ()),
            row["alarm-text"],
        )
        for row in found
    )
    return table(columns, rows)


def severity_text(alarm: Document) -> Text:
    """In its colour, or as cleared."""
    from rich.text import Text

    if alarm["is-cleared"]:
        return Text("cleared", style="dim")
    severity = alarm["perceived-severity"]
    return Text(severity, style=SEVERITY_STYLES[severity])


def resource_words(alarm: Document) -> str:
    from casm_ctrl.service.alarm_resources import words_of

    return words_of(alarm["resource"])


def _type(alarm: Document) -> str:
    kind: str = alarm["alarm-type-id"].rpartition(":")[2]
    return f"{kind} {alarm['alarm-type-qualifier']}".rstrip()


def _state(alarm: Document) -> str | None:
    said = alarm["operator-state-change"]
    return None if not said or said[0]["state"] == "none" else f"{said[0]['state']} by {said[0]['operator']}"


@command(app, "show", examples=("casm alarms show a12",))
def show(call: Call, alarm: _Alarm) -> Answer:
    """Show an alarm, what became of it, what people said, and what to do."""
    from casm_ctrl.service.alarm_views import show_alarm

    found = show_alarm(call.database, alarm)
    return Answer({"alarm": found}, lambda: _shown(found))


def _shown(found: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import facts, moment, table, titled

    yield facts(
        (
            ("alarm", found["id"]),
            ("type", _type(found)),
            ("on", resource_words(found)),
            ("resource", found["resource"]),
            ("severity", severity_text(found)),
            ("severity before", found["perceived-severity"] if found["is-cleared"] else None),
            ("text", found["alarm-text"]),
            ("first raised", moment(found["time-created"])),
            ("last raised", moment(found["last-raised"])),
            ("last change", moment(found["last-changed"])),
            ("shelf", found.get("shelf-name")),
            ("what to do", found["description"]),
        )
    )
    changes = ((moment(c["time"]), c["perceived-severity"], c["alarm-text"]) for c in found["status-change"])
    yield from titled("Changes, the latest first", table(("TIME", "SEVERITY", "TEXT"), changes))
    if found["operator-state-change"]:
        said = (
            (moment(c["time"]), c["operator"], c["state"], c.get("text"))
            for c in found["operator-state-change"]
        )
        yield from titled("What was said of it", table(("TIME", "BY", "STATE", "TEXT"), said))


# --- What people say ------------------------------------------------------------------------------


@command(app, "ack", examples=("casm alarms ack a12 --text 'ordered another /22'",), changes=True)
def ack(call: Call, alarm: _Alarm, text: _Text = "") -> Answer:
    """Say that somebody takes care of it. It stays raised until it is over."""
    return _say(call, alarm, "ack", text)


@command(app, "close", examples=("casm alarms close a12 --text 'cable was pulled'",), changes=True)
def close(call: Call, alarm: _Alarm, text: _Text = "") -> Answer:
    """Say that it is done with. What is still so stays raised."""
    return _say(call, alarm, "closed", text)


@command(app, "reopen", examples=("casm alarms reopen a12",), changes=True)
def reopen(call: Call, alarm: _Alarm, text: _Text = "") -> Answer:
    """Say that nobody takes care of it any more."""
    return _say(call, alarm, "none", text)


def _say(call: Call, alarm: str, state: str, text: str) -> Answer:
    from casm_ctrl.service.alarm_actions import set_operator_state

    done = set_operator_state(call.database, call.author, alarm, state, text)
    return Answer(done, lambda: [alarm_table([done["alarm"]])])


@command(
    app,
    "purge",
    examples=("casm alarms purge --cleared --older-than 30d", "casm alarms purge --closed"),
    changes=True,
)
def purge(
    call: Call,
    cleared: Annotated[bool, typer.Option("--cleared", help="Only those that are cleared.")] = False,
    closed: Annotated[bool, typer.Option("--closed", help="Only those that somebody closed.")] = False,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="TIME", help="Only those unchanged for so long: 30d."),
    ] = None,
    shelved: Annotated[bool, typer.Option("--shelved", help="Of those on shelves.")] = False,
) -> Answer:
    """Delete alarms from the list. What is still so comes back the next time that it is found."""
    from casm_ctrl.base.clock import parse_duration
    from casm_ctrl.base.errors import InvalidValue
    from casm_ctrl.cli.output import plural
    from casm_ctrl.service import alarm_actions

    if not cleared and not closed and older_than is None:
        raise InvalidValue(
            "alarms are to be deleted, and which ones is not said",
            "give --cleared, --closed or --older-than TIME (0: all)",
        )
    chosen = alarm_actions.Chosen(
        cleared=True if cleared else None,
        older_than=None if older_than is None else parse_duration(older_than),
        state="closed" if closed else None,
    )
    done = alarm_actions.purge(call.database, call.author, chosen, shelved=shelved)
    return Answer(done, lines(f"{plural(done['purged-alarms'], 'alarm')} deleted."))


# --- Shelves --------------------------------------------------------------------------------------


@command(
    app,
    "shelve",
    examples=(
        "casm alarms shelve card --device bng1 --description 'line card is replaced tonight'",
        "casm alarms shelve noise --type decision-blocked --below major",
        "casm alarms shelve lab --resource \"//casm-devices:device[starts-with(casm-devices:name, 'lab-')]\"",
    ),
    changes=True,
)
def shelve(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="SHELF", help="The name of the new shelf.")],
    device: Annotated[list[str] | None, _Device] = None,
    device_pool: Annotated[
        list[str] | None,
        typer.Option(
            "--device-pool",
            metavar="DEVICE/NAME",
            help="Of that one.",
            autocompletion=complete.device_pools,
        ),
    ] = None,
    pool: Annotated[
        list[str] | None,
        typer.Option("--pool", metavar="POOL", help="Of that pool.", autocompletion=complete.pools),
    ] = None,
    resource: Annotated[
        list[str] | None,
        typer.Option(
            "--resource",
            metavar="XPATH",
            help="Of what the expression selects; prefixes are names of modules.",
        ),
    ] = None,
    alarm_type: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Of that type.", autocompletion=complete.alarm_types),
    ] = None,
    below: Annotated[
        str | None,
        typer.Option(
            "--below",
            metavar="SEVERITY",
            help="Less severe than: warning, minor, major, critical.",
            autocompletion=complete.severities,
        ),
    ] = None,
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="Why.")] = "",
) -> Answer:
    """Put alarms away that match: nobody is told of them until 'casm alarms unshelve'.

    Resources are alternatives, and so are types. What is not said matches all; something must be said.
    """
    from casm_ctrl.base.errors import InvalidValue
    from casm_ctrl.cli.output import plural
    from casm_ctrl.service import alarm_shelves as shelves
    from casm_ctrl.service.configuration import AddShelf, change

    resources = (
        *map(shelves.within_device, device or ()),
        *map(shelves.exactly_device_pool, device_pool or ()),
        *map(shelves.exactly_pool, pool or ()),
        *(resource or ()),
    )
    if not resources and not alarm_type and below is None:
        raise InvalidValue(
            f"the shelf {name} would put all alarms away",
            "say which: --device, --device-pool, --pool, --resource ('//*': of everything), --type or --below",
        )
    edit = AddShelf(name, resources, tuple(alarm_type or ()), below, description or call.reason)
    done = change(call.database, call.author, [edit])
    count = _shelved(call, name)
    document = {"shelf": {"name": name, "alarms": count}, **done}
    return Answer(document, lines(f"{plural(count, 'alarm')} on the shelf {name}."))


@command(app, "unshelve", examples=("casm alarms unshelve card",), changes=True)
def unshelve(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="SHELF", help="The shelf.", autocompletion=complete.shelves)],
) -> Answer:
    """Take a shelf away. Its alarms go back to the list, or to another shelf that they match."""
    from casm_ctrl.cli.output import plural
    from casm_ctrl.service.configuration import RemoveShelf, change

    count = _shelved(call, name)
    done = change(call.database, call.author, [RemoveShelf(name)])
    document = {"shelf": {"name": name, "alarms": count}, **done}
    return Answer(document, lines(f"The shelf {name} is gone; {plural(count, 'alarm')} had been on it."))


def _shelved(call: Call, name: str) -> int:
    from casm_ctrl.service.alarm_views import list_alarms

    found = list_alarms(call.database, cleared=None, shelved=True)["alarm"]
    return sum(alarm["shelf-name"] == name for alarm in found)


@command(app, "shelves", examples=("casm alarms shelves",))
def shelves_(call: Call) -> Answer:
    """List the shelves, in the order in which they are looked at."""
    from casm_ctrl.service.alarm_shelves import list_shelves

    found = list_shelves(call.database)
    return Answer({"shelf": found}, lambda: _shelves(found))


def _shelves(found: list[Document]) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import table

    if not found:
        return ["There are no shelves."]
    rows = (
        (
            shelf["name"],
            "\n".join(shelf["resource"]) or "all",
            "\n".join(entry["alarm-type-id"].rpartition(":")[2] for entry in shelf["alarm-type"]) or "all",
            shelf.get("below"),
            shelf["description"],
        )
        for shelf in found
    )
    return [table(("SHELF", "RESOURCES", "TYPES", "BELOW", "WHY"), rows, flexible=("RESOURCES", "WHY"))]
