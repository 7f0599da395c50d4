"""`casm adopt`: read what is on devices, judge all of it together, and take over what nothing is in the way of.

Three phases. Devices are read in parallel, each under its lease. All that they show is judged at once, so that the
order of reading decides nothing. Then each device's part is written, under its lease again, in one transaction; where
somebody else worked on the device in between, what was read may be old, and its part is refused. No device is sent
a change.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from casm_ctrl.base.errors import Held, PlanOutdated, error_document
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.drivers.interface import ObjectKey
from casm_ctrl.service import adoption
from casm_ctrl.service.adoption import Adopted, Find, Outcome
from casm_ctrl.service.adoption_facts import StoreFacts, find_place, read_facts
from casm_ctrl.service.configuration import AddDevicePool
from casm_ctrl.service.desired import Desired, read_desired
from casm_ctrl.service.documents import prefix_document
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.verb import Document
from casm_ctrl.store import devices
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.leases import Lease
from casm_ctrl.store.static_assignments import StaticRow
from casm_ctrl.sync.adoption_judging import Adoptable, Candidate, Conflict, DeviceRead, Judgement, judge
from casm_ctrl.sync.adoption_proposals import Proposal, propose, propose_pools
from casm_ctrl.sync.fitness import announced_modules, check_fitness
from casm_ctrl.sync.fleet import choose, over_devices
from casm_ctrl.sync.lease import hold_lease
from casm_ctrl.sync.reading import read_ours
from casm_ctrl.sync.report import Progress, Report, Result
from casm_ctrl.sync.run import Options, Run, entered
from casm_ctrl.sync.visit import sight_of


@dataclass
class Adoption:
    """One run. `generations`: of the lease under which each device was read, or written last."""

    database: Database
    author: Author
    options: Options
    progress: Progress
    dry_run: bool
    forced: bool
    reads: dict[str, DeviceRead] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)
    judgement: Judgement = field(default_factory=Judgement)
    proposals: list[Proposal] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """By the first device of those that were written together."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One transaction of this run at a time: all of them count the configuration's revision, so side by side they
    would only make each other repeat."""

    async def go(self, names: Sequence[str]) -> Document:
        reports = await self._over(names, self.read_one)
        self.progress("", f"judging {len(self.reads):,} devices")
        await asyncio.to_thread(self.judge)
        self.progress("", "")
        done = {report.device: report for report in reports}
        for report in await self._over(sorted(self.units), self.write_one):
            for name in self.units[report.device]:
                done[name].error = report.error
                done[name].result = report.result
                done[name].warnings += report.warnings
        return self._document([done[name] for name in names])

    async def _over(
        self, names: Sequence[str], work: Callable[[Run, Report], Awaitable[None]]
    ) -> list[Report]:
        return await over_devices(
            self.database, self.author, names, self.options, self.progress, work, forced=self.forced
        )

    # --- Read -------------------------------------------------------------------------------------

    async def read_one(self, run: Run, report: Report) -> None:
        """Under the device's lease, so that what is read and what the store holds are of one moment."""
        name = report.device
        async with (
            hold_lease(run.store, name, run.options.wait, run.progress) as lease,
            entered(run, name) as (session, driver),
        ):
            check_fitness(session, driver, await announced_modules(session))
            run.progress(name, "reading")
            seen = driver.parse(await read_ours(session, driver))
            before, instances = await run.store.run(_known, name)
            if before.pending is not None:
                raise Held(
                    f"{name}: a confirmed commit may be pending, and what the device shows may not last",
                    f"settle it with 'casm apply {name}', then adopt",
                )
            self.reads[name] = DeviceRead(before, instances, seen)
            self.generations[name] = lease.generation

    # --- Judge ------------------------------------------------------------------------------------

    def judge(self) -> None:
        """All devices that were read, in one snapshot of the store."""
        with self.database.read() as tx:
            facts = read_facts(tx, self.reads)
            reads = [self.reads[name] for name in sorted(self.reads)]
            self.judgement = judge(
                reads, facts, lambda space, span, holders: find_place(tx, space, span, holders)
            )
        roles = {name: read.before.device.role for name, read in self.reads.items()}
        self.proposals = propose(self.judgement, facts, roles)
        self.judgement.conflicts = [
            replace(conflict, remedy=conflict.remedy or self._pool_for(conflict, facts))
            for conflict in self.judgement.conflicts
        ]

    def _pool_for(self, conflict: Conflict, facts: StoreFacts) -> str:
        """The pool that would hold one range."""
        space = self.reads[conflict.device].space_of(self._instance(conflict))
        proposed = [] if space is None else propose_pools([(space, conflict.range)], facts)
        return f"'{proposed[0].command}', then adopt again" if proposed else "add a pool that holds all of it"

    def _instance(self, conflict: Conflict) -> str | None:
        ranges = self.reads[conflict.device].seen.ranges
        return next(one.network_instance for one in ranges if one.key == conflict.key)

    @cached_property
    def units(self) -> dict[str, tuple[str, ...]]:
        """The devices that are written together, by the first of them: those with a range of a group's, else one."""
        first = {name: name for name in self.reads}

        def root(name: str) -> str:
            while first[name] != name:
                name = first[name]
            return name

        for one in self.judgement.adoptable:
            low, *others = one.candidate.devices
            for other in others:
                a, b = sorted((root(low), root(other)))
                first[b] = a
        units: dict[str, tuple[str, ...]] = {}
        for name in sorted(first):
            units[root(name)] = (*units.get(root(name), ()), name)
        return units

    @cached_property
    def _unit_of(self) -> dict[str, str]:
        return {name: first for first, unit in self.units.items() for name in unit}

    @cached_property
    def by_device(self) -> dict[str, list[Adoptable]]:
        """What can be adopted, by the first of its devices."""
        found: dict[str, list[Adoptable]] = {}
        for one in self.judgement.adoptable:
            found.setdefault(one.candidate.devices[0], []).append(one)
        return found

    @cached_property
    def _conflicts(self) -> dict[str, list[Conflict]]:
        found: dict[str, list[Conflict]] = {}
        for conflict in self.judgement.conflicts:
            found.setdefault(conflict.device, []).append(conflict)
        return found

    # --- Write ------------------------------------------------------------------------------------

    async def write_one(self, run: Run, report: Report) -> None:
        """What was judged of the devices that are written together with this one, in one transaction."""
        unit = self.units[report.device]
        finds = [self.find_of(one) for name in unit for one in self.by_device.get(name, ())]
        sights = {name: sight_of(self.reads[name].seen, proof=False) for name in unit}
        if self.dry_run:
            outcome = await run.store.run(adoption.rehearse, run.author, sights, finds)
        else:
            run.progress(report.device, "adopting")
            async with self.turn, contextlib.AsyncExitStack() as stack:
                leased = {name: await self._lease(stack, run, name) for name in unit}
                outcome = await run.store.run(adoption.adopt, run.author, leased, sights, finds)
        self.outcomes[report.device] = outcome

    async def _lease(self, stack: contextlib.AsyncExitStack, run: Run, name: str) -> Lease:
        """The device's lease. PlanOutdated where somebody else held it since the device was read."""
        lease = await stack.enter_async_context(hold_lease(run.store, name, run.options.wait, run.progress))
        known = self.generations[name]
        if lease.generation != known + 1:
            raise PlanOutdated(
                f"{name} was worked on by somebody else since it was read: nothing of it was adopted",
                f"'casm adopt {name}' again",
            )
        self.generations[name] = lease.generation
        return lease

    def find_of(self, one: Adoptable) -> Find:
        """What is to be written of one candidate."""
        candidate = one.candidate
        objects = {name: (seen.key.path, seen.key.keys) for name, seen in candidate.on.items()}
        instance = candidate.on[candidate.devices[0]].network_instance
        statics = [row for name in candidate.devices for row in self._statics(name, candidate)]
        return Find(
            candidate.range,
            one.pool,
            candidate.pool_name,
            objects,
            candidate.group,
            instance,
            tuple(statics),
            all(seen.drained for seen in candidate.on.values()),
        )

    def _statics(self, name: str, candidate: Candidate) -> list[StaticRow]:
        read = self.reads[name]
        return [
            StaticRow(name, static.key.path, static.key.keys, static.prefix)
            for static in read.seen.statics
            if candidate.range.contains(static.prefix)
            and read.space_of(static.network_instance) == candidate.space
        ]

    # --- Tell -------------------------------------------------------------------------------------

    def _document(self, reports: Sequence[Report]) -> Document:
        failed = [report for report in reports if report.error is not None]
        listed = [self._device(report) for report in reports]
        ranges = sum(len(outcome.adopted) for outcome in self.outcomes.values())
        blocks = sum(len(a.blocks) for outcome in self.outcomes.values() for a in outcome.adopted)
        return {
            "adopt": {
                "dry-run": self.dry_run,
                "devices": str(len(reports)),
                "failed": str(len(failed)),
                "ranges": str(ranges),
                "blocks": str(blocks),
                "conflicts": str(sum(len(device["conflict"]) for device in listed)),
                "proposal": [proposal.document() for proposal in self.proposals],
                "device": listed,
            }
        }

    def _device(self, report: Report) -> Document:
        name = report.device
        unit = self._unit_of.get(name, name)
        outcome = self.outcomes.get(unit, Outcome())
        adopted = [one for one in outcome.adopted if name in one.find.objects]
        conflicts = [one.document() for one in self._conflicts.get(name, ())]
        conflicts += [
            Conflict(
                one.kind,
                name,
                ObjectKey(*one.find.objects[name]),
                one.find.range,
                f"{ObjectKey(*one.find.objects[name])} {one.find.range}: {one.words}",
                one.remedy,
            ).document()
            for one in outcome.refused
            if name in one.find.objects
        ]
        if report.error is None:
            report.result = (
                Result.CONFLICTS
                if conflicts
                else Result.NOTHING_NEW
                if not adopted
                else Result.ADOPTABLE
                if self.dry_run
                else Result.ADOPTED
            )
        document: Document = {
            "name": name,
            "result": report.result.value,
            "ours": str(self.judgement.ours.get(name, 0)),
            "device-pool": [
                made_document(edit) for edit in outcome.made if edit.name.partition("/")[0] == name
            ],
            "adopted": [adopted_document(one, name, named=not self.dry_run) for one in adopted],
            "conflict": conflicts,
            "warning": list(report.warnings),
        }
        if report.error is not None:
            document["error"] = error_document(report.error)
        return document


