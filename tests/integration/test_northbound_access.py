"""Access control through whole sessions: operations, reads, edits and commits of users in different groups."""

from __future__ import annotations

import pytest

from casm_ctrl.netconf.access.rules import NAMESPACE
from casm_ctrl.netconf.names import BASE, Element
from casm_ctrl.northbound.access.control import NACM
from casm_ctrl.service.configuration import AddAccessMember, AddPool, AddSpace, ResetAccess, change
from casm_ctrl.store.events import Author
from tests.northbound_harness import Client, Endpoint, Refused

POOLS = "urn:casm:yang:casm-pools"
OPERATIONS = "urn:casm:yang:casm-operations"
NOBODY: frozenset[str] = frozenset()
OPERATOR = frozenset({"operator"})

SPACE = (
    f'<address-spaces xmlns="{POOLS}"><address-space><name>%s</name><description>%s</description></address-space>'
    "</address-spaces>"
)


def edit(config: str, target: str = "candidate") -> str:
    return f"<edit-config><target><{target}/></target><config>{config}</config></edit-config>"


def rules(*parts: str) -> str:
    return f'<nacm xmlns="{NAMESPACE}" xmlns:p="{POOLS}">{"".join(parts)}</nacm>'


EDITORS = (
    "<rule-list><name>editors</name><group>editor</group>"
    "<rule><name>netconf</name><module-name>ietf-netconf</module-name><rpc-name>*</rpc-name>"
    "<access-operations>exec</access-operations><action>permit</action></rule>"
    "<rule><name>describe</name>"
    "<path>/p:address-spaces/p:address-space[p:name='one']/p:description</path>"
    "<access-operations>create update delete</access-operations><action>permit</action></rule></rule-list>"
)


@pytest.fixture
def served(endpoint: Endpoint) -> Endpoint:
    """With two spaces and a pool in each."""
    edits = [AddSpace("one", "first"), AddSpace("two", "second")]
    pools = [AddPool("p1", "one", ("10.0.0.0/16",)), AddPool("p2", "two", ("10.0.0.0/16",))]
    change(endpoint.server.database, Author("test"), [*edits, *pools])
    return endpoint


async def commit(client: Client, config: str) -> None:
    await client.rpc(edit(config))
    await client.rpc("<commit/>")


def names(data: Element, name: str) -> list[str]:
    return [str(leaf.text) for leaf in data.iter(f"{{{POOLS}}}{name}")]


async def refused(client: Client, operation: str) -> tuple[list[str | None], list[str | None]]:
    with pytest.raises(Refused) as found:
        await client.rpc(operation)
    return found.value.tags, found.value.paths


async def test_everybody_reads_and_changes_nothing(served: Endpoint) -> None:
    client = await served.open("bob", groups=NOBODY)
    assert set(names(await client.data("<get-config><source><running/></source></get-config>"), "name")) >= {
        "p1",
        "p2",
    }
    for operation in (
        edit(SPACE % ("one", "changed")),
        "<commit/>",
        "<discard-changes/>",
        "<lock><target><running/></target></lock>",
        f'<allocate xmlns="{OPERATIONS}"/>',
        "<kill-session><session-id>1</session-id></kill-session>",
    ):
        assert await refused(client, operation) == (["access-denied"], [None])
    assert served.server.access.counters.operations == 6
    await client.rpc("<close-session/>")


async def test_an_operator_runs_our_operations(served: Endpoint) -> None:
    client = await served.open("olga", groups=OPERATOR)
    tags, _ = await refused(client, f'<allocate xmlns="{OPERATIONS}"/>')
    assert tags != ["access-denied"]  # it is run, and says what is missing
    assert (await refused(client, "<commit/>"))[0] == ["access-denied"]


async def test_the_rules_are_hidden_from_all_but_who_has_one(served: Endpoint) -> None:
    """RFC 8341 section 4: default-deny-all."""
    everything = "<get/>"
    subtree = f'<get><filter type="subtree"><nacm xmlns="{NAMESPACE}"/></filter></get>'
    bob = await served.open("bob", groups=NOBODY)
    for operation in (
        everything,
        subtree,
        subtree.replace("get>", "get-config>").replace("<filter", "<source><running/></source><filter"),
    ):
        assert (await bob.data(operation)).find(NACM) is None
    assert names(await bob.data(everything), "name")
    admin = await served.open("anna")
    for operation in (everything, subtree):
        nacm = (await admin.data(operation)).find(NACM)
        assert nacm is not None
        assert nacm.findtext(f"{{{NAMESPACE}}}denied-operations") == "0"
        assert nacm.findtext(f"{{{NAMESPACE}}}exec-default") == "deny"


