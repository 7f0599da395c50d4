"""Our modules: clean, their trees as recorded, and the device model equal to the published one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.base.errors import CasmError
from casm_ctrl.base.identifiers import check_name
from casm_ctrl.yang.modules import Module, list_modules, standard_folders, yang_folder

GOLDEN = Path(__file__).parent / "golden"
PUBLISHED = (
    Path(__file__).parents[2].parent / "shared" / "yang" / "ietf" / "ietf-address-pool@2015-10-14.yang"
)


def run_pyang(*arguments: str) -> str:
    path = os.pathsep.join(map(str, (yang_folder(), *standard_folders())))
    done = subprocess.run(
        [sys.executable, "-m", "pyang", "-p", path, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def published() -> Path:
    if not PUBLISHED.is_file():
        assert "CI" not in os.environ, f"{PUBLISHED} must be there in CI"
        pytest.skip(f"{PUBLISHED.name} is not beside this checkout")
    return PUBLISHED


def test_modules_are_clean() -> None:
    files = [str(module.path) for module in list_modules()]
    assert len(files) == len(list(GOLDEN.glob("*.tree")))
    # The name of RFC 5277's module has no prefix of its organisation, as RFC 8407 would have it.
    named = [file for file in files if not file.rpartition("/")[2].startswith("notifications@")]
    run_pyang("-Werror", "--lint", "--max-line-length", "72", *named)
    run_pyang("-Werror", "--strict", "--max-line-length", "72", *files)


def test_file_names_carry_the_newest_revision() -> None:
    for module in list_modules():
        assert module.path.name == f"{module.name}@{module.revision}.yang"
        assert f"revision {module.revision} {{" in module.text


@pytest.mark.parametrize("module", list_modules(), ids=str)
def test_tree_is_as_recorded(module: Module) -> None:
    assert run_pyang("-f", "tree", str(module.path)) == (GOLDEN / f"{module.name}.tree").read_text()


def test_device_model_is_the_published_one() -> None:
    ours = next(module.path for module in list_modules() if module.name == "ietf-address-pool")
    theirs = published()
    assert run_pyang("-f", "tree", str(ours)) == run_pyang("-f", "tree", str(theirs))
    assert skeleton(ours) == skeleton(theirs)


def skeleton(path: Path) -> list[str]:
    """What a module says to machines: its YIN without texts, revisions and the addresses of people."""
    root = etree.fromstring(run_pyang("-f", "yin", str(path)).encode())
    lines = []
    for element in root.iter(etree.Element):
        name = etree.QName(element).localname
        if name not in ("description", "text", "organization", "contact", "info", "reference", "revision"):
            depth = sum(1 for _ in element.iterancestors())
            lines.append(f"{depth} {name} {sorted(element.attrib.items())}")
    return lines


def test_models_for_older_peers_are_yang_1_0() -> None:
    device = ("ietf-address-pool", "casm-address-pool-ext")
    for module in list_modules():
        old = module.name in (*device, "notifications", "nc-notifications")
        assert ("yang-version 1.1;" not in module.text) == old


def enum_words(module: str, start: str) -> list[str]:
    """The enum names of the first enumeration after `start`."""
    text = next(m.text for m in list_modules() if m.name == module)
    body = text[text.index("type enumeration", text.index(start)) :]
    depth = 0
    for end, character in enumerate(body):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "}" and depth == 0:
            return re.findall(r"enum (\S+) \{", body[:end])
    raise AssertionError(f"{start} has no end in {module}")


def test_access_words_are_those_of_the_device_model() -> None:
    words = enum_words("ietf-address-pool", "typedef instance-type")
    assert len(words) == 9
    assert enum_words("casm-devices", "leaf access") == words


def name_pattern() -> re.Pattern[str]:
    text = next(module.text for module in list_modules() if module.name == "casm-pools")
    body = text[text.index("typedef name {") :]
    pieces = re.findall(r"'([^']*)'", body[: body.index("description")])
    return re.compile("^" + "".join(pieces) + r"\Z")


NAMES = st.one_of(
    st.from_regex(r"\Ab?[0-9b]{0,4}[A-Za-z0-9._-]{0,3}\Z"),
    st.text("b01aZ._-/ é", max_size=6),
)


@given(NAMES)
def test_name_pattern_says_what_check_name_says(name: str) -> None:
    matches = bool(name_pattern().match(name)) and 1 <= len(name) <= 63
    try:
        check_name("pool", name)
    except CasmError:
        assert not matches
    else:
        assert matches
