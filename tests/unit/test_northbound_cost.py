"""What operations ask of the store: no more where it is larger, and no more often than they must."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.netconf.messages import Answer, Data
from casm_ctrl.netconf.names import BASE, Element
from casm_ctrl.northbound.interface import Caller
from casm_ctrl.northbound.models import Models
from casm_ctrl.northbound.reading import Reading
from casm_ctrl.northbound.server import Northbound
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from tests.no_outlet import NoOutlet
from tests.sqlite_meter import Meter

ME = Author("tester")
DEVICES, POOLS = "urn:casm:yang:casm-devices", "urn:casm:yang:casm-pools"


class Served:
    """A server without its own work beside operations; one caller, who may do everything."""

    def __init__(self, database: Database, models: Models) -> None:
        self.database = database
        self.server = Northbound(database, models)
        server = self.server
        self.reading = Reading(
            database, server.running, server.datastores, server.access, server.endpoint, models
        )
        self._plain = self.reading.operations(server.capabilities).plain
        self._caller = Caller(1, "anna", "192.0.2.1", NoOutlet(), frozenset({"admin"}))
        server.endpoint.callers[1] = self._caller
        self.meter = Meter(database)

    def call(self, name: str, inner: str = "") -> Answer:
        """As the endpoint calls an operation."""
        operation = etree.fromstring(f'<{name} xmlns="{BASE}">{inner}</{name}>')
        self.server.access.check_operation(self._caller, operation)
        return self._plain[str(operation.tag)](self._caller, operation)

    def get(self, subtree: str) -> list[Element | bytes]:
        answer = self.call("get", f'<filter type="subtree">{subtree}</filter>')
        assert isinstance(answer, Data)
        return list(answer.nodes)

    def cost(self, name: str, inner: str = "") -> tuple[int, int, int]:
        """(statements, transactions, steps) once what is kept for a revision is there."""
        self.call(name, inner)
        self.meter.reset()
        self.call(name, inner)
        return self.meter.statements, self.meter.transactions, self.meter.steps

    def grow(self) -> None:
        """Thousands of blocks, devices and pools more."""
        allocate(self.database, ME, "bng1/internet", count=2000)
        edits: list[Edit] = []
        for number in range(50):
            edits.append(
                AddDevice(
                    f"m{number}", "bng", "ietf-address-pool", f"m{number}.example", 830, "u", "env:X", "s"
                )
            )
            edits.append(AddPool(f"m{number}", "s", (f"11.{number}.0.0/16",)))
        change(self.database, ME, edits)


@pytest.fixture
def served(northbound_template: Path, northbound_models: Models, tmp_path: Path) -> Iterator[Served]:
    database = open_database(str(shutil.copyfile(northbound_template, tmp_path / "northbound.db")))
    make: list[Edit] = [AddSpace("s"), AddPool("p", "s", ("10.0.0.0/8",))]
    for name in ("bng1", "bng2"):
        make.append(AddDevice(name, "bng", "ietf-address-pool", f"{name}.example", 830, "u", "env:X", "s"))
        make.append(AddDevicePool(f"{name}/internet", ("p",), 24))
    change(database, ME, make)
    for name in ("bng1", "bng2"):
        allocate(database, ME, f"{name}/internet", count=2)
    yield Served(database, northbound_models)
    database.close()


def block(inner: str, name: str = "") -> str:
    pool = f"<device-pool><block>{inner}</block></device-pool>"
    return f'<devices xmlns="{DEVICES}"><device>{name}{pool}</device></devices>'


def subtree(inner: str) -> str:
    return f'<filter type="subtree">{inner}</filter>'


QUESTIONS = [
    ("get", subtree(block("<id>b2</id>"))),
    ("get", subtree(block("<id>b2</id>", "<name>bng1</name>"))),
    ("get", subtree(block("<prefix>10.0.1.0/24</prefix>"))),
    ("get", subtree(f'<devices xmlns="{DEVICES}"><device><name>bng1</name><sync/></device></devices>')),
    ("get", subtree(f'<pools xmlns="{POOLS}"><pool><name>p</name><usage/></pool></pools>')),
    ("get", f"<filter type='xpath' xmlns:d='{DEVICES}' select=\"/d:devices/d:device[d:name='bng2']\"/>"),
    (
        "get-config",
        f'<source><running/></source>{subtree(f"""<pools xmlns="{POOLS}"><pool><name>p</name></pool></pools>""")}',
    ),
]


@pytest.mark.parametrize(("name", "inner"), QUESTIONS)
def test_a_filtered_read_costs_the_same_in_a_larger_store(served: Served, name: str, inner: str) -> None:
    statements, _, steps = served.cost(name, inner)
    served.grow()
    later, _, more = served.cost(name, inner)
    assert later == statements
    assert more <= steps * 1.2 + 5


def test_a_read_is_two_transactions(served: Served) -> None:
    """One looks at the access rules, one is the snapshot that is told; both look at the revision."""
    for name, inner in QUESTIONS:
        assert served.cost(name, inner)[1] == 2, (name, inner)


def test_an_edit_and_its_commit_ask_as_much_where_there_is_more(served: Served) -> None:
    def cost() -> list[tuple[int, int]]:
        found = []
        for text in ("one", "another"):
            inner = f"<pool><name>p</name><description>{text}</description></pool>"
            edit = f'<config><pools xmlns="{POOLS}">{inner}</pools></config>'
            for name, words in (("edit-config", f"<target><candidate/></target>{edit}"), ("commit", "")):
                served.meter.reset()
                served.call(name, words)
                found.append((served.meter.statements, served.meter.transactions))
        return found[2:]

    before = cost()
    served.grow()
    assert cost() == before
    # Each looks at the rules and at what is running; a commit then changes that, and looks at what it made.
    assert [transactions for _, transactions in before] == [2, 4]


def test_what_other_parts_tell_is_made_where_it_is_asked_for_alone(served: Served) -> None:
    made: list[str] = []

    def build() -> Element:
        made.append("x")
        return etree.Element("{urn:x}x")

    served.reading.others = {"{urn:x}x": build}
    assert len(served.get(block("<id>b2</id>"))) == 1
    assert made == []
    served.get("<x xmlns='urn:x'/>")
    assert made == ["x"]


def test_a_block_goes_out_as_the_store_wrote_it(served: Served) -> None:
    """Nobody parses it again for who may read everything."""
    (found,) = served.get(block("<id>b2</id>"))
    assert isinstance(found, bytes)
    assert found.startswith(f'<devices xmlns="{DEVICES}"><device><name>bng1</name>'.encode())
