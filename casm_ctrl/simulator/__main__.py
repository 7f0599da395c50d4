"""`python -m casm_ctrl.simulator`: simulated devices in a process of their own."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from casm_ctrl.base.errors import CasmError, InvalidValue
from casm_ctrl.simulator.control import ControlServer
from casm_ctrl.simulator.demand_document import read_demand
from casm_ctrl.simulator.device import SimulatedDevice
from casm_ctrl.simulator.flash import Flash
from casm_ctrl.simulator.options import CONFIRMED_COMMIT, SimulatedDeviceOptions
from casm_ctrl.simulator.usage import OPERATIONS

EXAMPLE = """\
example:
  python -m casm_ctrl.simulator --devices 2 --first-port 8300 --control /tmp/simulator.sock

  python -m casm_ctrl.simulator --yang-path ~/yang/junos --module junos-conf-root --module junos-conf-access

It prints one JSON line for each device when all of them listen, and runs until SIGTERM or SIGINT.
"""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m casm_ctrl.simulator",
        description="Simulated devices: NETCONF servers over SSH.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = SimulatedDeviceOptions()
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="how many (default 1)")
    parser.add_argument("--name", default="device", help="their names are NAME1, NAME2, … (default device)")
    parser.add_argument("--host", default=defaults.host, help=f"listen here (default {defaults.host})")
    parser.add_argument(
        "--first-port", type=int, default=0, metavar="PORT", help="the first one's; 0 chooses free ones"
    )
    parser.add_argument("--username", default=defaults.username, help=f"default {defaults.username}")
    parser.add_argument("--password", default=defaults.password, help=f"default {defaults.password}")
    parser.add_argument(
        "--module",
        action="append",
        metavar="NAME[@REVISION]",
        help="a YANG module, as often as needed; 'none' for a device without "
        f"(default {' and '.join(defaults.modules)})",
    )
    parser.add_argument(
        "--yang-path",
        type=_folders,
        metavar="DIR[:DIR…]",
        help="look for modules here, and not among ours",
    )
    parser.add_argument(
        "--operations",
        action="append",
        default=[],
        choices=sorted(OPERATIONS),
        help="operations that tell usage: a module that is announced and has no text here",
    )
    parser.add_argument("--base-1.0", dest="base_1_0", action="store_true", help="speak base:1.0 only")
    parser.add_argument("--no-candidate", action="store_true", help="no :candidate; running is writable")
    parser.add_argument("--startup", action="store_true", help="offer :startup")
    parser.add_argument("--writable-running", action="store_true", help="offer :writable-running")
    parser.add_argument(
        "--confirmed-commit",
        choices=sorted(CONFIRMED_COMMIT),
        default=defaults.confirmed_commit,
        help="the version offered; empty for none (default 1.1)",
    )
    parser.add_argument("--no-rollback-on-error", action="store_true", help="no :rollback-on-error")
    parser.add_argument(
        "--running", type=Path, metavar="FILE", help="first configuration: top-level elements in XML"
    )
    parser.add_argument(
        "--state-file", type=Path, metavar="FILE", help="keep configurations and host keys here"
    )
    parser.add_argument(
        "--no-notifications", action="store_true", help="tell nothing by itself: no :notification"
    )
    parser.add_argument(
        "--interleave", action="store_true", help="offer :interleave: a session that subscribed may ask"
    )
    parser.add_argument(
        "--demand",
        type=Path,
        metavar="FILE",
        help="let subscribers of each device come and go: a JSON list of demands, each with its pool",
    )
    parser.add_argument(
        "--time-scale",
        type=float,
        default=1.0,
        metavar="N",
        help="the time of demands runs N times as fast (default 1)",
    )
    parser.add_argument("--control", type=Path, metavar="SOCKET", help="a Unix socket for commands")
    return parser.parse_args(arguments)


def _folders(text: str) -> tuple[Path, ...]:
    return tuple(Path(folder) for folder in text.split(os.pathsep) if folder)


def build_devices(arguments: argparse.Namespace) -> dict[str, SimulatedDevice]:
    """The devices by name, in the order of their ports."""
    defaults = SimulatedDeviceOptions()
    flash = Flash(arguments.state_file)
    modules = tuple(arguments.module or defaults.modules)
    devices = {}
    for index in range(arguments.devices):
        name = f"{arguments.name}{index + 1}"
        options = SimulatedDeviceOptions(
            name=name,
            host=arguments.host,
            port=arguments.first_port + index if arguments.first_port else 0,
            username=arguments.username,
            password=arguments.password,
            modules=() if modules == ("none",) else modules,
            search=arguments.yang_path,
            operations=tuple(arguments.operations),
            base_1_1=not arguments.base_1_0,
            candidate=not arguments.no_candidate,
            confirmed_commit=arguments.confirmed_commit,
            startup=arguments.startup,
            writable_running=arguments.writable_running or arguments.no_candidate,
            rollback_on_error=not arguments.no_rollback_on_error,
            notifications=not arguments.no_notifications,
            interleave=arguments.interleave,
            running=arguments.running.read_bytes() if arguments.running else b"",
        )
        devices[name] = SimulatedDevice(options, flash=flash)
    return devices


def follow_demands(arguments: argparse.Namespace, devices: Sequence[SimulatedDevice]) -> None:
    """Let each device follow all demands of the file: the first as it is, the others each with a seed of its own."""
    if arguments.demand is None:
        return
    try:
        documents = json.loads(arguments.demand.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidValue(f"{arguments.demand} is no JSON: {error}", "see docs/simulator.md") from None
    if not isinstance(documents, list):
        raise InvalidValue(f"{arguments.demand} is no list", "give one object for each pool")
    for index, device in enumerate(devices):
        for document in documents:
            if not isinstance(document, dict) or "pool" not in document:
                raise InvalidValue(
                    "a demand in the file has no 'pool'", "give the name by which AAA knows it"
                )
            how = {name: document[name] for name in ("protocol", "family") if name in document}
            rest = {name: value for name, value in document.items() if name not in ("pool", *how)}
            demand = read_demand(rest, device.now())
            demand = replace(demand, seed=demand.seed + index)
            device.follow(str(document["pool"]), demand, time_scale=arguments.time_scale, **how)


async def run(arguments: argparse.Namespace) -> None:
    """Run the devices until a signal ends the process."""
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    devices = build_devices(arguments)
    control = ControlServer(devices)
    try:
        for device in devices.values():
            await device.start()
        follow_demands(arguments, tuple(devices.values()))
        if arguments.control is not None:
            await control.start(arguments.control)
        for device in devices.values():
            sys.stdout.write(json.dumps(describe(device)) + "\n")
        sys.stdout.flush()
        await over.wait()
    finally:
        await control.stop()
        for device in devices.values():
            await device.stop()


def describe(device: SimulatedDevice) -> dict[str, object]:
    """What a client needs to know; the password is what was asked for."""
    return {
        "name": device.name,
        "host": device.host,
        "port": device.port,
        "username": device.options.username,
        "host-key": device.host_key,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 after a signal, 1 where a device could not be made or could not listen, 2 usage."""
    parsed = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    try:
        asyncio.run(run(parsed))
    except (CasmError, OSError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
