"""Export: one snapshot of the store as text, in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from casm_ctrl.service.exchange.csv import write_csv
from casm_ctrl.service.exchange.documents import write_json
from casm_ctrl.service.exchange.nouns import BLOCK, What
from casm_ctrl.service.exchange.nouns import Entry as Entry
from casm_ctrl.service.exchange.nouns import Noun as Noun
from casm_ctrl.service.exchange.stored import stored_entries
from casm_ctrl.service.verb import Document
from casm_ctrl.store import blocks, pools
from casm_ctrl.store.database import Database
from casm_ctrl.store.transaction import Transaction

FORMATS = {"json": write_json, "csv": write_csv}


@dataclass
class Export:
    """`pieces` is the text, which is read from the store while it is taken; `counts` grows with it, and
    `total` is how many blocks there will be."""

    pieces: Iterator[str]
    total: int
    counts: dict[str, int] = field(default_factory=dict)

    def document(self) -> list[Document]:
        return [{"noun": noun, "entries": str(count)} for noun, count in self.counts.items()]


@contextmanager
def exported(database: Database, *, form: str, what: What) -> Iterator[Export]:
    """What is in the store now, whatever others change meanwhile."""
    with database.read() as tx:
        counts = {noun.name: 0 for noun in what.nouns}

        def read(noun: Noun) -> Iterator[Entry]:
            for entry in stored_entries(tx, noun):
                if noun.name in counts:
                    counts[noun.name] += 1
                yield entry

        total = _count_blocks(tx) if BLOCK in what.nouns else 0
        yield Export(FORMATS[form](what, read), total, counts)


def _count_blocks(tx: Transaction) -> int:
    return sum(
        number for pool in pools.list_pools(tx) for number in blocks.block_counts(tx, pool.id).values()
    )
