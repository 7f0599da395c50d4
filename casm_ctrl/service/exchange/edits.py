"""The edits of configuration that make what an entry says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from casm_ctrl.addressing.prefix import parse_prefix
from casm_ctrl.base.automation import NAMES, Automation
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.base.limits import DEFAULT_LIMITS, leaf
from casm_ctrl.base.limits import NAMES as LIMITS
from casm_ctrl.base.polling import Polling
from casm_ctrl.service.alarm_types import MODULE as ALARM_TYPES
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddGroup,
    AddPool,
    AddShelf,
    AddSpace,
    Edit,
    Reserve,
    SetLimits,
    SetQuota,
)
from casm_ctrl.service.exchange.nouns import (
    BLOCK,
    DEVICE,
    DEVICE_POOL,
    GROUP,
    HOLD,
    LIMIT,
    POOL,
    QUOTA,
    SHELF,
    SPACE,
    Entry,
)
from casm_ctrl.service.exchange.values import number


def edits_of(entry: Entry) -> list[Edit]:
    """What makes the thing where it is not there; InvalidValue where the entry contradicts itself."""
    return _EDITS[entry.noun.name](entry)


def names_used(entry: Entry) -> list[tuple[str, str]]:
    """The things that must be there before, as (noun, name)."""
    used: list[tuple[str, Any]] = []
    if entry.noun is POOL:
        used = [(SPACE.name, entry.get("address-space")), (POOL.name, entry.get("parent"))]
    elif entry.noun is DEVICE:
        used = [(SPACE.name, entry.get("address-space"))]
        used += [(SPACE.name, space) for _, space in entry.get("network-instance")]
    elif entry.noun is GROUP:
        used = [(DEVICE.name, device) for device, _ in entry.get("member")]
    elif entry.noun is DEVICE_POOL:
        used = [(DEVICE.name, entry.key.partition("/")[0]), (GROUP.name, entry.get("owner-group"))]
        used += [(POOL.name, pool) for pool in entry.get("pool")]
    elif entry.noun is QUOTA:
        noun = {"device": DEVICE.name, "space": SPACE.name, "pool": POOL.name}.get(entry.get("kind"), "")
        used = [(noun, entry.get("subject"))]
    elif entry.noun is HOLD:
        used = [held(entry)]
    elif entry.noun is BLOCK:
        used = [(DEVICE_POOL.name, entry.values.get("device-pool")), (POOL.name, entry.values.get("pool"))]
    return [(noun, name) for noun, name in used if name]


def held(entry: Entry) -> tuple[str, str]:
    """Of a hold: the kind of what it is on, which is a noun where it is not all, and its name."""
    kind, _, subject = entry.key.partition(" ")
    return kind, subject


def _space(entry: Entry) -> list[Edit]:
    return [AddSpace(entry.key, entry.get("description"))]


def _pool(entry: Entry) -> list[Edit]:
    get = entry.get
    family = get("family")
    found = sorted({_family_of(prefix) for prefix in get("prefix")})
    if family is not None and found and [family] != found:
        raise InvalidValue(
            f"it says family {family}, and its prefixes are {' and '.join(found)}", "correct either"
        )
    made: list[Edit] = [
        AddPool(
            name=entry.key,
            space=get("address-space"),
            prefixes=get("prefix"),
            exclude=get("exclude"),
            scope=get("scope"),
            description=get("description"),
            quarantine=get("quarantine"),
            lease_time=get("lease-time"),
            labels=get("label"),
            strategy=get("strategy"),
            parent=get("parent"),
            psid_offset=get("psid-offset"),
            port_routed=get("port-routed"),
            delegated_length=get("delegated-length"),
        )
    ]
    made += [Reserve(entry.key, prefix, reason) for prefix, reason in get("reservation")]
    return made


def _family_of(prefix: str) -> str:
    family = parse_prefix(prefix).family
    return str(family.value)


def _device(entry: Entry) -> list[Edit]:
    get = entry.get
    return [
        AddDevice(
            name=entry.key,
            role=get("role"),
            driver=get("driver"),
            host=get("host"),
            port=get("port"),
            user=get("user"),
            credential=get("credential"),
            space=get("address-space"),
            host_key=get("host-key"),
            instances=get("network-instance"),
            client=get("client"),
            on_drift=get("on-drift"),
            deadlines=_deadlines(entry),
            polling=Polling(get("interval"), get("hot-interval"), get("notifications")),
            labels=get("label"),
        )
    ]


def _deadlines(entry: Entry) -> tuple[tuple[str, float], ...]:
    found: dict[str, Any] = {
        leaf.name: entry.get(leaf.name) for leaf in DEVICE.leaves if leaf.inside == "deadlines"
    }
    return tuple((name, number(value)) for name, value in found.items() if value is not None)


def _group(entry: Entry) -> list[Edit]:
    return [AddGroup(entry.key, entry.get("member"))]


def _device_pool(entry: Entry) -> list[Edit]:
    get = entry.get
    return [
        AddDevicePool(
            name=entry.key,
            pools=get("pool"),
            length=get("length"),
            aaa_name=get("aaa-name") or "",
            gateway=get("gateway"),
            gateway_mask=get("gateway-mask"),
            serve_edges=get("serve-edges"),
            services=get("service"),
            access=get("access"),
            withdraw_when_unknown=get("withdraw-when-unknown"),
            description=get("description"),
            group=get("owner-group"),
            strategy=get("strategy"),
            first_length=get("first-length"),
            next_length=get("next-length"),
            min_blocks=get("min-blocks"),
            max_blocks=get("max-blocks"),
            network_instance=get("network-instance"),
            announcement=get("announcement"),
            next_hop=get("next-hop"),
            route_tag=get("route-tag"),
            usage_high=get("usage-high"),
            usage_low=get("usage-low"),
            automation=Automation(**{name: automation_value(entry, name) for name in NAMES}),
        )
    ]


def automation_value(entry: Entry, name: str) -> Any:
    """What an entry says of a field of Automation: counts of addresses are numbers there."""
    value = entry.get(name.replace("_", "-"))
    return int(value) if name.endswith("_free") and value is not None else value


def _quota(entry: Entry) -> list[Edit]:
    get = entry.get
    return [SetQuota(entry.key, get("kind"), get("subject"), int(get("max-addresses")), get("family"))]


def _limit(entry: Entry) -> list[Edit]:
    """Nothing where the default is said, which holds anyhow."""
    names = {leaf(name): name for name in LIMITS}
    name = names.get(entry.key)
    if name is None:
        raise InvalidValue("there is no such limit", f"use {', '.join(names)}")
    value = entry.get("value")
    return [] if value == getattr(DEFAULT_LIMITS, name) else [SetLimits(((name, value),))]


def _shelf(entry: Entry) -> list[Edit]:
    get = entry.get
    for name, _ in get("alarm-type"):
        if not name.startswith(f"{ALARM_TYPES}:"):
            raise InvalidValue(
                f"'{name}' is no type of alarm", f"write {ALARM_TYPES}:TYPE, as it is exported"
            )
    types = tuple((name.removeprefix(f"{ALARM_TYPES}:"), match) for name, match in get("alarm-type"))
    shelf = AddShelf(
        entry.key, get("resource"), below=get("below"), description=get("description"), qualified=types
    )
    return [shelf]


_EDITS: dict[str, Callable[[Entry], list[Edit]]] = {
    SPACE.name: _space,
    POOL.name: _pool,
    DEVICE.name: _device,
    GROUP.name: _group,
    DEVICE_POOL.name: _device_pool,
    QUOTA.name: _quota,
    LIMIT.name: _limit,
    SHELF.name: _shelf,
}
