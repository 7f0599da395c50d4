"""Counts of blocks, from state data and from a device's own operations."""

from __future__ import annotations

from typing import cast

from lxml import etree

from casm_ctrl.base.errors import DeviceRefused
from casm_ctrl.drivers.interface import Element
from casm_ctrl.drivers.juniper_junos import DRIVER as JUNOS
from casm_ctrl.drivers.registry import load_driver
from casm_ctrl.netconf.client.session import Session
from casm_ctrl.netconf.names import nc
from casm_ctrl.store.observations import ObjectRow
from casm_ctrl.sync.reading import read_counts


class Device:
    """Answers by the name of the operation, and for Junos by the pool that it names."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def rpc(self, operation: Element, *, deadline: float | None = None) -> Element:
        name = (
            operation.findtext("{*}get-address-assignment-pool-table-specific")
            or etree.QName(operation).localname
        )
        self.asked.append(name)
        if name not in self.answers:
            raise DeviceRefused(f"no pool {name}", "name another")
        return etree.fromstring(f'<rpc-reply xmlns="{nc("")[1:-1]}">{self.answers[name]}</rpc-reply>')


def statistics(*pools: tuple[str, int, int]) -> str:
    entries = "".join(
        f"<aaa-module-address-assignment-pool-statistics><pool-name>{name}</pool-name><used-addresses>{used}"
        f"</used-addresses><total-addresses>{total}</total-addresses></aaa-module-address-assignment-pool-statistics>"
        for name, used, total in pools
    )
    return f'<aaa-module-statistics xmlns="http://xml.juniper.net/junos/24.4R1/junos-authd">{entries}</aaa-module-statistics>'


def network(pool: str, block: int) -> ObjectRow:
    return ObjectRow("network", (pool, f"10.0.{block}.0/24"), block, "wrote")


async def test_operations_are_asked_and_what_they_refuse_has_no_count() -> None:
    device = Device(internet=statistics(("internet", 5, 253), ("casm-k3f9qa-b2", 0, 253)))
    rows = [network("internet", 1), network("casm-k3f9qa-b2", 2), network("gone", 3)]
    rows.append(ObjectRow("pool", ("internet",), None, "wrote"))
    assert await read_counts(cast(Session, device), JUNOS, rows) == {1: 5, 2: 0}
    assert device.asked == ["gone", "internet"]


async def test_other_drivers_read_state_data() -> None:
    ext = "urn:casm:yang:casm-address-pool-ext"
    device = Device(
        get='<data><address-pool-status xmlns="urn:ietf:params:xml:ns:yang:ietf-address-pool"><address-pool>'
        "<address-pool-name>p</address-pool-name><address-pool-entries><ipv4-address-range>"
        f'<ipv4-address-range-name>r</ipv4-address-range-name><addresses-used xmlns="{ext}">7</addresses-used>'
        "</ipv4-address-range></address-pool-entries></address-pool></address-pool-status></data>"
    )
    rows = [ObjectRow("ipv4-address-range", ("p", "r"), 1, "wrote")]
    assert await read_counts(cast(Session, device), load_driver("ietf-address-pool"), rows) == {1: 7}
    assert device.asked == ["get"]
