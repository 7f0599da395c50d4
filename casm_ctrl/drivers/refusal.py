"""What a device model has no words for, said the same way by every driver."""

from __future__ import annotations

from collections.abc import Collection

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.errors import NotSupported
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.drivers.interface import Announcement, WantedBlock, WantedPool


def cannot_pool(model: str, pool: WantedPool, asked: str, remedy: str) -> NotSupported:
    """`the pool 'internet' wants <asked>, and <model> has no words for that`."""
    return NotSupported(f"the pool '{pool.name}' wants {asked}, and {model} has no words for that", remedy)


def cannot_block(model: str, pool: WantedPool, block: WantedBlock, asked: str, remedy: str) -> NotSupported:
    """`b12 (192.0.2.0/24) in pool 'internet' <asked>, and <model> has no words for that`."""
    return NotSupported(
        f"{block_id(block.number)} ({block.prefix}) in pool '{pool.name}' {asked}, and {model} has no"
        " words for that",
        remedy,
    )


def check_announcement(model: str, pool: WantedPool, able: Collection[Announcement]) -> None:
    """NotSupported where the device pool is announced in a way of which the driver is not `able`.

    NONE and EXTERNAL ask nothing of a device.
    """
    free = (Announcement.NONE, Announcement.EXTERNAL)
    if pool.announcement not in (*free, *able):
        words = ", ".join(announcement.value for announcement in (*free, *able))
        raise cannot_pool(
            model, pool, f"announcement '{pool.announcement.value}'", f"choose one of {words} for its routes"
        )


def check_whole_addresses(model: str, pool: WantedPool, block: WantedBlock) -> None:
    """NotSupported where the block is a port set (RFC 7597, 5.1)."""
    if block.prefix.family is Family.PORTS:
        raise cannot_block(
            model,
            pool,
            block,
            "is a port set",
            "release it, and give the device pool a length of 32 or less",
        )
