"""The clock, durations, identifiers and the one table of errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.clock import (
    SECOND,
    ManualClock,
    SystemClock,
    from_rfc3339,
    parse_duration,
    show_duration,
    to_rfc3339,
)
from casm_ctrl.base.errors import (
    NETCONF_ERRORS,
    CasmError,
    DeviceRefused,
    InvalidValue,
    NotFound,
    PeerError,
    PeerFault,
    Refusal,
    StoreFault,
    error_document,
    netconf_error,
)
from casm_ctrl.base.identifiers import (
    block_id,
    check_name,
    new_store_id,
    new_token,
    parse_block_id,
    split_device_pool,
)
from tests.error_tags import ERROR_TAGS

# --- Clock ----------------------------------------------------------------------------------------


@given(st.integers(0, 4_102_444_800 * SECOND))
def test_a_moment_survives_its_text(moment: int) -> None:
    assert from_rfc3339(to_rfc3339(moment)) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T23:59:59.5-00:00", -500_000),
        ("2026-11-23T03:35:00.25Z", 1_795_404_900_250_000),
    ],
)
def test_moments_in_any_zone(text: str, moment: int) -> None:
    assert from_rfc3339(text) == moment


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-23", "2026-11-23T03:35:00", "2026-13-01T00:00:00Z", "2026-11-23T25:00:00Z"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="not a date and time"):
        from_rfc3339(text)


def test_the_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(5)
    assert clock.now() == clock.now() == 5
    clock.advance(1.5)
    assert clock.now() == 5 + 3 * SECOND // 2


def test_the_system_clock_is_in_microseconds() -> None:
    assert SystemClock().now() > from_rfc3339("2024-01-01T00:00:00Z")
    assert SystemClock().now() < from_rfc3339("2200-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("45", 45), ("90s", 90), ("15m", 900), ("24h", 86400), ("7d", 604_800), ("2w", 1_209_600)],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "-1", "-5m", "1.5h", "5 m", " 5m", "5M", "m5", "1h30m", "٣s", "½d", "9" * 5000, "1e3"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="not a length of time"):
        parse_duration(text)


@given(st.integers(0, 10**9))
def test_a_duration_survives_its_text(seconds: int) -> None:
    assert parse_duration(show_duration(seconds)) == seconds


def test_durations_show_their_largest_unit() -> None:
    assert [show_duration(s) for s in (0, 59, 60, 5400, 86400, 604_800)] == [
        "0s",
        "59s",
        "1m",
        "90m",
        "1d",
        "7d",
    ]


# --- Identifiers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "A9", "0", "bng1", "b", "b1x", "B12", "edge-1.site_2", "x" * 63])
def test_names(name: str) -> None:
    assert check_name("device", name) == name


@pytest.mark.parametrize(
    "name",
    ["", "-a", ".a", "_a", "a b", "a/b", "é", "a\n", "x" * 64, "b1", "b0", "b00", "b999999999999999999"],
)
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(InvalidValue, match="cannot name a device"):
        check_name("device", name)


def test_device_pools_have_two_names() -> None:
    assert split_device_pool("bng1/internet") == ("bng1", "internet")
    for text in ("bng1", "/x", "bng1/", "a/b/c", "b1/x", "x/b1", ""):
        with pytest.raises(InvalidValue):
            split_device_pool(text)


@given(st.integers(1, 10**18 - 1))
def test_a_block_id_survives_its_text(number: int) -> None:
    assert parse_block_id(block_id(number)) == number


@pytest.mark.parametrize(
    "text", ["b0", "b01", "b", "12", "B1", "b1 ", "b-1", "b1\n", "b" + "9" * 19, "10.0.0.0/8"]
)
def test_what_is_no_block_id(text: str) -> None:
    assert parse_block_id(text) is None


def test_ids_and_tokens_do_not_repeat() -> None:
    assert len({new_token("lease") for _ in range(100)}) == 100
    made = new_store_id()
    assert len(made) == 6
    assert made.isalnum()
    assert made == made.lower()


# --- Errors ---------------------------------------------------------------------------------------


def _leaves(cls: type[CasmError]) -> list[type[CasmError]]:
    below = cls.__subclasses__()
    return [cls] if not below else [leaf for child in below for leaf in _leaves(child)]


LEAVES = [leaf for leaf in _leaves(CasmError) if leaf.__module__ == CasmError.__module__]
"""A module above may refine one for itself; netconf_error() then finds the row of the one refined."""


def test_every_leaf_has_its_row() -> None:
    assert [leaf.__name__ for leaf in LEAVES if leaf not in NETCONF_ERRORS] == []


def test_every_row_is_an_error_of_rfc_6241() -> None:
    for row in NETCONF_ERRORS.values():
        assert row.type in ("transport", "rpc", "protocol", "application")
        assert row.tag in ERROR_TAGS


def test_every_row_has_its_own_app_tag() -> None:
    app_tags = [row.app_tag for row in NETCONF_ERRORS.values()]
    assert len(set(app_tags)) == len(app_tags)


def test_our_fault_and_the_peers_are_different_roots() -> None:
    for leaf in LEAVES:
        assert sum(issubclass(leaf, root) for root in (Refusal, StoreFault, PeerFault)) == 1, leaf


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: str(leaf.__name__))
def test_every_error_is_one_line(leaf: type[CasmError]) -> None:
    error = leaf("a message\n  over\r\nlines\tand tabs ", "a\nremedy")
    assert error.message == "a message over lines and tabs"
    assert str(error) == "a message over lines and tabs: a remedy"
    assert error_document(error)["app-tag"] == NETCONF_ERRORS[leaf].app_tag


def test_an_error_without_a_row_takes_its_nearest() -> None:
    class Special(NotFound):
        pass

    assert netconf_error(Special("x")).app_tag == "not-found"
    assert netconf_error(CasmError("x")).app_tag == "failed"


def test_the_document_of_an_error() -> None:
    assert error_document(NotFound("no pool", "make it", path="/pools/pool[name='x']")) == {
        "type": "application",
        "tag": "data-missing",
        "app-tag": "not-found",
        "message": "no pool",
        "remedy": "make it",
        "path": "/pools/pool[name='x']",
    }
    assert "path" not in error_document(NotFound("no pool"))


def test_a_peers_errors_are_kept() -> None:
    first = PeerError("application", "in-use", app_tag="x", path="/a", message="two\nlines")
    error = DeviceRefused("refused", errors=(first, PeerError("rpc", "too-big")))
    assert error.has_tag("too-big")
    assert error.has_tag("missing", "in-use")
    assert not error.has_tag("lock-denied")
    assert str(first) == "application/in-use (x): two lines at /a"
