"""Quotas: how many addresses the blocks of a device, a tenant (an address space) or a pool may hold together.

Blocks count until they are free again, those in quarantine too. A block of a group counts for the device
in its device pool's name.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.addressing.prefix import PORT_BITS, Family, count_addresses
from casm_ctrl.base.errors import AlreadyExists, InvalidValue
from casm_ctrl.base.identifiers import check_name
from casm_ctrl.service.edits import Done
from casm_ctrl.service.lookup import the_device, the_pool, the_quota, the_space
from casm_ctrl.service.verb import Document
from casm_ctrl.store import quotas
from casm_ctrl.store.database import Database
from casm_ctrl.store.quotas import KINDS, QuotaRow
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class SetQuota:
    """`family` is needed where the subject may have both: a device or a space. Replaces one of that name."""

    name: str
    kind: str
    subject: str
    addresses: int
    family: str | None = None


@dataclass(frozen=True)
class RemoveQuota:
    name: str


def set_quota(tx: Transaction, edit: SetQuota) -> Done:
    check_name("quota", edit.name)
    subject_id, family = _subject(tx, edit)
    if not 0 <= edit.addresses <= 1 << family.width:
        raise InvalidValue(
            f"{edit.addresses} is not a number of {family.value} addresses", f"give 0 to 2^{family.width}"
        )
    other = quotas.quota_on(tx, edit.kind, subject_id, family)
    if other is not None and other.name != edit.name:
        raise AlreadyExists(
            f"quota '{other.name}' limits {family.value} of {edit.kind} '{edit.subject}' already",
            "change that one, or remove it first",
        )
    number = quotas.put_quota(tx, edit.name, edit.kind, subject_id, family, edit.addresses)
    words = f"{edit.addresses} {family.value} addresses for {edit.kind} {edit.subject}"
    return Done("quota-set", "quota", number, edit.name, words)


def remove_quota(tx: Transaction, edit: RemoveQuota) -> Done:
    quota = the_quota(tx, edit.name)
    quotas.delete_quota(tx, quota.id)
    return Done("quota-remove", "quota", quota.id, quota.name)


def list_quotas(database: Database) -> list[Document]:
    with database.read() as tx:
        return [_document(tx, quota) for quota in quotas.list_quotas(tx)]


def used_addresses(quota: QuotaRow, scaled: int) -> str:
    """What is used, as a count of addresses."""
    return count_addresses(quota.family if quota.family is Family.IPV6 else Family.PORTS, scaled)


def limit_scaled(quota: QuotaRow) -> int:
    """The limit in units of the store's scale."""
    return quota.addresses if quota.family is Family.IPV6 else quota.addresses << PORT_BITS


def _subject(tx: Transaction, edit: SetQuota) -> tuple[int, Family]:
    if edit.kind not in KINDS:
        raise InvalidValue(f"'{edit.kind}' cannot have a quota", f"use {', '.join(KINDS)}")
    if edit.kind == "pool":
        pool = the_pool(tx, edit.subject)
        family = Family.IPV6 if pool.family is Family.IPV6 else Family.IPV4
        if edit.family not in (None, family.value):
            raise InvalidValue(
                f"pool '{pool.name}' is {family.value}, and the quota {edit.family}",
                f"give --family {family.value}",
            )
        return pool.id, family
    known = {family.value: family for family in (Family.IPV4, Family.IPV6)}
    if edit.family not in known:
        found = "no family was given" if edit.family is None else f"'{edit.family}' is not a family"
        raise InvalidValue(
            f"{found} for the quota of {edit.kind} '{edit.subject}'", "give --family ipv4 or --family ipv6"
        )
    number = the_device(tx, edit.subject).id if edit.kind == "device" else the_space(tx, edit.subject).id
    return number, known[edit.family]


def _document(tx: Transaction, quota: QuotaRow) -> Document:
    return {
        "name": quota.name,
        "kind": quota.kind,
        "subject": quota.subject,
        "family": quota.family.value,
        "max-addresses": str(quota.addresses),
        "used-addresses": used_addresses(quota, quotas.used(tx, quota)),
    }
