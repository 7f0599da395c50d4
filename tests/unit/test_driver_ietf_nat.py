"""The driver ietf-nat: golden files, validity in the module of RFC 8512, what it reads and refuses.

How golden files are written anew is said in tests/driver_cases.py.
"""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.addressing.capacity import GatewayKind
from casm_ctrl.addressing.prefix import Family, Prefix, parse_prefix
from casm_ctrl.base.errors import InvalidValue, NotSupported, ProtocolViolation
from casm_ctrl.drivers.ietf_nat import DRIVER
from casm_ctrl.drivers.interface import (
    Abilities,
    Announcement,
    Element,
    Gateway,
    ObjectKey,
    SeenRange,
    UsageKind,
    UsageReading,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.drivers.registry import load_driver
from tests.driver_cases import (
    Bench,
    Case,
    assert_golden,
    assert_none_left_over,
    block,
    filtered,
    wanted,
)
from tests.published import folder_of

MODULES = ("ietf-nat",)
NS = "urn:ietf:params:xml:ns:yang:ietf-nat"
INSTANCE, POLICY = ObjectKey("instance", ("1",)), ObjectKey("policy", ("1", "1"))


def pool_key(instance: int, policy: int, pool: int) -> ObjectKey:
    return ObjectKey("external-ip-address-pool", (str(instance), str(policy), str(pool)))


def port_set(number: int, address: str, psid: int, bits: int, key: ObjectKey | None = None) -> WantedBlock:
    value = parse_prefix(f"{address}/32").first << 16 | psid << (16 - bits)
    return WantedBlock(number, Prefix(Family.PORTS, value, 32 + bits), False, key)


# --- A device's configuration ---------------------------------------------------------------------


def nat(*instances: str) -> str:
    return f'<nat xmlns="{NS}"><instances>{"".join(instances)}</instances></nat>'


def instance(number: int, name: str, *policies: str, more: str = "") -> str:
    return f"<instance><id>{number}</id><name>{name}</name>{more}{''.join(policies)}</instance>"


def policy(number: int, *pools: str, more: str = "") -> str:
    return f"<policy><id>{number}</id>{''.join(pools)}{more}</policy>"


def pool(number: int, prefix: str) -> str:
    return (
        f"<external-ip-address-pool><pool-id>{number}</pool-id><external-ip-pool>{prefix}</external-ip-pool>"
        "</external-ip-address-pool>"
    )


def restrict(psid: int, bits: int, offset: int = 6) -> str:
    return (
        f"<port-set-restrict><psid-offset>{offset}</psid-offset><psid-len>{bits}</psid-len><psid>{psid}</psid>"
        "</port-set-restrict>"
    )


def data(text: str) -> Element:
    return etree.fromstring(f"<data>{text}</data>")


B1, B2 = block(1, "192.0.2.0/28"), block(2, "198.51.100.0/24")
HELD = nat(instance(1, "cgn", policy(1, pool(1, "192.0.2.0/28"), pool(2, "198.51.100.0/24"))))
OURS = (INSTANCE, POLICY, pool_key(1, 1, 1), pool_key(1, 1, 2))
BY_HAND = nat(
    instance(
        4,
        "cgn",
        policy(7, pool(1, "203.0.113.0/28"), more="<all-algs-enable>true</all-algs-enable>"),
        more="<enable>true</enable>",
    )
)
HOME, SECOND = (
    block(1, "192.0.2.0/28", key=pool_key(1, 1, 1)),
    block(2, "198.51.100.0/24", key=pool_key(1, 1, 2)),
)

CASES = {
    "first-block": Case(wanted(WantedPool("cgn", (B1,), access="cgn"), generation=1)),
    "many-blocks": Case(
        wanted(
            WantedPool("cgn", (HOME, SECOND, block(5, "203.0.113.64/26"))),
            WantedPool("other", (block(6, "203.0.113.128/25"),)),
            ours=OURS,
        ),
        HELD,
    ),
    "usage-marks": Case(
        wanted(WantedPool("cgn", (HOME, SECOND), usage_high=90, usage_low=70), ours=OURS), HELD
    ),
    "usage-high-only": Case(wanted(WantedPool("cgn", (B1,), usage_high=90))),
    "port-sets": Case(
        wanted(
            WantedPool(
                "map",
                (port_set(7, "192.0.2.1", 3, 4), port_set(8, "192.0.2.1", 4, 4)),
                access="map",
                psid_offset=6,
                usage_high=80,
            )
        )
    ),
    "one-port-set-goes": Case(
        wanted(
            WantedPool("map", (port_set(8, "192.0.2.1", 4, 4, pool_key(1, 8, 8)),), psid_offset=6),
            ours=(
                INSTANCE,
                *(ObjectKey("policy", ("1", str(n))) for n in (7, 8)),
                pool_key(1, 7, 7),
                pool_key(1, 8, 8),
            ),
        ),
        nat(
            instance(
                1,
                "map",
                policy(7, pool(7, "192.0.2.1/32"), more=restrict(3, 4)),
                policy(8, pool(8, "192.0.2.1/32"), more=restrict(4, 4)),
            )
        ),
    ),
    "remove-one": Case(wanted(WantedPool("cgn", (SECOND,)), ours=OURS), HELD),
    "remove-last": Case(wanted(WantedPool("cgn", ()), ours=OURS), HELD),
    "remove-last-kept": Case(wanted(ours=OURS), HELD.replace("<policy>", "<type>napt44</type><policy>", 1)),
    "into-the-operators-instance": Case(wanted(WantedPool("cgn", (B1, B2))), BY_HAND),
    "into-a-named-policy": Case(
        wanted(WantedPool("cgn/9", (B1,))),
        nat(instance(4, "cgn", policy(7, pool(1, "203.0.113.0/28")), policy(9, pool(2, "203.0.113.16/28")))),
    ),
    "drift": Case(
        wanted(WantedPool("cgn", (HOME, SECOND)), ours=OURS), HELD.replace("192.0.2.0/28", "192.0.2.0/29")
    ),
    "same-written-otherwise": Case(
        wanted(WantedPool("cgn", (HOME, SECOND)), ours=OURS),
        HELD.replace("198.51.100.0/24", "198.51.100.7/24"),
    ),
    "adopted": Case(
        wanted(
            WantedPool("elsewhere", (block(3, "203.0.113.0/28", key=pool_key(4, 7, 1)),)),
            ours=(pool_key(4, 7, 1),),
        ),
        BY_HAND,
    ),
    "odd-names": Case(wanted(WantedPool("a<b>&\"'ä", (B1,)), WantedPool("x]]>/y", (B2,)))),
}


@cache
def bench() -> Bench:
    return Bench(DRIVER, MODULES, folder_of("ietf-nat"))


@pytest.mark.parametrize("name", CASES)
def test_the_edit_is_the_golden_one(name: str) -> None:
    assert_golden(DRIVER, MODULES, name, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_edit_and_result_are_valid_and_complete(name: str) -> None:
    bench().check(CASES[name])


def test_no_golden_file_is_left_over() -> None:
    assert_none_left_over(DRIVER, CASES)


# --- What it says of itself -----------------------------------------------------------------------


def test_it_is_installed_and_counts_and_does_not_drain() -> None:
    assert load_driver("ietf-nat") is DRIVER
    assert DRIVER.abilities({}) == Abilities(drain=False, usage=UsageKind.COUNT)
    assert DRIVER.roles == {"cgn"}


def test_the_mapping_table_is_not_asked_for() -> None:
    entry = "<mapping-entry><index>{}</index><type>{}</type><lifetime>9</lifetime></mapping-entry>"
    table = f"<mapping-table>{entry.format(1, 'dynamic-explicit')}{entry.format(2, 'static')}</mapping-table>"
    device = data(nat(instance(1, "cgn", policy(1, pool(1, "192.0.2.0/28")), more=table)))
    config = filtered(device, DRIVER.config_filter())
    assert [leaf.text for leaf in config.iter(f"{{{NS}}}index")] == ["2"]
    assert not list(config.iter(f"{{{NS}}}lifetime"))
    assert len(DRIVER.parse(config).ranges) == 1


def test_an_instance_with_static_mappings_is_kept() -> None:
    table = (
        "<mapping-table><mapping-entry><index>2</index><type>static</type></mapping-entry></mapping-table>"
    )
    running = data(HELD.replace("<policy>", f"{table}<policy>", 1))
    removed = {change.key for change in DRIVER.render(wanted(ours=OURS), running, {}).changes}
    assert removed == set(OURS) - {INSTANCE}


# --- What it reads --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "more", "shown"),
    [
        ("192.0.2.0/28", "", parse_prefix("192.0.2.0/28").range),
        ("192.0.2.1/28", "", parse_prefix("192.0.2.0/28").range),
        ("192.0.2.1/32", restrict(3, 4), port_set(1, "192.0.2.1", 3, 4).prefix.range),
        ("192.0.2.0/28", restrict(3, 4), parse_prefix("192.0.2.0/28").range),
        ("192.0.2.1/32", restrict(16, 4), parse_prefix("192.0.2.1/32").range),
        ("192.0.2.1/32", restrict(0, 0), parse_prefix("192.0.2.1/32").range),
        (
            "192.0.2.1/32",
            "<port-set-restrict><start-port-number>1024</start-port-number></port-set-restrict>",
            parse_prefix("192.0.2.1/32").range,
        ),
        ("192.0.2.1", "", None),
        ("192.0.2.0/33", "", None),
        ("", "", None),
    ],
)
def test_external_pools_are_ranges(prefix: str, more: str, shown: object) -> None:
    seen = DRIVER.parse(data(nat(instance(1, "x", policy(2, pool(3, prefix), more=more)))))
    assert seen.ranges == (SeenRange(pool_key(1, 2, 3), shown),)  # type: ignore[arg-type]
    assert {found.key.path for found in seen.pools} == {"instance", "policy"}


def test_an_entry_without_its_key_is_the_devices_fault() -> None:
    with pytest.raises(ProtocolViolation, match="without its key id"):
        DRIVER.parse(data(nat("<instance><name>x</name></instance>")))


def statistics(*pools: tuple[int, str]) -> str:
    entries = "".join(
        f"<per-pool-stats><pool-id>{number}</pool-id>{inside}</per-pool-stats>" for number, inside in pools
    )
    return f"<statistics><pools-stats>{entries}</pools-stats></statistics>"


def counted(used: object, free: object = 10, ports: object = None) -> str:
    more = "" if ports is None else f"<port-stats><ports-allocated>{ports}</ports-allocated></port-stats>"
    return (
        f"<pool-stats><addresses-allocated>{used}</addresses-allocated><addresses-free>{free}</addresses-free>"
        f"</pool-stats>{more}"
    )


def test_addresses_in_use_are_counted() -> None:
    two = policy(1, pool(1, "192.0.2.0/28"), pool(2, "198.51.100.0/24"))
    read = DRIVER.parse_usage(
        data(
            nat(
                instance(
                    1, "x", two, more=statistics((1, counted(6)), (2, counted(0, 256, 0)), (9, counted(1)))
                )
            )
        )
    )
    assert read == (
        UsageReading(pool_key(1, 1, 1), UsageKind.COUNT, 6, 16),
        UsageReading(pool_key(1, 1, 2), UsageKind.COUNT, 0, 256),
    )


@pytest.mark.parametrize(
    "inside", ["", "<pool-stats/>", counted(-1), counted("NaN"), counted("1.5"), counted(0, 16, ports=7)]
)
def test_a_count_that_cannot_be_true_is_no_reading(inside: str) -> None:
    one = policy(1, pool(1, "192.0.2.0/28"))
    assert DRIVER.parse_usage(data(nat(instance(1, "x", one, more=statistics((1, inside)))))) == ()


def test_a_pool_id_that_stands_twice_has_no_reading() -> None:
    both = policy(1, pool(1, "192.0.2.0/28")) + policy(2, pool(1, "198.51.100.0/24"))
    assert DRIVER.parse_usage(data(nat(instance(1, "x", both, more=statistics((1, counted(6))))))) == ()


# --- What it refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (WantedPool("cgn", (block(1, "2001:db8::/64"),)), r"b1 \(2001:db8::/64\) .* is IPv6"),
        (WantedPool("cgn", (block(1, "192.0.2.0/28", drained=True),)), "should drain"),
        (WantedPool("cgn", (port_set(1, "192.0.2.1", 3, 16),)), "port-set id of 16 bits"),
        (WantedPool("cgn", (B1,), Gateway(GatewayKind.FIRST)), "a gateway"),
        (WantedPool("cgn", (B1,), services=("dns",)), "services"),
        (WantedPool("cgn", (B1,), access="pppoe"), "access 'pppoe'"),
        (WantedPool("cgn", (B1,), network_instance="red"), "network instance 'red'"),
        (WantedPool("cgn", (B1,), announcement=Announcement.STATIC_DISCARD), "'driver-static-discard'"),
    ],
)
def test_what_the_model_has_no_words_for_is_refused_with_what_to_do(asked: WantedPool, words: str) -> None:
    with pytest.raises(NotSupported, match=words) as caught:
        DRIVER.render(wanted(asked), data(""), {})
    assert caught.value.remedy


