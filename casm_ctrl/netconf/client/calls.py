"""The operations of a session as typed calls, one method each."""

from __future__ import annotations

from collections.abc import Iterable

from casm_ctrl.base.errors import ProtocolViolation
from casm_ctrl.netconf.client import operations
from casm_ctrl.netconf.client.session import Session
from casm_ctrl.netconf.names import MONITORING, Element, nc


class Client:
    """What `session` can be asked. Errors are those of `Session.rpc`."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def get(self, subtree: Iterable[Element] = ()) -> Element:
        """The `<data>` of running configuration and state."""
        return self._output(await self.session.rpc(operations.get(subtree)), nc("data"))

    async def get_config(self, source: str = "running", subtree: Iterable[Element] = ()) -> Element:
        """The `<data>` of one datastore."""
        return self._output(await self.session.rpc(operations.get_config(source, subtree)), nc("data"))

    async def edit_config(
        self, target: str, config: Iterable[Element], *, default_operation: str = "merge"
    ) -> None:
        """Change a datastore, tested first and undone on an error where the device offers that."""
        has = self.session.capabilities.has
        await self.session.rpc(
            operations.edit_config(
                target,
                config,
                default_operation=default_operation,
                test_option="test-then-set" if has(":validate") else None,
                error_option="rollback-on-error" if has(":rollback-on-error") else None,
            )
        )

    async def copy_config(self, source: str, target: str) -> None:
        await self.session.rpc(operations.copy_config(source, target))

    async def lock(self, target: str) -> None:
        """LockDenied where somebody else holds it, with the session-id where the device tells."""
        await self.session.rpc(operations.lock(target))

    async def unlock(self, target: str) -> None:
        await self.session.rpc(operations.unlock(target))

    async def commit(
        self,
        *,
        confirmed: bool = False,
        confirm_timeout: int | None = None,
        persist: str | None = None,
        persist_id: str | None = None,
    ) -> None:
        """Commit the candidate; `persist_id` alone confirms a pending commit of any session."""
        await self.session.rpc(
            operations.commit(
                confirmed=confirmed, confirm_timeout=confirm_timeout, persist=persist, persist_id=persist_id
            )
        )

    async def cancel_commit(self, persist_id: str | None = None) -> None:
        await self.session.rpc(operations.cancel_commit(persist_id))

    async def discard_changes(self) -> None:
        await self.session.rpc(operations.discard_changes())

    async def validate(self, source: str) -> None:
        await self.session.rpc(operations.validate(source))

    async def kill_session(self, session_id: int) -> None:
        await self.session.rpc(operations.kill_session(session_id))

    async def get_schema(self, identifier: str, version: str | None = None) -> str:
        """The text of a YANG module that the device holds."""
        reply = await self.session.rpc(operations.get_schema(identifier, version))
        return "".join(map(str, self._output(reply, f"{{{MONITORING}}}data").itertext()))

    def _output(self, reply: Element, tag: str) -> Element:
        data = reply.find(tag)
        if data is None:
            raise ProtocolViolation(
                f"{self.session.target} answered without <data>", "check the device's NETCONF server"
            )
        return data
