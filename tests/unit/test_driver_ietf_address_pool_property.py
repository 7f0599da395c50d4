"""Whatever is on a device, an edit of ietf-address-pool leaves what is wanted and all that is not ours.

Edits are applied here by a second, strict reading of RFC 6241 (7.2): a node that only leads the way must
be there, `create` must not meet a node and `delete` must.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.drivers.ietf_address_pool import DRIVER
from casm_ctrl.drivers.interface import (
    Action,
    Edit,
    Element,
    Gateway,
    GatewayKind,
    GenerationMark,
    ObjectKey,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.netconf.datastores.edit import apply_edit
from casm_ctrl.yang.engine import engine_for, forest
from casm_ctrl.yang.schema import load_schema

NS = "{urn:ietf:params:xml:ns:yang:ietf-address-pool}"
OPERATION = "{urn:ietf:params:xml:ns:netconf:base:1.0}operation"
MODULES = ("ietf-address-pool", "casm-address-pool-ext")
STORE = "k3f9qa"
NAMES = ("internet", "iptv", "a<b>&\"'")
KEYS = {
    f"{NS}address-pool": f"{NS}address-pool-name",
    f"{NS}address-pool-service": f"{NS}service-name",
    f"{NS}ipv4-address-range": f"{NS}ipv4-address-range-name",
    f"{NS}ipv6-prefix": f"{NS}ipv6-prefix-name",
}


# --- The edit applied -----------------------------------------------------------------------------


def apply_strictly(running: Element, edit: Edit, *, drop_empty: bool) -> Element:
    """`running` after `edit` under default-operation none; `drop_empty`: the server drops empty containers."""
    result = deepcopy(running)
    for node in edit.config:
        _apply(result, node, "none")
    if drop_empty:
        for tag in (f"{NS}address-pool-entries", f"{NS}address-pools"):
            for container in list(result.iter(tag)):
                parent = container.getparent()
                if not len(container) and parent is not None:
                    parent.remove(container)
    return result


def _apply(parent: Element, node: Element, inherited: str) -> None:
    operation = node.get(OPERATION) or inherited
    key = _key(node)
    found = [child for child in parent if child.tag == node.tag and _key(child) == key]
    assert len(found) <= 1
    if operation == "delete":
        assert found, f"data-missing: {node.tag} {key}"
        parent.remove(found[0])
        return
    assert operation in ("none", "merge", "create")
    if operation == "create":
        assert not found, f"data-exists: {node.tag} {key}"
    if operation == "none":
        assert found, f"data-missing: {node.tag} {key}"
    here = found[0] if found else etree.SubElement(parent, node.tag)
    if not len(node):
        if operation != "none":
            here.text = node.text
        return
    for child in node:
        if key is not None and child.tag == KEYS[node.tag]:
            if not found:
                etree.SubElement(here, child.tag).text = child.text
            continue
        _apply(here, child, operation)


def _key(node: Element) -> str | None:
    """A list entry's key; None for a container or leaf (the leaf ipv6-prefix has its list's name)."""
    return node.findtext(KEYS[node.tag]) if node.tag in KEYS and len(node) else None


# --- Devices and wishes ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A device as we left it, what people did to it since, and what is wanted now."""

    before: Wanted
    by_hand: tuple[str, ...]
    after: Wanted
    drop_empty: bool


HANDS = (
    "foreign range",
    "foreign pool",
    "foreign pool of a wanted name",
    "threshold",
    "lifetime",
    "domain",
    "service",
    "upper",
    "drain",
    "entry gone",
    "pool gone",
)


def _prefix(number: int) -> Prefix:
    if number % 3:
        return Prefix(Family.IPV4, (10 << 24) + (number << 8), 24)
    return Prefix(Family.IPV6, (0x20010DB8 << 96) + (number << 72), 56)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    home = {number: draw(st.sampled_from(NAMES)) for number in range(1, 9)}
    gateway = draw(st.sampled_from([Gateway(GatewayKind.FIRST), Gateway(GatewayKind.NONE)]))
    services = draw(st.sampled_from([(), ("any",), ("any", "x&y")]))

    def wanted(generation: int) -> Wanted:
        numbers = draw(st.sets(st.sampled_from(sorted(home))))
        drained = draw(st.sets(st.sampled_from(sorted(home)), max_size=2))
        pools = tuple(
            WantedPool(
                name,
                tuple(WantedBlock(n, _prefix(n), n in drained) for n in sorted(numbers) if home[n] == name),
                gateway,
                services,
                "pppoe",
            )
            for name in NAMES
        )
        return Wanted(STORE, generation, pools, frozenset())

    return Scene(
        wanted(1), tuple(draw(st.lists(st.sampled_from(HANDS), unique=True))), wanted(2), draw(st.booleans())
    )


