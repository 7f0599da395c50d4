"""`casm serve`: the NETCONF server."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli.call import Answer, Call, command, lines
from casm_ctrl.cli.options import YangPath

if TYPE_CHECKING:
    from casm_ctrl.northbound.limits import Limits
    from casm_ctrl.northbound.ssh.listening import Address
    from casm_ctrl.store.database import Database

EXAMPLES = (
    "casm serve",
    "casm serve --host 192.0.2.10 --port 830 --host-key /var/lib/casm/host_key",
    "casm serve --user-ca /etc/casm/user_ca.pub --idle-timeout 1h",
)

_Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")]
_Port = Annotated[
    int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="The port; 0 takes a free one.")
]
_HostKey = Annotated[
    Path | None,
    typer.Option(
        "--host-key",
        metavar="FILE",
        help="The server's private key, made where there is none. Default: host_key in the user's data directory.",
        show_default=False,
    ),
]
_UserCa = Annotated[
    Path | None,
    typer.Option(
        "--user-ca",
        metavar="FILE",
        help="Public keys, one a line, that sign OpenSSH certificates of users.",
        show_default=False,
    ),
]
_IdleTimeout = Annotated[
    str,
    typer.Option(
        "--idle-timeout", metavar="TIME", help="End sessions that ask nothing for so long: 1h; 0: never."
    ),
]
_MaxSessions = Annotated[
    int, typer.Option("--max-sessions", metavar="N", min=1, max=10_000, help="Sessions at the same time.")
]
_MaxMessage = Annotated[
    int,
    typer.Option("--max-message", metavar="MIB", min=1, max=1024, help="The largest request, in mebibytes."),
]
_MaxSessionsOfUser = Annotated[
    int,
    typer.Option(
        "--max-sessions-of-user",
        metavar="N",
        min=1,
        max=10_000,
        help="Of them, those that one user may have.",
    ),
]
_LoginTimeout = Annotated[
    str, typer.Option("--login-timeout", metavar="TIME", help="From connecting to having logged in.")
]
_HelloTimeout = Annotated[
    str, typer.Option("--hello-timeout", metavar="TIME", help="From there to the session, and to the hello.")
]
_Verbose = Annotated[
    bool, typer.Option("--verbose", help="Log each login and each end of a session to stderr.")
]


@dataclass
class _Served:
    """What there is to tell in the end."""

    port: int = 0
    sessions: int = 0


def register(app: typer.Typer, panel: str) -> None:
    @command(app, "serve", panel=panel, examples=EXAMPLES)
    def serve(
        call: Call,
        host: _Host = "127.0.0.1",
        port: _Port = 8300,
        host_key: _HostKey = None,
        user_ca: _UserCa = None,
        idle_timeout: _IdleTimeout = "0",
        login_timeout: _LoginTimeout = "30s",
        hello_timeout: _HelloTimeout = "30s",
        max_sessions: _MaxSessions = 1024,
        max_sessions_of_user: _MaxSessionsOfUser = 512,
        max_message: _MaxMessage = 16,
        yang_path: YangPath = None,
        verbose: _Verbose = False,
    ) -> Answer:
        """Be a NETCONF server over SSH, until SIGTERM or SIGINT. Makes store and host key where there are none."""
        import asyncio

        import platformdirs

        from casm_ctrl.base.allocator import keep_memory
        from casm_ctrl.base.clock import parse_duration
        from casm_ctrl.northbound.alone import alone
        from casm_ctrl.northbound.limits import Limits
        from casm_ctrl.northbound.ssh.host_key import host_keys
        from casm_ctrl.northbound.ssh.listening import Address
        from casm_ctrl.yang.modules import read_path

        limits = Limits(
            login_timeout=max(1.0, float(parse_duration(login_timeout))),
            hello_timeout=max(1.0, float(parse_duration(hello_timeout))),
            idle_timeout=float(parse_duration(idle_timeout)) or None,
            max_sessions=max_sessions,
            max_sessions_of_user=max_sessions_of_user,
            max_message=max_message << 20,
        )
        begin_log(verbose)
        keep_memory()
        key, *others = host_keys(host_key or platformdirs.user_data_path("casm") / "host_key")
        address = Address(key, host, port, _authorities(user_ca), others)
        database = _open(call)
        with alone(database):
            served = asyncio.run(
                _serve(database, address, limits, read_path(yang_path) if yang_path else None)
            )
        return Answer(
            {"serve": {"host": host, "port": served.port, "sessions": served.sessions}},
            lines(f"Stopped after {served.sessions} sessions."),
        )


def _open(call: Call) -> Database:
    """The store; made where there is none and nobody named one."""
    from casm_ctrl.base.errors import StoreMissing
    from casm_ctrl.cli.options import default_url
    from casm_ctrl.service.first_access import first_documents
    from casm_ctrl.store.migrate import create_store

    try:
        return call.database
    except StoreMissing:
        if call.url != default_url():
            raise
        create_store(call.url, documents=first_documents())[0].close()
        return call.database


def _authorities(path: Path | None) -> tuple[str, ...]:
    from casm_ctrl.base.errors import InvalidValue
    from casm_ctrl.northbound.ssh.authentication import read_public_key

    if path is None:
        return ()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{path} cannot be read: {error}", "name another file with --user-ca") from error
    found = tuple(read_public_key(line) for line in text.splitlines() if line.strip() and line[0] != "#")
    if not found:
        raise InvalidValue(f"there is no public key in {path}", "put the keys that sign into it, one a line")
    return found


async def _serve(
    database: Database, address: Address, limits: Limits, yang_path: Sequence[Path] | None
) -> _Served:
    import asyncio

    from casm_ctrl.base.errors import InvalidValue
    from casm_ctrl.base.fingerprints import fingerprint_of_line
    from casm_ctrl.cli import failures
    from casm_ctrl.cli.stopping import Stop
    from casm_ctrl.northbound.server import Northbound
    from casm_ctrl.northbound.ssh.listening import SshNorthbound
    from casm_ctrl.service.users import has_users

    stop = Stop()
    server = Northbound(database, limits=limits, yang_path=yang_path)
    try:
        async with SshNorthbound(server, address) as listening:
            shown = f"[{listening.host}]" if ":" in listening.host else listening.host
            keys = ", or ".join(
                fingerprint_of_line(key.export_public_key().decode())
                for key in (address.host_key, *address.more_host_keys)
            )
            sys.stdout.write(
                f"Listening on {shown}:{listening.port} for NETCONF over SSH (host key {keys}).\n"
            )
            sys.stdout.flush()
            if not await asyncio.to_thread(has_users, database):
                failures.note("nobody can log in yet: casm user add NAME --group admin --key FILE.pub")
            await stop.wait()
            served = _Served(listening.port, server.endpoint.sessions.statistics.in_sessions)
    except OSError as error:
        raise InvalidValue(
            f"cannot listen on {address.host} port {address.port}: {error.strerror}",
            "choose others with --host and --port",
        ) from error
    stop.done()
    return served


def begin_log(verbose: bool) -> None:
    """Warnings of ours go to stderr, where systemd keeps them; with --verbose what happens too."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("casm: %(message)s"))
    ours = logging.getLogger("casm_ctrl")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO if verbose else logging.WARNING)
