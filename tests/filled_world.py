"""A store in which there is one of everything that our models have a node for."""

from __future__ import annotations

from casm_ctrl.addressing.prefix import Range, parse_prefix
from casm_ctrl.base.automation import Automation
from casm_ctrl.base.clock import ManualClock
from casm_ctrl.drivers.interface import ObjectKey, Seen, SeenStatic
from casm_ctrl.service import circuits, identity, intent
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddGroup,
    AddPool,
    Edit,
    Reserve,
    SetQuota,
)
from casm_ctrl.service.counting import record_counts
from casm_ctrl.service.holding import hold
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.observation import Sight, Sighting, observe
from casm_ctrl.service.release import drain, force_release, release
from casm_ctrl.service.routes import confirm_routes
from casm_ctrl.store import blocks, devices, observations, owners, routes, spaces
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.observations import FindingRow
from casm_ctrl.store.states import State, Wanted
from tests.adoption_world import Network, make, seen

ME = Author("tester", reason="because <&> it must")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA0CBi5aXjiGIGWrAlCGzGXpEuF1GN9xUVQoWWw6IJ0i"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBBBi5aXjiGIGWrAlCGzGXpEuF1GN9xUVQoWWw6IJ0i"


AUTOMATION = Automation(
    grow="automatic",
    grow_at_free=64,
    shrink_at_free=1024,
    reclaim_from="23:00",
    reclaim_until="04:30",
    reclaim_zone="Europe/Berlin",
    drain_deadline=86400,
    force_after=3600,
)
"""With all that has no default; thresholds in percent are those of the other device pools."""


def fill(database: Database, clock: ManualClock) -> None:
    """Spaces s and vpn; devices d0 to d2 with adopted blocks, bng1 and bng2 with all kinds of blocks, which
    share those of bng1/pair, and gone, which does not answer, and is not the one that it was."""
    make(database, *_network())
    static = SeenStatic(ObjectKey("host", ("home", "printer")), parse_prefix("10.0.0.5/32"))
    shown = Seen((), seen("10.0.0.0/28", "10.0.0.19-10.0.0.25").ranges, (), (static,))
    Network(database).adopt({"d0": shown})
    clock.advance(61.25)
    _allocate(database)
    clock.advance(5)
    _look(database, "bng1")
    _look(database, "bng2")
    clock.advance(5)
    _change_blocks(database)
    clock.advance(5)
    _look(database, "bng1")
    _withdraw(database)
    _count(database, "bng1")
    _count(database, "bng2")
    _find(database, "bng1")
    _lose(database)
    clock.advance(1)


def _network() -> list[Edit]:
    edits: list[Edit] = [
        AddPool(
            "big",
            "s",
            ("10.8.0.0/16", "10.10.0.0/20"),
            exclude=("10.8.0.0/24", "10.8.255.0/30"),
            description="für <alle> & jeden",
            labels=(("region", "north"), ("service", "")),
            strategy="sparse",
        ),
        Reserve("big", "10.8.1.0/24", "kept"),
        AddPool("child", "s", ("10.8.128.0/20",), parent="big"),
        AddPool("map", "s", ("192.0.2.0/24",), psid_offset=6, port_routed=True, scope="public"),
        AddPool("pd", "s", ("2001:db8:100::/40",), delegated_length=56),
        AddPool("red", "vpn", ("10.8.0.0/16",)),
        AddPool("used-up", "s", ("203.0.113.0/32",)),
    ]
    for number, name in enumerate(("bng1", "bng2", "gone"), start=10):
        device = AddDevice(
            name,
            "bng",
            "ietf-address-pool",
            f"192.0.2.{number}",
            830 + number,
            "casm",
            "env:SECRET",
            "s",
            host_key=KEY if name == "gone" else None,
            instances=(("red", "vpn"),),
            deadlines=(("rpc", 12.5), ("commit", 30)),
        )
        edits.append(device)
    edits += [
        AddGroup("pair", (("bng1", "serves"), ("bng2", "stands-by"))),
        AddDevicePool(
            "bng1/internet",
            ("big", "child"),
            24,
            gateway="first",
            services=("ppp", "dhcp"),
            automation=AUTOMATION,
        ),
        AddDevicePool("bng1/pair", ("big",), 28, group="pair", gateway="10.8.2.1", gateway_mask=24),
        AddDevicePool("bng1/map", ("map",), 36, access="map"),
        AddDevicePool("bng1/pd", ("pd",), 44),
        AddDevicePool("bng1/red", ("red",), 24, network_instance="red"),
        AddDevicePool("bng1/out", ("big",), 26, announcement="external", next_hop="192.0.2.1", route_tag=7),
        AddDevicePool("bng2/discard", ("big",), 27, announcement="driver-static-discard", max_blocks=9),
        AddDevicePool("bng2/empty", ("six",), 120, serve_edges=True, usage_high=80, usage_low=50),
        AddDevicePool("bng2/full", ("used-up",), 32),
        SetQuota("of-device", "device", "bng1", 100_000, "ipv4"),
        SetQuota("of-space", "space", "s", 1 << 96, "ipv6"),
        SetQuota("of-pool", "pool", "map", 200),
    ]
    return edits