def render(wanted: Wanted, running: Element) -> Edit:
    edit = DRIVER.render(wanted, running, dict.fromkeys(MODULES))
    engine_for(*MODULES).validate(forest(edit.config), what="edit")
    return edit


def keys_of(edit: Edit, action: Action) -> frozenset[ObjectKey]:
    return frozenset(change.key for change in edit.changes if change.action is action)


def _leaf(parent: Element, name: str, text: str, at: int | None = None) -> None:
    leaf = etree.Element(NS + name)
    leaf.text = text
    parent.insert(len(parent) if at is None else at, leaf)


def _entry(entries: Element, name: str, third: int) -> None:
    entry = etree.Element(f"{NS}ipv4-address-range")
    _leaf(entry, "ipv4-address-range-name", name)
    _leaf(entry, "ip-lower-address", f"203.0.{third}.10")
    _leaf(entry, "ip-upper-address", f"203.0.{third}.99")
    entries.insert(0, entry)


def _pool(top: Element, name: str) -> None:
    pool = etree.SubElement(top, f"{NS}address-pool")
    _leaf(pool, "address-pool-name", name)
    _leaf(pool, "device-id", "theirs")


def meddle(running: Element, by_hand: tuple[str, ...]) -> None:
    """Do to the configuration what people do: to the first pool and the first entry that there is."""
    top = running.find(f"{NS}address-pools")
    if top is None:
        top = etree.SubElement(running, f"{NS}address-pools")
    pool, entries = top.find(f"{NS}address-pool"), running.find(f".//{NS}address-pool-entries")
    entry = entries[0] if entries is not None and len(entries) else None
    if entry is not None and entries is not None:
        if "lifetime" in by_hand:
            _leaf(entry, "lifetime", "2030-01-01T00:00:00Z")
        upper = entry.find(f"{NS}ip-upper-address")
        if "upper" in by_hand and upper is not None:
            upper.text = "10.0.0.99"
        drain = entry.find("{*}drain")
        if "drain" in by_hand and drain is not None:
            drain.text = "false"
        if "entry gone" in by_hand:
            entries.remove(entry)
        if "threshold" in by_hand:
            _leaf(entries, "warning-threshold-v4", "80")
        if "foreign range" in by_hand:
            _entry(entries, "by-hand", 113)
    if pool is not None:
        if "domain" in by_hand:
            _leaf(pool, "domain-name", "isp.example", at=1)
        if "service" in by_hand:
            service = etree.Element(f"{NS}address-pool-service")
            _leaf(service, "service-name", "iptv")
            pool.insert(2, service)
        if "pool gone" in by_hand:
            top.remove(pool)
    present = {found.findtext(KEYS[found.tag]) for found in top}
    if "foreign pool" in by_hand:
        _pool(top, "theirs")
        entries = etree.SubElement(top[-1], f"{NS}address-pool-entries")
        _entry(entries, "casm-zzzzzz-b1", 114)
    if "foreign pool of a wanted name" in by_hand and "iptv" not in present:
        _pool(top, "iptv")


