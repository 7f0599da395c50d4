"""Which host key a device must present: the recorded one, else one of the user's known_hosts.

Strict by default. `accept_new` is OpenSSH's StrictHostKeyChecking=accept-new: it takes a key where
nothing is known about the host, and never one that differs from what is known.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from casm_ctrl.base.errors import HostKeyRefused, InvalidValue
from casm_ctrl.base.fingerprints import fingerprint_of
from casm_ctrl.netconf.client.session import Target

_SSH_PORT = 22
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True)
class HostKey:
    """A public key: its type, and its SSH encoding (RFC 4253, 6.6)."""

    type: str
    blob: bytes

    @staticmethod
    def parse(text: str) -> HostKey:
        """`ssh-ed25519 AAAA… comment`; InvalidValue where it is not of that form."""
        key = _parse_key(text)
        if key is None:
            raise InvalidValue(
                f"'{text}' is not a host key", "write its type and base64: the line that ssh-keyscan prints"
            )
        return key

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen -l prints it: SHA256:…"""
        return fingerprint_of(self.blob)

    def __str__(self) -> str:
        return f"{self.type} {base64.b64encode(self.blob).decode()}"


def _parse_key(text: str) -> HostKey | None:
    fields = text.split()
    if len(fields) < 2:
        return None
    try:
        blob = base64.b64decode(fields[1], validate=True)
    except binascii.Error:
        return None
    name = fields[0].encode()
    return HostKey(fields[0], blob) if blob.startswith(len(name).to_bytes(4) + name) else None


# --- known_hosts ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Entry:
    hosts: str
    key: HostKey
    revoked: bool

    def names(self, name: str) -> bool:
        if self.hosts.startswith("|1|"):
            return _hashed_matches(self.hosts, name)
        patterns = self.hosts.split(",")
        if any(p.startswith("!") and _matches(p[1:], name) for p in patterns):
            return False
        return any(_matches(p, name) for p in patterns if not p.startswith("!"))


@dataclass(frozen=True)
class KnownHosts:
    """A known_hosts file (sshd(8)): plain, wildcard and hashed names, `[host]:port`, `@revoked`.

    Certificate authorities are not supported; such lines, and lines that cannot be read, are passed over,
    as OpenSSH does: at worst a host counts as unknown.
    """

    entries: tuple[_Entry, ...] = ()

    @staticmethod
    def parse(text: str) -> KnownHosts:
        return KnownHosts(tuple(filter(None, map(_parse_entry, text.splitlines()))))

    @staticmethod
    def of_user() -> KnownHosts:
        """~/.ssh/known_hosts; nobody is known where it cannot be read."""
        try:
            return _parse_once((Path.home() / ".ssh/known_hosts").read_text(errors="replace"))
        except OSError:
            return KnownHosts()

    def keys(self, host: str, port: int) -> frozenset[HostKey]:
        """The keys that stand beside this very host and port."""
        name = _host_name(host, port)
        return frozenset(e.key for e in self.entries if not e.revoked and e.names(name))

    def keys_of_host(self, host: str) -> frozenset[HostKey]:
        """The keys that stand beside the host without a port."""
        return self.keys(host, _SSH_PORT)

    def revoked(self, host: str, port: int) -> frozenset[HostKey]:
        """The keys that must not be taken from this host."""
        names = {_host_name(host, port), host}
        return frozenset(e.key for e in self.entries if e.revoked and any(map(e.names, names)))


@lru_cache(maxsize=1)
def _parse_once(text: str) -> KnownHosts:
    """A thousand sessions are opened with one and the same text."""
    return KnownHosts.parse(text)


def _parse_entry(line: str) -> _Entry | None:
    fields = line.split()
    marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
    if len(fields) < 3 or fields[0].startswith("#") or marker not in ("", "@revoked"):
        return None
    key = _parse_key(" ".join(fields[1:3]))
    return _Entry(fields[0], key, bool(marker)) if key is not None else None


def _host_name(host: str, port: int) -> str:
    return host.lower() if port == _SSH_PORT else f"[{host.lower()}]:{port}"


def _matches(pattern: str, name: str) -> bool:
    expression = re.escape(pattern.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, name) is not None


def _hashed_matches(hashed: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hashed[3:].split("|"))
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


# --- The decision ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trust:
    """Which host keys one target may present."""

    target: Target
    recorded: HostKey | None
    known: frozenset[HostKey]
    """From known_hosts, for this host and port."""
    elsewhere: frozenset[HostKey]
    """From known_hosts, for the host without its port: proof for a key, and none against one."""
    revoked: frozenset[HostKey]

    @staticmethod
    def of(target: Target, known_hosts: KnownHosts) -> Trust:
        """InvalidValue where the recorded key cannot be read."""
        host, port = target.host, target.port
        revoked = known_hosts.revoked(host, port)
        if target.host_key:  # nothing else counts, and hashed names are slow to compare
            return Trust(target, HostKey.parse(target.host_key), frozenset(), frozenset(), revoked)
        return Trust(target, None, known_hosts.keys(host, port), known_hosts.keys_of_host(host), revoked)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The signature algorithms to offer, so that the device presents a key that can be compared; empty
        where any will do."""
        if self.recorded is not None:
            return _algorithms([self.recorded])
        return _algorithms(sorted(self.known, key=lambda key: key.type))

    def check(self, presented: HostKey) -> None:
        """HostKeyRefused where the key is not to be trusted."""
        shown = f"{presented.type} {presented.fingerprint}"
        if presented in self.revoked:
            raise HostKeyRefused(
                f"{self.target} presents a host key that known_hosts revokes: {shown}",
                "do not connect; find out who answers there",
            )
        if self.recorded is not None:
            if presented != self.recorded:
                raise self._changed(f"{shown}, not the recorded {self.recorded.fingerprint}", presented)
        elif self.known:
            if presented not in self.known:
                raise self._changed(f"{shown}, which is not the one in known_hosts", presented)
        elif presented not in self.elsewhere and not self.target.accept_new:
            raise HostKeyRefused(
                f"{self.target} presents a host key that is not known: {shown}",
                "compare the fingerprint with the device's, then use --accept-new, "
                "or record the key: casm device replace DEVICE --host-key KEY --reason WHY",
            )

    def missing(self, why: str) -> HostKeyRefused:
        """For a device that has no key of the types that are known."""
        types = ", ".join(sorted({key.type for key in ([self.recorded] if self.recorded else self.known)}))
        return self._changed(f"none of the known type {types} ({why})")

    def _changed(self, what: str, presented: HostKey | None = None) -> HostKeyRefused:
        return HostKeyRefused(
            f"the host key of {self.target} has changed: it presents {what}",
            "someone may be in between, or the device was replaced: compare the fingerprint on the device, "
            "then record the new key: casm device replace",
            presented=None if presented is None else str(presented),
            changed=self.recorded is not None,
        )


def _algorithms(keys: Iterable[HostKey]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for key in keys for name in _ALGORITHMS.get(key.type, (key.type,))))
