"""Static routes to nowhere (RFC 8349), for any driver whose devices have them: announcement `driver-static-discard`.

The device's routing protocols announce what a static route names. The route to a block is in one edit with the
block, so that both appear and go at once. It carries the block's mark as its description; everybody else's routes are
left alone. RFC 8349 has no tag for a route, and puts static routes into the default network instance only.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from lxml import etree

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.clock import Micros
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.drivers.elements import add_leaf, text_of, top_element
from casm_ctrl.drivers.interface import (
    Abilities,
    Announcement,
    BlockMark,
    Driver,
    Edit,
    Element,
    ModuleNeed,
    ObjectKey,
    Quirk,
    Seen,
    SeenRoute,
    UsageReading,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.drivers.notices import (
    PoolUsage,
    Subscription,
    TellsStart,
    TellsUsage,
    UsageFault,
    UsageNotice,
    Watched,
    faults_of,
    pool_usage_of,
)
from casm_ctrl.drivers.object_edit import ObjectEdit
from casm_ctrl.drivers.objects import Kind, Model, Step, objects
from casm_ctrl.drivers.refusal import cannot_block, cannot_pool
from casm_ctrl.drivers.values import canonical_network, network_of

ROUTING = "ietf-routing"
NAMESPACE = f"urn:ietf:params:xml:ns:yang:{ROUTING}"
UNICAST = {Family.IPV4: "ietf-ipv4-unicast-routing", Family.IPV6: "ietf-ipv6-unicast-routing"}
REVISION = "2018-03-13"
NEEDS = tuple(
    ModuleNeed(name, f"urn:ietf:params:xml:ns:yang:{name}", REVISION) for name in (ROUTING, *UNICAST.values())
)

_NEW = "casm"
"""The name of the static protocol that is made where a device has none."""

_STATIC = "static"
"""The identity, as keys of objects have it; devices write it with a prefix of their own."""


def _q(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


_TOP, _PROTOCOLS, _ENTRY = _q("routing"), _q("control-plane-protocols"), _q("control-plane-protocol")
_TYPE, _NAME, _ROUTES = _q("type"), _q("name"), _q("static-routes")
_PATH = (Step(_TOP), Step(_PROTOCOLS), Step(_ENTRY, (_TYPE, _NAME)))


def _own(family: Family, name: str) -> str:
    return f"{{urn:ietf:params:xml:ns:yang:{UNICAST[family]}}}{name}"


def _kind(family: Family) -> Kind:
    number = f"ipv{family.number}"
    route = Step(_own(family, "route"), (_own(family, "destination-prefix"),))
    return Kind(f"{number}-static-route", (*_PATH, Step(_ROUTES), Step(_own(family, number)), route))


PROTOCOL = Kind("control-plane-protocol", _PATH, own=frozenset())
ROUTE = {family: _kind(family) for family in UNICAST}
MODEL = Model((PROTOCOL, *ROUTE.values()))
_MODEL_NAME = "RFC 8349"


class WithStaticRoutes:
    """Another driver, and static routes for its device pools where a device has them. Stateless as it is.

    For drivers that ask usage from state data (not `AsksUsage`).
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @property
    def name(self) -> str:
        return self._driver.name

    @property
    def roles(self) -> frozenset[str]:
        return self._driver.roles

    @property
    def needs(self) -> tuple[ModuleNeed, ...]:
        return self._driver.needs

    @property
    def optional(self) -> tuple[ModuleNeed, ...]:
        return (*self._driver.optional, *NEEDS)

    @property
    def quirks(self) -> tuple[Quirk, ...]:
        return self._driver.quirks

    def abilities(self, modules: Mapping[str, str | None]) -> Abilities:
        return replace(self._driver.abilities(modules), static_routes=bool(routing_modules(modules)))

    def modules(self, announced: Mapping[str, str | None]) -> tuple[str, ...]:
        return (*self._driver.modules(announced), *routing_modules(announced))

    def config_filter(self) -> tuple[Element, ...]:
        return self._driver.config_filter()

    def optional_filter(self, announced: Mapping[str, str | None]) -> tuple[Element, ...]:
        """The static routes of a device that has them; of other protocols what they are called. What others add to
        a protocol that we made is not seen, and goes with it."""
        if not routing_modules(announced):
            return ()
        top = top_element(_TOP, NAMESPACE)
        entry = etree.SubElement(etree.SubElement(top, _PROTOCOLS), _ENTRY)
        for tag in (_TYPE, _NAME, _q("description"), _ROUTES):
            etree.SubElement(entry, tag)
        return (top,)

    def usage_filter(self) -> tuple[Element, ...]:
        return self._driver.usage_filter()

    def parse(self, data: Element) -> Seen:
        seen, plain = self._driver.parse(data), _canonical(data).data
        return replace(seen, routes=tuple(_routes(plain)), parts=(*seen.parts, *_protocols(plain)))

    def parse_usage(self, data: Element) -> tuple[UsageReading, ...]:
        return self._driver.parse_usage(data)

    # What the other driver's devices tell besides; nothing where it does not know of such.

    def subscriptions(self, announced: Mapping[str, str | None]) -> tuple[Subscription, ...]:
        return self._driver.subscriptions(announced) if isinstance(self._driver, TellsUsage) else ()

    def parse_notice(self, event: Element, watched: Collection[Watched]) -> tuple[UsageNotice, ...]:
        return self._driver.parse_notice(event, watched) if isinstance(self._driver, TellsUsage) else ()

    def parse_pools(self, data: Element) -> tuple[PoolUsage, ...]:
        return pool_usage_of(self._driver, data)

    def usage_faults(self, data: Element) -> tuple[UsageFault, ...]:
        return faults_of(self._driver, data)

    def started_at(self, data: Element) -> Micros | None:
        return self._driver.started_at(data) if isinstance(self._driver, TellsStart) else None

    def render(self, wanted: Wanted, running: Element, modules: Mapping[str, str | None]) -> Edit:
        """Both edits in one."""
        ours = frozenset(key for key in wanted.ours if key.path not in MODEL.by_path)
        rest = replace(wanted, pools=tuple(map(_without_routes, wanted.pools)), ours=ours)
        blocks = self._driver.render(rest, running, modules)
        routes = render_routes(wanted, running, modules)
        return Edit((*blocks.config, *routes.config), (*blocks.changes, *routes.changes))


