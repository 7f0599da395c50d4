"""Lifetimes: until when a block is wanted. When it ends, its release starts (rest.release_expired)."""

from __future__ import annotations

from collections.abc import Sequence

from casm_ctrl.base.clock import SECOND, Micros, from_rfc3339, show_duration, to_rfc3339
from casm_ctrl.base.errors import IllegalTransition, InvalidValue
from casm_ctrl.service.edits import LONGEST_TIME
from casm_ctrl.service.release import HELD, each_block, refuse_unmanaged
from casm_ctrl.service.verb import Document
from casm_ctrl.store import blocks, clock_watch
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.transaction import Transaction

NEVER = "never"


def expiry(now: Micros, lifetime: int | None, expires: str | None) -> Micros | None:
    """When a lifetime (seconds from now) or a moment (RFC 3339, or `never`) ends. None: never.

    InvalidValue where that is not in the future, or both were given.
    """
    if lifetime is not None and expires is not None:
        raise InvalidValue("both a lifetime and an end of it were given", "give --lifetime or --expires")
    if lifetime is not None:
        if not 0 < lifetime <= LONGEST_TIME:
            raise InvalidValue(
                f"a lifetime of {show_duration(lifetime)} is not in the future, or too long",
                f"give 1s to {LONGEST_TIME} s",
            )
        return Micros(now + lifetime * SECOND)
    if expires is None or expires == NEVER:
        return None
    end = from_rfc3339(expires)
    if end <= now:
        raise InvalidValue(
            f"the lifetime ends at {to_rfc3339(end)}, and it is {to_rfc3339(now)} already",
            "give a moment in the future",
        )
    return end


def renew(
    database: Database,
    author: Author,
    names: Sequence[str],
    *,
    lifetime: int | None = None,
    expires: str | None = None,
    space: str | None = None,
) -> Document:
    """Give blocks a new lifetime, or none (`expires="never"`). It does not take a release back: cancel_drain
    does, as long as nothing was sent."""
    if lifetime is None and expires is None:
        raise InvalidValue("no new lifetime was given", "give --lifetime, or --expires (never: for good)")

    def one(tx: Transaction, block: BlockRow) -> BlockRow | None:
        if block.state not in HELD:
            raise IllegalTransition(
                f"{block.label} is {block.state.value} and cannot be renewed",
                f"see it with 'casm block show {block.name}'",
            )
        refuse_unmanaged(tx, block, "be given an end")
        clock_watch.look(tx)  # so that a jump before the new end is known
        after = blocks.set_expiry(tx, block, expiry(tx.now, lifetime, expires))
        until = NEVER if after.expires_at is None else to_rfc3339(after.expires_at)
        reason = f"expires {until}" + (f": {author.reason}" if author.reason else "")
        state = block.state.value
        record(tx, author, [Event("renew", "block", block.id, block.label, state, state, reason)])
        return after

    arguments = {"lifetime": lifetime, "expires": expires}
    return each_block(database, author, "renew", names, space, one, arguments)
