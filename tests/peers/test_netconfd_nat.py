"""The main job on Yuma123's netconfd with ietf-nat: real commits through the driver, and one that is undone.

netconfd cannot parse `if-feature "a or b"` (YANG 1.1), so it loads a copy without those lines, made here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.service.configuration import AddDevicePool, AddPool, RemoveDevicePool, change
from casm_ctrl.yang.modules import find_module
from tests.peers.controller import AUTHOR, Controller, connect, device, pool, read
from tests.peers.netconfd import Netconfd

pytestmark = pytest.mark.peer

EITHER_FEATURE = re.compile(r'if-feature\s+"[^";]* or [^;]*;')
NAT = {"n": "urn:ietf:params:xml:ns:yang:ietf-nat"}


@pytest.fixture
def cgn(netconfd_programs: None, tmp_path: Path) -> Iterator[Netconfd]:
    folder = tmp_path / "modules"
    folder.mkdir()
    for name in ("ietf-nat", "ietf-interfaces"):
        module = find_module(name)
        (folder / f"{name}.yang").write_text(EITHER_FEATURE.sub("", module.text))
    with Netconfd(folder, modules=("ietf-nat",)) as server:
        yield server


@pytest.fixture
def casm(tmp_path: Path, cgn: Netconfd) -> Controller:
    """A store that knows the server as cgn1, with whole addresses and port sets to give."""
    controller = Controller(tmp_path)
    controller.prepare(
        pool(),
        AddPool("ports", "default", ("203.0.113.0/28",), psid_offset=6, quarantine=3600, lease_time=3600),
        replace(device("cgn1", cgn, role="cgn"), driver="ietf-nat"),
        AddDevicePool("cgn1/outside", ("p4",), 28, access="cgn", usage_high=90, usage_low=70),
        AddDevicePool("cgn1/map", ("ports",), 36, access="map"),
    )
    return controller


def external_pools(server: Netconfd) -> dict[tuple[str, str], str]:
    """What plain ncclient reads: (the instance's name, the policy's port set or '') and the prefixes."""
    root = etree.fromstring(read(server).encode())
    found = {}
    for entry in root.iterfind(".//n:external-ip-address-pool", NAT):
        policy = entry.getparent()
        assert policy is not None
        instance = policy.getparent()
        assert instance is not None
        psid = policy.findtext("n:port-set-restrict/n:psid", "", NAT)
        name = instance.findtext("n:name", "", NAT)
        found[name, psid] = entry.findtext("n:external-ip-pool", "", NAT)
    return found


def test_whole_addresses_and_port_sets_are_installed_and_taken_back(casm: Controller, cgn: Netconfd) -> None:
    (whole,) = casm.allocate("cgn1/outside")
    first, second = casm.allocate("cgn1/map", 2)
    done = casm.apply_here()["cgn1"]
    assert done["result"] == "changed", str(done)
    assert set(casm.states().values()) == {"installed"}
    assert external_pools(cgn) == {
        ("outside", ""): "198.51.100.0/28",
        ("map", "0"): "203.0.113.0/32",
        ("map", "1"): "203.0.113.0/32",
    }
    casm.release(first)
    assert casm.apply_here()["cgn1"]["result"] == "changed"
    assert casm.states() == {whole: "installed", first: "quarantined", second: "installed"}
    assert external_pools(cgn).keys() == {("outside", ""), ("map", "1")}
    casm.release(whole, second)
    casm.apply_here(confirm_removal=2)
    assert casm.states()[whole] == casm.states()[second] == "quarantined"
    assert external_pools(cgn) == {}
    assert "<instance>" not in read(cgn)


def test_blocks_are_put_into_the_policy_of_an_operator(casm: Controller, cgn: Netconfd) -> None:
    with connect(cgn) as session:
        session.edit_config(
            target="candidate",
            config='<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">'
            '<nat xmlns="urn:ietf:params:xml:ns:yang:ietf-nat"><instances><instance><id>5</id><name>outside</name>'
            "<policy><id>3</id><external-ip-address-pool><pool-id>1</pool-id>"
            "<external-ip-pool>192.0.2.0/28</external-ip-pool></external-ip-address-pool></policy></instance>"
            "</instances></nat></config>",
        )
        session.commit()
    with casm.opened() as database:
        plain = AddDevicePool("cgn1/outside", ("p4",), 28)
        change(database, AUTHOR, [RemoveDevicePool("cgn1/outside"), plain])
    casm.allocate("cgn1/outside")
    casm.apply_here()
    root = etree.fromstring(read(cgn).encode())
    prefixes = [leaf.text for leaf in root.iterfind(".//n:policy[n:id='3']//n:external-ip-pool", NAT)]
    assert prefixes == ["192.0.2.0/28", "198.51.100.0/28"]


def test_a_commit_that_nobody_confirms_is_undone_by_the_device(casm: Controller, cgn: Netconfd) -> None:
    """The controller dies with its commit unconfirmed: the device rolls back, and the next apply installs."""
    casm.query("""UPDATE device SET deadlines = '{"commit": 2}'""")
    (block,) = casm.allocate("cgn1/map")
    ended = casm.end(casm.start("apply", "cgn1", CASM_STOP_AT="read-back"))
    assert ended.status == -9, ended
    assert casm.pending() == 1
    assert external_pools(cgn) == {("map", "0"): "203.0.113.0/32"}
    end = time.monotonic() + 20
    while external_pools(cgn) and time.monotonic() < end:
        time.sleep(1.5)  # its timer fires only when it has been idle for about a second
    assert external_pools(cgn) == {}
    casm.let_leases_end()
    casm.apply_here()
    assert casm.states()[block] == "installed"
    assert external_pools(cgn) == {("map", "0"): "203.0.113.0/32"}
    assert casm.pending() == 0
