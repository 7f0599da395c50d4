"""Read JSON instance data of our YANG models (RFC 7951): all that is wrong with it, each with its path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.service.exchange.documents import INSIDE, LIMITS, TOP
from casm_ctrl.service.exchange.nouns import BLOCK, DEVICE, DEVICE_POOL, HOLD, LIMIT, Entry, Kind, Leaf, Noun
from casm_ctrl.service.exchange.problems import Problems
from casm_ctrl.service.exchange.values import canonical, check_count, check_seconds

Path = tuple[str | int, ...]

_MODULES = frozenset(name.partition(":")[0] for name in (*TOP, LIMITS, *INSIDE)) | {"casm-alarms"}
"""Those whose nodes are in our data."""

_WRITTEN = {
    Kind.TEXT: "text in quotes",
    Kind.NUMBER: "a number without quotes",
    Kind.COUNT: "a number in quotes (RFC 7951, 6.1)",
    Kind.SECONDS: 'seconds in quotes (RFC 7951, 6.1), such as "60.0"',
    Kind.FLAG: "true or false",
    Kind.SET: 'a list of texts, ["…"]',
    Kind.LIST: 'a list of texts, ["…"]',
    Kind.MAP: "a list of objects",
}


def read_json(text: str, problems: Problems) -> list[Entry]:
    """The entries of a document, in its order. A device or device pool that has only its name, to hold what is
    inside it, is not one."""
    reader = _Reader(problems)
    try:
        document = json.loads(text, object_pairs_hook=reader.object_of)
    except json.JSONDecodeError as error:
        problems.add(error.lineno, f"this is not JSON: {error.msg} at column {error.colno}", "mend it there")
        return []
    except ValueError:
        problems.add((), "a number in it has thousands of digits", "give an export of casm")
        return []
    except RecursionError:
        problems.add((), "this is JSON nested deeper than any data of ours", "give an export of casm")
        return []
    return list(reader.document(document))


class _Reader:
    """What is being read, and what was found wrong."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def object_of(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """An object whose members all have names of their own (RFC 8259, 4)."""
        made = dict(pairs)
        if len(made) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            self._problems.add((), f"an object has the member '{twice}' twice", "give it once")
        return made

    def document(self, document: Any) -> Iterator[Entry]:
        if not isinstance(document, dict):
            self._problems.add(
                (), "the document is not an object", "give an object such as casm export writes"
            )
            return
        for container, content in document.items():
            way, noun = INSIDE.get(container, ((), TOP.get(container)))
            if noun is not None:
                yield from self._container(noun, way, content, (container,))
            elif container == LIMITS:
                yield from self._limits(content, (container,))
            else:
                known = ", ".join((*TOP, LIMITS, *INSIDE))
                self._problems.add((container,), f"there is no '{container}' in our data", f"give {known}")

    def _container(self, noun: Noun, way: tuple[str, ...], content: Any, path: Path) -> Iterator[Entry]:
        """What is in a container that holds the list of a noun, or others on the `way` to it."""
        wanted = way[0] if way else noun.name
        if not isinstance(content, dict):
            shown = f'{{"{wanted}": {{…}}}}' if way else f'{{"{wanted}": […]}}'
            self._problems.add(path, f"'{path[-1]}' is not an object", f"write {shown}")
            return
        for name, inner in content.items():
            if _bare(name) != wanted:
                self._unknown(f"'{path[-1]}'", name, (*path, name))
            elif way:
                yield from self._container(noun, way[1:], inner, (*path, name))
            else:
                yield from self._list(noun, inner, (*path, name))

    def _limits(self, content: Any, path: Path) -> Iterator[Entry]:
        if not isinstance(content, dict):
            self._problems.add(path, f"'{path[-1]}' is not an object", 'write {"grow-per-hour": 100}')
            return
        for name, value in content.items():
            key, values = _bare(name), dict[str, Any]()
            self._value(f"limit '{key}'", LIMIT.leaves[0], value, (*path, name), values)
            if values:
                yield Entry(LIMIT, key, values, (*path, name))

    def _list(self, noun: Noun, items: Any, path: Path, outer: str = "") -> Iterator[Entry]:
        if not isinstance(items, list):
            self._problems.add(path, f"'{path[-1]}' is not a list", "write [ … ]")
            return
        for index, item in enumerate(items):
            yield from self._item(noun, item, (*path, index), outer)

    def _item(self, noun: Noun, item: Any, path: Path, outer: str) -> Iterator[Entry]:
        """An entry and what is inside it. `outer` is the device of a device pool, or a block's device pool."""
        if not isinstance(item, dict):
            self._problems.add(path, f"this {noun.words} is not an object", "write { … }")
            return
        item = {_bare(name): (name, value) for name, value in item.items()}
        _, key = item.pop(noun.key, ("", None))
        if not isinstance(key, str):
            self._problems.add(path, f"this {noun.words} has no {noun.key}", f"give its {noun.key} in quotes")
            return
        if noun is DEVICE_POOL:
            key = f"{outer}/{key}"
        elif noun is HOLD:
            name, subject = item.pop("subject", ("", ""))
            if not isinstance(subject, str):
                self._problems.add(
                    (*path, name), "this hold has a subject that is not text", "write it in quotes"
                )
                return
            key = f"{key} {subject}".rstrip()
        before = self._problems.count
        values = {"device-pool": outer} if noun is BLOCK else {}
        inner: list[tuple[Noun, Any, Path]] = []
        title = f"{noun.words} '{key}'"
        for bare, (name, value) in item.items():
            if (noun, bare) in ((DEVICE, "device-pool"), (DEVICE_POOL, "block")):
                inner.append((DEVICE_POOL if noun is DEVICE else BLOCK, value, (*path, name)))
            else:
                self._member(noun, title, bare, value, (*path, name), values)
        held = noun in (DEVICE, DEVICE_POOL) and not values and inner
        if not held:
            for leaf in noun.leaves:
                if leaf.required and leaf.name not in values and self._problems.count == before:
                    self._problems.add(path, f"{title} has no {leaf.name}", "give it")
            yield Entry(noun, key, values, path)
        for noun_inside, items, place in inner:
            yield from self._list(noun_inside, items, place, key)

    def _member(
        self, noun: Noun, title: str, bare: str, value: Any, path: Path, values: dict[str, Any]
    ) -> None:
        leaf = noun.leaf(bare)
        if leaf is not None and not leaf.inside and not (noun is BLOCK and bare == "device-pool"):
            self._value(title, leaf, value, path, values)
        elif any(other.inside == bare for other in noun.leaves) and isinstance(value, dict):
            for name, content in value.items():
                leaf = noun.leaf(_bare(name))
                if leaf is not None and leaf.inside == bare:
                    self._value(title, leaf, content, (*path, name), values)
                else:
                    self._unknown(title, name, (*path, name))
        elif bare not in noun.ignored:
            self._unknown(title, bare, path)

    def _value(self, title: str, leaf: Leaf, value: Any, path: Path, values: dict[str, Any]) -> None:
        try:
            values[leaf.name] = canonical(leaf, _typed(leaf, value))
        except InvalidValue as error:
            self._problems.add_error(path, error, title)

    def _unknown(self, owner: str, name: str, path: Path) -> None:
        self._problems.add(path, f"{owner} has no '{name}' in our data", "leave it out, or correct its name")


