"""What only drivers and sessions know of a device that is to be added: is its driver for it, is its host key one?"""

from __future__ import annotations

from dataclasses import replace

from casm_ctrl.base.errors import NotSupported
from casm_ctrl.drivers.registry import load_driver
from casm_ctrl.netconf.client.host_keys import HostKey
from casm_ctrl.service.configuration import AddDevice


def admit_device(edit: AddDevice) -> AddDevice:
    """The edit with its host key in its one form. A Refusal where driver, role or key is wrong."""
    check_driver(edit.driver, edit.role)
    key = None if edit.host_key is None else canonical_key(edit.host_key)
    return replace(edit, host_key=key)


def check_driver(driver: str, role: str) -> None:
    """Raises where there is no such driver, or it is not for the role."""
    roles = load_driver(driver).roles
    if role not in roles:
        raise NotSupported(
            f"the driver '{driver}' is not for a {role}",
            f"it is for {', '.join(sorted(roles))}: take another driver or role",
        )


def canonical_key(text: str) -> str:
    """Type and base64 without the comment, so that it compares with what a device presents."""
    return str(HostKey.parse(text))
