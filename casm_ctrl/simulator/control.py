"""The control socket: another process sets faults, subscribers and signals, and reads what devices did.

A Unix socket with JSON lines. A request is `{"device": NAME, "do": COMMAND, …}`, its answer
`{"ok": true, …}` or `{"ok": false, "error": TEXT}`; answers come in the order of the requests. Who wants
to wait and to give commands meanwhile opens two connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from casm_ctrl.base.errors import CasmError, InvalidValue, NotFound
from casm_ctrl.netconf.rpc_error import RpcError, RpcErrors
from casm_ctrl.simulator.demand_document import read_demand
from casm_ctrl.simulator.device import SimulatedDevice
from casm_ctrl.simulator.faults import Fault
from casm_ctrl.simulator.journal import Moment, Point

Request = Mapping[str, object]
Answer = Mapping[str, object]

MAX_LINE = 16 << 20
"""Octets in one request or answer: configurations are in them."""


class ControlServer:
    """Listens on a Unix socket (which only its owner may use) for commands to `devices`."""

    def __init__(self, devices: Mapping[str, SimulatedDevice]) -> None:
        self._devices = devices
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, path: Path) -> None:
        """OSError where the socket cannot be made; the path must be short (108 octets) and unused."""
        listening = _listen(path)
        self._path = path
        self._server = await asyncio.start_unix_server(self._connected, sock=listening, limit=MAX_LINE)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._path is not None:
            _remove(self._path)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            # The client is gone, or its line is longer than any command.
            pass
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise InvalidValue("a command is a JSON object", 'send {"device": NAME, "do": COMMAND}')
            device = self._devices.get(str(request.get("device")))
            if device is None:
                raise NotFound(
                    f"there is no device '{request.get('device')}'", f"name one of {', '.join(self._devices)}"
                )
            command = COMMANDS.get(str(request.get("do")))
            if command is None:
                raise InvalidValue(
                    f"'{request.get('do')}' is no command", f"use one of {', '.join(COMMANDS)}"
                )
            return {"ok": True, **await command(device, request)}
        except (CasmError, RpcError, RpcErrors) as error:
            return {"ok": False, "error": str(error)}
        except KeyError as error:
            return {"ok": False, "error": f"the command lacks {error}: see docs/simulator.md"}
        except (TypeError, ValueError, OSError) as error:
            return {"ok": False, "error": f"the command is wrong: {type(error).__name__}: {error}"}


def _listen(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listening.bind(str(path))
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(mask)
    return listening


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


# --- Commands -------------------------------------------------------------------------------------


async def _set_faults(device: SimulatedDevice, request: Request) -> Answer:
    faults = request["faults"]
    if not isinstance(faults, list):
        raise InvalidValue("'faults' is a list", "give one object for each fault")
    device.faults.set(*(Fault.from_json(fault) for fault in faults))
    return {}


async def _clear_faults(device: SimulatedDevice, request: Request) -> Answer:
    device.faults.clear()
    return {}


async def _subscribers(device: SimulatedDevice, request: Request) -> Answer:
    used = _number(request, "used")
    if "range" in request:
        return {"used": device.set_subscribers_in(str(request["range"]), used)}
    return {"used": device.set_subscribers(str(request["pool"]), str(request["entry"]), used)}


async def _log_in(device: SimulatedDevice, request: Request) -> Answer:
    protocol = str(request.get("protocol", "dhcp"))
    count = _number({"count": 1, **request}, "count")
    return {"refused": device.log_in(_pool(request), count, protocol=protocol, family=_family(request))}


async def _log_out(device: SimulatedDevice, request: Request) -> Answer:
    count = _number({"count": 1, **request}, "count")
    return {"left": device.log_out(_pool(request), count, family=_family(request))}


async def _cut_off(device: SimulatedDevice, request: Request) -> Answer:
    return {"lost": device.cut_off(_pool(request), family=_family(request))}


async def _logins(device: SimulatedDevice, request: Request) -> Answer:
    counts = device.logins(_pool(request), family=_family(request))
    return {name.replace("_", "-"): value for name, value in asdict(counts).items()}


async def _use(device: SimulatedDevice, request: Request) -> Answer:
    shared_by = _number({"shared-by": 1, **request}, "shared-by")
    delegated = _number(request, "delegated") if "delegated" in request else None
    device.use(_pool(request), shared_by=shared_by, delegated=delegated)
    return {}


async def _follow(device: SimulatedDevice, request: Request) -> Answer:
    device.follow(
        _pool(request),
        read_demand(request["demand"], device.now()),
        time_scale=float(str(request.get("time-scale", 1))),
        protocol=str(request.get("protocol", "dhcp")),
        family=_family(request),
    )
    return {}


async def _leave_alone(device: SimulatedDevice, request: Request) -> Answer:
    device.leave_alone(_pool(request), family=_family(request))
    return {}


async def _configuration(device: SimulatedDevice, request: Request) -> Answer:
    return {"configuration": device.configuration(str(request.get("datastore", "running"))).decode()}


async def _edit(device: SimulatedDevice, request: Request) -> Answer:
    device.edit(
        str(request["datastore"]),
        str(request["configuration"]).encode(),
        str(request.get("default-operation", "merge")),
    )
    return {}


async def _lock(device: SimulatedDevice, request: Request) -> Answer:
    device.lock(str(request["datastore"]))
    return {}


async def _unlock(device: SimulatedDevice, request: Request) -> Answer:
    device.unlock(str(request["datastore"]))
    return {}


async def _reboot(device: SimulatedDevice, request: Request) -> Answer:
    configuration = request.get("configuration")
    downtime = request.get("downtime", 0)
    await device.reboot(
        None if configuration is None else str(configuration).encode(), downtime=float(str(downtime))
    )
    return {}


async def _vanish(device: SimulatedDevice, request: Request) -> Answer:
    device.vanish(float(str(request.get("seconds", 0))))
    return {}


async def _change_host_key(device: SimulatedDevice, request: Request) -> Answer:
    device.change_host_key()
    return {"host-key": device.host_key}


async def _next_session_id(device: SimulatedDevice, request: Request) -> Answer:
    device.next_session_id(_number(request, "session-id"))
    return {}


async def _status(device: SimulatedDevice, request: Request) -> Answer:
    return {"sessions": list(device.session_ids), "commit-pending": device.commit_pending}


async def _journal(device: SimulatedDevice, request: Request) -> Answer:
    return {"entries": [entry.to_json() for entry in device.journal.entries]}


async def _clear_journal(device: SimulatedDevice, request: Request) -> Answer:
    device.journal.clear()
    return {}


async def _on(device: SimulatedDevice, request: Request) -> Answer:
    device.journal.on(_point(request), signal=_number(request, "signal"), pid=_number(request, "pid"))
    return {}


async def _wait(device: SimulatedDevice, request: Request) -> Answer:
    seconds = float(str(request.get("timeout", 60)))
    try:
        await asyncio.wait_for(device.journal.wait(_point(request)), seconds)
    except TimeoutError:
        raise NotFound(f"the point was not reached in {seconds:g} s", "read the journal") from None
    return {}


COMMANDS: Mapping[str, Callable[[SimulatedDevice, Request], Awaitable[Answer]]] = {
    "set-faults": _set_faults,
    "clear-faults": _clear_faults,
    "subscribers": _subscribers,
    "log-in": _log_in,
    "log-out": _log_out,
    "cut-off": _cut_off,
    "logins": _logins,
    "use": _use,
    "follow": _follow,
    "leave-alone": _leave_alone,
    "configuration": _configuration,
    "edit": _edit,
    "lock": _lock,
    "unlock": _unlock,
    "reboot": _reboot,
    "vanish": _vanish,
    "change-host-key": _change_host_key,
    "next-session-id": _next_session_id,
    "status": _status,
    "journal": _journal,
    "clear-journal": _clear_journal,
    "on": _on,
    "wait": _wait,
}


def _number(request: Request, key: str) -> int:
    value = request[key]
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidValue(f"'{key}' is {value!r}", "give a whole number")
    return value


def _pool(request: Request) -> str:
    return str(request["pool"])


def _family(request: Request) -> int:
    return _number({"family": 4, **request}, "family")


def _point(request: Request) -> Point:
    where = request["point"]
    if not isinstance(where, dict):
        raise InvalidValue("'point' is an object", 'give {"operation": NAME, "when": …, "occurrence": N}')
    when = str(where.get("when", Moment.RECEIVED.value))
    if when not in {moment.value for moment in Moment}:
        raise InvalidValue(f"'{when}' is no moment", "use received, executed or replied")
    return Point(str(where["operation"]), Moment(when), _number({"occurrence": 1, **where}, "occurrence"))


# --- A client -------------------------------------------------------------------------------------


class ControlClient:
    """A blocking client, for tests and scripts that do not run an event loop."""

    def __init__(self, path: Path, *, timeout: float = 70.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def call(self, device: str, do: str, **arguments: object) -> dict[str, object]:
        """The answer to one command; underscores in `arguments` stand for hyphens. InvalidValue if refused."""
        request = {"device": device, "do": do}
        request |= {name.replace("_", "-"): value for name, value in arguments.items()}  # type: ignore[misc]
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        answer: dict[str, object] = json.loads(self._lines.readline())
        if not answer.pop("ok"):
            raise InvalidValue(f"the simulator refused {do}: {answer['error']}")
        return answer
