"""Plan for one device: the exact edit that apply would send, and the change in words."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from casm_ctrl.drivers.interface import Element, UsageKind
from casm_ctrl.netconf.names import nc
from casm_ctrl.service.observation import preview
from casm_ctrl.sync.decision import decide
from casm_ctrl.sync.difference import work_out
from casm_ctrl.sync.fitness import announced_modules, check_fitness
from casm_ctrl.sync.reading import blocks_shown, read_counts, read_ours
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.run import Run, entered
from casm_ctrl.sync.visit import sight_of


async def plan_one(run: Run, report: Report) -> None:
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
        if difference.edit.config:
            report.more["edit-config"] = _pretty(difference.edit.config)
        report.more["waiting"] = list(decision.waiting.values())
        for words in (*decision.warnings, *decision.held.values()):
            report.warn(words)
        for finding in wanted.findings:
            report.warn(f"{finding.kind}: {finding.words}")
        if wanted.pending is not None:
            report.warn("a confirmed commit of an earlier visit may be pending: apply settles it first")


def _pretty(config: Sequence[Element]) -> str:
    root = etree.Element(nc("config"), nsmap={"nc": nc("")[1:-1]})
    for element in config:
        root.append(etree.fromstring(etree.tostring(element)))
    etree.indent(root)
    return etree.tostring(root, encoding="unicode")
