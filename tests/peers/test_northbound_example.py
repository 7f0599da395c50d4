"""The example of docs/clients.md does what the page says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.peers.served import PASSWORD, USER, Served, run

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"


def test_the_example_with_ncclient(served: Served) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    known = f"HOST, PORT, USER, PASSWORD = {'127.0.0.1', served.port, USER, PASSWORD!r}\n"
    printed = run(served, [sys.executable, "-c", known + example])
    reply, _, told = printed.partition("<block-transition")
    assert "<prefix>192.0.2.0/27</prefix>" in reply, printed
    assert "<to-state>reserved</to-state>" in told, printed
