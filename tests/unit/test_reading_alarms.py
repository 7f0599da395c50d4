"""The alarm of readings: raised by one that is refused, cleared by one that is believed whole."""

from __future__ import annotations

from dataclasses import replace

from casm_ctrl.base.clock import Micros
from casm_ctrl.base.readings import COUNT, POLL, Accepted, DeviceReading, Refused
from casm_ctrl.control.loop.alarming import tell_readings
from casm_ctrl.service.alarms import of_device
from casm_ctrl.store.alarms import find_alarm
from casm_ctrl.store.database import Database

GOOD = DeviceReading("bng1", COUNT, POLL, Micros(0), ())


def alarm(database: Database, *verdicts: Accepted | Refused) -> str | None:
    """The text of bad-reading after these; None where it is not raised."""
    with database.write() as tx:
        tell_readings(
            tx,
            "bng1",
            [one for one in verdicts if isinstance(one, Accepted)],
            [one for one in verdicts if isinstance(one, Refused)],
        )
        found = find_alarm(tx, of_device("bng1"), "bad-reading", "")
    return None if found is None or found.is_cleared else found.text


def test_it_stands_until_a_whole_reading_is_believed(network: Database) -> None:
    assert alarm(network, Accepted(GOOD)) is None
    assert alarm(network, Refused("bng1", "missing-blocks", "b2 is left out")) == "b2 is left out"
    part = Accepted(replace(GOOD, unseen=(2, 3)))
    assert alarm(network, part) is not None
    assert alarm(network, Accepted(GOOD)) is None
    assert alarm(network, part) == "its reports leave out b2, b3: their device pools are not watched"
