"""A plan that is kept: JSON with the edit of each device and what it stands on, and a digest over all of it.

The digest finds damage and careless editing. It is no signature: what keeps a forged edit from being sent is
that apply works the edit out again, and sends the planned one only where both are the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree

from casm_ctrl.base.clock import Micros, from_rfc3339, to_rfc3339
from casm_ctrl.base.errors import CasmError, InvalidValue, NotFound, NotSupported
from casm_ctrl.drivers.interface import Element
from casm_ctrl.netconf.messages import parse_document
from casm_ctrl.netconf.names import nc
from casm_ctrl.service.verb import Document
from casm_ctrl.sync.basis import DeviceBasis, StoreBasis
from casm_ctrl.sync.visit import digest

VERSION = 1
"""The format that is written, and the newest that is read."""

_MODE = 0o600
"""A plan shows addresses and names of a network: it is its owner's."""


@dataclass(frozen=True)
class DevicePlan:
    """What is to be sent to one device, and what that stands on. `edit` is empty where nothing is to be done.

    `changes` are in words, as `casm plan` shows them; nothing is taken from them. `generation` is the number
    of this edit of the device, which is in the marks that the edit writes.
    """

    device: str
    generation: int
    edit: str
    changes: tuple[Document, ...]
    store: StoreBasis
    running: DeviceBasis

    @property
    def meaning(self) -> str:
        """The digest of the edit: two that are laid out otherwise and say the same have one."""
        return edit_digest(self.edit)

    def document(self) -> Document:
        return {
            "name": self.device,
            "generation": str(self.generation),
            **({"edit-config": self.edit} if self.edit else {}),
            "change": list(self.changes),
            "store": self.store.document(),
            "running": self.running.document(),
        }

    @staticmethod
    def read(document: Document) -> DevicePlan:
        return DevicePlan(
            device=str(document["name"]),
            generation=int(document["generation"]),
            edit=str(document.get("edit-config", "")),
            changes=tuple(dict(change) for change in document["change"]),
            store=StoreBasis.read(document["store"]),
            running=DeviceBasis.read(document["running"]),
        )


@dataclass(frozen=True)
class Plan:
    """Plans for devices, each on its own, of one look at one store. `zombies`: made with --remove-zombies."""

    store_id: str
    config_revision: int
    created_at: Micros
    created_by: str
    zombies: bool
    devices: Mapping[str, DevicePlan]

    def document(self) -> Document:
        return {
            "casm-plan": VERSION,
            "store-id": self.store_id,
            "config-revision": str(self.config_revision),
            "created-at": to_rfc3339(self.created_at),
            "created-by": self.created_by,
            "remove-zombies": self.zombies,
            "device": [self.devices[name].document() for name in sorted(self.devices)],
        }

    @property
    def digest(self) -> str:
        """SHA-256 over what the plan says."""
        return _digest(self.document())

    @property
    def short_id(self) -> str:
        """Names the plan in the audit: the beginning of its digest."""
        return self.digest.partition(":")[2][:12]


def write_plan(path: Path, plan: Plan) -> None:
    """Put the plan at `path`, whole or not at all, readable by its owner only. InvalidValue where that fails."""
    text = json.dumps({**plan.document(), "digest": plan.digest}, indent=2, ensure_ascii=False) + "\n"
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), _MODE)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise InvalidValue(
            f"the plan cannot be written to '{path}': {error.strerror}", "name a file that can be written"
        ) from error


def read_plan(path: Path) -> Plan:
    """The plan at `path`. NotFound, NotSupported (a newer format), InvalidValue (damaged, edited, no plan)."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(f"there is no plan '{path}'", "make one with 'casm plan --out FILE'") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"the plan '{path}' cannot be read: {error}", "name another file") from error
    return parse_plan(text, str(path))


def parse_plan(text: str, name: str) -> Plan:
    """See `read_plan`; `name` is for messages."""
    again = "make one with 'casm plan --out FILE'"
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidValue(f"'{name}' is no plan, or only a part of one: it is not JSON", again) from None
    version = document.get("casm-plan") if isinstance(document, dict) else None
    if not isinstance(version, int) or version < 1:
        raise InvalidValue(f"'{name}' is no plan of ours", again)
    if version > VERSION:
        raise NotSupported(
            f"the plan '{name}' has format {version}, and this program knows {VERSION} at the latest",
            "apply it with the program that wrote it, or make a new one",
        )
    if document.pop("digest", None) != _digest(document):
        raise InvalidValue(
            f"the plan '{name}' is damaged, or was edited: its digest does not fit", "make a new one"
        )
    try:
        plan = _read(document)
    except (KeyError, TypeError, ValueError, AttributeError, CasmError) as error:
        raise InvalidValue(f"the plan '{name}' cannot be understood: {error!r}", "make a new one") from error
    return plan


def _read(document: Document) -> Plan:
    plans = [DevicePlan.read(entry) for entry in document["device"]]
    for plan in plans:
        _ = plan.meaning  # an edit that is no XML is found before any device is entered
    return Plan(
        store_id=str(document["store-id"]),
        config_revision=int(document["config-revision"]),
        created_at=from_rfc3339(document["created-at"]),
        created_by=str(document["created-by"]),
        zombies=bool(document["remove-zombies"]),
        devices={plan.device: plan for plan in plans},
    )


def _digest(document: Document) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode('utf-8', 'surrogatepass')).hexdigest()}"


def edit_digest(edit: str) -> str:
    """Over what an edit means, as `show_edit` lays it out; '' where there is none."""
    return digest(parse_document(edit.encode())) if edit else ""


def show_edit(config: tuple[Element, ...]) -> str:
    """An edit as a person reads it, and as it is kept: `<config>` around it, indented. '' where it is empty."""
    if not config:
        return ""
    root: Any = etree.Element(nc("config"), nsmap={"nc": nc("")[1:-1]})
    for element in config:
        root.append(etree.fromstring(etree.tostring(element)))
    etree.indent(root)
    return str(etree.tostring(root, encoding="unicode"))
