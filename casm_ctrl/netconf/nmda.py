"""The datastores by their identities, and the operations on them (RFC 8342, RFC 8526)."""

from __future__ import annotations

from collections.abc import Collection

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.names import Element

NAMESPACE = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
DATASTORES = "urn:ietf:params:xml:ns:yang:ietf-datastores"
DATASTORE = f"{{{NAMESPACE}}}datastore"
"""The argument, which lock, unlock and validate take too (3.2)."""


def nmda(name: str) -> str:
    """`name` of ietf-netconf-nmda, in Clark notation."""
    return f"{{{NAMESPACE}}}{name}"


GET_DATA, EDIT_DATA = nmda("get-data"), nmda("edit-data")


def identity(leaf: Element) -> tuple[str | None, str]:
    """An identityref as (namespace, name): its prefix is bound where it stands (RFC 7950, 9.10.3)."""
    prefix, colon, name = (leaf.text or "").strip().rpartition(":")
    return leaf.nsmap.get(prefix if colon else None), name


def read_datastore(leaf: Element, known: Collection[str]) -> str:
    """The datastore that a leaf names, out of `known`; invalid-value where the operation cannot be done on it."""
    namespace, name = identity(leaf)
    if namespace != DATASTORES or name not in known or len(leaf):
        raise rpc_error.invalid_value(
            f"'{(leaf.text or '').strip()}' is none of the datastores that this can be done on: {', '.join(known)}",
            layer="protocol",
        )
    return name
