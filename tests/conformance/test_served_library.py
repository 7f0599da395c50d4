"""RFC 8525 and 7895 through the server, and what a hello says of modules: RFC 6020, 7950 and 8526."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.netconf.names import BASE, Element
from casm_ctrl.netconf.server.yang_library import DATASTORES, LIBRARY, YangLibrary
from casm_ctrl.northbound.models import FEATURES, NEVER_TOLD, OURS, STANDARD, Models
from casm_ctrl.yang.closure import Closure
from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.modules import Module, find_module
from casm_ctrl.yang.operations import data_tags, notification_tags, read_operations
from tests.northbound_harness import Client, Endpoint, Refused

NS = {"l": LIBRARY}
CAPABILITY = "urn:ietf:params:netconf:capability:yang-library"
NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
TEXTS = {
    "whole": 'module whole { yang-version 1.1; namespace "urn:whole"; prefix w; include part; include bare;'
    " import lib { prefix l; } revision 2026-01-01; feature on; feature off; container c; }",
    "part": "submodule part { yang-version 1.1; belongs-to whole { prefix w; } revision 2025-05-05; }",
    "bare": "submodule bare { yang-version 1.1; belongs-to whole { prefix w; } }",
    "lib": 'module lib { namespace "urn:lib"; prefix l; typedef t { type string; } }',
    "bends": 'module bends { namespace "urn:bends"; prefix b; import whole { prefix w; } revision 2026-02-02;'
    ' deviation "/w:c" { deviate not-supported; } }',
    "ietf-yang-library": find_module("ietf-yang-library").text,
}
REVISIONS = {
    "whole": "2026-01-01",
    "part": "2025-05-05",
    "bends": "2026-02-02",
    "ietf-yang-library": "2019-01-04",
}


def library(
    folder: Path,
    *,
    texts: Mapping[str, str] = TEXTS,
    features: Sequence[str] = ("on",),
    datastores: Sequence[str] = ("running", "operational"),
) -> YangLibrary:
    """That of a server which implements `whole`, and deviates from it by `bends`."""
    modules = []
    for name, text in texts.items():
        path = folder / f"{name}.yang"
        path.write_text(text)
        modules.append(Module(name, REVISIONS.get(name, ""), path))
    return YangLibrary(modules, {"whole": features, "bends": (), "ietf-yang-library": ()}, datastores)


def texts(parent: Element, path: str) -> list[str]:
    return [
        leaf.text or "" for leaf in parent.iterfind("/".join(f"l:{step}" for step in path.split("/")), NS)
    ]


async def read(client: Client, name: str) -> Element:
    data = await client.data(f'<get><filter type="subtree"><{name} xmlns="{LIBRARY}"/></filter></get>')
    (found,) = data
    return found


# --- RFC 8525 -------------------------------------------------------------------------------------


async def test_the_library_is_in_operational(endpoint: Endpoint) -> None:
    """RFC 8525 3: /yang-library is state: get and get-data of operational have it, configuration has not."""
    client = await endpoint.open()
    told = await read(client, "yang-library")
    reply = await client.rpc(
        f'<get-data xmlns="{NMDA}"><datastore xmlns:ds="{DATASTORES}">ds:operational</datastore>'
        f'<subtree-filter><yang-library xmlns="{LIBRARY}"/></subtree-filter></get-data>'
    )
    assert etree.tostring(reply[0][0], method="c14n") == etree.tostring(told, method="c14n")
    data = await client.data("<get-config><source><running/></source></get-config>")
    assert data.find(f"{{{LIBRARY}}}yang-library") is None


async def test_every_datastore_is_listed(endpoint: Endpoint) -> None:
    """RFC 8525 3: datastore has one entry for each datastore, with the same schema for all conventional ones."""
    client = await endpoint.open()
    told = await read(client, "yang-library")
    names = []
    for entry in told.iterfind("l:datastore", NS):
        prefix, _, name = (entry.findtext("l:name", namespaces=NS) or "").partition(":")
        assert entry[0].nsmap[prefix] == DATASTORES
        names.append(name)
    assert names == ["running", "candidate", "intended", "operational"]
    assert set(texts(told, "datastore/schema")) == set(texts(told, "schema/name"))
    assert texts(told, "schema/module-set") == texts(told, "module-set/name")
    for name in names:
        await client.rpc(
            f'<get-data xmlns="{NMDA}"><datastore xmlns:ds="{DATASTORES}">ds:{name}</datastore></get-data>'
        )
    with pytest.raises(Refused):
        await client.rpc(
            f'<get-data xmlns="{NMDA}"><datastore xmlns:ds="{DATASTORES}">ds:startup</datastore></get-data>'
        )


async def test_modules_are_those_that_are_implemented(endpoint: Endpoint) -> None:
    """RFC 8525 3: module lists what is implemented, with the features that are on; all else is import-only."""
    told = await read(await endpoint.open(), "yang-library")
    listed = {
        entry.findtext("l:name", namespaces=NS): tuple(texts(entry, "feature"))
        for entry in told.iterfind("l:module-set/l:module", NS)
    }
    assert listed == endpoint.server.models.implemented
    imported = texts(told, "module-set/import-only-module/name")
    assert not set(imported) & set(listed)
    assert {"ietf-yang-types", "ietf-inet-types"} <= set(imported)


def test_the_schema_is_referentially_complete(northbound_models: Models) -> None:
    """RFC 8525 4: the schema must be valid and referentially complete: with all imports, and nothing else."""
    told = northbound_models.library.yang_library()
    every = texts(told, "module-set/module/name") + texts(told, "module-set/import-only-module/name")
    names = texts(told, "module-set/module/name")
    closure = Closure(names, dict.fromkeys(names))
    while closure.missing:
        for wanted in closure.missing:
            closure.give(wanted, find_module(wanted.name, wanted.revision).header)
    assert sorted(every) == sorted({header.name for header in closure.headers.values()})


async def test_the_content_id_is_that_of_the_hello(endpoint: Endpoint) -> None:
    """RFC 8526 2: yang-library:1.1 with revision and content-id is in the hello; the id is that of the library."""
    client = await endpoint.open()
    (told,) = texts(await read(client, "yang-library"), "content-id")
    assert f"{CAPABILITY}:1.1?revision=2019-01-04&content-id={told}" in client.hello.capabilities


def test_the_content_id_is_the_same_after_a_restart(northbound_models: Models) -> None:
    """RFC 8525 3: content-id is kept while the library is the same, so that clients may cache it."""
    assert Models().library.content_id == northbound_models.library.content_id


@pytest.mark.parametrize(
    "changed",
    [
        {"features": ("on", "off")},
        {"datastores": ("running", "candidate", "operational")},
        {"texts": {**TEXTS, "more": 'module more { namespace "urn:more"; prefix m; }'}},
        {"texts": {**TEXTS, "part": TEXTS["part"].replace("revision", "description d; revision")}},
    ],
    ids=["feature", "datastore", "module", "text"],
)
def test_the_content_id_changes_with_what_is_told(tmp_path: Path, changed: Mapping[str, object]) -> None:
    """RFC 8525 3: the value of content-id MUST change whenever the information in the library changes."""
    (tmp_path / "before").mkdir()
    (tmp_path / "after").mkdir()
    before = library(tmp_path / "before").content_id
    assert library(tmp_path / "before").content_id == before
    assert library(tmp_path / "after", **changed).content_id != before  # type: ignore[arg-type]


def test_submodules_deviations_and_no_revision(tmp_path: Path) -> None:
    """RFC 8525 4: a module is listed with its submodules, features and deviations; a revision that is not there is
    left out, and is empty where it is a key."""
    told = library(tmp_path).yang_library()
    (whole, bends, _) = told.iterfind("l:module-set/l:module", NS)
    assert texts(whole, "submodule/name") == ["part", "bare"]
    assert texts(whole, "submodule/revision") == ["2025-05-05"]
    assert texts(whole, "feature") == ["on"]
    assert texts(whole, "deviation") == ["bends"]
    assert texts(bends, "deviation") == []
    assert texts(told, "module-set/import-only-module/name") == ["lib"]
    assert texts(told, "module-set/import-only-module/revision") == [""]


def test_any_library_is_valid(tmp_path: Path) -> None:
    """RFC 8525 4: what is told has the types, keys and references of ietf-yang-library."""
    found = library(tmp_path)
    document = etree.tostring(found.yang_library()) + etree.tostring(found.modules_state())
    Engine(("ietf-yang-library", "ietf-datastores")).validate(document, what="data")


def test_a_deviation_is_told_of_the_module_of_the_node(northbound_models: Models) -> None:
    """RFC 8525 4: deviation lists the modules that deviate from this one, which are implemented modules themselves."""
    told = northbound_models.library.yang_library()
    deviated = {
        entry.findtext("l:name", namespaces=NS): texts(entry, "deviation")
        for entry in told.iterfind("l:module-set/l:module", NS)
        if texts(entry, "deviation")
    }
    ours = ["casm-deviations"]
    assert deviated == {"ietf-subscribed-notifications": ours, "ietf-yang-push": ours}
    assert "casm-deviations" in texts(told, "module-set/module/name")


def test_what_is_deviated_from_is_not_there(northbound_models: Models) -> None:
    """RFC 7950 7.20.3.2: a node that is not-supported is no node of the schema."""
    space = find_module("ietf-subscribed-notifications").namespace
    assert f"{{{space}}}filters" not in northbound_models.schema.roots
    assert f"{{{space}}}streams" in northbound_models.schema.roots


# --- RFC 7895 -------------------------------------------------------------------------------------


async def test_modules_state_has_all_modules(endpoint: Endpoint) -> None:
    """RFC 7895 2.2: /modules-state, for clients that know no datastores, lists the same modules with their
    conformance-type."""
    client = await endpoint.open()
    old, new = await read(client, "modules-state"), await read(client, "yang-library")
    kinds = {
        entry.findtext("l:name", namespaces=NS): entry.findtext("l:conformance-type", namespaces=NS)
        for entry in old.iterfind("l:module", NS)
    }
    for path, kind in (("module", "implement"), ("import-only-module", "import")):
        names = texts(new, f"module-set/{path}/name")
        assert sorted(name for name, told in kinds.items() if told == kind and name) == sorted(
            map(str, names)
        )
    assert texts(old, "module-set-id") == texts(new, "content-id")


def test_deviations_and_submodules_have_revisions_in_modules_state(tmp_path: Path) -> None:
    """RFC 7895 2.2: revision is a key there, of modules, submodules and deviations: empty where there is none."""
    told = library(tmp_path).modules_state()
    assert texts(told, "module/submodule/revision") == ["2025-05-05", ""]
    assert texts(told, "module/deviation/name") == ["bends"]
    assert texts(told, "module/deviation/revision") == ["2026-02-02"]
    assert "" in texts(told, "module/revision")


async def test_the_module_set_id_is_in_the_hello(endpoint: Endpoint) -> None:
    """RFC 7950 5.6.4: yang-library:1.0 with revision and module-set-id, by which older clients find modules-state."""
    client = await endpoint.open()
    (told,) = texts(await read(client, "modules-state"), "module-set-id")
    assert f"{CAPABILITY}:1.0?revision=2019-01-04&module-set-id={told}" in client.hello.capabilities


# --- The hello ------------------------------------------------------------------------------------


async def test_modules_are_in_the_hello(endpoint: Endpoint) -> None:
    """RFC 6020 5.6.4: a module of YANG 1 is announced with its namespace, name, revision and features. What is
    implemented of YANG 1.1 is too."""
    client = await endpoint.open()
    models = endpoint.server.models
    versions = {module.name: module.header.yang_version for module in models.modules}
    assert set(client.hello.modules) == {
        name for name, version in versions.items() if version == "1" or name in models.implemented
    }
    assert {"casm-pools", "casm-devices", "casm-operations", "casm-events"} <= set(client.hello.modules)
    (netconf,) = (uri for uri in client.hello.capabilities if uri.startswith(f"{BASE}?"))
    assert netconf.startswith(f"{BASE}?module=ietf-netconf&revision=2011-06-01&features=candidate,")


async def test_features_of_netconf_are_its_capabilities(endpoint: Endpoint) -> None:
    """RFC 6241 10.4: the features of ietf-netconf are on that the server has the capability of."""
    client = await endpoint.open()
    announced = {
        uri.removeprefix("urn:ietf:params:netconf:capability:").partition(":")[0]
        for uri in client.hello.capabilities
        if uri.startswith("urn:ietf:params:netconf:capability:")
    }
    known = set(find_module("ietf-netconf").header.features)
    assert set(FEATURES["ietf-netconf"]) == announced & known


def test_features_that_are_on_exist(northbound_models: Models) -> None:
    """RFC 7950 5.6.2: a feature that is announced is one of the module's."""
    headers = {module.name: module.header for module in northbound_models.modules}
    for name, features in FEATURES.items():
        assert set(features) <= set(headers[name].features), name


