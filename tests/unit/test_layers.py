"""The layers hold, and the wheel has every package."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_imports_go_only_downwards(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    said = capsys.readouterr().out
    assert status == 0, said
    assert "0 broken" in said


def test_every_package_has_its_place_in_the_layers() -> None:
    """A new package is in no contract until somebody puts it there."""
    contracts = project()["tool"]["importlinter"]["contracts"]
    named = str([contract for contract in contracts if contract["type"] in ("layers", "forbidden")])
    packages = [path.parent for path in (ROOT / "casm_ctrl").glob("*/__init__.py")]
    assert [path.name for path in packages if f"casm_ctrl.{path.name}" not in named] == []


def test_the_wheel_has_every_package() -> None:
    setuptools = project()["tool"]["setuptools"]
    folders = {name: ROOT / folder for name, folder in setuptools["package-dir"].items()}
    found = [
        ".".join((name, *path.parent.relative_to(folder).parts))
        for name, folder in folders.items()
        for path in folder.rglob("__init__.py")
    ]
    assert sorted(setuptools["packages"]) == sorted(found)
    assert setuptools["packages"] == sorted(setuptools["packages"])
