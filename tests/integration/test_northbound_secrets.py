"""Nothing that a session can ask for, be told or be refused with holds a secret: of a device, or of a user."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncssh
import pytest
import pytest_asyncio
from lxml import etree

from casm_ctrl.base.passwords import hash_password
from casm_ctrl.northbound.models import Models
from casm_ctrl.service.configuration import ChangeDevice, change
from casm_ctrl.service.users import add_user
from tests.northbound_harness import Client, Endpoint, MemoryChannel, Refused, ruled_endpoint
from tests.sync_world import ME, World, Worlds
from tests.verbs_world import ask

DEVICE_PASSWORD = "K8-zebra-device-password"
WRONG_PASSWORD = "Q3-lemur-wrong-password"
USER_PASSWORD = "M5-heron-user-password"
TYPED = "W7-otter-typed-by-mistake"


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("northbound-secrets"))
    yield made
    made.close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "device_key"
    path.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    path.chmod(0o600)
    return path


@pytest.fixture
def key_lines(key_file: Path) -> list[str]:
    return key_file.read_text().splitlines()[1:-1]


@pytest.fixture
def world(worlds: Worlds, monkeypatch: pytest.MonkeyPatch, key_file: Path) -> Iterator[World]:
    """bng1 takes the password; bng2 is offered another, and bng3 a key that it does not know."""
    with worlds.world() as made:
        monkeypatch.setenv("CASM_TEST_PASSWORD", DEVICE_PASSWORD)
        monkeypatch.setenv("CASM_WRONG_PASSWORD", WRONG_PASSWORD)
        monkeypatch.setenv("HOME", str(made.folder))
        for name in ("bng1", "bng2", "bng3"):
            made.add(name, password=DEVICE_PASSWORD)
        credentials = {"bng2": "env:CASM_WRONG_PASSWORD", "bng3": f"file:{key_file}"}
        for name, credential in credentials.items():
            change(made.database, ME, [ChangeDevice(name, credential=credential)])
        yield made


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> bytearray:
    """All that the server writes, to all sessions."""
    found = bytearray()
    write = MemoryChannel.write

    def tee(self: MemoryChannel, data: bytes) -> None:
        found.extend(data)
        write(self, data)

    monkeypatch.setattr(MemoryChannel, "write", tee)
    return found


@pytest_asyncio.fixture
async def served(world: World, sent: bytearray, northbound_models: Models) -> AsyncIterator[Endpoint]:
    async with ruled_endpoint(world.database, northbound_models) as endpoint:
        yield endpoint


QUICKLY = "<retries>0</retries><wait>1</wait>"
RETRIEVALS = (
    "<get/>",
    "<get-config><source><running/></source></get-config>",
    "<get-config><source><candidate/></source></get-config>",
)
VERBS = (
    ask("check-devices", QUICKLY),
    ask("plan", f"<keep>true</keep>{QUICKLY}"),
    ask("apply", QUICKLY),
    ask("adopt", f"<all/>{QUICKLY}"),
    ask("check-drift", QUICKLY),
    ask("verify", QUICKLY),
    ask("trace", "<address>198.51.100.1</address>"),
    ask("read-audit", "<limit>1000</limit>"),
    ask("verify-audit"),
    ask("read-status"),
    *(ask("export-store", f"<format>{form}</format>") for form in ("json", "csv")),
    ask("check-access", "<user>alice</user><operation>allocate</operation>"),
)
EDIT = (
    "<edit-config><target><candidate/></target><config>"
    '<devices xmlns="urn:casm:yang:casm-devices"><device><name>bng1</name><credential>{}</credential></device>'
    "</devices></config></edit-config>"
)
VALIDATE = "<validate><source><candidate/></source></validate>"


async def _all(client: Client) -> list[str]:
    """Ask for everything; the refusals."""
    refusals = []
    for operation in (*RETRIEVALS, *VERBS, EDIT.format("env:CASM_TEST_PASSWORD"), VALIDATE):
        try:
            await client.rpc(operation)
        except Refused as refused:
            refusals.append(f"{operation}: {refused}")
    return refusals


async def test_secrets_are_in_no_message_and_no_log(
    world: World,
    served: Endpoint,
    sent: bytearray,
    key_lines: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    hashed = hash_password(USER_PASSWORD)
    add_user(world.database, ME, "carol", groups=("admin",), password_hash=hashed)
    world.give(1)
    client = await served.open("alice")
    assert await _all(client) == []
    listener = await served.open("carol")
    await listener.rpc(
        '<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0">'
        "<startTime>2000-01-01T00:00:00Z</startTime></create-subscription>"
    )
    told: list[str] = []
    while not told or told[-1] != "replayComplete":
        told.append(etree.QName((await listener.notification())[-1]).localname)
    assert "configuration-changed" in told
    secrets = {DEVICE_PASSWORD, WRONG_PASSWORD, USER_PASSWORD, hashed, *key_lines}
    assert b"env:CASM_TEST_PASSWORD" in sent  # where the secret is may be read
    assert b"carol" in sent
    for secret in secrets:
        assert secret.encode() not in sent
        assert secret not in caplog.text
    assert _in_store(world, secrets - {hashed}) == set()


async def test_a_secret_that_was_typed_in_place_of_a_reference_is_kept_nowhere(
    world: World, served: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = await served.open("alice")
    with pytest.raises(Refused):
        await client.rpc(EDIT.format(TYPED))
        await client.rpc("<commit/>")
    assert TYPED not in caplog.text
    assert _in_store(world, {TYPED}) == set()


def _in_store(world: World, secrets: set[str]) -> set[str]:
    """Those that any row of any table has."""
    with sqlite3.connect(world.folder / "casm.db") as store:
        dump = "\n".join(store.iterdump())
    return {secret for secret in secrets if secret in dump}
