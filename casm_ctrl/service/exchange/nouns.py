"""What is exchanged: each noun's leaves, in the words of our YANG models, and how a value is held here.

One table drives the readers and writers of every format, and the comparison of a file with the store, so
that what one writes the other reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from casm_ctrl.base.clients import DEFAULT_CLIENT


class Kind(Enum):
    """The value of a leaf, and how JSON writes it (RFC 7951, 6): MAP is a list of two leaves, the first its key."""

    TEXT = "text"
    NUMBER = "a number"
    COUNT = "a number in quotes"
    SECONDS = "seconds in quotes, up to three digits after the point"
    FLAG = "true or false"
    SET = "a list, in any order"
    LIST = "a list"
    MAP = "a list of pairs"


_EMPTY: Mapping[Kind, Any] = {Kind.SET: (), Kind.LIST: (), Kind.MAP: ()}


@dataclass(frozen=True)
class Leaf:
    """`default` is the value where a file is silent; a `required` leaf has none. `inside` is the container
    around it in YANG; `pair` the key and the value of a MAP's entries, of which `both` may be the key. `told`: written
    for people, and not read back. `prefixes`: its values (of a MAP, the keys) are prefixes. `follows`:
    where nothing is said it follows from other leaves. `module`: the one that it is of, where that is not the one
    around it."""

    name: str
    kind: Kind = Kind.TEXT
    default: Any = None
    required: bool = False
    inside: str = ""
    pair: tuple[str, str] = ("", "")
    told: bool = False
    prefixes: bool = False
    follows: bool = False
    both: bool = False
    module: str = ""

    @property
    def absent(self) -> Any:
        """Its value where nothing is said."""
        return _EMPTY.get(self.kind) if self.default is None else self.default


@dataclass(frozen=True)
class Noun:
    """A kind of thing. `name` is its list in YANG and the first column of its table; `key` is its key leaf.
    `ignored` are state and lists of other nouns inside it."""

    name: str
    words: str
    leaves: tuple[Leaf, ...]
    key: str = "name"
    ignored: frozenset[str] = frozenset()

    def leaf(self, name: str) -> Leaf | None:
        return next((leaf for leaf in self.leaves if leaf.name == name), None)


SPACE = Noun(
    "address-space", "address space", (Leaf("description", default=""),), ignored=frozenset({"usage"})
)

POOL = Noun(
    "pool",
    "pool",
    (
        Leaf("address-space", required=True),
        Leaf("parent"),
        Leaf("family", follows=True),
        Leaf("scope", default="private"),
        Leaf("description", default=""),
        Leaf("psid-offset", Kind.NUMBER),
        Leaf("port-routed", Kind.FLAG, default=False),
        Leaf("delegated-length", Kind.NUMBER),
        Leaf("prefix", Kind.SET, required=True, prefixes=True),
        Leaf("exclude", Kind.SET, prefixes=True),
        Leaf("reservation", Kind.MAP, pair=("prefix", "reason"), prefixes=True),
        Leaf("label", Kind.MAP, pair=("name", "value")),
        Leaf("strategy", default="best-fit", inside="policy"),
        Leaf("quarantine", Kind.NUMBER, default=3600, inside="policy"),
        Leaf("lease-time", Kind.NUMBER, default=86400, inside="policy"),
    ),
    ignored=frozenset({"usage", "child-pool"}),
)

DEVICE = Noun(
    "device",
    "device",
    (
        Leaf("role", required=True),
        Leaf("driver", required=True),
        Leaf("host", required=True),
        Leaf("port", Kind.NUMBER, default=830),
        Leaf("user", required=True),
        Leaf("credential", required=True),
        Leaf("host-key"),
        Leaf("client", default=DEFAULT_CLIENT),
        *(Leaf(name, Kind.SECONDS, inside="deadlines") for name in ("tcp", "ssh", "hello", "rpc")),
        Leaf("commit", Kind.NUMBER, inside="deadlines"),
        Leaf("address-space", required=True),
        Leaf("network-instance", Kind.MAP, pair=("name", "address-space")),
        Leaf("on-drift", default="report"),
        Leaf("interval", Kind.NUMBER, default=300, inside="polling"),
        Leaf("hot-interval", Kind.NUMBER, default=30, inside="polling"),
        Leaf("notifications", Kind.FLAG, default=True, inside="polling"),
        Leaf("label", Kind.MAP, pair=("name", "value")),
    ),
    ignored=frozenset({"device-pool", "sync"}),
)

GROUP = Noun(
    "owner-group", "owner group", (Leaf("member", Kind.MAP, required=True, pair=("device", "role")),)
)

_AUTOMATION = (
    ("grow", Kind.TEXT),
    ("shrink", Kind.TEXT),
    ("grow-at", Kind.NUMBER),
    ("grow-at-free", Kind.COUNT),
    ("shrink-at", Kind.NUMBER),
    ("shrink-at-free", Kind.COUNT),
    ("reserve", Kind.NUMBER),
    ("hold-down", Kind.NUMBER),
    ("history", Kind.NUMBER),
    ("reclaim-from", Kind.TEXT),
    ("reclaim-until", Kind.TEXT),
    ("reclaim-zone", Kind.TEXT),
    ("priority", Kind.NUMBER),
    ("drain-deadline", Kind.NUMBER),
    ("force-after", Kind.NUMBER),
    ("scarcity", Kind.TEXT),
)
"""All may be absent: the role's default holds then."""

