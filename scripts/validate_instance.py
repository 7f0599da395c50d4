"""Check instance documents (XML or JSON) against YANG modules: configuration, state, RPC, notification."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from lxml import etree

from casm_ctrl.base.errors import Refusal
from casm_ctrl.service.alarm_control import ALARMS
from casm_ctrl.yang.engine import NETCONF, Engine, Format, forest
from casm_ctrl.yang.modules import our_modules, yang_folder

if TYPE_CHECKING:
    from scripts.program import FINDING, STATUS, fail, make_app, print_json, run
else:
    from casm_scripts.program import FINDING, STATUS, fail, make_app, print_json, run

app = make_app()


class Kind(Enum):
    """What a document is said to be."""

    CONFIG = "config"
    DATA = "data"
    PART = "part"
    EDIT = "edit"
    RPC = "rpc"
    REPLY = "reply"
    NOTIFICATION = "notification"


@dataclass(frozen=True)
class Verdict:
    """What was found about one document; message and path are empty where it is valid."""

    file: str
    valid: bool
    message: str = ""
    path: str = ""


@app.command(
    epilog=f"Example: casm-validate-instance --what config pools.json   {STATUS}",
    help="Check XML or JSON documents against YANG modules. A file named - is standard input; NETCONF's"
    " <config> and <data> around a document are taken off.",
)
def validate_instance(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="The documents.")],
    what: Annotated[
        Kind,
        typer.Option(help="config, data (with state), part (of data), edit, rpc, reply or notification."),
    ] = Kind.CONFIG,
    module: Annotated[
        list[str] | None,
        typer.Option(
            help="A module, NAME or NAME@REVISION. May be repeated. By default all of ours, and ietf-alarms."
        ),
    ] = None,
    path: Annotated[
        list[Path] | None, typer.Option(help="A further folder to look for modules in. May be repeated.")
    ] = None,
    request: Annotated[Path | None, typer.Option(help="The rpc that a reply answers.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> int:
    # What ours only augment has none of its features, unless it is named too.
    engine = Engine(module or (*our_modules(), ALARMS), [*(path or []), yang_folder()])
    asked = request.read_bytes() if request else None
    verdicts = [judge(engine, name, read(name), what, asked) for name in files]
    if json:
        print_json({"documents": [asdict(verdict) for verdict in verdicts]})
    for verdict in verdicts:
        if not verdict.valid:
            fail(f"{verdict.file}: {verdict.message}", FINDING)
        elif not json:
            print(f"{verdict.file}: valid")
    return 0 if all(verdict.valid for verdict in verdicts) else FINDING


def read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def judge(engine: Engine, name: str, document: bytes, kind: Kind, request: bytes | None) -> Verdict:
    """The engine's verdict on one document, whose encoding shows in its first character."""
    encoding: Format = "json" if document.lstrip()[:1] in (b"{", b"[") else "xml"
    if encoding == "xml" and kind in (Kind.CONFIG, Kind.DATA, Kind.PART, Kind.EDIT):
        document = unwrap(document)
    try:
        engine.validate(document, format=encoding, what=kind.value, request=request)
    except Refusal as error:
        return Verdict(name, False, error.message, error.path or "")
    return Verdict(name, True)


def unwrap(document: bytes) -> bytes:
    """What is inside NETCONF's `<config>` or `<data>`; the document itself where it is neither."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(document.strip(), parser)
    except etree.XMLSyntaxError:
        return document
    wrapped = root.tag in (f"{{{NETCONF}}}config", f"{{{NETCONF}}}data")
    if not wrapped or root.getroottree().docinfo.internalDTD is not None:
        return document
    return forest(root)


def main() -> int:
    return run(app)


if __name__ == "__main__":
    sys.exit(main())
