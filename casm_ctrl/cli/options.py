"""The options that commands share, their defaults, and the words that they take."""

from __future__ import annotations

import getpass
import inspect
import os
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.cli import complete

DATABASE = "CASM_DATABASE"


class Role(StrEnum):
    """What a device is."""

    BNG = "bng"
    CGN = "cgn"
    DHCP = "dhcp"


class Client(StrEnum):
    """What enters a device."""

    ASYNCSSH = "asyncssh"
    NCCLIENT = "ncclient"


class Scope(StrEnum):
    """Whether a pool's addresses are unique in its space or in all."""

    PRIVATE = "private"
    PUBLIC = "public"


class Strategy(StrEnum):
    """Which free block an allocation takes."""

    BEST_FIT = "best-fit"
    ADJACENT = "adjacent"
    SPARSE = "sparse"


class AddressFamily(StrEnum):
    """Which addresses are meant."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"


class Access(StrEnum):
    """What kind of access a device pool serves, in the words of ietf-address-pool."""

    PPPOE = "pppoe"
    DHCP = "dhcp"
    VPN = "vpn"
    DS_LITE = "ds-lite"
    LW4OVER6 = "lw4over6"
    MAP = "map"
    CGN = "cgn"
    XLAT = "xlat"
    OTHER = "other"


class OnDrift(StrEnum):
    """What a look for drift does."""

    REPORT = "report"
    RESTORE = "restore"


class AutomationMode(StrEnum):
    """Whether automation acts."""

    OBSERVE = "observe"
    AUTOMATIC = "automatic"


class Scarcity(StrEnum):
    """What is done with what idles, while others have none."""

    PLAN = "plan"
    APPLY = "apply"


class Announcement(StrEnum):
    """Who announces the routes to a device pool's blocks."""

    NONE = "none"
    DEVICE_AUTOMATIC = "device-automatic"
    STATIC_DISCARD = "driver-static-discard"
    EXTERNAL = "external"


class LiveState(StrEnum):
    """The states of a block that is not free."""

    RESERVED = "reserved"
    INSTALLED = "installed"
    DRAINING = "draining"
    WITHDRAWING = "withdrawing"
    QUARANTINED = "quarantined"


JSON_OPTION = typer.Option("--json", help="Answer with one JSON object on stdout.")
DATABASE_OPTION = typer.Option(
    "--database",
    metavar="URL",
    help=f"The store: a URL or the path of an SQLite file. [env var: {DATABASE}]".replace("[", "\\["),
)
ACTOR_OPTION = typer.Option(
    "--actor", metavar="NAME", help="Who is recorded as having asked. Default: the user of the system."
)

Json = Annotated[bool, JSON_OPTION]
DatabaseUrl = Annotated[str | None, DATABASE_OPTION]

