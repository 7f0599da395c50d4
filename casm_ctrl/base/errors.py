"""Every error that a person or a client may see, and the one table that maps each to NETCONF.

An error is one line that says what was asked and found, and one that says what to do. Refusals
(`Refusal`) are about the request, `StoreFault` about our own database, `PeerFault` about the other
end of a session: a device's failure is never reported as ours, nor ours as a device's.
"""

from __future__ import annotations

from dataclasses import dataclass


class CasmError(Exception):
    """The root. `message` says what was asked and what was found, `remedy` what to do about it.

    `path` is an instance path into our YANG models where one leaf is to blame.
    """

    def __init__(self, message: str, remedy: str = "", *, path: str | None = None) -> None:
        super().__init__(message)
        self.message = one_line(message)
        self.remedy = one_line(remedy)
        self.path = path
        self.edit_index: int | None = None
        """Of several edits in one change, the one to blame."""

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}" if self.remedy else self.message


def one_line(text: str) -> str:
    """`text` with every run of white space folded: a peer's message may span lines."""
    return " ".join(text.split())


# --- The request cannot be done -------------------------------------------------------------------


class Refusal(CasmError):
    """The request was understood and is refused; nothing has changed."""


class InvalidValue(Refusal):
    """A value is not of its type: a prefix with host bits, a bad name, the wrong family."""


class NotFound(Refusal):
    """Something that the request names does not exist."""


class AlreadyExists(Refusal):
    """A name is taken."""


class Ambiguous(Refusal):
    """A name or prefix matches more than one thing; the message lists them."""


class Overlap(Refusal):
    """An address would belong to two things that must be disjoint."""


class InUse(Refusal):
    """Something cannot be removed or changed because other things stand on it."""


class Exhausted(Refusal):
    """No free block of the wanted length is left."""


class PendingConfirm(Refusal):
    """A confirmed commit that is pending touches the thing: until it is confirmed nothing is given from it."""


class LimitReached(Refusal):
    """A quota, or the least or greatest number of blocks of a device pool, forbids it."""


class RequestReused(Refusal):
    """A request id came back with other arguments."""


class IllegalTransition(Refusal):
    """A block's state has no such edge, or moved on while the request was being made."""


class MassRemoval(Refusal):
    """A change would remove more from a device than the guard lets through unasked."""


class StoreBehind(Refusal):
    """A device carries a later generation than this store: the store is old, or a copy."""


class Held(Refusal):
    """The thing is held back for a reason that an operator must settle first."""


class LeaseHeld(Refusal):
    """Another controller process is working on the device."""


class LeaseLost(Refusal):
    """The lease on a device ended or was taken while we worked; nothing more was sent."""


class YangInvalid(Refusal):
    """A document or an edit is not valid against its YANG modules."""


class PlanOutdated(Refusal):
    """What a kept plan stands on has moved since: the store, or the device."""


class NotSupported(Refusal):
    """The driver, the device or this version cannot do what was asked."""


# --- Our own store --------------------------------------------------------------------------------


class StoreFault(CasmError):
    """The database cannot be used as it is."""


class StoreMissing(StoreFault):
    """There is no store at the place that was named."""


class StoreVersion(StoreFault):
    """The store's schema is older or newer than this program."""


class StoreReadOnly(StoreFault):
    """The store cannot be written."""


class StoreLocked(StoreFault):
    """Another process kept the store locked past the deadline."""


class StoreBroken(StoreFault):
    """The store failed in a way that we do not know: the database's own words follow."""


# --- The peer of a session ------------------------------------------------------------------------


class PeerFault(CasmError):
    """A device, or the way to it, failed."""


class Unreachable(PeerFault):
    """No TCP connection, or no name resolution."""


class DeadlineExceeded(PeerFault):
    """A phase of a session (TCP, SSH, hello, an RPC) took longer than its deadline. `phase` is its first word."""

    def __init__(self, message: str, remedy: str = "", *, phase: str = "") -> None:
        super().__init__(message, remedy)
        self.phase = phase


class CircuitOpen(PeerFault):
    """The device did not answer in several runs, one after the other, and is left alone for a while."""


class AuthenticationFailed(PeerFault):
    """The device did not take our credential."""


class HostKeyRefused(PeerFault):
    """The device's host key is unknown, or not the one that is recorded (`changed`).

    `presented`: type and base64 of the key that it has, where it came to that.
    """

    def __init__(
        self, message: str, remedy: str = "", *, presented: str | None = None, changed: bool = False
    ) -> None:
        super().__init__(message, remedy)
        self.presented = presented
        self.changed = changed


class ProtocolViolation(PeerFault):
    """What came from the peer is not NETCONF."""


class SessionLost(PeerFault):
    """The session ended under us; what was in flight has an unknown outcome."""


@dataclass(frozen=True)
class PeerError:
    """One rpc-error as the peer sent it (RFC 6241, 4.3). `info` is the text of error-info."""

    type: str
    tag: str
    severity: str = "error"
    app_tag: str | None = None
    path: str | None = None
    message: str = ""
    info: str = ""
    session_id: int | None = None

    def __str__(self) -> str:
        text = f"{self.type}/{self.tag}"
        if self.app_tag:
            text += f" ({self.app_tag})"
        if self.message:
            text += f": {one_line(self.message)}"
        if self.path:
            text += f" at {self.path}"
        return text


