"""RFC 8341, the access control model of NETCONF: one case for each of its rules. Names begin with the section."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from lxml import etree

from casm_ctrl.netconf.access.control import AccessControl, Counters
from casm_ctrl.netconf.names import BASE, NOTIFICATION, Element
from casm_ctrl.netconf.rpc_error import RpcError
from tests.access_world import (
    ACME,
    MONITORING,
    SYSTEM,
    config,
    control,
    groups,
    model,
    nacm,
    operation,
    rule,
    rules,
    shown,
)

NOBODY: frozenset[str] = frozenset()


def runs(access: AccessControl, user: str, name: str, namespace: str = BASE, reported: str = "") -> bool:
    try:
        access.check_operation(user, frozenset(reported.split()), operation(name, namespace))
    except RpcError as error:
        assert (error.tag, error.type, error.severity) == ("access-denied", "protocol", "error")
        return False
    return True


def receives(access: AccessControl, user: str, name: str, namespace: str = SYSTEM) -> bool:
    return access.may_receive(user, NOBODY, operation(name, namespace))


def seen(access: AccessControl, user: str, xml: str, reported: str = "") -> str:
    return shown(access.prune(user, frozenset(reported.split()), list(config(xml))))


def changes(access: AccessControl, user: str, before: str, after: str) -> str | None:
    """None where the change is permitted; else the path that is refused ('' where none is told)."""
    try:
        access.check_change(user, NOBODY, config(before), config(after))
    except RpcError as error:
        assert (error.tag, error.type) == ("access-denied", "application")
        return (error.path or "").replace("itf:", "").replace("extra:", "")
    return None


def interface(name: str, more: str = "") -> str:
    return f"<interface><name>{name}</name>{more}</interface>"


def interfaces(*entries: str) -> str:
    return f"<interfaces>{''.join(entries)}</interfaces>"


# --- Defaults and switches ------------------------------------------------------------------------


class TestDefaults:
    """RFC 8341 3.4.2 and 3.4.4 to 3.4.6, last steps."""

    def test_without_any_configuration(self) -> None:
        """RFC 8341 3.4.2: operations and reads are permitted, writes are denied."""
        access = AccessControl(None, *model())
        assert runs(access, "eve", "edit-config")
        assert seen(access, "eve", "<acme-netconf><version>1</version></acme-netconf>") != ""
        assert receives(access, "eve", "sys-restart")
        assert changes(access, "eve", "", interfaces(interface("a"))) is not None

    @pytest.mark.parametrize("permits", [True, False])
    def test_exec_default(self, permits: bool) -> None:
        """RFC 8341 3.4.4: exec default (step 12)."""
        access = control(f"<exec-default>{'permit' if permits else 'deny'}</exec-default>")
        assert runs(access, "eve", "get") is permits

    @pytest.mark.parametrize("permits", [True, False])
    def test_read_default(self, permits: bool) -> None:
        """RFC 8341 3.4.5: read default (step 11)."""
        access = control(f"<read-default>{'permit' if permits else 'deny'}</read-default>")
        assert (seen(access, "eve", "<acme-netconf><version>1</version></acme-netconf>") != "") is permits

    @pytest.mark.parametrize("permits", [True, False])
    def test_read_default_is_for_notifications_too(self, permits: bool) -> None:
        """RFC 8341 3.4.6: read default is for notifications too (step 12)."""
        access = control(f"<read-default>{'permit' if permits else 'deny'}</read-default>")
        assert receives(access, "eve", "sys-restart") is permits

    @pytest.mark.parametrize("permits", [True, False])
    def test_write_default(self, permits: bool) -> None:
        """RFC 8341 3.4.5: write default (step 12)."""
        access = control(f"<write-default>{'permit' if permits else 'deny'}</write-default>")
        assert (changes(access, "eve", "", interfaces(interface("a"))) is None) is permits

    def test_enable_nacm_false(self) -> None:
        """RFC 8341 3.2.1: then everything is permitted, whatever rules, defaults and marks say."""
        access = control(
            "<enable-nacm>false</enable-nacm><read-default>deny</read-default><exec-default>deny</exec-default>",
            groups(all="eve"),
            rules("*", rule("deny", "*")),
        )
        assert runs(access, "eve", "kill-session")
        assert runs(access, "eve", "wipe", ACME)
        assert access.reads_everything("eve", NOBODY)
        assert seen(access, "eve", interfaces(interface("a", "<secret>s</secret>"))).count("secret") == 1
        assert changes(access, "eve", "", interfaces(interface("a"))) is None
        assert receives(access, "eve", "sys-secret")

    @pytest.mark.parametrize("name", ["kill-session", "delete-config"])
    def test_operations_denied_by_default(self, name: str) -> None:
        """RFC 8341 3.4.4: operations denied by default: whatever exec-default says (step 11)."""
        assert not runs(control("<exec-default>permit</exec-default>"), "eve", name)

    @pytest.mark.parametrize("name", ["kill-session", "delete-config"])
    def test_a_rule_permits_what_is_denied_by_default(self, name: str) -> None:
        """RFC 8341 3.4.4: a rule permits what is denied by default (step 8)."""
        access = control(groups(g="eve"), rules("g", rule("permit", "exec", rpc_name=name)))
        assert runs(access, "eve", name)

    def test_close_session_is_always_permitted(self) -> None:
        """RFC 8341 3.4.4: close session is always permitted (step 3)."""
        access = control(
            "<exec-default>deny</exec-default>",
            groups(g="eve"),
            rules("g", rule("deny", "*", rpc_name="close-session"), rule("deny", "*")),
        )
        assert runs(access, "eve", "close-session")

    def test_close_session_of_another_module_is_another_operation(self) -> None:
        """RFC 8341 3.4.4: it names NETCONF's own (step 3)."""
        assert not runs(control("<exec-default>deny</exec-default>"), "eve", "close-session", ACME)

    @pytest.mark.parametrize("name", ["replayComplete", "notificationComplete"])
    def test_ends_of_replays_are_always_sent(self, name: str) -> None:
        """RFC 8341 3.4.6: ends of replays are always sent (step 3)."""
        access = control("<read-default>deny</read-default>", groups(g="eve"), rules("g", rule("deny")))
        assert receives(access, "eve", name, NOTIFICATION)
        assert receives(access, "eve", name, "urn:ietf:params:xml:ns:netmod:notification")


