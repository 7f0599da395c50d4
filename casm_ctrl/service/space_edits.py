"""Make, describe and remove address spaces."""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.errors import AlreadyExists, InUse
from casm_ctrl.base.identifiers import check_name
from casm_ctrl.service.edits import Done
from casm_ctrl.service.lookup import the_space
from casm_ctrl.store import configuration_changes, quotas, spaces
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class AddSpace:
    name: str
    description: str = ""


@dataclass(frozen=True)
class ChangeSpace:
    name: str
    description: str


@dataclass(frozen=True)
class RemoveSpace:
    name: str


def add_space(tx: Transaction, edit: AddSpace) -> Done:
    check_name("space", edit.name)
    if spaces.find_space(tx, edit.name) is not None:
        raise AlreadyExists(f"there is an address space '{edit.name}' already", "choose another name")
    number = spaces.insert_space(tx, edit.name, edit.description)
    return Done("space-add", "space", number, edit.name)


def change_space(tx: Transaction, edit: ChangeSpace) -> Done:
    space = the_space(tx, edit.name)
    configuration_changes.set_space_description(tx, space.id, edit.description)
    return Done("space-change", "space", space.id, edit.name, f"description '{edit.description}'")


def remove_space(tx: Transaction, edit: RemoveSpace) -> Done:
    space = the_space(tx, edit.name)
    users = spaces.space_users(tx, space.id)
    if users:
        raise InUse(f"address space '{edit.name}' is used by {', '.join(users)}", "remove those first")
    quotas.delete_quotas_on(tx, "space", space.id)
    spaces.delete_space(tx, space.id)
    return Done("space-remove", "space", space.id, edit.name)
