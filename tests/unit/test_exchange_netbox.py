"""NetBox's prefixes as pools."""

from __future__ import annotations

from casm_ctrl.service.exchange.source import read_source
from casm_ctrl.service.views import list_pools, show_pool
from casm_ctrl.store.database import Database
from tests.exchange_world import counts, faults, give

# As the page of prefixes exports its current view: display names, and what is empty.
VIEW = """\
Prefix,Status,Children,VRF,Utilization,Tenant,Scope Type,Scope,VLAN,Role,Pool,Description
10.0.0.0/8,Container,3,Global,12.5,,,,,,False,all of it
10.1.0.0/16,Active,1,Global,0.0,ACME,Region,North,,Subscribers,True,"homes, north"
• • 10.1.2.0/24,Reserved,0,Global,0.0,,,,,&mdash;,False,for the lab
10.2.0.0/16,Deprecated,0,Global,0.0,—,,,,,False,
10.1.0.0/16,Active,0,Blue Corp (65000:7),0.0,,,,,,False,
192.0.2.0/24,Reserved,0,Blue Corp (65000:7),0.0,,,,,,False,nothing around it
2001:db8::/32,Active,0,Global,0.0,,,,,,False,
"""

# As its import form takes it, and "all data" gives it.
FIELDS = """\
prefix,vrf,tenant,status,role,is_pool,description
10.1.2.0/24,,,active,,false,
10.0.0.0/8,,,container,,false,
"""


def test_a_view_becomes_pools(database: Database) -> None:
    done = give(database, VIEW, space="internet")
    assert done["error"] == []
    assert counts(done) == {"address-space": (2, 0), "pool": (4, 0)}
    found = {pool["name"]: pool for pool in list_pools(database)}
    assert set(found) == {
        "internet-10.0.0.0-8",
        "internet-10.1.0.0-16",
        "internet-2001-db8---32",
        "Blue-Corp-10.1.0.0-16",
    }
    homes = show_pool(database, "internet-10.1.0.0-16")
    assert homes["parent"] == "internet-10.0.0.0-8"
    assert homes["description"] == "homes, north"
    assert homes["label"] == [
        {"name": "role", "value": "Subscribers"},
        {"name": "scope", "value": "North"},
        {"name": "tenant", "value": "ACME"},
    ]
    assert homes["reservation"] == [{"prefix": "10.1.2.0/24", "reason": "reserved in NetBox: for the lab"}]
    top = show_pool(database, "internet-10.0.0.0-8")
    assert top["reservation"] == [{"prefix": "10.2.0.0/16", "reason": "deprecated in NetBox"}]
    assert found["Blue-Corp-10.1.0.0-16"]["address-space"] == "Blue-Corp"


def test_the_same_again_changes_nothing(database: Database) -> None:
    give(database, VIEW)
    assert counts(give(database, VIEW)) == {"address-space": (0, 2), "pool": (0, 4)}


def test_what_is_not_taken_is_told() -> None:
    notes = read_source(VIEW.encode()).notes
    assert notes == [
        "columns that were not taken: Children, Utilization, Scope Type, VLAN, Pool",
        "1 reserved prefix(es) inside no pool were left out",
    ]


def test_fields_become_pools(database: Database) -> None:
    assert counts(give(database, FIELDS)) == {"address-space": (1, 0), "pool": (2, 0)}
    assert show_pool(database, "global-10.1.2.0-24")["parent"] == "global-10.0.0.0-8"


def test_what_is_wrong_has_its_line(database: Database) -> None:
    text = FIELDS + "10.0.0.1/8,,,active,,,\n10.9.0.0/16,,,dormant,,,\n10.1.2.0/24,,,active,,,\n"
    text += "10.0.0.0/8,a b,,active,,,\n11.0.0.0/8,a/b,,active,,,\n"
    done = give(database, text)
    assert [line for line, _ in faults(done)] == [4, 5, 6, 8]
    assert list_pools(database) == []
    assert faults(give(database, "name,vrf\nx,y\n", "netbox"))[0][0] == 1


def test_a_reserved_prefix_around_a_pool_is_a_pool(database: Database) -> None:
    text = FIELDS.replace("container", "reserved")
    assert counts(give(database, text))["pool"] == (2, 0)
