"""What a plan stands on, and the words for what moved."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lxml import etree

from casm_ctrl.addressing.prefix import parse_range
from casm_ctrl.drivers.interface import BlockMark, GenerationMark, ObjectKey, Seen, SeenPool, SeenRange
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool, change
from casm_ctrl.service.desired import desired
from casm_ctrl.service.groups import AddGroup
from casm_ctrl.service.release import drain, release
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.sync.basis import DeviceBasis, StoreBasis, shorten

ME = Author("tester")


def basis(database: Database) -> StoreBasis:
    return StoreBasis.of(desired(database, "bng1"))


def test_nothing_moved(network: Database) -> None:
    allocate(network, ME, "bng1/internet", count=2)
    then = basis(network)
    assert then.moved(basis(network)) == []
    assert StoreBasis.read(then.document()) == then


def test_another_devices_blocks_do_not_count(network: Database) -> None:
    then = basis(network)
    allocate(network, ME, "bng2/internet", count=2)
    change(network, ME, [AddDevicePool("bng2/more", ("p",), 24)])
    assert then.moved(basis(network)) == []


def test_what_moved_is_named(network: Database) -> None:
    allocate(network, ME, "bng1/internet", count=1)
    then = basis(network)
    allocate(network, ME, "bng1/internet", count=1)
    change(network, ME, [AddDevicePool("bng1/more", ("p",), 24)])
    assert then.moved(basis(network)) == ["device pool bng1/more is new", "block b2 is new"]
    assert basis(network).moved(then) == ["device pool bng1/more is gone", "block b2 is gone"]


def test_a_release_is_seen(network: Database) -> None:
    allocate(network, ME, "bng1/internet", count=1)
    with network.write() as tx:
        tx.run("UPDATE block SET state = 'installed', sent = 1")
    then = basis(network)
    drain(network, ME, ["b1"])
    (words,) = then.moved(basis(network))
    assert words.startswith("block b1 has generation ")
    assert words.endswith("wanted drained (was present)")
    release(network, ME, ["b1"])
    (words,) = then.moved(basis(network))
    assert "wanted absent (was present)" in words


def test_a_setting_that_shapes_an_edit_is_seen(network: Database) -> None:
    then = desired(network, "bng1")
    pool = then.pools[0]
    now = replace(then, pools=(replace(pool, row=replace(pool.row, gateway="first")),))
    assert StoreBasis.of(then).moved(StoreBasis.of(now)) == [
        "device pool bng1/internet has gateway first (was none)"
    ]
    aside = replace(pool.row, length=20, description="other", min_blocks=3)
    now = replace(then, pools=(replace(pool, row=aside),))
    assert StoreBasis.of(then).moved(StoreBasis.of(now)) == []


def test_an_edit_in_between_is_seen(network: Database) -> None:
    then = desired(network, "bng1")
    now = replace(then, device=replace(then.device, edit_generation=5))
    assert StoreBasis.of(then).moved(StoreBasis.of(now)) == ["edit 5 of the device was made"]


def test_the_state_of_a_groups_block_is_not_this_devices(network: Database) -> None:
    members = (("bng1", "serves"), ("bng2", "serves"))
    change(network, ME, [AddGroup("pair", members), AddDevicePool("bng1/pair", ("p",), 24, group="pair")])
    allocate(network, ME, "bng1/pair", count=1)
    then = basis(network)
    with network.write() as tx:
        tx.run("UPDATE block SET state = 'installed', sent = 1, generation = generation + 1")
    assert then.moved(basis(network)) == []


KEY = ObjectKey("range", ("home", "casm-abcdef-b1"))


def on_device(*, last: str = "10.0.0.9", drained: bool = False, leaf: str = "") -> DeviceBasis:
    pool = SeenPool(ObjectKey("pool", ("home",)), GenerationMark("abcdef", 3))
    one = SeenRange(KEY, parse_range("10.0.0.0", last), BlockMark("abcdef", 1), drained)
    running = etree.fromstring(f"<data><a>{last}{drained}</a><b>{leaf}</b></data>")
    return DeviceBasis.of(running, Seen((pool,), (one,)))


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (on_device(), []),
        (
            on_device(last="10.0.0.7"),
            ["range[home, casm-abcdef-b1] has range 10.0.0.0-10.0.0.7 (was 10.0.0.0-10.0.0.9)"],
        ),
        (on_device(drained=True), ["range[home, casm-abcdef-b1] has drained yes (was none)"]),
        (on_device(leaf="x"), ["something else in its objects was changed"]),
    ],
)
def test_what_moved_on_a_device_is_named(now: DeviceBasis, words: list[str]) -> None:
    then = on_device()
    assert then.moved(now) == words
    assert DeviceBasis.read(then.document()) == then


def test_a_refusal_lists_a_few() -> None:
    assert shorten(["a", "b", "c"]) == "a; b; c"
    assert shorten(["a", "b", "c", "d", "e"]) == "a; b; c and 2 more"
