"""Usage as a file: how many subscribers each device pool has or is wanted by, over time.

JSON lines or CSV; docs/replay.md has the forms. A file is read a line at a time into packed columns: a month of 200
device pools every five minutes is 30 MB of text, and 30 MB here.
"""

from __future__ import annotations

import csv
import heapq
import itertools
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from casm_ctrl.base.clock import Micros, from_rfc3339, to_rfc3339
from casm_ctrl.base.errors import CasmError, InvalidValue

ROLES = ("bng", "cgn", "dhcp")
COUNTED = ("wanted", "used")
_NUMBERS = {
    "length": 128,
    "session-lifetime": 2**31,
    "session-timeout": 2**31,
    "subscriber-length": 128,
    "per-address": 65536,
}
"""What else is said of a device pool, and the most that it may be."""
_DESCRIBED = {"device-pool", "role", "pool", *_NUMBERS}
_MOST = 2**40


@dataclass(slots=True)
class Series:
    """The subscribers of one device pool over time; between two samples they change evenly."""

    label: str
    """DEVICE/POOL"""
    role: str = "bng"
    pool: str | None = None
    """Where its blocks come from, unless a policy says otherwise."""
    length: int | None = None
    """Of its blocks."""
    session_lifetime: int | None = None
    """Seconds after which a session ends, on average."""
    session_timeout: int | None = None
    """Seconds after which every session has ended."""
    subscriber_length: int | None = None
    """Of the prefix that a subscriber gets; None: an address."""
    per_address: int | None = None
    """Subscribers that share an address, with port sets."""
    times: array[int] = field(default_factory=lambda: array("q"))
    counts: array[int] = field(default_factory=lambda: array("q"))

    @property
    def device(self) -> str:
        return self.label.partition("/")[0]


@dataclass(slots=True)
class Usage:
    """All that a file says."""

    series: dict[str, Series] = field(default_factory=dict)
    restarts: list[tuple[Micros, str]] = field(default_factory=list)
    """(when, device), in order: its sessions ended then."""
    used_only: bool = False
    """The counts are of addresses in use: who was refused then is not in them."""

    @property
    def start(self) -> Micros:
        return Micros(min(one.times[0] for one in self.series.values()))

    @property
    def end(self) -> Micros:
        return Micros(max(one.times[-1] for one in self.series.values()))


def read_usage(path: Path) -> Usage:
    """What a file says; InvalidValue names the line that is wrong. CSV where it is named so, else JSON lines."""
    usage = Usage()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            (_read_csv if path.suffix.lower() == ".csv" else _read_json)(file, path.name, usage)
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read: {error.strerror}", "name a file that can be") from None
    except UnicodeDecodeError:
        raise InvalidValue(
            f"{path} is not text in UTF-8", "name a file of usage: see docs/replay.md"
        ) from None
    for label in [label for label, one in usage.series.items() if not one.times]:
        del usage.series[label]
    if not usage.series:
        raise InvalidValue(
            f"{path} has no sample", "write at least two, at different times: see docs/replay.md"
        )
    if usage.end <= usage.start:
        raise InvalidValue(
            f"all samples of {path} are of {to_rfc3339(usage.start)}", "give samples of at least two times"
        )
    usage.restarts.sort()
    return usage


def _read_json(file: TextIO, name: str, usage: Usage) -> None:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            if not isinstance(found, dict):
                raise InvalidValue(f"found {_short(found)}", "write one JSON object on each line")
            _take_object(usage, found)
        except json.JSONDecodeError as error:
            raise InvalidValue(
                f"{name}:{number}: found what is no JSON at column {error.colno}: {error.msg}",
                "write one JSON object on each line; a table is read where the file's name ends in .csv",
            ) from None
        except CasmError as error:
            raise InvalidValue(f"{name}:{number}: {error.message}", error.remedy) from None


def _take_object(usage: Usage, found: dict[str, Any]) -> None:
    if "device-pool" in found:
        _describe(usage, found)
        return
    if "time" not in found:
        raise InvalidValue(
            f"found neither 'time' nor 'device-pool', but {', '.join(map(repr, found)) or 'nothing'}",
            'write {"time": "2026-11-23T00:00:00Z", "wanted": {"bng1/home": 812}}',
        )
    at = _moment(found["time"])
    unknown = sorted(found.keys() - {"time", "restarted", *COUNTED})
    if unknown or len(found) < 2:
        raise InvalidValue(
            f"found {_short(', '.join(unknown)) or 'only a time'}",
            "give 'wanted', 'used' or 'restarted' of a time",
        )
    for device in _names(found.get("restarted", ())):
        usage.restarts.append((at, device))
    for kind in COUNTED:
        counts = found.get(kind)
        if counts is None:
            continue
        if not isinstance(counts, dict):
            raise InvalidValue(f"found {_short(counts)} as {kind}", f'write "{kind}": {{"bng1/home": 812}}')
        usage.used_only |= kind == "used"
        for label, count in counts.items():
            _append(usage, label, at, count)


def _names(value: object) -> Sequence[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) and name for name in names):
        raise InvalidValue(
            f"found {_short(value)} as restarted", 'write the name of a device: "restarted": "bng1"'
        )
    return names


def _describe(usage: Usage, found: dict[str, Any]) -> None:
    label, role = found["device-pool"], found.get("role", "bng")
    unknown = sorted(found.keys() - _DESCRIBED)
    if unknown:
        raise InvalidValue(
            f"found '{unknown[0]}' of a device pool", f"what is known is {', '.join(sorted(_DESCRIBED))}"
        )
    if role not in ROLES:
        raise InvalidValue(f"found {_short(role)} as role", f"write one of {', '.join(ROLES)}")
    pool = found.get("pool")
    if pool is not None and (not isinstance(pool, str) or not pool):
        raise InvalidValue(f"found {_short(pool)} as pool", "write the name of a pool")
    one = _series(usage, label)
    one.role, one.pool = role, pool
    for name in _NUMBERS:
        setattr(one, name.replace("-", "_"), _positive(found, name))


