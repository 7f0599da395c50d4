"""The difference between two configurations as edits of the service, in an order in which each can be made.

What goes makes room first and what comes stands on what is there by then, so that one commit may rename a pool with
all that draws from it, or take away a device with its device pools. What nothing but the end can judge (a
pool without a prefix, two devices at one address) the service looks at when all edits are made.

The trees may be parts of two configurations: what is alike in both need not be in either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lxml import etree

from casm_ctrl.netconf.names import Element, local_name
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound.configuration.devices import device_edits, device_pool_edits
from casm_ctrl.northbound.configuration.entries import (
    Content,
    entry_path,
    leaf_path,
    read_content,
    same_elements,
)
from casm_ctrl.northbound.configuration.pools import pool_edits
from casm_ctrl.northbound.configuration.steps import PlacedEdit as PlacedEdit
from casm_ctrl.northbound.configuration.steps import Step, Steps, changed
from casm_ctrl.service.config_documents import MODULES
from casm_ctrl.service.configuration import (
    AddGroup,
    AddSpace,
    ChangeGroup,
    ChangeSpace,
    RemoveGroup,
    RemoveQuota,
    RemoveSpace,
    SetDocument,
    SetQuota,
)
from casm_ctrl.service.exchange.nouns import GROUP, QUOTA, SPACE, Entry, Leaf
from casm_ctrl.yang.modules import find_module


def edits_between(before: Element, after: Element) -> list[PlacedEdit]:
    """What makes the configuration `before` that of `after`; nothing where they mean the same.

    RpcError with the path of what never changes, or is no value that a driver or a session could use. A rename is a
    removal and an addition.
    """
    old, new = read_content(before), read_content(after)
    steps = Steps()
    for part in _PARTS:
        part(steps, old, new)
    return steps.in_order()


def _spaces(steps: Steps, old: Content, new: Content) -> None:
    for key, was, now in _pairs(old.of(SPACE), new.of(SPACE)):
        path = entry_path(SPACE, key)
        if was is None and now is not None:
            steps.add(Step.ADD_SPACE, AddSpace(key, now.get("description")), path)
        elif now is None:
            steps.add(Step.REMOVE_SPACE, RemoveSpace(key), path)
        elif was is not None:
            for leaf in changed(was, now):
                edit = ChangeSpace(key, now.get(leaf.name))
                steps.add(Step.CHANGE_SPACE, edit, leaf_path(SPACE, key, leaf))


def _groups(steps: Steps, old: Content, new: Content) -> None:
    for key, was, now in _pairs(old.of(GROUP), new.of(GROUP)):
        path = entry_path(GROUP, key)
        if was is None and now is not None:
            steps.add(Step.ADD_GROUP, AddGroup(key, now.get("member")), path)
        elif now is None:
            steps.add(Step.REMOVE_GROUP, RemoveGroup(key), path)
        elif was is not None:
            for leaf in changed(was, now):
                steps.add(
                    Step.CHANGE_GROUP, ChangeGroup(key, now.get(leaf.name)), _member_path(was, now, leaf)
                )


def _member_path(was: Entry, now: Entry, leaf: Leaf) -> str:
    """The one member that is another, else the group."""
    others = {device for device, _ in set(was.get(leaf.name)) ^ set(now.get(leaf.name))}
    if len(others) == 1:
        return leaf_path(GROUP, now.key, leaf, others.pop())
    return entry_path(GROUP, now.key)


def _quotas(steps: Steps, old: Content, new: Content) -> None:
    for key, was, now in _pairs(old.of(QUOTA), new.of(QUOTA)):
        path = entry_path(QUOTA, key)
        other = [] if was is None or now is None else changed(was, now)
        moved = any(leaf.name != "max-addresses" for leaf in other)
        if was is not None and (now is None or moved):
            steps.add(Step.REMOVE_QUOTA, RemoveQuota(key), path)
        if now is not None and (was is None or other):
            get = now.get
            edit = SetQuota(key, get("kind"), get("subject"), int(get("max-addresses")), get("family"))
            place = path if was is None or moved else leaf_path(QUOTA, key, other[0])
            steps.add(Step.SET_QUOTA, edit, place)


def _documents(steps: Steps, old: Content, new: Content) -> None:
    """The configuration of modules that are not ours is one document each."""
    modules = {find_module(name).namespace: name for name in MODULES}
    for namespace in sorted({*old.others, *new.others}):
        elements = new.others.get(namespace, [])
        if same_elements(old.others.get(namespace, []), elements):
            continue
        top = local_name((elements or old.others[namespace])[0])
        module = modules.get(namespace)
        if module is None:
            raise RpcError(
                "application",
                "unknown-namespace",
                app_tag="not-supported",
                path=f"/n:{top}",
                message=f"<{top}> of {namespace or 'no namespace'} is no configuration that is kept here: leave it out",
                namespaces={"n": namespace},
            )
        text = "".join(etree.tostring(element, encoding="unicode", with_tail=False) for element in elements)
        steps.add(Step.SET_DOCUMENT, SetDocument(module, text), f"/{module}:{top}", {module: namespace})


def _pairs(old: dict[str, Entry], new: dict[str, Entry]) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """What is there before or after, by key."""
    for key in sorted({*old, *new}):
        yield key, old.get(key), new.get(key)


_PARTS: tuple[Callable[[Steps, Content, Content], None], ...] = (
    _spaces,
    pool_edits,
    device_edits,
    _groups,
    device_pool_edits,
    _quotas,
    _documents,
)