DEVICE_POOL = Noun(
    "device-pool",
    "device pool",
    (
        Leaf("aaa-name", follows=True),
        Leaf("pool", Kind.LIST, required=True),
        Leaf("length", Kind.NUMBER, required=True),
        Leaf("strategy"),
        Leaf("first-length", Kind.NUMBER),
        Leaf("next-length", Kind.NUMBER),
        Leaf("min-blocks", Kind.NUMBER, default=0),
        Leaf("max-blocks", Kind.NUMBER),
        Leaf("owner-group"),
        Leaf("gateway", default="none"),
        Leaf("gateway-mask", Kind.NUMBER),
        Leaf("serve-edges", Kind.FLAG, default=False),
        Leaf("service", Kind.SET),
        Leaf("access"),
        Leaf("withdraw-when-unknown", default="operator"),
        Leaf("description", default=""),
        Leaf("network-instance"),
        Leaf("announcement", default="none"),
        Leaf("next-hop"),
        Leaf("route-tag", Kind.NUMBER),
        Leaf("usage-high", Kind.NUMBER),
        Leaf("usage-low", Kind.NUMBER),
        *(Leaf(name, kind, inside="automation") for name, kind in _AUTOMATION),
    ),
    ignored=frozenset({"block", "policy"}),
)

QUOTA = Noun(
    "quota",
    "quota",
    (
        Leaf("kind", required=True),
        Leaf("subject", required=True),
        Leaf("family", follows=True),
        Leaf("max-addresses", Kind.COUNT, required=True),
    ),
    ignored=frozenset({"used-addresses"}),
)

BLOCK = Noun(
    "block",
    "block",
    (
        Leaf("psid", Kind.NUMBER),
        Leaf("psid-length", Kind.NUMBER),
        Leaf("device-pool", required=True),
        Leaf("pool"),
        Leaf("expires"),
        Leaf("id", told=True),
        Leaf("wanted", default="present"),
        Leaf("state", default="reserved"),
        Leaf("since", told=True),
        Leaf("quarantined-until", told=True),
        Leaf("used-addresses", Kind.COUNT, told=True),
        Leaf("psid-offset", Kind.NUMBER, told=True),
        Leaf("used-time", told=True),
    ),
    key="prefix",
    ignored=frozenset({"member", "reason", "port-range", "delegated-prefixes"}),
)

LIMIT = Noun("limit", "limit", (Leaf("value", Kind.NUMBER, required=True),))
"""A leaf of /control, which automation is limited by; only what was set is one."""

HOLD = Noun(
    "hold",
    "hold",
    (Leaf("reason", required=True), Leaf("since", told=True), Leaf("actor", told=True)),
    key="kind",
)
"""Its key here is its kind and its subject, as `device bng1`; `all` has no subject."""

SHELF = Noun(
    "shelf",
    "shelf",
    (
        Leaf("resource", Kind.SET),
        Leaf("alarm-type", Kind.MAP, pair=("alarm-type-id", "alarm-type-qualifier-match"), both=True),
        Leaf("description", default=""),
        Leaf("below", module="casm-alarms"),
    ),
)

NOUNS = (SPACE, POOL, DEVICE, GROUP, DEVICE_POOL, QUOTA, BLOCK, LIMIT, HOLD, SHELF)
"""In an order in which they depend on those before, but for blocks, which are made last; a child pool depends on its
parent besides."""


class What(Enum):
    """Which nouns an export has."""

    ALL = "all"
    POOLS = "pools"
    DEVICES = "devices"
    BLOCKS = "blocks"
    CONTROL = "control"

    @property
    def nouns(self) -> tuple[Noun, ...]:
        return {
            What.ALL: NOUNS,
            What.POOLS: (SPACE, POOL),
            What.DEVICES: (DEVICE, GROUP, DEVICE_POOL, QUOTA),
            What.BLOCKS: (BLOCK,),
            What.CONTROL: (LIMIT, HOLD, SHELF),
        }[self]


Place = int | tuple[str | int, ...]
"""Where in a file something stands: its line, or the path to a value in JSON."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing of a file or of the store. `values` holds what was said, by leaf.

    A MAP is a sorted tuple of pairs, a SET a sorted tuple. `partial`: the file does not know the other
    leaves, so that they may be anything; else they have their defaults.
    """

    noun: Noun
    key: str
    values: Mapping[str, Any]
    place: Place = ()
    partial: bool = False

    def get(self, name: str) -> Any:
        """What was said of a leaf, or what holds where nothing is."""
        value = self.values.get(name)
        if value is None:
            leaf = self.noun.leaf(name)
            assert leaf is not None
            return leaf.absent
        return value

    @property
    def title(self) -> str:
        return f"{self.noun.words} '{self.key}'"
