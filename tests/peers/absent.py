"""What a test does where its peer is not installed."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def absent(what: str) -> NoReturn:
    """Skip the test because `what` is not here; fail where nothing may be skipped."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is not here, and in CI nothing may be skipped")
    pytest.skip(f"{what} is not here")
