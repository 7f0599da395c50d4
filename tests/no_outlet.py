"""The way to a client who is sent nothing beside replies."""

from __future__ import annotations

from collections.abc import Callable


class NoOutlet:
    """Whoever sends by it has not understood the test."""

    def send(self, message: bytes) -> None:
        raise AssertionError(message)

    async def drain(self) -> None:
        raise AssertionError

    def after_reply(self, act: Callable[[], None]) -> None:
        raise AssertionError(act)
