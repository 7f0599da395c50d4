"""Nothing leaves for a device that its own modules do not allow: the edit, and what it makes of what runs.

The edit is judged by names, types and structure. Then it is applied to a copy of what the driver read, and the
result is judged whole: keys, mandatory nodes, choices, unique, sizes, `when`, `must` and leafrefs. What a finding
says about nodes that the driver does not read is left to the device (`yang.reach`), and so is what
was wrong there before the edit: that is not ours to repair.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator, Sequence

from lxml import etree

from casm_ctrl.base.errors import YangInvalid
from casm_ctrl.drivers.interface import Driver, Edit, Element, config_filter_of
from casm_ctrl.netconf.datastores.edit import apply_edit
from casm_ctrl.netconf.names import DEFAULT_BASE, nc
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.trees import hollow
from casm_ctrl.sync.device_modules import DeviceModels
from casm_ctrl.yang.engine import forest
from casm_ctrl.yang.reach import Path, looks_outside


async def validate_edit(models: DeviceModels, driver: Driver, edit: Edit, running: Element) -> None:
    """YangInvalid where `edit` may not be sent to a device that holds `running`. On a thread: it may be long."""
    if edit.config:
        await asyncio.to_thread(judge_edit, models, driver, edit, running)


def judge_edit(models: DeviceModels, driver: Driver, edit: Edit, running: Element) -> None:
    """`validate_edit`, at once."""
    selection = config_filter_of(driver, models.announced.revisions)
    config = etree.Element(nc("config"), nsmap=DEFAULT_BASE)
    config.extend(map(copy.deepcopy, edit.config))
    before = _part(running, selection)
    try:
        models.engine.validate(forest(edit.config), what="edit")
        after = apply_edit(before, config, models.schema, "none")
    except YangInvalid as error:
        raise _refused(error.message, error.path) from error
    except RpcError as error:
        raise _refused(str(error), error.path) from error
    found = models.engine.findings(forest(after), models.names)
    if found == []:
        return
    known = models.engine.findings(forest(before), models.names)
    if found is None:
        if known is None:
            return  # what runs has values that the device's own modules forbid: nobody can judge the whole
        raise _refused("what it makes has a value that the device's modules forbid", None)
    within = [path for root in selection for path in _paths(root)]
    for finding in found:
        if finding not in (known or ()) and not looks_outside(finding, models.engine.context, within):
            violation = finding.violation()
            raise _refused(violation.message, violation.path)


def _refused(message: str, path: str | None) -> YangInvalid:
    return YangInvalid(
        f"the edit that was worked out is not valid by the device's modules: {message}",
        "nothing was sent; correct the device pool, or report this",
        path=path,
    )


def _part(running: Element, selection: Sequence[Element]) -> Element:
    """`running` without the top-level nodes that the driver does not read."""
    tags = {root.tag for root in selection}
    if all(child.tag in tags for child in running):
        return running
    part = hollow(running)
    part.extend(copy.deepcopy(child) for child in running.iterchildren("*") if child.tag in tags)
    return part


def _paths(node: Element, above: Path = ()) -> Iterator[Path]:
    """What a subtree filter selects, as paths; a content match (RFC 6241, 6.2.5) selects its parent."""
    here = (*above, etree.QName(node).localname)
    inner = [child for child in node.iterchildren("*") if not (child.text or "").strip()]
    if not inner:
        yield here
    for child in inner:
        yield from _paths(child, here)
