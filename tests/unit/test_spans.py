"""Which blocks a read touches: port sets and whole addresses are on one scale."""

from __future__ import annotations

import pytest

from casm_ctrl.addressing.prefix import Family, Prefix, parse_prefix
from casm_ctrl.base.clock import Micros
from casm_ctrl.service.spans import touched_blocks
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.observations import RangeRow
from casm_ctrl.store.states import State, Wanted

ADDRESS = parse_prefix("192.0.2.1/32")
PORT_SETS = [Prefix(Family.PORTS, ADDRESS.first << 16 | number << 12, 36) for number in range(3)]
NETWORK = parse_prefix("192.0.2.0/24")
BESIDE = parse_prefix("192.0.2.2/32")
SIX = parse_prefix("2001:db8::/48")


def block(number: int, prefix: Prefix, space: int = 1) -> BlockRow:
    return BlockRow(
        id=number,
        pool_id=1,
        pool="p",
        space_id=space,
        space="s",
        prefix=prefix,
        device_pool_id=1,
        device_id=1,
        device_pool="d/p",
        owner_id=1,
        wanted=Wanted.ABSENT,
        state=State.WITHDRAWING,
        generation=1,
        sent=True,
        proven_empty=False,
        allocated_at=Micros(0),
        changed_at=Micros(0),
        rest_until=None,
        used=None,
        expires_at=None,
    )


def touched(prefix: Prefix, *prefixes: Prefix, space: int = 1) -> set[int]:
    row = RangeRow("/range", ("x",), None, space, prefix.range, None, drained=False)
    return touched_blocks([block(number, one) for number, one in enumerate(prefixes)], [row])


def test_a_whole_address_touches_the_port_sets_in_it() -> None:
    assert touched(NETWORK, *PORT_SETS, BESIDE) == {0, 1, 2, 3}
    assert touched(ADDRESS, *PORT_SETS, BESIDE) == {0, 1, 2}
    assert touched(BESIDE, *PORT_SETS, BESIDE) == {3}


def test_a_port_set_touches_the_address_that_it_is_of() -> None:
    assert touched(PORT_SETS[1], NETWORK) == {0}
    assert touched(PORT_SETS[1], *PORT_SETS) == {1}
    assert touched(PORT_SETS[1], BESIDE) == set()


@pytest.mark.parametrize(("one", "other"), [(NETWORK, SIX), (PORT_SETS[0], SIX)])
def test_families_and_spaces_do_not_meet(one: Prefix, other: Prefix) -> None:
    assert touched(one, other) == touched(other, one) == set()
    assert touched(one, one, space=2) == set()
