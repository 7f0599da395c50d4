"""Regular expressions of W3C XML Schema, as YANG's re-match() takes them (RFC 7950, 10.2.1).

A pattern comes from a client, so it is matched by walking all its ways at once: time is at most text times
pattern, whatever it looks like, and never exponential as with engines that go back.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

MAX_STATES = 1_000
"""Of a compiled pattern: `(a{100}){100}` would be 10,000."""
MAX_DEPTH = 40

Test = Callable[[str], bool]


class PatternError(Exception):
    """The pattern is not one, or too large; the message says why."""


class _State(NamedTuple):
    """Where the walk may be. With a test it takes one character to its only `next`, else it goes on to all of them."""

    test: Test | None
    next: tuple[int, ...]


_ACCEPT = -1
_FEW: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_QUANTITY = re.compile(r"\{([0-9]{1,6})(,([0-9]{1,6})?)?\}")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_LITERAL_ESCAPES = frozenset("\\|.?*+(){}-[]^$")


@dataclass(frozen=True)
class _Sequence:
    parts: list[_Part]


@dataclass(frozen=True)
class _Choice:
    branches: list[_Part]


@dataclass(frozen=True)
class _Repeat:
    part: _Part
    fewest: int
    most: int | None


_Part = Test | _Sequence | _Choice | _Repeat


class Pattern:
    """A compiled pattern; it always matches a whole string."""

    def __init__(self, states: list[_State], start: int) -> None:
        self._states = states
        self._start = start

    @property
    def states(self) -> int:
        """Each of them may be asked of each character of a text."""
        return len(self._states)

    def matches(self, text: str) -> bool:
        now = self._closure({self._start})
        for character in text:
            after: set[int] = set()
            for index in now:
                test = self._states[index].test if index != _ACCEPT else None
                if test is not None and test(character):
                    after.update(self._states[index].next)
            now = self._closure(after)
            if not now:
                return False
        return _ACCEPT in now

    def _closure(self, indexes: set[int]) -> set[int]:
        """Where the walk may be without another character."""
        found: set[int] = set()
        waiting = list(indexes)
        while waiting:
            index = waiting.pop()
            if index not in found:
                found.add(index)
                if index != _ACCEPT and self._states[index].test is None:
                    waiting.extend(self._states[index].next)
        return found


@lru_cache(maxsize=64)
def compile_pattern(text: str) -> Pattern:
    """PatternError where the text is not a pattern."""
    builder = _Builder()
    start = builder.build(_Parser(text).read(), _ACCEPT)
    return Pattern(builder.states, start)


class _Builder:
    """Makes states out of the parts of a pattern, from its end to its beginning."""

    def __init__(self) -> None:
        self.states: list[_State] = []
        self._built = 0

    def build(self, part: _Part, after: int) -> int:
        """The state where `part` begins that is followed by the state `after`."""
        self._built += 1
        if self._built > MAX_STATES:
            raise PatternError(f"the pattern needs more than {MAX_STATES} states")
        if isinstance(part, _Sequence):
            for inner in reversed(part.parts):
                after = self.build(inner, after)
            return after
        if isinstance(part, _Choice):
            return self._add(None, *(self.build(inner, after) for inner in part.branches))
        if isinstance(part, _Repeat):
            return self._repeat(part, after)
        return self._add(part, after)

    def _repeat(self, part: _Repeat, after: int) -> int:
        if part.most is None:
            loop = self._add(None)
            self.states[loop] = _State(None, (self.build(part.part, loop), after))
            after = loop
        else:
            end = after
            for _ in range(part.most - part.fewest):
                after = self._add(None, self.build(part.part, after), end)
        for _ in range(part.fewest):
            after = self.build(part.part, after)
        return after

    def _add(self, test: Test | None, *following: int) -> int:
        self.states.append(_State(test, following))
        return len(self.states) - 1


class _Parser:
    """XML Schema part 2, appendix F."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def read(self) -> _Part:
        node = self._choice()
        if self._at < len(self._text):
            raise PatternError(f"'{self._text[self._at]}' at character {self._at + 1} has no meaning")
        return node

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        character = self._peek()
        if not character:
            raise PatternError("the pattern ends too early")
        self._at += 1
        return character

    def _choice(self) -> _Part:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise PatternError(f"the pattern is nested deeper than {MAX_DEPTH} levels")
        branches = [self._branch()]
        while self._peek() == "|":
            self._take()
            branches.append(self._branch())
        self._depth -= 1
        return branches[0] if len(branches) == 1 else _Choice(branches)

    def _branch(self) -> _Part:
        parts: list[_Part] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._quantified(self._atom()))
        return _Sequence(parts)

    def _quantified(self, atom: _Part) -> _Part:
        mark = self._peek()
        if mark and mark in _FEW:
            self._take()
            return _Repeat(atom, *_FEW[mark])
        if mark != "{":
            return atom
        match = _QUANTITY.match(self._text, self._at)
        if match is None:
            raise PatternError(f"'{{' at character {self._at + 1} begins no quantity")
        self._at = match.end()
        fewest = int(match[1])
        most = fewest if match[2] is None else int(match[3]) if match[3] else None
        if most is not None and most < fewest:
            raise PatternError(f"the quantity {match[0]} is empty")
        if max(fewest, most or 0) > MAX_STATES:
            raise PatternError(f"the pattern needs more than {MAX_STATES} states")
        return _Repeat(atom, fewest, most)

    def _atom(self) -> _Part:
        character = self._take()
        if character == "(":
            node = self._choice()
            if self._take() != ")":
                raise PatternError("a '(' is not closed")
            return node
        if character == "[":
            return self._class()
        if character == "\\":
            return self._escape()
        if character == ".":
            return lambda c: c not in "\n\r"
        if character in "?*+{}]":
            raise PatternError(f"'{character}' at character {self._at} has no meaning")
        return lambda c: c == character

    # --- One character ----------------------------------------------------------------------------

    def _escape(self) -> Test:
        kind = self._take()
        if kind in _ESCAPED or kind in _LITERAL_ESCAPES:
            wanted = _ESCAPED.get(kind, kind)
            return lambda c: c == wanted
        if kind in "pP":
            return self._property(negated=kind == "P")
        test = _CLASSES.get(kind.lower())
        if test is None:
            raise PatternError(f"'\\{kind}' has no meaning")
        return test if kind.islower() else lambda c: not test(c)

    def _property(self, *, negated: bool) -> Test:
        match = re.compile(r"\{([A-Za-z0-9-]+)\}").match(self._text, self._at)
        if match is None:
            raise PatternError("'\\p' needs the name of a category")
        self._at = match.end()
        category = match[1]
        if not re.fullmatch(r"[LMNPZSC][a-z]?", category):
            raise PatternError(f"there is no category '{category}' here")
        return lambda c: unicodedata.category(c).startswith(category) is not negated

    def _class(self) -> Test:
        """A character class from behind its `[`: (members or ranges), perhaps less another class."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise PatternError(f"the pattern is nested deeper than {MAX_DEPTH} levels")
        negated = self._peek() == "^"
        self._at += negated
        singles: set[str] = set()
        ranges: list[tuple[str, str]] = []
        tests: list[Test] = []
        less: Test | None = None
        while (character := self._take()) != "]":
            if character == "-" and self._peek() == "[":
                self._take()
                less = self._class()
                if self._take() != "]":
                    raise PatternError("a subtraction must end its character class")
                break
            if character == "[":
                raise PatternError("'[' in a character class must be escaped")
            if character == "\\" and self._peek() not in _LITERAL_ESCAPES and self._peek() not in _ESCAPED:
                tests.append(self._escape())
                continue
            low = self._literal(character)
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", "[", ""):
                self._take()
                high = self._literal(self._take())
                if high < low:
                    raise PatternError(f"the range {low}-{high} is empty")
                ranges.append((low, high))
            else:
                singles.add(low)
        self._depth -= 1
        if not (singles or ranges or tests):
            raise PatternError("a character class is empty")

        def member(c: str) -> bool:
            inside = c in singles or any(a <= c <= b for a, b in ranges) or any(test(c) for test in tests)
            return inside is not negated and not (less is not None and less(c))

        return member

    def _literal(self, character: str) -> str:
        if character != "\\":
            return character
        kind = self._take()
        return _ESCAPED.get(kind, kind)


def _begins_name(c: str) -> bool:
    return c in "_:" or c.isalpha()


_CLASSES: dict[str, Test] = {
    "s": lambda c: c in " \t\n\r",
    "d": lambda c: unicodedata.category(c) == "Nd",
    "w": lambda c: unicodedata.category(c)[0] not in "PZC",
    "i": _begins_name,
    "c": lambda c: _begins_name(c) or c in "-.·" or c.isdigit() or unicodedata.category(c)[0] == "M",
}
