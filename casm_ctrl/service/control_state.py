"""Which controller watches which device, and the breaker: the verbs of the loop's own state.

Several controllers on one store share the devices evenly. Each renews one row; the devices of one that is late are
taken by the others at their next round, and a change that a late one still tries is refused in its transaction.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from casm_ctrl.base.clock import SECOND, Micros, to_rfc3339
from casm_ctrl.service import holds
from casm_ctrl.service.alarm_causes import note_breaker
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.verb import Document, perform
from casm_ctrl.store import automation, clock_watch, decisions, devices, owners, spaces, watches
from casm_ctrl.store import control_state as store
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.transaction import Transaction
from casm_ctrl.store.watches import WatchRow

HOLD = 30
"""Seconds that a controller is believed to be there after it said so."""
_HOUR = 3_600_000_000


@dataclass(frozen=True)
class Watched:
    """What a controller watches: by the device's name. `controller`: its number, another one where its row was gone."""

    controller: int
    devices: dict[str, WatchRow]
    now: Micros
    revision: int
    """Of the configuration."""


def begin(database: Database) -> int:
    """Say that this process runs the loop. Returns its number."""
    return database.run(_begin)


def _begin(tx: Transaction) -> int:
    clock_watch.look(tx)  # so that a jump before it changes anything is known
    for row in watches.list_controllers(tx, live=True):
        if _is_gone(row.who):
            watches.end_controller(tx, row.id)
    return watches.add_controller(tx, f"process {os.getpid()} on {socket.gethostname()}", HOLD)


