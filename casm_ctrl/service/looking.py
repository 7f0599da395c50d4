"""A look at a device: its readings are judged and kept, and what was decided by them too, in one transaction: no
decision stands on what was never recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from casm_ctrl.base.readings import COUNT, Accepted, DeviceReading, Refused
from casm_ctrl.service import control_state, decisions, samples
from casm_ctrl.service.automatic import Superseded
from casm_ctrl.service.control_state import Look
from casm_ctrl.service.decisions import Made
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.pool_facts import DeviceFacts, History, block_sizes, read_facts
from casm_ctrl.store import control_state as store
from casm_ctrl.store import watches
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DeviceRow
from casm_ctrl.store.transaction import Transaction

LATE = 3
"""Intervals without a look after which a device counts as not watched, where that is longer than away-after."""
Loss = tuple[int, str, int] | None


@dataclass(frozen=True)
class Judged:
    """What was made of the facts. `idle`: decisions that are only recorded. `losses`: by device pool, of those whose
    subscribers are known to be lost in another way than before."""

    look: Look
    idle: Sequence[Made] = ()
    losses: Mapping[int, Loss] = field(default_factory=dict)


class Judge(Protocol):
    """Who judges; it is asked in a transaction that may be repeated."""

    def believe(
        self,
        device: DeviceRow,
        previous: DeviceReading | None,
        reading: DeviceReading,
        sizes: Mapping[int, int],
    ) -> Accepted | Refused:
        """May a reading be true? `previous`: the last one that was believed. `sizes`: how many subscribers each block
        can have."""

    def history(self, tx: Transaction, device_pool_id: int, days: int) -> History:
        """As service.pool_facts.history."""

    def decide(
        self, tx: Transaction, facts: DeviceFacts, verdicts: Sequence[Accepted | Refused]
    ) -> Judged: ...


def take(
    database: Database, device: str, controller: int, readings: Sequence[DeviceReading], judge: Judge
) -> None:
    """Keep what is believed of `readings`, in their order, and what is made of the facts with it.

    Superseded where another controller watches the device now; NotFound where it is gone.
    """

    def body(tx: Transaction) -> None:
        row = the_device(tx, device)
        if not watches.is_watched_by(tx, row.id, controller):
            raise Superseded
        sizes = block_sizes(tx, row.id)
        verdicts = []
        for reading in readings:
            verdict = judge.believe(row, samples.last_reading(tx, device), reading, sizes)
            verdicts.append(verdict)
            if isinstance(verdict, Accepted):
                _keep(tx, device, verdict)
            else:
                samples.refuse_in(tx, device, verdict)
        facts = read_facts(tx, row, judge.history)
        gap = max(facts.limits.away_after, LATE * row.polling.interval)
        assert facts.watch is not None
        watch = control_state.resumed(facts.watch, tx.now, gap=gap, gentle=facts.limits.gentle_time)
        facts = replace(facts, watch=watch)
        judged = judge.decide(tx, facts, verdicts)
        for number, loss in judged.losses.items():
            store.put_loss(tx, number, loss)
        for made in judged.idle:
            decisions.record(tx, made)
        control_state.note_look(tx, watch, judged.look)

    database.run(body)


def _keep(tx: Transaction, device: str, accepted: Accepted) -> None:
    samples.record_in(tx, device, accepted)
    if accepted.reading.kind == COUNT:
        for pool in accepted.reading.pools:
            used = [block.block for block in pool.blocks if block.used or block.peak]
            store.note_blocks(tx, pool.pool, used)
