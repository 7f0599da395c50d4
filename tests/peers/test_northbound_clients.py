"""ncclient, netconf_client, netconf-console2 and scrapli-netconf on `casm serve`: clients of Python, each scripted.

Each connects, reads by subtree and XPath, edits, commits and allocates; those that can subscribe, and receive.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ncclient import manager
from ncclient.operations import RPCError
from ncclient.xml_ import to_ele

from tests.peers.served import (
    DEVICES,
    NC,
    PASSWORD,
    POOLS,
    USER,
    Served,
    allocation,
    configuration,
    other,
    run,
    run_until,
)

# --- ncclient -------------------------------------------------------------------------------------


def connect(served: Served, **options: Any) -> Any:
    return manager.connect(
        host="127.0.0.1",
        port=served.port,
        username=USER,
        hostkey_verify=False,
        look_for_keys=False,
        allow_agent=False,
        timeout=60,
        **options,
    )


def take_notification(session: Any, mark: str) -> str:
    """The first notification with `mark` in it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        notification = session.take_notification(block=True, timeout=5)
        if notification is not None and mark in notification.notification_xml:
            return str(notification.notification_xml)
    raise AssertionError(f"no notification with {mark}")


def test_ncclient(served: Served) -> None:
    with (
        connect(served, password=PASSWORD) as session,
        connect(served, key_filename=str(served.key)) as listener,
    ):
        listener.create_subscription()
        with session.locked("candidate"):
            session.edit_config(
                target="candidate", config=f'<config xmlns="{NC}">{configuration(1)}</config>'
            )
            session.validate("candidate")
            session.commit()
        pool = session.get_config(
            "running", filter=("subtree", f'<pools xmlns="{POOLS}"><pool><name>pool-1</name></pool></pools>')
        )
        assert pool.data_ele.findtext(f".//{{{POOLS}}}prefix") == "10.1.0.0/16"
        assert "10.1.0.0/24" in session.dispatch(to_ele(allocation(1))).xml
        blocks = session.get(
            filter=("xpath", ({"d": DEVICES}, "/d:devices/d:device[d:name='bng-1']/d:device-pool/d:block"))
        )
        assert [e.text for e in blocks.data_ele.iter(f"{{{DEVICES}}}prefix")] == ["10.1.0.0/24"]
        take_notification(listener, "10.1.0.0/24")
        assert "ietf-netconf-acm" in session.get_schema("ietf-netconf-acm").data
        with pytest.raises(RPCError) as refused:
            session.dispatch(to_ele(allocation(99)))
        assert refused.value.tag == "data-missing"


# --- netconf-console2 -----------------------------------------------------------------------------


def console(served: Served, *arguments: str) -> list[str | Path]:
    place = ("--host", "127.0.0.1", "--port", str(served.port), "-u", USER, "-p", PASSWORD)
    return [other("netconf-console2"), *place, *arguments]


def test_netconf_console2(served: Served) -> None:
    assert "urn:ietf:params:netconf:base:1.1" in run(served, console(served, "--hello"))
    edit = served.folder / "console-edit.xml"
    edit.write_text(f"<whatever>{configuration(2)}</whatever>")
    printed = run(served, console(served, "--db", "candidate", f"--edit-config1={edit}", "--commit"))
    assert printed.count("<ok") == 2, printed
    subtree = ("--ns", f"p={POOLS}", "--filter=/p:pools/p:pool[p:name='pool-2']/p:prefix", "--get-config")
    assert "10.2.0.0/16" in run(served, console(served, *subtree))
    xpath = ("--ns", f"p={POOLS}", "--get-config", "-x", "/p:pools/p:pool[p:name='pool-2']/p:prefix")
    assert "10.2.0.0/16" in run(served, console(served, *xpath))
    rpc = served.folder / "console-allocate.xml"
    rpc.write_text(allocation(2))
    printed = run_until(
        served,
        console(served, "--create-subscription=NETCONF", f"--rpc={rpc}", "--sleep=100"),
        "</notification>",
    )
    assert "10.2.0.0/24" in printed
    assert "module casm-pools" in run(served, console(served, "--get-schema=casm-pools"))


# --- scrapli --------------------------------------------------------------------------------------

SCRAPLI = """
import sys
from scrapli_netconf.driver import NetconfDriver
port, user, password, edit, allocate, subtree = int(sys.argv[1]), *sys.argv[2:]
with NetconfDriver(host="127.0.0.1", port=port, auth_username=user, auth_password=password, auth_strict_key=False,
                   transport="paramiko", timeout_ops=60, timeout_socket=60, timeout_transport=60) as session:
    for reply in (session.lock("candidate"), session.edit_config(edit, target="candidate"),
                  session.validate("candidate"), session.commit(),
                  session.unlock("candidate"), session.rpc(allocate),
                  session.get(subtree), session.get_config("running"),
                  session.get('/devices/device[name="bng-3"]/device-pool/block', filter_type="xpath")):
        assert not reply.failed, reply.result
        print(reply.result)
"""


def test_scrapli(served: Served) -> None:
    """It has no words for subscriptions."""
    edit = f'<config xmlns="{NC}">{configuration(3)}</config>'
    subtree = f'<devices xmlns="{DEVICES}"><device><name>bng-3</name></device></devices>'
    printed = run(
        served,
        [other("python"), "-c", SCRAPLI, str(served.port), USER, PASSWORD, edit, allocation(3), subtree],
    )
    assert printed.count("10.3.0.0/24") == 3, printed
    assert "10.3.0.0/16" in printed


# --- netconf_client -------------------------------------------------------------------------------

NETCONF_CLIENT = """
import sys
from netconf_client.connect import connect_ssh
from netconf_client.ncclient import Manager
port, user, password, key, edit, allocate, xpath, of_data = int(sys.argv[1]), *sys.argv[2:]
place = {"host": "127.0.0.1", "port": port, "username": user}
with connect_ssh(**place, password=password) as one, connect_ssh(**place, key_filename=key) as other:
    session, listener = Manager(one, timeout=60), Manager(other, timeout=60)
    listener.create_subscription()
    session.lock(target="candidate")
    session.edit_config(target="candidate", config=edit)
    session.validate("candidate")
    session.commit(confirmed=True, confirm_timeout=60)
    session.commit()
    session.unlock("candidate")
    print(session.dispatch(allocate).xml)
    print("READ", session.get(filter=xpath).data_xml)
    print("DATA", session.get_data("ds:operational", filter=of_data, with_origin=True).data_xml)
    while b"block-transition" not in (told := listener.take_notification(True, 60).notification_xml):
        pass
    print("TOLD", told)
    session.close_session()
"""


def test_netconf_client(served: Served) -> None:
    edit = f'<config xmlns="{NC}">{configuration(5)}</config>'
    select = "/d:devices/d:device[d:name='bng-5']/d:device-pool/d:block/d:prefix"
    xpath = f'<filter type="xpath" xmlns:d="{DEVICES}" select="{select}"/>'
    of_data = f'<xpath-filter xmlns:d="{DEVICES}">{select}</xpath-filter>'
    place = [str(served.port), USER, PASSWORD, str(served.key)]
    asked = [edit, allocation(5), xpath, of_data]
    printed = run(served, [other("python"), "-c", NETCONF_CLIENT, *place, *asked])
    for said in ("READ", "DATA", "TOLD"):
        assert "10.5.0.0/24" in printed.partition(said)[2].partition("\n")[0], printed
