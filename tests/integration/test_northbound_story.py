"""The life of a network over NETCONF alone: `casm serve`, devices that are simulated, and no command line."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.base.errors import InUse
from casm_ctrl.netconf.messages import parse_document
from casm_ctrl.netconf.names import BASE, Element, nc
from casm_ctrl.service.configuration import change
from casm_ctrl.service.space_edits import AddSpace
from casm_ctrl.service.users import add_user
from casm_ctrl.simulator.device import SimulatedDevice
from casm_ctrl.simulator.options import SimulatedDeviceOptions
from casm_ctrl.store.database import open_database
from casm_ctrl.store.events import Author
from tests.northbound_process import PATIENCE, Served, Session, fill, served
from tests.northbound_ssh import USER, USER_KEY, public_line

POOLS, DEVICES, VERBS = (f"urn:casm:yang:casm-{name}" for name in ("pools", "devices", "operations"))
NAMES = {"p": POOLS, "d": DEVICES, "o": VERBS}
SPACES = """
  <address-spaces xmlns="urn:casm:yang:casm-pools"><address-space><name>internet</name></address-space></address-spaces>
  <pools xmlns="urn:casm:yang:casm-pools">
    <pool><name>v4</name><address-space>internet</address-space><family>ipv4</family><prefix>198.51.100.0/24</prefix>
      <policy><quarantine>0</quarantine></policy></pool>
    <pool><name>v6</name><address-space>internet</address-space><family>ipv6</family><prefix>2001:db8::/40</prefix>
      <delegated-length>56</delegated-length></pool>
    <pool><name>shared</name><address-space>internet</address-space><family>ipv4</family>
      <psid-offset>6</psid-offset><prefix>203.0.113.0/28</prefix></pool>
    <pool><name>outside</name><address-space>internet</address-space><family>ipv4</family>
      <prefix>203.0.113.16/28</prefix></pool>
  </pools>"""
OTHER_POOL = f"""
  <pools xmlns="{POOLS}"><pool><name>more</name><address-space>internet</address-space><family>ipv4</family>
    <prefix>192.0.2.0/24</prefix></pool></pools>
  <devices xmlns="{DEVICES}"><device><name>bng1</name>
    <device-pool><name>more</name><pool>more</pool><length>28</length></device-pool></device></devices>"""
SOMEBODY = (
    b'<address-pools xmlns="urn:ietf:params:xml:ns:yang:ietf-address-pool"><address-pool>'
    b"<address-pool-name>legacy</address-pool-name><address-pool-entries><ipv4-address-range>"
    b"<ipv4-address-range-name>old</ipv4-address-range-name><ip-lower-address>198.51.100.%d</ip-lower-address>"
    b"<ip-upper-address>198.51.100.%d</ip-upper-address></ipv4-address-range></address-pool-entries>"
    b"</address-pool></address-pools>"
)


def device(name: str, role: str, driver: str, port: int, key: str, *pools: str) -> str:
    entries = "".join(f"<device-pool>{pool}</device-pool>" for pool in pools)
    return (
        f"<device><name>{name}</name><role>{role}</role><driver>{driver}</driver><host>127.0.0.1</host>"
        f"<port>{port}</port><user>casm</user><credential>env:STORY_PASSWORD</credential>{key}"
        f"<address-space>internet</address-space>{entries}</device>"
    )


def devices(bng1: SimulatedDevice, bng2: SimulatedDevice, cgn: SimulatedDevice) -> str:
    def known(one: SimulatedDevice) -> tuple[int, str]:
        return one.port, f"<host-key>{one.host_key}</host-key>"

    home = "<name>home</name><pool>v4</pool><length>27</length>"
    return (
        f'<devices xmlns="{DEVICES}">'
        + device(
            "bng1",
            "bng",
            "ietf-address-pool",
            *known(bng1),
            home,
            "<name>home6</name><pool>v6</pool><length>48</length>",
        )
        + device(
            "bng2",
            "bng",
            "ietf-address-pool",
            *known(bng2),
            f"{home}<aaa-name>pair</aaa-name><owner-group>pair</owner-group>",
        )
        + device(
            "cgn1", "cgn", "ietf-nat", *known(cgn), "<name>nat</name><pool>outside</pool><length>32</length>"
        )
        + device(
            "map1",
            "bng",
            "ietf-address-pool",
            830,
            "",
            "<name>m</name><pool>shared</pool><length>36</length>",
        )
        + "</devices>"
        f'<owner-groups xmlns="{DEVICES}"><owner-group><name>pair</name>'
        "<member><device>bng2</device><role>serves</role></member>"
        "<member><device>bng1</device><role>stands-by</role></member></owner-group></owner-groups>"
        f'<quotas xmlns="{DEVICES}"><quota><name>q</name><kind>device</kind><subject>bng1</subject>'
        "<family>ipv4</family><max-addresses>64</max-addresses></quota></quotas>"
    )


class Operator:
    """A session, and what it asks."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def do(self, operation: str) -> Element:
        """The reply, which has no error."""
        reply = await self.session.rpc(operation)
        assert reply.find(nc("rpc-error")) is None, etree.tostring(reply, pretty_print=True).decode()
        return reply

    async def refused(self, operation: str) -> tuple[str | None, str | None]:
        """error-tag and error-app-tag."""
        reply = await self.session.rpc(operation)
        (error,) = reply.findall(nc("rpc-error"))
        return error.findtext(nc("error-tag")), error.findtext(nc("error-app-tag"))

    async def verb(self, name: str, inner: str = "") -> Element:
        return await self.do(f'<{name} xmlns="{VERBS}">{inner}</{name}>')

    async def edit(self, config: str) -> None:
        await self.do(edit(config))

    async def state(self, path: str) -> list[str]:
        """What `get` and `get-data` agree on."""
        names = " ".join(f'xmlns:{prefix}="{name}"' for prefix, name in NAMES.items())
        select = path.replace('"', "&quot;")
        got = await self.do(f'<get><filter type="xpath" {names} select="{select}"/></get>')
        data = await self.do(
            '<get-data xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"'
            ' xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores"><datastore>ds:operational</datastore>'
            f"<xpath-filter {names}>{select}</xpath-filter></get-data>"
        )
        shown = re.sub(r"\[[^]]*\]", "", path)  # what it was chosen by need not be there
        found = texts(got, shown)
        assert texts(data, shown) == found
        return found


