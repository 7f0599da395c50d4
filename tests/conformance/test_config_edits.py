"""What edit-config may change of our configuration, and what a commit makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import CasmError
from casm_ctrl.netconf.datastores.edit import apply_edit
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.trees import describe_difference
from casm_ctrl.northbound.configuration.edits import edits_between
from casm_ctrl.service.configuration import SetDocument, change
from casm_ctrl.store.database import Database
from casm_ctrl.store.migrate import create_store
from tests.allocation_world import give
from tests.configuration_world import AUTHOR, SCHEMA, commit, config, running

SPACES = "<p:address-spaces>{}</p:address-spaces>"
POOL = (
    "<p:pool><p:name>{}</p:name><p:address-space>s</p:address-space><p:family>ipv4</p:family>"
    "<p:prefix>{}</p:prefix></p:pool>"
)
SPACE = "<p:address-space><p:name>{}</p:name></p:address-space>"
DEVICE = (
    "<d:device><d:name>{0}</d:name><d:role>bng</d:role><d:driver>ietf-address-pool</d:driver>"
    "<d:host>192.0.2.{1}</d:host><d:user>casm</d:user><d:credential>env:X</d:credential>"
    "<d:address-space>s</d:address-space>"
    "<d:device-pool><d:name>home</d:name><d:pool>p</d:pool><d:length>24</d:length></d:device-pool></d:device>"
)
WORLD = config(
    SPACES.format(SPACE.format("s"))
    + f"<p:pools>{POOL.format('p', '10.0.0.0/16')}</p:pools>"
    + f"<d:devices>{DEVICE.format('bng1', 1)}{DEVICE.format('bng2', 2)}</d:devices>"
)
PD = "/casm-devices:devices/casm-devices:device[casm-devices:name='bng1']"
HOME = f"{PD}/casm-devices:device-pool[casm-devices:name='home']"
P = "/casm-pools:pools/casm-pools:pool[casm-pools:name='p']"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Database]:
    database, _ = create_store(str(tmp_path / "casm.db"), ManualClock())
    commit(database, WORLD)
    yield database
    database.close()


def _pool(inside: str) -> str:
    return f"<p:pools><p:pool><p:name>p</p:name>{inside}</p:pool></p:pools>"


def _device(inside: str) -> str:
    return f"<d:devices><d:device><d:name>bng1</d:name>{inside}</d:device></d:devices>"


def _home(inside: str) -> str:
    return _device(f"<d:device-pool><d:name>home</d:name>{inside}</d:device-pool>")


def _edited(database: Database, text: str, default: str = "merge") -> Element:
    named = text.replace(" operation=", " nc:operation=")
    edit = config(f'<x xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">{named}</x>')[0]
    return apply_edit(running(database), edit, SCHEMA, default)


def _done(database: Database, text: str, default: str = "merge") -> None:
    after = _edited(database, text, default)
    commit(database, after)
    assert describe_difference(after, running(database), schema=SCHEMA) == []


def _refused(database: Database, text: str) -> tuple[str, str]:
    """(path, message) of the refusal; nothing has changed."""
    before = running(database)
    after = _edited(database, text)
    try:
        placed = edits_between(before, after)
        commit(database, after)
    except RpcError as error:
        found = (error.path or "", error.message)
    except CasmError as error:
        assert error.edit_index is not None
        found = (placed[error.edit_index].path, str(error))
    else:
        raise AssertionError("it was not refused")
    assert describe_difference(before, running(database), schema=SCHEMA) == []
    return found


CHANGES = {
    "space description": SPACES.format(
        "<p:address-space><p:name>s</p:name><p:description>x</p:description></p:address-space>"
    ),
    "pool description": _pool("<p:description>x</p:description>"),
    "pool prefix": _pool("<p:prefix>10.9.0.0/16</p:prefix>"),
    "pool exclude": _pool("<p:exclude>10.0.1.0/24</p:exclude>"),
    "pool reservation": _pool(
        "<p:reservation><p:prefix>10.0.2.0/24</p:prefix><p:reason>x</p:reason></p:reservation>"
    ),
    "pool label": _pool("<p:label><p:name>region</p:name><p:value>north</p:value></p:label>"),
    "pool strategy": _pool("<p:policy><p:strategy>sparse</p:strategy></p:policy>"),
    "pool quarantine": _pool("<p:policy><p:quarantine>5</p:quarantine></p:policy>"),
    "pool lease-time": _pool("<p:policy><p:lease-time>5</p:lease-time></p:policy>"),
    "pool scope": _pool("<p:scope>public</p:scope>"),
    "pool psid-offset": _pool("<p:psid-offset>6</p:psid-offset><p:port-routed>true</p:port-routed>"),
    "child pool": f"<p:pools>{POOL.format('c', '10.0.64.0/18')}</p:pools>".replace(
        "<p:family>", "<p:parent>p</p:parent><p:family>"
    ),
    "device role": _device("<d:role>dhcp</d:role>"),
    "device driver": _device("<d:driver>cisco-iosxr</d:driver>"),
    "device host": _device("<d:host>bng.example.net</d:host>"),
    "device port": _device("<d:port>8300</d:port>"),
    "device user": _device("<d:user>x</d:user>"),
    "device credential": _device("<d:credential>file:~/key</d:credential>"),
    "device host-key": _device("<d:host-key>ssh-ed25519 AAAAC3NzaC1lZDI1NTE5YWJj</d:host-key>"),
    "device client": _device("<d:client>ncclient</d:client>"),
    "device on-drift": _device("<d:on-drift>restore</d:on-drift>"),
    "device deadlines": _device(
        "<d:deadlines><d:tcp>1.5</d:tcp><d:ssh>2.0</d:ssh><d:hello>3.0</d:hello><d:rpc>4.25</d:rpc>"
        "<d:commit>5</d:commit></d:deadlines>"
    ),
    "device network-instance": _device(
        "<d:network-instance><d:name>red</d:name><d:address-space>s</d:address-space></d:network-instance>"
    ),
    "device label": _device("<d:label><d:name>site</d:name><d:value>west</d:value></d:label>"),
    "device-pool length": _home("<d:length>25</d:length>"),
    "device-pool lengths": _home("<d:first-length>23</d:first-length><d:next-length>26</d:next-length>"),
    "device-pool strategy": _home("<d:strategy>adjacent</d:strategy>"),
    "device-pool blocks": _home("<d:min-blocks>1</d:min-blocks><d:max-blocks>4</d:max-blocks>"),
    "device-pool gateway": _home("<d:gateway>first</d:gateway><d:gateway-mask>16</d:gateway-mask>"),
    "device-pool serve-edges": _home("<d:serve-edges>true</d:serve-edges>"),
    "device-pool service": _home("<d:service>one</d:service><d:service>two</d:service>"),
    "device-pool access": _home("<d:access>pppoe</d:access>"),
    "device-pool withdraw-when-unknown": _home(
        "<d:withdraw-when-unknown>after 36h</d:withdraw-when-unknown>"
    ),
    "device-pool announcement": _home(
        "<d:announcement>external</d:announcement><d:next-hop>192.0.2.9</d:next-hop><d:route-tag>7</d:route-tag>"
    ),
    "device-pool usage marks": _home("<d:usage-high>80</d:usage-high><d:usage-low>20</d:usage-low>"),
    "device-pool description": _home("<d:description>x</d:description>"),
    "owner-group": "<d:owner-groups><d:owner-group><d:name>g</d:name><d:member><d:device>bng1</d:device>"
    "<d:role>serves</d:role></d:member></d:owner-group></d:owner-groups>",
    "quota": "<d:quotas><d:quota><d:name>l</d:name><d:kind>pool</d:kind><d:subject>p</d:subject>"
    "<d:family>ipv4</d:family><d:max-addresses>4096</d:max-addresses></d:quota></d:quotas>",
}


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=f"RFC 6241 7.2 {name}") for name, text in CHANGES.items()]
)
def test_what_is_configuration_is_merged_and_taken_back(world: Database, text: str) -> None:
    """RFC 6241 7.2: merge, and remove of it again, of each leaf that is `config true` (RFC 7950 7.21.1)."""
    before = running(world)
    _done(world, text)
    assert describe_difference(before, running(world), schema=SCHEMA)
    commit(world, before)
    assert describe_difference(before, running(world), schema=SCHEMA) == []


def test_a_device_goes_with_its_device_pools(world: Database) -> None:
    """RFC 6241 7.2 delete: a list entry goes with all that is in it."""
    _done(world, '<d:devices><d:device operation="delete"><d:name>bng1</d:name></d:device></d:devices>')


def test_containers_are_replaced_whole(world: Database) -> None:
    """RFC 6241 7.2 replace: what the edit does not name goes."""
    _done(world, f'<d:devices operation="replace">{DEVICE.format("bng3", 1)}</d:devices>')


def test_all_is_replaced_by_nothing(world: Database) -> None:
    """RFC 6241 7.2 default-operation replace, and RFC 6241 8.3.4.1: one commit takes all away."""
    _done(world, "", "replace")
    assert len(running(world)) == 0


def test_a_pool_is_renamed_under_its_device_pools(world: Database) -> None:
    """RFC 6241 8.3.4.1: a commit is one step, so that deletion and creation of what a rename is find each other."""
    gone = '<p:pool operation="delete"><p:name>p</p:name></p:pool>'
    rename = f"<p:pools>{gone}{POOL.format('q', '10.0.0.0/16')}</p:pools>"
    moved = [DEVICE.format(f"bng{number}", number).replace("<d:pool>p<", "<d:pool>q<") for number in (1, 2)]
    devices = "".join(moved)
    _done(world, f'{rename}<d:devices operation="replace">{devices}</d:devices>')
    give(world, "bng1/home")


def test_two_devices_swap_addresses(world: Database) -> None:
    """RFC 6241 8.3.4.1: what is judged is what the commit makes, not the way there."""
    _done(
        world,
        "<d:devices><d:device><d:name>bng1</d:name><d:host>192.0.2.2</d:host></d:device>"
        "<d:device><d:name>bng2</d:name><d:host>192.0.2.1</d:host></d:device></d:devices>",
    )


def test_the_order_of_pools_is_the_users(world: Database) -> None:
    """RFC 7950 7.7.7: ordered-by user: another order is another configuration."""
    _done(world, f"<p:pools>{POOL.format('q', '10.1.0.0/16')}</p:pools>" + _home("<d:pool>q</d:pool>"))
    after = running(world)
    pools = after.findall(".//{urn:casm:yang:casm-devices}device-pool/{urn:casm:yang:casm-devices}pool")
    pools[0].text, pools[1].text = pools[1].text, pools[0].text
    placed = commit(world, after)
    assert [one.path for one in placed] == [f"{HOME}/casm-devices:pool"]
    assert describe_difference(after, running(world), schema=SCHEMA) == []


def test_nothing_to_do_is_no_edit(world: Database) -> None:
    """RFC 6241 8.3.4.1: a candidate that says what running says commits nothing."""
    assert edits_between(running(world), running(world)) == []


REFUSALS = [
    ("aaa-name", _home("<d:aaa-name>other</d:aaa-name>"), f"{HOME}/casm-devices:aaa-name", "cannot change"),
    (
        "driver unknown",
        _device("<d:driver>nix</d:driver>"),
        f"{PD}/casm-devices:driver",
        "there is no driver",
    ),
    (
        "driver of another role",
        _device("<d:driver>ietf-nat</d:driver>"),
        f"{PD}/casm-devices:driver",
        "is not for",
    ),
    ("host key", _device("<d:host-key>x</d:host-key>"), f"{PD}/casm-devices:host-key", "is not a host key"),
    (
        "host taken",
        _device("<d:host>192.0.2.2</d:host>"),
        f"{PD}/casm-devices:host",
        "is at 192.0.2.2 port 830",
    ),
    (
        "prefix of another pool",
        f"<p:pools>{POOL.format('q', '10.0.4.0/24')}</p:pools>",
        "/casm-pools:pools/casm-pools:pool[casm-pools:name='q']",
        "shares addresses with",
    ),
    (
        "exclusion outside",
        _pool("<p:exclude>10.200.0.0/24</p:exclude>"),
        f"{P}/casm-pools:exclude[.='10.200.0.0/24']",
        "is not inside",
    ),
    (
        "reservation outside",
        _pool("<p:reservation><p:prefix>10.200.0.0/24</p:prefix><p:reason>x</p:reason></p:reservation>"),
        f"{P}/casm-pools:reservation[casm-pools:prefix='10.200.0.0/24']",
        "is not inside",
    ),
    ("device-pool length", _home("<d:length>8</d:length>"), f"{HOME}/casm-devices:length", "can hold a /8"),
]


@pytest.mark.parametrize(
    ("text", "path", "words"), [pytest.param(*rest, id=f"RFC 6241 4.3 {name}") for name, *rest in REFUSALS]
)
def test_what_is_refused_has_the_path_to_blame(world: Database, text: str, path: str, words: str) -> None:
    """RFC 6241 4.3: error-path names the node; RFC 6241 8.3.4.1: nothing of the commit is done."""
    found, message = _refused(world, text)
    assert found == path
    assert words in message


IN_USE = [
    ("driver", _device("<d:driver>cisco-iosxr</d:driver>"), f"{PD}/casm-devices:driver"),
    ("device", '<d:devices><d:device operation="delete"><d:name>bng1</d:name></d:device></d:devices>', HOME),
    ("scope of a pool", _pool("<p:scope>public</p:scope>"), f"{P}/casm-pools:scope"),
    (
        "prefix with blocks",
        _pool('<p:prefix operation="delete">10.0.0.0/16</p:prefix><p:prefix>10.1.0.0/16</p:prefix>'),
        f"{P}/casm-pools:prefix[.='10.0.0.0/16']",
    ),
]


@pytest.mark.parametrize(
    ("text", "path"), [pytest.param(*rest, id=f"RFC 6241 A in-use {name}") for name, *rest in IN_USE]
)
def test_what_has_blocks_stays(world: Database, text: str, path: str) -> None:
    """RFC 6241 A: in-use, with the path of what stands in the way."""
    give(world, "bng1/home")
    found, message = _refused(world, text)
    assert found == path
    assert "release" in message


NACM = '<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm">{}</nacm>'


def test_other_modules_are_one_document_each(world: Database) -> None:
    """RFC 8341 3.4: /nacm is configuration, and changed with edit-config as any other."""
    before, after = config(NACM.format("")), config(NACM.format("<enable-nacm>false</enable-nacm>"))
    (placed,) = edits_between(before, after)
    assert isinstance(placed.edit, SetDocument)
    assert placed.edit.module == "ietf-netconf-acm"
    assert placed.path == "/ietf-netconf-acm:nacm"
    assert placed.namespaces == {"ietf-netconf-acm": "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"}
    change(world, AUTHOR, [placed.edit])
    assert edits_between(after, after) == []
    (gone,) = edits_between(after, config(""))
    assert gone.edit == SetDocument("ietf-netconf-acm", "")


def test_what_nobody_keeps_is_no_configuration() -> None:
    """RFC 6241 A: unknown-namespace, where no module that is served has the node."""
    with pytest.raises(RpcError) as caught:
        edits_between(config(""), config('<x xmlns="urn:other"/>'))
    assert (caught.value.tag, caught.value.path) == ("unknown-namespace", "/n:x")
    assert caught.value.namespaces == {"n": "urn:other"}
