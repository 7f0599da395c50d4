"""NETCONF in appearance only: asyncssh alone, which answers each request with as many octets as it is told.

What it costs is what SSH costs; bench/northbound.py runs it as a process, beside the server.
"""

from __future__ import annotations

import asyncio
import sys

import asyncssh

NC = "urn:ietf:params:xml:ns:netconf:base:1.0"


class Plain(asyncssh.SSHServerSession[bytes]):
    """NETCONF in appearance only."""

    def __init__(self, size: int) -> None:
        self._body = b"<data>%s</data></rpc-reply>" % (b"x" * size)
        self._arrived = b""
        self._end = b"]]>]]>"

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def subsystem_requested(self, subsystem: str) -> bool:
        return True

    def session_started(self) -> None:
        capability = "<capability>urn:ietf:params:netconf:base:1.1</capability>"
        hello = (
            f'<hello xmlns="{NC}"><capabilities>{capability}</capabilities><session-id>1</session-id></hello>'
        )
        self._channel.write(hello.encode() + b"]]>]]>")

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._arrived += data
        while self._end in self._arrived:
            message, _, self._arrived = self._arrived.partition(self._end)
            if self._end == b"\n##\n":
                identity = message.partition(b'message-id="')[2].partition(b'"')[0]
                reply = b'<rpc-reply xmlns="%s" message-id="%s">' % (NC.encode(), identity) + self._body
                self._channel.write(b"\n#%d\n%s\n##\n" % (len(reply), reply))
            self._end = b"\n##\n"


class PlainServer(asyncssh.SSHServer):
    """Everybody may log in."""

    def __init__(self, size: int) -> None:
        self._size = size

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return True

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return Plain(self._size)


async def serve_plain(size: int) -> None:
    async with asyncssh.listen(
        "127.0.0.1", 0, server_factory=lambda: PlainServer(size), encoding=None, compression_algs=["none"],
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")], gss_host=None,
    ) as listener:  # fmt: skip
        print(f"127.0.0.1:{listener.get_port()}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve_plain(int(sys.argv[1])))
