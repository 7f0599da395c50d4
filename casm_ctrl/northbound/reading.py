"""Reading: get, get-config and get-data for callers, and the writing operations by the one dispatch.

What is asked for is read no wider than its filter needs; then default data is filled in, what the caller may not read
is cut out (before the filter looks at it: RFC 8341, 3.2.4), and of what the filter selects there stays what is wanted
by its content, depth and origin. Where the store has written what is wanted to the letter, that goes out as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

from lxml import etree

from casm_ctrl.netconf.messages import Answer, Data, Hello, Output
from casm_ctrl.netconf.names import XPATH, Element, nc
from casm_ctrl.netconf.nmda import GET_DATA, NAMESPACE
from casm_ctrl.netconf.retrieval import origin
from casm_ctrl.netconf.retrieval.cutting import Content, Contents
from casm_ctrl.netconf.retrieval.request import (
    OPERATIONAL,
    Retrieval,
    read_get,
    read_get_config,
    read_get_data,
)
from casm_ctrl.netconf.retrieval.selection import Selection
from casm_ctrl.netconf.retrieval.with_defaults import DEFAULT, Defaults, Mode, trimmed
from casm_ctrl.netconf.server.dispatch import Operations as Dispatch
from casm_ctrl.netconf.server.monitoring import GET_SCHEMA
from casm_ctrl.northbound.access.control import NACM, Access, tag_of
from casm_ctrl.northbound.alarms.names import TOP as ALARMS
from casm_ctrl.northbound.configuration.datastores import Datastores
from casm_ctrl.northbound.configuration.running import Running
from casm_ctrl.northbound.endpoint import SERIALISED, Endpoint
from casm_ctrl.northbound.interface import Caller, Operation, Operations
from casm_ctrl.northbound.models import DATASTORES, Models
from casm_ctrl.northbound.notifications.names import sn
from casm_ctrl.northbound.state.operational import State
from casm_ctrl.service.control_settings import TOP as CONTROL
from casm_ctrl.service.exchange.documents import TOP
from casm_ctrl.store.database import Database
from casm_ctrl.yang.modules import find_module

_TAGGED: Mapping[str, tuple[str, str]] = {DEFAULT: ("wd", "true")}


class Reading:
    """`others` make the top-level nodes of state that other parts of the server have, by tag; None: there is none."""

    def __init__(
        self,
        database: Database,
        running: Running,
        datastores: Datastores,
        access: Access,
        endpoint: Endpoint,
        models: Models,
    ) -> None:
        self.others: Mapping[str, Callable[[], Element | None]] = {}
        self._state = State(database, running, models.schema)
        self._datastores = datastores
        self._access = access
        self._endpoint = endpoint
        self._models = models
        self._schema = models.schema
        self._defaults = Defaults(models.schema)
        self._contents = Contents(models.schema)

    @property
    def data_tags(self) -> frozenset[str]:
        """Of the nodes at the top that are read: from the store, and from other parts."""
        stored = (
            f"{{{find_module(module).namespace}}}{name}"
            for module, _, name in (container.partition(":") for container in TOP)
        )
        return frozenset((*stored, NACM, CONTROL, *self.others))

    def operations(self, capabilities: Sequence[str]) -> Operations:
        """By tag."""
        self._capabilities = tuple(capabilities)
        self._xpath = Hello(self._capabilities).has(XPATH)
        dispatch = Dispatch(
            self._datastores,
            self._endpoint.sessions,
            self._schema,
            capabilities,
            self._models.modules,
            tuple,
        )

        def call(caller: Caller, operation: Element) -> Answer:
            return dispatch.call(caller.session_id, operation)

        tags = (*SERIALISED, GET_SCHEMA)
        plain: dict[str, Operation] = dict.fromkeys(tags, call)
        own = {nc("get"): self._get, nc("get-config"): self._get_config, GET_DATA: self._get_data}
        return Operations({**plain, **own})

    # --- Operations -------------------------------------------------------------------------------

    def _get(self, caller: Caller, operation: Element) -> Answer:
        return Data(self.read(caller, read_get(operation, self._schema, xpath=self._xpath)))

    def _get_config(self, caller: Caller, operation: Element) -> Answer:
        asked = read_get_config(operation, ("running", "candidate"), self._schema, xpath=self._xpath)
        return Data(self.read(caller, asked))

    def _get_data(self, caller: Caller, operation: Element) -> Answer:
        found = self.read(caller, read_get_data(operation, DATASTORES, self._schema))
        written = [node if isinstance(node, bytes) else _write(node) for node in found]
        return Output([b"".join([f'<data xmlns="{NAMESPACE}">'.encode(), *written, b"</data>"])])

    # --- What they read ---------------------------------------------------------------------------

    def read(self, caller: Caller, asked: Retrieval) -> list[Element | bytes]:
        """The top-level nodes that the caller gets."""
        operational = asked.datastore == OPERATIONAL
        if not operational and asked.content == "nonconfig":
            return []
        content: Content = asked.content if operational else "config"
        fills = asked.mode not in (None, Mode.TRIM) and self._defaults.concern(asked.filter.selection)
        exact = not fills and self._exact(caller, asked)
        written: list[bytes] = []
        if operational or (exact and asked.datastore != "candidate"):
            top, written = self._current(caller, asked, content, fills, exact)
        else:
            top = self._configuration(caller, asked, fills)
        found: list[Element] = []
        if len(top) or not written:  # mostly all is written
            found = self._contents.cut(asked.filter.apply(top, self._schema, asked.depth), content)
        if asked.origins is not None:
            found = origin.filter_origins(found, self._schema, asked.origins, origin_of)
            if not asked.with_origin:
                found = [origin.without_annotations(node) for node in found]
        nodes: list[Element | bytes] = [*written, *found]
        return [self._annotated(node) for node in nodes] if asked.with_origin else nodes

    def _configuration(self, caller: Caller, asked: Retrieval, fills: bool) -> Element:
        """A `<config>` of what a conventional datastore holds for the caller."""
        tree = self._datastores.content("candidate" if asked.datastore == "candidate" else "running")
        if fills:
            tree = copy.deepcopy(tree)
            self._fill(tree, asked)
        return self._access.prune_tree(caller, tree)

    def _current(
        self, caller: Caller, asked: Retrieval, content: Content, fills: bool, exact: bool
    ) -> tuple[Element, list[bytes]]:
        """What is running, with state where it is asked for, as far as the caller may read it: nodes that the filter
        is still to be applied to, and those that are what it selects."""
        selection = asked.filter.selection
        if fills:
            selection = self._defaults.loosened(selection)
        elif not exact:
            selection = selection.loosely()
        nodes = self._state.read(selection, content)
        if asked.datastore == OPERATIONAL:
            nodes = [*self._with_parts(nodes, selection, asked.mode, content)]
        if fills:
            top = _around([etree.fromstring(node) if isinstance(node, bytes) else node for node in nodes])
            self._fill(top, asked)
            nodes = list(top)
        seen = self._access.prune(caller, nodes)
        looked_at = [node for node in seen if not isinstance(node, bytes)]
        if asked.datastore != OPERATIONAL:  # there is no state in it that could decide what is selected
            looked_at = self._contents.cut(looked_at, "config")
        return _around(looked_at), [node for node in seen if isinstance(node, bytes)]

    def _exact(self, caller: Caller, asked: Retrieval) -> bool:
        """Whether what the filter selects may go out without a look at it: nothing is hidden from the caller, and
        nothing but the filter and the content is to be held against it."""
        if asked.depth is not None or asked.origins is not None:
            return False
        if self._access.reads_everything(caller):
            return True
        return asked.filter.selection.only(*self._access.whole_tops(caller, self._schema.roots))

    def _with_parts(
        self, nodes: Sequence[Element | bytes], selection: Selection, mode: Mode | None, content: Content
    ) -> list[Element | bytes]:
        """`nodes` of the store, with what other parts of the server tell."""
        parts: dict[str, Callable[[], Element | None]] = {NACM: self._access.nacm, **self.others}
        if content == "config":
            parts.pop(ALARMS, None)  # what of them is configuration is among the nodes
        made = [
            node for tag, build in parts.items() if selection.names(tag) and (node := build()) is not None
        ]
        if mode is Mode.TRIM:
            made = trimmed(made, self._schema)
        return [*(node for node in nodes if tag_of(node) not in parts), *made]

    def _fill(self, top: Element, asked: Retrieval) -> None:
        """Default data, annotated where it must be told from other data."""
        tagged = asked.mode is Mode.REPORT_ALL_TAGGED
        attributes = dict(_TAGGED) if tagged else {}
        self._defaults.fill(
            top,
            asked.filter.selection,
            state=asked.datastore == OPERATIONAL,
            attributes=attributes,
            tag_all=tagged,
            of_configuration=origin.OF_DEFAULTS if asked.with_origin or asked.origins is not None else {},
        )

    def _annotated(self, node: Element | bytes) -> Element | bytes:
        """With its origin, where it is configuration."""
        tag = tag_of(node)
        known = self._schema.roots.get(tag)
        return node if known is None or not known.config else origin.annotated(node, origin_of(tag))


def origin_of(tag: str) -> str:
    """Where the configuration in a top-level node comes from: subscriptions that were asked for by an RPC are in no
    datastore that is configured."""
    return origin.LEARNED if tag == sn("subscriptions") else origin.INTENDED


def _around(nodes: Sequence[Element]) -> Element:
    top = etree.Element("data")
    top.extend(nodes)
    return top


def _write(node: Element) -> bytes:
    return etree.tostring(node, encoding="UTF-8", with_tail=False)
