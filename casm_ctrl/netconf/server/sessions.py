"""The table of a server's sessions: their ids, who they are, and how to end them from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, field
from typing import Literal

from casm_ctrl.base.clock import Clock, Micros
from casm_ctrl.netconf.messages import MAX_SESSION_ID


@dataclass
class Counters:
    """What ietf-netconf-monitoring counts of a session, and of all together (RFC 6022, 2.1.4 and 2.1.5)."""

    in_rpcs: int = 0
    """Proper rpc messages."""
    in_bad_rpcs: int = 0
    """Messages that were none."""
    out_rpc_errors: int = 0
    """Replies that held an rpc-error."""
    out_notifications: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(*map(sum, zip(astuple(self), astuple(other), strict=True)))


@dataclass
class SessionEntry:
    """A session and what ietf-netconf-monitoring tells of it (RFC 6022, 2.1.4)."""

    session_id: int
    username: str
    source_host: str
    login_time: Micros
    hang_up: Callable[[], None]
    """Ends the transport at once."""
    counters: Counters = field(default_factory=Counters)


How = Literal["closed", "killed", "dropped", "bad-hello"]
"""How a session ended: by close-session, by kill-session, before its client said hello properly, or otherwise."""


@dataclass
class Statistics:
    """What ietf-netconf-monitoring tells of a server (RFC 6022, 2.1.5), beside what all sessions add up to."""

    started: Micros
    in_sessions: int = 0
    in_bad_hellos: int = 0
    dropped_sessions: int = 0
    """Those that ended neither by close-session nor by kill-session, after a proper hello."""


class Sessions:
    """Sessions by id. `ended` is called once for each, however it ends: its locks are to be released."""

    def __init__(self, clock: Clock, ended: Callable[[int], None], *, first_id: int = 1) -> None:
        self._clock = clock
        self._ended = ended
        self._entries: dict[int, SessionEntry] = {}
        self._of_ended = Counters()
        self.statistics = Statistics(clock.now())
        self.next_id = first_id

    def __iter__(self) -> Iterator[SessionEntry]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, session_id: int) -> SessionEntry | None:
        return self._entries.get(session_id)

    @property
    def counters(self) -> Counters:
        """Of all sessions together, those that ended among them."""
        return sum((entry.counters for entry in self), self._of_ended)

    def open(self, username: str, source_host: str, hang_up: Callable[[], None]) -> SessionEntry:
        """A new session, with an id that no live session has."""
        while self.next_id in self._entries:
            self.next_id = self.next_id % MAX_SESSION_ID + 1
        entry = SessionEntry(self.next_id, username, source_host, self._clock.now(), hang_up)
        self._entries[entry.session_id] = entry
        self.statistics.in_sessions += 1
        self.next_id = self.next_id % MAX_SESSION_ID + 1
        return entry

    def end(self, session_id: int, how: How = "closed") -> None:
        """Forget a session; a second call does nothing."""
        entry = self._entries.pop(session_id, None)
        if entry is None:
            return
        self._of_ended += entry.counters
        self.statistics.in_bad_hellos += how == "bad-hello"
        self.statistics.dropped_sessions += how == "dropped"
        self._ended(session_id)

    def kill(self, session_id: int) -> bool:
        """End a session from outside: first its locks are released, then it is hung up. False: no such."""
        entry = self._entries.get(session_id)
        if entry is None:
            return False
        self.end(session_id, "killed")
        entry.hang_up()
        return True
