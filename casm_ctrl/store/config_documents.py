"""Rows of configuration documents: configuration of modules that have no tables, as XML, one a module."""

from __future__ import annotations

from casm_ctrl.store.transaction import Transaction


def find_document(tx: Transaction, module: str) -> str | None:
    """The top-level elements of that module's configuration, one after the other; None where it has none."""
    row = tx.first("SELECT xml FROM config_document WHERE module = :module", module=module)
    return None if row is None else str(row[0])


def list_documents(tx: Transaction) -> dict[str, str]:
    """All documents, by module."""
    return {row[0]: row[1] for row in tx.all("SELECT module, xml FROM config_document ORDER BY module")}


def put_document(tx: Transaction, module: str, xml: str) -> None:
    """Keep `xml` as the whole configuration of a module."""
    tx.run(
        "INSERT INTO config_document (module, xml) VALUES (:module, :xml)"
        " ON CONFLICT (module) DO UPDATE SET xml = :xml",
        module=module,
        xml=xml,
    )


def delete_document(tx: Transaction, module: str) -> None:
    tx.run("DELETE FROM config_document WHERE module = :module", module=module)
