"""Debian's `yangcli` (Yuma123) on `casm serve`, with its default settings.

It takes our modules from the server: from the hello it knows which there are, and asks for their text by
get-schema. (A module path of ours would hide its own `notifications`, without which it receives none.)
"""

from __future__ import annotations

import re

from lxml import etree

from tests.peers.absent import absent
from tests.peers.netconfd import program
from tests.peers.served import PASSWORD, USER, Served, configuration, run


def yangcli(served: Served, *commands: str) -> str:
    if (path := program("yangcli")) is None:
        absent("yangcli")
    script = served.folder / "yangcli.txt"
    script.write_text("\n".join(commands) + "\n")
    place = ("--server=127.0.0.1", f"--ncport={served.port}", f"--user={USER}", f"--password={PASSWORD}")
    return run(
        served,
        [path, "--batch-mode", *place, "--log-level=info", "--display-mode=xml", f"--run-script={script}"],
    )


def test_yangcli(served: Served) -> None:
    edits = []  # yangcli puts what is in the file into <config>, as one element
    for place, element in enumerate(etree.fromstring(f"<config>{configuration(4)}</config>")):
        file = served.folder / f"yangcli-{place}.xml"
        file.write_bytes(etree.tostring(element, with_tail=False))
        edits.append(f"edit-config target=candidate test-option=set config=@{file}")
    printed = yangcli(
        served,
        "create-subscription",
        "sget-config source=running /pools",
        "lock target=candidate",
        *edits,
        "validate source=candidate",
        "commit",
        "unlock target=candidate",
        "allocate device-pool=bng-4/web",
        "sget /devices/device[name='bng-4']/device-pool/block",
        "xget /devices/device[name='bng-4']/device-pool/block",
        "xget-config source=running /pools/pool[name='pool-4']/prefix",
        "close-session",
    )
    assert "RPC Error" not in printed, printed
    by_subtree, by_xpath, configured = re.findall(r"<data>\n.*?</data>", printed, re.DOTALL)[-3:]
    assert "<prefix>10.4.0.0/24</prefix>" in by_subtree
    assert "<prefix>10.4.0.0/24</prefix>" in by_xpath
    assert "<prefix>10.4.0.0/16</prefix>" in configured
    told = re.findall(r"Incoming notification:\n<notification.*?</notification>", printed, re.DOTALL)
    assert any("<to-state>reserved</to-state>" in notification for notification in told), printed
