"""The server does all that its YANG says, or does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from casm_ctrl.base.errors import NotSupported
from casm_ctrl.northbound import verbs
from casm_ctrl.northbound.completeness import Handled, check
from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.modules import yang_folder

EXTRA = """
module extra {
  yang-version 1.1;
  namespace "urn:extra";
  prefix e;
  container things { leaf a { type string; } }
  leaf-list words { type string; }
  rpc dance { input { leaf how { type string; } } }
  rpc sing;
  notification applause;
}
"""
NOTHING = Handled((), (), ())


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    (tmp_path / "extra.yang").write_text(EXTRA)
    return Engine(("casm-operations", "extra"), [yang_folder(), tmp_path])


def test_every_verb_has_a_handler(engine: Engine) -> None:
    done = [verbs.tag(name) for name in (*verbs.STORE_VERBS, *verbs.DEVICE_VERBS)]
    check(engine, ["casm-operations"], Handled((), done, ()))


def test_an_unknown_rpc_is_refused_in_one_line(engine: Engine) -> None:
    data = ["{urn:extra}things", "{urn:extra}words"]
    with pytest.raises(NotSupported) as caught:
        check(engine, ["extra"], Handled(data, ["{urn:extra}sing"], ["{urn:extra}applause"]))
    assert str(caught.value).startswith("the server has no handler for the RPC extra:dance: ")
    assert "\n" not in str(caught.value)


def test_everything_that_is_missing_is_named_at_once(engine: Engine) -> None:
    with pytest.raises(NotSupported) as caught:
        check(engine, ["extra"], NOTHING)
    for words in ("data node extra:things", "data node extra:words", "RPC extra:dance", "RPC extra:sing"):
        assert words in str(caught.value)
    assert "notification extra:applause" in str(caught.value)


def test_the_same_name_of_another_module_is_no_handler(engine: Engine) -> None:
    with pytest.raises(NotSupported, match="notification extra:applause"):
        check(
            engine,
            ["extra"],
            Handled(
                ["{urn:extra}things", "{urn:extra}words"],
                ["{urn:extra}sing", "{urn:extra}dance"],
                ["{urn:other}applause"],
            ),
        )