def _positive(found: Mapping[str, Any], name: str) -> int | None:
    value, most = found.get(name), _NUMBERS[name]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
        raise InvalidValue(f"found {_short(value)} as {name}", f"write a number from 1 to {most}")
    return value


def _read_csv(file: TextIO, name: str, usage: Usage) -> None:
    rows = csv.reader(file, strict=True)
    header = next(rows, [])
    kind = header[2] if len(header) == 3 else ""
    if header[:2] != ["time", "device-pool"] or kind not in COUNTED:
        raise InvalidValue(
            f"{name}:1: found the columns {_short(','.join(header)) or 'of an empty file'}",
            "begin with time,device-pool,wanted or time,device-pool,used",
        )
    usage.used_only = kind == "used"
    try:
        for row in rows:
            if not row:
                continue
            if len(row) != 3:
                raise InvalidValue(f"found {len(row)} columns", f"write time,device-pool,{kind}")
            text = row[2]
            _append(usage, row[1], _moment(row[0]), int(text) if text.isascii() and text.isdigit() else text)
    except csv.Error as error:
        raise InvalidValue(f"{name}:{rows.line_num}: found what is no CSV: {error}", "see RFC 4180") from None
    except CasmError as error:
        raise InvalidValue(f"{name}:{rows.line_num}: {error.message}", error.remedy) from None


def _append(usage: Usage, label: str, at: Micros, count: object) -> None:
    one = usage.series.get(label) or _series(usage, label)
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= _MOST:
        raise InvalidValue(
            f"found {_short(count)} as the subscribers of {label}", f"write a whole number from 0 to {_MOST}"
        )
    times = one.times
    if times and at <= times[-1]:
        raise InvalidValue(
            f"found {to_rfc3339(at)} after {to_rfc3339(times[-1])} of {label}",
            "sort the samples of a device pool by time, and give one of each time",
        )
    times.append(at)
    one.counts.append(count)


def _series(usage: Usage, label: object) -> Series:
    if not isinstance(label, str) or not all(label.partition("/")):
        raise InvalidValue(f"found {_short(label)} as a device pool", "write DEVICE/POOL, as bng1/home")
    return usage.series.setdefault(label, Series(label))


@lru_cache(maxsize=64)
def _read_time(text: str) -> Micros:
    return from_rfc3339(text)


def _moment(value: object) -> Micros:
    if not isinstance(value, str):
        raise InvalidValue(f"found {_short(value)} as time", "write it as 2026-11-23T00:00:00Z (RFC 3339)")
    return _read_time(value)


def _short(value: object) -> str:
    text = value.strip() if isinstance(value, str) else json.dumps(value)
    text = text if len(text) <= 40 else f"{text[:39]}…"
    return f"'{text}'" if isinstance(value, str) and text else text


# --- Writing ------------------------------------------------------------------------------------


def write_usage(
    file: TextIO,
    described: Iterable[Series],
    samples: Iterable[tuple[int, Mapping[str, int]]],
    restarts: Iterable[tuple[int, str]] = (),
    *,
    kind: str = "wanted",
) -> int:
    """Write usage as JSON lines; returns the samples. `samples` are (time, count by device pool), in order.

    A count that lies on the line between its neighbours is written all the same: files are easy to cut.
    """
    for one in described:
        file.write(_dump(description(one)))
    coming = sorted(restarts)
    written = 0
    for at, counts in samples:
        while coming and coming[0][0] <= at:
            moment, device = coming.pop(0)
            file.write(_dump({"time": _text(moment), "restarted": device}))
        if counts:
            file.write(_dump({"time": _text(at), kind: counts}))
            written += len(counts)
    return written


def rows_of(usage: Usage) -> Iterator[tuple[int, dict[str, int]]]:
    """All samples by time, in order: what write_usage takes."""
    merged = heapq.merge(*(_labelled(one) for one in usage.series.values()))
    for at, those in itertools.groupby(merged, key=lambda sample: sample[0]):
        yield at, {label: count for _, label, count in those}


def _labelled(one: Series) -> Iterator[tuple[int, str, int]]:
    return ((at, one.label, count) for at, count in zip(one.times, one.counts, strict=True))


def description(one: Series) -> dict[str, Any]:
    """What is said of a device pool once, in front of its samples."""
    said: dict[str, Any] = {"device-pool": one.label, "role": one.role, "pool": one.pool}
    said |= {name: getattr(one, name.replace("-", "_")) for name in _NUMBERS}
    return {name: value for name, value in said.items() if value is not None}


def _dump(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"


def _text(at: int) -> str:
    """To the second where nothing is behind it."""
    return to_rfc3339(at).replace(".000000Z", "Z")


# --- On a grid ----------------------------------------------------------------------------------


def on_grid(one: Series, start: int, end: int, step: int) -> Iterator[int]:
    """The count at `start`, `start + step` … up to `end`, changing evenly between samples."""
    times, counts = one.times, one.counts
    index, last = 0, len(times) - 1
    for at in itertools.takewhile(lambda moment: moment <= end, itertools.count(start, step)):
        while index < last and times[index + 1] <= at:
            index += 1
        if index == last or at <= times[index]:
            yield counts[index]
        else:
            span = times[index + 1] - times[index]
            yield counts[index] + (counts[index + 1] - counts[index]) * (at - times[index]) // span
