"""How plans and what became of them look to people."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from rich.console import Console, RenderableType

from casm_ctrl.cli.call import Answer
from casm_ctrl.cli.device_check import check
from casm_ctrl.cli.synchronise import _applied, _kept, _plan, apply, faults, plan
from casm_ctrl.sync.run import Options

DRAIN = {"action": "drain", "object": "range[home, x]", "block": "b1", "words": "", "used-addresses": "1041"}
MARK = {"action": "change", "object": "pool[home]", "words": "device-id casm-abcdef-g4"}
ERROR = {"type": "t", "tag": "g", "app-tag": "a", "message": "no way there", "remedy": "look at it"}


def shown(parts: Iterable[RenderableType]) -> list[str]:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    for part in parts:
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def device(**more: Any) -> dict[str, Any]:
    return {"name": "bng1", "result": "changes", "change": [], "warning": [], **more}


def test_a_plan_tells_who_is_touched() -> None:
    lines = shown(_plan([device(change=[MARK, DRAIN], **{"edit-config": "<config/>"})]))
    assert lines == [
        "bng1: 2 changes, 1,041 addresses in use are touched",
        "<config/>",
        "ACTION BLOCK OBJECT WHAT IN USE",
        "change - pool[home] device-id casm-abcdef-g4 -",
        "drain b1 range[home, x] - 1,041",
    ]


def test_without_counts_there_is_no_column_of_them() -> None:
    lines = shown(_plan([device(change=[MARK], **{"edit-config": "<config/>"})]))
    assert lines[0] == "bng1: 1 change"
    assert lines[2] == "ACTION BLOCK OBJECT WHAT"


def test_a_device_that_was_passed_over() -> None:
    assert shown(_plan([device(result="skipped", error=ERROR)])) == ["bng1: passed over"]
    assert shown(_applied([device(result="skipped", error=ERROR)]))[1].startswith(
        "bng1 skipped 0 did not answer"
    )
    assert faults([device(result="skipped", error=ERROR)]) == ["bng1: no way there: look at it"]


def test_a_device_is_named_once() -> None:
    words = {**ERROR, "message": "bng1: the store moved on since the plan"}
    assert faults([device(result="failed", error=words)])[0].startswith("bng1: the store moved on")


def test_where_a_plan_is_kept() -> None:
    lines = shown(_kept({"file": "monday.plan", "digest": "sha256:0", "devices": "1000"}))
    assert lines[1] == ("Kept the plan for 1,000 devices in monday.plan. Next: casm apply --plan monday.plan")
    assert shown(_kept(None)) == []


@pytest.mark.parametrize("body", [plan, apply, check])
def test_the_defaults_of_options_are_those_of_a_run(body: Callable[..., Answer]) -> None:
    """They are written twice, for `--help` does not import what runs."""
    parameters = inspect.signature(body).parameters
    assert parameters["jobs"].default == Options().jobs
    assert parameters["retries"].default == Options().retries


def test_how_often_it_was_tried_is_told() -> None:
    assert faults([device(result="failed", error=ERROR, tries=3)]) == [
        "bng1: no way there (tried 3 times): look at it"
    ]
