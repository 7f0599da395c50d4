"""Places that users take: so many in all, and so many of one user. Pure."""

from __future__ import annotations

from collections import Counter


class Places:
    """Every `enter` that gave no reason against it is followed by one `leave`."""

    def __init__(self, most: int, most_of_user: int, what: str) -> None:
        """`what` they are, in the plural."""
        self._most = most
        self._most_of_user = most_of_user
        self._what = what
        self._taken: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._taken.total()

    def enter(self, username: str) -> str | None:
        """Take a place; or why there is none, for the client."""
        if len(self) >= self._most:
            return f"the server has as many {self._what} as it takes: try again later"
        if self._taken[username] >= self._most_of_user:
            return f"{username} has as many {self._what} as one user may: end some"
        self._taken[username] += 1
        return None

    def leave(self, username: str) -> None:
        self._taken[username] -= 1
        if not self._taken[username]:
            del self._taken[username]