def routing_modules(announced: Mapping[str, str | None]) -> tuple[str, ...]:
    """Those that a device has of the modules with static routes; none where it lacks what they stand on."""
    has = [
        need.name
        for need in NEEDS
        if need.name in announced and (announced[need.name] or REVISION) >= REVISION
    ]
    return tuple(has) if ROUTING in has and len(has) > 1 else ()


# --- Reading --------------------------------------------------------------------------------------


def _routes(plain: Element) -> Iterator[SeenRoute]:
    """Every static route, anybody's."""
    for family, kind in ROUTE.items():
        for key, entry in objects(plain, kind):
            yield SeenRoute(key, network_of(key.keys[-1]), _mark(family, entry))


def _protocols(plain: Element) -> list[ObjectKey]:
    """The static ones, anybody's."""
    return [key for key, _ in objects(plain, PROTOCOL) if key.keys[0] == _STATIC]


def _mark(family: Family, route: Element) -> BlockMark | None:
    leaf = route.find(_own(family, "description"))
    return None if leaf is None else BlockMark.parse(text_of(leaf).strip())


@dataclass(frozen=True)
class _Canonical:
    """What is read of routing, with its keys written one way. `written`: by tag and canonical text, the device's own
    leaf where it writes a key otherwise."""

    data: Element
    written: Mapping[tuple[str, str], Element]


def _canonical(data: Element) -> _Canonical:
    plain = etree.Element("data")
    written = {}
    for top in data.iterchildren(_TOP):
        twin = copy.deepcopy(top)
        # lxml forgets in a copy what the prefix of a text means: only the original tells.
        for leaf, there in zip(_key_leaves(twin), _key_leaves(top), strict=True):
            text = _canonical_key(there)
            if text != leaf.text:
                leaf.text = text
                written[leaf.tag, text] = there
        plain.append(twin)
    return _Canonical(plain, written)


def _key_leaves(data: Element) -> Iterator[Element]:
    """The keys that devices write in more ways than one."""
    prefixes = (_own(family, "destination-prefix") for family in ROUTE)
    for leaf in data.iter(_TYPE, *prefixes):
        parent = leaf.getparent()
        if leaf.tag != _TYPE or (parent is not None and parent.tag == _ENTRY):
            yield leaf


def _canonical_key(leaf: Element) -> str:
    text = text_of(leaf).strip()
    if leaf.tag != _TYPE:
        return canonical_network(text)
    prefix, _, identity = text.rpartition(":")
    # lxml forgets a prefix, of all, where it stands for the namespace of a node around it: that of the leaf itself.
    place = leaf.nsmap.get(prefix or None, NAMESPACE)
    # Some write the module's name in place of a prefix, as RFC 7951 does.
    return identity if identity == _STATIC and (place == NAMESPACE or prefix == ROUTING) else text


# --- Rendering ------------------------------------------------------------------------------------


