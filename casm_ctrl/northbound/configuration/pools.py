"""What becomes of pools: made, removed, changed in what they hold and in what they are."""

from __future__ import annotations

from collections.abc import Mapping

from casm_ctrl.addressing.prefix import parse_prefix
from casm_ctrl.northbound.configuration.entries import Content, entry_path, leaf_path
from casm_ctrl.northbound.configuration.steps import Step, Steps, changed
from casm_ctrl.service.configuration import (
    AddPool,
    AddPrefix,
    ChangePool,
    ChangePoolKind,
    ChangeReservation,
    Exclude,
    Include,
    RemovePool,
    RemovePrefix,
    Reserve,
    Unreserve,
)
from casm_ctrl.service.exchange.edits import edits_of
from casm_ctrl.service.exchange.nouns import DEVICE_POOL, POOL, Entry, Leaf

KIND = ("address-space", "parent", "family", "scope", "psid-offset", "port-routed", "delegated-length")
"""What a pool is: its prefixes are kept by these, and are given up and taken again when one changes."""

_PREFIX, _EXCLUDE, _RESERVATION = (
    POOL.leaf(name) or Leaf(name) for name in ("prefix", "exclude", "reservation")
)


def pool_edits(steps: Steps, old: Content, new: Content) -> None:
    was, now = old.of(POOL), new.of(POOL)
    emptied = _emptied(old, new)
    for key in sorted({*was, *now}):
        if key not in now:
            _remove(steps, was[key], _depth(was[key], was), emptied=key in emptied)
        elif key not in was:
            _add(steps, now[key], _depth(now[key], now))
        else:
            _change(steps, was[key], now[key], _depth(was[key], was), _depth(now[key], now))


def _depth(pool: Entry, pools: Mapping[str, Entry]) -> int:
    """How many ancestors it has that change too; no more than there are pools, where they go in a circle."""
    depth = 0
    above = pools.get(pool.get("parent") or "")
    while above is not None and depth < len(pools):
        depth, above = depth + 1, pools.get(above.get("parent") or "")
    return depth


def _emptied(old: Content, new: Content) -> set[str]:
    """The pools that go, and that something which stays stood on until now: they give up their prefixes at once, and
    go when that stands on something else."""
    was, now = old.of(POOL), new.of(POOL)
    going = was.keys() - now.keys()
    stays = new.of(DEVICE_POOL)
    used = {name for key, entry in old.of(DEVICE_POOL).items() if key in stays for name in entry.get("pool")}
    used |= {entry.get("parent") for key, entry in was.items() if key in now}
    found: set[str] = set()
    for name in used & going:
        above = was.get(name)
        while above is not None and above.key in going and above.key not in found:
            found.add(above.key)
            above = was.get(above.get("parent") or "")
    return found


def _remove(steps: Steps, pool: Entry, depth: int, *, emptied: bool) -> None:
    path = entry_path(POOL, pool.key)
    if not emptied:
        steps.add(Step.REMOVE_POOL, RemovePool(pool.key), path, rank=-depth)
        return
    _give_back(steps, pool, set(pool.get("exclude")), {prefix for prefix, _ in pool.get("reservation")})
    for prefix in pool.get("prefix"):
        steps.add(Step.REMOVE_PREFIX, RemovePrefix(pool.key, prefix), path, rank=-depth)
    steps.add(Step.REMOVE_EMPTIED_POOL, RemovePool(pool.key), path, rank=-depth)


def _add(steps: Steps, pool: Entry, depth: int) -> None:
    path = entry_path(POOL, pool.key)
    for edit in edits_of(pool):
        if isinstance(edit, AddPool):
            steps.add(Step.ADD_PREFIX, edit, path, rank=depth)
        elif isinstance(edit, Reserve):
            steps.add(Step.CUT, edit, leaf_path(POOL, pool.key, _RESERVATION, edit.prefix))


