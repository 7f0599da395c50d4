"""What programs read is our data model: every key is a node's name, and a pool's answer is instance data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casm_ctrl.base.errors import CasmError
from casm_ctrl.service import views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool, AddPool, Edit, change
from casm_ctrl.service.release import force_release
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.yang.engine import engine_for
from casm_ctrl.yang.schema import Kind, SchemaNode, load_schema

ME = Author("tester", reason="test")
SCHEMAS = Path(__file__).parents[2] / "docs" / "json"
MODEL = load_schema(["casm-pools", "casm-devices"])

ELSEWHERE = {
    # Keys that stand for an entry's place in the model's tree, which an answer of its own does not have, …
    "block/address-space",
    "block/device-pool",
    "device-pool/device-pool",
    "address-space/pool",
    "owner-group/device-pool",
    # … and reports that are shown beside it, which are not of the model.
    "block/finding",
    "block/event",
    "device/finding",
}
NOUNS = {
    "address-space": "/address-spaces/address-space",
    "pool": "/pools/pool",
    "device": "/devices/device",
    "device-pool": "/devices/device/device-pool",
    "block": "/devices/device/device-pool/block",
    "owner-group": "/owner-groups/owner-group",
    "quota": "/quotas/quota",
}
REPORTS = ("plan", "plan-file", "apply", "drift", "adopt", "device-check", "device-replace")
"""Commands that report on devices instead."""
ANSWERS = [
    (path, noun)
    for path in sorted(SCHEMAS.glob("*.schema.json"))
    for noun in json.loads(path.read_text()).get("properties", {})
    if noun in NOUNS and path.name.partition(".")[0] not in REPORTS
]
"""Commands that answer with a noun of the model."""


def name_of(tag: str) -> str:
    return tag.partition("}")[2]


def node_at(path: str) -> SchemaNode:
    _, first, *rest = path.split("/")
    node = next(root for tag, root in MODEL.roots.items() if name_of(tag) == first)
    for step in rest:
        node = next(child for tag, child in node.children.items() if name_of(tag) == step)
    return node


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """What a schema says, its reference followed, and an array's items for the array."""
    while True:
        if "$ref" in schema:
            file, _, pointer = schema["$ref"].partition("#/$defs/")
            schema = json.loads((SCHEMAS / file).read_text())["$defs"][pointer]
        elif schema.get("type") == "array":
            schema = schema["items"]
        else:
            return schema


def strangers(schema: dict[str, Any], node: SchemaNode, path: str) -> Iterator[str]:
    """Paths of keys that are no node there, or are an object where the model has a value."""
    children = {name_of(tag): child for tag, child in node.children.items()}
    for key, value in resolved(schema).get("properties", {}).items():
        here = f"{path}/{key}"
        if f"{name_of(node.tag)}/{key}" in ELSEWHERE:
            continue
        inner = resolved(value)
        child = children.get(key)
        if child is None or ("properties" in inner) != (child.kind in (Kind.LIST, Kind.CONTAINER)):
            yield here
        elif "properties" in inner:
            yield from strangers(inner, child, here)


@pytest.mark.parametrize(("path", "noun"), ANSWERS, ids=lambda value: getattr(value, "stem", value))
def test_every_key_is_a_name_of_the_model(path: Path, noun: str) -> None:
    schema = json.loads(path.read_text())["properties"][noun]
    assert list(strangers(schema, node_at(NOUNS[noun]), f"/{noun}")) == []


def test_pools_of_every_kind_are_instance_data(network: Database) -> None:
    """Space and pools, as they are answered, are a valid datastore."""
    edits: list[Edit] = [
        AddPool("map", "s", ("192.0.2.0/24",), psid_offset=6, port_routed=True, strategy="sparse"),
        AddPool("pd", "s", ("2001:db8::/32",), delegated_length=56, scope="public"),
        AddPool("child", "s", ("10.0.128.0/20",), parent="p", exclude=("10.0.128.0/30",)),
        AddDevicePool("bng1/map", ("map",), 36),
        AddDevicePool("bng1/pd", ("pd",), 40),
        AddPool("used-up", "s", ("203.0.113.0/32",), labels=(("region", "north"),), description="full"),
        AddDevicePool("bng1/full", ("used-up",), 32),
    ]
    change(network, ME, edits)
    for label in ("bng1/internet", "bng2/internet", "bng1/map", "bng1/pd", "bng1/full"):
        allocate(network, ME, label)
    force_release(network, ME, ["b2"])
    space = views.show_space(network, "s")
    assert space.pop("pool") == ["child", "map", "p", "pd", "used-up"]
    document = {
        "casm-pools:address-spaces": {"address-space": [space]},
        "casm-pools:pools": {"pool": views.list_pools(network)},
    }
    engine = engine_for("casm-pools")
    engine.validate(json.dumps(document).encode(), format="json", what="data")
    document["casm-pools:pools"]["pool"][0]["stranger"] = 1
    with pytest.raises(CasmError):
        engine.validate(json.dumps(document).encode(), format="json", what="data")
