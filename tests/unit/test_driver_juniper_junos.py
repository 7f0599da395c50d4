"""The driver juniper-junos: what it reads, what it refuses, and what no sequence of wishes breaks."""

from __future__ import annotations

from functools import cache

import pytest
from lxml import etree

from casm_ctrl.addressing.ports import parse_block
from casm_ctrl.base.errors import AlreadyExists, CasmError, InUse, InvalidValue, NotSupported, PeerFault
from casm_ctrl.drivers.interface import (
    Abilities,
    Action,
    Announcement,
    BlockMark,
    Element,
    Gateway,
    GatewayKind,
    GenerationMark,
    ObjectKey,
    Seen,
    UsageKind,
    UsageReading,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.drivers.juniper_junos import DRIVER, JuniperJunos
from tests.driver_cases import Bench, block, wanted
from tests.published import MODELS, folder_of

NS = "http://yang.juniper.net/junos/conf/access"
NOTHING = etree.fromstring("<data/>")


@cache
def bench() -> Bench:
    return Bench(DRIVER, MODELS["juniper-junos"], folder_of("juniper-junos"))


def device(*pools: str) -> Element:
    return etree.fromstring(
        f'<data><r:configuration xmlns:r="http://yang.juniper.net/junos/conf/root" xmlns:a="{NS}"><a:access>'
        f"<a:address-assignment>{''.join(pools)}</a:address-assignment></a:access></r:configuration></data>"
    )


def pool(name: str, inside: str = "", leaves: str = "", attributes: str = "") -> str:
    return f"<a:pool{attributes}><a:name>{name}</a:name>{leaves}<a:family>{inside}</a:family></a:pool>"


def inet(network: str, more: str = "") -> str:
    return f"<a:inet><a:network>{network}</a:network>{more}</a:inet>"


def inet6(prefix: str, more: str = "") -> str:
    return f"<a:inet6><a:prefix>{prefix}</a:prefix>{more}</a:inet6>"


def link(to: str) -> str:
    return f"<a:link>{to}</a:link>"


def note(what: str, value: str) -> str:
    return (
        f"<a:apply-macro><a:name>casm</a:name><a:data><a:name>{what}</a:name><a:value>{value}</a:value></a:data>"
        "</a:apply-macro>"
    )


def network(name: str, text: str) -> ObjectKey:
    return ObjectKey("network", (name, text))


# --- What it reads --------------------------------------------------------------------------------


def test_reads_anybodys_pools_with_marks_drain_and_deactivation() -> None:
    seen = DRIVER.parse(
        device(
            pool("internet", inet(" 192.0.2.9/24 "), note("block", "casm-k3f9qa-b1") + "<a:active-drain/>"),
            pool("casm-zzzzzz-b2", inet6("2001:DB8::/48"), "<a:hold-down/>"),
            pool("off", inet("10.0.0.0/8"), attributes=' inactive="inactive"'),
        )
    )
    one, two, three = seen.ranges
    assert (one.key, one.mark, one.drained) == (
        network("internet", "192.0.2.0/24"),
        BlockMark("k3f9qa", 1),
        True,
    )
    assert (two.key, two.mark, two.drained) == (
        network("casm-zzzzzz-b2", "2001:db8::/48"),
        BlockMark("zzzzzz", 2),
        True,
    )
    assert (three.withdrawn, three.drained, three.mark) == (True, False, None)
    assert [found.key.keys for found in seen.pools] == [("internet",), ("casm-zzzzzz-b2",), ("off",)]


def test_reads_the_generation_and_the_parts_of_a_pool() -> None:
    inside = inet(
        "192.0.2.0/24",
        "<a:dhcp-attributes><a:router><a:name>192.0.2.1</a:name></a:router></a:dhcp-attributes>"
        "<a:excluded-address><a:name>192.0.2.1</a:name></a:excluded-address>",
    )
    seen = DRIVER.parse(device(pool("p", inside, note("generation", "casm-k3f9qa-g7"))))
    assert [found.generation for found in seen.pools] == [GenerationMark("k3f9qa", 7)]
    assert seen.parts == (
        ObjectKey("router", ("p", "192.0.2.1")),
        ObjectKey("inet-excluded-address", ("p", "192.0.2.1")),
    )


@pytest.mark.parametrize(
    "inside",
    [inet(""), inet("ten"), inet("10.0.0.0/33"), inet("2001:db8::/32"), inet6("10.0.0.0/8"), inet6("::/129")],
)
def test_what_is_no_network_is_kept_without_addresses(inside: str) -> None:
    (found,) = DRIVER.parse(device(pool("p", inside))).ranges
    assert found.range is None


def test_nothing_is_nothing_and_a_pool_without_its_name_is_the_peers_fault() -> None:
    assert DRIVER.parse(NOTHING) == Seen((), ())
    assert DRIVER.parse(device(pool("empty"))).ranges == ()
    with pytest.raises(PeerFault, match="pool without its key name"):
        DRIVER.parse(device("<a:pool/>"))


def test_the_filter_asks_for_all_pools() -> None:
    (asked,) = DRIVER.config_filter()
    assert [etree.QName(node).localname for node in asked.iter()] == [
        "configuration",
        "access",
        "address-assignment",
        "pool",
    ]


# --- Usage ----------------------------------------------------------------------------------------

CHAIN = (network("internet", "192.0.2.0/24"), network("casm-k3f9qa-b2", "198.51.100.0/24"))


def statistics(name: str, used: str, total: str) -> str:
    return (
        f"<aaa-module-address-assignment-pool-statistics><pool-name>{name}</pool-name>"
        f"<used-addresses>{used}</used-addresses><total-addresses>{total}</total-addresses>"
        "</aaa-module-address-assignment-pool-statistics>"
    )


def usage(*inside: str) -> tuple[UsageReading, ...]:
    data = etree.fromstring(
        '<data><aaa-module-statistics xmlns="http://xml.juniper.net/junos/24.4R1/junos-authd">'
        f"{''.join(inside)}</aaa-module-statistics></data>"
    )
    return JuniperJunos().parse_usage_replies(data, (*CHAIN, ObjectKey("pool", ("internet",))))


def test_each_chain_is_asked_for_once() -> None:
    (asked,) = JuniperJunos().usage_requests([*CHAIN, ObjectKey("pool", ("voip",))])
    assert etree.tostring(asked).decode() == (
        '<get-address-assignment-pool-statistics xmlns="http://yang.juniper.net/junos/rpc/network-access">'
        "<get-address-assignment-pool-table-specific>internet</get-address-assignment-pool-table-specific>"
        "</get-address-assignment-pool-statistics>"
    )


def test_the_answer_counts_each_pool_of_the_chain() -> None:
    found = usage(
        statistics("(all pools in chain)", "260", "507"),
        statistics("internet", "253", "253"),
        statistics("casm-k3f9qa-b2", " 7 ", "254"),
        statistics("voip", "1", "1"),
    )
    assert found == (
        UsageReading(CHAIN[0], UsageKind.COUNT, 253, 253),
        UsageReading(CHAIN[1], UsageKind.COUNT, 7, 254),
    )


@pytest.mark.parametrize(
    ("used", "total"), [("8", "7"), ("-1", "7"), ("", "7"), ("7", "x"), ("7", ""), ("٣", "7")]
)
def test_counts_that_cannot_be_true_are_left_out(used: str, total: str) -> None:
    assert usage(statistics("internet", used, total)) == ()


def test_abilities_follow_what_the_device_announced() -> None:
    assert DRIVER.abilities({}) == Abilities(drain=True, usage=UsageKind.NONE)
    assert DRIVER.abilities({"junos-rpc-network-access": None}) == Abilities(
        drain=True, usage=UsageKind.COUNT
    )
    assert DRIVER.modules({}) == MODELS["juniper-junos"]


def test_the_quirks_are_listed_and_true() -> None:
    assert [quirk.name for quirk in DRIVER.quirks] == ["usage-by-rpc", "inactive"]
    assert DRIVER.usage_filter() == ()
    assert DRIVER.parse_usage(NOTHING) == ()


# --- What it refuses ------------------------------------------------------------------------------

ONE = block(1, "192.0.2.0/24")
SIX = block(6, "2001:db8::/48")


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        (WantedPool("n" * 64, (ONE,)), InvalidValue, "no pool called"),
        (WantedPool("p", (ONE,), network_instance="red"), NotSupported, "the routing instance 'red'"),
        (
            WantedPool("p", (ONE,), Gateway(GatewayKind.UNNUMBERED, interface="lo0.1")),
            NotSupported,
            "an unnumbered gateway",
        ),
        (WantedPool("p", (ONE,), Gateway(GatewayKind.FIRST, mask=23)), NotSupported, "the mask /23"),
        (WantedPool("p", (ONE,), services=("iptv",)), NotSupported, "the services iptv"),
        (WantedPool("p", (ONE,), access="map"), NotSupported, "access 'map'"),
        (WantedPool("p", (ONE,), usage_high=80, usage_low=60), NotSupported, "utilization marks of its own"),
        (
            WantedPool("p", (ONE,), announcement=Announcement.STATIC_DISCARD),
            NotSupported,
            "announcement 'driver-static-discard'",
        ),
        (WantedPool("p", (ONE,), delegated_length=56), NotSupported, "in prefixes of /56"),
        (WantedPool("p", (SIX,), delegated_length=40), NotSupported, "in prefixes of /40"),
        (
            WantedPool("p", (SIX,), Gateway(GatewayKind.FIRST), delegated_length=56),
            NotSupported,
            "a gateway in delegated prefixes",
        ),
        (WantedPool("p", (ONE, SIX)), NotSupported, "is not of the family of 192.0.2.0/24"),
        (
            WantedPool("p", (WantedBlock(2, parse_block("192.0.2.1/32 psid 5/4")),)),
            NotSupported,
            "is a port set",
        ),
        (
            WantedPool("p", (block(1, "192.0.2.0/24", key=network("p", "192.0.2.0/25")),)),
            InvalidValue,
            "cannot stand as",
        ),
        (
            WantedPool("p", (block(1, "192.0.2.0/24", key=ObjectKey("pool", ("p",))),)),
            InvalidValue,
            "cannot stand as",
        ),
    ],
)
def test_what_junos_cannot_do_is_refused_in_words(
    asked: WantedPool, error: type[CasmError], words: str
) -> None:
    with pytest.raises(error) as caught:
        DRIVER.render(wanted(asked), NOTHING, {})
    assert words in caught.value.message
    assert caught.value.remedy


