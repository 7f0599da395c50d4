"""The driver ietf-address-pool: what it reads, what it can do, what it refuses, how fast it is."""

from __future__ import annotations

import time

import pytest
from lxml import etree

from casm_ctrl.addressing.ports import parse_block
from casm_ctrl.addressing.prefix import Family, Prefix, parse_prefix, parse_range
from casm_ctrl.base.errors import InvalidValue, NotSupported, PeerFault
from casm_ctrl.drivers.ietf_address_pool import DRIVER, RangeEntry, build_pool
from casm_ctrl.drivers.interface import (
    Abilities,
    Action,
    BlockMark,
    Element,
    Gateway,
    GatewayKind,
    GenerationMark,
    ObjectKey,
    Seen,
    SeenPool,
    SeenRange,
    UsageKind,
    UsageReading,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.yang.engine import engine_for, forest

NS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
EXT = "urn:casm:yang:casm-address-pool-ext"
PLAIN = {"ietf-address-pool": "2015-10-14"}
WITH_EXT = {**PLAIN, "casm-address-pool-ext": "2026-11-23"}
NOTHING = etree.fromstring("<data/>")


def read(entries: str) -> Seen:
    """What the driver sees of `entries` in one pool called p; nodes carry an unusual prefix."""
    return DRIVER.parse(
        etree.fromstring(
            f'<data><x:address-pools xmlns:x="{NS}" xmlns:y="{EXT}"><x:address-pool>'
            "<x:address-pool-name>p</x:address-pool-name>"
            f"<x:address-pool-entries>{entries}</x:address-pool-entries>"
            "</x:address-pool></x:address-pools></data>"
        )
    )


def v4(name: str, leaves: str) -> str:
    return (
        f"<x:ipv4-address-range><x:ipv4-address-range-name>{name}</x:ipv4-address-range-name>"
        f"{leaves}</x:ipv4-address-range>"
    )


def extent(lower: str, upper: str) -> str:
    return f"<x:ip-lower-address>{lower}</x:ip-lower-address><x:ip-upper-address>{upper}</x:ip-upper-address>"


def only(seen: Seen) -> SeenRange:
    (found,) = seen.ranges
    return found


def want(*blocks: WantedBlock, gateway: Gateway | None = None, access: str | None = None) -> Wanted:
    pool = WantedPool("p", blocks, gateway or Gateway(GatewayKind.NONE), access=access)
    return Wanted("k3f9qa", 1, (pool,), frozenset())


# --- What it reads --------------------------------------------------------------------------------


def test_reads_anybodys_ranges_with_marks_drain_and_withdrawal() -> None:
    seen = read(
        v4("casm-k3f9qa-b12", extent("192.0.2.0", "192.0.2.127") + "<y:drain>true</y:drain>")
        + v4("hand", extent("192.0.2.200", " 192.0.2.209 ") + "<x:lifetime>0</x:lifetime>")
        + "<x:ipv6-prefix><x:ipv6-prefix-name>six</x:ipv6-prefix-name>"
        "<x:ipv6-prefix>2001:DB8::1/32</x:ipv6-prefix></x:ipv6-prefix>"
    )
    assert seen.ranges == (
        SeenRange(
            ObjectKey("ipv4-address-range", ("p", "casm-k3f9qa-b12")),
            parse_range("192.0.2.0", "192.0.2.127"),
            mark=BlockMark("k3f9qa", 12),
            drained=True,
        ),
        SeenRange(
            ObjectKey("ipv4-address-range", ("p", "hand")),
            parse_range("192.0.2.200", "192.0.2.209"),
            withdrawn=True,
        ),
        SeenRange(ObjectKey("ipv6-prefix", ("p", "six")), parse_prefix("2001:db8::/32").range),
    )


def test_reads_the_generation_of_a_pool() -> None:
    data = etree.fromstring(
        f'<data><address-pools xmlns="{NS}">'
        "<address-pool><address-pool-name>a</address-pool-name><device-id>casm-k3f9qa-g7</device-id></address-pool>"
        "<address-pool><address-pool-name>b</address-pool-name><device-id>bng7</device-id></address-pool>"
        "<address-pool><address-pool-name>c</address-pool-name></address-pool></address-pools></data>"
    )
    assert DRIVER.parse(data).pools == (
        SeenPool(ObjectKey("address-pool", ("a",)), GenerationMark("k3f9qa", 7)),
        SeenPool(ObjectKey("address-pool", ("b",))),
        SeenPool(ObjectKey("address-pool", ("c",))),
    )


@pytest.mark.parametrize(
    "leaves",
    [
        "",
        "<x:ip-lower-address>192.0.2.0</x:ip-lower-address>",
        "<x:ip-upper-address>192.0.2.0</x:ip-upper-address>",
        extent("192.0.2.9", "192.0.2.1"),
        extent("192.0.2.9", "2001:db8::"),
        extent("", ""),
        extent("192.0.2.1", "192.0.2.999"),
        f'<ip-lower-address xmlns="{EXT}">192.0.2.0</ip-lower-address>',
    ],
)
def test_a_range_without_usable_addresses_is_kept_without_them(leaves: str) -> None:
    assert only(read(v4("odd", leaves))).range is None


@pytest.mark.parametrize(
    "prefix", ["", "2001:db8::", "2001:db8::/129", "2001:db8::/x", "192.0.2.0/24", "/9999"]
)
def test_a_prefix_that_is_none_is_kept_without_addresses(prefix: str) -> None:
    entry = f"<x:ipv6-prefix-name>six</x:ipv6-prefix-name><x:ipv6-prefix>{prefix}</x:ipv6-prefix>"
    assert only(read(f"<x:ipv6-prefix>{entry}</x:ipv6-prefix>")).range is None


@pytest.mark.parametrize("lifetime", ["2020-01-01T00:00:00Z", "00", "", "false"])
def test_only_a_literal_zero_withdraws(lifetime: str) -> None:
    """The driver has no clock: a lifetime in the past is not its to judge."""
    leaves = extent("192.0.2.0", "192.0.2.1") + f"<x:lifetime>{lifetime}</x:lifetime>"
    assert not only(read(v4("r", leaves))).withdrawn


def test_unknown_nodes_and_comments_are_passed_over() -> None:
    seen = read(
        "<!-- c --><?p i?><v:list xmlns:v='urn:v'><v:x/></v:list>"
        + v4(
            "casm-k3f9qa-b<!-- c -->1",
            extent("192.0.2.0", "192.0.<!-- c -->2.1") + "<v xmlns='urn:v'><w/></v>",
        )
    )
    assert only(seen).mark == BlockMark("k3f9qa", 1)
    assert only(seen).range == parse_range("192.0.2.0", "192.0.2.1")


def test_nothing_configured_is_nothing_seen() -> None:
    assert DRIVER.parse(NOTHING) == Seen((), ())
    assert DRIVER.parse_usage(NOTHING) == ()


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("<x:ipv4-address-range/>", "ipv4-address-range without its key"),
        (v4("twice", "") * 2, "twice in one answer"),
    ],
)
def test_entries_that_a_key_does_not_name_are_the_peers_fault(entries: str, words: str) -> None:
    with pytest.raises(PeerFault, match=words):
        read(entries)