def _allocate(database: Database) -> None:
    for label, count in (
        ("bng1/internet", 6),
        ("bng1/pair", 2),
        ("bng1/map", 3),
        ("bng1/pd", 2),
        ("bng1/red", 1),
        ("bng1/out", 3),
        ("bng2/discard", 2),
        ("bng2/full", 1),
    ):
        allocate(database, ME, label, count=count)
    allocate(database, ME, "bng1/internet", lifetime=3600, length=25)
    allocate(database, Author("tester"), "bng1/internet", pools=("child",))


def _numbers(database: Database, label: str) -> list[str]:
    with database.read() as tx:
        pool = next(row for row in devices.list_device_pools(tx) if row.label == label)
        return [block.name for block in blocks.list_blocks(tx, device_pool_id=pool.id)]


def _look(database: Database, device: str) -> None:
    """A read shows all that is wanted of the device, but for the last block of each device pool."""
    sightings = []
    with database.read() as tx:
        store = spaces.get_store(tx).store_id
        number = the_device(tx, device).id
        for pool in owners.device_pools_on(tx, number):
            for block in blocks.list_blocks(tx, device_pool_id=pool.id)[:-1]:
                if block.wanted is not Wanted.ABSENT:
                    keys = (pool.aaa_name, f"casm-{store}-{block.name}")
                    drained = block.wanted is Wanted.DRAINED
                    where = Range(block.prefix.family, block.prefix.first, block.prefix.last)
                    sightings.append(
                        Sighting(
                            "ipv4-address-range", keys, where, pool.network_instance, store, block.id, drained
                        )
                    )
    lease = intent.claim_lease(database, device, "tester", "the test")
    containers = tuple({("address-pool", sighting.keys[:1]) for sighting in sightings})
    observe(database, ME, lease, Sight(tuple(sightings), containers, proof=True))
    intent.record_result(database, lease, "in-sync", None, seen=True)
    intent.release_lease(database, lease)


def _change_blocks(database: Database) -> None:
    internet, out = _numbers(database, "bng1/internet"), _numbers(database, "bng1/out")
    drain(database, ME, internet[:1])
    release(database, ME, internet[1:2])
    force_release(database, ME, internet[2:3])
    confirm_routes(database, ME, out[:1])
    discard = _numbers(database, "bng2/discard")
    with database.write() as tx:
        number = the_device(tx, "bng2").id
        routes.put_route(tx, int(discard[0][1:]), number, "read", present=True)
        hold(tx, 1, parse_prefix("10.8.200.0/24").range, number, "seen")


def _withdraw(database: Database) -> None:
    """The removal of a block was sent, and nobody looked since."""
    name = _numbers(database, "bng1/internet")[4]
    release(database, ME, [name])
    with database.write() as tx:
        blocks.transition(
            tx, ME, blocks.get_block(tx, int(name[1:])), State.WITHDRAWING, "apply", "removal sent"
        )


def _count(database: Database, device: str) -> None:
    with database.read() as tx:
        held = blocks.list_blocks(tx, device_id=the_device(tx, device).id)
    lease = intent.claim_lease(database, device, "tester", "the test")
    record_counts(database, lease, {block.id: 7 for block in held[::2]})
    intent.release_lease(database, lease)


def _find(database: Database, device: str) -> None:
    """A read shows what should not be there: of a block, and of none."""
    with database.write() as tx:
        number = the_device(tx, device).id
        words = "<somebody> & others have it"
        rows = (
            FindingRow(device, "foreign", "pool", ("a", "x"), None, False, tx.now, words),
            FindingRow(device, "foreign", "pool", ("a", "x"), 1, True, tx.now, words),
        )
        observations.replace_findings(tx, number, rows)


def _lose(database: Database) -> None:
    identity.note_serial(database, ME, "gone", "serial-num FOX1234")
    for _ in range(4):
        circuits.record_silence(database, "gone", "no answer", 0.5)
    identity.hold_device(database, ME, "gone", host_key=OTHER_KEY)
