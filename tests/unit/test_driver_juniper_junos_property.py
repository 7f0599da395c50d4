"""Whatever is wanted of a Junos device one after the other, and whatever somebody does to it in between."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.base.errors import AlreadyExists, InUse, NotSupported
from casm_ctrl.drivers.interface import (
    Action,
    Element,
    Gateway,
    GatewayKind,
    ObjectKey,
    Seen,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.drivers.juniper_junos import DRIVER
from casm_ctrl.yang.engine import forest
from tests.driver_cases import STORE, Bench, keys_of, wanted
from tests.driver_sequences import Step, Wish, play, wishes
from tests.published import MODELS, folder_of

NS = "http://yang.juniper.net/junos/conf/access"
NOTHING = etree.fromstring("<data/>")


@cache
def bench() -> Bench:
    return Bench(DRIVER, MODELS["juniper-junos"], folder_of("juniper-junos"))


FOREIGN = etree.fromstring(
    '<data><configuration xmlns="http://yang.juniper.net/junos/conf/root">'
    f'<access xmlns="{NS}"><address-assignment>'
    "<pool><name>theirs</name><link>others</link><family><inet><network>203.0.113.0/24</network></inet></family></pool>"
    "<pool><name>others</name><family><inet><network>198.51.100.0/24</network></inet></family></pool>"
    "</address-assignment></access></configuration></data>"
)


def prefix(number: int) -> Prefix:
    if number % 3:
        return Prefix(Family.IPV4, (10 << 24) + (number << 8), 24)
    return Prefix(Family.IPV6, (0x20010DB8 << 96) + (number << 72), 56)


def pools(blocks: Sequence[WantedBlock]) -> tuple[WantedPool, ...]:
    families = ((Family.IPV4, "internet", GatewayKind.FIRST, None), (Family.IPV6, "pd", GatewayKind.NONE, 60))
    return tuple(
        WantedPool(
            name,
            tuple(one for one in blocks if one.prefix.family is family),
            Gateway(gateway),
            delegated_length=delegated,
        )
        for family, name, gateway, delegated in families
    )


def follow(data: Element, head: str) -> list[str]:
    """The pools from `head` on, as the device links them; it fails where a link leads back."""
    links = {
        entry.findtext(f"{{{NS}}}name"): entry.findtext(f"{{{NS}}}link")
        for entry in data.iter(f"{{{NS}}}pool")
    }
    chain: list[str] = []
    name = head if head in links else None
    while name is not None:
        assert name not in chain, "a link leads back"
        chain.append(name)
        name = links[name]
    return chain


def assert_chains(steps: Sequence[Step]) -> None:
    """Each pool of ours is reached from its head once, and nothing else is."""
    for step in steps:
        for one in step.wanted.pools:
            held = {step.keys[block.number].keys[0] for block in one.blocks}
            assert len(held) == len(one.blocks)
            assert set(follow(step.after, one.name)) == held


@settings(max_examples=50, deadline=None)
@given(wishes(range(1, 10), most=8), st.booleans())
def test_blocks_keep_their_objects_and_others_theirs(sequence: list[Wish], others: bool) -> None:
    steps = play(bench(), FOREIGN if others else NOTHING, sequence, pools, prefix, refusals=(NotSupported,))
    assert_chains(steps)


@dataclass(frozen=True)
class Hand:
    """What somebody does to the pools on the device: the pool with the number `which`, as many as there are."""

    what: str
    which: int
    other: int


HANDS = ("link", "unlink", "link nowhere", "delete", "network", "hold-down", "active-drain", "own pool")


def meddle(data: Element, hand: Hand) -> Element:
    """The configuration after it, as the device would take it: a link to what is not there stays."""
    after = deepcopy(data)
    found = list(after.iter(f"{{{NS}}}pool"))
    if not found:
        return after
    one, other = found[hand.which % len(found)], found[hand.other % len(found)]
    name = other.findtext(f"{{{NS}}}name") or ""
    leaf = one.find(f"{{{NS}}}link")
    if hand.what in ("link", "unlink", "link nowhere"):
        if leaf is not None:
            one.remove(leaf)
        if hand.what != "unlink":
            etree.SubElement(one, f"{{{NS}}}link").text = name if hand.what == "link" else "nowhere"
    elif hand.what == "delete":
        parent = one.getparent()
        assert parent is not None
        parent.remove(one)
    elif hand.what == "network":
        for network_leaf in one.iterfind(f"{{{NS}}}family/{{{NS}}}inet/{{{NS}}}network"):
            network_leaf.text = "203.0.113.128/25"
    elif hand.what == "own pool":
        parent = one.getparent()
        assert parent is not None
        theirs = etree.SubElement(parent, f"{{{NS}}}pool")
        taken = {entry.findtext(f"{{{NS}}}name") for entry in found}
        fresh = next(f"hand{n}" for n in range(len(taken) + 1) if f"hand{n}" not in taken)
        etree.SubElement(theirs, f"{{{NS}}}name").text = fresh
        etree.SubElement(theirs, f"{{{NS}}}link").text = name
    elif one.find(f"{{{NS}}}{hand.what}") is None:
        etree.SubElement(one, f"{{{NS}}}{hand.what}")
    return after


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from((1, 2, 4, 5, 7)), st.booleans()),
            st.lists(
                st.builds(Hand, st.sampled_from(HANDS), st.integers(0, 5), st.integers(0, 5)), max_size=2
            ),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_chains_are_whole_again_whatever_somebody_does_to_them(rounds: list[tuple[Wish, list[Hand]]]) -> None:
    """What a device shows no more is not ours any more, as the store has it after a read that proves."""
    running = NOTHING
    ours: frozenset[ObjectKey] = frozenset()
    keys: dict[int, ObjectKey] = {}
    for generation, (wish, hands) in enumerate(rounds, 1):
        blocks = [WantedBlock(n, prefix(n), drained, keys.get(n)) for n, drained in wish.items()]
        asked = Wanted(STORE, generation, pools(blocks), ours)
        try:
            edit = bench().render(asked, running)
        except (NotSupported, InUse, AlreadyExists):
            pass
        else:
            running = bench().apply(running, edit)
            bench().engine.validate(forest(running), what="config")
            ours = (ours | keys_of(edit, Action.ADD)) - keys_of(edit, Action.REMOVE)
            seen = {one.key: one for one in DRIVER.parse(running).ranges}
            keys |= {c.block: c.key for c in edit.changes if c.action is Action.ADD and c.block is not None}
            held = {keys[n].keys[0] for n in wish}
            assert [seen[keys[n]].range for n in wish] == [prefix(n).range for n in wish]
            assert len(held) == len(wish)
            mine = {key.keys[0] for key in ours if key.path == "pool"}
            assert [name for name in follow(running, "internet") if name in mine] == [
                name for name in follow(running, "internet") if name in held
            ]
            assert held <= set(follow(running, "internet")), "each pool of ours is reached"
        for hand in hands:
            running = meddle(running, hand)
        shown = DRIVER.parse(running)
        there = {one.key for one in shown.ranges} | {one.key for one in shown.pools} | set(shown.parts)
        ours &= there
        keys = {n: key for n, key in keys.items() if key in ours}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(range(1, 10)), unique=True))
def test_nothing_is_left_when_everything_went(numbers: list[int]) -> None:
    (*_, last) = play(bench(), NOTHING, [dict.fromkeys(numbers, False), {}], pools, prefix)
    assert DRIVER.parse(last.after) == Seen((), ())


def test_a_head_goes_from_block_to_block() -> None:
    steps = play(
        bench(),
        NOTHING,
        [
            {1: False, 2: False},
            {1: True, 2: False},
            {2: False, 4: False},
            {2: False, 4: True, 1: False},
            {2: False, 7: False},
        ],
        pools,
        prefix,
        refusals=(NotSupported,),
    )
    assert_chains(steps)
    heads = [next(n for n, key in step.keys.items() if key.keys[0] == "internet") for step in steps]
    assert heads == [1, 1, 4, 4, 7]


def test_thousands_of_blocks_are_read_and_compared() -> None:
    blocks = tuple(WantedBlock(n + 1, Prefix(Family.IPV4, (10 << 24) + (n << 8), 24)) for n in range(2_000))
    first = DRIVER.render(wanted(WantedPool("p", blocks)), NOTHING, {})
    running = etree.Element("data")
    running.extend(first.config)
    assert len(DRIVER.parse(running).ranges) == 2_000
    ours = frozenset(change.key for change in first.changes)
    again = Wanted(STORE, 2, (WantedPool("p", blocks),), ours)
    keys = {change.block: change.key for change in first.changes if change.block is not None}
    kept = tuple(WantedBlock(one.number, one.prefix, key=keys[one.number]) for one in blocks)
    assert DRIVER.render(Wanted(STORE, 2, (WantedPool("p", kept),), again.ours), running, {}).changes == ()
