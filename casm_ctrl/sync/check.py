"""Check one device: does it fit its driver, and what is on it."""

from __future__ import annotations

from casm_ctrl.base.errors import LeaseHeld
from casm_ctrl.netconf.session import Capabilities
from casm_ctrl.service.documents import finding_document
from casm_ctrl.service.observation import observe, preview
from casm_ctrl.service.verb import Document
from casm_ctrl.sync.fitness import announced_modules, check_fitness
from casm_ctrl.sync.lease import hold_lease
from casm_ctrl.sync.reading import read_ours
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.run import Run, entered
from casm_ctrl.sync.visit import sight_of
from casm_ctrl.sync.way import way_of


async def check_one(run: Run, report: Report) -> None:
    async with entered(run, report.device) as (session, driver):
        modules = await announced_modules(session)
        abilities = driver.abilities(modules)
        report.more = {
            "session-id": str(session.session_id),
            "host-key": session.host_key,
            "capability": list(session.capabilities.uris),
            "module": [{"name": n, **({"revision": r} if r else {})} for n, r in sorted(modules.items())],
            "ability": {"drain": abilities.drain, "usage": abilities.usage.value},
            **_way(session.capabilities),
            "quirk": [{"name": quirk.name, "reason": quirk.reason} for quirk in driver.quirks],
            "finding": [],
        }
        check_fitness(session, driver, modules)
        report.result = Result.FIT
        run.progress(report.device, "reading")
        sight = sight_of(driver.parse(await read_ours(session, driver)), proof=False)
        try:
            async with hold_lease(run.store, report.device, 0, run.progress) as lease:
                findings = (await run.store.run(observe, run.author, lease, sight)).findings
        except LeaseHeld:
            findings = (await run.store.run(preview, run.author, report.device, sight)).findings
        report.more["finding"] = [finding_document(finding) for finding in findings]
        for finding in findings:
            report.warn(f"{finding.kind}: {finding.words}")


def _way(capabilities: Capabilities) -> Document:
    """How the device is changed: nothing where it cannot be, which the check for fitness says."""
    way = way_of(capabilities)
    return {} if way is None else {"way": {"name": way.value, "words": way.words}}
