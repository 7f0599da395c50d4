"""OpenSSH's client on `casm serve`, with the messages written by hand: what no NETCONF library stands between.

All is sent at once and the input ends there: replies to what came before are still due.
"""

from __future__ import annotations

import re
import subprocess

import pytest
from lxml import etree

from tests.peers.absent import absent
from tests.peers.netconfd import program
from tests.peers.served import NC, PASSWORD, PATIENCE, POOLS, USER, Served

END = b"]]>]]>"
HELLO = (
    f'<?xml version="1.0" encoding="UTF-8"?>\n<hello xmlns="{NC}"><capabilities>'
    "<capability>urn:ietf:params:netconf:base:{version}</capability></capabilities></hello>\n"
)
LOCK = f'<rpc xmlns="{NC}" message-id="1"><lock><target><candidate/></target></lock></rpc>'
READ = (
    f'<?x?><!-- by hand --><nc:rpc xmlns:nc="{NC}" message-id="2" xmlns:my="urn:my" my:mark="&lt;">\r\n'
    "  <nc:get-config><nc:source><nc:running/></nc:source>"
    f'<nc:filter nc:type="subtree"><p:pools xmlns:p="{POOLS}"/></nc:filter></nc:get-config></nc:rpc>\n'
)
CLOSE = f'\n  <rpc message-id="3" xmlns="{NC}"><close-session/></rpc>'

LOGINS = {
    "password": ["-o", "PreferredAuthentications=password"],
    "keyboard-interactive": ["-o", "PreferredAuthentications=keyboard-interactive"],
    "key": ["-i", "KEY"],
    "old algorithms": [
        *("-i", "KEY", "-o", "HostKeyAlgorithms=ssh-rsa", "-o", "KexAlgorithms=diffie-hellman-group14-sha1"),
        *("-o", "Ciphers=aes128-ctr", "-o", "MACs=hmac-sha1"),
    ],
    "all that can be asked for": ["-i", "KEY", "-A", "-X", "-C", "-tt", "-o", "SendEnv=*"],
    "asked whether it lives": ["-i", "KEY", "-o", "ServerAliveInterval=1"],
}


def ssh(
    served: Served, options: list[str], arguments: list[str], sent: bytes
) -> subprocess.CompletedProcess[bytes]:
    if (path := program("ssh")) is None:
        absent("ssh")
    ask = served.folder / "ask"
    ask.write_text(f"#!/bin/sh\necho {PASSWORD}\n")
    ask.chmod(0o700)
    given = [str(served.key) if option == "KEY" else option for option in options]
    strangers = (
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "LogLevel=ERROR",
    )
    return subprocess.run(
        [path, "-F", "/dev/null", *strangers, *given, "-p", str(served.port), *arguments],
        input=sent,
        capture_output=True,
        timeout=PATIENCE,
        env={**served.environment, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"},
    )


def chunk(message: str) -> bytes:
    data = message.encode()
    return b"\n#%d\n%s\n#1\n%s\n##\n" % (len(data) - 1, data[:-1], data[-1:])


@pytest.mark.parametrize("login", LOGINS)
def test_openssh_with_chunks(served: Served, login: str) -> None:
    sent = HELLO.format(version="1.1").encode() + END + chunk(LOCK) + chunk(READ) + chunk(CLOSE)
    done = ssh(served, LOGINS[login], ["-s", f"{USER}@127.0.0.1", "netconf"], sent)
    assert done.returncode == 0, done.stderr
    hello, _, rest = done.stdout.partition(END)
    assert etree.fromstring(hello).tag == f"{{{NC}}}hello"
    replies = [
        etree.fromstring(b"".join(re.findall(rb"\n#\d+\n(.*?)(?=\n#)", message, re.DOTALL)))
        for message in re.findall(rb"\n#\d+\n.*?\n##\n", rest, re.DOTALL)
    ]
    assert [reply.get("message-id") for reply in replies] == ["1", "2", "3"]
    assert replies[1].get("{urn:my}mark") == "<"
    assert replies[1].find(f"{{{NC}}}data") is not None


def test_openssh_with_ends_of_messages(served: Served) -> None:
    """As people type it: line ends between the messages, of either kind."""
    messages = (HELLO.format(version="1.0"), LOCK, READ, CLOSE)
    sent = b"\n \n" + b"".join(message.encode() + END + b"\r\n" for message in messages)
    done = ssh(served, LOGINS["key"], ["-s", f"{USER}@127.0.0.1", "netconf"], sent)
    assert done.returncode == 0, done.stderr
    replies = [etree.fromstring(message) for message in done.stdout.split(END) if message]
    assert [reply.get("message-id") for reply in replies] == [None, "1", "2", "3"]


@pytest.mark.parametrize(
    "arguments",
    [
        [f"{USER}@127.0.0.1"],
        [f"{USER}@127.0.0.1", "netconf"],
        ["-s", f"{USER}@127.0.0.1", "sftp"],
        ["-W", "127.0.0.1:1", f"{USER}@127.0.0.1"],
        ["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", "-s", f"{USER}@127.0.0.1", "netconf"],
    ],
    ids=["a shell", "a command", "another subsystem", "forwarding", "forwarding back"],
)
def test_openssh_gets_nothing_but_netconf(served: Served, arguments: list[str]) -> None:
    done = ssh(served, LOGINS["key"], arguments, b"")
    assert done.returncode == 255
    assert b"<hello" not in done.stdout
