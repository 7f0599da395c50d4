"""The verbs as RPCs: one table from the name of an RPC of casm-operations to what does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from casm_ctrl.base.errors import CasmError
from casm_ctrl.netconf.messages import Answer, Output
from casm_ctrl.netconf.names import Element
from casm_ctrl.northbound.interface import AsyncOperation, Caller, Operation, Operations
from casm_ctrl.northbound.verbs import device_verbs, exchange_verbs, outlook_verbs, store_verbs, usage_verbs
from casm_ctrl.northbound.verbs.blame import refusal
from casm_ctrl.northbound.verbs.context import Given, VerbContext
from casm_ctrl.northbound.verbs.inputs import read_input
from casm_ctrl.northbound.verbs.outputs import OutputWriter
from casm_ctrl.service.verb import Document
from casm_ctrl.yang.engine import Engine, engine_for
from casm_ctrl.yang.operations import OperationNode, read_operations

MODULE = "casm-operations"
NAMESPACE = "urn:casm:yang:casm-operations"

StoreVerb = Callable[[VerbContext, Given], Document]
DeviceVerb = Callable[[VerbContext, Given], Coroutine[Any, Any, Document]]

STORE_VERBS: Mapping[str, StoreVerb] = {
    "allocate": store_verbs.allocate,
    "release": store_verbs.release_blocks,
    "renew": store_verbs.renew,
    "drain": store_verbs.drain,
    "cancel-drain": store_verbs.cancel_drain,
    "manage-blocks": store_verbs.manage_blocks,
    "confirm-routes": store_verbs.confirm_routes,
    "accept-clock": store_verbs.accept_clock,
    "hold": store_verbs.hold,
    "unhold": store_verbs.unhold,
    "resume-control": store_verbs.resume_control,
    "replace-device": store_verbs.replace,
    "trace": store_verbs.trace,
    "read-audit": store_verbs.read_audit,
    "verify-audit": store_verbs.verify_audit,
    "seal-audit": store_verbs.seal_audit,
    "check-access": store_verbs.check_access,
    "read-forecast": outlook_verbs.read_forecast,
    "plan-scarcity": outlook_verbs.plan_scarcity,
    "plan-defragmentation": outlook_verbs.plan_defragmentation,
    "read-usage": usage_verbs.read_usage,
    "why": store_verbs.why,
    "read-status": store_verbs.read_status,
    "export-store": exchange_verbs.export_store,
    "import-store": exchange_verbs.import_store,
}
"""Plain functions: each uses the store only."""

DEVICE_VERBS: Mapping[str, DeviceVerb] = {
    "plan": device_verbs.plan,
    "apply": device_verbs.apply,
    "adopt": device_verbs.adopt,
    "check-drift": device_verbs.check_drift,
    "verify": device_verbs.verify,
    "check-devices": device_verbs.check_devices,
}
"""Coroutines: each talks to devices."""

READING = frozenset(
    {
        *("trace", "read-audit", "verify-audit", "check-access", "read-status", "export-store"),
        *("plan", "plan-scarcity", "plan-defragmentation", "verify", "read-forecast", "read-usage", "why"),
    }
)
"""Those that change nothing, in the store or on devices."""


def operations(context: VerbContext) -> Operations:
    """What the server calls, by tag."""
    engine = engine_for(MODULE)
    nodes = read_operations(engine.context, MODULE)
    return Operations(
        plain={
            tag(name): _plain(_Verb(context, nodes[tag(name)], engine, name), verb)
            for name, verb in STORE_VERBS.items()
        },
        awaited={
            tag(name): _awaited(_Verb(context, nodes[tag(name)], engine, name), verb)
            for name, verb in DEVICE_VERBS.items()
        },
    )


def tag(name: str) -> str:
    """The tag of an RPC of ours."""
    return f"{{{NAMESPACE}}}{name}"


@dataclass(frozen=True)
class _Verb:
    """What is around a verb: reading its input, and writing its output."""

    context: VerbContext
    node: OperationNode
    engine: Engine
    name: str

    def given(self, caller: Caller, operation: Element) -> Given:
        values = read_input(operation, self.node, self.engine)
        return Given(caller, values, self.context.holder(caller.session_id))

    def changed(self) -> None:
        if self.name not in READING:
            self.context.changed()


def _plain(verb: _Verb, body: StoreVerb) -> Operation:
    writer = OutputWriter(verb.node.output)

    def call(caller: Caller, operation: Element) -> Answer:
        given = verb.given(caller, operation)
        try:
            document = body(verb.context, given)
        except CasmError as error:
            raise refusal(error, operation, given.values) from error
        verb.changed()
        return Output(writer.write(document))

    return call


def _awaited(verb: _Verb, body: DeviceVerb) -> AsyncOperation:
    writer = OutputWriter(verb.node.output)

    async def call(caller: Caller, operation: Element) -> Answer:
        # Plans and the answers of large fleets are long: the event loop goes on meanwhile.
        given = await asyncio.to_thread(verb.given, caller, operation)
        try:
            work = body(verb.context, given)
            document = await verb.context.underway.run(caller.session_id, work)
        except CasmError as error:
            raise refusal(error, operation, given.values) from error
        finally:
            verb.changed()
        return Output(await asyncio.to_thread(writer.write, document))

    return call
