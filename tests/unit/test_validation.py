"""An edit is judged by the device's own modules: the edit itself, and what it makes of what runs there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import pytest
from lxml import etree

from casm_ctrl.base.errors import YangInvalid
from casm_ctrl.drivers.interface import Driver, Edit, Element
from casm_ctrl.netconf.names import nc
from casm_ctrl.sync.announced import Announced
from casm_ctrl.sync.device_modules import DeviceModels
from casm_ctrl.sync.validation import judge_edit, validate_edit
from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.modules import yang_folder
from casm_ctrl.yang.schema import read_schema
from tests.published import MODELS, folder_of

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
DAPS = "http://cisco.com/ns/yang/Cisco-IOS-XR-ip-daps-cfg"
BRAS = "urn:huawei:yang:huawei-bras-ipv4-address-manage"
ROOT = "http://yang.juniper.net/junos/conf/root"
ACCESS = "http://yang.juniper.net/junos/conf/access"


@dataclass(frozen=True)
class Filtered:
    """What a driver says that it reads."""

    selection: str

    def config_filter(self) -> tuple[Element, ...]:
        return (etree.fromstring(self.selection),)


@cache
def models(names: tuple[str, ...], folder: Path) -> DeviceModels:
    engine = Engine(names, (folder,))
    return DeviceModels(Announced({}, {}), names, engine, read_schema(engine.context))


def judge(model: str, selection: str, running: str, edit: str) -> None:
    names, folder = MODELS.get(model, ("ietf-address-pool",)), yang_folder()
    if model in MODELS:
        folder = folder_of(model)
    driver = cast(Driver, Filtered(selection))
    judge_edit(models(names, folder), driver, Edit(tuple(elements(edit)), ()), data(running))


def data(text: str) -> Element:
    return etree.fromstring(f'<data xmlns="{nc("")[1:-1]}">{text}</data>')


def elements(text: str) -> list[Element]:
    return list(etree.fromstring(f'<config xmlns:nc="{nc("")[1:-1]}">{text}</config>'))


def refusal(*arguments: str) -> str:
    with pytest.raises(YangInvalid) as refused:
        judge(*arguments)
    assert "nothing was sent" in refused.value.remedy
    return refused.value.message


# --- ietf-address-pool ----------------------------------------------------------------------------

ALL = f'<address-pools xmlns="{POOLS}"/>'


def pools(*ranges: str) -> str:
    return (
        f'<address-pools xmlns="{POOLS}"><address-pool><address-pool-name>a</address-pool-name>'
        f"<address-pool-entries>{''.join(ranges)}</address-pool-entries></address-pool></address-pools>"
    )


def entry(
    name: str, *, operation: str = "", inside: str = "<ip-lower-address>192.0.2.0</ip-lower-address>"
) -> str:
    attribute = f' nc:operation="{operation}"' if operation else ""
    name_leaf = f"<ipv4-address-range-name>{name}</ipv4-address-range-name>"
    return f"<ipv4-address-range{attribute}>{name_leaf}{inside}</ipv4-address-range>"


def test_what_fits_passes() -> None:
    judge("ours", ALL, pools(entry("r1")), pools(entry("r2", operation="create")))
    judge("ours", ALL, pools(entry("r1")), pools(entry("r1", operation="delete", inside="")))
    judge("ours", ALL, "", pools().replace("<address-pool>", '<address-pool nc:operation="create">', 1))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (
            entry("r1", operation="merge", inside="<ip-lower-address>300.0.0.0</ip-lower-address>"),
            "300.0.0.0",
        ),
        (entry("r1", operation="merge", inside="<no-such-leaf>1</no-such-leaf>"), "no-such-leaf"),
        (entry("r1", operation="create"), "data-exists"),
        (entry("r9", operation="delete", inside=""), "data-missing"),
        (entry("r9"), "data-missing"),
    ],
)
def test_what_the_device_would_refuse_is_not_sent(edit: str, words: str) -> None:
    assert words in refusal("ours", ALL, pools(entry("r1")), pools(edit))


async def test_nothing_to_send_is_not_judged() -> None:
    driver = cast(Driver, Filtered(ALL))
    found = models(("ietf-address-pool",), yang_folder())
    await validate_edit(found, driver, Edit((), ()), data("<x/>"))
    with pytest.raises(YangInvalid):
        await validate_edit(found, driver, Edit(tuple(elements("<x/>")), ()), data(""))


# --- Cisco: a leaf of an entry whose mandatory leaf is on the device -------------------------------

DAPS_ALL = f'<address-pool-service xmlns="{DAPS}"/>'


def daps(inside: str) -> str:
    return (
        f'<address-pool-service xmlns="{DAPS}"><vrfs><vrf><vrf-name>default</vrf-name><ipv4><pools><pool>'
        f"<pool-name>p</pool-name><address-ranges>{inside}</address-ranges></pool></pools></ipv4></vrf></vrfs>"
        "</address-pool-service>"
    )


def address_range(inside: str, operation: str = "") -> str:
    attribute = f' nc:operation="{operation}"' if operation else ""
    return f"<address-range{attribute}><start-address>192.0.2.0</start-address>{inside}</address-range>"


FULL = daps(address_range("<end-address>192.0.2.9</end-address>"))


def test_the_result_is_judged_not_the_edit_alone() -> None:
    judge("cisco-iosxr", DAPS_ALL, FULL, daps(address_range("<blocked>1</blocked>", "merge")))
    assert "end-address" in refusal(
        "cisco-iosxr", DAPS_ALL, daps(""), daps(address_range("<blocked>1</blocked>", "create"))
    )
    gone = address_range('<end-address nc:operation="delete"/>')
    assert "end-address" in refusal("cisco-iosxr", DAPS_ALL, FULL, daps(gone))


def test_what_was_wrong_before_does_not_stop_us() -> None:
    broken = daps("<address-range><start-address>198.51.100.0</start-address></address-range>")
    edit = daps(address_range("<end-address>192.0.2.9</end-address>", "create"))
    judge("cisco-iosxr", DAPS_ALL, broken, edit)


def test_what_others_configured_does_not_stop_us() -> None:
    edit = daps(address_range("<blocked>1</blocked>", "merge"))
    judge("cisco-iosxr", DAPS_ALL, f'{FULL}<other xmlns="urn:other"><x>1</x></other>', edit)
    strange = FULL.replace("<vrfs>", '<more xmlns="urn:other">1</more><vrfs>')
    judge("cisco-iosxr", DAPS_ALL, strange, edit)
    unreadable = FULL.replace("192.0.2.9", "none")
    judge("cisco-iosxr", DAPS_ALL, unreadable, edit)
    attributed = FULL.replace("<vrfs>", '<vrfs xmlns:j="urn:j" j:changed-seconds="1">')
    judge("cisco-iosxr", DAPS_ALL, attributed, edit)


# --- Huawei: references to what the driver does not read -------------------------------------------

BRAS_ALL = f'<bras-ipv4-address-manage xmlns="{BRAS}"><ipv4-pools/></bras-ipv4-address-manage>'


def bras(inside: str, operation: str = "") -> str:
    attribute = f' nc:operation="{operation}"' if operation else ""
    return (
        f'<bras-ipv4-address-manage xmlns="{BRAS}"><ipv4-pools><ipv4-pool{attribute}><name>p</name>'
        f"<type>local</type><local>{inside}</local></ipv4-pool></ipv4-pools></bras-ipv4-address-manage>"
    )


def test_a_reference_to_what_was_not_read_is_for_the_device() -> None:
    judge("huawei-vrp", BRAS_ALL, "", bras("<vpn-instance><name>red</name></vpn-instance>", "create"))


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("<vpn-instance><name>_public_</name></vpn-instance>", "_public_"),
        ("<gateway><gate-ip>192.0.2.1</gate-ip></gateway>", "gate-mask"),
        ("<sections><section><number>1</number></section></sections>", "gate-ip"),
    ],
)
def test_a_rule_over_what_was_read_is_ours(inside: str, words: str) -> None:
    assert words in refusal("huawei-vrp", BRAS_ALL, "", bras(inside, "create"))


# --- Junos: one large tree, of which a driver reads a part -----------------------------------------

ASSIGNMENT = (
    f'<configuration xmlns="{ROOT}"><access xmlns="{ACCESS}"><address-assignment/></access></configuration>'
)


def assignment(inside: str) -> str:
    return ASSIGNMENT.replace("<address-assignment/>", f"<address-assignment>{inside}</address-assignment>")


def test_junos() -> None:
    pool = "<pool{}><name>p</name>{}</pool>"
    network = "<family><inet><network>192.0.2.0/24</network></inet></family>"
    create = pool.format(' nc:operation="create"', network)
    judge("juniper-junos", ASSIGNMENT, "", assignment(create))
    marked = assignment(pool.format("", network)).replace(
        "<configuration ", '<configuration xmlns:junos="urn:j" junos:changed-seconds="5" '
    )
    judge(
        "juniper-junos", ASSIGNMENT, marked, assignment(pool.format("", '<hold-down nc:operation="create"/>'))
    )
    assert "data-exists" in refusal("juniper-junos", ASSIGNMENT, marked, assignment(create))


def test_a_driver_may_read_a_filter_with_content(tmp_path: Path) -> None:
    """The filter `<pool><name>p</name></pool>` selects pools, not names (RFC 6241, 6.2.5)."""
    (tmp_path / "m.yang").write_text(
        'module m { namespace "urn:m"; prefix m; container top { list pool { key name; leaf name { type string; }'
        ' leaf low { type uint8; must ". < ../high"; } leaf high { type uint8; } } } }'
    )
    engine = Engine(("m",), (tmp_path,))
    found = DeviceModels(Announced({}, {}), ("m",), engine, read_schema(engine.context))
    driver = cast(Driver, Filtered('<top xmlns="urn:m"><pool><name>p</name></pool></top>'))
    edit = elements('<top xmlns="urn:m"><pool nc:operation="create"><name>p</name><low>1</low></pool></top>')
    with pytest.raises(YangInvalid, match="high"):
        judge_edit(found, driver, Edit(tuple(edit), ()), data(""))
