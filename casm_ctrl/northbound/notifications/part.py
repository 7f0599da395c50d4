"""Notifications put together for the server: its operations, its state, and what sessions tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

from lxml import etree

from casm_ctrl.base.clock import Clock
from casm_ctrl.netconf.messages import Answer, Data, Output
from casm_ctrl.netconf.names import Element, local_name
from casm_ctrl.northbound.interface import Caller, Operation, Operations
from casm_ctrl.northbound.notifications.feed import OnThread
from casm_ctrl.northbound.notifications.names import DATASTORES
from casm_ctrl.northbound.notifications.operations import SubscriptionOperations
from casm_ctrl.northbound.notifications.patches import Differ
from casm_ctrl.northbound.notifications.state import Builder, state_builders
from casm_ctrl.northbound.notifications.streams import POLL, Streams
from casm_ctrl.northbound.notifications.subscription import MayReceive
from casm_ctrl.northbound.notifications.terms import DatastoreTarget
from casm_ctrl.store.database import Database
from casm_ctrl.yang.modules import Module
from casm_ctrl.yang.schema import Schema

NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
GET_DATA = f"{{{NMDA}}}get-data"


class Notifications:
    """`streams` hears of sessions and of writes; `operations` and `state` are for the endpoint and for get.

    `reading` has get-data (RFC 8526) by its tag, for a thread: YANG-Push reads with it what a subscriber may read.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        on_thread: OnThread,
        *,
        may_receive: MayReceive,
        reading: Mapping[str, Operation],
        schema: Schema,
        modules: Sequence[Module],
        poll: float | None = POLL,
    ) -> None:
        self._database = database
        self._get_data = reading[GET_DATA]
        self.streams = Streams(database, clock, on_thread, poll=poll)
        names = {module.namespace: module.name for module in modules if not module.header.belongs_to}
        self.operations: Operations = SubscriptionOperations(
            self.streams, may_receive, self._read, Differ(schema, names), on_thread
        ).operations

    @property
    def state(self) -> dict[str, Builder]:
        """What builds the top-level nodes of streams and subscriptions, by their tags. On any thread."""
        return state_builders(self.streams, self._database)

    def _read(self, caller: Caller, target: DatastoreTarget) -> list[Element]:
        return nodes_of(self._get_data(caller, get_data_of(target)))


def get_data_of(target: DatastoreTarget) -> Element:
    """The get-data that selects what a subscription does."""
    operation = etree.Element(GET_DATA, nsmap={"nmda": NMDA, "ds": DATASTORES})
    etree.SubElement(operation, f"{{{NMDA}}}datastore").text = f"ds:{target.datastore}"
    wanted = target.filter
    if wanted is not None:
        kind = "xpath-filter" if local_name(wanted).endswith("xpath-filter") else "subtree-filter"
        bound = {prefix: uri for prefix, uri in wanted.nsmap.items() if prefix is not None}
        made = etree.SubElement(operation, f"{{{NMDA}}}{kind}", nsmap=bound)
        made.text = wanted.text
        made.extend(deepcopy(child) for child in wanted)
    return operation


def nodes_of(answer: Answer) -> list[Element]:
    """The top-level nodes that a get-data found, without its <data>."""
    assert isinstance(answer, Data | Output)
    found: list[Element] = []
    for node in answer.nodes:
        if isinstance(node, bytes):
            found.extend(etree.fromstring(b"<nodes>" + node + b"</nodes>"))
        else:
            found.append(deepcopy(node))
    if isinstance(answer, Output) and len(found) == 1 and found[0].tag == f"{{{NMDA}}}data":
        return list(found[0])
    return found
