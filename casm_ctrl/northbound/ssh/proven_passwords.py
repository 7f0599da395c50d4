"""Passwords that were right a little while ago: the next login with one costs no round of bcrypt, and does not wait
behind those who guess.

Tools open a session for each command, and bcrypt takes an eighth of a second of a core. What is kept for a user is a
MAC under a key that this process made and never tells, over the hash in the store and the password: another password
is judged by bcrypt as before, and so is this one as soon as the store has another hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

KEPT = 600.0
"""Seconds after bcrypt has judged."""
MOST_USERS = 1000
"""Users. More, and all are judged anew."""


class ProvenPasswords:
    """For one thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._key = secrets.token_bytes(32)
        self._known: dict[str, tuple[float, bytes]] = {}
        """By the hash, which has a salt of its own: until when, and the MAC."""

    def holds(self, known: str, password: str) -> bool:
        """Whether `password` was found to be that of the hash `known`."""
        until, mac = self._known.get(known, (0.0, b""))
        if self._now() >= until:
            self._known.pop(known, None)
            return False
        return hmac.compare_digest(mac, self._mac(known, password))

    def keep(self, known: str, password: str) -> None:
        """It was."""
        if len(self._known) >= MOST_USERS:
            self._known.clear()
        self._known[known] = (self._now() + KEPT, self._mac(known, password))

    def _mac(self, known: str, password: str) -> bytes:
        text = f"{known}\0{password}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, hashlib.sha256)
