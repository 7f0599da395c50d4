"""Errors of the controller as rpc-error: one table, in casm_ctrl.base.errors, says how each looks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from casm_ctrl.base.errors import (
    AlreadyExists,
    Ambiguous,
    CasmError,
    IllegalTransition,
    InvalidValue,
    NotFound,
    NotSupported,
    Overlap,
    netconf_error,
)
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.yang.findings import Violation

ABOUT_VALUES = (InvalidValue, NotFound, NotSupported, AlreadyExists, Ambiguous, IllegalTransition, Overlap)
"""Refusals that are about what one leaf says. Others are about how things stand."""

_COMMAND = re.compile(r"('casm [^']*')")
_OPTION = re.compile(r"(?<![\w-])--(?=[a-z])(space\b)?")


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
        message=": ".join(filter(None, (error.message, in_leafs(error.remedy)))),
        namespaces=dict(namespaces or {}),
    )


def in_leafs(remedy: str) -> str:
    """A remedy with names of leafs where it has options of the command line: `--space` is `address-space`. Whole
    commands stay, docs/northbound.md says what stands for them."""
    pieces = _COMMAND.split(remedy)
    pieces[::2] = [_OPTION.sub(_leaf, piece) for piece in pieces[::2]]
    return "".join(pieces)


def _leaf(option: re.Match[str]) -> str:
    return "address-space" if option[1] else ""


def place_of(text: str, message: str) -> int | None:
    """Where a message names a value, as a word of its own; a length may stand behind its slash."""
    before = r"[\w.:-]" if text.isdigit() else r"[\w.:/-]"
    match = re.search(rf"(?<!{before}){re.escape(text)}(?![\w:/-]|\.\w)", message)
    return None if match is None else match.start()
