"""What simulated devices remember from one process to the next: one JSON file for all of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from casm_ctrl.base.errors import InvalidValue


@dataclass(frozen=True)
class Saved:
    """One device. Configurations are top-level elements in XML, the key is PKCS #8 in PEM."""

    running: bytes | None = None
    startup: bytes | None = None
    host_key: bytes | None = None


class Flash:
    """A file, or nothing at all where `path` is None."""

    def __init__(self, path: Path | None = None) -> None:
        """InvalidValue where the file is there and is not ours."""
        self._path = path
        self._devices: dict[str, dict[str, str]] = {}
        if path is not None and path.exists():
            try:
                self._devices = json.loads(path.read_text(encoding="utf-8"))["devices"]
            except (ValueError, KeyError, TypeError):
                raise InvalidValue(f"{path} is no state file of the simulator", "name another file") from None

    @property
    def keeps(self) -> bool:
        return self._path is not None

    def load(self, name: str) -> Saved:
        """What the device of that name saved last; all None where it never did."""
        saved = {key: value.encode() for key, value in self._devices.get(name, {}).items()}
        return Saved(saved.get("running"), saved.get("startup"), saved.get("host-key"))

    def save(self, name: str, saved: Saved) -> None:
        """Write the file anew where something changed; a reader sees the old file or the new one."""
        if self._path is None:
            return
        pairs = (("running", saved.running), ("startup", saved.startup), ("host-key", saved.host_key))
        document = {key: value.decode() for key, value in pairs if value is not None}
        if document == self._devices.get(name):
            return
        self._devices[name] = document
        written = self._path.with_name(self._path.name + ".new")
        written.touch(mode=0o600)
        written.write_text(json.dumps({"devices": self._devices}), encoding="utf-8")
        written.replace(self._path)