# --- Marks of modules -----------------------------------------------------------------------------


class TestMarks:
    """RFC 8341 3.5: default-deny-write and default-deny-all."""

    def test_default_deny_all_hides_data(self) -> None:
        """RFC 8341 3.4.5: default deny all hides data: also where read-default permits (step 9)."""
        assert seen(control(), "eve", interfaces(interface("a", "<secret>s</secret><mtu>1</mtu>"))) == (
            "interfaces(interface(name=a mtu=1))"
        )

    def test_default_deny_all_hides_the_rules_themselves(self) -> None:
        """RFC 8341 4: /nacm is default-deny-all, and so is what is in it."""
        assert control().prune("eve", NOBODY, [nacm("<enable-nacm>true</enable-nacm>")]) == []

    def test_default_deny_all_denies_writes(self) -> None:
        """RFC 8341 3.4.5: default deny all denies writes (step 10)."""
        access = control("<write-default>permit</write-default>")
        before, after = interfaces(interface("a")), interfaces(interface("a", "<secret>s</secret>"))
        assert changes(access, "eve", before, after) == "/interfaces/interface[name='a']"

    def test_default_deny_write_denies_writes(self) -> None:
        """RFC 8341 3.4.5: default deny write denies writes: also where write-default permits (step 10)."""
        access = control("<write-default>permit</write-default>")
        before, after = interfaces(interface("a")), interfaces(interface("a", "<guarded>s</guarded>"))
        assert changes(access, "eve", before, after) == "/interfaces/interface[name='a']/guarded"

    def test_default_deny_write_shows_data(self) -> None:
        """RFC 8341 3.5.1: default deny write shows data: it is about writing only."""
        assert "guarded=s" in seen(control(), "eve", interfaces(interface("a", "<guarded>s</guarded>")))

    def test_default_deny_all_of_an_operation(self) -> None:
        """RFC 8341 3.4.4: default deny all of an operation (step 10)."""
        assert not runs(control("<exec-default>permit</exec-default>"), "eve", "wipe", ACME)

    def test_default_deny_all_of_a_notification(self) -> None:
        """RFC 8341 3.4.6: default deny all of a notification (step 11)."""
        assert not receives(control("<read-default>permit</read-default>"), "eve", "sys-secret")

    def test_rules_go_before_marks(self) -> None:
        """RFC 8341 3.5.2: rules go before marks: an explicit rule gives what the mark denies."""
        access = control(groups(g="eve"), rules("g", rule("permit", "*")))
        assert runs(access, "eve", "wipe", ACME)
        assert receives(access, "eve", "sys-secret")
        assert "secret" in seen(access, "eve", interfaces(interface("a", "<secret>s</secret>")))
        full = interface("a", "<secret>s</secret><guarded>g</guarded>")
        assert changes(access, "eve", "", interfaces(full)) is None

    def test_a_rule_may_give_one_right_to_what_is_marked(self) -> None:
        """RFC 8341 3.4.5: only the right that the rule has (step 6)."""
        path = "/acme:interfaces/acme:interface/acme:secret"
        access = control(
            "<write-default>permit</write-default>",
            groups(g="eve"),
            rules("g", rule("permit", "read", path=path)),
        )
        assert "secret=s" in seen(access, "eve", interfaces(interface("a", "<secret>s</secret>")))
        before, after = interfaces(interface("a")), interfaces(interface("a", "<secret>s</secret>"))
        assert changes(access, "eve", before, after) == "/interfaces/interface[name='a']/secret"


# --- Groups ---------------------------------------------------------------------------------------


class TestGroups:
    """RFC 8341 3.4.4 steps 4 to 6."""

    def test_a_rule_list_is_for_its_groups(self) -> None:
        """RFC 8341 3.4.4: a rule list is for its groups (step 6)."""
        access = control(groups(a="anna", b="bert"), rules("a", rule("deny", "exec")))
        assert not runs(access, "anna", "get")
        assert runs(access, "bert", "get")

    def test_a_user_may_be_in_several_groups(self) -> None:
        """RFC 8341 3.4.4: all groups count, in the order of the rule-lists (step 4)."""
        access = control(
            groups(a="anna", b="anna"),
            rules("b", rule("permit", "exec", rpc_name="get"), name="1"),
            rules("a", rule("deny", "exec"), name="2"),
        )
        assert runs(access, "anna", "get")
        assert not runs(access, "anna", "lock")

    def test_a_rule_list_may_have_several_groups(self) -> None:
        """RFC 8341 4: a rule list may have several groups: the leaf-list group."""
        access = control(groups(a="anna", b="bert"), rules("a b", rule("deny", "exec")))
        assert not runs(access, "anna", "get")
        assert not runs(access, "bert", "get")

    def test_all_groups(self) -> None:
        """RFC 8341 4: all groups: '*' is every group."""
        access = control(groups(a="anna"), rules("*", rule("deny", "exec")))
        assert not runs(access, "anna", "get")

    def test_no_rule_is_for_who_is_in_no_group(self) -> None:
        """RFC 8341 3.4.4: the defaults decide, also where a rule-list is for '*' (step 5)."""
        access = control(groups(a="anna"), rules("*", rule("deny", "*")))
        assert runs(access, "eve", "get")
        assert receives(access, "eve", "sys-restart")
        assert seen(access, "eve", interfaces(interface("a"))) == "interfaces(interface(name=a))"

    def test_a_rule_list_without_groups_is_for_nobody(self) -> None:
        """RFC 8341 3.4.4: a rule list without groups is for nobody (step 6)."""
        assert runs(control(groups(a="anna"), rules("", rule("deny", "*"))), "anna", "get")

    def test_groups_that_the_transport_reports(self) -> None:
        """RFC 8341 3.4.4: enable-external-groups is true by default (step 4)."""
        access = control(rules("radius", rule("deny", "exec")))
        assert not runs(access, "eve", "get", reported="radius")
        assert runs(access, "eve", "get")

    def test_groups_that_the_transport_reports_are_ignored(self) -> None:
        """RFC 8341 4: groups that the transport reports are ignored: enable-external-groups false."""
        access = control(
            "<enable-external-groups>false</enable-external-groups>",
            groups(radius="anna"),
            rules("radius", rule("deny", "exec")),
        )
        assert runs(access, "eve", "get", reported="radius")
        assert not runs(access, "anna", "get", reported="other")

    def test_user_names_are_compared_exactly(self) -> None:
        """RFC 8341 3.4.4: user names are compared exactly: equal to the user name (step 4)."""
        access = control(groups(a="anna"), rules("a", rule("deny", "exec")))
        assert runs(access, "Anna", "get")
        assert runs(access, "ann", "get")


