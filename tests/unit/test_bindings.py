"""The bindings are what the modules make, and give the XML that plain lxml gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from casm_bindings import casm_operations
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from pyangbind.lib.serialise import pybindIETFXMLEncoder

from casm_ctrl.base.errors import InvalidValue, YangInvalid
from casm_ctrl.yang.address_pool_payloads import (
    AddressPool,
    AddressPoolEntries,
    AddressPools,
    AddressPoolService,
    AddressPoolStatus,
    AddressPoolStatusEntries,
    AddressPoolUsage,
    Ipv4AddressRange,
    Ipv4AddressRangeStatus,
    Ipv6Prefix,
    Ipv6PrefixStatus,
)
from casm_ctrl.yang.bindings import build, parse
from casm_ctrl.yang.engine import engine_for, forest
from casm_ctrl.yang.modules import our_modules
from casm_ctrl.yang.payloads import (
    AddressSpace,
    AddressSpaces,
    Block,
    BlockCount,
    BlockMember,
    Device,
    DevicePool,
    Devices,
    GroupMember,
    Label,
    LengthCount,
    NetworkInstance,
    OwnerGroup,
    OwnerGroups,
    Payload,
    Policy,
    Pool,
    Pools,
    PortRange,
    Quota,
    Quotas,
    Reservation,
    Sync,
    Usage,
)

REPOSITORY = Path(__file__).parents[2]
IAP = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
EXT = "urn:casm:yang:casm-address-pool-ext"

PAYLOADS: dict[str, Payload] = {
    "address pools": AddressPools(
        (
            AddressPool(
                "007",
                address_pool_id=0,
                domain_name="a <b> & 'c'",
                device_id="1e3",
                address_pool_service=(AddressPoolService("internet"), AddressPoolService("0x1F")),
                address_pool_entries=AddressPoolEntries(
                    (
                        Ipv4AddressRange(
                            "1.10",
                            "198.51.100.0",
                            "198.51.100.63",
                            usergateway="198.51.100.1",
                            gwnetmask="255.255.255.192",
                            type="usergateway",
                            instance="pppoe",
                            drain=False,
                        ),
                        Ipv4AddressRange("true", drain=True),
                    ),
                    80,
                    (Ipv6Prefix("None", "2001:db8::/32", instance="dhcp"),),
                    100,
                    normal_threshold_v4=0,
                    normal_threshold_v6=60,
                ),
            ),
            AddressPool("ü"),
        )
    ),
    "address pool status": AddressPoolStatus(
        (
            AddressPoolUsage(
                "web",
                "active",
                AddressPoolStatusEntries(
                    (Ipv4AddressRangeStatus("1.10", 3, 0, "7", "64", "8", "2026-11-23T10:00:00Z"),),
                    (Ipv6PrefixStatus("p", addresses_used=str(2**128)),),
                ),
                addresses_total="0",
                requests_refused_v4="0",
                requests_refused_v6=str(2**64),
                counters_since="2026-11-23T09:00:00Z",
            ),
        ),
        started_at="2026-11-23T09:00:00Z",
    ),
    "spaces": AddressSpaces((AddressSpace("internet", "the outside"), AddressSpace("1.0"))),
    "pools": Pools(
        (
            Pool(
                "007",
                "1.0",
                "ipv4",
                ("198.51.100.0/24", "203.0.113.0/25"),
                scope="public",
                exclude=("198.51.100.0/28",),
                label=(Label("region", "north"), Label("note")),
                policy=Policy("sparse", 0, 4294967295),
                reservation=(
                    Reservation("198.51.100.32/28", "a test bed"),
                    Reservation("198.51.100.16/28", "links"),
                ),
                child_pool=("child",),
                usage=Usage(
                    "384",
                    "0",
                    "0",
                    "128",
                    "256",
                    excluded_addresses="16",
                    held_addresses="0.0625",
                    largest_free_length=24,
                    fragmentation=0,
                    block_count=(BlockCount("reserved", 2**64 - 1),),
                    length_count=(LengthCount(26, 1),),
                    delegated_prefixes=str(2**128),
                ),
            ),
            Pool("shared", "1.0", "ipv4", ("192.0.2.0/24",), psid_offset=6, port_routed=True),
            Pool("pd", "1.0", "ipv6", ("2001:db8::/32",), delegated_length=56, port_routed=False),
            Pool("child", "1.0", "ipv4", ("198.51.100.128/25",), parent="007", description="x\ny"),
        )
    ),
    "devices": Devices(
        (
            Device(
                "bng1",
                "bng",
                "ietf-address-pool",
                "2001:db8::1",
                "casm",
                "file:/etc/casm/key",
                "1.0",
                port=8300,
                host_key="ssh-ed25519 AAAA",
                network_instance=(NetworkInstance("vrf red", "red"),),
                device_pool=(
                    DevicePool(
                        "web",
                        ("second", "007", "1.10"),
                        26,
                        aaa_name="internet",
                        strategy="adjacent",
                        first_length=25,
                        next_length=27,
                        min_blocks=1,
                        max_blocks=4,
                        owner_group="pair",
                        gateway="unnumbered:lo0.1",
                        gateway_mask=24,
                        service=("voip", "1"),
                        access="dhcp",
                        withdraw_when_unknown="after 36h",
                        blocks=2,
                        routes=1,
                        block=(
                            Block(
                                "b12",
                                "198.51.100.0/26",
                                "007",
                                "present",
                                "installed",
                                "2026-11-23T10:00:00Z",
                                member=(BlockMember("bng1", "serves", "present"),),
                                used_addresses="12",
                            ),
                            Block(
                                "b13",
                                "192.0.2.1/32",
                                psid_offset=0,
                                psid=0,
                                psid_length=16,
                                port_range=(PortRange(0, 0), PortRange(65535, 65535)),
                                expires="2026-11-24T10:00:00Z",
                            ),
                            Block("b14", "2001:db8::/40", delegated_prefixes="65536"),
                        ),
                    ),
                ),
                sync=Sync("in-sync", "2026-11-23T10:00:00Z", generation=2**64 - 1),
            ),
        )
    ),
    "quotas": Quotas(
        (Quota("most", "pool", "007", "ipv6", "4096", "16"), Quota("all", "space", "1.0", "ipv4", "0.5"))
    ),
    "owner groups": OwnerGroups((OwnerGroup("pair", (GroupMember("bng1", "serves"),)),)),
}


def test_bindings_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "rebuild_bindings.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_operations_have_bindings() -> None:
    """RPC input and output are classes too, and what they write is what the engine takes."""
    module = casm_operations.yc_casm_operations_casm_operations__casm_operations_rpc()
    given = module.allocate.input
    given.device_pool = "bng1/home"
    given.pool.append("007")
    written = pybindIETFXMLEncoder.encode(given, filter=True)
    operation = etree.Element("{urn:casm:yang:casm-operations}allocate")
    operation.extend(etree.fromstring(etree.tostring(written)))
    engine_for("casm-operations").validate(etree.tostring(operation), what="rpc")
    assert operation.findtext("{*}pool") == "007"


@pytest.mark.parametrize("name", PAYLOADS)
def test_there_and_back(name: str) -> None:
    payload = PAYLOADS[name]
    element = build(payload)
    engine_for(*our_modules()).validate(forest([element]), what="part")
    assert parse(type(payload), element) == payload
    assert parse(type(payload), etree.tostring(element)) == payload


def by_hand(pool: AddressPool) -> etree._Element:
    """The device's payload as bulk code writes it: lxml, node by node in schema order."""

    def add(
        parent: etree._Element, name: str, text: str | None = None, namespace: str = IAP
    ) -> etree._Element:
        nsmap = {None: namespace} if namespace != IAP else None
        child = etree.SubElement(parent, f"{{{namespace}}}{name}", nsmap=nsmap)  # type: ignore[arg-type]
        child.text = text
        return child

    root = etree.Element(f"{{{IAP}}}address-pools", nsmap={None: IAP})  # type: ignore[dict-item]
    entry = add(root, "address-pool")
    add(entry, "address-pool-name", pool.address_pool_name)
    for service in pool.address_pool_service:
        add(add(entry, "address-pool-service"), "service-name", service.service_name)
    assert pool.address_pool_entries is not None
    entries = add(entry, "address-pool-entries")
    for item in pool.address_pool_entries.ipv4_address_range:
        node = add(entries, "ipv4-address-range")
        add(node, "ipv4-address-range-name", item.ipv4_address_range_name)
        add(node, "ip-lower-address", item.ip_lower_address)
        add(node, "ip-upper-address", item.ip_upper_address)
        if item.drain is not None:
            add(node, "drain", "true" if item.drain else "false", EXT)
    for prefix in pool.address_pool_entries.ipv6_prefix:
        node = add(entries, "ipv6-prefix")
        add(node, "ipv6-prefix-name", prefix.ipv6_prefix_name)
        add(node, "ipv6-prefix", prefix.ipv6_prefix)
    return root


