"""When a simulated device tells of its pools by itself, and what it says."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from lxml import etree

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.simulator.notices import Notices
from casm_ctrl.simulator.subscribers import Circumstances, Subscribers

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
MODULE = "casm-address-pool-ext"
EXTENSION = f"urn:casm:yang:{MODULE}"
Element = etree._Element


def pools(*entries: str, marks: str = "") -> Element:
    """One pool. An entry is `192.0.2` (a /24 without its gateway) or `2001:db8:1` (a /120), drained with a `+`."""
    inside = ""
    for text in entries:
        name, drain = text.lstrip("+"), "<drain>true</drain>" if text[0] == "+" else ""
        inside += (
            f"<ipv6-prefix><ipv6-prefix-name>{name}</ipv6-prefix-name><ipv6-prefix>{name}::/120</ipv6-prefix>{drain}"
            "</ipv6-prefix>"
            if ":" in name
            else f"<ipv4-address-range><ipv4-address-range-name>{name}</ipv4-address-range-name>"
            f"<ip-lower-address>{name}.0</ip-lower-address><ip-upper-address>{name}.99</ip-upper-address>{drain}"
            "</ipv4-address-range>"
        )
    return etree.fromstring(
        f'<config><address-pools xmlns="{POOLS}"><address-pool><address-pool-name>home</address-pool-name>'
        f"<address-pool-entries>{inside}{marks}</address-pool-entries></address-pool></address-pools></config>"
    )


def marks(high: int, normal: int | None = None, version: int = 4) -> str:
    low = (
        ""
        if normal is None
        else f'<normal-threshold-v{version} xmlns="{EXTENSION}">{normal}</normal-threshold-v{version}>'
    )
    return f"<warning-threshold-v{version}>{high}</warning-threshold-v{version}>{low}"


class Device:
    """What it serves, its subscribers and what it told."""

    def __init__(self, running: Element, modules: frozenset[str] = frozenset({MODULE})) -> None:
        self.running = running
        self.modules = modules
        self.subscribers = Subscribers()
        self.refused: Mapping[tuple[str, int], int] = {}
        self.notices = Notices()

    def use(self, used: int, entry: str = "192.0.2", pool: str = "home") -> Device:
        self.subscribers.set(pool, entry, used)
        return self

    def judge(self, at: float = 0.0) -> list[dict[str, str]]:
        about = Circumstances(
            Micros(round((100 + at) * SECOND)), Micros(10 * SECOND), self.modules, self.refused
        )
        return [
            {etree.QName(leaf).localname: leaf.text or "" for leaf in told}
            for told in self.notices.judge(self.running, self.subscribers, about)
        ]

    def due(self) -> float | None:
        due = self.notices.next_due
        return None if due is None else due / SECOND - 100

    def levels(self, at: float = 0.0) -> list[str]:
        return [told["level"] for told in self.judge(at)]


# --- Our augment ----------------------------------------------------------------------------------


def test_what_is_told() -> None:
    assert Device(pools("192.0.2", marks=marks(80))).use(80).judge() == [
        {
            "address-pool-name": "home",
            "address-family": "ipv4",
            "level": "high",
            "addresses-used": "80",
            "addresses-total": "100",
            "requests-refused": "0",
            "counters-since": "1970-01-01T00:00:10.000000Z",
            "sampled-at": "1970-01-01T00:01:40.000000Z",
            "started-at": "1970-01-01T00:00:10.000000Z",
        }
    ]


def test_each_level_is_told_once() -> None:
    device = Device(pools("192.0.2", marks=marks(80, 60)))
    steps = [(79, []), (80, ["high"]), (90, []), (70, []), (85, []), (60, []), (59, ["normal"]), (0, [])]
    for used, levels in [*steps, *steps]:
        assert device.use(used).levels() == levels, used


def test_without_a_normal_threshold_the_warning_threshold_is_it() -> None:
    device = Device(pools("192.0.2", marks=marks(80)))
    assert [device.use(used).levels() for used in (80, 79, 80)] == [["high"], ["normal"], ["high"]]


def test_the_last_address_exhausts_a_pool_with_thresholds_or_without() -> None:
    device = Device(pools("192.0.2", marks=marks(80, 60)))
    steps = [
        (100, ["high", "exhausted"]),
        (100, []),
        (90, []),
        (100, ["exhausted"]),
        (20, ["normal"]),
        (85, ["high"]),
    ]
    for used, levels in steps:
        assert device.use(used).levels() == levels, used
    bare = Device(pools("192.0.2"))
    assert [bare.use(used).levels() for used in (99, 100, 50, 100)] == [[], ["exhausted"], [], ["exhausted"]]


def test_refusals_are_told_at_once_and_then_once_a_second() -> None:
    device = Device(pools("192.0.2"))
    device.use(100).levels()
    device.refused = {("home", 4): 5}
    assert device.judge(0.4) == []
    assert device.due() == 1
    device.refused = {("home", 4): 9}
    assert [told["requests-refused"] for told in device.judge(1)] == ["9"]
    assert device.due() is None
    assert device.levels(5) == []
    device.refused = {("home", 4): 10}
    assert device.levels(5.1) == ["exhausted"]


def test_a_pool_that_is_not_there_is_exhausted_when_it_is_asked() -> None:
    device = Device(pools("192.0.2"))
    device.refused = {("away", 6): 1}
    (told,) = device.judge()
    assert (told["address-pool-name"], told["address-family"], told["level"]) == ("away", "ipv6", "exhausted")
    assert (told["addresses-used"], told["addresses-total"], told["requests-refused"]) == ("0", "0", "1")


def test_a_block_that_comes_relieves() -> None:
    device = Device(pools("192.0.2", marks=marks(80, 60)))
    device.use(100).levels()
    device.refused = {("home", 4): 7}
    device.running = pools("192.0.2", "198.51.100", marks=marks(80, 60))
    assert device.levels(2) == ["normal"]


def test_what_is_drained_gives_nobody_room() -> None:
    device = Device(pools("192.0.2", "+198.51.100", marks=marks(80)))
    device.use(3, "198.51.100").use(80)
    (told,) = device.judge()
    assert (told["addresses-used"], told["addresses-total"]) == ("80", "100")


def test_each_family_is_told_by_itself() -> None:
    device = Device(pools("192.0.2", "2001:db8:1", marks=marks(80) + marks(50, version=6)))
    (told,) = device.use(128, "2001:db8:1").judge()
    assert (told["address-family"], told["addresses-total"]) == ("ipv6", "256")
    (told,) = device.use(99).judge()
    assert told["address-family"] == "ipv4"


def test_a_device_without_the_augment_tells_nothing() -> None:
    assert Device(pools("192.0.2", marks=marks(80)), frozenset()).use(100).judge() == []


def test_a_restart_forgets_what_was_told() -> None:
    device = Device(pools("192.0.2", marks=marks(80)))
    device.use(90).levels()
    device.notices.clear()
    assert device.levels() == ["high"]


# --- ietf-nat -------------------------------------------------------------------------------------


def nat(notify: str, *numbers: int) -> Element:
    return etree.fromstring(
        '<config><nat xmlns="urn:ietf:params:xml:ns:yang:ietf-nat"><instances><instance><id>1</id><policy><id>7</id>'
        + "".join(
            f"<external-ip-address-pool><pool-id>{number}</pool-id>"
            f"<external-ip-pool>192.0.{number}.0/25</external-ip-pool></external-ip-address-pool>"
            for number in numbers
        )
        + f"<notify-pool-usage>{notify}</notify-pool-usage></policy></instance></instances></nat></config>"
    )


WANTED = "<pool-id>2</pool-id><low-threshold>25</low-threshold><high-threshold>75</high-threshold>"


def test_a_nat_tells_where_a_threshold_is_crossed() -> None:
    device = Device(nat(WANTED + "<notify-interval>5</notify-interval>", 2, 3), frozenset())
    told = []
    for second, used in enumerate((10, 95, 96, 100, 96, 33, 32, 31, 20, 96)):
        told += [
            (used, one["notify-pool-threshold"]) for one in device.use(used, "2", "1/7").judge(10 * second)
        ]
    assert told == [(96, "75"), (31, "25"), (96, "75")]
    assert device.use(0, "2", "1/7").judge(95) == [
        {"id": "1", "policy-id": "7", "pool-id": "2", "notify-pool-threshold": "25"}
    ]


def test_a_nat_waits_between_two_notifications_and_tells_what_is_still_so() -> None:
    device = Device(nat(WANTED, 2), frozenset())
    assert device.use(100, "2", "1/7").judge(0)
    assert device.use(0, "2", "1/7").judge(1) == []
    assert device.due() == 20
    assert [told["notify-pool-threshold"] for told in device.judge(20)] == ["25"]
    device.use(100, "2", "1/7").judge(21)
    assert device.use(60, "2", "1/7").judge(50) == []


@pytest.mark.parametrize(
    ("notify", "used", "tells"),
    [
        ("<low-threshold>25</low-threshold><high-threshold>75</high-threshold>", (128, 63), False),
        ("<low-threshold>25</low-threshold><high-threshold>75</high-threshold>", (128, 64), True),
        ("<low-threshold>75</low-threshold><high-threshold>75</high-threshold>", (128, 128), False),
        ("<low-threshold>0</low-threshold>", (128, 128), False),
        ("<pool-id>9</pool-id><high-threshold>75</high-threshold>", (128, 128), False),
    ],
)
def test_what_a_policy_wants_to_be_told(notify: str, used: tuple[int, int], tells: bool) -> None:
    """Without an id of all of its pools together."""
    device = Device(nat(notify, 2, 3), frozenset())
    assert bool(device.use(used[0], "2", "1/7").use(used[1], "3", "1/7").judge()) is tells
