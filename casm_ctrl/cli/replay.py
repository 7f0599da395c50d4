"""`casm replay`: what a policy would have done with the usage of the last weeks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.cli.call import Answer, Call, Document, command

if TYPE_CHECKING:
    from rich.console import RenderableType

    from casm_ctrl.control.replay.figures import Figures
    from casm_ctrl.control.replay.samples import Usage
    from casm_ctrl.control.replay.scenario import PoolSize, Scenario

BEGIN = "2026-11-02T00:00:00Z"
"""When generated usage begins: a Monday."""
_STOCK = re.compile(r"(needs|subscribers)(?:x([0-9]{1,3}(?:\.[0-9]{1,4})?))?")
_MOST_POLICIES = 2


def register(app: typer.Typer, panel: str) -> None:
    command(
        app,
        "replay",
        panel=panel,
        examples=(
            "casm replay --samples usage.jsonl --policy policy.json",
            "casm replay --samples usage.csv --policy automatic --policy static --plot replay.svg",
            "casm replay --from-store 30d --policy policy.json --json",
            "casm replay --generate 30d --device-pools 200 --pools 4 --seed 1 --write usage.jsonl",
            "casm replay --generate 3d --device-pools 12 --stock subscribersx1.15",
        ),
    )(replay)


def replay(
    call: Call,
    samples: Annotated[
        Path | None,
        typer.Option(
            "--samples", metavar="FILE", help="Usage to replay: JSON lines, or CSV where it is named so."
        ),
    ] = None,
    from_store: Annotated[
        str | None,
        typer.Option(
            "--from-store", metavar="TIME", help="Replay what was recorded in this time up to now, as 30d."
        ),
    ] = None,
    generate: Annotated[
        str | None,
        typer.Option(
            "--generate", metavar="TIME", help="Replay the usage of a made-up network for so long, as 30d."
        ),
    ] = None,
    device_pools: Annotated[
        int, typer.Option("--device-pools", metavar="N", min=1, max=10_000, help="Of a made-up network.")
    ] = 200,
    pools: Annotated[
        int, typer.Option("--pools", metavar="N", min=1, max=1000, help="Of a made-up network.")
    ] = 4,
    mixed: Annotated[
        bool,
        typer.Option("--mixed", help="Of a made-up network: homes and offices draw from the same pools."),
    ] = False,
    seed: Annotated[
        int,
        typer.Option("--seed", metavar="N", min=0, help="The same number makes the same network and replay."),
    ] = 0,
    write: Annotated[
        Path | None,
        typer.Option(
            "--write", metavar="FILE", help="Write the usage as JSON lines; no policy is needed then."
        ),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="FILE",
            help="A policy to run: a JSON file, 'automatic' (the defaults, switched on) or 'static' (equal shares). "
            "Give two to see them side by side. Default: both of these.",
            show_default=False,
        ),
    ] = None,
    stock: Annotated[
        str | None,
        typer.Option(
            "--stock",
            metavar="needs|subscribers[xN]",
            help="How large each pool is, whatever the policy says: N times the peak of what its device pools need in "
            "whole blocks (and what rests in quarantine on top), or of their subscribers. Without N it is 1.15.",
        ),
    ] = None,
    step: Annotated[
        str, typer.Option("--step", metavar="TIME", help="How far the clock is moved at once.")
    ] = "5m",
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw how it went, as .svg or .png.")
    ] = None,
) -> Answer:
    """Run a policy over usage that was recorded or made up, and tell what would have happened.

    Nothing is changed, and no device is asked. Device pools are decided about by the same rules as in earnest. A
    made-up network begins on a Monday with device pools of all sizes that grow and shrink, bursts and restarts.
    """
    from casm_ctrl.base.clock import parse_duration
    from casm_ctrl.control.replay.policy_file import read_policy

    given = [name for name, value in _sources(samples, from_store, generate) if value is not None]
    if len(given) != 1:
        raise InvalidValue(
            f"usage is given {len(given)} times", "give one of --samples, --from-store and --generate"
        )
    names = list(policy or (() if write is not None else ("automatic", "static")))
    if len(names) > _MOST_POLICIES:
        raise InvalidValue(f"{len(names)} policies are given", "give one, or two to see side by side")
    scenarios = [read_policy(name) for name in names]
    size = None if stock is None else _size(stock)
    if size is not None:
        scenarios = [scenario.sized(size) for scenario in scenarios]
    seconds = parse_duration(step)
    if not 10 <= seconds <= 3600:
        raise InvalidValue(f"--step {step} is {seconds} seconds", "give 10s to 60m")
    if plot is not None:
        from casm_ctrl.control.plots import check_picture

        check_picture(plot)
        if not scenarios:
            raise InvalidValue("there is no policy to draw", "give --policy")

    usage = _usage(call, samples, from_store, generate, (device_pools, pools, mixed, seed))
    document: Document = {"usage": _describe(usage)}
    if write is not None:
        document["written"] = {"file": str(write), "samples": _write(usage, write)}
    found: list[Figures] = []
    if scenarios:
        found = _run_all(scenarios, usage, seconds, seed)
        document["policy"] = [one.document() for one in found]
    if plot is not None:
        from casm_ctrl.control.replay.picture import draw

        draw(found, plot)
        document["picture"] = str(plot)
    return Answer({"replay": document}, lambda: _show(document), notes=_notes(usage))


# --- Usage ----------------------------------------------------------------------------------------


def _sources(
    samples: Path | None, from_store: str | None, generate: str | None
) -> Iterable[tuple[str, object | None]]:
    return (("--samples", samples), ("--from-store", from_store), ("--generate", generate))


def _usage(
    call: Call,
    samples: Path | None,
    from_store: str | None,
    generate: str | None,
    made: tuple[int, int, bool, int],
) -> Usage:
    if samples is not None:
        from casm_ctrl.control.replay.samples import read_usage

        return read_usage(samples)
    if from_store is not None:
        from casm_ctrl.cli.replay_store import recorded_usage

        return recorded_usage(call.database, from_store)
    assert generate is not None
    return _generated(generate, *made)


def _generated(time: str, device_pools: int, pools: int, mixed: bool, seed: int) -> Usage:
    from casm_ctrl.base.clock import from_rfc3339, parse_duration
    from casm_ctrl.cli.progress import counting
    from casm_ctrl.cli.replay_usage import make_network, usage_of

    days, rest = divmod(parse_duration(time), 86400)
    if rest or not 1 <= days <= 366:
        raise InvalidValue(f"--generate {time} is not a number of days", "give 1d to 366d")
    if pools > device_pools:
        raise InvalidValue(
            f"{device_pools} device pools are to draw from {pools} pools",
            "give as many device pools, or more",
        )
    made = make_network(days, device_pools, pools, seed, from_rfc3339(BEGIN), mixed=mixed)
    with counting("generating usage", made.steps) as step:
        return usage_of(made, step)


def _write(usage: Usage, path: Path) -> int:
    from casm_ctrl.control.replay.samples import rows_of, write_usage

    try:
        with path.open("w", encoding="utf-8") as file:
            kind = "used" if usage.used_only else "wanted"
            return write_usage(file, usage.series.values(), rows_of(usage), usage.restarts, kind=kind)
    except OSError as error:
        raise InvalidValue(
            f"{path} cannot be written: {error.strerror}", "name another file with --write"
        ) from None


def _size(text: str) -> PoolSize:
    from casm_ctrl.control.replay.scenario import NEEDS, SUBSCRIBERS, PoolSize

    match = _STOCK.fullmatch(text)
    if match is None or (match[2] is not None and not float(match[2])):
        raise InvalidValue(f"'{text}' is not what --stock takes", "write needs, subscribers, or needsx1.15")
    if match[2] is None:
        return NEEDS if match[1] == "needs" else SUBSCRIBERS
    times = float(match[2])
    return PoolSize(times_needs=times) if match[1] == "needs" else PoolSize(times_subscribers=times)


def _describe(usage: Usage) -> Document:
    from casm_ctrl.base.clock import to_rfc3339

    return {
        "begin": to_rfc3339(usage.start),
        "end": to_rfc3339(usage.end),
        "device-pools": len(usage.series),
        "samples": sum(len(one.times) for one in usage.series.values()),
        "restarts": len(usage.restarts),
    }


def _notes(usage: Usage) -> Sequence[str]:
    if not usage.used_only:
        return ()
    return ("the usage says who had an address: who was refused one then is not in it, and not refused here",)


# --- The replay -----------------------------------------------------------------------------------


def _run_all(scenarios: Sequence[Scenario], usage: Usage, step: int, seed: int) -> list[Figures]:
    """Two policies run in a process each, so that both take no longer than one."""
    from casm_ctrl.cli.beside import beside
    from casm_ctrl.cli.progress import counting
    from casm_ctrl.control.deciding.decision import decide
    from casm_ctrl.control.replay.course import lay_grid, replay

    grid = lay_grid(usage, step)

    def run(scenario: Scenario, progress: Callable[[float], None]) -> Figures:
        return replay(scenario, usage, grid, decide, seed=seed, progress=progress)

    with beside([partial(run, scenario, _quiet) for scenario in scenarios[1:]]) as others:
        with counting("replaying", grid.steps) as count:
            done = 0

            def progress(share: float) -> None:
                nonlocal done
                count(round(share * grid.steps) - done)
                done = round(share * grid.steps)

            first = run(scenarios[0], progress)
        return [first, *others()]


def _quiet(share: float) -> None:
    """Who works beside shows nothing."""


# --- What people see ------------------------------------------------------------------------------

_ROWS = (
    ("shortage (minutes)", "shortage-minutes"),
    ("login failures", "login-failures"),
    ("without service (subscriber minutes)", "unserved-subscriber-minutes"),
    ("blocks added", "blocks-added"),
    ("blocks returned", "blocks-returned"),
    ("drains cancelled", "drains-cancelled"),
    ("subscribers on drained blocks", "subscribers-drained"),
    ("subscribers cut off", "subscribers-cut-off"),
    ("peak blocks used", "peak-blocks"),
    ("peak blocks in quarantine", "peak-quarantined"),
)


def _show(document: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import plural, table, titled

    usage = document["usage"]
    yield (
        f"Usage of {plural(usage['device-pools'], 'device pool')} from {usage['begin'][:16]}Z to {usage['end'][:16]}Z: "
        f"{usage['samples']:,} samples, {plural(usage['restarts'], 'restart')}."
    )
    if "written" in document:
        yield f"Written to {document['written']['file']}."
    policies = document.get("policy", [])
    if not policies:
        return
    names = [one["policy"] for one in policies]
    rows = [[words, *(_number(one[key]) for one in policies)] for words, key in _ROWS]
    rows.append(["utilisation of what is installed", *(f"{one['utilisation']:.1%}" for one in policies)])
    yield from titled(
        "Result", table(("", *(name.upper() for name in names)), rows, right=[n.upper() for n in names])
    )
    columns = (
        "POLICY",
        "POOL",
        "DEVICE POOLS",
        "BLOCK",
        "SIZE",
        "PEAK NEEDS",
        "OWN PEAKS",
        "PEAK USED",
        "QUARANTINED",
    )
    pools = (
        (
            one["policy"],
            pool["name"],
            pool["device-pools"],
            f"/{pool['block-length']}",
            _number(pool["size"]),
            _number(pool["peak-needs"]),
            _number(pool["own-peaks"]),
            _number(pool["peak-blocks"]),
            _number(pool["peak-quarantined"]) + (" on top" if pool["quarantine-on-top"] else ""),
            _number(pool["shortage-minutes"]),
            _number(pool["login-failures"]),
        )
        for one in policies
        for pool in one["pool"]
    )
    more = ("SHORTAGE", "FAILURES")
    yield from titled("Pools, in blocks", table((*columns, *more), pools, right=(*columns[2:], *more)))
    for one in policies:
        if one["rule"] or one["blocked-by"]:
            done = ", ".join(f"{row['name']} {row['times']:,}" for row in one["rule"]) or "nothing"
            kept = ", ".join(f"{row['name']} {row['times']:,}" for row in one["blocked-by"])
            yield ""
            yield f"{one['policy']} acted by: {done}." + (f" Kept back by: {kept}." if kept else "")
    worst = [
        (one["policy"], row["device-pool"], _number(row["shortage-minutes"]))
        for one in policies
        for row in one["worst"]
    ]
    if worst:
        yield from titled(
            "Device pools with the most shortage",
            table(("POLICY", "DEVICE POOL", "MINUTES"), worst, right=("MINUTES",)),
        )
    if "picture" in document:
        yield ""
        yield f"Drawn in {document['picture']}."


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
