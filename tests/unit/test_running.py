"""The running configuration as it is rendered from the store."""

from __future__ import annotations

from lxml import etree

from casm_ctrl.netconf.names import Element, nc
from casm_ctrl.netconf.trees import describe_difference, same_configuration
from casm_ctrl.northbound.configuration.running import Running
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddGroup,
    AddPool,
    AddSpace,
    ChangeDevice,
    Edit,
    Exclude,
    RemoveQuota,
    Reserve,
    SetQuota,
    change,
)
from casm_ctrl.service.exchange.nouns import What
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.yang.engine import engine_for, forest
from casm_ctrl.yang.schema import load_schema
from tests.exchange_world import take

AUTHOR = Author("tester")
MODULES = ("casm-devices", "casm-pools")
SCHEMA = load_schema(MODULES)
POOLS = "{urn:casm:yang:casm-pools}"
DEVICES = "{urn:casm:yang:casm-devices}"

RICH: list[Edit] = [
    AddSpace("s", "all & <everything>"),
    AddSpace("t"),
    AddPool("p", "s", ("10.1.0.0/16", "10.0.0.0/16"), ("10.0.1.0/24",), labels=(("region", "north"), ("z", ""))),
    AddPool("c", "s", ("10.0.64.0/18",), parent="p", strategy="adjacent", quarantine=7, lease_time=0),
    AddPool("six", "t", ("2001:db8::/40",), scope="public", delegated_length=56),
    AddPool("shared", "s", ("192.0.2.0/24",), psid_offset=6, port_routed=True),
    Reserve("p", "10.0.32.0/24", "for  the  office"),
    AddDevice(
        "bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s",
        instances=(("vrf six", "t"),), deadlines=(("tcp", 2.5), ("commit", 90)),
    ),
    AddDevice("bng2", "bng", "any", "bng2.example", 8300, "casm", "file:key", "s", client="ncclient"),
    AddGroup("pair", (("bng1", "serves"), ("bng2", "stands-by"))),
    AddDevicePool("bng1/a", ("p", "c"), 24, gateway="first", gateway_mask=16, services=("one", "two")),
    AddDevicePool("bng1/b", ("c", "p"), 24, aaa_name="b of AAA", group="pair", min_blocks=1, max_blocks=5),
    AddDevicePool("bng1/six", ("six",), 48, announcement="external", next_hop="2001:db8::1", route_tag=7),
    AddDevicePool("bng2/a", ("p",), 26, first_length=24, next_length=28, usage_high=80, usage_low=20),
    SetQuota("q", "space", "s", 2**20, "ipv4"),
]  # fmt: skip


def _expected(database: Database) -> Element:
    """The export, as libyang writes it in XML."""
    engine = engine_for(*MODULES)
    xml = engine.convert(_configuration(database), source="json", target="xml")
    return etree.fromstring(b'<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">' + xml + b"</config>")


def _configuration(database: Database) -> bytes:
    """The export without blocks, and trimmed of what is default (as `trim` of RFC 6243)."""
    texts = [take(database, what=what).strip()[1:-1].strip() for what in (What.POOLS, What.DEVICES)]
    return ("{" + ",".join(text for text in texts if text) + "}").encode()


def _trim(tree: Element) -> Element:
    for device_pool in tree.iter(f"{DEVICES}device-pool"):
        name, aaa = device_pool.find(f"{DEVICES}name"), device_pool.find(f"{DEVICES}aaa-name")
        if name is not None and aaa is not None and name.text == aaa.text:
            device_pool.remove(aaa)

    def walk(element: Element, nodes: object) -> None:
        for child in list(element):
            node = nodes[child.tag]  # type: ignore[index]
            if node.default is not None and child.text == node.default:
                element.remove(child)
            else:
                walk(child, node.children)

    walk(tree, SCHEMA.roots)
    return tree


def _running(database: Database) -> Running:
    return Running(database, SCHEMA, engine_for(*MODULES))


