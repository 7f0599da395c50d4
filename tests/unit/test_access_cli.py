"""`casm access`: who may do what, and the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from typer.testing import CliRunner

from casm_ctrl.cli.main import app

DOCS = Path(__file__).parents[2] / "docs" / "json"


@pytest.fixture
def store(northbound_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new store with its first rules; alice has an account in the group operator."""
    path = tmp_path / "casm.db"
    path.write_bytes(northbound_template.read_bytes())
    monkeypatch.setenv("CASM_DATABASE", str(path))
    monkeypatch.setenv("CASM_TEST_PASSWORD", "correct horse")
    run("user", "add", "alice", "--group", "operator", "--password-from", "env:CASM_TEST_PASSWORD")
    return path


def run(*arguments: str, status: int = 0) -> str:
    ended = CliRunner().invoke(app, arguments, prog_name="casm")
    assert ended.exit_code == status, ended.output
    return ended.stdout if status == 0 else ended.stderr


def document(name: str, *arguments: str, status: int = 0) -> dict[str, Any]:
    """What the command answers under --json, held against its schema."""
    ended = CliRunner().invoke(app, ["access", name, *arguments, "--json"], prog_name="casm")
    assert ended.exit_code == status, ended.output
    common = json.loads((DOCS / "common.schema.json").read_text())
    registry = Registry().with_resource("common.schema.json", Resource.from_contents(common))
    schema = json.loads((DOCS / f"access-{name}.schema.json").read_text())
    found: dict[str, Any] = json.loads(ended.stdout)
    Draft202012Validator(schema, registry=registry).validate(found)
    return found


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (
            ("alice", "allocate"),
            "alice (in everybody, operator) may allocate: rule 'our-operations' of the rule-list 'operator'",
        ),
        (("bob", "get"), "bob (in everybody) may get: rule 'get' of the rule-list 'everybody'"),
        (("bob", "plan"), "may plan"),
        (("bob", "close-session"), "everybody may close the own session"),
        (
            ("bob", "read", "/pools/pool[name='a/b']"),
            "may read /casm-pools:pools/pool[name='a/b']: no rule decides, and read-default does",
        ),
        (("bob", "allocate", "--group", "operator"), "bob (in everybody, operator) may allocate"),
        (("bob", "ietf-netconf:get"), "may ietf-netconf:get"),
        (
            ("bob", "netconf-session-start"),
            "may netconf-session-start: no rule decides, and read-default does",
        ),
        (("alice", "exec", "/casm-operations:allocate"), "may casm-operations:allocate"),
        (("alice", "exec", "allocate"), "may allocate"),
        (("bob", "notificationComplete"), "the end of a replay is always sent"),
    ],
)
def test_what_is_permitted(store: Path, question: tuple[str, ...], words: str) -> None:
    assert words in run("access", "check", *question)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (
            ("bob", "allocate"),
            "casm: bob (in everybody) may not allocate: no rule decides, and exec-default does",
        ),
        (("alice", "kill-session"), "no rule permits it, and it needs one (RFC 8341, 3.4.4)"),
        (("alice", "check-access"), "rule 'check-access' of the rule-list 'operator'"),
        (("alice", "kill-subscription"), "its module denies it (default-deny-all)"),
        (("alice", "edit-config"), "may not edit-config"),
        (
            ("alice", "update", "/pools/pool/description"),
            "may not update /casm-pools:pools/pool/description: no rule decides, and write-default does",
        ),
        (
            ("alice", "read", "/nacm/groups/group[name='a/b']/user-name"),
            "(default-deny-all), at /ietf-netconf-acm:nacm",
        ),
        (("alice", "create", "/"), "may not create /"),
    ],
)
def test_what_is_denied(store: Path, question: tuple[str, ...], words: str) -> None:
    assert words in run("access", "check", *question, status=1)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (("alice", "fly"), "there is no RPC and no notification 'fly'"),
        (("alice", "read"), "no path was given"),
        (("alice", "allocate", "/pools"), "a path goes with create, read, update, delete"),
        (("alice", "read", "/pools/nothing"), "there is no data at '/pools/nothing'"),
        (("alice", "read", "/nothing"), "'/nothing' is not a path to data"),
        (("alice", "read", "/odd:pools"), "the prefix 'odd' of a path means nothing here"),
    ],
)
def test_what_cannot_be_asked(store: Path, question: tuple[str, ...], words: str) -> None:
    assert words in run("access", "check", *question, status=1)


def test_answers_for_programs(store: Path) -> None:
    found = document("check", "alice", "allocate")["access"]
    assert found["permitted"] is True
    assert found["decided-by"] == {"rule-list": "operator", "rule": "our-operations"}
    found = document("check", "alice", "read", "/nacm/enable-nacm", status=1)["access"]
    assert found["permitted"] is False
    assert found["decided-by"] == {"default": "default-deny-all"}
    assert found["decided-at"] == "/ietf-netconf-acm:nacm"


def test_groups_and_rules_are_shown(store: Path) -> None:
    shown = document("show")["access"]
    assert shown["exec-default"] == "deny"
    assert shown["group"][1] == {"name": "operator", "user-name": [], "account": ["alice"]}
    assert [each["name"] for each in shown["rule-list"]] == ["admin", "operator", "everybody"]
    assert shown["rule-list"][0]["rule"] == [
        {"name": "everything", "module-name": "*", "access-operations": "*", "action": "permit"}
    ]
    text = run("access", "show")
    assert "casm-operations: every RPC" in text
    assert "exec by default   deny" in text


def test_members_and_the_first_rules(store: Path) -> None:
    run("access", "check", "alice", "edit-config", status=1)
    document("grant", "alice", "admin")
    assert "rule 'everything'" in run("access", "check", "alice", "edit-config")
    assert "already" in run("access", "grant", "alice", "admin", status=1)
    document("reset")
    run("access", "check", "alice", "edit-config")
    document("revoke", "alice", "admin")
    run("access", "check", "alice", "edit-config", status=1)
    assert "its members: none" in run("access", "revoke", "alice", "admin", status=1)


def test_a_store_without_rules_has_the_defaults_of_the_rfc(tmp_path: Path, store_path: Path) -> None:
    """RFC 8341 3.4.2."""
    where = ("--database", str(store_path))
    assert "exec-default" in run(*where, "access", "check", "eve", "edit-config")
    run(*where, "access", "check", "eve", "create", "/pools", status=1)
    assert "GROUP" in run(*where, "access", "show")
