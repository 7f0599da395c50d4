"""One look at a device: what it runs, what is wanted of it, and the edit between the two. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from casm_ctrl.drivers.interface import Element, Seen, UsageKind
from casm_ctrl.service.desired import Desired, desired
from casm_ctrl.service.observation import preview
from casm_ctrl.sync.decision import Decision, decide
from casm_ctrl.sync.difference import Difference, work_out
from casm_ctrl.sync.fitness import announced_modules, check_fitness
from casm_ctrl.sync.reading import blocks_shown, read_counts, read_ours
from casm_ctrl.sync.run import Run, entered, models_of
from casm_ctrl.sync.validation import validate_edit
from casm_ctrl.sync.visit import sight_of


@dataclass(frozen=True)
class Look:
    """`before`: what the store held before the read; `wanted`: what it would hold after it."""

    before: Desired
    wanted: Desired
    running: Element
    seen: Seen
    counts: Mapping[int, int]
    decision: Decision
    difference: Difference


async def look_at(run: Run, device: str, *, zombies: bool = False, judged: bool = False) -> Look:
    """`judged`: YangInvalid where the edit is not valid by the device's own modules.

    DeviceUnfit where the device is not one for its driver; what opening a session and reading raise.
    """
    before = await run.store.run(desired, device)
    async with entered(run, device) as (session, driver):
        modules = await announced_modules(session)
        check_fitness(session, driver, modules)
        run.progress(device, "reading")
        running = await read_ours(session, driver)
        seen = driver.parse(running)
        wanted = await run.store.run(preview, run.author, device, sight_of(seen, proof=True))
        abilities = driver.abilities(modules)
        counts = (
            await read_counts(session, driver, wanted.objects) if abilities.usage is UsageKind.COUNT else {}
        )
        decision = decide(wanted, blocks_shown(wanted.objects, seen), counts, abilities)
        difference = work_out(driver, modules, wanted, decision, running, zombies=zombies)
        if judged and difference.edit.changes:
            await validate_edit(await models_of(run, session, driver), driver, difference.edit, running)
    return Look(before, wanted, running, seen, counts, decision, difference)
