"""One session with one device: enter, lock, settle what may be pending, read.

Other people's edits are never discarded or committed: locks come first, and where the candidate is not
what runs, the device is refused (promise 5).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from lxml import etree

from casm_ctrl.base.clock import SECOND, to_rfc3339
from casm_ctrl.base.deadlines import COMMIT_MARGIN, Deadlines
from casm_ctrl.base.errors import (
    CandidateModified,
    DeviceRefused,
    DeviceUnfit,
    Held,
    LockDenied,
    NotSupported,
)
from casm_ctrl.drivers.interface import BlockMark, Driver, Element, Seen
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.session import Session, Target
from casm_ctrl.netconf.names import MONITORING
from casm_ctrl.netconf.trees import canonical, describe_difference, same_configuration
from casm_ctrl.service import intent
from casm_ctrl.service.observation import Sight, Sighting
from casm_ctrl.service.route_sightings import RouteSighting
from casm_ctrl.store.devices import DeviceRow
from casm_ctrl.store.leases import Lease, PendingCommit
from casm_ctrl.sync.access import StoreAccess
from casm_ctrl.sync.backoff import pauses
from casm_ctrl.sync.device_modules import DeviceModels
from casm_ctrl.sync.report import Progress
from casm_ctrl.sync.way import Way, way_of

_PATIENCE = (0.5, 2.0)
"""Seconds between the first two tries to get a lock that somebody else holds, and between later ones."""

_MODIFIED = ("lock-denied", "resource-denied")
"""How a lock is denied for edits in the candidate: as RFC 6241, 7.5 says, and as netconfd does."""


def target_of(device: DeviceRow, accept_new: bool, driver: Driver) -> Target:
    """Where and how to enter the device, with its own deadlines where it has some."""
    own = dict(device.deadlines)
    commit = int(own.pop("commit", Deadlines.commit))
    return Target(
        device=device.name,
        host=device.host,
        port=device.port,
        user=device.username,
        credential=device.credential,
        host_key=device.host_key,
        accept_new=accept_new,
        deadlines=Deadlines(**own, commit=commit),
        client=device.client,
        pause_after_hello=PAUSE_AFTER_HELLO,
    )


PAUSE_AFTER_HELLO = 0.3
"""Some servers overlook an RPC that comes in one read with our hello; see docs/sessions.md."""


@dataclass
class Visit:
    """A session, whose it is, and how long it may wait for others."""

    store: StoreAccess
    lease: Lease
    session: Session
    driver: Driver
    modules: Mapping[str, str | None]
    wait: float
    progress: Progress
    models: Callable[[], Awaitable[DeviceModels]]
    """Gives the device's own YANG modules, as `models_of` does: they are needed only where something differs."""
    way: Way = field(init=False)
    kept: bool = field(init=False)
    """Startup, where there is one, was made the same as running in this visit."""

    def __post_init__(self) -> None:
        """The device fits: `check_fitness` said so."""
        way = way_of(self.session.capabilities)
        assert way is not None
        self.way = way
        self.kept = not self.has(":startup")

    @property
    def name(self) -> str:
        return self.session.target.device

    @property
    def client(self) -> Client:
        return Client(self.session)

    def has(self, capability: str) -> bool:
        return self.session.capabilities.has(capability)

    # --- Locks ------------------------------------------------------------------------------------

    async def lock(self, pending: PendingCommit | None) -> None:
        """Lock running, then candidate where there is one. What we left ourselves in a visit that died is
        cleared first."""
        self.progress(self.name, "locking")
        await self._cancel(pending)
        await self._lock_patiently("running", pending)
        if not self.way.candidate:
            return
        try:
            await self._lock_patiently("candidate", pending)
        except DeviceRefused as error:
            if _holder(error) or not error.has_tag(*_MODIFIED):
                raise
            # Denied, and no session has it: somebody's edits are in it (RFC 6241, 7.5), ours perhaps; or
            # somebody without a session holds the lock, and may give it back.
            await self._refuse_modified(pending)
            await self._lock_patiently("candidate", pending, anybodys=True)

    async def _lock_patiently(
        self, datastore: str, pending: PendingCommit | None, *, anybodys: bool = False
    ) -> None:
        """`anybodys`: wait also where the device names no session that holds the candidate's lock."""
        clock = asyncio.get_running_loop().time
        until = clock() + self.wait
        waits = pauses(*_PATIENCE)
        ghosts = {self.lease.previous_session, pending.session_id if pending else None} - {None}
        while True:
            try:
                await self.client.lock(datastore)
            except DeviceRefused as error:
                holder = _holder(error)
                if holder in ghosts:
                    # The session of the visit before us, which died or lost its lease.
                    ghosts.discard(holder)
                    if not await self._may_be_ours(holder):
                        continue
                    self.progress(self.name, f"ending session {holder} of an earlier visit")
                    await self._kill(holder)
                    continue
                passes = error.has_tag("lock-denied", "in-use") and (
                    datastore == "running" or holder or anybodys
                )
                if not passes or clock() >= until:
                    raise
                self.progress(self.name, f"waiting: {error.message}")
                await asyncio.sleep(min(next(waits), until - clock()))
                await self._cancel(pending)
            else:
                return

    async def _may_be_ours(self, session_id: int | None) -> bool:
        """False where the device says that the session is another user's: it restarted, and gave the number
        again. A device without ietf-netconf-monitoring (RFC 6022) cannot tell."""
        if "ietf-netconf-monitoring" not in self.modules:
            return True
        tag = f"{{{MONITORING}}}"
        state = etree.Element(f"{tag}netconf-state")
        etree.SubElement(state, f"{tag}sessions")
        for entry in (await self.client.get([state])).iter(f"{tag}session"):
            if entry.findtext(f"{tag}session-id") == str(session_id):
                return entry.findtext(f"{tag}username") == self.session.target.user
        return True

    async def _kill(self, session_id: int | None) -> None:
        assert session_id is not None
        try:
            await self.client.kill_session(session_id)
        except DeviceRefused:
            await asyncio.sleep(0)  # it ended by itself meanwhile, which is as good

    async def unlock(self) -> None:
        """Give the locks back; the session's end would, but a device may be slow to notice that.

        DeviceRefused, after all were tried, where one could not be.
        """
        refused: DeviceRefused | None = None
        for datastore in ("candidate", "running") if self.way.candidate else ("running",):
            try:
                await self.client.unlock(datastore)
            except DeviceRefused as error:
                refused = error
        if refused is not None:
            raise refused

    # --- Reading ----------------------------------------------------------------------------------

    async def read_all(self, pending: PendingCommit | None = None) -> Element:
        """Running, after checking that the candidate is the same: CandidateModified names the difference."""
        running = await self.client.get_config("running")
        if not self.way.candidate:
            return running
        candidate = await self.client.get_config("candidate")
        if not same_configuration(running, candidate):
            await self._refuse_modified(pending, running, candidate)
            running = await self.client.get_config("running")
        return running

    async def _refuse_modified(
        self, pending: PendingCommit | None, running: Element | None = None, candidate: Element | None = None
    ) -> None:
        """CandidateModified, unless what is in the candidate is to the letter what a visit of ours left, or
        the same as what runs."""
        running = running if running is not None else await self.client.get_config("running")
        candidate = candidate if candidate is not None else await self.client.get_config("candidate")
        if pending is not None and digest(candidate) == pending.digest:
            await self.client.discard_changes()
            return
        if same_configuration(running, candidate):
            return
        # With its schema list entries are named by their keys, and without it as far as one can guess.
        try:
            schema = (await self.models()).schema
        except (DeviceUnfit, NotSupported):
            schema = None
        lines = describe_difference(running, candidate, 3, schema)
        raise CandidateModified(
            f"{self.session.target}: somebody's uncommitted edits are in the candidate: {'; '.join(lines)}",
            "commit or discard them on the device, then apply again; they were left alone",
        )

    # --- What may be pending ----------------------------------------------------------------------

    async def _cancel(self, pending: PendingCommit | None) -> None:
        """Take our own pending commit back; where there is none any more the device says so."""
        if pending is not None and pending.persist_id is not None and self.way is Way.PERSISTENT:
            try:
                await self.client.cancel_commit(pending.persist_id)
            except DeviceRefused as error:
                if not error.has_tag("invalid-value", "operation-failed", "in-use"):
                    raise

    async def settle(self, pending: PendingCommit) -> None:
        """With the locks held and the candidate as running is: see that nothing is pending.

        An empty commit that is answered with ok ends whatever was pending (RFC 6241, 8.4.1), so that
        reads after it are proof. Held where the device refuses it before the pending commit's time and
        its margin are over. Without confirmed commit the lock alone says that nothing is under way.
        """
        await self._cancel(pending)
        if self.way.on_trial:
            await self._end_trial(pending)
        await self.store.run(intent.clear_pending, self.lease)

    async def _end_trial(self, pending: PendingCommit) -> None:
        over = pending.deadline + round(COMMIT_MARGIN * SECOND)
        try:
            await self.client.commit()
        except DeviceRefused as error:
            now = await self.store.run(lambda database: database.clock.now())
            if now < over:
                raise Held(
                    f"{self.session.target}: a confirmed commit of an earlier visit may be pending until"
                    f" {to_rfc3339(over)} ({error.message})",
                    "apply again after that",
                ) from error

    async def copy_to_startup(self) -> bool:
        """Make startup what running is; False where there is no startup datastore."""
        if not self.has(":startup"):
            return False
        await self.client.copy_config("running", "startup")
        self.kept = True
        return True


def _holder(error: DeviceRefused) -> int | None:
    """The session that a lock was denied for, where the device tells."""
    return error.session_id if isinstance(error, LockDenied) else None


def digest(config: Element) -> str:
    """SHA-256 over what a configuration means."""
    return hashlib.sha256(repr(canonical(config)).encode()).hexdigest()


def sight_of(seen: Seen, *, proof: bool, kept: bool = True) -> Sight:
    """What a driver parsed, in the words of the service."""
    return Sight(
        sightings=tuple(
            Sighting(
                path=r.key.path,
                keys=r.key.keys,
                range=r.range,
                network_instance=r.network_instance,
                mark_store=r.mark.store if isinstance(r.mark, BlockMark) else None,
                mark_block=r.mark.block if isinstance(r.mark, BlockMark) else None,
                drained=r.drained,
            )
            for r in seen.ranges
        ),
        containers=tuple((key.path, key.keys) for key in (*(pool.key for pool in seen.pools), *seen.parts)),
        routes=tuple(
            RouteSighting(
                r.key.path,
                r.key.keys,
                r.range,
                None if r.mark is None else r.mark.store,
                None if r.mark is None else r.mark.block,
            )
            for r in seen.routes
        ),
        proof=proof,
        kept=kept,
    )
