"""What a driver is given and what it gives back. Pure: no session, no store, no clock.

A driver renders what is wanted into one edit-config, and parses running configuration and usage back.
It decides object names, their order and their links; it never decides *whether* a block should be there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable

from lxml import etree

from casm_ctrl.addressing.capacity import GatewayKind as GatewayKind
from casm_ctrl.addressing.prefix import Prefix, Range
from casm_ctrl.base.clock import Micros
from casm_ctrl.base.identifiers import block_id

Element = etree._Element


# --- Marks ----------------------------------------------------------------------------------------

_MARK = re.compile(r"casm-([a-z0-9]{6})-b([1-9][0-9]{0,17})\Z")
_GENERATION = re.compile(r"casm-([a-z0-9]{6})-g([0-9]{1,18})\Z")


@dataclass(frozen=True)
class BlockMark:
    """The name we give an object on a device: whose it is and which block it serves."""

    store: str
    block: int

    def __str__(self) -> str:
        return f"casm-{self.store}-{block_id(self.block)}"

    @staticmethod
    def parse(name: str) -> BlockMark | None:
        match = _MARK.match(name)
        return BlockMark(match[1], int(match[2])) if match else None


@dataclass(frozen=True)
class GenerationMark:
    """What we write on a container of ours: by which edit of the device it was last touched."""

    store: str
    generation: int

    def __str__(self) -> str:
        return f"casm-{self.store}-g{self.generation}"

    @staticmethod
    def parse(text: str) -> GenerationMark | None:
        match = _GENERATION.match(text)
        return GenerationMark(match[1], int(match[2])) if match else None


@dataclass(frozen=True, order=True)
class ObjectKey:
    """One object on a device: the driver's name for its kind, and its list keys from the outside in.

    For example `ObjectKey("address-pool", ("internet",))` and
    `ObjectKey("ipv4-address-range", ("internet", "casm-k3f9qa-b12"))`.
    """

    path: str
    keys: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.path}[{', '.join(self.keys)}]"


# --- What is wanted -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gateway:
    """`address` is that of ADDRESS (an integer of the family), `interface` that of UNNUMBERED."""

    kind: GatewayKind
    address: int | None = None
    interface: str | None = None
    mask: int | None = None
    """Prefix length that subscribers are told; None: the block's own."""


class Announcement(Enum):
    """Who sees to it that the network knows the way to a device pool's blocks."""

    NONE = "none"
    """Nobody needs to: what routes them covers them already."""
    DEVICE_AUTOMATIC = "device-automatic"
    """The device announces what it serves by itself."""
    STATIC_DISCARD = "driver-static-discard"
    """The driver configures a static route to nowhere, which the device's routing protocols announce."""
    EXTERNAL = "external"
    """A person or another system; they confirm it."""


@dataclass(frozen=True)
class WantedBlock:
    """A block that should be on the device. `key` where it already has an object, adopted or written."""

    number: int
    prefix: Prefix
    drained: bool = False
    key: ObjectKey | None = None


@dataclass(frozen=True)
class WantedPool:
    """A device pool and the blocks that should be in it. A device pool without blocks is not rendered."""

    name: str
    """The name that AAA uses; it names the object on the device and never changes."""
    blocks: tuple[WantedBlock, ...]
    gateway: Gateway = Gateway(GatewayKind.NONE)
    services: tuple[str, ...] = ()
    access: str | None = None
    """What kind of access it serves, in the device model's words (pppoe, dhcp, cgn, …)."""
    network_instance: str | None = None
    """The VRF or network instance on the device that it serves in; None: the device's default one."""
    delegated_length: int | None = None
    """Subscribers are given prefixes of this length, not addresses."""
    psid_offset: int | None = None
    """That of its port sets (RFC 7597, 5.1); None where it serves whole addresses."""
    usage_high: int | None = None
    """Percent in use at which the device should tell; None: it is not asked to."""
    usage_low: int | None = None
    """Percent in use below which it tells again; only with `usage_high`, and below it."""
    announcement: Announcement = Announcement.NONE
    route_tag: int | None = None
    """What its routes are to be marked with, for routing policies."""


@dataclass(frozen=True)
class Wanted:
    """Everything that one device should hold of ours."""

    store: str
    generation: int
    """The number of this edit of this device; written where the model has room for a mark."""
    pools: tuple[WantedPool, ...]
    ours: frozenset[ObjectKey]
    """The objects that the store knows as written or adopted by us. Nothing else is changed or removed."""


# --- What is seen ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class SeenPool:
    """A container of ranges on the device, anybody's."""

    key: ObjectKey
    generation: GenerationMark | None = None


@dataclass(frozen=True)
class SeenRange:
    """A range of addresses on the device, anybody's. `range` is None where the object holds none (yet)."""

    key: ObjectKey
    range: Range | None
    mark: BlockMark | None = None
    drained: bool = False
    network_instance: str | None = None
    withdrawn: bool = False
    """The device's own words say that it is not served any more (a lifetime of 0)."""
    pool: str = field(default="", compare=False)
    """The name that AAA uses for what it is in, as a `WantedPool` has it; empty: the first of the keys. It says where
    a range is, and is no part of what it is."""

    @property
    def pool_name(self) -> str:
        return self.pool or self.key.keys[0]


@dataclass(frozen=True)
class SeenStatic:
    """An address, or a delegated prefix, that the device assigns to one subscriber for ever."""

    key: ObjectKey
    prefix: Prefix
    network_instance: str | None = None


@dataclass(frozen=True)
class SeenRoute:
    """A static route on the device, anybody's. `range` is None where its destination cannot be read."""

    key: ObjectKey
    range: Range | None
    mark: BlockMark | None = None


