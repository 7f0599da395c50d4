"""Our YANG payloads as typed values: what `bindings` builds XML from, and reads XML into.

A field is named as its node, `_` for `-`; None and () mean: not there; the first of a list's entry is its key. State
may be built too: simulated devices send it. One pool or one edit at a time: bulk paths write XML themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.yang.address_pool_payloads import AddressPools, AddressPoolStatus

# --- casm-pools: what the operator owns -------------------------------------------------------------


@dataclass(frozen=True)
class Label:
    """An empty value is read as absent by the bindings, and so it is the default."""

    name: str
    value: str = ""


@dataclass(frozen=True)
class AddressSpace:
    """Without `usage`, which is of no device and is answered as JSON."""

    name: str
    description: str | None = None


@dataclass(frozen=True)
class AddressSpaces:
    """The container `address-spaces`."""

    address_space: tuple[AddressSpace, ...] = ()


@dataclass(frozen=True)
class Policy:
    strategy: str | None = None
    quarantine: int | None = None
    lease_time: int | None = None


@dataclass(frozen=True)
class BlockCount:
    state: str
    blocks: int | None = None


@dataclass(frozen=True)
class LengthCount:
    length: int
    blocks: int | None = None


@dataclass(frozen=True)
class Usage:
    total_addresses: str | None = None
    allocated_addresses: str | None = None
    quarantined_addresses: str | None = None
    child_addresses: str | None = None
    free_addresses: str | None = None
    excluded_addresses: str | None = None
    reserved_addresses: str | None = None
    held_addresses: str | None = None
    largest_free_length: int | None = None
    fragmentation: int | None = None
    block_count: tuple[BlockCount, ...] = ()
    length_count: tuple[LengthCount, ...] = ()
    delegated_prefixes: str | None = None


@dataclass(frozen=True)
class Reservation:
    prefix: str
    reason: str


@dataclass(frozen=True)
class Pool:
    name: str
    address_space: str
    family: str
    prefix: tuple[str, ...]
    parent: str | None = None
    scope: str | None = None
    description: str | None = None
    psid_offset: int | None = None
    port_routed: bool | None = None
    delegated_length: int | None = None
    exclude: tuple[str, ...] = ()
    reservation: tuple[Reservation, ...] = ()
    child_pool: tuple[str, ...] = ()
    label: tuple[Label, ...] = ()
    policy: Policy | None = None
    usage: Usage | None = None


@dataclass(frozen=True)
class Pools:
    """The container `pools`."""

    pool: tuple[Pool, ...] = ()


# --- casm-devices: devices, their device pools and blocks -------------------------------------------


@dataclass(frozen=True)
class NetworkInstance:
    name: str
    address_space: str


@dataclass(frozen=True)
class BlockMember:
    device: str
    role: str | None = None
    seen: str | None = None
    since: str | None = None
    used_addresses: str | None = None
    used_time: str | None = None


@dataclass(frozen=True)
class PortRange:
    first: int
    last: int | None = None


@dataclass(frozen=True)
class Route:
    announcement: str | None = None
    proof: str | None = None
    since: str | None = None
    actor: str | None = None


@dataclass(frozen=True)
class AdoptedObject:
    device: str
    object: str


@dataclass(frozen=True)
class StaticAssignment:
    prefix: str
    object: str
    device: str | None = None


@dataclass(frozen=True)
class Block:
    id: str
    prefix: str | None = None
    pool: str | None = None
    wanted: str | None = None
    state: str | None = None
    since: str | None = None
    quarantined_until: str | None = None
    expires: str | None = None
    reason: str | None = None
    member: tuple[BlockMember, ...] = ()
    used_addresses: str | None = None
    used_time: str | None = None
    psid_offset: int | None = None
    psid: int | None = None
    psid_length: int | None = None
    delegated_prefixes: str | None = None
    port_range: tuple[PortRange, ...] = ()
    managed: bool | None = None
    adopted_object: tuple[AdoptedObject, ...] = ()
    static: tuple[StaticAssignment, ...] = ()
    serving: bool | None = None
    route: Route | None = None


@dataclass(frozen=True)
class DevicePool:
    name: str
    pool: tuple[str, ...]
    length: int
    aaa_name: str | None = None
    strategy: str | None = None
    first_length: int | None = None
    next_length: int | None = None
    min_blocks: int | None = None
    max_blocks: int | None = None
    owner_group: str | None = None
    gateway: str | None = None
    gateway_mask: int | None = None
    serve_edges: bool | None = None
    service: tuple[str, ...] = ()
    access: str | None = None
    withdraw_when_unknown: str | None = None
    network_instance: str | None = None
    announcement: str | None = None
    next_hop: str | None = None
    route_tag: int | None = None
    usage_high: int | None = None
    usage_low: int | None = None
    description: str | None = None
    blocks: int | None = None
    capacity_addresses: str | None = None
    routes: int | None = None
    block: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Circuit:
    state: str | None = None
    failures: int | None = None
    open_until: str | None = None


@dataclass(frozen=True)
class Held:
    since: str | None = None
    words: str | None = None


@dataclass(frozen=True)
class Sync:
    state: str | None = None
    last_seen: str | None = None
    last_error: str | None = None
    generation: int | None = None
    circuit: Circuit | None = None
    serial: str | None = None
    serial_read: str | None = None
    held: Held | None = None


@dataclass(frozen=True)
class Device:
    name: str
    role: str
    driver: str
    host: str
    user: str
    credential: str
    address_space: str
    port: int | None = None
    host_key: str | None = None
    network_instance: tuple[NetworkInstance, ...] = ()
    label: tuple[Label, ...] = ()
    device_pool: tuple[DevicePool, ...] = ()
    sync: Sync | None = None


@dataclass(frozen=True)
class Devices:
    """The container `devices`."""

    device: tuple[Device, ...] = ()


@dataclass(frozen=True)
class GroupMember:
    device: str
    role: str


@dataclass(frozen=True)
class OwnerGroup:
    name: str
    member: tuple[GroupMember, ...] = ()


@dataclass(frozen=True)
class OwnerGroups:
    """The container `owner-groups`."""

    owner_group: tuple[OwnerGroup, ...] = ()


@dataclass(frozen=True)
class Quota:
    name: str
    kind: str
    subject: str
    family: str
    max_addresses: str
    used_addresses: str | None = None


@dataclass(frozen=True)
class Quotas:
    """The container `quotas`."""

    quota: tuple[Quota, ...] = ()


Payload = AddressPools | AddressPoolStatus | AddressSpaces | Pools | Devices | OwnerGroups | Quotas
"""What has an XML element of its own: the top-level containers of our modules."""
