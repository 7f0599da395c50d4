"""The arguments of an operation, each checked as ietf-netconf's YANG says, with the RFC's error where not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.names import Element, local_name, namespace


class Arguments:
    """The children of an operation's element; `known` are the names that may be there, and tags in Clark notation
    of those that another module adds. Those of `repeated`, which are known too, may be there more than once."""

    def __init__(self, operation: Element, known: Collection[str], repeated: Collection[str] = ()) -> None:
        self._operation = local_name(operation)
        single = [child for child in operation if local_name(child) not in repeated]
        self._children = children(operation, namespace(operation), known, single)
        self._repeated = [child for child in operation if local_name(child) in repeated]
        for child in self._repeated:
            children(operation, namespace(operation), repeated, [child])

    def element(self, name: str) -> Element:
        """An argument that must be there."""
        child = self._children.get(name)
        if child is None:
            raise rpc_error.missing_element(name, f"<{self._operation}> needs <{name}>")
        return child

    def optional(self, name: str) -> Element | None:
        return self._children.get(name)

    def all(self, name: str) -> list[Element]:
        """An argument that may be there more than once."""
        return [child for child in self._repeated if local_name(child) == name]

    def has(self, name: str) -> bool:
        """True where the flag `name`, an element of type empty, is there."""
        child = self._children.get(name)
        if child is not None and (len(child) or (child.text or "").strip()):
            raise rpc_error.bad_element(name, f"<{name}> must be empty")
        return child is not None

    def text(self, name: str) -> str | None:
        """A string argument, with its white space."""
        child = self._children.get(name)
        if child is None:
            return None
        if len(child):
            raise rpc_error.bad_element(name, f"<{name}> holds text only")
        return child.text or ""

    def choice(self, name: str, values: Collection[str], default: str) -> str:
        """One of the words in `values`."""
        text = self.text(name)
        if text is None:
            return default
        if text.strip() not in values:
            raise rpc_error.bad_element(
                name, f"<{name}> is '{text.strip()}', and must be one of: {', '.join(values)}"
            )
        return text.strip()

    def number(self, name: str, default: int, *, maximum: int = 4_294_967_295) -> int:
        """An integer from 1 to `maximum`."""
        text = self.text(name)
        if text is None:
            return default
        text = text.strip()
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= maximum):
            raise rpc_error.bad_element(name, f"<{name}> is '{text}', and must be from 1 to {maximum}")
        return int(text)

    def datastore(self, name: str, datastores: Collection[str]) -> str:
        """The datastore that <target> or <source> names, out of those that the server has."""
        return local_name(self.one_of(name, datastores))

    def one_of(self, name: str, known: Collection[str]) -> Element:
        """The only child of an argument that must be there."""
        parent = self.element(name)
        found = children(parent, namespace(parent), known)
        if not found:
            raise rpc_error.missing_element(name, f"<{name}> must hold one of: {', '.join(known)}")
        if len(found) > 1:
            raise rpc_error.bad_element(name, f"<{name}> must hold one element")
        return next(iter(found.values()))


def children(
    parent: Element, space: str | None, known: Collection[str], among: Iterable[Element] | None = None
) -> Mapping[str, Element]:
    """Children of `parent`, or those `among` them, as they are `known`: by name where they are in namespace `space`,
    else by tag. Each occurs once."""
    found: dict[str, Element] = {}
    for child in parent if among is None else among:
        name = local_name(child)
        key = name if namespace(child) == space else str(child.tag)
        if key not in known:
            if namespace(child) != space and not any(namespace(child) == _space(one) for one in known):
                raise rpc_error.unknown_namespace(name, namespace(child) or "")
            there = " or ".join(f"<{one.rpartition('}')[2]}>" for one in known)
            hint = f": give {there}" if there else ""
            raise rpc_error.unknown_element(name, f"<{local_name(parent)}> has no <{name}> here{hint}")
        if key in found:
            raise rpc_error.bad_element(name, f"<{name}> occurs more than once")
        found[key] = child
    return found


def _space(name: str) -> str | None:
    """The namespace of a tag in Clark notation."""
    return name[1:].partition("}")[0] if name.startswith("{") else None
