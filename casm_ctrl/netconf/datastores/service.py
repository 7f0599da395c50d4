"""What the operations of RFC 6241 need of a server's datastores, wherever these are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from casm_ctrl.base.clock import Micros
from casm_ctrl.netconf.names import Element


@dataclass(frozen=True)
class HeldLock:
    """The lock of a whole datastore (RFC 6241, 7.5). `session_id` is 0 where no session of ours holds it."""

    session_id: int
    since: Micros


class DatastoreService(Protocol):
    """Errors are RpcError, RpcErrors or CasmError; a failed operation has changed nothing."""

    def get_config(self, source: str, subtree: Element | None = None) -> list[Element]: ...

    def edit_config(
        self,
        session_id: int,
        target: str,
        config: Element,
        default_operation: str = "merge",
        test_option: str | None = None,
        error_option: str = "stop-on-error",
    ) -> None: ...

    def copy_config(self, session_id: int, target: str, source: str | Element) -> None: ...

    def delete_config(self, session_id: int, target: str) -> None: ...

    def validate(self, source: str | Element) -> None: ...

    def lock(self, session_id: int, target: str) -> None: ...

    def unlock(self, session_id: int, target: str) -> None: ...

    def commit(
        self,
        session_id: int,
        confirmed: bool = False,
        confirm_timeout: int = 600,
        persist: str | None = None,
        persist_id: str | None = None,
    ) -> None: ...

    def cancel_commit(self, session_id: int, persist_id: str | None = None) -> None: ...

    def discard_changes(self, session_id: int) -> None: ...
