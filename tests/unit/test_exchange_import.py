"""Imports: what is skipped, what is wrong and on which line, and that nothing is written then."""

from __future__ import annotations

import json

import pytest

from casm_ctrl.base.clock import SECOND, ManualClock
from casm_ctrl.base.errors import InvalidValue, RequestReused
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddPool, AddSpace, Exclude, Reserve, SetQuota, change
from casm_ctrl.service.exchange.json_lines import find_lines
from casm_ctrl.service.exchange.source import read_source
from casm_ctrl.service.release import drain, force_release
from casm_ctrl.service.views import audit, list_blocks, list_pools, list_spaces, show_pool
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from tests.exchange_world import AUTHOR, counts, faults, give, take

TABLES = """\
address-space,description
red,"the
red one"

pool,address-space,prefix,parent
kid,red,10.1.0.0/16,dad
dad,red,10.0.0.0/8;192.168.0.0/16,
"""


def test_children_come_after_their_parents(database: Database) -> None:
    done = give(database, TABLES)
    assert counts(done) == {"address-space": (1, 0), "pool": (2, 0)}
    assert done["config-revision"] == "1"
    assert [pool["name"] for pool in list_pools(database, "red")] == ["dad", "kid"]
    assert list_spaces(database)[0]["description"] == "the\nred one"
    assert show_pool(database, "kid")["parent"] == "dad"


def test_the_same_again_changes_nothing(database: Database) -> None:
    give(database, TABLES)
    before = take(database), audit(database, limit=100)
    again = give(database, TABLES)
    assert again["error"] == []
    assert counts(again) == {"address-space": (0, 1), "pool": (0, 2)}
    assert "config-revision" not in again
    assert (take(database), audit(database, limit=100)) == before


def test_a_dry_run_writes_nothing(database: Database) -> None:
    done = give(database, TABLES, dry_run=True)
    assert counts(done) == {"address-space": (1, 0), "pool": (2, 0)}
    assert list_spaces(database) == []


def test_what_differs_is_named(database: Database) -> None:
    give(database, TABLES)
    done = give(database, TABLES.replace("192.168.0.0/16", "172.16.0.0/12").replace("red one", "other"))
    there, here = "10.0.0.0/8, 192.168.0.0/16", "10.0.0.0/8, 172.16.0.0/12"
    assert faults(done) == [
        (2, "address space 'red' is there and differs: description is the red one there and the other here"),
        (7, f"pool 'dad' is there and differs: prefix is {there} there and {here} here"),
    ]


def test_every_error_is_told_and_nothing_is_written(network: Database) -> None:
    before = take(network)
    done = give(
        network,
        """\
pool,address-space,prefix,quarantine
good,s,192.0.2.0/24,
bits,s,198.51.100.1/24,
time,s,203.0.113.0/24,soon
""",
    )
    assert [line for line, _ in faults(done)] == [3, 4]
    done = give(
        network,
        """\
pool,address-space,prefix
good,s,192.0.2.0/24
over,s,10.0.3.0/24
nowhere,t,203.0.113.0/24
inside,s,203.0.113.0/26

device-pool,pool,length
bng1/more,nowhere,26
bng1/also,inside,20
bng3/none,inside,26

block,device-pool
10.0.0.0/24,bng1/internet
10.0.0.0/25,bng1/internet
10.99.0.0/33,bng1/internet
172.16.0.0/24,bng1/internet
10.0.1.0/24,bng1/more
""",
    )
    assert [line for line, _ in faults(done)] == [3, 4, 9, 10, 14, 15, 16]
    assert take(network) == before


def test_what_stands_on_what_is_wrong_is_not_told_too(database: Database) -> None:
    done = give(database, TABLES.replace("10.0.0.0/8", "10.0.0.1/8"))
    assert [line for line, _ in faults(done)] == [7]
    done = give(database, TABLES.replace("pool,address-space", "pool,scope").replace("red,10.1", "x,10.1"))
    assert [line for line, _ in faults(done)] == [5]
    done = give(database, TABLES.replace("dad,red", "dad,blue"))
    assert len(faults(done)) == 1
    assert faults(done)[0][0] == 7


def test_errors_are_told_up_to_a_limit(database: Database) -> None:
    rows = "\n".join(f"p{number},nowhere,10.{number}.0.0/16" for number in range(200))
    source = read_source(f"pool,address-space,prefix\n{rows}\n".encode())
    from casm_ctrl.service.exchange.importing import import_source
    from tests.exchange_world import good

    done = import_source(database, AUTHOR, source, judge=good)
    assert len(done["error"]) == 50
    assert source.problems.count == 200


