"""The YANG engine of one device: over the device's own modules, with the features and deviations it has.

What was found once is remembered by what the device announced. `casm device check` asks again, and so sees a text
that changed under the same revision; plan and apply ask only where the announcement is another, or the cache is gone.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from casm_ctrl.base.errors import DeviceUnfit, NotFound
from casm_ctrl.drivers.interface import Driver
from casm_ctrl.netconf.client.session import Session
from casm_ctrl.sync.announced import Announced, read_announced
from casm_ctrl.sync.fitness import missing_features, missing_of, unfit
from casm_ctrl.sync.inventory import FoundModule, Inventory, Sources, take_inventory
from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.header import Header
from casm_ctrl.yang.library import DeviceRecord, KeptText, Library
from casm_ctrl.yang.schema import Schema, read_schema

ENGINES = 16
"""Engines that are kept in memory, each for one set of texts and features: the least used go first."""


@dataclass(frozen=True)
class DeviceModels:
    """`names`: the modules that the driver configures."""

    announced: Announced
    names: tuple[str, ...]
    engine: Engine
    schema: Schema


@dataclass(frozen=True)
class Stock:
    """What a device has of what its driver needs. `changed`: texts that are not what they were under the same
    revision. `deviations`: the modules that say how it deviates."""

    found: tuple[FoundModule, ...]
    missing: tuple[str, ...]
    changed: tuple[FoundModule, ...]
    deviations: tuple[str, ...]


def needed_names(driver: Driver, announced: Announced) -> tuple[str, ...]:
    """The modules that the driver configures, and those that say how the device deviates from them."""
    names = driver.modules(announced.revisions)
    known = (announced.modules[name] for name in names if name in announced.modules)
    return tuple(dict.fromkeys((*names, *(other for module in known for other in module.deviations))))


async def obtain_models(session: Session, driver: Driver, sources: Sources, key: str) -> DeviceModels:
    """The device's models, from the cache where it has them. DeviceUnfit names all that is missing.

    `key` names the device among all devices of all stores.
    """
    announced = await read_announced(session)
    names = needed_names(driver, announced)
    kept = await asyncio.to_thread(_recall, sources.library, key, _claim(names, announced))
    if kept is None:
        inventory = await take_inventory(session, names, announced, sources, fresh=False)
        missing = [*missing_features(driver, announced), *map(str, inventory.missing)]
        if missing:
            raise unfit(session, driver, missing)
        return await _use(session, driver, announced, sources, key, inventory)
    return await asyncio.to_thread(_build, session, driver, announced, sources.library, kept)


async def take_stock(session: Session, driver: Driver, sources: Sources, key: str) -> Stock:
    """Ask the device again for everything, and remember what was found where it is complete and compiles.

    Of a module that the driver needs and the device does not announce only that is said. DeviceUnfit where
    what was found does not compile, or where the device sends what is no module.
    """
    announced = await read_announced(session)
    lacks = missing_of(session, driver, announced.revisions)
    names = needed_names(driver, announced)
    absent = {need.name for need in driver.needs} - announced.modules.keys()
    before = await asyncio.to_thread(sources.library.recall, key)
    there = tuple(name for name in names if name not in absent)
    inventory = await take_inventory(session, there, announced, sources, fresh=True)
    missing = [*lacks, *missing_features(driver, announced), *map(str, inventory.missing)]
    if not missing:
        await _use(session, driver, announced, sources, key, inventory)
    known = {(module.name, module.revision): module.hash for module in before.modules} if before else {}
    changed = tuple(
        found
        for found in inventory.found
        if known.get((found.text.name, found.text.revision), found.text.hash) != found.text.hash
    )
    deviations = tuple(name for name in names if name not in driver.modules(announced.revisions))
    return Stock(tuple(inventory.found), tuple(missing), changed, deviations)


async def _use(
    session: Session, driver: Driver, announced: Announced, sources: Sources, key: str, inventory: Inventory
) -> DeviceModels:
    texts = [found.text for found in inventory.found]
    models = await asyncio.to_thread(_build, session, driver, announced, sources.library, texts)
    claim = _claim(needed_names(driver, announced), announced)
    record = DeviceRecord(claim, tuple(found.record for found in inventory.found))
    for name in (key, _shared(claim)):
        await asyncio.to_thread(sources.library.remember, name, record)
    return models


def _claim(names: Sequence[str], announced: Announced) -> str:
    return hashlib.sha256(f"{' '.join(names)} {announced.digest}".encode()).hexdigest()


def _shared(claim: str) -> str:
    """Names the record that all devices share which announce the same; no store has such an id."""
    return f"//{claim}"


def _recall(library: Library, key: str, claim: str) -> list[KeptText] | None:
    """The texts of the device, or of another that announces the same, where none of them has two versions."""
    record = library.recall(key)
    if record is None or record.announced != claim:
        record = library.recall(_shared(claim))
        if record is None or not all(library.is_only(one.name, one.revision) for one in record.modules):
            return None
        library.remember(key, record)
    texts = [library.get(module.name, module.revision, module.hash) for module in record.modules]
    kept = [text for text in texts if text is not None]
    return kept if len(kept) == len(texts) else None


# --- Engines --------------------------------------------------------------------------------------

_Features = tuple[tuple[str, tuple[str, ...]], ...]
_engines: OrderedDict[tuple[Path, tuple[str, ...], _Features], tuple[Engine, Schema]] = OrderedDict()
_building = threading.Lock()


def _build(
    session: Session, driver: Driver, announced: Announced, library: Library, texts: Sequence[KeptText]
) -> DeviceModels:
    """On a thread: compiling takes up to a second, and waits for others who compile."""
    names = driver.modules(announced.revisions)
    features = _features(announced, texts)
    # A feature of an imported module counts only where that is implemented, and before its users are compiled.
    switched = tuple(name for name, on in features if on)
    load = tuple(dict.fromkeys((*switched, *names, *needed_names(driver, announced))))
    try:
        engine, schema = _engine(library.gather(texts), load, features)
    except NotFound as error:
        raise DeviceUnfit(
            f"{session.target}: its YANG modules do not compile: {error.message}",
            "put corrected copies of the modules into a folder, and name it by --yang-path",
        ) from error
    return DeviceModels(announced, names, engine, schema)


def _engine(folder: Path, modules: tuple[str, ...], features: _Features) -> tuple[Engine, Schema]:
    key = folder, modules, features
    with _building:
        built = _engines.get(key)
        if built is None:
            engine = Engine(modules, (folder,), features=dict(features), common=False)
            built = _engines[key] = engine, read_schema(engine.context)
            if len(_engines) > ENGINES:
                _engines.popitem(last=False)
        _engines.move_to_end(key)
        return built


def _features(announced: Announced, texts: Sequence[KeptText]) -> _Features:
    """The features that are on, of each module that says so: those announced that it, or a submodule, defines."""
    defined: dict[str, set[str]] = {}
    for text in texts:
        header = _header(text)
        defined.setdefault(header.belongs_to or header.name, set()).update(header.features)
    return tuple(
        (name, tuple(sorted(known.intersection(said))))
        for name, known in sorted(defined.items())
        if (said := announced.features_of(name)) is not None
    )


@lru_cache(maxsize=4096)
def _header(text: KeptText) -> Header:
    return text.header
