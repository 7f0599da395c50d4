"""The driver huawei-vrp with blocks that come and go in any order."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.drivers.huawei_vrp import DRIVER
from casm_ctrl.drivers.interface import (
    BlockMark,
    ObjectKey,
    Wanted,
    WantedBlock,
    WantedPool,
)
from tests.driver_cases import STORE, Bench, wanted
from tests.published import folder_of
from tests.vrp_xml import FIRST, IPV6, OTHERS, all6, data, pool4, pool6, pools4, prefix6

# --- Blocks that come and go ----------------------------------------------------------------------

NOTHING = etree.tostring(data()).decode().removeprefix("<data>").removesuffix("</data>")
FOREIGN = "".join(
    etree.tostring(child).decode()
    for child in data(
        pools4(
            pool4("legacy", "4 172.16.0.9 172.16.0.99", gateway="172.16.0.1/255.255.0.0", more="<lock/>"),
            pool4(OTHERS, "0 172.17.0.0 172.17.0.255", gateway="172.17.0.1/255.255.255.0"),
            groups="<pool-group><name>net</name><bind-pools><pool-name>legacy</pool-name></bind-pools>"
            "</pool-group>",
        ),
        all6(
            prefix6("theirs", "2a00::/64") + prefix6(OTHERS, "2a01::/64"),
            pool6("pd", "theirs") + pool6(OTHERS, OTHERS, more="<lock/>"),
        ),
    )
)


@cache
def bench() -> Bench:
    modules = ("huawei-bras-ipv4-address-manage", "huawei-bras-ipv6-address-manage")
    return Bench(DRIVER, modules, folder_of("huawei-vrp"))


def _prefix(name: str, number: int) -> Prefix:
    if name in ("net", "voip"):
        return Prefix(Family.IPV4, (10 << 24) + (number << 8), 24)
    return Prefix(Family.IPV6, (0x20010DB8 << 96) + (number << 80), 48)


def _pool(name: str, drained: dict[int, bool]) -> WantedPool:
    blocks = tuple(WantedBlock(n, _prefix(name, n), drained[n]) for n in drained)
    if name in ("net", "voip"):
        return WantedPool(name, blocks, FIRST)
    return WantedPool(name, blocks, delegated_length=56 if name == "pd" else None)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[WantedPool, ...]]:
    homes = {n: draw(st.sampled_from(["net", "voip", "net6", "pd"])) for n in range(1, 9)}
    wish = st.dictionaries(st.sampled_from(sorted(homes)), st.booleans())
    return [
        tuple(
            _pool(name, {n: drained for n, drained in state.items() if homes[n] == name})
            for name in sorted(set(homes.values()))
        )
        for state in draw(st.lists(wish, min_size=1, max_size=5))
    ]


@settings(max_examples=40, deadline=None)
@given(histories(), st.sampled_from([NOTHING, FOREIGN]))
def test_blocks_come_and_go_in_any_order(states: list[tuple[WantedPool, ...]], start: str) -> None:
    bench().run(states, start)


def test_a_pool_keeps_its_name_as_long_as_its_block() -> None:
    """The block that has the name of the device pool keeps it when blocks with lower numbers come."""
    running, ours = data(), frozenset[ObjectKey]()
    for generation, numbers in enumerate([(5,), (5, 2), (5, 2, 1), (2, 1)], start=1):
        asked = _pool("net6", dict.fromkeys(numbers, False))
        edit = DRIVER.render(Wanted(STORE, generation, (asked,), ours), running, {})
        ours |= {change.key for change in edit.changes}
        running = bench().apply(running, edit)
        named = {
            pool.findtext(f"{{{IPV6}}}name"): pool.findtext(f".//{{{IPV6}}}prefix-name")
            for pool in running.iter(f"{{{IPV6}}}ipv6-pool")
        }
        marks = {f"casm-{STORE}-b{n}" for n in numbers}
        assert set(named.values()) == marks
        assert named.get("net6") == (f"casm-{STORE}-b5" if 5 in numbers else None)


def test_hundreds_of_blocks_are_rendered_read_and_found_again() -> None:
    pools = (
        _pool("net", dict.fromkeys(range(1, 301), False)),
        _pool("pd", dict.fromkeys(range(301, 601), True)),
    )
    edit = DRIVER.render(wanted(*pools), data(), {})
    running = bench().apply(data(), edit)
    ours = tuple(change.key for change in edit.changes)
    assert DRIVER.render(wanted(*pools, ours=ours, generation=8), running, {}).changes == ()
    marks = {seen.mark for seen in DRIVER.parse(running).ranges}
    assert marks == {BlockMark(STORE, n) for n in range(1, 601)}
