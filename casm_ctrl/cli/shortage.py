"""`casm scarcity` and `casm defragment`: where space could be won, at which cost, and winning it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command

if TYPE_CHECKING:
    from rich.console import RenderableType

_Pool = Annotated[
    str,
    typer.Argument(metavar="POOL", help="The pool.", show_default=False, autocompletion=complete.pools),
]
_Release = Annotated[
    bool,
    typer.Option(
        "--release",
        help="Release the blocks of the plan: with the next applies they are drained, and go when they are empty.",
    ),
]


def register(app: typer.Typer, panel: str) -> None:
    command(
        app,
        "scarcity",
        panel=panel,
        examples=("casm scarcity public-v4", "casm scarcity public-v4 --release --reason CHG-4711"),
        changes=True,
    )(scarcity)
    command(
        app,
        "defragment",
        panel=panel,
        examples=(
            "casm defragment public-v4 --length 22",
            "casm defragment public-v4 --length 22 --release --reason 'a /22 for bng7'",
        ),
        changes=True,
    )(defragment)


def scarcity(call: Call, pool: _Pool, release: _Release = False) -> Answer:
    """Plan who gives blocks back to a pool that is empty, so that others get them.

    Idle blocks first; then those of device pools with a lower priority; then, among equals, from those that would
    still be less full. The cost is told in subscribers who move, and who would be refused.
    """
    from casm_ctrl.control.shortage import plan_scarcity

    plan = plan_scarcity(call.database, pool)
    if release:
        plan = _released(call, "scarcity", {"pool": pool}, plan, f"scarcity of {pool}")
    return Answer({"scarcity": plan}, lambda: _show_scarcity(plan))


def defragment(
    call: Call,
    pool: _Pool,
    length: Annotated[
        int,
        typer.Option(
            "--length", metavar="LENGTH", help="The prefix length that is wanted.", show_default=False
        ),
    ],
    release: _Release = False,
) -> Answer:
    """Plan the least disruptive drains that free a prefix of a wanted length in a pool.

    Of all places where it could lie, the one with the fewest subscribers to move, then the fewest blocks, then
    the fewest routes more.
    """
    from casm_ctrl.control.shortage import plan_clearing

    plan = plan_clearing(call.database, pool, length)
    if release:
        given = {"pool": pool, "length": length}
        plan = _released(call, "defragment", given, plan, f"to free a /{length} of {pool}")
    return Answer({"defragment": plan}, lambda: _show_clearing(plan))


def _released(call: Call, verb: str, arguments: Document, plan: Document, reason: str) -> Document:
    """Start taking back what is planned; `released` says which blocks."""
    from casm_ctrl.control.shortage import to_release
    from casm_ctrl.service.release import release_planned

    author = call.author if call.author.reason else replace(call.author, reason=reason)
    return release_planned(call.database, author, verb, arguments, plan, to_release(plan))


def _show_scarcity(plan: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import table, titled

    if not plan["share"]:
        yield f"No device pool draws from {plan['pool']}."
        return
    if not plan["move"] and not plan["unmet"]:
        yield f"Nobody who draws from {plan['pool']} is short of blocks that the stock does not have."
    else:
        yield table(
            ("BLOCK", "PREFIX", "FROM", "TO", "MOVE", "REFUSED", "RULE", "BECAUSE"),
            (
                (
                    *(move[name] for name in ("block", "prefix", "from", "to")),
                    *(int(move["subscribers"]), int(move["refused"])),
                    *(move["rule"], move["because"]),
                )
                for move in plan["move"]
            ),
            right=("MOVE", "REFUSED"),
        )
        for unmet in plan["unmet"]:
            yield f"{unmet['device-pool']}: nothing is left for {int(unmet['subscribers']):,} of its subscribers."
    yield from titled(
        "Device pools",
        table(
            ("DEVICE POOL", "PRIORITY", "WANTS", "SERVES", "WOULD SERVE"),
            (
                (
                    share["device-pool"],
                    share["priority"],
                    *(int(share[name]) for name in ("wants", "serves", "would-serve")),
                )
                for share in plan["share"]
            ),
            right=("PRIORITY", "WANTS", "SERVES", "WOULD SERVE"),
        ),
    )
    for kept in plan["kept"]:
        yield f"{kept['device-pool']} is not asked to give: {kept['reason']}."
    yield from _next(plan, [move["block"] for move in plan["move"]])


def _show_clearing(plan: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import table, titled

    if "clearing" not in plan:
        yield f"No /{plan['length']} of {plan['pool']} can be freed:"
        yield table(("PREFIX", "KEPT BY"), ((kept["prefix"], kept["reason"]) for kept in plan["kept"]))
        return
    found = plan["clearing"]
    yield f"{found['because'][:1].upper()}{found['because'][1:]}."
    if found["drain"]:
        yield table(
            ("BLOCK", "PREFIX", "DEVICE POOL", "SUBSCRIBERS", "STATE", "WANTED"),
            (
                (
                    *(piece[name] for name in ("block", "prefix", "device-pool")),
                    int(piece["subscribers"]),
                    *(piece["state"], piece["wanted"]),
                )
                for piece in found["drain"]
            ),
            right=("SUBSCRIBERS",),
        )
    if found["other"]:
        yield from titled(
            "The next best",
            table(
                ("PREFIX", "SUBSCRIBERS", "BLOCKS", "ROUTES"),
                (
                    (other["prefix"], int(other["subscribers"]), other["blocks"], other["routes"])
                    for other in found["other"]
                ),
                right=("SUBSCRIBERS", "BLOCKS", "ROUTES"),
            ),
        )
    yield from _next(plan, [piece["block"] for piece in found["drain"]])


def _next(plan: Document, blocks: list[str]) -> Iterable[str]:
    if "released" in plan:
        yield f"Released {', '.join(plan['released'])}. Next: casm apply, until they are drained and gone."
    elif blocks:
        yield "Nothing was changed: with --release these blocks are drained, and go when they are empty."
