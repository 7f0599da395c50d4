"""The file of a plan: whole or not at all, its owner's, and refused where it is not what was written."""

from __future__ import annotations

import hashlib
import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.clock import Micros
from casm_ctrl.base.errors import CasmError, InvalidValue, NotFound, NotSupported
from casm_ctrl.sync.basis import DeviceBasis, StoreBasis
from casm_ctrl.sync.plan_file import DevicePlan, Plan, edit_digest, parse_plan, read_plan, write_plan

EDIT = (
    '<nc:config xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">\n'
    '  <a xmlns="urn:a" nc:operation="create"/>\n'
    "</nc:config>"
)
PLAN = Plan(
    store_id="abcdef",
    config_revision=7,
    created_at=Micros(1_700_000_000_000_000),
    created_by="operator",
    zombies=False,
    devices={
        "bng1": DevicePlan(
            device="bng1",
            generation=4,
            edit=EDIT,
            changes=({"action": "add", "object": "pool[ä]", "words": "", "block": "b1"},),
            store=StoreBasis(3, {"bng1/internet": {"gateway": "none"}}, {"b1": {"wanted": "present"}}),
            running=DeviceBasis("0" * 64, {"pool[x]": {}, "range[x, y]": {"range": "10.0.0.0-10.0.0.9"}}),
        ),
        "bng2": DevicePlan("bng2", 1, "", (), StoreBasis(0, {}, {}), DeviceBasis("1" * 64, {})),
    },
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.plan"
    write_plan(path, PLAN)
    assert read_plan(path) == PLAN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(PLAN.short_id) == 12
    assert PLAN.digest == f"sha256:{json.loads(path.read_text())['digest'][7:]}"


def test_a_plan_replaces_another_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.plan"
    path.write_text("old")
    path.chmod(0o644)
    write_plan(path, PLAN)
    assert read_plan(path) == PLAN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_plan_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.plan"
    path.mkdir()
    with pytest.raises(InvalidValue, match="cannot be written"):
        write_plan(path, PLAN)
    assert list(tmp_path.iterdir()) == [path]


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no plan"):
        read_plan(tmp_path / "x.plan")


def test_a_folder_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="cannot be read"):
        read_plan(tmp_path)


def text(**changes: Any) -> str:
    """The plan with other members and a digest that does not know of them."""
    return json.dumps({**PLAN.document(), "digest": PLAN.digest, **changes})


@pytest.mark.parametrize(
    "there", ["", "{", "[]", "{}", "7", "null", '"plan"', '{"casm-plan": "1"}', "[" * 100_000]
)
def test_no_plan_at_all(there: str) -> None:
    with pytest.raises(InvalidValue, match="is no plan"):
        parse_plan(there, "x")


def test_half_a_plan() -> None:
    with pytest.raises(InvalidValue, match="only a part"):
        parse_plan(text()[:300], "x")


def test_a_newer_format() -> None:
    with pytest.raises(NotSupported, match="has format 2"):
        parse_plan(text(**{"casm-plan": 2}), "x")


@pytest.mark.parametrize("name", [name for name in PLAN.document() if name != "casm-plan"])
def test_every_member_is_in_the_digest(name: str) -> None:
    with pytest.raises(InvalidValue, match="digest"):
        parse_plan(text(**{name: "other"}), "x")


def test_a_digest_is_needed() -> None:
    with pytest.raises(InvalidValue, match="digest"):
        parse_plan(json.dumps(PLAN.document()), "x")


def test_layout_does_not_count() -> None:
    assert parse_plan(json.dumps(json.loads(text()), indent=7), "x") == PLAN


@pytest.mark.parametrize("edit", ["<open>", "no XML", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_an_edit_that_is_no_xml_is_refused_before_anything_is_sent(edit: str) -> None:
    plan = replace(PLAN, devices={"bng1": replace(PLAN.devices["bng1"], edit=edit)})
    with pytest.raises(InvalidValue, match="cannot be understood"):
        parse_plan(json.dumps({**plan.document(), "digest": plan.digest}), "x")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(name=st.sampled_from(sorted(PLAN.document())), value=_JSON)
def test_whatever_is_in_it_is_read_or_refused(name: str, value: object) -> None:
    """Also where the digest fits: somebody may have made it."""
    document = {**PLAN.document(), name: value}
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = f"sha256:{hashlib.sha256(canonical.encode('utf-8', 'surrogatepass')).hexdigest()}"
    try:
        parse_plan(json.dumps({**document, "digest": digest}), "x")
    except CasmError as error:
        assert "\n" not in str(error)


def test_what_an_edit_means_is_not_how_it_is_laid_out() -> None:
    flat = EDIT.replace("\n  ", "").replace("\n", "")
    assert edit_digest(flat) == edit_digest(EDIT)
    assert edit_digest(EDIT.replace("create", "merge")) != edit_digest(EDIT)
    assert edit_digest("") != edit_digest(EDIT)
