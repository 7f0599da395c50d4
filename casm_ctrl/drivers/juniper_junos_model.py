"""The data model junos-conf-access: address-assignment pools, their names, and the addresses that they hold.

A pool has one family and one network, and may link to another pool, in which the device looks on when it has
no address left. The macro `casm` of a pool, which Junos keeps and does not read, holds what we note there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

from casm_ctrl.addressing.prefix import Family, Range
from casm_ctrl.drivers.elements import add_leaf, list_entries, text_of
from casm_ctrl.drivers.interface import BlockMark, Element, GenerationMark, ObjectKey, SeenStatic
from casm_ctrl.drivers.objects import Kind, Model, Step, objects
from casm_ctrl.drivers.values import canonical_address, canonical_network, extent_of, network_of, whole

ROOT_MODULE = "junos-conf-root"
ROOT_NAMESPACE = "http://yang.juniper.net/junos/conf/root"
MODULE = "junos-conf-access"
NAMESPACE = "http://yang.juniper.net/junos/conf/access"


def name(local: str) -> str:
    """`local` in the namespace of junos-conf-access."""
    return f"{{{NAMESPACE}}}{local}"


CONFIGURATION = f"{{{ROOT_NAMESPACE}}}configuration"
NAME = name("name")
HOLD_DOWN, ACTIVE_DRAIN = name("hold-down"), name("active-drain")
LINK = name("link")
FAMILY = name("family")
RANGE, LOW, HIGH, LENGTH = name("range"), name("low"), name("high"), name("prefix-length")
DHCP_ATTRIBUTES, XAUTH_ATTRIBUTES = name("dhcp-attributes"), name("xauth-attributes")
ROUTER_LIST, EXCLUDED_LIST = name("router"), name("excluded-address")
EXCLUDED_RANGE, HOST = name("excluded-range"), name("host")
_HOST_ADDRESS = name("ip-address")
_MACRO, _DATA, _VALUE = name("apply-macro"), name("data"), name("value")
_OUR_MACRO = "casm"

INET: Mapping[Family, str] = MappingProxyType({Family.IPV4: name("inet"), Family.IPV6: name("inet6")})
NETWORK: Mapping[Family, str] = MappingProxyType({Family.IPV4: name("network"), Family.IPV6: name("prefix")})

POOL = Kind(
    "pool",
    (
        Step(CONFIGURATION),
        Step(name("access")),
        Step(name("address-assignment")),
        Step(name("pool"), (NAME,)),
    ),
)
ROUTER = Kind(
    "router",
    (
        *POOL.steps,
        Step(FAMILY),
        Step(INET[Family.IPV4]),
        Step(DHCP_ATTRIBUTES),
        Step(ROUTER_LIST, (NAME,)),
    ),
)
EXCLUDED = {
    family: Kind(
        f"{'inet' if family is Family.IPV4 else 'inet6'}-excluded-address",
        (*POOL.steps, Step(FAMILY), Step(INET[family]), Step(EXCLUDED_LIST, (NAME,))),
    )
    for family in INET
}
PARTS = (ROUTER, *EXCLUDED.values())


def canonical(tag: str, text: str) -> str:
    """Networks and addresses by value."""
    if tag in NETWORK.values():
        return canonical_network(text)
    if tag in (LOW, HIGH):
        return canonical_network(text) if "/" in text else canonical_address(text)
    return text.strip()


MODEL = Model(
    (POOL, *PARTS),
    lists={RANGE: (NAME,), _MACRO: (NAME,), _DATA: (NAME,)},
    drains=frozenset({HOLD_DOWN, ACTIVE_DRAIN}),
    canonical=canonical,
)


NETWORK_PATH = "network"
"""What a block is called: a pool and the network in it, so that two blocks that follow one another in a pool
are two objects."""


def network_key(pool: str, network: str) -> ObjectKey:
    return ObjectKey(NETWORK_PATH, (pool, network))


# --- Read -----------------------------------------------------------------------------------------


def pools(data: Element) -> dict[str, Element]:
    """The pools of `data` by name, in the order of the document."""
    return {found.keys[0]: entry for found, entry in objects(data, POOL)}


def link_of(pool: Element) -> str | None:
    leaf = pool.find(LINK)
    return None if leaf is None else text_of(leaf).strip() or None


def family_of(pool: Element) -> Family | None:
    """None where the pool has no family yet."""
    inside = pool.find(FAMILY)
    return next(
        (family for family, tag in INET.items() if inside is not None and inside.find(tag) is not None), None
    )


def inside(pool: Element) -> Element | None:
    """The container `inet` or `inet6` of a pool."""
    family = family_of(pool)
    return None if family is None else pool.find(f"{FAMILY}/{INET[family]}")


def network_text(pool: Element) -> str | None:
    """A pool's network in its canonical form; None where it has none."""
    family = family_of(pool)
    leaf = None if family is None else pool.find(f"{FAMILY}/{INET[family]}/{NETWORK[family]}")
    return None if leaf is None else canonical_network(text_of(leaf))