# --- Rules ----------------------------------------------------------------------------------------


class TestOrder:
    """RFC 8341 3.4.4: step 7; the first rule that matches decides."""

    def test_rules_of_a_list_in_order(self) -> None:
        """RFC 8341 3.4.4: rules of a list in order (step 7)."""
        first = rule("permit", "exec", rpc_name="lock")
        access = control(groups(g="u"), rules("g", first, rule("deny", "exec", rpc_name="lock", name="x")))
        assert runs(access, "u", "lock")

    def test_rule_lists_in_order(self) -> None:
        """RFC 8341 3.4.4: rule lists in order (step 6)."""
        deny, permit = rule("deny", "exec", rpc_name="lock"), rule("permit", "exec", rpc_name="lock")
        assert not runs(
            control(groups(g="u"), rules("g", deny, name="a"), rules("g", permit, name="b")), "u", "lock"
        )
        assert runs(
            control(groups(g="u"), rules("g", permit, name="b"), rules("g", deny, name="a")), "u", "lock"
        )

    def test_a_later_list_decides_where_none_before_matches(self) -> None:
        """RFC 8341 3.4.4: a later list decides where none before matches (step 7)."""
        access = control(
            groups(g="u"),
            rules("g", rule("permit", "exec", rpc_name="get"), name="a"),
            rules("g", rule("deny", "exec"), name="b"),
        )
        assert runs(access, "u", "get")
        assert not runs(access, "u", "lock")

    def test_rules_about_data_in_order(self) -> None:
        """RFC 8341 3.4.5: rules about data in order (step 6)."""
        wide = rule("deny", "read", path="/acme:interfaces")
        narrow = rule("permit", "read", path="/acme:interfaces/acme:interface/acme:mtu")
        assert seen(control(groups(g="u"), rules("g", wide, narrow)), "u", interfaces(interface("a"))) == ""
        hidden = rule("deny", "read", path="/acme:interfaces/acme:interface/acme:mtu")
        access = control(groups(g="u"), rules("g", hidden, rule("permit", "read", path="/acme:interfaces")))
        assert seen(access, "u", interfaces(interface("a", "<mtu>1</mtu>"))) == (
            "interfaces(interface(name=a))"
        )


class TestOperationRules:
    """RFC 8341 3.4.4: step 7."""

    @pytest.mark.parametrize(
        ("leafs", "denied"),
        [
            ({}, "get reset-interface"),
            ({"module_name": "*"}, "get reset-interface"),
            ({"module_name": "ietf-netconf"}, "get"),
            ({"module_name": "acme-interfaces"}, "reset-interface"),
            ({"module_name": "acme-system"}, ""),
            ({"rpc_name": "*"}, "get reset-interface"),
            ({"rpc_name": "get"}, "get"),
            ({"module_name": "acme-interfaces", "rpc_name": "get"}, ""),
            ({"module_name": "ietf-netconf", "rpc_name": "*"}, "get"),
            ({"notification_name": "*"}, ""),
            ({"path": "/"}, ""),
        ],
        ids=str,
    )
    def test_which_rules_match(self, leafs: dict[str, str], denied: str) -> None:
        """RFC 8341 3.4.4: which rules match: module-name, and no rule-type or rpc-name (step 7)."""
        access = control(groups(g="u"), rules("g", rule("deny", "exec", **leafs)))
        found = [
            name for name, ns in (("get", BASE), ("reset-interface", ACME)) if not runs(access, "u", name, ns)
        ]
        assert " ".join(found) == denied

    @pytest.mark.parametrize(
        ("rights", "permitted"),
        [
            ("*", False),
            ("", False),
            ("exec", False),
            ("read exec", False),
            ("read", True),
            ("create update delete", True),
        ],
    )
    def test_access_operations(self, rights: str, permitted: bool) -> None:
        """RFC 8341 3.4.4: access operations: exec or '*', which is the default (step 7)."""
        access = control(groups(g="u"), rules("g", rule("deny", rights)))
        assert runs(access, "u", "get") is permitted

    def test_an_operation_of_an_unknown_module(self) -> None:
        """RFC 8341 3.4.4: an operation of an unknown module: only '*' matches it (step 7)."""
        access = control(groups(g="u"), rules("g", rule("deny", "exec", module_name="odd")))
        assert runs(access, "u", "odd", "urn:odd")
        assert not runs(control(groups(g="u"), rules("g", rule("deny"))), "u", "odd", "urn:odd")


