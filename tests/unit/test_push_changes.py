"""Differences of two readings as YANG patches: applied to the one, they give the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.northbound.notifications.patches import Differ, weigh, write_patch
from casm_ctrl.yang.engine import engine_for
from casm_ctrl.yang.schema import load_schema

POOLS = "urn:casm:yang:casm-pools"
DIFFER = Differ(load_schema(("casm-pools",)), {POOLS: "casm-pools"})
PUSH = engine_for("ietf-yang-push")

Pools = dict[str, dict[str, str]]
_NAMES = st.sampled_from(("p1", "p2", "p3", "b.x", "a-b"))
_LEAVES = st.dictionaries(
    st.sampled_from(("free-addresses", "total-addresses")), st.integers(0, 3).map(str), max_size=2
)
_POOLS = st.dictionaries(_NAMES, _LEAVES, max_size=4)


def tree(pools: Pools) -> Element:
    root = etree.Element("selection")
    if pools:
        top = etree.SubElement(root, f"{{{POOLS}}}pools", nsmap={None: POOLS})  # type: ignore[dict-item]
        for name, leaves in pools.items():
            pool = etree.SubElement(top, f"{{{POOLS}}}pool")
            etree.SubElement(pool, f"{{{POOLS}}}name").text = name
            usage = etree.SubElement(pool, f"{{{POOLS}}}usage")
            for leaf, text in leaves.items():
                etree.SubElement(usage, f"{{{POOLS}}}{leaf}").text = text
    return root


def apply(pools: Pools, before: Element, after: Element) -> Pools:
    """`pools` with the changes that make `before` into `after`."""
    done = {name: dict(leaves) for name, leaves in pools.items()}
    for change in DIFFER.changes(before, after):
        path = change.target.split("/")[1:]
        if len(path) == 1:  # all pools
            done = {} if change.value is None else read(change.value)
            continue
        name = path[1].partition("=")[2]
        if len(path) == 2:
            if change.value is None:
                del done[name]
            else:
                done[name] = leaves_of(change.value)
        elif change.value is None:
            del done[name][path[3]]
        else:
            done[name][path[3]] = change.value.text or ""
    return done


def leaves_of(pool: Element) -> dict[str, str]:
    return {etree.QName(leaf).localname: leaf.text or "" for leaf in pool.iterfind(f"{{{POOLS}}}usage/*")}


def read(top: Element) -> Pools:
    return {pool.findtext(f"{{{POOLS}}}name") or "": leaves_of(pool) for pool in top}


@given(_POOLS, _POOLS)
def test_the_changes_make_the_one_into_the_other(before: Pools, after: Pools) -> None:
    assert apply(before, tree(before), tree(after)) == after


@given(_POOLS)
def test_the_same_has_no_changes(pools: Pools) -> None:
    assert DIFFER.changes(tree(pools), tree(dict(reversed(pools.items())))) == []


@given(_POOLS, _POOLS)
def test_a_patch_is_valid(before: Pools, after: Pools) -> None:
    told = write_patch(7, 1, DIFFER.changes(tree(before), tree(after)))
    envelope = (
        b'<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0">'
        b"<eventTime>2026-11-23T00:00:00Z</eventTime>" + etree.tostring(told) + b"</notification>"
    )
    PUSH.validate(envelope, what="notification")


def test_the_weight_is_that_of_the_text() -> None:
    assert weigh([etree.fromstring("<a>12</a>"), etree.fromstring("<b/>")]) == 13
