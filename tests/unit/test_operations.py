"""Every operation as RFC 6241 writes it, and which options an edit is sent with."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.base.errors import ProtocolViolation
from casm_ctrl.netconf.client import operations
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.session import Capabilities, Session, Target
from casm_ctrl.netconf.names import BASE, BASE_1_1, CANDIDATE, ROLLBACK_ON_ERROR, VALIDATE_1_1, Element

NC = f'xmlns="{BASE}"'


def node(text: str) -> Element:
    return etree.fromstring(text)


def canonical(element: Element | str) -> str:
    text = element if isinstance(element, str) else etree.tostring(element).decode()
    written: str = etree.canonicalize(text, strip_text=True)
    return written


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (operations.get(), f"<get {NC}/>"),
        (
            operations.get([node('<a xmlns="urn:a"/>'), node('<b xmlns="urn:b"/>')]),
            f'<get {NC}><filter type="subtree"><a xmlns="urn:a"/><b xmlns="urn:b"/></filter></get>',
        ),
        (operations.get_nothing(), f'<get {NC}><filter type="subtree"/></get>'),
        (
            operations.get_config("running"),
            f"<get-config {NC}><source><running/></source></get-config>",
        ),
        (
            operations.edit_config(
                "candidate",
                [node('<a xmlns="urn:a"/>')],
                default_operation="none",
                test_option="test-then-set",
                error_option="rollback-on-error",
            ),
            f"<edit-config {NC}><target><candidate/></target><default-operation>none</default-operation>"
            "<test-option>test-then-set</test-option><error-option>rollback-on-error</error-option>"
            '<config><a xmlns="urn:a"/></config></edit-config>',
        ),
        (
            operations.edit_config("running", []),
            f"<edit-config {NC}><target><running/></target><config/></edit-config>",
        ),
        (
            operations.copy_config("running", "startup"),
            f"<copy-config {NC}><target><startup/></target><source><running/></source></copy-config>",
        ),
        (operations.lock("candidate"), f"<lock {NC}><target><candidate/></target></lock>"),
        (operations.unlock("running"), f"<unlock {NC}><target><running/></target></unlock>"),
        (operations.commit(), f"<commit {NC}/>"),
        (
            operations.commit(confirmed=True, confirm_timeout=60, persist="p"),
            f"<commit {NC}><confirmed/><confirm-timeout>60</confirm-timeout><persist>p</persist></commit>",
        ),
        (operations.commit(persist_id="p"), f"<commit {NC}><persist-id>p</persist-id></commit>"),
        (
            operations.cancel_commit("p"),
            f"<cancel-commit {NC}><persist-id>p</persist-id></cancel-commit>",
        ),
        (operations.cancel_commit(), f"<cancel-commit {NC}/>"),
        (operations.discard_changes(), f"<discard-changes {NC}/>"),
        (
            operations.validate("candidate"),
            f"<validate {NC}><source><candidate/></source></validate>",
        ),
        (operations.close_session(), f"<close-session {NC}/>"),
        (operations.kill_session(7), f"<kill-session {NC}><session-id>7</session-id></kill-session>"),
        (
            operations.get_schema("ietf-nat", "2019-01-10"),
            '<get-schema xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><identifier>ietf-nat'
            "</identifier><version>2019-01-10</version><format>yang</format></get-schema>",
        ),
    ],
)
def test_operations(operation: Element, expected: str) -> None:
    assert canonical(operation) == canonical(expected)


def test_what_is_given_is_copied() -> None:
    child = node('<a xmlns="urn:a"><b/></a>')
    operations.edit_config("running", [child])
    operations.get([child])
    assert child.getparent() is None


@pytest.mark.parametrize(
    ("uris", "name", "expected"),
    [
        ((CANDIDATE,), ":candidate", True),
        ((CANDIDATE,), ":candidate:1.0", True),
        ((CANDIDATE,), ":candidate:1.1", False),
        ((CANDIDATE,), CANDIDATE, True),
        ((VALIDATE_1_1,), ":validate", True),
        ((BASE_1_1,), ":base:1.1", True),
        ((BASE_1_1,), ":base:1.0", False),
        (("urn:ietf:params:netconf:capability:url:1.0?scheme=file",), ":url", True),
        ((CANDIDATE,), ":startup", False),
        (("urn:x:candidate:1.0",), ":candidate", False),
    ],
)
def test_short_capability_names(uris: tuple[str, ...], name: str, expected: bool) -> None:
    assert Capabilities(uris).has(name) is expected


class Recorder:
    """Keeps what is sent, and answers with `reply`."""

    target = Target("bng1", "192.0.2.1", 830, "u", "env:P")

    def __init__(self, *capabilities: str, reply: str = f"<rpc-reply {NC}><ok/></rpc-reply>") -> None:
        self.capabilities = Capabilities(capabilities)
        self.reply = node(reply)
        self.sent: list[Element] = []

    async def rpc(self, operation: Element, *, deadline: float | None = None) -> Element:
        self.sent.append(operation)
        return self.reply


def client(recorder: Recorder) -> Client:
    session: Session = recorder  # type: ignore[assignment]  # as much of one as Client needs
    return Client(session)


@pytest.mark.parametrize(
    ("capabilities", "options"),
    [
        ((VALIDATE_1_1, ROLLBACK_ON_ERROR), ["test-option", "error-option"]),
        ((VALIDATE_1_1,), ["test-option"]),
        ((ROLLBACK_ON_ERROR,), ["error-option"]),
        ((), []),
    ],
)
async def test_an_edit_asks_only_for_what_is_offered(
    capabilities: tuple[str, ...], options: list[str]
) -> None:
    recorder = Recorder(*capabilities)
    await client(recorder).edit_config("candidate", [], default_operation="none")
    names = [etree.QName(child).localname for child in recorder.sent[0]]
    assert names == ["target", "default-operation", *options, "config"]


async def test_data_is_taken_out_of_the_reply() -> None:
    recorder = Recorder(reply=f'<rpc-reply {NC}><data><a xmlns="urn:a"/></data></rpc-reply>')
    assert [child.tag for child in await client(recorder).get_config()] == ["{urn:a}a"]


async def test_a_get_that_is_answered_without_data_is_a_violation() -> None:
    with pytest.raises(ProtocolViolation, match="bng1"):
        await client(Recorder()).get()


async def test_a_schema_is_text() -> None:
    data = '<data xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring">module a {}</data>'
    recorder = Recorder(reply=f"<rpc-reply {NC}>{data}</rpc-reply>")
    assert await client(recorder).get_schema("a") == "module a {}"
