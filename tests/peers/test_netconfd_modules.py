"""A real server's own modules: netconfd hands them out, and they judge what is sent to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.base.errors import YangInvalid
from casm_ctrl.drivers.interface import Edit
from casm_ctrl.drivers.registry import load_driver
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.session import Target
from casm_ctrl.sync.device_modules import obtain_models, take_stock
from casm_ctrl.sync.inventory import Sources
from casm_ctrl.sync.validation import judge_edit
from casm_ctrl.yang.library import Library
from tests.peers.controller import Controller, device, device_pool, pool
from tests.peers.netconfd import Netconfd

pytestmark = pytest.mark.peer

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"


def target(server: Netconfd) -> Target:
    return Target(
        device="bng1",
        host=server.host,
        port=server.port,
        user=server.user,
        credential=server.credential,
        host_key=server.host_key,
        pause_after_hello=0.3,
    )


async def test_get_schema_of_a_real_server(
    shared_netconfd: Netconfd, published_modules: Path, tmp_path: Path
) -> None:
    driver = load_driver("ietf-address-pool")
    sources = Sources(Library(tmp_path))
    async with await open_session(target(shared_netconfd)) as session:
        stock = await take_stock(session, driver, sources, "s/bng1")
        models = await obtain_models(session, driver, sources, "s/bng1")
        running = await Client(session).get_config("running", driver.config_filter())
    assert not stock.missing
    found = {one.text.name: one for one in stock.found}
    assert found["ietf-address-pool"].origin == "device"
    published = published_modules / "ietf-address-pool@2015-10-14.yang"
    assert found["ietf-address-pool"].text.path.read_bytes().split() == published.read_bytes().split()
    assert found["ietf-netconf"].origin == "package"
    assert {one.text.revision for one in stock.found if one.text.name == "ietf-inet-types"} != {None}
    good = address_pool("<address-pool-id>1</address-pool-id>")
    judge_edit(models, driver, Edit((good,), ()), running)
    with pytest.raises(YangInvalid, match="casm-address-pool-ext"):  # an augment that it does not have
        bad = address_pool('<drain xmlns="urn:casm:yang:casm-address-pool-ext">true</drain>')
        judge_edit(models, driver, Edit((bad,), ()), running)


def address_pool(inside: str) -> etree._Element:
    return etree.fromstring(
        f'<address-pools xmlns="{POOLS}" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">'
        '<address-pool nc:operation="create"><address-pool-name>a</address-pool-name>'
        f"{inside}</address-pool></address-pools>"
    )


def test_check_tells_what_judges_the_edits(tmp_path: Path, netconfd: Netconfd) -> None:
    casm = Controller(tmp_path)
    casm.prepare(pool(), device("bng1", netconfd), device_pool("bng1/internet"))
    checked = casm.run("device", "check").answer["device"][0]
    assert checked["result"] == "fit"
    origins = {module["name"]: module["origin"] for module in checked["needed-module"]}
    assert origins["ietf-address-pool"] == "device"
    casm.allocate("bng1/internet")
    assert casm.run("apply").answer["device"][0]["result"] == "changed"
