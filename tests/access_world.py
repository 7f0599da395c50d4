"""Modules, data and rules to try access control on: what RFC 8341's appendix A speaks of, and a few marks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lxml import etree

from casm_ctrl.netconf.access.control import AccessControl
from casm_ctrl.netconf.access.rules import NAMESPACE
from casm_ctrl.netconf.names import BASE, Element
from casm_ctrl.yang.access_marks import AccessMarks, read_marks
from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.schema import Schema, read_schema

ACME = "http://example.com/ns/itf"
EXTRA = "http://example.com/ns/extra"
SYSTEM = "http://example.com/ns/acme-system"
MONITORING = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"

_MODULES = {
    "acme-interfaces": """
module acme-interfaces {
  yang-version 1.1; namespace "http://example.com/ns/itf"; prefix acme;
  import ietf-netconf-acm { prefix nacm; }
  container acme-netconf {
    container config-parameters { leaf retries { type uint8; } container timers { leaf idle { type uint8; } } }
    leaf version { type string; }
  }
  container interfaces {
    list interface {
      key name;
      leaf name { type string; }
      leaf mtu { type uint16; }
      leaf enabled { type boolean; default true; }
      leaf secret { nacm:default-deny-all; type string; }
      leaf guarded { nacm:default-deny-write; type string; }
      leaf-list tag { type string; }
      choice kind {
        leaf ethernet { type string; }
        case radio { leaf band { type string; } leaf power { type string; } }
      }
      container options { container deep { leaf x { type string; } } }
      container live { presence "is up"; leaf since { type string; } }
      list unit { key "slot port"; leaf slot { type string; } leaf port { type string; } leaf note { type string; } }
    }
  }
  list step { key id; ordered-by user; leaf id { type string; } leaf text { type string; } }
  rpc reset-interface { input { leaf name { type string; } } }
  rpc wipe { nacm:default-deny-all; }
}
""",
    "acme-extra": """
module acme-extra {
  yang-version 1.1; namespace "http://example.com/ns/extra"; prefix x;
  import acme-interfaces { prefix acme; }
  augment "/acme:interfaces/acme:interface" { leaf colour { type string; } }
}
""",
    "acme-system": """
module acme-system {
  yang-version 1.1; namespace "http://example.com/ns/acme-system"; prefix sys;
  import ietf-netconf-acm { prefix nacm; }
  notification sys-config-change { leaf by { type string; } }
  notification sys-restart { leaf reason { type string; } }
  notification sys-secret { nacm:default-deny-all; leaf what { type string; } }
}
""",
}


@cache
def model() -> tuple[Schema, AccessMarks]:
    """The schema of the modules, and their marks."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for module, text in _MODULES.items():
            (folder / f"{module}.yang").write_text(text)
        engine = Engine(["ietf-netconf-acm", "ietf-netconf-monitoring", *_MODULES], [folder])
        return read_schema(engine.context), read_marks(engine.context)


def nacm(*parts: str) -> Element:
    """A container /nacm with `parts` in it; `acme`, `n` and `m` are bound for paths."""
    return etree.fromstring(
        f'<nacm xmlns="{NAMESPACE}" xmlns:acme="{ACME}" xmlns:x="{EXTRA}" xmlns:n="{NAMESPACE}"'
        f' xmlns:m="{MONITORING}">{"".join(parts)}</nacm>'
    )


def groups(**members: str) -> str:
    """<groups>: names, each with its users, separated by blanks."""
    made = "".join(
        f"<group><name>{name}</name>{''.join(f'<user-name>{user}</user-name>' for user in users.split())}</group>"
        for name, users in members.items()
    )
    return f"<groups>{made}</groups>"


def rules(group: str, *rules: str, name: str = "rules") -> str:
    """<rule-list> for `group` (several: separated by blanks)."""
    assigned = "".join(f"<group>{one}</group>" for one in group.split())
    return f"<rule-list><name>{name}</name>{assigned}{''.join(rules)}</rule-list>"


def rule(action: str, rights: str = "", *, name: str = "", **leafs: str) -> str:
    """<rule>: `leafs` are module_name, rpc_name, notification_name, path."""
    written = "".join(
        f"<{leaf.replace('_', '-')}>{text}</{leaf.replace('_', '-')}>" for leaf, text in leafs.items()
    )
    operations = f"<access-operations>{rights}</access-operations>" if rights else ""
    title = name or f"{action} {rights} {' '.join(leafs.values())}".replace("'", "").replace('"', "")
    return f"<rule><name>{title}</name>{written}{operations}<action>{action}</action></rule>"


def control(*parts: str) -> AccessControl:
    """Access control by a /nacm with `parts` in it."""
    return AccessControl(nacm(*parts), *model())


def config(xml: str) -> Element:
    """A `<config>` around `xml`, whose elements are of acme-interfaces unless they say otherwise."""
    return etree.fromstring(f'<config xmlns="{BASE}"><r xmlns="{ACME}" xmlns:x="{EXTRA}">{xml}</r></config>')[
        0
    ]


def operation(name: str, namespace: str = BASE) -> Element:
    return etree.Element(f"{{{namespace}}}{name}")


def shown(nodes: Iterable[Element]) -> str:
    """What is in `nodes`, without namespaces and white space: `interface(name=a mtu=1)`."""
    return " ".join(map(_shown, nodes))


def _shown(element: Element) -> str:
    name = etree.QName(element).localname
    if len(element):
        return f"{name}({shown(element)})"
    return f"{name}={element.text}" if element.text else name
