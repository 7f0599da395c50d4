"""How things look in answers: the keys are the leaf names of our YANG models (RFC 7951 for the values)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from casm_ctrl.addressing.ports import port_ranges
from casm_ctrl.addressing.prefix import Family, Prefix, format_address
from casm_ctrl.base.automation import Automation
from casm_ctrl.base.clock import Micros, to_rfc3339
from casm_ctrl.service.sizes import size_document
from casm_ctrl.service.usage import pool_usage, usage_document
from casm_ctrl.service.verb import Document
from casm_ctrl.store import automation, devices, owners, pools
from casm_ctrl.store.adoptions import PieceRow
from casm_ctrl.store.block_listing import list_spans
from casm_ctrl.store.block_members import MemberRow
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.devices import DevicePoolRow, DeviceRow
from casm_ctrl.store.events import EventRow
from casm_ctrl.store.observations import FindingRow
from casm_ctrl.store.past_blocks import PastBlock
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.spaces import SpaceRow
from casm_ctrl.store.states import State
from casm_ctrl.store.static_assignments import StaticRow
from casm_ctrl.store.transaction import Transaction


def space_document(space: SpaceRow) -> Document:
    return {"name": space.name, "description": space.description}


def block_document(block: BlockRow, members: Sequence[MemberRow] = (), *, managed: bool = True) -> Document:
    """`managed`: False of what was adopted, until somebody says that it is ours to change."""
    document: Document = {
        "id": block.name,
        **prefix_document(block.prefix, block.psid_offset),
        "address-space": block.space,
        "pool": block.pool,
        "device-pool": block.device_pool,
        "wanted": block.wanted.value,
        "state": block.state.value,
        "since": to_rfc3339(block.changed_at),
    }
    if not managed:
        document["managed"] = False
    if block.rest_until is not None:
        document["quarantined-until"] = to_rfc3339(block.rest_until)
    if block.expires_at is not None:
        document["expires"] = to_rfc3339(block.expires_at)
    if block.used is not None:
        document |= used_document(block.used, block.used_at)
    if members:
        document["member"] = [
            {
                "device": m.device,
                "role": m.role,
                "seen": m.seen.value,
                "since": to_rfc3339(m.since),
                **used_document(m.used, m.used_at),
            }
            for m in members
        ]
    return document


def adoption_document(pieces: Sequence[PieceRow], statics: Sequence[StaticRow]) -> Document:
    """The objects in which an adopted block is, and the static assignments in it; nothing where there are none."""
    document: Document = {}
    if pieces:
        document["adopted-object"] = [{"device": row.device, "object": row.label} for row in pieces]
    if statics:
        document["static"] = [
            {"device": row.device, "object": row.label, "prefix": str(row.prefix)} for row in statics
        ]
    return document


def used_document(used: int | None, at: Micros | None) -> Document:
    """How many addresses subscribers use, and when that was counted; nothing where nobody counts."""
    if used is None or at is None:
        return {}
    return {"used-addresses": str(used), "used-time": to_rfc3339(at)}


def prefix_document(prefix: Prefix, offset: int | None = None) -> Document:
    """A block's space: its prefix, and of a port set also its id and the id's length (RFC 7597, 5.1), and
    the PSID offset where it is given."""
    if prefix.psid is None:
        return {"prefix": str(prefix)}
    address = format_address(prefix.family, prefix.first)
    document: Document = {"prefix": f"{address}/{Family.IPV4.width}"}
    if offset is not None:
        document["psid-offset"] = offset
    return document | {"psid": prefix.psid[0], "psid-length": prefix.psid[1]}


def kind_document(pool: PoolRow, prefix: Prefix) -> Document:
    """What a block of the pool's kind holds beside addresses: ports, or prefixes to delegate."""
    if prefix.psid is not None and pool.psid_offset is not None:
        ranges = port_ranges(pool.psid_offset, *prefix.psid)
        return {"port-range": [{"first": first, "last": last} for first, last in ranges]}
    if pool.delegated_length is not None:
        return {"delegated-prefixes": str(1 << (pool.delegated_length - prefix.length))}
    return {}


def past_block_document(past: PastBlock) -> Document:
    return {
        "id": f"b{past.id}",
        **prefix_document(past.prefix, past.psid_offset),
        "pool": past.pool,
        "device-pool": past.device_pool,
        "state": State.FREE.value,
        "since": to_rfc3339(past.freed_at),
    }


def pool_document(tx: Transaction, pool: PoolRow) -> Document:
    """A pool with its policy and usage; what does not apply to its kind is left out."""
    document: Document = {"name": pool.name, "address-space": pool.space, "family": family_word(pool)}
    if pool.parent_id is not None:
        document["parent"] = pools.get_pool(tx, pool.parent_id).name
    document |= {"scope": pool.scope, "description": pool.description}
    if pool.psid_offset is not None:
        document |= {"psid-offset": pool.psid_offset, "port-routed": pool.port_routed}
    if pool.delegated_length is not None:
        document["delegated-length"] = pool.delegated_length
    return {
        **document,
        "prefix": [str(prefix) for prefix in pools.pool_prefixes(tx, pool.id)],
        "exclude": [str(c.prefix) for c in pools.list_carves(tx, pool_id=pool.id, kind="exclusion")],
        "reservation": [
            {"prefix": str(carve.prefix), "reason": carve.reason}
            for carve in pools.list_carves(tx, pool_id=pool.id, kind="reservation")
        ],
        "child-pool": pools.child_names(tx, pool.id),
        "label": [{"name": name, "value": value} for name, value in pools.pool_labels(tx, pool.id).items()],
        "policy": {
            "strategy": pool.strategy,
            "quarantine": pool.quarantine,
            "lease-time": pool.lease_time,
        },
        "usage": usage_document(pool_usage(tx, pool)),
    }


