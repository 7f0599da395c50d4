"""Completion of names from the store, for the shell. Silent where there is no store, or anything fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from casm_ctrl.store.database import Database

_MOST = 200
"""More names than a person looks through are left out."""


def _from_store(ctx: typer.Context, incomplete: str, find: Callable[[Database], Iterable[str]]) -> list[str]:
    try:
        from casm_ctrl.cli.options import default_url
        from casm_ctrl.store.database import open_database

        named = ctx.params.get("database") or ctx.find_root().params.get("database")
        database = open_database(named or default_url())
        try:
            return [name for name in find(database) if name.startswith(incomplete)][:_MOST]
        finally:
            database.close()
    except Exception:  # a shell waits for names: it has no place for errors
        return []


def spaces(ctx: typer.Context, incomplete: str) -> list[str]:
    def find(database: Database) -> Iterable[str]:
        from casm_ctrl.store.spaces import list_spaces

        with database.read() as tx:
            return [row.name for row in list_spaces(tx)]

    return _from_store(ctx, incomplete, find)


def pools(ctx: typer.Context, incomplete: str) -> list[str]:
    def find(database: Database) -> Iterable[str]:
        from casm_ctrl.store.pools import list_pools

        with database.read() as tx:
            return [row.name for row in list_pools(tx)]

    return _from_store(ctx, incomplete, find)


def devices(ctx: typer.Context, incomplete: str) -> list[str]:
    def find(database: Database) -> Iterable[str]:
        from casm_ctrl.store.devices import list_devices

        with database.read() as tx:
            return [row.name for row in list_devices(tx)]

    return _from_store(ctx, incomplete, find)


def groups(ctx: typer.Context, incomplete: str) -> list[str]:
    def find(database: Database) -> Iterable[str]:
        from casm_ctrl.store.owners import list_groups

        with database.read() as tx:
            return [row.name for row in list_groups(tx)]

    return _from_store(ctx, incomplete, find)


def device_pools(ctx: typer.Context, incomplete: str) -> list[str]:
    def find(database: Database) -> Iterable[str]:
        from casm_ctrl.store.devices import list_device_pools

        with database.read() as tx:
            return [row.label for row in list_device_pools(tx)]

    return _from_store(ctx, incomplete, find)


def blocks(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids; prefixes too, once a digit shows that one is being typed."""

    def find(database: Database) -> Iterable[str]:
        from casm_ctrl.store.blocks import list_blocks

        with database.read() as tx:
            rows = list_blocks(tx)
            return [row.name if incomplete[:1] in ("", "b") else str(row.prefix) for row in rows]

    return _from_store(ctx, incomplete, find)


def drivers(incomplete: str) -> list[str]:
    try:
        from casm_ctrl.drivers.registry import driver_names

        return [name for name in driver_names() if name.startswith(incomplete)]
    except Exception:
        return []


def forecast_subjects(ctx: typer.Context, incomplete: str) -> list[str]:
    """Device pools, devices, pools and address spaces."""
    found = [*device_pools(ctx, incomplete), *devices(ctx, incomplete), *pools(ctx, incomplete)]
    return [*found, *spaces(ctx, incomplete)]


def usage_subjects(ctx: typer.Context, incomplete: str) -> list[str]:
    """Device pools, devices and pools."""
    return [*device_pools(ctx, incomplete), *devices(ctx, incomplete), *pools(ctx, incomplete)]


def why_subjects(ctx: typer.Context, incomplete: str) -> list[str]:
    """Device pools and blocks."""
    return [*device_pools(ctx, incomplete), *blocks(ctx, incomplete)]


def alarms(ctx: typer.Context, incomplete: str) -> list[str]:
    """Short names, the latest change first."""

    def find(database: Database) -> Iterable[str]:
        from casm_ctrl.store.alarms import list_alarms

        with database.read() as tx:
            return [f"a{row.id}" for row in list_alarms(tx, shelved=None)]

    return _from_store(ctx, incomplete, find)


def shelves(ctx: typer.Context, incomplete: str) -> list[str]:
    def find(database: Database) -> Iterable[str]:
        from casm_ctrl.service.alarm_shelves import list_shelves

        return [shelf["name"] for shelf in list_shelves(database)]

    return _from_store(ctx, incomplete, find)


def alarm_types(incomplete: str) -> list[str]:
    from casm_ctrl.service.alarm_types import TYPES

    return [name for name in TYPES if name.startswith(incomplete)]


def severities(incomplete: str) -> list[str]:
    from casm_ctrl.service.alarm_types import SEVERITIES

    return [name for name in SEVERITIES if name.startswith(incomplete)]
