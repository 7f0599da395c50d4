"""`casm pool reserve`, `unreserve`, `exclude`, `include` and `change`: what a pool has, after it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, command, lines
from casm_ctrl.cli.options import LabelsToSet, LabelsToTake, Parent, Scope, Strategy, split_pairs

if TYPE_CHECKING:
    from casm_ctrl.service.configuration import Edit

_Known = Annotated[
    str,
    typer.Argument(
        metavar="POOL", help="The pool's name.", show_default=False, autocompletion=complete.pools
    ),
]
_Prefix = Annotated[
    str, typer.Argument(metavar="PREFIX", help="A part of the pool's prefixes.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """As subcommands of `casm pool`."""
    command(
        app,
        "change",
        examples=(
            "casm pool change public-v4 --add-prefix 203.0.113.0/24",
            "casm pool change public-v4 --remove-prefix 198.51.100.0/24",
            "casm pool change public-v4 --quarantine 48h --label region=north --unlabel old",
            "casm pool change lab --space test --scope private --unset parent",
            "casm pool change public-v4 --reserved-for '198.51.100.64/26=the new site'",
        ),
        changes=True,
    )(change_)
    command(
        app,
        "reserve",
        examples=("casm pool reserve public-v4 198.51.100.64/26 --reason 'the new site'",),
        changes=True,
    )(reserve)
    command(app, "unreserve", examples=("casm pool unreserve public-v4 198.51.100.64/26",), changes=True)(
        unreserve
    )
    command(
        app,
        "exclude",
        examples=("casm pool exclude public-v4 198.51.100.16/28 --reason 'link networks'",),
        changes=True,
    )(exclude)
    command(app, "include", examples=("casm pool include public-v4 198.51.100.16/28",), changes=True)(include)


def change_(
    call: Call,
    pool: _Known,
    add_prefix: Annotated[
        list[str] | None,
        typer.Option(
            "--add-prefix", metavar="PREFIX", help="A prefix more; may be repeated.", show_default=False
        ),
    ] = None,
    remove_prefix: Annotated[
        list[str] | None,
        typer.Option(
            "--remove-prefix",
            metavar="PREFIX",
            help="One of its prefixes, with no block, reservation or child pool in it; may be repeated.",
            show_default=False,
        ),
    ] = None,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="What it is for.", show_default=False)
    ] = None,
    strategy: Annotated[
        Strategy | None,
        typer.Option(
            "--strategy",
            help="Which free block an allocation takes.",
            show_default=False,
            case_sensitive=False,
        ),
    ] = None,
    quarantine: Annotated[
        str | None,
        typer.Option(
            "--quarantine",
            metavar="TIME",
            help="How long blocks rest that are withdrawn from now on, at the least.",
            show_default=False,
        ),
    ] = None,
    lease_time: Annotated[
        str | None,
        typer.Option(
            "--lease-time",
            metavar="TIME",
            help="The longest lease or mapping in it: a block that is not proven empty rests so long.",
            show_default=False,
        ),
    ] = None,
    label: LabelsToSet = None,
    unlabel: LabelsToTake = None,
    reserved_for: Annotated[
        list[str] | None,
        typer.Option(
            "--reserved-for",
            metavar="PREFIX=TEXT",
            help="Another reason for one of its reservations, which stays; may be repeated.",
            show_default=False,
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            metavar="SPACE",
            help="The address space it is to be in.",
            show_default=False,
            autocompletion=complete.spaces,
        ),
    ] = None,
    scope: Annotated[
        Scope | None,
        typer.Option(
            "--scope", help="public: unique across all spaces.", show_default=False, case_sensitive=False
        ),
    ] = None,
    parent: Parent = None,
    psid_offset: Annotated[
        int | None,
        typer.Option("--psid-offset", metavar="N", help="Share ports (RFC 7597).", show_default=False),
    ] = None,
    port_routed: Annotated[
        bool,
        typer.Option("--port-routed", help="Port sets of one address may have several owners."),
    ] = False,
    delegated_length: Annotated[
        int | None,
        typer.Option(
            "--delegated-length", metavar="N", help="A subscriber gets a /N of IPv6.", show_default=False
        ),
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(
            "--unset",
            metavar="NAME",
            help="What it is no more: parent, psid-offset, port-routed or delegated-length; may be repeated.",
            show_default=False,
        ),
    ] = None,
) -> Answer:
    """Change a pool: its prefixes, its policy, its labels, what it is. All of it is done, or nothing.

    What it is (--space, --scope, --parent, --psid-offset, …) changes only while nothing stands on its prefixes."""
    from casm_ctrl.base.clock import parse_duration
    from casm_ctrl.base.errors import InvalidValue
    from casm_ctrl.service.configuration import (
        AddPrefix,
        ChangePool,
        ChangeReservation,
        RecastPool,
        RemovePrefix,
    )

    kind = RecastPool(
        pool,
        space,
        None if scope is None else scope.value,
        parent,
        psid_offset,
        port_routed or None,
        delegated_length,
        tuple(unset or ()),
    )
    added: list[Edit] = [AddPrefix(pool, prefix) for prefix in add_prefix or ()]
    removed: list[Edit] = [RemovePrefix(pool, prefix) for prefix in remove_prefix or ()]
    edits = [*added, *removed] if kind == RecastPool(pool) else [*removed, kind, *added]
    reasons = split_pairs("--reserved-for", reserved_for or (), "PREFIX=TEXT")
    edits += [ChangeReservation(pool, prefix, reason) for prefix, reason in reasons]
    policy = ChangePool(
        pool,
        description,
        None if strategy is None else strategy.value,
        None if quarantine is None else parse_duration(quarantine),
        None if lease_time is None else parse_duration(lease_time),
        split_pairs("--label", label or (), "NAME=VALUE"),
        tuple(unlabel or ()),
    )
    if policy != ChangePool(pool):
        edits.append(policy)
    if not edits:
        raise InvalidValue(
            f"nothing of pool '{pool}' was to be changed",
            "give --add-prefix, --remove-prefix, --quarantine, --strategy, --label, …",
        )
    return _done(call, pool, edits, f"Changed pool {pool}.")


def reserve(call: Call, pool: _Known, prefix: _Prefix) -> Answer:
    """Keep a free part of a pool for something: no block is cut from it. Needs --reason."""
    from casm_ctrl.service.configuration import Reserve

    edit = Reserve(pool, prefix, call.reason)
    return _done(call, pool, [edit], f"Reserved {prefix} of pool {pool}: {call.reason}.")


def unreserve(call: Call, pool: _Known, prefix: _Prefix) -> Answer:
    """End a reservation: its addresses are free again."""
    from casm_ctrl.service.configuration import Unreserve

    return _done(call, pool, [Unreserve(pool, prefix)], f"{prefix} of pool {pool} is free again.")


def exclude(call: Call, pool: _Known, prefix: _Prefix) -> Answer:
    """Take a free part of a pool out of it, as --exclude does when a pool is added."""
    from casm_ctrl.service.configuration import Exclude

    edit = Exclude(pool, prefix, call.reason)
    return _done(call, pool, [edit], f"Excluded {prefix} from pool {pool}.")


def include(call: Call, pool: _Known, prefix: _Prefix) -> Answer:
    """End an exclusion: its addresses are the pool's, and free."""
    from casm_ctrl.service.configuration import Include

    return _done(call, pool, [Include(pool, prefix)], f"{prefix} is in pool {pool} again, and free.")


def _done(call: Call, pool: str, edits: list[Edit], words: str) -> Answer:
    from casm_ctrl.service.configuration import change

    done = change(call.database, call.author, edits)
    return Answer({"pool": {"name": pool}, **done}, lines(words))
