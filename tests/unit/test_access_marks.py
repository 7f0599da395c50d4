"""What modules mark as default-deny-write and default-deny-all (RFC 8341, 3.5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from casm_ctrl.yang.access_marks import AccessMarks, Mark, read_marks
from casm_ctrl.yang.engine import Engine

MODULE = """
module marked {
  yang-version 1.1; namespace "urn:marked"; prefix m;
  import ietf-netconf-acm { prefix nacm; }
  extension default-deny-other;
  container open {
    leaf plain { type string; }
    m:default-deny-other;
    leaf guarded { nacm:default-deny-write; type string; }
    container box { nacm:default-deny-write; leaf inner { nacm:default-deny-all; type string; } }
    choice way {
      nacm:default-deny-all;
      case a { leaf inside { type string; } }
    }
  }
  container secret {
    nacm:default-deny-all;
    list entry { key name; leaf name { type string; } container deep { leaf value { type string; } } }
  }
  rpc harmless { input { leaf x { type string; } } }
  rpc dangerous { nacm:default-deny-all; }
  rpc odd { nacm:default-deny-write; }
  notification told { leaf x { type string; } }
  notification kept { nacm:default-deny-all; }
}
"""


def tag(name: str) -> str:
    return f"{{urn:marked}}{name}"


def path(*names: str) -> tuple[str, ...]:
    return tuple(map(tag, names))


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> AccessMarks:
    folder: Path = tmp_path_factory.mktemp("marked")
    (folder / "marked.yang").write_text(MODULE)
    return read_marks(Engine(["ietf-netconf-acm", "marked"], [folder]).context)


def test_marks_of_data_nodes_go_down_to_all_below(marks: AccessMarks) -> None:
    ours = {way: mark for way, mark in marks.nodes.items() if way[0].startswith("{urn:marked}")}
    assert ours == {
        path("open", "guarded"): Mark.DENY_WRITE,
        path("open", "box"): Mark.DENY_WRITE,
        path("open", "box", "inner"): Mark.DENY_ALL,
        path("open", "inside"): Mark.DENY_ALL,
        path("secret"): Mark.DENY_ALL,
        path("secret", "entry"): Mark.DENY_ALL,
        path("secret", "entry", "name"): Mark.DENY_ALL,
        path("secret", "entry", "deep"): Mark.DENY_ALL,
        path("secret", "entry", "deep", "value"): Mark.DENY_ALL,
    }


def test_marks_of_operations_and_notifications(marks: AccessMarks) -> None:
    """default-deny-write is ignored there (RFC 8341, section 4)."""
    assert marks.operations == {tag("dangerous")}
    assert marks.notifications == {tag("kept")}


def test_the_rules_themselves_are_marked(marks: AccessMarks) -> None:
    nacm = "{urn:ietf:params:xml:ns:yang:ietf-netconf-acm}"
    assert marks.nodes[(nacm + "nacm",)] is Mark.DENY_ALL
    assert marks.nodes[(nacm + "nacm", nacm + "rule-list", nacm + "rule", nacm + "path")] is Mark.DENY_ALL


def test_modules_by_namespace(marks: AccessMarks) -> None:
    assert marks.modules["urn:marked"] == "marked"
    assert marks.modules["urn:ietf:params:xml:ns:netconf:base:1.0"] == "ietf-netconf"


def test_published_modules() -> None:
    marks = read_marks(Engine(["ietf-system", "ietf-subscribed-notifications"]).context)
    system = "{urn:ietf:params:xml:ns:yang:ietf-system}"
    assert marks.nodes[(system + "system", system + "authentication")] is Mark.DENY_WRITE
    assert {name.rpartition("}")[2] for name in marks.operations} == {
        "set-current-datetime",
        "system-restart",
        "system-shutdown",
        "kill-subscription",
    }
