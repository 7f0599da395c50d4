"""`casm serve` on a store of PostgreSQL, by one server and by two beside each other."""

from __future__ import annotations

import asyncio
from pathlib import Path

from casm_ctrl.base.clock import SystemClock
from casm_ctrl.netconf.names import NOTIFICATION, nc
from casm_ctrl.service.first_access import first_documents
from casm_ctrl.store.migrate import create_store
from tests.northbound_process import PATIENCE, fill, served, tags
from tests.northbound_ssh import USER
from tests.peers.postgresql import Postgresql

POOLS = "urn:casm:yang:casm-pools"
EDIT = (
    f'<edit-config><target><candidate/></target><config><address-spaces xmlns="{POOLS}"><address-space>'
    "<name>new</name></address-space></address-spaces></config></edit-config>"
)
RUNNING = "<get-config><source><running/></source></get-config>"
LOCK = "<lock><target><running/></target></lock>"


async def test_two_servers_share_a_store(postgresql: Postgresql, tmp_path: Path) -> None:
    """What one commits, both show; what one has locked, the other cannot lock; and each tells of what happens."""
    url = postgresql.url(postgresql.make())
    create_store(url, SystemClock(), documents=first_documents())[0].close()
    fill(url)
    with (
        served(tmp_path / "one.db", url=url) as one,
        served(tmp_path / "two.db", url=url) as two,
    ):
        async with one.session(USER) as here, two.session(USER) as there, two.session(USER) as listener:
            await listener.rpc(f'<create-subscription xmlns="{NOTIFICATION}"/>')
            assert (await here.rpc(LOCK)).find(nc("ok")) is not None
            assert tags([await there.rpc(LOCK)]) == ["lock-denied"]
            for request in (EDIT, "<validate><source><candidate/></source></validate>", "<commit/>"):
                assert (await here.rpc(request)).find(nc("ok")) is not None, request
            shown = await there.rpc(RUNNING)
            assert "new" in [name.text for name in shown.iter("{*}name")]
            async with asyncio.timeout(PATIENCE):
                while b"netconf-config-change" not in await listener.message():
                    pass
            assert (await here.rpc("<close-session/>")).find(nc("ok")) is not None
            async with asyncio.timeout(PATIENCE):
                while (await there.rpc(LOCK)).find(nc("ok")) is None:
                    pass
        await one.hang_up()
        await two.hang_up()
    for server in (one, two):
        assert "Traceback" not in server.log.read_text()
