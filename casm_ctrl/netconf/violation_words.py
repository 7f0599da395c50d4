"""What libyang found, for the reader of an error-message: error-path says where, so the words need not."""

from __future__ import annotations

import re
from collections.abc import Callable

_WORDS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(
            r'Invalid leafref value "(?P<value>.*)" - no target instance "(?P<target>.*)" with the same value'
        ),
        lambda found: (
            f"there is no {_list_of(found['target'])} '{found['value']}', which this names:"
            " make it too, or take the name away"
        ),
    ),
    (
        re.compile(r'Mandatory node "(?P<name>.*)" instance does not exist'),
        lambda found: f"<{found['name']}> is missing: give it",
    ),
    (
        # The value may be a secret that was put into the wrong leaf.
        re.compile(r'Unsatisfied pattern - ".*" does not match "(?P<pattern>.*?)"'),
        lambda found: f"the value is not written as it must be: make it match {found['pattern']}",
    ),
)


def words_of(message: str, path: str | None) -> str:
    """The message of a Violation at `path` without the path, and in our words where libyang's need its sources."""
    said = message.removesuffix(f" at {path}") if path else message
    for pattern, words in _WORDS:
        found = pattern.fullmatch(said)
        if found is not None:
            return words(found)
    return said


def _list_of(target: str) -> str:
    """What the leaf at the end of a path is the key of."""
    steps = re.sub(r"\[[^]]*\]", "", target).split("/")
    return (steps[-2] if len(steps) > 1 else steps[-1]).rpartition(":")[2]
