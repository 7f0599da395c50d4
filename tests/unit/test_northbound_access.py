"""Access control of the server: by the rules that are running, for callers as the server knows them."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.netconf.names import BASE, Element
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound.access.control import Access
from casm_ctrl.northbound.interface import Caller
from tests.access_world import ACME, config, groups, model, nacm, operation, rule, rules, shown
from tests.no_outlet import NoOutlet


def caller(name: str, *reported: str) -> Caller:
    return Caller(1, name, "192.0.2.1", NoOutlet(), frozenset(reported))


class Rules:
    """Something that is running: its rules can be changed."""

    def __init__(self, *parts: str) -> None:
        self.revision = 0
        self.reads = 0
        self.tree: Element
        self.set(*parts)
        self.access = Access(self.read, *model())

    def set(self, *parts: str) -> None:
        self.revision += 1
        self.tree = etree.Element(f"{{{BASE}}}config")
        self.tree.append(etree.Element(f"{{{ACME}}}interfaces"))
        if parts:
            self.tree.append(nacm(*parts))

    def read(self) -> tuple[int, Element]:
        self.reads += 1
        return self.revision, self.tree


HIDES_SECRETS = config(
    "<acme-netconf><version>1</version></acme-netconf>"
    "<interfaces><interface><name>a</name><secret>s</secret></interface></interfaces>"
)


def test_rules_hold_as_soon_as_they_are_running() -> None:
    world = Rules()
    world.access.check_operation(caller("anna"), operation("lock"))
    world.set("<exec-default>deny</exec-default>")
    with pytest.raises(RpcError, match="may not run <lock>"):
        world.access.check_operation(caller("anna"), operation("lock"))
    world.set()
    world.access.check_operation(caller("anna"), operation("lock"))


def test_rules_are_read_once_a_revision() -> None:
    world = Rules("<exec-default>deny</exec-default>")
    first = world.access.control()
    assert world.access.control() is first
    world.set("<exec-default>permit</exec-default>")
    assert world.access.control() is not first


def test_rules_that_stay_are_not_read_again() -> None:
    """Another piece of the configuration changed: what was compiled for users is still good."""
    world = Rules("<exec-default>deny</exec-default>")
    first = world.access.control()
    world.revision += 1
    assert world.access.control() is first


def test_an_older_snapshot_that_comes_late_changes_nothing() -> None:
    world = Rules("<exec-default>deny</exec-default>")
    newest = world.access.control()
    world.set()
    world.revision = 0
    assert world.access.control() is newest


def test_everybody_is_in_a_group() -> None:
    world = Rules("<exec-default>deny</exec-default>", rules("*", rule("permit", "exec", rpc_name="get")))
    world.access.check_operation(caller("anna"), operation("get"))
    world = Rules(
        "<exec-default>deny</exec-default>", rules("everybody", rule("permit", "exec", rpc_name="get"))
    )
    world.access.check_operation(caller("anna"), operation("get"))


def test_groups_of_the_account_count() -> None:
    world = Rules("<exec-default>deny</exec-default>", rules("admin", rule("permit", "*")))
    world.access.check_operation(caller("anna", "admin"), operation("lock"))
    with pytest.raises(RpcError):
        world.access.check_operation(caller("anna", "operator"), operation("lock"))


def test_groups_of_the_account_are_ignored_where_the_rules_say_so() -> None:
    """RFC 8341 4: enable-external-groups."""
    world = Rules(
        "<enable-external-groups>false</enable-external-groups><exec-default>deny</exec-default>",
        groups(admin="bert"),
        rules("*", rule("permit", "exec")),
    )
    world.access.check_operation(caller("bert"), operation("get"))
    with pytest.raises(RpcError):
        world.access.check_operation(caller("anna", "admin"), operation("get"))


def test_counters_outlive_a_change_of_the_rules() -> None:
    world = Rules("<exec-default>deny</exec-default>")
    for number in (1, 2):
        with pytest.raises(RpcError):
            world.access.check_operation(caller("anna"), operation("lock"))
        assert world.access.counters.operations == number
        world.set("<exec-default>deny</exec-default>", groups(g="x"))


@pytest.mark.parametrize(
    "parts",
    [
        (),
        ("<exec-default>deny</exec-default>",),
        (groups(g="x"), rules("g", rule("permit", "*"))),
        ("<read-default>deny</read-default>", rules("g", rule("permit", "*"))),
    ],
)
def test_the_counters_stand_where_the_schema_has_them(parts: tuple[str, ...]) -> None:
    schema, _ = model()
    configured = nacm(*parts)
    before = etree.tostring(configured)
    made = Rules().access.with_state(configured)
    order = list(schema.roots[str(made.tag)].children)
    places = [order.index(str(child.tag)) for child in made]
    assert places == sorted(places)
    assert len(made) == len(configured) + 3
    assert etree.tostring(configured) == before
    assert len(Rules().access.with_state(None)) == 3


def test_written_nodes_are_read_only_where_something_may_be_hidden() -> None:
    """RFC 8341 3.2.4."""
    access = Rules().access
    top, interfaces = (etree.tostring(node, with_tail=False) for node in HIDES_SECRETS)
    found = access.prune(caller("anna"), [top, interfaces])
    assert found[0] is top
    assert not isinstance(found[1], bytes)
    assert shown([found[1]]) == "interfaces(interface(name=a))"
    hidden = Rules("<read-default>deny</read-default>").access
    assert hidden.prune(caller("anna"), [top, interfaces]) == []


def test_who_reads_everything_gets_it_as_it_is() -> None:
    access = Rules(rules("admin", rule("permit", "*"))).access
    admin = caller("anna", "admin")
    nodes: list[Element | bytes] = [etree.tostring(HIDES_SECRETS[1], with_tail=False), HIDES_SECRETS[0]]
    assert access.reads_everything(admin)
    assert all(a is b for a, b in zip(access.prune(admin, nodes), nodes, strict=True))
    assert access.prune_tree(admin, HIDES_SECRETS) is HIDES_SECRETS
    assert not access.reads_everything(caller("anna"))


def test_where_nothing_is_hidden() -> None:
    """RFC 8341 3.2.4: /nacm and the interfaces have marks."""
    tops = [f"{{{ACME}}}{top}" for top in ("acme-netconf", "interfaces", "step")]
    assert Rules().access.whole_tops(caller("anna"), tops) == [tops[0], tops[2]]
    admins = Rules(rules("admin", rule("permit", "*"))).access
    assert admins.whole_tops(caller("anna", "admin"), tops) == tops


def test_notifications_are_judged_without_the_store() -> None:
    """The event loop must not wait: rules count as they were when they were last looked at."""
    world = Rules()
    event = operation("sys-restart", "http://example.com/ns/acme-system")
    world.access.refresh()
    reads = world.reads
    assert world.access.may_receive(caller("anna"), event)
    world.set("<read-default>deny</read-default>")
    assert world.access.may_receive(caller("anna"), event)
    assert world.reads == reads
    world.access.refresh()
    assert not world.access.may_receive(caller("anna"), event)
    assert world.access.counters.notifications == 1


def test_changes_are_judged_by_the_caller() -> None:
    world = Rules(rules("admin", rule("permit", "*")))
    before, after = config(""), config("<step><id>a</id></step>")
    world.access.check_change(caller("anna", "admin"), before, after)
    with pytest.raises(RpcError) as refused:
        world.access.check_change(caller("anna"), before, after)
    assert refused.value.path is not None
    assert world.access.counters.data_writes == 1
