"""What is tried again, how often, and after which pauses."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.errors import (
    AuthenticationFailed,
    CandidateModified,
    CasmError,
    DeadlineExceeded,
    DeviceRefused,
    HostKeyRefused,
    LeaseHeld,
    LockDenied,
    MassRemoval,
    SessionLost,
    StoreLocked,
    Unproven,
    Unreachable,
)
from casm_ctrl.sync.backoff import Backoff, is_passing, pauses


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(tries=6, first=1.0, longest=8.0)
    assert [backoff.pause(n, 0.0, lambda: 1.0) for n in range(1, 8)] == [1, 2, 4, 8, 8, 8, None]


@pytest.mark.parametrize("chance", [0.0, 0.25, 1.0])
def test_the_whole_pause_is_chance(chance: float) -> None:
    assert Backoff(first=1.0).pause(1, 0.0, lambda: chance) == chance


def test_it_is_bounded_in_time() -> None:
    backoff = Backoff(tries=5, limit=10.0, first=1.0)
    assert backoff.pause(1, 9.0, lambda: 1.0) == 1.0
    assert backoff.pause(1, 9.5, lambda: 1.0) is None


def test_none_is_once() -> None:
    assert Backoff(tries=0).pause(1, 0.0, lambda: 0.0) is None


def test_looks_at_what_others_hold_become_rarer() -> None:
    assert list(islice(pauses(0.25, 2.0, lambda: 1.0), 6)) == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]
    assert list(islice(pauses(0.25, 2.0, lambda: 0.0), 3)) == [0.125, 0.25, 0.5]


@given(
    failed=st.integers(1, 10_000),
    elapsed=st.floats(0, 1e6),
    chance=st.floats(0, 1),
    tries=st.integers(0, 10_000),
)
def test_no_pause_is_beyond_its_bounds(failed: int, elapsed: float, chance: float, tries: int) -> None:
    backoff = Backoff(tries=tries)
    pause = backoff.pause(failed, elapsed, lambda: chance)
    if pause is not None:
        assert failed <= tries
        assert 0 <= pause <= backoff.longest
        assert elapsed + pause <= backoff.limit


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("x"),
        SessionLost("x"),
        DeadlineExceeded("x", phase="TCP"),
        DeadlineExceeded("x", phase="SSH"),
        DeadlineExceeded("x", phase="hello"),
    ],
)
def test_what_passes_is_tried_again(error: CasmError) -> None:
    assert is_passing(error)


@pytest.mark.parametrize(
    "error",
    [
        DeadlineExceeded("x", phase="RPC"),
        DeviceRefused("x"),
        LockDenied("x"),
        LeaseHeld("x"),
        AuthenticationFailed("x"),
        HostKeyRefused("x"),
        CandidateModified("x"),
        MassRemoval("x"),
        Unproven("x"),
        StoreLocked("x"),
    ],
)
def test_refusals_are_not_tried_again(error: CasmError) -> None:
    assert not is_passing(error)
