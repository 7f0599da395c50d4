"""Listening to a device, with a session that says what it is told to: what is passed on, and when it is tried again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import pytest
from lxml import etree

from casm_ctrl.base.errors import (
    AuthenticationFailed,
    CasmError,
    DeviceRefused,
    SessionLost,
    Unreachable,
)
from casm_ctrl.base.polling import Polling
from casm_ctrl.drivers.interface import Driver, UsageKind
from casm_ctrl.drivers.notices import Level, UsageNotice
from casm_ctrl.drivers.registry import load_driver
from casm_ctrl.netconf.client.session import Capabilities, Missed, Notification, Target
from casm_ctrl.netconf.client.subscriptions import sn, yp
from casm_ctrl.netconf.names import NOTIFICATION, Element, local_name, nc
from casm_ctrl.service.watched import watched_pools
from casm_ctrl.sync import notices as module
from casm_ctrl.sync.notices import LOOK, Hearing, listen
from casm_ctrl.sync.run import Run

EXT = "urn:casm:yang:casm-address-pool-ext"
POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
RFC_5277 = "urn:ietf:params:netconf:capability:notification:1.0"


def module_uri(name: str, namespace: str) -> str:
    return f"{namespace}?module={name}&revision=2026-11-23"


WITH_EXT = (module_uri("ietf-address-pool", POOLS), module_uri("casm-address-pool-ext", EXT))
PUSHES = (
    module_uri("ietf-address-pool", POOLS),
    module_uri("ietf-yang-push", "urn:ietf:params:xml:ns:yang:ietf-yang-push"),
)
SUBSCRIBES = (
    *WITH_EXT,
    module_uri("ietf-subscribed-notifications", "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"),
)


@dataclass(eq=False)
class Telling:
    """A session that takes every subscription but those refused, tells `story`, and ends with `end`."""

    uris: tuple[str, ...] = (RFC_5277, *WITH_EXT)
    story: Sequence[Element | Missed] = ()
    end: CasmError = field(default_factory=lambda: SessionLost("it ended"))
    refuse: Callable[[Element], bool] = lambda operation: False
    asked: list[Element] = field(default_factory=list)
    target: Target = field(default_factory=lambda: Target("d1", "127.0.0.1", 830, "u", "env:X"))
    session_id: int = 1
    host_key: str = ""
    ended: bool = False

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(self.uris)

    async def rpc(self, operation: Element, *, deadline: float | None = None) -> Element:
        raise AssertionError("nothing else is asked")

    async def subscribe(self, operation: Element, *, deadline: float | None = None) -> Element:
        self.asked.append(operation)
        if self.refuse(operation):
            raise DeviceRefused("not that")
        return etree.Element(nc("rpc-reply"))

    async def notifications(self) -> AsyncIterator[Notification | Missed]:
        for told in self.story:
            yield told if isinstance(told, Missed) else Notification(None, told)
        raise self.end

    async def close(self) -> None:
        self.ended = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Enough(BaseException):
    """The listener paused as often as the test wanted."""


@dataclass
class Heard:
    """What a listener gave until it paused for the `pauses`-th time."""

    tries: list[Telling | CasmError]
    driver: Driver
    notices: list[UsageNotice] = field(default_factory=list)
    states: list[Hearing] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    async def listen(self, monkeypatch: pytest.MonkeyPatch, tell: Callable[..., Any] | None = None) -> Self:
        left = list(self.tries)

        @contextlib.asynccontextmanager
        async def alone(run: Run, name: str) -> AsyncIterator[tuple[Telling, Driver, Polling]]:
            session = left.pop(0)
            if isinstance(session, CasmError):
                raise session
            async with session:
                yield session, self.driver, Polling()

        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)
            if not left:
                raise Enough

        monkeypatch.setattr(module, "alone", alone)
        run: Any = _NoStore()
        with contextlib.suppress(Enough):
            await listen(
                run,
                "d1",
                tell or (lambda device, notice: self.notices.append(notice)),
                lambda device, hearing: self.states.append(hearing),
                sleep=sleep,
                chance=lambda: 1.0,
            )
        return self


class _NoStore:
    """A store in which the device serves nothing. It was asked for the device a moment ago."""

    @property
    def store(self) -> Self:
        return self

    async def run(self, verb: object, *arguments: object) -> list[object]:
        assert verb is watched_pools
        return []


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    async def hear(*tries: Telling | CasmError, driver: str = "ietf-address-pool", tell: Any = None) -> Heard:
        return await Heard(list(tries), load_driver(driver)).listen(monkeypatch, tell)

    return hear


def usage(**leaves: str) -> Element:
    values: Mapping[str, str] = {
        "address-pool-name": "web",
        "address-family": "ipv4",
        "level": "high",
        "addresses-used": "80",
        "addresses-total": "100",
        **{name.replace("_", "-"): value for name, value in leaves.items()},
    }
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
    return etree.fromstring(f'<pool-usage xmlns="{EXT}">{inside}</pool-usage>')


# --- What is passed on ----------------------------------------------------------------------------


async def test_a_look_comes_first_and_then_what_is_told(heard: Any) -> None:
    found = await heard(Telling(story=[usage(), usage(level="normal")]))
    assert found.notices[0] == LOOK
    assert [notice.level for notice in found.notices[1:]] == [Level.HIGH, Level.NORMAL]
    assert found.states[0] == Hearing(True)
    assert found.states[-1] == Hearing(False, "it ended")


async def test_what_was_missed_is_to_be_looked_for(heard: Any) -> None:
    found = await heard(Telling(story=[Missed(7, "more came than were taken"), usage()]))
    assert found.notices[:2] == [LOOK, LOOK]
    assert "7 notifications" in found.states[1].why
    assert found.notices[2].level is Level.HIGH


async def test_nonsense_is_named_and_listening_goes_on(heard: Any) -> None:
    found = await heard(Telling(story=[usage(addresses_used="NaN"), usage()]))
    assert found.states[1].listening
    assert "addresses-used" in found.states[1].why
    assert [notice.level for notice in found.notices] == [None, None, Level.HIGH]


async def test_events_of_others_are_passed_over(heard: Any) -> None:
    found = await heard(Telling(story=[etree.Element("{urn:x}fan-failed"), usage()]))
    assert [notice.level for notice in found.notices] == [None, Level.HIGH]


async def test_tell_may_be_awaited(heard: Any) -> None:
    told: list[UsageNotice] = []

    async def tell(device: str, notice: UsageNotice) -> None:
        await asyncio.sleep(0)
        told.append(notice)

    await heard(Telling(story=[usage()]), tell=tell)
    assert [notice.level for notice in told] == [None, Level.HIGH]


async def test_a_fault_of_whoever_is_told_ends_nothing(heard: Any) -> None:
    def tell(device: str, notice: UsageNotice) -> None:
        raise ZeroDivisionError

    found = await heard(Telling(), Telling(), tell=tell)
    assert len(found.pauses) == 2
    assert "ZeroDivisionError" in found.states[-1].why


async def test_each_session_is_closed(heard: Any) -> None:
    sessions = [Telling(), Telling(uris=WITH_EXT), Telling(refuse=lambda operation: True)]
    await heard(*sessions)
    assert all(session.ended for session in sessions)


# --- What is subscribed to ------------------------------------------------------------------------


async def test_events_are_filtered_where_the_device_can(heard: Any) -> None:
    session = Telling()
    await heard(session)
    (operation,) = session.asked
    assert operation.tag == f"{{{NOTIFICATION}}}create-subscription"
    assert operation.find(".//{*}pool-usage") is not None


async def test_all_events_are_taken_where_a_filter_is_refused(heard: Any) -> None:
    session = Telling(refuse=lambda operation: operation.find("{*}filter") is not None, story=[usage()])
    found = await heard(session)
    assert len(session.asked) == 2
    assert found.notices[1].level is Level.HIGH


async def test_rfc_8639_is_used_where_rfc_5277_is_not_there(heard: Any) -> None:
    session = Telling(uris=SUBSCRIBES)
    await heard(session)
    assert [operation.tag for operation in session.asked] == [sn("establish-subscription")]


async def test_a_device_that_tells_nothing_is_asked_again_much_later(heard: Any) -> None:
    found = await heard(Telling(uris=WITH_EXT))
    assert found.states == [Hearing(False, "the device tells nothing of its usage by itself")]
    assert found.pauses == [module.MUTE]
    assert found.notices == []


async def test_usage_is_pushed_on_change_or_else_in_periods(heard: Any) -> None:
    session = Telling(uris=PUSHES, refuse=lambda operation: operation.find(yp("on-change")) is not None)
    await heard(session)
    first, second = session.asked
    assert first.findtext(f"{yp('on-change')}/{yp('dampening-period')}") == "100"
    assert second.findtext(f"{yp('periodic')}/{yp('period')}") == "3000"
    assert second.find(f"{yp('datastore-subtree-filter')}/{{{POOLS}}}address-pool-status") is not None


async def test_nothing_is_pushed_of_what_is_in_no_datastore(heard: Any) -> None:
    session = Telling(uris=PUSHES)
    found = await heard(session, driver="juniper-junos")
    assert session.asked == []
    assert found.pauses == [module.MUTE]


def update(percent: str) -> Element:
    return etree.fromstring(
        f'<push-update xmlns="{yp("")[1:-1]}"><id>1</id><datastore-contents><address-pool-status xmlns="{POOLS}">'
        "<address-pool><address-pool-name>web</address-pool-name><address-pool-entries><ipv4-address-range>"
        "<ipv4-address-range-name>r</ipv4-address-range-name>"
        f"<peak-address-usage-ratio>{percent}</peak-address-usage-ratio></ipv4-address-range>"
        "</address-pool-entries></address-pool></address-pool-status></datastore-contents></push-update>"
    )


async def test_what_is_pushed_are_readings(heard: Any) -> None:
    change = etree.Element(yp("push-change-update"))
    found = await heard(Telling(uris=PUSHES, story=[update("42"), change, update("101")]))
    look, pushed, changed, nonsense = found.notices
    assert (look, changed) == (LOOK, LOOK)
    assert "101" in nonsense.fault
    (reading,) = pushed.readings
    assert (reading.kind, reading.used) == (UsageKind.PERCENT, 42)
    assert any("101" in state.why for state in found.states)


@pytest.mark.parametrize("name", ["subscription-suspended", "subscription-resumed"])
async def test_a_pause_of_a_subscription_is_a_gap(heard: Any, name: str) -> None:
    found = await heard(Telling(story=[etree.Element(sn(name))]))
    assert found.notices == [LOOK, LOOK]


async def test_a_subscription_that_is_terminated_is_made_anew(heard: Any) -> None:
    ended = etree.Element(sn("subscription-terminated"))
    etree.SubElement(ended, sn("reason")).text = "no-such-subscription"
    again = Telling(story=[usage()])
    found = await heard(Telling(story=[ended, usage()]), again)
    assert [notice.level for notice in found.notices] == [None, None, Level.HIGH]
    assert "no-such-subscription" in found.states[1].why
    assert local_name(again.asked[0]) == "create-subscription"


# --- When it is tried again -----------------------------------------------------------------------


async def test_pauses_grow_to_a_limit(heard: Any) -> None:
    found = await heard(*(Unreachable("nobody is there") for _ in range(9)))
    assert found.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert found.notices == []


async def test_a_subscription_that_did_not_stand_does_not_shorten_them(heard: Any) -> None:
    found = await heard(*(Telling() for _ in range(4)))
    assert found.pauses == [1, 2, 4, 8]


async def test_a_subscription_that_stood_begins_them_again(
    heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLED", 0.0)
    found = await heard(*(Telling() for _ in range(4)))
    assert found.pauses == [1, 1, 1, 1]


async def test_a_wrong_password_is_shown_seldom(heard: Any) -> None:
    found = await heard(*(AuthenticationFailed("no") for _ in range(3)))
    assert found.pauses == [module.PERSON] * 3