def test_among_several_policies_of_others_one_must_be_named() -> None:
    running = data(nat(instance(4, "cgn", policy(7), policy(9))))
    with pytest.raises(NotSupported, match="has the policies 7, 9") as caught:
        DRIVER.render(wanted(WantedPool("cgn", (B1,))), running, {})
    assert "'cgn/POLICY'" in caught.value.remedy


def test_usage_marks_are_not_written_on_the_policy_of_others() -> None:
    with pytest.raises(NotSupported, match="usage marks on NAT policy 4/7, which is not ours"):
        DRIVER.render(wanted(WantedPool("cgn", (B1,), usage_high=80)), data(BY_HAND), {})


def test_two_instances_of_one_name_are_not_guessed_between() -> None:
    with pytest.raises(InvalidValue, match="instances 1, 2 are all called 'cgn'"):
        DRIVER.render(wanted(WantedPool("cgn", (B1,))), data(nat(instance(1, "cgn"), instance(2, "cgn"))), {})


def test_two_blocks_never_share_a_pool() -> None:
    pools = WantedPool("cgn", (HOME, block(9, "198.51.100.0/24", key=pool_key(1, 1, 1))))
    with pytest.raises(InvalidValue, match="claimed twice"):
        DRIVER.render(wanted(pools), data(HELD), {})


