"""Reports for those who keep them: the whole answer, as JSON in a file."""

from __future__ import annotations

import json
from pathlib import Path

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.cli.call import Document


def check_report(path: Path) -> None:
    """InvalidValue where none can be written at `path`: before long work, not after."""
    if not path.absolute().parent.is_dir():
        raise InvalidValue(f"the report cannot be written to '{path}'", "make its folder first")


def write_report(path: Path, document: Document) -> None:
    """Write a report for those who keep it. InvalidValue where it cannot be written."""
    try:
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidValue(
            f"the report cannot be written to '{path}': {error.strerror}", "name a file that can be written"
        ) from error
