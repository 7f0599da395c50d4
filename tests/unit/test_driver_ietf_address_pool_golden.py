"""Edits of the driver ietf-address-pool against golden files.

A golden file holds what was running, the edit, and the plan's lines. To write them anew:
`CASM_WRITE_GOLDEN=1 pytest tests/unit/test_driver_ietf_address_pool_golden.py`, then read the difference.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from lxml import etree

from casm_ctrl.addressing.prefix import parse_address, parse_prefix
from casm_ctrl.drivers.ietf_address_pool import DRIVER
from casm_ctrl.drivers.interface import (
    BlockMark,
    Edit,
    Element,
    Gateway,
    GatewayKind,
    ObjectKey,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.yang.engine import Engine, engine_for, forest

GOLDEN = Path(__file__).parent / "golden" / "ietf-address-pool"
PUBLISHED = Path(__file__).parents[3] / "shared" / "yang" / "ietf"
STORE = "k3f9qa"
PLAIN = ("ietf-address-pool",)
WITH_EXT = ("ietf-address-pool", "casm-address-pool-ext")
FIRST = Gateway(GatewayKind.FIRST)
POOL = ObjectKey("address-pool", ("internet",))


def block(number: int, prefix: str, *, drained: bool = False, key: ObjectKey | None = None) -> WantedBlock:
    return WantedBlock(number, parse_prefix(prefix), drained, key)


def v4(number: int, pool: str = "internet") -> ObjectKey:
    return ObjectKey("ipv4-address-range", (pool, str(BlockMark(STORE, number))))


def wanted(*pools: WantedPool, ours: tuple[ObjectKey, ...] = (), generation: int = 7) -> Wanted:
    return Wanted(STORE, generation, pools, frozenset(ours))


def pools(inside: str) -> str:
    namespaces = (
        'xmlns="urn:ietf:params:xml:ns:yang:ietf-address-pool" xmlns:e="urn:casm:yang:casm-address-pool-ext"'
    )
    return f"<address-pools {namespaces}>{inside}</address-pools>"


def pool(
    inside: str, *, name: str = "internet", leaves: str = "<device-id>casm-k3f9qa-g6</device-id>"
) -> str:
    return (
        f"<address-pool><address-pool-name>{name}</address-pool-name>{leaves}"
        f"<address-pool-entries>{inside}</address-pool-entries></address-pool>"
    )


def v4_range(name: str, lower: str, upper: str, more: str = "") -> str:
    return (
        f"<ipv4-address-range><ipv4-address-range-name>{name}</ipv4-address-range-name>"
        f"<ip-lower-address>{lower}</ip-lower-address><ip-upper-address>{upper}</ip-upper-address>{more}"
        "</ipv4-address-range>"
    )


B1 = v4_range("casm-k3f9qa-b1", "192.0.2.0", "192.0.2.127")
B2 = v4_range("casm-k3f9qa-b2", "192.0.2.128", "192.0.2.255")
FOREIGN = v4_range("by-hand", "203.0.113.10", "203.0.113.99")


@dataclass(frozen=True)
class Case:
    wanted: Wanted
    running: str = ""
    modules: tuple[str, ...] = WITH_EXT

    def data(self) -> Element:
        return etree.fromstring(f"<data>{self.running}</data>")

    def render(self) -> Edit:
        return DRIVER.render(self.wanted, self.data(), dict.fromkeys(self.modules))


CASES = {
    "first-block": Case(
        wanted(
            WantedPool(
                "internet", (block(1, "192.0.2.0/25"),), FIRST, services=("any", "internet"), access="pppoe"
            ),
            generation=1,
        ),
        modules=PLAIN,
    ),
    "many-blocks": Case(
        wanted(
            WantedPool("voip", (block(5, "10.0.1.0/24"), block(4, "10.0.0.0/24"))),
            WantedPool(
                "internet",
                (block(3, "198.51.100.0/24"), block(2, "192.0.2.128/25"), block(1, "192.0.2.0/25")),
            ),
            ours=(POOL, v4(1)),
        ),
        pools(pool(B1)),
    ),
    "ipv6": Case(
        wanted(
            WantedPool(
                "internet",
                (block(8, "2001:db8:8::/48"), block(2, "192.0.2.128/25"), block(7, "2001:db8:7::/48")),
                FIRST,
                access="dhcp",
            ),
        ),
    ),
    "gateway-address": Case(
        wanted(
            WantedPool(
                "internet",
                (block(1, "192.0.2.0/25"), block(2, "192.0.2.128/25")),
                Gateway(GatewayKind.ADDRESS, parse_address("192.0.2.254")[1], mask=24),
            )
        ),
    ),
    "gateway-changed": Case(
        wanted(
            WantedPool("internet", (block(1, "192.0.2.0/25"),), Gateway(GatewayKind.LAST)), ours=(POOL, v4(1))
        ),
        pools(
            pool(
                v4_range(
                    "casm-k3f9qa-b1",
                    "192.0.2.0",
                    "192.0.2.127",
                    "<usergateway>192.0.2.1</usergateway><gwnetmask>255.255.255.128</gwnetmask>"
                    "<type>usergateway</type>",
                )
            )
        ),
    ),
    "drain": Case(
        wanted(
            WantedPool(
                "internet",
                (
                    block(1, "192.0.2.0/25", drained=True),
                    block(2, "192.0.2.128/25"),
                    block(3, "198.51.100.0/24", drained=True),
                ),
            ),
            ours=(POOL, v4(1), v4(2)),
        ),
        pools(pool(B1 + v4_range("casm-k3f9qa-b2", "192.0.2.128", "192.0.2.255", "<e:drain>true</e:drain>"))),
    ),
    "remove-one": Case(
        wanted(WantedPool("internet", (block(2, "192.0.2.128/25"),)), ours=(POOL, v4(1), v4(2), v4(3))),
        pools(pool(B1 + FOREIGN + B2)),
    ),
    "remove-last": Case(
        wanted(WantedPool("internet", (), services=("any",)), ours=(POOL, v4(1), v4(2))),
        pools(
            pool(
                B1 + B2,
                leaves="<address-pool-id>0</address-pool-id><device-id>casm-k3f9qa-g6</device-id>"
                "<address-pool-service><service-name>any</service-name></address-pool-service>",
            )
        ),
    ),
    "remove-last-kept": Case(
        wanted(WantedPool("internet", ()), ours=(POOL, v4(1))),
        pools(
            pool(
                B1 + "<warning-threshold-v4>80</warning-threshold-v4>",
                leaves="<domain-name>isp.example</domain-name><device-id>casm-k3f9qa-g6</device-id>"
                "<address-pool-service><service-name>iptv</service-name></address-pool-service>",
            )
        ),
    ),
    "usage-high": Case(
        wanted(
            WantedPool("internet", (block(1, "192.0.2.0/25"), block(2, "192.0.2.128/25")), usage_high=90),
            WantedPool("six", (block(3, "2001:db8::/48"),), usage_high=75),
            ours=(POOL, v4(1)),
        ),
        pools(pool(B1 + "<warning-threshold-v4>80</warning-threshold-v4>")),
    ),
    "usage-high-goes": Case(
        wanted(WantedPool("internet", (), usage_high=80), ours=(POOL, v4(1))),
        pools(pool(B1 + "<warning-threshold-v4>80</warning-threshold-v4>")),
    ),
    "foreign-pool": Case(
        wanted(WantedPool("internet", (block(1, "192.0.2.0/25"),), services=("any",)), ours=()),
        pools(
            "<address-pool><address-pool-name>internet</address-pool-name><device-id>bng7</device-id>"
            "</address-pool>" + pool(FOREIGN, name="theirs", leaves="")
        ),
    ),
    "drift": Case(
        wanted(
            WantedPool(
                "internet",
                (block(1, "192.0.2.0/25"), block(2, "192.0.2.128/25")),
                FIRST,
                services=("any",),
                access="pppoe",
            ),
            ours=(POOL, v4(1), v4(2)),
        ),
        pools(
            pool(
                v4_range(
                    "casm-k3f9qa-b1",
                    "192.0.2.0",
                    "192.0.2.99",
                    "<usergateway>192.0.2.1</usergateway><gwnetmask>255.255.255.128</gwnetmask>"
                    "<type>import-route</type><instance>pppoe</instance>",
                )
            )
        ),
    ),
    "by-hand-kept": Case(
        wanted(
            WantedPool("internet", (block(1, "192.0.2.0/25"), block(2, "192.0.2.128/25"))), ours=(POOL, v4(1))
        ),
        pools(
            pool(
                v4_range(
                    "casm-k3f9qa-b1",
                    "192.0.2.0",
                    "192.0.2.99",
                    "<usergateway>192.0.2.50</usergateway><lifetime>2030-01-01T00:00:00Z</lifetime>"
                    "<instance>vpn</instance>",
                )
                + FOREIGN
                + "<warning-threshold-v4>80</warning-threshold-v4>"
            )
        ),
    ),
    "adopted": Case(
        wanted(
            WantedPool(
                "internet",
                (
                    block(
                        9,
                        "203.0.113.0/24",
                        drained=True,
                        key=ObjectKey("ipv4-address-range", ("legacy", "range 1")),
                    ),
                    block(1, "192.0.2.0/25"),
                ),
            ),
            ours=(ObjectKey("ipv4-address-range", ("legacy", "range 1")),),
        ),
        pools(pool(v4_range("range 1", "203.0.113.0", "203.0.113.255"), name="legacy", leaves="")),
    ),
    "odd-names": Case(
        wanted(
            WantedPool("a<b>&\"'ä", (block(1, "192.0.2.0/25"),), services=("x&y",)),
            WantedPool(" spaced  ]]> ", (block(2, "192.0.2.128/25"),)),
            ours=(v4(2, " spaced  ]]> "), v4(3, "]"), ObjectKey("address-pool", ("]",))),
        ),
        pools(
            pool(v4_range("casm-k3f9qa-b2", "192.0.2.128", "192.0.2.254"), name=" spaced  ]]&gt; ", leaves="")
            + pool(v4_range("casm-k3f9qa-b3", "10.0.0.0", "10.0.0.255"), name="]", leaves="")
        ),
    ),
}


def document(case: Case, edit: Edit) -> bytes:
    """The golden file's bytes: indented, so that a person can read a difference."""
    lines = "".join(
        f"<line action={quoteattr(change.action.value)} object={quoteattr(str(change.key))}"
        f" block={quoteattr('' if change.block is None else f'b{change.block}')}"
        f" words={quoteattr(change.words)}/>"
        for change in edit.changes
    )
    config = b"".join(etree.tostring(element) for element in edit.config).decode()
    root = etree.fromstring(
        f"<golden><running>{case.running}</running><config>{config}</config><plan>{lines}</plan></golden>"
    )
    etree.indent(root)
    return etree.tostring(root, encoding="utf-8") + b"\n"