# --- Usage ----------------------------------------------------------------------------------------


def usage(leaves: str, kind: str = "ipv4-address-range") -> tuple[UsageReading, ...]:
    return DRIVER.parse_usage(
        etree.fromstring(
            f'<data><address-pool-status xmlns="{NS}" xmlns:e="{EXT}"><address-pool>'
            "<address-pool-name>p</address-pool-name><address-pool-entries>"
            f"<{kind}><{kind}-name>r</{kind}-name>{leaves}</{kind}>"
            "<port-range><port-range-name>r</port-range-name>"
            "<peak-address-usage-ratio>3</peak-address-usage-ratio></port-range>"
            "</address-pool-entries></address-pool></address-pool-status></data>"
        )
    )


def counts(used: str, total: str | None) -> str:
    text = f"<e:addresses-used>{used}</e:addresses-used>"
    return text if total is None else f"{text}<e:addresses-total>{total}</e:addresses-total>"


def test_counts_are_preferred_to_percent() -> None:
    leaves = "<peak-address-usage-ratio>50</peak-address-usage-ratio>" + counts("7", "253")
    key = ObjectKey("ipv4-address-range", ("p", "r"))
    assert usage(leaves) == (UsageReading(key, UsageKind.COUNT, 7, 253),)
    assert usage(counts("7", None)) == (UsageReading(key, UsageKind.COUNT, 7, None),)


def test_counts_hold_the_whole_of_ipv6() -> None:
    (reading,) = usage(counts("0", str(2**128)), "ipv6-prefix")
    assert (reading.used, reading.capacity) == (0, 2**128)


@pytest.mark.parametrize(
    ("kind", "leaf"),
    [("ipv4-address-range", "peak-address-usage-ratio"), ("ipv6-prefix", "peak-prefix-usage-ratio")],
)
def test_without_counts_the_peak_is_a_percentage(kind: str, leaf: str) -> None:
    assert usage(f"<{leaf}>42</{leaf}>", kind) == (
        UsageReading(ObjectKey(kind, ("p", "r")), UsageKind.PERCENT, 42),
    )