class TestNotificationRules:
    """RFC 8341 3.4.6: step 7."""

    @pytest.mark.parametrize(
        ("leafs", "dropped"),
        [
            ({}, True),
            ({"notification_name": "*"}, True),
            ({"notification_name": "sys-restart"}, True),
            ({"notification_name": "sys-config-change"}, False),
            ({"module_name": "acme-system"}, True),
            ({"module_name": "acme-interfaces"}, False),
            ({"module_name": "acme-interfaces", "notification_name": "sys-restart"}, False),
            ({"rpc_name": "*"}, False),
            ({"path": "/"}, False),
        ],
        ids=str,
    )
    def test_which_rules_match(self, leafs: dict[str, str], dropped: bool) -> None:
        """RFC 8341 3.4.6: which rules match (step 7)."""
        access = control(groups(g="u"), rules("g", rule("deny", "read", **leafs)))
        assert receives(access, "u", "sys-restart") is not dropped

    @pytest.mark.parametrize(
        ("rights", "dropped"), [("*", True), ("read", True), ("exec", False), ("update", False)]
    )
    def test_access_operations(self, rights: str, dropped: bool) -> None:
        """RFC 8341 3.4.6: access operations: read (step 7)."""
        access = control(groups(g="u"), rules("g", rule("deny", rights, notification_name="*")))
        assert receives(access, "u", "sys-restart") is not dropped


class TestPaths:
    """RFC 8341 3.4.5 step 6 and section 4, node-instance-identifier."""

    DATA = interfaces(
        interface("a", "<mtu>1</mtu><tag>red</tag><tag>blue</tag><options><deep><x>1</x></deep></options>"),
        interface("b", "<mtu>2</mtu><unit><slot>0</slot><port>1</port><note>n</note></unit>"),
    )

    @pytest.mark.parametrize(
        ("path", "gone"),
        [
            ("/acme:interfaces", "everything"),
            ("/", "everything"),
            ("/acme:interfaces/acme:interface", "interface"),
            ("/acme:interfaces/acme:interface[acme:name='a']", "a"),
            ('/acme:interfaces/acme:interface[acme:name="b"]', "b"),
            ("/acme:interfaces/acme:interface[acme:name='c']", ""),
            ("/acme:interfaces/acme:interface[acme:name='a']/acme:mtu", "mtu=1"),
            ("/acme:interfaces/acme:interface/acme:mtu", "mtu=1 mtu=2"),
            ("/acme:interfaces/acme:interface/acme:tag", "tag=red tag=blue"),
            ("/acme:interfaces/acme:interface/acme:tag[.='red']", "tag=red"),
            ("/acme:interfaces/acme:interface/acme:unit[acme:slot='0'][acme:port='1']", "unit"),
            ("/acme:interfaces/acme:interface/acme:unit[acme:slot='0']", "unit"),
            ("/acme:interfaces/acme:interface/acme:unit[acme:slot='1']", ""),
            ("/acme:interfaces/acme:interface/acme:options", "options(deep(x=1))"),
            ("/acme:interfaces/acme:interface/acme:options/acme:deep/acme:x", "x=1"),
            ("/acme:acme-netconf", ""),
            ("/acme:interface", ""),
        ],
    )
    def test_what_a_path_takes_away(self, path: str, gone: str) -> None:
        """RFC 8341 3.4.5: the node of the path and what is below; predicates are optional (step 6)."""
        access = control(groups(g="u"), rules("g", rule("deny", "read", path=path)))
        whole = (
            "interfaces(interface(name=a mtu=1 tag=red tag=blue options(deep(x=1)))"
            " interface(name=b mtu=2 unit(slot=0 port=1 note=n)))"
        )
        expected = {
            "everything": "",
            "interface": "interfaces",
            "a": "interfaces(interface(name=b mtu=2 unit(slot=0 port=1 note=n)))",
            "b": "interfaces(interface(name=a mtu=1 tag=red tag=blue options(deep(x=1))))",
            "mtu=1": whole.replace(" mtu=1", ""),
            "mtu=1 mtu=2": whole.replace(" mtu=1", "").replace(" mtu=2", ""),
            "tag=red tag=blue": whole.replace(" tag=red tag=blue", ""),
            "tag=red": whole.replace(" tag=red", ""),
            "unit": whole.replace(" unit(slot=0 port=1 note=n)", ""),
            "options(deep(x=1))": whole.replace(" options(deep(x=1))", ""),
            "x=1": whole.replace("deep(x=1)", "deep"),
            "": whole,
        }
        assert seen(access, "u", self.DATA) == expected[gone]

    def test_the_variable_user(self) -> None:
        """RFC 8341 4: the variable user: USER is the name of the user of the session."""
        mine = "/acme:interfaces/acme:interface[acme:name=$USER]"
        access = control(
            groups(g="a b"),
            rules(
                "g",
                rule("permit", "read", path=mine),
                rule("deny", "read", path="/acme:interfaces/acme:interface"),
            ),
        )
        assert seen(access, "a", self.DATA).count("interface(") == 1
        assert "name=a" in seen(access, "a", self.DATA)
        assert "name=b" in seen(access, "b", self.DATA)

    def test_module_name_is_that_of_the_node(self) -> None:
        """RFC 8341 3.4.5: where the node is defined, not where its parent is (an augment) (step 6)."""
        data = interfaces(interface("a", "<mtu>1</mtu><x:colour>red</x:colour>"))
        extra = control(groups(g="u"), rules("g", rule("deny", "read", module_name="acme-extra")))
        assert seen(extra, "u", data) == "interfaces(interface(name=a mtu=1))"
        own = control(groups(g="u"), rules("g", rule("deny", "read", module_name="acme-interfaces")))
        assert seen(own, "u", data) == ""

    def test_module_name_and_path_together(self) -> None:
        """RFC 8341 3.4.5: module name and path together: both must match (step 6)."""
        data = interfaces(interface("a", "<mtu>1</mtu><x:colour>red</x:colour>"))
        narrow = rule("deny", "read", module_name="acme-extra", path="/acme:interfaces")
        assert seen(control(groups(g="u"), rules("g", narrow)), "u", data) == (
            "interfaces(interface(name=a mtu=1))"
        )

    @pytest.mark.parametrize("leafs", [{"rpc_name": "*"}, {"notification_name": "*"}], ids=str)
    def test_rules_about_something_else(self, leafs: dict[str, str]) -> None:
        """RFC 8341 3.4.5: a rule with another rule-type is not about data (step 6)."""
        access = control(groups(g="u"), rules("g", rule("deny", "*", **leafs)))
        assert seen(access, "u", interfaces(interface("a"))) == "interfaces(interface(name=a))"

    def test_a_rule_without_rule_type_is_about_data_too(self) -> None:
        """RFC 8341 3.4.5: a rule without rule type is about data too (step 6)."""
        access = control(groups(g="u"), rules("g", rule("deny", "read")))
        assert seen(access, "u", interfaces(interface("a"))) == ""

    @pytest.mark.parametrize("path", ["/acme:interfaces/acme:interface[1]", "//acme:mtu", "acme:x", "/odd:x"])
    def test_a_path_that_names_no_node_does_no_harm(self, path: str) -> None:
        """RFC 8341 3.4.5: where it cannot be told what a rule means, nobody gets more by it."""
        denies = control(groups(g="u"), rules("g", rule("deny", "read", path=path)))
        assert seen(denies, "u", interfaces(interface("a"))) == ""
        permits = control(
            "<read-default>deny</read-default>", groups(g="u"), rules("g", rule("permit", "read", path=path))
        )
        assert seen(permits, "u", interfaces(interface("a"))) == ""


