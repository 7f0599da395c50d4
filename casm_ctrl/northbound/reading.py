"""The operations on datastores, for callers: what each may read is cut out before a filter looks at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from lxml import etree

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.arguments import Arguments, subtree_filter
from casm_ctrl.netconf.dispatch import Operations as Dispatch
from casm_ctrl.netconf.filters import apply_filter
from casm_ctrl.netconf.messages import Answer, Data, Output
from casm_ctrl.netconf.monitoring import netconf_state
from casm_ctrl.netconf.names import MONITORING, Element, nc
from casm_ctrl.netconf.selection import EVERYTHING, Selection
from casm_ctrl.northbound.access import NACM, Access, tag_of
from casm_ctrl.northbound.datastores import Datastores
from casm_ctrl.northbound.endpoint import SERIALISED, Endpoint
from casm_ctrl.northbound.interface import Caller, Operation, Operations
from casm_ctrl.northbound.models import Models
from casm_ctrl.northbound.running import Running
from casm_ctrl.northbound.state import State
from casm_ctrl.service.exchange.documents import TOP
from casm_ctrl.store.database import Database
from casm_ctrl.yang.modules import find_module

NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
DATASTORES = "urn:ietf:params:xml:ns:yang:ietf-datastores"
GET_DATA = f"{{{NMDA}}}get-data"


class Reading:
    """Answers get and get-config, and the writing operations by the one dispatch. `others` gives state of parts."""

    def __init__(
        self,
        database: Database,
        running: Running,
        datastores: Datastores,
        access: Access,
        endpoint: Endpoint,
        models: Models,
    ) -> None:
        self.others: Callable[[], Sequence[Element]] = tuple
        self._state = State(database, running, models.schema)
        self._datastores = datastores
        self._access = access
        self._endpoint = endpoint
        self._models = models

    @property
    def data_tags(self) -> frozenset[str]:
        """Of the nodes at the top that come from the store."""
        return frozenset(
            f"{{{find_module(module).namespace}}}{name}"
            for module, _, name in (container.partition(":") for container in TOP)
        )

    def operations(self, capabilities: Sequence[str]) -> Operations:
        """By tag."""
        self._capabilities = tuple(capabilities)
        dispatch = Dispatch(
            self._datastores,
            self._endpoint.sessions,
            self._models.schema,
            capabilities,
            self._models.modules,
            tuple,
        )

        def call(caller: Caller, operation: Element) -> Answer:
            return dispatch.call(caller.session_id, operation)

        tags = (*SERIALISED, f"{{{MONITORING}}}get-schema")
        plain: dict[str, Operation] = dict.fromkeys(tags, call)
        own = {nc("get"): self._get, nc("get-config"): self._get_config, GET_DATA: self._get_data}
        return Operations({**plain, **own})

    def _get(self, caller: Caller, operation: Element) -> Answer:
        subtree = subtree_filter(Arguments(operation, ("filter",)).optional("filter"))
        return Data(self._operational(caller, subtree))

    def _get_data(self, caller: Caller, operation: Element) -> Answer:
        """RFC 8526, 3.1.1: what the conventional datastores hold, and operational."""
        arguments = Arguments(operation, ("datastore", "subtree-filter"))
        subtree = arguments.optional("subtree-filter")
        name = self._datastore(arguments.element("datastore"))
        found = (
            self._operational(caller, subtree)
            if name == "operational"
            else self._configuration(caller, name, subtree)
        )
        data = etree.Element(f"{{{NMDA}}}data", nsmap=cast("dict[str, str]", {None: NMDA}))
        for node in found:
            data.append(etree.fromstring(node) if isinstance(node, bytes) else node)
        return Output([data])

    def _datastore(self, element: Element) -> str:
        prefix, _, name = (element.text or "").strip().rpartition(":")
        if element.nsmap.get(prefix or None) != DATASTORES or name not in (
            "running",
            "candidate",
            "operational",
        ):
            raise rpc_error.invalid_value(f"there is no datastore '{element.text}' here", layer="protocol")
        return name

    def _operational(self, caller: Caller, subtree: Element | None) -> list[Element | bytes]:
        selection = EVERYTHING if subtree is None else Selection.from_subtree(subtree)
        tops = self._access.whole_tops(caller, self._models.schema.roots)
        everything = self._access.reads_everything(caller) or selection.only(*tops)
        nodes = self._state.read(selection if everything else selection.loosely())
        nodes = [node for node in nodes if tag_of(node) != NACM]
        if selection.names(NACM):
            nodes.append(self._access.nacm())
        nodes = [*nodes, *(node for node in self._of_parts() if selection.names(str(node.tag)))]
        seen = self._access.prune(caller, nodes)
        read = self._filtered([node for node in seen if not isinstance(node, bytes)], subtree)
        return [*(node for node in seen if isinstance(node, bytes)), *read]

    def _get_config(self, caller: Caller, operation: Element) -> Answer:
        arguments = Arguments(operation, ("source", "filter"))
        source = arguments.datastore("source", ("candidate", "running"))
        return Data(self._configuration(caller, source, subtree_filter(arguments.optional("filter"))))

    def _configuration(
        self, caller: Caller, source: str, subtree: Element | None
    ) -> Sequence[Element | bytes]:
        tree = self._access.prune_tree(caller, self._datastores.content(source))
        return apply_filter(tree, subtree, self._models.schema)

    def _filtered(self, nodes: Sequence[Element], subtree: Element | None) -> list[Element]:
        top = etree.Element("state")
        top.extend(nodes)
        return apply_filter(top, subtree, self._models.schema)

    def _of_parts(self) -> list[Element]:
        monitoring = netconf_state(
            self._capabilities, self._models.modules, self._endpoint.sessions, self._datastores.locks()
        )
        return [monitoring, *self.others()]
