"""The northbound server over SSH for tests, with a user who has a key and a password."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncssh

from casm_ctrl.base.passwords import hash_password
from casm_ctrl.northbound.limits import Limits
from casm_ctrl.northbound.models import Models
from casm_ctrl.northbound.server import Northbound
from casm_ctrl.northbound.ssh.listening import Address, SshNorthbound
from casm_ctrl.service.users import add_user
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from tests.northbound_harness import PATIENCE

if TYPE_CHECKING:
    from ncclient.manager import Manager

USER, PASSWORD = "admin", "correct horse"
HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")
USER_KEY = asyncssh.generate_private_key("ssh-ed25519")
USER_CA = asyncssh.generate_private_key("ssh-ed25519")


def public_line(key: asyncssh.SSHKey) -> str:
    """Type and base64."""
    return " ".join(key.export_public_key().decode().split()[:2])


def add_administrator(database: Database, name: str) -> None:
    """A user who may do everything, with the key and the password."""
    add_user(
        database,
        Author("fixture"),
        name,
        groups=["admin"],
        keys=[public_line(USER_KEY)],
        password_hash=hash_password(PASSWORD, cost=4),
    )


@dataclass(frozen=True)
class SshServed:
    """A server that listens."""

    listening: SshNorthbound
    username: str = USER
    password: str = PASSWORD
    key: asyncssh.SSHKey = USER_KEY

    @property
    def server(self) -> Northbound:
        return self.listening.server

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def port(self) -> int:
        return self.listening.port

    async def connect(
        self,
        *,
        username: str = USER,
        password: str | None = None,
        key: asyncssh.SSHKey | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate] | None = USER_KEY,
    ) -> asyncssh.SSHClientConnection:
        """An SSH connection, by key where no password is given."""
        return await asyncssh.connect(
            self.host,
            self.port,
            username=username,
            password=password,
            client_keys=None if password is not None or key is None else [key],
            known_hosts=None,
            agent_path=None,
            config=None,
        )

    def ncclient(self) -> Manager:
        """A session of ncclient, by password. It blocks: from a thread only."""
        from ncclient import manager  # few tests need it, and all import this module

        return manager.connect(
            host=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            hostkey_verify=False,
            allow_agent=False,
            look_for_keys=False,
            timeout=PATIENCE,
        )


@asynccontextmanager
async def served_over_ssh(
    database: Database, models: Models | None = None, limits: Limits | None = None
) -> AsyncIterator[SshServed]:
    """The server on `database`, to which the user is added."""
    add_administrator(database, USER)
    address = Address(HOST_KEY, "127.0.0.1", 0, (public_line(USER_CA),))
    async with SshNorthbound(Northbound(database, models, limits), address) as listening:
        yield SshServed(listening)