def test_ancestors_in_a_circle_and_things_twice(database: Database) -> None:
    text = TABLES.replace(
        "dad,red,10.0.0.0/8;192.168.0.0/16,", "dad,red,10.0.0.0/8,kid\nkid,red,10.1.0.0/16,dad"
    )
    messages = dict(faults(give(database, text)))
    assert messages[8] == "pool 'kid' is there twice"
    assert "its own ancestor" in messages[6]
    assert "its own ancestor" in messages[7]


def test_an_import_is_one_request(database: Database) -> None:
    author = Author("tester", "r1", "moved house")
    first = give(database, TABLES, author=author)
    assert give(database, TABLES, author=author) == first
    with pytest.raises(RequestReused):
        give(database, TABLES.replace("10.1.", "10.2."), author=author)
    events = audit(database, limit=10)
    assert events[-1]["verb"] == "import"
    assert {event["reason"] for event in events} == {"moved house"}


# --- Blocks ---------------------------------------------------------------------------------------

BLOCKS = "block,device-pool,state\n10.0.7.0/24,bng1/internet,installed\n10.0.9.0/25,bng2/internet,\n"


def test_blocks_come_in_as_reserved(network: Database) -> None:
    assert counts(give(network, BLOCKS)) == {"block": (2, 0)}
    found = {
        block["prefix"]: (block["device-pool"], block["state"], block["wanted"])
        for block in list_blocks(network)
    }
    assert found == {
        "10.0.7.0/24": ("bng1/internet", "reserved", "present"),
        "10.0.9.0/25": ("bng2/internet", "reserved", "present"),
    }
    assert counts(give(network, BLOCKS)) == {"block": (0, 2)}


def test_a_block_in_any_state_is_there(network: Database) -> None:
    allocate(network, AUTHOR, "bng1/internet", count=3)
    force_release(network, Author("t", reason="gone"), ["b1"])
    drain(network, AUTHOR, ["b2"])
    for form in ("json", "csv"):
        assert counts(give(network, take(network, form)))["block"] == (0, 3)


def test_a_block_of_another_is_named(network: Database) -> None:
    allocate(network, AUTHOR, "bng2/internet", prefix="10.0.7.0/24")
    change(network, AUTHOR, [Exclude("p", "10.0.9.0/24"), Reserve("p", "10.0.16.0/24", "for the lab")])
    done = give(network, BLOCKS + "10.0.16.128/25,bng1/internet,\n10.0.32.0/24,bng1/internet,\n")
    assert [line for line, _ in faults(done)] == [2, 3, 4]
    messages = dict(faults(done))
    assert "bng2/internet has b1 10.0.7.0/24" in messages[2]
    assert "is excluded" in messages[3]
    assert "for the lab" in messages[4]
    assert len(list_blocks(network)) == 1


def test_limits_hold_for_an_import(network: Database) -> None:
    change(network, AUTHOR, [SetQuota("small", "device", "bng1", 100, "ipv4")])
    done = give(network, BLOCKS)
    assert [line for line, _ in faults(done)] == [2]
    assert "quota 'small'" in faults(done)[0][1]
    assert list_blocks(network) == []


def test_a_lifetime_comes_along(network: Database, clock: ManualClock) -> None:
    allocate(network, AUTHOR, "bng1/internet", lifetime=3600)
    text = take(network, "csv")
    assert counts(give(network, text))["block"] == (0, 1)
    other = text.replace("22:13:20", "22:14:20").replace("23:13:20", "23:14:20")
    assert "expires is 2023" in faults(give(network, other))[0][1]
    clock.advance(7200 * SECOND)
    assert list_blocks(network)[0]["expires"] in text


def test_port_sets_keep_to_their_owner(network: Database) -> None:
    change(network, AUTHOR, [AddSpace("t"), AddPool("shared", "s", ("192.0.2.0/24",), psid_offset=6)])
    tables = """\
device-pool,pool,length
bng1/map,shared,36
bng2/map,shared,36

block,psid,psid-length,device-pool
192.0.2.1/32,3,4,bng1/map
192.0.2.1/32,4,4,bng1/map
192.0.2.2/32,0,2,bng2/map
"""
    assert counts(give(network, tables))["block"] == (3, 0)
    done = give(
        network, "block,psid,psid-length,device-pool\n192.0.2.1/32,5,4,bng2/map\n192.0.2.9/32,1,,bng2/map\n"
    )
    assert [line for line, _ in faults(done)] == [2, 3] or [line for line, _ in faults(done)] == [3]
    done = give(network, "block,psid,psid-length,device-pool\n192.0.2.1/32,5,4,bng2/map\n")
    assert "another owner" in faults(done)[0][1]


