"""Static routes of RFC 8349 beside the blocks of a driver: golden files, validity, and everybody else's routes.

How golden files are written anew is said in tests/driver_cases.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.addressing.prefix import Prefix, parse_prefix
from casm_ctrl.base.errors import NotSupported
from casm_ctrl.drivers.ietf_address_pool import DRIVER
from casm_ctrl.drivers.ietf_dhcpv6_server import DRIVER as DHCPV6
from casm_ctrl.drivers.ietf_nat import DRIVER as NAT
from casm_ctrl.drivers.interface import (
    Action,
    Announcement,
    BlockMark,
    Driver,
    Element,
    ObjectKey,
    SeenRoute,
    WantedBlock,
    WantedPool,
    config_filter_of,
)
from casm_ctrl.drivers.static_routes import NEEDS, routing_modules
from casm_ctrl.yang.modules import yang_folder
from tests.driver_cases import (
    GOLDEN,
    STORE,
    Bench,
    Case,
    block,
    document,
    filtered,
    keys_of,
    meaning,
    wanted,
)
from tests.driver_sequences import play, wishes
from tests.published import folder_of

MODULES = ("ietf-address-pool", "casm-address-pool-ext", *(need.name for need in NEEDS))
RT = "urn:ietf:params:xml:ns:yang:ietf-routing"
V4 = "urn:ietf:params:xml:ns:yang:ietf-ipv4-unicast-routing"
V6 = "urn:ietf:params:xml:ns:yang:ietf-ipv6-unicast-routing"
POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
PROTOCOL = ObjectKey("control-plane-protocol", ("static", "casm"))


def route4(number: int, prefix: str, name: str = "casm") -> ObjectKey:
    assert number
    return ObjectKey("ipv4-static-route", ("static", name, prefix))


def pool(*blocks: WantedBlock, **more: object) -> WantedPool:
    made = WantedPool("internet", blocks, announcement=Announcement.STATIC_DISCARD)
    return replace(made, **more)  # type: ignore[arg-type]


def entry(prefix: str, description: str = "", hop: str = "blackhole", number: int = 4) -> str:
    text = f"<description>{description}</description>" if description else ""
    return (
        f"<route><destination-prefix>{prefix}</destination-prefix>{text}"
        f"<next-hop><special-next-hop>{hop}</special-next-hop></next-hop></route>"
    )


def routing(*protocols: str) -> str:
    inside = "".join(protocols)
    return f'<routing xmlns="{RT}"><control-plane-protocols>{inside}</control-plane-protocols></routing>'


def static(
    routes4: str = "", routes6: str = "", *, name: str = "st0", kind: str = "xmlns:r='%s'>r:static"
) -> str:
    kind = kind % RT if "%s" in kind else kind
    v4 = f'<ipv4 xmlns="{V4}">{routes4}</ipv4>' if routes4 else ""
    v6 = f'<ipv6 xmlns="{V6}">{routes6}</ipv6>' if routes6 else ""
    tag = f"<type {kind}</type>" if kind.startswith("xmlns") else f"<type>{kind}</type>"
    return (
        f"<control-plane-protocol>{tag}<name>{name}</name><static-routes>{v4}{v6}</static-routes>"
        "</control-plane-protocol>"
    )


def ranges(*numbers: int) -> str:
    entries = "".join(
        f"<ipv4-address-range><ipv4-address-range-name>casm-k3f9qa-b{n}</ipv4-address-range-name>"
        f"<ip-lower-address>198.51.100.{64 * (n - 1)}</ip-lower-address>"
        f"<ip-upper-address>198.51.100.{64 * n - 1}</ip-upper-address></ipv4-address-range>"
        for n in numbers
    )
    return (
        f'<address-pools xmlns="{POOLS}"><address-pool><address-pool-name>internet</address-pool-name>'
        f"<device-id>casm-k3f9qa-g6</device-id><address-pool-entries>{entries}</address-pool-entries>"
        "</address-pool></address-pools>"
    )


B1 = block(1, "198.51.100.0/26")
B2 = block(2, "198.51.100.64/26")
FOREIGN = entry("192.0.2.0/24", "somebody's") + entry("10.0.0.0/8", hop="unreachable")
CONTAINER = ObjectKey("address-pool", ("internet",))


def key(number: int) -> ObjectKey:
    return ObjectKey("ipv4-address-range", ("internet", str(BlockMark(STORE, number))))


OURS = (CONTAINER, key(1))
MARK1 = str(BlockMark(STORE, 1))

CASES = {
    "first": Case(wanted(pool(B1))),
    "ipv6": Case(wanted(pool(block(4, "2001:db8:4::/48")))),
    "both": Case(wanted(pool(B1), replace(pool(block(4, "2001:db8:4::/48")), name="six"))),
    "beside-others": Case(wanted(pool(B1, B2)), routing(static(FOREIGN))),
    "prefix-of-the-device": Case(
        wanted(pool(B1, B2), ours=(*OURS, PROTOCOL, route4(1, "198.51.100.0/26"))),
        ranges(1) + routing(static(entry("198.51.100.0/26", MARK1), name="casm")),
    ),
    "upper-case-prefix": Case(
        wanted(pool(block(4, "2001:db8:4::/48")), ours=(PROTOCOL,)),
        routing(
            static("", entry("2001:DB8:4::/48", f"casm-{STORE}-b4", "unreachable"), name="casm"),
        ),
    ),
    "put-right": Case(
        wanted(pool(B1), ours=(*OURS, PROTOCOL, route4(1, "198.51.100.0/26"))),
        ranges(1) + routing(static(entry("198.51.100.0/26", "mine", "unreachable"), name="casm")),
    ),
    "removed-by-hand": Case(
        wanted(pool(B1), ours=(*OURS, PROTOCOL, route4(1, "198.51.100.0/26"))), ranges(1)
    ),
    "leaves": Case(
        wanted(ours=(*OURS, PROTOCOL, route4(1, "198.51.100.0/26"))),
        ranges(1) + routing(static(entry("198.51.100.0/26", MARK1), name="casm")),
    ),
    "leaves-others": Case(
        wanted(ours=(*OURS, route4(1, "198.51.100.0/26", "st0"))),
        ranges(1) + routing(static(entry("198.51.100.0/26", MARK1) + FOREIGN)),
    ),
    "of-a-restored-backup": Case(
        wanted(pool(B1), ours=OURS),
        ranges(1) + routing(static(entry("198.51.100.0/26", MARK1, "unreachable"))),
    ),
    "somebody-has-it": Case(wanted(pool(B1)), routing(static(entry("198.51.100.0/26", "mine")))),
    "announced-otherwise": Case(
        wanted(
            pool(B1, announcement=Announcement.NONE),
            ours=(*OURS, PROTOCOL, route4(1, "198.51.100.0/26")),
        ),
        ranges(1) + routing(static(entry("198.51.100.0/26", MARK1), name="casm")),
    ),
}


@cache
def bench() -> Bench:
    return Bench(DRIVER, MODULES, yang_folder())


def shown(data: Element) -> set[tuple[str, str, str]]:
    """(name of the protocol, prefix, mark) of every route."""
    return {(r.key.keys[1], r.key.keys[2], str(r.mark)) for r in DRIVER.parse(data).routes}


@pytest.mark.parametrize("name", CASES)
def test_the_edit_is_that_of_its_golden_file(name: str) -> None:
    case = CASES[name]
    found = document(case, bench().render(case.wanted, case.data()))
    path = GOLDEN / "static-routes" / f"{name}.xml"
    if os.environ.get("CASM_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(found)
    assert found.decode() == path.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in (GOLDEN / "static-routes").glob("*.xml")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_the_edit_and_its_result_are_valid_and_show_what_is_wanted(name: str) -> None:
    case = CASES[name]
    after = bench().check(case)
    before = shown(case.data())
    theirs = {r for r in before if r[2] == "None" and (r[0] != "casm")}
    assert theirs <= shown(after)
    ours = {r[1:] for r in shown(after) if r[2] != "None"}
    taken = {r[1] for r in theirs}
    asked = (p for p in case.wanted.pools if p.announcement is Announcement.STATIC_DISCARD)
    blocks = [b for p in asked for b in p.blocks if str(b.prefix) not in taken]
    assert ours == {(str(b.prefix), str(BlockMark(STORE, b.number))) for b in blocks}


@pytest.mark.parametrize(
    ("driver", "module", "folder", "one", "family"),
    [
        (NAT, "ietf-nat", "ietf-nat", block(1, "192.0.2.0/28"), 4),
        (DHCPV6, "ietf-dhcpv6-server", "ietf", block(4, "2001:db8::/64"), 6),
    ],
)
def test_other_drivers_have_them_too(
    driver: Driver, module: str, folder: str, one: WantedBlock, family: int
) -> None:
    modules = (module, *(need.name for need in NEEDS))
    other = Bench(driver, modules, folder_of(folder))
    after = other.check(Case(wanted(pool(one), generation=1), routing(static(FOREIGN))))
    found = [r for r in driver.parse(after).routes if r.mark is not None]
    assert [r.key for r in found] == [
        ObjectKey(f"ipv{family}-static-route", ("static", "st0", str(one.prefix)))
    ]


def test_a_block_and_its_route_are_in_one_edit() -> None:
    edit = bench().render(wanted(pool(B1)), CASES["first"].data())
    assert [etree.QName(top).localname for top in edit.config] == ["address-pools", "routing"]
    last = CASES["leaves"]
    edit = bench().render(last.wanted, last.data())
    assert keys_of(edit, Action.REMOVE) == last.wanted.ours


def test_the_protocol_is_that_of_the_device_and_stays_when_another_comes() -> None:
    """Names never follow from the place in a list."""
    running = etree.fromstring(f"<data>{routing(static(FOREIGN))}</data>")
    edit = bench().render(wanted(pool(B1)), running)
    assert route4(1, "198.51.100.0/26", "st0") in keys_of(edit, Action.ADD)
    after = bench().apply(running, edit)
    protocols = after.find(f"{{{RT}}}routing/{{{RT}}}control-plane-protocols")
    assert protocols is not None
    protocols.insert(0, etree.fromstring(f'<x xmlns="{RT}">{static(name="aaa")}</x>')[0])
    again = wanted(pool(B1), ours=tuple(keys_of(edit, Action.ADD)), generation=8)
    assert bench().render(again, after).changes == ()


@pytest.mark.parametrize("kind", ["xmlns:q='%s'>q:static", "static", "ietf-routing:static"])
def test_the_type_is_read_whatever_prefix_it_has(kind: str) -> None:
    data = etree.fromstring(f"<data>{routing(static(entry('198.51.100.0/26', MARK1), kind=kind))}</data>")
    (route,) = DRIVER.parse(data).routes
    assert route == SeenRoute(
        route4(1, "198.51.100.0/26", "st0"), parse_prefix("198.51.100.0/26").range, BlockMark(STORE, 1)
    )


def test_a_type_of_another_module_is_not_static() -> None:
    kind = "xmlns:q='urn:example'>q:static"
    data = etree.fromstring(f"<data>{routing(static(entry('198.51.100.0/26', MARK1), kind=kind))}</data>")
    edit = DRIVER.render(wanted(pool(B1), ours=OURS), data, dict.fromkeys(MODULES))
    assert PROTOCOL in keys_of(edit, Action.ADD)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (pool(B1, network_instance="red"), "network instance 'red'"),
        (pool(B1, route_tag=7), "route tag 7"),
    ],
)
def test_what_rfc_8349_cannot_say(asked: WantedPool, words: str) -> None:
    with pytest.raises(NotSupported, match=words):
        NAT.render(wanted(asked), etree.fromstring("<data/>"), dict.fromkeys(("ietf-nat", *MODULES)))


@pytest.mark.parametrize(
    "announced",
    [
        {},
        {"ietf-routing": "2018-03-13"},
        {"ietf-ipv4-unicast-routing": "2018-03-13"},
        {"ietf-routing": "2018-03-13", "ietf-ipv6-unicast-routing": "2018-03-13"},
        {"ietf-routing": "2016-11-04", "ietf-ipv4-unicast-routing": "2016-11-04"},
    ],
)
def test_a_device_without_such_routes_is_refused(announced: dict[str, str]) -> None:
    with pytest.raises(NotSupported, match="ietf-ipv4-unicast-routing"):
        DRIVER.render(wanted(pool(B1)), etree.fromstring("<data/>"), announced)
    assert DRIVER.render(
        wanted(pool(B1, announcement=Announcement.NONE)), etree.fromstring("<data/>"), announced
    ).changes


def test_only_what_a_device_has_is_asked_for_and_judged_by() -> None:
    plain = {"ietf-address-pool": None}
    assert len(config_filter_of(DRIVER, plain)) == 1
    assert routing_modules(plain) == ()
    assert DRIVER.modules(plain) == ("ietf-address-pool",)
    full = dict.fromkeys(MODULES)
    assert DRIVER.modules(full) == MODULES
    ospf = "<control-plane-protocol><type xmlns:o='urn:o'>o:ospf</type><name>1</name><area xmlns='urn:o'/>"
    data = etree.fromstring(f"<data>{routing(static(FOREIGN), ospf + '</control-plane-protocol>')}</data>")
    read = filtered(data, config_filter_of(DRIVER, full))
    assert len(DRIVER.parse(read).routes) == 2
    assert "area" not in {etree.QName(node).localname for node in read.iter("*")}


def prefix(number: int) -> Prefix:
    return parse_prefix(f"198.51.{100 + number // 4}.{64 * (number % 4)}/26")


@settings(max_examples=25, deadline=None)
@given(
    wishes(range(1, 7)),
    st.sampled_from(["", routing(static(FOREIGN)), routing(static(FOREIGN, name="casm"))]),
)
def test_whatever_comes_after_what_routes_are_those_of_the_blocks(
    sequence: Sequence[dict[int, bool]], start: str
) -> None:
    def pools(blocks: Sequence[WantedBlock]) -> tuple[WantedPool, ...]:
        return (pool(*blocks),) if blocks else ()

    running = etree.fromstring(f"<data>{start}</data>")
    theirs = shown(running)
    steps = play(bench(), running, [*sequence, {}], pools, prefix)
    for step in steps:
        blocks = [b for p in step.wanted.pools for b in p.blocks]
        found = {r[1:] for r in shown(step.after) - theirs}
        assert found == {(str(b.prefix), str(BlockMark(STORE, b.number))) for b in blocks}
        assert theirs <= shown(step.after)
    assert meaning(steps[-1].after) == meaning(etree.fromstring(f"<data>{start}</data>"))
