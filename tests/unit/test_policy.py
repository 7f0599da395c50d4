"""The policy of a device pool: defaults by role, what an operator set over them, and what is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.control.deciding.policy import Limits, Mode, Policy, Scarcity
from casm_ctrl.control.deciding.words import RULES


@pytest.mark.parametrize("role", ["bng", "cgn", "dhcp"])
def test_every_role_has_defaults_that_only_observe(role: str) -> None:
    policy = Policy.defaults(role, 26)
    assert (policy.grow, policy.shrink, policy.scarcity) == (Mode.OBSERVE, Mode.OBSERVE, Scarcity.PLAN)
    assert (policy.history, policy.length, policy.priority, policy.force_after) == (7, 26, 100, None)
    assert policy == Policy.of(role, {"length": 26, "grow": None})


def test_what_was_set_replaces_defaults_and_says_where_it_is_from() -> None:
    given = {"grow": "automatic", "shrink_at": 30, "hold_down": None}
    policy = Policy.of("bng", given)
    assert (policy.grow, policy.grow_at, policy.shrink_at, policy.hold_down) == (Mode.AUTOMATIC, 80, 30, 900)
    sources = Policy.sources(given, usage_high=70)
    assert (sources["shrink_at"], sources["grow_at"], sources["hold_down"]) == (
        "set",
        "usage-high",
        "default",
    )
    assert Policy.sources({"grow_at_free": 5}, usage_high=70)["grow_at"] == "default"


def test_only_a_mark_that_is_the_roles_is_sparing() -> None:
    assert Policy.defaults("bng").sparing
    assert not Policy.of("bng", {"grow_at": 80}).sparing
    assert not Policy.of("bng", {"grow_at_free": 80}).sparing
    assert not Policy.of("bng", {}, usage_high=80).sparing


def test_the_mark_that_the_device_tells_is_that_for_growing() -> None:
    assert Policy.of("bng", {}, usage_high=70).grow_at == 70
    assert Policy.of("bng", {"grow_at": 90}, usage_high=70).grow_at == 90
    free = Policy.of("bng", {"grow_at_free": 40}, usage_high=70)
    assert (free.grow_at, free.grow_at_free) == (None, 40)


def test_a_mark_for_shrinking_that_was_not_set_stays_below_that_for_growing() -> None:
    assert Policy.of("bng", {"grow_at": 60}).shrink_at == 35
    assert Policy.of("bng", {"grow_at": 10}).shrink_at == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"grow_at": 50, "shrink_at": 50}, "shrink-at 50 % is not below grow-at 50 %"),
        ({"grow_at": 101}, "grow-at cannot be 101"),
        ({"grow_at": 80, "grow_at_free": 10}, "grow-at and grow-at-free"),
        ({"max_blocks": 1, "min_blocks": 2}, "max-blocks 1 is below min-blocks 2"),
        ({"colour": 1}, "a policy has no colour"),
    ],
)
def test_what_contradicts_itself_is_refused_in_the_words_of_its_leaves(
    given: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidValue, match=words):
        Policy.of("bng", given)


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("start", "end", "zone", "moment", "inside"),
    [
        ("02:00", "05:00", "UTC", "2026-11-23T02:00:00", True),
        ("02:00", "05:00", "UTC", "2026-11-23T05:00:00", False),
        ("22:00", "05:00", "UTC", "2026-11-23T23:10:00", True),
        ("22:00", "05:00", "UTC", "2026-11-23T12:00:00", False),
        ("02:00", "05:00", "Europe/Berlin", "2026-11-23T01:30:00", True),
        ("02:00", "05:00", "Europe/Berlin", "2026-07-23T00:30:00", True),
        ("02:00", "05:00", "Europe/Berlin", "2026-11-23T04:30:00", False),
    ],
)
def test_the_reclaim_window_is_in_its_zone(
    start: str, end: str, zone: str, moment: str, inside: bool
) -> None:
    policy = Policy.of("bng", {"reclaim_from": start, "reclaim_until": end, "reclaim_zone": zone})
    assert policy.in_window(_at(moment)) is inside


def test_without_a_window_it_is_always_open() -> None:
    assert Policy.defaults("bng").in_window(_at("2026-11-23T12:00:00"))


def test_lengths_are_those_of_the_device_pool() -> None:
    assert Policy.of("bng", {"length": 24, "next_length": 26, "first_length": 23}).lengths == (23, 24, 26)
    assert Policy.defaults("bng").lengths == (24,)


def test_limits_are_checked() -> None:
    assert Limits().gentle_readings == 3
    with pytest.raises(InvalidValue, match="gentle-percent cannot be 101"):
        Limits(gentle_percent=101)
    with pytest.raises(InvalidValue, match="grow-per-hour cannot be -1"):
        Limits(grow_per_hour=-1)


def test_every_rule_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy-reasons.md").read_text(encoding="utf-8")
    firsts = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    explained = {name for cell in firsts for name in re.findall("`([a-z-]+)`", cell)}
    explained |= set(re.findall("`([a-z-]+)`", page.split("say that nothing is known")[0].splitlines()[-1]))
    assert explained == RULES
