"""What a read shows of the routes that devices announce for us: proof that a block serves, or may rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Range
from casm_ctrl.base.clock import Micros
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.service.routes import ON_DEVICE
from casm_ctrl.store import devices, observations, routes
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.devices import DeviceRow
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.observations import FindingRow, ObjectRow
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Transaction

_OWNED = (State.RESERVED, State.INSTALLED, State.DRAINING, State.WITHDRAWING)


@dataclass(frozen=True)
class RouteSighting:
    """A route to `range` that a device is configured with. `mark_*`: whose mark it carries, if any."""

    path: str
    keys: tuple[str, ...]
    range: Range | None
    mark_store: str | None = None
    mark_block: int | None = None

    @property
    def words(self) -> str:
        return f"a static route to {self.keys[-1]}"


@dataclass(frozen=True)
class SortedRoutes:
    """`ours`: by block of the device, the route to it. `others`: all that are none, with the block that one with our
    mark is said to be of."""

    ours: Mapping[int, RouteSighting]
    others: tuple[tuple[RouteSighting, int | None], ...]


def sort_routes(
    tx: Transaction,
    device: DeviceRow,
    mine: Mapping[int, BlockRow],
    seen: Sequence[RouteSighting],
    *,
    store: str,
) -> SortedRoutes:
    """A route is ours that carries the mark of a block which the device owns, also where a device came back with
    it, or that we wrote; and that leads to just this block."""
    known = {(row.path, row.keys) for row in observations.list_objects(tx, device.id)} if seen else set()
    owned = {block.prefix.range: block.id for block in mine.values() if block.state in _OWNED}
    ours: dict[int, RouteSighting] = {}
    others: list[tuple[RouteSighting, int | None]] = []
    for route in seen:
        marked = route.mark_block if route.mark_store == store else None
        number = None if route.range is None else owned.get(route.range)
        if number is not None and (marked == number or (route.path, route.keys) in known):
            ours[number] = route
        else:
            others.append((route, marked))
    fresh = [ObjectRow(r.path, r.keys, None, "wrote") for r in ours.values() if (r.path, r.keys) not in known]
    observations.put_objects(tx, device.id, fresh)
    return SortedRoutes(ours, tuple(others))


def note_routes(
    tx: Transaction,
    author: Author,
    device: DeviceRow,
    mine: Mapping[int, BlockRow],
    seen: SortedRoutes,
    *,
    proof: bool,
) -> None:
    """Record, for each block of the device, whether its route is there. Without `proof` none counts as gone."""
    known = routes.device_routes(tx, device.id)
    announced = {
        number: devices.get_device_pool(tx, number).announcement == ON_DEVICE
        for number in {block.device_pool_id for block in mine.values()}
    }
    for block in mine.values():
        present, before = block.id in seen.ours, known.get(block.id)
        matters = present or (proof and (before is not None or announced[block.device_pool_id]))
        if present is before or not matters:
            continue
        routes.put_route(tx, block.id, device.id, author.actor, present=present)
        words = f"its route is {'there' if present else 'not there'} on {device.name}"
        state = block.state.value
        record(tx, author, [Event("observe", "block", block.id, block.label, state, state, words)])


def strange_routes(
    device: DeviceRow, mine: Mapping[int, BlockRow], seen: SortedRoutes
) -> Iterator[FindingRow]:
    """Routes that should not be there: with our mark, to what the device does not own; and somebody else's in the
    place of ours."""
    owned = {block.prefix.range: block for block in mine.values() if block.state in _OWNED}
    for route, marked in seen.others:
        block = None if route.range is None else owned.get(route.range)
        if marked is not None:
            words = f"{route.words} is there, and is that of {block_id(marked)}"
            yield _finding(device, "zombie", route, None, words)
        elif block is not None:
            words = f"{route.words} was configured by somebody else, where that of {block.label} would be"
            yield _finding(device, "foreign", route, block.id, words)


def _finding(device: DeviceRow, kind: str, route: RouteSighting, block: int | None, words: str) -> FindingRow:
    return FindingRow(device.name, kind, route.path, route.keys, block, False, Micros(0), words)
