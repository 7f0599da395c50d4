"""Plan for one device: the exact edit that apply would send, and the change in words."""

from __future__ import annotations

from casm_ctrl.drivers.interface import Action, UsageKind
from casm_ctrl.service.desired import desired
from casm_ctrl.service.observation import preview
from casm_ctrl.sync.basis import DeviceBasis, StoreBasis
from casm_ctrl.sync.decision import decide
from casm_ctrl.sync.difference import work_out
from casm_ctrl.sync.fitness import announced_modules, check_fitness
from casm_ctrl.sync.plan_file import DevicePlan, show_edit
from casm_ctrl.sync.reading import blocks_shown, read_counts, read_ours
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.run import Run, entered
from casm_ctrl.sync.visit import sight_of


async def plan_one(run: Run, report: Report) -> DevicePlan:
    """What to send to one device; the report tells it in words."""
    basis = StoreBasis.of(await run.store.run(desired, report.device))
    async with entered(run, report.device) as (session, driver):
        modules = await announced_modules(session)
        check_fitness(session, driver, modules)
        run.progress(report.device, "reading")
        running = await read_ours(session, driver)
        seen = driver.parse(running)
        wanted = await run.store.run(preview, run.author, report.device, sight_of(seen, proof=True))
        on_device = blocks_shown(wanted.objects, seen)
        abilities = driver.abilities(modules)
        counts = (
            await read_counts(session, driver, wanted.objects) if abilities.usage is UsageKind.COUNT else {}
        )
        decision = decide(wanted, on_device, counts, abilities)
        difference = work_out(driver, modules, wanted, decision, running, zombies=run.options.remove_zombies)
    report.changes = list(difference.edit.changes)
    report.result = Result.CHANGES if report.changes else Result.IN_SYNC
    report.used = {
        change.block: counts[change.block]
        for change in report.changes
        if change.block in counts and change.action is not Action.ADD
    }
    edit = show_edit(difference.edit.config)
    if edit:
        report.more["edit-config"] = edit
    report.more["waiting"] = list(decision.waiting.values())
    for words in (*decision.warnings, *decision.held.values()):
        report.warn(words)
    for finding in wanted.findings:
        report.warn(f"{finding.kind}: {finding.words}")
    if wanted.pending is not None:
        report.warn("a confirmed commit of an earlier visit may be pending: apply settles it first")
    changes = tuple(report.document()["change"])
    return DevicePlan(
        report.device, difference.generation, edit, changes, basis, DeviceBasis.of(running, seen)
    )
