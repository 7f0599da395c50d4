"""What get says of streams and subscriptions: /netconf/streams (RFC 5277, 3.4), /streams and /subscriptions (RFC
8639, 3)."""

from __future__ import annotations

from casm_ctrl.base.clock import Micros, to_rfc3339
from casm_ctrl.netconf.names import Element
from casm_ctrl.northbound.notifications.names import IDENTITIES, NETCONF_STREAM, STREAMS, add, element, sn
from casm_ctrl.northbound.notifications.streams import Streams
from casm_ctrl.northbound.notifications.subscription import Subscription
from casm_ctrl.northbound.notifications.terms import add_terms
from casm_ctrl.store.database import Database
from casm_ctrl.store.event_feed import first_event

DESCRIPTION = "Everything that the controller tells of: one notification or two for each row of its audit."

ROOTS = frozenset((f"{{{STREAMS}}}netconf", sn("streams"), sn("subscriptions"), sn("filters")))
"""The top-level nodes that this part answers for; there are no filters by name."""


def read_state(streams: Streams, database: Database) -> list[Element]:
    """The top-level nodes. On any thread."""
    with database.read() as tx:
        first = first_event(tx)
        began = tx.now if first is None else first[1]
    nodes = [_legacy_streams(began), _streams(began)]
    subscriptions = [found for found in list(streams) if found.number is not None]
    if subscriptions:
        nodes.append(_subscriptions(subscriptions))
    return nodes


def _legacy_streams(began: Micros) -> Element:
    top = element(f"{{{STREAMS}}}netconf")
    stream = add(add(top, "streams"), "stream")
    add(stream, "name", NETCONF_STREAM)
    add(stream, "description", DESCRIPTION)
    add(stream, "replaySupport", "true")
    add(stream, "replayLogCreationTime", to_rfc3339(began))
    return top


def _streams(began: Micros) -> Element:
    top = element(sn("streams"))
    stream = add(top, "stream")
    add(stream, "name", NETCONF_STREAM)
    add(stream, "description", DESCRIPTION)
    add(stream, "replay-support")
    add(stream, "replay-log-creation-time", to_rfc3339(began))
    return top


def _subscriptions(subscriptions: list[Subscription]) -> Element:
    top = element(sn("subscriptions"), prefixes=IDENTITIES)
    for subscription in subscriptions:
        entry = add(top, "subscription")
        add(entry, "id", str(subscription.number))
        add_terms(entry, subscription.terms)
        receiver = add(add(entry, "receivers"), "receiver")
        add(receiver, "name", f"session {subscription.caller.session_id}")
        add(receiver, "sent-event-records", str(subscription.sent))
        add(receiver, "excluded-event-records", str(subscription.excluded))
        add(receiver, "state", subscription.state)
    return top
