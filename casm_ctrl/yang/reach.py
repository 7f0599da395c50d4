"""Does a finding depend on nodes that were not read?

A leafref, `must` or `when` may look anywhere in a datastore, and we hold the part of it that a driver reads.
Where such a finding looks outside of that part it says nothing: the device, which has all of it, decides.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from casm_ctrl.yang.context import Context
from casm_ctrl.yang.findings import Finding

Path = tuple[str, ...]
"""Names from the top, without prefixes and keys."""

_QUOTED = (
    re.compile(r'no target instance "(.*)" with the same value', re.DOTALL),
    re.compile(r'(?:Must|When) condition "(.*)" not satisfied', re.DOTALL),
    re.compile(r'instance-identifier "(.*)" value - required instance not found', re.DOTALL),
)
_LITERAL = re.compile(r"""'[^']*'|"[^"]*\"""")
_ANYWHERE = re.compile(r"//|::|\b(?:deref|id)\s*\(")
"""Steps that may lead to any place: nothing is known of them."""
_NAME = r"(?:[A-Za-z_][\w.-]*:)?[A-Za-z_*][\w.-]*"
_ABSOLUTE = re.compile(rf"(?<![\w\].)*/-])/({_NAME}(?:/{_NAME})*)")
_UPWARD = re.compile(rf"((?:\.\./)*\.\.)((?:/{_NAME})*)")
_PREDICATE = re.compile(r"""\[(?:[^\]'"]|'[^']*'|"[^"]*")*\]""")


def looks_outside(finding: Finding, context: Context, within: Collection[Path]) -> bool:
    """True where `finding` is of an expression that refers to what is not below one of `within`."""
    if finding.path is None:
        return True  # libyang gave up, for instance after another finding
    expression = _expression(finding, context)
    if expression is None:
        return False
    bare = _LITERAL.sub("''", expression)
    if _ANYWHERE.search(bare):
        return True
    here = _names(finding.path)
    targets = [_names(match[1]) for match in _ABSOLUTE.finditer(bare)]
    for match in _UPWARD.finditer(bare):
        steps = match[1].count("..")
        targets.append((*here[: max(0, len(here) - steps)], *_names(match[2])))
    return not all(_is_inside(target, within) for target in targets)


def _expression(finding: Finding, context: Context) -> str | None:
    """The XPath expression that is not satisfied; None where it is another kind of finding."""
    for pattern in _QUOTED:
        match = pattern.search(finding.text)
        if match:
            return match[1]
    return context.must_with_message(finding.path, finding.text) if finding.path else None


def _names(path: str) -> Path:
    steps = _PREDICATE.sub("", path).split("/")
    return tuple(step.rpartition(":")[2] for step in steps if step)


def _is_inside(target: Sequence[str], within: Collection[Path]) -> bool:
    """Below one of `within`, or on the way to it: who reads a node reads that its parents are there."""
    return any(all(a == b for a, b in zip(target, path, strict=False)) for path in within)
