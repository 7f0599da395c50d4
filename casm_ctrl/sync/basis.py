"""What a plan for a device stands on, and what of it has moved since. Pure.

A plan is good as long as the store wants the same of the device, and the device holds the same where the
driver reads. Each part is kept in words, so that a refusal can name what moved and not only that it did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from casm_ctrl.drivers.interface import Element, Seen
from casm_ctrl.service.desired import Desired, DesiredPool
from casm_ctrl.service.verb import Document
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.states import State
from casm_ctrl.sync.visit import digest

_SHOWN = 3
"""Differences that a refusal lists; more are counted."""

_ASIDE = frozenset(
    {"id", "device_id", "device", "name", "owner_id", "description", "row", "blocks"}
    | {"length", "first_length", "next_length", "strategy", "min_blocks", "max_blocks"}
)
"""Properties of a device pool that no edit of a device depends on."""

Facts = Mapping[str, Mapping[str, str]]
"""By name of a thing, its properties in words."""


@dataclass(frozen=True)
class StoreBasis:
    """What the store wants of one device, and its last edit there."""

    edit_generation: int
    device_pools: Facts
    blocks: Facts

    @staticmethod
    def of(desired: Desired) -> StoreBasis:
        held = {number: findings[0].words for number, findings in desired.holds.items()}
        return StoreBasis(
            desired.device.edit_generation,
            {pool.row.label: _settings(desired, pool) for pool in desired.pools},
            {
                block.name: _block(pool, block, held.get(block.id))
                for pool in desired.pools
                for block in pool.blocks
                if block.state is not State.QUARANTINED
            },
        )

    def moved(self, now: StoreBasis) -> list[str]:
        """What is not as it was, in words; empty where all is."""
        words = [*_changed("device pool", self.device_pools, now.device_pools)]
        words += _changed("block", self.blocks, now.blocks)
        if self.edit_generation != now.edit_generation:
            words.append(f"edit {now.edit_generation} of the device was made")
        return words

    def document(self) -> Document:
        return {
            "edit-generation": str(self.edit_generation),
            "device-pool": _listed(self.device_pools),
            "block": _listed(self.blocks),
        }

    @staticmethod
    def read(document: Document) -> StoreBasis:
        return StoreBasis(
            int(document["edit-generation"]), _facts(document["device-pool"]), _facts(document["block"])
        )


@dataclass(frozen=True)
class DeviceBasis:
    """What running held where the driver reads, anybody's: its digest, and its objects for the words."""

    digest: str
    objects: Facts

    @staticmethod
    def of(running: Element, seen: Seen) -> DeviceBasis:
        pools = {
            str(pool.key): {} if pool.generation is None else {"mark": str(pool.generation)}
            for pool in seen.pools
        }
        ranges = {
            str(r.key): {
                "range": "none" if r.range is None else str(r.range),
                **({"drained": "yes"} if r.drained else {}),
            }
            for r in seen.ranges
        }
        return DeviceBasis(digest(running), pools | ranges)

    def moved(self, now: DeviceBasis) -> list[str]:
        if self.digest == now.digest:
            return []
        return [*_changed("", self.objects, now.objects)] or ["something else in its objects was changed"]

    def document(self) -> Document:
        return {"digest": self.digest, "object": _listed(self.objects)}

    @staticmethod
    def read(document: Document) -> DeviceBasis:
        return DeviceBasis(str(document["digest"]), _facts(document["object"]))


def shorten(words: list[str]) -> str:
    """The first few of `words`, and how many more there are."""
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return f"{'; '.join(words[:_SHOWN])}{more}"


# --- Things in words ------------------------------------------------------------------------------


def _settings(desired: Desired, pool: DesiredPool) -> dict[str, str]:
    """All that may shape what is rendered: every property but those that only allocation looks at."""
    known = {field.name: getattr(pool.row, field.name) for field in fields(pool.row)}
    known |= {field.name: getattr(pool, field.name) for field in fields(pool)}
    settings = {name: value for name, value in known.items() if name not in _ASIDE}
    settings |= {"driver": desired.device.driver, "services": ", ".join(pool.services) or None}
    return {name.replace("_", "-"): str(value) for name, value in settings.items() if value is not None}


def _block(pool: DesiredPool, block: BlockRow, held: str | None) -> dict[str, str]:
    """What of a block decides what becomes of it here. Of one that a group holds its state is none of that:
    it moves on when another member is applied, by the same plan perhaps."""
    facts = {"prefix": str(block.prefix), "device-pool": block.device_pool, "wanted": block.wanted.value}
    if pool.role is None:
        facts |= {"state": block.state.value, "generation": str(block.generation)}
    if held is not None:
        facts["held"] = held
    return facts


def _changed(kind: str, then: Facts, now: Facts) -> Iterator[str]:
    """One line for each thing that came, went or changed."""
    before = f"{kind} " if kind else ""
    for name in sorted(then.keys() | now.keys()):
        old, new = then.get(name), now.get(name)
        if old is None:
            yield f"{before}{name} is new"
        elif new is None:
            yield f"{before}{name} is gone"
        elif old != new:
            changes = (
                f"{field} {new.get(field, 'none')} (was {old.get(field, 'none')})"
                for field in sorted(old.keys() | new.keys())
                if old.get(field) != new.get(field)
            )
            yield f"{before}{name} has {', '.join(changes)}"


def _listed(facts: Facts) -> list[Document]:
    return [{"name": name, **facts[name]} for name in sorted(facts)]


def _facts(listed: list[Document]) -> dict[str, dict[str, str]]:
    return {str(entry["name"]): {str(k): str(v) for k, v in entry.items() if k != "name"} for entry in listed}
