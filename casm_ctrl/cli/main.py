"""`casm`: the commands put together, and the options that stand before them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from casm_ctrl.cli import (
    access,
    adopt,
    alarms,
    allocation,
    audit,
    block,
    control,
    device,
    device_pool,
    drift,
    exchange,
    failures,
    forecast,
    group,
    hold,
    init,
    pool,
    quiet,
    quota,
    replay,
    route,
    serve,
    shortage,
    space,
    status,
    synchronise,
    trace,
    usage,
    user,
    verify,
    why,
)
from casm_ctrl.cli import demo_command as demo
from casm_ctrl.cli.call import Settings
from casm_ctrl.cli.command_table import CommandTable
from casm_ctrl.cli.commands import Commands
from casm_ctrl.cli.options import ACTOR_OPTION, DATABASE_OPTION, JSON_OPTION, examples_epilog

EXAMPLES = (
    "casm init",
    "casm space add internet",
    "casm pool add public-v4 --space internet --prefix 198.51.100.0/22 --scope public",
    "casm device add bng1 --role bng --driver ietf-address-pool --host 192.0.2.1 --user casm "
    "--credential env:BNG1_PASSWORD",
    "casm device-pool add bng1/home --pool public-v4 --length 24 --gateway first",
    "casm allocate bng1/home --count 2",
    "casm plan",
    "casm apply",
    "casm demo",
)

parts = typer.Typer(rich_markup_mode="rich")
init.register(parts, "Begin")
demo.register(parts, "Begin")
parts.add_typer(space.app, name="space", rich_help_panel="Configuration")
parts.add_typer(pool.app, name="pool", rich_help_panel="Configuration")
parts.add_typer(device.app, name="device", rich_help_panel="Configuration")
parts.add_typer(device_pool.app, name="device-pool", rich_help_panel="Configuration")
parts.add_typer(group.app, name="group", rich_help_panel="Configuration")
parts.add_typer(quota.app, name="quota", rich_help_panel="Configuration")
allocation.register(parts, "Blocks")
parts.add_typer(block.app, name="block", rich_help_panel="Blocks")
parts.add_typer(route.app, name="route", rich_help_panel="Blocks")
synchronise.register(parts, "Devices")
drift.register(parts, "Devices")
verify.register(parts, "Devices")
adopt.register(parts, "Devices")
parts.add_typer(control.app, name="control", rich_help_panel="Automation")
hold.register(parts, "Automation")
shortage.register(parts, "Automation")
serve.register(parts, "Server")
parts.add_typer(access.app, name="access", rich_help_panel="Server")
parts.add_typer(user.app, name="user", rich_help_panel="Server")
exchange.register(parts, "Exchange")
status.register(parts, "Look")
usage.register(parts, "Look")
forecast.register(parts, "Look")
replay.register(parts, "Look")
trace.register(parts, "Look")
parts.add_typer(alarms.app, name="alarms", rich_help_panel="Look")
why.register(parts, "Look")
parts.add_typer(audit.app, name="audit", rich_help_panel="Look")


class Casm(Commands):
    """All of them, each made when it is asked for."""

    table = CommandTable(parts)


app = typer.Typer(
    name="casm",
    cls=Casm,
    help="Coordinated Address Space Management: all address space in one place, installed on devices over "
    "NETCONF.",
    epilog=examples_epilog(EXAMPLES),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import version

    typer.echo(f"casm {version('casm-ctrl')}")
    raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    database: Annotated[str | None, DATABASE_OPTION] = None,
    actor: Annotated[str | None, ACTOR_OPTION] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and leave.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    ctx.obj = Settings(database, actor, as_json)


def main() -> None:
    """Run `casm` with the arguments of this process, and leave with its status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a locale without our characters gets '?', not an error
            stream.reconfigure(errors="replace")
    quiet.hush_libraries()
    try:
        app(prog_name="casm")
    except KeyboardInterrupt:  # before a command began
        sys.exit(failures.INTERRUPTED)
    except BrokenPipeError:
        failures.close_output()
        sys.exit(1)
    except Exception as error:
        failures.print_line(str(failures.unexpected(error)))
        sys.exit(1)
