"""Simulated devices with published modules: get-schema, and what a large model makes of an edit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from lxml import etree

from casm_ctrl.base.errors import DeviceRefused
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.session import Target
from casm_ctrl.netconf.names import MONITORING, nc
from casm_ctrl.simulator import SimulatedDevice, SimulatedDeviceOptions
from casm_ctrl.yang.header import read_header
from tests.published import MODELS, folder_of

DAPS = "http://cisco.com/ns/yang/Cisco-IOS-XR-ip-daps-cfg"
ROOT = "http://yang.juniper.net/junos/conf/root"
ACCESS = "http://yang.juniper.net/junos/conf/access"
BRAS4 = "urn:huawei:yang:huawei-bras-ipv4-address-manage"
INSTANCE = "urn:huawei:yang:huawei-network-instance"
L3VPN = "urn:huawei:yang:huawei-l3vpn"
DHCP6 = "urn:ietf:params:xml:ns:yang:ietf-dhcpv6-server"
NAT = "urn:ietf:params:xml:ns:yang:ietf-nat"


@dataclass(frozen=True)
class Case:
    """An edit that the model takes, a second one on top of it, what must be there then and what must not."""

    first: str
    second: str
    there: tuple[str, ...]
    gone: tuple[str, ...]
    wrong: str
    """An edit that the model refuses."""


def cisco(inside: str) -> str:
    return (
        f'<address-pool-service xmlns="{DAPS}"><vrfs><vrf><vrf-name>default</vrf-name><ipv4><pools><pool>'
        f"<pool-name>p</pool-name>{inside}</pool></pools></ipv4></vrf></vrfs></address-pool-service>"
    )


def junos(inside: str) -> str:
    return (
        f'<configuration xmlns="{ROOT}"><access xmlns="{ACCESS}"><address-assignment>{inside}'
        "</address-assignment></access></configuration>"
    )


def huawei(inside: str) -> str:
    return (
        f'<bras-ipv4-address-manage xmlns="{BRAS4}"><ipv4-pools><ipv4-pool><name>p</name><type>local</type>'
        f"<local>{inside}</local></ipv4-pool></ipv4-pools></bras-ipv4-address-manage>"
    )


def dhcp6(inside: str) -> str:
    return f'<dhcpv6-server xmlns="{DHCP6}"><allocation-ranges>{inside}</allocation-ranges></dhcpv6-server>'


def nat(inside: str) -> str:
    return (
        f'<nat xmlns="{NAT}"><instances><instance><id>1</id><policy><id>1</id>{inside}</policy>'
        "</instance></instances></nat>"
    )


def vrf(name: str) -> str:
    return (
        f'<network-instance xmlns="{INSTANCE}"><instances><instance><name>{name}</name>'
        f'<afs xmlns="{L3VPN}"><af><type>ipv4-unicast</type></af></afs></instance></instances>'
        "</network-instance>"
    )


CASES = {
    "cisco-iosxr": Case(
        cisco(
            "<address-ranges><address-range><start-address>192.0.2.0</start-address>"
            "<end-address>192.0.2.255</end-address></address-range></address-ranges>"
        ),
        cisco(
            "<address-ranges><address-range><start-address>192.0.2.0</start-address>"
            "<blocked>1</blocked></address-range></address-ranges>"
        ),
        ("end-address", "blocked"),
        (),
        cisco(
            "<address-ranges><address-range><start-address>192.0.2.0</start-address></address-range>"
            "</address-ranges>"
        ),
    ),
    "juniper-junos": Case(  # the pools come from an augment of another module; lists are ordered by the user
        junos("<pool><name>a</name><family><inet><network>192.0.2.0/24</network></inet></family></pool>"),
        junos(
            "<pool xmlns:yang='urn:ietf:params:xml:ns:yang:1' yang:insert='first'><name>b</name>"
            "<link>a</link></pool><pool><name>a</name>"
            "<family><inet6><prefix>2001:db8::/48</prefix></inet6></family></pool>"
        ),
        ("link", "prefix"),
        ("network",),  # the other case of the choice (RFC 7950, 7.9)
        junos("<pool><name>a</name><no-such-leaf/></pool>"),
    ),
    "huawei-vrp": Case(  # the pool refers to a network instance, which is in a module that nobody named
        vrf("red") + huawei("<vpn-instance><name>red</name></vpn-instance>"),
        huawei("<sip-server><ip-address1>192.0.2.9</ip-address1></sip-server>"),
        ("vpn-instance", "ip-address1"),
        (),
        huawei("<vpn-instance><name>blue</name></vpn-instance>"),
    ),
    "ietf": Case(
        dhcp6(
            "<allocation-range><id>1</id><network-prefix>2001:db8::/32</network-prefix><prefix-pools><prefix-pool>"
            "<pool-id>1</pool-id><pool-prefix>2001:db8::/40</pool-prefix>"
            "<client-prefix-length>56</client-prefix-length></prefix-pool></prefix-pools></allocation-range>"
        ),
        dhcp6("<allocation-range><id>1</id><valid-lifetime>3600</valid-lifetime></allocation-range>"),
        ("client-prefix-length", "valid-lifetime"),
        (),
        dhcp6("<allocation-range><id>none</id></allocation-range>"),
    ),
    "ietf-nat": Case(
        nat(
            "<external-ip-address-pool><pool-id>1</pool-id><external-ip-pool>192.0.2.0/24</external-ip-pool>"
            "</external-ip-address-pool><port-set-restrict><start-port-number>1024</start-port-number>"
            "<end-port-number>2047</end-port-number></port-set-restrict>"
        ),
        nat(
            "<port-set-restrict><psid-offset>6</psid-offset><psid-len>4</psid-len><psid>1</psid></port-set-restrict>"
        ),
        ("external-ip-pool", "psid"),
        ("start-port-number",),
        nat("<port-set-restrict><psid-offset>99</psid-offset></port-set-restrict>"),
    ),
}


@asynccontextmanager
async def connected(model: str) -> AsyncIterator[Client]:
    options = SimulatedDeviceOptions(modules=MODELS[model], search=(folder_of(model),))
    async with SimulatedDevice(options) as device:
        target = Target(
            "sim",
            device.host,
            device.port,
            "casm",
            "env:SIMULATED_PASSWORD",
            host_key=device.host_key,
        )
        async with await open_session(target) as session:
            yield Client(session)


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATED_PASSWORD", "casm")


def elements(text: str) -> list[etree._Element]:
    return list(etree.fromstring(f"<config>{text}</config>"))


@pytest.mark.parametrize("model", MODELS)
async def test_every_module_that_a_device_runs_is_handed_out(model: str) -> None:
    async with connected(model) as client:
        state = etree.Element(f"{{{MONITORING}}}netconf-state")
        etree.SubElement(state, f"{{{MONITORING}}}schemas")
        listed = (await client.get([state])).findall(f".//{{{MONITORING}}}schema")
        names = {}
        for entry in listed:
            name, version, namespace = (
                entry.findtext(f"{{{MONITORING}}}{leaf}") or ""
                for leaf in ("identifier", "version", "namespace")
            )
            header = read_header(await client.get_schema(name, version or None))
            assert (header.name, header.revision or "") == (name, version)
            assert namespace
            names[name] = header
        assert set(MODELS[model]) <= set(names)
        for header in names.values():
            for needed in (*header.imports, *header.includes):
                assert needed.name in names
        announced = client.session.capabilities.modules
        assert {name for name, header in names.items() if not header.belongs_to} == set(announced)


@pytest.mark.parametrize("model", MODELS)
async def test_its_datastore_keeps_to_the_model(model: str) -> None:
    case = CASES[model]
    async with connected(model) as client:
        await client.edit_config("candidate", elements(case.first))
        await client.commit()
        await client.edit_config("candidate", elements(case.second))
        await client.commit()
        running = await client.get_config("running")
        names = [etree.QName(element).localname for element in running.iter(etree.Element)]
        assert set(case.there) <= set(names)
        assert not set(case.gone) & set(names)
        before = etree.tostring(running)
        await client.edit_config("candidate", elements(case.first), default_operation="replace")
        await client.discard_changes()
        with pytest.raises(DeviceRefused):
            await client.edit_config("candidate", elements(case.wrong), default_operation="replace")
        assert etree.tostring(await client.get_config("running")) == before


async def test_what_the_user_orders_stays_in_its_order() -> None:
    case = CASES["juniper-junos"]
    async with connected("juniper-junos") as client:
        await client.edit_config("candidate", elements(case.first))
        await client.edit_config("candidate", elements(case.second))
        await client.commit()
        found = (await client.get_config("running")).findall(f".//{{{ACCESS}}}pool/{{{ACCESS}}}name")
        assert [name.text for name in found] == ["b", "a"]


async def test_an_edit_may_remove_what_a_big_model_holds() -> None:
    async with connected("juniper-junos") as client:
        await client.edit_config("candidate", elements(CASES["juniper-junos"].first))
        await client.commit()
        removal = elements(junos("<pool><name>a</name></pool>"))
        pool = removal[0].find(f".//{{{ACCESS}}}pool")
        assert pool is not None
        pool.set(nc("operation"), "delete")
        await client.edit_config("candidate", removal, default_operation="none")
        await client.commit()
        assert not len(await client.get_config("running"))
