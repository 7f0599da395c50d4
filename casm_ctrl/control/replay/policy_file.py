"""A policy as a JSON file: the leaf words of the policy's YANG, per role, pool and device pool; docs/replay.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from casm_ctrl.addressing.prefix import Prefix, first_overlap, parse_prefix
from casm_ctrl.base.clock import parse_duration
from casm_ctrl.base.errors import CasmError, InvalidValue
from casm_ctrl.control.deciding.policy import Policy
from casm_ctrl.control.replay.samples import ROLES
from casm_ctrl.control.replay.scenario import (
    BUILT_IN,
    DevicePoolPlan,
    Polling,
    PoolPlan,
    PoolSize,
    Scenario,
)

_LEAVES = {one.name.replace("_", "-"): one.name for one in fields(Policy)}
_SECONDS = {"hold-down", "drain-deadline", "force-after"}
_WORDS = {"grow", "shrink", "scarcity", "reclaim-from", "reclaim-until", "reclaim-zone"}
_SIZES = {"prefixes", "blocks", "times-needs", "times-subscribers"}
_MOST_TIMES = 1000.0

Steps = tuple[str, ...]


class _Wrong(Exception):
    """Something in the file is wrong, at the end of `steps`."""

    def __init__(self, steps: Steps, found: str, remedy: str) -> None:
        super().__init__(found)
        self.steps, self.found, self.remedy = steps, found, remedy


def read_policy(text: str) -> Scenario:
    """The policy of a built-in name (static, automatic), or of the file of that path; InvalidValue names the line
    that is wrong."""
    if text in BUILT_IN:
        return BUILT_IN[text]
    path = Path(text)
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidValue(
            f"{path} cannot be read: {error.strerror}",
            f"name a policy file, or {' or '.join(sorted(BUILT_IN))}",
        ) from None
    except UnicodeDecodeError:
        raise InvalidValue(f"{path} is not text in UTF-8", "write the policy as JSON") from None
    try:
        return _scenario(_object((), json.loads(content)), path.stem)
    except json.JSONDecodeError as error:
        raise InvalidValue(
            f"{path.name}:{error.lineno}: found what is no JSON at column {error.colno}: {error.msg}",
            "correct it there: see docs/replay.md",
        ) from None
    except _Wrong as error:
        where = f" of {'/'.join(error.steps)}" if error.steps else ""
        line = _line_of(content, error.steps)
        raise InvalidValue(f"{path.name}:{line}: found {error.found}{where}", error.remedy) from None


def _scenario(top: Mapping[str, Any], stem: str) -> Scenario:
    known = {"name", "static", "policy", "roles", "pools", "device-pools", "polling", "install-delay"}
    _only((), top, known)
    static = top.get("static", False)
    if not isinstance(static, bool):
        raise _Wrong(("static",), _show(static), "write true or false")
    return Scenario(
        name=_text(("name",), top.get("name", stem)),
        static=static,
        policy=_policy(("policy",), top.get("policy", {})),
        roles={name: _policy(steps, value) for name, steps, value in _roles(top)},
        pools={name: _pool(steps, value) for name, steps, value in _members(top, "pools")},
        device_pools=tuple(
            _device_pool(name, steps, value) for name, steps, value in _members(top, "device-pools")
        ),
        polling=_polling(_object(("polling",), top.get("polling", {}))),
        install_delay=_duration(("install-delay",), top.get("install-delay", Scenario("").install_delay)),
    )


def _members(top: Mapping[str, Any], name: str) -> Iterator[tuple[str, Steps, Any]]:
    for key, value in _object((name,), top.get(name, {})).items():
        yield key, (name, key), value


def _roles(top: Mapping[str, Any]) -> Iterator[tuple[str, Steps, Any]]:
    for role, steps, value in _members(top, "roles"):
        if role not in ROLES:
            raise _Wrong(steps, "no role", f"the roles are {', '.join(ROLES)}")
        yield role, steps, value


def _policy(steps: Steps, value: Any) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for leaf, found in _object(steps, value).items():
        here = (*steps, leaf)
        if leaf not in _LEAVES:
            raise _Wrong(here, "no leaf of a policy", f"the leaves are {', '.join(sorted(_LEAVES))}")
        if leaf in _WORDS:
            given[_LEAVES[leaf]] = _text(here, found)
        elif leaf in _SECONDS:
            given[_LEAVES[leaf]] = _duration(here, found)
        else:
            given[_LEAVES[leaf]] = _whole(here, found)
    try:
        Policy.of("bng", given)
    except CasmError as error:
        raise _Wrong(steps, error.message, error.remedy) from None
    return given


def _pool(steps: Steps, value: Any) -> PoolPlan:
    found = _object(steps, value)
    _only(steps, found, {*_SIZES, "quarantine", "lease-time", "policy"})
    sizes = sorted(_SIZES & found.keys())
    if len(sizes) > 1:
        raise _Wrong((*steps, sizes[1]), f"a second size besides {sizes[0]}", "give one of them")
    size = _size((*steps, sizes[0]), found[sizes[0]]) if sizes else None
    rest, lease = found.get("quarantine"), found.get("lease-time")
    return PoolPlan(
        size=size,
        quarantine=None if rest is None else _duration((*steps, "quarantine"), rest),
        lease_time=None if lease is None else _duration((*steps, "lease-time"), lease),
        policy=_policy((*steps, "policy"), found.get("policy", {})),
    )


def _size(steps: Steps, value: Any) -> PoolSize:
    kind = steps[-1]
    if kind == "prefixes":
        return PoolSize(prefixes=_prefixes(steps, value))
    if kind == "blocks":
        return PoolSize(blocks=_whole(steps, value, least=1))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= _MOST_TIMES:
        raise _Wrong(steps, _show(value), f"write a factor above 0, up to {_MOST_TIMES:g}, as 1.15")
    return PoolSize(times_needs=value) if kind == "times-needs" else PoolSize(times_subscribers=value)


def _prefixes(steps: Steps, value: Any) -> tuple[Prefix, ...]:
    if not isinstance(value, list) or not value:
        raise _Wrong(steps, _show(value), 'write a list of prefixes, as ["198.51.100.0/22"]')
    try:
        prefixes = tuple(parse_prefix(_text(steps, text)) for text in value)
    except CasmError as error:
        raise _Wrong(steps, error.message, error.remedy) from None
    overlap = first_overlap(prefixes)
    if overlap is not None:
        raise _Wrong(steps, f"{overlap[1]} inside {overlap[0]}", "name each address once")
    if len({prefix.family for prefix in prefixes}) > 1:
        raise _Wrong(steps, "prefixes of both families", "a pool has one family")
    return prefixes


def _device_pool(name: str, steps: Steps, value: Any) -> DevicePoolPlan:
    found = _object(steps, value)
    _only(steps, found, {"pool", "policy"})
    pool = found.get("pool")
    return DevicePoolPlan(
        pattern=name,
        pool=None if pool is None else _text((*steps, "pool"), pool),
        policy=_policy((*steps, "policy"), found.get("policy", {})),
    )


def _polling(found: Mapping[str, Any]) -> Polling:
    _only(("polling",), found, {"interval", "hot-interval", "notifications"})
    plain = Polling()
    told = found.get("notifications", plain.notifications)
    if not isinstance(told, bool):
        raise _Wrong(("polling", "notifications"), _show(told), "write true or false")
    interval = _duration(("polling", "interval"), found.get("interval", plain.interval))
    hot = _duration(("polling", "hot-interval"), found.get("hot-interval", plain.hot_interval))
    for leaf, seconds in (("interval", interval), ("hot-interval", hot)):
        if seconds < 1:
            raise _Wrong(("polling", leaf), str(seconds), "write at least a second")
    return Polling(interval, hot, told)


# --- Values -------------------------------------------------------------------------------------


def _object(steps: Steps, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong(steps, _show(value), "write an object: {…}")
    return value


def _only(steps: Steps, found: Mapping[str, Any], known: set[str]) -> None:
    for name in found:
        if name not in known:
            raise _Wrong((*steps, name), "what is not known there", f"known is {', '.join(sorted(known))}")


def _text(steps: Steps, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _Wrong(steps, _show(value), "write a text")
    return value


def _whole(steps: Steps, value: Any, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _Wrong(steps, _show(value), f"write a whole number of at least {least}")
    return value


def _duration(steps: Steps, value: Any) -> int:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except CasmError as error:
            raise _Wrong(steps, error.message, error.remedy) from None
    return _whole(steps, value)


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _line_of(content: str, steps: Sequence[str]) -> int:
    """The line of the last of the members that lead to it, each looked for behind the one before."""
    at = 0
    for step in steps:
        match = re.compile(re.escape(json.dumps(step, ensure_ascii=False)) + r"\s*:").search(content, at)
        if match is None:
            break
        at = match.start()
    return content.count("\n", 0, at) + 1
