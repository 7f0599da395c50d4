"""How a client's session words what a device refuses, and what took too long."""

from __future__ import annotations

import pytest

from casm_ctrl.base.errors import DeviceRefused, InvalidValue, LockDenied
from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.session import Target, check_reply, deadline_exceeded
from casm_ctrl.netconf.messages import parse_reply
from casm_ctrl.netconf.names import BASE

TARGET = Target("bng1", "192.0.2.1", 830, "u", "env:P")


def reply(*errors: str) -> bytes:
    return f'<rpc-reply xmlns="{BASE}" message-id="1">{"".join(errors)}</rpc-reply>'.encode()


def error(tag: str, *, severity: str = "error", info: str = "", kind: str = "protocol") -> str:
    return (
        f"<rpc-error><error-type>{kind}</error-type><error-tag>{tag}</error-tag>"
        f"<error-severity>{severity}</error-severity><error-message>about {tag}</error-message>"
        f"<error-info>{info}</error-info></rpc-error>"
    )


def test_ok_and_warnings_pass() -> None:
    element = check_reply(TARGET, "commit", parse_reply(reply(error("partial", severity="warning"), "<ok/>")))
    assert element.get("message-id") == "1"


def test_a_refusal_holds_every_error_and_names_device_and_operation() -> None:
    document = reply(error("bad-element"), error("x", severity="warning"), error("unknown-element"))
    with pytest.raises(DeviceRefused) as refused:
        check_reply(TARGET, "edit-config", parse_reply(document))
    assert [each.tag for each in refused.value.errors] == ["bad-element", "unknown-element"]
    assert "bng1 (192.0.2.1:830) refused edit-config" in str(refused.value)
    assert "about unknown-element" in str(refused.value)


@pytest.mark.parametrize(
    ("tags", "remedy"),
    [
        (("access-denied",), "this user"),
        (("in-use",), "in use"),
        (("resource-denied",), "room"),
        (("too-big",), "less at once"),
        (("operation-failed", "in-use"), "in use"),
        (("operation-failed",), "its log"),
        (("no-such-tag",), "its log"),
    ],
)
def test_a_refusal_says_what_to_do(tags: tuple[str, ...], remedy: str) -> None:
    with pytest.raises(DeviceRefused) as refused:
        check_reply(TARGET, "commit", parse_reply(reply(*map(error, tags))))
    assert remedy in refused.value.remedy


@pytest.mark.parametrize(
    ("info", "holder", "words"),
    [
        ("<session-id>454</session-id>", 454, "session 454"),
        ("<session-id>0</session-id>", None, "holder"),
        ("", None, "holder"),
    ],
)
def test_a_denied_lock_names_its_holder(info: str, holder: int | None, words: str) -> None:
    with pytest.raises(LockDenied) as denied:
        check_reply(TARGET, "lock", parse_reply(reply(error("lock-denied", info=info))))
    assert denied.value.session_id == holder
    assert words in denied.value.remedy


def test_a_deadline_names_device_phase_seconds_and_remedy() -> None:
    text = str(deadline_exceeded(TARGET, "RPC commit", 2.5))
    assert "bng1 (192.0.2.1:830): RPC commit was not done within 2.5 s" in text
    assert "longer RPC deadline" in text


async def test_an_unknown_client_is_refused() -> None:
    with pytest.raises(InvalidValue, match="ncclient"):
        await open_session(TARGET, client="telnet")


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert Target("bng1", "2001:db8::1", 830, "u", "env:P").address == "[2001:db8::1]:830"
