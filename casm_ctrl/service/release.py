"""Release, drain, and taking either back: what a block is wanted to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.base.errors import IllegalTransition, InvalidValue
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.service.documents import block_document, past_block_document
from casm_ctrl.service.holding import hold_seen
from casm_ctrl.service.limits import check_minimum
from casm_ctrl.service.lookup import the_block
from casm_ctrl.service.verb import Document, perform
from casm_ctrl.store import adoptions, blocks, observations, past_blocks, pools, routes
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.store.transaction import Mode, Transaction

HELD = (State.RESERVED, State.INSTALLED, State.DRAINING)


def release(
    database: Database,
    author: Author,
    names: Sequence[str],
    *,
    space: str | None = None,
    below_minimum: bool = False,
) -> Document:
    """Start taking blocks back. One that was never sent to a device is free at once, but for what of it
    lies under somebody else's configuration: that is held. The others go with the next apply. Releasing a
    block that is on its way out already changes nothing.

    LimitReached where a device pool would keep less than its `min_blocks`, unless `below_minimum`.
    """

    def one(tx: Transaction, block: BlockRow) -> BlockRow | None:
        return release_block(tx, author, block, below_minimum=below_minimum)

    return each_block(database, author, "release", names, space, one, {"below-minimum": below_minimum})


def release_block(
    tx: Transaction, author: Author, block: BlockRow, *, below_minimum: bool = False
) -> BlockRow | None:
    """`release` of one block, in a transaction of the caller's. None where it became free at once."""
    if block.wanted is Wanted.ABSENT or block.state not in HELD:
        return block
    refuse_unmanaged(tx, block, "be released")
    after = take_back(tx, author, block, "release", author.reason)
    if not below_minimum:
        check_minimum(tx, block)
    return after


def take_back(tx: Transaction, author: Author, block: BlockRow, verb: str, reason: str) -> BlockRow | None:
    """Start the release of a block that is to be kept so far. None where it became free at once."""
    block = blocks.set_wanted(tx, replace(author, reason=reason), block, Wanted.ABSENT, verb)
    if block.sent:
        return block
    reason = "released before it was sent to any device"
    leaving = blocks.transition(tx, author, block, State.WITHDRAWING, verb, reason)
    assert leaving is not None
    held = bool(observations.holds_on(tx, block.id))
    blocks.transition(tx, author, leaving, State.FREE, verb, reason)
    if held:
        hold_seen(tx, pools.get_pool(tx, block.pool_id), block.prefix.range)
    return None


def release_planned(
    database: Database,
    author: Author,
    verb: str,
    arguments: Mapping[str, object],
    plan: Document,
    names: Sequence[str],
) -> Document:
    """`release` of the blocks that a plan names; answers the plan, with those that were `released` where there were
    any. `verb` and `arguments` are what was planned for: a repeated request gets the first plan, not a new one."""

    def body(tx: Transaction) -> Document:
        if not names:
            return plan
        done = _each_within(
            tx, author, "release", names, None, lambda tx, block: release_block(tx, author, block)
        )
        return plan | {"released": [block["id"] for block in done]}

    return perform(database, author, verb, arguments, body, mode=Mode.SHARE)


def force_release(
    database: Database, author: Author, names: Sequence[str], *, space: str | None = None
) -> Document:
    """Quarantine blocks of a dead device without proof that they are gone. `author.reason` must say why."""
    if not author.reason:
        raise InvalidValue(
            "a forced release was asked for without a reason", "say why with --reason: it is audited"
        )

    def one(tx: Transaction, block: BlockRow) -> BlockRow | None:
        if block.state is State.QUARANTINED:
            return block
        if block.wanted is not Wanted.ABSENT:
            block = blocks.set_wanted(tx, author, block, Wanted.ABSENT, "force-release")
        reason = f"forced without proof: {author.reason}"
        return blocks.transition(tx, author, block, State.QUARANTINED, "force-release", reason)

    return each_block(database, author, "force-release", names, space, one)


def drain(database: Database, author: Author, names: Sequence[str], *, space: str | None = None) -> Document:
    """Ask that the blocks serve who is there, and nobody new; sent with the next apply."""

    return each_block(
        database, author, "drain", names, space, lambda tx, block: drain_block(tx, author, block)
    )


