"""Each RPC asked for what it cannot do: the tag, the app-tag, the leaf to blame, and words that say what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from lxml import etree

from casm_ctrl.netconf.names import nc
from casm_ctrl.northbound import verbs
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, change
from casm_ctrl.store.events import Author
from tests.northbound_harness import Client, Endpoint, Refused
from tests.verbs_world import ask

ME = Author("tester", reason="test")
NETWORK = (
    AddSpace("s"),
    AddPool("p", "s", ("10.0.0.0/16",)),
    AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "u", "env:X", "s"),
    AddDevicePool("bng1/home", ("p",), 24),
)
POOL = "<device-pool>bng1/home</device-pool>"
PAST = "2001-01-01T00:00:00+01:00"
UNKNOWN = ("data-missing", "not-found")
VALUE = ("invalid-value", "invalid-value")
TYPE = ("invalid-value", None)
MISSING = ("missing-element", None)
TWO = ("bad-element", None)
MUST = ("operation-failed", "must-violation")
CASES = (
    ("allocate", "", MISSING, "device-pool"),
    ("allocate", "<device-pool>bng1/nope</device-pool>", UNKNOWN, "device-pool"),
    ("allocate", "<device-pool>nope</device-pool>", TYPE, "device-pool"),
    ("allocate", f"{POOL}<pool>zzz</pool>", UNKNOWN, "pool[.='zzz']"),
    ("allocate", f"{POOL}<prefix>10.9.0.0/24</prefix>", VALUE, "prefix"),
    ("allocate", f"{POOL}<count>0</count>", TYPE, "count"),
    ("allocate", f"{POOL}<count>2</count><prefix>10.0.0.0/24</prefix>", TWO, "prefix"),
    ("allocate", f"{POOL}<strategy>worst</strategy>", TYPE, "strategy"),
    ("allocate", f"{POOL}<expires>{PAST}</expires>", VALUE, "expires"),
    ("allocate", f"{POOL}<lifetime>5</lifetime><expires>never</expires>", TWO, "expires"),
    ("allocate", f"{POOL}<length>9</length>", ("resource-denied", "exhausted"), None),
    ("allocate", f"{POOL}<bogus/>", ("unknown-element", None), ""),
    ("release", "<block>b77</block>", UNKNOWN, "block[.='b77']"),
    ("release", "<block>hello</block>", TYPE, "block"),
    ("release", "<block>b1</block><force>true</force>", MUST, "force"),
    ("release", "", ("operation-failed", "too-few-elements"), "block"),
    ("renew", f"<block>b1</block><expires>{PAST}</expires>", VALUE, "expires"),
    ("renew", "<block>b9</block><expires>never</expires>", UNKNOWN, "block[.='b9']"),
    ("drain", "<block>192.0.2.0/24</block>", UNKNOWN, "block[.='192.0.2.0/24']"),
    ("cancel-drain", "<block>b9</block>", UNKNOWN, "block[.='b9']"),
    ("manage-blocks", "<block>b9</block>", UNKNOWN, "block[.='b9']"),
    ("confirm-routes", "<block>b9</block>", UNKNOWN, "block[.='b9']"),
    ("accept-clock", "<now/>", ("unknown-element", None), ""),
    ("hold", "<all/>", MISSING, "reason"),
    ("hold", "<reason>r</reason>", ("data-missing", "missing-choice"), ""),
    ("hold", "<device>nope</device><reason>r</reason>", UNKNOWN, "device"),
    ("hold", "<all/><pool>p</pool><reason>r</reason>", TWO, "pool"),
    ("unhold", f"{POOL}", UNKNOWN, "device-pool"),
    ("resume-control", "<now/>", ("unknown-element", None), ""),
    ("resume-control", "<request-id/>", TYPE, "request-id"),
    ("replace-device", "<name>nope</name><accept-new/><reason>r</reason>", UNKNOWN, "name"),
    ("replace-device", "<name>bng1</name><host-key>x</host-key><reason>r</reason>", VALUE, "host-key"),
    ("replace-device", "<name>bng1</name><accept-new/>", MISSING, "reason"),
    ("trace", "<address>10.0.0.300</address>", VALUE, "address"),
    ("trace", "<address>10.0.0.1</address><address-space>z</address-space>", UNKNOWN, "address-space"),
    ("trace", "<address>10.0.0.1</address><at>yesterday</at>", TYPE, "at"),
    ("read-audit", "<block>b9</block>", UNKNOWN, "block"),
    ("verify-audit", "<expect>zz</expect>", TYPE, "expect"),
    ("seal-audit", "<now/>", ("unknown-element", None), ""),
    ("check-access", "<user>u</user><operation>fly</operation>", UNKNOWN, "operation"),
    ("check-access", "<user>u</user><operation>read</operation><path>/z</path>", VALUE, "path"),
    ("read-forecast", "<subject>nope</subject>", UNKNOWN, "subject[.='nope']"),
    ("read-forecast", "<growth>everybody</growth>", VALUE, "growth[.='everybody']"),
    ("read-forecast", "<growth>nobody:+5%</growth>", UNKNOWN, "growth[.='nobody:+5%']"),
    ("read-forecast", "<horizon>0</horizon>", TYPE, "horizon"),
    ("plan-scarcity", "<pool>nope</pool>", UNKNOWN, "pool"),
    ("plan-scarcity", "", MISSING, "pool"),
    ("plan-defragmentation", "<pool>nope</pool><length>24</length>", UNKNOWN, "pool"),
    ("plan-defragmentation", "<pool>p</pool>", MISSING, "length"),
    ("plan-defragmentation", "<pool>p</pool><length>129</length>", TYPE, "length"),
    ("plan-defragmentation", "<pool>p</pool><length>8</length>", VALUE, "pool"),
    ("read-usage", "<subject>nope</subject>", UNKNOWN, "subject[.='nope']"),
    ("read-usage", "<step>month</step>", TYPE, "step"),
    ("why", "<subject>nope/nope</subject>", UNKNOWN, "subject"),
    ("why", "<subject>b99</subject>", UNKNOWN, "subject"),
    ("why", "<subject>what</subject>", VALUE, "subject"),
    ("why", "<subject>b1</subject><last>0</last>", TYPE, "last"),
    ("why", "<last>3</last>", MISSING, "subject"),
    ("read-status", "<now/>", ("unknown-element", None), ""),
    ("export-store", "<format>xml</format>", TYPE, "format"),
    ("import-store", "<document>what</document>", VALUE, "document"),
    ("plan", "<device>nope</device>", UNKNOWN, "device[.='nope']"),
    ("apply", "<device>nope</device>", UNKNOWN, "device[.='nope']"),
    ("apply", "<plan>not a plan</plan>", VALUE, "plan"),
    ("apply", "<plan>x</plan><atomic/>", TWO, "atomic"),
    ("apply", "<best-effort>true</best-effort>", MUST, "best-effort"),
    ("adopt", "", ("data-missing", "missing-choice"), ""),
    ("adopt", "<device>nope</device>", UNKNOWN, "device[.='nope']"),
    ("check-drift", "<device>nope</device>", UNKNOWN, "device[.='nope']"),
    ("verify", "<device>nope</device>", UNKNOWN, "device[.='nope']"),
    ("check-devices", "<device>nope</device>", UNKNOWN, "device[.='nope']"),
)


@pytest_asyncio.fixture
async def client(endpoint: Endpoint) -> AsyncIterator[Client]:
    change(endpoint.database, ME, NETWORK)
    allocate(endpoint.database, ME, "bng1/home")
    yield await endpoint.open("alice")


def test_every_rpc_is_tried() -> None:
    assert {name for name, *_ in CASES} == {*verbs.STORE_VERBS, *verbs.DEVICE_VERBS}


async def test_each_refusal_says_what_is_wrong_and_where(client: Client) -> None:
    """RFC 6241, 4.3; nothing is changed, and the session goes on."""
    before = etree.tostring(await client.data("<get-config><source><running/></source></get-config>"))
    wrong = []
    for name, body, expected, leaf in CASES:
        operation = ask(name, body)
        with pytest.raises(Refused) as caught:
            await client.rpc(operation)
        (error,) = caught.value.errors
        found = (error.findtext(nc("error-tag")), error.findtext(nc("error-app-tag")))
        base = f"/nc:rpc/casm-o:{name}"
        path = None if leaf is None else f"{base}/casm-o:{leaf}" if leaf else base
        if (found, error.findtext(nc("error-path"))) != (expected, path):
            wrong.append(f"{operation}: {caught.value}")
        message = error.findtext(nc("error-message"))
        assert message, operation
        if found[1] == "not-found" or found == VALUE:  # what was found, and what to do
            assert ": " in message, operation
    assert wrong == []
    assert etree.tostring(await client.data("<get-config><source><running/></source></get-config>")) == before