@dataclass(frozen=True)
class Seen:
    """What a running configuration holds."""

    pools: tuple[SeenPool, ...]
    ranges: tuple[SeenRange, ...]
    parts: tuple[ObjectKey, ...] = ()
    """Objects that hold no range and that a driver writes beside them: an excluded address, a lock, a VRF."""
    statics: tuple[SeenStatic, ...] = ()
    routes: tuple[SeenRoute, ...] = ()
    """Static routes, where the driver configures some."""


# --- What to do -----------------------------------------------------------------------------------


class Action(Enum):
    """What one line of a plan does to an object on the device."""

    ADD = "add"
    CHANGE = "change"
    DRAIN = "drain"
    UNDRAIN = "undrain"
    REMOVE = "remove"


@dataclass(frozen=True)
class Change:
    """One object that an edit touches, in words that a person reads in `plan`.

    `block` is the block's number, or None for a container of ours. `words` says what changes beyond
    the action itself, for example "gateway 192.0.2.1/24" or "ip-upper-address 192.0.2.99 restored".
    """

    action: Action
    key: ObjectKey
    block: int | None
    words: str = ""


@dataclass(frozen=True)
class Edit:
    """The difference, ready to send: children for `<config>` with nc:operation on each changed node.

    To be sent with default-operation `none`: what carries no operation only leads the way.
    `config` is empty where nothing is to be done, and then so is `changes`.
    """

    config: tuple[Element, ...]
    changes: tuple[Change, ...]


class UsageKind(Enum):
    """What a reading proves. Only counts prove that a block is empty."""

    COUNT = "count"
    PERCENT = "percent"
    NONE = "none"


@dataclass(frozen=True)
class UsageReading:
    """How full one object is. `used` and `capacity` are counts in the device's unit (addresses, or what one
    subscriber is given), or `used` is percent. `peak`: the most since the device started."""

    key: ObjectKey
    kind: UsageKind
    used: int
    capacity: int | None = None
    peak: int | None = None
    sampled_at: Micros | None = None
    """When the device took the counts, by its own clock."""


@dataclass(frozen=True)
class ModuleNeed:
    """A YANG module that a device must have, and since which revision (None: any)."""

    name: str
    namespace: str
    revision: str | None = None
    features: tuple[str, ...] = ()
    """Features of it that the device must have too."""


@dataclass(frozen=True)
class Abilities:
    """What a driver can do on one device, given the modules and capabilities the device announced."""

    drain: bool
    usage: UsageKind
    static_routes: bool = False
    """It can be given static routes, for announcement `driver-static-discard`."""


@dataclass(frozen=True)
class Quirk:
    """What a device does otherwise, with the reason: listed in data, each with a test."""

    name: str
    reason: str


class Driver(Protocol):
    """One device data model."""

    @property
    def name(self) -> str: ...

    @property
    def roles(self) -> frozenset[str]: ...

    @property
    def needs(self) -> tuple[ModuleNeed, ...]: ...

    @property
    def optional(self) -> tuple[ModuleNeed, ...]: ...

    @property
    def quirks(self) -> tuple[Quirk, ...]: ...

    def abilities(self, modules: Mapping[str, str | None]) -> Abilities:
        """What this device can do. `modules`: name → revision, as its hello announced them."""
        ...

    def modules(self, announced: Mapping[str, str | None]) -> tuple[str, ...]:
        """The names of the modules that are configured on this device. Its own texts of them judge every edit."""
        ...

    def config_filter(self) -> tuple[Element, ...]:
        """Subtree filter (RFC 6241, 6) for the configuration that the driver reads."""
        ...

    def usage_filter(self) -> tuple[Element, ...]:
        """Subtree filter for the state data that usage is read from."""
        ...

    def parse(self, data: Element) -> Seen:
        """Read `data` (the element around the top-level nodes). PeerFault where it cannot be understood."""
        ...

    def parse_usage(self, data: Element) -> tuple[UsageReading, ...]:
        """Read the answer to `usage_filter`; objects without a reading are left out."""
        ...

    def render(self, wanted: Wanted, running: Element, modules: Mapping[str, str | None]) -> Edit:
        """The edit that makes `running` hold what is wanted, and changes nothing that is not ours.

        Objects named in `wanted.ours` that no wanted block stands for are removed; a container of ours
        is removed when nothing is left in it. NotSupported where the device cannot do what is wanted.
        """
        ...


@runtime_checkable
class AsksUsage(Protocol):
    """A driver whose devices hold usage in no datastore, but tell it by operations of their own.

    Such a driver's `usage_filter` is empty, and is not asked.
    """

    def usage_requests(self, ours: Collection[ObjectKey]) -> tuple[Element, ...]:
        """The operations that tell how full our objects are. One that the device refuses is left out."""
        ...

    def parse_usage_replies(self, data: Element, ours: Collection[ObjectKey]) -> tuple[UsageReading, ...]:
        """Read `data`, an element around what all the replies held; objects without a reading are left out."""
        ...


@runtime_checkable
class ReadsOptional(Protocol):
    """A driver that reads more of devices that announce more: not all pass over names that they do not know."""

    def optional_filter(self, announced: Mapping[str, str | None]) -> tuple[Element, ...]:
        """What is read besides `config_filter`. `announced`: name → revision."""
        ...


def config_filter_of(driver: Driver, announced: Mapping[str, str | None]) -> tuple[Element, ...]:
    """All that is read of the configuration of a device with these modules."""
    more = driver.optional_filter(announced) if isinstance(driver, ReadsOptional) else ()
    return (*driver.config_filter(), *more)
