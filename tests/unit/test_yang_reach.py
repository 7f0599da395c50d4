"""What the engine finds in a result, and which findings say nothing since they look at what was not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.reach import looks_outside

MODULE = """
module m { yang-version 1.1; namespace "urn:m"; prefix m; import other { prefix o; }
  container top {
    leaf here { type string; }
    container pools {
      list pool { key name; unique address;
        leaf name { type string; }
        leaf address { type string { length 1..9; } }
        leaf vrf { type leafref { path "/o:vrfs/o:vrf/o:name"; } }
        leaf twin { type leafref { path "../../pool/name"; } }
        leaf up { type leafref { path "../../../here"; } }
        leaf low { type uint8; must ". < ../high"; }
        leaf high { type uint8; must ". >= ../low" { error-message "high must not be below low"; } }
        leaf far { type uint8; must "/o:vrfs/o:vrf[o:name = 'x']" { error-message "there must be a vrf x"; } }
        leaf any { type uint8; must "//o:vrf"; }
        leaf literal { type string; must ". != '/o:vrfs/../x'"; }
        leaf cond { when "../literal = 'yes'"; type uint8; }
        leaf must-have { when "../high"; type uint8; mandatory true; }
      }
    }
  }
  container elsewhere { leaf x { type string; mandatory true; } }
}
"""
OTHER = """
module other { namespace "urn:o"; prefix o;
  container vrfs { list vrf { key name; leaf name { type string; } } } }
"""
POOLS = ("top", "pools")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("yang")
    (folder / "m.yang").write_text(MODULE)
    (folder / "other.yang").write_text(OTHER)
    return Engine(["m"], [folder])


def pool(inside: str, name: str = "a") -> str:
    return f'<top xmlns="urn:m"><pools><pool><name>{name}</name>{inside}</pool></pools></top>'


def ours(engine: Engine, text: str, within: tuple[str, ...] = POOLS) -> list[str]:
    """The findings that are judged."""
    found = engine.findings(f'{text}<elsewhere xmlns="urn:m"><x/></elsewhere>'.encode(), ["m"])
    assert found is not None
    return [finding.text for finding in found if not looks_outside(finding, engine.context, [within])]


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<twin>a</twin>",
        "<low>1</low><high>2</high><must-have>1</must-have>",
        "<vrf>red</vrf>",  # another module's, which was not read
        "<far>1</far>",
        "<any>1</any>",
        "<up>x</up>",  # above what was read
        "<unknown/><x xmlns='urn:third'>nobody's</x>",
    ],
)
def test_what_may_be_right_passes(engine: Engine, inside: str) -> None:
    assert ours(engine, pool(inside)) == []


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("<twin>b</twin>", "no target instance"),
        ("<low>3</low><high>2</high><must-have>1</must-have>", "Must condition"),
        ("<low>1</low><high>0</high><must-have>1</must-have>", "high must not be below low"),
        ("<high>2</high><low>1</low>", "Mandatory node"),
        ("<cond>1</cond>", "When condition"),
        ("<literal>/o:vrfs/../x</literal>", "Must condition"),
    ],
)
def test_what_is_wrong_is_found(engine: Engine, inside: str, words: str) -> None:
    found = ours(engine, pool(inside))
    assert found
    assert any(words in text for text in found)


def test_a_reference_above_is_judged_where_all_was_read(engine: Engine) -> None:
    assert ours(engine, pool("<up>x</up>"), ("top",))


def test_unique_and_keys(engine: Engine) -> None:
    two = "<pool><name>a</name><address>x</address></pool><pool><name>{}</name><address>{}</address></pool>"
    top = '<top xmlns="urn:m"><pools>%s</pools></top>'
    assert ours(engine, top % two.format("b", "y")) == []
    assert ours(engine, top % two.format("b", "x"))
    assert ours(engine, top % two.format("a", "y"))


def test_other_modules_are_not_judged(engine: Engine) -> None:
    assert engine.findings(pool("").encode(), []) == []
    assert engine.findings(b'<vrfs xmlns="urn:o"><vrf><name/><name/></vrf></vrfs>', ["other"])


@pytest.mark.parametrize("text", ["<address>0123456789</address>", "<low>-1</low>"])
def test_what_cannot_be_read_is_not_judged(engine: Engine, text: str) -> None:
    assert engine.findings(pool(text).encode(), ["m"]) is None
    assert engine.findings(pool("").encode(), ["m"]) is not None


def test_features_are_those_that_are_named(tmp_path: Path) -> None:
    (tmp_path / "f.yang").write_text(
        'module f { namespace "urn:f"; prefix f; feature one; feature two;'
        "leaf a { if-feature one; type string; } leaf b { if-feature two; type string; } }"
    )
    engine = Engine(["f"], [tmp_path], features={"f": ("two",)})
    engine.validate(b'<b xmlns="urn:f">x</b>')
    with pytest.raises(Exception, match="a"):
        engine.validate(b'<a xmlns="urn:f">x</a>')
