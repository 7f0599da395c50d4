"""How much edits may put into the candidate, which is in memory, before it is committed or discarded. Pure."""

from __future__ import annotations

from lxml import etree

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.names import Element, nc
from casm_ctrl.netconf.nmda import EDIT_DATA

_count = etree.XPath("count(descendant-or-self::*)")
_EDITS = frozenset((nc("edit-config"), nc("copy-config"), EDIT_DATA))
_ENDS = frozenset((nc("commit"), nc("discard-changes")))


class Growth:
    """Counts the elements of edits since the last commit or discard-changes that was done."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._elements = 0

    def check(self, operation: Element) -> int:
        """The elements of an edit, for `done`. Refuses it where it is too much, beside those before it."""
        if operation.tag not in _EDITS:
            return 0
        elements = int(str(_count(operation)).partition(".")[0])
        if self._elements + elements > self._most:
            raise rpc_error.resource_denied(
                f"the edits of the candidate have more than {self._most} elements: commit or discard them first"
            )
        return elements

    def done(self, operation: Element, elements: int) -> None:
        """An operation was done."""
        self._elements = 0 if operation.tag in _ENDS else self._elements + elements