def canonical(element: etree._Element) -> str:
    return str(etree.canonicalize(etree.tostring(element, encoding="unicode")))


def test_bindings_and_lxml_give_the_same_xml() -> None:
    pool = AddressPool(
        "internet",
        address_pool_service=(AddressPoolService("any"),),
        address_pool_entries=AddressPoolEntries(
            (
                Ipv4AddressRange("casm-k3f9qa-b12", "198.51.100.0", "198.51.100.63", drain=True),
                Ipv4AddressRange("by-hand", "203.0.113.5", "203.0.113.9"),
            ),
            ipv6_prefix=(Ipv6Prefix("casm-k3f9qa-b13", "2001:db8::/48"),),
        ),
    )
    assert canonical(build(AddressPools((pool,)))) == canonical(by_hand(pool))


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=8)


@given(TEXT)
def test_names_keep_their_text(name: str) -> None:
    """Numbers, booleans, exponents, leading zeros and white space inside names stay what they are."""
    payload = AddressPools((AddressPool(name, domain_name=name),))
    assert parse(AddressPools, build(payload)) == payload


@pytest.mark.parametrize("name", ["007", "1.10", "true", "0x10", "1e3", "nan", "None", " a", "a "])
def test_names_that_look_like_something_else(name: str) -> None:
    payload = AddressPools((AddressPool(name, domain_name=name),))
    assert parse(AddressPools, build(payload)) == payload


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (AddressPools((AddressPool("a"), AddressPool("a"))), "already defined"),
        (AddressPools((AddressPool("a", address_pool_id=-1),)), "address-pool-id"),
        (Pools((Pool("b1", "s", "ipv4", ("198.51.100.0/24",)),)), "'b1' cannot be pool"),
        (Pools((Pool("a", "s", "ipx", ("198.51.100.0/24",)),)), "'ipx' cannot be family"),
        (Pools((Pool("a", "s", "ipv4", ("198.51.100.0",)),)), "'198.51.100.0' cannot be prefix"),
        (
            AddressPools(
                (AddressPool("a", address_pool_entries=AddressPoolEntries(warning_threshold_v4=101)),)
            ),
            "warning-threshold-v4",
        ),
    ],
)
def test_wrong_values_are_refused(payload: Payload, words: str) -> None:
    with pytest.raises(InvalidValue, match=words) as caught:
        build(payload)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


