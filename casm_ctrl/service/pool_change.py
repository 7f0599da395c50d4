"""Change a pool's policy, description and labels after it was made. What it holds changes elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.clock import show_duration
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.service.edits import Done, refuse_twice
from casm_ctrl.service.lookup import the_pool
from casm_ctrl.service.pool_edits import check_strategy, check_time
from casm_ctrl.store import pools
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class ChangePool:
    """What is None stays. Times are seconds; they hold for blocks that are withdrawn from now on. `labels` are
    set, `unlabel` names those to take away."""

    name: str
    description: str | None = None
    strategy: str | None = None
    quarantine: int | None = None
    lease_time: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    unlabel: tuple[str, ...] = ()


def change_pool(tx: Transaction, edit: ChangePool) -> Done:
    """NotFound where a label that is to go is not there."""
    pool = the_pool(tx, edit.name)
    labels = pools.pool_labels(tx, pool.id)
    refuse_twice("label", [*(name for name, _ in edit.labels), *edit.unlabel])
    for name in edit.unlabel:
        if name not in labels:
            listed = ", ".join(sorted(labels)) or "none"
            raise NotFound(
                f"pool '{pool.name}' has no label '{name}' (it has {listed})", "name one that it has"
            )
    if edit.strategy is not None:
        check_strategy(edit.strategy)
    words = [f"{name}={value}" for name, value in edit.labels] + [f"no {name}" for name in edit.unlabel]
    for what, seconds in (("quarantine", edit.quarantine), ("lease time", edit.lease_time)):
        if seconds is not None:
            check_time(seconds)
            words.append(f"{what} {show_duration(seconds)}")
    words += [text for text in (edit.strategy,) if text is not None]
    if edit.description is not None:
        words.append(f"description '{edit.description}'")
    if not words:
        raise InvalidValue(f"nothing of pool '{pool.name}' was to be changed", "say what to change")
    pools.update_pool(
        tx,
        pool.id,
        description=pool.description if edit.description is None else edit.description,
        strategy=edit.strategy or pool.strategy,
        quarantine=pool.quarantine if edit.quarantine is None else edit.quarantine,
        lease_time=pool.lease_time if edit.lease_time is None else edit.lease_time,
    )
    kept = {name: value for name, value in labels.items() if name not in edit.unlabel}
    pools.delete_labels(tx, pool.id)
    pools.insert_labels(tx, pool.id, {**kept, **dict(edit.labels)})
    return Done("pool-change", "pool", pool.id, pool.name, ", ".join(words))
