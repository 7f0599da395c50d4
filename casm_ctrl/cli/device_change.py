"""`casm device change`: how a device is entered, what it is, and what it serves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from casm_ctrl.base.deadlines import Deadlines
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, lines
from casm_ctrl.cli.options import (
    Client,
    HotInterval,
    Instances,
    LabelsToSet,
    LabelsToTake,
    Notifications,
    OnDrift,
    PollInterval,
    Role,
    read_polling,
    split_pairs,
)


def change_(
    call: Call,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="The device's name.", show_default=False, autocompletion=complete.devices
        ),
    ],
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="HOST", help="Its address or name.", show_default=False),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", help="The TCP port of NETCONF over SSH.", show_default=False),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="USER", help="The user to log in as.", show_default=False),
    ] = None,
    credential: Annotated[
        str | None,
        typer.Option(
            "--credential",
            metavar="REFERENCE",
            help="Where the secret is: env:VARIABLE (a password) or file:PATH (a private key).",
            show_default=False,
        ),
    ] = None,
    role: Annotated[
        Role | None, typer.Option("--role", help="What it is.", show_default=False, case_sensitive=False)
    ] = None,
    driver: Annotated[
        str | None,
        typer.Option(
            "--driver",
            metavar="DRIVER",
            help="Which data model it has; only while nothing of ours is on it.",
            show_default=False,
            autocompletion=complete.drivers,
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            metavar="SPACE",
            help="The address space it serves; only where no device pool needs the other.",
            show_default=False,
            autocompletion=complete.spaces,
        ),
    ] = None,
    instance: Instances = None,
    no_instance: Annotated[
        list[str] | None,
        typer.Option(
            "--no-instance",
            metavar="NAME",
            help="A network instance that is not ours any more; may be repeated.",
            show_default=False,
        ),
    ] = None,
    label: LabelsToSet = None,
    unlabel: LabelsToTake = None,
    client: Annotated[
        Client | None,
        typer.Option(
            "--client", help="The NETCONF client that enters it.", show_default=False, case_sensitive=False
        ),
    ] = None,
    deadline: Annotated[
        list[str] | None,
        typer.Option(
            "--deadline",
            metavar="PHASE=SECONDS",
            help="How long a phase may take: tcp, ssh, hello, rpc or commit; 'default' in place of the seconds "
            "ends its own; may be repeated.",
            show_default=False,
        ),
    ] = None,
    on_drift: Annotated[
        OnDrift | None,
        typer.Option(
            "--on-drift",
            help="What 'casm drift' does where objects of ours changed.",
            show_default=False,
            case_sensitive=False,
        ),
    ] = None,
    poll_interval: PollInterval = None,
    hot_interval: HotInterval = None,
    notifications: Notifications = None,
) -> Answer:
    """Change how a device is entered, or what it is. Nothing is sent to it; open sessions stay as they are."""
    from casm_ctrl.service.configuration import ChangeDevice, change
    from casm_ctrl.service.views import show_device
    from casm_ctrl.sync.admission import check_driver

    there = show_device(call.database, name)
    if driver is not None or role is not None:
        check_driver(driver or there["driver"], there["role"] if role is None else role.value)
    edit = ChangeDevice(
        name,
        client=None if client is None else client.value,
        deadlines=read_deadlines(deadline or ()),
        on_drift=None if on_drift is None else on_drift.value,
        polling=read_polling(poll_interval, hot_interval, notifications),
        role=None if role is None else role.value,
        driver=driver,
        host=host,
        port=port,
        user=user,
        credential=credential,
        space=space,
        instances=_merged(
            there,
            ("network-instance", "address-space"),
            split_pairs("--instance", instance or (), "NAME=SPACE"),
            no_instance or (),
        ),
        labels=_merged(
            there, ("label", "value"), split_pairs("--label", label or (), "NAME=VALUE"), unlabel or ()
        ),
    )
    if edit == ChangeDevice(name):
        raise InvalidValue(
            f"nothing of device '{name}' was to be changed", "give --host, --client, --deadline, --label, …"
        )
    done = change(call.database, call.author, [edit])
    return Answer({"device": {"name": name}, **done}, lines(f"Changed device {name}."))


def _merged(
    there: dict[str, Any], leaves: tuple[str, str], said: Sequence[tuple[str, str]], gone: Sequence[str]
) -> tuple[tuple[str, str], ...] | None:
    """All pairs of a list that the device is to have; None where none was named."""
    if not said and not gone:
        return None
    what, value = leaves
    found = {row["name"]: row[value] for row in there[what]}
    for name in gone:
        if found.pop(name, None) is None:
            words, listed = what.replace("-", " "), ", ".join(sorted(found)) or "none"
            raise NotFound(
                f"device '{there['name']}' has no {words} '{name}' (it has {listed})", "name one that it has"
            )
    return tuple(sorted({**found, **dict(said)}.items()))


def read_deadlines(texts: Sequence[str]) -> tuple[tuple[str, float | None], ...]:
    """Seconds by phase; None for `default`."""
    known = [field.name for field in dataclasses.fields(Deadlines)]
    found: list[tuple[str, float | None]] = []
    for phase, text in split_pairs("--deadline", list(texts), "PHASE=SECONDS"):
        if phase not in known:
            raise InvalidValue(f"'{phase}' has no deadline", f"use {', '.join(known)}")
        if text == "default":
            found.append((phase, None))
            continue
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= 86400:
            raise InvalidValue(f"'{text}' is not a deadline in seconds", "give more than 0, and up to 86400")
        found.append((phase, int(seconds) if seconds.is_integer() else seconds))
    return tuple(found)
