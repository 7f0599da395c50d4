"""A simulated device: a real NETCONF server over SSH, with faults that a test may set."""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import NoReturn

import asyncssh

from casm_ctrl.base.clock import Clock, SystemClock
from casm_ctrl.netconf.messages import Answer, Data, Errors, Ok, Rpc
from casm_ctrl.netconf.rpc_error import RpcError, RpcErrors
from casm_ctrl.netconf.server.conversation import ServerSession
from casm_ctrl.netconf.server.serving import Channel, NoAnswer, Outgoing, serve
from casm_ctrl.netconf.server.ssh_server import SshListener
from casm_ctrl.simulator.crowd import Crowd
from casm_ctrl.simulator.faults import GARBAGE, Fault, FaultKind, Faults, filler
from casm_ctrl.simulator.flash import Flash, Saved
from casm_ctrl.simulator.journal import Entry, Journal, Moment, names_of
from casm_ctrl.simulator.machine import SOMEBODY, Machine
from casm_ctrl.simulator.options import SimulatedDeviceOptions


class SimulatedDevice(Crowd):
    """`async with SimulatedDevice(options) as device:` listens until the block ends."""

    def __init__(
        self,
        options: SimulatedDeviceOptions | None = None,
        *,
        clock: Clock | None = None,
        flash: Flash | None = None,
    ) -> None:
        """`flash` keeps configuration and host key from one process to the next; memory does where None."""
        super().__init__()
        self.options = options or SimulatedDeviceOptions()
        clock = clock or SystemClock()
        self.faults = Faults()
        self.journal = Journal(clock)
        self._flash = flash or Flash()
        saved = self._flash.load(self.options.name)
        self._machine = Machine(
            self.options,
            clock,
            saved.running if saved.running is not None else self.options.running,
            saved.startup,
            faults=self.faults,
            rolled_back=self._note_rollback,
            rollback_delay=self._rollback_delay,
        )
        key = saved.host_key or self.options.host_key
        self._listener = SshListener(
            asyncssh.import_private_key(key) if key else asyncssh.generate_private_key("ssh-ed25519"),
            self,
            self._converse,
            admit=self._admit,
        )
        self._down = False
        self._held: set[socket.socket] = set()
        self._channels: dict[int, Channel] = {}

    # --- Life -------------------------------------------------------------------------------------

    async def __aenter__(self) -> SimulatedDevice:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; OSError where the address cannot be had."""
        await self._listener.listen(self.options.host, self.options.port)
        self._save()

    async def stop(self) -> None:
        """End all sessions, the timers, and what subscribers do by themselves."""
        await self.disperse()
        await self._listener.close()
        self._release_held()
        self._machine.stop()

    async def reboot(self, configuration: bytes | None = None, *, downtime: float = 0.0) -> None:
        """Lose every session and come up with what was saved, or with `configuration` (an old startup).

        No connection is taken for `downtime` seconds. Subscribers are gone; those who had logged in do so again when
        the device is up. Faults stay in force.
        """
        self._down = True
        self.journal.happen("reboot")
        await self._listener.drop_connections()
        self._release_held()
        self._machine.restart(configuration, downtime)
        self._save()
        await asyncio.sleep(downtime)
        self._down = False

    # --- What a test sees and does ----------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.options.name

    @property
    def host(self) -> str:
        return self.options.host

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def host_key(self) -> str:
        """The public host key as in a known_hosts line: type and base64."""
        return " ".join(self._listener.host_key.export_public_key().decode().split()[:2])

    @property
    def session_ids(self) -> tuple[int, ...]:
        """Of the sessions that are open now."""
        return tuple(entry.session_id for entry in self._machine.sessions)

    @property
    def commit_pending(self) -> bool:
        """True where a confirmed commit waits for its confirmation."""
        return self._machine.commit_pending

    def change_host_key(self) -> None:
        """Become another device, for connections from now on."""
        self._listener.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._save()

    def set_serial(self, serial: str) -> None:
        """Say that the chassis is another one."""
        self._machine.serial = serial

    def next_session_id(self, session_id: int) -> None:
        """Give the next session this id, or the first free one after it."""
        self._machine.sessions.next_id = session_id

    def set_subscribers(self, pool: str, entry: str, used: int) -> int:
        """Let `used` addresses of a range or prefix be in use; answers how many are.

        What is drained gives out nothing new (but for the fault `drain-ignored`), and what has no room cuts off when it
        is read. It may be said before the range is configured.
        """
        heed = self.faults.get(FaultKind.DRAIN_IGNORED) is None
        return self._machine.set_subscribers(pool, entry, used, heed_drain=heed)

    def set_subscribers_in(self, addresses: str, used: int) -> int:
        """The same for what serves exactly `addresses`, a prefix or `FIRST-LAST`; NotFound where nothing does."""
        served = self._machine.find_served(addresses)
        return self.set_subscribers(served.pool, served.entry, used)

    def configuration(self, datastore: str = "running") -> bytes:
        """A datastore's top-level elements in XML."""
        return self._machine.configuration(datastore)

    def edit(self, datastore: str, configuration: bytes, default_operation: str = "merge") -> None:
        """Change a datastore as somebody else does, with the elements of an edit-config's `<config>`."""
        self._machine.edit(datastore, configuration, default_operation)
        self._save()

    def lock(self, datastore: str) -> None:
        """Lock a datastore as somebody without a NETCONF session does (session-id 0)."""
        self._machine.datastores.lock(SOMEBODY, datastore)

    def unlock(self, datastore: str) -> None:
        self._machine.datastores.unlock(SOMEBODY, datastore)

    def expire_due(self) -> None:
        """Undo an unconfirmed commit and let clients ask again, if it is time: for tests that move the clock."""
        self._machine.expire_due()
        self._machine.settle()

    def vanish(self, seconds: float = 0.0) -> None:
        """Leave every connection of now half-open, as the fault `half-open` does; new ones are good."""
        self.journal.happen("vanish")
        for entry in self._machine.sessions:
            channel = self._channels.get(entry.session_id)
            if channel is not None:
                self._vanish(channel, seconds)

    # --- Authenticator ----------------------------------------------------------------------------

    def password(self, username: str, password: str) -> bool:
        same = hmac.compare_digest(password.encode(), self.options.password.encode())
        return same and username in (self.options.username, *self.options.others)

    def public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        known = (asyncssh.import_public_key(line) for line in self.options.authorized_keys)
        return username == self.options.username and any(
            candidate.public_data == key.public_data for candidate in known
        )

    # --- A session --------------------------------------------------------------------------------

    async def _admit(self, accepted: socket.socket) -> bool:
        if self._down:
            accepted.close()
            return False
        if self.faults.get(FaultKind.HANG_AFTER_TCP):
            self._held.add(accepted)
            return False
        return True

    async def _converse(self, channel: Channel) -> None:
        if self.faults.get(FaultKind.HANG_AFTER_SSH):
            await _until_gone(channel)
            return
        if self.faults.get(FaultKind.GARBAGE_HELLO):
            channel.write(GARBAGE)
            await _until_gone(channel)
            return
        sessions = self._machine.sessions
        entry = sessions.open(channel.username, channel.source_host, channel.abort)
        self._channels[entry.session_id] = channel
        session = ServerSession(entry.session_id, self._machine.capabilities, counters=entry.counters)
        outgoing = Outgoing(channel, session)
        noted: Entry

        async def call(rpc: Rpc) -> Answer:
            nonlocal noted
            names = names_of(rpc.operation, commit_pending=self.commit_pending)
            noted = self.journal.add(session.session_id, names)
            return await self._call(channel, session, noted, rpc)

        def replied(rpc: Rpc) -> None:
            self.journal.reach(noted, Moment.REPLIED)
            self._machine.begin(session.session_id, rpc.operation, outgoing.send)

        try:
            await serve(channel, session, call, replied, outgoing=outgoing)
        finally:
            sessions.end(entry.session_id, session.ending)
            del self._channels[entry.session_id]
            self._save()

    async def _call(self, channel: Channel, session: ServerSession, entry: Entry, rpc: Rpc) -> Answer:
        """Do one operation, with the faults that hit it."""
        hits = self.faults.strike(entry.names)
        tiny = self.faults.get(FaultKind.TINY_CHUNKS)
        if tiny is not None:
            session.largest_chunk = tiny.octets
        self.journal.reach(entry, Moment.RECEIVED)
        if self.faults.get(FaultKind.HANG_AFTER_HELLO):
            await self._leave_waiting(channel, entry, FaultKind.HANG_AFTER_HELLO)
        if FaultKind.DROP_BEFORE in hits:
            self._drop(channel, entry, FaultKind.DROP_BEFORE)
        if FaultKind.HALF_OPEN in hits:
            self._vanish(channel, hits[FaultKind.HALF_OPEN].seconds)
            await self._leave_waiting(channel, entry, FaultKind.HALF_OPEN)
        await _pause(hits.get(FaultKind.DELAY_BEFORE))
        answer = await self._execute(session.session_id, rpc, hits)
        entry.outcome = answer.errors[0].tag if isinstance(answer, Errors) else "ok"
        self._save()
        self.journal.reach(entry, Moment.EXECUTED)
        await _pause(hits.get(FaultKind.DELAY_AFTER))
        if FaultKind.DROP_AFTER in hits:
            self._drop(channel, entry, FaultKind.DROP_AFTER)
        if FaultKind.NO_REPLY in hits:
            await self._leave_waiting(channel, entry, FaultKind.NO_REPLY)
        if FaultKind.GARBAGE_REPLY in hits:
            entry.fault = FaultKind.GARBAGE_REPLY.value
            channel.write(GARBAGE)
            raise NoAnswer
        if FaultKind.HUGE_REPLY in hits and isinstance(answer, Data):
            return Data([*answer.nodes, filler(hits[FaultKind.HUGE_REPLY].octets)])
        return answer

    async def _execute(self, session_id: int, rpc: Rpc, hits: Mapping[FaultKind, Fault]) -> Answer:
        if FaultKind.REFUSE in hits:
            tag = hits[FaultKind.REFUSE].tag
            return Errors([RpcError("application", tag, message=f"the simulator refuses {rpc.name}")])
        if FaultKind.OK_WITHOUT_EFFECT in hits:
            return Ok()
        try:
            return await self._machine.call(session_id, rpc)
        except RpcError as error:
            return Errors([error])
        except RpcErrors as errors:
            return Errors(errors.errors)

    def _vanish(self, channel: Channel, seconds: float) -> None:
        channel.vanish()
        if seconds:
            asyncio.get_running_loop().call_later(seconds, channel.abort)

    def _drop(self, channel: Channel, entry: Entry, fault: FaultKind) -> NoReturn:
        entry.fault = fault.value
        channel.abort()
        raise ConnectionAbortedError(fault.value)

    async def _leave_waiting(self, channel: Channel, entry: Entry, fault: FaultKind) -> NoReturn:
        entry.fault = fault.value
        await _until_gone(channel)
        raise ConnectionAbortedError(fault.value)

    def _rollback_delay(self) -> float:
        fault = self.faults.get(FaultKind.ROLLBACK_DELAY)
        return fault.seconds if fault is not None else 0.0

    def _note_rollback(self) -> None:
        self.journal.happen("rollback")
        self._save()

    def _save(self) -> None:
        """Write what must outlive the process. What a pending commit changed must not: it may be undone."""
        if self._flash.keeps and not self.commit_pending:
            startup = self._machine.configuration("startup") if self.options.startup else None
            key = self._listener.host_key.export_private_key("pkcs8-pem")
            self._flash.save(self.name, Saved(self._machine.configuration(), startup, key))

    def _release_held(self) -> None:
        for held in self._held:
            held.close()
        self._held.clear()


async def _pause(fault: Fault | None) -> None:
    if fault is not None:
        await asyncio.sleep(fault.seconds)


async def _until_gone(channel: Channel) -> None:
    while await channel.read():
        pass