def family_word(pool: PoolRow) -> str:
    """Shared ports are a kind of IPv4."""
    return str((Family.IPV6 if pool.family is Family.IPV6 else Family.IPV4).value)


def device_document(device: DeviceRow, instances: dict[str, str], labels: dict[str, str]) -> Document:
    """Without the credential's value: the store holds only where it is."""
    document: Document = {
        "name": device.name,
        "role": device.role,
        "driver": device.driver,
        "host": device.host,
        "port": device.port,
        "user": device.username,
        "credential": device.credential,
        "client": device.client,
        "on-drift": device.on_drift,
        "address-space": device.space,
        "network-instance": [{"name": name, "address-space": space} for name, space in instances.items()],
        "label": [{"name": name, "value": value} for name, value in labels.items()],
        "sync": sync_document(device),
    }
    if device.host_key is not None:
        document["host-key"] = device.host_key
    if device.deadlines:
        document["deadlines"] = deadlines_document(device.deadlines)
    document["polling"] = {name.replace("_", "-"): value for name, value in vars(device.polling).items()}
    return document


def deadlines_document(deadlines: Mapping[str, float]) -> Document:
    """Seconds as RFC 7951 writes decimal64; commit is a whole number."""
    return {
        phase: int(seconds) if phase == "commit" else seconds_text(seconds)
        for phase, seconds in deadlines.items()
    }


def seconds_text(seconds: float) -> str:
    """The canonical form of a decimal64 with three digits (RFC 7950, 9.3.2): 60.0, 0.25."""
    whole, _, part = f"{seconds:.3f}".partition(".")
    return f"{whole}.{part.rstrip('0') or '0'}"


def sync_document(device: DeviceRow) -> Document:
    document: Document = {"state": device.sync_state, "generation": str(device.edit_generation)}
    if device.seen_at is not None:
        document["last-seen"] = to_rfc3339(device.seen_at)
    if device.error is not None:
        document["last-error"] = device.error
    return document


def device_pool_document(tx: Transaction, row: DevicePoolRow) -> Document:
    document: Document = {
        "device-pool": row.label,
        "aaa-name": row.aaa_name,
        "pool": [pools.get_pool(tx, number).name for number in devices.device_pool_sources(tx, row.id)],
        "length": row.length,
        "gateway": row.gateway,
        "serve-edges": row.serve_edges,
        "service": devices.device_pool_services(tx, row.id),
        "withdraw-when-unknown": row.withdraw_when_unknown,
        "description": row.description,
        **size_document(row, list_spans(tx, row.id)),
        "min-blocks": row.min_blocks,
        "announcement": row.announcement,
    }
    optional = {
        "owner-group": owners.group_of(tx, row.owner_id),
        "strategy": row.strategy,
        "first-length": row.first_length,
        "next-length": row.next_length,
        "max-blocks": row.max_blocks,
        "network-instance": row.network_instance,
        "next-hop": row.next_hop,
        "route-tag": row.route_tag,
        "usage-high": row.usage_high,
        "usage-low": row.usage_low,
    }
    document |= {name: value for name, value in optional.items() if value is not None}
    if row.gateway_mask is not None:
        document["gateway-mask"] = row.gateway_mask
    if row.access is not None:
        document["access"] = row.access
    held = automation_document(automation.get_automation(tx, row.id))
    return document | ({"automation": held} if held else {})


def automation_document(held: Automation) -> Document:
    """What was set; counts of addresses are decimal strings."""
    values = {name: value for name, value in vars(held).items() if value is not None}
    return {
        name.replace("_", "-"): str(value) if name.endswith("_free") else value
        for name, value in values.items()
    }


def event_document(event: EventRow) -> Document:
    document: Document = {
        "sequence": str(event.seq),
        "time": to_rfc3339(event.at),
        "actor": event.actor,
        "verb": event.verb,
        "subject-kind": event.subject_kind,
        "subject": event.subject,
        "reason": event.reason,
    }
    if event.request_id is not None:
        document["request-id"] = event.request_id
    if event.revision is not None:
        document["config-revision"] = str(event.revision)
    if event.session_id is not None:
        document["session-id"] = event.session_id
    if event.subject_kind != "block":
        if event.target is not None:
            document["outcome"] = event.target
        return document
    if event.source is not None:
        document["from"] = event.source
    if event.target is not None:
        document["to"] = event.target
    return document


def finding_document(finding: FindingRow) -> Document:
    document: Document = {
        "device": finding.device,
        "kind": finding.kind,
        "object": f"{finding.path}[{', '.join(finding.keys)}]",
        "holds": finding.holds,
        "since": to_rfc3339(finding.since),
        "words": finding.words,
    }
    if finding.block is not None:
        document["block"] = f"b{finding.block}"
    return document
