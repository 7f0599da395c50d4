"""The loader gives the XML code what it must know: kinds, keys, order, defaults and cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from casm_ctrl.base.errors import NotFound
from casm_ctrl.yang.modules import find_module, list_modules, our_modules, standard_folders
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode, load_schema

IAP = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
EXT = "urn:casm:yang:casm-address-pool-ext"
DEV = "urn:casm:yang:casm-devices"

SMALL = """
module small {
  yang-version 1.1;
  namespace "urn:small";
  prefix s;
  import lib { prefix l; }
  include part;
  typedef speed { type uint8; default 7; }
  container top {
    presence "it is on";
    leaf slow { type speed; }
    leaf-list order { type string; ordered-by user; }
    choice way {
      case by-land { leaf road { type string; } choice gear { leaf low { type empty; } } }
      leaf by-sea { type string; }
    }
    uses l:shared;
    list plain { config false; leaf x { type string; } }
    list pair { key "b a"; leaf a { type string; } leaf c { type string; } leaf b { type string; } }
    action go;
  }
  rpc fly;
  notification landed;
}
"""
PART = "submodule part { yang-version 1.1; belongs-to small { prefix s; } container piece { leaf y { type string; } } }"
LIB = """
module lib { yang-version 1.1; namespace "urn:lib"; prefix l;
  grouping shared { container inner { leaf z { type string; default q; } } } }
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    folder = tmp_path_factory.mktemp("yang")
    for name, text in (("small", SMALL), ("part", PART), ("lib", LIB)):
        (folder / f"{name}.yang").write_text(text)
    return load_schema(["small"], [folder])


def child(node: SchemaNode, *names: str) -> SchemaNode:
    for name in names:
        node = next(node for tag, node in node.children.items() if tag.endswith("}" + name))
    return node


def test_small_module(small: Schema) -> None:
    assert set(small.roots) == {"{urn:small}top", "{urn:small}piece"}
    top = small.roots["{urn:small}top"]
    assert top.kind is Kind.CONTAINER
    assert top.presence
    assert [tag.partition("}")[2] for tag in top.children] == [
        "slow",
        "order",
        "road",
        "low",
        "by-sea",
        "inner",
        "plain",
        "pair",
    ]
    assert child(top, "slow").default == "7"
    assert child(top, "order").kind is Kind.LEAF_LIST
    assert child(top, "order").user_ordered
    assert child(top, "road").cases == (("way", "by-land"),)
    assert child(top, "low").cases == (("way", "by-land"), ("gear", "low"))
    assert child(top, "by-sea").cases == (("way", "by-sea"),)
    assert child(top, "inner").tag == "{urn:small}inner"
    assert child(top, "inner", "z").default == "q"
    assert child(top, "plain").keys == ()
    assert not child(top, "plain").config
    assert not child(top, "plain", "x").config
    assert child(top, "pair").keys == ("{urn:small}b", "{urn:small}a")
    assert [tag.partition("}")[2] for tag in child(top, "pair").children] == ["b", "a", "c"]


def test_augments_are_folded_in_with_their_namespace() -> None:
    schema = load_schema(["ietf-address-pool", "casm-address-pool-ext"])
    pool = schema.roots[f"{{{IAP}}}address-pools"].children[f"{{{IAP}}}address-pool"]
    entry = child(pool, "address-pool-entries", "ipv4-address-range")
    assert pool.keys == (f"{{{IAP}}}address-pool-name",)
    assert list(entry.children)[-1] == f"{{{EXT}}}drain"
    assert child(entry, "drain").default == "false"
    assert child(entry, "drain").config
    assert child(pool, "address-pool-id").default == "0"
    status = schema.roots[f"{{{IAP}}}address-pool-status"]
    assert not child(status, "address-pool", "address-pool-entries", "ipv6-prefix", "addresses-used").config


def test_without_the_augment_there_is_no_drain() -> None:
    schema = load_schema(["ietf-address-pool"])
    pool = schema.roots[f"{{{IAP}}}address-pools"].children[f"{{{IAP}}}address-pool"]
    assert not any(
        tag.startswith(f"{{{EXT}}}") for tag in child(pool, "address-pool-entries", "ipv6-prefix").children
    )


def test_our_modules_load_and_are_kept() -> None:
    schema = load_schema(our_modules())
    assert schema is load_schema(list(our_modules()))
    assert child(schema.roots[f"{{{DEV}}}devices"], "device", "device-pool", "pool").user_ordered
    assert child(schema.roots[f"{{{DEV}}}devices"], "device", "device-pool", "gateway").default == "none"


def test_common_modules_are_found() -> None:
    schema = load_schema(["ietf-nat"])
    nat = schema.roots["{urn:ietf:params:xml:ns:yang:ietf-nat}nat"]
    assert child(nat, "instances", "instance", "policy", "external-ip-address-pool").kind is Kind.LIST
    # What ietf-nat refers to is there too, or nothing could be referred to.
    assert "{urn:ietf:params:xml:ns:yang:ietf-interfaces}interfaces" in schema.roots


def test_faults(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no-such-module"):
        load_schema(["no-such-module"])
    with pytest.raises(NotFound, match="2001-01-01"):
        load_schema(["casm-pools@2001-01-01"])
    (tmp_path / "bad.yang").write_text(
        'module bad { namespace "urn:bad"; prefix b; leaf a { type nothing; } }'
    )
    with pytest.raises(NotFound, match="nothing"):
        load_schema(["bad"], [tmp_path])
    (tmp_path / "any.yang").write_text(
        'module any { namespace "urn:any"; prefix a; anyxml a; leaf b { type string; } }'
    )
    assert list(load_schema(["any"], [tmp_path]).roots) == ["{urn:any}b"]


def test_module_files() -> None:
    names = [module.name for module in list_modules()]
    assert names == sorted(names)
    assert {"casm-address-pool-ext", "casm-devices", "casm-operations", "casm-pools"} < set(names)
    pools = find_module("casm-pools")
    assert pools.namespace == "urn:casm:yang:casm-pools"
    assert pools.text.startswith("module casm-pools {")
    assert find_module("casm-pools", pools.revision) == pools
    assert find_module("ietf-netconf").revision == "2011-06-01"
    assert find_module("ietf-netconf").namespace == "urn:ietf:params:xml:ns:netconf:base:1.0"
    assert all(folder.is_dir() for folder in standard_folders())
    with pytest.raises(NotFound, match="casm-pools@2001-01-01"):
        find_module("casm-pools", "2001-01-01")


def test_newest_revision_is_taken(tmp_path: Path) -> None:
    for revision in ("2024-01-01", "2026-01-01", "2025-01-01"):
        (tmp_path / f"m@{revision}.yang").write_text("module m { }")
    (tmp_path / "notes.txt").write_text("module n { }")
    assert find_module("m", folders=[tmp_path]).revision == "2026-01-01"
    assert len(list_modules(tmp_path)) == 3