@pytest.mark.parametrize("text", ["NaN", "-1", "101", "", "4.2", "1_0", "٣", "1e1", "9" * 5000])
def test_a_peak_that_cannot_be_true_is_left_out(text: str) -> None:
    assert usage(f"<peak-address-usage-ratio>{text}</peak-address-usage-ratio>") == ()


@pytest.mark.parametrize(
    ("used", "total"), [("-1", "5"), ("6", "5"), ("NaN", "5"), ("0", "NaN"), ("0", ""), ("9" * 40, None)]
)
def test_counts_that_cannot_be_true_are_left_out_and_no_percentage_replaces_them(
    used: str, total: str | None
) -> None:
    assert usage("<peak-address-usage-ratio>5</peak-address-usage-ratio>" + counts(used, total)) == ()


# --- What it can do -------------------------------------------------------------------------------


def test_abilities_and_modules_follow_what_the_device_announced() -> None:
    assert DRIVER.abilities(PLAIN) == Abilities(drain=False, usage=UsageKind.PERCENT)
    assert DRIVER.abilities(WITH_EXT) == Abilities(drain=True, usage=UsageKind.COUNT)
    assert DRIVER.modules(PLAIN) == ("ietf-address-pool",)
    assert DRIVER.modules(WITH_EXT) == ("ietf-address-pool", "casm-address-pool-ext")


def test_filters_ask_for_the_models_two_trees() -> None:
    assert [etree.tostring(e) for e in (*DRIVER.config_filter(), *DRIVER.usage_filter())] == [
        f'<address-pools xmlns="{NS}"/>'.encode(),
        f'<address-pool-status xmlns="{NS}"/>'.encode(),
    ]


def test_the_quirk_lifetime_zero_is_listed_and_true() -> None:
    """The value that the description names is not one of the type: we read it and never write it."""
    assert [quirk.name for quirk in DRIVER.quirks] == ["lifetime-zero"]
    assert only(read(v4("r", "<x:lifetime>0</x:lifetime>"))).withdrawn
    edit = DRIVER.render(want(WantedBlock(1, parse_prefix("192.0.2.0/24"))), NOTHING, WITH_EXT)
    assert b"lifetime" not in etree.tostring(edit.config[0])


def test_a_built_pool_is_valid_configuration() -> None:
    entries = [
        RangeEntry("six", parse_prefix("2001:db8::/48"), gateway=0x20010DB8 << 96 | 1, instance="other"),
        RangeEntry("four", parse_prefix("192.0.2.0/24"), gateway=0xC0000201, mask=0, drained=True),
    ]
    pool = build_pool("p", entries, device_id="d", services=["any"])
    top = etree.Element(f"{{{NS}}}address-pools")
    top.append(pool)
    engine_for("ietf-address-pool", "casm-address-pool-ext").validate(forest([top]), what="config")
    found = pool.find(f".//{{{NS}}}gwnetmask")
    assert found is not None
    assert found.text == "0.0.0.0"


# --- What it refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize("on_device", [False, True])
def test_a_drain_needs_our_augment(on_device: bool) -> None:
    prefix = parse_prefix("192.0.2.0/24")
    running = _running(want(WantedBlock(3, prefix))) if on_device else NOTHING
    with pytest.raises(NotSupported, match=r"b3 \(192\.0\.2\.0/24\) should drain in pool 'p'") as caught:
        DRIVER.render(want(WantedBlock(3, prefix, drained=True)), running, PLAIN)
    assert "casm-address-pool-ext" in caught.value.remedy


def test_what_the_model_cannot_say_is_refused() -> None:
    one = WantedBlock(1, parse_prefix("192.0.2.0/24"))
    with pytest.raises(NotSupported, match="unnumbered"):
        DRIVER.render(want(one, gateway=Gateway(GatewayKind.UNNUMBERED, interface="lo1")), NOTHING, PLAIN)
    with pytest.raises(NotSupported, match="serves 'wimax'"):
        DRIVER.render(want(one, access="wimax"), NOTHING, PLAIN)
    port_set = WantedBlock(2, parse_block("192.0.2.1/32 psid 5/4"))
    with pytest.raises(NotSupported, match=r"b2 \(192\.0\.2\.1/32 psid 5/4\) is a port set"):
        DRIVER.render(want(port_set), NOTHING, PLAIN)
    with pytest.raises(InvalidValue, match="/33 cannot be the mask"):
        DRIVER.render(want(one, gateway=Gateway(GatewayKind.FIRST, mask=33)), NOTHING, PLAIN)


