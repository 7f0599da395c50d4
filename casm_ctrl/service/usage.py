"""How much of pools and spaces is in use: exact, from counts, whatever the number of blocks.

Pieces and blocks are counted by kind, state and length, so a pool costs some tens of rows to read, and one
more for its largest free block. A view reads them all in one snapshot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Family, count_addresses
from casm_ctrl.service.verb import Document
from casm_ctrl.store import blocks, free_space, pools
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class Usage:
    """Where the addresses of one family are.

    `sizes` are values of `scale` (for IPv4 65536ths of an address) by kind of piece: prefix, exclusion,
    reservation, child, held. `counts` are blocks by (state, length). `largest` is the length of the
    largest free block that anybody may have. `delegated_length`: as the pool's.
    """

    scale: Family
    sizes: Mapping[str, int]
    counts: Mapping[tuple[State, int], int]
    largest: int | None
    delegated_length: int | None = None

    @property
    def total(self) -> int:
        """What may be given out: allocated, quarantined, child and free together."""
        return self._size("prefix") - self._size("exclusion") - self._size("reservation") - self._size("held")

    @property
    def in_blocks(self) -> int:
        return sum(_size(self.scale, length) * number for (_, length), number in self.counts.items())

    @property
    def quarantined(self) -> int:
        return sum(
            _size(self.scale, length) * number
            for (state, length), number in self.counts.items()
            if state is State.QUARANTINED
        )

    @property
    def free(self) -> int:
        return self.total - self._size("child") - self.in_blocks

    @property
    def fragmentation(self) -> int | None:
        """1 - largest free block / free, in percent and rounded down; None where nothing is free."""
        if not self.free:
            return None
        largest = 0 if self.largest is None else _size(self.scale, self.largest)
        return (self.free - largest) * 100 // self.free

    def _size(self, kind: str) -> int:
        return self.sizes.get(kind, 0)

    def addresses(self) -> dict[str, int]:
        """Values of `scale`, under the names that they are answered by."""
        return {
            "total": self.total,
            "allocated": self.in_blocks - self.quarantined,
            "quarantined": self.quarantined,
            "child": self._size("child"),
            "free": self.free,
            "excluded": self._size("exclusion"),
            "reserved": self._size("reservation"),
            "held": self._size("held"),
        }


def pool_usage(tx: Transaction, pool: PoolRow) -> Usage:
    scale = Family.IPV6 if pool.family is Family.IPV6 else Family.PORTS
    sizes: Counter[str] = Counter()
    for (kind, length), pieces in pools.piece_counts(tx, pool.id).items():
        sizes[kind] += _size(scale, length) * pieces
    return Usage(
        scale,
        sizes,
        blocks.block_counts(tx, pool.id),
        free_space.largest_free_length(tx, pool.id),
        pool.delegated_length,
    )


def space_usage(tx: Transaction, rows: Sequence[PoolRow]) -> list[Document]:
    """The usage of a space that has the pools `rows`, by family. What a child pool was cut counts as the
    child uses it."""
    answer: list[Document] = []
    for number, family in ((4, Family.IPV4), (6, Family.IPV6)):
        parts = [pool_usage(tx, row) for row in rows if row.family.number == number]
        if not parts:
            continue
        sizes: Counter[str] = Counter()
        counts: Counter[tuple[State, int]] = Counter()
        for part in parts:
            sizes.update(part.sizes)
            counts.update(part.counts)
        sizes["prefix"] -= sizes.pop("child", 0)
        largest = min((part.largest for part in parts if part.largest is not None), default=None)
        answer.append(
            {"family": family.value, **usage_document(Usage(parts[0].scale, sizes, counts, largest))}
        )
    return answer


def usage_document(usage: Usage) -> Document:
    """Address counts are decimal strings: a /32 of IPv6 has 2^96 of them, and a port set less than one."""
    by_state: Counter[State] = Counter()
    by_length: Counter[int] = Counter()
    for (state, length), number in usage.counts.items():
        by_state[state] += number
        by_length[length] += number
    document: Document = {
        f"{name}-addresses": count_addresses(usage.scale, size) for name, size in usage.addresses().items()
    }
    if usage.largest is not None:
        document["largest-free-length"] = usage.largest
    if usage.fragmentation is not None:
        document["fragmentation"] = usage.fragmentation
    document["block-count"] = [
        {"state": state.value, "blocks": str(by_state[state])}
        for state in sorted(by_state, key=lambda state: state.value)
    ]
    document["length-count"] = [
        {"length": length, "blocks": str(number)} for length, number in sorted(by_length.items())
    ]
    if usage.delegated_length is not None:
        document["delegated-prefixes"] = str(usage.total // _size(usage.scale, usage.delegated_length))
    return document


def _size(scale: Family, length: int) -> int:
    """How many values of `scale` a prefix of `length` holds."""
    return 1 << (scale.width - length)
