"""The validating engine: does a document fit its YANG modules? (RFC 7950, 8)

Everything that leaves for a device, and everything that a simulated device takes, has passed here.
libyang does the work; this module owns its memory and turns its findings into one-line errors.

An engine may be used from several threads at once: its context is never changed after it was built,
and libyang keeps findings by thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lxml import etree

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.yang import libyang
from casm_ctrl.yang.context import ALL_FEATURES, Context
from casm_ctrl.yang.findings import Finding, take_findings
from casm_ctrl.yang.findings import Violation as Violation
from casm_ctrl.yang.libyang import ffi
from casm_ctrl.yang.modules import standard_folders, yang_folder

Format = Literal["xml", "json"]
What = Literal["config", "data", "part", "edit", "rpc", "reply", "notification"]

NETCONF = "urn:ietf:params:xml:ns:netconf:base:1.0"
NOTIFICATION = "urn:ietf:params:xml:ns:netconf:notification:1.0"

# Only edits with these words need a second look: the others go to libyang as they are.
_OPERATION_HINT = re.compile(rb"\boperation\s*=\s*[\"'](?:delete|remove)[\"']")
_DECLARATION = re.compile(rb"\A\s*<\?xml\b[^>]*\?>")
_OPERATION = f"{{{NETCONF}}}operation"
_ENVELOPES = {
    "rpc": (f"{{{NETCONF}}}rpc", libyang.RPC_NETCONF, libyang.RPC_YANG),
    "reply": (f"{{{NETCONF}}}rpc-reply", libyang.REPLY_NETCONF, libyang.REPLY_YANG),
    "notification": (
        f"{{{NOTIFICATION}}}notification",
        libyang.NOTIFICATION_NETCONF,
        libyang.NOTIFICATION_YANG,
    ),
}
_DATA_OPTIONS = {
    "config": (libyang.PARSE_STRICT | libyang.PARSE_NO_STATE, libyang.VALIDATE_NO_STATE),
    "data": (libyang.PARSE_STRICT, 0),
    "part": (libyang.PARSE_STRICT | libyang.PARSE_ONLY, 0),
    "edit": (libyang.PARSE_STRICT | libyang.PARSE_NO_STATE | libyang.PARSE_ONLY, 0),
}


class Engine:
    """A set of YANG modules with all of their features, ready to judge documents.

    `modules` are names or `NAME@REVISION`; ietf-netconf is always among them, for its RPCs and the
    attribute nc:operation. They and their imports are looked for in `search` and in pyang's folders of
    common modules; the newest revision is taken where none is named. NotFound where one does not
    load, with the reason.
    """

    def __init__(
        self,
        modules: Sequence[str],
        search: Sequence[Path] | None = None,
        *,
        features: Mapping[str, Sequence[str]] | None = None,
        common: bool = True,
    ) -> None:
        """`features`: those that are on, by module name; all are of a module that is not named there.
        Without `common` modules are looked for in `search` only, ietf-netconf too."""
        folders = (yang_folder(),) if search is None else search
        self.context = Context((*folders, *(standard_folders() if common else ())))
        self._library = self.context.library
        self._context = self.context.pointer
        for module in ("ietf-netconf", *modules):
            name = module.partition("@")[0]
            self.context.load(module, (features or {}).get(name, ALL_FEATURES))

    def validate(
        self,
        document: bytes,
        *,
        format: Format = "xml",  # noqa: A002 - the word of RFC 7950 and libyang
        what: What = "config",
        request: bytes | None = None,
    ) -> None:
        """Raise Violation, one line, where `document` is not a valid `what`.

        - config: a whole configuration; state nodes are refused. Zero or more top-level elements.
        - data: a whole datastore, configuration and state.
        - part: any piece of one, as a filter gives it: names, types and structure only.
        - edit: what stands inside `<config>` of an edit-config: names, types and structure only, since
          what is missing may be on the device. nc:operation is taken (RFC 6241, 7.2), and so are a leaf
          that is removed without saying its value, and repeated entries.
        - rpc, reply, notification: in their NETCONF envelope or, in JSON always, without it. A reply
          in its envelope is judged by the `request` that it answers. The configuration inside an
          edit-config is judged as an edit.

        Unknown names are refused everywhere but in anyxml and anydata, whose content nobody can judge.
        """
        _check_text(document)
        if what in _ENVELOPES:
            self._validate_operation(document, format, what, request)
            return
        if what == "edit" and format == "xml" and _OPERATION_HINT.search(document):
            document = self._without_bare_removals(document)
        with self._parsed(document, format, *_DATA_OPTIONS[what]):
            pass

    def findings(self, document: bytes, modules: Iterable[str]) -> list[Finding] | None:
        """Everything that is wrong in the configuration of `modules`, once `document` is read.

        Nodes that no module knows are passed over, for others may have put them there. None: it cannot be
        read at all, with a value that its type forbids, so that nothing more can be said.
        """
        _check_text(document)
        tree = ffi.new("struct lyd_node **")
        found: list[Finding] = []
        try:
            if self._library.lyd_parse_data_mem(
                self._context, document, libyang.FORMAT["xml"], libyang.PARSE_ONLY, 0, tree
            ):
                take_findings(self._library, self._context)
                return None
            options = libyang.VALIDATE_NO_STATE | libyang.VALIDATE_ALL_ERRORS
            for name in modules:
                if self._library.lyd_validate_module(tree, self.context.module(name), options, ffi.NULL):
                    found += take_findings(self._library, self._context)
        finally:
            self._library.lyd_free_all(tree[0])
        return found

    def convert(self, document: bytes, *, source: Format, target: Format) -> bytes:
        """`document` in the other encoding (XML of RFC 7950, JSON of RFC 7951), values in canonical form.

        Configuration or state, which need not be complete; Violation where names or types are wrong.
        """
        _check_text(document)
        with self._parsed(document, source, libyang.PARSE_STRICT | libyang.PARSE_ONLY, 0) as tree:
            return self._print(tree, target)

    # --- Parsing ----------------------------------------------------------------------------------

    @contextmanager
    def _parsed(self, document: bytes, format: Format, parse: int, validate: int) -> Iterator[Any]:  # noqa: A002
        tree = ffi.new("struct lyd_node **")
        try:
            if self._library.lyd_parse_data_mem(
                self._context, document, libyang.FORMAT[format], parse, validate, tree
            ):
                raise self._violation()
            yield tree[0]
        finally:
            self._library.lyd_free_all(tree[0])

    def _print(self, tree: Any, format: Format) -> bytes:  # noqa: A002
        text = ffi.new("char **")
        options = libyang.PRINT_SIBLINGS | libyang.PRINT_SHRINK
        if self._library.lyd_print_mem(text, tree, libyang.FORMAT[format], options):
            raise self._violation()
        try:
            return bytes(ffi.string(text[0])) if text[0] else b""
        finally:
            self._library.free(text[0])

    def _validate_operation(
        self,
        document: bytes,
        format: Format,  # noqa: A002
        what: str,
        request: bytes | None,
    ) -> None:
        envelope, netconf, bare = _ENVELOPES[what]
        root = _read_xml(document) if format == "xml" else None
        if root is None or root.tag != envelope:
            with self._operation(document, format, bare) as operation:
                self._judge(operation, bare)
            return
        if netconf != libyang.REPLY_NETCONF:
            with self._operation(document, "xml", netconf) as operation:
                self._judge(operation, bare)
            for config in root.iterfind(f"{{{NETCONF}}}edit-config/{{{NETCONF}}}config"):
                self.validate(forest(config), what="edit")
            return
        if request is None:
            raise InvalidValue(
                "an rpc-reply cannot be judged without the rpc that it answers", "give the request too"
            )
        with (
            self._operation(_bare_operation(request), "xml", libyang.RPC_YANG) as operation,
            self._operation(document, "xml", netconf, operation),
        ):
            self._judge(operation, bare)

    @contextmanager
    def _operation(
        self,
        document: bytes,
        format: Format,  # noqa: A002
        kind: int,
        request: Any = None,
    ) -> Iterator[Any]:
        """The parsed operation node. A reply's nodes are hung below its `request`, which owns them."""
        source = ffi.new("struct ly_in **")
        tree, operation = ffi.new("struct lyd_node **"), ffi.new("struct lyd_node **")
        text = ffi.new("char[]", document)
        if self._library.ly_in_new_memory(text, source):
            raise MemoryError("libyang has no room for a document")
        try:
            if self._library.lyd_parse_op(
                self._context,
                request or ffi.NULL,
                source[0],
                libyang.FORMAT[format],
                kind,
                libyang.PARSE_STRICT,
                tree,
                ffi.NULL if request else operation,
            ):
                raise self._violation()
            yield operation[0]
        finally:
            self._library.ly_in_free(source[0], 0)
            if kind in (libyang.RPC_NETCONF, libyang.NOTIFICATION_NETCONF):
                self._library.lyd_free_all(operation[0])  # apart from `tree`, which is the envelope
            self._library.lyd_free_all(tree[0])

    def _judge(self, operation: Any, kind: int) -> None:
        if self._library.lyd_validate_op(operation, ffi.NULL, kind, ffi.NULL):
            raise self._violation()

    # --- Edits ------------------------------------------------------------------------------------

    def _without_bare_removals(self, document: bytes) -> bytes:
        """The edit without leafs that it deletes or removes and whose value it does not say.

        RFC 6241 (7.2) lets such a leaf be empty, and libyang would judge the empty value by the type.
        """
        root = _read_xml(b"<forest>" + _DECLARATION.sub(b"", document) + b"</forest>")
        if root is None:
            return document  # not well-formed: libyang says so with a line number
        bare = [
            element
            for element in root.iter(etree.Element)
            if element.get(_OPERATION) in ("delete", "remove")
            and len(element) == 0
            and not (element.text or "").strip()
            and self._is_leaf(element)
        ]
        for element in bare:
            parent = element.getparent()
            if parent is not None:
                parent.remove(element)
        return forest(root) if bare else document

    def _is_leaf(self, element: etree._Element) -> bool:
        steps: list[str] = []
        node: etree._Element | None = element
        while node is not None and node.getparent() is not None:
            name = etree.QName(node)
            module = self._library.ly_ctx_get_module_implemented_ns(
                self._context, (name.namespace or "").encode()
            )
            if not module:
                return False
            steps.append(f"{ffi.string(module.name).decode()}:{name.localname}")
            node = node.getparent()
        path = "/" + "/".join(reversed(steps))
        found = self._library.lys_find_path(self._context, ffi.NULL, path.encode(), 0)
        self._library.ly_err_clean(self._context, ffi.NULL)
        return bool(found) and found.nodetype == libyang.NODE_LEAF

    def _violation(self) -> Violation:
        return take_findings(self._library, self._context)[0].violation()


