"""Ask a server for its host key, without logging in: nothing secret is shown to who may be a stranger."""

from __future__ import annotations

import asyncio

import asyncssh

from casm_ctrl.netconf.client.host_keys import HostKey
from casm_ctrl.netconf.client.session import Target


async def scan_host_key(target: Target) -> str | None:
    """Type and base64 of the key that it prefers to present; None where it presents none in time."""
    try:
        async with asyncio.timeout(target.deadlines.ssh):
            key = await asyncssh.get_server_host_key(target.host, target.port, config=[])
    except (OSError, asyncssh.Error, TimeoutError):
        return None
    return None if key is None else str(HostKey(key.algorithm.decode(), key.public_data))
