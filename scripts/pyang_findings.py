"""Run pyang on files and read what it says: one `Finding` for each line of complaint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from casm_ctrl.base.errors import one_line
from casm_ctrl.yang.modules import standard_folders

_LINE = re.compile(r"(?P<file>.+?):(?P<line>\d+)(?:\s*\([^)]*\))?: (?P<kind>error|warning): (?P<message>.+)")


@dataclass(frozen=True)
class Finding:
    """What one tool says about one file. Line 0 is the whole file."""

    file: str
    line: int
    tool: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.tool}: {self.message}"


def search_path(folders: Iterable[Path]) -> str:
    """`folders` and pyang's own, as its options take them."""
    return os.pathsep.join(map(str, (*folders, *standard_folders())))


def run_pyang(files: Iterable[Path], *options: str, warnings: bool) -> list[Finding]:
    """pyang's errors about `files`, and its warnings where they count.

    Where pyang fails without saying where, the finding names the first file.
    """
    names = list(map(str, files))
    strict = ["-Werror"] if warnings else []
    done = subprocess.run(
        [sys.executable, "-m", "pyang", *strict, *options, *names],
        capture_output=True,
        text=True,
        check=False,
    )
    findings = [
        Finding(match["file"], int(match["line"]), "pyang", match["message"])
        for match in map(_LINE.match, done.stderr.splitlines())
        if match and (warnings or match["kind"] == "error")
    ]
    if done.returncode and not findings:
        words = one_line(done.stderr) or f"ended with {done.returncode}"
        findings.append(Finding(names[0], 0, "pyang", words))
    return findings
