"""The driver ietf-dhcpv6-server: what it reads, what it refuses, and blocks that come and go in any order."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.addressing.capacity import GatewayKind
from casm_ctrl.addressing.prefix import Family, Prefix, parse_prefix, parse_range
from casm_ctrl.base.errors import InvalidValue, NotSupported, ProtocolViolation
from casm_ctrl.drivers.ietf_dhcpv6_server import DRIVER
from casm_ctrl.drivers.interface import (
    Abilities,
    Announcement,
    BlockMark,
    Element,
    Gateway,
    GenerationMark,
    ObjectKey,
    SeenPool,
    SeenRange,
    UsageKind,
    UsageReading,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.drivers.registry import load_driver
from tests.driver_cases import STORE, Bench, block, filtered, wanted
from tests.published import folder_of

NS = "urn:ietf:params:xml:ns:yang:ietf-dhcpv6-server"
V6 = block(1, "2001:db8::/64")


def data(inside: str) -> Element:
    return etree.fromstring(
        f'<data><dhcpv6-server xmlns="{NS}"><allocation-ranges><allocation-range><id>home</id>'
        f"{inside}</allocation-range></allocation-ranges></dhcpv6-server></data>"
    )


def pool(inside: str, kind: str = "address", name: str = "casm-k3f9qa-b1") -> str:
    return f"<{kind}-pools><{kind}-pool><pool-id>{name}</pool-id>{inside}</{kind}-pool></{kind}-pools>"


# --- What it says of itself -----------------------------------------------------------------------


def test_it_is_installed_and_counts_and_does_not_drain() -> None:
    assert load_driver("ietf-dhcpv6-server") is DRIVER
    assert DRIVER.abilities({}) == Abilities(drain=False, usage=UsageKind.COUNT)
    assert DRIVER.roles == {"dhcp"}


# --- What it reads --------------------------------------------------------------------------------


def test_pools_and_ranges_of_anybody_are_read() -> None:
    seen = DRIVER.parse(
        data(
            "<description>casm-k3f9qa-g7</description><network-prefix>2001:db8::/32</network-prefix>"
            + pool(
                "<pool-prefix>2001:db8::/64</pool-prefix><start-address>2001:db8::10</start-address>"
                "<end-address>2001:db8::1f</end-address>"
            )
            + pool(
                "<pool-prefix>2001:db8:100::1/40</pool-prefix><client-prefix-length>56</client-prefix-length>",
                "prefix",
                "42",
            )
        )
    )
    assert seen.pools == (SeenPool(ObjectKey("allocation-range", ("home",)), GenerationMark("k3f9qa", 7)),)
    assert seen.ranges == (
        SeenRange(
            ObjectKey("address-pool", ("home", "casm-k3f9qa-b1")),
            parse_range("2001:db8::10", "2001:db8::1f"),
            BlockMark("k3f9qa", 1),
        ),
        SeenRange(ObjectKey("prefix-pool", ("home", "42")), parse_prefix("2001:db8:100::/40").range),
    )


@pytest.mark.parametrize(
    "inside",
    [
        pool(""),
        pool("<start-address>2001:db8::1</start-address>"),
        pool("<start-address>2001:db8::2</start-address><end-address>2001:db8::1</end-address>"),
        pool("<start-address>here</start-address><end-address>there</end-address>"),
        pool("<start-address>10.0.0.1</start-address><end-address>2001:db8::1</end-address>"),
        pool("", "prefix"),
        pool("<pool-prefix>2001:db8::/129</pool-prefix>", "prefix"),
        pool("<pool-prefix>2001:db8::</pool-prefix>", "prefix"),
        pool("<pool-prefix>/</pool-prefix>", "prefix"),
    ],
)
def test_addresses_that_make_no_sense_are_reported_without_a_range(inside: str) -> None:
    (seen,) = DRIVER.parse(data(inside)).ranges
    assert seen.range is None
    assert seen.mark == BlockMark("k3f9qa", 1)


def test_an_entry_without_its_key_is_the_devices_fault() -> None:
    with pytest.raises(ProtocolViolation, match="without its key pool-id"):
        DRIVER.parse(data("<address-pools><address-pool/></address-pools>"))


def test_leases_are_read_as_counts() -> None:
    leases = (
        "<active-leases><total-count>{}</total-count><allocated-count>{}</allocated-count></active-leases>"
    )
    inside = pool(leases.format(2**64 - 1, 12)) + pool(leases.format(256, 0), "prefix")
    assert DRIVER.parse_usage(data(inside)) == (
        UsageReading(ObjectKey("address-pool", ("home", "casm-k3f9qa-b1")), UsageKind.COUNT, 12, 2**64 - 1),
        UsageReading(ObjectKey("prefix-pool", ("home", "casm-k3f9qa-b1")), UsageKind.COUNT, 0, 256),
    )


@pytest.mark.parametrize(
    "leases",
    [
        "",
        "<active-leases/>",
        "<active-leases><total-count>5</total-count></active-leases>",
        "<active-leases><total-count>5</total-count><allocated-count>6</allocated-count></active-leases>",
        "<active-leases><total-count>-5</total-count><allocated-count>0</allocated-count></active-leases>",
        "<active-leases><total-count>5</total-count><allocated-count>0x1</allocated-count></active-leases>",
    ],
)
def test_a_count_that_cannot_be_true_is_no_reading(leases: str) -> None:
    assert DRIVER.parse_usage(data(pool(leases))) == ()


def test_the_filters_ask_for_no_more_than_is_read() -> None:
    """The counts of every pool and none of its leases; all ranges, and only the names of option sets."""
    leases = (
        "<active-leases><total-count>9</total-count><allocated-count>1</allocated-count><active-lease>"
        "<leased-{0}>2001:db8::1</leased-{0}><ia-id>1</ia-id></active-lease></active-leases>"
    )
    device = data(pool(leases.format("address")) + pool(leases.format("prefix"), "prefix"))
    sets = etree.fromstring(
        f'<option-sets xmlns="{NS}"><option-set><option-set-id>dns</option-set-id>'
        "<description>long</description></option-set></option-sets>"
    )
    device[0].insert(0, sets)
    counts = filtered(device, DRIVER.usage_filter())
    assert len(DRIVER.parse_usage(counts)) == 2
    assert not list(counts.iter(f"{{{NS}}}active-lease", f"{{{NS}}}option-set"))
    config = filtered(device, DRIVER.config_filter())
    assert [leaf.text for leaf in config.iter(f"{{{NS}}}option-set-id")] == ["dns"]
    assert not list(config.iter(f"{{{NS}}}description"))


# --- What it refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (WantedPool("home", (block(1, "192.0.2.0/24"),)), r"b1 \(192.0.2.0/24\) .* is not IPv6"),
        (WantedPool("home", (block(1, "2001:db8::/64", drained=True),)), "should drain"),
        (WantedPool("home", (V6,), Gateway(GatewayKind.FIRST)), "the gateway 'first'"),
        (WantedPool("home", (V6,), Gateway(GatewayKind.UNNUMBERED, interface="x")), "'unnumbered'"),
        (WantedPool("home", (V6,), network_instance="red"), "network instance 'red'"),
        (WantedPool("home", (V6,), access="pppoe"), "access 'pppoe'"),
        (WantedPool("home", (V6,), services=("dns",)), "option set 'dns', and the device has none"),
        (WantedPool("home", (V6,), usage_high=80, usage_low=60), "told below"),
        (WantedPool("home", (V6,), usage_high=0), "0 percent"),
        (WantedPool("home", (V6,), announcement=Announcement.DEVICE_AUTOMATIC), "'device-automatic'"),
        (WantedPool("home", (V6,), announcement=Announcement.STATIC_DISCARD), "'driver-static-discard'"),
        (WantedPool("home", (V6,), delegated_length=56), "smaller than one delegated prefix of /56"),
    ],
)
def test_what_the_model_has_no_words_for_is_refused_with_what_to_do(asked: WantedPool, words: str) -> None:
    with pytest.raises(NotSupported, match=words) as caught:
        DRIVER.render(wanted(asked), etree.fromstring("<data/>"), {})
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["42", "casm-k3f9qa-b1"])
def test_a_block_is_not_moved_from_addresses_to_prefixes(name: str) -> None:
    """Both at once would be a removal and an addition of one block, and its leases lost."""
    key = ObjectKey("address-pool", ("home", name))
    asked = WantedPool("home", (block(1, "2001:db8::/48", key=key),), delegated_length=56)
    with pytest.raises(NotSupported, match=r"is address-pool.* on the device"):
        DRIVER.render(wanted(asked), etree.fromstring("<data/>"), {})


def test_an_option_set_is_not_added_to_a_range_that_others_made() -> None:
    sets = (
        f'<option-sets xmlns="{NS}"><option-set><option-set-id>dns</option-set-id></option-set></option-sets>'
    )
    running = data("<network-prefix>2001:db8::/32</network-prefix>")
    running[0].insert(0, etree.fromstring(sets))
    asked = wanted(WantedPool("home", (V6,), services=("dns",)))
    with pytest.raises(NotSupported, match="others made"):
        DRIVER.render(asked, running, {})


def test_two_blocks_never_share_a_pool() -> None:
    key = ObjectKey("address-pool", ("theirs", "42"))
    blocks = (block(1, "2001:db8::/64", key=key), block(2, "2001:db8:1::/64", key=key))
    with pytest.raises(InvalidValue, match="claimed twice"):
        DRIVER.render(wanted(WantedPool("home", blocks)), etree.fromstring("<data/>"), {})


# --- Blocks that come and go ----------------------------------------------------------------------

FOREIGN = f"""<dhcpv6-server xmlns="{NS}"><allocation-ranges><valid-lifetime>3600</valid-lifetime>
  <allocation-range><id>home</id><description>by hand</description>
   <network-prefix>2001:db8::/32</network-prefix><address-pools><address-pool><pool-id>7</pool-id>
   <pool-prefix>2001:db8:ffff::/64</pool-prefix><start-address>2001:db8:ffff::1</start-address>
   <end-address>2001:db8:ffff::9</end-address></address-pool></address-pools></allocation-range>
  <allocation-range><id>other</id><description>casm-zzzzzz-g4</description>
   <network-prefix>2a00::/32</network-prefix><prefix-pools><prefix-pool><pool-id>casm-zzzzzz-b1</pool-id>
   <pool-prefix>2a00:100::/40</pool-prefix><client-prefix-length>56</client-prefix-length></prefix-pool>
   </prefix-pools></allocation-range></allocation-ranges></dhcpv6-server>"""


@cache
def bench() -> Bench:
    return Bench(DRIVER, ("ietf-dhcpv6-server",), folder_of("ietf"))


def _pool_of(name: str, numbers: frozenset[int]) -> WantedPool:
    delegated = name.endswith("-pd")
    blocks = tuple(
        WantedBlock(n, Prefix(Family.IPV6, (0x20010DB8 << 96) + (n << 80), 48)) for n in sorted(numbers)
    )
    return WantedPool(name, blocks, delegated_length=56 if delegated else None)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[WantedPool, ...]]:
    homes = {n: draw(st.sampled_from(["home", "new", "new-pd"])) for n in range(1, 7)}
    states = draw(st.lists(st.frozensets(st.sampled_from(sorted(homes))), min_size=1, max_size=4))
    return [
        tuple(
            _pool_of(name, frozenset(n for n in state if homes[n] == name))
            for name in sorted(set(homes.values()))
        )
        for state in states
    ]


@settings(max_examples=40, deadline=None)
@given(histories(), st.sampled_from(["", FOREIGN]))
def test_blocks_come_and_go_in_any_order(states: list[tuple[WantedPool, ...]], start: str) -> None:
    bench().run(states, start)


def test_thousands_of_blocks_are_rendered_read_and_found_again() -> None:
    many = _pool_of("new", frozenset(range(1, 3001)))
    empty = etree.fromstring("<data/>")
    edit = DRIVER.render(wanted(many), empty, {})
    running = bench().apply(empty, edit)
    ours = tuple(change.key for change in edit.changes)
    assert DRIVER.render(wanted(many, ours=ours, generation=8), running, {}).changes == ()
    marks = {seen.mark for seen in DRIVER.parse(running).ranges}
    assert marks == {BlockMark(STORE, n) for n in range(1, 3001)}
