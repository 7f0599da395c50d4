"""The simulator against a client of raw bytes: sessions, datastores, refusals, and each fault."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest
from lxml import etree

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.netconf import framing
from casm_ctrl.netconf.framing import Decoder, Framing
from casm_ctrl.netconf.messages import Hello, Reply, build_hello, negotiate, parse_hello, parse_reply
from casm_ctrl.netconf.names import (
    BASE,
    BASE_1_0,
    BASE_1_1,
    CANDIDATE,
    CONFIRMED_COMMIT_1_0,
    CONFIRMED_COMMIT_1_1,
    MONITORING,
    STARTUP,
    WRITABLE_RUNNING,
)
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.simulator import (
    Fault,
    FaultKind,
    Flash,
    Moment,
    Point,
    SimulatedDevice,
    SimulatedDeviceOptions,
)

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
EXTENSION = "urn:casm:yang:casm-address-pool-ext"
DEADLINE = 10.0
ROLLBACK = Point("rollback", Moment.EXECUTED)


class Client:
    """A NETCONF client that sends what it is told and hides nothing."""

    def __init__(self, connection: asyncssh.SSHClientConnection, framed: Framing) -> None:
        self.connection = connection
        self.framing = framed
        self.hello = Hello(())
        self._decoder = Decoder()
        self._count = 0

    @property
    def session_id(self) -> int:
        assert self.hello.session_id is not None
        return self.hello.session_id

    async def open(self, version: str) -> None:
        self.writer, self.reader, _ = await self.connection.open_session(subsystem="netconf", encoding=None)
        self.hello = parse_hello(await self.read(), from_server=True)
        ours = Hello((version,))
        self.writer.write(framing.encode(build_hello(ours.capabilities), Framing.END_OF_MESSAGE))
        self.framing = negotiate(ours, self.hello)
        self._decoder.use(self.framing)

    async def read(self) -> bytes:
        messages = self._decoder.feed(b"")
        while True:
            for message in messages:
                return message
            data = await asyncio.wait_for(self.reader.read(65536), DEADLINE)
            if not data:
                raise ConnectionResetError("the server has ended the session")
            messages = self._decoder.feed(data)

    def send(self, body: str) -> None:
        self._count += 1
        rpc = f'<rpc xmlns="{BASE}" message-id="{self._count}">{body}</rpc>'
        self.writer.write(framing.encode(rpc.encode(), self.framing))

    async def call(self, body: str) -> Reply:
        self.send(body)
        reply = parse_reply(await self.read())
        assert reply.message_id == str(self._count)
        return reply

    async def ok(self, body: str) -> None:
        reply = await self.call(body)
        assert reply.ok, [str(error) for error in reply.errors]

    async def refused(self, body: str) -> tuple[str, str]:
        """(type, tag) of the only error."""
        (error,) = (await self.call(body)).errors
        return error.type, error.tag

    async def names(self, source: str = "running") -> list[str]:
        """The names of all ranges in a datastore."""
        reply = await self.call(f"<get-config><source><{source}/></source></get-config>")
        assert reply.data is not None
        return [str(name.text) for name in reply.data.iter(f"{{{POOLS}}}ipv4-address-range-name")]

    async def ended(self) -> bool:
        """True when the server ends the session."""
        try:
            while await asyncio.wait_for(self.reader.read(65536), DEADLINE):
                pass
        except (OSError, asyncssh.Error):
            pass
        return True


@asynccontextmanager
async def connect(
    device: SimulatedDevice, version: str = BASE_1_1, *, session: bool = True, password: str = "casm"
) -> AsyncIterator[Client]:
    async with asyncssh.connect(
        device.host,
        device.port,
        username="casm",
        password=password,
        client_keys=None,
        known_hosts=None,
        config=None,
    ) as connection:
        client = Client(connection, Framing.END_OF_MESSAGE)
        if session:
            await client.open(version)
        yield client


def simulate(**options: object) -> SimulatedDevice:
    return SimulatedDevice(SimulatedDeviceOptions(**options))  # type: ignore[arg-type]


def pool(entry: str, *, name: str = "p") -> str:
    return (
        f'<address-pools xmlns="{POOLS}" xmlns:nc="{BASE}"><address-pool>'
        f"<address-pool-name>{name}</address-pool-name>"
        f"<address-pool-entries>{entry}</address-pool-entries></address-pool></address-pools>"
    )


def entry(name: str, third: int = 0, *, operation: str = "", extra: str = "") -> str:
    attribute = f' nc:operation="{operation}"' if operation else ""
    return (
        f"<ipv4-address-range{attribute}><ipv4-address-range-name>{name}</ipv4-address-range-name>"
        f"<ip-lower-address>192.0.{third}.0</ip-lower-address>"
        f"<ip-upper-address>192.0.{third}.255</ip-upper-address>{extra}</ipv4-address-range>"
    )


def edit(content: str, *, target: str = "candidate", options: str = "") -> str:
    return f"<edit-config><target><{target}/></target>{options}<config>{content}</config></edit-config>"


COMMIT = "<commit/>"
CONFIRMED = "<commit><confirmed/><confirm-timeout>60</confirm-timeout></commit>"
LOCK = "<lock><target><candidate/></target></lock>"

# --- Sessions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [BASE_1_0, BASE_1_1])
async def test_both_versions_of_the_protocol_do_the_main_job(version: str) -> None:
    async with simulate() as device, connect(device, version) as client:
        assert client.hello.has(CANDIDATE)
        assert client.hello.modules["ietf-address-pool"]
        await client.ok(edit(pool(entry("r1"))))
        await client.ok(COMMIT)
        assert await client.names() == ["r1"]
        await client.ok("<close-session/>")
        assert await client.ended()


async def test_a_session_of_many_pieces_and_many_requests_at_once() -> None:
    async with simulate() as device, connect(device) as client:
        for _ in range(200):
            client.send("<get-config><source><running/></source></get-config>")
        ids = [parse_reply(await client.read()).message_id for _ in range(200)]
        assert ids == [str(number) for number in range(1, 201)]


async def test_a_large_edit_and_a_small_session_do_not_wait_for_each_other() -> None:
    async with simulate() as device, connect(device) as large, connect(device) as small:
        device_2 = simulate(name="other")
        async with device_2, connect(device_2) as other:
            entries = "".join(entry(f"r{n}", n % 250) for n in range(5000))
            large.send(edit(pool(entries)))
            worst = 0.0
            for _ in range(20):
                start = time.perf_counter()
                await other.names()
                worst = max(worst, time.perf_counter() - start)
            reply = parse_reply(await large.read())
            assert reply.ok, reply.errors
            assert worst < 15
        await large.ok(COMMIT)
        assert len(await small.names()) == 5000


async def test_what_a_device_is_shows_in_its_hello() -> None:
    plain = simulate(
        modules=("ietf-address-pool",), confirmed_commit="1.0", base_1_1=False, first_session_id=77
    )
    async with plain, connect(plain, BASE_1_0) as client:
        assert client.session_id == 77
        assert not client.hello.has(BASE_1_1)
        assert client.hello.has(CONFIRMED_COMMIT_1_0)
        assert not client.hello.has(CONFIRMED_COMMIT_1_1)
        assert "casm-address-pool-ext" not in client.hello.modules
        plain.next_session_id(1000)
        async with connect(plain, BASE_1_0) as second:
            assert second.session_id == 1000
    rich = simulate(startup=True, writable_running=True)
    async with rich, connect(rich) as client:
        assert client.hello.has(STARTUP)
        assert client.hello.has(WRITABLE_RUNNING)
    bare = simulate(modules=(), candidate=False, writable_running=True)
    async with bare, connect(bare) as client:
        assert "ietf-address-pool" not in client.hello.modules
        assert not client.hello.has(CANDIDATE)
        assert await client.refused(COMMIT) == ("protocol", "operation-not-supported")
        assert (await client.refused(edit(pool(entry("r1")), target="running")))[1] == "unknown-namespace"


async def test_only_the_right_password_or_key_gets_in() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    device = simulate(authorized_keys=(key.export_public_key().decode(),))
    async with device:
        with pytest.raises(asyncssh.PermissionDenied):
            async with connect(device, password="wrong"):
                pass
        for client_key, accepted in ((key, True), (asyncssh.generate_private_key("ssh-ed25519"), False)):
            attempt = asyncssh.connect(
                device.host,
                device.port,
                username="casm",
                client_keys=[client_key],
                known_hosts=([asyncssh.import_public_key(device.host_key)], [], []),
                config=None,
            )
            if accepted:
                async with attempt:
                    pass
            else:
                with pytest.raises(asyncssh.PermissionDenied):
                    await attempt


async def test_nothing_but_the_netconf_subsystem_is_served() -> None:
    async with simulate() as device, connect(device, session=False) as client:
        with pytest.raises(asyncssh.ChannelOpenError):
            await client.connection.run("id", check=True)
        with pytest.raises(asyncssh.ChannelOpenError):
            await client.connection.open_session(subsystem="sftp", encoding=None)
        with pytest.raises(asyncssh.ChannelOpenError):
            await client.connection.open_connection("127.0.0.1", device.port)


async def test_garbage_from_a_client_ends_its_session_only() -> None:
    async with simulate() as device, connect(device) as good, connect(device) as bad:
        bad.writer.write(b"\n#0\n")
        assert await bad.ended()
        await good.ok(LOCK)


async def test_a_session_that_ends_leaves_no_lock_and_no_unconfirmed_commit() -> None:
    async with simulate() as device:
        async with connect(device) as first:
            await first.ok(LOCK)
            await first.ok(edit(pool(entry("r1"))))
            await first.ok(CONFIRMED)
            assert device.commit_pending
        async with connect(device) as second:
            await second.ok(LOCK)
            assert await second.names() == []
        assert device.journal.count("rollback", Moment.EXECUTED) == 1


async def test_kill_session_frees_what_the_other_held() -> None:
    async with simulate() as device, connect(device) as victim, connect(device) as killer:
        await victim.ok(LOCK)
        (error,) = (await killer.call(LOCK)).errors
        assert (error.tag, error.session_id) == ("lock-denied", victim.session_id)
        assert await killer.refused(
            f"<kill-session><session-id>{killer.session_id}</session-id></kill-session>"
        ) == ("protocol", "invalid-value")
        assert (await killer.refused("<kill-session><session-id>999</session-id></kill-session>"))[
            1
        ] == "invalid-value"
        await killer.ok(f"<kill-session><session-id>{victim.session_id}</session-id></kill-session>")
        await killer.ok(LOCK)
        assert await victim.ended()
        assert device.session_ids == (killer.session_id,)


async def test_a_request_of_a_killed_session_is_not_done() -> None:
    async with simulate() as device, connect(device) as victim, connect(device) as killer:
        device.faults.set(Fault(FaultKind.DELAY_BEFORE, "lock", occurrence=1, seconds=0.2))
        victim.send(LOCK)
        await device.journal.wait(Point("lock"))
        await killer.ok(f"<kill-session><session-id>{victim.session_id}</session-id></kill-session>")
        assert await victim.ended()
        await asyncio.sleep(0.3)
        await killer.ok(LOCK)


# --- Operations -----------------------------------------------------------------------------------


async def test_all_operations_of_an_edit() -> None:
    async with simulate() as device, connect(device) as client:
        await client.ok(edit(pool(entry("r1", 1, operation="create"))))
        assert (await client.refused(edit(pool(entry("r1", 1, operation="create")))))[1] == "data-exists"
        await client.ok(edit(pool(entry("r2", 2, operation="merge") + entry("r3", 3, operation="replace"))))
        assert (await client.refused(edit(pool(entry("r9", operation="delete")))))[1] == "data-missing"
        await client.ok(edit(pool(entry("r9", operation="remove") + entry("r2", 2, operation="delete"))))
        assert await client.names("candidate") == ["r1", "r3"]
        none = "<default-operation>none</default-operation>"
        await client.ok(edit(pool(entry("r4", 4, operation="create")), options=none))
        assert (await client.refused(edit(pool("", name="new"), options=none)))[1] == "data-missing"
        await client.ok(COMMIT)
        assert await client.names() == ["r1", "r3", "r4"]
        replace = "<default-operation>replace</default-operation>"
        await client.ok(edit(pool(entry("r5", 5)), options=replace))
        assert await client.names("candidate") == ["r5"]
        await client.ok("<discard-changes/>")
        assert await client.names("candidate") == ["r1", "r3", "r4"]


@pytest.mark.parametrize(
    ("content", "tag", "path"),
    [
        (pool(entry("r1").replace("192.0.0.0", "192.0.0.256")), "invalid-value", "ip-lower-address"),
        (pool(entry("r1", extra="<colour>red</colour>")), "unknown-element", "colour"),
        (pool("<ipv4-address-range/>"), "missing-element", "ipv4-address-range"),
        ('<x xmlns="urn:nobody"/>', "unknown-namespace", ""),
        (f'<address-pool-status xmlns="{POOLS}"/>', "unknown-element", "address-pool-status"),
        (pool(entry("r1", operation="frobnicate")), "bad-attribute", ""),
        (pool(entry("r1", extra=f'<drain xmlns="{EXTENSION}">maybe</drain>')), "invalid-value", "drain"),
    ],
    ids=["type", "unknown", "key", "namespace", "state", "operation", "augment"],
)
async def test_a_wrong_edit_is_refused_with_the_right_error(content: str, tag: str, path: str) -> None:
    async with simulate() as device, connect(device) as client:
        (error,) = (await client.call(edit(content))).errors
        assert (error.severity, error.tag) == ("error", tag), str(error)
        if error.path:
            assert path in error.path
        assert await client.names("candidate") == []
        await client.ok(edit(pool(entry("r1"))))


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("<get-config/>", ("protocol", "missing-element")),
        ("<get-config><source><url/></source></get-config>", ("protocol", "unknown-element")),
        ("<get-config><source><startup/></source></get-config>", ("protocol", "unknown-element")),
        ("<edit-config><target><candidate/></target></edit-config>", ("protocol", "missing-element")),
        (edit("", target="running"), ("protocol", "unknown-element")),
        (edit("", options="<test-option>perhaps</test-option>"), ("protocol", "bad-element")),
        ("<get><filter type='xpath' select='/'/></get>", ("protocol", "operation-not-supported")),
        ("<lock/>", ("protocol", "missing-element")),
        ("<unlock><target><candidate/></target></unlock>", ("protocol", "operation-failed")),
        ("<commit><persist>x</persist></commit>", ("protocol", "missing-element")),
        ("<commit><persist-id>x</persist-id></commit>", ("protocol", "invalid-value")),
        ("<commit><confirmed/><confirm-timeout>0</confirm-timeout></commit>", ("protocol", "bad-element")),
        ("<cancel-commit/>", ("protocol", "operation-failed")),
        ("<delete-config><target><running/></target></delete-config>", ("protocol", "invalid-value")),
        ("<frobnicate/>", ("protocol", "operation-not-supported")),
        ("<get xmlns='urn:x'/>", ("protocol", "unknown-namespace")),
        (f"<get-schema xmlns='{MONITORING}'/>", ("protocol", "missing-element")),
        (
            f"<get-schema xmlns='{MONITORING}'><identifier>x</identifier></get-schema>",
            ("application", "invalid-value"),
        ),
    ],
)
async def test_wrong_requests_are_refused_with_the_right_error(
    operation: str, error: tuple[str, str]
) -> None:
    async with simulate() as device, connect(device) as client:
        assert await client.refused(operation) == error


async def test_confirmed_commit_is_undone_when_its_time_is_over() -> None:
    clock = ManualClock()
    async with SimulatedDevice(clock=clock) as device, connect(device) as client:
        await client.ok(edit(pool(entry("r1"))))
        await client.ok(CONFIRMED)
        clock.advance(59.9)
        device.expire_due()
        assert await client.names() == ["r1"]
        clock.advance(0.1)
        device.expire_due()
        assert await client.names() == []
        assert not device.commit_pending


async def test_the_timer_of_a_live_device_needs_nobody() -> None:
    async with simulate() as device, connect(device) as client:
        await client.ok(edit(pool(entry("r1"))))
        await client.ok("<commit><confirmed/><confirm-timeout>1</confirm-timeout></commit>")
        start = time.monotonic()
        await asyncio.wait_for(device.journal.wait(ROLLBACK), DEADLINE)
        assert time.monotonic() - start > 0.8
        assert device.configuration() == b""


async def test_a_persistent_commit_is_confirmed_or_cancelled_from_another_session() -> None:
    async with simulate() as device:
        for end, left in (("commit", ["r1"]), ("cancel-commit", ["r1"])):
            async with connect(device) as first:
                await first.ok(edit(pool(entry("r1" if end == "commit" else "r2"))))
                await first.ok("<commit><confirmed/><persist>token</persist></commit>")
            assert device.commit_pending
            async with connect(device) as second:
                assert (await second.refused(f"<{end}/>"))[1] in (
                    "in-use",
                    "operation-failed",
                    "invalid-value",
                )
                await second.ok(f"<{end}><persist-id>token</persist-id></{end}>")
                assert await second.names() == left
                assert not device.commit_pending


async def test_copy_delete_and_validate() -> None:
    device = simulate(startup=True, writable_running=True)
    async with device, connect(device) as client:
        await client.ok(edit(pool(entry("r1")), target="running"))
        copy = "<copy-config><target><startup/></target><source><running/></source></copy-config>"
        await client.ok(copy)
        assert await client.names("startup") == ["r1"]
        await client.ok("<delete-config><target><startup/></target></delete-config>")
        assert await client.names("startup") == []
        await client.ok("<validate><source><candidate/></source></validate>")
        good = f"<validate><source><config>{pool(entry('r7'))}</config></source></validate>"
        await client.ok(good)
        wrong = good.replace("192.0.0.255", "192.0.0.999")
        assert (await client.refused(wrong))[1] == "invalid-value"


async def test_get_tells_configuration_usage_and_the_server_itself() -> None:
    async with simulate() as device, connect(device) as client:
        gateway = "<usergateway>192.0.0.1</usergateway><gwnetmask>255.255.255.0</gwnetmask>"
        await client.ok(edit(pool(entry("r1", extra=gateway) + entry("r2", 2))))
        await client.ok(COMMIT)
        device.set_subscribers("p", "r1", 200)
        device.set_subscribers("p", "r1", 51)
        device.set_subscribers("p", "r2", 1)
        reply = await client.call(
            f'<get><filter type="subtree"><address-pool-status xmlns="{POOLS}"/></filter></get>'
        )
        assert reply.data is not None
        (status,) = reply.data
        seen = {
            str(line.findtext(f"{{{POOLS}}}ipv4-address-range-name")): (
                line.findtext(f"{{{POOLS}}}peak-address-usage-ratio"),
                line.findtext(f"{{{POOLS}}}average-address-usage-ratio"),
                line.findtext(f"{{{EXTENSION}}}addresses-used"),
                line.findtext(f"{{{EXTENSION}}}addresses-total"),
                line.findtext(f"{{{EXTENSION}}}addresses-peak"),
            )
            for line in status.iter(f"{{{POOLS}}}ipv4-address-range")
        }
        assert seen == {"r1": ("78", "20", "51", "255", "200"), "r2": ("0", "0", "1", "256", "1")}
        everything = await client.call("<get/>")
        assert everything.data is not None
        assert [etree.QName(node).localname for node in everything.data] == [
            "address-pools",
            "address-pool-status",
            "netconf-state",
        ]
        schema = f"<get-schema xmlns='{MONITORING}'><identifier>ietf-address-pool</identifier></get-schema>"
        (module,) = (await client.call(schema)).element
        assert (module.text or "").startswith("module ietf-address-pool")


async def test_a_device_without_the_augment_tells_shares_only() -> None:
    device = simulate(modules=("ietf-address-pool",))
    async with device, connect(device) as client:
        await client.ok(edit(pool(entry("r1"))))
        await client.ok(COMMIT)
        device.set_subscribers("p", "r1", 300)
        reply = await client.call("<get/>")
        assert b"addresses-used" not in etree.tostring(reply.element)
        assert b"<average-address-usage-ratio>100<" in etree.tostring(reply.element)
        drain = f'<drain xmlns="{EXTENSION}">true</drain>'
        assert (await client.refused(edit(pool(entry("r1", extra=drain)))))[1] == "unknown-namespace"


# --- Faults ---------------------------------------------------------------------------------------


async def test_hang_after_tcp() -> None:
    async with simulate() as device:
        device.faults.set(Fault(FaultKind.HANG_AFTER_TCP))
        reader, writer = await asyncio.open_connection(device.host, device.port)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        writer.close()
        await writer.wait_closed()


async def test_hang_after_ssh() -> None:
    async with simulate() as device:
        device.faults.set(Fault(FaultKind.HANG_AFTER_SSH))
        async with connect(device, session=False) as client:
            _, reader, _ = await client.connection.open_session(subsystem="netconf", encoding=None)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.1)


async def test_hang_after_hello() -> None:
    async with simulate() as device:
        device.faults.set(Fault(FaultKind.HANG_AFTER_HELLO))
        async with connect(device) as client:
            client.send(LOCK)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.read(), 0.1)
        assert [(e.outcome, e.fault) for e in device.journal.entries] == [("", "hang-after-hello")]


async def test_garbage_instead_of_hello() -> None:
    async with simulate() as device:
        device.faults.set(Fault(FaultKind.GARBAGE_HELLO))
        async with connect(device, session=False) as client:
            _, reader, _ = await client.connection.open_session(subsystem="netconf", encoding=None)
            assert b"this is not NETCONF" in await reader.read(1000)


async def test_delays_are_before_or_after_the_deed() -> None:
    async with simulate() as device, connect(device) as client:
        for kind, done in ((FaultKind.DELAY_BEFORE, False), (FaultKind.DELAY_AFTER, True)):
            device.faults.clear()
            device.faults.set(Fault(kind, "edit-config", seconds=0.2))
            start = time.monotonic()
            client.send(edit(pool(entry(kind.value))))
            await device.journal.wait(Point("edit-config", Moment.EXECUTED if done else Moment.RECEIVED))
            named = kind.value.encode() in device.configuration("candidate")
            assert named is done
            assert parse_reply(await client.read()).ok
            assert time.monotonic() - start >= 0.2
            device.journal.clear()


async def test_refuse_with_a_tag_at_one_occurrence() -> None:
    async with simulate() as device, connect(device) as client:
        device.faults.set(Fault(FaultKind.REFUSE, "edit-config", occurrence=2, tag="resource-denied"))
        await client.ok(edit(pool(entry("r1"))))
        assert await client.refused(edit(pool(entry("r2")))) == ("application", "resource-denied")
        await client.ok(edit(pool(entry("r3"))))
        assert await client.names("candidate") == ["r1", "r3"]


async def test_ok_without_effect() -> None:
    async with simulate() as device, connect(device) as client:
        device.faults.set(Fault(FaultKind.OK_WITHOUT_EFFECT, "commit"))
        await client.ok(edit(pool(entry("r1"))))
        await client.ok(COMMIT)
        assert await client.names() == []


@pytest.mark.parametrize(
    ("kind", "confirmed"), [(FaultKind.DROP_BEFORE, False), (FaultKind.DROP_AFTER, True)]
)
async def test_the_confirming_commit_or_its_reply_is_lost(kind: FaultKind, confirmed: bool) -> None:
    async with simulate() as device:
        device.faults.set(Fault(kind, "confirming-commit"))
        async with connect(device) as client:
            await client.ok(edit(pool(entry("r1"))))
            await client.ok(CONFIRMED)
            client.send(COMMIT)
            assert await client.ended()
        device.faults.clear()
        async with connect(device) as client:
            assert await client.names() == (["r1"] if confirmed else [])
        commits = [(e.outcome, e.fault) for e in device.journal.entries if e.names[0] == "commit"]
        assert commits == [("ok", ""), ("ok" if confirmed else "", kind.value)]


async def test_no_reply() -> None:
    async with simulate() as device, connect(device) as client:
        device.faults.set(Fault(FaultKind.NO_REPLY, "lock:candidate"))
        client.send(LOCK)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.read(), 0.1)
        with pytest.raises(RpcError, match="lock-denied"):
            device.lock("candidate")


async def test_a_half_open_connection_says_nothing_and_keeps_its_locks() -> None:
    async with simulate() as device, connect(device) as client:
        await client.ok(LOCK)
        device.faults.set(Fault(FaultKind.HALF_OPEN, "get-config", 1))
        for _ in range(2):
            client.send("<get-config><source><running/></source></get-config>")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.read(), 0.2)
        assert len(device.journal.entries) == 2, "what comes after is not even received"
        assert len(device.session_ids) == 1
        async with connect(device) as other:
            assert (await other.refused(LOCK))[1] == "lock-denied"
            await other.ok(f"<kill-session><session-id>{device.session_ids[0]}</session-id></kill-session>")
            await other.ok(LOCK)


async def test_a_device_that_vanished_notices_after_its_time() -> None:
    async with simulate() as device, connect(device) as client:
        await client.ok(LOCK)
        device.vanish(0.3)
        client.send("<get/>")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.read(), 0.1)
        for _ in range(200):
            if not device.session_ids:
                break
            await asyncio.sleep(0.02)
        async with connect(device) as other:
            await other.ok(LOCK)


async def test_a_huge_reply() -> None:
    async with simulate() as device, connect(device) as client:
        device.faults.set(Fault(FaultKind.HUGE_REPLY, "get-config", octets=10_000_000))
        reply = await client.call("<get-config><source><running/></source></get-config>")
        assert 9_900_000 < len(etree.tostring(reply.element)) < 10_200_000
        await client.ok(edit(pool(entry("r1"))))


async def test_garbage_instead_of_a_reply() -> None:
    async with simulate() as device, connect(device) as client:
        device.faults.set(Fault(FaultKind.GARBAGE_REPLY, "get-config"))
        client.send("<get-config><source><running/></source></get-config>")
        assert b"this is not NETCONF" in await client.reader.read(1000)


async def test_tiny_chunks() -> None:
    async with simulate() as device, connect(device) as client:
        await client.ok(edit(pool(entry("r1"))))
        device.faults.set(Fault(FaultKind.TINY_CHUNKS, octets=3))
        client.send("<get-config><source><candidate/></source></get-config>")
        raw = await client.reader.read(6)
        assert raw[:6] == b"\n#3\n<r"


async def test_a_late_rollback_after_the_session_is_lost() -> None:
    async with simulate() as device:
        device.faults.set(Fault(FaultKind.ROLLBACK_DELAY, seconds=0.3))
        async with connect(device) as client:
            await client.ok(edit(pool(entry("r1"))))
            await client.ok(CONFIRMED)
        async with connect(device) as client:
            assert await client.names() == ["r1"]
            await asyncio.wait_for(device.journal.wait(ROLLBACK), DEADLINE)
            assert await client.names() == []


async def test_a_late_rollback_after_the_timeout() -> None:
    clock = ManualClock()
    async with SimulatedDevice(clock=clock) as device, connect(device) as client:
        device.faults.set(Fault(FaultKind.ROLLBACK_DELAY, seconds=30))
        await client.ok(edit(pool(entry("r1"))))
        await client.ok(CONFIRMED)
        clock.advance(89)
        assert await client.names() == ["r1"]
        clock.advance(1)
        assert await client.names() == []


async def test_reboot_with_and_without_startup_and_with_an_old_one() -> None:
    for startup in (False, True):
        device = simulate(startup=startup)
        async with device:
            async with connect(device) as client:
                await client.ok(edit(pool(entry("r1"))))
                await client.ok(COMMIT)
                device.set_subscribers("p", "r1", 9)
                await device.reboot()
                assert await client.ended()
            async with connect(device) as client:
                assert await client.names() == ([] if startup else ["r1"])
            await device.reboot(pool(entry("old", 9)).encode())
            async with connect(device) as client:
                assert await client.names() == ["old"]
                if startup:
                    assert await client.names("startup") == ["old"]


async def test_a_reboot_undoes_an_unconfirmed_commit_and_takes_its_time() -> None:
    async with simulate() as device:
        async with connect(device) as client:
            await client.ok(edit(pool(entry("r1"))))
            await client.ok("<commit><confirmed/><persist>x</persist></commit>")
        restart = asyncio.create_task(device.reboot(downtime=0.2))
        await asyncio.sleep(0.05)
        with pytest.raises((OSError, asyncssh.Error)):
            async with connect(device):
                pass
        await restart
        async with connect(device) as client:
            assert await client.names() == []


async def test_somebody_else_edits_and_locks() -> None:
    async with simulate() as device, connect(device) as client:
        device.edit("candidate", pool(entry("theirs")).encode())
        (error,) = (await client.call(LOCK)).errors
        assert (error.tag, error.session_id) == ("lock-denied", 0)
        assert await client.names("candidate") == ["theirs"]
        device.edit("running", pool(entry("drift")).encode())
        assert await client.names() == ["drift"]
        await client.ok("<discard-changes/>")
        device.lock("running")
        assert await client.refused(COMMIT) == ("application", "in-use")
        device.unlock("running")
        await client.ok(COMMIT)


async def test_a_changed_host_key_shows_on_the_next_connection() -> None:
    async with simulate() as device, connect(device):
        before = device.host_key
        device.change_host_key()
        assert device.host_key != before
        async with connect(device) as client:
            shown = client.connection.get_server_host_key()
            assert shown is not None
            assert shown.export_public_key().decode().split()[1] == device.host_key.split()[1]


async def test_the_published_operation_log_tells_when_each_moment_was() -> None:
    async with simulate() as device, connect(device) as client:
        await client.ok(LOCK)
        await device.journal.wait(Point("lock", Moment.REPLIED))
        (noted,) = device.journal.entries
        assert noted.moments == [Moment.RECEIVED, Moment.EXECUTED, Moment.REPLIED]
        assert noted.session_id == client.session_id
        assert device.journal.count("lock:candidate") == 1


async def test_what_was_committed_and_the_host_key_outlive_the_process(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    options = SimulatedDeviceOptions(startup=True)
    async with SimulatedDevice(options, flash=Flash(file)) as device, connect(device) as client:
        key = device.host_key
        await client.ok(edit(pool(entry("r1"))))
        await client.ok(COMMIT)
        await client.ok("<copy-config><target><startup/></target><source><running/></source></copy-config>")
        await client.ok(edit(pool(entry("r2"))))
        await client.ok("<commit><confirmed/><persist>x</persist></commit>")
    async with SimulatedDevice(options, flash=Flash(file)) as device, connect(device) as client:
        assert device.host_key == key
        assert await client.names() == ["r1"]
        assert await client.names("startup") == ["r1"]


async def test_fifty_devices_of_one_process_are_up_soon() -> None:
    """In two seconds on a machine with nothing else to do."""
    start = time.monotonic()
    devices = [simulate(name=f"d{number}", host=f"127.0.1.{number}") for number in range(1, 51)]
    try:
        for device in devices:
            await device.start()
        assert time.monotonic() - start < 25
        async with connect(devices[0]) as first, connect(devices[49]) as last:
            await first.ok(edit(pool(entry("r1"))))
            await first.ok(COMMIT)
            assert await last.names() == []
    finally:
        for device in devices:
            await device.stop()
