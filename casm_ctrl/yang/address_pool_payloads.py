"""The payloads of what a device holds: ietf-address-pool and casm-address-pool-ext. See `payloads` for their form."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AddressPoolService:
    service_name: str


@dataclass(frozen=True)
class Ipv4AddressRange:
    """Without `lifetime`, which we read from devices and never write (docs/yang.md)."""

    ipv4_address_range_name: str
    ip_lower_address: str | None = None
    ip_upper_address: str | None = None
    usergateway: str | None = None
    gwnetmask: str | None = None
    type: str | None = None
    instance: str | None = None
    drain: bool | None = None


@dataclass(frozen=True)
class Ipv6Prefix:
    """Without `lifetime`, as in Ipv4AddressRange."""

    ipv6_prefix_name: str
    ipv6_prefix: str | None = None
    usergateway: str | None = None
    type: str | None = None
    instance: str | None = None
    drain: bool | None = None


@dataclass(frozen=True)
class AddressPoolEntries:
    ipv4_address_range: tuple[Ipv4AddressRange, ...] = ()
    warning_threshold_v4: int | None = None
    ipv6_prefix: tuple[Ipv6Prefix, ...] = ()
    warning_threshold_v6: int | None = None
    normal_threshold_v4: int | None = None
    normal_threshold_v6: int | None = None


@dataclass(frozen=True)
class AddressPool:
    address_pool_name: str
    address_pool_id: int | None = None
    domain_name: str | None = None
    device_id: str | None = None
    address_pool_service: tuple[AddressPoolService, ...] = ()
    address_pool_entries: AddressPoolEntries | None = None


@dataclass(frozen=True)
class AddressPools:
    """The container `address-pools` of a device."""

    address_pool: tuple[AddressPool, ...] = ()


@dataclass(frozen=True)
class Ipv4AddressRangeStatus:
    ipv4_address_range_name: str
    peak_address_usage_ratio: int | None = None
    average_address_usage_ratio: int | None = None
    addresses_used: str | None = None
    addresses_total: str | None = None
    addresses_peak: str | None = None
    sampled_at: str | None = None


@dataclass(frozen=True)
class Ipv6PrefixStatus:
    ipv6_prefix_name: str
    peak_prefix_usage_ratio: int | None = None
    average_prefix_usage_ratio: int | None = None
    addresses_used: str | None = None
    addresses_total: str | None = None
    addresses_peak: str | None = None
    sampled_at: str | None = None


@dataclass(frozen=True)
class AddressPoolStatusEntries:
    ipv4_address_range: tuple[Ipv4AddressRangeStatus, ...] = ()
    ipv6_prefix: tuple[Ipv6PrefixStatus, ...] = ()


@dataclass(frozen=True)
class AddressPoolUsage:
    address_pool_name: str
    status: str | None = None
    address_pool_entries: AddressPoolStatusEntries | None = None
    addresses_used: str | None = None
    addresses_total: str | None = None
    addresses_peak: str | None = None
    sampled_at: str | None = None
    requests_refused_v4: str | None = None
    requests_refused_v6: str | None = None
    counters_since: str | None = None


@dataclass(frozen=True)
class AddressPoolStatus:
    """The container `address-pool-status` of a device."""

    address_pool: tuple[AddressPoolUsage, ...] = ()
    started_at: str | None = None
