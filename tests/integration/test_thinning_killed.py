"""Samples are thinned by processes that are killed in the middle of it: in the end all is as if none had been."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from casm_ctrl.base.clock import SECOND, ManualClock, Micros
from casm_ctrl.base.readings import COUNT, POLL, BlockReading, PoolReading
from casm_ctrl.service import samples
from casm_ctrl.service.averages import DAY, HOUR
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, change
from casm_ctrl.store import clock_watch
from casm_ctrl.store import samples as store
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store
from casm_ctrl.store.sample_rows import PollRow

BEGIN = 19_676 * DAY
END = BEGIN + 2 * DAY + 7 * HOUR + 61 * SECOND

_THIN = """
import os, signal, sys
from casm_ctrl.base.clock import ManualClock
from casm_ctrl.service.thinning import thin
from casm_ctrl.store import samples as store
from casm_ctrl.store.database import open_database

path, now, dies = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
calls = 0

def deadly(function):
    def call(*arguments):
        global calls
        calls += 1
        found = function(*arguments)
        if calls == dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    return call

for name in ("put_hours", "put_days", "put_progress", "delete_polls"):
    setattr(store, name, deadly(getattr(store, name)))
thin(open_database(path, ManualClock(now)))
"""


def _fill(path: Path) -> None:
    database, _ = create_store(str(path), ManualClock(END))
    change(
        database,
        Author("tester"),
        [
            AddSpace("s"),
            AddPool("p", "s", ("10.0.0.0/16",)),
            AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s"),
            AddDevicePool("bng1/home", ("p",), 24),
        ],
    )
    with database.write() as tx:
        for at in range(BEGIN, END, 600 * SECOND):
            told = PoolReading.of_blocks(1, "", [BlockReading(1, at // SECOND // 600 % 200, 254)])
            row = PollRow(Micros(at), POLL, COUNT, (told,), {})
            store.insert_poll(tx, 1, row)
        store.put_last(tx, 1, row, None)
        store.note_owners(tx, [1], BEGIN)
        clock_watch.accept(tx)
    database.close()


def _told(database: Database) -> tuple[object, object, object]:
    with database.read() as tx:
        return samples.hours(tx, 1, BEGIN), samples.days(tx, 1, BEGIN), samples.block_days(tx, 1, BEGIN)


def test_whatever_moment_a_process_is_killed_at_nothing_is_lost_or_twice(tmp_path: Path) -> None:
    path = tmp_path / "casm.db"
    _fill(path)
    with_all = open_database(str(path), ManualClock(END))
    before = _told(with_all)
    with_all.close()
    killed = 0
    for dies in (1, 3, 4, 6, 9, 2, 5, 1, 1):
        done = subprocess.run([sys.executable, "-c", _THIN, str(path), str(END), str(dies)], check=False)
        killed += done.returncode == -signal.SIGKILL
        database = open_database(str(path), ManualClock(END))
        assert _told(database) == before
        database.close()
    subprocess.run([sys.executable, "-c", _THIN, str(path), str(END), "0"], check=True)
    database = open_database(str(path), ManualClock(END))
    assert _told(database) == before
    with database.read() as tx:
        raw = samples.recent(tx, 1, 0)
    database.close()
    assert killed >= 4
    assert raw[0].at >= END - DAY - 600 * SECOND
