"""Regular expressions of XML Schema: held against Python's, and against patterns that never end there."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.netconf.xpath.patterns import PatternError, compile_pattern

Pair = tuple[str, str]
"""A pattern, and what means the same to Python."""

_SAME = ("a", "b", "-", ".", r"\d", r"\D", r"\.", "[ab]", "[^a]", "1")
_OTHER = (
    ("[a-c-[b]]", "[ac]"),
    (r"\p{Lu}", "[A-Z]"),
    (r"\P{Lu}", "[^A-Z]"),
    ("^", r"\^"),
    ("$", r"\$"),
    (r"[\d-]", r"[\d\-]"),
    (r"\i", "[A-Za-z_]"),
    (r"\s", "[ ]"),
)


def joined(pairs: list[Pair], between: str = "") -> Pair:
    return between.join(one for one, _ in pairs), between.join(other for _, other in pairs)


def repeated(pair: Pair, mark: str) -> Pair:
    return f"({pair[0]}){mark}", f"(?:{pair[1]}){mark}"


marks = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}", "{2,}"])
atoms = st.one_of(st.sampled_from(_SAME).map(lambda atom: (atom, atom)), st.sampled_from(_OTHER))
patterns = st.recursive(
    st.builds(lambda pair, mark: (pair[0] + mark, pair[1] + mark), atoms, marks),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(joined),
        st.lists(inner, min_size=1, max_size=2).map(lambda pairs: repeated(joined(pairs, "|"), "")),
        st.builds(repeated, inner, marks),
    ),
    max_leaves=5,
)


@given(patterns, st.text(alphabet="abAc1-. ^$", max_size=6))
def test_it_matches_as_elsewhere(pattern: Pair, text: str) -> None:
    assert compile_pattern(pattern[0]).matches(text) == (re.fullmatch(pattern[1], text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("", "", True),
        ("a", "ab", False),
        ("a|bc", "bc", True),
        (r"\i\c*", "_x-1.y", True),
        (r"\w+", "aé1", True),
        (r"\P{L}", "1", True),
        (r"[\-x]", "-", True),
        ("(a*)*b", "a" * 2000, False),
        ("(a|aa)+", "a" * 2000 + "b", False),
        (r"(10|192)\.\d{1,3}\.\d{1,3}\.\d{1,3}/\d+", "10.0.12.0/24", True),
    ],
)
def test_patterns(pattern: str, text: str, matches: bool) -> None:
    """XML Schema part 2, appendix F: a pattern is for a whole text."""
    assert compile_pattern(pattern).matches(text) is matches


WRONG = (
    r"( ) a** [ [] [b-a] a{2,1} a{ {2} \ \q \p{No}x{ \p{Xx} * ] a{1001} (a{100}){100} ((){999}){999} [a-[b]c]"
)


@pytest.mark.parametrize("pattern", [*WRONG.split(), "(" * 50 + ")" * 50, "[a-[" * 50])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)