def test_an_empty_store_is_an_empty_configuration(database: Database) -> None:
    revision, tree = _running(database).tree()
    assert revision == 0
    assert tree.tag == nc("config")
    assert len(tree) == 0


def test_it_is_the_export_without_blocks_and_defaults(database: Database) -> None:
    change(database, AUTHOR, RICH)
    _, tree = _running(database).tree()
    expected = _trim(_expected(database))
    assert describe_difference(expected, tree, schema=SCHEMA) == []
    assert same_configuration(expected, tree, SCHEMA)


def test_it_is_valid_and_in_schema_order(database: Database) -> None:
    change(database, AUTHOR, RICH)
    _, tree = _running(database).tree()
    engine_for(*MODULES).validate(forest(tree))

    def in_order(element: Element, nodes: object) -> None:
        order = list(nodes)  # type: ignore[call-overload]
        positions = [order.index(child.tag) for child in element]
        assert positions == sorted(positions), element.tag
        for child in element:
            in_order(child, nodes[child.tag].children)  # type: ignore[index]

    in_order(tree, SCHEMA.roots)


def test_it_is_rendered_once_for_each_revision(database: Database) -> None:
    change(database, AUTHOR, RICH)
    running = _running(database)
    revision, tree = running.tree()
    assert running.tree()[1] is tree
    change(database, AUTHOR, [ChangeDevice("bng2", client="asyncssh", on_drift="restore")])
    later, other = running.tree()
    assert later == revision + 1
    assert describe_difference(tree, other, schema=SCHEMA) == [
        "/casm-devices:devices/casm-devices:device[casm-devices:name='bng2']/casm-devices:client was removed",
        "/casm-devices:devices/casm-devices:device[casm-devices:name='bng2']/casm-devices:on-drift was added",
    ]


def test_an_older_snapshot_is_its_own(database: Database) -> None:
    """What was read at one revision does not replace a newer one."""
    change(database, AUTHOR, RICH)
    running = _running(database)
    with database.read() as old:
        before = running.tree_in(old)
        change(database, AUTHOR, [RemoveQuota("q")])
        after = running.tree()
        assert running.tree_in(old)[0] == before[0]
        assert same_configuration(running.tree_in(old)[1], before[1], SCHEMA)
    assert running.tree()[1] is after[1]


def test_pieces_that_were_touched_are_rendered_anew(database: Database) -> None:
    change(database, AUTHOR, RICH)
    running = _running(database)
    with database.read() as tx:
        base = running.look_in(tx).stored
    pool = next(name for name in base.pieces if name.key == ("p",))
    quota = next(name for name in base.pieces if name.key == ("q",))
    change(database, AUTHOR, [Exclude("p", "10.0.40.0/24"), RemoveQuota("q")])
    with database.read() as tx:
        running.renew(tx, 2, base, [pool, quota])
        found = running.look_in(tx)
    whole = _running(database).tree()
    assert found.revision == whole[0]
    assert same_configuration(found.stored.tree, whole[1], SCHEMA)
    untouched = [name for name in base.pieces if name not in (pool, quota)]
    assert all(found.stored.pieces[name] is base.pieces[name] for name in untouched)


def test_one_top_level_node_alone(database: Database) -> None:
    change(database, AUTHOR, RICH)
    running = _running(database)
    revision, tree = running.tree_of(f"{DEVICES}quotas")
    assert (revision, [child.tag for child in tree]) == (1, [f"{DEVICES}quotas"])
    assert running.tree_of(f"{DEVICES}quotas")[1] is tree
    assert len(running.tree_of("{urn:none}none")[1]) == 0
    change(database, AUTHOR, [Exclude("p", "10.0.40.0/24")])
    assert running.tree_of(f"{DEVICES}quotas") == (2, tree), "what did not change is the same element"
    change(database, AUTHOR, [RemoveQuota("q")])
    assert len(running.tree_of(f"{DEVICES}quotas")[1]) == 0
