"""Is a changed configuration valid? Judged by what changed and what that stands on, not by all there is.

libyang judges whole documents, and references cost it more than linearly: 1,000 devices take 0.4 s. What is
valid stays so unless it was changed, or looks at something that was: so a document of the changed pieces, of those
that refer to what others look at in them, and of all that these refer to, is valid where the whole is.

Which leafs refer to which pieces stands in a table, which a test compares with the modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lxml import etree

from casm_ctrl.netconf.datastores.configuration import Configuration, Name, changed, same_piece, split
from casm_ctrl.netconf.names import Element, local_name
from casm_ctrl.netconf.trees import text_of
from casm_ctrl.yang.engine import Engine, forest
from casm_ctrl.yang.schema import Schema

SPACE, POOL, DEVICE, GROUP = "address-space", "pool", "device", "owner-group"

REFERENCES: Mapping[str, Mapping[str, str]] = {
    POOL: {"address-space": SPACE, "parent": POOL},
    DEVICE: {
        "address-space": SPACE,
        "network-instance/address-space": SPACE,
        "device-pool/pool": POOL,
        "device-pool/owner-group": GROUP,
    },
    GROUP: {"member/device": DEVICE},
}
"""By the name of a list at the top: its leafs that name entries of such lists. A quota's subject is one of several,
by its kind."""

LOOKED_AT: Mapping[str, frozenset[str]] = {
    POOL: frozenset({"address-space", "family", "psid-offset"}),
    GROUP: frozenset({"member"}),
}
"""What the conditions of other pieces look at, beside the name."""

_SUBJECTS = {"device": DEVICE, "space": SPACE, "pool": POOL}
_PATHS = {
    kind: [(tuple(f"{{*}}{step}" for step in path.split("/")), target) for path, target in leafs.items()]
    for kind, leafs in REFERENCES.items()
}


class Judge:
    """Judges configurations of our modules, and of others by their whole top-level nodes."""

    def __init__(self, schema: Schema, engine: Engine) -> None:
        self._engine = engine
        self._roots = {
            kind: next((tag for tag, root in schema.roots.items() if _holds(root.children, kind)), kind)
            for kind in (SPACE, POOL, DEVICE, GROUP)
        }

    def judge(self, configuration: Configuration, valid: Configuration | None) -> None:
        """Violation where `configuration` is not valid; `valid` is one that is, and the less they differ the
        quicker it goes."""
        names = configuration.pieces if valid is None else self.concerned(configuration, valid)
        self._engine.validate(forest(configuration.part(names)))

    def canonical(self, before: Configuration, after: Configuration) -> Configuration:
        """`after` with canonical values (RFC 7950, 9.1) in what differs from `before`, and with the pieces of that
        where they turn out to mean the same. Violation where a value is none of its type."""
        names = [name for name in changed(before, after) if name in after.pieces]
        if not names:
            return after
        written = self._engine.convert(forest(after.part(names)), source="xml", target="xml")
        pieces: dict[Name, Element | None] = dict.fromkeys(names)
        pieces.update(split(etree.fromstring(b"<config>" + written + b"</config>"), after.schema))
        for name, piece in pieces.items():
            old = before.pieces.get(name)
            if old is not None and piece is not None and same_piece(old, piece, after.schema):
                pieces[name] = old
        found = after.with_pieces(pieces)
        return found if changed(before, found) else before

    def concerned(self, configuration: Configuration, valid: Configuration) -> set[Name]:
        """The pieces that stand or fall with the difference, and what they refer to."""
        names = changed(valid, configuration)
        moved = {
            name
            for name in names
            if self._is_looked_at(valid.pieces.get(name), configuration.pieces.get(name))
        }
        concerned = set(names)
        if moved:
            concerned.update(
                name
                for name, piece in configuration.pieces.items()
                if not moved.isdisjoint(self._references(piece))
            )
        waiting = list(concerned)
        while waiting:
            piece = configuration.pieces.get(waiting.pop())
            for name in () if piece is None else self._references(piece):
                if name not in concerned:
                    concerned.add(name)
                    waiting.append(name)
        return concerned

    def _is_looked_at(self, old: Element | None, new: Element | None) -> bool:
        """Whether others may be wrong now: it is gone, or differs in what they look at. Nobody refers to what is
        new, or was wrong before."""
        if old is None:
            return False
        if new is None:
            return True
        return any(
            _texts(old, f"{{*}}{name}") != _texts(new, f"{{*}}{name}")
            for name in LOOKED_AT.get(local_name(old), ())
        )

    def _references(self, piece: Element) -> Iterator[Name]:
        """The pieces that its leafs name."""
        kind = local_name(piece)
        for path, target in _PATHS.get(kind, ()):
            for leaf in _leafs(piece, path):
                yield Name(self._roots[target], (text_of(leaf),))
        if kind == "quota":
            said = {local_name(leaf): text_of(leaf) for leaf in piece.iterchildren("*")}
            target = _SUBJECTS.get(said.get("kind", ""), "")
            if target:
                yield Name(self._roots[target], (said.get("subject", ""),))


def _holds(children: Iterable[str], kind: str) -> bool:
    return any(tag.endswith(f"}}{kind}") for tag in children)


def _leafs(piece: Element, path: tuple[str, ...]) -> Iterator[Element]:
    for child in piece.iterchildren(path[0]):
        if len(path) == 1:
            yield child
        else:
            yield from _leafs(child, path[1:])


def _texts(piece: Element, tag: str) -> list[str]:
    return ["\0".join(map(str, child.itertext())) for child in piece.iterchildren(tag)]
