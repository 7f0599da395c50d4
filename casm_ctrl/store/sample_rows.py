"""The packed rows of usage: one answer of a device, the hours of a day, the days of a month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from casm_ctrl.base.clock import Micros
from casm_ctrl.base.errors import StoreBroken
from casm_ctrl.base.readings import COUNT, NOTICE, PERCENT, POLL, BlockReading, PoolReading, Sample, Span
from casm_ctrl.store.packing import (
    Reader,
    deflate,
    inflate,
    put_count,
    put_series,
    put_signed,
    put_varint,
)

_VERSION = 1
_NOTICE, _PERCENT, _SUSPICIOUS, _RESTARTED, _SAMPLED = 1, 2, 4, 8, 16
_MILLI = 1000


@dataclass(frozen=True, slots=True)
class PollRow:
    """One answer of a device. `others`: what other members of its group count in a block."""

    at: Micros
    source: str
    kind: str
    pools: tuple[PoolReading, ...]
    others: Mapping[int, int]
    sampled_at: Micros | None = None
    restarted: bool = False
    suspicious: bool = False

    def sample(self, pool: int) -> Sample | None:
        """What it says of one device pool, over all members; None where it says nothing."""
        told = next((reading for reading in self.pools if reading.pool == pool), None)
        if told is None:
            return None
        blocks, more = told.blocks, 0
        if self.others:
            more = sum(self.others.get(block.block, 0) for block in blocks)
            blocks = tuple(
                BlockReading(b.block, b.used + self.others.get(b.block, 0), b.capacity, b.peak)
                for b in blocks
            )
        return Sample(
            self.at,
            self.source,
            self.kind,
            told.used + more,
            told.capacity,
            blocks,
            told.refused,
            self.restarted,
            self.suspicious,
            self.sampled_at,
            told.refused_since,
        )


def pack_poll(row: PollRow) -> bytes:
    """Each device pool behind its length, so that one is read without the others. Their labels are not kept: their
    ids name them."""
    out = bytearray((_VERSION,))
    flags = _NOTICE * (row.source == NOTICE) | _PERCENT * (row.kind == PERCENT)
    flags |= _SUSPICIOUS * row.suspicious | _RESTARTED * row.restarted
    put_varint(out, flags | _SAMPLED * (row.sampled_at is not None))
    if row.sampled_at is not None:
        put_signed(out, (row.at - row.sampled_at) // _MILLI)
    # Counters of device pools mostly began together.
    since = next((pool.refused_since for pool in row.pools if pool.refused_since is not None), row.at)
    put_signed(out, (row.at - since) // _MILLI)
    since = Micros(row.at - (row.at - since) // _MILLI * _MILLI)
    put_varint(out, len(row.pools))
    last = 0
    for pool in sorted(row.pools, key=lambda reading: reading.pool):
        put_varint(out, pool.pool - last)
        last = pool.pool
        packed = _pack_pool(pool, row.others, since)
        put_varint(out, len(packed))
        out += packed
    return bytes(out)


def _pack_pool(pool: PoolReading, others: Mapping[int, int], since: int) -> bytearray:
    out = bytearray()
    put_count(out, 0 if pool.refused is None else pool.refused + 1)
    if pool.refused is not None:
        put_varint(out, pool.refused_since is not None)
        if pool.refused_since is not None:
            put_signed(out, (pool.refused_since - since) // _MILLI)
    used, capacity = sum(b.used for b in pool.blocks), sum(b.capacity for b in pool.blocks)
    summed = (used, capacity) == (pool.used, pool.capacity)
    put_varint(out, len(pool.blocks) << 1 | (not summed))
    if not summed:
        put_count(out, pool.used)
        put_count(out, pool.capacity)
    number = 0
    for block in pool.blocks:
        put_signed(out, block.block - number)
        number = block.block
        put_count(out, block.used)
        put_count(out, block.capacity)
        put_count(out, 0 if block.peak is None else block.peak + 1)
        put_count(out, others.get(number, 0))
    return out


def unpack_poll(at: int, data: bytes, only: int | None = None) -> PollRow:
    """`only`: the one device pool that is wanted."""
    reader = Reader(data)
    _check(reader.varint())
    flags = reader.varint()
    sampled = Micros(at - reader.signed() * _MILLI) if flags & _SAMPLED else None
    since = at - reader.signed() * _MILLI
    pools: list[PoolReading] = []
    others: dict[int, int] = {}
    last = 0
    for _ in range(reader.varint()):
        last += reader.varint()
        size = reader.varint()
        if only is None or last == only:
            pools.append(_unpack_pool(reader, last, since, others))
        else:
            reader.skip(size)
    return PollRow(
        Micros(at),
        NOTICE if flags & _NOTICE else POLL,
        PERCENT if flags & _PERCENT else COUNT,
        tuple(pools),
        others,
        sampled,
        bool(flags & _RESTARTED),
        bool(flags & _SUSPICIOUS),
    )


def _unpack_pool(reader: Reader, pool: int, since: int, others: dict[int, int]) -> PoolReading:
    refused, began = reader.count(), None
    if refused and reader.varint():
        began = Micros(since + reader.signed() * _MILLI)
    head = reader.varint()
    totals = (reader.count(), reader.count()) if head & 1 else None
    blocks = []
    used = capacity = number = 0
    for _ in range(head >> 1):
        number += reader.signed()
        own, room, peak, elsewhere = reader.count(), reader.count(), reader.count(), reader.count()
        used += own
        capacity += room
        blocks.append(BlockReading(number, own, room, peak - 1 if peak else None))
        if elsewhere:
            others[number] = elsewhere
    used, capacity = totals or (used, capacity)
    return PoolReading(pool, "", used, capacity, tuple(blocks), refused - 1 if refused else None, began)


@dataclass(frozen=True, slots=True)
class SpanRow:
    """Spans of one length that follow each other, by their number in the row, and the peak of each block over all
    of them. Gaps are numbers that are not there."""

    spans: Mapping[int, Span]
    blocks: Mapping[int, int]


def pack_spans(row: SpanRow) -> bytes:
    out = bytearray((_VERSION,))
    _put_numbers(out, row.spans)
    spans = [span for _, span in sorted(row.spans.items())]
    put_series(out, [int(span.kind == PERCENT) for span in spans])
    put_series(out, [span.covered for span in spans])
    put_series(out, [span.capacity for span in spans])
    put_series(out, [span.refused for span in spans])
    put_series(out, [span.average for span in spans])
    put_series(out, [span.peak - span.average for span in spans])
    put_varint(out, len(row.blocks))
    last = 0
    for number, peak in sorted(row.blocks.items()):
        put_varint(out, number - last)
        last = number
        put_count(out, peak)
    return deflate(out)


def unpack_spans(data: bytes, first: int, length: int) -> SpanRow:
    """`first`: when number 0 of the row begins; `length`: of each, in microseconds."""
    reader = Reader(inflate(data))
    _check(reader.varint())
    numbers = _numbers(reader)
    count = len(numbers)
    kinds, covered, capacity, refused, average, above = (reader.series(count) for _ in range(6))
    spans = {
        number: Span(
            Micros(first + number * length),
            PERCENT if kinds[i] else COUNT,
            covered[i],
            average[i],
            average[i] + above[i],
            capacity[i],
            refused[i],
        )
        for i, number in enumerate(numbers)
    }
    blocks, last = {}, 0
    for _ in range(reader.varint()):
        last += reader.varint()
        blocks[last] = reader.count()
    return SpanRow(spans, blocks)


def pack_peaks(peaks: Mapping[int, int]) -> bytes:
    """Peaks of one block, by the number of the day in its month."""
    out = bytearray((_VERSION,))
    _put_numbers(out, peaks)
    put_series(out, [peak for _, peak in sorted(peaks.items())])
    return bytes(out)


def unpack_peaks(data: bytes) -> dict[int, int]:
    reader = Reader(data)
    _check(reader.varint())
    numbers = _numbers(reader)
    return dict(zip(numbers, reader.series(len(numbers)), strict=True))


def _put_numbers(out: bytearray, numbers: Mapping[int, object]) -> None:
    put_varint(out, sum(1 << number for number in numbers))


def _numbers(reader: Reader) -> list[int]:
    bits = reader.varint()
    return [number for number in range(bits.bit_length()) if bits >> number & 1]


def _check(version: int) -> None:
    if version != _VERSION:
        raise StoreBroken(
            f"a row of samples has format {version}, and this program knows {_VERSION}",
            "use the program that wrote it",
        )