# --- Forms ----------------------------------------------------------------------------------------


def test_lines_of_json(database: Database) -> None:
    text = """\
{
  "casm-pools:address-spaces": {"address-space": [{"name": "red", "colour": 3}]},
  "casm-pools:pools": {
    "casm-pools:pool": [
      {"name": "good", "address-space": "red", "prefix": ["10.0.0.0/8"], "casm-pools:family": "ipv4"},
      {
        "name": "bad", "address-space": "red",
        "prefix": [
          "192.0.2.1/24"
        ],
        "policy": {
          "quarantine": "3600",
          "mood": 1
        }
      },
      {"address-space": "red"},
      7
    ]
  },
  "casm-pools:cats": {}
}
"""
    done = give(database, text)
    assert [(row.get("line"), row.get("path")) for row in done["error"]] == [
        (2, "/casm-pools:address-spaces/address-space[0]/colour"),
        (8, "/casm-pools:pools/casm-pools:pool[1]/prefix"),
        (12, "/casm-pools:pools/casm-pools:pool[1]/policy/quarantine"),
        (13, "/casm-pools:pools/casm-pools:pool[1]/policy/mood"),
        (16, "/casm-pools:pools/casm-pools:pool[2]"),
        (17, "/casm-pools:pools/casm-pools:pool[3]"),
        (20, "/casm-pools:cats"),
    ]


def test_what_is_no_json_has_its_line(database: Database) -> None:
    assert faults(give(database, '{\n "a": [1,\n 2,]\n}', "json"))[0][0] == 3
    assert "twice" in faults(give(database, '{"casm-pools:pools": {}, "casm-pools:pools": {}}'))[0][1]
    assert "deeper" in faults(give(database, '{"a": ' + "[" * 100_000, "json"))[0][1]


def test_lines_are_found_in_one_pass() -> None:
    text = json.dumps({"a": [{"b": 1}, {"b": [2, {"c": 3}]}], "d": "}"}, indent=1)
    paths: list[tuple[str | int, ...]] = [("a", 1, "b", 1, "c"), ("d",), ("a", 0), ("a", 7), ()]
    assert find_lines(text, paths) == {
        ("a", 1, "b", 1, "c"): 10,
        ("d",): 15,
        ("a", 0): 3,
        ("a", 7): 2,
        (): 1,
    }


def test_tables_as_spreadsheets_save_them(database: Database) -> None:
    text = "\ufeff" + TABLES.replace(";", "|").replace(",", ";").replace("|", ",").replace("\n", "\r\n")
    text = text.replace("10.0.0.0/8,192.168.0.0/16", '"10.0.0.0/8;192.168.0.0/16"').replace(
        "\r\n\r\n", "\r\n;;;\r\n"
    )
    assert counts(give(database, text)) == {"address-space": (1, 0), "pool": (2, 0)}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("pool,address-space\n", 1, "has no column 'prefix'"),
        ("pool,address-space,prefix,prefix\n", 1, "twice"),
        ("pool,address-space,prefix\n,s,10.0.0.0/8\n", 2, "nothing in the column 'pool'"),
        ("pool,address-space,prefix\np,s\n", 2, "has no prefix"),
        ("pool,address-space,prefix\np,s,10.0.0.0/8,more\n", 2, "has 4 cells"),
        ("pool,address-space,prefix,port-routed\np,s,10.0.0.0/8,perhaps\n", 2, "port-routed is 'perhaps'"),
        ("pool,address-space,prefix,label\np,s,10.0.0.0/8,north\n", 2, "label has 'north'"),
        ("pool,address-space,prefix,label\np,s,10.0.0.0/8,a=1;a=2\n", 2, "label 'a' is given twice"),
        ('pool,address-space,prefix\np,s,"10.0.0.0/8\n', 2, "this is not CSV"),
        ("pool,address-space,prefix\n\np,s,10.0.0.0/8\n", 3, "a table begins here with the column 'p'"),
    ],
)
def test_tables_that_are_wrong(database: Database, text: str, line: int, words: str) -> None:
    found = faults(give(database, text, "csv"))
    assert [number for number, _ in found] == [line]
    assert words in found[0][1]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"what,is,this\n", b"pool,\xff\n"])
def test_a_file_that_nobody_knows(content: bytes) -> None:
    with pytest.raises(InvalidValue):
        read_source(content)
