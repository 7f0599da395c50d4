"""Yuma123's `netconfd` behind its own `sshd`: a NETCONF server that nobody here wrote, on loopback.

Both run as the user who runs the tests, with key authentication, in a folder of their own whose path is
short (a UNIX socket's path holds 108 bytes). They are stopped by process id, never by name.
"""

from __future__ import annotations

import getpass
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.ports import ReservedPort

START = 10.0
"""Seconds that both programs are given to come up, and netconfd to go down (it takes up to 1 s)."""

_SYSTEM = ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin")
_YUMA_MODULES = "/usr/share/yuma/modules"


def program(name: str) -> str | None:
    """The path of a program, also where the user's PATH leaves out the system's folders."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM]))


def missing_programs() -> list[str]:
    """Which programs of the harness are not installed here."""
    return [name for name in ("netconfd", "netconf-subsystem", "sshd", "ssh-keygen") if program(name) is None]


class Pipe:
    """Both ends of a subsystem's standard streams."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin.fileno(), process.stdout.fileno()

    def write(self, data: bytes) -> None:
        os.write(self._input, data)

    def read_until(self, mark: bytes, seconds: float, *, times: int = 1) -> bytes:
        """What comes until `mark` was seen `times` times, or for so many seconds."""
        data = b""
        end = time.monotonic() + seconds
        while data.count(mark) < times and (left := end - time.monotonic()) > 0:
            if select.select([self._output], [], [], left)[0]:
                data += os.read(self._output, 1 << 16)
        return data


@dataclass
class Netconfd:
    """One server. `module_path` is the folder of the modules that it loads besides its own.

    `target`: which datastore edit-config may change. `with_startup`: offer `:startup`; else netconfd
    writes every commit of running to its startup file by itself. Either way the file outlives
    `restart()`, and `stop()` followed by `close()` removes everything.
    """

    module_path: Path
    modules: Sequence[str] = ("ietf-address-pool",)
    target: Literal["candidate", "running"] = "candidate"
    with_startup: bool = False

    host = "127.0.0.1"

    def __post_init__(self) -> None:
        self.user = getpass.getuser()
        self._port = ReservedPort()
        self.port = self._port.number
        self.folder = Path(tempfile.mkdtemp(prefix="casm-", dir="/tmp"))
        self.client_key = self.folder / "client"
        self.host_key_file = self.folder / "host"
        self._socket = self.folder / "ncx.sock"
        self._server: subprocess.Popen[bytes] | None = None
        self._sshd: subprocess.Popen[bytes] | None = None
        self._lay_out()

    # --- Life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start netconfd and, at the first time, sshd; return when both take connections."""
        self._socket.unlink(missing_ok=True)  # netconfd leaves it behind, and then refuses to start
        self._server = self._spawn(self._netconfd_command(), "netconfd.log")
        self._wait("netconfd", self._server, self._socket_answers)
        if self._sshd is None:
            self._sshd = self._spawn(
                [str(program("sshd")), "-D", "-e", "-f", str(self.folder / "sshd_config")], "sshd.log"
            )
            self._wait("sshd", self._sshd, self._port_answers)

    def stop(self) -> None:
        """End netconfd as a service manager would; sshd stays, and then refuses the subsystem."""
        self._end(self._server, signal.SIGTERM)
        self._server = None

    def kill(self) -> None:
        """End netconfd at once, as a power failure would: it writes nothing more."""
        self._end(self._server, signal.SIGKILL)
        self._server = None

    def drop_connections(self) -> None:
        """Kill the sshd process of every connection: what the way between does when it breaks."""
        assert self._sshd is not None
        pid = self._sshd.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)

    def restart(self) -> None:
        """Start again with what the startup file holds."""
        if self._server is not None:
            self.stop()
        self.start()

    def close(self) -> None:
        """Stop everything and remove the folder."""
        self._end(self._server, signal.SIGKILL)
        self._end(self._sshd, signal.SIGKILL)
        self._server = self._sshd = None
        self._port.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Netconfd:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def subsystem(self) -> Iterator[Pipe]:
        """A NETCONF session without SSH: what sshd would start for a client."""
        process = subprocess.Popen(
            [str(program("netconf-subsystem")), f"--ncxserver-sockname={self.port}@{self._socket}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                "SSH_CONNECTION": f"{self.host} 1 {self.host} {self.port}",
                "USER": self.user,
                "HOME": str(self.folder),
            },
        )
        try:
            yield Pipe(process)
        finally:
            process.kill()
            process.communicate()

    # --- What a test may look at ------------------------------------------------------------------

    @property
    def host_key(self) -> str:
        """The server's public host key, as `casm device add --host-key` takes it."""
        return " ".join(self.host_key_file.with_suffix(".pub").read_text().split()[:2])

    @property
    def credential(self) -> str:
        return f"file:{self.client_key}"

    @property
    def startup_file(self) -> Path:
        return self.folder / "data" / "startup-cfg.xml"

    @property
    def pid(self) -> int:
        """netconfd's process id, for SIGSTOP and SIGCONT."""
        assert self._server is not None
        return self._server.pid

    def log(self) -> str:
        """What netconfd wrote."""
        return (self.folder / "netconfd.log").read_text(errors="replace")

    # --- Set-up -----------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        data = self.folder / "data"
        data.mkdir()
        (data / "startup-cfg-txid.txt").write_text("0\n")
        for name in (self.client_key, self.host_key_file):
            subprocess.run(
                [str(program("ssh-keygen")), "-q", "-t", "ed25519", "-N", "", "-f", str(name)], check=True
            )
        shutil.copy(self.client_key.with_suffix(".pub"), self.folder / "authorized_keys")
        subsystem = f"{program('netconf-subsystem')} --ncxserver-sockname={self.port}@{self._socket}"
        (self.folder / "sshd_config").write_text(
            f"Port {self.port}\n"
            f"ListenAddress {self.host}\n"
            f"HostKey {self.host_key_file}\n"
            f"PidFile {self.folder / 'sshd.pid'}\n"
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}\n"
            f'Subsystem netconf "{subsystem}"\n'
            "PasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\n"
            "PermitRootLogin prohibit-password\n"
            "UsePAM no\n"
            "StrictModes no\n"
            "MaxStartups 500:30:1000\n"
            "SetEnv SHLVL=9\n"  # a shell start file of root's may be slow; this makes bash skip it
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd as root asks for it

    def _netconfd_command(self) -> list[str]:
        return [
            str(program("netconfd")),
            f"--modpath={self.module_path}:{_YUMA_MODULES}",
            *(f"--module={name}" for name in self.modules),
            f"--target={self.target}",
            f"--with-startup={str(self.with_startup).lower()}",
            "--access-control=off",
            f"--superuser={self.user}",
            f"--port={self.port}",
            f"--ncxserver-sockname={self._socket}",
            "--max-burst=0",
            "--log-level=info",
        ]

    def _spawn(self, command: list[str], log: str) -> subprocess.Popen[bytes]:
        with (self.folder / log).open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, "YUMA_HOME": str(self.folder), "HOME": str(self.folder)},
                start_new_session=True,
            )

    def _wait(self, name: str, process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
        end = time.monotonic() + START
        while not ready():
            if process.poll() is not None or time.monotonic() > end:
                output = (self.folder / f"{name}.log").read_text(errors="replace")
                raise RuntimeError(f"{name} did not come up: {output[-2000:]}")
            time.sleep(0.01)

    def _socket_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket)) == 0

    def _port_answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0

    @staticmethod
    def _end(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(START)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
