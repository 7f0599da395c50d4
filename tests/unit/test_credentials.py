"""Credentials come from where the reference says, and show nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.netconf.client.credentials import Password, PrivateKey, parse_reference, read_credential

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n"


def key_file(folder: Path, text: str = KEY, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_password_comes_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BNG1_PASSWORD", "s3cret")
    credential = read_credential("env:BNG1_PASSWORD")
    assert credential == Password("s3cret")
    assert "s3cret" not in repr(credential)


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_without_a_password_is_named(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BNG1_PASSWORD", raising=False)
    if value is not None:
        monkeypatch.setenv("BNG1_PASSWORD", value)
    with pytest.raises(InvalidValue, match="BNG1_PASSWORD"):
        read_credential("env:BNG1_PASSWORD")


def test_a_key_comes_from_its_file(tmp_path: Path) -> None:
    credential = read_credential(f"file:{key_file(tmp_path)}")
    assert credential == PrivateKey(str(tmp_path / "key"), KEY.encode())
    assert "c2VjcmV0" not in repr(credential)


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        (KEY, 0o640, "chmod 600"),
        ("ssh-ed25519 AAAA\n", 0o600, "no private key"),
        ("", 0o600, "no private key"),
    ],
)
def test_a_file_that_will_not_do_is_named(text: str, mode: int, why: str, tmp_path: Path) -> None:
    path = key_file(tmp_path, text, mode)
    with pytest.raises(InvalidValue, match=why) as refused:
        read_credential(f"file:{path}")
    assert str(path) in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="No such file"):
        read_credential(f"file:{tmp_path / 'absent'}")
    with pytest.raises(InvalidValue, match="directory"):
        read_credential(f"file:{tmp_path}")


@pytest.mark.parametrize("reference", ["", "s3cret", "env:", "file:", "pass:s3cret", "ENV:A"])
def test_what_is_no_reference_is_refused_and_not_repeated(reference: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_reference(reference)
    assert "s3cret" not in str(refused.value)