def render_routes(wanted: Wanted, running: Element, modules: Mapping[str, str | None]) -> Edit:
    """The edit for the routes to the blocks of the pools that ask for them. NotSupported where the device has no
    such routes, or they cannot say what is asked."""
    canonical = _canonical(running)
    plain = canonical.data
    there = {
        key: mark for family, kind in ROUTE.items() for key, mark in _marks(family, objects(plain, kind))
    }
    pairs = [(pool, block) for pool in wanted.pools if _asks(pool) for block in pool.blocks]
    numbers = {block.number for _, block in pairs}
    marked = {
        key
        for key, mark in there.items()
        if mark is not None and mark.store == wanted.store and mark.block in numbers
    }
    ours = wanted.ours | marked
    edit = ObjectEdit(MODEL, replace(wanted, ours=ours), plain)
    for pool, block in pairs:
        _check(pool, block, modules)
    static = _protocols(plain)
    home, kept = static[0].keys[1] if static else _NEW, ours & there.keys()
    for _, block in sorted(pairs, key=lambda pair: (pair[1].prefix.family.number, pair[1].prefix.first)):
        kind, prefix = ROUTE[block.prefix.family], str(block.prefix)
        standing = (key.keys[1] for key in static if kind.key(_STATIC, key.keys[1], prefix) in kept)
        _put(edit, ours, static, next(standing, home), wanted.store, block)
    edit.remove_rest()
    made = edit.edit()
    return replace(made, config=tuple(_as_the_device_writes(top, canonical.written) for top in made.config))


def _marks(
    family: Family, routes: Iterable[tuple[ObjectKey, Element]]
) -> Iterator[tuple[ObjectKey, BlockMark | None]]:
    return ((key, _mark(family, entry)) for key, entry in routes)


def _put(
    edit: ObjectEdit,
    ours: frozenset[ObjectKey],
    static: list[ObjectKey],
    name: str,
    store: str,
    block: WantedBlock,
) -> None:
    """In the static protocol of that name."""
    family = block.prefix.family
    kind = ROUTE[family]
    protocol = PROTOCOL.key(_STATIC, name)
    if not edit.was_put(protocol) and (protocol not in static or protocol in ours):
        edit.put(protocol, PROTOCOL.entry(protocol))
    key = kind.key(_STATIC, name, str(block.prefix))
    entry = kind.entry(key)
    add_leaf(entry, _own(family, "description"), str(BlockMark(store, block.number)))
    hop = etree.SubElement(entry, _own(family, "next-hop"))
    add_leaf(hop, _own(family, "special-next-hop"), "blackhole")
    edit.put(key, entry, words=f"route to {block_id(block.number)}, to nowhere")


def _check(pool: WantedPool, block: WantedBlock, modules: Mapping[str, str | None]) -> None:
    if pool.network_instance is not None:
        raise cannot_pool(
            _MODEL_NAME,
            pool,
            f"static routes in network instance '{pool.network_instance}'",
            "announce them elsewhere: announcement external",
        )
    if pool.route_tag is not None:
        raise cannot_pool(
            _MODEL_NAME, pool, f"route tag {pool.route_tag}", "leave the tag out, or announce them elsewhere"
        )
    if block.prefix.family is Family.PORTS:
        raise cannot_block(
            _MODEL_NAME,
            pool,
            block,
            "is a port set with a route of its own",
            "choose announcement none or external",
        )
    if UNICAST[block.prefix.family] not in routing_modules(modules):
        raise cannot_pool(
            "this device",
            pool,
            f"announcement '{pool.announcement.value}' (modules {ROUTING} and {UNICAST[block.prefix.family]},"
            f" {REVISION} or later)",
            "load them on the device, or choose announcement none, device-automatic or external",
        )


def _asks(pool: WantedPool) -> bool:
    return pool.announcement is Announcement.STATIC_DISCARD


def _without_routes(pool: WantedPool) -> WantedPool:
    return replace(pool, announcement=Announcement.NONE) if _asks(pool) else pool


def _as_the_device_writes(top: Element, written: Mapping[tuple[str, str], Element]) -> Element:
    """Name what exists with the keys as the device sent them: an identity with its prefix, a prefix as written."""
    declared: dict[str | None, str] = dict(top.nsmap)
    for leaf in _key_leaves(top) if written else ():
        found = written.get((leaf.tag, text_of(leaf)))
        if found is not None:
            leaf.text = text_of(found).strip()
            prefix = leaf.text.rpartition(":")[0]
            if leaf.tag == _TYPE and prefix:
                declared[prefix] = found.nsmap.get(prefix, NAMESPACE)
    if declared == top.nsmap:
        return top
    # On the top node, for lxml forgets a prefix below a node of the same namespace.
    same = etree.Element(top.tag, nsmap=declared)  # type: ignore[arg-type]
    same.attrib.update(top.attrib)
    same.extend(list(top))
    return same
