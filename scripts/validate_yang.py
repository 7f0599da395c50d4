"""Check YANG modules: pyang's lint, every warning an error, and whether libyang loads them."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.base.errors import CasmError, NotFound
from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.modules import yang_folder

if TYPE_CHECKING:
    from scripts.program import FINDING, STATUS, fail, make_app, print_json, run
    from scripts.pyang_findings import Finding, run_pyang, search_path
else:
    from casm_scripts.program import FINDING, STATUS, fail, make_app, print_json, run
    from casm_scripts.pyang_findings import Finding, run_pyang, search_path

MAX_LINE_LENGTH = 72
"""So that a module fits into an RFC (RFC 8407, 3.1 speaks of 69 to 72)."""

_NAMED_BY_RFC = {"notifications": "no module name prefix string used"}
"""Findings about names that an RFC gave, and that style cannot change: RFC 5277's module has no prefix."""

_MODULE = re.compile(r"^\s*(?P<kind>module|submodule)\s+\"?(?P<name>[A-Za-z_][A-Za-z0-9._-]*)", re.MULTILINE)

app = make_app()


@app.command(
    epilog=f"Example: casm-validate-yang my-module@2026-11-23.yang   {STATUS}",
    help="Check YANG modules with pyang (lint, no warnings) and libyang. Without arguments: our own.",
)
def validate_yang(
    places: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE|FOLDER]...", help="Modules, or folders of them.")
    ] = None,
    path: Annotated[
        list[Path] | None, typer.Option(help="A further folder to look for imports in. May be repeated.")
    ] = None,
    lint: Annotated[
        bool, typer.Option("--lint/--no-lint", help="Judge style too, or only whether they are valid.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> int:
    files = find_files(places or [yang_folder()])
    search = list(dict.fromkeys([*(file.parent for file in files), *(path or [])]))
    style = ["--lint", f"--max-line-length={MAX_LINE_LENGTH}"] if lint else []
    findings = run_pyang(files, *style, "-p", search_path(search), warnings=lint)
    findings = [item for item in findings if not _is_of_rfc(item)]
    findings += run_libyang(files, search)
    if json:
        print_json({"files": [str(file) for file in files], "findings": [asdict(item) for item in findings]})
    for item in findings:
        fail(str(item), FINDING)
    if not json and not findings:
        for file in files:
            print(f"{file}: ok")
    return FINDING if findings else 0


def _is_of_rfc(finding: Finding) -> bool:
    known = _NAMED_BY_RFC.get(Path(finding.file).name.partition("@")[0])
    return known is not None and finding.message.endswith(known)


def find_files(places: list[Path]) -> list[Path]:
    """The YANG files in `places`; NotFound where one is neither a file nor a folder with any."""
    files: list[Path] = []
    for place in places:
        found = sorted(place.glob("*.yang")) if place.is_dir() else [place] if place.is_file() else []
        if not found:
            raise NotFound(f"there are no YANG modules at {place}", "name a .yang file or a folder of them")
        files += found
    return files


def run_libyang(files: list[Path], search: list[Path]) -> list[Finding]:
    """The modules that libyang does not load, each tried on its own. Submodules come with theirs."""
    findings = []
    for file in files:
        match = _MODULE.search(file.read_text(encoding="utf-8"))
        if match is None or match["kind"] == "submodule":
            continue
        revision = file.stem.partition("@")[2]
        name = f"{match['name']}@{revision}" if revision else match["name"]
        try:
            Engine([name], search)
        except CasmError as error:
            findings.append(Finding(str(file), 0, "libyang", error.message))
    return findings


def main() -> int:
    return run(app)


if __name__ == "__main__":
    sys.exit(main())
