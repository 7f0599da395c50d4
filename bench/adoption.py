"""How long `casm adopt` takes to judge and to write many devices, without the devices: what they show is made up.

Run with `python bench/adoption.py`. Every device shows five ranges, two of which are no prefixes; one device in fifty
shows a range of its neighbour's too. The times per device say whether the cost is linear.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from casm_ctrl.addressing.prefix import Family, Range  # noqa: E402
from casm_ctrl.drivers.interface import ObjectKey, Seen, SeenRange  # noqa: E402
from casm_ctrl.service import adoption, intent  # noqa: E402
from casm_ctrl.service.configuration import AddDevice, AddPool, AddSpace, change  # noqa: E402
from casm_ctrl.service.desired import read_desired  # noqa: E402
from casm_ctrl.service.lookup import the_device  # noqa: E402
from casm_ctrl.store.database import Database  # noqa: E402
from casm_ctrl.store.events import Author  # noqa: E402
from casm_ctrl.store.migrate import create_store  # noqa: E402
from casm_ctrl.sync.adopt import Adoption  # noqa: E402
from casm_ctrl.sync.adoption_judging import DeviceRead  # noqa: E402
from casm_ctrl.sync.run import Options  # noqa: E402
from casm_ctrl.sync.visit import sight_of  # noqa: E402

ME = Author("bench")
BASE = 10 << 24
SHAPES = ((0, 255), (256, 511), (512, 639), (700, 755), (769, 890))
"""First and last address of each range, within the 1,024 addresses of a device."""


def shown(number: int) -> Seen:
    """What device `number` shows."""
    spans = [(BASE + number * 1024 + first, BASE + number * 1024 + last) for first, last in SHAPES]
    if number % 50 == 1:
        spans[2] = (spans[2][0] - 1024, spans[2][1] - 1024)
    ranges = (
        SeenRange(ObjectKey("ipv4-address-range", ("home", f"r{n}")), Range(Family.IPV4, first, last))
        for n, (first, last) in enumerate(spans)
    )
    return Seen((), tuple(ranges))


def prepare(database: Database, count: int) -> None:
    devices = (
        AddDevice(f"d{n:04}", "bng", "ietf-address-pool", f"d{n}.example", 830, "u", "env:X", "s")
        for n in range(count)
    )
    change(database, ME, [AddSpace("s"), AddPool("p", "s", ("10.0.0.0/8",)), *devices])


def measure(database: Database, count: int) -> dict[str, float]:
    prepare(database, count)
    run = Adoption(database, ME, Options(), lambda *_: None, dry_run=False, forced=True)
    with database.read() as tx:
        for number in range(count):
            device = the_device(tx, f"d{number:04}")
            run.reads[device.name] = DeviceRead(read_desired(tx, device), {}, shown(number))
    began = time.perf_counter()
    run.judge()
    judged = time.perf_counter()
    blocks = 0
    for unit in run.units.values():
        leased = {name: intent.claim_lease(database, name, f"bench-{name}", "bench") for name in unit}
        finds = [run.find_of(one) for name in unit for one in run.by_device.get(name, ())]
        sights = {name: sight_of(run.reads[name].seen, proof=False) for name in unit}
        outcome = adoption.adopt(database, ME, leased, sights, finds)
        blocks += sum(len(one.blocks) for one in outcome.adopted)
        for lease in leased.values():
            intent.release_lease(database, lease)
    ended = time.perf_counter()
    return {
        "devices": count,
        "ranges": count * len(SHAPES),
        "conflicts": len(run.judgement.conflicts),
        "blocks": blocks,
        "judge_s": round(judged - began, 3),
        "judge_ms_per_device": round(1000 * (judged - began) / count, 3),
        "write_s": round(ended - judged, 3),
        "write_ms_per_device": round(1000 * (ended - judged) / count, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, nargs="+", default=[250, 500, 1000, 2000])
    for count in parser.parse_args().devices:
        with tempfile.TemporaryDirectory() as folder:
            database, _ = create_store(str(Path(folder) / "casm.db"))
            with closing(database):
                print(json.dumps(measure(database, count)), flush=True)


if __name__ == "__main__":
    main()
