"""Which leaf of a request is to blame for a refusal of the service.

The service knows no requests of NETCONF, but each of its refusals says what was asked: the leaf whose value the message
names is the one that the client should look at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from casm_ctrl.base.clock import from_rfc3339, to_rfc3339
from casm_ctrl.base.errors import CasmError, RequestReused
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound.refusals import ABOUT_VALUES, place_of, rpc_error_of
from casm_ctrl.northbound.verbs.inputs import PREFIX, Path

_WHOLE = ("document", "plan")
"""Leafs that hold a whole text: a message about the request names what is in it."""
_PLAIN = ("request-id", "reason", *_WHOLE)
"""Leafs whose text is not looked for in messages: it is anybody's words."""

_MOMENTS = ("expires", "at")
"""Leafs with a time, which messages tell in UTC."""


def refusal(error: CasmError, operation: Element, values: Mapping[str, Any]) -> RpcError:
    """The rpc-error for `error`, with the path of the input leaf to blame where one is."""
    path = Path(operation)
    steps = _steps(error, values)
    if steps is None:
        return rpc_error_of(error)
    return path.of(rpc_error_of(error), *steps)


def _steps(error: CasmError, values: Mapping[str, Any]) -> tuple[str, ...] | None:
    if isinstance(error, RequestReused):
        return (f"{PREFIX}:request-id",)
    if not isinstance(error, ABOUT_VALUES):
        return None
    named = [
        (message_place, steps)
        for steps, text in _texts(values)
        if (message_place := place_of(text, error.message)) is not None
    ]
    if named:
        return min(named)[1]
    return next(((f"{PREFIX}:{name}",) for name in _WHOLE if name in values), None)


def _texts(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, value in values.items():
        step = f"{PREFIX}:{name}"
        if name in _PLAIN:
            continue
        if isinstance(value, list):
            for one in value:
                if isinstance(one, str):
                    yield (f"{step}[.={_quoted(one)}]",), one
        elif isinstance(value, (str, int)) and not isinstance(value, bool):
            yield (step,), str(value)
            if name in _MOMENTS:
                with contextlib.suppress(CasmError):
                    yield (step,), to_rfc3339(from_rfc3339(str(value)))
            if name in ("device-pool", "subject") and "/" in str(value):
                yield (step,), str(value).partition("/")[0]  # the device may be what there is none of


def _quoted(text: str) -> str:
    """An XPath literal: there is no way to escape a quote in one (XPath 1.0, 3.7)."""
    return f"'{text}'" if "'" not in text else f'"{text}"'
