"""What get, get-config and get-data ask for, read from their arguments (RFC 6241, 7.1 and 7.7; RFC 8526, 3.1.1)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.arguments import Arguments
from casm_ctrl.netconf.names import BASE, Element, local_name
from casm_ctrl.netconf.nmda import identity, read_datastore
from casm_ctrl.netconf.retrieval import origin
from casm_ctrl.netconf.retrieval.cutting import Content
from casm_ctrl.netconf.retrieval.filter_argument import Filter, data_filter_of, filter_of
from casm_ctrl.netconf.retrieval.origin import OriginFilter
from casm_ctrl.netconf.retrieval.with_defaults import PARAMETER, Mode, read_mode
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.trees import Prefixes
from casm_ctrl.yang.schema import Schema

OPERATIONAL = "operational"

MAX_DEPTH = 65535

_ORIGINS = ("origin-filter", "negated-origin-filter")
_GET_DATA = (
    *("datastore", "subtree-filter", "xpath-filter", "config-filter", "max-depth", "with-origin"),
    "with-defaults",
)


@dataclass(frozen=True)
class Retrieval:
    """`depth`: levels of each selected node, None: all. `origins` is None where every origin will do. `mode` is None
    where none was named: then configuration is shown as it is kept, and state as it is told, counters of 0 too."""

    datastore: str
    filter: Filter
    content: Content = "all"
    depth: int | None = None
    mode: Mode | None = None
    with_origin: bool = False
    origins: OriginFilter | None = None


def read_get(operation: Element, schema: Schema | None = None, *, xpath: bool = True) -> Retrieval:
    """Of get; `xpath`: the server has the capability :xpath. A schema of the data tells where XPath filters look."""
    arguments = Arguments(operation, ("filter", PARAMETER))
    selects = filter_of(arguments.optional("filter"), schema, xpath=xpath)
    return Retrieval(OPERATIONAL, selects, mode=_mode(arguments, PARAMETER))


def read_get_config(
    operation: Element, datastores: Collection[str], schema: Schema | None = None, *, xpath: bool = True
) -> Retrieval:
    """Of get-config."""
    arguments = Arguments(operation, ("source", "filter", PARAMETER))
    source = arguments.datastore("source", datastores)
    selects = filter_of(arguments.optional("filter"), schema, xpath=xpath)
    return Retrieval(source, selects, "config", mode=_mode(arguments, PARAMETER))


def read_get_data(operation: Element, datastores: Collection[str], schema: Schema | None = None) -> Retrieval:
    """Of get-data. Values in use are shown of operational, defaults too, where nothing else is asked for (RFC 8342,
    5.3)."""
    arguments = Arguments(operation, _GET_DATA, _ORIGINS)
    leaf = arguments.element("datastore")
    try:
        datastore = read_datastore(leaf, datastores)
    except RpcError as error:
        raise _at(leaf, error) from None
    operational = datastore == OPERATIONAL
    with_origin = arguments.has("with-origin")
    if with_origin and not operational:
        raise _refused(
            arguments.element("with-origin"), f"only {OPERATIONAL} has origins, {datastore} has none"
        )
    return Retrieval(
        datastore,
        data_filter_of(arguments, schema),
        _content(arguments),
        _depth(arguments),
        _mode(arguments, "with-defaults", Mode.REPORT_ALL if operational else None),
        with_origin,
        _origins(arguments, operational),
    )


def _mode(arguments: Arguments, name: str, absent: Mode | None = None) -> Mode | None:
    text = arguments.text(name)
    if text is None:
        return absent
    try:
        return read_mode(text)
    except RpcError as error:
        raise _at(arguments.element(name), error) from None


def _content(arguments: Arguments) -> Content:
    text = arguments.text("config-filter")
    if text is None:
        return "all"
    if text.strip() not in ("true", "false"):
        raise _refused(arguments.element("config-filter"), f"<config-filter> is true or false, not '{text}'")
    return "config" if text.strip() == "true" else "nonconfig"


def _depth(arguments: Arguments) -> int | None:
    text = arguments.text("max-depth")
    if text is None or text.strip() == "unbounded":
        return None
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9 and 1 <= int(digits) <= MAX_DEPTH):
        raise _refused(
            arguments.element("max-depth"),
            f"<max-depth> is '{digits}', and must be from 1 to {MAX_DEPTH} or unbounded",
        )
    return int(digits)


def _origins(arguments: Arguments, operational: bool) -> OriginFilter | None:
    wanted, unwanted = (arguments.all(name) for name in _ORIGINS)
    if not wanted and not unwanted:
        return None
    if not operational:  # its `when` is false: the node does not exist (RFC 7950, 8.3.1)
        leaf = (wanted or unwanted)[0]
        name = local_name(leaf)
        error = rpc_error.unknown_element(name, f"<{name}> is for the datastore {OPERATIONAL} alone")
        raise _at(leaf, error)
    if wanted and unwanted:
        name = local_name(unwanted[0])
        raise _at(unwanted[0], rpc_error.bad_element(name, "an operation filters origins in one way"))
    return OriginFilter(frozenset(map(_identity, wanted or unwanted)), negated=bool(unwanted))


def _identity(leaf: Element) -> str:
    namespace, name = identity(leaf)
    if namespace != origin.NAMESPACE or name not in origin.IDENTITIES or len(leaf):
        raise _refused(leaf, f"'{(leaf.text or '').strip()}' is no identity of ietf-origin")
    return name


# --- Refusing -------------------------------------------------------------------------------------


def _refused(leaf: Element, message: str) -> RpcError:
    return _at(leaf, rpc_error.invalid_value(message, layer="protocol"))


def _at(leaf: Element, error: RpcError) -> RpcError:
    """`error` with the path of the argument in the request."""
    prefixes = Prefixes()
    prefixes.bind("nc", BASE)
    steps = [leaf, *leaf.iterancestors()]
    error.path = "".join(f"/{prefixes.qualify(str(step.tag))}" for step in reversed(steps))
    error.namespaces = prefixes.namespaces
    return error
