"""The engine accepts what is valid, refuses what is not in one line, and gives its memory back."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.base.errors import CasmError, InvalidValue, NotFound, NotSupported, netconf_error
from casm_ctrl.yang.engine import NETCONF, Engine, Format, Violation, What, engine_for, forest
from casm_ctrl.yang.libyang import check_version
from casm_ctrl.yang.modules import our_modules

SPACES = (
    '<address-spaces xmlns="urn:casm:yang:casm-pools"><address-space><name>internet</name>'
    "</address-space><address-space><name>red</name></address-space></address-spaces>"
)
NC = f'xmlns:nc="{NETCONF}"'


def pool(inner: str = "", *, name: str = "p4", family: str = "ipv4", prefix: str = "198.51.100.0/24") -> str:
    return (
        f"<pool><name>{name}</name><address-space>internet</address-space><family>{family}</family>"
        f"<prefix>{prefix}</prefix>{inner}</pool>"
    )


def pools(*entries: str) -> str:
    return SPACES + f'<pools xmlns="urn:casm:yang:casm-pools">{"".join(entries)}</pools>'


P6 = pool(name="p6", family="ipv6", prefix="2001:db8::/32")
RED = pool(name="red4").replace(">internet<", ">red<")


def device(inner: str = "", *, host: str = "192.0.2.1", name: str = "bng1", head: str = "") -> str:
    return (
        f"<device><name>{name}</name><role>bng</role><driver>ietf-address-pool</driver><host>{host}</host>"
        f"<user>casm</user><credential>env:PASSWORD</credential>{head}"
        f"<address-space>internet</address-space>{inner}</device>"
    )


def device_pool(inner: str = "", *, pool: str = "p4", length: str = "26") -> str:
    return f"<device-pool><name>web</name><pool>{pool}</pool><length>{length}</length>{inner}</device-pool>"


def devices(*entries: str, groups: str = "") -> str:
    return (
        pools(pool(), P6, RED)
        + f'<devices xmlns="urn:casm:yang:casm-devices">{"".join(entries)}</devices>'
        + (f'<owner-groups xmlns="urn:casm:yang:casm-devices">{groups}</owner-groups>' if groups else "")
    )


def entry(inner: str, *, name: str = "web") -> str:
    return f"<address-pool><address-pool-name>{name}</address-pool-name>{inner}</address-pool>"


def address_pools(*entries: str) -> str:
    return (
        '<address-pools xmlns="urn:ietf:params:xml:ns:yang:ietf-address-pool">'
        + "".join(entries)
        + "</address-pools>"
    )


def ranges(inner: str, *, name: str = "r") -> str:
    return entry(
        "<address-pool-entries><ipv4-address-range>"
        f"<ipv4-address-range-name>{name}</ipv4-address-range-name>{inner}"
        "</ipv4-address-range></address-pool-entries>"
    )


def status(inner: str) -> str:
    return (
        '<address-pool-status xmlns="urn:ietf:params:xml:ns:yang:ietf-address-pool">'
        "<address-pool><address-pool-name>web</address-pool-name><address-pool-entries><ipv4-address-range>"
        f"<ipv4-address-range-name>r</ipv4-address-range-name>{inner}</ipv4-address-range>"
        "</address-pool-entries></address-pool></address-pool-status>"
    )


EXT = 'xmlns="urn:casm:yang:casm-address-pool-ext"'
GROUP = "<owner-group><name>g</name><member><device>{}</device><role>{}</role></member></owner-group>"
BLOCK = "<block><id>{}</id><prefix>198.51.100.0/26</prefix><state>{}</state>{}</block>"


def rpc(operation: str) -> str:
    return f'<rpc message-id="1" xmlns="{NETCONF}">{operation}</rpc>'


def edit_config(config: str) -> str:
    return rpc(f"<edit-config><target><candidate/></target><config>{config}</config></edit-config>")


VALID: dict[str, tuple[What, str]] = {
    "nothing": ("config", ""),
    "spaces only": ("config", SPACES),
    "a declaration and a comment": ("config", '<?xml version="1.0" encoding="UTF-8"?><!-- x -->' + SPACES),
    "pools": ("config", pools(pool("<exclude>198.51.100.0/28</exclude>"), P6)),
    "parent": ("config", pools(pool(), pool("<parent>p4</parent>", name="c", prefix="198.51.100.0/25"))),
    "labels and policy": (
        "config",
        pools(
            pool(
                "<label><name>region</name><value>north</value></label>"
                "<policy><strategy>sparse</strategy><quarantine>0</quarantine></policy>"
            )
        ),
    ),
    "name almost a block id": ("config", pools(pool(name="b12a"))),
    "the longest name": ("config", pools(pool(name="n" * 63))),
    "usage beyond 64 bits": (
        "data",
        pools(pool(f"<usage><total-addresses>{2**128}</total-addresses></usage>")),
    ),
    "device": ("config", devices(device(device_pool()))),
    "device by name": ("config", devices(device(host="bng1.example.net"))),
    "device by IPv6 address": ("config", devices(device(host="2001:db8::1"))),
    "second instance's space": (
        "config",
        devices(
            device(
                "<network-instance><name>vrf red</name><address-space>red</address-space></network-instance>"
                + device_pool(pool="red4")
            )
        ),
    ),
    "pool of IPv6 with long blocks": ("config", devices(device(device_pool(pool="p6", length="56")))),
    "gateway first": ("config", devices(device(device_pool("<gateway>first</gateway>")))),
    "gateway address": (
        "config",
        devices(device(device_pool("<gateway>198.51.100.1</gateway><gateway-mask>24</gateway-mask>"))),
    ),
    "gateway unnumbered": (
        "config",
        devices(device(device_pool("<gateway>unnumbered:lo0.1</gateway>"))),
    ),
    "withdraw after": (
        "config",
        devices(device(device_pool("<withdraw-when-unknown>after 36h</withdraw-when-unknown>"))),
    ),
    "block and member": (
        "data",
        devices(
            device(
                device_pool(
                    BLOCK.format(
                        "b1",
                        "installed",
                        "<member><device>bng1</device><role>serves</role><seen>present</seen></member>",
                    )
                )
                + ""
            )
        ),
    ),
    "sync": (
        "data",
        devices(device("<sync><state>in-sync</state><last-seen>2026-11-23T10:00:00Z</last-seen></sync>")),
    ),
    "owner group": ("config", devices(device(), groups=GROUP.format("bng1", "serves"))),
    "range": (
        "config",
        address_pools(
            ranges(
                "<ip-lower-address>198.51.100.0</ip-lower-address>"
                "<ip-upper-address>198.51.100.63</ip-upper-address><gwnetmask>255.255.255.0</gwnetmask>"
                f"<drain {EXT}>true</drain>"
            )
        ),
    ),
    "counts": ("data", status(f"<addresses-used {EXT}>0</addresses-used>")),
    "lifetime that ended": (
        "config",
        address_pools(ranges("<lifetime>1970-01-01T00:00:00Z</lifetime>")),
    ),
    "edit of a part": ("edit", address_pools(ranges(""))),
    "edit that removes an entry": (
        "edit",
        f'<pools xmlns="urn:casm:yang:casm-pools" {NC}><pool nc:operation="remove"><name>p</name></pool></pools>',
    ),
    "edit that removes a leaf without its value": (
        "edit",
        f'<pools xmlns="urn:casm:yang:casm-pools" {NC}><pool><name>p</name>'
        '<parent nc:operation="delete"/><scope nc:operation="remove"> </scope></pool></pools>',
    ),
    "edit that refers to what the device has": ("edit", devices(device(device_pool(pool="elsewhere")))),
    "rpc": ("rpc", rpc("<get-config><source><running/></source></get-config>")),
    "rpc without envelope": ("rpc", f'<close-session xmlns="{NETCONF}"/>'),
    "rpc with an edit": ("rpc", edit_config(address_pools(ranges("")))),
    "confirmed commit": ("rpc", rpc("<commit><confirmed/><confirm-timeout>60</confirm-timeout></commit>")),
}

INVALID: dict[str, tuple[What, str, str]] = {
    # the document's form
    "not XML": ("config", "hello", "malformed-message"),
    "cut short": ("config", SPACES[:-3], "malformed-message"),
    "DOCTYPE": ("config", '<!DOCTYPE a [<!ENTITY b "c">]>' + SPACES, "malformed-message"),
    "entity": ("config", SPACES.replace("red", "&b;"), "malformed-message"),
    "NUL": ("config", SPACES + "\0", "malformed-message"),
    # names
    "unknown namespace": ("config", '<pools xmlns="urn:example:x"/>', "unknown-namespace"),
    "no namespace": ("config", "<pools/>", "unknown-namespace"),
    "unknown top": ("config", '<puddles xmlns="urn:casm:yang:casm-pools"/>', "unknown-element"),
    "unknown leaf": ("config", pools(pool("<colour>red</colour>")), "unknown-element"),
    "leaf of another namespace": ("config", pools(pool('<name xmlns="urn:x">a</name>')), "unknown-namespace"),
    "augment's leaf without its namespace": (
        "config",
        address_pools(ranges("<drain>true</drain>")),
        "unknown-element",
    ),
    "element inside a leaf": ("config", pools(pool("<scope><x/></scope>")), "invalid-value"),
    "text inside a container": ("config", pools("text"), "malformed-message"),
    # keys and counts
    "missing key": ("config", pools("<pool><family>ipv4</family></pool>"), "missing-element"),
    "duplicate key": ("config", pools(pool(), pool()), "operation-failed"),
    "duplicate leaf": (
        "config",
        pools(pool("<scope>public</scope><scope>public</scope>")),
        "operation-failed",
    ),
    "duplicate prefix": (
        "config",
        pools(pool("<prefix>198.51.100.0/24</prefix>")),
        "operation-failed",
    ),
    "no prefix": (
        "config",
        pools(pool().replace("<prefix>198.51.100.0/24</prefix>", "")),
        "operation-failed",
    ),
    "no family": ("config", pools(pool().replace("<family>ipv4</family>", "")), "data-missing"),
    "device pool without a pool": (
        "config",
        devices(device("<device-pool><name>w</name><length>26</length></device-pool>")),
        "operation-failed",
    ),
    "device without a role": (
        "config",
        devices(device().replace("<role>bng</role>", "")),
        "data-missing",
    ),
    "label without a value": (
        "config",
        pools(pool("<label><name>region</name></label>")),
        "data-missing",
    ),
    # types
    "name of a block": ("config", pools(pool(name="b12")), "invalid-value"),
    "name with a slash": ("config", pools(pool(name="a/b")), "invalid-value"),
    "empty name": ("config", pools(pool(name="")), "invalid-value"),
    "name too long": ("config", pools(pool(name="n" * 64)), "invalid-value"),
    "name with a line feed": ("config", pools(pool(name="a&#10;")), "invalid-value"),
    "bad enum": ("config", pools(pool("<scope>global</scope>")), "invalid-value"),
    "bad family": ("config", pools(pool(family="ipx")), "invalid-value"),
    "prefix too long": ("config", pools(pool(prefix="198.51.100.0/33")), "invalid-value"),
    "prefix without length": ("config", pools(pool(prefix="198.51.100.0")), "invalid-value"),
    "octet too large": ("config", pools(pool(prefix="198.51.256.0/24")), "invalid-value"),
    "negative quarantine": (
        "config",
        pools(pool("<policy><quarantine>-1</quarantine></policy>")),
        "invalid-value",
    ),
    "quarantine beyond 32 bits": (
        "config",
        pools(pool("<policy><quarantine>4294967296</quarantine></policy>")),
        "invalid-value",
    ),
    "port zero point five": ("config", devices(device(head="<port>0.5</port>")), "invalid-value"),
    "port too large": ("config", devices(device(head="<port>65536</port>")), "invalid-value"),
    "host too long": ("config", devices(device(host="h" * 254)), "invalid-value"),
    "host with a space": ("config", devices(device(host="bng 1")), "invalid-value"),
    "credential in clear": (
        "config",
        devices(device().replace("env:PASSWORD", "hunter2")),
        "invalid-value",
    ),
    "credential without a name": (
        "config",
        devices(device().replace("env:PASSWORD", "env:")),
        "invalid-value",
    ),
    "driver with capitals": (
        "config",
        devices(device().replace("ietf-address-pool<", "IETF<")),
        "invalid-value",
    ),
    "length 129": ("config", devices(device(device_pool(pool="p6", length="129"))), "invalid-value"),
    "gateway with a zone": (
        "config",
        devices(device(device_pool("<gateway>fe80::1%eth0</gateway>"))),
        "invalid-value",
    ),
    "gateway unnumbered by nothing": (
        "config",
        devices(device(device_pool("<gateway>unnumbered:</gateway>"))),
        "invalid-value",
    ),
    "withdraw after nothing": (
        "config",
        devices(device(device_pool("<withdraw-when-unknown>after</withdraw-when-unknown>"))),
        "invalid-value",
    ),
    "withdraw after zero": (
        "config",
        devices(device(device_pool("<withdraw-when-unknown>after 0h</withdraw-when-unknown>"))),
        "invalid-value",
    ),
    "block id zero": (
        "data",
        devices(device(device_pool(BLOCK.format("b0", "installed", "")))),
        "invalid-value",
    ),
    "a free block": (
        "data",
        devices(device(device_pool(BLOCK.format("b1", "free", "")))),
        "invalid-value",
    ),
    "count with leading zeros": (
        "data",
        status(f"<addresses-used {EXT}>007</addresses-used>"),
        "invalid-value",
    ),
    "percent above 100": (
        "data",
        status("<peak-address-usage-ratio>101</peak-address-usage-ratio>"),
        "invalid-value",
    ),
    "lifetime 0": ("config", address_pools(ranges("<lifetime>0</lifetime>")), "invalid-value"),
    "netmask of three parts": (
        "config",
        address_pools(ranges("<gwnetmask>255.255.0</gwnetmask>")),
        "invalid-value",
    ),
    "drain maybe": (
        "config",
        address_pools(ranges(f"<drain {EXT}>maybe</drain>")),
        "invalid-value",
    ),
    # references
    "dangling space": (
        "config",
        pools(pool().replace(">internet<", ">nowhere<")),
        "data-missing",
    ),
    "dangling parent": ("config", pools(pool("<parent>q</parent>")), "data-missing"),
    "dangling pool": ("config", devices(device(device_pool(pool="nope"))), "data-missing"),
    "dangling member": ("config", devices(device(), groups=GROUP.format("bng2", "serves")), "data-missing"),
    # must
    "prefix of the other family": ("config", pools(pool(prefix="2001:db8::/32")), "operation-failed"),
    "exclusion of the other family": (
        "config",
        pools(pool("<exclude>2001:db8::/64</exclude>")),
        "operation-failed",
    ),
    "own parent": ("config", pools(pool("<parent>p4</parent>")), "operation-failed"),
    "parent of the other family": (
        "config",
        pools(P6, pool("<parent>p6</parent>")),
        "operation-failed",
    ),
    "parent in another space": ("config", pools(RED, pool("<parent>red4</parent>")), "operation-failed"),
    "IPv4 block of /33": ("config", devices(device(device_pool(length="33"))), "operation-failed"),
    "pools of two families": (
        "config",
        devices(device(device_pool("<pool>p6</pool>"))),
        "operation-failed",
    ),
    "pool of a foreign space": (
        "config",
        devices(device(device_pool(pool="red4"))),
        "operation-failed",
    ),
    "mask without a gateway": (
        "config",
        devices(device(device_pool("<gateway-mask>24</gateway-mask>"))),
        "operation-failed",
    ),
    "group in which nobody serves": (
        "config",
        devices(device(), groups=GROUP.format("bng1", "relays")),
        "operation-failed",
    ),
    # state in configuration
    "usage in a configuration": (
        "config",
        pools(pool("<usage><free-addresses>1</free-addresses></usage>")),
        "invalid-value",
    ),
    "block in an edit": (
        "edit",
        devices(device(device_pool(BLOCK.format("b1", "installed", "")))),
        "invalid-value",
    ),
    "status in a configuration": ("config", status(""), "invalid-value"),
    # edits
    "unknown operation": (
        "edit",
        f'<pools xmlns="urn:casm:yang:casm-pools" {NC} nc:operation="zap"/>',
        "invalid-value",
    ),
    "unknown attribute": (
        "edit",
        f'<pools xmlns="urn:casm:yang:casm-pools" {NC} nc:colour="red"/>',
        "unknown-attribute",
    ),
    "removal of an unknown leaf": (
        "edit",
        f'<pools xmlns="urn:casm:yang:casm-pools" {NC}><pool><name>p</name>'
        '<colour nc:operation="remove"/></pool></pools>',
        "unknown-element",
    ),
    "removal of an entry without its key": (
        "edit",
        f'<pools xmlns="urn:casm:yang:casm-pools" {NC}><pool nc:operation="remove"/></pools>',
        "missing-element",
    ),
    "bad value beside a removal": (
        "edit",
        f'<pools xmlns="urn:casm:yang:casm-pools" {NC}><pool><name>p</name><parent nc:operation="remove"/>'
        "<scope>global</scope></pool></pools>",
        "invalid-value",
    ),
    # operations
    "rpc of no operation": ("rpc", rpc(""), "invalid-value"),
    "unknown rpc": ("rpc", rpc("<fly/>"), "unknown-element"),
    "get-config of nothing": ("rpc", rpc("<get-config/>"), "data-missing"),
    "two operations": ("rpc", rpc("<close-session/><close-session/>"), "malformed-message"),
    "session id zero": (
        "rpc",
        rpc("<kill-session><session-id>0</session-id></kill-session>"),
        "invalid-value",
    ),
    "edit-config with a wrong edit": (
        "rpc",
        edit_config(address_pools(ranges("<lifetime>0</lifetime>"))),
        "invalid-value",
    ),
    "edit-config of an unknown module": ("rpc", edit_config('<x xmlns="urn:x"/>'), "unknown-namespace"),
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_for(*our_modules())


@pytest.mark.parametrize("case", VALID)
def test_valid_is_accepted(engine: Engine, case: str) -> None:
    what, document = VALID[case]
    engine.validate(document.encode(), what=what)


@pytest.mark.parametrize("case", INVALID)
def test_invalid_is_refused_in_one_line(engine: Engine, case: str) -> None:
    what, document, tag = INVALID[case]
    with pytest.raises(Violation) as caught:
        engine.validate(document.encode(), what=what)
    assert caught.value.tag == tag, str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(caught.value.message) < 300
    assert netconf_error(caught.value).tag == "invalid-value"


def test_tables_are_large_enough() -> None:
    assert len(INVALID) >= 64


def test_message_names_the_place(engine: Engine) -> None:
    with pytest.raises(Violation) as caught:
        engine.validate(INVALID["own parent"][1].encode())
    assert caught.value.path == "/casm-pools:pools/pool[name='p4']/parent"
    assert str(caught.value) == f"a pool is not its own parent at {caught.value.path}"
    assert caught.value.app_tag == "must-violation"


def test_bytes_that_are_not_utf8(engine: Engine) -> None:
    with pytest.raises(Violation, match="UTF-8"):
        engine.validate(SPACES.encode("utf-16"))


@pytest.mark.parametrize("what", ["config", "rpc"])
def test_depth_is_bounded(engine: Engine, what: What) -> None:
    deep = "<a xmlns='urn:x'>" * 100_000 + "</a>" * 100_000
    with pytest.raises(Violation):
        engine.validate(rpc(f"<get><filter>{deep}</filter></get>").encode(), what=what)


REPLIES = [
    ("<get-config><source><running/></source></get-config>", "<data><x xmlns='urn:x'/></data>", True),
    ("<get-config><source><running/></source></get-config>", "<date/>", False),
    ("<close-session/>", "<ok/>", True),
    ("<close-session/>", "<data/>", False),
]


@pytest.mark.parametrize(("request_", "reply", "valid"), REPLIES)
def test_reply_is_judged_by_its_request(engine: Engine, request_: str, reply: str, valid: bool) -> None:
    document = f'<rpc-reply message-id="1" xmlns="{NETCONF}">{reply}</rpc-reply>'.encode()
    if valid:
        engine.validate(document, what="reply", request=rpc(request_).encode())
    else:
        with pytest.raises(Violation):
            engine.validate(document, what="reply", request=rpc(request_).encode())


@pytest.mark.parametrize("request_", [None, b"", b"<rpc/>", rpc("").encode(), b"junk"])
def test_reply_needs_its_request(engine: Engine, request_: bytes | None) -> None:
    with pytest.raises(InvalidValue, match=r"request|rpc"):
        engine.validate(
            f'<rpc-reply xmlns="{NETCONF}"><ok/></rpc-reply>'.encode(), what="reply", request=request_
        )


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ("<changed-by><server/></changed-by>", True),
        ("", False),
        ("<changed-by/>", False),
        ("<datastore>attic</datastore>", False),
        ("<x/>", False),
    ],
)
def test_notification(change: str, valid: bool) -> None:
    engine = engine_for("ietf-netconf-notifications")
    document = (
        '<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0">'
        "<eventTime>2026-11-23T10:00:00Z</eventTime>"
        '<netconf-config-change xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications">'
        f"{change}</netconf-config-change></notification>"
    ).encode()
    if valid:
        engine.validate(document, what="notification")
    else:
        with pytest.raises(Violation):
            engine.validate(document, what="notification")


JSON: list[tuple[What, object, bool]] = [
    ("config", {}, True),
    ("config", {"casm-pools:address-spaces": {"address-space": [{"name": "internet"}]}}, True),
    ("config", {"casm-pools:address-spaces": {"address-space": [{"nam": "internet"}]}}, False),
    ("config", {"address-spaces": {}}, False),
    ("config", {"casm-pools:pools": []}, False),
    ("rpc", {"ietf-netconf:get-config": {"source": {"running": [None]}}}, True),
    ("rpc", {"ietf-netconf:get-config": {"source": {}}}, False),
    ("reply", {"ietf-netconf:get-config": {"date": {}}}, False),
]


@pytest.mark.parametrize(("what", "document", "valid"), JSON)
def test_json(engine: Engine, what: What, document: object, valid: bool) -> None:
    if valid:
        engine.validate(json.dumps(document).encode(), format="json", what=what)
    else:
        with pytest.raises(Violation):
            engine.validate(json.dumps(document).encode(), format="json", what=what)


def test_convert_there_and_back(engine: Engine) -> None:
    document = devices(device(device_pool("<gateway>first</gateway>"))).encode()
    as_json = engine.convert(document, source="xml", target="json")
    assert json.loads(as_json)["casm-devices:devices"]["device"][0]["device-pool"] == [
        {"name": "web", "pool": ["p4"], "length": 26, "gateway": "first"}
    ]
    as_xml = engine.convert(as_json, source="json", target="xml")
    engine.validate(as_xml)
    assert engine.convert(as_xml, source="xml", target="json") == as_json
    engine.validate(as_json, format="json")


def test_convert_makes_values_canonical(engine: Engine) -> None:
    text = engine.convert(pools(pool(prefix="198.51.100.77/24")).encode(), source="xml", target="json")
    assert json.loads(text)["casm-pools:pools"]["pool"][0]["prefix"] == ["198.51.100.0/24"]


@pytest.mark.parametrize(("source", "empty"), [("xml", b""), ("json", b"{}")])
def test_convert_nothing(engine: Engine, source: Format, empty: bytes) -> None:
    assert engine.convert(empty, source=source, target="json") == b"{}"
    assert engine.convert(empty, source=source, target="xml") == b""


def test_forest_is_the_content_of_an_element(engine: Engine) -> None:
    data = etree.fromstring(f'<data xmlns="{NETCONF}">  {pools(pool())} <!-- end --></data>')
    engine.validate(forest(data))


def test_unknown_modules_and_folders(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no-such-module"):
        Engine(["no-such-module"])
    with pytest.raises(NotFound, match="2001-01-01"):
        Engine(["casm-pools@2001-01-01"])
    with pytest.raises(NotFound, match="no folder"):
        Engine([], [tmp_path / "missing"])
    (tmp_path / "broken@2026-01-01.yang").write_text("module broken { nonsense; }")
    with pytest.raises(NotFound) as caught:
        Engine(["broken"], [tmp_path])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", [(3, 9), (4, 4), (5, 0)])
def test_other_library_versions_are_refused(version: tuple[int, int]) -> None:
    with pytest.raises(NotSupported, match="libyang"):
        check_version(*version, "x.y.z")


def test_memory_is_given_back(engine: Engine) -> None:
    """2,000 documents of every kind, valid and not, may not grow the process by more than 4 MiB."""
    request = rpc("<get-config><source><running/></source></get-config>").encode()
    reply = f'<rpc-reply xmlns="{NETCONF}"><data><x xmlns="urn:x"/></data></rpc-reply>'.encode()
    cases = [(what, text.encode()) for what, text in VALID.values()]
    cases += [(what, text.encode()) for what, text, _ in INVALID.values()]

    def run(count: int) -> None:
        for number in range(count):
            what, document = cases[number % len(cases)]
            try:
                engine.validate(document, what=what)
                engine.validate(reply, what="reply", request=request)
                engine.convert(document, source="xml", target="json")
            except CasmError:
                pass

    run(2 * len(cases))
    before = resident_kib()
    run(2_000)
    assert resident_kib() - before < 4096


def resident_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def test_threads_share_an_engine(engine: Engine) -> None:
    """Each thread gets its own finding, whatever the others do at the same time."""
    names = ["own parent", "bad enum", "unknown leaf", "dangling pool"]
    expected = {}
    for name in names:
        with pytest.raises(Violation) as caught:
            engine.validate(INVALID[name][1].encode())
        expected[name] = str(caught.value)
    wrong: list[str] = []

    def work(name: str) -> None:
        for _ in range(50):
            try:
                engine.validate(INVALID[name][1].encode())
            except Violation as error:
                if str(error) != expected[name]:
                    wrong.append(str(error))
            else:
                wrong.append(f"{name} accepted")

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
