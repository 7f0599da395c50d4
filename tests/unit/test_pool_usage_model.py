"""What our augment of ietf-address-pool lets a device tell: thresholds, and the notification pool-usage."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from casm_ctrl.yang.engine import Violation, engine_for

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
EXT = "urn:casm:yang:casm-address-pool-ext"
ENGINE = engine_for("ietf-address-pool", "casm-address-pool-ext")


def recorded() -> str:
    """The example that docs/yang.md shows."""
    text = (Path(__file__).parents[2] / "docs" / "yang.md").read_text()
    match = re.search(r"^    <notification .*?^    </notification>", text, re.DOTALL | re.MULTILINE)
    assert match is not None
    return match[0]


def test_the_documented_notification_is_valid() -> None:
    ENGINE.validate(recorded().encode(), what="notification")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("exhausted", "full"),
        ("<address-family>ipv4</address-family>", ""),
        ("<sampled-at>2026-11-23T17:05:00.12Z</sampled-at>", ""),
        ("<addresses-used>253</addresses-used>", "<addresses-used>-1</addresses-used>"),
        ("<addresses-used>253</addresses-used>", "<addresses-used>NaN</addresses-used>"),
        ("<requests-refused>12</requests-refused>", "<requests-refused>1.5</requests-refused>"),
    ],
)
def test_a_notification_that_says_less_or_nonsense_is_not(before: str, after: str) -> None:
    assert before in recorded()
    with pytest.raises(Violation):
        ENGINE.validate(recorded().replace(before, after).encode(), what="notification")


@pytest.mark.parametrize(
    ("warning", "normal", "valid"), [(80, 60, True), (80, 80, True), (60, 80, False), (None, 60, False)]
)
@pytest.mark.parametrize("family", ["v4", "v6"])
def test_a_pool_is_relieved_below_where_it_was_warned_of(
    warning: int | None, normal: int, valid: bool, family: str
) -> None:
    high = "" if warning is None else f"<warning-threshold-{family}>{warning}</warning-threshold-{family}>"
    document = (
        f'<address-pools xmlns="{POOLS}"><address-pool><address-pool-name>web</address-pool-name>'
        f"<address-pool-entries>{high}"
        f'<normal-threshold-{family} xmlns="{EXT}">{normal}</normal-threshold-{family}>'
        "</address-pool-entries></address-pool></address-pools>"
    ).encode()
    if valid:
        ENGINE.validate(document, what="config")
    else:
        with pytest.raises(Violation):
            ENGINE.validate(document, what="config")
