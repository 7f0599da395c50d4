"""Published modules of devices, which lie beside the checkout and not in it: `../shared/yang`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from casm_ctrl.yang.modules import standard_folders

SHARED = Path(__file__).parents[1].parent / "shared" / "yang"

MODELS: dict[str, tuple[str, ...]] = {
    "cisco-iosxr": ("Cisco-IOS-XR-ip-daps-cfg", "Cisco-IOS-XR-ip-daps-oper"),
    "juniper-junos": ("junos-conf-root", "junos-conf-access"),
    "huawei-vrp": (
        "huawei-bras-ipv4-address-manage",
        "huawei-bras-ipv6-address-manage",
        "huawei-cgn",
        "huawei-cgn-nat444",
    ),
    "ietf": ("ietf-dhcpv6-server",),
    "ietf-nat": ("ietf-nat",),
}
"""The modules of each folder that a driver configures; ietf-nat comes with pyang."""


def folder_of(model: str) -> Path:
    """The folder of the model's modules; the test is skipped where it is not there, and fails in CI."""
    folder = standard_folders()[0] if model == "ietf-nat" else SHARED / model
    if not folder.is_dir():
        if "CI" in os.environ:
            pytest.fail(f"../shared/yang/{model} with published YANG modules must be there in CI")
        pytest.skip(f"../shared/yang/{model} with published YANG modules is not beside this checkout")
    return folder
