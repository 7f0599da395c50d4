"""Findings of the engine as rpc-error: paths that XPath can read, info where appendix A wants it."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.netconf.rpc_error import to_peer_error, to_xml
from casm_ctrl.netconf.violations import to_rpc_error, xpath
from casm_ctrl.yang.engine import Engine, Violation

NAMESPACES = {"a": "urn:a", "b-c": "urn:bc"}


@pytest.mark.parametrize(
    ("path", "expected", "prefixes"),
    [
        ("", "", set()),
        ("/a:x/y", "/a:x/a:y", {"a"}),
        ("/a:x/b-c:y/z", "/a:x/b-c:y/b-c:z", {"a", "b-c"}),
        ("/a:x[k='1/2:3']/y", "/a:x[a:k='1/2:3']/a:y", {"a"}),
        ("/a:x[k='1'][l=\"it's\"]/b-c:y", "/a:x[a:k='1'][a:l=\"it's\"]/b-c:y", {"a", "b-c"}),
        ("/unknown:x/y", "/x/y", set()),
    ],
)
def test_every_name_gets_the_prefix_of_its_module(path: str, expected: str, prefixes: set[str]) -> None:
    found, used = xpath(path, NAMESPACES)
    assert found == expected
    assert used == {prefix: NAMESPACES[prefix] for prefix in prefixes}


def test_an_error_path_of_the_engine_finds_the_node_to_blame() -> None:
    pools = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
    document = (
        f'<address-pools xmlns="{pools}"><address-pool><address-pool-name>a b/c</address-pool-name>'
        "<address-pool-id>-1</address-pool-id></address-pool></address-pools>"
    )
    with pytest.raises(Violation) as finding:
        Engine(["ietf-address-pool"]).validate(document.encode())
    error = to_rpc_error(finding.value, {"ietf-address-pool": pools})
    assert (error.type, error.tag) == ("application", "invalid-value")
    tree = etree.fromstring(document)
    assert error.path is not None
    found = tree.getroottree().xpath(error.path, namespaces=dict(error.namespaces))
    assert isinstance(found, list)
    assert [etree.QName(node).localname for node in found if isinstance(node, etree._Element)] == [
        "address-pool-id"
    ]
    assert b"xmlns:ietf-address-pool" in etree.tostring(to_xml(error))


def test_tags_that_name_an_element_say_it_in_the_info() -> None:
    violation = Violation("m", path="/a:x/y[k='1']/z", tag="missing-element", app_tag=None)
    assert to_peer_error(to_rpc_error(violation, NAMESPACES)).info == "z"
