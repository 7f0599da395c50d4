"""`casm scarcity` where device pools draw from several pools, and have blocks of several lengths."""

from __future__ import annotations

from casm_ctrl.base.clock import ManualClock, Micros
from casm_ctrl.base.readings import COUNT, POLL, Accepted, BlockReading, DeviceReading, PoolReading
from casm_ctrl.control.shortage import plan_scarcity
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool, AddPool
from casm_ctrl.service.samples import record
from casm_ctrl.store.database import Database
from tests.allocation_world import ME, configure


def filled(database: Database, clock: ManualClock, used: dict[str, dict[int, int]]) -> None:
    """All blocks are installed, and by two readings so many are in use in each: by device pool and block."""
    database.run(lambda tx: tx.run("UPDATE block SET state = 'installed', sent = 1"))
    with database.read() as tx:
        ids = {row[0]: row[1] for row in tx.all("SELECT name, id FROM device_pool")}
        lengths = {row[0]: row[1] for row in tx.all("SELECT id, length FROM block")}
    for _ in range(2):
        clock.advance(60)
        now = clock.now()
        for device in ("bng1", "bng2"):
            told = tuple(
                PoolReading.of_blocks(
                    ids[label.partition("/")[2]],
                    label,
                    [BlockReading(n, count, (1 << (32 - lengths[n])) - 3) for n, count in blocks.items()],
                )
                for label, blocks in used.items()
                if label.startswith(f"{device}/")
            )
            record(
                database,
                device,
                Accepted(DeviceReading(device, COUNT, POLL, now, told, now, booted_at=Micros(1))),
            )


def numbers(database: Database) -> list[int]:
    with database.read() as tx:
        return [row[0] for row in tx.all("SELECT id FROM block ORDER BY id")]


def test_only_blocks_of_the_pool_are_asked_for(network: Database, clock: ManualClock) -> None:
    """What a device pool has of another pool makes no room in this one."""
    configure(
        network,
        AddPool("q", "s", ("10.1.0.0/23",), quarantine=0, lease_time=0),
        AddPool("r", "s", ("10.2.0.0/23",), quarantine=0, lease_time=0),
        AddDevicePool("bng1/rich", ("q", "r"), 24),
        AddDevicePool("bng2/poor", ("q",), 24),
    )
    allocate(network, ME, "bng1/rich", count=1)
    allocate(network, ME, "bng2/poor", count=1)
    allocate(network, ME, "bng1/rich", count=2)
    b = numbers(network)
    filled(network, clock, {"bng1/rich": {b[0]: 9, b[2]: 0, b[3]: 0}, "bng2/poor": {b[1]: 253}})
    [move] = plan_scarcity(network, "q")["move"]
    assert move["prefix"].startswith("10.1.")


def test_who_gets_a_block_of_another_pool_takes_none_of_anybody(
    network: Database, clock: ManualClock
) -> None:
    configure(
        network,
        AddPool("q", "s", ("10.1.0.0/23", "10.1.2.0/24"), quarantine=0, lease_time=0),
        AddPool("r", "s", ("10.2.0.0/23",), quarantine=0, lease_time=0),
        AddDevicePool("bng1/rich", ("q",), 24),
        AddDevicePool("bng2/poor", ("q", "r"), 24),
    )
    allocate(network, ME, "bng1/rich", count=2)
    allocate(network, ME, "bng2/poor", count=1)
    b = numbers(network)
    filled(network, clock, {"bng1/rich": {b[0]: 9, b[1]: 0}, "bng2/poor": {b[2]: 253}})
    plan = plan_scarcity(network, "q")
    assert plan["move"] == []
    assert plan["from-stock"] == [{"device-pool": "bng2/poor", "blocks": 1}]


def test_a_larger_block_is_given_where_the_smaller_would_not_do(
    network: Database, clock: ManualClock
) -> None:
    configure(
        network,
        AddPool("q", "s", ("10.1.0.0/24", "10.1.1.0/24", "10.1.2.0/25"), quarantine=0, lease_time=0),
        AddDevicePool("bng1/rich", ("q",), 25, first_length=24),
        AddDevicePool("bng2/poor", ("q",), 24),
    )
    allocate(network, ME, "bng1/rich", length=24, count=1)
    allocate(network, ME, "bng2/poor", count=1)
    allocate(network, ME, "bng1/rich", length=25, count=1)
    b = numbers(network)
    filled(network, clock, {"bng1/rich": {b[0]: 5, b[2]: 0}, "bng2/poor": {b[1]: 253}})
    [move] = plan_scarcity(network, "q")["move"]
    assert move["prefix"].endswith("/24")


def test_what_is_free_is_seen_in_the_lengths_of_each(network: Database, clock: ManualClock) -> None:
    """bng1's /24 do not fit into the /26 that is free: bng2's /26 does."""
    configure(
        network,
        AddPool("q", "s", ("10.1.0.0/24", "10.1.1.0/25"), quarantine=0, lease_time=0),
        AddDevicePool("bng1/a", ("q",), 24),
        AddDevicePool("bng2/b", ("q",), 26),
    )
    allocate(network, ME, "bng1/a", count=1)
    allocate(network, ME, "bng2/b", count=1)
    b = numbers(network)
    filled(network, clock, {"bng1/a": {b[0]: 9}, "bng2/b": {b[1]: 61}})
    plan = plan_scarcity(network, "q")
    assert plan["from-stock"] == [{"device-pool": "bng2/b", "blocks": 1}]
