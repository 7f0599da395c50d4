"""`casm init`: make the store, or bring it up to date."""

from __future__ import annotations

import typer

from casm_ctrl.cli.call import Answer, Call, command, lines


def register(app: typer.Typer, panel: str) -> None:
    @command(app, "init", panel=panel, examples=("casm init", "casm --database /var/lib/casm/casm.db init"))
    def init(call: Call) -> Answer:
        """Make the store, or bring an older one up to date. Run again, it changes nothing."""
        from casm_ctrl.service.first_access import first_documents
        from casm_ctrl.store.database import HEAD, show_url
        from casm_ctrl.store.migrate import create_store
        from casm_ctrl.store.spaces import get_store

        database, before = create_store(call.url, documents=first_documents())
        try:
            with database.read() as tx:
                store = get_store(tx)
            where = show_url(database.url)
        finally:
            database.close()
        document = {"location": where, "store-id": store.store_id, "schema": HEAD}
        if before is None:
            result = "created"
            words = [
                f"Made the store {where} (id {store.store_id}, schema {HEAD}).",
                "Next: casm space add NAME, then casm pool add; 'casm demo' shows the whole way.",
            ]
        elif before == HEAD:
            result = "up-to-date"
            words = [f"The store {where} (id {store.store_id}) is up to date (schema {HEAD})."]
        else:
            result = "upgraded"
            document["schema-before"] = before
            words = [f"Brought the store {where} (id {store.store_id}) from schema {before} to {HEAD}."]
        return Answer({"store": {**document, "result": result}}, lines(*words))