# --- Reading --------------------------------------------------------------------------------------


class TestReading:
    """RFC 8341 3.2.4 and 3.4.5."""

    def test_what_is_denied_is_silently_omitted(self) -> None:
        """RFC 8341 3.2.4: what is denied is silently omitted: with its descendants."""
        access = control(
            groups(g="u"), rules("g", rule("deny", "read", path="/acme:acme-netconf/acme:config-parameters"))
        )
        data = (
            "<acme-netconf><config-parameters><retries>1</retries></config-parameters>"
            "<version>1</version></acme-netconf>"
        )
        assert seen(access, "u", data) == "acme-netconf(version=1)"

    def test_a_permitted_node_below_a_denied_one_is_omitted(self) -> None:
        """RFC 8341 3.2.4: a permitted node below a denied one is omitted: along with any descendants."""
        access = control(
            "<read-default>deny</read-default>",
            groups(g="u"),
            rules("g", rule("permit", "read", path="/acme:interfaces/acme:interface/acme:mtu")),
        )
        assert seen(access, "u", interfaces(interface("a", "<mtu>1</mtu>"))) == ""

    def test_keys_come_with_their_entry(self) -> None:
        """RFC 7950 7.8.2: keys come with their entry: an entry without its keys is none."""
        access = control(
            groups(g="u"),
            rules(
                "g",
                *(
                    rule("deny", "read", path=f"/acme:interfaces/acme:interface/acme:{leaf}")
                    for leaf in ("mtu", "tag")
                ),
            ),
        )
        assert seen(access, "u", interfaces(interface("a", "<mtu>1</mtu><tag>t</tag>"))) == (
            "interfaces(interface(name=a))"
        )

    def test_an_entry_with_a_hidden_key_is_omitted(self) -> None:
        """RFC 8341 3.2.4: the key is not shown, and so nothing can name the entry."""
        access = control(
            groups(g="u"),
            rules("g", rule("deny", "read", path="/acme:interfaces/acme:interface[acme:name='a']/acme:name")),
        )
        assert seen(access, "u", interfaces(interface("a", "<mtu>1</mtu>"), interface("b"))) == (
            "interfaces(interface(name=b))"
        )

    def test_what_is_given_is_not_changed(self) -> None:
        """RFC 8341 3.2.4: what is given is not changed: the datastore is not changed by who reads it."""
        data = config(interfaces(interface("a", "<secret>s</secret>")))
        before = etree.tostring(data)
        access = control()
        assert "secret" not in shown(access.prune("u", NOBODY, list(data)))
        assert etree.tostring(data) == before
        assert "secret" not in shown(access.prune_tree("u", NOBODY, data))
        assert etree.tostring(data) == before

    def test_who_reads_everything_gets_the_very_nodes(self) -> None:
        """RFC 8341 3.2.4: who reads everything gets the very nodes: nothing is omitted."""
        data = config(interfaces(interface("a", "<secret>s</secret>")))
        access = control(groups(g="u"), rules("g", rule("permit", "read")))
        assert access.reads_everything("u", NOBODY)
        assert all(a is b for a, b in zip(access.prune("u", NOBODY, list(data)), data, strict=True))
        assert access.prune_tree("u", NOBODY, data) is data

    def test_top_level_nodes_without_anything_hidden(self) -> None:
        """RFC 8341 3.2.4: top level nodes without anything hidden."""
        access = control()
        assert not access.reads_everything("u", NOBODY)
        assert access.reads_whole("u", NOBODY, f"{{{ACME}}}acme-netconf")
        assert not access.reads_whole("u", NOBODY, f"{{{ACME}}}interfaces")

    def test_a_top_level_list_of_which_one_entry_is_hidden(self) -> None:
        """RFC 8341 3.4.5: a rule about one instance is a rule about the list (step 6)."""
        access = control(groups(g="u"), rules("g", rule("deny", "read", path="/acme:step[acme:id='a']")))
        assert not access.reads_whole("u", NOBODY, f"{{{ACME}}}step")
        assert seen(access, "u", steps("a", "b")) == "step(id=b)"

    def test_state_is_judged_as_configuration_is(self) -> None:
        """RFC 8341 3.4.5: any data node, also one that no module is known of."""
        state = etree.fromstring(
            f'<netconf-state xmlns="{MONITORING}"><sessions/><odd xmlns="urn:odd"/></netconf-state>'
        )
        access = control(groups(g="u"), rules("g", rule("deny", "read", path="/m:netconf-state/m:sessions")))
        assert shown(access.prune("u", NOBODY, [state])) == "netconf-state(odd)"

    def test_reads_of_several_entries_are_judged_one_by_one(self) -> None:
        """RFC 8341 3.4.5: reads of several entries are judged one by one: for each node."""
        access = control(
            groups(g="u"),
            rules(
                "g",
                rule("permit", "read", path="/acme:interfaces/acme:interface[acme:name='b']/acme:mtu"),
                rule("deny", "read", path="/acme:interfaces/acme:interface/acme:mtu"),
            ),
        )
        entries = [interface(name, "<mtu>1</mtu>") for name in "abc"]
        assert seen(access, "u", interfaces(*entries)) == (
            "interfaces(interface(name=a) interface(name=b mtu=1) interface(name=c))"
        )


