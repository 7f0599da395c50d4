"""Taking many prefixes at once is the same as taking them one by one."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import Family, Prefix, parse_prefix
from casm_ctrl.store import free_space
from casm_ctrl.store.database import Database
from casm_ctrl.store.free_bulk import take_prefixes
from casm_ctrl.store.transaction import Transaction

POOL = parse_prefix("10.0.0.0/16")


def _ids(tx: Transaction) -> int:
    return int(tx.one("SELECT id FROM pool WHERE name = 'p'")[0])


def _inside(draws: list[tuple[int, int]]) -> list[Prefix]:
    """Prefixes of /16 to /20 inside the pool that share no address, from (length, index)."""
    found: list[Prefix] = []
    for length, index in draws:
        size = 1 << (32 - length)
        prefix = Prefix(Family.IPV4, POOL.first + index % (1 << (length - 16)) * size, length)
        if not any(prefix.overlaps(other) for other in found):
            found.append(prefix)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(st.tuples(st.integers(17, 20), st.integers(0, 15)), max_size=6),
    wanted=st.lists(st.tuples(st.integers(16, 20), st.integers(0, 15)), max_size=8),
)
def test_bulk_equals_one_by_one(
    network: Database, before: list[tuple[int, int]], wanted: list[tuple[int, int]]
) -> None:
    taken, asked = _inside(before), _inside(wanted)
    with network.rehearse() as tx:
        pool = _ids(tx)
        for prefix in taken:
            assert free_space.take_prefix(tx, pool, prefix)
        missing = [p for p in sorted(asked) if not free_space.take_prefix(tx, pool, p)]
        alone = free_space.free_prefixes(tx, pool, Family.IPV4)
    with network.rehearse() as tx:
        for prefix in taken:
            assert free_space.take_prefix(tx, pool, prefix)
        assert take_prefixes(tx, pool, reversed(asked)) == missing
        assert free_space.free_prefixes(tx, pool, Family.IPV4) == alone


def test_what_is_given_back_makes_the_pool_whole(network: Database) -> None:
    wanted = [Prefix(Family.IPV4, POOL.first + index * 256, 24) for index in range(0, 256, 3)]
    with network.rehearse() as tx:
        pool = _ids(tx)
        assert take_prefixes(tx, pool, wanted) == []
        for prefix in wanted:
            free_space.give(tx, pool, prefix)
        assert free_space.free_prefixes(tx, pool, Family.IPV4) == [POOL]
