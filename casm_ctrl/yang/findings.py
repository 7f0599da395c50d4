"""What the validating engine found, in one line, with the error-tag that an rpc-error should carry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from casm_ctrl.base.errors import YangInvalid, one_line
from casm_ctrl.yang import libyang
from casm_ctrl.yang.libyang import ffi

_LONG_QUOTE = re.compile(r'"([^"]{60})[^"]{20,}"')

# The error-tag for libyang's app-tag (RFC 7950, 15), else for what its message begins with.
_APP_TAGS = {
    "instance-required": "data-missing",
    "missing-choice": "data-missing",
}
_MESSAGES = (
    ("No module with namespace", "unknown-namespace"),
    ("Missing XML namespace", "unknown-namespace"),
    ("No module named", "unknown-namespace"),
    ("List instance is missing its key", "missing-element"),
    ("Mandatory node", "data-missing"),
    ("Duplicate instance", "operation-failed"),
    ("Annotation definition for attribute", "unknown-attribute"),
)


class Violation(YangInvalid):
    """A document is not valid: `tag` and `app_tag` are what an rpc-error should carry."""

    def __init__(
        self, message: str, remedy: str = "", *, path: str | None, tag: str, app_tag: str | None
    ) -> None:
        super().__init__(message, remedy, path=path)
        self.tag = tag
        self.app_tag = app_tag


class Finding(NamedTuple):
    """One error of libyang. `text` is its message as it came, `path` an instance path."""

    text: str
    path: str | None = None
    code: int = 0
    app_tag: str | None = None

    def violation(self) -> Violation:
        message = shorten(self.text)
        return Violation(
            f"{message} at {self.path}" if self.path else message,
            path=self.path,
            tag=_error_tag(message, self.code, self.app_tag),
            app_tag=self.app_tag,
        )


def take_findings(library: Any, context: Any) -> list[Finding]:
    """libyang's errors of this thread, first to last, at least one; it forgets them."""
    found = [
        Finding(_text(item.msg) or "", _text(item.data_path), item.vecode, _text(item.apptag))
        for item in _items(library.ly_err_first(context))
        if item.level == libyang.LEVEL_ERROR
    ]
    library.ly_err_clean(context, ffi.NULL)
    return found or [Finding("libyang gave no reason")]


def _items(item: Any) -> Iterator[Any]:
    while item:
        yield item
        item = item.next


def _text(pointer: Any) -> str | None:
    return ffi.string(pointer).decode(errors="replace") if pointer else None


def shorten(message: str) -> str:
    """One line, with long values and patterns cut.

    Of a union's complaint only the first sentence, since the rest repeats each member's pattern.
    """
    head, found, _ = message.partition(" - no matching subtype found")
    line = one_line(head if found else message).rstrip(".")
    return _LONG_QUOTE.sub(lambda match: f'"{match[1]}..."', line)


def _error_tag(message: str, code: int, app_tag: str | None) -> str:
    """The error-tag of RFC 6241, appendix A, that says the finding best."""
    if app_tag:
        return _APP_TAGS.get(app_tag, "operation-failed")
    for beginning, tag in _MESSAGES:
        if message.startswith(beginning):
            return tag
    if code == libyang.CODE_SYNTAX:
        return "malformed-message"
    return "unknown-element" if code == libyang.CODE_REFERENCE else "invalid-value"
