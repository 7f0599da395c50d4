"""Readings that cannot be true: what a simulated device tells while a fault spoils it."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.simulator.bad_readings import BadReadings
from casm_ctrl.simulator.faults import Fault, FaultKind, Faults
from casm_ctrl.simulator.subscribers import Circumstances, Subscribers
from casm_ctrl.simulator.usage import MODELS, answers_of, served_by, usage_state

Element = etree._Element
BAD = (
    FaultKind.USAGE_NAN,
    FaultKind.USAGE_NEGATIVE,
    FaultKind.USAGE_ABOVE,
    FaultKind.ANOTHER_DEVICE,
    FaultKind.MISSING_BLOCKS,
)
MODULES = frozenset({"casm-address-pool-ext", "Cisco-IOS-XR-ip-daps-oper"})

POOLS = (
    '<address-pools xmlns="urn:ietf:params:xml:ns:yang:ietf-address-pool"><address-pool>'
    "<address-pool-name>home</address-pool-name><address-pool-entries>"
    "<ipv4-address-range><ipv4-address-range-name>r1</ipv4-address-range-name>"
    "<ip-lower-address>192.0.2.0</ip-lower-address><ip-upper-address>192.0.2.9</ip-upper-address></ipv4-address-range>"
    "<ipv4-address-range><ipv4-address-range-name>r2</ipv4-address-range-name>"
    "<ip-lower-address>192.0.2.10</ip-lower-address><ip-upper-address>192.0.2.19</ip-upper-address>"
    "</ipv4-address-range></address-pool-entries></address-pool></address-pools>"
)
NAT = (
    '<nat xmlns="urn:ietf:params:xml:ns:yang:ietf-nat"><instances><instance><id>1</id><policy><id>1</id>'
    + "".join(
        f"<external-ip-address-pool><pool-id>{number}</pool-id><external-ip-pool>192.0.{number}.0/28</external-ip-pool>"
        "</external-ip-address-pool>"
        for number in (1, 2)
    )
    + "</policy></instance></instances></nat>"
)
DHCP = (
    '<dhcpv6-server xmlns="urn:ietf:params:xml:ns:yang:ietf-dhcpv6-server"><allocation-ranges><allocation-range>'
    "<id>home</id><address-pools>"
    + "".join(
        f"<address-pool><pool-id>p{number}</pool-id><start-address>2001:db8:{number}::</start-address>"
        f"<end-address>2001:db8:{number}::f</end-address></address-pool>"
        for number in (1, 2)
    )
    + "</address-pools></allocation-range></allocation-ranges></dhcpv6-server>"
)
DAPS = (
    '<address-pool-service xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-ip-daps-cfg"><vrfs><vrf><vrf-name>default'
    "</vrf-name><ipv4><pools><pool><pool-name>home</pool-name><networks>"
    + "".join(
        f"<network><ipv4-prefix>192.0.{number}.0</ipv4-prefix><prefix-length>28</prefix-length></network>"
        for number in (1, 2)
    )
    + "</networks></pool></pools></ipv4></vrf></vrfs></address-pool-service>"
)
BRAS4 = (
    '<bras-ipv4-address-manage xmlns="urn:huawei:yang:huawei-bras-ipv4-address-manage"><ipv4-pools><ipv4-pool>'
    "<name>home</name><local><sections>"
    + "".join(
        f"<section><number>{number}</number><start-ip-address>192.0.{number}.0</start-ip-address>"
        f"<end-ip-address>192.0.{number}.9</end-ip-address></section>"
        for number in (1, 2)
    )
    + "</sections></local></ipv4-pool></ipv4-pools></bras-ipv4-address-manage>"
)
JUNOS = (
    '<configuration xmlns="http://yang.juniper.net/junos/conf/root">'
    '<access xmlns="http://yang.juniper.net/junos/conf/access"><address-assignment>'
    "<pool><name>home</name><link>more</link><family><inet><network>192.0.2.0/28</network></inet></family></pool>"
    "<pool><name>more</name><family><inet><network>198.51.100.0/28</network></inet></family></pool>"
    "</address-assignment></access></configuration>"
)
TOLD = {
    "pools": (POOLS, "addresses-used", "ipv4-address-range-name"),
    "nat": (NAT, "addresses-allocated", "pool-id"),
    "dhcp": (DHCP, "allocated-count", "pool-id"),
    "daps": (DAPS, "allocated-addresses", "start-address"),
    "bras4": (BRAS4, "used-number", "number"),
    "junos": (JUNOS, "used-addresses", "pool-name"),
}
"""By model: a configuration of two blocks, the leaf that counts, and the one that names a block."""


class Device:
    def __init__(self, running: str) -> None:
        self.running = etree.fromstring(f"<config>{running}</config>")
        self.subscribers = Subscribers()
        self.refused: dict[tuple[str, int], int] = {}
        self.faults = Faults()
        self.now = 100
        self._bad = BadReadings(self.faults)

    def use(self, used: int) -> None:
        for served in served_by(self.running):
            self.subscribers.set(served.pool, served.entry, used)

    def tell(self) -> list[Element]:
        about = Circumstances(Micros(self.now * SECOND), Micros(0), MODULES, self.refused)
        told = usage_state(self.running, self.subscribers, about)
        if not told:
            ((tag, answer),) = answers_of(["junos-rpc-network-access"]).items()
            operation = etree.Element(tag)
            etree.SubElement(operation, "get-address-assignment-pool-table-specific").text = "home"
            told = list(answer(self.running, self.subscribers, operation))
        return list(self._bad.spoil(told, what="state"))

    def texts(self, *names: str) -> list[str]:
        return [
            leaf.text or ""
            for top in self.tell()
            for leaf in top.iter("{*}*")
            if leaf.tag.partition("}")[2] in names
        ]


@pytest.mark.parametrize("model", TOLD)
@pytest.mark.parametrize("kind", BAD)
def test_each_model_tells_what_cannot_be_true(model: str, kind: FaultKind) -> None:
    running, used, name = TOLD[model]
    device = Device(running)
    device.use(4)
    before_used, before_names = device.texts(used), device.texts(name)
    device.faults.set(Fault(kind))
    after_used, after_names = device.texts(used), device.texts(name)
    if kind is FaultKind.USAGE_NAN:
        assert set(after_used) == {"NaN"}
    elif kind is FaultKind.USAGE_NEGATIVE:
        assert set(after_used) == {"-7"}
    elif kind is FaultKind.USAGE_ABOVE:
        assert all(int(after) > 16 for after in after_used)
    elif kind is FaultKind.MISSING_BLOCKS:
        assert len(after_used) == len(before_used) - 1
        assert after_names == before_names[: len(after_names)]
    else:
        assert after_used == before_used
        assert not set(after_names) & set(before_names)
    device.faults.clear()
    assert (device.texts(used), device.texts(name)) == (before_used, before_names)


def test_all_models_are_spoilt() -> None:
    assert len(MODELS) == len(TOLD) + 1, "and huawei-bras-ipv6, whose words are in the table"


def test_shares_are_spoilt_too() -> None:
    device = Device(POOLS)
    device.use(4)
    for kind, text in (
        (FaultKind.USAGE_NAN, "NaN"),
        (FaultKind.USAGE_NEGATIVE, "-7"),
        (FaultKind.USAGE_ABOVE, "150"),
    ):
        device.faults.clear()
        device.faults.set(Fault(kind))
        assert set(device.texts("average-address-usage-ratio")) == {text}


def test_counters_go_backwards() -> None:
    device = Device(POOLS)
    device.use(4)
    device.refused = {("home", 4): 11}
    device.faults.set(Fault(FaultKind.COUNTER_BACKWARDS))
    assert device.texts("requests-refused-v4", "addresses-peak", "addresses-used") == [
        *("4", "2", "4", "2"),
        *("8", "4", "5"),
    ]


@pytest.mark.parametrize(
    ("seconds", "sampled"), [(7200, "1970-01-01T02:01:40"), (-7200, "1969-12-31T22:01:40")]
)
def test_the_clock_jumps(seconds: float, sampled: str) -> None:
    device = Device(POOLS)
    device.faults.set(Fault(FaultKind.CLOCK_JUMP, seconds=seconds))
    assert {text[:19] for text in device.texts("sampled-at")} == {sampled}
    assert device.texts("started-at") == ["1970-01-01T00:00:00.000000Z"]


def test_a_reading_grows_stale() -> None:
    device = Device(POOLS)
    device.use(4)
    device.faults.set(Fault(FaultKind.STALE))
    before = device.texts("addresses-used", "sampled-at")
    device.use(9)
    device.now += 60
    assert device.texts("addresses-used", "sampled-at") == before
    device.faults.set(Fault(FaultKind.USAGE_NAN))
    assert "NaN" in device.texts("addresses-used")
    device.faults.clear()
    after = device.texts("addresses-used", "sampled-at")
    assert "9" in after
    assert "1970-01-01T00:02:40.000000Z" in after
