"""The verbs that look ahead: when stock runs dry, and where more of it could be won."""

from __future__ import annotations

from casm_ctrl.control.forecast.growth import Growth
from casm_ctrl.control.forecast.outlook import look_ahead
from casm_ctrl.control.shortage import plan_clearing
from casm_ctrl.control.shortage import plan_scarcity as share_out
from casm_ctrl.northbound.verbs.context import Given, VerbContext
from casm_ctrl.service.verb import Document


def read_forecast(context: VerbContext, given: Given) -> Document:
    growths = [Growth.parse(text) for text in given.values.get("growth", ())]
    subjects = given.values.get("subject", ())
    outlook = look_ahead(context.database, subjects, days=given.values["horizon"], growths=growths)
    return {"forecast": outlook.document()}


def plan_scarcity(context: VerbContext, given: Given) -> Document:
    return {"scarcity": share_out(context.database, given.values["pool"])}


def plan_defragmentation(context: VerbContext, given: Given) -> Document:
    return {"defragment": plan_clearing(context.database, given.values["pool"], given.values["length"])}