def test_keys_that_no_block_can_have_are_refused() -> None:
    key = ObjectKey("ipv4-address-range", ("p", "shared"))
    six = WantedBlock(1, parse_prefix("2001:db8::/48"), key=key)
    with pytest.raises(InvalidValue, match=r"b1 .* cannot stand as ipv4-address-range\[p, shared\]"):
        DRIVER.render(want(six), NOTHING, PLAIN)
    blocks = [WantedBlock(n, parse_prefix(f"192.0.{n}.0/24"), key=key) for n in (1, 2)]
    with pytest.raises(InvalidValue, match="b1 and b2 both claim"):
        DRIVER.render(want(*blocks), NOTHING, PLAIN)


def test_text_that_xml_cannot_carry_is_refused() -> None:
    wanted = Wanted(
        "k3f9qa", 1, (WantedPool("bell\a", (WantedBlock(1, parse_prefix("192.0.2.0/24")),)),), frozenset()
    )
    with pytest.raises(InvalidValue, match="XML cannot carry"):
        DRIVER.render(wanted, NOTHING, PLAIN)


# --- What it leaves alone -------------------------------------------------------------------------


def test_objects_of_other_models_and_stores_are_not_looked_for() -> None:
    running = _running(want(WantedBlock(1, parse_prefix("192.0.2.0/24"))))
    ours = frozenset({ObjectKey("pool", ("p",)), ObjectKey("address-pool", ("p", "q"))})
    edit = DRIVER.render(Wanted("zzzzzz", 1, (), ours), running, PLAIN)
    assert edit.config == ()
    assert edit.changes == ()


def test_removing_what_is_already_gone_is_nothing_to_do() -> None:
    ours = frozenset({ObjectKey("address-pool", ("p",)), ObjectKey("ipv4-address-range", ("p", "x"))})
    assert DRIVER.render(Wanted("k3f9qa", 1, (), ours), NOTHING, PLAIN).changes == ()


@pytest.mark.parametrize("device_id", ["bng7", "casm-zzzzzz-g3"])
def test_a_container_with_anothers_device_id_is_kept(device_id: str) -> None:
    running = _running(want(WantedBlock(1, parse_prefix("192.0.2.0/24"))))
    mark = running.find(f".//{{{NS}}}device-id")
    assert mark is not None
    mark.text = device_id
    seen = DRIVER.parse(running)
    ours = frozenset({seen.pools[0].key, seen.ranges[0].key})
    edit = DRIVER.render(Wanted("k3f9qa", 2, (), ours), running, PLAIN)
    assert [change.action for change in edit.changes] == [Action.CHANGE, Action.REMOVE]


def test_values_in_another_spelling_are_no_drift() -> None:
    wanted = want(WantedBlock(1, parse_prefix("2001:db8::/48")), gateway=Gateway(GatewayKind.FIRST))
    text = etree.tostring(_running(wanted)).replace(b"2001:db8::", b" 2001:0DB8:0:0::")
    assert DRIVER.render(wanted, etree.fromstring(text), PLAIN).changes == ()


# --- How fast it is -------------------------------------------------------------------------------


def test_ten_thousand_blocks_in_one_pool_are_linear() -> None:
    """Measured 0.7 s to render and parse on 2 cores of 2026; the bound leaves room for a busy machine."""
    blocks = [WantedBlock(n + 1, Prefix(Family.IPV4, (10 << 24) + (n << 8), 24)) for n in range(10_000)]
    wanted = want(*blocks, gateway=Gateway(GatewayKind.FIRST))
    start = time.process_time()
    running = _running(wanted)
    assert len(DRIVER.parse(running).ranges) == 10_000
    assert DRIVER.render(wanted, running, PLAIN).changes == ()
    assert time.process_time() - start < 5


def _running(wanted: Wanted) -> Element:
    """An empty device after the edit: there all nodes are new, so the edit is the configuration."""
    data = etree.Element("data")
    data.extend(DRIVER.render(wanted, NOTHING, WITH_EXT).config)
    etree.strip_attributes(data, "{*}operation")
    return data


def test_the_model_has_one_threshold_only() -> None:
    pool = WantedPool(
        "internet", (WantedBlock(1, parse_prefix("192.0.2.0/25")),), usage_high=90, usage_low=70
    )
    with pytest.raises(NotSupported, match="below 70 percent"):
        DRIVER.render(Wanted("k3f9qa", 7, (pool,), frozenset()), etree.fromstring("<data/>"), {})