def made_document(edit: AddDevicePool) -> Document:
    """A device pool that was made, or would be."""
    document: Document = {
        "device-pool": edit.name,
        "aaa-name": edit.aaa_name,
        "pool": list(edit.pools),
        "length": edit.length,
    }
    return document if edit.group is None else {**document, "owner-group": edit.group}


def adopted_document(adopted: Adopted, device: str, *, named: bool) -> Document:
    """`named`: the blocks have ids; where nothing was written they have none yet."""
    find = adopted.find
    document: Document = {
        "object": str(ObjectKey(*find.objects[device])),
        "range": str(find.range),
        "address-space": find.pool.space,
        "pool": find.pool.name,
        "device-pool": adopted.device_pool,
        "whole": len(adopted.blocks) > 1,
        "block": [
            {**({"id": block_id(number)} if named else {}), **prefix_document(prefix, find.pool.psid_offset)}
            for number, prefix in adopted.blocks
        ],
        "static": [
            {"object": row.label, "prefix": str(row.prefix)} for row in find.statics if row.device == device
        ],
    }
    return document if find.group is None else {**document, "owner-group": find.group}


def _known(database: Database, name: str) -> tuple[Desired, dict[str, int]]:
    with database.read() as tx:
        device = the_device(tx, name)
        return read_desired(tx, device), devices.device_instances(tx, device.id)


async def adopt(
    database: Database,
    author: Author,
    names: Sequence[str],
    options: Options,
    progress: Progress,
    *,
    dry_run: bool = False,
) -> Document:
    """Adopt what the devices (all, or those named) show, and report on each. `dry_run`: nothing is written."""
    run = Adoption(database, author, options, progress, dry_run, bool(names))
    return await run.go(await asyncio.to_thread(choose, database, names))