# --- Changing -------------------------------------------------------------------------------------

PATH = "/acme:interfaces/acme:interface"
EMPTY, ONE = interfaces(), interfaces(interface("a"))
MTU1, MTU2 = interfaces(interface("a", "<mtu>1</mtu>")), interfaces(interface("a", "<mtu>2</mtu>"))


def steps(*names: str) -> str:
    return "".join(f"<step><id>{name}</id></step>" for name in names)


class TestChanging:
    """RFC 8341 3.2.5 to 3.2.8: what becomes of the data decides."""

    @pytest.mark.parametrize(
        ("rights", "before", "after", "refused"),
        [
            ("create", EMPTY, ONE, None),
            ("update delete", EMPTY, ONE, "/interfaces/interface[name='a']"),
            ("delete", ONE, EMPTY, None),
            ("create update", ONE, EMPTY, "/interfaces/interface[name='a']"),
            ("update", MTU1, MTU2, None),
            ("create delete", MTU1, MTU2, "/interfaces/interface[name='a']/mtu"),
            ("create", ONE, MTU1, None),
            ("update delete", ONE, MTU1, "/interfaces/interface[name='a']/mtu"),
            ("delete", MTU1, ONE, None),
            ("create update", MTU1, ONE, "/interfaces/interface[name='a']/mtu"),
            ("update", steps("a", "b"), steps("b", "a"), None),
            ("create delete", steps("a", "b"), steps("b", "a"), "/step[id='b']"),
            ("create", "", MTU1, None),
            ("delete", MTU1, "", None),
        ],
    )
    def test_which_right_a_change_needs(
        self, rights: str, before: str, after: str, refused: str | None
    ) -> None:
        """RFC 8341 3.2.5: which right a change needs: create, update and delete."""
        access = control(groups(g="u"), rules("g", rule("permit", rights)))
        found = changes(access, "u", before, after)
        assert found == refused or (refused == "/step[id='b']" and found in (refused, "/step[id='a']"))

    def test_what_stays_needs_no_right(self) -> None:
        """RFC 8341 3.2.5: data nodes that are there for naming, or say what is there, are ignored."""
        path = f"{PATH}/acme:mtu"
        access = control(groups(g="u"), rules("g", rule("permit", "update", path=path)))
        assert changes(access, "u", MTU1, MTU2) is None
        assert changes(access, "u", MTU1, MTU1) is None

    def test_what_is_written_otherwise_and_means_the_same_needs_no_right(self) -> None:
        """RFC 8341 3.2.5: what is written otherwise and means the same needs no right: nothing is altered."""
        a = interfaces(interface("a", "<mtu>1</mtu><tag>x</tag>"), interface("b"))
        b = interfaces(interface("b"), interface("a", "<tag>x</tag>  <mtu>1</mtu><!-- same --><options/>"))
        assert changes(control(), "u", a, b) is None

    def test_containers_without_presence_need_no_right(self) -> None:
        """RFC 8341 3.2.5: /interfaces exists always (RFC 7950, 7.5.1)."""
        access = control(groups(g="u"), rules("g", rule("permit", "create delete", path=PATH)))
        assert changes(access, "u", "", ONE) is None
        assert changes(access, "u", ONE, "") is None

    def test_containers_with_presence_need_one(self) -> None:
        """RFC 8341 3.2.5: containers with presence need one: they say something (RFC 7950, 7.5.1)."""
        access = control(groups(g="u"), rules("g", rule("permit", "*", path=f"{PATH}/acme:live/acme:since")))
        after = interfaces(interface("a", "<live><since>now</since></live>"))
        assert changes(access, "u", ONE, after) == "/interfaces/interface[name='a']/live"

    def test_everything_in_what_appears_is_looked_at(self) -> None:
        """RFC 8341 3.2.5: everything in what appears is looked at: each data node that would be created."""
        access = control(
            groups(g="u"), rules("g", rule("deny", "create", path=f"{PATH}/acme:mtu"), rule("permit", "*"))
        )
        assert changes(access, "u", EMPTY, ONE) is None
        assert changes(access, "u", EMPTY, MTU1) == "/interfaces/interface[name='a']/mtu"

    def test_everything_in_what_goes_is_looked_at(self) -> None:
        """RFC 8341 3.2.5: everything in what goes is looked at: each data node that would be deleted."""
        access = control(
            groups(g="u"), rules("g", rule("deny", "delete", path=f"{PATH}/acme:mtu"), rule("permit", "*"))
        )
        assert changes(access, "u", ONE, EMPTY) is None
        assert changes(access, "u", MTU1, EMPTY) == "/interfaces/interface[name='a']/mtu"

    def test_what_another_case_pushes_out_needs_no_right(self) -> None:
        """RFC 8341 3.2.5: implicitly deleted, because of a choice."""
        access = control(groups(g="u"), rules("g", rule("permit", "create", path=PATH)))
        radio = interfaces(interface("a", "<band>5</band><power>1</power>"))
        ethernet = interfaces(interface("a", "<ethernet>e</ethernet>"))
        assert changes(access, "u", radio, ethernet) is None
        assert changes(access, "u", ethernet, radio) is None
        half = interfaces(interface("a", "<band>5</band>"))
        assert changes(access, "u", radio, half) == "/interfaces/interface[name='a']/power"

    def test_an_entry_by_its_key(self) -> None:
        """RFC 8341 3.4.5: an entry by its key: the instance that the path names (step 6)."""
        access = control(groups(g="u"), rules("g", rule("permit", "*", path=f"{PATH}[acme:name='a']")))
        assert changes(access, "u", MTU1, MTU2) is None
        other = interfaces(interface("b"))
        assert changes(access, "u", EMPTY, other) == "/interfaces/interface[name='b']"

    def test_leaf_lists(self) -> None:
        """RFC 8341 3.2.5: leaf lists: their entries are created and deleted."""
        access = control(groups(g="u"), rules("g", rule("permit", "create", path=f"{PATH}/acme:tag")))
        one, two = interface("a", "<tag>x</tag>"), interface("a", "<tag>x</tag><tag>y</tag>")
        assert changes(access, "u", interfaces(one), interfaces(two)) is None
        assert changes(access, "u", interfaces(two), interfaces(one)) == (
            "/interfaces/interface[name='a']/tag[.='y']"
        )

    def test_the_error_shows_nothing_that_is_hidden(self) -> None:
        """RFC 8341 3.2.5: contents of restricted nodes are not in an rpc-error; here the key of an entry."""
        access = control(groups(g="u"), rules("g", rule("deny", "*", path=PATH)))
        assert changes(access, "u", ONE, EMPTY) == "/interfaces"
        access = control("<read-default>deny</read-default>")
        assert changes(access, "u", ONE, EMPTY) == ""

    def test_no_right_to_read_is_needed_to_write(self) -> None:
        """RFC 8341 3.2.5: no right to read is needed to write: the rights are apart."""
        access = control(
            "<read-default>deny</read-default>",
            groups(g="u"),
            rules("g", rule("permit", "create update delete")),
        )
        assert changes(access, "u", MTU1, MTU2) is None

    def test_who_may_write_everything(self) -> None:
        """RFC 8341 3.4.5: who may write everything."""
        access = control(groups(g="u"), rules("g", rule("permit", "*")))
        full = interfaces(interface("a", "<secret>s</secret><guarded>g</guarded>"))
        assert changes(access, "u", EMPTY, full) is None
        assert changes(access, "u", full, EMPTY) is None

    def test_what_a_user_sees_of_a_source_to_copy(self) -> None:
        """RFC 8341 3.2.6: nodes that the client may not read are omitted from the source."""
        access = control(groups(g="u"), rules("g", rule("deny", "read", path=f"{PATH}[acme:name='b']")))
        source = config(interfaces(interface("a"), interface("b")) + steps("s"))
        assert shown(access.prune_tree("u", NOBODY, source)) == "interfaces(interface(name=a)) step(id=s)"


