"""Prefixes in an edit, in the canonical form in which the configuration holds them (RFC 6991, ip-prefix).

They are keys and values of leaf-lists: `2001:DB8::/32` in an edit is the entry `2001:db8::/32`. All other values by
which entries are found have one form only.
"""

from __future__ import annotations

import copy
import ipaddress
import re
import socket

from casm_ctrl.netconf.names import Element
from casm_ctrl.yang.modules import find_module

_NAMESPACE = find_module("casm-pools").namespace
_TAGS = (f"{{{_NAMESPACE}}}prefix", f"{{{_NAMESPACE}}}exclude")
_PREFIX = re.compile(r"[0-9A-Fa-f:.]+/(0|[1-9][0-9]*)")
_PREFIX = re.compile(r"[0-9A-Fa-f:.]+/(0|[1-9][0-9]*)")


def with_canonical_prefixes(config: Element) -> Element:
    """`config` itself where all prefixes in it are canonical, or none at all."""
    if all(_canonical(leaf.text) == leaf.text for leaf in config.iter(*_TAGS)):
        return config
    written = copy.deepcopy(config)
    for leaf in written.iter(*_TAGS):
        leaf.text = _canonical(leaf.text)
    return written


def _canonical(text: str | None) -> str | None:
    """As libyang writes it. What is no prefix stays, for who judges types."""
    if text is None or not _PREFIX.fullmatch(text):
        return text
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return text
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    return f"{socket.inet_ntop(family, network.network_address.packed)}/{network.prefixlen}"
