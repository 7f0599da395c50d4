"""A device of each driver in a world: its modules, its role, and device pools that suit it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from casm_ctrl.drivers.interface import Driver
from casm_ctrl.drivers.registry import load_driver
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, change
from casm_ctrl.store.blocks import BlockRow
from tests.published import MODELS, folder_of
from tests.sync_world import ME, World

POOLS = (
    AddPool("q", "s", ("203.0.113.0/24",), quarantine=3600, lease_time=7200),
    AddPool("p6", "s", ("2001:db8::/40",), quarantine=3600, lease_time=7200),
    AddPool("pd", "s", ("2001:db8:1000::/36",), delegated_length=56, quarantine=3600, lease_time=7200),
)


@dataclass(frozen=True)
class Model:
    """One driver, and a device pool in which it is tried."""

    driver: str
    role: str
    folder: str
    """Of the published modules; empty for ours."""
    pool: str = "q"
    length: int = 26
    drains: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    """Of the simulated device."""
    device_pool: dict[str, Any] = field(default_factory=lambda: {"gateway": "first"})

    @property
    def modules(self) -> tuple[str, ...]:
        return MODELS[self.folder] if self.folder else ("ietf-address-pool", "casm-address-pool-ext")

    @property
    def search(self) -> tuple[Path, ...] | None:
        return (folder_of(self.folder),) if self.folder else None

    @property
    def device_options(self) -> dict[str, Any]:
        return {"modules": self.modules, "search": self.search, **self.options}

    @property
    def code(self) -> Driver:
        return load_driver(self.driver)


JUNOS = {"operations": ("junos-rpc-network-access",)}
SHARED_USERS = (
    b'<bras-ipv6-address-manage xmlns="urn:huawei:yang:huawei-bras-ipv6-address-manage">'
    b"<statistic-include-shared-user><enable>true</enable></statistic-include-shared-user>"
    b"</bras-ipv6-address-manage>"
)
"""Without it VRP's counts of addresses leave some subscribers out, and the driver does not read them."""
BY_MODEL = {
    "ietf-address-pool": Model("ietf-address-pool", "bng", ""),
    "ietf-address-pool-ipv6": Model("ietf-address-pool", "bng", "", "p6", 64, device_pool={}),
    "cisco-iosxr": Model("cisco-iosxr", "bng", "cisco-iosxr"),
    "cisco-iosxr-prefixes": Model("cisco-iosxr", "bng", "cisco-iosxr", "pd", 40, device_pool={}),
    "cisco-iosxr-ipv6": Model("cisco-iosxr", "bng", "cisco-iosxr", "p6", 64, device_pool={}),
    "juniper-junos": Model("juniper-junos", "bng", "juniper-junos", options=JUNOS),
    "juniper-junos-ipv6": Model(
        "juniper-junos", "bng", "juniper-junos", "p6", 64, options=JUNOS, device_pool={}
    ),
    "huawei-vrp": Model("huawei-vrp", "bng", "huawei-vrp"),
    "huawei-vrp-ipv6": Model(
        "huawei-vrp", "bng", "huawei-vrp", "p6", 64, options={"running": SHARED_USERS}, device_pool={}
    ),
    "huawei-vrp-prefixes": Model("huawei-vrp", "bng", "huawei-vrp", "pd", 40, device_pool={}),
    "ietf-nat": Model("ietf-nat", "cgn", "ietf-nat", drains=False, device_pool={}),
    "dhcpv6": Model("ietf-dhcpv6-server", "dhcp", "ietf", "p6", 64, drains=False, device_pool={}),
    "dhcpv6-prefixes": Model("ietf-dhcpv6-server", "dhcp", "ietf", "pd", 40, drains=False, device_pool={}),
}


def add(world: World, model: Model, *, deadlines: tuple[tuple[str, float], ...] = (), **options: Any) -> None:
    """A simulated device of the model, the store's device bng1 and its device pool bng1/internet."""
    device = world.devices["bng1"] = world.lab.start("bng1", **{**model.device_options, **options})
    made = AddDevice(
        name="bng1",
        role=model.role,
        driver=model.driver,
        host="127.0.0.1",
        port=device.port,
        user="casm",
        credential="env:CASM_TEST_PASSWORD",
        space="s",
        host_key=device.host_key,
        deadlines=deadlines,
    )
    pool = AddDevicePool("bng1/internet", (model.pool,), model.length, **model.device_pool)
    change(world.database, ME, [made, *POOLS, pool])


def install(world: World, model: Model, count: int, **more: Any) -> list[BlockRow]:
    """A device that holds `count` blocks, proven."""
    add(world, model, **more)
    allocate(world.database, ME, "bng1/internet", count=count)
    world.apply(code=0)
    return world.blocks()


def occupy(world: World, block: BlockRow, used: int) -> int:
    """Let so many addresses of a block be in use on its device; answers how many are."""
    device = world.devices["bng1"]
    return world.lab.do(lambda: device.set_subscribers_in(str(block.prefix), used))
