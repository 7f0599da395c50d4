"""The NETCONF clients by name: a device may name the one that it needs."""

from __future__ import annotations

CLIENTS = ("asyncssh", "ncclient")
DEFAULT_CLIENT = "asyncssh"
