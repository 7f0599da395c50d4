"""`casm serve` as a process of its own on a store of its own, for clients that nobody here wrote.

It is started as the README tells people to. Each client's test works with a pool and a device of its own
number, so that they share one server.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.absent import absent
from tests.peers.netconfd import program

USER, PASSWORD = "oss", "pass-for-tests-1"
NC = "urn:ietf:params:xml:ns:netconf:base:1.0"
POOLS = "urn:casm:yang:casm-pools"
DEVICES = "urn:casm:yang:casm-devices"
OPERATIONS = "urn:casm:yang:casm-operations"
PATIENCE = 120.0
"""Seconds that a client may take for its whole script, on a busy machine."""

_CASM = Path(sys.executable).with_name("casm")
_OTHERS = Path(__file__).parents[2] / ".venv-peers" / "bin"

_CONFIGURATION = f"""
<address-spaces xmlns="{POOLS}"><address-space><name>internet</name></address-space></address-spaces>
<pools xmlns="{POOLS}"><pool><name>pool-%(number)s</name><address-space>internet</address-space>
  <family>ipv4</family><prefix>10.%(number)s.0.0/16</prefix></pool></pools>
<devices xmlns="{DEVICES}"><device><name>bng-%(number)s</name><role>bng</role><driver>ietf-address-pool</driver>
  <host>127.0.9.%(number)s</host><user>casm</user><credential>env:NONE</credential>
  <address-space>internet</address-space>
  <device-pool><name>web</name><pool>pool-%(number)s</pool><length>24</length></device-pool></device></devices>
"""


def configuration(number: int) -> str:
    """A pool, a device and a device pool of that number, as the content of `<config>`."""
    return _CONFIGURATION % {"number": number}


def allocation(number: int, **leafs: str) -> str:
    """The RPC `allocate` for the device pool of that number: 10.NUMBER.0.0/24 where it is the first."""
    more = "".join(
        f"<{name.replace('_', '-')}>{value}</{name.replace('_', '-')}>" for name, value in leafs.items()
    )
    return f'<allocate xmlns="{OPERATIONS}"><device-pool>bng-{number}/web</device-pool>{more}</allocate>'


@dataclass(frozen=True)
class Served:
    """A server that listens, and a user's private key for it."""

    port: int
    folder: Path
    key: Path
    environment: dict[str, str]
    """Of a process that sees none of the user's own settings."""


@contextmanager
def serve(folder: Path) -> Iterator[Served]:
    """A server with one user in the group admin, who has a password and a key; SIGTERM ends it with 0."""
    database = f"sqlite:///{folder}/casm.db"
    environment = {
        **os.environ,
        **dict.fromkeys(("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "HOME"), str(folder)),
        "CASM_TEST_PASSWORD": PASSWORD,
        "TERM": "dumb",
    }
    environment.pop("SSH_AUTH_SOCK", None)
    key = folder / "key"
    if (keygen := program("ssh-keygen")) is None:
        absent("ssh-keygen")
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    user = ("--password-from", "env:CASM_TEST_PASSWORD", "--group", "admin", "--key", f"{key}.pub")
    for arguments in (["init"], ["user", "add", USER, *user]):
        subprocess.run(
            [_CASM, "--database", database, *arguments], env=environment, check=True, capture_output=True
        )
    with subprocess.Popen(
        [_CASM, "--database", database, "serve", "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            assert found, line
            yield Served(int(found[1]), folder, key, environment)
        finally:
            process.terminate()
            ended = process.wait(30)
    assert ended == 0


def other(name: str) -> Path:
    """A program of the environment that other clients have to themselves."""
    path = _OTHERS / name
    if not path.exists():
        absent(f"{name} in .venv-peers ('make test' puts it there)")
    return path


def run(served: Served, arguments: Sequence[str | Path]) -> str:
    """All that a client prints, on both its outputs."""
    done = subprocess.run(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        env=served.environment,
    )
    return done.stdout


def run_until(served: Served, arguments: Sequence[str | Path], mark: str) -> str:
    """What a client prints up to the line with `mark`; then it is ended. Without such a line, all of it."""
    with subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=served.environment,
    ) as process:
        assert process.stdout is not None
        deadline = threading.Timer(PATIENCE, process.kill)
        deadline.start()
        printed: list[str] = []
        try:
            for line in process.stdout:
                printed.append(line)
                if mark in line:
                    break
        finally:
            deadline.cancel()
            process.kill()
        return "".join(printed)
