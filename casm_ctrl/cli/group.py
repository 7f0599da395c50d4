"""`casm group`: devices that have blocks together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command, lines

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(
    no_args_is_help=True, help="Owner groups: a redundancy pair, or a DHCP server with its relays."
)

_Known = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The group's name.", show_default=False, autocompletion=complete.groups
    ),
]


@command(
    app,
    "add",
    examples=(
        "casm group add pair --member bng1:serves --member bng2:stands-by",
        "casm group add dhcp --member kea1:serves --member bng1:relays --member bng2:relays",
    ),
    changes=True,
)
def add(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The group's name.", show_default=False)],
    member: Annotated[
        list[str],
        typer.Option(
            "--member",
            metavar="DEVICE:ROLE",
            help="A device, and whether it serves, stands-by or relays; repeat it for each.",
            show_default=False,
        ),
    ],
) -> Answer:
    """Add an owner group. Its blocks are configured on all that serve or stand by, and on no relay."""
    from casm_ctrl.service.configuration import AddGroup, change

    members = _pairs(member)
    done = change(call.database, call.author, [AddGroup(name, members)])
    words = f"Added owner group {name} ({', '.join(member)})."
    return Answer(
        {"owner-group": {"name": name}, **done},
        lines(
            f"{words} Next: casm device-pool add {members[0][0]}/NAME --group {name} --pool POOL --length N"
        ),
    )


@command(
    app,
    "change",
    examples=(
        "casm group change pair --member bng3:stands-by --without bng2",
        "casm group change dhcp --member bng3:relays",
    ),
    changes=True,
)
def change_(
    call: Call,
    name: _Known,
    member: Annotated[
        list[str] | None,
        typer.Option(
            "--member",
            metavar="DEVICE:ROLE",
            help="A device more, or what one does from now on: serves, stands-by or relays; may be repeated.",
            show_default=False,
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            metavar="DEVICE",
            help="A device that leaves; may be repeated.",
            show_default=False,
            autocompletion=complete.devices,
        ),
    ] = None,
) -> Answer:
    """Change who is in a group. Who serves or stands by stays while the group has blocks; relays may change."""
    from casm_ctrl.base.errors import InvalidValue, NotFound
    from casm_ctrl.service.configuration import ChangeGroup, change
    from casm_ctrl.service.groups import show_group

    if not member and not without:
        raise InvalidValue(f"nothing of group '{name}' was to be changed", "give --member or --without")
    members = {row["device"]: row["role"] for row in show_group(call.database, name)["member"]}
    for device in without or ():
        if members.pop(device, None) is None:
            raise NotFound(
                f"device '{device}' is not in group '{name}'", f"see 'casm group show {name}', who is"
            )
    members |= dict(_pairs(member or ()))
    done = change(call.database, call.author, [ChangeGroup(name, tuple(sorted(members.items())))])
    words = ", ".join(f"{device} {role}" for device, role in sorted(members.items()))
    return Answer({"owner-group": {"name": name}, **done}, lines(f"Changed owner group {name}: {words}."))


def _pairs(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """What --member says."""
    from casm_ctrl.base.errors import InvalidValue

    found = []
    for text in texts:
        device, colon, role = text.rpartition(":")
        if not colon or not device:
            raise InvalidValue(f"'{text}' is not what --member takes", "write --member DEVICE:ROLE")
        found.append((device, role))
    return tuple(found)


@command(app, "list", examples=("casm group list",))
def list_(call: Call) -> Answer:
    """List the owner groups and their members."""
    from casm_ctrl.service.groups import list_groups

    found = list_groups(call.database)
    return Answer({"owner-group": found}, lambda: _table(found))


def _table(found: list[Document]) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import table

    if not found:
        return ["There is no owner group yet: make one with 'casm group add NAME --member DEVICE:ROLE'."]
    rows = ((row["name"], ", ".join(_members(row)), ", ".join(row["device-pool"])) for row in found)
    return [table(("NAME", "MEMBERS", "DEVICE POOLS"), rows, flexible=("MEMBERS", "DEVICE POOLS"))]


def _members(group: Document) -> list[str]:
    return [f"{member['device']} {member['role']}" for member in group["member"]]


@command(app, "show", examples=("casm group show pair",))
def show(call: Call, name: _Known) -> Answer:
    """Show an owner group: its members, and the device pools that it owns."""
    from casm_ctrl.service.groups import show_group

    found = show_group(call.database, name)
    return Answer({"owner-group": found}, lambda: _facts(found))


def _facts(group: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import facts

    return [
        facts((("name", group["name"]), ("members", _members(group)), ("device pools", group["device-pool"])))
    ]


@command(app, "remove", examples=("casm group remove pair",), changes=True)
def remove(call: Call, name: _Known) -> Answer:
    """Remove an owner group that owns no device pool any more."""
    from casm_ctrl.service.configuration import RemoveGroup, change

    done = change(call.database, call.author, [RemoveGroup(name)])
    return Answer({"owner-group": {"name": name}, **done}, lines(f"Removed owner group {name}."))
