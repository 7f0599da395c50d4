"""Any configuration becomes any other in one change, or the change is refused as a whole, with a path."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import parse_prefix
from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import CasmError
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.trees import describe_difference
from casm_ctrl.northbound.configuration.edits import edits_between
from casm_ctrl.service.documents import automation_document
from casm_ctrl.service.exchange.nouns import DEVICE, DEVICE_POOL, GROUP, POOL, QUOTA, SPACE, Entry
from casm_ctrl.store.database import Database
from casm_ctrl.yang.engine import engine_for, forest
from tests.automation_world import automations, pollings
from tests.configuration_world import MODULES, SCHEMA, commit, config, config_of, running
from tests.stores import SqliteStores

TEXTS = st.sampled_from(["", "one", "two"])
SPACES = ("s", "t")
PREFIXES = {
    "ipv4": ("10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"),
    "ipv6": ("2001:db8::/36", "2001:db8:1000::/36", "2001:db8:2000::/36"),
}
INNER = {
    "ipv4": ("10.0.0.0/20", "10.0.16.0/20", "10.1.0.0/20", "10.2.0.0/20"),
    "ipv6": ("2001:db8::/40", "2001:db8:100::/40", "2001:db8:1000::/40"),
}
CUTS = {
    "ipv4": ("10.0.32.0/24", "10.0.33.0/24", "10.1.32.0/24", "10.2.33.0/24", "10.3.32.0/24"),
    "ipv6": ("2001:db8:800::/48", "2001:db8:801::/48", "2001:db8:1800::/48"),
}
LENGTHS = {"ipv4": (24, 25, 26), "ipv6": (50, 51, 52)}
DELEGATED = 60
KEYS = tuple(
    f"ssh-ed25519 {b64encode(bytes((0, 0, 0, 11)) + b'ssh-ed25519' + last).decode()}"
    for last in (b"abc", b"xyz")
)


@st.composite
def worlds(draw: st.DrawFn) -> list[Entry]:
    """Configurations that mean something, though not always something that can be."""
    spaces = draw(st.lists(st.sampled_from(SPACES), min_size=1, max_size=2, unique=True))
    entries = [Entry(SPACE, name, {"description": draw(TEXTS)}) for name in spaces]
    pools = draw(_pools(spaces))
    entries += pools
    devices: list[Entry] = []
    for number, name in enumerate(("d1", "d2"), 1):
        if draw(st.integers(0, 3)) > 0:
            devices.append(draw(_device(name, number, spaces)))
    entries += devices
    names = [device.key for device in devices]
    groups = []
    if draw(st.booleans()) and names:
        roles = {name: draw(st.sampled_from(("serves", "stands-by"))) for name in names}
        roles[draw(st.sampled_from(names))] = "serves"
        groups.append(Entry(GROUP, "g", {"member": tuple(sorted(roles.items()))}))
    entries += groups
    for device in devices:
        for name in ("a", "b"):
            fitting = [pool for pool in pools if pool.get("address-space") == device.get("address-space")]
            wanted = bool(draw(st.booleans()))
            if fitting and wanted:
                entries.append(draw(_device_pool(f"{device.key}/{name}", fitting, bool(groups))))
    entries += draw(_quotas(spaces, pools, names))
    return entries


@st.composite
def _pools(draw: st.DrawFn, spaces: list[str]) -> list[Entry]:
    found: list[Entry] = []
    names = draw(st.lists(st.sampled_from(("p", "q", "r")), max_size=3, unique=True))
    left = {family: list(draw(st.permutations(prefixes))) for family, prefixes in PREFIXES.items()}
    for name in names:
        family = draw(st.sampled_from(("ipv4", "ipv4", "ipv6")))
        own = left[family]
        prefixes = tuple(sorted(own.pop() for _ in range(draw(st.integers(1, 2))) if own))
        if not prefixes:
            continue
        inside = _inside(prefixes, CUTS[family])
        cuts = draw(st.lists(st.sampled_from(inside), unique=True)) if inside else []
        half = draw(st.integers(0, len(cuts)))
        found.append(
            draw(
                _pool(
                    name,
                    draw(st.sampled_from(spaces)),
                    family,
                    prefixes,
                    tuple(cuts[:half]),
                    tuple(cuts[half:]),
                )
            )
        )
    for parent in list(found):
        family = parent.get("family")
        room = _inside(parent.get("prefix"), INNER[family])
        if room and parent.get("psid-offset") is None and draw(st.booleans()):
            name = draw(
                st.sampled_from([n for n in ("c", "k", "l", "p", "q") if n not in {e.key for e in found}])
            )
            prefixes = (draw(st.sampled_from(room)),)
            child = draw(_pool(name, parent.get("address-space"), family, prefixes, (), ()))
            values = {**child.values, "parent": parent.key, "scope": parent.get("scope")}
            values.pop("psid-offset", None)
            found.append(Entry(POOL, name, values))
    return found


def _inside(outer: tuple[str, ...], prefixes: tuple[str, ...]) -> list[str]:
    whole = [parse_prefix(prefix) for prefix in outer]
    return [prefix for prefix in prefixes if any(one.contains(parse_prefix(prefix)) for one in whole)]


@st.composite
def _pool(
    draw: st.DrawFn,
    name: str,
    space: str,
    family: str,
    prefixes: tuple[str, ...],
    excludes: tuple[str, ...],
    reserved: tuple[str, ...],
) -> Entry:
    values: dict[str, Any] = {
        "address-space": space,
        "family": family,
        "scope": draw(st.sampled_from(("private", "public"))),
        "description": draw(TEXTS),
        "prefix": prefixes,
        "exclude": tuple(sorted(excludes)),
        "reservation": tuple((prefix, draw(st.sampled_from(("one", "two")))) for prefix in sorted(reserved)),
        "label": draw(_labels),
        "strategy": draw(st.sampled_from(("best-fit", "sparse"))),
        "quarantine": draw(st.sampled_from((3600, 60))),
        "lease-time": draw(st.sampled_from((86400, 60))),
    }
    if draw(st.integers(0, 3)) == 0:
        values |= {"psid-offset": 6} if family == "ipv4" else {"delegated-length": DELEGATED}
    return Entry(POOL, name, {name: value for name, value in values.items() if value != ()})


_labels = st.dictionaries(st.sampled_from(("x", "y")), st.sampled_from(("1", "2"))).map(
    lambda labels: tuple(sorted(labels.items()))
)


@st.composite
def _device(draw: st.DrawFn, name: str, number: int, spaces: list[str]) -> Entry:
    values: dict[str, Any] = {
        "role": "bng",
        "driver": draw(st.sampled_from(("ietf-address-pool", "cisco-iosxr"))),
        "host": f"192.0.2.{draw(st.sampled_from((number, number, 1, 2)))}",
        "port": draw(st.sampled_from((830, 831))),
        "user": draw(st.sampled_from(("casm", "root"))),
        "credential": draw(st.sampled_from(("env:A", "file:b"))),
        "client": draw(st.sampled_from(("asyncssh", "ncclient"))),
        "on-drift": draw(st.sampled_from(("report", "restore"))),
        "address-space": draw(st.sampled_from(spaces)),
        "label": draw(_labels),
        "network-instance": tuple(
            (instance, draw(st.sampled_from(spaces))) for instance in ("i", "j") if draw(st.booleans())
        ),
    }
    if draw(st.booleans()):
        polling = draw(pollings)
        values |= {name.replace("_", "-"): value for name, value in vars(polling).items()}
    if draw(st.booleans()):
        values["tcp"] = draw(st.sampled_from(("1.5", "2.0")))
    if draw(st.booleans()):
        values["commit"] = draw(st.sampled_from((30, 90)))
    if draw(st.booleans()):
        values["host-key"] = draw(st.sampled_from(KEYS))
    return Entry(DEVICE, name, {name: value for name, value in values.items() if value != ()})


@st.composite
def _device_pool(draw: st.DrawFn, label: str, fitting: list[Entry], grouped: bool) -> Entry:
    family = draw(st.sampled_from([pool.get("family") for pool in fitting]))
    of_family = [pool.key for pool in fitting if pool.get("family") == family]
    pools = draw(st.lists(st.sampled_from(of_family), min_size=1, max_size=2, unique=True))
    longer, first, longest = LENGTHS[family]
    values: dict[str, Any] = {
        "aaa-name": draw(st.sampled_from((label.partition("/")[2],) * 3 + ("other",))),
        "pool": tuple(pools),
        "length": draw(st.sampled_from((longer, longest))),
        "gateway": draw(st.sampled_from(("none", "first"))),
        "description": draw(TEXTS),
        "service": draw(st.sampled_from(((), ("x",), ("x", "y")))),
        "min-blocks": draw(st.sampled_from((0, 1))),
        "announcement": draw(st.sampled_from(("none", "external"))),
    }
    for name, value in (
        ("first-length", first),
        ("max-blocks", 9),
        ("strategy", "adjacent"),
        ("usage-high", 80),
    ):
        if draw(st.booleans()):
            values[name] = value
    if draw(st.booleans()):
        values |= automation_document(draw(automations()))
    if grouped and draw(st.booleans()):
        values["owner-group"] = "g"
    return Entry(DEVICE_POOL, label, {name: value for name, value in values.items() if value != ()})


@st.composite
def _quotas(draw: st.DrawFn, spaces: list[str], pools: list[Entry], devices: list[str]) -> list[Entry]:
    subjects = [("space", name) for name in spaces] + [("pool", pool.key) for pool in pools]
    subjects += [("device", name) for name in devices]
    found = []
    for name in ("l", "m"):
        if draw(st.booleans()):
            kind, subject = draw(st.sampled_from(subjects))
            family = draw(st.sampled_from(("ipv4", "ipv4", "ipv6")))
            most = draw(st.sampled_from(("100", "4096" if family == "ipv4" else str(1 << 90))))
            values = {"kind": kind, "subject": subject, "family": family, "max-addresses": most}
            found.append(Entry(QUOTA, name, values))
    return found


def _try(database: Database, after: Element) -> str | None:
    """Commit; what refused it, else None. What is refused has a path, and changed nothing."""
    before = running(database)
    try:
        placed = edits_between(before, after)
        commit(database, after)
    except RpcError as error:
        assert error.path
        refused = f"{error.app_tag}: {error.message}"
    except CasmError as error:
        assert error.edit_index is not None
        assert placed[error.edit_index].path
        refused = f"{type(error).__name__}: {error} {placed[error.edit_index].path}"
    else:
        assert describe_difference(after, running(database), schema=SCHEMA) == []
        assert edits_between(running(database), after) == []
        return None
    assert describe_difference(before, running(database), schema=SCHEMA) == []
    return refused


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds(), worlds())
def test_any_configuration_becomes_any_other(store_template: Path, a: list[Entry], b: list[Entry]) -> None:
    """RFC 6241 8.3.4.1: a commit is all or nothing. What can be configured on an empty store is refused on another
    only where it says that a thing of that name becomes what it cannot."""
    before, after = config_of(a), config_of(b)
    engine = engine_for(*MODULES)
    try:
        for tree in (before, after):
            engine.validate(forest(tree), what="config")
    except CasmError:
        event("not valid YANG")
        return
    with TemporaryDirectory() as folder:
        stores = SqliteStores(store_template, Path(folder))
        try:
            first, fresh = stores(ManualClock()), stores(ManualClock())
            refused = _try(first, before)
            if refused is not None:
                event(f"A cannot be: {refused[:60]}")
                return
            possible = _try(fresh, after) is None
            refused = _try(first, after)
            note(f"refused: {refused}")
            event("B cannot be" if not possible else "refused" if refused else "done")
            if possible and refused is not None:
                assert refused.startswith(("not-supported: ", "NotSupported: ")), refused
            if not possible:
                assert refused is not None
            if refused is None:
                assert _try(first, config("")) is None
        finally:
            stores.close()