class DeviceRefused(PeerFault):
    """The device answered an RPC with rpc-error elements; `errors` holds all of them."""

    def __init__(self, message: str, remedy: str = "", *, errors: tuple[PeerError, ...] = ()) -> None:
        super().__init__(message, remedy)
        self.errors = errors

    def has_tag(self, *tags: str) -> bool:
        """True where one of the errors carries one of the `tags`."""
        return any(error.tag in tags for error in self.errors)


class LockDenied(DeviceRefused):
    """A datastore's lock is held by somebody else (`session_id` where the device told us)."""

    def __init__(
        self,
        message: str,
        remedy: str = "",
        *,
        errors: tuple[PeerError, ...] = (),
        session_id: int | None = None,
    ) -> None:
        super().__init__(message, remedy, errors=errors)
        self.session_id = session_id


class CandidateModified(PeerFault):
    """Somebody's uncommitted edits are in the device's candidate; they were left alone."""


class DeviceUnfit(PeerFault):
    """The device lacks modules or capabilities that its driver needs."""


class IdentityChanged(PeerFault):
    """The device is not the one that the store knows."""


class Unproven(PeerFault):
    """The device said ok, and what was read back is something else."""


# --- The one table --------------------------------------------------------------------------------


@dataclass(frozen=True)
class NetconfError:
    """How an error of ours looks as rpc-error (RFC 6241, 4.3 and appendix A)."""

    type: str
    tag: str
    app_tag: str


NETCONF_ERRORS: dict[type[CasmError], NetconfError] = {
    InvalidValue: NetconfError("application", "invalid-value", "invalid-value"),
    NotFound: NetconfError("application", "data-missing", "not-found"),
    AlreadyExists: NetconfError("application", "data-exists", "already-exists"),
    Ambiguous: NetconfError("application", "invalid-value", "ambiguous"),
    Overlap: NetconfError("application", "operation-failed", "overlap"),
    InUse: NetconfError("application", "in-use", "in-use"),
    Exhausted: NetconfError("application", "resource-denied", "exhausted"),
    PendingConfirm: NetconfError("application", "resource-denied", "pending-confirm"),
    LimitReached: NetconfError("application", "resource-denied", "limit-reached"),
    RequestReused: NetconfError("application", "invalid-value", "request-id-reused"),
    IllegalTransition: NetconfError("application", "operation-failed", "illegal-transition"),
    MassRemoval: NetconfError("application", "resource-denied", "mass-removal"),
    StoreBehind: NetconfError("application", "resource-denied", "store-behind"),
    Held: NetconfError("application", "resource-denied", "held"),
    LeaseHeld: NetconfError("application", "in-use", "lease-held"),
    LeaseLost: NetconfError("application", "operation-failed", "lease-lost"),
    YangInvalid: NetconfError("application", "invalid-value", "yang-invalid"),
    PlanOutdated: NetconfError("application", "operation-failed", "plan-outdated"),
    NotSupported: NetconfError("application", "operation-not-supported", "not-supported"),
    StoreMissing: NetconfError("application", "operation-failed", "store-missing"),
    StoreVersion: NetconfError("application", "operation-failed", "store-version"),
    StoreReadOnly: NetconfError("application", "operation-failed", "store-read-only"),
    StoreLocked: NetconfError("application", "in-use", "store-locked"),
    StoreBroken: NetconfError("application", "operation-failed", "store-broken"),
    Unreachable: NetconfError("transport", "operation-failed", "unreachable"),
    DeadlineExceeded: NetconfError("transport", "operation-failed", "deadline-exceeded"),
    CircuitOpen: NetconfError("transport", "operation-failed", "circuit-open"),
    AuthenticationFailed: NetconfError("transport", "access-denied", "authentication-failed"),
    HostKeyRefused: NetconfError("transport", "access-denied", "host-key-refused"),
    ProtocolViolation: NetconfError("rpc", "malformed-message", "protocol-violation"),
    SessionLost: NetconfError("transport", "operation-failed", "session-lost"),
    DeviceRefused: NetconfError("application", "operation-failed", "device-refused"),
    LockDenied: NetconfError("protocol", "lock-denied", "device-locked"),
    CandidateModified: NetconfError("application", "in-use", "candidate-modified"),
    DeviceUnfit: NetconfError("application", "operation-not-supported", "device-unfit"),
    IdentityChanged: NetconfError("application", "access-denied", "identity-changed"),
    Unproven: NetconfError("application", "operation-failed", "unproven"),
}


def netconf_error(error: CasmError) -> NetconfError:
    """The row of the table for `error`: its own class, or the nearest one above it that has a row."""
    for cls in type(error).__mro__:
        row = NETCONF_ERRORS.get(cls)
        if row is not None:
            return row
    return NetconfError("application", "operation-failed", "failed")


def error_document(error: CasmError) -> dict[str, str]:
    """The `error` member of a JSON answer: type, tag, app-tag, message, remedy and, where known, path."""
    row = netconf_error(error)
    document = {
        "type": row.type,
        "tag": row.tag,
        "app-tag": row.app_tag,
        "message": error.message,
        "remedy": error.remedy,
    }
    if error.path:
        document["path"] = error.path
    return document
