"""NetBox's export of prefixes, as CSV: container and active prefixes become pools, what is inside another becomes
its child.

NetBox exports tables as people see them: headers and values are display names ("VRF", "Active", "Global"), and
which columns there are depends on the view; "all data" exports and its import form have field names ("vrf",
"active"). Both are read. NetBox marks nesting with bullets in some versions, and nothing with a dash.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from casm_ctrl.addressing.prefix import Prefix, parse_prefix
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.service.exchange.csv import rows_of
from casm_ctrl.service.exchange.nouns import POOL, SPACE, Entry
from casm_ctrl.service.exchange.problems import Problems

GLOBAL = "global"
"""The space of what is in no VRF, unless another is named."""

_COLUMNS = {
    "prefix": "prefix",
    "prefix (flat)": "prefix",
    "prefix_flat": "prefix",
    "status": "status",
    "vrf": "vrf",
    "description": "description",
    "role": "role",
    "tenant": "tenant",
    "scope": "scope",
    "site": "site",
}
"""NetBox's columns that are taken, by header in lower case."""

_LABELS = ("role", "tenant", "scope", "site")
_POOLS = ("container", "active")
_RESERVED = ("reserved", "deprecated")
_NOTHING = {"", "\u2014", "-", "\u2013", "&mdash;", "none", "null"}
_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 63


@dataclass
class _Row:
    """A prefix of NetBox. `parent` is the nearest prefix of its VRF around it."""

    line: int
    prefix: Prefix
    space: str
    status: str
    cells: dict[str, str]
    parent: _Row | None = None
    children: list[_Row] = field(default_factory=list)

    @property
    def is_pool(self) -> bool:
        """A reserved prefix that pools are inside of is a pool too."""
        return self.status in _POOLS or any(child.is_pool for child in self.children)

    @property
    def name(self) -> str:
        text = str(self.prefix).replace(":", "-").replace("/", "-")
        return f"{self.space[: _LONGEST_NAME - 1 - len(text)]}-{text}"

    @property
    def pool_around(self) -> _Row | None:
        around = self.parent
        while around is not None and not around.is_pool:
            around = around.parent
        return around


def read_netbox(text: str, problems: Problems, space: str = GLOBAL) -> tuple[list[Entry], list[str]]:
    """The spaces and pools, and notes on what was not taken."""
    rows, notes = _rows(text, problems, space)
    _nest(rows, problems)
    spaces: dict[str, Entry] = {}
    pools: list[Entry] = []
    left: dict[str, int] = {}
    for row in rows:
        spaces.setdefault(row.space, Entry(SPACE, row.space, {}, row.line, partial=True))
        if row.is_pool:
            pools.append(_pool(row))
        elif row.pool_around is None:
            left[row.status] = left.get(row.status, 0) + 1
    notes += (
        f"{count} {status} prefix(es) inside no pool were left out" for status, count in sorted(left.items())
    )
    used = {pool.values["address-space"] for pool in pools}
    return [entry for name, entry in spaces.items() if name in used] + pools, notes


def _pool(row: _Row) -> Entry:
    values: dict[str, object] = {
        "address-space": row.space,
        "prefix": (str(row.prefix),),
        "label": tuple(sorted((name, row.cells[name]) for name in _LABELS if name in row.cells)),
    }
    if "description" in row.cells:
        values["description"] = row.cells["description"]
    around = row.pool_around
    if around is not None:
        values["parent"] = around.name
    kept = [child for child in _inside(row) if not child.is_pool]
    if kept:
        kept.sort(key=lambda child: child.prefix.first_key)
        values["reservation"] = tuple((str(child.prefix), _reason(child)) for child in kept)
    return Entry(POOL, row.name, values, row.line, partial=True)


def _inside(row: _Row) -> Iterable[_Row]:
    """The reserved prefixes directly inside; what is reserved inside those is theirs."""
    return (child for child in row.children if not child.is_pool)


