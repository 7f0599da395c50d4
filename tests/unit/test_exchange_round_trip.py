"""What one store exports, another imports, and then exports the same."""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casm_ctrl.base.clients import CLIENTS
from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import Refusal
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddGroup,
    AddPool,
    AddShelf,
    AddSpace,
    Edit,
    Reserve,
    SetLimits,
    SetQuota,
    change,
)
from casm_ctrl.service.exchange.nouns import What
from casm_ctrl.service.holds import hold
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from casm_ctrl.yang.engine import engine_for
from tests.automation_world import automations, pollings
from tests.exchange_world import AUTHOR, counts, give, take

_IDS = re.compile(r'"id": "b[0-9]+"|,b[0-9]+,')


def _without_ids(text: str) -> str:
    """A block's id is never used again, so that an import gives new ones."""
    return _IDS.sub("", text)


@contextlib.contextmanager
def _stores(template: Path) -> Iterator[tuple[Database, Database]]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [shutil.copyfile(template, Path(folder, name)) for name in ("one.db", "two.db")]
        one, two = (open_database(str(path), ManualClock()) for path in paths)
        yield one, two
        one.close()
        two.close()


# --- Generated stores -----------------------------------------------------------------------------

_odd = st.text(st.sampled_from("aé,;=\\\"' \n\r\t{}:"), max_size=8)
_name = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,4}\Z").filter(lambda n: not re.fullmatch(r"b[0-9]+", n))
_labels = st.dictionaries(_name, _odd, max_size=2).map(lambda found: tuple(found.items()))
_seconds = st.integers(0, 10**6)
_RESOURCES = (
    "//casm-devices:device",
    "//*[name() = 'a;b']",
    "/casm-pools:pools/pool\\[name='.*'\\]",
    "a|b\\d+",
)
_deadline = st.integers(1, 86_400_000).map(lambda milliseconds: milliseconds / 1000)


