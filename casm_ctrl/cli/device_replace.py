"""`casm device replace`: another device stands where one stood."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document

if TYPE_CHECKING:
    from rich.console import RenderableType


def replace(
    call: Call,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="The device's name.", show_default=False, autocompletion=complete.devices
        ),
    ],
    host_key: Annotated[
        str | None,
        typer.Option(
            "--host-key",
            metavar="KEY",
            help="The SSH host key of the new device: type and base64, as ssh-keyscan prints them.",
        ),
    ] = None,
    accept_new: Annotated[
        bool,
        typer.Option(
            "--accept-new",
            help="Take the host key and serial for which the device is held: compare the fingerprint first.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, or refuse, and change nothing.")
    ] = False,
) -> Answer:
    """Take another device for the one of this name. Nothing is sent; the next apply reads all of it first."""
    from casm_ctrl.netconf.client.host_keys import HostKey
    from casm_ctrl.service.replacement import ReplaceDevice, replace_device

    if accept_new is (host_key is not None):
        raise InvalidValue(
            f"which host key '{name}' has from now on is not said"
            if not accept_new
            else "two host keys are named",
            "give either --host-key KEY or --accept-new",
        )
    key = None if host_key is None else str(HostKey.parse(host_key))
    done = replace_device(call.database, call.author, ReplaceDevice(name, key), dry_run=dry_run)
    return Answer(done, lambda: _show(done["device"], dry_run))


def _show(device: Document, dry_run: bool) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import plural

    name = device["name"]
    counts: dict[str, int] = {}
    for block in device["block"]:
        counts[block["state"]] = counts.get(block["state"], 0) + 1
    old = device.get("old-fingerprint", "none")
    yield (
        f"{'Would take' if dry_run else 'Took'} another device for {name}: host key {device['fingerprint']}"
        f" in place of {old}."
    )
    if "serial" in device or "old-serial" in device:
        new = device.get("serial", "what the next visit reads")
        yield f"Its serial is {new} in place of {device.get('old-serial', 'none')}."
    if device["dropped-commit"]:
        yield "A commit was on its way to the old device: it is not looked for on the new one."
    if counts:
        listed = ", ".join(f"{number:,} {state}" for state, number in counts.items())
        yield (
            f"{plural(len(device['block']), 'block')} ({listed}) were on the old device. They stay {name}'s; what"
            " the new one lacks is installed by the next apply."
        )
    yield f"See that the old device serves nobody. Next: casm plan {name}, then casm apply {name}"
