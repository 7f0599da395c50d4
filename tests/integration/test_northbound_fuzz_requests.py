"""Every operation with everything that its schema knows, at random, on a store in which there is one of everything:
an answer of the protocol, and never a failure inside."""

from __future__ import annotations

import copy
import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.netconf.names import BASE, Element, nc
from tests.error_tags import ERROR_TAGS
from tests.northbound_harness import Client, Endpoint
from tests.northbound_requests import NAMES, STRINGS, Requests

EXAMPLES = int(os.environ.get("CASM_FUZZ", "4"))


def bend(operation: Element, dice: random.Random) -> Element:
    """Now and then a copy with one place changed."""
    if dice.random() < 0.6:
        return operation
    operation = copy.deepcopy(operation)
    node = dice.choice(list(operation.iter()))
    parent = node.getparent()
    match dice.randrange(5):
        case 0:
            node.text = dice.choice(STRINGS)
        case 1 if parent is not None:
            parent.remove(node)
        case 2 if parent is not None:
            parent.append(copy.deepcopy(node))
        case 3:
            etree.SubElement(node, dice.choice([nc("x"), "{urn:x}y", "z"])).text = dice.choice(NAMES)
        case _:
            node.set(dice.choice([nc("operation"), "x", "{urn:x}y"]), dice.choice(["delete", "x", ""]))
    return operation


async def ask(client: Client, operation: Element, caplog: pytest.LogCaptureFixture) -> None:
    text = etree.tostring(operation).decode()
    caplog.clear()
    reply = await client.reply(text)
    inside = [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"]
    assert not inside, (text, caplog.text)
    assert reply.tag == nc("rpc-reply")
    for error in reply.findall(nc("rpc-error")):
        assert error.findtext(nc("error-tag")) in ERROR_TAGS, text
        assert error.findtext(nc("error-app-tag")) != "internal-error", text
        message = error.findtext(nc("error-message")) or ""
        assert "unexpected" not in message and "Traceback" not in message, (text, message)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
async def test_requests_from_the_schema(
    filled: Endpoint, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    dice = random.Random(seed)
    requests = Requests(filled.server.models, dice)
    client = await filled.open()
    for number in range(60):
        if client.serving.done():
            client = await filled.open()
        operation = requests.next()
        if operation.tag == nc("close-session"):
            continue
        await ask(client, bend(operation, dice), caplog)
        if number % 10 == 9:
            for after in ("<commit/>", "<discard-changes/>"):
                await ask(client, etree.fromstring(f'<x xmlns="{BASE}">{after}</x>')[0], caplog)
    await client.close()
