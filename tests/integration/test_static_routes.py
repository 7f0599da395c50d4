"""Static discard routes with their blocks, through `casm` processes and a simulated device that has RFC 8349."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from casm_ctrl.drivers.static_routes import NEEDS
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool, AddGroup, change
from casm_ctrl.service.release import release
from casm_ctrl.simulator import FaultKind
from casm_ctrl.store.states import State
from tests.sync_world import ME, World, Worlds

MODULES = ("ietf-address-pool", "casm-address-pool-ext", *(need.name for need in NEEDS))
RT = "urn:ietf:params:xml:ns:yang:ietf-routing"
V4 = "urn:ietf:params:xml:ns:yang:ietf-ipv4-unicast-routing"
NC = "urn:ietf:params:xml:ns:netconf:base:1.0"


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("static-routes"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


def routed(world: World, count: int = 1, **options: Any) -> None:
    """A device with the device pool bng1/out, whose routes it announces, and blocks in it."""
    world.add("bng1", modules=MODULES, **options)
    pool = AddDevicePool("bng1/out", ("p",), 26, announcement="driver-static-discard")
    change(world.database, ME, [pool])
    allocate(world.database, ME, "bng1/out", count=count)


def edit_route(
    world: World, prefix: str, operation: str = "merge", inside: str = "", name: str = "casm"
) -> None:
    """As somebody else does, who writes the identity with a prefix where they make the protocol."""
    kind = f"<type xmlns:z='{RT}'>z:static</type>" if name != "casm" else "<type>static</type>"
    world.edit(
        "bng1",
        f'<routing xmlns="{RT}"><control-plane-protocols><control-plane-protocol>{kind}'
        f"<name>{name}</name><static-routes><ipv4 xmlns='{V4}'><route xmlns:nc='{NC}' nc:operation='{operation}'>"
        f"<destination-prefix>{prefix}</destination-prefix>{inside}</route></ipv4></static-routes>"
        "</control-plane-protocol></control-plane-protocols></routing>",
    )


def configured(world: World) -> str:
    return world.devices["bng1"].configuration().decode()


def shown(world: World, name: str = "b1") -> dict[str, Any]:
    found: dict[str, Any] = world.casm("block", "show", name, code=0).answer["block"]
    return found


def proof(world: World, name: str = "b1") -> tuple[bool, str]:
    block = shown(world, name)
    return block["serving"], block["route"]["proof"]


def test_a_block_serves_when_its_route_is_read_back(world: World) -> None:
    routed(world)
    assert proof(world) == (False, "unproven")
    planned = world.casm("plan", code=0).device()
    assert [r["action"] for r in planned["route"]] == ["announce"]
    added = [c["object"] for c in planned["change"] if c["action"] == "add"]
    assert "ipv4-static-route[static, casm, 198.51.100.0/26]" in added
    assert "blackhole" in planned["edit-config"]
    world.forget_operations()
    world.apply(code=0)
    assert world.operations().count("edit-config:candidate") == 1  # both in one
    assert "<special-next-hop>blackhole</special-next-hop>" in configured(world)
    assert f"<description>{world.mark(1)}</description>" in configured(world)
    assert proof(world) == (True, "present")
    assert world.casm("verify", code=0).answer["verify"]["finding"] == []
    ability = world.casm("device", "check", code=0).device()["ability"]
    assert ability["static-routes"] is True
    (route,) = world.casm("route", "list", code=0).answer["route"]
    assert (route["serving"], route["route"]["proof"]) == (True, "present")
    assert any("its route is there on bng1" in e.get("reason", "") for e in shown(world)["event"])
    world.forget_operations()
    world.apply(code=0)
    assert "commit" not in "".join(world.operations())


def test_both_are_gone_before_the_block_rests(world: World) -> None:
    routed(world)
    world.apply(code=0)
    release(world.database, ME, ["b1"])
    world.apply("--confirm-removal", "1", code=0)
    assert world.states()["b1"] is State.QUARANTINED
    assert configured(world) == ""


def test_a_block_waits_for_a_route_that_lingers(world: World) -> None:
    """The block is removed by hand, its route stays: the block does not rest before the route is gone."""
    routed(world)
    world.apply(code=0)
    release(world.database, ME, ["b1"])
    world.edit(
        "bng1",
        f'<address-pools xmlns="urn:ietf:params:xml:ns:yang:ietf-address-pool" xmlns:nc="{NC}"'
        ' nc:operation="delete"/>',
    )
    world.fault("bng1", FaultKind.REFUSE, "edit-config", tag="operation-failed")
    world.apply(code=1)
    assert world.states()["b1"] is State.WITHDRAWING
    assert "198.51.100.0/26" in configured(world)
    world.clear_faults()
    world.apply(code=0)
    assert world.states()["b1"] is State.QUARANTINED
    assert configured(world) == ""


def test_a_route_that_was_removed_by_hand_is_drift(world: World) -> None:
    routed(world, 2)
    world.apply(code=0)
    edit_route(world, "198.51.100.0/26", "delete")
    drift = world.casm("drift", code=0).device()
    (found,) = drift["drift"]
    assert (found["kind"], found["object"]) == ("missing", "ipv4-static-route[static, casm, 198.51.100.0/26]")
    assert world.casm("drift", "--check").code == 1
    (fault,) = world.casm("verify", code=1).answer["verify"]["finding"]
    assert "does not have the route to b1" in fault["words"]
    # A look that is no proof changes nothing; the next apply does, and puts it right.
    world.apply(code=0)
    assert proof(world) == (True, "present")
    words = [e.get("reason", "") for e in shown(world)["event"]]
    assert any("its route is not there on bng1" in text for text in words)
    assert proof(world, "b2") == (True, "present")
    assert configured(world).count("blackhole") == 2


def test_the_routes_of_others_are_left_alone(world: World) -> None:
    routed(world)
    hop = "<next-hop><special-next-hop>unreachable</special-next-hop></next-hop>"
    edit_route(world, "192.0.2.0/24", inside=hop, name="st0")
    world.apply(code=0)
    assert world.findings() == []
    assert proof(world) == (True, "present")
    release(world.database, ME, ["b1"])
    world.apply("--confirm-removal", "1", code=0)
    assert world.states()["b1"] is State.QUARANTINED
    assert "192.0.2.0/24" in configured(world)
    assert "198.51.100.0/26" not in configured(world)


def test_somebody_has_the_place_of_a_route(world: World) -> None:
    routed(world)
    hop = "<next-hop><special-next-hop>unreachable</special-next-hop></next-hop>"
    edit_route(world, "198.51.100.0/26", inside=hop, name="st0")
    world.apply(code=0)
    assert world.states()["b1"] is State.INSTALLED
    assert proof(world) == (False, "absent")
    (finding,) = world.findings()
    assert (finding.kind, finding.block) == ("foreign", 1)
    assert "unreachable" in configured(world)


def test_an_old_backup_announces_a_route_that_was_given_up(world: World) -> None:
    routed(world, 2)
    world.apply(code=0)
    backup = configured(world).encode()
    release(world.database, ME, ["b2"])
    world.apply("--confirm-removal", "1", code=0)
    world.free_quarantined()
    world.lab.run(world.devices["bng1"].reboot(backup))
    world.apply(code=0)
    kinds = sorted((finding.kind, finding.path) for finding in world.findings())
    assert kinds == [("zombie", "ipv4-address-range"), ("zombie", "ipv4-static-route")]
    assert "198.51.100.64/26" in configured(world)
    world.apply("--remove-zombies", "--confirm-removal", "1", code=0)
    assert world.findings() == []
    assert "198.51.100.64" not in configured(world)


def test_a_device_without_candidate_gets_both_in_one_edit(world: World) -> None:
    routed(world, candidate=False, writable_running=True)
    world.forget_operations()
    world.apply(code=0)
    assert [name for name in world.operations() if name.startswith("edit-config")] == ["edit-config:running"]
    assert proof(world) == (True, "present")


def test_a_startup_that_holds_the_route_still_is_no_proof(world: World) -> None:
    routed(world, startup=True)
    world.apply(code=0)
    release(world.database, ME, ["b1"])
    world.fault("bng1", FaultKind.REFUSE, "copy-config", 3, tag="operation-failed")
    world.apply("--confirm-removal", "1", code=1)
    assert world.states()["b1"] is State.WITHDRAWING
    assert proof(world)[1] == "present"
    world.clear_faults()
    world.apply(code=0)
    assert world.states()["b1"] is State.QUARANTINED


def test_a_device_without_routes_says_so(world: World) -> None:
    world.add("bng1")
    pool = AddDevicePool("bng1/out", ("p",), 26, announcement="driver-static-discard")
    change(world.database, ME, [pool])
    allocate(world.database, ME, "bng1/out")
    error = world.casm("plan", code=1).error
    assert error["app-tag"] == "not-supported"
    assert "ietf-ipv4-unicast-routing" in error["message"]


def test_a_replaced_device_announces_anew(world: World) -> None:
    routed(world)
    world.apply(code=0)
    device = world.devices["bng1"]
    world.lab.run(device.reboot(b""))
    world.lab.do(device.change_host_key)
    world.apply(code=1)
    world.casm("device", "replace", "bng1", "--accept-new", "--reason", "new", code=0)
    assert proof(world) == (False, "unproven")
    world.apply(code=0)
    assert proof(world) == (True, "present")


def test_of_a_group_those_that_serve_announce(world: World) -> None:
    for name in ("bng1", "bng2", "bng3"):
        world.add(name, modules=MODULES)
    members = (("bng1", "serves"), ("bng2", "serves"), ("bng3", "stands-by"))
    pool = AddDevicePool("bng1/home", ("p",), 26, group="pair", announcement="driver-static-discard")
    change(world.database, ME, [AddGroup("pair", members), pool])
    allocate(world.database, ME, "bng1/home")
    world.apply("bng1", code=0)
    assert proof(world) == (False, "unproven")
    world.apply(code=0)
    assert proof(world) == (True, "present")
    assert [b"blackhole" in world.devices[f"bng{n}"].configuration() for n in (1, 2, 3)] == [
        True,
        True,
        False,
    ]
    assert world.casm("verify", code=0).answer["verify"]["finding"] == []
    release(world.database, ME, ["b1"])
    for _ in range(3):
        world.apply(code=0)
    assert world.states()["b1"] is State.QUARANTINED
    assert not any(device.configuration() for device in world.devices.values())
