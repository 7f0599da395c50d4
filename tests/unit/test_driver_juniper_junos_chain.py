"""The order of linked pools: whatever a device shows, each of ours is reached once, and no link leads back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from casm_ctrl.base.errors import InUse
from casm_ctrl.drivers.juniper_junos_chain import Links, check_removed, order

OURS = ("head", "b2", "b3", "b4", "b5")
OTHERS = ("x", "y", "z")
NAMES = (*OURS, *OTHERS)


def linked(*names: str, ours: tuple[str, ...] = OURS) -> Links:
    return Links({**dict(pairwise(names)), names[-1]: None}, ours)


def test_what_stands_keeps_its_order_and_what_is_new_comes_last() -> None:
    assert order("head", ["head", "b2", "b3", "b4"], linked("head", "b3", "b2")) == ["head", "b3", "b2", "b4"]


def test_a_chain_closes_where_one_leaves() -> None:
    assert order("head", ["head", "b3"], linked("head", "b2", "b3")) == ["head", "b3"]


def test_somebody_elses_pools_keep_their_places() -> None:
    members = ["head", "b2", "b3"]
    assert order("head", members, linked("head", "x", "b2", "y")) == ["head", "x", "b2", "b3", "y"]


def test_a_pool_of_another_chain_ends_this_one() -> None:
    assert order("head", ["head"], linked("head", "b2", "b3"), others={"b2", "b3"}) == ["head"]


def test_a_link_from_another_chain_of_ours_is_taken_away_there() -> None:
    links = Links({"head": None, "b2": "head", "b3": "x", "x": None}, OURS)
    assert order("head", ["head"], links, others={"b2", "b3"}) == ["head"]
    assert order("b2", ["b2", "b3"], links, others={"head"}) == ["b2", "b3"]


def test_somebody_may_link_to_the_first_pool_only() -> None:
    assert order("head", ["head", "b2"], linked("x", "head", "b2")) == ["head", "b2"]
    with pytest.raises(InUse, match="'x', which somebody else configured, links to 'b2'"):
        order("head", ["head", "b2"], Links({"head": None, "x": "b2", "b2": None}, OURS))


def test_a_pool_that_somebody_links_to_cannot_leave() -> None:
    links = linked("head", "x", "b2", "b3")
    with pytest.raises(InUse, match="goes on otherwise"):
        order("head", ["head", "b3"], links)
    with pytest.raises(InUse, match="'b2' should go"):
        check_removed({"b2"}, links)


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(st.sampled_from(NAMES), st.none() | st.sampled_from((*NAMES, "nowhere"))),
    st.lists(st.sampled_from(OURS[1:]), unique=True),
    st.sets(st.sampled_from(OURS[1:])),
)
def test_each_pool_of_ours_is_reached_once(
    links: dict[str, str | None], rest: list[str], others: set[str]
) -> None:
    members = ["head", *(name for name in rest if name not in others)]
    device = Links(links, OURS)
    gone = {name for name in OURS if name in links} - {*members, *others}
    try:
        check_removed(gone, device)
        chain = order("head", members, device, others)
    except InUse:
        assume(False)
    assert chain[0] == "head"
    assert len(chain) == len(set(chain))
    assert set(chain) & set(OURS) == set(members)
    after = {name: link for name, link in links.items() if name not in gone} | {
        name: following for name, following in zip(chain, [*chain[1:], None], strict=True) if name in members
    }
    assert Links(after, OURS).walk("head", stop=others)[: len(chain)] == chain, (
        "the device follows these links"
    )
    into = [target for name, target in after.items() if target in chain[1:] and name not in others]
    assert len(into) == len(set(into)), (
        "no pool is linked from two; what other chains link to, they say themselves"
    )
    assert not {name for name, target in after.items() if target == "head"} & set(chain), "no link leads back"
    assert order("head", members, Links(after, OURS), others) == chain, "the next edit finds nothing to do"