def test_the_head_cannot_be_emptied_while_others_stay() -> None:
    running = device(
        pool("p", inet("192.0.2.0/24"), link("casm-k3f9qa-b2")), pool("casm-k3f9qa-b2", inet("10.0.0.0/24"))
    )
    head, second = network("p", "192.0.2.0/24"), network("casm-k3f9qa-b2", "10.0.0.0/24")
    stays = WantedPool("p", (block(2, "10.0.0.0/24", key=second),))
    with pytest.raises(NotSupported, match=r"'p' holds 192\.0\.2\.0/24, which should leave") as caught:
        DRIVER.render(wanted(stays, ours=(head, second)), running, {})
    assert "allocate one more block" in caught.value.remedy
    one_more = WantedPool("p", (*stays.blocks, block(3, "10.0.3.0/24")))
    edit = DRIVER.render(wanted(one_more, ours=(head, second)), running, {})
    assert [(c.action, c.key, c.block) for c in edit.changes if c.key.path == "network"] == [
        (Action.REMOVE, head, None),
        (Action.ADD, network("p", "10.0.3.0/24"), 3),
    ]


def test_a_head_that_somebody_took_away_cannot_be_made_of_what_stays() -> None:
    second = network("casm-k3f9qa-b2", "10.0.0.0/24")
    stays = WantedPool("p", (block(2, "10.0.0.0/24", key=second),))
    with pytest.raises(NotSupported, match="'p' is gone"):
        DRIVER.render(wanted(stays, ours=(second,)), device(pool("casm-k3f9qa-b2", inet("10.0.0.0/24"))), {})


