"""`casm device`: NETCONF servers that hand addresses to subscribers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from casm_ctrl.base.errors import Ambiguous, NotFound
from casm_ctrl.base.polling import EVERYWHERE
from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command, lines
from casm_ctrl.cli.device_change import change_, read_deadlines
from casm_ctrl.cli.device_check import check
from casm_ctrl.cli.device_replace import replace
from casm_ctrl.cli.options import (
    Client,
    HotInterval,
    Instances,
    Labels,
    Notifications,
    OnDrift,
    PollInterval,
    Role,
    read_polling,
    split_pairs,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from casm_ctrl.store.database import Database

app = typer.Typer(no_args_is_help=True, help="Devices: BNGs, CGNs and DHCP servers with NETCONF.")

_Known = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The device's name.", show_default=False, autocompletion=complete.devices
    ),
]


@command(
    app,
    "add",
    examples=(
        "casm device add bng1 --role bng --driver ietf-address-pool --host 192.0.2.1 --user casm "
        "--credential env:BNG1_PASSWORD",
        "casm device add dhcp1 --role dhcp --driver ietf-address-pool --host dhcp1.example.net --port 8300 "
        "--user casm --credential file:~/.ssh/id_casm --space internet --deadline rpc=60",
    ),
    changes=True,
)
def add(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The device's name.", show_default=False)],
    role: Annotated[
        Role, typer.Option("--role", help="What it is.", show_default=False, case_sensitive=False)
    ],
    driver: Annotated[
        str,
        typer.Option(
            "--driver",
            metavar="DRIVER",
            help="Which data model it has, as ietf-address-pool.",
            show_default=False,
            autocompletion=complete.drivers,
        ),
    ],
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", help="Its address or name.", show_default=False)
    ],
    user: Annotated[
        str, typer.Option("--user", metavar="USER", help="The user to log in as.", show_default=False)
    ],
    credential: Annotated[
        str,
        typer.Option(
            "--credential",
            metavar="REFERENCE",
            help="Where the secret is: env:VARIABLE (a password) or file:PATH (a private key). "
            "The secret itself is never stored.",
            show_default=False,
        ),
    ],
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", help="The TCP port of NETCONF over SSH.")
    ] = 830,
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            metavar="SPACE",
            help="The address space it serves. Default: the only one there is.",
            autocompletion=complete.spaces,
        ),
    ] = None,
    host_key: Annotated[
        str | None,
        typer.Option(
            "--host-key",
            metavar="KEY",
            help="The SSH host key it must present: type and base64, as ssh-keyscan prints them.",
        ),
    ] = None,
    instance: Instances = None,
    deadline: Annotated[
        list[str] | None,
        typer.Option(
            "--deadline",
            metavar="PHASE=SECONDS",
            help="How long a phase may take: tcp, ssh, hello, rpc or commit; may be repeated.",
            show_default=False,
        ),
    ] = None,
    client: Annotated[
        Client,
        typer.Option("--client", help="The NETCONF client that enters it.", case_sensitive=False),
    ] = Client.ASYNCSSH,
    on_drift: Annotated[
        OnDrift,
        typer.Option(
            "--on-drift", help="What 'casm drift' does where objects of ours changed.", case_sensitive=False
        ),
    ] = OnDrift.REPORT,
    poll_interval: PollInterval = None,
    hot_interval: HotInterval = None,
    notifications: Notifications = None,
    label: Labels = None,
) -> Answer:
    """Add a device. Nothing is sent to it; 'casm device check' looks whether it is fit."""
    from casm_ctrl.service.configuration import AddDevice, change
    from casm_ctrl.sync.admission import canonical_key, check_driver

    check_driver(driver, role.value)
    edit = AddDevice(
        name=name,
        role=role.value,
        driver=driver,
        host=host,
        port=port,
        user=user,
        credential=credential,
        space=space or _only_space(call.database),
        host_key=None if host_key is None else canonical_key(host_key),
        instances=split_pairs("--instance", instance or (), "NAME=SPACE"),
        deadlines=tuple((phase, seconds) for phase, seconds in read_deadlines(deadline or ()) if seconds),
        client=client.value,
        on_drift=on_drift.value,
        polling=dataclasses.replace(
            EVERYWHERE, **dict[str, Any](read_polling(poll_interval, hot_interval, notifications))
        ),
        labels=split_pairs("--label", label or (), "NAME=VALUE"),
    )
    done = change(call.database, call.author, [edit])
    return Answer(
        {"device": {"name": name}, **done},
        lines(f"Added device {name} ({driver} at {host} port {port}). Next: casm device check {name}"),
    )


command(
    app,
    "change",
    examples=(
        "casm device change bng1 --client ncclient",
        "casm device change bng1 --host 192.0.2.7 --port 8300 --label site=north --unlabel old",
        "casm device change bng1 --deadline rpc=120 --deadline hello=default",
    ),
    changes=True,
)(change_)


def _only_space(database: Database) -> str:
    from casm_ctrl.service.views import list_spaces

    names = [str(row["name"]) for row in list_spaces(database)]
    if not names:
        raise NotFound("there is no address space yet", "make one with 'casm space add NAME'")
    if len(names) > 1:
        raise Ambiguous(f"there is more than one address space: {', '.join(names)}", "choose with --space")
    return names[0]


@command(app, "list", examples=("casm device list", "casm device list --json"))
def list_(call: Call) -> Answer:
    """List the devices and how they stand."""
    from casm_ctrl.service.views import list_devices

    found = list_devices(call.database)
    return Answer({"device": found}, lambda: _table(found))


def _table(found: list[Document]) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import moment, table

    if not found:
        return ["There is no device yet: make one with 'casm device add NAME'."]
    rows = (
        (
            row["name"],
            row["role"],
            row["driver"],
            f"{row['host']} port {row['port']}",
            row["address-space"],
            "held" if "held" in row["sync"] else row["sync"]["state"],
            moment(row["sync"].get("last-seen")),
        )
        for row in found
    )
    return [table(("NAME", "ROLE", "DRIVER", "ADDRESS", "SPACE", "SYNC", "LAST SEEN"), rows)]


@command(app, "show", examples=("casm device show bng1",))
def show(call: Call, name: _Known) -> Answer:
    """Show a device: how it is reached, its device pools, and what the last read found."""
    from casm_ctrl.service.views import show_device

    found = show_device(call.database, name)
    return Answer({"device": found}, lambda: _facts(found))


def _facts(row: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.device_pool import device_pool_table
    from casm_ctrl.cli.output import facts, moment, titled
    from casm_ctrl.cli.status import circuit_words, finding_table, held_words

    sync = row["sync"]
    yield facts(
        (
            ("name", row["name"]),
            ("role", row["role"]),
            ("driver", row["driver"]),
            ("address", f"{row['host']} port {row['port']}"),
            ("user", row["user"]),
            ("credential", row["credential"]),
            ("host key", row.get("host-key", "not recorded")),
            ("serial", f"{sync['serial']}, read {moment(sync['serial-read'])}" if "serial" in sync else None),
            ("held", held_words(sync["held"]) if "held" in sync else None),
            ("client", row["client"]),
            ("on drift", row["on-drift"]),
            ("deadlines", [f"{phase} {seconds} s" for phase, seconds in row.get("deadlines", {}).items()]),
            ("usage read", polling_words(row["polling"])),
            ("space", row["address-space"]),
            ("instances", [f"{one['name']} in {one['address-space']}" for one in row["network-instance"]]),
            ("labels", [f"{one['name']}={one['value']}" for one in row["label"]]),
            ("sync", sync["state"]),
            ("edits", sync["generation"]),
            ("last seen", moment(sync.get("last-seen")) or "never"),
            ("last error", None if "held" in sync else sync.get("last-error")),
            ("circuit", circuit_words(sync["circuit"]) if "circuit" in sync else None),
        )
    )
    if row["device-pool"]:
        yield from titled("Device pools", device_pool_table(row["device-pool"]))
    if row["finding"]:
        yield from titled("Findings", finding_table(row["finding"]))


def polling_words(polling: Document) -> str:
    """How often usage is read, and whether notifications are listened to."""
    from casm_ctrl.base.clock import show_duration

    times = [show_duration(polling[name]) for name in ("interval", "hot-interval")]
    listened = "" if polling["notifications"] else ", notifications are not listened to"
    return f"every {times[0]}, every {times[1]} while a pool is nearly full{listened}"


command(app, "check", examples=("casm device check", "casm device check bng1 --accept-new"), changes=False)(
    check
)


command(
    app,
    "replace",
    examples=(
        'casm device replace bng1 --accept-new --reason "new chassis, ticket 4711"',
        "casm device replace bng1 --host-key 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA0C' --reason spare --dry-run",
    ),
    changes=True,
)(replace)


@command(app, "remove", examples=("casm device remove bng1",), changes=True)
def remove(call: Call, name: _Known) -> Answer:
    """Remove a device that has no device pools any more. Nothing is sent to it."""
    from casm_ctrl.service.configuration import RemoveDevice, change

    done = change(call.database, call.author, [RemoveDevice(name)])
    return Answer({"device": {"name": name}, **done}, lines(f"Removed device {name}."))