WRONG_DOCUMENTS = {
    "empty": b"",
    "another container": b'<address-spaces xmlns="urn:casm:yang:casm-pools"/>',
    "two containers": b'<pools xmlns="urn:casm:yang:casm-pools"/><pools xmlns="urn:casm:yang:casm-pools"/>',
    "another namespace": b'<pools xmlns="urn:x"/>',
    "DOCTYPE": b'<!DOCTYPE x [<!ENTITY e "v">]><pools xmlns="urn:casm:yang:casm-pools"/>',
    "unknown leaf": b'<pools xmlns="urn:casm:yang:casm-pools"><pool><name>a</name><x/></pool></pools>',
    "an incomplete entry": b'<pools xmlns="urn:casm:yang:casm-pools"><pool><name>a</name></pool></pools>',
    "a number too large": b'<pools xmlns="urn:casm:yang:casm-pools"><pool><name>a</name><policy>'
    b"<quarantine>4294967296</quarantine></policy></pool></pools>",
    "an operation": b'<pools xmlns="urn:casm:yang:casm-pools" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">'
    b'<pool nc:operation="delete"><name>a</name></pool></pools>',
}


@pytest.mark.parametrize("name", WRONG_DOCUMENTS)
def test_wrong_documents_are_refused(name: str) -> None:
    with pytest.raises(YangInvalid) as caught:
        parse(Pools, WRONG_DOCUMENTS[name])
    assert "\n" not in str(caught.value)


def test_comments_and_instructions_are_dropped() -> None:
    document = (
        f'<?xml version="1.0"?><!-- a --><address-pools xmlns="{IAP}"><!-- b --><?c d?><address-pool>'
        "<address-pool-name>web</address-pool-name><?e?></address-pool></address-pools>"
    )
    assert parse(AddressPools, document.encode()) == AddressPools((AddressPool("web"),))


def test_what_a_payload_does_not_model_is_left_out() -> None:
    document = (
        f'<address-pools xmlns="{IAP}"><address-pool><address-pool-name>web</address-pool-name>'
        "<address-pool-entries><ipv4-address-range><ipv4-address-range-name>r</ipv4-address-range-name>"
        "<lifetime>2020-01-01T00:00:00Z</lifetime></ipv4-address-range></address-pool-entries>"
        "</address-pool></address-pools>"
    )
    parsed = parse(AddressPools, document.encode())
    assert parsed.address_pool[0].address_pool_entries == AddressPoolEntries((Ipv4AddressRange("r"),))
