"""Check one device: does it fit its driver, and what is on it."""

from __future__ import annotations

from casm_ctrl.base.errors import LeaseHeld
from casm_ctrl.netconf.client.session import Capabilities
from casm_ctrl.service.documents import finding_document
from casm_ctrl.service.observation import observe, preview
from casm_ctrl.service.verb import Document
from casm_ctrl.sync.announced import read_announced
from casm_ctrl.sync.device_modules import Stock, take_stock
from casm_ctrl.sync.fitness import unfit
from casm_ctrl.sync.lease import hold_lease
from casm_ctrl.sync.reading import read_ours
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.run import Run, entered, models_key
from casm_ctrl.sync.subscribing import way_to_tell
from casm_ctrl.sync.visit import sight_of
from casm_ctrl.sync.way import way_of


async def check_one(run: Run, report: Report) -> None:
    async with entered(run, report.device) as (session, driver):
        modules = (await read_announced(session)).revisions
        abilities = driver.abilities(modules)
        report.more = {
            "session-id": str(session.session_id),
            "host-key": session.host_key,
            "capability": list(session.capabilities.uris),
            "module": [{"name": n, **({"revision": r} if r else {})} for n, r in sorted(modules.items())],
            "ability": {
                "drain": abilities.drain,
                "usage": abilities.usage.value,
                "static-routes": abilities.static_routes,
                "notices": way_to_tell(session.capabilities, driver, modules).value,
            },
            **_way(session.capabilities),
            "quirk": [{"name": quirk.name, "reason": quirk.reason} for quirk in driver.quirks],
            "finding": [],
        }
        run.progress(report.device, "comparing its YANG modules")
        stock = await take_stock(session, driver, run.sources, models_key(run, session))
        report.more |= _stock(stock)
        for found in stock.changed:
            report.warn(f"the text of {found.text.header} is another than before, under the same revision")
        if stock.missing:
            raise unfit(session, driver, stock.missing)
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


def _stock(stock: Stock) -> Document:
    """The modules whose texts judge our edits, and where each came from."""
    return {
        "needed-module": [
            {
                "name": found.text.name,
                **({"revision": found.text.revision} if found.text.revision else {}),
                "origin": found.origin,
                "sha256": found.text.hash,
            }
            for found in stock.found
        ],
        "deviation": list(stock.deviations),
        "missing": list(stock.missing),
    }


def _way(capabilities: Capabilities) -> Document:
    """How the device is changed: nothing where it cannot be, which the check for fitness says."""
    way = way_of(capabilities)
    return {} if way is None else {"way": {"name": way.value, "words": way.words}}