def foreign(running: Element, ours: frozenset[ObjectKey], services: set[str]) -> list[tuple[str, bytes]]:
    """Every node in a pool that we did not write, with its bytes: to be equal before and after."""
    written = {"address-pool-name", "device-id"}
    found: list[tuple[str, bytes]] = []
    for pool in running.iter(f"{NS}address-pool"):
        name = pool.findtext(f"{NS}address-pool-name") or ""
        pool_is_ours = ObjectKey("address-pool", (name,)) in ours
        for node in (*pool, *pool.iterfind(f"{NS}address-pool-entries/*")):
            local = etree.QName(node).localname
            key = _key(node)
            if local == "address-pool-entries" or (key and ObjectKey(local, (name, key)) in ours):
                continue
            if pool_is_ours and (key in services if key else local in written):
                continue
            found.append(
                (f"{name}/{local}", etree.tostring(node, method="c14n", exclusive=True, with_tail=False))
            )
    return sorted(found)


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_an_edit_makes_what_is_wanted_and_leaves_what_is_not_ours(scene: Scene) -> None:
    first = render(scene.before, etree.fromstring("<data/>"))
    running = apply_strictly(etree.fromstring("<data/>"), first, drop_empty=scene.drop_empty)
    ours = keys_of(first, Action.ADD)
    meddle(running, scene.by_hand)
    if "pool gone" in scene.by_hand and "foreign pool of a wanted name" in scene.by_hand:
        # A stranger's pool under the name of one that was ours: sync has let go of the name.
        ours -= {ObjectKey("address-pool", ("iptv",))}
    after = replace(scene.after, ours=ours)

    edit = render(after, running)
    result = apply_strictly(running, edit, drop_empty=scene.drop_empty)
    engine_for(*MODULES).validate(forest(result), what="config")
    _assert_our_server_agrees(running, edit)
    now = (ours | keys_of(edit, Action.ADD)) - keys_of(edit, Action.REMOVE)

    seen = {found.key: found for found in DRIVER.parse(result).ranges}
    wanted = {
        f"casm-{STORE}-b{block.number}": (pool.name, block) for pool in after.pools for block in pool.blocks
    }
    assert {key.keys[1] for key in seen if key.keys[1].startswith(f"casm-{STORE}-")} == set(wanted)
    for key, found in seen.items():
        if key.keys[1] in wanted:
            name, block = wanted[key.keys[1]]
            assert (key.keys[0], found.range, found.drained) == (name, block.prefix.range, block.drained)

    services = {service for pool in after.pools for service in pool.services}
    assert foreign(running, ours, services) == foreign(result, now | ours, services)
    _assert_hand_leaves_stayed(running, result)
    _assert_generations(edit, result, after)

    again = render(replace(after, ours=now, generation=3), result)
    assert again == Edit((), ())


def _assert_hand_leaves_stayed(running: Element, result: Element) -> None:
    """A lifetime that somebody gave to an entry of ours is there as long as the entry is."""
    kept = {name.text for name in result.iter(f"{NS}ipv4-address-range-name", f"{NS}ipv6-prefix-name")}
    for lifetime in running.iter(f"{NS}lifetime"):
        entry = lifetime.getparent()
        assert entry is not None
        if entry[0].text in kept:
            found = [
                node[0].text for node in result.iter(entry.tag) if node.find(f"{NS}lifetime") is not None
            ]
            assert found == [entry[0].text]


def _assert_our_server_agrees(running: Element, edit: Edit) -> None:
    """The server's own edit-config makes the same of the edit, up to the order of siblings."""
    config = etree.Element("config")
    config.extend(deepcopy(edit.config))
    served = apply_edit(running, config, load_schema(MODULES), "none")
    assert _leaves(served) == _leaves(apply_strictly(running, edit, drop_empty=False))


def _leaves(data: Element) -> list[tuple[str, str]]:
    """Every leaf of the pools by its path, with list keys in it."""
    found: list[tuple[str, str]] = []

    def walk(node: Element, path: str) -> None:
        for child in node:
            step = f"{path}/{etree.QName(child).localname}[{_key(child)}]"
            if len(child):
                walk(child, step)
            elif child.text:
                found.append((step, child.text))

    walk(data, "")
    return sorted(found)


def _assert_generations(edit: Edit, result: Element, wanted: Wanted) -> None:
    """The pools of ours that the edit touched, and no others, carry its generation."""
    mark = GenerationMark(wanted.store, wanted.generation)
    touched = {
        change.key
        for change in edit.changes
        if change.key.path == "address-pool" and change.action is not Action.REMOVE
    }
    assert {pool.key for pool in DRIVER.parse(result).pools if pool.generation == mark} == touched
