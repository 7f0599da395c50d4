"""Demands as JSON: what is read, and what is refused with the word that is wrong."""

from __future__ import annotations

import pytest

from casm_ctrl.base.clock import SECOND, Micros, from_rfc3339
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.simulator.demand import Burst, Demand, MassRelogin, Restart
from casm_ctrl.simulator.demand_document import read_demand

NOW = Micros(1_790_000_000 * SECOND)


def test_what_is_not_said_is_as_usual() -> None:
    assert read_demand({"subscribers": 100}, NOW) == Demand(100, NOW)


def test_all_can_be_said() -> None:
    document = {
        "subscribers": 100,
        "began": "2026-11-23T00:00:00Z",
        "curve": "business",
        "lowest": 0.1,
        "weekend": 1,
        "growth": -0.01,
        "noise": 0,
        "session": 3600,
        "utc-offset": -3600,
        "seed": 9,
        "events": [
            {"kind": "burst", "at": 60, "count": 544, "stay": 0},
            {"kind": "restart", "at": 0.5, "downtime": 1},
            {"kind": "mass-relogin"},
        ],
    }
    began = from_rfc3339("2026-11-23T00:00:00Z")
    assert read_demand(document, NOW) == Demand(
        100,
        began,
        curve="business",
        lowest=0.1,
        weekend=1,
        growth=-0.01,
        noise=0,
        session=3600,
        utc_offset=-3600,
        seed=9,
        events=(
            Burst(Micros(began + 60 * SECOND), 544, 0),
            Restart(Micros(began + SECOND // 2), downtime=1),
            MassRelogin(began),
        ),
    )


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "a demand is a JSON object"),
        ({}, "'subscribers' is missing"),
        ({"subscribers": "many"}, "'subscribers' is 'many'"),
        ({"subscribers": True}, "'subscribers' is True"),
        ({"subscribers": 1.5}, "'subscribers' is 1.5"),
        ({"subscribers": -1}, "'subscribers' is -1"),
        ({"subscribers": 1, "curve": 3}, "'curve' is 3"),
        ({"subscribers": 1, "curve": "moon"}, "'moon' is no curve"),
        ({"subscribers": 1, "colour": 3}, "there is no 'colour'"),
        ({"subscribers": 1, "began": "today"}, "'today' is not a date"),
        ({"subscribers": 1, "events": {}}, "'events' is a list"),
        ({"subscribers": 1, "events": [3]}, "an event is a JSON object"),
        ({"subscribers": 1, "events": [{"at": 3}]}, "an event's 'kind' is one of burst"),
        ({"subscribers": 1, "events": [{"kind": "burst", "at": "noon"}]}, "'at' is 'noon'"),
        ({"subscribers": 1, "events": [{"kind": "burst"}]}, "'count' is missing"),
        ({"subscribers": 1, "events": [{"kind": "restart", "count": 1}]}, "there is no 'count'"),
    ],
)
def test_what_is_none_is_refused(document: object, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        read_demand(document, NOW)
