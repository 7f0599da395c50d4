"""Simulated devices for tests and demos: real NETCONF servers over SSH whose faults can be set.

    async with SimulatedDevice(SimulatedDeviceOptions(name="bng1")) as device:
        device.faults.set(Fault(FaultKind.DROP_AFTER, "confirming-commit"))

`python -m casm_ctrl.simulator` runs them in a process of their own; docs/simulator.md tells more.
"""

from casm_ctrl.simulator.demand import Burst, Demand, MassRelogin, Restart
from casm_ctrl.simulator.device import SimulatedDevice
from casm_ctrl.simulator.faults import Fault, FaultKind, Faults
from casm_ctrl.simulator.flash import Flash
from casm_ctrl.simulator.journal import Entry, Journal, Moment, Point
from casm_ctrl.simulator.logins import LoginCounts
from casm_ctrl.simulator.options import SimulatedDeviceOptions

__all__ = [
    "Burst",
    "Demand",
    "Entry",
    "Fault",
    "FaultKind",
    "Faults",
    "Flash",
    "Journal",
    "LoginCounts",
    "MassRelogin",
    "Moment",
    "Point",
    "Restart",
    "SimulatedDevice",
    "SimulatedDeviceOptions",
]
