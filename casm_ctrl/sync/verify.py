"""Proof over the whole network: every device is read, and the store held against all of them at once.

Devices are read one after the other while others may be applied to, so what looks wrong is read again
before it is told: a block that moved from one device to another in between is on neither twice.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from casm_ctrl.addressing.prefix import PORT_BITS, Family
from casm_ctrl.base.clock import Micros, to_rfc3339
from casm_ctrl.base.errors import error_document
from casm_ctrl.service.desired import desired
from casm_ctrl.service.network import Network, read_network
from casm_ctrl.service.observation import preview
from casm_ctrl.service.verb import Document
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.states import State
from casm_ctrl.sync.fitness import announced_modules, check_fitness
from casm_ctrl.sync.fleet import choose, over_devices
from casm_ctrl.sync.lease import hold_lease
from casm_ctrl.sync.network_audit import Fault, Finding, Reading, audit
from casm_ctrl.sync.reading import read_ours
from casm_ctrl.sync.report import Progress, Report, Result
from casm_ctrl.sync.run import Options, Run, entered
from casm_ctrl.sync.visit import sight_of


@dataclass(frozen=True)
class _Read:
    """What one device ran at `at`. `digest`: SHA-256 over the canonical XML that was read."""

    reading: Reading
    at: Micros
    host_key: str
    digest: str

    @property
    def blocks(self) -> int:
        """How many blocks should be there: what was never sent or rests already is not proven by any read."""
        return sum(
            block.state not in (State.RESERVED, State.QUARANTINED) for block in self.reading.before.blocks
        )

    def document(self) -> Document:
        ranges = self.reading.seen.ranges
        spans = [seen.range for seen in ranges if seen.range is not None]
        shared = sum(span.size << span.family.shift for span in spans if span.family.number == 4)
        return {
            "read-at": to_rfc3339(self.at),
            "host-key": self.host_key,
            "sha256": self.digest,
            "blocks": str(self.blocks),
            "ranges": str(len(ranges)),
            "ipv4-addresses": str(shared >> PORT_BITS),
            "ipv6-addresses": str(sum(span.size for span in spans if span.family is Family.IPV6)),
        }


async def verify(
    database: Database, author: Author, names: Sequence[str], options: Options, progress: Progress
) -> Document:
    """What is wrong between the devices (all, or those named) and the store: an auditor's report.

    Nothing is written. `result` is `proven` where nothing was found and every device was read.
    """
    began = await asyncio.to_thread(_now, database)
    chosen = await asyncio.to_thread(choose, database, names)
    reads: dict[str, _Read] = {}

    async def work(run: Run, report: Report) -> None:
        reads[report.device] = await _read_one(run, report)
        report.result = Result.IN_SYNC

    async def read_all(devices: Sequence[str]) -> dict[str, Report]:
        for name in devices:
            reads.pop(name, None)
        done = await over_devices(database, author, devices, options, progress, work, forced=bool(names))
        return {report.device: report for report in done}

    reports = await read_all(chosen)
    network = await asyncio.to_thread(read_network, database)
    suspects = {name for finding in _audit(reads, network) for name in finding.devices}
    if suspects:
        reports |= await read_all(sorted(suspects & set(chosen)))
        network = await asyncio.to_thread(read_network, database)
    findings = [
        *_audit(reads, network),
        *(_unread(report) for report in reports.values() if report.device not in reads),
    ]
    ended = await asyncio.to_thread(_now, database)
    return {
        "verify": {
            "result": "findings" if findings else "proven",
            "began": to_rfc3339(began),
            "ended": to_rfc3339(ended),
            "actor": author.actor,
            "store": network.store.store_id,
            "config-revision": network.store.config_revision,
            "devices": str(len(chosen)),
            "blocks": str(sum(read.blocks for read in reads.values())),
            "finding": [finding.document() for finding in findings],
            "device": [_device(name, reads.get(name), reports[name], findings) for name in chosen],
        }
    }


def _now(database: Database) -> Micros:
    with database.read() as tx:
        return tx.now


def _audit(reads: dict[str, _Read], network: Network) -> tuple[Finding, ...]:
    return audit((reads[name].reading for name in sorted(reads)), network)


async def _read_one(run: Run, report: Report) -> _Read:
    """Under the device's lease, so that what is read and what the store holds are of one moment."""
    async with (
        hold_lease(run.store, report.device, run.options.wait, run.progress),
        entered(run, report.device) as (session, driver),
    ):
        check_fitness(session, driver, await announced_modules(session))
        before = await run.store.run(desired, report.device)
        run.progress(report.device, "reading")
        running = await read_ours(session, driver)
        seen = driver.parse(running)
        after = await run.store.run(preview, run.author, report.device, sight_of(seen, proof=False))
        digest = hashlib.sha256(etree.tostring(running, method="c14n")).hexdigest()
        reading = Reading(before, seen, after.findings)
        return _Read(reading, after.now, session.host_key, digest)


def _unread(report: Report) -> Finding:
    why = "it was not read" if report.error is None else report.error.message
    return Finding(Fault.UNREAD, (report.device,), f"{report.device}: {why}")


def _device(name: str, read: _Read | None, report: Report, findings: Sequence[Finding]) -> Document:
    own = sum(name in finding.devices for finding in findings)
    document: Document = {
        "name": name,
        "result": "unread" if read is None else "findings" if own else "agrees",
        "findings": str(own),
        **({} if read is None else read.document()),
    }
    if report.error is not None:
        document["error"] = error_document(report.error)
    return document