def drain_block(tx: Transaction, author: Author, block: BlockRow) -> BlockRow:
    """`drain` of one block, in a transaction of the caller's."""
    _refuse_leaving(block, "be drained")
    refuse_unmanaged(tx, block, "be drained")
    if block.wanted is Wanted.DRAINED:
        return block
    return blocks.set_wanted(tx, author, block, Wanted.DRAINED, "drain")


def cancel_drain(
    database: Database, author: Author, names: Sequence[str], *, space: str | None = None
) -> Document:
    """Take a drain or a release back, as long as no removal may have been sent."""

    return each_block(
        database, author, "cancel-drain", names, space, lambda tx, block: keep_block(tx, author, block)
    )


def keep_block(tx: Transaction, author: Author, block: BlockRow) -> BlockRow:
    """`cancel_drain` of one block, in a transaction of the caller's."""
    if block.state not in HELD:
        _refuse_leaving(block, "be kept: a removal may have been sent")
    if block.wanted is Wanted.PRESENT:
        return block
    refuse_unmanaged(tx, block, "be changed")
    if block.expires_at is not None and block.expires_at <= tx.now:
        raise IllegalTransition(
            f"{block.label} cannot be kept: its lifetime ended at {to_rfc3339(block.expires_at)}",
            f"give it a new one first, with 'casm renew {block.name}'",
        )
    routes.forget_gone(tx, block.id)
    return blocks.set_wanted(tx, author, block, Wanted.PRESENT, "cancel-drain")


def _refuse_leaving(block: BlockRow, what: str) -> None:
    if block.state not in HELD or (block.wanted is Wanted.ABSENT and what == "be drained"):
        raise IllegalTransition(
            f"{block.label} is {block.state.value}, wanted {block.wanted.value}, and cannot {what}",
            f"see it with 'casm block show {block.name}'",
        )


def refuse_unmanaged(tx: Transaction, block: BlockRow, what: str) -> None:
    """IllegalTransition for what was adopted, until somebody says that it is ours to change."""
    pieces = adoptions.pieces_of(tx, block.id)
    if pieces:
        split = " --split" if len(adoptions.pieces_in(tx, pieces[0])) > 1 else ""
        raise IllegalTransition(
            f"{block.label} was adopted from {pieces[0].label} on {pieces[0].device} and is not managed: it cannot"
            f" {what}",
            f"take it over first, with 'casm block manage {block.name}{split}'",
        )


def each_block(
    database: Database,
    author: Author,
    verb: str,
    names: Sequence[str],
    space: str | None,
    one: Callable[[Transaction, BlockRow], BlockRow | None],
    arguments: Mapping[str, object] | None = None,
) -> Document:
    """Do `one` to every named block in one transaction; answers {"block": […]} in the order of names.

    `arguments`: what else the request says; the same request id must come with the same.
    """
    if not names:
        raise InvalidValue("no block was named", "name blocks by id or prefix")

    def body(tx: Transaction) -> Document:
        return {"block": _each_within(tx, author, verb, names, space, one)}

    given = {"block": list(names), "space": space, **(arguments or {})}
    return perform(database, author, verb, given, body, mode=Mode.SHARE)


def _each_within(
    tx: Transaction,
    author: Author,
    verb: str,
    names: Sequence[str],
    space: str | None,
    one: Callable[[Transaction, BlockRow], BlockRow | None],
) -> list[Document]:
    answer: list[Document] = []
    named = {block.id: block for block in (the_block(tx, name, space) for name in names)}
    if tx.shares:
        blocks.lock_blocks(tx, named)
        named = {block.id: block for block in (the_block(tx, block_id(number)) for number in named)}
    for block in named.values():
        after = one(tx, block)
        if after is not None:
            answer.append(block_document(after))
        else:
            past = past_blocks.past_block(tx, block.id)
            assert past is not None
            answer.append(past_block_document(past))
    listed = ", ".join(block.label for block in list(named.values())[:5])
    record(tx, author, [Event(verb, "request", 0, f"{len(named)} block(s): {listed}")])
    return answer
