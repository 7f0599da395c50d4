"""What a YANG text says about itself, before anybody compiles it: name, revision, imports, features.

Texts come from devices: this reader takes any bytes, runs in one pass and refuses in words what is no YANG
module. It checks the grammar (RFC 7950, 14) only as far as it must to find these statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from casm_ctrl.base.errors import YangInvalid

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,127}\Z")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/          # between tokens
    |(?P<mark>[{};])
    |(?P<double>"(?:[^"\\]|\\.)*")
    |(?P<single>'[^']*')
    |(?P<word>(?:[^\s{};"'/]|/(?![/*]))[^\s{};"']*)
    """,
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t"}


class Import(NamedTuple):
    """An import or include, with the revision that it names, if any."""

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name


@dataclass(frozen=True)
class Header:
    """A module, or a submodule where `belongs_to` names its module."""

    name: str
    revision: str | None
    """The newest; None where it has none."""
    namespace: str
    belongs_to: str | None
    imports: tuple[Import, ...]
    includes: tuple[Import, ...]
    features: tuple[str, ...]
    """Those that it defines."""
    deviates: tuple[str, ...]
    """The modules that it deviates from."""
    yang_version: str = "1"
    """`1` or `1.1`, the language that it is written in."""

    def __str__(self) -> str:
        return str(Import(self.name, self.revision))


def read_header(text: str) -> Header:
    """The header of a module's text; YangInvalid where it is none."""
    names: dict[str, str] = {}
    linked: dict[str, list[Import]] = {"import": [], "include": []}
    revisions: list[str] = []
    features: list[str] = []
    prefixes: dict[str, str] = {}
    deviated: dict[str, None] = {}
    depth, kind = 0, ""
    for keyword, argument, opens in _statements(text):
        if keyword == "}":
            depth -= 1
            if depth < 0:
                break
            continue
        if depth == 0:
            if kind or keyword not in ("module", "submodule") or not opens:
                raise YangInvalid("the text is not one YANG module", "give the text of one module")
            kind, names[""] = keyword, argument
        elif depth == 1:
            if keyword in linked:
                linked[keyword].append(Import(_identifier(argument)))
                inside: list[Import] | None = linked[keyword]
            else:
                inside = None
            if keyword in ("namespace", "belongs-to", "yang-version"):
                names[keyword] = argument
            elif keyword == "revision":
                revisions.append(_date(argument))
            elif keyword == "feature":
                features.append(argument)
            elif keyword == "deviation":
                prefix = argument.rpartition("/")[2].partition(":")[0]
                deviated[prefixes.get(prefix, "")] = None
        elif depth == 2 and inside:
            if keyword == "revision-date":
                inside[-1] = Import(inside[-1].name, _date(argument))
            elif keyword == "prefix":
                prefixes[argument] = inside[-1].name
        depth += opens
    if not kind or depth != 0:
        raise YangInvalid("the text is not a whole YANG module", "give the text of one module")
    return Header(
        name=_identifier(names[""]),
        revision=max(revisions, default=None),
        namespace=names.get("namespace", ""),
        belongs_to=names.get("belongs-to") if kind == "submodule" else None,
        imports=tuple(linked["import"]),
        includes=tuple(linked["include"]),
        features=tuple(features),
        deviates=tuple(name for name in deviated if name),
        yang_version=names.get("yang-version", "1"),
    )


def is_identifier(text: str) -> bool:
    """True for what may name a module (RFC 7950, 6.2), of at most 128 characters."""
    return _IDENTIFIER.match(text) is not None


def _statements(text: str) -> Iterator[tuple[str, str, bool]]:
    """(keyword, argument, whether a block opens), and ("}", "", False) where one closes."""
    words: list[str] = []
    joining = False
    for piece in _tokens(text):
        if piece in ("{", ";"):
            if not words:
                raise YangInvalid("the text is not a YANG module", "give the text of one module")
            yield words[0], words[1] if len(words) > 1 else "", piece == "{"
            words = []
        elif piece == "}":
            yield "}", "", False
        elif piece == "+" and len(words) == 2:
            joining = True
        elif joining:
            words[1] += _unquote(piece)
            joining = False
        else:
            words.append(_unquote(piece))


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            line = text.count("\n", 0, position) + 1
            raise YangInvalid(f"the text is not a YANG module (line {line})", "give the text of one module")
        position = match.end()
        if match.lastgroup:
            yield match[0]


def _unquote(token: str) -> str:
    if token[0] == '"':
        return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), token[1:-1])
    return token[1:-1] if token[0] == "'" else token


def _identifier(text: str) -> str:
    if not is_identifier(text):
        raise YangInvalid(f"'{text[:40]}' cannot be the name of a YANG module", "correct the module")
    return text


def _date(text: str) -> str:
    if not _DATE.match(text):
        raise YangInvalid(f"'{text[:40]}' is not a revision date", "write it as 2015-10-14")
    return text
