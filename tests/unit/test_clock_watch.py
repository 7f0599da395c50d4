"""Timed releases hold after the clock jumped, until an operator accepts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.service.rest import accept_clock
from casm_ctrl.store import clock_watch
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store


@pytest.mark.parametrize(
    ("jump", "held"), [(0, False), (299, False), (301, True), (-301, True), (86400, True)]
)
def test_a_jump_of_more_than_five_minutes_holds(tmp_path: Path, jump: int, held: bool) -> None:
    clock = ManualClock()
    database, _ = create_store(str(tmp_path / "casm.db"), clock)
    clock.advance(7 * 86400)
    clock.jump(jump)
    with database.write() as tx:
        assert clock_watch.look(tx) is held
    clock.advance(3600)
    with database.write() as tx:
        assert clock_watch.look(tx) is held, "it is held until somebody accepts it"
    accept_clock(database, Author("operator"))
    with database.write() as tx:
        assert not clock_watch.look(tx)
    database.close()


def test_after_a_boot_only_a_clock_that_went_back_is_a_jump(tmp_path: Path) -> None:
    class Rebooted(ManualClock):
        epoch = "first"

        def elapsed(self):  # type: ignore[no-untyped-def]
            return self.epoch, super().elapsed()[1]

    clock = Rebooted()
    database, _ = create_store(str(tmp_path / "casm.db"), clock)
    clock.epoch = "second"
    clock.jump(86400)
    with database.write() as tx:
        assert not clock_watch.look(tx)
    clock.epoch = "third"
    clock.jump(-86400)
    with database.write() as tx:
        assert clock_watch.look(tx)
    database.close()
