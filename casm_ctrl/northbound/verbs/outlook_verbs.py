"""The verbs that look ahead."""

from __future__ import annotations

from casm_ctrl.control.forecast.growth import Growth
from casm_ctrl.control.forecast.outlook import look_ahead
from casm_ctrl.northbound.verbs.context import Given, VerbContext
from casm_ctrl.service.verb import Document


def read_forecast(context: VerbContext, given: Given) -> Document:
    growths = [Growth.parse(text) for text in given.values.get("growth", ())]
    subjects = given.values.get("subject", ())
    outlook = look_ahead(context.database, subjects, days=given.values["horizon"], growths=growths)
    return {"forecast": outlook.document()}
