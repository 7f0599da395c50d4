"""What automation may do at the most: set and read, on the store and over NETCONF, with one table of defaults."""

from __future__ import annotations

import pytest

from casm_ctrl.base.errors import CasmError, InvalidValue
from casm_ctrl.base.limits import DEFAULT_LIMITS, NAMES, Limits, bounds, leaf
from casm_ctrl.northbound.notifications.subjects import changed_node
from casm_ctrl.service.config_documents import CONTROL
from casm_ctrl.service.configuration import SetDocument, SetLimits, change
from casm_ctrl.service.control_settings import TOP, get_limits, show_settings
from casm_ctrl.service.views import audit
from casm_ctrl.store import config_documents, events
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.yang.schema import load_schema
from tests.configuration_world import SCHEMA, commit, config, running

ME = Author("tester")


def _set(database: Database, **values: int | None) -> None:
    change(database, ME, [SetLimits(tuple(values.items()))])


def _limits(database: Database) -> Limits:
    with database.read() as tx:
        return get_limits(tx)


def _document(database: Database) -> str | None:
    with database.read() as tx:
        return config_documents.find_document(tx, CONTROL)


def test_defaults_are_those_of_the_model() -> None:
    nodes = load_schema(("casm-control",)).roots[TOP].children.values()
    assert {node.tag.partition("}")[2]: node.default for node in nodes} == {
        leaf(name): str(getattr(DEFAULT_LIMITS, name)) for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_bounds_are_those_of_the_model(database: Database, name: str) -> None:
    least, most = bounds(name)
    for value in (least, most):
        xml = f'<control xmlns="urn:casm:yang:casm-control"><{leaf(name)}>{value}</{leaf(name)}></control>'
        change(database, ME, [SetDocument(CONTROL, xml)])
        assert getattr(_limits(database), name) == value
    for value in (least - 1, most + 1):
        xml = f'<control xmlns="urn:casm:yang:casm-control"><{leaf(name)}>{value}</{leaf(name)}></control>'
        with pytest.raises(CasmError):
            change(database, ME, [SetDocument(CONTROL, xml)])
        with pytest.raises(InvalidValue):
            Limits(**{name: value})


def test_what_is_set_holds_and_the_rest_stays(database: Database) -> None:
    assert _limits(database) == DEFAULT_LIMITS
    _set(database, grow_per_hour=100, breaker_window=60)
    _set(database, scarce_at=0)
    assert _limits(database) == Limits(grow_per_hour=100, breaker_window=60, scarce_at=0)
    assert show_settings(database)["set"] == ["grow-per-hour", "breaker-window", "scarce-at"]
    assert audit(database, limit=1)[0]["reason"] == "scarce-at 10 → 0"
    _set(database, grow_per_hour=None, breaker_window=None, scarce_at=10)
    assert _document(database) is None
    assert _limits(database) == DEFAULT_LIMITS


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "nothing of the settings"),
        ({"grow_per_hour": -1}, "grow-per-hour cannot be -1"),
        ({"scarce_at": 101}, "scarce-at cannot be 101"),
        ({"breaker_failures": 0}, "breaker-failures cannot be 0"),
        ({"blocks": 1}, "no setting 'blocks'"),
    ],
)
def test_what_cannot_be_is_refused(database: Database, values: dict[str, int], words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        _set(database, **values)
    assert _document(database) is None


def test_it_is_configuration_over_netconf_too(network: Database) -> None:
    after = running(network)
    after.append(config("<c:control><c:drain-per-hour>0</c:drain-per-hour></c:control>")[0])
    commit(network, after)
    assert _limits(network) == Limits(drain_per_hour=0)
    _set(network, grow_per_pool=7)
    shown = {str(node.tag).partition("}")[2]: node.text for node in running(network).iterfind(f"{TOP}/*")}
    assert shown == {"grow-per-pool": "7", "drain-per-hour": "0"}
    commit(network, config(""))
    assert _limits(network) == DEFAULT_LIMITS


def test_a_change_names_the_node_that_changed(network: Database) -> None:
    assert TOP in SCHEMA.roots
    _set(network, grow_per_pool=7)
    after = running(network)
    after.remove(next(after.iterchildren(TOP)))
    commit(network, after)
    with network.read() as tx:
        rows = events.list_events(tx, limit=2)
    nodes = [changed_node(row) for row in rows]
    assert [node and node.path for node in nodes] == ["/c:control", "/c:control"]