def _is_gone(who: str) -> bool:
    """Whether that process was one of this machine and is no more: nobody has to wait until it is late."""
    words = who.split()
    if len(words) != 4 or words[3] != socket.gethostname():
        return False
    try:
        os.kill(int(words[1]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False


def keep(database: Database, controller: int) -> Watched:
    """Say that it is still there, take its share of what nobody watches, leave what is more than that to others,
    and tell what it watches now. To be repeated well within HOLD."""

    def body(tx: Transaction) -> Watched:
        number = controller if watches.keep_controller(tx, controller, HOLD) else _begin(tx)
        watches.add_watches(tx)
        live = len(watches.list_controllers(tx, live=True))
        share = -(-watches.count_watches(tx) // max(live, 1))
        mine = len(watches.watched_by(tx, number))
        if mine < share:
            watches.claim_watches(tx, number, share - mine)
        elif mine > share:
            watches.give_up_watches(tx, number, mine - share)
        watches.forget_controllers(tx)
        watched = dict(watches.watched_by(tx, number))
        return Watched(number, watched, tx.now, spaces.get_store(tx).config_revision)

    return database.run(body)


def settings(database: Database, controller: int) -> dict[str, object]:
    """How each device that a controller watches is polled, and the policies of its pools, by the device's name: what
    is another value than before is to be looked at before its time."""
    with database.read() as tx:
        policies = automation.list_automation(tx)
        found: dict[str, object] = {}
        for name, row in watches.watched_by(tx, controller):
            pools = owners.device_pools_on(tx, row.device_id)
            found[name] = (
                devices.get_device(tx, row.device_id).polling,
                tuple((pool, policies.get(pool.id)) for pool in pools),
            )
        return found


def end(database: Database, controller: int) -> None:
    """It ends: others may take what it watched at once."""
    database.run(lambda tx: watches.end_controller(tx, controller))


@dataclass(frozen=True)
class Look:
    """How a look at a device went: when the next is due, whether a pool is near its mark, when the device started."""

    next_poll: Micros
    hot: bool = False
    booted_at: Micros | None = None
    restarted: bool = False


def resumed(watch: WatchRow, now: Micros, *, gap: int, gentle: int) -> WatchRow:
    """The watch with a look that succeeds now. After `gap` seconds without one nobody watched the device meanwhile: it
    is watched since now, and changed little for `gentle` seconds, by what this look decides too."""
    if watch.polled_at is None:
        return replace(watch, since=now)
    if watch.polled_at >= now - gap * SECOND:
        return watch
    return replace(watch, since=now, gentle_until=Micros(now + gentle * SECOND))


def note_look(tx: Transaction, watch: WatchRow, look: Look) -> None:
    """After a reading was recorded, in its transaction or another. `watch`: with this look (`resumed`)."""
    watches.note_look(
        tx,
        watch.device_id,
        since=watch.since,
        gentle_until=watch.gentle_until,
        next_poll=look.next_poll,
        hot=look.hot,
        booted_at=look.booted_at,
        restarted=look.restarted,
    )


def note_failed_look(
    database: Database,
    device: str,
    error: str,
    pause: Callable[[int], float],
    tell: Callable[[Transaction, int], None] = lambda tx, failures: None,
) -> float:
    """A look at the device failed. `pause`: the seconds until the next one, from how often one did since the last that
    succeeded; returns them. `tell` is called in the transaction, with that number. NotFound where it is gone."""

    def body(tx: Transaction) -> float:
        row = the_device(tx, device)
        watch = watches.find_watch(tx, row.id)
        failures = 1 if watch is None else watch.failures + 1
        seconds = pause(failures)
        next_poll = Micros(tx.now + round(seconds * SECOND))
        watches.note_failed_look(tx, row.id, next_poll=next_poll, error=error)
        tell(tx, failures)
        return seconds

    return database.run(body)


# --- The breaker ----------------------------------------------------------------------------------


def resume(database: Database, author: Author) -> Document:
    """Close the breaker: automatic changes go on. Nothing where it is closed."""

    def body(tx: Transaction) -> Document:
        before = store.lock_breaker(tx)
        if before.open:
            store.close_breaker(tx, tried=False)
            note_breaker(tx, None)
            words = author.reason or f"it was open: {before.reason}"
            record(tx, author, [Event("control-resume", "store", 1, "automation", reason=words)])
        return {"control": {"breaker": breaker_document(tx)}}

    return perform(database, author, "control-resume", {}, body)


def breaker_document(tx: Transaction) -> Document:
    breaker = store.get_breaker(tx)
    if not breaker.open or breaker.opened_at is None:
        return {"state": "closed"}
    return {"state": "open", "since": to_rfc3339(breaker.opened_at), "reason": breaker.reason or ""}


# --- What it looks like ---------------------------------------------------------------------------


def status(database: Database) -> Document:
    """Who watches what, when it was looked at and will be, and what was done in the last hour."""
    with database.read() as tx:
        names = {row.id: row.name for row in devices.list_devices(tx)}
        live = watches.list_controllers(tx, live=True)
        who = {row.id: row.who for row in live}
        watched = sorted(watches.list_watches(tx), key=lambda row: names[row.device_id])
        shares = Counter(row.controller_id for row in watched)
        return {
            "control": {
                "controller": [
                    {
                        "name": row.who,
                        "started": to_rfc3339(row.started),
                        "expires": to_rfc3339(row.expires),
                        "devices": shares[row.id],
                    }
                    for row in live
                ],
                "breaker": breaker_document(tx),
                "hold": holds.held(tx),
                "decision": [
                    {"action": action, "count": count}
                    for action, count in sorted(decisions.counts_since(tx, tx.now - _HOUR).items())
                ],
                "device": [
                    {
                        "name": names[row.device_id],
                        **({"watched-by": who[row.controller_id]} if row.controller_id in who else {}),
                        **({} if row.polled_at is None else {"last-poll": to_rfc3339(row.polled_at)}),
                        "next-poll": to_rfc3339(row.next_poll),
                        "hot": row.hot,
                        **({"failures": row.failures, "error": row.error} if row.failures else {}),
                        **({} if row.booted_at is None else {"started-at": to_rfc3339(row.booted_at)}),
                    }
                    for row in watched
                ],
            }
        }
