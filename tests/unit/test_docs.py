"""The pages hold together: links lead somewhere, and the examples of docs/serve.md do what they say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from casm_ctrl.netconf.names import BASE
from tests.northbound_harness import Endpoint

ROOT = Path(__file__).parents[2]
PAGES = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
SERVE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
            dead.append(link)
    assert dead == []


def test_scripts_of_clients_are_python() -> None:
    scripts = re.findall(r"^```python\n(.*?)^```", SERVE, re.MULTILINE | re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        ast.parse(script)


async def test_the_network_of_the_example_can_be_configured(endpoint: Endpoint) -> None:
    (network,) = re.findall(r'^NETWORK = """(.*?)"""', SERVE, re.MULTILINE | re.DOTALL)
    (allocate,) = re.findall(r'to_ele\("""(.*?)"""\)', SERVE, re.DOTALL)
    client = await endpoint.open("alice")
    assert f'<config xmlns="{BASE}">' in network
    edit = f"<edit-config><target><candidate/></target>{network}</edit-config>"
    for again in (False, True):
        await client.rpc(edit)
        await client.rpc("<commit/>")
        reply = await client.rpc(allocate)
        assert reply.findtext("{*}block/{*}prefix") == "198.51.100.0/27", again
    usage = await client.data(
        '<get><filter type="xpath" xmlns:p="urn:casm:yang:casm-pools"'
        " select=\"/p:pools/p:pool[p:name='public-v4']/p:usage/p:free-addresses\"/></get>"
    )
    assert usage.findtext(".//{*}free-addresses") == "224"
