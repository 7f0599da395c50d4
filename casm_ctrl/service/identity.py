"""Is a device the one that we know? One that is not is held, until an operator says that it was replaced.

A hold is durable: it does not end because the old device, or what stood in between, answers again.
"""

from __future__ import annotations

from collections.abc import Collection

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.base.errors import IdentityChanged
from casm_ctrl.base.fingerprints import fingerprint_of_line
from casm_ctrl.service import alarm_causes
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.verb import Document
from casm_ctrl.store import devices, identities, leases
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DeviceRow
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.identities import Identity
from casm_ctrl.store.transaction import Transaction


def known_device(database: Database, name: str) -> DeviceRow:
    """The device, to be entered; IdentityChanged where it is held."""
    with database.read() as tx:
        row = the_device(tx, name)
        identity = identities.get_identity(tx, row.id)
        if identity.hold is not None:
            raise _held(name, identity)
        return row


def hold_device(
    database: Database, author: Author, name: str, *, host_key: str | None = None, serial: str | None = None
) -> IdentityChanged:
    """Hold it for what it presented, "" where that is not known, and return the error that says so."""

    def body(tx: Transaction) -> IdentityChanged:
        row = the_device(tx, name)
        identity = identities.get_identity(tx, row.id)
        if identity.hold is None:
            identities.hold_device(tx, row.id, host_key, serial)
            identity = identities.get_identity(tx, row.id)
            error = _held(name, identity)
            pending = leases.get_pending(tx, row.id) is not None
            devices.set_sync(tx, row.id, "unknown" if pending else "failed", str(error), seen=False)
            alarm_causes.note_result(tx, row, "failed", str(error))
            record(tx, author, [Event("identity-changed", "device", row.id, name, reason=_words(identity))])
        return _held(name, identity)

    return database.run(body)


def check_serial(
    database: Database, author: Author, name: str, presented: tuple[str, ...]
) -> tuple[str, ...] | None:
    """`presented`: all that the device is known by beside its key, each a kind and a value, the best first.

    None where it is as recorded, or nothing can be compared; otherwise the names of other devices with the
    same, to be told apart before `note_serial`. IdentityChanged where it is another one: it is held then.
    """
    with database.read() as tx:
        row = the_device(tx, name)
        known = identities.get_identity(tx, row.id).serial
    if known in presented:
        return None
    if known is not None:
        same_kind = [one for one in presented if one.split()[0] == known.split()[0]]
        if not same_kind:
            return None
        raise hold_device(database, author, name, serial=same_kind[0])
    with database.read() as tx:
        return tuple(identities.devices_with_serial(tx, presented[0], besides=row.id))


def note_serial(
    database: Database, author: Author, name: str, serial: str, told_apart: Collection[str] = ()
) -> tuple[str, ...]:
    """Record the serial number or engine id of a device that had none.

    `told_apart`: devices with the same that were proven to be others. Where there are more, that were entered for
    the first time meanwhile, they are returned, and nothing is recorded.
    """

    def body(tx: Transaction) -> tuple[str, ...]:
        row = the_device(tx, name)
        others = identities.devices_with_serial(tx, serial, besides=row.id)
        left = tuple(other for other in others if other not in told_apart)
        if not left:
            identities.set_serial(tx, row.id, serial)
            record(tx, author, [Event("device-serial", "device", row.id, name, reason=serial)])
        return left

    return database.run(body)


def identity_document(tx: Transaction, device: DeviceRow) -> Document:
    """What `device show` and `status` say: the serial, when it was read, and why the device is held."""
    identity = identities.get_identity(tx, device.id)
    document: Document = {}
    if identity.serial is not None and identity.serial_at is not None:
        document |= {"serial": identity.serial, "serial-read": to_rfc3339(identity.serial_at)}
    if identity.hold is not None:
        document["held"] = {"since": to_rfc3339(identity.hold.since), "words": _words(identity)}
    return document


def _held(name: str, identity: Identity) -> IdentityChanged:
    assert identity.hold is not None
    return IdentityChanged(
        f"{name} is held since {to_rfc3339(identity.hold.since)}: {_words(identity)}",
        f"see who answers there; where it was replaced: casm device replace {name} --accept-new --reason WHY",
    )


def _words(identity: Identity) -> str:
    hold = identity.hold
    assert hold is not None
    parts = []
    if hold.host_key is not None:
        shown = fingerprint_of_line(hold.host_key) if hold.host_key else "of another type"
        parts.append(
            f"it presents host key {shown}, not the recorded {fingerprint_of_line(identity.host_key or '')}"
        )
    if hold.serial is not None:
        parts.append(
            f"it says {hold.serial}, not the recorded {identity.serial}"
            f" (host key {fingerprint_of_line(identity.host_key or '')} as before)"
        )
    return ", and ".join(parts)
