"""A demand as a JSON object: how a file or a command says what subscribers want.

Keys are the fields' names with hyphens. Its events are told in seconds after it began, so that one file serves any day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields

from casm_ctrl.base.clock import SECOND, Micros, from_rfc3339
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.simulator.demand import Burst, Demand, Event, MassRelogin, Restart

EVENTS: Mapping[str, type[Event]] = {"burst": Burst, "restart": Restart, "mass-relogin": MassRelogin}
"""By the `kind` that an event has there."""


def read_demand(document: object, now: Micros) -> Demand:
    """The demand that a JSON object says, which begins `now` if it does not say when; InvalidValue where it is none."""
    given = _object(document, "a demand")
    began = from_rfc3339(str(given.pop("began"))) if "began" in given else now
    events = given.pop("events", [])
    if not isinstance(events, list):
        raise InvalidValue("a demand's 'events' is a list", "give an object for each event")
    values = _values(given, Demand, ("began", "events"))
    return Demand(**values, began=began, events=tuple(_event(event, began) for event in events))  # type: ignore[arg-type]


def _event(document: object, began: Micros) -> Event:
    given = _object(document, "an event")
    kind = EVENTS.get(str(given.pop("kind", None)))
    if kind is None:
        raise InvalidValue(f"an event's 'kind' is one of {', '.join(EVENTS)}", "name one of them")
    at = given.pop("at", 0)
    if isinstance(at, bool) or not isinstance(at, int | float):
        raise InvalidValue(f"an event's 'at' is {at!r}", "give seconds after the demand began")
    values = _values(given, kind, ("at",))
    return kind(at=Micros(began + round(at * SECOND)), **values)  # type: ignore[arg-type]


def _object(document: object, what: str) -> dict[str, object]:
    if not isinstance(document, dict):
        raise InvalidValue(f"{what} is a JSON object", "see docs/simulator.md")
    return dict(document)


def _values(
    given: Mapping[str, object], of: type[Demand | Event], others: tuple[str, ...]
) -> dict[str, object]:
    """The fields of a class, each of the type that it has there."""
    known = {field.name.replace("_", "-"): field for field in fields(of) if field.name not in others}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InvalidValue(f"there is no '{unknown[0]}'", f"use {', '.join(sorted(known))}")
    missing = [name for name, field in known.items() if name not in given and field.default is MISSING]
    if missing:
        raise InvalidValue(f"'{missing[0]}' is missing", f"give {', '.join(missing)}")
    return {known[name].name: _checked(name, value, known[name]) for name, value in given.items()}


def _checked(name: str, value: object, field: Field[object]) -> object:
    wanted = str(field.type)
    kinds: Mapping[str, tuple[type, ...]] = {"int": (int,), "str": (str,)}
    if not isinstance(value, kinds.get(wanted, (int, float))) or isinstance(value, bool):
        raise InvalidValue(f"'{name}' is {value!r}", "give a text" if wanted == "str" else "give a number")
    return value
