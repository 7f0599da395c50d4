"""What a refused change tells of data that its caller may not read (RFC 8341, 3.2.5 and 5): nothing.

An edit of what is hidden is answered the same whether it is there or not. What else goes wrong because of hidden data
is refused with its tags, and without the path and the words that would name it.
"""

from __future__ import annotations

from collections.abc import Collection

from casm_ctrl.base.errors import CasmError, InvalidValue, YangInvalid
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.access.rules import Right
from casm_ctrl.netconf.messages import Answer
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.node_paths import read_path
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound.access.control import Access
from casm_ctrl.northbound.interface import Caller, Operation, Operations
from casm_ctrl.service.exchange.documents import TOP
from casm_ctrl.yang.modules import find_module

_HIDDEN = "it does not go together with data that this user may not read"
_THERE_OR_NOT = ("data-exists", "data-missing")


_STORED = frozenset(
    f"{{{find_module(module).namespace}}}{name}"
    for module, _, name in (container.partition(":") for container in TOP)
)


def conceal(operations: Operations, tags: Collection[str], access: Access) -> Operations:
    """`operations`, of which those of `tags` write or judge datastores."""
    plain = {
        tag: _concealed(operation, access) if tag in tags else operation
        for tag, operation in operations.plain.items()
    }
    return Operations(plain, operations.awaited)


def _concealed(operation: Operation, access: Access) -> Operation:
    def call(caller: Caller, element: Element) -> Answer:
        try:
            return operation(caller, element)
        except RpcError as error:
            raise without_hidden(error, caller, access) from error.__cause__

    return call


def without_hidden(error: RpcError, caller: Caller, access: Access) -> RpcError:
    """`error` as the caller may see it."""
    if error.tag == "access-denied" or access.reads_everything(caller):
        return error
    if error.path and not _may_read(error, caller, access):
        if error.tag in _THERE_OR_NOT and error.app_tag is None:
            access.counters.count_data_write()
            denied = rpc_error.access_denied("this user may not read what the edit names")
            denied.path, denied.namespaces = error.path, error.namespaces
            return denied
        return RpcError(error.type, error.tag, app_tag=error.app_tag, message=_HIDDEN)
    cause = error.__cause__
    by_store = isinstance(cause, CasmError) and not isinstance(cause, YangInvalid)
    if by_store and len(access.whole_tops(caller, _STORED)) < len(_STORED):
        error.message = _HIDDEN  # the store's words may name anything
    return error


def _may_read(error: RpcError, caller: Caller, access: Access) -> bool:
    try:
        path = read_path(error.path or "", error.namespaces)
    except InvalidValue:
        return False
    return access.judge_data(caller, path, Right.READ)
