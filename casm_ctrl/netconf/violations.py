"""How a finding of the validating engine looks as rpc-error (RFC 7950, 8.3 and 15)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import RpcError, bad_element
from casm_ctrl.netconf.violation_words import words_of
from casm_ctrl.yang.engine import Violation

_NAMED = {"missing-element", "bad-element", "unknown-element"}
"""Tags whose error-info must name the element (RFC 6241, appendix A)."""
_PIECE = re.compile(r"""'[^']*'|"[^"]*"|([/\[])(?:([A-Za-z_][\w.-]*):)?([A-Za-z_][\w.-]*)""")


def to_rpc_error(violation: Violation, namespaces: Mapping[str, str]) -> RpcError:
    """The rpc-error for `violation`; `namespaces` are those of the modules, by module name."""
    path, used = xpath(violation.path or "", namespaces)
    info: tuple[Element, ...] = ()
    if violation.tag in _NAMED and path:
        info = bad_element(path.rpartition("/")[2].rpartition(":")[2].partition("[")[0]).info
    return RpcError(
        "application",
        violation.tag,
        app_tag=violation.app_tag,
        path=path or None,
        message=words_of(violation.message, violation.path),
        info=info,
        namespaces=used,
    )


def xpath(path: str, namespaces: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """An instance path as libyang writes it, as an XPath with a prefix on every name, and the prefixes.

    libyang names the module where it changes only, as RFC 7951 does; in XPath a name without prefix
    has no namespace.
    """
    used: dict[str, str] = {}
    current = ""

    def qualify(match: re.Match[str]) -> str:
        nonlocal current
        before, module, name = match.groups()
        if name is None:
            return match[0]
        module = module or current
        if before == "/":
            current = module
        if module not in namespaces:
            return f"{before}{name}"
        used[module] = namespaces[module]
        return f"{before}{module}:{name}"

    return _PIECE.sub(qualify, path), used