@st.composite
def _roots(draw: st.DrawFn, names: list[str], spaces: list[str]) -> list[AddPool]:
    """Root pools, each in addresses of its own, so that any may be public."""
    kinds = [
        ("10.{}.0.0/16", "10.{}.1.0/24", None, False, None),
        ("2001:db8:{}::/48", "2001:db8:{}:8000::/50", None, False, None),
        ("2001:db8:{}::/48", "2001:db8:{}:8000::/50", None, False, 60),
        ("192.0.{}.0/24", "192.0.{}.128/26", 6, False, None),
        ("192.0.{}.0/24", "192.0.{}.128/26", 4, True, None),
    ]
    made = []
    for number, name in enumerate(names):
        prefix, hole, offset, routed, delegated = draw(st.sampled_from(kinds))
        made.append(
            AddPool(
                name,
                draw(st.sampled_from(spaces)),
                (prefix.format(number),),
                (hole.format(number),) if draw(st.booleans()) else (),
                draw(st.sampled_from(["private", "public"])),
                draw(_odd),
                draw(_seconds),
                draw(_seconds),
                draw(_labels),
                draw(st.sampled_from(["best-fit", "adjacent", "sparse"])),
                None,
                offset,
                routed,
                delegated,
            )
        )
    return made


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[Edit], list[str]]:
    """Edits that make a network, and its device pools."""
    names = draw(st.lists(_name, min_size=4, max_size=12, unique_by=str.lower))
    spaces, names = names[:2], names[2:]
    pool_names, device_names = names[: (len(names) + 1) // 2], names[(len(names) + 1) // 2 :]
    edits: list[Edit] = [AddSpace(name, draw(_odd)) for name in spaces]
    roots = draw(_roots(pool_names, spaces))
    edits += roots
    pools = list(roots)
    for number, root in enumerate(roots):
        if root.psid_offset is None and draw(st.booleans()):
            child = f"{number}-child"  # sorts before many a parent
            prefix = f"10.{number}.64.0/18" if "." in root.prefixes[0] else f"2001:db8:{number}:4000::/50"
            pools.append(AddPool(child, root.space, (prefix,), scope=root.scope, parent=root.name))
            edits.append(pools[-1])
        if root.psid_offset is None and draw(st.booleans()):
            kept = f"10.{number}.32.0/24" if "." in root.prefixes[0] else f"2001:db8:{number}:1000::/56"
            edits.append(Reserve(root.name, kept, "kept " + draw(_odd).strip()))
    labels = []
    for number, name in enumerate(device_names):
        space = draw(st.sampled_from(spaces))
        instances = ((draw(_odd.filter(bool)), spaces[0]),) if draw(st.booleans()) else ()
        role = draw(st.sampled_from(["bng", "cgn", "dhcp"]))
        edits.append(
            AddDevice(
                name,
                role,
                "any",
                f"192.0.2.{number}",
                830 + number,
                "u",
                "env:X",
                space,
                instances=instances,
                deadlines=tuple(draw(st.dictionaries(st.sampled_from(["tcp", "rpc"]), _deadline)).items()),
                client=draw(st.sampled_from(CLIENTS)),
                polling=draw(pollings),
            )
        )
        served = {space, *(other for _, other in instances)}
        for index, pool in enumerate(p for p in pools if p.space in served):
            if draw(st.booleans()):
                labels.append(f"{name}/dp{index}")
                edits.append(_device_pool(draw, labels[-1], pool, role))
    if device_names:
        edits.append(AddGroup("group-1", tuple((name, "serves") for name in device_names)))
    edits.append(SetQuota("quota-1", "space", spaces[0], 2**40, "ipv6"))
    limits = draw(st.dictionaries(st.sampled_from(["grow_per_hour", "away_after"]), st.integers(0, 9999)))
    edits += [SetLimits(tuple(limits.items()))] if limits else []
    for name in draw(st.lists(_name, max_size=2, unique=True)):
        resources = tuple(draw(st.lists(st.sampled_from(_RESOURCES), max_size=2, unique=True)))
        types = tuple(
            draw(st.lists(st.tuples(st.just("drift"), _odd.map(re.escape)), max_size=2, unique=True))
        )
        edits.append(AddShelf(name, resources, below="minor", description=draw(_odd), qualified=types))
    return edits, labels


def _device_pool(draw: st.DrawFn, label: str, pool: AddPool, role: str) -> AddDevicePool:
    whole = 32 if role == "cgn" else 36
    length = whole if pool.psid_offset else 24 if "." in pool.prefixes[0] else 56
    gateway = draw(st.sampled_from(["none", "first", "last", "unnumbered:loopback 0"]))
    return AddDevicePool(
        label,
        (pool.name,),
        length,
        draw(st.sampled_from(["", f"{label} of AAA"])),
        gateway,
        draw(st.sampled_from([None, 8])) if gateway != "none" else None,
        tuple(draw(st.lists(_odd.filter(bool), max_size=2, unique=True))),
        draw(st.sampled_from([None, "pppoe", "map"])),
        draw(st.sampled_from(["operator", "never", "after 36h"])),
        draw(_odd),
        min_blocks=draw(st.integers(0, 2)),
        max_blocks=draw(st.sampled_from([None, 100])),
        usage_high=draw(st.sampled_from([None, 60, 90])),
        automation=draw(automations()),
    )


@settings(max_examples=25, deadline=None)
@given(network=networks(), sizes=st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_export_import_export_is_the_same(
    store_template: Path, network: tuple[list[Edit], list[str]], sizes: list[int]
) -> None:
    edits, labels = network
    with _stores(store_template) as (one, two):
        change(one, AUTHOR, edits)
        for count, label in zip(itertools.cycle(sizes), labels, strict=False):
            with contextlib.suppress(Refusal):  # a pool that is full is as good as any
                allocate(one, AUTHOR, label, count=count)
        texts = {form: take(one, form) for form in ("json", "csv")}
        engine_for("casm-pools", "casm-devices", "casm-control", "casm-alarms", "ietf-alarms").validate(
            texts["json"].encode(), format="json", what="data"
        )
        for form, text in texts.items():
            done = give(two, text)
            assert done["error"] == []
            for other, expected in texts.items():
                assert _without_ids(take(two, other)) == _without_ids(expected)
            again = give(one, text)
            assert again["error"] == []
            assert "config-revision" not in again
            assert all(new == 0 for new, _ in counts(again).values())
            if form == "json":  # by then it is there, and the tables say the same
                assert all(new == 0 for new, _ in counts(give(two, texts["csv"])).values())


# --- Both stores ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "csv"])
def test_parts_make_the_whole(network: Database, store_template: Path, form: str) -> None:
    allocate(network, AUTHOR, "bng1/internet", count=3)
    allocate(network, AUTHOR, "bng2/internet", count=2, lifetime=3600)
    change(network, AUTHOR, [SetLimits((("grow_per_hour", 5),)), AddShelf("all")])
    hold(network, Author("tester", reason="work"), "device", "bng1")
    parts = [take(network, form, what) for what in What if what is not What.ALL]
    with _stores(store_template) as (one, _):
        for part in parts:
            assert give(one, part)["error"] == []
        assert _without_ids(take(one, form)) == _without_ids(take(network, form))


def test_a_part_of_the_configuration_is_valid(network: Database) -> None:
    allocate(network, AUTHOR, "bng1/internet", count=3)
    engine = engine_for("casm-pools", "casm-devices", "casm-control", "casm-alarms", "ietf-alarms")
    engine.validate(take(network).encode(), format="json", what="data")
    engine.validate(take(network, what=What.POOLS).encode(), format="json", what="config")
    for what in (What.DEVICES, What.BLOCKS, What.CONTROL):
        engine.validate(take(network, what=what).encode(), format="json", what="part")


def test_an_empty_store_is_an_empty_document(database: Database) -> None:
    assert take(database) == "{\n}\n"
    assert give(database, "{\n}\n") == {"imported": [], "error": []}
    assert give(database, take(database, "csv")) == {"imported": [], "error": []}
