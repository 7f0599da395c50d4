"""The one module that touches the generated bindings: typed payloads to XML, and XML to payloads.

pyangbind checks types and names while a payload is built; it does not check what spans nodes (must,
leafref, mandatory), so that what leaves for a device goes through `engine`, as everything does. Its XML
decoder ignores namespaces and guesses types (a key `007` becomes 7), so `parse` lets the engine judge
the document first and marks every leaf as text.

One list entry costs about 6 ms and 145 kB: for one pool or one edit, never for a datastore.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from casm_bindings.casm_devices import casm_devices
from casm_bindings.casm_pools import casm_pools
from casm_bindings.ietf_address_pool import ietf_address_pool
from lxml import etree, objectify
from pyangbind.lib.serialise import pybindIETFXMLDecoder, pybindIETFXMLEncoder
from pyangbind.lib.yangtypes import safe_name

from casm_ctrl.base.errors import InvalidValue, YangInvalid
from casm_ctrl.yang.address_pool_payloads import AddressPools, AddressPoolStatus
from casm_ctrl.yang.engine import engine_for
from casm_ctrl.yang.payloads import (
    AddressSpaces,
    Devices,
    OwnerGroups,
    Payload,
    Pools,
    Quotas,
)

_PYTYPE = "{http://codespeak.net/lxml/objectify/pytype}pytype"


@dataclass(frozen=True)
class _Root:
    """Where a payload's container is: a binding class and its attribute; the modules that judge it."""

    binding: Callable[[], Any]
    attribute: str
    modules: tuple[str, ...]


_DEVICE_MODEL = ("ietf-address-pool", "casm-address-pool-ext")
_ROOTS: Mapping[type[Any], _Root] = {
    AddressPools: _Root(ietf_address_pool, "address_pools", _DEVICE_MODEL),
    AddressPoolStatus: _Root(ietf_address_pool, "address_pool_status", _DEVICE_MODEL),
    AddressSpaces: _Root(casm_pools, "address_spaces", ("casm-pools",)),
    Pools: _Root(casm_pools, "pools", ("casm-pools",)),
    Devices: _Root(casm_devices, "devices", ("casm-devices",)),
    OwnerGroups: _Root(casm_devices, "owner_groups", ("casm-devices",)),
    Quotas: _Root(casm_devices, "quotas", ("casm-devices",)),
}

PayloadT = TypeVar("PayloadT", bound=Payload)


def build(payload: Payload) -> etree._Element:
    """The payload's element; InvalidValue where a value is not of its type, or a key comes twice."""
    root = _ROOTS[type(payload)]
    module = root.binding()  # kept in a name: children refer to their parents weakly
    container = getattr(module, root.attribute)
    _fill(container, payload)
    element = pybindIETFXMLEncoder.encode(container, filter=True)
    return etree.fromstring(etree.tostring(element))  # a plain tree, not an objectified one


def parse(kind: type[PayloadT], document: bytes | etree._Element) -> PayloadT:
    """The payload in `document`, which need not be complete; YangInvalid where it is not one.

    What a payload does not model (a lifetime, a port range) is left out; an empty leaf reads as absent.
    """
    root = _ROOTS[kind]
    text = document if isinstance(document, bytes) else etree.tostring(document, with_tail=False)
    engine_for(*root.modules).validate(text, what="part")
    module = root.binding()
    container = getattr(module, root.attribute)
    name, namespace = container._yang_name, container._yang_namespace
    tree = _read_tree(text)
    if tree.tag != f"{{{namespace}}}{name}":
        raise YangInvalid(f"the document is {tree.tag}, and {name} was expected", f"send <{name}>")
    try:
        pybindIETFXMLDecoder.load_xml(tree, None, None, obj=container)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise YangInvalid(f"the bindings do not take this {name}: {_reason(error)}", "correct it") from error
    payload: PayloadT = _read(kind, container.get(filter=True))
    return payload


def _fill(target: Any, value: Any, *, entry: bool = False) -> None:
    """Set what `value` holds on a binding container, or on a list's entry, which has its key already."""
    for field in fields(value)[1 if entry else 0 :]:
        item = getattr(value, field.name)
        name = safe_name(field.name)
        if item is None:
            continue
        if isinstance(item, tuple):
            _add(getattr(target, name), item, field.name)
        elif is_dataclass(item):
            _fill(getattr(target, name), item)
        else:
            with _checked(field.name, item):
                getattr(target, f"_set_{name}")(item)  # state leafs have no plain attribute to set


def _add(holder: Any, items: tuple[Any, ...], name: str) -> None:
    """Fill a list or a leaf-list."""
    for item in items:
        if not is_dataclass(item):
            with _checked(name, item):
                holder.append(item)
            continue
        key = getattr(item, fields(item)[0].name)
        with _checked(name, key):
            entry = holder.add(key)
        _fill(entry, item, entry=True)


@contextmanager
def _checked(name: str, item: object) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidValue(
            f"'{item}' cannot be {name.replace('_', '-')}: {_reason(error)}", "give a value of its YANG type"
        ) from error


def _reason(error: Exception) -> str:
    """pyangbind's errors carry a dictionary, whole or as text; its `error-string` is for people."""
    first = error.args[0] if error.args else error
    if isinstance(first, dict):
        return str(first.get("error-string", first))
    return str(first).partition(", {'error-string'")[0]


def _read_tree(text: bytes) -> Any:
    """The objectified tree, without comments and processing instructions, every leaf marked as text."""
    plain = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        tree = etree.fromstring(text.strip(), plain)
    except etree.XMLSyntaxError as error:
        raise YangInvalid(f"the document is not one XML element: {error}", "send one container") from error
    for element in tree.iter(etree.Element):
        if element.attrib:
            raise YangInvalid(
                f"<{etree.QName(element).localname}> carries an attribute, and a payload has none",
                "an edit with operations cannot be read as a payload",
            )
        if len(element) == 0:
            element.set(_PYTYPE, "str")
    # Marked before it is objectified: an element's Python type is settled when it is first touched.
    return objectify.fromstring(etree.tostring(tree), objectify.makeparser(resolve_entities=False))


def _read(kind: Any, data: Mapping[str, Any]) -> Any:
    """A payload value from what a binding holds: YANG names to values, list keys to entries."""
    hints = _hints(kind)
    given = {}
    for field in fields(kind):
        raw = data.get(field.name.replace("_", "-"))
        if raw is not None:
            given[field.name] = _convert(hints[field.name], raw)
    try:
        return kind(**given)
    except TypeError as error:
        missing = [f.name.replace("_", "-") for f in fields(kind) if f.name not in given and _required(f)]
        raise YangInvalid(f"{kind.__name__} lacks {' and '.join(missing)}", "send the whole entry") from error


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING


def _convert(hint: Any, raw: Any) -> Any:
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        entries = raw.values() if isinstance(raw, Mapping) else raw
        return tuple(_convert(inner, entry) for entry in entries)
    return _read(hint, raw) if is_dataclass(hint) else hint(raw)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """The fields' types, without the None of those that may be left out."""
    hints = {}
    for name, hint in get_type_hints(kind).items():
        some = [part for part in get_args(hint) if part is not type(None)]
        hints[name] = some[0] if isinstance(hint, UnionType) else hint
    return hints
