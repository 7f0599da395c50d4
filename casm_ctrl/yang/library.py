"""YANG texts kept on disk by name, revision and content, for all devices of a user.

    modules/NAME/REVISION/SHA256.yang     each text once, whichever devices have it
    sets/DIGEST/NAME@REVISION.yang        links: the texts of one device, as compilers look for them
    devices/KEY.json                      which texts a device had when it was last asked

Everything is written under another name first and renamed, so that several processes may share it and a crash
leaves nothing half-written. A text that is not what its name says is as good as missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from casm_ctrl.base.errors import NotSupported, YangInvalid
from casm_ctrl.yang.header import Header, Import, is_identifier, read_header

VARIABLE = "CASM_YANG_CACHE"
"""Environment variable that names the folder."""

LARGEST = 32 << 20
"""Octets of a text that is kept; the largest published modules have a few million."""

_NO_REVISION = "none"
_REVISION = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class KeptText:
    """One text. `hash` is the SHA-256 of its octets in hexadecimal."""

    name: str
    revision: str | None
    hash: str
    path: Path

    @cached_property
    def header(self) -> Header:
        return read_header(self.path.read_text(encoding="utf-8"))

    @property
    def file_name(self) -> str:
        return f"{Import(self.name, self.revision)}.yang"


@dataclass(frozen=True)
class RecordedModule:
    """A module that a device needs. `origin`: `device`, `yang-path` or `package`."""

    name: str
    revision: str | None
    hash: str
    origin: str


@dataclass(frozen=True)
class DeviceRecord:
    """What was found for a device. `announced` names the announcement that it was found for."""

    announced: str
    modules: tuple[RecordedModule, ...]


class Library:
    """NotSupported where the folder cannot be read or written."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_folder() if folder is None else folder

    # --- Texts ------------------------------------------------------------------------------------

    def keep(self, text: bytes) -> KeptText:
        """Store a text, where it is not stored yet. YangInvalid where it is no YANG module, or too large.

        White space around it does not count: a reply in XML may add some.
        """
        text = text.strip() + b"\n"
        if len(text) > LARGEST:
            raise YangInvalid(f"the text has {len(text)} octets, more than {LARGEST}", "give a smaller one")
        try:
            header = read_header(text.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise YangInvalid(f"the text is not UTF-8 (octet {error.start})", "give it as UTF-8") from error
        kept = self._kept(header.name, header.revision, hashlib.sha256(text).hexdigest())
        if self.get(kept.name, kept.revision, kept.hash) is None:
            self._write(kept.path, text)
        return kept

    def find(self, name: str, revision: str | None) -> tuple[KeptText, ...]:
        """All texts of that name and revision, good ones only."""
        folder = self._folder(name, revision)
        if folder is None or not folder.is_dir():
            return ()
        with self._reported():
            hashes = sorted(path.stem for path in folder.glob("*.yang"))
        return tuple(kept for text in hashes if (kept := self.get(name, revision, text)) is not None)

    def is_only(self, name: str, revision: str | None) -> bool:
        """True where one text at most has that name and revision, good or not."""
        folder = self._folder(name, revision)
        if folder is None or not folder.is_dir():
            return True
        with self._reported():
            return sum(1 for _ in folder.glob("*.yang")) <= 1

    def get(self, name: str, revision: str | None, hash: str) -> KeptText | None:  # noqa: A002 - its word
        """The text; None where it is missing or is not what it was."""
        if self._folder(name, revision) is None or not _HASH.match(hash):
            return None
        kept = self._kept(name, revision, hash)
        try:
            good = hashlib.sha256(kept.path.read_bytes()).hexdigest() == hash
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._trouble(error) from error
        return kept if good else None

    def gather(self, texts: Iterable[KeptText]) -> Path:
        """A folder that holds exactly these texts, named as compilers look for them (RFC 7950, 5.2)."""
        chosen = {kept.file_name: kept for kept in texts}
        names = "".join(f"{name} {kept.hash}\n" for name, kept in sorted(chosen.items()))
        target = self.folder / "sets" / hashlib.sha256(names.encode()).hexdigest()
        if target.is_dir():
            return target
        with self._reported():
            target.parent.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
            for name, kept in chosen.items():
                (made / name).symlink_to(os.path.relpath(kept.path, target))
            try:
                made.rename(target)
            except OSError:
                for link in made.iterdir():
                    link.unlink()
                made.rmdir()
                if not target.is_dir():  # else somebody was faster, with the same links
                    raise
        return target

    # --- Devices ----------------------------------------------------------------------------------

    def remember(self, key: str, record: DeviceRecord) -> None:
        """`key` names the device among all devices of all stores."""
        self._write(self._record(key), json.dumps(asdict(record), indent=1).encode())

    def recall(self, key: str) -> DeviceRecord | None:
        """None where nothing, or nothing that can be read, is remembered."""
        try:
            found = json.loads(self._record(key).read_bytes())
            return DeviceRecord(
                str(found["announced"]),
                tuple(RecordedModule(**module) for module in found["modules"]),
            )
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):
            return None  # written by another version of this program
        except OSError as error:
            raise self._trouble(error) from error

    # --- Files ------------------------------------------------------------------------------------

    def _record(self, key: str) -> Path:
        return self.folder / "devices" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"

    def _folder(self, name: str, revision: str | None) -> Path | None:
        """None for what cannot be the name of a folder: it would lead elsewhere."""
        if not is_identifier(name) or (revision is not None and not _REVISION.match(revision)):
            return None
        return self.folder / "modules" / name / (revision or _NO_REVISION)

    def _kept(self, name: str, revision: str | None, hash: str) -> KeptText:  # noqa: A002
        folder = self._folder(name, revision)
        assert folder is not None
        return KeptText(name, revision, hash, folder / f"{hash}.yang")

    def _write(self, path: Path, content: bytes) -> None:
        with self._reported():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, made = tempfile.mkstemp(prefix=".new-", dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                Path(made).replace(path)
            except BaseException:
                Path(made).unlink(missing_ok=True)
                raise

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._trouble(error) from error

    def _trouble(self, error: OSError) -> NotSupported:
        return NotSupported(
            f"the cache of YANG modules in {self.folder} cannot be used: {error.strerror or error}",
            f"let {VARIABLE} name a folder that you may write to",
        )


def default_folder() -> Path:
    """`CASM_YANG_CACHE`, else `casm/yang` in the user's folder for caches (XDG Base Directory)."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    caches = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(caches) if caches else Path.home() / ".cache") / "casm" / "yang"
    except RuntimeError as error:
        raise NotSupported(
            "there is no home folder to cache YANG modules in", f"let {VARIABLE} name a folder"
        ) from error