async def test_a_filter_tells_nothing_of_what_is_hidden(served: Endpoint) -> None:
    """RFC 8341 3.2.4: criteria are applied to what the user may read."""
    admin = await served.open("anna")
    hide = (
        "<rule-list><name>hide</name><group>*</group><rule><name>d</name>"
        "<path>/p:address-spaces/p:address-space/p:description</path>"
        "<access-operations>read</access-operations><action>deny</action></rule></rule-list>"
    )
    await commit(admin, rules(hide))
    bob = await served.open("bob", groups=NOBODY)
    probe = (
        f'<filter type="subtree"><address-spaces xmlns="{POOLS}"><address-space><description>second</description>'
        "</address-space></address-spaces></filter>"
    )
    for operation in (f"<get>{probe}</get>", f"<get-config><source><running/></source>{probe}</get-config>"):
        assert names(await bob.data(operation), "name") == []
        assert names(await admin.data(operation), "name") == ["two"]
    assert names(await bob.data("<get/>"), "description") == []


async def test_entries_are_hidden_by_key(served: Endpoint) -> None:
    admin = await served.open("anna")
    hide = (
        "<rule-list><name>hide</name><group>*</group><rule><name>d</name><path>/p:pools/p:pool[p:name='p2']</path>"
        "<access-operations>read</access-operations><action>deny</action></rule></rule-list>"
    )
    await commit(admin, rules(hide))
    bob = await served.open("bob", groups=NOBODY)
    pools = f'<filter type="subtree"><pools xmlns="{POOLS}"/></filter>'
    one = f'<filter type="subtree"><pools xmlns="{POOLS}"><pool><name>p2</name></pool></pools></filter>'
    for source in ("<get>%s</get>", "<get-config><source><running/></source>%s</get-config>"):
        assert names(await bob.data(source % pools), "name").count("p1") == 1
        assert "p2" not in names(await bob.data(source % pools), "name")
        assert names(await bob.data(source % one), "name") == []
        assert "p2" in names(await admin.data(source % one), "name")


async def test_who_may_change_one_leaf(served: Endpoint) -> None:
    """RFC 8341 3.2.5 and 3.2.8."""
    admin = await served.open("anna")
    await commit(
        admin, rules("<groups><group><name>editor</name><user-name>eva</user-name></group></groups>", EDITORS)
    )
    eva = await served.open("eva", groups=NOBODY)
    await commit(eva, SPACE % ("one", "better"))
    assert "better" in names(
        await eva.data("<get-config><source><running/></source></get-config>"), "description"
    )
    tags, paths = await refused(eva, edit(SPACE % ("two", "worse")))
    assert tags == ["access-denied"]
    assert paths[0] is not None and paths[0].endswith(
        ":address-space[casm-pools:name='two']/casm-pools:description"
    )
    tags, _ = await refused(eva, edit(SPACE % ("three", "new")))
    assert tags == ["access-denied"]
    tags, paths = await refused(eva, edit(rules("<enable-nacm>false</enable-nacm>")))
    assert (tags, paths) == (["access-denied"], [None])
    assert served.server.access.counters.data_writes == 3
    await eva.rpc("<commit/>")  # nothing was left in the candidate


async def test_a_commit_is_judged_by_who_commits(served: Endpoint) -> None:
    """RFC 8341 3.2.8: the nodes of running that it changes, whoever edited them."""
    admin = await served.open("anna")
    await commit(
        admin, rules("<groups><group><name>editor</name><user-name>eva</user-name></group></groups>", EDITORS)
    )
    await admin.rpc(edit(SPACE % ("two", "by the admin")))
    eva = await served.open("eva", groups=NOBODY)
    assert (await refused(eva, "<commit/>"))[0] == ["access-denied"]
    await admin.rpc("<commit/>")


async def test_rules_that_others_change_hold_at_once(served: Endpoint) -> None:
    """Also those of the command line, which is the way back."""
    admin = await served.open("anna")
    await commit(
        admin,
        f'<nacm xmlns="{NAMESPACE}" xmlns:nc="{BASE}" nc:operation="replace"><exec-default>deny</exec-default></nacm>',
    )
    assert (await refused(admin, "<get/>"))[0] == ["access-denied"]
    change(served.server.database, Author("cli"), [ResetAccess(), AddAccessMember("admin", "bob")])
    await admin.rpc("<get/>")
    bob = await served.open("bob", groups=NOBODY)
    await commit(bob, SPACE % ("one", "by bob"))


async def test_a_confirmed_commit_of_rules_holds_while_it_is_pending(served: Endpoint) -> None:
    """RFC 6241 8.4: running is what it makes of it, until it is rolled back."""
    admin, bob = await served.open("anna"), await served.open("bob", groups=NOBODY)
    await admin.rpc(edit(rules("<exec-default>permit</exec-default>")))
    assert (await refused(bob, "<lock><target><candidate/></target></lock>"))[0] == ["access-denied"]
    await admin.rpc("<commit><confirmed/></commit>")
    await bob.rpc("<discard-changes/>")
    await admin.rpc("<cancel-commit/>")
    assert (await refused(bob, "<discard-changes/>"))[0] == ["access-denied"]


async def test_a_document_that_is_wrong_is_refused(served: Endpoint) -> None:
    admin = await served.open("anna")
    rule = "<rule><name>r</name><path>/p:nothing</path><action>deny</action></rule>"
    with pytest.raises(Refused):
        await commit(admin, rules(f"<rule-list><name>w</name>{rule}</rule-list>"))
