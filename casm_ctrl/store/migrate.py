"""Write the schema: only `casm init` calls this."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from casm_ctrl.base.clock import Clock
from casm_ctrl.base.errors import StoreVersion
from casm_ctrl.base.identifiers import new_store_id
from casm_ctrl.store import clock_watch, config_documents
from casm_ctrl.store.database import (
    HEAD,
    Database,
    open_database,
    parse_url,
    schema_revision,
    store_errors,
)


def create_store(
    url: str, clock: Clock | None = None, *, documents: Mapping[str, str] | None = None
) -> tuple[Database, str | None]:
    """Make the store at `url`, or bring it up to date. Also gives the revision that was there before.

    On SQLite the file is made too; on PostgreSQL the database must be there. A new store begins with the
    configuration `documents`, by module.
    """
    with contextlib.closing(Database(parse_url(url), clock)) as database, store_errors(database.backend):
        database.backend.prepare()
        before = _upgrade(database, documents or {})
    return open_database(url, clock), before


def _upgrade(database: Database, documents: Mapping[str, str]) -> str | None:
    """Bring the schema to HEAD in one transaction, so that a store is there or is not. Returns the
    revision before. Of several processes that make one store, the first one does.

    StoreVersion where the revision is none that this program knows the way from.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with database.engine.begin() as connection:
        tx = database.backend.begin_upgrade(connection)
        before = schema_revision(tx, database.backend.ours)
        if before is None or before < HEAD:
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise StoreVersion(
                    f"the store {database.backend.where} has schema {before}, from which this program knows no way"
                    f" to {HEAD} ({error})",
                    "use the program that wrote it",
                ) from None
        if before is None:
            tx.run(
                "INSERT INTO store (id, store_id, created, config_revision) VALUES (1, :store_id, :now, 0)",
                store_id=new_store_id(),
                now=tx.now,
            )
            clock_watch.accept(tx)
            for module, xml in documents.items():
                config_documents.put_document(tx, module, xml)
        return before
