"""The story of `casm demo`: the main job from an empty store to a block that is free again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from casm_ctrl.cli.call import Answer, Call
from casm_ctrl.cli.demo_stage import PASSWORD, Stage, open_stage, simulated_devices

if TYPE_CHECKING:
    from casm_ctrl.cli.call import Document
    from casm_ctrl.simulator.control import ControlClient

_REST = 2
"""Seconds of quarantine in the demo; in production it is hours."""

_SUBSCRIBERS = 12

_NAMESPACE = "urn:ietf:params:xml:ns:yang:ietf-address-pool"

_BY_HAND = f"""<address-pools xmlns="{_NAMESPACE}"><address-pool>
  <address-pool-name>typed-in-by-hand</address-pool-name>
  <address-pool-entries><ipv4-address-range>
    <ipv4-address-range-name>printers</ipv4-address-range-name>
    <ip-lower-address>203.0.113.200</ip-lower-address><ip-upper-address>203.0.113.209</ip-upper-address>
  </ipv4-address-range></address-pool-entries>
</address-pool></address-pools>"""


def play(call: Call) -> Answer:
    """Play the whole story; CasmError where anything in it does not go as told."""
    began = time.monotonic()
    with open_stage(silent=call.as_json) as stage:
        _prepare(stage)
        stage.step(
            "Devices",
            "Three NETCONF servers over SSH start on loopback: two BNGs and a DHCP server. They are simulated,",
            "but nothing else is: each enforces its YANG modules, locks, and confirmed commits.",
        )
        with simulated_devices(stage.folder, 3) as (described, control):
            bng1 = str(described[0]["name"])
            _add_devices(stage, described)
            _allocate(stage)
            _install(stage)
            _meet_a_hand(stage, control, bng1)
            _drain(stage, control, bng1)
            _guard(stage)
            _rest(stage)
    seconds = time.monotonic() - began
    stage.show(
        "", f"The end: all went as told, in {seconds:.1f} s. The store and the devices of the demo are gone."
    )
    document = {"demo": {"seconds": round(seconds, 3), "step": stage.steps}}
    return Answer(document, lambda: ())


def _prepare(stage: Stage) -> None:
    stage.step("A store", "Everything that is wanted, seen and done is in one store; here a temporary one.")
    stage.show(f"$ export CASM_DATABASE={stage.folder / 'casm.db'}")
    stage.run("casm init")
    stage.step(
        "Address space and pools",
        "The operator owns two scattered IPv4 prefixes and one of IPv6. A withdrawn block rests before another",
        f"device may have it: hours in production, {_REST} seconds here.",
    )
    stage.run("casm space add internet")
    rest = f"--quarantine {_REST}s --lease-time 0"
    stage.run(
        "casm pool add public-v4 --space internet --scope public --prefix 198.51.100.0/24"
        f" --prefix 203.0.113.0/24 --exclude 198.51.100.0/28 {rest}"
    )
    stage.run(f"casm pool add home-v6 --space internet --prefix 2001:db8::/40 {rest}")
    stage.run("casm pool list")
    stage.show("", "Mistakes are refused with what to do about them:")
    stage.run("casm pool add twice --space internet --prefix 203.0.113.128/25", status=1)


def _add_devices(stage: Stage, described: list[Document]) -> None:
    roles = (("bng1", "bng"), ("bng2", "bng"), ("dhcp1", "dhcp"))
    for (name, role), device in zip(roles, described, strict=True):
        stage.run(
            f"casm device add {name} --role {role} --driver ietf-address-pool --host {device['host']}"
            f" --port {device['port']} --user {device['username']} --credential env:{PASSWORD}"
        )
    stage.run("casm device check --accept-new")


def _allocate(stage: Stage) -> None:
    stage.step("Device pools and blocks", "A device pool says from which pools a service gets blocks.")
    stage.run("casm device-pool add bng1/home --pool public-v4 --length 27 --gateway first")
    stage.run("casm device-pool add bng2/home-v6 --pool home-v6 --length 48")
    stage.run("casm device-pool add bng2/home --pool public-v4 --length 27 --gateway first")
    stage.run("casm device-pool add dhcp1/office --pool public-v4 --length 28 --gateway last")
    stage.run("casm allocate bng1/home --count 3 --request-id order-4711")
    stage.show("", "The same request again is answered again, and nothing is done twice:")
    stage.run("casm allocate bng1/home --count 3 --request-id order-4711")
    stage.run("casm allocate bng2/home-v6")
    stage.run("casm allocate bng2/home")
    stage.run("casm allocate dhcp1/office")


def _install(stage: Stage) -> None:
    stage.step("Plan and apply", "Every change can be seen first, exactly as the device would get it.")
    stage.run("casm plan bng2")
    stage.run("casm apply")
    stage.run("casm status")


def _meet_a_hand(stage: Stage, control: ControlClient, bng1: str) -> None:
    stage.step(
        "Hands off",
        "Meanwhile somebody types a range into bng1, with addresses of our own pool. It is found, reported and",
        "left alone, and no block is cut from under it.",
    )
    control.call(bng1, "edit", datastore="running", configuration=_BY_HAND)
    stage.run("casm allocate bng2/home")
    stage.run("casm apply")
    _expect_by_hand(stage, control, bng1)
    stage.run("casm device show bng1")


def _expect_by_hand(stage: Stage, control: ControlClient, bng1: str) -> None:
    from casm_ctrl.base.errors import Unproven

    running = str(control.call(bng1, "configuration")["configuration"])
    if "<ip-lower-address>203.0.113.200</ip-lower-address>" not in running:
        raise Unproven("the range that was typed into bng1 is gone", "report this: it breaks a promise")
    stage.show("", "bng1 still has 'printers', 203.0.113.200 to 203.0.113.209: read from the device.")


def _drain(stage: Stage, control: ControlClient, bng1: str) -> None:
    store = stage.ask("casm status --json")["status"]["store-id"]
    entry = f"casm-{store}-b1"
    stage.step(
        "Drain, then withdraw",
        f"{_SUBSCRIBERS} subscribers are on b1. A released block is drained first, and leaves when the device",
        "counts nobody on it.",
    )
    control.call(bng1, "subscribers", pool="home", entry=entry, used=_SUBSCRIBERS)
    stage.run("casm drain b1")
    stage.run("casm apply bng1")
    stage.run("casm release b1 --reason 'bng1 has too many'")
    stage.run("casm apply bng1")
    stage.show("", "The subscribers leave, one by one …")
    control.call(bng1, "subscribers", pool="home", entry=entry, used=0)
    stage.run("casm apply bng1")


def _guard(stage: Stage) -> None:
    stage.step(
        "The guard against mass removal",
        "An apply that would take much from a device stops, and asks for the number. A store that is old,",
        "empty or another's cannot empty a network.",
    )
    stage.run("casm release b2 b3")
    stage.run("casm apply bng1", status=1)
    stage.run("casm apply bng1 --confirm-removal 2")


def _rest(stage: Stage) -> None:
    stage.step(
        "Quarantine, and free again",
        "The blocks are proven gone, and rest. Afterwards the same addresses go to another device, as new blocks.",
    )
    stage.run("casm block list --state quarantined")
    stage.pause(_REST)
    stage.run("casm allocate bng2/home --count 8")
    stage.run("casm apply bng2")
    stage.run("casm status")
    stage.step("What happened to b1?", "Every step of its life is in the audit, with who, when and why.")
    stage.run("casm audit --block b1")