def _reason(row: _Row) -> str:
    words = row.cells.get("description") or row.cells.get("role")
    return f"{row.status} in NetBox{f': {words}' if words else ''}"


def _nest(rows: list[_Row], problems: Problems) -> None:
    """Find each prefix's parent: in order of address, the longer after the shorter, it is still open."""
    rows.sort(key=lambda row: (row.space, row.prefix.family.number, row.prefix.first_key, row.prefix.length))
    open_: list[_Row] = []
    for row in list(rows):
        while open_ and not (open_[-1].space == row.space and open_[-1].prefix.contains(row.prefix)):
            open_.pop()
        if open_ and open_[-1].prefix == row.prefix:
            problems.add(
                row.line,
                f"{row.prefix} is there twice in space '{row.space}' (line {open_[-1].line})",
                "give it once, or in another VRF",
            )
            continue
        if open_:
            row.parent = open_[-1]
            open_[-1].children.append(row)
        open_.append(row)


def _rows(text: str, problems: Problems, space: str) -> tuple[list[_Row], list[str]]:
    rows: list[_Row] = []
    vrfs: dict[str, str] = {}
    columns: list[str | None] = []
    notes: list[str] = []
    for line, cells in rows_of(text, problems):
        if not any(cell.strip() for cell in cells):
            continue
        if not columns:
            columns, notes = _header(line, cells, problems)
            if "prefix" not in columns:
                return [], []
            continue
        row = _row(line, dict(zip(columns, cells, strict=False)), space, problems)
        if row is None:
            continue
        vrf = row.cells.get("vrf", "")
        if vrfs.setdefault(row.space, vrf) != vrf:
            problems.add(
                line,
                f"the VRFs '{vrfs[row.space]}' and '{vrf}' would both be space '{row.space}'",
                "give one of them another name in the file, or another with --space",
            )
        rows.append(row)
    return rows, notes


def _header(line: int, cells: list[str], problems: Problems) -> tuple[list[str | None], list[str]]:
    names = [cell.strip() for cell in cells]
    columns = [_COLUMNS.get(name.lower()) for name in names]
    if columns.count("prefix") > 1:  # the nested and the flat form of the same
        columns[columns.index("prefix")] = None
    if "prefix" not in columns:
        problems.add(
            line, f"there is no column Prefix, but {', '.join(names[:8])}", "export NetBox's prefixes as CSV"
        )
    ignored = [name for name, column in zip(names, columns, strict=True) if column is None and name]
    return columns, [f"columns that were not taken: {', '.join(ignored)}"] if ignored else []


def _row(line: int, found: dict[str | None, str], space: str, problems: Problems) -> _Row | None:
    cells = {
        name: cell.strip()
        for name, cell in found.items()
        if name is not None and cell.strip().lower() not in _NOTHING
    }
    text = cells.get("prefix", "").lstrip("•· \t")
    status = cells.get("status", "active").lower()
    if status == "available":  # NetBox's row for a gap between prefixes
        return None
    try:
        if status not in (*_POOLS, *_RESERVED):
            raise InvalidValue(
                f"'{cells['status']}' is not a status that is known here",
                f"use {', '.join((*_POOLS, *_RESERVED))}",
            )
        prefix = parse_prefix(text)
    except InvalidValue as error:
        problems.add_error(line, error)
        return None
    vrf = cells.get("vrf", "")
    if vrf.lower() == "global":
        del cells["vrf"]
        vrf = ""
    return _Row(line, prefix, _name(vrf) if vrf else space, status, cells)


def _name(vrf: str) -> str:
    """The space for a VRF: its name without the route distinguisher, with what a name may not have replaced."""
    bare = re.sub(r"\s*\([^()]*\)\s*\Z", "", vrf) or vrf
    name = _ODD.sub("-", bare).strip("-._")[:_LONGEST_NAME]
    return name if name and not re.fullmatch(r"b[0-9]+", name) else f"vrf-{name}"[:_LONGEST_NAME]
