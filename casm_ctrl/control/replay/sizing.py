"""How much space a pool has, where that is said as a multiple of what is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.control.replay.samples import Series
from casm_ctrl.control.replay.scenario import PoolSize, capacity_of, family_of, made_up


@dataclass(frozen=True, slots=True)
class Drawing:
    """A device pool as far as the size of its pool goes."""

    one: Series
    unit: int
    """The length of the smallest block that it may get."""
    wanted: Sequence[int]
    """At every step."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """The most that is asked of a pool, in values of its family (a /24 of IPv4 has 256)."""

    family: Family
    unit: int
    """The length of its smallest blocks."""
    needs: int
    """The peak over time of the sum of needs, each rounded up to whole blocks."""
    subscribers: int
    """The peak over time of the sum of subscribers, rounded up to a value."""
    own: int
    """The sum of the device pools' own peaks in whole blocks: what nobody would ever have to give back."""

    @property
    def block(self) -> int:
        """Values of a smallest block."""
        return 1 << (self.family.width - self.unit)


def find_peaks(drawing: Sequence[Drawing]) -> Peaks:
    """Of the device pools that draw from one pool."""
    family = family_of({each.unit for each in drawing}, [each.one for each in drawing])
    shared = math.lcm(*(each.one.per_address or 1 for each in drawing))
    steps, own = len(drawing[0].wanted), 0
    needs, subscribers = [0] * steps, [0] * steps
    for each in drawing:
        block = Prefix(family, 0, each.unit)
        capacity, size = capacity_of(each.one, block), block.size
        if not capacity:
            raise InvalidValue(
                f"a block {block.length} long serves no subscriber of {each.one.label}", "make it larger"
            )
        weight = _scaled_values(each.one, family, shared)
        highest = 0
        for step, wanted in enumerate(each.wanted):
            blocks = -(-wanted // capacity)
            needs[step] += blocks * size
            subscribers[step] += wanted * weight
            highest = max(highest, blocks)
        own += highest * size
    return Peaks(family, max(each.unit for each in drawing), max(needs), -(-max(subscribers) // shared), own)


def prefixes_of(size: PoolSize, peaks: Peaks) -> list[Prefix]:
    """The prefixes of a pool; without what rests in quarantine where its size is a multiple of needs."""
    if size.prefixes is not None:
        return list(size.prefixes)
    if size.blocks is not None:
        values = size.blocks * peaks.block
    elif size.times_needs is not None:
        values = math.ceil(size.times_needs * peaks.needs)
    else:
        assert size.times_subscribers is not None
        values = math.ceil(size.times_subscribers * peaks.subscribers)
    whole = -(-values // peaks.block) * peaks.block
    return made_up(peaks.family, whole)


def _scaled_values(one: Series, family: Family, shared: int) -> int:
    """What one subscriber takes, in `shared` parts of a value."""
    if one.subscriber_length is not None:
        return shared << (family.width - one.subscriber_length)
    return shared // (one.per_address or 1)
