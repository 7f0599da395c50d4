"""A server with three pools to read: `kept` says something else than its defaults, `plain` says nothing, and `told` was
told its defaults by a client."""

from __future__ import annotations

from typing import cast

from lxml import etree

from casm_ctrl.netconf.names import Element
from tests.northbound_harness import Client, Endpoint

POOLS = "urn:casm:yang:casm-pools"
DEVICES = "urn:casm:yang:casm-devices"
MONITORING = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
NACM = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"
NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
WITH_DEFAULTS = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
DEFAULT = "{urn:ietf:params:xml:ns:netconf:default:1.0}default"
ORIGIN = "{urn:ietf:params:xml:ns:yang:ietf-origin}origin"
BOUND = (
    f'xmlns="{NMDA}" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores" '
    'xmlns:or="urn:ietf:params:xml:ns:yang:ietf-origin"'
)

CONTENT = f"""
<address-spaces xmlns="{POOLS}"><address-space><name>s</name></address-space></address-spaces>
<pools xmlns="{POOLS}">
  <pool><name>kept</name><address-space>s</address-space><family>ipv4</family><scope>public</scope>
    <prefix>192.0.2.0/24</prefix>
    <policy><strategy>sparse</strategy><quarantine>7200</quarantine></policy></pool>
  <pool><name>plain</name><address-space>s</address-space><family>ipv4</family><prefix>10.0.0.0/16</prefix></pool>
  <pool><name>told</name><address-space>s</address-space><family>ipv4</family><scope>private</scope>
    <port-routed>false</port-routed><prefix>10.1.0.0/16</prefix>
    <policy><quarantine>3600</quarantine></policy></pool>
</pools>"""


async def serve(endpoint: Endpoint) -> Client:
    """A session of an administrator, with the content running."""
    client = await endpoint.open()
    await edit(client, CONTENT)
    await client.rpc("<commit/>")
    return client


async def edit(client: Client, content: str, default_operation: str = "merge") -> None:
    """Edit the candidate. In `content` nc is the prefix of NETCONF, wd of the attribute for default data."""
    await client.rpc(
        f"<edit-config><target><candidate/></target><default-operation>{default_operation}</default-operation>"
        '<config xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" '
        f'xmlns:wd="urn:ietf:params:xml:ns:netconf:default:1.0">{content}</config></edit-config>'
    )


def pool(name: str, content: str) -> str:
    """An edit of one pool."""
    return f'<pools xmlns="{POOLS}"><pool><name>{name}</name>{content}</pool></pools>'


def mode(word: str) -> str:
    """The argument with-defaults."""
    return f'<with-defaults xmlns="{WITH_DEFAULTS}">{word}</with-defaults>'


async def get(client: Client, subtree: str = f'<pools xmlns="{POOLS}"/>', defaults: str = "") -> Element:
    return await client.data(f"<get><filter>{subtree}</filter>{mode(defaults) if defaults else ''}</get>")


async def get_config(
    client: Client, source: str = "running", defaults: str = "", filtered: str = ""
) -> Element:
    return await client.data(
        f"<get-config><source><{source}/></source>{filtered}{mode(defaults) if defaults else ''}</get-config>"
    )


async def get_data(client: Client, datastore: str, arguments: str = "") -> Element:
    """The `<data>` of a get-data; ds and or are prefixes."""
    reply = await client.rpc(f"<get-data {BOUND}><datastore>ds:{datastore}</datastore>{arguments}</get-data>")
    found = reply.find(f"{{{NMDA}}}data")
    assert found is not None
    return found


def subtree(content: str = f'<pools xmlns="{POOLS}"/>') -> str:
    """The argument subtree-filter."""
    return f"<subtree-filter>{content}</subtree-filter>"


def values(data: Element, name: str, path: str) -> list[str]:
    """The values at a path of leaf names below the pool of that name."""
    steps = "/".join(f"p:{step}" for step in path.split("/"))
    found = data.xpath(f"p:pools/p:pool[p:name='{name}']/{steps}/text()", namespaces={"p": POOLS})
    return [str(text) for text in cast("list[str]", found)]


def names(data: Element) -> list[str]:
    """The pools, in order."""
    return [str(leaf.text) for leaf in data.iterfind(f"{{{POOLS}}}pools/{{{POOLS}}}pool/{{{POOLS}}}name")]


def node(data: Element, name: str, path: str) -> Element:
    """One node below the pool of that name."""
    steps = "/".join(f"p:{step}" for step in path.split("/"))
    (found,) = cast(
        "list[Element]",
        data.xpath(f"p:pools/p:pool[p:name='{name}']/{steps}", namespaces={"p": POOLS}),
    )
    return found


def locals_of(element: Element) -> list[str]:
    """The local names of the children."""
    return [etree.QName(child).localname for child in element]


def tops(data: Element) -> list[str]:
    return locals_of(data)
