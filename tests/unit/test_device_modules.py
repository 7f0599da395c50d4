"""A device's own modules: where each comes from, what is missing, and what a hostile device may send."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from casm_ctrl.base.errors import DeadlineExceeded, DeviceUnfit, YangInvalid
from casm_ctrl.drivers.interface import Driver, ModuleNeed
from casm_ctrl.netconf.names import Element
from casm_ctrl.sync import inventory
from casm_ctrl.sync.announced import read_announced
from casm_ctrl.sync.device_modules import DeviceModels, obtain_models, take_stock
from casm_ctrl.sync.inventory import Sources
from casm_ctrl.yang.library import Library
from tests.scripted_session import LIBRARY, ScriptedSession

VENDOR = """module vendor { yang-version 1.1; namespace "urn:v"; prefix v;
  import types { prefix t; } include part; revision 2024-05-01; feature extra; feature more;
  container top { leaf a { type t:small; } leaf b { if-feature extra; type string; }
    leaf c { if-feature more; type string; } } }"""
PART = "submodule part { yang-version 1.1; belongs-to vendor { prefix v; } import types { prefix t; } }"
TYPES = 'module types { namespace "urn:t"; prefix t; revision 2023-01-01; typedef small { type uint8; } }'
DEVIATION = """module bends { namespace "urn:d"; prefix d; import vendor { prefix v; }
  deviation /v:top/v:a { deviate not-supported; } }"""
HELLO = ("urn:v?module=vendor&revision=2024-05-01&features=extra", "urn:t?module=types&revision=2023-01-01")
TEXTS = {"vendor": VENDOR, "part": PART, "types": TYPES}


@dataclass(frozen=True)
class FakeDriver:
    """What a driver of the module `vendor` says of itself."""

    name: str = "fake"
    needs: tuple[ModuleNeed, ...] = (ModuleNeed("vendor", "urn:v"),)

    def modules(self, announced: Mapping[str, str | None]) -> tuple[str, ...]:
        return ("vendor",)


DRIVER = cast(Driver, FakeDriver())


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(Library(tmp_path / "cache"))


async def models(session: ScriptedSession, sources: Sources, key: str = "s/d1") -> DeviceModels:
    return await obtain_models(session, DRIVER, sources, key)


def accepts(found: DeviceModels, inside: str) -> bool:
    try:
        found.engine.validate(f'<top xmlns="urn:v">{inside}</top>'.encode())
    except YangInvalid:
        return False
    return True


async def test_the_device_gives_its_modules_and_all_that_they_need(sources: Sources) -> None:
    session = ScriptedSession(HELLO, TEXTS)
    found = await models(session, sources)
    assert found.names == ("vendor",)
    assert accepts(found, "<a>1</a><b>x</b>")
    assert not accepts(found, "<a>256</a>")
    assert not accepts(found, "<c>a feature that it does not have</c>")
    assert "{urn:v}top" in found.schema.roots
    assert {name for name, count in session.asked.items() if count == 1} >= {"vendor", "part", "types"}


async def test_it_is_asked_once(sources: Sources) -> None:
    first = await models(ScriptedSession(HELLO, TEXTS), sources)
    again = ScriptedSession(HELLO, {})
    assert (await models(again, sources)).engine is first.engine
    assert not again.asked


async def test_devices_of_one_kind_share_texts_and_engine(sources: Sources) -> None:
    sessions = [ScriptedSession(HELLO, TEXTS) for _ in range(5)]
    found = await asyncio.gather(
        *(models(session, sources, f"s/d{number}") for number, session in enumerate(sessions))
    )
    assert len({id(one.engine) for one in found}) == 1
    assert sum(session.asked["vendor"] for session in sessions) == 1
    assert sum(session.asked["types"] for session in sessions) == 1


async def test_another_announcement_is_another_device(sources: Sources) -> None:
    await models(ScriptedSession(HELLO, TEXTS), sources)
    newer = VENDOR.replace("revision 2024-05-01;", "revision 2025-01-01; revision 2024-05-01;")
    upgraded = ScriptedSession(
        ("urn:v?module=vendor&revision=2025-01-01&features=extra,more", HELLO[1]), TEXTS | {"vendor": newer}
    )
    found = await models(upgraded, sources)
    assert upgraded.asked["vendor"] == 1
    assert not upgraded.asked["types"]
    assert accepts(found, "<c>x</c>")


async def test_a_text_that_changed_under_its_revision_is_seen_at_check_only(sources: Sources) -> None:
    await models(ScriptedSession(HELLO, TEXTS), sources)
    patched = ScriptedSession(HELLO, TEXTS | {"types": TYPES.replace("uint8", "uint16")})
    assert not accepts(await models(patched, sources), "<a>256</a>")
    stock = await take_stock(patched, DRIVER, sources, "s/d1")
    assert [found.text.name for found in stock.changed] == ["types"]
    assert not stock.missing
    assert accepts(await models(ScriptedSession(HELLO, {}), sources), "<a>256</a>")
    # Another device with two texts to choose from is asked for its own.
    third = ScriptedSession(HELLO, TEXTS)
    assert not accepts(await models(third, sources, "s/d3"), "<a>256</a>")
    assert third.asked["types"] == 1


async def test_deviations_are_applied(sources: Sources) -> None:
    uri = HELLO[0] + "&deviations=bends"
    session = ScriptedSession((uri, HELLO[1], "urn:d?module=bends"), TEXTS | {"bends": DEVIATION})
    found = await models(session, sources)
    assert not accepts(found, "<a>1</a>")
    assert accepts(found, "<b>x</b>")


async def test_yang_library_tells_what_a_hello_does_not(sources: Sources) -> None:
    library = """<modules-state xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"><module-set-id>1</module-set-id>
      <module><name>vendor</name><revision>2024-05-01</revision><namespace>urn:v</namespace><feature>more</feature>
        <deviation><name>bends</name><revision/></deviation><conformance-type>implement</conformance-type></module>
      <module><name>bends</name><revision/><namespace>urn:d</namespace>
        <conformance-type>implement</conformance-type></module>
      <module><name>types</name><revision>2023-01-01</revision><namespace>urn:t</namespace>
        <conformance-type>import</conformance-type></module></modules-state>"""
    session = ScriptedSession((LIBRARY,), TEXTS | {"bends": DEVIATION}, library)
    announced = await read_announced(session)
    assert announced.revisions.keys() == {"vendor", "bends", "ietf-netconf-monitoring"}
    assert announced.imports == {"types": "2023-01-01"}
    found = await models(session, sources)
    assert session.asked["get"] == 1
    assert accepts(found, "<c>x</c>")
    assert not accepts(found, "<a>1</a>")
    assert not accepts(found, "<b>x</b>")


async def test_yang_library_of_rfc_8525(sources: Sources) -> None:
    library = """<yang-library xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library"><module-set><name>all</name>
      <module><name>vendor</name><revision>2024-05-01</revision><namespace>urn:v</namespace><feature>extra</feature>
        <deviation>bends</deviation></module><module><name>bends</name><namespace>urn:d</namespace></module>
      <import-only-module><name>types</name><revision>2023-01-01</revision><namespace>urn:t</namespace>
      </import-only-module></module-set></yang-library>"""
    found = await models(ScriptedSession((LIBRARY,), TEXTS | {"bends": DEVIATION}, library), sources)
    assert accepts(found, "<b>x</b>")
    assert not accepts(found, "<a>1</a>")


async def test_a_device_without_modules_in_its_hello_is_asked_for_its_schemas(sources: Sources) -> None:
    schemas = """<netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><schemas>
      <schema><identifier>vendor</identifier><version>2024-05-01</version><format>yang</format></schema>
      </schemas></netconf-state>"""
    session = ScriptedSession(("urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring",), TEXTS, schemas, False)
    assert (await read_announced(session)).revisions == {"vendor": "2024-05-01"}
    found = await models(session, sources)
    assert accepts(found, "<b>its features are not known, so all are on</b><c>x</c>")


async def test_what_a_device_keeps_back_comes_from_the_operator(sources: Sources, tmp_path: Path) -> None:
    sources.yang_path = (tmp_path,)
    for name, text in TEXTS.items():
        (tmp_path / f"{name}.yang").write_text(text)
    session = ScriptedSession(HELLO, {})
    assert accepts(await models(session, sources), "<b>x</b>")
    sources.yang_path = ()
    assert accepts(await models(session, sources), "<b>x</b>")  # remembered
    stock = await take_stock(ScriptedSession(HELLO, TEXTS), DRIVER, sources, "s/d2")
    assert {found.origin for found in stock.found if found.text.name in TEXTS} == {"device"}


async def test_the_operators_text_wins(sources: Sources, tmp_path: Path) -> None:
    sources.yang_path = (tmp_path,)
    (tmp_path / "types.yang").write_text(TYPES)
    broken = TYPES.replace("type uint8;", 'type string { pattern "("; }')
    session = ScriptedSession(HELLO, TEXTS | {"types": broken})
    assert accepts(await models(session, sources), "<a>1</a>")
    assert not session.asked["types"]


async def test_an_operators_text_of_another_revision_does_not_count(sources: Sources, tmp_path: Path) -> None:
    sources.yang_path = (tmp_path,)
    (tmp_path / "types.yang").write_text(TYPES.replace("2023-01-01", "2019-01-01"))
    session = ScriptedSession(HELLO, TEXTS)
    await models(session, sources)
    assert session.asked["types"] == 1


async def test_everything_that_is_missing_is_named_at_once(sources: Sources) -> None:
    with pytest.raises(DeviceUnfit) as refused:
        await models(ScriptedSession(HELLO, {"vendor": VENDOR}), sources)
    assert "module part, which vendor@2024-05-01 imports" in refused.value.message
    assert "module types@2023-01-01, which vendor@2024-05-01 imports" in refused.value.message
    assert "--yang-path" in refused.value.remedy
    with pytest.raises(DeviceUnfit, match="get-schema"):
        await models(ScriptedSession(HELLO, TEXTS, schemas=False), sources)


async def test_a_feature_that_the_driver_needs(sources: Sources) -> None:
    need = ModuleNeed("vendor", "urn:v", features=("extra", "more"))
    with pytest.raises(DeviceUnfit, match="feature more of module vendor"):
        await obtain_models(
            ScriptedSession(HELLO, TEXTS), cast(Driver, FakeDriver(needs=(need,))), sources, "s/d1"
        )


async def test_modules_that_do_not_compile(sources: Sources) -> None:
    session = ScriptedSession(HELLO, TEXTS | {"types": TYPES.replace("uint8", "nothing")})
    with pytest.raises(DeviceUnfit, match="do not compile") as refused:
        await models(session, sources)
    assert "corrected copies" in refused.value.remedy


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"types": VENDOR}, "vendor@2024-05-01"),
        ({"types": TYPES.replace("2023-01-01", "2020-01-01")}, "2020-01-01"),
        ({"types": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"}, "not one YANG module"),
        ({"types": "module ../../../etc/cron.d/x { }"}, "cannot be the name"),
        ({"part": PART.replace("types {", "../types {")}, "cannot be the name"),
        ({"types": "module types { " + "container c { " * 10}, "not a whole YANG module"),
    ],
)
async def test_a_hostile_device_is_refused_in_words(
    sources: Sources, texts: dict[str, str], words: str
) -> None:
    with pytest.raises(DeviceUnfit) as refused:
        await models(ScriptedSession(HELLO, TEXTS | texts), sources)
    assert words in refused.value.message
    assert "d1 (127.0.0.1:830) hands out" in refused.value.message


async def test_a_name_that_is_a_path(sources: Sources) -> None:
    uri = HELLO[0] + "&deviations=../../bends"
    with pytest.raises(DeviceUnfit, match="a YANG module with the name"):
        await models(ScriptedSession((uri, HELLO[1]), TEXTS), sources)


async def test_too_many_too_large_and_too_slow(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "MOST_MODULES", 2)
    with pytest.raises(DeviceUnfit, match="more than 2 YANG modules"):
        await models(ScriptedSession(HELLO, TEXTS), sources)
    monkeypatch.setattr(inventory, "MOST_MODULES", 9)
    monkeypatch.setattr(inventory, "MOST_OCTETS", 100)
    with pytest.raises(DeviceUnfit, match="MiB of YANG modules"):
        await take_stock(ScriptedSession(HELLO, TEXTS), DRIVER, sources, "s/d1")


async def test_a_device_that_takes_for_ever(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "SECONDS", 0.0)
    with pytest.raises(DeadlineExceeded, match="hand out"):
        await models(Slow(HELLO, TEXTS), sources)


@dataclass(eq=False)
class Slow(ScriptedSession):
    """Answers when it is told to."""

    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def rpc(self, operation: Element, *, deadline: float | None = None) -> Element:
        await self.go.wait()
        return await super().rpc(operation, deadline=deadline)


async def test_nobody_waits_long_for_a_slow_device(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "PATIENCE", 0.0)
    device = Slow(HELLO, TEXTS)
    slow = asyncio.ensure_future(models(device, sources, "s/slow"))
    await asyncio.sleep(0)
    assert accepts(await models(ScriptedSession(HELLO, TEXTS), sources), "<a>1</a>")
    assert not slow.done()
    device.go.set()
    assert accepts(await slow, "<a>1</a>")
