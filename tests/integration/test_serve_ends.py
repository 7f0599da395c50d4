"""How `casm serve` ends, what it refuses to begin beside, and what it tells of logins that failed."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from casm_ctrl.netconf.names import nc
from tests.northbound_process import PASSWORD, PATIENCE, Served, Session, fill, served, until
from tests.northbound_ssh import USER

POOLS = "urn:casm:yang:casm-pools"


@pytest.fixture
def store(northbound_template: Path, tmp_path: Path) -> Path:
    path = Path(shutil.copyfile(northbound_template, tmp_path / "ends.db"))
    fill(path)
    return path


def casm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("casm")), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_sessions_with_a_word_and_undoes_what_is_pending(
    store: Path, caplog: pytest.LogCaptureFixture, number: signal.Signals
) -> None:
    caplog.set_level(logging.DEBUG, "asyncssh")
    with served(store, ends=False) as server:
        session = await Session.open(await server.connect(USER))
        await session.greet()
        edit = f'<address-spaces xmlns="{POOLS}"><address-space><name>new</name></address-space></address-spaces>'
        for request in (
            "<lock><target><running/></target></lock>",
            f"<edit-config><target><candidate/></target><config>{edit}</config></edit-config>",
            "<commit><confirmed/></commit>",
        ):
            assert (await session.rpc(request)).find(nc("ok")) is not None
        running = await session.rpc("<get-config><source><running/></source></get-config>")
        assert "new" in [name.text for name in running.iter("{*}name")]
        server.process.send_signal(number)
        await asyncio.wait_for(session.connection.wait_closed(), PATIENCE)
        assert "Received disconnect: the server stops" in caplog.text
        assert "Received channel close" not in caplog.text  # an answer would meet no server
        assert server.process.wait(PATIENCE) == 0
        await server.hang_up()
    assert "Traceback" not in server.log.read_text()
    with served(store) as again:
        async with again.session(USER) as session:
            running = await session.rpc("<get-config><source><running/></source></get-config>")
            assert "new" not in [name.text for name in running.iter("{*}name")]
            assert (await session.rpc("<lock><target><running/></target></lock>")).find(nc("ok")) is not None
        await again.hang_up()


STUCK = """
import asyncio, os, signal, time
from casm_ctrl.cli import stopping
stopping.LONGEST = 0.1
async def main():
    stop = stopping.Stop()
    os.kill(os.getpid(), signal.SIGTERM)
    await stop.wait()
    time.sleep(60)
asyncio.run(main())
"""


def test_what_does_not_end_is_left() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0
    assert "the next start takes back what is pending" in done.stderr


def test_a_second_server_on_a_store_or_a_port_is_refused_in_one_line(store: Path, tmp_path: Path) -> None:
    with served(store) as first:
        key = str(store.with_name("host_key"))
        beside = casm("serve", "--port", "0", "--database", str(store), "--host-key", key)
        other = Path(shutil.copyfile(store, tmp_path / "other.db"))
        there = casm("serve", "--port", str(first.port), "--database", str(other), "--host-key", key)
        for refused, words in ((beside, "another casm serve has the store"), (there, "cannot listen on")):
            assert refused.returncode == 1
            assert refused.stdout == ""
            assert words in refused.stderr and len(refused.stderr.splitlines()) == 1
    with served(store):  # the store is free again
        pass


@pytest.fixture
def server(store: Path) -> Iterator[Served]:
    with served(store) as running:
        yield running


async def test_failed_logins_are_in_the_audit_with_where_they_came_from_and_no_secret(server: Served) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    wrong = "tr0ub4dor&3"
    for number, more in enumerate(
        (
            {"user": USER, "client_keys": [stranger]},
            {"user": USER, "client_keys": None, "password": wrong},
            {"user": "eve", "client_keys": None, "password": wrong},
            {"user": "eve", "client_keys": [stranger]},
            {"user": "é" * 100, "client_keys": None, "password": PASSWORD},
        )
    ):
        with pytest.raises((asyncssh.Error, OSError)):
            await server.connect(**more, local_addr=(f"127.0.0.{number + 2}", 0))  # type: ignore[arg-type]
    failed: list[dict[str, str]] = []

    def told() -> bool:
        shown = casm("audit", "--json", "--database", str(server.store))
        assert wrong not in shown.stdout and PASSWORD not in shown.stdout
        failed[:] = [event for event in json.loads(shown.stdout)["event"] if event["verb"] == "login-failed"]
        return len(failed) == 5

    await until(told, what="five failures in the audit")
    text = json.dumps(failed)
    for number in range(5):
        assert f"127.0.0.{number + 2}" in text
    assert text.count("'eve'") == 2 and text.count(f"'{USER}'") == 2
    await server.hang_up()
    log = server.log.read_text()
    assert wrong not in log and PASSWORD not in log
    assert log.count("a login from") == 5


async def test_many_failures_of_one_address_are_one_row(server: Served) -> None:
    for number in range(8):
        with pytest.raises((asyncssh.Error, OSError)):
            await server.connect(f"guess{number}", client_keys=[asyncssh.generate_private_key("ssh-ed25519")])
    await server.hang_up()
    await server.serves()
    await server.hang_up()
    shown = casm("audit", "--json", "--database", str(server.store)).stdout
    assert shown.count('"login-failed"') == 1