@pytest.mark.parametrize("name", CASES)
def test_the_edit_is_the_golden_one(name: str) -> None:
    case = CASES[name]
    found = document(case, case.render())
    path = GOLDEN / f"{name}.xml"
    if os.environ.get("CASM_WRITE_GOLDEN"):
        path.write_bytes(found)
    assert found.decode() == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_running_and_edit_are_valid_in_our_modules(name: str) -> None:
    case = CASES[name]
    engine = engine_for(*case.modules)
    engine.validate(forest(case.data()), what="config")
    engine.validate(forest(case.render().config), what="edit")


def test_what_the_driver_writes_is_valid_in_the_published_module() -> None:
    if not PUBLISHED.is_dir():
        assert not os.environ.get("CI"), "the published modules must be there in CI"
        pytest.skip(f"the published module ietf-address-pool@2015-10-14 is not in {PUBLISHED.name}/")
    engine = Engine(["ietf-address-pool@2015-10-14"], [PUBLISHED])
    for name, case in CASES.items():
        edit = case.render()
        text = forest(edit.config)
        if b"casm-address-pool-ext" not in text:
            engine.validate(text, what="edit")
        if name == "first-block":
            engine.validate(
                text.replace(b' nc:operation="merge"', b"").replace(b' nc:operation="create"', b"")
            )


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.xml")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_rendering_reads_and_does_not_write(name: str) -> None:
    case = CASES[name]
    data = case.data()
    before = etree.tostring(data)
    DRIVER.render(case.wanted, data, dict.fromkeys(case.modules))
    assert etree.tostring(data) == before
