"""What get says of streams and subscriptions: /netconf/streams (RFC 5277, 3.4), /streams and /subscriptions (RFC
8639, 3)."""

from __future__ import annotations

from collections.abc import Callable

from casm_ctrl.base.clock import Micros, to_rfc3339
from casm_ctrl.netconf.names import Element
from casm_ctrl.northbound.notifications.names import IDENTITIES, NETCONF_STREAM, STREAMS, add, element, sn
from casm_ctrl.northbound.notifications.streams import Streams
from casm_ctrl.northbound.notifications.terms import add_terms
from casm_ctrl.store.database import Database
from casm_ctrl.store.event_feed import first_event

DESCRIPTION = "Everything that the controller tells of: one notification or two for each row of its audit."

Builder = Callable[[], Element | None]
"""Makes one top-level node; None where there is nothing to tell. On any thread."""


def state_builders(streams: Streams, database: Database) -> dict[str, Builder]:
    """What is told, by the tag of its top-level node: each is made only when somebody asks for it."""
    return {
        f"{{{STREAMS}}}netconf": lambda: _legacy_streams(_began(database)),
        sn("streams"): lambda: _streams(_began(database)),
        sn("subscriptions"): lambda: _subscriptions(streams),
    }


def _began(database: Database) -> Micros:
    with database.read() as tx:
        first = first_event(tx)
        return tx.now if first is None else first[1]


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


def _subscriptions(streams: Streams) -> Element | None:
    subscriptions = [found for found in streams if found.number is not None]
    if not subscriptions:
        return None
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
