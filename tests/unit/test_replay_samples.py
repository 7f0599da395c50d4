"""Usage in files: what is read, what is written, and what is said of a wrong line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from casm_ctrl.base.clock import SECOND, from_rfc3339
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.control.replay.samples import Series, on_grid, read_usage, write_usage

START = from_rfc3339("2026-11-23T00:00:00Z")


def _write(path: Path, *lines: object) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_json_lines_are_read(tmp_path: Path) -> None:
    usage = read_usage(
        _write(
            tmp_path / "usage.jsonl",
            {"device-pool": "bng1/home", "role": "cgn", "pool": "north", "length": 28, "per-address": 16},
            {"time": "2026-11-23T00:00:00Z", "wanted": {"bng1/home": 10, "bng2/home": 0}},
            "",
            {"time": "2026-11-23T00:02:00Z", "restarted": "bng1"},
            {"time": "2026-11-23T01:05:00+01:00", "wanted": {"bng1/home": 20, "bng2/home": 5}},
        )
    )
    one = usage.series["bng1/home"]
    assert (one.role, one.pool, one.length, one.per_address) == ("cgn", "north", 28, 16)
    assert list(one.times) == [START, START + 300 * SECOND]
    assert list(one.counts) == [10, 20]
    assert usage.series["bng2/home"].role == "bng"
    assert usage.restarts == [(START + 120 * SECOND, "bng1")]
    assert (usage.start, usage.end, usage.used_only) == (START, START + 300 * SECOND, False)


def test_a_table_is_read(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "usage.csv",
        "time,device-pool,used",
        "2026-11-23T00:00:00Z,bng1/home,10",
        "2026-11-23T00:05:00Z,bng1/home,12",
    )
    usage = read_usage(path)
    assert list(usage.series["bng1/home"].counts) == [10, 12]
    assert usage.used_only


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = io.StringIO()
    described = [Series("bng1/home", pool="north", length=24, session_lifetime=3600, session_timeout=86400)]
    samples = [(START, {"bng1/home": 1}), (START + SECOND // 2, {"bng1/home": 2})]
    assert write_usage(file, described, samples, [(START + 1, "bng1")]) == 2
    path = tmp_path / "usage.jsonl"
    path.write_text(file.getvalue())
    usage = read_usage(path)
    one = usage.series["bng1/home"]
    assert (one.session_lifetime, one.session_timeout, one.length) == (3600, 86400, 24)
    assert list(one.times) == [START, START + SECOND // 2]
    assert usage.restarts == [(START + 1, "bng1")]


def test_between_samples_usage_changes_evenly() -> None:
    one = Series("bng1/home")
    for minutes, count in ((0, 0), (10, 100), (12, 40)):
        one.times.append(START + minutes * 60 * SECOND)
        one.counts.append(count)
    step = 300 * SECOND
    assert list(on_grid(one, START - step, START + 3 * step, step)) == [0, 0, 50, 100, 40]


SAMPLE = {"time": "2026-11-23T00:00:00Z", "wanted": {"bng1/home": 10}}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "usage.jsonl:2: found what is no JSON"),
        ([1], "usage.jsonl:2: found [1]: write one JSON object"),
        ({"at": 1}, "usage.jsonl:2: found neither 'time' nor 'device-pool', but 'at'"),
        ({"time": 5, "wanted": {}}, "usage.jsonl:2: found 5 as time"),
        ({"time": "yesterday", "wanted": {}}, "usage.jsonl:2: 'yesterday' is not a date and time"),
        ({"time": "2026-11-23T00:05:00Z"}, "usage.jsonl:2: found only a time"),
        (
            {"time": "2026-11-23T00:05:00Z", "wanted": {"bng1/home": -1}},
            "usage.jsonl:2: found -1 as the subscribers of bng1/home",
        ),
        (
            {"time": "2026-11-23T00:05:00Z", "wanted": {"bng1/home": True}},
            "usage.jsonl:2: found true as the subscribers",
        ),
        (
            {"time": "2026-11-23T00:05:00Z", "wanted": {"bng1": 1}},
            "usage.jsonl:2: found 'bng1' as a device pool",
        ),
        (SAMPLE, "usage.jsonl:2: found 2026-11-23T00:00:00.000000Z after 2026-11-23T00:00:00.000000Z"),
        ({"device-pool": "bng1/home", "role": "nas"}, "usage.jsonl:2: found 'nas' as role"),
        ({"device-pool": "bng1/home", "length": 0}, "usage.jsonl:2: found 0 as length"),
        ({"device-pool": "bng1/home", "size": 0}, "usage.jsonl:2: found 'size' of a device pool"),
        ({"time": "2026-11-23T00:05:00Z", "restarted": 1}, "usage.jsonl:2: found 1 as restarted"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: object, words: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        read_usage(_write(tmp_path / "usage.jsonl", SAMPLE, line))
    assert words in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("when,what",), "usage.csv:1: found the columns 'when,what'"),
        (("time,device-pool,used", "2026-11-23T00:00:00Z,bng1/home"), "usage.csv:2: found 2 columns"),
        (
            ("time,device-pool,used", "2026-11-23T00:00:00Z,bng1/home,NaN"),
            "usage.csv:2: found 'NaN' as the subscribers",
        ),
        (("time,device-pool,used", '"2026'), "usage.csv:2: found what is no CSV"),
        ((), "usage.csv:1: found the columns of an empty file"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, lines: tuple[str, ...], words: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        read_usage(_write(tmp_path / "usage.csv", *lines))
    assert words in str(caught.value)


@pytest.mark.parametrize("lines", [(), (SAMPLE,)])
def test_samples_of_one_time_are_too_few(tmp_path: Path, lines: tuple[object, ...]) -> None:
    with pytest.raises(InvalidValue):
        read_usage(_write(tmp_path / "usage.jsonl", *lines))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="cannot be read"):
        read_usage(tmp_path / "usage.jsonl")
