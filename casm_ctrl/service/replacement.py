"""Another device stands where one stood: take it for the same device pools, and believe nothing of the old.

What was recorded of the old one says nothing of the new: a commit that may be pending, sessions, counts, routes,
what was seen. Blocks stay owned. The next proving read tells which of them are there (an old backup may hold some,
and others that were given up: zombies); what is not goes back to reserved, and is installed by the same apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND, to_rfc3339
from casm_ctrl.base.deadlines import COMMIT_MARGIN
from casm_ctrl.base.errors import AlreadyExists, Held, InvalidValue
from casm_ctrl.base.fingerprints import fingerprint_of_line
from casm_ctrl.base.identifiers import new_token
from casm_ctrl.service.config_lock import count_change
from casm_ctrl.service.edits import Done
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.verb import Document, perform
from casm_ctrl.store import blocks, devices, identities, leases, observations
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DeviceRow
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.identities import Identity
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class ReplaceDevice:
    """`host_key`: what the new device presents; None: what was presented when the old one's name was held."""

    name: str
    host_key: str | None = None


def replace_device(
    database: Database, author: Author, edit: ReplaceDevice, *, dry_run: bool = False
) -> Document:
    """Take the new device's identity for the old one's, and tell what follows.

    InvalidValue without a reason, or where nothing says which key; AlreadyExists where the key is another
    device's; LeaseHeld where somebody works there; Held while a commit may be pending on what answered last; InUse
    where another session than the author's has the configuration locked.
    `dry_run`: the same answer, or refusal, and nothing is changed.
    """
    if not author.reason.strip():
        raise InvalidValue(f"device '{edit.name}' is not replaced without a reason", "give --reason WHY")

    def body(tx: Transaction) -> Document:
        done, document = _replace(tx, edit)
        reason = f"{author.reason} ({done.words})"
        revision = count_change(tx, author.session)
        event = Event(done.verb, done.kind, done.id, done.name, reason=reason)
        record(tx, author, [event], revision=revision)
        return {"device": document, "config-revision": str(revision)}

    if dry_run:
        with database.rehearse() as tx:
            return body(tx)
    arguments = {"name": edit.name, "host-key": edit.host_key}
    return perform(database, author, "device-replace", arguments, body)


def _replace(tx: Transaction, edit: ReplaceDevice) -> tuple[Done, Document]:
    device = the_device(tx, edit.name)
    before = identities.get_identity(tx, device.id)
    key, serial = _new_identity(tx, device, before, edit.host_key)
    # Who works there now ends first; who died there has left sessions that the new device does not know.
    lease = leases.claim(tx, device.id, new_token("replace"), "device replace")
    leases.release(tx, lease)
    _refuse_pending(tx, device)
    document: Document = {
        "name": device.name,
        "fingerprint": fingerprint_of_line(key),
        "dropped-commit": leases.get_pending(tx, device.id) is not None,
        "block": _believed(tx, device),
    }
    if before.host_key is not None:
        document["old-fingerprint"] = fingerprint_of_line(before.host_key)
    if before.serial is not None:
        document["old-serial"] = before.serial
    if serial is not None:
        document["serial"] = serial
    identities.replace_identity(tx, device.id, key, serial)
    identities.forget_what_was_there(tx, device.id)
    devices.set_edit_generation(tx, device.id, device.edit_generation + 1)
    devices.set_sync(tx, device.id, "unknown", None, seen=False)
    old = document.get("old-fingerprint", "none")
    words = f"host key {document['fingerprint']} in place of {old}"
    if serial is not None:
        words += f", {serial} in place of {before.serial or 'none'}"
    return Done("device-replace", "device", device.id, device.name, words), document


def _new_identity(
    tx: Transaction, device: DeviceRow, before: Identity, host_key: str | None
) -> tuple[str, str | None]:
    """The key and, where it was presented, the serial of the new device."""
    hold = before.hold
    serial = None if hold is None else hold.serial
    key = host_key
    if key is None:
        if hold is None:
            raise InvalidValue(
                f"device '{device.name}' is not held: no new host key was seen there",
                "give the new device's key with --host-key, or let 'casm device check' see it first",
            )
        key = before.host_key if hold.host_key is None else hold.host_key
        if not key:
            raise InvalidValue(
                f"device '{device.name}' is held, and did not present a host key that could be read",
                "give the new device's key with --host-key, as ssh-keyscan prints it",
            )
    others = devices.devices_with_key(tx, key, besides=device.id)
    if others:
        raise AlreadyExists(
            f"{fingerprint_of_line(key)} is the host key of device '{others[0]}'",
            "they are one device, or one is a copy: correct the host and port, or give each its own key",
        )
    if serial is not None and identities.devices_with_serial(tx, serial, besides=device.id):
        serial = None  # as if it had never been read: who enters next tells the two apart first
    return key, serial


def _refuse_pending(tx: Transaction, device: DeviceRow) -> None:
    """A device whose key alone is new (its software was, perhaps) may still undo or confirm by itself: nothing
    that is read before the end of that would be proof."""
    pending = leases.get_pending(tx, device.id)
    if pending is None:
        return
    over = pending.deadline + round(COMMIT_MARGIN * SECOND)
    if tx.now < over:
        raise Held(
            f"a commit may be pending until {to_rfc3339(over)} on what answered as '{device.name}' last",
            "replace it after that",
        )


def _believed(tx: Transaction, device: DeviceRow) -> list[Document]:
    """What the store believed to be on the old device."""
    return [
        {"id": block.name, "state": block.state.value, "prefix": str(block.prefix)}
        for block in blocks.list_blocks(tx, device_id=device.id)
        if block.state in (State.INSTALLED, State.DRAINING, State.WITHDRAWING)
    ]


def forget_strangers(
    tx: Transaction,
    device_id: int,
    mine: Mapping[int, BlockRow],
    ranges: Mapping[tuple[str, tuple[str, ...]], object],
) -> None:
    """An object on a new device that has the name of one of ours on the old, and other addresses, is not ours.

    `ranges`: the range, or None, of each object that a read showed.
    """
    strangers = [
        row
        for row in observations.list_objects(tx, device_id)
        if row.block is not None
        and (row.path, row.keys) in ranges
        and (row.block not in mine or ranges[row.path, row.keys] != mine[row.block].prefix.range)
    ]
    observations.delete_objects(tx, device_id, strangers)