RequestId = Annotated[
    str | None,
    typer.Option(
        "--request-id",
        metavar="ID",
        help="Repeating a command with the same id gets the first answer and changes nothing again.",
    ),
]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept in the audit.")]
SpaceFilter = Annotated[
    str | None,
    typer.Option(
        "--space",
        metavar="SPACE",
        help="The address space, where a prefix is a block in more than one.",
        autocompletion=complete.spaces,
    ),
]
Lifetime = Annotated[
    str | None,
    typer.Option("--lifetime", metavar="TIME", help="For how long from now: 30d, 12h.", show_default=False),
]
Expires = Annotated[
    str | None,
    typer.Option(
        "--expires",
        metavar="TIME",
        help="Until when: 2027-01-31T00:00:00Z (RFC 3339), or never.",
        show_default=False,
    ),
]
BlockNames = Annotated[
    list[str],
    typer.Argument(
        metavar="BLOCK",
        help="Blocks, by id (b12) or prefix.",
        show_default=False,
        autocompletion=complete.blocks,
    ),
]
DeviceNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DEVICE",
        help="The devices; all of them where none is named.",
        show_default=False,
        autocompletion=complete.devices,
    ),
]
AcceptNew = Annotated[
    bool,
    typer.Option("--accept-new", help="Take and record the host key of a device whose key is not known yet."),
]
Wait = Annotated[
    str,
    typer.Option(
        "--wait",
        metavar="TIME",
        help="How long to wait for another process that works on a device: 30s, 2m, 0.",
    ),
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="NAME=VALUE", help="A label; may be repeated.", show_default=False),
]
LabelsToSet = Annotated[
    list[str] | None,
    typer.Option(
        "--label", metavar="NAME=VALUE", help="A label to set; may be repeated.", show_default=False
    ),
]
LabelsToTake = Annotated[
    list[str] | None,
    typer.Option(
        "--unlabel", metavar="NAME", help="A label to take away; may be repeated.", show_default=False
    ),
]
PollInterval = Annotated[
    str | None,
    typer.Option(
        "--poll-interval",
        metavar="TIME",
        help="How often its usage is read: 5m, 30s.",
        show_default=False,
    ),
]
HotInterval = Annotated[
    str | None,
    typer.Option(
        "--hot-interval",
        metavar="TIME",
        help="How often while a pool of it is nearly full: 30s.",
        show_default=False,
    ),
]
Notifications = Annotated[
    bool | None,
    typer.Option(
        "--notifications/--no-notifications",
        help="Whether its notifications are listened to, where it has them.",
        show_default=False,
    ),
]
Instances = Annotated[
    list[str] | None,
    typer.Option(
        "--instance",
        metavar="NAME=SPACE",
        help="The space of one of its network instances; may be repeated.",
        show_default=False,
    ),
]
Parent = Annotated[
    str | None,
    typer.Option(
        "--parent",
        metavar="POOL",
        help="Cut the prefixes from what is free in this pool.",
        show_default=False,
        autocompletion=complete.pools,
    ),
]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="FILE", help="Write the whole report there, as JSON.", show_default=False
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        max=256,
        help="How many devices are worked on at the same time. One that makes us wait is not counted.",
    ),
]
Retries = Annotated[
    int,
    typer.Option(
        "--retries",
        metavar="N",
        min=0,
        max=100,
        help="How often a device is tried again that cannot be reached, or whose session ends early.",
    ),
]
Retry = Annotated[
    bool,
    typer.Option(
        "--retry",
        help="Also try devices that did not answer in the last runs. One that is named is always tried.",
    ),
]
YangPath = Annotated[
    str | None,
    typer.Option(
        "--yang-path",
        metavar="DIR[:DIR…]",
        envvar="CASM_YANG_PATH",
        help="Folders with the devices' YANG modules, for those that a device does not hand out.",
        show_default=False,
    ),
]
RemoveZombies = Annotated[
    bool,
    typer.Option(
        "--remove-zombies", help="Also remove blocks of ours from devices that do not own them any more."
    ),
]


def _option(name: str, annotation: object, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


COMMON = (_option("as_json", Json, False), _option("database", DatabaseUrl, None))
"""Every command has these."""

REQUEST = (_option("request_id", RequestId, None), _option("reason", Reason, None))
"""Every command that changes the store has these as well."""


def default_url() -> str:
    """CASM_DATABASE, else casm.db in the user's data directory."""
    named = os.environ.get(DATABASE)
    if named:
        return named
    import platformdirs

    return str(platformdirs.user_data_path("casm") / "casm.db")


def default_actor() -> str:
    """The login name of who runs the program, or the number where the system has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def examples_epilog(examples: Sequence[str]) -> str:
    """Examples under the help, each on a line of its own."""
    escaped = (example.replace("[", "\\[") for example in examples)
    return "\n\n".join(("Examples:", *(f"  {example}" for example in escaped)))


def parse_count(option: str, text: str) -> int:
    """A count of addresses: a number (grouped or not), or 2^N as IPv6 needs; InvalidValue names the option."""
    match = re.fullmatch(r"([0-9][0-9,]{0,50})|2\^([0-9]{1,3})", text)
    if match is None:
        raise InvalidValue(f"'{text}' is not what {option} takes", f"write {option} 1000 or {option} 2^64")
    return 1 << int(match[2]) if match[2] else int(match[1].replace(",", ""))


def read_polling(
    interval: str | None, hot_interval: str | None, notifications: bool | None
) -> tuple[tuple[str, int], ...]:
    """What was said, by the names of the fields of Polling."""
    from casm_ctrl.base.clock import parse_duration

    said = [("interval", interval), ("hot_interval", hot_interval)]
    found = [(name, parse_duration(text)) for name, text in said if text is not None]
    return (*found, *([] if notifications is None else [("notifications", notifications)]))


def split_pairs(option: str, texts: Sequence[str], form: str) -> tuple[tuple[str, str], ...]:
    """Each of `texts` cut at its first '='; InvalidValue names the option where there is none."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise InvalidValue(f"'{text}' is not what {option} takes", f"write {option} {form}")
        if name in pairs:
            raise InvalidValue(f"{option} gives '{name}' twice", "give it once")
        pairs[name] = value
    return tuple(pairs.items())
