"""Promise 1 on SQLite: triggers that look at the predecessor only.

The rows that exist are disjoint, so the row with the greatest first address at or below the new one's last is the
only one to ask.
"""

from __future__ import annotations


def _disjoint(table: str, name: str, scope: str, new_scope: str, when: str = "1") -> list[str]:
    """Triggers that keep the ranges of `table` disjoint among the rows that `scope` selects."""
    check = f"""
        SELECT RAISE(ABORT, 'casm: overlap in {name}')
        WHERE (SELECT other.last FROM {table} AS other
               WHERE {scope} AND other.family = NEW.family AND other.first <= NEW.last AND other.id != NEW.id
               ORDER BY other.first DESC LIMIT 1) >= NEW.first;
    """
    return [
        f"CREATE TRIGGER {name}_{event} BEFORE {clause} ON {table} WHEN {when} BEGIN {check} END"
        for event, clause in (("insert", "INSERT"), ("update", f"UPDATE OF first, last, family, {new_scope}"))
    ]


_ADDRESS = "substr({row}.first, 1, 14)"
"""The address of a port set: its key without the 16 port bits."""


def _one_owner() -> list[str]:
    """Triggers that keep all port sets of one address with one owner. The rows that exist agree, so the
    neighbours on both sides are the only ones to ask."""
    sides = [("<=", "DESC"), (">=", "ASC")]
    checks = "".join(
        f"""
        SELECT RAISE(ABORT, 'casm: overlap: the address is shared by another owner')
        WHERE (SELECT other.owner_id FROM block AS other
               WHERE other.space_id = NEW.space_id AND other.family = 4 AND other.id != NEW.id
               AND other.first {side} NEW.first AND {_ADDRESS.format(row="other")} = {_ADDRESS.format(row="NEW")}
               ORDER BY other.first {order} LIMIT 1) != NEW.owner_id;
        """
        for side, order in sides
    )
    return [
        f"CREATE TRIGGER block_one_owner_{event} BEFORE {clause} ON block WHEN NEW.shared = 1 BEGIN {checks} END"
        for event, clause in (("insert", "INSERT"), ("update", "UPDATE OF first, owner_id, shared, space_id"))
    ]


def sqlite_constraints() -> list[str]:
    """Promise 1: the last word on overlap."""
    return [
        *_disjoint("block", "block_in_space", "other.space_id = NEW.space_id", "space_id"),
        *_disjoint("block", "block_public_in_all", "other.public = 1", "public", when="NEW.public = 1"),
        *_disjoint("pool_prefix", "prefix_in_space", "other.space_id = NEW.space_id", "space_id"),
        *_disjoint(
            "pool_prefix", "prefix_public_in_all", "other.public = 1", "public", when="NEW.public = 1"
        ),
        *_disjoint("carve", "carve_in_pool", "other.pool_id = NEW.pool_id", "pool_id"),
        *_one_owner(),
    ]
