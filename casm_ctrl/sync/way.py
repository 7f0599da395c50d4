"""The ways in which devices let themselves be changed, and the steps of each (RFC 6241, 8.2 to 8.4).

A change is staged where nothing of it runs yet, sent, and confirmed. Where a device knows no such step
it is none: a device without confirmed commit is changed by what is sent, and is read back all the same.
"""

from __future__ import annotations

import contextlib
from enum import Enum
from typing import Protocol

from casm_ctrl.base.errors import CasmError
from casm_ctrl.drivers.interface import Edit
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.session import Capabilities


class Way(Enum):
    """What a device offers, the best first. The value is the word for programs."""

    PERSISTENT = "confirmed-commit"
    IN_SESSION = "confirmed-commit-in-session"
    COMMIT = "commit"
    RUNNING = "writable-running"

    @property
    def candidate(self) -> bool:
        """Edits are made in the candidate, and run when they are committed."""
        return self is not Way.RUNNING

    @property
    def on_trial(self) -> bool:
        """What is sent undoes itself unless it is confirmed."""
        return self in (Way.PERSISTENT, Way.IN_SESSION)

    @property
    def words(self) -> str:
        """What it means, for people."""
        return _WORDS[self]


_WORDS = {
    Way.PERSISTENT: "confirmed commit: what is not confirmed in time is undone by the device",
    Way.IN_SESSION: "confirmed commit within one session (:confirmed-commit:1.0): the session is kept open until"
    " it is confirmed, and the device undoes the change when the session ends before",
    Way.COMMIT: "commit without confirmation (no :confirmed-commit): a change is final when it is sent, and read"
    " back; it has no part in 'apply --atomic'",
    Way.RUNNING: "running is edited directly (no :candidate): a change is final when it is sent, and read back;"
    " it has no part in 'apply --atomic'",
}

NO_WAY = ":candidate or :writable-running (there is nothing that can be edited)"
"""What a device lacks that has no way."""


def way_of(capabilities: Capabilities) -> Way | None:
    """How the device is changed; None where it cannot be."""
    if capabilities.has(":candidate"):
        if capabilities.has(":confirmed-commit:1.1"):
            return Way.PERSISTENT
        return Way.IN_SESSION if capabilities.has(":confirmed-commit") else Way.COMMIT
    return Way.RUNNING if capabilities.has(":writable-running") else None


class Steps(Protocol):
    """One change by one way. Errors are those of the session."""

    @property
    def trial(self) -> int:
        """Seconds after which the device undoes what was sent and not confirmed; 0: it never does."""
        ...

    @property
    def persist_id(self) -> str | None:
        """What another session needs to confirm or cancel it."""
        ...

    @property
    def ends(self) -> bool:
        """Whether this session can see to it that nothing is pending any more."""
        ...

    async def stage(self, edit: Edit) -> None: ...

    async def unstage(self) -> None: ...

    async def send(self) -> None: ...

    async def extend(self) -> None:
        """Let the trial begin anew."""
        ...

    async def confirm(self) -> None: ...

    async def take_back(self) -> None:
        """Undo what was sent, as far as the device still listens."""
        ...


class _Candidate:
    """What all ways by the candidate have in common."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def stage(self, edit: Edit) -> None:
        await self.client.edit_config("candidate", edit.config, default_operation="none")

    async def unstage(self) -> None:
        await self.client.discard_changes()


class ConfirmedCommit(_Candidate):
    """`persist_id` is None where the device knows no persist: then the session's end undoes it."""

    def __init__(self, client: Client, trial: int, persist_id: str | None) -> None:
        super().__init__(client)
        self.trial = trial
        self.persist_id = persist_id

    @property
    def ends(self) -> bool:
        return self.persist_id is not None

    async def send(self) -> None:
        await self.client.commit(confirmed=True, confirm_timeout=self.trial, persist=self.persist_id)

    async def extend(self) -> None:
        """A follow-up confirmed commit resets the timer, and needs the persist-id (8.4.1)."""
        await self.client.commit(
            confirmed=True, confirm_timeout=self.trial, persist=self.persist_id, persist_id=self.persist_id
        )

    async def confirm(self) -> None:
        await self.client.commit(persist_id=self.persist_id)

    async def take_back(self) -> None:
        """Running is unlocked before the commit is cancelled: there is a server on which a cancel under the
        lock answers ok and does nothing. Each step is tried for itself, for a device that refuses one may
        take the next."""
        if self.persist_id is None:
            return
        with contextlib.suppress(CasmError):
            await self.client.unlock("running")
            await self.client.cancel_commit(self.persist_id)
        with contextlib.suppress(CasmError):
            await self.client.lock("running")


class _Final:
    """What is sent is final."""

    trial = 0
    persist_id: str | None = None
    ends = True

    async def extend(self) -> None:
        """It has no end."""

    async def confirm(self) -> None:
        """It is."""

    async def take_back(self) -> None:
        """Nobody can; what came of it shows when the device is read."""


class PlainCommit(_Final, _Candidate):
    """:candidate without :confirmed-commit."""

    async def send(self) -> None:
        await self.client.commit()


class RunningEdit(_Final):
    """:writable-running without :candidate: one edit, undone by the device on an error where it offers that."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._edit: Edit | None = None

    async def stage(self, edit: Edit) -> None:
        self._edit = edit

    async def unstage(self) -> None:
        self._edit = None

    async def send(self) -> None:
        assert self._edit is not None
        await self.client.edit_config("running", self._edit.config, default_operation="none")


def steps_of(way: Way, client: Client, trial: int, persist_id: str) -> Steps:
    """The steps of a new change. `persist_id` is used where the device can."""
    if way is Way.RUNNING:
        return RunningEdit(client)
    if way is Way.COMMIT:
        return PlainCommit(client)
    return ConfirmedCommit(client, trial, persist_id if way is Way.PERSISTENT else None)
