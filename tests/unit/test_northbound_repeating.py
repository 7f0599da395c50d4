"""Repeating requests whose work is on devices, and which leaf is to blame for a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.base.errors import (
    CasmError,
    Exhausted,
    Held,
    IllegalTransition,
    InvalidValue,
    NotFound,
    RequestReused,
)
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound.verbs import tag
from casm_ctrl.northbound.verbs.blame import refusal
from casm_ctrl.northbound.verbs.outputs import OutputWriter
from casm_ctrl.northbound.verbs.repeating import Repeats
from casm_ctrl.northbound.verbs.underway import Underway
from casm_ctrl.service.verb import Document
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.yang.schema import Kind, SchemaNode

ME = Author("alice@netconf", "r1")


class Work:
    """Counts how often it is done; waits where it is told to."""

    def __init__(self, *, held: bool = False, error: CasmError | None = None) -> None:
        self.begun = 0
        self.started = asyncio.Event()
        self.go = asyncio.Event()
        self.error = error
        if not held:
            self.go.set()

    async def __call__(self) -> Document:
        self.begun += 1
        self.started.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return {"number": self.begun}


async def test_the_first_answer_is_given_again(database: Database) -> None:
    repeats, work = Repeats(), Work()
    for _ in range(3):
        assert await repeats.once(database, ME, "apply", {"a": 1}, work) == {"number": 1}
    # Another program, or this one after it was started again.
    assert await Repeats().once(database, ME, "apply", {"a": 1}, work) == {"number": 1}
    assert work.begun == 1


async def test_without_an_id_work_is_done_each_time(database: Database) -> None:
    repeats, work = Repeats(), Work()
    for number in (1, 2):
        assert await repeats.once(database, Author("alice"), "apply", {}, work) == {"number": number}


async def test_the_same_id_with_other_arguments_or_of_another_verb(database: Database) -> None:
    repeats, work = Repeats(), Work()
    await repeats.once(database, ME, "apply", {"a": 1}, work)
    for verb, arguments in (("apply", {"a": 2}), ("adopt", {"a": 1})):
        with pytest.raises(RequestReused):
            await repeats.once(database, ME, verb, arguments, work)
    await repeats.once(database, Author("bob@netconf", "r1"), "apply", {"a": 2}, work)
    assert work.begun == 2


async def test_a_duplicate_in_flight_waits(database: Database) -> None:
    repeats, work = Repeats(), Work(held=True)
    asks = [asyncio.ensure_future(repeats.once(database, ME, "apply", {}, work)) for _ in range(3)]
    await work.started.wait()
    work.go.set()
    assert await asyncio.gather(*asks) == [{"number": 1}] * 3


async def test_a_refusal_is_not_kept(database: Database) -> None:
    repeats, failing, work = Repeats(), Work(error=Held("not now")), Work()
    with pytest.raises(Held):
        await repeats.once(database, ME, "apply", {}, failing)
    assert await repeats.once(database, ME, "apply", {}, work) == {"number": 1}


async def test_who_waits_goes_on_where_the_first_is_cut_off(database: Database) -> None:
    repeats, work = Repeats(), Work(held=True)
    first = asyncio.ensure_future(repeats.once(database, ME, "apply", {}, work))
    await work.started.wait()
    second = asyncio.ensure_future(repeats.once(database, ME, "apply", {}, work))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.go.set()
    assert await second == {"number": 2}


# --- The end of a session -------------------------------------------------------------------------


async def test_work_ends_with_its_session() -> None:
    underway, work, other = Underway(), Work(held=True), Work(held=True)
    mine = asyncio.ensure_future(underway.run(7, work()))
    theirs = asyncio.ensure_future(underway.run(8, other()))
    await asyncio.gather(work.started.wait(), other.started.wait())
    underway.session_ended(7)
    with pytest.raises(ConnectionAbortedError, match="session 7"):
        await mine
    other.go.set()
    assert await theirs == {"number": 1}
    assert not underway._tasks
    underway.session_ended(8)


async def test_who_is_cancelled_cancels_the_work() -> None:
    underway, work = Underway(), Work(held=True)
    asked = asyncio.ensure_future(underway.run(7, work()))
    await work.started.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not underway._tasks


async def test_an_error_of_the_work_is_its_own() -> None:
    with pytest.raises(Held):
        await Underway().run(7, Work(error=Held("not now"))())


# --- Blame ----------------------------------------------------------------------------------------

OPERATION = etree.Element(tag("allocate"))


def blamed(error: CasmError, values: Mapping[str, Any]) -> str | None:
    found = refusal(error, OPERATION, values)
    assert isinstance(found, RpcError)
    return None if found.path is None else found.path.removeprefix("/nc:rpc/casm-o:allocate/")


CASES: list[tuple[CasmError, dict[str, Any], str | None]] = [
    (NotFound("there is no pool 'p1'"), {"device-pool": "d/h", "pool": ["p", "p1"]}, "casm-o:pool[.='p1']"),
    (NotFound("there is no block b7"), {"block": ["b77", "b7"]}, "casm-o:block[.='b7']"),
    (InvalidValue("'10.0.0.1/24' has host bits set"), {"prefix": "10.0.0.1/24"}, "casm-o:prefix"),
    (InvalidValue("10 blocks were asked for"), {"count": 10, "length": 24}, "casm-o:count"),
    (InvalidValue("/24 is too long for pool p"), {"length": 24, "pool": ["p"]}, "casm-o:length"),
    (IllegalTransition("b1 10.0.0.0/24 is quarantined"), {"block": ["b1"]}, "casm-o:block[.='b1']"),
    (NotFound("there is no device 'bng1'"), {"device": ["bng1.x", "bng1"]}, "casm-o:device[.='bng1']"),
    (NotFound("there is no space"), {"device": ["bng1"]}, None),
    (Exhausted("40 of /27 were asked for 'd/h'"), {"device-pool": "d/h"}, None),
    (RequestReused("request id 'r' was used"), {"request-id": "r"}, "casm-o:request-id"),
    (InvalidValue("why is said"), {"reason": "why"}, None),
    (InvalidValue("true is no number"), {"dry-run": True}, None),
    (InvalidValue("it's not a name"), {"name": "it's"}, "casm-o:name"),
]


@pytest.mark.parametrize(("error", "values", "path"), CASES, ids=[str(case[0]) for case in CASES])
def test_blame(error: CasmError, values: dict[str, Any], path: str | None) -> None:
    assert blamed(error, values) == path


def test_a_quote_in_a_value() -> None:
    assert blamed(NotFound("there is no block it's"), {"block": ["it's"]}) == 'casm-o:block[.="it\'s"]'


# --- Output ---------------------------------------------------------------------------------------


@given(st.text())
def test_any_text_is_written_as_xml(text: str) -> None:
    writer = OutputWriter({"{urn:x}t": SchemaNode("{urn:x}t", Kind.LEAF)})
    (written,) = writer.write({"t": text})
    read = etree.fromstring(written).text or ""
    assert len(read) == len(text)
    assert all(a in (b, "?") for a, b in zip(read, text, strict=True))
