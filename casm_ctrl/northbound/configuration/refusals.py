"""What the store refused of a commit, as rpc-error with the path of the leaf to blame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from casm_ctrl.base.errors import CasmError
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound.configuration.entries import entry_path, leaf_path, read_content
from casm_ctrl.northbound.configuration.steps import PlacedEdit
from casm_ctrl.northbound.refusals import ABOUT_VALUES, place_of, rpc_error_of
from casm_ctrl.service.exchange.nouns import Entry, Kind

_WORDS = ("description", "user", "credential")
"""Leafs whose text is not looked for in messages: it is anybody's words."""


def commit_refusal(error: CasmError, placed: Sequence[PlacedEdit], after: Element) -> RpcError:
    """The rpc-error for `error`, which one of the edits `placed` caused; `after` is a `<config>` with what they make.

    An edit that makes an entry is of the whole entry: the leaf to blame is the one whose value the message names
    first, as in the input of an RPC.
    """
    if error.edit_index is None:
        return rpc_error_of(error)
    blamed = placed[error.edit_index]
    path = blamed.path
    for entry in read_content(after).entries.values():
        if entry_path(entry.noun, entry.key) == path:
            path = blamed_path(error, entry)
    return rpc_error_of(error, path=path, namespaces=blamed.namespaces)


def blamed_path(error: CasmError, entry: Entry) -> str:
    """The leaf of an entry to blame for a refusal, or the entry."""
    named = list(_named(entry, error.message)) if isinstance(error, ABOUT_VALUES) else []
    return min(named)[1] if named else entry_path(entry.noun, entry.key)


def _named(entry: Entry, message: str) -> Iterator[tuple[int, str]]:
    """Where a message names values of an entry, and their paths."""
    for leaf in entry.noun.leaves:
        value = entry.get(leaf.name)
        if value is None or leaf.kind in (Kind.FLAG, Kind.MAP) or leaf.name in _WORDS:
            continue
        several = leaf.kind in (Kind.SET, Kind.LIST)
        for text in map(str, value if several else (value,)):
            place = place_of(text, message)
            if place is not None:
                yield place, leaf_path(entry.noun, entry.key, leaf, text if several else None)
