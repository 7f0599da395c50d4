"""Drivers are found by entry point, and only the one asked for is imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from casm_ctrl.base.errors import NotFound, NotSupported
from casm_ctrl.drivers import registry
from casm_ctrl.drivers.ietf_address_pool import DRIVER
from casm_ctrl.drivers.registry import driver_names, load_driver


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package of somebody else that declares a driver it does not bring."""
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[casm_ctrl.drivers]\nother = other_package.driver:DRIVER\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._installed.cache_clear()
    yield
    registry._installed.cache_clear()


def test_the_first_driver_is_there_and_loads() -> None:
    assert "ietf-address-pool" in driver_names()
    assert load_driver("ietf-address-pool") is DRIVER


def test_each_driver_has_the_name_of_its_entry_point() -> None:
    for name in driver_names():
        assert load_driver(name).name == name


def test_an_unknown_driver_lists_the_known_ones() -> None:
    with pytest.raises(NotFound, match="there is no driver 'ietf-nowhere'") as caught:
        load_driver("ietf-nowhere")
    assert "ietf-address-pool" in caught.value.remedy


def test_another_package_may_bring_a_driver(other_package: None) -> None:
    assert driver_names() == tuple(sorted(driver_names()))
    assert "other" in driver_names()
    with pytest.raises(NotSupported, match="other_package"):
        load_driver("other")


def test_listing_the_names_imports_no_driver() -> None:
    program = (
        "import sys; from casm_ctrl.drivers.registry import driver_names; driver_names();"
        "print([m for m in sys.modules if 'ietf_address_pool' in m])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