def extent(pool: Element) -> Range | None:
    """The addresses of a pool's network; None where it has none, or one of the wrong family."""
    found = network_of(network_text(pool))
    return found if found is not None and found.family is family_of(pool) else None


def is_drained(pool: Element) -> bool:
    """Held down, or drained actively, which is more: nothing new is given out."""
    return pool.find(HOLD_DOWN) is not None or pool.find(ACTIVE_DRAIN) is not None


def is_inactive(pool: Element) -> bool:
    """Junos keeps what was deactivated, and does as if it were not there."""
    return pool.get("inactive") == "inactive"


def ranges(pool: Element) -> dict[str, Element]:
    """The named ranges of a pool."""
    container = inside(pool)
    return {} if container is None else dict(list_entries(container, RANGE, NAME))


def delegated_length(entry: Element) -> int | None:
    """The length of the prefixes that a named range gives out; None for addresses."""
    leaf = entry.find(LENGTH)
    return None if leaf is None else whole(text_of(leaf))


def dependents(name: str, pool: Element, ours: Collection[ObjectKey]) -> Iterator[str]:
    """What somebody else put into a pool for the sake of its network: `host h`, `router 192.0.2.1`."""
    container = inside(pool)
    if container is None:
        return
    places = [(container, tag) for tag in (HOST, EXCLUDED_RANGE, EXCLUDED_LIST)]
    places += [(found, ROUTER_LIST) for found in container.iterchildren(DHCP_ATTRIBUTES)]
    for parent, tag in places:
        for label, _ in list_entries(parent, tag, NAME):
            if not any(k.steps[-1].tag == tag and k.key(name, label.strip()) in ours for k in PARTS):
                yield f"{tag.rpartition('}')[2]} {label.strip()}"


def hosts(name: str, pool: Element) -> Iterator[SeenStatic]:
    """The addresses of a pool that one host each has for ever."""
    container = inside(pool)
    for label, entry in () if container is None else list_entries(container, HOST, NAME):
        leaf = entry.find(_HOST_ADDRESS)
        text = None if leaf is None else text_of(leaf).partition("/")[0]
        span = extent_of(text, text)
        if span is not None:
            yield SeenStatic(ObjectKey("host", (name, label.strip())), next(span.prefixes()))


# --- Our notes on a pool --------------------------------------------------------------------------


def notes(pool: Element) -> dict[str, str]:
    """What the macro `casm` of a pool says: `block` and `generation`, where they are noted."""
    found = {}
    for macro, entry in list_entries(pool, _MACRO, NAME):
        if macro == _OUR_MACRO:
            for what, data in list_entries(entry, _DATA, NAME):
                value = data.find(_VALUE)
                found[what] = "" if value is None else text_of(value).strip()
    return found


def mark_of(pool: str, entry: Element) -> BlockMark | None:
    """Which block a pool serves: by its name, or by our note on it."""
    return BlockMark.parse(pool) or BlockMark.parse(notes(entry).get("block", ""))


def generation_of(entry: Element) -> GenerationMark | None:
    return GenerationMark.parse(notes(entry).get("generation", ""))


def add_notes(pool: Element, values: Mapping[str, str]) -> None:
    """Note `values` on a pool; others that are there stay."""
    macro = pool.makeelement(_MACRO)
    pool.append(macro)
    add_leaf(macro, NAME, _OUR_MACRO)
    for what, value in values.items():
        data = macro.makeelement(_DATA)
        macro.append(data)
        add_leaf(data, NAME, what)
        add_leaf(data, _VALUE, value)
