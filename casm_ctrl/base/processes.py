"""Which process something belongs to, so that another on the same machine sees when it is gone.

A process id alone is given out again: with the time of its start it is one process, for as long as the machine
runs. Machines are told apart by their boot and by the process namespace, as containers have their own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_START = 19
"""Where the time of start stands in /proc/PID/stat, behind the name in parentheses (proc(5), field 22)."""


@dataclass(frozen=True)
class Process:
    """`machine`: a boot and a process namespace of it. `id`: the process id and when it started."""

    machine: str
    id: str

    def is_gone(self) -> bool:
        """True where it is known to have ended; of another machine that is not known."""
        return self.machine == this_machine() and _describe(self.id.partition("/")[0]) != self.id


def this_process() -> Process:
    return Process(this_machine(), _describe(str(os.getpid())) or str(os.getpid()))


@cache
def this_machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it is no path


def _describe(pid: str) -> str | None:
    """The id of the process that has the number now; None where none has, or one that has ended."""
    try:
        fields = Path("/proc", pid, "stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2]
    except OSError:
        return None
    state, *rest = fields.split()
    return None if state in "ZX" else f"{pid}/{rest[_START - 1]}"
