"""The policy of a device pool: what contradicts itself is refused, and what is not set follows the role."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.automation import BOUNDS, ROLE_DEFAULTS, UNSET, Automation, check_automation, effective
from casm_ctrl.base.errors import CasmError, InvalidValue, NotFound
from casm_ctrl.base.polling import EVERYWHERE, Polling
from casm_ctrl.control.deciding.policy import Policy
from casm_ctrl.service.configuration import (
    AddDevicePool,
    ChangeDevice,
    ChangeDevicePool,
    RemoveDevicePool,
    change,
)
from casm_ctrl.service.views import audit, show_device, show_device_pool
from casm_ctrl.store.automation import get_automation, list_automation
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import find_device, find_device_pool
from casm_ctrl.store.events import Author
from casm_ctrl.yang.engine import engine_for, forest
from tests.automation_world import automations
from tests.configuration_world import MODULES, commit, config, running

ME = Author("tester")
WINDOW: dict[str, Any] = {
    "reclaim_from": "02:00",
    "reclaim_until": "05:00",
    "reclaim_zone": "Europe/Berlin",
}


# --- What may be ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "usage_high", "words"),
    [
        ({"grow_at": 60, "shrink_at": 60}, None, "shrink-at 60 % is not below grow-at 60 %"),
        ({"shrink_at": 80}, None, r"not below grow-at 80 % \(of the role\)"),
        ({"shrink_at": 60}, 60, r"not below grow-at 60 % \(of usage-high\)"),
        ({"grow_at": 80, "grow_at_free": 9}, None, "grow-at and grow-at-free are both set"),
        ({"shrink_at": 10, "shrink_at_free": 9}, None, "shrink-at and shrink-at-free are both set"),
        ({"grow_at_free": 9, "shrink_at_free": 9}, None, "shrink-at-free 9 is not above grow-at-free 9"),
        ({"force_after": 60}, None, "force-after is set without a drain-deadline"),
        ({"reclaim_from": "02:00", "reclaim_until": "05:00"}, None, "has no reclaim-zone"),
        ({"reclaim_zone": "UTC"}, None, "has no reclaim-from"),
        (WINDOW | {"reclaim_zone": "Europe/Atlantis"}, None, "'Europe/Atlantis' is not a known time zone"),
        (WINDOW | {"reclaim_zone": "Europe"}, None, "'Europe' is not a known time zone"),
        (WINDOW | {"reclaim_zone": "../../etc/passwd"}, None, "is not a known time zone"),
        (WINDOW | {"reclaim_from": "2:00"}, None, "'2:00' is not a time of day"),
        (WINDOW | {"reclaim_until": "24:00"}, None, "'24:00' is not a time of day"),
        (WINDOW | {"reclaim_until": "02:00"}, None, "is empty"),
        ({"grow": "yes"}, None, "'yes' is not a value of grow"),
        ({"scarcity": "never"}, None, "'never' is not a value of scarcity"),
        ({"grow_at": 101}, None, "grow-at cannot be 101"),
        ({"hold_down": 0}, None, "hold-down cannot be 0"),
        ({"priority": 256}, None, "priority cannot be 256"),
    ],
)
def test_what_contradicts_itself_is_refused(
    values: dict[str, Any], usage_high: int | None, words: str
) -> None:
    with pytest.raises(InvalidValue, match=words):
        check_automation(Automation(**values), "bng", usage_high)


@pytest.mark.parametrize("role", ROLE_DEFAULTS)
@pytest.mark.parametrize("usage_high", [None, 1, 40, 100])
def test_nothing_set_never_contradicts_itself(role: str, usage_high: int | None) -> None:
    check_automation(UNSET, role, usage_high)
    held = effective(UNSET, role, usage_high)
    assert held.grow == held.shrink == "observe"
    assert held.grow_at == (usage_high or ROLE_DEFAULTS[role].grow_at)
    assert held.shrink_at is not None
    assert held.grow_at is not None
    assert held.shrink_at < held.grow_at


def test_a_default_to_shrink_at_gives_way_to_what_it_grows_at() -> None:
    assert effective(Automation(grow_at=60), "bng", None).shrink_at == 35
    assert effective(Automation(grow_at=10), "bng", None).shrink_at == 0
    assert effective(Automation(grow_at=90, shrink_at=80), "bng", None).shrink_at == 80


def test_marks_in_addresses_stand_for_those_in_percent() -> None:
    held = effective(Automation(grow_at_free=20), "bng", 90)
    assert (held.grow_at, held.grow_at_free) == (None, 20)
    assert held.shrink_at == 50


@given(automations(), st.sampled_from(sorted(ROLE_DEFAULTS)), st.sampled_from((None, 60, 90)))
def test_what_is_taken_is_what_is_decided_by(
    automation: Automation, role: str, usage_high: int | None
) -> None:
    check_automation(automation, role, usage_high)
    policy = Policy.of(role, vars(automation), usage_high)
    held = effective(automation, role, usage_high)
    for name, value in vars(held).items():
        if name != "reclaim_zone" or value is not None:
            assert getattr(policy, name) == value, name


@given(
    st.builds(
        Automation,
        **{
            name: st.none() | st.integers(least - 1, min(most, 400) + 1)
            for name, (least, most) in BOUNDS.items()
        },
    ),
    st.sampled_from(sorted(ROLE_DEFAULTS)),
    st.none() | st.integers(1, 100),
)
def test_a_policy_is_made_of_all_that_is_taken(
    automation: Automation, role: str, usage_high: int | None
) -> None:
    try:
        check_automation(automation, role, usage_high)
    except CasmError:
        return
    Policy.of(role, vars(automation), usage_high)


# --- In the store ---------------------------------------------------------------------------------


def _stored(database: Database, label: str) -> Automation:
    with database.read() as tx:
        row = find_device_pool(tx, *label.split("/"))
        assert row is not None
        return get_automation(tx, row.id)


def _change(database: Database, *unset: str, **values: Any) -> None:
    change(database, ME, [ChangeDevicePool("bng1/internet", tuple(values.items()), unset)])


def test_a_change_keeps_what_it_does_not_name(network: Database) -> None:
    assert _stored(network, "bng1/internet") == UNSET
    _change(network, grow="automatic", grow_at_free=1 << 100)
    _change(network, hold_down=60, **WINDOW)
    assert _stored(network, "bng1/internet") == Automation(
        grow="automatic", grow_at_free=1 << 100, hold_down=60, **WINDOW
    )
    _change(network, "reclaim-from", "reclaim-until", "reclaim-zone", "grow-at-free", grow_at=70)
    assert _stored(network, "bng1/internet") == Automation(grow="automatic", grow_at=70, hold_down=60)
    shown = show_device_pool(network, "bng1/internet")["automation"]
    assert shown == {"grow": "automatic", "grow-at": 70, "hold-down": 60}
    _change(network, "grow", "grow-at", "hold-down")
    assert "automation" not in show_device_pool(network, "bng1/internet")
    with network.read() as tx:
        assert list_automation(tx) == {}


def test_a_threshold_takes_the_place_of_that_in_the_other_unit(network: Database) -> None:
    author = Author("tester", "r1")
    _change(network, grow_at_free=9, shrink_at=10)
    edit = ChangeDevicePool("bng1/internet", (("grow_at", 70), ("shrink_at_free", 200)))
    done = change(network, author, [edit])
    assert _stored(network, "bng1/internet") == Automation(grow_at=70, shrink_at_free=200)
    assert change(network, author, [edit]) == done
    with pytest.raises(InvalidValue, match="are both set"):
        _change(network, grow_at=60, grow_at_free=9)


def test_a_change_is_counted_and_told(network: Database) -> None:
    before = change(network, ME, [ChangeDevicePool("bng1/internet", (("priority", 7),))])
    after = change(network, ME, [ChangeDevicePool("bng1/internet", (("priority", 8),))])
    assert int(after["config-revision"]) == int(before["config-revision"]) + 1
    assert "priority 7 → 8" in audit(network, limit=1)[0]["reason"]


def test_a_refused_change_changes_nothing(network: Database) -> None:
    _change(network, shrink_at=60)
    with pytest.raises(InvalidValue, match="shrink-at 60"):
        _change(network, usage_high=60)
    with pytest.raises(InvalidValue, match="cannot be taken away"):
        _change(network, "nothing")
    assert _stored(network, "bng1/internet") == Automation(shrink_at=60)


def test_the_role_of_the_device_is_looked_at_when_it_changes(network: Database) -> None:
    _change(network, shrink_at=76)
    with pytest.raises(InvalidValue, match=r"grow-at 75 % \(of the role\)"):
        change(network, ME, [ChangeDevice("bng1", role="cgn")])


def test_what_was_set_goes_with_the_device_pool(network: Database) -> None:
    edit = AddDevicePool("bng1/extra", ("p",), 26, automation=Automation(grow="automatic"))
    change(network, ME, [edit])
    assert _stored(network, "bng1/extra").grow == "automatic"
    change(network, ME, [RemoveDevicePool("bng1/extra")])
    with network.read() as tx:
        assert list_automation(tx) == {}


# --- Polling --------------------------------------------------------------------------------------


def _polling(database: Database) -> Polling:
    with database.read() as tx:
        row = find_device(tx, "bng1")
    assert row is not None
    return row.polling


def test_a_device_is_polled_as_it_was_said(network: Database) -> None:
    assert _polling(network) == EVERYWHERE
    change(network, ME, [ChangeDevice("bng1", polling=(("interval", 10), ("hot_interval", 5)))])
    change(network, ME, [ChangeDevice("bng1", polling=(("notifications", False),))])
    assert _polling(network) == Polling(10, 5, False)
    shown = show_device(network, "bng1")["polling"]
    assert shown == {"interval": 10, "hot-interval": 5, "notifications": False}
    change(network, ME, [ChangeDevice("bng1", polling=tuple((name, None) for name in vars(EVERYWHERE)))])
    assert _polling(network) == EVERYWHERE


@pytest.mark.parametrize(
    ("polling", "words"),
    [
        ((("interval", 0),), "the interval cannot be 0 s"),
        ((("hot_interval", 301),), "301 s is longer than the interval 300 s"),
        ((("interval", 10),), "hot-interval 30 s is longer"),
        ((("often", 1),), "'often' is nothing of polling"),
    ],
)
def test_polling_that_cannot_be_is_refused(
    network: Database, polling: tuple[tuple[str, int | None], ...], words: str
) -> None:
    with pytest.raises(InvalidValue, match=words):
        change(network, ME, [ChangeDevice("bng1", polling=polling)])
    assert _polling(network) == EVERYWHERE


def test_an_unknown_device_pool_is_told(network: Database) -> None:
    with pytest.raises(NotFound):
        change(network, ME, [ChangeDevicePool("bng1/none", (("grow", "automatic"),))])


def test_every_leaf_has_a_default_or_none_on_purpose() -> None:
    absent = {f.name for f in dataclasses.fields(Automation) if getattr(ROLE_DEFAULTS["bng"], f.name) is None}
    assert absent == {
        "grow_at_free",
        "shrink_at_free",
        "reclaim_from",
        "reclaim_until",
        "reclaim_zone",
        "force_after",
    }


# --- Over NETCONF ---------------------------------------------------------------------------------


def _edited(database: Database, inner: str) -> None:
    """Commit the running configuration with `inner` as the automation of bng1/internet."""
    after = running(database)
    (pool,) = after.iterfind(".//{*}device[{*}name='bng1']/{*}device-pool")
    for there in list(pool.iterchildren("{*}automation")):
        pool.remove(there)
    if inner:
        made = config(f"<d:automation>{inner}</d:automation>")
        pool.append(made[0])
    commit(database, after)


def test_automation_is_edited_and_read_as_configuration(network: Database) -> None:
    _edited(network, "<d:grow>automatic</d:grow><d:shrink-at-free>70</d:shrink-at-free>")
    assert _stored(network, "bng1/internet") == Automation(grow="automatic", shrink_at_free=70)
    shown = running(network).findtext(".//{*}device-pool/{*}automation/{*}shrink-at-free")
    assert shown == "70"
    _edited(network, "<d:shrink-at>30</d:shrink-at>")
    assert _stored(network, "bng1/internet") == Automation(shrink_at=30)
    _edited(network, "")
    assert _stored(network, "bng1/internet") == UNSET


def test_what_contradicts_the_role_is_refused_with_its_place(network: Database) -> None:
    with pytest.raises(InvalidValue, match="of the role") as refused:
        _edited(network, "<d:shrink-at>85</d:shrink-at>")
    assert refused.value.edit_index == 0


@pytest.mark.parametrize(
    "inner",
    [
        "<d:grow-at>50</d:grow-at><d:shrink-at>50</d:shrink-at>",
        "<d:grow-at>50</d:grow-at><d:grow-at-free>9</d:grow-at-free>",
        "<d:shrink-at>50</d:shrink-at><d:shrink-at-free>9</d:shrink-at-free>",
        "<d:grow-at-free>9</d:grow-at-free><d:shrink-at-free>8</d:shrink-at-free>",
        "<d:reclaim-from>02:00</d:reclaim-from>",
        "<d:reclaim-from>02:00</d:reclaim-from><d:reclaim-until>03:00</d:reclaim-until>",
        "<d:reclaim-zone>UTC</d:reclaim-zone>",
        "<d:force-after>60</d:force-after>",
        "<d:grow>yes</d:grow>",
        "<d:hold-down>0</d:hold-down>",
    ],
)
def test_the_model_refuses_what_contradicts_itself(network: Database, inner: str) -> None:
    after = running(network)
    (pool,) = after.iterfind(".//{*}device[{*}name='bng1']/{*}device-pool")
    pool.append(config(f"<d:automation>{inner}</d:automation>")[0])
    with pytest.raises(CasmError):
        engine_for(*MODULES).validate(forest(after), what="config")


def test_both_intervals_change_in_one_commit(network: Database) -> None:
    """Each leaf is an edit, and what they make together is judged at the end."""
    after = running(network)
    (device,) = after.iterfind(".//{*}device[{*}name='bng1']")
    polling = "<d:polling><d:interval>10</d:interval><d:hot-interval>5</d:hot-interval></d:polling>"
    device.append(config(polling)[0])
    commit(network, after)
    assert _polling(network) == Polling(10, 5)