def test_a_block_number_that_no_id_can_hold_gets_the_lowest_free_one() -> None:
    edit = DRIVER.render(
        wanted(
            WantedPool(
                "cgn",
                (HOME, block(2**32, "198.51.100.0/24")),
            ),
            ours=OURS[:3],
        ),
        data(HELD),
        {},
    )
    assert [change.key for change in edit.changes] == [pool_key(1, 1, 3)]


# --- Blocks that come and go ----------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[WantedPool, ...]]:
    """Whole blocks of two device pools, and port sets of a third, in any order."""
    homes = {n: draw(st.sampled_from(["cgn", "new", "map"])) for n in range(1, 7)}

    def made(n: int) -> WantedBlock:
        if homes[n] == "map":
            return port_set(n, "203.0.114.1", n, 4)
        return block(n, f"100.64.{n}.0/24")

    states = draw(st.lists(st.frozensets(st.sampled_from(sorted(homes))), min_size=1, max_size=4))
    return [
        tuple(
            WantedPool(
                name,
                tuple(made(n) for n in sorted(state) if homes[n] == name),
                psid_offset=6 if name == "map" else None,
            )
            for name in sorted(set(homes.values()))
        )
        for state in states
    ]


@settings(max_examples=40, deadline=None)
@given(histories(), st.sampled_from(["", BY_HAND]))
def test_blocks_come_and_go_in_any_order(states: list[tuple[WantedPool, ...]], start: str) -> None:
    bench().run(states, start)
