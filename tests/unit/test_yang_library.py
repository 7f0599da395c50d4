"""Texts on disk: by name, revision and content; a broken file is as good as missing; names never lead elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from casm_ctrl.base.errors import NotSupported, YangInvalid
from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.library import DeviceRecord, Library, RecordedModule, default_folder

A = b'module a { namespace "urn:a"; prefix a; revision 2020-01-01; leaf x { type string; } }\n'
OTHER_A = A.replace(b"string", b"uint8")
B = b'module b { namespace "urn:b"; prefix b; import a { prefix a; } }'


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "cache")


def test_a_text_is_found_again(library: Library) -> None:
    kept = library.keep(A)
    assert (kept.name, kept.revision) == ("a", "2020-01-01")
    assert kept.path.read_bytes() == A
    assert library.keep(A) == kept
    assert library.keep(b"\n  " + A + b"\n") == kept
    assert library.find("a", "2020-01-01") == (kept,)
    assert library.get("a", "2020-01-01", kept.hash) == kept
    assert kept.header.namespace == "urn:a"
    assert library.find("a", None) == ()
    assert library.find("b", None) == ()


def test_two_texts_of_one_revision_are_two(library: Library) -> None:
    one, other = library.keep(A), library.keep(OTHER_A)
    assert one.hash != other.hash
    assert set(library.find("a", "2020-01-01")) == {one, other}


def test_a_file_that_was_changed_does_not_count(library: Library) -> None:
    kept = library.keep(A)
    kept.path.write_bytes(OTHER_A)
    assert library.get("a", "2020-01-01", kept.hash) is None
    assert library.find("a", "2020-01-01") == ()
    assert library.keep(A).path.read_bytes() == A


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "a/b", "..", ""])
def test_a_name_never_leads_elsewhere(library: Library, name: str) -> None:
    (library.folder.parent / "x").mkdir()
    assert library.find(name, None) == ()
    assert library.find("a", name) == ()
    assert library.get(name, None, "0" * 64) is None
    assert library.get("a", None, name) is None
    with pytest.raises(YangInvalid):
        library.keep(f"module {name or '1'} {{ }}".encode())


@pytest.mark.parametrize("text", [b"", b"<x/>", b"module a {", b"\xff\xfe", b"module a { leaf"])
def test_what_is_no_module_is_not_kept(library: Library, text: bytes) -> None:
    with pytest.raises(YangInvalid):
        library.keep(text)
    assert not library.folder.exists()


def test_too_large_a_text_is_not_kept(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casm_ctrl.yang.library.LARGEST", 10)
    with pytest.raises(YangInvalid, match="more than 10"):
        library.keep(A)


def test_a_set_is_a_folder_that_compilers_read(library: Library) -> None:
    texts = [library.keep(B), library.keep(A)]
    folder = library.gather(texts)
    assert sorted(path.name for path in folder.iterdir()) == ["a@2020-01-01.yang", "b.yang"]
    assert library.gather(reversed(texts)) == folder
    Engine(["b", "a"], [folder]).validate(b'<x xmlns="urn:a">1</x>')
    assert library.gather([library.keep(B), library.keep(OTHER_A)]) != folder


def test_devices_are_remembered(library: Library) -> None:
    record = DeviceRecord("claim", (RecordedModule("a", None, "0" * 64, "device"),))
    assert library.recall("store/one") is None
    library.remember("store/one", record)
    assert library.recall("store/one") == record
    assert library.recall("store/../one") is None
    next(library.folder.glob("devices/*.json")).write_text('{"announced": 1}')
    assert library.recall("store/one") is None


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    library = Library(tmp_path / "file")
    with pytest.raises(NotSupported, match="cache of YANG modules") as refused:
        library.keep(A)
    assert "CASM_YANG_CACHE" in refused.value.remedy


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CASM_YANG_CACHE", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine"
    monkeypatch.delenv("CASM_YANG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "casm" / "yang"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_folder() == tmp_path / "home" / ".cache" / "casm" / "yang"


def test_nothing_half_written_is_left(library: Library) -> None:
    library.gather([library.keep(A)])
    library.remember("k", DeviceRecord("c", ()))
    names = [name for _, folders, files in os.walk(library.folder) for name in (*folders, *files)]
    assert not [name for name in names if name.startswith(".new-")]
