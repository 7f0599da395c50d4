"""Default data and datastores of the northbound server, asked for by ncclient over SSH."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest
from lxml import etree
from ncclient.manager import Manager
from ncclient.operations.retrieve import WithDefaultsError

from casm_ctrl.netconf.names import BASE
from tests.northbound_ssh import SshServed
from tests.retrieval_world import CONTENT, DEFAULT, NMDA, ORIGIN, POOLS

T = TypeVar("T")
QUARANTINE = f".//{{{POOLS}}}quarantine"


def asked(served: SshServed, ask: Callable[[Manager], T]) -> T:
    """What `ask` does in a session, with the content running."""
    with served.ncclient() as client:
        client.edit_config(f'<config xmlns="{BASE}">{CONTENT}</config>', target="candidate")
        client.commit()
        return ask(client)


async def test_with_defaults_of_ncclient(ssh_northbound: SshServed) -> None:
    """It looks at the capability for the modes, and refuses the others itself."""

    def ask(client: Manager) -> dict[str, list[tuple[str | None, bool]]]:
        found = {}
        for mode in ("trim", "report-all", "report-all-tagged"):
            for reply in (client.get_config("running", with_defaults=mode), client.get(with_defaults=mode)):
                leafs = etree.fromstring(reply.data_xml.encode()).iterfind(QUARANTINE)
                found[mode] = [(leaf.text, DEFAULT in leaf.attrib) for leaf in leafs]
        with pytest.raises(WithDefaultsError):
            client.get(with_defaults="explicit")
        return found

    found = await asyncio.to_thread(asked, ssh_northbound, ask)
    assert found["trim"] == [("7200", False)]
    assert found["report-all"] == [("7200", False), ("3600", False), ("3600", False)]
    assert found["report-all-tagged"] == [("7200", False), ("3600", True), ("3600", True)]


async def test_get_data_by_ncclient(ssh_northbound: SshServed) -> None:
    def ask(client: Manager) -> str:
        operation = etree.fromstring(
            f'<get-data xmlns="{NMDA}" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">'
            f'<datastore>ds:operational</datastore><subtree-filter><pools xmlns="{POOLS}"/></subtree-filter>'
            "<config-filter>true</config-filter><with-origin/></get-data>"
        )
        return str(client.dispatch(operation).xml)

    reply = etree.fromstring((await asyncio.to_thread(asked, ssh_northbound, ask)).encode())
    (pools,) = reply.iter(f"{{{POOLS}}}pools")
    assert pools.get(ORIGIN) == "or:intended"
    assert [leaf.get(ORIGIN) for leaf in pools.iterfind(QUARANTINE)] == [None, "or:default", "or:default"]