def _bare(name: str) -> str:
    """A member's name without its module, which is optional where it is that of the object around it."""
    module, colon, bare = name.partition(":")
    return bare if colon and module in _MODULES else name


def _typed(leaf: Leaf, value: Any) -> Any:
    kind = leaf.kind
    if kind is Kind.TEXT and isinstance(value, str):
        return value
    if kind is Kind.NUMBER and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind is Kind.COUNT and isinstance(value, str):
        return check_count(value)
    if kind is Kind.SECONDS and isinstance(value, str):
        return check_seconds(value)
    if kind is Kind.FLAG and isinstance(value, bool):
        return value
    if kind in (Kind.SET, Kind.LIST) and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return value
    if kind is Kind.MAP and isinstance(value, list) and all(isinstance(v, dict) for v in value):
        return [_pair(leaf, item) for item in value]
    shown = json.dumps(value, ensure_ascii=False)
    raise InvalidValue(f"{leaf.name} is {shown[:40]}", f"write {_WRITTEN[kind]}")


def _pair(leaf: Leaf, item: dict[str, Any]) -> tuple[str, str]:
    name, other = leaf.pair
    found = {_bare(member): value for member, value in item.items()}
    unknown = set(found) - {name, other}
    if unknown or not isinstance(found.get(name), str) or not isinstance(found.get(other, ""), str):
        raise InvalidValue(
            f"{leaf.name} has an entry that is not one", f'write {{"{name}": "…", "{other}": "…"}}'
        )
    return found[name], found.get(other, "")
