"""The first schema.

Addresses are 16 bytes, most significant first, so byte order is address order; times are microseconds
UTC. The tables are written in SQLite's dialect, by theme in the modules beside this folder; each refers to
those before it. Promise 1 is kept by triggers on SQLite, by exclusion constraints on PostgreSQL.
"""

from __future__ import annotations

from alembic import op

from casm_ctrl.store.migrations.alarm_tables import ALARM_TABLES
from casm_ctrl.store.migrations.audit_tables import AUDIT_TABLES
from casm_ctrl.store.migrations.block_tables import BLOCK_TABLES
from casm_ctrl.store.migrations.change_tables import CHANGE_TABLES
from casm_ctrl.store.migrations.control_tables import CONTROL_TABLES
from casm_ctrl.store.migrations.network_tables import NETWORK_TABLES
from casm_ctrl.store.migrations.postgresql import in_postgresql, postgresql_constraints
from casm_ctrl.store.migrations.seen_tables import SEEN_TABLES
from casm_ctrl.store.migrations.sqlite import sqlite_constraints
from casm_ctrl.store.migrations.store_tables import STORE_TABLES

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    STORE_TABLES,
    NETWORK_TABLES,
    BLOCK_TABLES,
    SEEN_TABLES,
    CHANGE_TABLES,
    AUDIT_TABLES,
    CONTROL_TABLES,
    ALARM_TABLES,
)


def upgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    statements = [text for text in "".join(TABLES).split(";\n") if text.strip()]
    if postgresql:
        statements = [*in_postgresql(statements), *postgresql_constraints()]
    else:
        statements += sqlite_constraints()
    for statement in statements:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a store is never taken back to an older schema: restore a copy")
