"""Default data as we fill it in, against what libyang makes of the same configuration."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.trees import describe_difference
from casm_ctrl.yang import libyang
from casm_ctrl.yang.engine import Engine, Violation, forest
from casm_ctrl.yang.libyang import ffi
from tests.northbound_harness import Endpoint
from tests.retrieval_world import DEVICES, NACM, ORIGIN, POOLS, edit, get_config, get_data, serve

WITH_ALL_DEFAULTS = 0x20
"""LYD_PRINT_WD_ALL of libyang's printer_data.h."""

MORE = f"""
<devices xmlns="{DEVICES}"><device><name>d</name><role>bng</role><driver>ietf-address-pool</driver>
  <host>192.0.2.1</host><user>u</user><credential>env:SECRET</credential><address-space>s</address-space>
  <device-pool><name>home</name><pool>plain</pool><length>24</length></device-pool>
  <device-pool><name>out</name><pool>plain</pool><length>24</length><announcement>external</announcement>
    <next-hop>192.0.2.9</next-hop></device-pool></device></devices>
<nacm xmlns="{NACM}"><rule-list><name>l</name><rule><name>r</name><rpc-name>get</rpc-name><action>permit</action>
  </rule></rule-list></nacm>
<pools xmlns="{POOLS}"><pool><name>six</name><address-space>s</address-space><family>ipv6</family>
  <prefix>2001:db8::/32</prefix><delegated-length>56</delegated-length></pool></pools>
"""


def printed(engine: Engine, document: bytes) -> Element:
    """The configuration with all defaults, as libyang prints it after it has validated it."""
    library = engine.context.library
    tree, text = ffi.new("struct lyd_node **"), ffi.new("char **")
    options = libyang.PARSE_STRICT | libyang.PARSE_NO_STATE
    try:
        failed = library.lyd_parse_data_mem(
            engine.context.pointer,
            document,
            libyang.FORMAT["xml"],
            options,
            libyang.VALIDATE_NO_STATE,
            tree,
        )
        assert not failed
        printing = libyang.PRINT_SIBLINGS | libyang.PRINT_SHRINK | WITH_ALL_DEFAULTS
        assert not library.lyd_print_mem(text, tree[0], libyang.FORMAT["xml"], printing)
        return etree.fromstring(b"<config>" + ffi.string(text[0]) + b"</config>")
    finally:
        library.free(text[0])
        library.lyd_free_all(tree[0])


async def test_the_same_as_libyang(endpoint: Endpoint) -> None:
    """Conditions, choices and lists of values with defaults would show here, if our modules had any."""
    client = await serve(endpoint)
    await edit(client, MORE)
    models = endpoint.server.models
    theirs = printed(models.engine, forest(await get_config(client, "candidate")))
    for top in list(theirs):
        if str(top.tag) not in models.schema.roots:  # of modules that others only refer to
            theirs.remove(top)
    ours = await get_config(client, "candidate", "report-all")
    assert describe_difference(ours, theirs, schema=models.schema) == []


async def test_annotations_are_known_to_libyang(endpoint: Endpoint) -> None:
    """What is annotated with origins (RFC 7952) and tagged as default data is read by others as that."""
    client = await serve(endpoint)
    wanted = "<with-origin/><with-defaults>report-all-tagged</with-defaults>"
    data = await get_data(client, "operational", wanted)
    engine = endpoint.server.models.engine
    engine.validate(forest(data), what="part")
    (pools,) = [top for top in data if top.tag == f"{{{POOLS}}}pools"]
    assert pools.get(ORIGIN) is not None
    pools.set(ORIGIN, "nobody:knows")
    with pytest.raises(Violation):
        engine.validate(forest(data), what="part")
