"""The operations that subscribe are those of the RFCs' modules."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.netconf.client.subscriptions import (
    create_subscription,
    subscribe_changes,
    subscribe_events,
    subscribe_periods,
    yp,
)
from casm_ctrl.netconf.messages import build_rpc
from casm_ctrl.netconf.names import NOTIFICATION, Element
from casm_ctrl.yang.engine import engine_for

EXT = "urn:casm:yang:casm-address-pool-ext"
POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
EVENT = etree.Element(f"{{{EXT}}}pool-usage")
STATE = etree.Element(f"{{{POOLS}}}address-pool-status")
ENGINE = engine_for(
    "notifications",
    "nc-notifications",
    "ietf-address-pool",
    "casm-address-pool-ext",
    "ietf-subscribed-notifications",
    "ietf-yang-push",
    "ietf-datastores",
)


@pytest.mark.parametrize(
    "operation",
    [
        create_subscription(),
        create_subscription(stream=None),
        create_subscription([EVENT]),
        subscribe_events(),
        subscribe_events([EVENT]),
        subscribe_changes([STATE]),
        subscribe_changes([STATE], 0.5),
        subscribe_periods([STATE], 30),
    ],
    ids=lambda operation: etree.tostring(operation).decode()[:60],
)
def test_the_operation_is_valid(operation: Element) -> None:
    ENGINE.validate(build_rpc("1", operation), what="rpc")


def test_what_is_selected_is_copied_and_stays_where_it_was() -> None:
    for operation in (create_subscription([EVENT]), subscribe_events([EVENT]), subscribe_changes([STATE])):
        assert operation.find(".//{*}pool-usage") is not EVENT
    assert EVENT.getparent() is None
    assert STATE.getparent() is None


def test_the_subtree_filter_of_rfc_5277_says_its_type() -> None:
    selected = create_subscription([EVENT]).find(f"{{{NOTIFICATION}}}filter")
    assert selected is not None
    assert selected.get("type") == "subtree"


def test_times_are_hundredths_of_seconds() -> None:
    assert subscribe_periods([STATE], 30).findtext(f"{yp('periodic')}/{yp('period')}") == "3000"
    assert subscribe_changes([STATE], 0.5).findtext(f"{yp('on-change')}/{yp('dampening-period')}") == "50"
    assert subscribe_changes([STATE]).find(f"{yp('on-change')}/{yp('dampening-period')}") is None