@cache
def engine_for(*modules: str) -> Engine:
    """The engine over those of our modules, built once in a process (some 10 ms)."""
    return Engine(modules)


def forest(elements: Iterable[etree._Element]) -> bytes:
    """The `elements` one after the other, as the engine takes them; each declares its namespaces.

    Pass an element to take its children: the content of a `<data>` or `<config>`.
    """
    return b"".join(
        etree.tostring(element, with_tail=False) for element in elements if isinstance(element.tag, str)
    )


def _read_xml(document: bytes) -> etree._Element | None:
    """The root where `document` is one well-formed element without a DOCTYPE; else None."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(document.strip(), parser)
    except etree.XMLSyntaxError:
        return None
    return None if root.getroottree().docinfo.internalDTD is not None else root


def _bare_operation(request: bytes) -> bytes:
    """The operation of an `<rpc>` without its input, which would count as part of the reply."""
    root = _read_xml(request)
    if root is not None and root.tag == f"{{{NETCONF}}}rpc":
        for operation in root.iterchildren(etree.Element):
            return etree.tostring(etree.Element(operation.tag))
    raise InvalidValue(
        "the request that was given is not an rpc with an operation", "give the whole <rpc> element"
    )


def _check_text(document: bytes) -> None:
    """Refuse what C would cut short or misread: a NUL, and bytes that are not UTF-8."""
    try:
        document.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(f"the document is not UTF-8 (byte {error.start})") from error
    if b"\0" in document:
        raise _unreadable("the document holds a NUL character")


def _unreadable(message: str) -> Violation:
    return Violation(message, "send it as UTF-8 text", path=None, tag="malformed-message", app_tag=None)
