"""The order of pools that link one to the next, kept as the device has it where that is possible.

A pool links to at most one other, and is linked from at most one. Pools of somebody else in between, or at the
end, keep their places: their links are not ours to change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from casm_ctrl.base.errors import InUse


@dataclass(frozen=True)
class Links:
    """The links of all pools on a device, by the pool that links; and which of the pools are ours."""

    of: Mapping[str, str | None]
    ours: Collection[str]

    def walk(self, head: str, stop: Collection[str] = ()) -> list[str]:
        """The pools from `head` on, up to the end, to one of `stop`, or to one that was passed before."""
        found: dict[str, None] = {}
        pool: str | None = head
        while pool is not None and pool in self.of and pool not in found and pool not in stop:
            found[pool] = None
            pool = self.of[pool]
        return list(found)


def order(head: str, members: Sequence[str], links: Links, others: Collection[str] = ()) -> list[str]:
    """All pools of the chain that begins with `head`: `members`, which has it, and somebody else's among them.

    `members` that the chain does not have yet are put behind its last one, as they are given. `others`: ours
    that stand in other chains. InUse where somebody else's pool links to one that would not follow it then.
    """
    wanted = set(members)
    found = links.walk(head, stop=others)
    kept = [pool for pool in found if pool in wanted or pool not in links.ours] or [head]
    there = set(kept)
    rest = [pool for pool in members if pool not in there]
    last = max(index for index, pool in enumerate(kept) if pool in wanted)
    chain = [*kept[: last + 1], *rest, *kept[last + 1 :]]
    _check(chain, links)
    return chain


def check_removed(removed: Collection[str], links: Links) -> None:
    """InUse where somebody else's pool links to one that goes."""
    for pool, target in links.of.items():
        if pool not in links.ours and target is not None and target in removed:
            raise _linked(pool, target, f"'{target}' should go")


def _check(chain: Sequence[str], links: Links) -> None:
    """Somebody else may link to the first pool; within the chain, only to the pool that follows."""
    after = dict(pairwise(chain))
    for pool, target in links.of.items():
        if pool in links.ours or target is None:
            continue
        wrong = after[pool] != target if pool in after else target in (chain if pool in chain else chain[1:])
        if wrong:
            raise _linked(pool, target, f"the chain of '{chain[0]}' goes on otherwise")


def _linked(pool: str, target: str, why: str) -> InUse:
    return InUse(
        f"the pool '{pool}', which somebody else configured, links to '{target}', and {why}",
        f"take its link away on the device, or take '{pool}' over with 'casm adopt' and 'casm block manage'",
    )