def edit(config: str) -> str:
    return (
        f'<edit-config><target><candidate/></target><config xmlns:nc="{BASE}">{config}</config></edit-config>'
    )


def texts(reply: Element, path: str) -> list[str]:
    found = reply.xpath(f"*{path}", namespaces=NAMES)
    assert isinstance(found, list)
    return [str(one.text) for one in found if isinstance(one, etree._Element)]


def all_of(reply: Element, path: str) -> list[str]:
    return texts(reply, f"/descendant-or-self::{path}")


async def events_until(listener: Session, verb: str) -> list[Element]:
    """What was told until a device was synchronized by `verb`."""
    told: list[Element] = []
    async with asyncio.timeout(PATIENCE):
        while True:
            notification = parse_document(await listener.message())
            event = notification[-1]
            told.append(event)
            if event.tag.endswith("}device-synchronized") and event.findtext("{*}verb") == verb:
                return told


async def enter(stack: AsyncExitStack, process: Served, *users: str) -> list[Operator]:
    return [Operator(await stack.enter_async_context(process.session(user))) for user in users]


async def test_a_network_is_run_by_netconf_alone(
    northbound_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORY_PASSWORD", "casm")
    store = Path(shutil.copyfile(northbound_template, tmp_path / "casm.db"))
    fill(store)
    add_users(store)
    nat = SimulatedDeviceOptions(modules=("ietf-nat",))
    async with AsyncExitStack() as stack:
        simulated = [
            await stack.enter_async_context(SimulatedDevice(options))
            for options in (SimulatedDeviceOptions(), SimulatedDeviceOptions(), nat)
        ]
        process = stack.enter_context(served(store))
        admin, other, operator, reader, listener = await enter(
            stack, process, USER, USER, "olga", "rita", "rita"
        )
        await listener.do('<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>')
        await _describe(admin, reader, devices(*simulated))
        await _give_out(operator, reader)
        await _install(operator, reader)
        await _try_and_take_back(admin, other, operator, store)
        await _take_back(operator, reader)
        await _find(operator, reader, simulated)
        await _tell(admin, operator, await events_until(listener.session, "adopt"))
    log = process.log.read_text()
    assert "internal-error" not in log and "Traceback" not in log, log


def add_users(store: Path) -> None:
    database = open_database(str(store))
    for name, groups in (("olga", ["operator"]), ("rita", [])):
        add_user(database, Author("fixture"), name, groups=groups, keys=[public_line(USER_KEY)])
    database.close()


async def _describe(admin: Operator, reader: Operator, network: str) -> None:
    """The configuration is made by an edit of the candidate, by whom may, and shown to all."""
    assert await reader.refused(edit(SPACES)) == ("access-denied", None)
    await admin.do("<lock><target><candidate/></target></lock>")
    await admin.edit(SPACES + network)
    await admin.do("<validate><source><candidate/></source></validate>")
    await admin.do("<commit/>")
    await admin.do("<unlock><target><candidate/></target></unlock>")
    assert await reader.state("/p:pools/p:pool/p:name") == ["outside", "shared", "v4", "v6"]
    assert await reader.state("/d:devices/d:device/d:sync/d:state") == ["never"] * 4


async def _give_out(operator: Operator, reader: Operator) -> None:
    order = "<device-pool>bng1/home</device-pool><request-id>order-1</request-id>"
    first = await operator.verb("allocate", order)
    assert all_of(await operator.verb("allocate", order), "o:id") == all_of(first, "o:id") == ["b1"]
    allocate = f'<allocate xmlns="{VERBS}"><device-pool>bng1/home</device-pool><count>2</count></allocate>'
    assert await reader.refused(allocate) == ("access-denied", None)
    assert await operator.refused(allocate) == ("resource-denied", "limit-reached")
    await operator.verb("allocate", "<device-pool>bng2/home</device-pool><lifetime>3600</lifetime>")
    await operator.verb("allocate", "<device-pool>bng1/home6</device-pool>")
    await operator.verb("allocate", "<device-pool>cgn1/nat</device-pool>")
    ports = await operator.verb("allocate", "<device-pool>map1/m</device-pool>")
    assert all_of(ports, "o:psid-length") == ["4"]
    (expires,) = await reader.state("//d:block[d:id='b2']/d:expires")
    renewed = await operator.verb("renew", "<block>b2</block><lifetime>7200</lifetime>")
    assert all_of(renewed, "o:expires")[0] > expires
    assert await reader.state("//d:block/d:state") == ["reserved"] * 5
    assert len(await reader.state("//d:block[d:id='b5']/d:port-range/d:first")) == 63
    assert await reader.state("/d:quotas/d:quota/d:used-addresses") == ["32"]


async def _install(operator: Operator, reader: Operator) -> None:
    names = "".join(f"<device>{name}</device>" for name in ("bng1", "bng2", "cgn1"))
    fit = await operator.verb("check-devices", names)
    assert all_of(fit, "o:device/o:result") == ["fit"] * 3
    plan = await reader.verb("plan", names)
    assert all_of(plan, "o:device/o:result") == ["changes"] * 3
    assert await reader.refused(f'<apply xmlns="{VERBS}">{names}</apply>') == ("access-denied", None)
    done = await operator.verb("apply", names)
    assert all_of(done, "o:device/o:result") == ["changed"] * 3
    assert await reader.state("//d:block[d:state='installed']/d:id") == ["b1", "b3", "b2", "b4"]
    assert await reader.state("/d:devices/d:device[d:name='bng1']/d:sync/d:state") == ["in-sync"]
    proof = await reader.verb("verify", names)
    assert texts(proof, "[self::o:result]") == ["proven"]


async def _try_and_take_back(admin: Operator, other: Operator, operator: Operator, store: Path) -> None:
    """A confirmed commit is shown, is nothing to allocate from, holds others off, and goes."""
    allocate = f'<allocate xmlns="{VERBS}"><device-pool>bng1/more</device-pool><length>32</length></allocate>'
    more = "/p:pools/p:pool[p:name='more']/p:name"
    await admin.edit(OTHER_POOL)
    await admin.do("<commit><confirmed/></commit>")
    assert texts(await other.do("<get-config><source><running/></source></get-config>"), more) == ["more"]
    assert await operator.refused(allocate) == ("resource-denied", "pending-confirm")
    assert await other.refused("<commit/>") == ("in-use", None)
    database = open_database(str(store))
    with pytest.raises(InUse):  # the command line, say
        change(database, Author("cli"), [AddSpace("mine")])
    await admin.do("<cancel-commit/>")
    assert texts(await other.do("<get-config><source><running/></source></get-config>"), more) == []
    await admin.do("<lock><target><running/></target></lock>")
    assert await other.refused("<lock><target><running/></target></lock>") == ("lock-denied", None)
    with pytest.raises(InUse):
        change(database, Author("cli"), [AddSpace("mine")])
    database.close()
    await admin.do("<unlock><target><running/></target></unlock>")
    await admin.edit(OTHER_POOL)
    await admin.do("<commit><confirmed/><persist>four</persist></commit>")
    await other.do("<commit><persist-id>four</persist-id></commit>")
    assert await operator.state(more) == ["more"]
    assert all_of(await operator.do(allocate), "o:prefix") == ["192.0.2.0/32"]
    (block,) = await operator.state("//d:block[d:pool='more']/d:id")
    await operator.verb("release", f"<block>{block}</block>")


async def _take_back(operator: Operator, reader: Operator) -> None:
    await operator.verb("drain", "<block>b1</block><block>b2</block>")
    await operator.verb("cancel-drain", "<block>b2</block>")
    await operator.verb("apply", "<device>bng1</device>")
    assert await reader.state("//d:block[d:id='b1']/d:state") == ["draining"]
    (prefix,) = await reader.state("//d:block[d:id='b1']/d:prefix")
    await operator.verb("release", f"<block>{prefix}</block>")
    await operator.verb("apply", "<device>bng1</device>")
    history = await reader.verb("trace", f"<address>{prefix.partition('/')[0]}</address>")
    assert all_of(history, "o:block/o:id") == ["b1"] or all_of(history, "o:nearest/o:previous/o:id") == ["b1"]
    audit = await reader.verb("read-audit", "<block>b1</block>")
    assert set(all_of(audit, "o:to")) >= {"reserved", "installed", "draining", "withdrawing", "quarantined"}
    assert set(all_of(audit, "o:actor")) >= {"olga@netconf"}


async def _find(operator: Operator, reader: Operator, simulated: Sequence[SimulatedDevice]) -> None:
    """What somebody put on a device is found, told of, and taken over."""
    simulated[1].edit("running", SOMEBODY % (0, 31))
    drift = await operator.verb("check-drift", "<device>bng2</device>")
    assert all_of(drift, "o:device/o:result") == ["drift"]
    await operator.verb("apply", "<device>bng2</device>")
    assert await reader.state("//d:device[d:name='bng2']/d:finding/d:kind") == ["foreign"]
    adopted = await operator.verb("adopt", "<device>bng2</device>")
    assert all_of(adopted, "o:adopted/o:range") == ["198.51.100.0-198.51.100.31"]
    assert await reader.state("//d:device[d:name='bng2']/d:finding/d:kind") == []
    assert await reader.state("//d:block[d:prefix='198.51.100.0/27']/d:state") == ["installed"]


async def _tell(admin: Operator, operator: Operator, told: Sequence[Element]) -> None:
    names = {etree.QName(event).localname for event in told}
    assert names >= {
        *("configuration-changed", "netconf-config-change", "netconf-confirmed-commit", "request-done"),
        *("block-transition", "block-changed", "device-synchronized", "finding-raised"),
    }
    numbers = [int(text) for event in told if (text := event.findtext("{*}sequence")) is not None]
    assert numbers == sorted(numbers)
    question = (
        f'<check-access xmlns="{VERBS}"><user>rita</user><operation>allocate</operation></check-access>'
    )
    assert all_of(await admin.do(question), "o:permitted") == ["false"]
    assert await operator.refused(question) == ("access-denied", None)
    await operator.verb("seal-audit")
    assert texts(await operator.verb("verify-audit"), "[self::o:findings]") == ["0"]
