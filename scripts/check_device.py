"""Check a device over NETCONF: its modules and capabilities against what a driver needs. Changes nothing."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.base.deadlines import Deadlines
from casm_ctrl.base.errors import DeviceUnfit
from casm_ctrl.drivers.interface import Driver
from casm_ctrl.drivers.registry import load_driver
from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.session import Capabilities, Target
from casm_ctrl.sync.fitness import announced_modules, check_fitness, describe
from casm_ctrl.sync.visit import PAUSE_AFTER_HELLO
from casm_ctrl.sync.way import NO_WAY, way_of

if TYPE_CHECKING:
    from scripts.program import FINDING, STATUS, fail, make_app, print_json, run
else:
    from casm_scripts.program import FINDING, STATUS, fail, make_app, print_json, run

app = make_app()


@dataclass(frozen=True)
class Findings:
    """What the device told us, and why it is not fit (None where it is)."""

    host_key: str
    capabilities: tuple[str, ...]
    modules: dict[str, str | None]
    unfit: DeviceUnfit | None


@app.command(
    epilog="Example: casm-check-device bng1.example.net --user casm --credential env:PASSWORD "
    f"--driver ietf-address-pool   {STATUS}",
    help="Check that a device has the YANG modules and NETCONF capabilities that a driver needs.",
)
def check_device(
    host: Annotated[str, typer.Argument(metavar="HOST", help="The device's address or name.")],
    user: Annotated[str, typer.Option(help="The user name at the device.")],
    credential: Annotated[str, typer.Option(help="env:NAME (a password) or file:PATH (a private key).")],
    driver: Annotated[str, typer.Option(help="The driver whose needs count.")] = "ietf-address-pool",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Its NETCONF port.")] = 830,
    host_key: Annotated[
        str | None, typer.Option(help="The host key it must show; by default known_hosts decides.")
    ] = None,
    accept_new: Annotated[
        bool, typer.Option("--accept-new", help="Accept a host key where none is known.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> int:
    chosen = load_driver(driver)
    target = Target(
        device=host,
        host=host,
        port=port,
        user=user,
        credential=credential,
        host_key=host_key,
        accept_new=accept_new,
        deadlines=Deadlines(),
        pause_after_hello=PAUSE_AFTER_HELLO,
    )
    findings = asyncio.run(visit(target, chosen))
    if json:
        print_json({"device": describe_device(target, chosen, findings)})
    else:
        show(target, chosen, findings)
    return fail(str(findings.unfit), FINDING) if findings.unfit else 0


async def visit(target: Target, driver: Driver) -> Findings:
    """Open a session, look, and close it."""
    async with await open_session(target) as session:
        modules = await announced_modules(session)
        unfit: DeviceUnfit | None = None
        try:
            check_fitness(session, driver, modules)
        except DeviceUnfit as error:
            unfit = error
        return Findings(session.host_key, session.capabilities.uris, dict(modules), unfit)


def describe_device(target: Target, driver: Driver, findings: Findings) -> dict[str, object]:
    """The JSON object."""
    abilities = driver.abilities(findings.modules)
    way = way_of(Capabilities(findings.capabilities))
    return {
        "host": target.host,
        "port": target.port,
        "driver": driver.name,
        "fit": findings.unfit is None,
        "message": findings.unfit.message if findings.unfit else "",
        "remedy": findings.unfit.remedy if findings.unfit else "",
        "ability": {"drain": abilities.drain, "usage": abilities.usage.value},
        "way": None if way is None else way.value,
        "host-key": findings.host_key,
        "capability": list(findings.capabilities),
        "module": [
            {"name": name, "revision": revision} for name, revision in sorted(findings.modules.items())
        ],
    }


def show(target: Target, driver: Driver, findings: Findings) -> None:
    """For people: each need and whether it is met, then what the driver can do there."""
    way = way_of(Capabilities(findings.capabilities))
    print(f"changes: {NO_WAY if way is None else way.words}")
    for kind, needs in (("needed", driver.needs), ("optional", driver.optional)):
        for need in needs:
            revision = findings.modules.get(need.name, "")
            there = "absent" if need.name not in findings.modules else f"has {revision or 'no revision'}"
            print(f"module {describe(need)} ({kind}): {there}")
    abilities = driver.abilities(findings.modules)
    print(f"drain: {'yes' if abilities.drain else 'no'}; usage: {abilities.usage.value}")
    print(f"{target}: {'not fit' if findings.unfit else 'fit'} for driver '{driver.name}'")


def main() -> int:
    return run(app)


if __name__ == "__main__":
    sys.exit(main())
