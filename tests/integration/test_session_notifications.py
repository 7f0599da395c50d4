"""Servers that tell things, right and wrong: what a session makes of it, and that its requests go on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import asyncssh
import pytest

from casm_ctrl.base.deadlines import Deadlines
from casm_ctrl.base.errors import DeviceRefused, InvalidValue, ProtocolViolation, SessionLost
from casm_ctrl.netconf.client.inbox import MOST
from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.operations import get_nothing
from casm_ctrl.netconf.client.session import Missed, Notification, SubscribingSession, Target
from casm_ctrl.netconf.client.subscriptions import create_subscription
from casm_ctrl.netconf.framing import END_OF_MESSAGE, Decoder, Framing, encode
from casm_ctrl.netconf.messages import build_hello, parse_rpc
from casm_ctrl.netconf.names import BASE, BASE_1_1, NOTIFICATION, local_name
from tests.session_contract import client_name

__all__ = ["client_name"]  # a fixture of the contract

Process = asyncssh.SSHServerProcess[bytes]
PASSWORD = "pa55-w0rd-of-the-test"
CAPABILITIES = [BASE_1_1, "urn:ietf:params:netconf:capability:notification:1.0"]


def chunk(message: str) -> bytes:
    return encode(message.encode(), Framing.CHUNKED)


def notice(name: str) -> bytes:
    return chunk(
        f'<notification xmlns="{NOTIFICATION}"><eventTime>2026-11-23T00:00:00Z</eventTime>'
        f'<{name} xmlns="urn:x"/></notification>'
    )


class _Password(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == PASSWORD


@contextlib.asynccontextmanager
async def telling(*stories: bytes, refuse: bool = False, hang_up: bool = False) -> AsyncIterator[Target]:
    """A server that writes the first story in one piece with the reply to create-subscription, and one more behind
    each reply after it. `hang_up`: after the last of them."""
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def converse(process: Process) -> None:
        process.stdout.write(build_hello(CAPABILITIES, 7) + END_OF_MESSAGE)
        decoder, left = Decoder(), list(stories)
        hello = True
        while data := await process.stdin.read(1 << 16):
            for message in decoder.feed(data):
                if hello:
                    hello = False
                    decoder.use(Framing.CHUNKED)
                    continue
                rpc = parse_rpc(message)
                number = rpc.heading.attributes["message-id"]
                answer = "<ok/>"
                if local_name(rpc.operation) == "create-subscription" and refuse:
                    answer = (
                        "<rpc-error><error-type>protocol</error-type><error-tag>operation-failed</error-tag>"
                        "<error-severity>error</error-severity></rpc-error>"
                    )
                reply = chunk(f'<rpc-reply xmlns="{BASE}" message-id="{number}">{answer}</rpc-reply>')
                process.stdout.write(reply + (left.pop(0) if left else b""))
                if hang_up and not left:
                    return

    async def handle(process: Process) -> None:
        with contextlib.suppress(asyncssh.Error, OSError):
            await converse(process)
        process.exit(0)

    listening = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=_Password,
        server_host_keys=[key],
        process_factory=handle,
        encoding=None,
    )
    public = " ".join(key.export_public_key().decode().split()[:2])
    target = Target(
        "bng1",
        "127.0.0.1",
        listening.get_port(),
        "casm",
        "env:CASM_TEST_PASSWORD",
        public,
        deadlines=Deadlines(tcp=30, ssh=30, hello=30, rpc=30),
    )
    try:
        yield target
    finally:
        listening.close()
        await listening.wait_closed()


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASM_TEST_PASSWORD", PASSWORD)


async def heard(session: SubscribingSession, count: int) -> list[str]:
    """The names of the next events, and why some were missed."""
    found: list[str] = []
    listening = session.notifications()
    async with asyncio.timeout(30):
        while len(found) < count:
            told = await anext(listening)
            found.append(local_name(told.element) if isinstance(told, Notification) else told.why)
    return found


async def test_what_comes_in_one_piece_with_the_reply_is_kept(client_name: str) -> None:
    async with (
        telling(notice("a") + notice("b")) as target,
        await open_session(target, client_name) as session,
    ):
        await session.subscribe(create_subscription())
        assert await heard(session, 2) == ["a", "b"]


MALFORMED: list[Callable[[], bytes]] = [
    lambda: chunk(f'<notification xmlns="{NOTIFICATION}"/>'),
    lambda: chunk("<notification>"),
    lambda: chunk("<notification xmlns='urn:x'><a/></notification>"),
    lambda: chunk(f'<notification xmlns="{NOTIFICATION}"><a>&lol;</a></notification>'),
    lambda: chunk(f'<notification xmlns="{NOTIFICATION}">' + "<a>" * 5000),
    lambda: encode(b"<notification \xff\xfe\x00", Framing.CHUNKED),
]


@pytest.mark.parametrize("number", range(len(MALFORMED)))
async def test_nonsense_is_told_as_missed_and_requests_go_on(client_name: str, number: int) -> None:
    nonsense = MALFORMED[number]()
    async with (
        telling(nonsense + notice("a"), nonsense, notice("b")) as target,
        await open_session(target, client_name) as session,
    ):
        await session.subscribe(create_subscription())
        for _ in range(3):
            await session.rpc(get_nothing())
        missed, first, again, last = await heard(session, 4)
        assert (first, last) == ("a", "b")
        assert "notification" in missed
        assert missed == again


async def test_a_message_that_is_neither_ends_the_session_and_says_why(client_name: str) -> None:
    async with (
        telling(notice("a") + chunk("<rumour/>")) as target,
        await open_session(target, client_name) as session,
    ):
        await session.subscribe(create_subscription())
        assert await heard(session, 1) == ["a"]
        with pytest.raises(ProtocolViolation, match="rumour"):
            await heard(session, 1)


async def test_more_than_fits_is_counted_and_the_newest_are_kept(client_name: str) -> None:
    flood = b"".join(notice(f"e{number}") for number in range(MOST + 50))
    async with telling(flood) as target, await open_session(target, client_name) as session:
        await session.subscribe(create_subscription())
        await session.rpc(get_nothing())  # its reply comes behind all of them
        listening = session.notifications()
        first = await anext(listening)
        assert first == Missed(50, "more came than were taken")
        names = await heard(session, MOST)
        assert (names[0], names[-1]) == ("e50", f"e{MOST + 49}")


async def test_what_nobody_asked_for_is_passed_over(client_name: str) -> None:
    async with (
        telling(notice("a"), notice("b")) as target,
        await open_session(target, client_name) as session,
    ):
        for _ in range(3):
            await session.rpc(get_nothing())
        with pytest.raises(InvalidValue, match="subscribe first"):
            await anext(session.notifications())


async def test_a_refused_subscription_leaves_the_session_as_it_was(client_name: str) -> None:
    async with (
        telling(notice("a"), refuse=True) as target,
        await open_session(target, client_name) as session,
    ):
        with pytest.raises(DeviceRefused):
            await session.subscribe(create_subscription())
        with pytest.raises(InvalidValue, match="subscribe first"):
            await anext(session.notifications())
        await session.rpc(get_nothing())


async def test_the_end_comes_after_what_was_told_before_it(client_name: str) -> None:
    async with (
        telling(notice("a"), hang_up=True) as target,
        await open_session(target, client_name) as session,
    ):
        await session.subscribe(create_subscription())
        assert await heard(session, 1) == ["a"]
        with pytest.raises(SessionLost):
            await heard(session, 1)
