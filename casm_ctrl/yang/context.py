"""A set of YANG modules in libyang's memory: loaded once, then only read.

The memory goes with the object. Several threads may read it at once, and libyang keeps findings by thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from casm_ctrl.base.errors import NotFound
from casm_ctrl.yang import libyang
from casm_ctrl.yang.findings import shorten, take_findings
from casm_ctrl.yang.libyang import ffi, load_library

_PREDICATE = re.compile(r"""\[(?:[^\]'"]|'[^']*'|"[^"]*")*\]""")

ALL_FEATURES = ("*",)

_OWN = "ietf-netconf"
"""Always loaded, for its RPCs and the attribute nc:operation; it has no configuration."""


class Context:
    """Modules found in `search`, in that order. NotFound where a folder is not there."""

    def __init__(self, search: Sequence[Path]) -> None:
        self.library = load_library()
        place = ffi.new("struct ly_ctx **")
        # Vendors' modules refer to modules that they import and nobody lists: those are implemented too.
        options = libyang.CTX_REF_IMPLEMENTED | libyang.CTX_NO_YANGLIBRARY | libyang.CTX_DISABLE_SEARCHDIR_CWD
        if self.library.ly_ctx_new(ffi.NULL, options, place):
            raise MemoryError("libyang has no room for a context")
        self.pointer = ffi.gc(place[0], self.library.ly_ctx_destroy)
        self._built_in = {ffi.string(module.name) for module in self._every_module()}
        self._built_in.add(_OWN.encode())
        for folder in dict.fromkeys(search):
            if self.library.ly_ctx_set_searchdir(self.pointer, str(folder).encode()):
                self.library.ly_err_clean(self.pointer, ffi.NULL)
                raise NotFound(f"there is no folder {folder} to look for YANG modules in", "name one that is")

    def load(self, module: str, features: Sequence[str] = ALL_FEATURES) -> None:
        """Implement `module` (a name or `NAME@REVISION`). NotFound where it does not load, with the reason."""
        name, _, revision = module.partition("@")
        texts = [ffi.new("char[]", feature.encode()) for feature in features]
        names = ffi.new("const char *[]", [*texts, ffi.NULL])
        given = ffi.new("char[]", revision.encode()) if revision else ffi.NULL
        if not self.library.ly_ctx_load_module(self.pointer, name.encode(), given, names):
            finding = take_findings(self.library, self.pointer)[0]
            raise NotFound(
                f"the YANG module {module} does not load: {shorten(finding.text)}",
                "check its name, and that it and its imports are in the folders named",
            )

    def module(self, name: str) -> Any:
        """The implemented module of that name; a null pointer where there is none."""
        return self.library.ly_ctx_get_module_implemented(self.pointer, name.encode())

    def implemented(self) -> Iterator[Any]:
        """The modules whose nodes may be in data: those loaded, and those that they refer to."""
        for module in self._every_module():
            if module.compiled and ffi.string(module.name) not in self._built_in:
                yield module

    def namespaces(self) -> dict[str, str]:
        """The names of all modules, also of those only imported, by namespace."""
        return {
            ffi.string(module.ns).decode(): ffi.string(module.name).decode()
            for module in self._every_module()
        }

    def must_with_message(self, path: str, message: str) -> str | None:
        """The expression of the `must` of the node at an instance path that has this error-message."""
        node = self.library.lys_find_path(self.pointer, ffi.NULL, _PREDICATE.sub("", path).encode(), 0)
        self.library.ly_err_clean(self.pointer, ffi.NULL)
        musts = self.library.lysc_node_musts(node) if node else ffi.NULL
        if not musts:
            return None
        count = ffi.cast("uint64_t *", musts)[-1]  # libyang's arrays have their size before them
        for must in musts[0:count]:
            if must.emsg and ffi.string(must.emsg).decode(errors="replace") == message:
                return str(ffi.string(self.library.lyxp_get_expr(must.cond)).decode())
        return None

    def _every_module(self) -> Iterator[Any]:
        index = ffi.new("uint32_t *")
        while module := self.library.ly_ctx_get_module_iter(self.pointer, index):
            yield module