# --- Counters -------------------------------------------------------------------------------------


class TestCounters:
    """RFC 8341 4: denied-operations, denied-data-writes, denied-notifications."""

    def counted(self, counters: Counters) -> str:
        return shown(counters.leafs())

    def test_what_is_counted(self) -> None:
        """RFC 8341 4: what is counted: once a request, and once a dropped notification."""
        access = control()
        assert (
            self.counted(access.counters) == "denied-operations=0 denied-data-writes=0 denied-notifications=0"
        )
        runs(access, "u", "kill-session")
        runs(access, "u", "kill-session")
        changes(access, "u", EMPTY, interfaces(interface("a"), interface("b")))
        receives(access, "u", "sys-secret")
        assert (
            self.counted(access.counters) == "denied-operations=2 denied-data-writes=1 denied-notifications=1"
        )

    def test_what_is_permitted_or_omitted_is_not_counted(self) -> None:
        """RFC 8341 4: what is permitted or omitted is not counted."""
        access = control("<write-default>permit</write-default>")
        runs(access, "u", "get")
        changes(access, "u", EMPTY, ONE)
        receives(access, "u", "sys-restart")
        seen(access, "u", interfaces(interface("a", "<secret>s</secret>")))
        access.judge_operation("u", NOBODY, f"{{{BASE}}}kill-session")
        assert (
            self.counted(access.counters) == "denied-operations=0 denied-data-writes=0 denied-notifications=0"
        )

    def test_they_outlive_the_rules(self) -> None:
        """RFC 8341 4: they outlive the rules: since the server last restarted."""
        counters = Counters()
        runs(AccessControl(None, *model(), counters), "u", "kill-session")
        runs(AccessControl(nacm(), *model(), counters), "u", "kill-session")
        assert counters.operations == 2

    def test_they_wrap(self) -> None:
        """RFC 8341 4: they wrap: they are of the type zero-based-counter32."""
        counters = Counters(operations=2**32 - 1)
        counters.count_operation()
        assert counters.operations == 0


# --- Appendix A -----------------------------------------------------------------------------------

A_GROUPS = groups(admin="admin andy", limited="wilma bam-bam", guest="guest guest@example.com")


