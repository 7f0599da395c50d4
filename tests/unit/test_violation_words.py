"""What a client is told of what libyang found."""

from __future__ import annotations

import pytest

from casm_ctrl.netconf.violation_words import words_of
from casm_ctrl.yang.engine import Engine, Violation, engine_for

DEVICES = "urn:casm:yang:casm-devices"
DEVICE = (
    "<name>n</name><role>bng</role><driver>ietf-address-pool</driver><host>192.0.2.1</host><user>casm</user>"
    "<credential>env:SECRET</credential><address-space>s</address-space>"
)
POOLS = "urn:casm:yang:casm-pools"
SPACE = f'<address-spaces xmlns="{POOLS}"><address-space><name>s</name></address-space></address-spaces>'


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_for("casm-devices", "casm-pools")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            ">s</address-space>",
            ">t</address-space>",
            "there is no address-space 't', which this names: make it too, or take the name away",
        ),
        ("<role>bng</role>", "", "<role> is missing: give it"),
        ("env:SECRET", "hunter2", "the value is not written as it must be: make it match (env|file):.+"),
        ("bng", "router", 'Invalid enumeration value "router"'),
    ],
)
def test_what_is_told(engine: Engine, before: str, after: str, words: str) -> None:
    device = DEVICE.replace(before, after)
    document = f'{SPACE}<devices xmlns="{DEVICES}"><device>{device}</device></devices>'
    with pytest.raises(Violation) as caught:
        engine.validate(document.encode())
    assert words_of(caught.value.message, caught.value.path) == words
