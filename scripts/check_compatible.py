"""Check that a new revision of a YANG module keeps what the old one promised (RFC 7950, 11)."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.base.errors import NotFound

if TYPE_CHECKING:
    from scripts.program import FINDING, STATUS, fail, make_app, print_json, run
    from scripts.pyang_findings import Finding, run_pyang, search_path
    from scripts.string_types import find_narrowed
else:
    from casm_scripts.program import FINDING, STATUS, fail, make_app, print_json, run
    from casm_scripts.pyang_findings import Finding, run_pyang, search_path
    from casm_scripts.string_types import find_narrowed

_NAME = re.compile(r"^\s*(?:sub)?module\s+\"?([A-Za-z_][A-Za-z0-9._-]*)", re.MULTILINE)
_REVISION = re.compile(r'^\s*revision\s+"?(\d{4}-\d{2}-\d{2})"?', re.MULTILINE)

app = make_app()


@app.command(
    epilog=f"Example: casm-check-compatible old/m@2026-01-01.yang new/m@2026-06-01.yang   {STATUS}",
    help="Check that module NEW may replace its older revision OLD: clients of OLD must go on working.",
)
def check_compatible(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The older revision.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The newer revision.")],
    path: Annotated[
        list[Path] | None, typer.Option(help="A further folder to look for imports in. May be repeated.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> int:
    for file in (old, new):
        if not file.is_file():
            raise NotFound(f"there is no YANG module at {file}", "name a .yang file")
    folders = path or []
    findings: list[Finding] = []
    if old.read_bytes() != new.read_bytes():
        findings += compare_heads(old, new)
        findings += compare_nodes(old, new, folders)
        findings += find_narrowed(old, new, folders)
    if json:
        members = {"old": str(old), "new": str(new), "findings": [asdict(item) for item in findings]}
        print_json({"compatibility": members})
    for item in findings:
        fail(str(item), FINDING)
    if not json and not findings:
        print(f"{new}: compatible with {old}")
    return FINDING if findings else 0


def compare_heads(old: Path, new: Path) -> list[Finding]:
    """A new revision is of the same module, and says so with a newer revision statement."""
    texts = [file.read_text(encoding="utf-8") for file in (old, new)]
    names = [_NAME.findall(text)[:1] for text in texts]
    if names[0] != names[1]:
        return [Finding(str(new), 0, "revision", f"this is another module than {old}")]
    revisions = [max(_REVISION.findall(text), default="") for text in texts]
    if revisions[1] <= revisions[0]:
        return [
            Finding(
                str(new), 0, "revision", f"changed without a revision newer than {revisions[0] or 'none'}"
            )
        ]
    return []


def compare_nodes(old: Path, new: Path, path: list[Path]) -> list[Finding]:
    """pyang's opinion. Its warnings count: it warns where it cannot tell, as of a changed pattern."""
    return run_pyang(
        [new],
        *("--check-update-from", str(old)),
        *("--check-update-from-path", search_path([old.parent, *path])),
        *("-p", search_path([new.parent, *path])),
        warnings=True,
    )


def main() -> int:
    return run(app)


if __name__ == "__main__":
    sys.exit(main())