class TestModuleRules:
    """RFC 8341 A.2."""

    ACCESS = control(
        A_GROUPS,
        rules("guest", rule("deny", "*", module_name="ietf-netconf-monitoring"), name="guest-acl"),
        rules(
            "limited",
            rule("permit", "read", module_name="ietf-netconf-monitoring"),
            rule("permit", "exec", module_name="*"),
            name="limited-acl",
        ),
        rules("admin", rule("permit", "*", module_name="*"), name="admin-acl"),
    )

    def monitoring(self, user: str) -> Sequence[Element]:
        state = etree.fromstring(f'<netconf-state xmlns="{MONITORING}"><sessions/></netconf-state>')
        return self.ACCESS.prune(user, NOBODY, [state])

    def test_deny_ncm(self) -> None:
        """RFC 8341 A.2: deny ncm: guests have no access to the monitoring data, nor to get-schema."""
        assert not self.monitoring("guest")
        assert not self.monitoring("guest@example.com")
        assert not runs(self.ACCESS, "guest", "get-schema", MONITORING)
        assert runs(self.ACCESS, "guest", "get")

    def test_permit_ncm(self) -> None:
        """RFC 8341 A.2: permit ncm: limited users read it, and run everything."""
        assert self.monitoring("wilma")
        for name in ("get", "kill-session", "delete-config"):
            assert runs(self.ACCESS, "bam-bam", name)
        assert changes(self.ACCESS, "wilma", EMPTY, ONE) is not None

    def test_permit_all(self) -> None:
        """RFC 8341 A.2: permit all: administrators may do everything."""
        assert self.ACCESS.reads_everything("andy", NOBODY)
        assert changes(self.ACCESS, "admin", EMPTY, ONE) is None
        assert runs(self.ACCESS, "andy", "wipe", ACME)


class TestProtocolOperationRules:
    """RFC 8341 A.3."""

    ACCESS = control(
        A_GROUPS,
        rules(
            "limited guest",
            rule("deny", "exec", module_name="ietf-netconf", rpc_name="kill-session"),
            rule("deny", "exec", module_name="ietf-netconf", rpc_name="delete-config"),
            name="guest-limited-acl",
        ),
        rules(
            "limited",
            rule("permit", "exec", module_name="ietf-netconf", rpc_name="edit-config"),
            name="limited-acl",
        ),
    )

    @pytest.mark.parametrize("user", ["wilma", "bam-bam", "guest", "guest@example.com"])
    @pytest.mark.parametrize("name", ["kill-session", "delete-config"])
    def test_deny_kill_session_and_delete_config(self, user: str, name: str) -> None:
        """RFC 8341 A.3: deny kill session and delete config."""
        assert not runs(self.ACCESS, user, name)

    def test_permit_edit_config(self) -> None:
        """RFC 8341 A.3: permit edit config: the data is judged apart."""
        assert runs(self.ACCESS, "wilma", "edit-config")
        assert changes(self.ACCESS, "wilma", EMPTY, ONE) is not None


class TestDataNodeRules:
    """RFC 8341 A.4."""

    ACCESS = control(
        A_GROUPS,
        rules("guest", rule("deny", "*", path="/n:nacm"), name="guest-acl"),
        rules(
            "limited",
            rule("permit", "read create update delete", path="/acme:acme-netconf/acme:config-parameters"),
            name="limited-acl",
        ),
        rules(
            "guest limited",
            rule("permit", "read update", path="/acme:interfaces/acme:interface[acme:name='dummy']"),
            name="guest-limited-acl",
        ),
        rules("admin", rule("permit", "*", path="/acme:interfaces/acme:interface"), name="admin-acl"),
    )
    DUMMY = interfaces(interface("dummy", "<mtu>1</mtu>"))

    def test_deny_nacm(self) -> None:
        """RFC 8341 A.4: deny nacm: guests see nothing of /nacm."""
        assert self.ACCESS.prune("guest", NOBODY, [nacm(A_GROUPS)]) == []

    def test_permit_acme_config(self) -> None:
        """RFC 8341 A.4: permit acme config: limited users write below config-parameters."""
        after = "<acme-netconf><config-parameters><retries>3</retries></config-parameters></acme-netconf>"
        assert changes(self.ACCESS, "wilma", "", after) is None
        assert changes(self.ACCESS, "wilma", after, "") is None
        assert changes(self.ACCESS, "guest", "", after) == "/acme-netconf/config-parameters/retries"
        version = "<acme-netconf><version>2</version></acme-netconf>"
        assert changes(self.ACCESS, "wilma", "", version) == "/acme-netconf/version"

    @pytest.mark.parametrize("user", ["guest", "wilma"])
    def test_permit_dummy_interface(self, user: str) -> None:
        """RFC 8341 A.4: they read and update the interface dummy, and cannot create or delete it."""
        changed = self.DUMMY.replace(">1<", ">2<")
        assert changes(self.ACCESS, user, self.DUMMY, changed) is None
        assert changes(self.ACCESS, user, EMPTY, self.DUMMY) is not None
        assert changes(self.ACCESS, user, self.DUMMY, EMPTY) is not None
        other = interfaces(interface("eth0", "<mtu>1</mtu>"))
        assert changes(self.ACCESS, user, other, other.replace(">1<", ">2<")) is not None

    def test_permit_interface(self) -> None:
        """RFC 8341 A.4: permit interface: administrators do anything to any interface."""
        assert changes(self.ACCESS, "admin", EMPTY, self.DUMMY) is None
        assert changes(self.ACCESS, "andy", interfaces(interface("eth0")), EMPTY) is None
        after = "<acme-netconf><version>2</version></acme-netconf>"
        assert changes(self.ACCESS, "admin", "", after) == "/acme-netconf/version"


class TestNotificationRuleExample:
    """RFC 8341 A.5."""

    ACCESS = control(
        A_GROUPS,
        rules(
            "limited guest",
            rule("deny", "read", module_name="acme-system", notification_name="sys-config-change"),
            name="sys-acl",
        ),
    )

    @pytest.mark.parametrize("user", ["wilma", "guest"])
    def test_deny_config_change(self, user: str) -> None:
        """RFC 8341 A.5: deny config change: that event only."""
        assert not receives(self.ACCESS, user, "sys-config-change")
        assert receives(self.ACCESS, user, "sys-restart")

    def test_others_get_it(self) -> None:
        """RFC 8341 A.5: others get it."""
        assert receives(self.ACCESS, "andy", "sys-config-change")
