"""The driver's lxml and the bindings make the same XML out of the same values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.addressing.prefix import Family, Prefix, format_address
from casm_ctrl.drivers.ietf_address_pool import RangeEntry, build_pool
from casm_ctrl.netconf.trees import same_configuration
from casm_ctrl.yang.address_pool_payloads import (
    AddressPool,
    AddressPoolEntries,
    AddressPools,
    AddressPoolService,
    Ipv4AddressRange,
    Ipv6Prefix,
)
from casm_ctrl.yang.bindings import build
from casm_ctrl.yang.engine import engine_for, forest
from casm_ctrl.yang.schema import load_schema

MODULES = ("ietf-address-pool", "casm-address-pool-ext")
POOLS = "{urn:ietf:params:xml:ns:yang:ietf-address-pool}address-pools"
_NAMES = st.from_regex(r"[A-Za-z0-9<&' .-]{1,12}", fullmatch=True)


def _mask(length: int) -> str:
    return format_address(Family.IPV4, ((1 << length) - 1) << (32 - length))


@st.composite
def _entries(draw: st.DrawFn) -> list[RangeEntry]:
    entries = []
    for name in draw(st.lists(_NAMES, unique=True, max_size=4)):
        family = draw(st.sampled_from((Family.IPV4, Family.IPV6)))
        length = draw(st.integers(8, family.width))
        first = draw(st.integers(0, (1 << length) - 1)) << (family.width - length)
        gateway = draw(st.none() | st.just(first))
        mask = length if gateway is not None and family is Family.IPV4 else None
        access = draw(st.none() | st.sampled_from(("pppoe", "dhcp")))
        entries.append(
            RangeEntry(name, Prefix(family, first, length), gateway, mask, access, draw(st.booleans()))
        )
    return entries


def _v4(entry: RangeEntry) -> Ipv4AddressRange:
    prefix, gateway = entry.prefix, entry.gateway
    return Ipv4AddressRange(
        entry.name,
        format_address(Family.IPV4, prefix.first),
        format_address(Family.IPV4, prefix.last),
        usergateway=None if gateway is None else format_address(Family.IPV4, gateway),
        gwnetmask=None if entry.mask is None else _mask(entry.mask),
        type=None if gateway is None else "usergateway",
        instance=entry.instance,
        drain=True if entry.drained else None,
    )


def _v6(entry: RangeEntry) -> Ipv6Prefix:
    gateway = entry.gateway
    return Ipv6Prefix(
        entry.name,
        str(entry.prefix),
        usergateway=None if gateway is None else format_address(Family.IPV6, gateway),
        type=None if gateway is None else "usergateway",
        instance=entry.instance,
        drain=True if entry.drained else None,
    )


def _data(root: etree._Element) -> etree._Element:
    data = etree.Element("data")
    data.append(root)
    return data


@given(_NAMES, _entries(), st.lists(_NAMES, unique=True, max_size=2))
def test_driver_and_bindings_agree(pool: str, entries: list[RangeEntry], services: list[str]) -> None:
    by_driver = etree.Element(POOLS)
    by_driver.append(build_pool(pool, entries, device_id="casm-abcdef-g1", services=services))
    by_bindings = build(
        AddressPools(
            (
                AddressPool(
                    pool,
                    device_id="casm-abcdef-g1",
                    address_pool_service=tuple(AddressPoolService(name) for name in services),
                    address_pool_entries=AddressPoolEntries(
                        tuple(_v4(entry) for entry in entries if entry.prefix.family is Family.IPV4),
                        ipv6_prefix=tuple(
                            _v6(entry) for entry in entries if entry.prefix.family is Family.IPV6
                        ),
                    ),
                ),
            )
        )
    )
    for tree in (by_driver, by_bindings):
        engine_for(*MODULES).validate(forest([tree]))
    # White space, prefixes and empty non-presence containers say nothing; every other element counts.
    assert same_configuration(_data(by_driver), _data(by_bindings), load_schema(MODULES))
