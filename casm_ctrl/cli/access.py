"""`casm access`: who may do what over NETCONF. Works on the store itself, whatever the rules in it say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli.call import Answer, Call, Document, command, lines

if TYPE_CHECKING:
    from rich.console import RenderableType

    from casm_ctrl.netconf.access.rules import Rule, Rules
    from casm_ctrl.northbound.access.questions import Judgement

app = typer.Typer(no_args_is_help=True, help="Access rules (NACM): who may do what over NETCONF.")

_User = Annotated[str, typer.Argument(metavar="USER", help="The user's name.", show_default=False)]
_Group = Annotated[
    str, typer.Argument(metavar="GROUP", help="The group: admin, operator.", show_default=False)
]

_WHY = {
    "enable-nacm": "access control is switched off (enable-nacm)",
    "close-session": "everybody may close the own session",
    "replayComplete": "the end of a replay is always sent",
    "notificationComplete": "the end of a replay is always sent",
    "kill-session": "no rule permits it, and it needs one (RFC 8341, 3.4.4)",
    "delete-config": "no rule permits it, and it needs one (RFC 8341, 3.4.4)",
    "default-deny-all": "no rule decides, and its module denies it (default-deny-all)",
    "default-deny-write": "no rule decides, and its module denies writing (default-deny-write)",
}


@command(
    app,
    "check",
    examples=(
        "casm access check alice allocate",
        "casm access check alice update \"/pools/pool[name='home']/description\"",
        "casm access check alice read /nacm --json",
        "casm access check alice kill-session --group operator",
    ),
)
def check(
    call: Call,
    user: _User,
    operation: Annotated[
        str,
        typer.Argument(
            metavar="OPERATION",
            help="An RPC or a notification, by name; or create, read, update or delete, with PATH.",
            show_default=False,
        ),
    ],
    path: Annotated[
        str | None,
        typer.Argument(metavar="PATH", help="The data: /pools/pool\\[name='home'].", show_default=False),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option(
            "--group", metavar="GROUP", help="Suppose the user in this group too.", show_default=False
        ),
    ] = None,
) -> Answer:
    """Say whether a user may do something, and which rule or default decides. Status 1 where not."""
    from casm_ctrl.northbound.access.questions import Questions
    from casm_ctrl.northbound.models import Models

    asked = Questions(call.database, Models()).ask(user, operation, path, frozenset(groups or ()))
    words = _words(asked)
    document = {"access": asked.document()}
    if asked.verdict.permits:
        return Answer(document, lines(words))
    return Answer(document, lines(), faults=[words])


def _words(asked: Judgement) -> str:
    verdict = asked.verdict
    may = "may" if verdict.permits else "may not"
    what = asked.operation if asked.path is None else f"{asked.operation} {asked.path}"
    if verdict.rule is not None:
        why = f"rule '{verdict.rule.name}' of the rule-list '{verdict.rule.rule_list}'"
    else:
        default = verdict.default or ""
        why = _WHY.get(default, f"no rule decides, and {default} does")
    where = f", at {asked.decided_at}" if asked.decided_at is not None else ""
    member = f" (in {', '.join(asked.groups)})" if asked.groups else " (in no group)"
    return f"{asked.user}{member} {may} {what}: {why}{where}"


@command(app, "show", examples=("casm access show", "casm access show --json"))
def show(call: Call) -> Answer:
    """Show the groups and rules, in the order in which they are looked at, and the defaults."""
    from lxml import etree

    from casm_ctrl.netconf.access.rules import read_rules
    from casm_ctrl.service.config_documents import ACCESS
    from casm_ctrl.service.users import list_users
    from casm_ctrl.store.config_documents import find_document

    with call.database.read() as tx:
        xml = find_document(tx, ACCESS)
    rules = read_rules(etree.fromstring(xml) if xml else None)
    accounts = {user["name"]: user["group"] for user in list_users(call.database)}
    document = _rules_document(rules, accounts)
    return Answer({"access": document}, lambda: _tables(document))


def _rules_document(rules: Rules, accounts: dict[str, list[str]]) -> Document:
    named = set(rules.groups).union(*map(set, accounts.values()))
    return {
        "enable-nacm": rules.enabled,
        "read-default": _action(rules.reads),
        "write-default": _action(rules.writes),
        "exec-default": _action(rules.runs),
        "enable-external-groups": rules.external_groups,
        "group": [
            {
                "name": group,
                "user-name": sorted(user for user, groups in rules.members.items() if group in groups),
                "account": sorted(user for user, groups in accounts.items() if group in groups),
            }
            for group in sorted(named)
        ],
        "rule-list": [
            {
                "name": each.name,
                "group": sorted(each.groups),
                "rule": [_rule_document(rule) for rule in each.rules],
            }
            for each in rules.rule_lists
        ],
    }


def _rule_document(rule: Rule) -> Document:
    from casm_ctrl.netconf.access.rules import ALL_RIGHTS, About, Right

    document: Document = {"name": rule.name, "module-name": rule.module}
    if rule.about is About.OPERATION:
        document["rpc-name"] = rule.subject
    elif rule.about is About.NOTIFICATION:
        document["notification-name"] = rule.subject
    elif rule.about is About.DATA:
        document["path"] = rule.words or "/"
    rights = [right.value for right in Right if right in rule.rights]
    document["access-operations"] = "*" if rule.rights == ALL_RIGHTS else " ".join(rights)
    document["action"] = _action(rule.permits)
    return document


def _action(permits: bool) -> str:
    return "permit" if permits else "deny"


def _tables(document: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import facts, table, titled

    switch = "on" if document["enable-nacm"] else "off: everybody may do everything"
    defaults = [(name, document[f"{name}-default"]) for name in ("read", "write", "exec")]
    shown: list[RenderableType] = [
        facts([("access control", switch), *((f"{name} by default", text) for name, text in defaults)])
    ]
    rows = [
        (group["name"], " ".join(group["user-name"]), " ".join(group["account"]))
        for group in document["group"]
    ]
    titles = ("GROUP", "MEMBERS", "BY THEIR ACCOUNT")
    if not document["enable-external-groups"]:
        titles = ("GROUP", "MEMBERS", "BY THEIR ACCOUNT (IGNORED)")
    shown += titled("Groups", table(titles, rows, flexible=titles[1:]))
    listed = [
        (
            each["name"] if number == 0 else "",
            " ".join(each["group"]) if number == 0 else "",
            rule["name"],
            _about(rule),
            rule["access-operations"],
            rule["action"],
        )
        for each in document["rule-list"]
        for number, rule in enumerate(each["rule"])
    ]
    columns = ("RULE-LIST", "FOR", "RULE", "ABOUT", "RIGHTS", "ACTION")
    shown += titled("Rules, in order", table(columns, listed, flexible=("ABOUT",)))
    return shown


def _about(rule: Document) -> str:
    module = "" if rule["module-name"] == "*" else f"{rule['module-name']}: "
    if "rpc-name" in rule:
        return f"{module}{'every RPC' if rule['rpc-name'] == '*' else rule['rpc-name']}"
    if "notification-name" in rule:
        name = rule["notification-name"]
        return f"{module}{'every notification' if name == '*' else f'notification {name}'}"
    return f"{module}{rule.get('path', 'everything')}"


@command(app, "grant", examples=("casm access grant alice admin",), changes=True)
def grant(call: Call, user: _User, group: _Group) -> Answer:
    """Put a user into a group of the rules, which is made where it is not there."""
    from casm_ctrl.service.configuration import AddAccessMember, change

    done = change(call.database, call.author, [AddAccessMember(group, user)])
    document = {"access": {"group": group, "user": user}, **done}
    return Answer(document, lines(f"{user} is in the access group {group} now."))


@command(app, "revoke", examples=("casm access revoke alice admin",), changes=True)
def revoke(call: Call, user: _User, group: _Group) -> Answer:
    """Take a user out of a group of the rules. Groups of the account are changed with 'casm user change'."""
    from casm_ctrl.service.configuration import RemoveAccessMember, change

    done = change(call.database, call.author, [RemoveAccessMember(group, user)])
    document = {"access": {"group": group, "user": user}, **done}
    return Answer(document, lines(f"{user} is no longer in the access group {group}."))


@command(app, "reset", examples=("casm access reset --reason 'locked ourselves out'",), changes=True)
def reset(call: Call) -> Answer:
    """Put back the rules and defaults of a new store. Groups and their members stay."""
    from casm_ctrl.service.configuration import ResetAccess, change

    done = change(call.database, call.author, [ResetAccess()])
    return Answer({**done}, lines("The access rules are those of a new store; groups and members stayed."))
