"""What a benchmark found: a list of {name, value, unit, goal, met}, with the machine and the versions."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


class Report:
    """Written after every figure, so that a run that is cut off keeps what it measured."""

    def __init__(self, name: str, **about: Any) -> None:
        self._path = RESULTS / f"{name}.json"
        self.about = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": platform.platform(),
            "processors": os.cpu_count(),
            "load": round(os.getloadavg()[0], 2),
            "python": platform.python_version(),
            **about,
            "complete": False,
        }
        self.results: list[dict[str, Any]] = []
        self._start = time.monotonic()

    def say(self, words: str) -> None:
        print(f"{time.monotonic() - self._start:6.1f} s  {words}", file=sys.stderr, flush=True)

    def add(
        self, name: str, value: float, unit: str, goal: float | None = None, *, at_most: bool = False
    ) -> None:
        """`goal`: at least, or `at_most`, so much."""
        rounded = round(value, 0 if abs(value) >= 100 else 3)
        met = goal is None or (value <= goal if at_most else value >= goal)
        self.results.append({"name": name, "value": rounded, "unit": unit, "goal": goal, "met": met})
        self.say(f"{name}: {rounded:g} {unit}{'' if met else f' (goal {goal:g}: missed)'}")
        self._write()

    def finish(self) -> None:
        self.about |= {
            "load_after": round(os.getloadavg()[0], 2),
            "complete": True,
            "seconds": round(time.monotonic() - self._start),
        }
        self._write()
        print(json.dumps(self.results, indent=2))

    def _write(self) -> None:
        self._path.parent.mkdir(exist_ok=True)
        text = json.dumps({**self.about, "results": self.results}, indent=2)
        self._path.write_text(text + "\n", encoding="utf-8")


def versions(*packages: str) -> dict[str, str]:
    """Of installed packages, by name."""
    return {name: version(name) for name in packages}
