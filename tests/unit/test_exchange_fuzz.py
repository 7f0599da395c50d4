"""No file, however broken, is more than a list of what is wrong with it; and the page about files is right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from casm_ctrl.base.errors import CasmError
from casm_ctrl.service.alarm_shelves import within_device
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddShelf, SetLimits, change
from casm_ctrl.service.exchange.nouns import NOUNS, Noun
from casm_ctrl.service.exchange.source import FORMATS
from casm_ctrl.service.holds import hold
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from tests.exchange_world import AUTHOR, give, take

PAGE = Path(__file__).parents[2] / "docs" / "exchange.md"
NETBOX = "Prefix,Status,VRF,Description\n10.0.0.0/8,Container,Global,a\n10.1.0.0/16,Active,red (1:2),b\n"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(FORMATS),
    cuts=st.lists(
        st.tuples(
            st.integers(0, 4000),
            st.integers(0, 12),
            st.one_of(
                st.text(max_size=4),
                st.sampled_from(
                    [*'{}[]":,;=\\\n', "null", "-1", "9" * 5000, "\\ud800", "\0", "1e999", '""', "[]"]
                ),
            ),
        ),
        min_size=1,
        max_size=3,
    ),
)
@example("json", [(0, 0, "[" * 100_000)])
@example("csv", [(0, 0, "\udc80")])
def test_a_broken_file_is_a_list_of_errors(
    network: Database, form: str, cuts: list[tuple[int, int, str]]
) -> None:
    text = NETBOX if form == "netbox" else _text(network, form)
    for at, length, instead in cuts:
        at %= len(text)
        text = text[:at] + instead + text[at + length :]
    text = text.encode(errors="replace").decode()
    try:
        done = give(network, text, form, dry_run=True)
    except CasmError:
        return
    for row in done["error"]:
        assert row["message"]
        assert row["remedy"]
        assert 1 <= row.get("line", 1) <= text.count("\n") + text.count("\r") + 1


def _text(network: Database, form: str) -> str:
    if not _texts:
        allocate(network, AUTHOR, "bng1/internet", count=2)
        shelf = AddShelf("card", (within_device("bng1"),), ("drift",), "major")
        change(network, AUTHOR, [SetLimits((("grow_per_hour", 5),)), shelf])
        hold(network, Author("tester", reason="work"), "device", "bng1")
        _texts.update({name: take(network, name) for name in ("json", "csv")})
    return _texts[form]


_texts: dict[str, str] = {}


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.name)
def test_the_columns_of_a_table_are_on_the_page(noun: Noun) -> None:
    row = re.search(rf"^\| `{noun.name}`[^|]*\| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert row is not None
    expected = ", ".join(f"**{leaf.name}**" if leaf.required else leaf.name for leaf in noun.leaves)
    assert row[1] == expected