@pytest.mark.parametrize("more", ["", "<a:host><a:name>h</a:name></a:host>"])
def test_a_pool_of_somebody_else_is_not_taken(more: str) -> None:
    with pytest.raises(AlreadyExists, match=r"b1 .* somebody else"):
        DRIVER.render(wanted(WantedPool("p", (ONE,))), device(pool("p", inet("203.0.113.0/24", more))), {})


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ("<a:host><a:name>h</a:name><a:ip-address>192.0.2.9</a:ip-address></a:host>", "host"),
        ("<a:excluded-range><a:name>r</a:name></a:excluded-range>", "excluded-range"),
        ("<a:excluded-address><a:name>192.0.2.9</a:name></a:excluded-address>", "excluded-address 192"),
        (
            "<a:dhcp-attributes><a:router><a:name>192.0.2.1</a:name></a:router></a:dhcp-attributes>",
            "router 192",
        ),
    ],
)
def test_a_network_on_which_something_depends_is_not_replaced(left: str, words: str) -> None:
    running = device(pool("p", inet("192.0.2.0/24", left)))
    asked = wanted(WantedPool("p", (block(3, "10.0.3.0/24"),)), ours=(network("p", "192.0.2.0/24"),))
    with pytest.raises(InUse, match=words):
        DRIVER.render(asked, running, {})


def test_a_pool_that_gives_out_something_else_is_not_mixed() -> None:
    ranged = "<a:range><a:name>r</a:name><a:prefix-length>60</a:prefix-length></a:range>"
    key = network("p", "2001:db8::/48")
    asked = WantedPool(
        "p", (block(6, "2001:db8::/48", key=key), block(7, "2001:db8:7::/48")), delegated_length=56
    )
    with pytest.raises(NotSupported, match="gives out prefixes of /60"):
        DRIVER.render(wanted(asked, ours=(key,)), device(pool("p", inet6("2001:db8::/48", ranged))), {})


def test_two_device_pools_cannot_have_one_name() -> None:
    with pytest.raises(InvalidValue, match="two device pools want the pool 'p'"):
        DRIVER.render(
            wanted(WantedPool("p", (ONE,)), WantedPool("p", (block(2, "10.0.0.0/24"),))), NOTHING, {}
        )
