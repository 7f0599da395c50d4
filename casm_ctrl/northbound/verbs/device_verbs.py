"""The verbs that talk to devices: coroutines, over sessions that are kept warm.

A device that fails is a result of the answer, and no error of the request. Where the session of the client is killed,
the work is cancelled as by Ctrl-C: no device is half-written, and the next call goes on from what devices hold.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence

from casm_ctrl.northbound.verbs.context import Given, VerbContext
from casm_ctrl.service.verb import Document
from casm_ctrl.sync import adopt as adopting
from casm_ctrl.sync import drift as drifting
from casm_ctrl.sync import reconciler
from casm_ctrl.sync import verify as verifying
from casm_ctrl.sync.plan_file import parse_plan
from casm_ctrl.sync.run import Options

RESTORE = {"always": True, "never": False, "as-configured": None}


async def plan(context: VerbContext, given: Given) -> Document:
    options = _options(context, given)
    database, author = context.database, given.author
    document, kept = await reconciler.make_plan(database, author, _devices(given), options, context.progress)
    if given.values["keep"]:
        text = json.dumps({**kept.document(), "digest": kept.digest}, ensure_ascii=False)
        document["plan"] = {"document": text, "digest": kept.digest, "devices": str(len(kept.devices))}
    return document


async def apply(context: VerbContext, given: Given) -> Document:
    options, names, text = _options(context, given), _devices(given), given.get("plan")
    database, author, progress = context.database, given.author, context.progress
    kept = None if text is None else parse_plan(text, "plan")

    async def work() -> Document:
        if kept is not None:
            return await reconciler.apply_plan(database, author, kept, names, options, progress)
        if given.get("atomic"):
            last = bool(given.get("best-effort"))
            return await reconciler.apply_atomic(database, author, names, options, progress, best_effort=last)
        return await reconciler.apply(database, author, names, options, progress)

    return await _once(context, given, "apply", work)


async def adopt(context: VerbContext, given: Given) -> Document:
    async def work() -> Document:
        done = await adopting.adopt(
            context.database,
            given.author,
            _devices(given),
            _options(context, given),
            context.progress,
            dry_run=given.values["dry-run"],
        )
        return dict(done["adopt"])

    return await _once(context, given, "adopt", work)


async def check_drift(context: VerbContext, given: Given) -> Document:
    async def work() -> Document:
        return await drifting.drift(
            context.database,
            given.author,
            _devices(given),
            _options(context, given),
            context.progress,
            restore=RESTORE[given.values["restore"]],
        )

    return await _once(context, given, "check-drift", work)


async def verify(context: VerbContext, given: Given) -> Document:
    options = _options(context, given)
    done = await verifying.verify(context.database, given.author, _devices(given), options, context.progress)
    return dict(done["verify"])


async def check_devices(context: VerbContext, given: Given) -> Document:
    async def work() -> Document:
        options = _options(context, given)
        return await reconciler.check(
            context.database, given.author, _devices(given), options, context.progress
        )

    return await _once(context, given, "check-devices", work)


async def _once(
    context: VerbContext, given: Given, verb: str, work: Callable[[], Awaitable[Document]]
) -> Document:
    """A dry run is not kept: it changes nothing, and so may be asked again."""
    if given.get("dry-run"):
        return await work()
    arguments = given.without("request-id", "reason")
    return await context.repeats.once(context.database, given.author, verb, arguments, work)


def _devices(given: Given) -> Sequence[str]:
    """Those that are named; none: all."""
    return tuple(given.values.get("device", ()))


def _options(context: VerbContext, given: Given) -> Options:
    return Options(
        wait=float(given.values["wait"]),
        accept_new=given.values["accept-new"],
        confirm_removal=given.get("confirm-removal"),
        remove_zombies=bool(given.get("remove-zombies")),
        jobs=given.values["jobs"],
        retries=given.values["retries"],
        retry=given.values["retry"],
        yang_path=context.yang_path,
        sessions=context.sessions,
    )
