"""The verbs on the store: each is one transaction, so it runs on a thread and is answered when it is durable."""

from __future__ import annotations

import contextlib

from casm_ctrl.base.errors import StoreFault
from casm_ctrl.netconf.client.host_keys import HostKey
from casm_ctrl.northbound.access.questions import Questions
from casm_ctrl.northbound.verbs.context import Given, VerbContext
from casm_ctrl.service import (
    allocation,
    control_state,
    holds,
    lifetime,
    management,
    release,
    rest,
    routes,
    sealing,
    views,
)
from casm_ctrl.service import trace as tracing
from casm_ctrl.service import why as explaining
from casm_ctrl.service.holds import KINDS
from casm_ctrl.service.replacement import ReplaceDevice, replace_device
from casm_ctrl.service.stock_alarms import try_note_stock
from casm_ctrl.service.verb import Document


def allocate(context: VerbContext, given: Given) -> Document:
    addresses = given.get("addresses")
    return allocation.allocate(
        context.database,
        given.author,
        given.values["device-pool"],
        count=given.values.get("count", 1),
        length=given.get("length"),
        addresses=None if addresses is None else int(addresses),
        prefix=given.get("prefix"),
        pools=given.values.get("pool", ()),
        labels=[(label["name"], label["value"]) for label in given.values.get("label", ())],
        strategy=given.get("strategy"),
        lifetime=given.get("lifetime"),
        expires=given.get("expires"),
        dry_run=given.values["dry-run"],
    )


def release_blocks(context: VerbContext, given: Given) -> Document:
    names, space = given.values["block"], given.get("address-space")
    if given.values["force"]:
        return release.force_release(context.database, given.author, names, space=space)
    below = given.values["below-minimum"]
    return release.release(context.database, given.author, names, space=space, below_minimum=below)


def renew(context: VerbContext, given: Given) -> Document:
    return lifetime.renew(
        context.database,
        given.author,
        given.values["block"],
        lifetime=given.get("lifetime"),
        expires=given.get("expires"),
        space=given.get("address-space"),
    )


def drain(context: VerbContext, given: Given) -> Document:
    space = given.get("address-space")
    return release.drain(context.database, given.author, given.values["block"], space=space)


def cancel_drain(context: VerbContext, given: Given) -> Document:
    space = given.get("address-space")
    return release.cancel_drain(context.database, given.author, given.values["block"], space=space)


def manage_blocks(context: VerbContext, given: Given) -> Document:
    return management.manage(
        context.database,
        given.author,
        given.values["block"],
        space=given.get("address-space"),
        split=given.values["split"],
    )


def confirm_routes(context: VerbContext, given: Given) -> Document:
    return routes.confirm_routes(
        context.database,
        given.author,
        given.values["block"],
        gone=given.values["gone"],
        space=given.get("address-space"),
    )


def accept_clock(context: VerbContext, given: Given) -> Document:
    return rest.accept_clock(context.database, given.author)


def hold(context: VerbContext, given: Given) -> Document:
    kind, subject = _held(given)
    return holds.hold(context.database, given.author, kind, subject)


def unhold(context: VerbContext, given: Given) -> Document:
    kind, subject = _held(given)
    return holds.unhold(context.database, given.author, kind, subject)


def resume_control(context: VerbContext, given: Given) -> Document:
    done = control_state.resume(context.database, given.author)
    return dict(done["control"])


def _held(given: Given) -> tuple[str, str | None]:
    """What is named: its kind, and its name where it has one."""
    kind = next(name for name in KINDS if name in given.values)
    return kind, None if kind == "all" else given.values[kind]


def replace(context: VerbContext, given: Given) -> Document:
    text = given.get("host-key")
    key = None if text is None else str(HostKey.parse(text))
    edit = ReplaceDevice(given.values["name"], key)
    return replace_device(context.database, given.author, edit, dry_run=given.values["dry-run"])


def seal_audit(context: VerbContext, given: Given) -> Document:
    return sealing.seal(context.database)


# --- What only reads ------------------------------------------------------------------------------


def trace(context: VerbContext, given: Given) -> Document:
    return tracing.trace(
        context.database, given.values["address"], at=given.get("at"), space=given.get("address-space")
    )


def why(context: VerbContext, given: Given) -> Document:
    return explaining.why(
        context.database,
        given.values["subject"],
        last=given.values["last"],
        space=given.get("address-space"),
    )


def read_audit(context: VerbContext, given: Given) -> Document:
    found = views.audit(context.database, limit=given.values["limit"], block=given.get("block"))
    return {"event": found}


def verify_audit(context: VerbContext, given: Given) -> Document:
    expect = given.get("expect")
    anchor = None if expect is None else sealing.Anchor.parse(expect)
    return sealing.verify(context.database, anchor)


def check_access(context: VerbContext, given: Given) -> Document:
    questions = Questions(context.database, context.models())
    groups = frozenset(given.values.get("group", ()))
    return questions.ask(
        given.values["user"], given.values["operation"], given.get("path"), groups
    ).document()


def read_status(context: VerbContext, given: Given) -> Document:
    with contextlib.suppress(StoreFault):  # a store that only can be read tells what is due as it stands
        rest.sweep_store(context.database)
    try_note_stock(context.database)
    return views.status(context.database)
