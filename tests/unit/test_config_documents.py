"""Configuration documents in the store, and the way back into /nacm for whoever has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import AlreadyExists, InvalidValue, NotFound, YangInvalid
from casm_ctrl.northbound import verbs
from casm_ctrl.service.config_documents import ACCESS
from casm_ctrl.service.configuration import (
    AddAccessMember,
    Edit,
    RemoveAccessMember,
    ResetAccess,
    SetDocument,
    change,
)
from casm_ctrl.service.first_access import ABOUT_RULES, NAMESPACE, OURS, READING, first_documents
from casm_ctrl.store import config_documents, spaces
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store

NACM = f'<nacm xmlns="{NAMESPACE}">%s</nacm>'
RULE = (
    "<rule-list><name>l</name><group>g</group><rule><name>r</name>"
    '<path xmlns:p="urn:casm:yang:casm-pools">%s</path><action>permit</action></rule></rule-list>'
)


def edit(database: Database, *edits: Edit) -> None:
    change(database, Author("test"), edits)


def stored(database: Database) -> str | None:
    with database.read() as tx:
        return config_documents.find_document(tx, ACCESS)


def members(database: Database, group: str) -> list[str]:
    root = etree.fromstring(stored(database) or "<none/>")
    names = {"n": NAMESPACE}
    found = root.xpath(f"n:groups/n:group[n:name='{group}']/n:user-name/text()", namespaces=names)
    assert isinstance(found, list)
    return [str(name) for name in found]


def test_a_document_is_kept_and_counts_as_configuration(database: Database) -> None:
    with database.read() as tx:
        before = spaces.get_store(tx).config_revision
    edit(database, SetDocument(ACCESS, NACM % "<read-default>deny</read-default>"))
    assert stored(database) == NACM % "<read-default>deny</read-default>"
    with database.read() as tx:
        assert config_documents.list_documents(tx) == {ACCESS: stored(database)}
        assert spaces.get_store(tx).config_revision == before + 1


def test_a_document_takes_the_place_of_the_one_before(database: Database) -> None:
    edit(database, SetDocument(ACCESS, NACM % "<read-default>deny</read-default>"))
    edit(database, SetDocument(ACCESS, NACM % "<exec-default>deny</exec-default>"))
    assert stored(database) == NACM % "<exec-default>deny</exec-default>"


@pytest.mark.parametrize("nothing", ["", NACM % "", NACM % "<enable-nacm>true</enable-nacm>"])
def test_what_says_nothing_is_not_kept(database: Database, nothing: str) -> None:
    """RFC 6243 2.2: a leaf that says what its default says is not there."""
    edit(database, SetDocument(ACCESS, NACM % "<read-default>deny</read-default>"))
    edit(database, SetDocument(ACCESS, nothing))
    assert stored(database) is None


def test_a_path_keeps_what_its_prefixes_mean(database: Database) -> None:
    edit(database, SetDocument(ACCESS, NACM % (RULE % "/p:pools/p:pool[p:name='a']/p:policy")))
    path = next(etree.fromstring(stored(database) or "").iter(f"{{{NAMESPACE}}}path"))
    prefix = (path.text or "")[1:].partition(":")[0]
    assert path.nsmap[prefix] == "urn:casm:yang:casm-pools"


@pytest.mark.parametrize(
    "wrong",
    [
        NACM % "<read-default>maybe</read-default>",
        NACM % "<denied-operations>1</denied-operations>",
        NACM % (RULE % "/p:pools/p:nothing"),
        NACM % (RULE % "/q:pools"),
        NACM % "<unknown/>",
        "<nacm",
    ],
)
def test_a_document_that_is_wrong_is_refused_and_changes_nothing(database: Database, wrong: str) -> None:
    before = stored(database)
    with pytest.raises(YangInvalid):
        edit(database, SetDocument(ACCESS, wrong))
    assert stored(database) == before


@pytest.mark.parametrize(
    "wrong",
    [
        SetDocument("casm-pools", ""),
        SetDocument(
            ACCESS,
            '<address-spaces xmlns="urn:casm:yang:casm-pools"><address-space><name>s</name></address-space>'
            "</address-spaces>",
        ),
    ],
)
def test_only_modules_without_tables_have_documents(database: Database, wrong: SetDocument) -> None:
    with pytest.raises(InvalidValue):
        edit(database, wrong)


def test_a_new_store_begins_with_rules(tmp_path: Path) -> None:
    made, _ = create_store(str(tmp_path / "new.db"), ManualClock(), documents=first_documents())
    try:
        assert stored(made) == first_documents()[ACCESS]
        assert members(made, "admin") == []
    finally:
        made.close()
    again, before = create_store(str(tmp_path / "new.db"), ManualClock(), documents={ACCESS: "other"})
    try:
        assert before is not None
        assert stored(again) == first_documents()[ACCESS]
    finally:
        again.close()


def test_what_everybody_runs_is_what_only_reads() -> None:
    """Of our operations; and the one that tells of the rules is for who may read them."""
    assert {*READING[OURS], ABOUT_RULES} == verbs.READING


def test_members_come_and_go(database: Database) -> None:
    edit(database, AddAccessMember("admin", "alice"), AddAccessMember("admin", "bob"))
    assert members(database, "admin") == ["alice", "bob"]
    edit(database, RemoveAccessMember("admin", "alice"))
    assert members(database, "admin") == ["bob"]


def test_a_member_is_added_once(database: Database) -> None:
    edit(database, AddAccessMember("admin", "alice"))
    with pytest.raises(AlreadyExists, match=r"'alice' is in the access group 'admin' already"):
        edit(database, AddAccessMember("admin", "alice"))


@pytest.mark.parametrize("user", ["", " alice", "al\nice"])
def test_a_user_has_a_name(database: Database, user: str) -> None:
    with pytest.raises(InvalidValue):
        edit(database, AddAccessMember("admin", user))


def test_who_is_no_member_cannot_leave(database: Database) -> None:
    with pytest.raises(NotFound, match="no such group"):
        edit(database, RemoveAccessMember("admin", "alice"))
    edit(database, AddAccessMember("admin", "bob"))
    with pytest.raises(NotFound, match="its members: bob"):
        edit(database, RemoveAccessMember("admin", "alice"))


def test_members_are_added_whatever_stands_around_the_groups(database: Database) -> None:
    edit(database, SetDocument(ACCESS, NACM % ("<exec-default>deny</exec-default>" + RULE % "/p:pools")))
    edit(database, AddAccessMember("g", "alice"))
    assert members(database, "g") == ["alice"]


def test_the_first_rules_come_back_and_the_members_stay(database: Database) -> None:
    """RFC 8341 3.1: nobody is shut out for ever."""
    edit(database, AddAccessMember("admin", "alice"), AddAccessMember("night", "bob"))
    edit(
        database,
        SetDocument(
            ACCESS, (stored(database) or "").replace("<groups>", "<read-default>deny</read-default><groups>")
        ),
    )
    edit(database, ResetAccess())
    text = stored(database) or ""
    assert "read-default" not in text
    assert members(database, "admin") == ["alice"]
    assert members(database, "night") == ["bob"]
    assert members(database, "operator") == []
    first = etree.fromstring(first_documents()[ACCESS])
    lists = f"{{{NAMESPACE}}}rule-list"
    assert [etree.tostring(e) for e in etree.fromstring(text).iter(lists)] == [
        etree.tostring(e) for e in first.iter(lists)
    ]
