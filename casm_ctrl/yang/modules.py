"""Where YANG modules are: ours, and the IETF's and IANA's common ones that pyang brings along.

File names are `NAME@REVISION.yang`, or `NAME.yang` for a module whose revision stands only inside
(RFC 7950, 5.2).
"""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from casm_ctrl.base.errors import NotFound, NotSupported
from casm_ctrl.yang.closure import Closure
from casm_ctrl.yang.header import Header, read_header

PATH_VARIABLE = "CASM_YANG_PATH"

_FILE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9._-]*?)(?:@(?P<revision>\d{4}-\d{2}-\d{2}))?\.yang\Z")


@dataclass(frozen=True, order=True)
class Module:
    """One revision of a module, and the file that holds it. `revision` is empty where it has none."""

    name: str
    revision: str
    path: Path

    @property
    def text(self) -> str:
        """The module as it is in the file: what `get-schema` answers (RFC 6022, 3.1)."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def header(self) -> Header:
        """What the text says about itself; YangInvalid where it is no module."""
        return read_header(self.text)

    @cached_property
    def namespace(self) -> str:
        """The namespace URI; a submodule's is that of the module it belongs to, which lies beside it."""
        if self.header.belongs_to:
            return find_module(self.header.belongs_to, folders=[self.path.parent]).namespace
        return self.header.namespace

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name


@cache
def yang_folder() -> Path:
    """The folder of our own modules, in a checkout and in an installed wheel alike."""
    return Path(str(importlib.resources.files("casm_yang")))


@cache
def standard_folders() -> tuple[Path, ...]:
    """pyang's folders of common IETF and IANA modules; NotSupported where pyang came without them."""
    roots = [Path(sys.prefix) / "share" / "yang" / "modules"]
    for file in importlib.metadata.files("pyang") or ():
        if file.name == "ietf-yang-types.yang":
            # Where pip put them: not under sys.prefix for --user, --target and distributions' Pythons.
            roots.insert(0, Path(str(file.locate())).resolve().parent.parent)
            break
    for root in roots:
        if (root / "ietf" / "ietf-yang-types.yang").is_file():
            return tuple(root / name for name in ("ietf", "iana") if (root / name).is_dir())
    raise NotSupported(
        f"pyang's common YANG modules were looked for in {' and '.join(map(str, roots))} and are not there",
        "install pyang again from its wheel",
    )


def read_path(text: str) -> tuple[Path, ...]:
    """The folders of `DIR[:DIR…]`. NotFound where one is not there."""
    folders = tuple(Path(name) for name in text.split(os.pathsep) if name)
    for folder in folders:
        if not folder.is_dir():
            raise NotFound(f"there is no folder {folder} with YANG modules", "name folders that are there")
    return folders


def path_of_environment() -> tuple[Path, ...]:
    """The folders that `CASM_YANG_PATH` names; none where it is not set."""
    return read_path(os.environ.get(PATH_VARIABLE, ""))


def list_modules(folder: Path | None = None) -> tuple[Module, ...]:
    """The modules in `folder` (ours where none is named), by name and revision."""
    files = _list_folder(folder or yang_folder())
    return tuple(sorted(_read_module(path) for paths in files.values() for path in paths))


def our_modules() -> tuple[str, ...]:
    """The names of our own modules, sorted."""
    return tuple(sorted({module.name for module in list_modules()}))


def find_module(name: str, revision: str | None = None, folders: Sequence[Path] | None = None) -> Module:
    """The module of that name in `folders` (ours, then the common ones): the revision asked, or the newest.

    NotFound where there is none.
    """
    for folder in (yang_folder(), *standard_folders()) if folders is None else folders:
        modules = map(_read_module, _list_folder(folder).get(name, ()))
        found = [module for module in modules if revision in (None, module.revision)]
        if found:
            return max(found)
    wanted = f"{name}@{revision}" if revision else name
    raise NotFound(f"there is no YANG module {wanted}", "name one that `casm-validate-yang` lists")


def with_imports(named: Mapping[str, str | None], folders: Sequence[Path]) -> tuple[Module, ...]:
    """The modules of these names, each in its revision or in any, and all that they import and include.

    Raises what `find_module` does, and YangInvalid where a file holds another module than its name says.
    """
    closure = Closure(named, named)
    found: dict[Path, Module] = {}
    while missing := closure.missing:
        for wanted in missing:
            module = find_module(wanted.name, wanted.revision, folders)
            closure.give(wanted, module.header)
            found[module.path] = module
    return tuple(found.values())


@cache
def _list_folder(folder: Path) -> Mapping[str, tuple[Path, ...]]:
    """The files of each module."""
    files: dict[str, tuple[Path, ...]] = {}
    for path in folder.glob("*.yang"):
        match = _FILE.match(path.name)
        if match:
            files[match["name"]] = (*files.get(match["name"], ()), path)
    return files


@cache
def _read_module(path: Path) -> Module:
    """A file is read where its name does not tell the revision."""
    match = _FILE.match(path.name)
    assert match is not None
    revision = match["revision"] or read_header(path.read_text(encoding="utf-8")).revision
    return Module(match["name"], revision or "", path)