def _change(steps: Steps, was: Entry, now: Entry, depth_before: int, depth: int) -> None:
    others = changed(was, now)
    if not others:
        return
    key = now.key
    kind = [leaf for leaf in others if leaf.name in KIND]
    gone = _missing(was, () if kind else now.get("prefix"))
    for prefix in gone:
        place = leaf_path(POOL, key, kind[0] if len(kind) == 1 else _PREFIX, None if kind else prefix)
        steps.add(Step.REMOVE_PREFIX, RemovePrefix(key, prefix), place, rank=-depth_before)
    if kind:
        place = leaf_path(POOL, key, kind[0]) if len(kind) == 1 else entry_path(POOL, key)
        steps.add(Step.ADD_PREFIX, _kind_edit(now), place, rank=depth)
    kept = () if kind else was.get("prefix")
    for prefix in now.get("prefix"):
        if prefix not in kept:
            place = leaf_path(POOL, key, _PREFIX, prefix)
            steps.add(Step.ADD_PREFIX, AddPrefix(key, prefix), place, rank=depth)
    _change_cuts(steps, was, now, gone)
    _change_policy(steps, was, now, [leaf for leaf in others if leaf.inside or leaf.name in _POLICY])


_POLICY = ("description", "label")


def _missing(was: Entry, kept: tuple[str, ...]) -> list[str]:
    return [prefix for prefix in was.get("prefix") if prefix not in kept]


def _kind_edit(now: Entry) -> ChangePoolKind:
    get = now.get
    return ChangePoolKind(
        name=now.key,
        space=get("address-space"),
        family=get("family"),
        scope=get("scope"),
        parent=get("parent"),
        psid_offset=get("psid-offset"),
        port_routed=get("port-routed"),
        delegated_length=get("delegated-length"),
    )


def _change_cuts(steps: Steps, was: Entry, now: Entry, gone: list[str]) -> None:
    """Reservations and exclusions: those inside a prefix that goes are given back, and cut again where they stay
    (in another prefix around them)."""
    around = [parse_prefix(prefix) for prefix in gone]

    def uprooted(text: str) -> bool:
        prefix = parse_prefix(text)
        return any(outer.family is prefix.family and outer.contains(prefix) for outer in around)

    key = now.key
    excluded, excludes = set(was.get("exclude")), set(now.get("exclude"))
    reserved, reserves = dict(was.get("reservation")), dict(now.get("reservation"))
    no_exclusion = {prefix for prefix in excluded if prefix not in excludes or uprooted(prefix)}
    no_reservation = {prefix for prefix in reserved if prefix not in reserves or uprooted(prefix)}
    _give_back(steps, now, no_exclusion, no_reservation)
    for prefix in now.get("exclude"):
        if prefix not in excluded - no_exclusion:
            steps.add(Step.CUT, Exclude(key, prefix), leaf_path(POOL, key, _EXCLUDE, prefix))
    for prefix, reason in now.get("reservation"):
        place = leaf_path(POOL, key, _RESERVATION, prefix)
        if prefix not in reserved.keys() - no_reservation:
            steps.add(Step.CUT, Reserve(key, prefix, reason), place)
        elif reserved[prefix] != reason:
            steps.add(Step.CUT, ChangeReservation(key, prefix, reason), place)


def _give_back(steps: Steps, pool: Entry, exclusions: set[str], reservations: set[str]) -> None:
    for prefix in sorted(exclusions):
        place = leaf_path(POOL, pool.key, _EXCLUDE, prefix)
        steps.add(Step.GIVE_BACK, Include(pool.key, prefix), place)
    for prefix in sorted(reservations):
        place = leaf_path(POOL, pool.key, _RESERVATION, prefix)
        steps.add(Step.GIVE_BACK, Unreserve(pool.key, prefix), place)


def _change_policy(steps: Steps, was: Entry, now: Entry, others: list[Leaf]) -> None:
    if not others:
        return
    names = {leaf.name for leaf in others}
    before, after = dict(was.get("label")), dict(now.get("label"))

    def said(name: str) -> object:
        return now.get(name) if name in names else None

    edit = ChangePool(
        now.key,
        description=said("description"),  # type: ignore[arg-type]
        strategy=said("strategy"),  # type: ignore[arg-type]
        quarantine=said("quarantine"),  # type: ignore[arg-type]
        lease_time=said("lease-time"),  # type: ignore[arg-type]
        labels=tuple((name, value) for name, value in after.items() if before.get(name) != value),
        unlabel=tuple(name for name in before if name not in after),
    )
    place = leaf_path(POOL, now.key, others[0]) if len(others) == 1 else entry_path(POOL, now.key)
    steps.add(Step.CHANGE_POOL, edit, place)
