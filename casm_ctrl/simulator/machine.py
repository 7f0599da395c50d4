"""The inside of a simulated device: its datastores, its sessions and its timer, without any transport."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

from lxml import etree

from casm_ctrl.base.clock import SECOND, Clock, Micros
from casm_ctrl.base.errors import InvalidValue, ProtocolViolation
from casm_ctrl.netconf.datastores.memory import Datastores
from casm_ctrl.netconf.messages import Answer, Output, Rpc, parse_document
from casm_ctrl.netconf.names import BASE, Element, nc
from casm_ctrl.netconf.server.dispatch import Operation, Operations
from casm_ctrl.netconf.server.monitoring import netconf_state
from casm_ctrl.netconf.server.sessions import Sessions
from casm_ctrl.simulator.bad_readings import BadReadings
from casm_ctrl.simulator.faults import Faults
from casm_ctrl.simulator.hardware import HARDWARE_MODULE, SYSTEM_MODULE, chassis, system_clock
from casm_ctrl.simulator.logins import Asked, LoginCounts, Logins
from casm_ctrl.simulator.notices import Notices
from casm_ctrl.simulator.options import SimulatedDeviceOptions
from casm_ctrl.simulator.platform import load_platform
from casm_ctrl.simulator.push import ESTABLISH, Push
from casm_ctrl.simulator.push import MODULE as PUSH_MODULE
from casm_ctrl.simulator.subscribers import Circumstances, Served, Subscribers, find_range
from casm_ctrl.simulator.subscriptions import CREATE, Send, Subscriptions
from casm_ctrl.simulator.usage import Answers, answers_of, served_by, serving, usage_state

LARGE = 64 * 1024
"""Octets from which on a message, and all work after it, is done on a thread: below, the change to the
thread and back costs more than the work."""
SOON = 0.02
"""Seconds in which clients that ask again are taken together: each of thousands has a moment of its own."""
_MAY_BE_LONG = {
    nc(name) for name in ("get", "get-config", "edit-config", "copy-config", "commit", "validate")
}
SOMEBODY = 0
"""The session id of whoever works on the device without NETCONF, as lock-denied says it (RFC 6241, 7.5)."""


class Machine:
    """What the device holds and does. `rolled_back` is told when an unconfirmed commit was undone.

    Operations are done one at a time. `rollback_delay` gives the seconds by which it is late with undoing.
    """

    def __init__(
        self,
        options: SimulatedDeviceOptions,
        clock: Clock,
        running: bytes,
        startup: bytes | None,
        *,
        faults: Faults,
        rolled_back: Callable[[], None],
        rollback_delay: Callable[[], float],
    ) -> None:
        self.platform = load_platform(options.modules, options.search)
        self.capabilities = (*options.protocol_capabilities, *self.platform.capabilities)
        self.subscribers = Subscribers()
        self.logins = Logins(self.subscribers, self._serving, random.Random(options.name))  # noqa: S311
        self.notices = Notices()
        self._bad = BadReadings(faults)
        self.subscriptions = Subscriptions(interleave=options.interleave)
        self.serial = options.serial
        self.sessions = Sessions(clock, self._session_ended, first_id=options.first_session_id)
        self._clock = clock
        self._modules = frozenset(module.name for module in self.platform.modules)
        self._tells = options.notifications
        self._settled: tuple[int, int, Element] | None = None
        names = {module.namespace: module.name for module in self.platform.modules}
        self.push = Push(self._operational, names)
        self._booted = clock.now()
        self._rolled_back = rolled_back
        self._rollback_delay = rollback_delay
        self._timer: asyncio.TimerHandle | None = None
        self._clients: asyncio.TimerHandle | None = None
        self._turn = asyncio.Lock()
        self._large = False
        self._on_thread = False
        self._deferred: list[Callable[[], None]] = []
        self.datastores = Datastores(
            self.platform.schema,
            self.platform.validate,
            clock,
            running=self._parse(running),
            with_startup=options.startup,
            confirmed_commit="1.0" if options.confirmed_commit == "1.0" else "1.1",
        )
        self._followed = self._read = self.datastores.running
        self._served = serving(self._read)
        if startup is not None and options.startup:
            self.datastores.copy_config(SOMEBODY, "startup", self._parse(startup))
        self._operations = Operations(
            self.datastores,
            self.sessions,
            self.platform.schema,
            self.capabilities,
            self.platform.modules,
            self._state,
            {**self._own_operations(options.operations), **self._subscribing()},
        )

    # --- What it is asked -------------------------------------------------------------------------

    async def call(self, session_id: int, rpc: Rpc) -> Answer:
        """Do one operation. RpcError and RpcErrors are answers too; ConnectionAbortedError: it was killed."""
        self._large = self._large or rpc.size > LARGE
        async with self._turn:
            if self.sessions.get(session_id) is None:
                # Its locks are released already: what it takes now nobody would release.
                raise ConnectionAbortedError(f"session {session_id} was killed")
            self.subscriptions.check(session_id, rpc.operation)
            self.expire_due()
            self.settle()
            try:
                if self._large and rpc.operation.tag in _MAY_BE_LONG:
                    return await self._call_on_thread(session_id, rpc.operation)
                return self._operations.call(session_id, rpc.operation)
            finally:
                self._arm()
                self.settle()

    async def _call_on_thread(self, session_id: int, operation: Element) -> Answer:
        self._on_thread = True
        work = asyncio.ensure_future(asyncio.to_thread(self._operations.call, session_id, operation))
        try:
            return await asyncio.shield(work)
        finally:
            # Who awaits us may be cancelled; the datastores are the thread's until it is done.
            await asyncio.wait([work])
            self._on_thread = False
            deferred, self._deferred = self._deferred, []
            for action in deferred:
                action()

    def _state(self) -> Sequence[Element]:
        self.subscribers.follow(served_by(self.datastores.running))
        told = Micros(self._clock.now() + self._bad.jump)
        usage = usage_state(self.datastores.running, self.subscribers, self._circumstances())
        return [
            *self._bad.spoil(usage, what="state"),
            *(chassis(self.serial) if self.platform.has(HARDWARE_MODULE) and self.serial else ()),
            *(system_clock(told, self._booted) if self.platform.has(SYSTEM_MODULE) else ()),
            netconf_state(self.capabilities, self.platform.modules, self.sessions, self.datastores.locks()),
        ]

    def _operational(self) -> Sequence[Element]:
        state = list(self._state())
        both = {node.tag for node in state}
        return [*state, *(node for node in self.datastores.get_config("running") if node.tag not in both)]

    def _circumstances(self) -> Circumstances:
        return Circumstances(
            self._clock.now(), self._booted, self._modules, self.logins.refused, self.logins.since
        )

    def _subscribing(self) -> Mapping[str, Operation]:
        return {
            **({CREATE: self.subscriptions.create} if self._tells else {}),
            **(self.push.operations if self.platform.has(PUSH_MODULE) else {}),
        }

    def begin(self, session_id: int, operation: Element, send: Send) -> None:
        """The reply to `operation` is out: where it subscribed to something, send it from now on."""
        if operation.tag == CREATE:
            self.subscriptions.begin(session_id, send)
        elif operation.tag == ESTABLISH:
            self.push.begin(session_id, send, self._clock.now())
            self.settle()

    def _own_operations(self, modules: Sequence[str]) -> Mapping[str, Operation]:
        """The operations of vendors that the device does, by tag."""

        def does(answer: Answers) -> Operation:
            return lambda session_id, operation: Output(
                self._bad.spoil(
                    answer(self.datastores.running, self.subscribers, operation),
                    what=etree.tostring(operation).decode(),
                )
            )

        return {tag: does(answer) for tag, answer in answers_of(modules).items()}

    # --- Subscribers ------------------------------------------------------------------------------

    def now(self) -> Micros:
        return self._clock.now()

    def log_in(self, asked: Asked, count: int, protocol: str) -> int:
        """Let so many ask for the first time; how many are refused."""
        self.settle()
        refused = self.logins.log_in(asked, count, self._clock.now(), protocol)
        self.settle()
        return refused

    def log_out(self, asked: Asked, count: int) -> int:
        """Let so many leave; how many did."""
        left = self.logins.log_out(asked, count)
        self.settle()
        return left

    def cut_off(self, asked: Asked) -> int:
        """Let all of a pool lose their sessions at once; how many there were."""
        lost = self.logins.cut_off(asked, self._clock.now())
        self.settle()
        return lost

    def count_logins(self, asked: Asked) -> LoginCounts:
        self.settle()
        return self.logins.counts(asked, self._clock.now())

    def settle(self) -> None:
        """Let clients whose time has come ask again, cut off those who stand on what is not served any more, and tell
        who subscribed what is to be told."""
        if self._on_thread:
            self._deferred.append(self.settle)
            return
        now = self._clock.now()
        self.logins.advance(now)
        if self._followed is not self.datastores.running:
            self._followed = self.datastores.running
            self.logins.follow(now)
        self._tell(now)
        self._arm_clients(now)

    def _tell(self, now: Micros) -> None:
        """Tell at once what changed in the pools, where something did."""
        due = self.notices.next_due
        state = (self.subscribers.version, self.logins.all_refused, self.datastores.running)
        changed, self._settled = state != self._settled, state
        if self._tells and any(state[:2]) and (changed or (due is not None and due <= now)):
            about = self._circumstances()
            for content in self.notices.judge(self.datastores.running, self.subscribers, about):
                if not self._bad.silent:
                    self.subscriptions.tell(Micros(now + self._bad.jump), *self._bad.spoil([content]))
        self.push.settle(now, changed=changed, jump=self._bad.jump, silent=self._bad.silent)

    def _serving(self, asked: Asked) -> Sequence[Served]:
        if self._read is not self.datastores.running:
            self._read = self.datastores.running
            self._served = serving(self._read)
        return self._served.get(asked, ())

    def _arm_clients(self, now: Micros) -> None:
        if self._clients is not None:
            self._clients.cancel()
            self._clients = None
        due = min(
            filter(None, (self.logins.next_due, self.notices.next_due, self.push.next_due)), default=None
        )
        if due is not None:
            seconds = max(SOON, (due - now) / SECOND)
            self._clients = asyncio.get_running_loop().call_later(seconds, self.settle)

    # --- What happens by itself -------------------------------------------------------------------

    @property
    def commit_pending(self) -> bool:
        """True where a confirmed commit waits for its confirmation."""
        return self.datastores.next_deadline() is not None

    def _session_ended(self, session_id: int) -> None:
        self.subscriptions.end(session_id)
        self.push.end(session_id)
        delay = self._rollback_delay()
        if delay and self.commit_pending:
            asyncio.get_running_loop().call_later(delay, self._release, session_id)
        else:
            self._release(session_id)

    def _release(self, session_id: int) -> None:
        self._undoing(lambda: self.datastores.session_ended(session_id))

    def expire_due(self) -> None:
        """Undo a confirmed commit whose time is over, by the clock that the device was given."""
        self.datastores.rollback_delay = round(self._rollback_delay() * SECOND)
        self._undoing(self.datastores.expire)
        self._arm()

    def _undoing(self, action: Callable[[], None]) -> None:
        """Do what may undo a confirmed commit, when no thread has the datastores."""
        if self._on_thread:
            self._deferred.append(lambda: self._undoing(action))
            return
        pending = self.commit_pending
        action()
        if pending and not self.commit_pending:
            self._rolled_back()
            self.settle()

    def _arm(self) -> None:
        """Set the timer to the end of the confirmed commit that is pending, if one is."""
        self.disarm()
        self.datastores.rollback_delay = round(self._rollback_delay() * SECOND)
        deadline = self.datastores.next_deadline()
        if deadline is not None:
            seconds = max(0.0, (deadline - self._clock.now()) / SECOND)
            self._timer = asyncio.get_running_loop().call_later(seconds, self.expire_due)

    def disarm(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def stop(self) -> None:
        """Let nothing happen by itself any more."""
        self.disarm()
        if self._clients is not None:
            self._clients.cancel()
            self._clients = None

    # --- What other people do ---------------------------------------------------------------------

    def edit(self, datastore: str, configuration: bytes, default_operation: str = "merge") -> None:
        """Change a datastore as somebody on the console does; RpcError where a lock or the model forbids it."""
        self.datastores.edit_config(
            SOMEBODY, datastore, parse_configuration(configuration), default_operation
        )
        self.settle()

    def find_served(self, addresses: str) -> Served:
        """What serves exactly these addresses; InvalidValue and NotFound as `find_range` says."""
        return find_range(served_by(self.datastores.running), addresses)

    def set_subscribers(self, pool: str, entry: str, used: int, *, heed_drain: bool = True) -> int:
        """Let so many addresses of a range be in use, but no more than now where it is drained: how many are."""
        served = list(served_by(self.datastores.running))
        self.subscribers.follow(served)
        if heed_drain and any(one.drained for one in served if (one.pool, one.entry) == (pool, entry)):
            used = min(used, self.subscribers.used(pool, entry))
        self.subscribers.set(pool, entry, used)
        self.settle()
        return used

    def configuration(self, datastore: str = "running") -> bytes:
        """A datastore's top-level elements."""
        return b"".join(etree.tostring(node) for node in self.datastores.get_config(datastore))

    def restart(self, configuration: bytes | None, downtime: float = 0.0) -> None:
        """Start again: from `configuration` (which becomes the startup too) or from what it had saved. Subscribers that
        had logged in ask again when it is up, after `downtime` seconds."""
        self.stop()
        self._booted = self._clock.now()
        self.logins.restart(self._booted, Micros(self._booted + round(downtime * SECOND)))
        self.subscribers.clear()
        self.notices.clear()
        self.datastores.reboot(None if configuration is None else self._parse(configuration))
        self._followed = self.datastores.running
        self._arm_clients(self._booted)

    def _parse(self, configuration: bytes) -> Element:
        self._large = self._large or len(configuration) > LARGE
        tree = parse_configuration(configuration)
        self.platform.validate(tree)
        return tree


def parse_configuration(nodes: bytes) -> Element:
    """`<config>` around top-level elements in XML; InvalidValue where they are not well-formed."""
    try:
        return parse_document(b"<config xmlns='%s'>%s</config>" % (BASE.encode(), nodes))
    except ProtocolViolation as violation:
        raise InvalidValue(violation.message, "give top-level elements in XML") from None
