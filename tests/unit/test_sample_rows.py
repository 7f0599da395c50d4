"""The packed rows of usage: what was put is taken out again, whatever the numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.clock import Micros
from casm_ctrl.base.errors import StoreBroken
from casm_ctrl.base.readings import COUNT, NOTICE, PERCENT, POLL, BlockReading, PoolReading, Span
from casm_ctrl.store.packing import (
    Reader,
    deflate,
    inflate,
    put_count,
    put_series,
    put_signed,
    put_varint,
)
from casm_ctrl.store.sample_rows import (
    PollRow,
    SpanRow,
    pack_peaks,
    pack_poll,
    pack_spans,
    unpack_peaks,
    unpack_poll,
    unpack_spans,
)

COUNTS = st.one_of(
    st.integers(0, 300), st.integers(0, 1 << 128), st.integers(0, 1 << 16).map(lambda n: n << 72)
)
NOW = 1_700_000_000_000_000
HOUR = 3_600_000_000


@given(st.lists(COUNTS), st.lists(st.integers(-(1 << 70), 1 << 70)))
def test_numbers_of_any_size_come_back(counts: list[int], signed: list[int]) -> None:
    out = bytearray()
    for number in counts:
        put_count(out, number)
        put_varint(out, number)
    for number in signed:
        put_signed(out, number)
    put_series(out, counts)
    reader = Reader(inflate(deflate(out)))
    assert [(reader.count(), reader.varint()) for _ in counts] == [(number, number) for number in counts]
    assert [reader.signed() for _ in signed] == signed
    assert reader.series(len(counts)) == counts


def test_delegated_prefixes_counted_in_addresses_cost_no_more_than_prefixes() -> None:
    """1000 prefixes of /56 are 1000 * 2^72 addresses."""
    few, many = bytearray(), bytearray()
    put_series(few, [1000, 1010, 990])
    put_series(many, [1000 << 72, 1010 << 72, 990 << 72])
    assert len(many) == len(few)


BLOCKS = st.builds(BlockReading, st.integers(1, 1 << 40), COUNTS, COUNTS, st.one_of(st.none(), COUNTS))
POOLS = st.one_of(
    st.builds(
        PoolReading.of_blocks,
        st.integers(1, 1 << 40),
        st.just(""),
        st.lists(BLOCKS, max_size=5, unique_by=lambda block: block.block),
        st.integers(0, 1 << 40),
        st.one_of(st.none(), st.integers(0, 10_000_000).map(lambda ms: Micros(NOW - ms * 1000))),
    ),
    st.builds(PoolReading, st.integers(1, 1 << 40), st.just(""), COUNTS, COUNTS),
)


@given(
    st.lists(POOLS, max_size=4, unique_by=lambda pool: pool.pool),
    st.sampled_from([POLL, NOTICE]),
    st.sampled_from([COUNT, PERCENT]),
    st.one_of(st.none(), st.integers(-100_000, 100_000_000)),
    st.booleans(),
    st.booleans(),
)
def test_what_a_device_said_comes_back(
    pools: list[PoolReading], source: str, kind: str, behind: int | None, restarted: bool, suspicious: bool
) -> None:
    others = {block.block: 7 for pool in pools for block in pool.blocks[:1]}
    row = PollRow(
        Micros(NOW),
        source,
        kind,
        tuple(sorted(pools, key=lambda pool: pool.pool)),
        others,
        None if behind is None else Micros(NOW - behind * 1000),
        restarted,
        suspicious,
    )
    assert unpack_poll(NOW, pack_poll(row)) == row
    for pool in row.pools:
        assert unpack_poll(NOW, pack_poll(row), pool.pool).sample(pool.pool) == row.sample(pool.pool)


def test_other_members_of_a_group_are_added_to_a_sample() -> None:
    pool = PoolReading.of_blocks(3, "", [BlockReading(1, 10, 256), BlockReading(2, 0, 256)], 4)
    row = PollRow(Micros(NOW), POLL, COUNT, (pool,), {2: 30})
    sample = row.sample(3)
    assert sample is not None
    assert (sample.used, sample.capacity, sample.refused) == (40, 512, 4)
    assert [block.used for block in sample.blocks] == [10, 30]
    assert row.sample(4) is None


SPANS = st.dictionaries(
    st.integers(0, 30),
    st.tuples(
        st.sampled_from([COUNT, PERCENT]), st.integers(1, 100), COUNTS, COUNTS, COUNTS, st.integers(0, 1000)
    ),
    max_size=31,
)


@given(SPANS, st.dictionaries(st.integers(1, 1 << 40), COUNTS, max_size=5))
def test_spans_come_back(
    values: dict[int, tuple[str, int, int, int, int, int]], blocks: dict[int, int]
) -> None:
    spans = {
        number: Span(
            Micros(NOW + number * HOUR), kind, covered, min(one, two), max(one, two), capacity, refused
        )
        for number, (kind, covered, one, two, capacity, refused) in values.items()
    }
    row = SpanRow(dict(sorted(spans.items())), dict(sorted(blocks.items())))
    assert unpack_spans(pack_spans(row), NOW, HOUR) == row


@given(st.dictionaries(st.integers(0, 30), COUNTS, max_size=31))
def test_peaks_of_a_block_come_back(peaks: dict[int, int]) -> None:
    assert unpack_peaks(pack_peaks(peaks)) == peaks


def test_a_row_of_a_later_format_is_not_guessed_at() -> None:
    with pytest.raises(StoreBroken, match="format 9"):
        unpack_poll(NOW, b"\x09\x00")
