"""Configuration of a VRP device as text: what the tests of the driver huawei-vrp build their devices of."""

from __future__ import annotations

from lxml import etree

from casm_ctrl.addressing.capacity import GatewayKind
from casm_ctrl.drivers.interface import Element, Gateway

IPV4 = "urn:huawei:yang:huawei-bras-ipv4-address-manage"
IPV6 = "urn:huawei:yang:huawei-bras-ipv6-address-manage"
FIRST = Gateway(GatewayKind.FIRST)
OURS, OTHERS = "casm-k3f9qa-b1", "casm-zzzzzz-b9"


def data(ipv4: str = "", ipv6: str = "") -> Element:
    return etree.fromstring(
        f'<data><bras-ipv4-address-manage xmlns="{IPV4}">{ipv4}</bras-ipv4-address-manage>'
        f'<bras-ipv6-address-manage xmlns="{IPV6}">{ipv6}</bras-ipv6-address-manage></data>'
    )


def pool4(name: str, *sections: str, more: str = "", gateway: str = "") -> str:
    """`sections`: `NUMBER FIRST LAST` and, after that, XML."""
    inside = ""
    for section in sections:
        number, first, last, *rest = section.split(" ", 3)
        inside += (
            f"<section><number>{number}</number><start-ip-address>{first}</start-ip-address>"
            f"<end-ip-address>{last}</end-ip-address>{''.join(rest)}</section>"
        )
    gate = ""
    if gateway:
        address, mask = gateway.split("/")
        gate = f"<gateway><gate-ip>{address}</gate-ip><gate-mask>{mask}</gate-mask></gateway>"
    return (
        f"<ipv4-pool><name>{name}</name><type>local</type><local>{gate}<sections>{inside}</sections>{more}"
        "</local></ipv4-pool>"
    )


def pools4(*pools: str, groups: str = "") -> str:
    return f"<ipv4-pools>{''.join(pools)}</ipv4-pools><pool-groups>{groups}</pool-groups>"


def prefix6(name: str, prefix: str, kind: str = "local", more: str = "") -> str:
    return (
        f"<ipv6-prefix><name>{name}</name><type>{kind}</type><{kind}><prefix-address><prefix>{prefix}</prefix>"
        f"</prefix-address>{more}</{kind}></ipv6-prefix>"
    )


def pool6(name: str, prefix: str, kind: str = "local", more: str = "", beside: str = "") -> str:
    return (
        f"<ipv6-pool><name>{name}</name><type>{kind}</type><{kind}><bind-prefix><prefix-name>{prefix}"
        f"</prefix-name></bind-prefix>{more}</{kind}>{beside}</ipv6-pool>"
    )


def all6(prefixes: str, pools: str, more: str = "") -> str:
    return f"<ipv6-prefixs>{prefixes}</ipv6-prefixs><ipv6-pools>{pools}</ipv6-pools>{more}"


# --- With fewer words, for golden files ---------------------------------------------------------------


def ipv4(pools: str = "", groups: str = "") -> str:
    return (
        '<bras-ipv4-address-manage xmlns="urn:huawei:yang:huawei-bras-ipv4-address-manage">'
        f"<ipv4-pools>{pools}</ipv4-pools><pool-groups>{groups}</pool-groups></bras-ipv4-address-manage>"
    )


def ipv4_pool(
    name: str,
    gateway: str,
    *sections: tuple[str, str],
    mask: str = "255.255.255.0",
    more: str = "",
    vpn: str = "",
    number: int = 0,
) -> str:
    inside = "".join(
        f"<section><number>{n}</number><start-ip-address>{first}</start-ip-address>"
        f"<end-ip-address>{last}</end-ip-address></section>"
        for n, (first, last) in enumerate(sections, number)
    )
    named = f"<vpn-instance><name>{vpn}</name></vpn-instance>" if vpn else ""
    return (
        f"<ipv4-pool><name>{name}</name><type>local</type><local>{named}<gateway><gate-ip>{gateway}</gate-ip>"
        f"<gate-mask>{mask}</gate-mask></gateway><sections>{inside}</sections>{more}</local></ipv4-pool>"
    )


def group(*pools: str, name: str = "internet", more: str = "") -> str:
    bound = "".join(f"<pool-name>{pool}</pool-name>" for pool in pools)
    return f"<pool-group><name>{name}</name>{more}<bind-pools>{bound}</bind-pools></pool-group>"


def ipv6(prefixes: str = "", pools: str = "") -> str:
    return (
        '<bras-ipv6-address-manage xmlns="urn:huawei:yang:huawei-bras-ipv6-address-manage">'
        f"<ipv6-prefixs>{prefixes}</ipv6-prefixs><ipv6-pools>{pools}</ipv6-pools></bras-ipv6-address-manage>"
    )


def ipv6_prefix(name: str, prefix: str, delegated: int | None = None) -> str:
    kind = "local" if delegated is None else "delegation"
    length = "" if delegated is None else f"<prefix-length>{delegated}</prefix-length>"
    return (
        f"<ipv6-prefix><name>{name}</name><type>{kind}</type><{kind}><prefix-address><prefix>{prefix}</prefix>"
        f"{length}</prefix-address></{kind}></ipv6-prefix>"
    )


def ipv6_pool(name: str, prefix: str, kind: str = "local", more: str = "") -> str:
    return (
        f"<ipv6-pool><name>{name}</name><type>{kind}</type><{kind}><bind-prefix><prefix-name>{prefix}"
        f"</prefix-name></bind-prefix>{more}</{kind}></ipv6-pool>"
    )


def vpn(name: str, *families: str) -> str:
    afs = "".join(f"<af><type>{family}</type></af>" for family in families)
    return (
        '<network-instance xmlns="urn:huawei:yang:huawei-network-instance"><instances><instance>'
        f'<name>{name}</name><afs xmlns="urn:huawei:yang:huawei-l3vpn">{afs}</afs></instance></instances>'
        "</network-instance>"
    )


LOOPBACK = vpn("_public_", "ipv4-unicast") + (
    '<ifm xmlns="urn:huawei:yang:huawei-ifm"><interfaces><interface><name>LoopBack7</name><class>main-interface'
    '</class><type>LoopBack</type><number>7</number><ipv4 xmlns="urn:huawei:yang:huawei-ip"><addresses><address>'
    "<ip>192.0.2.129</ip><mask>255.255.255.255</mask><type>main</type></address></addresses></ipv4></interface>"
    "</interfaces></ifm>"
)
