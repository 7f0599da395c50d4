"""Errors of the controller as rpc-error: one table, in casm_ctrl.base.errors, says how each looks."""

from __future__ import annotations

from collections.abc import Mapping

from casm_ctrl.base.errors import CasmError, netconf_error
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.yang.findings import Violation


def rpc_error_of(
    error: CasmError, *, path: str | None = None, namespaces: Mapping[str, str] | None = None
) -> RpcError:
    """The rpc-error for `error`: its message says what was found and what to do. `path` is where the request is
    to blame, with prefixes that `namespaces` binds; the error's own where it has one."""
    row = netconf_error(error)
    tag, app_tag = (error.tag, error.app_tag) if isinstance(error, Violation) else (row.tag, row.app_tag)
    return RpcError(
        row.type,
        tag,
        app_tag=app_tag,
        path=path or error.path,
        message=str(error),
        namespaces=dict(namespaces or {}),
    )
