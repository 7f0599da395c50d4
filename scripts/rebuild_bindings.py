"""Rebuild the pyangbind classes in bindings/casm_bindings from our YANG modules."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.base.errors import CasmError
from casm_ctrl.yang.modules import find_module, standard_folders, yang_folder

if TYPE_CHECKING:  # the folder's name where it lies, and the package's where it is installed
    from scripts.program import FINDING, STATUS, make_app, print_json, run
else:
    from casm_scripts.program import FINDING, STATUS, make_app, print_json, run

SETS = {
    "ietf_address_pool": ("ietf-address-pool", "casm-address-pool-ext"),
    "casm_pools": ("casm-pools",),
    "casm_devices": ("casm-devices",),
    "casm_control": ("casm-control",),
    "casm_events": ("casm-events",),
    "casm_operations": ("casm-operations",),
}
"""The files, and what is compiled into each: a module and its augments belong together."""

INIT = '''"""Classes for our YANG payloads, made by pyangbind from yang/: do not edit, run rebuild_bindings.

{files}

`casm_ctrl.yang.bindings` builds and reads XML with them; use it rather than these classes.
"""
'''

app = make_app()


class GeneratorFailed(CasmError):
    """pyang or its pyangbind plug-in did not make a file."""


@app.command(
    epilog=f"Example: casm-rebuild-bindings --check   {STATUS}",
    help="Rebuild bindings/casm_bindings from yang/ with pyangbind. The same modules make the same bytes.",
)
def rebuild_bindings(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; name the stale files, and end 1.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Where the files are; by default the package casm_bindings.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> int:
    target = folder or package_folder()
    made = generate()
    stale = sorted(find_stale(target, made))
    if not check:
        target.mkdir(parents=True, exist_ok=True)
        for name in stale:
            if name in made:
                (target / name).write_text(made[name], encoding="utf-8")
            else:
                (target / name).unlink()
    if json:
        print_json({"bindings": {"folder": str(target), "stale": stale, "written": not check}})
    else:
        for name in stale:
            print(f"{target / name}: {'is stale' if check else 'written'}")
        if not stale:
            print(f"{target}: up to date")
    return FINDING if check and stale else 0


def package_folder() -> Path:
    """The folder of the package casm_bindings, found without importing the generated classes."""
    import casm_bindings

    return Path(casm_bindings.__file__).parent


def generate() -> dict[str, str]:
    """File name to text of everything that belongs in the package."""
    files = [f"- `{name}`: {' and its augment '.join(modules)}" for name, modules in SETS.items()]
    made = {"__init__.py": INIT.format(files="\n".join(files))}
    with ThreadPoolExecutor() as workers:
        for name, text in zip(SETS, workers.map(compile_set, SETS.values()), strict=True):
            made[f"{name}.py"] = text
    return made


def compile_set(modules: tuple[str, ...]) -> str:
    """What the pyangbind plug-in makes of `modules`; GeneratorFailed with pyang's first line else."""
    import pyangbind

    paths = [str(find_module(module).path) for module in modules]
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "out.py"
        command = [
            *(sys.executable, "-m", "pyang"),
            *("--plugindir", str(Path(pyangbind.__file__).parent / "plugin")),
            *("-p", os.pathsep.join(map(str, (yang_folder(), *standard_folders())))),
            *("-f", "pybind", "--presence", "--build-rpcs", "-o", str(output)),
            *paths,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or done.stderr or not output.is_file():
            lines = done.stderr.strip().splitlines() or [f"pyang ended with {done.returncode}"]
            raise GeneratorFailed(f"no bindings for {', '.join(modules)}: {lines[-1]}", "correct the module")
        return output.read_text(encoding="utf-8")


def find_stale(target: Path, made: dict[str, str]) -> set[str]:
    """The names in `target` that differ from what was made, are missing, or do not belong there."""
    there = {path.name: path.read_text(encoding="utf-8") for path in target.glob("*.py")}
    return {name for name in there.keys() | made.keys() if there.get(name) != made.get(name)}


def main() -> int:
    return run(app)


if __name__ == "__main__":
    sys.exit(main())
