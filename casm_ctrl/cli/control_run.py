"""`casm control run`, `status` and `resume`: the loop, how it stands, and letting it go on."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli.call import Answer, Call, Document, command, lines
from casm_ctrl.cli.options import AcceptNew, YangPath

if TYPE_CHECKING:
    from rich.console import RenderableType

    from casm_ctrl.control.loop.controller import Controller

SESSIONS = 4000
"""Sessions that are kept at the most: two for each device."""
IDLE = 86_400.0
"""Seconds: a session is kept for as long as its device is watched."""
KEEP_ALIVE = 120.0
"""Seconds after which a session that was silent is asked for a sign of life."""

_Once = Annotated[bool, typer.Option("--once", help="Look at each device once, do what follows, and end.")]
_Verbose = Annotated[
    bool, typer.Option("--verbose", help="Log what devices do not answer, and more, to stderr.")
]


def register(app: typer.Typer) -> None:
    """As subcommands of `casm control`."""
    command(
        app,
        "run",
        examples=(
            "casm control run",
            "casm control run --once",
            "casm control run --yang-path /etc/casm/yang",
        ),
        seals=True,
    )(run)
    command(app, "status", examples=("casm control status", "casm control status --json"))(status)
    command(
        app,
        "resume",
        examples=("casm control resume --reason 'the line card was replaced'",),
        changes=True,
    )(resume)


def run(
    call: Call,
    once: _Once = False,
    accept_new: AcceptNew = False,
    yang_path: YangPath = None,
    verbose: _Verbose = False,
) -> Answer:
    """Watch the devices, decide about their pools, and do what policies let it, until SIGTERM or SIGINT."""
    import asyncio

    from casm_ctrl.base.allocator import keep_memory
    from casm_ctrl.cli.output import plural
    from casm_ctrl.cli.serve import begin_log
    from casm_ctrl.yang.modules import read_path

    begin_log(verbose)
    if once and not verbose:  # the answer says what failed
        logging.getLogger("casm_ctrl").setLevel(logging.ERROR)
    _allow_files()
    keep_memory()
    paths = None if yang_path is None else read_path(yang_path)
    controller = asyncio.run(_run(call, once, accept_new, paths))
    done = controller.summary
    told = {
        "looks": done.looks,
        "failed-looks": done.failed,
        "notices": done.notices,
        "changes": done.acted,
    }
    words = (
        f"Looked {plural(done.looks, 'time')} at devices ({done.failed:,} failed), after"
        f" {plural(done.notices, 'notice')}, and made {plural(done.acted, 'change')}."
    )
    failing = [f"{name}: {words}" for name, words in sorted(controller.failing.items())] if once else ()
    return Answer({"control": told}, lines(words), faults=failing)


async def _run(call: Call, once: bool, accept_new: bool, paths: Sequence[Path] | None) -> Controller:
    import asyncio

    from casm_ctrl.cli.stopping import Stop
    from casm_ctrl.control.loop.controller import Controller
    from casm_ctrl.netconf.client.session_pool import SessionPool, Upkeep
    from casm_ctrl.store.events import Author
    from casm_ctrl.sync.notices import listen
    from casm_ctrl.sync.run import Options, running

    upkeep = Upkeep(idle_limit=IDLE, keep_alive=KEEP_ALIVE, most=SESSIONS)
    stop = Stop()
    async with SessionPool(upkeep) as sessions:
        options = Options(
            sessions=sessions,
            accept_new=accept_new,
            retries=0,
            yang_path=None if paths is None else tuple(paths),
        )
        async with running(call.database, Author("controller"), options, lambda device, words: None) as found:
            controller = Controller(found, listen=None if once else listen)
            if once:
                work = asyncio.create_task(controller.once())
                ended = asyncio.create_task(stop.wait())
                await asyncio.wait((work, ended), return_when=asyncio.FIRST_COMPLETED)
                ended.cancel()
                work.cancel() if not work.done() else work.result()
                await asyncio.gather(work, ended, return_exceptions=True)
            else:
                if not call.as_json:
                    sys.stdout.write("Watching. 'casm control status' shows what.\n")
                    sys.stdout.flush()
                over = asyncio.Event()
                work = asyncio.create_task(controller.watch(over))
                await stop.wait()
                over.set()
                await work
    stop.done()
    return controller


def _allow_files() -> None:
    """Each session is a file: as many as this process may have."""
    import contextlib
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def status(call: Call) -> Answer:
    """Show who watches which device, when each is looked at, and what was decided; no device is asked."""
    from casm_ctrl.service import control_state

    found = control_state.status(call.database)
    return Answer(found, lambda: _status(found["control"]))


def _status(found: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import facts, moment, table

    controllers = found["controller"]
    breaker = found["breaker"]
    done = ", ".join(f"{row['count']} {row['action']}" for row in found["decision"])
    yield facts(
        (
            ("controllers", ", ".join(row["name"] for row in controllers) or "none runs: casm control run"),
            (
                "automatic changes",
                f"stopped since {moment(breaker['since'])}: {breaker['reason']}; 'casm control resume' ends that"
                if breaker["state"] == "open"
                else "go on",
            ),
            ("held", ", ".join(_hold(row) for row in found["hold"]) or "nothing"),
            ("in the last hour", done or "no change"),
        )
    )
    if not found["device"]:
        return
    yield ""
    yield table(
        ("DEVICE", "LAST LOOK", "NEXT LOOK", "HOT", "WATCHED BY", "TROUBLE"),
        (
            (
                row["name"],
                moment(row["last-poll"]) if "last-poll" in row else None,
                moment(row["next-poll"]),
                "yes" if row["hot"] else None,
                row.get("watched-by"),
                f"{row['failures']} looks failed: {row['error']}" if "failures" in row else None,
            )
            for row in found["device"]
        ),
    )


def _hold(row: Document) -> str:
    what = "everything" if row["kind"] == "all" else f"{row['kind'].replace('-', ' ')} {row['subject']}"
    return f"{what} by {row['actor']} ({row['reason']})"


def resume(call: Call) -> Answer:
    """Let automatic changes go on after the breaker stopped them. Nothing where it did not."""
    from casm_ctrl.service import control_state

    found = control_state.resume(call.database, call.author)
    return Answer(found, lines("Automatic changes go on."))
