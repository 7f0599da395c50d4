"""The verb that tells how full device pools are."""

from __future__ import annotations

from casm_ctrl.northbound.verbs.context import Given, VerbContext
from casm_ctrl.service.usage_report import usage_report
from casm_ctrl.service.verb import Document


def read_usage(context: VerbContext, given: Given) -> Document:
    values = given.values
    report = usage_report(
        context.database, values.get("subject", ()), since=values["since"], step=values["step"]
    )
    return {"usage": report.document()}
