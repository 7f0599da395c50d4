"""How a device is changed, by what it announces."""

from __future__ import annotations

import pytest

from casm_ctrl.netconf.client.session import Capabilities
from casm_ctrl.netconf.names import (
    BASE_1_0,
    CANDIDATE,
    CONFIRMED_COMMIT_1_0,
    CONFIRMED_COMMIT_1_1,
    WRITABLE_RUNNING,
)
from casm_ctrl.sync.way import Way, way_of


@pytest.mark.parametrize(
    ("uris", "way"),
    [
        ((CANDIDATE, CONFIRMED_COMMIT_1_1), Way.PERSISTENT),
        ((CANDIDATE, CONFIRMED_COMMIT_1_0, CONFIRMED_COMMIT_1_1, WRITABLE_RUNNING), Way.PERSISTENT),
        ((CANDIDATE, CONFIRMED_COMMIT_1_0), Way.IN_SESSION),
        ((CANDIDATE,), Way.COMMIT),
        ((CANDIDATE, WRITABLE_RUNNING), Way.COMMIT),
        ((WRITABLE_RUNNING,), Way.RUNNING),
        ((WRITABLE_RUNNING, CONFIRMED_COMMIT_1_1), Way.RUNNING),
        ((), None),
    ],
)
def test_the_best_way_is_taken(uris: tuple[str, ...], way: Way | None) -> None:
    assert way_of(Capabilities((BASE_1_0, *uris))) is way


def test_only_a_confirmed_commit_is_on_trial() -> None:
    assert {way for way in Way if way.on_trial} == {Way.PERSISTENT, Way.IN_SESSION}
    assert {way for way in Way if not way.candidate} == {Way.RUNNING}
