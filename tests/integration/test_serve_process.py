"""`casm serve` and `casm user` as people start them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncssh
import pytest

from casm_ctrl.netconf.framing import END_OF_MESSAGE

PATIENCE = 60.0


def casm(home: Path, *arguments: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_casm(), *arguments],
        env=_environment(home, **environment),
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def _casm() -> str:
    return str(Path(sys.executable).with_name("casm"))


def _environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "CASM_DATABASE"}
    return {**kept, "HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "NO_COLOR": "1", **more}


async def begin(home: Path, *arguments: str) -> tuple[asyncio.subprocess.Process, int]:
    process = await asyncio.create_subprocess_exec(
        _casm(),
        "serve",
        "--port",
        "0",
        *arguments,
        env=_environment(home),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode()
    assert line.startswith("Listening on 127.0.0.1:"), line
    return process, int(line.split(":")[1].split()[0])


async def end(process: asyncio.subprocess.Process, how: signal.Signals) -> tuple[str, str]:
    process.send_signal(how)
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    return out.decode(), err.decode()


async def test_the_first_start_makes_store_and_key_and_says_who_may_log_in(tmp_path: Path) -> None:
    process, port = await begin(tmp_path, "--json")
    made = casm(
        tmp_path, "user", "add", "alice", "--group", "admin", "--password-from", "env:PW", PW="correct horse"
    )
    assert made.returncode == 0, made.stderr
    async with asyncssh.connect(
        "127.0.0.1",
        port,
        username="alice",
        password="correct horse",
        client_keys=None,
        known_hosts=None,
        config=None,
    ) as connection:
        _, reader, _ = await connection.open_session(subsystem="netconf", encoding=None)
        assert b"<hello" in await asyncio.wait_for(reader.readuntil(END_OF_MESSAGE), PATIENCE)
        out, err = await end(process, signal.SIGTERM)
    assert process.returncode == 0, err
    assert json.loads(out) == {"casm": 1, "serve": {"host": "127.0.0.1", "port": port, "sessions": 1}}
    assert "casm user add NAME" in err
    assert "Traceback" not in err
    data = tmp_path / "data" / "casm"
    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / "host_key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "rsa-sha2-256", "ssh-rsa"])
async def test_it_shows_a_host_key_of_the_kind_that_a_client_knows(tmp_path: Path, algorithm: str) -> None:
    """Clients of before 2017 know no Ed25519, and of before 2018 no SHA-2 with RSA."""
    process, port = await begin(tmp_path)
    key = await asyncssh.get_server_host_key("127.0.0.1", port, server_host_key_algs=[algorithm], config=None)
    assert key is not None
    assert key.get_algorithm() == ("ssh-ed25519" if algorithm == "ssh-ed25519" else "ssh-rsa")
    await end(process, signal.SIGTERM)
    assert (tmp_path / "data" / "casm" / "host_key_rsa").stat().st_mode & 0o777 == 0o600


async def test_a_key_of_ones_own_is_the_only_one(tmp_path: Path) -> None:
    key = tmp_path / "mine"
    key.write_bytes(asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_private_key())
    key.chmod(0o600)
    process, port = await begin(tmp_path, "--host-key", str(key))
    shown = await asyncssh.get_server_host_key("127.0.0.1", port, config=None)
    assert (
        shown is not None and shown.export_public_key() == asyncssh.read_private_key(key).export_public_key()
    )
    await end(process, signal.SIGTERM)
    assert not key.with_name("mine_rsa").exists()


async def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    process, _ = await begin(tmp_path)
    out, err = await end(process, signal.SIGINT)
    assert process.returncode == 0
    assert out == "Stopped after 0 sessions.\n"
    assert "Traceback" not in err


def test_a_key_that_others_may_read_is_refused_in_one_line(tmp_path: Path) -> None:
    key = tmp_path / "host_key"
    key.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    key.chmod(0o644)
    refused = casm(tmp_path, "serve", "--port", "0", "--host-key", str(key))
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "chmod 600" in refused.stderr


def test_users_by_hand(tmp_path: Path) -> None:
    assert casm(tmp_path, "init").returncode == 0
    key = tmp_path / "key.pub"
    key.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_public_key())
    assert casm(tmp_path, "user", "add", "bob", "--key", str(key)).returncode == 0
    assert (
        casm(tmp_path, "user", "password", "bob", "--password-from", "-", text="correct horse\n").returncode
        == 0
    )
    listed = json.loads(casm(tmp_path, "user", "list", "--json").stdout)["user"]
    fingerprint = listed[0]["key"][0]["fingerprint"]
    assert (listed[0]["name"], listed[0]["password"]) == ("bob", True)
    changed = casm(tmp_path, "user", "change", "bob", "--group", "operator", "--remove-key", fingerprint)
    assert changed.stdout == "Changed user bob.\n"
    assert "$2b$" not in casm(tmp_path, "audit", "--json").stdout
    assert casm(tmp_path, "user", "password", "bob", "--remove").returncode == 0
    assert casm(tmp_path, "user", "remove", "bob").returncode == 0
    short = casm(tmp_path, "user", "add", "eve", "--password-from", "-", text="short\n")
    assert short.returncode == 1 and "short" not in short.stderr.replace("too short", "")
