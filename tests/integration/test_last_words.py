"""What a device says right before it closes the connection is heard, however close together both come."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct

import asyncssh
import pytest

from casm_ctrl.base.deadlines import Deadlines
from casm_ctrl.base.errors import HostKeyRefused
from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.session import Target

KEXINIT, DISCONNECT = 20, 1
KEY_EXCHANGE_FAILED = 3
TIMES = 20


def text(words: str) -> bytes:
    return struct.pack(">I", len(words)) + words.encode()


def packet(payload: bytes) -> bytes:
    """A binary packet before keys are agreed on (RFC 4253, 6)."""
    padding = 8 - (5 + len(payload)) % 8 + 8
    return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + os.urandom(padding)


def offer() -> bytes:
    """A key exchange with nothing but a host key of another type (RFC 4253, 7.1)."""
    ciphers, codes = "aes128-ctr", "hmac-sha2-256"
    lists = (
        *("curve25519-sha256", "ecdsa-sha2-nistp256", ciphers, ciphers, codes, codes),
        *("none", "none", "", ""),
    )
    return bytes([KEXINIT]) + os.urandom(16) + b"".join(map(text, lists)) + bytes(5)


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All in one piece, and the end of the connection behind it."""
    writer.write(b"SSH-2.0-short\r\n")
    await reader.readuntil(b"\n")
    said = struct.pack(">BI", DISCONNECT, KEY_EXCHANGE_FAILED) + text("no host key in common") + text("")
    writer.write(packet(offer()) + packet(said))
    writer.write_eof()
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_why_the_key_exchange_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "secret")
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    ends = asyncio.Semaphore(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await refuse(reader, writer)
        ends.release()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        target = Target(
            "bng1", "127.0.0.1", port, "casm", "env:PASSWORD", host_key=key, deadlines=Deadlines()
        )
        for _ in range(TIMES):
            with pytest.raises(HostKeyRefused, match="none of the known type ssh-ed25519"):
                await open_session(target)
            await asyncio.wait_for(ends.acquire(), 30)
