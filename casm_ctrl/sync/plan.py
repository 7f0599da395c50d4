"""Plan for one device: the exact edit that apply would send, and the change in words."""

from __future__ import annotations

from casm_ctrl.drivers.interface import Action
from casm_ctrl.sync.basis import DeviceBasis, StoreBasis
from casm_ctrl.sync.look import look_at
from casm_ctrl.sync.plan_file import DevicePlan, show_edit
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.route_lines import routes_of
from casm_ctrl.sync.run import Run


async def plan_one(run: Run, report: Report) -> DevicePlan:
    """What to send to one device; the report tells it in words."""
    look = await look_at(run, report.device, zombies=run.options.remove_zombies, judged=True)
    wanted, decision, difference = look.wanted, look.decision, look.difference
    report.changes = list(difference.edit.changes)
    report.result = Result.CHANGES if report.changes else Result.IN_SYNC
    report.used = {
        change.block: look.counts[change.block]
        for change in report.changes
        if change.block is not None and change.block in look.counts and change.action is not Action.ADD
    }
    edit = show_edit(difference.edit.config)
    if edit:
        report.more["edit-config"] = edit
    report.more["route"] = routes_of(wanted)
    report.more["waiting"] = list(decision.waiting.values())
    for words in (*decision.warnings, *decision.held.values()):
        report.warn(words)
    for finding in wanted.findings:
        report.warn(f"{finding.kind}: {finding.words}")
    if wanted.pending is not None:
        report.warn("a confirmed commit of an earlier visit may be pending: apply settles it first")
    changes = tuple(report.document()["change"])
    return DevicePlan(
        report.device,
        difference.generation,
        edit,
        changes,
        StoreBasis.of(look.before),
        DeviceBasis.of(look.running, look.seen),
    )
