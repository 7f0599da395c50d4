"""`casm plan` and `casm apply`: make devices hold what the store wants."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from casm_ctrl.cli.call import Answer, Call, Document, command
from casm_ctrl.cli.options import AcceptNew, DeviceNames, Jobs, RemoveZombies, Retries, Retry, Wait, YangPath

if TYPE_CHECKING:
    from rich.console import RenderableType

BAD = ("failed", "unknown", "held", "rolled-back", "skipped")
"""Results that end a command with 1."""

_RESULTS = {
    "in-sync": "nothing to do",
    "changed": "changed, and read back",
    "waiting": "something must be waited for",
    "held": "held back",
    "failed": "failed, nothing is half-written",
    "unknown": "not known until it is read again",
    "rolled-back": "holds the old, for another device failed",
    "skipped": "did not answer lately, and is left alone",
}


def register(app: typer.Typer, panel: str) -> None:
    command(
        app,
        "plan",
        panel=panel,
        examples=("casm plan", "casm plan bng1 bng2", "casm plan --out monday.plan", "casm plan --json"),
    )(plan)
    command(
        app,
        "apply",
        panel=panel,
        examples=(
            "casm apply",
            "casm apply bng1 --wait 2m",
            "casm apply bng1 --confirm-removal 3",
            "casm apply --plan monday.plan",
        ),
        seals=True,
    )(apply)


def plan(
    call: Call,
    devices: DeviceNames = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Keep the plan there, for 'casm apply --plan'.", show_default=False
        ),
    ] = None,
    remove_zombies: RemoveZombies = False,
    accept_new: AcceptNew = False,
    wait: Wait = "30s",
    jobs: Jobs = 8,
    retries: Retries = 2,
    retry: Retry = False,
    yang_path: YangPath = None,
) -> Answer:
    """Show the exact edit-config for each device. Reads the devices, and changes nothing."""
    from casm_ctrl.base.clock import parse_duration
    from casm_ctrl.cli import progress
    from casm_ctrl.sync import reconciler
    from casm_ctrl.yang.modules import read_path

    options = reconciler.Options(
        wait=parse_duration(wait),
        accept_new=accept_new,
        remove_zombies=remove_zombies,
        jobs=jobs,
        retries=retries,
        retry=retry,
        yang_path=None if yang_path is None else read_path(yang_path),
    )
    done = progress.run(
        lambda tell: reconciler.plan(call.database, call.author, devices or (), options, tell, out)
    )
    found: list[Document] = done["device"]
    return Answer(
        done,
        lambda: (*_plan(found), *_kept(done.get("plan"))),
        notes=warnings(found),
        faults=faults(found),
    )


def _kept(plan: Document | None) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import plural

    if plan is not None:
        yield ""
        yield (
            f"Kept the plan for {plural(int(plan['devices']), 'device')} in {plan['file']}."
            f" Next: casm apply --plan {plan['file']}"
        )


def _plan(found: Sequence[Document]) -> Iterable[RenderableType]:
    if not found:
        yield "There is no device yet: make one with 'casm device add NAME'."
    for number, device in enumerate(found):
        if number:
            yield ""
        if device["result"] == "failed":
            yield _heading(device["name"], "failed")
        elif device["result"] == "skipped":
            yield _heading(device["name"], "passed over")
        elif "edit-config" not in device:
            yield _heading(device["name"], "in sync, nothing to do")
        else:
            yield _heading(device["name"], _counted(device["change"]))
            yield _xml(device["edit-config"])
            yield change_table([device], named=False)
        yield from _routes(device)
        yield from _waiting(device)


def _routes(device: Document) -> Iterable[RenderableType]:
    """The routes that somebody announces, and what of each is proven."""
    from casm_ctrl.cli.block import written
    from casm_ctrl.cli.output import table

    rows = [
        (
            route["action"],
            route["block"],
            written(route),
            route["announcement"],
            route.get("next-hop"),
            route.get("network-instance"),
            route.get("route-tag"),
            route["proof"],
        )
        for route in device.get("route", ())
    ]
    if rows:
        yield ""
        yield table(("ROUTE", "BLOCK", "PREFIX", "ANNOUNCEMENT", "NEXT HOP", "VRF", "TAG", "PROOF"), rows)


def _heading(name: str, words: str) -> RenderableType:
    from rich.text import Text

    return Text.assemble((name, "bold"), f": {words}")


def _counted(changes: Sequence[Document]) -> str:
    from casm_ctrl.cli.output import number, plural

    words = plural(len(changes), "change")
    counted = [int(change["used-addresses"]) for change in changes if "used-addresses" in change]
    return f"{words}, {number(sum(counted))} addresses in use are touched" if counted else words


def _xml(text: str) -> RenderableType:
    """`text` as it is; coloured where the output has colours."""
    import sys

    from rich.text import Text

    if not sys.stdout.isatty():
        return Text(text.rstrip("\n"))
    from rich.syntax import Syntax

    coloured = Syntax(text, "xml", theme="ansi_dark", background_color="default").highlight(text)
    coloured.rstrip()
    return coloured


def change_table(found: Sequence[Document], *, named: bool = True) -> RenderableType:
    """What changes on devices, one object a line, with the addresses in use where the device counts them."""
    from casm_ctrl.cli.output import number, table

    counted = any("used-addresses" in change for device in found for change in device.get("change", ()))
    rows = (
        (
            *((device["name"],) if named else ()),
            change["action"],
            change.get("block"),
            change["object"],
            change.get("words"),
            *(
                (number(int(change["used-addresses"])) if "used-addresses" in change else None,)
                if counted
                else ()
            ),
        )
        for device in found
        for change in device.get("change", ())
    )
    return table(
        (
            *(("DEVICE",) if named else ()),
            *("ACTION", "BLOCK", "OBJECT", "WHAT"),
            *(("IN USE",) if counted else ()),
        ),
        rows,
        right=("IN USE",) if counted else (),
        flexible=("OBJECT", "WHAT"),
    )


def apply(
    call: Call,
    devices: DeviceNames = None,
    wait: Wait = "30s",
    accept_new: AcceptNew = False,
    confirm_removal: Annotated[
        int | None,
        typer.Option(
            "--confirm-removal",
            metavar="N",
            min=0,
            help="Let an apply remove N blocks from a device that it would otherwise stop at.",
        ),
    ] = None,
    remove_zombies: RemoveZombies = False,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            metavar="FILE",
            help="Send exactly what 'casm plan --out FILE' kept, where nothing moved on since.",
            show_default=False,
        ),
    ] = None,
    atomic: Annotated[
        bool,
        typer.Option("--atomic", help="All devices or none: commit on all, then confirm on all."),
    ] = False,
    best_effort: Annotated[
        bool,
        typer.Option(
            "--best-effort",
            help="With --atomic: devices without confirmed commit take part too, and are edited last.",
        ),
    ] = False,
    jobs: Jobs = 8,
    retries: Retries = 2,
    retry: Retry = False,
    yang_path: YangPath = None,
) -> Answer:
    """Make devices hold what is wanted: lock, edit, confirmed commit, read back, confirm.

    After any failure the device is left as it was. Run it again: it goes on from what the devices hold.
    """
    from casm_ctrl.base.clock import parse_duration
    from casm_ctrl.base.errors import InvalidValue
    from casm_ctrl.cli import progress
    from casm_ctrl.sync import reconciler
    from casm_ctrl.sync.plan_file import read_plan
    from casm_ctrl.yang.modules import read_path

    kept = None if plan is None else read_plan(plan)
    if kept is not None and remove_zombies:
        raise InvalidValue(
            "--remove-zombies does not go with --plan: the plan says what is removed",
            "make the plan with 'casm plan --remove-zombies --out FILE'",
        )
    if best_effort and not atomic:
        raise InvalidValue("--best-effort goes with --atomic only", "add --atomic, or leave it out")
    if atomic and kept is not None:
        raise InvalidValue("--atomic does not go with --plan", "leave out one of them")
    options = reconciler.Options(
        wait=parse_duration(wait),
        accept_new=accept_new,
        confirm_removal=confirm_removal,
        remove_zombies=remove_zombies,
        jobs=jobs,
        retries=retries,
        retry=retry,
        yang_path=None if yang_path is None else read_path(yang_path),
    )

    def work(tell: progress.Progress) -> Coroutine[Any, Any, Document]:
        if atomic:
            return reconciler.apply_atomic(
                call.database, call.author, devices or (), options, tell, best_effort=best_effort
            )
        if kept is None:
            return reconciler.apply(call.database, call.author, devices or (), options, tell)
        return reconciler.apply_plan(call.database, call.author, kept, devices or (), options, tell)

    done = progress.run(work)
    found: list[Document] = done["device"]
    run: Document = done.get("atomic-run", {})
    return Answer(
        done,
        lambda: (*_applied(found), *_atomic(run)),
        notes=warnings(found),
        faults=[*([_error(run)] if "error" in run else []), *faults(found)],
    )


def _atomic(run: Document) -> Iterable[RenderableType]:
    """How a run over all devices ended, in a line."""
    if run:
        yield _DECISIONS[run["decision"]] + (
            "" if run["settled"] else " (not on all yet: 'casm apply' goes on)"
        )


_DECISIONS = {
    "none": "Nothing was sent.",
    "commit": "All or nothing: all hold the new.",
    "roll-back": "All or nothing: all hold the old.",
}


def _applied(found: Sequence[Document]) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import table

    if not found:
        yield "There is no device yet: make one with 'casm device add NAME'."
        return
    if any(device.get("change") for device in found):
        yield change_table(found)
        yield ""
    rows = (
        (device["name"], device["result"], len(device.get("change", ())), _RESULTS.get(device["result"]))
        for device in found
    )
    yield table(("DEVICE", "RESULT", "CHANGES", "WHAT"), rows, right=("CHANGES",))
    for device in found:
        yield from _waiting(device)


def _waiting(device: Document) -> Iterable[RenderableType]:
    """What of a device waits, and for what."""
    return (_named(device["name"], f"waiting: {words}") for words in device.get("waiting", ()))


# --- What goes to stderr --------------------------------------------------------------------------


def warnings(found: Sequence[Document]) -> list[str]:
    """The warnings of all devices, each with the device's name."""
    return [
        f"warning: {device['name']}: {warning}" for device in found for warning in device.get("warning", ())
    ]


def faults(found: Sequence[Document]) -> list[str]:
    """One line for each device that ends the command with 1."""
    return [_named(device["name"], _error(device)) for device in found if device["result"] in BAD]


def _named(name: str, words: str) -> str:
    """`words` with the device's name before them, unless they begin with it."""
    return words if words.startswith((f"{name} ", f"{name}: ")) else f"{name}: {words}"


def _error(device: Document) -> str:
    error = device.get("error")
    if error is None:
        return f"{device['result']}: see 'casm device show {device['name']}'"
    remedy = f": {error['remedy']}" if error.get("remedy") else ""
    tries = f" (tried {device['tries']} times)" if "tries" in device else ""
    return f"{error['message']}{tries}{remedy}"
