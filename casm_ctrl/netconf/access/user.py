"""What one user may do at each place of the data tree: rules compiled into places that are made when they are met.

A place stands for all nodes to which the same rules apply in the same way: it depends on the tags on the way, and on
the values only where a predicate of a rule looks at them. So a tree is judged with one look-up a node, and what is
allowed below a place altogether is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from casm_ctrl.netconf.access.rules import About, Right, Rule, Rules
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.node_paths import Step
from casm_ctrl.netconf.trees import text_of
from casm_ctrl.yang.access_marks import AccessMarks, Mark
from casm_ctrl.yang.access_marks import Path as Tags

WRITES = (Right.CREATE, Right.UPDATE, Right.DELETE)


class Verdict(NamedTuple):
    """Yes or no, and what decided: a rule, or in `default` a leaf of /nacm, a mark of a module, or a law."""

    permits: bool
    rule: Rule | None = None
    default: str | None = None


class _Open(NamedTuple):
    """A rule about data whose path has still to be walked, from that step on."""

    rule: int
    depth: int


@dataclass(frozen=True)
class UserRules:
    """What is the same at all places: the rules that are about one user, in order."""

    user: str
    defaults: Rules
    rules: tuple[Rule, ...]
    marks: AccessMarks
    guarded: frozenset[Tags]
    """The ways to nodes that have marks somewhere below."""

    def module_of(self, tag: str) -> str | None:
        return self.marks.modules.get(tag[1:].partition("}")[0])

    def root(self) -> Place:
        """The place above all data."""
        about_data = [
            (index, rule)
            for index, rule in enumerate(self.rules)
            if rule.about in (About.ANYTHING, About.DATA)
        ]
        return Place(
            self,
            (),
            tuple(index for index, rule in about_data if not rule.path),
            tuple(_Open(index, 0) for index, rule in about_data if rule.path),
            None,
        )


class Place:
    """Where in the data. `met` are the rules that are about everything from here down, in order."""

    __slots__ = ("_children", "_inherited", "_met", "_open", "_rules", "_verdicts", "_whole", "reads", "tags")

    def __init__(
        self,
        rules: UserRules,
        tags: Tags,
        met: tuple[int, ...],
        still_open: tuple[_Open, ...],
        inherited: Mark | None,
    ) -> None:
        self._rules = rules
        self._met = met
        self._open = still_open
        self._inherited = rules.marks.nodes.get(tags, inherited)
        self._children: dict[str, _Way] = {}
        self._verdicts: dict[Right, Verdict] = {}
        self._whole: dict[Right, bool] = {}
        self.tags = tags
        self.reads = self.may(Right.READ)

    def enter(self, element: Element) -> Place:
        """The place of a child."""
        tag = element.tag
        way = self._children.get(tag) or self._way(str(tag))
        return way.choose(element) if way.asks else way.place

    def enters_whole(self, tag: str, right: Right) -> bool:
        """True where `whole` is surely true of the place of every child with that tag."""
        way = self._way(tag)
        return not way.asks and way.place.whole(right)

    def _way(self, tag: str) -> _Way:
        way = self._children.get(tag)
        if way is None:
            way = self._children.setdefault(tag, _Way(self._rules.user, self, tag))
        return way

    def may(self, right: Right) -> bool:
        return self.verdict(right).permits

    def verdict(self, right: Right) -> Verdict:
        """What decides at this node itself (RFC 8341, 3.4.5, steps 6 to 12)."""
        found = self._verdicts.get(right)
        if found is None:
            found = self._verdicts[right] = self._judge(right)
        return found

    def _judge(self, right: Right) -> Verdict:
        module = self._rules.module_of(self.tags[-1]) if self.tags else None
        for index in self._met:
            rule = self._rules.rules[index]
            if rule.is_for(right, module):
                return Verdict(rule.permits, rule)
        if self._inherited is Mark.DENY_ALL or (self._inherited is not None and right in WRITES):
            return Verdict(False, default=self._inherited.value)
        if right is Right.READ:
            return Verdict(self._rules.defaults.reads, default="read-default")
        if right is Right.EXEC:
            return Verdict(self._rules.defaults.runs, default="exec-default")
        return Verdict(self._rules.defaults.writes, default="write-default")

    def whole(self, right: Right) -> bool:
        """True where the right is surely given here and to everything below, so that nobody need look there."""
        found = self._whole.get(right)
        if found is None:
            found = self._whole[right] = self._judge_whole(right)
        return found

    def _judge_whole(self, right: Right) -> bool:
        if self.tags and not self.may(right):
            return False
        rules = self._rules.rules
        catching = [i for i in self._met if rules[i].is_for(right, None)]
        if catching:  # it decides for all below that no rule before it decides for
            here = catching[0]
            earlier = [i for i in (*self._met, *(o.rule for o in self._open)) if i < here]
            return rules[here].permits and all(rules[i].permits for i in earlier if right in rules[i].rights)
        given = self._rules.defaults.reads if right is Right.READ else self._rules.defaults.writes
        everywhere = (*self._met, *(o.rule for o in self._open))
        return (
            given
            and self._inherited is None
            and self.tags not in self._rules.guarded
            and all(rules[i].permits for i in everywhere if right in rules[i].rights)
        )

    def below(self, tag: str, matched: frozenset[_Open]) -> Place:
        """The place of a child with that tag, where the steps `matched` of open paths fit it."""
        rules = self._rules.rules
        ending = [o.rule for o in matched if o.depth + 1 == len(rules[o.rule].path)]
        return Place(
            self._rules,
            (*self.tags, tag),
            tuple(sorted((*self._met, *ending))),
            tuple(_Open(o.rule, o.depth + 1) for o in self._open if o in matched and o.rule not in ending),
            self._inherited,
        )

    def open_steps(self, tag: str) -> list[tuple[_Open, Step]]:
        """The open paths that go on with `tag`."""
        steps = [(o, self._rules.rules[o.rule].path[o.depth]) for o in self._open]
        return [(o, step) for o, step in steps if step.tag == tag]


class _Way:
    """From a place to its children with one tag: to one place, or by what rules ask of the child to several.

    Rules that ask for one value, as those about an entry by its key do, are looked up by that value: many of them
    cost no more than one.
    """

    __slots__ = ("_asked", "_by_value", "_parent", "_places", "_plain", "_tag", "_user", "asks", "place")

    def __init__(self, user: str, parent: Place, tag: str) -> None:
        steps = parent.open_steps(tag)
        self._user = user
        self._parent = parent
        self._tag = tag
        self._plain = frozenset(o for o, step in steps if not step.tests)
        self._by_value: dict[str | None, dict[str, list[_Open]]] = {}
        self._asked: list[tuple[_Open, Step]] = []
        for o, step in steps:
            if len(step.tests) == 1:
                test = step.tests[0]
                values = self._by_value.setdefault(test.tag, {})
                values.setdefault(user if test.value is None else test.value, []).append(o)
            elif step.tests:
                self._asked.append((o, step))
        self.asks = bool(self._by_value or self._asked)
        self.place = parent.below(tag, self._plain)
        self._places: dict[frozenset[_Open], Place] = {}

    def choose(self, element: Element) -> Place:
        fitting = [o for o, step in self._asked if step.holds(element, self._user)]
        for tag, values in self._by_value.items():
            for leaf in (element,) if tag is None else element.iterchildren(tag):
                fitting += values.get(text_of(leaf), ())
        if not fitting:
            return self.place
        matched = self._plain.union(fitting)
        place = self._places.get(matched)
        if place is None:
            place = self._places.setdefault(matched, self._parent.below(self._tag, matched))
        return place


def compile_rules(
    rules: Rules, user: str, groups: frozenset[str], marks: AccessMarks, guarded: frozenset[Tags]
) -> UserRules:
    """The rules for a user who is in `groups` (3.4.4, steps 5 and 6: without a group no rule is for anybody)."""
    own = tuple(rule for each in rules.rule_lists if each.is_for(groups) for rule in each.rules)
    return UserRules(user, rules, own, marks, guarded)
