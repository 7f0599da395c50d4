"""A policy as a file: what holds for which device pool, and what is said of a wrong line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from casm_ctrl.addressing.prefix import parse_prefix
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.control.deciding.policy import Mode
from casm_ctrl.control.replay.policy_file import read_policy
from casm_ctrl.control.replay.samples import Series
from casm_ctrl.control.replay.scenario import NEEDS, PoolSize, capacity_of

POLICY: dict[str, Any] = {
    "name": "careful",
    "policy": {"grow": "automatic", "hold-down": "10m", "grow-at": 70},
    "roles": {"cgn": {"grow-at-free": 100}},
    "pools": {
        "north": {"prefixes": ["198.51.100.0/24", "203.0.113.0/24"], "quarantine": "2h", "lease-time": "6h"},
        "south": {"blocks": 12, "policy": {"shrink": "automatic"}},
        "*": {"times-subscribers": 1.2},
    },
    "device-pools": {"bng1/*": {"pool": "south"}, "bng1/vip": {"policy": {"priority": 200, "hold-down": 5}}},
    "polling": {"interval": "2m", "notifications": False},
    "install-delay": 7,
}


def _file(path: Path, policy: object) -> str:
    path.write_text(json.dumps(policy, indent=2))
    return str(path)


def test_a_file_is_read(tmp_path: Path) -> None:
    scenario = read_policy(_file(tmp_path / "p.json", POLICY))
    assert scenario.name == "careful"
    assert scenario.install_delay == 7
    assert (scenario.polling.interval, scenario.polling.hot_interval) == (120, 30)
    assert not scenario.polling.notifications
    assert (scenario.quarantine_of("north"), scenario.lease_time_of("north")) == (7200, 21600)
    assert (scenario.quarantine_of("south"), scenario.lease_time_of("south")) == (3600, 86400)
    assert scenario.size_of("north").prefixes == (
        parse_prefix("198.51.100.0/24"),
        parse_prefix("203.0.113.0/24"),
    )
    assert scenario.size_of("south") == PoolSize(blocks=12)
    assert scenario.size_of("west") == PoolSize(times_subscribers=1.2)
    assert scenario.sized(NEEDS).size_of("south") == NEEDS


def test_what_is_nearer_to_a_device_pool_holds(tmp_path: Path) -> None:
    scenario = read_policy(_file(tmp_path / "p.json", POLICY))
    vip = Series("bng1/vip", pool="north")
    assert scenario.pool_of(vip) == "south"
    policy = scenario.policy_of(vip)
    assert (policy.grow, policy.shrink) == (Mode.AUTOMATIC, Mode.AUTOMATIC)
    assert (policy.hold_down, policy.priority, policy.grow_at) == (5, 200, 70)
    plain = scenario.policy_of(Series("bng2/home", pool="north"))
    assert (plain.hold_down, plain.shrink, plain.length) == (600, Mode.OBSERVE, 24)
    shared = scenario.policy_of(Series("cgn1/nat", role="cgn", length=28))
    assert (shared.grow_at, shared.grow_at_free, shared.length) == (None, 100, 28)


@pytest.mark.parametrize("name", ["static", "automatic"])
def test_names_that_are_built_in(name: str) -> None:
    assert read_policy(name).name == name


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        ({"colour": "red"}, 2, "what is not known there of colour"),
        ({"policy": {"grow": "always"}}, 2, "of policy"),
        ({"policy": {"grow-when": 1}}, 3, "no leaf of a policy of policy/grow-when"),
        ({"policy": {"hold-down": "soon"}}, 3, "of policy/hold-down"),
        ({"policy": {"grow-at": 20.5}}, 3, "found 20.5 of policy/grow-at"),
        ({"roles": {"nas": {}}}, 3, "no role of roles/nas"),
        ({"pools": {"north": {"blocks": 1, "times-needs": 2}}}, 5, "a second size besides blocks"),
        ({"pools": {"north": {"prefixes": ["10.0.0.1/24"]}}}, 4, "has host bits"),
        (
            {"pools": {"north": {"prefixes": ["10.0.0.0/8", "10.1.0.0/16"]}}},
            4,
            "10.1.0.0/16 inside 10.0.0.0/8",
        ),
        ({"pools": {"north": {"prefixes": ["10.0.0.0/8", "2001:db8::/32"]}}}, 4, "both families"),
        ({"pools": {"north": {"times-needs": 0}}}, 4, "found 0 of pools/north/times-needs"),
        ({"polling": {"interval": 0}}, 3, "found 0 of polling/interval"),
        ({"static": 1}, 2, "found 1 of static"),
        ({"device-pools": []}, 2, "found [] of device-pools"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, change: dict[str, Any], line: int, words: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        read_policy(_file(tmp_path / "p.json", change))
    assert str(caught.value).startswith(f"p.json:{line}: found ")
    assert words in str(caught.value)
    assert caught.value.remedy


def test_no_json_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{\n"name": }')
    with pytest.raises(InvalidValue, match=r"p\.json:2: found what is no JSON"):
        read_policy(str(tmp_path / "p.json"))
    with pytest.raises(InvalidValue, match="automatic or static"):
        read_policy(str(tmp_path / "missing.json"))


@pytest.mark.parametrize(
    ("one", "prefix", "capacity"),
    [
        (Series("a/b"), "192.0.2.0/24", 253),
        (Series("a/b", per_address=16), "192.0.2.0/28", 256),
        (Series("a/b", subscriber_length=56), "2001:db8::/48", 256),
    ],
)
def test_how_many_a_block_serves(one: Series, prefix: str, capacity: int) -> None:
    assert capacity_of(one, parse_prefix(prefix)) == capacity
