"""Export and import over NETCONF: the document is the text of a leaf."""

from __future__ import annotations

from casm_ctrl.northbound.verbs.context import Given, VerbContext
from casm_ctrl.service.exchange.exporting import exported
from casm_ctrl.service.exchange.importing import import_source
from casm_ctrl.service.exchange.nouns import What
from casm_ctrl.service.exchange.source import read_source
from casm_ctrl.service.verb import Document
from casm_ctrl.sync.admission import admit_device


def export_store(context: VerbContext, given: Given) -> Document:
    what = What(given.values["what"])
    with exported(context.database, form=given.values["format"], what=what) as taken:
        text = "".join(taken.pieces)
        return {"exported": taken.document(), "document": text}


def import_store(context: VerbContext, given: Given) -> Document:
    text, form = given.values["document"], given.get("format")
    source = read_source(text.encode(), form, space=given.values["address-space"])
    done = import_source(
        context.database, given.author, source, judge=admit_device, dry_run=given.values["dry-run"]
    )
    return {"format": source.form, "note": list(source.notes), **done}
