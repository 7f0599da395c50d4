"""`casm device check`: is a device fit for its driver?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from casm_ctrl.cli.call import Answer, Call, Document
from casm_ctrl.cli.options import AcceptNew, DeviceNames, Jobs, Retries, Retry, Wait, YangPath
from casm_ctrl.cli.synchronise import faults, warnings

if TYPE_CHECKING:
    from rich.console import RenderableType

_CAPABILITY = re.compile(r"urn:ietf:params:netconf:capability:([a-z0-9-]+):")
_ORIGIN = {
    "device": "handed out by the device",
    "yang-path": "from --yang-path",
    "package": "of this package",
}
_NOTICES = {
    "events": "by itself when a pool fills up, by notifications of its model",
    "push": "by itself what its usage is (YANG-Push, RFC 8641)",
}
_USAGE = {"count": "counts addresses", "percent": "percent only", "none": "does not tell"}


def check(
    call: Call,
    devices: DeviceNames = None,
    accept_new: AcceptNew = False,
    wait: Wait = "30s",
    jobs: Jobs = 8,
    retries: Retries = 2,
    retry: Retry = False,
    yang_path: YangPath = None,
) -> Answer:
    """Open a session to devices and look whether they can do what their driver needs. Changes nothing there."""
    from casm_ctrl.base.clock import parse_duration
    from casm_ctrl.cli import progress
    from casm_ctrl.sync import reconciler
    from casm_ctrl.yang.modules import read_path

    options = reconciler.Options(
        wait=parse_duration(wait),
        accept_new=accept_new,
        jobs=jobs,
        retries=retries,
        retry=retry,
        yang_path=None if yang_path is None else read_path(yang_path),
    )
    done = progress.run(
        lambda tell: reconciler.check(call.database, call.author, devices or (), options, tell)
    )
    found: list[Document] = done["device"]
    return Answer(done, lambda: _show(found), notes=warnings(found), faults=faults(found))


def _show(found: Sequence[Document]) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import facts, table, titled

    if not found:
        yield "There is no device yet: make one with 'casm device add NAME'."
        return
    rows = (
        (
            device["name"],
            device["result"],
            device.get("session-id"),
            _drain(device),
            _USAGE.get(device.get("ability", {}).get("usage", "")),
            len(device["module"]) if "module" in device else None,
        )
        for device in found
    )
    columns = ("DEVICE", "RESULT", "SESSION", "DRAIN", "USAGE", "MODULES")
    yield table(columns, rows, right=("SESSION", "MODULES"))
    for device in found:
        details = facts(
            (
                ("NETCONF", ", ".join(capability_names(device.get("capability", ()))) or None),
                ("changes", device.get("way", {}).get("words")),
                (
                    "drain",
                    None if _drain(device) != "no" else "cannot drain: blocks leave as a person decides",
                ),
                (
                    "routes",
                    "can be given static ones (RFC 8349)"
                    if device.get("ability", {}).get("static-routes")
                    else None,
                ),
                ("tells", _NOTICES.get(device.get("ability", {}).get("notices", ""))),
                ("judged by", _modules(device)),
                ("deviations", ", ".join(device.get("deviation", ())) or None),
                ("missing", list(device.get("missing", ()))),
                ("quirks", [f"{quirk['name']}: {quirk['reason']}" for quirk in device.get("quirk", ())]),
                (
                    "findings",
                    [f"{finding['kind']}: {finding['words']}" for finding in device.get("finding", ())],
                ),
            )
        )
        if details.row_count:
            yield from titled(device["name"], details)


def _modules(device: Document) -> list[str]:
    """`ietf-nat@2019-01-10, handed out by the device, sha256 0123456789ab`."""
    return [
        f"{module['name']}{'@' + module['revision'] if 'revision' in module else ''}"
        f", {_ORIGIN[module['origin']]}, sha256 {module['sha256'][:12]}"
        for module in device.get("needed-module", ())
    ]


def _drain(device: Document) -> str | None:
    ability = device.get("ability")
    return None if ability is None else "yes" if ability["drain"] else "no"


def capability_names(uris: Iterable[str]) -> list[str]:
    """The names of the standard capabilities (RFC 6241, 8 and the RFCs that add to it), in their order."""
    return list(dict.fromkeys(match[1] for uri in uris if (match := _CAPABILITY.match(uri))))