def test_an_implemented_module_has_something_to_implement(northbound_models: Models) -> None:
    """RFC 7950 5.6.5: what is implemented has nodes, RPCs or notifications, or is there for its identities,
    deviations or augments."""
    context = northbound_models.engine.context
    empty = {
        name
        for name in (*OURS, *STANDARD)
        if not (
            data_tags(context, name) or read_operations(context, name) or notification_tags(context, name)
        )
    }
    assert empty == {
        "casm-alarms",
        "casm-deviations",
        "ietf-netconf-with-defaults",
        "ietf-datastores",
        "ietf-origin",
    }


async def test_only_what_is_implemented_is_known(endpoint: Endpoint) -> None:
    """RFC 7950 5.6.5: a module that is only imported has no nodes here: its configuration is an unknown namespace."""
    client = await endpoint.open()
    with pytest.raises(Refused) as refused:
        await client.rpc(
            "<edit-config><target><candidate/></target><config>"
            f'<interfaces xmlns="{find_module("ietf-interfaces").namespace}"/></config></edit-config>'
        )
    assert refused.value.tags == ["unknown-namespace"]


def test_what_never_happens_is_never_told(northbound_models: Models) -> None:
    """RFC 8525 3: yang-library-update is sent when the content-id changes, which it does at no running server."""
    context = northbound_models.engine.context
    assert set(notification_tags(context, "ietf-yang-library")) <= NEVER_TOLD


async def test_a_hello_begins_with_the_base(endpoint: Endpoint) -> None:
    """RFC 6241 8.1: the hello has the base capabilities and the session-id; each capability is there once."""
    one, other = await endpoint.open(), await endpoint.open()
    assert one.hello.capabilities[:2] == tuple(f"urn:ietf:params:netconf:base:{n}" for n in ("1.0", "1.1"))
    assert one.hello.capabilities == other.hello.capabilities
    assert 0 < one.session_id < other.session_id
