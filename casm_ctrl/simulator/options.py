"""What a simulated device is, fixed when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.netconf.messages import ModuleCapability
from casm_ctrl.netconf.names import (
    BASE_1_0,
    BASE_1_1,
    CANDIDATE,
    CONFIRMED_COMMIT_1_0,
    CONFIRMED_COMMIT_1_1,
    ROLLBACK_ON_ERROR,
    STARTUP,
    VALIDATE_1_1,
    WRITABLE_RUNNING,
)
from casm_ctrl.simulator.subscriptions import INTERLEAVE_1_0, NOTIFICATION_1_0
from casm_ctrl.simulator.usage import OPERATIONS

CONFIRMED_COMMIT = {"1.0": (CONFIRMED_COMMIT_1_0,), "1.1": (CONFIRMED_COMMIT_1_1,), "": ()}


@dataclass(frozen=True)
class SimulatedDeviceOptions:
    """The defaults are a BNG with our device model and everything that the controller likes."""

    name: str = "device"
    host: str = "127.0.0.1"
    port: int = 0
    """0 lets the system choose; `SimulatedDevice.port` tells which."""
    username: str = "casm"
    password: str = "casm"  # noqa: S105 - a simulator's default, shown in its documentation
    others: tuple[str, ...] = ()
    """More users, with the same password."""
    authorized_keys: tuple[str, ...] = ()
    """Public keys that may log in too, each a line as in OpenSSH's authorized_keys."""
    modules: tuple[str, ...] = ("ietf-address-pool", "casm-address-pool-ext")
    """Names or `NAME@REVISION`; leave the augment out for a device that cannot drain or count."""
    search: tuple[Path, ...] | None = None
    """Folders to look for `modules` in; ours where None."""
    operations: tuple[str, ...] = ()
    """Modules of operations that it does and announces, without having their text: OPERATIONS of `usage`."""
    base_1_1: bool = True
    candidate: bool = True
    confirmed_commit: str = "1.1"
    """`1.1`, `1.0` (no persist, no cancel-commit) or empty for none."""
    startup: bool = False
    writable_running: bool = False
    rollback_on_error: bool = True
    """Without it the capability is not announced; an edit that fails changes nothing all the same."""
    notifications: bool = True
    """It tells of its pools by itself to who subscribes (RFC 5277)."""
    interleave: bool = False
    """A session that subscribed may go on asking."""
    running: bytes = b""
    """Configuration that it leaves the factory with: top-level elements in XML."""
    host_key: bytes | None = None
    """A private key in PEM; a new one is made where None."""
    first_session_id: int = 1
    serial: str = ""
    """The serial number of its chassis, told where `modules` have ietf-hardware."""

    def __post_init__(self) -> None:
        for module in self.operations:
            if module not in OPERATIONS:
                raise InvalidValue(
                    f"the simulator does no operations of '{module}'", f"use {', '.join(OPERATIONS)}"
                )
        if self.confirmed_commit not in CONFIRMED_COMMIT:
            raise InvalidValue(
                f"'{self.confirmed_commit}' is no version of confirmed-commit", "use 1.1, 1.0 or nothing"
            )
        if not self.candidate and not self.writable_running:
            raise InvalidValue("a device needs something that can be edited", "give it writable_running")

    @property
    def protocol_capabilities(self) -> tuple[str, ...]:
        """What its hello announces besides `modules`."""
        capabilities = [BASE_1_0, *([BASE_1_1] * self.base_1_1)]
        if self.candidate:
            capabilities += [CANDIDATE, *CONFIRMED_COMMIT[self.confirmed_commit]]
        if self.startup:
            capabilities.append(STARTUP)
        if self.writable_running:
            capabilities.append(WRITABLE_RUNNING)
        if self.rollback_on_error:
            capabilities.append(ROLLBACK_ON_ERROR)
        if self.notifications:
            capabilities += [NOTIFICATION_1_0, *([INTERLEAVE_1_0] * self.interleave)]
        own = (ModuleCapability(name, OPERATIONS[name][0], None).capability for name in self.operations)
        return (*capabilities, VALIDATE_1_1, *own)
