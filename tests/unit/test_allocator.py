"""Memory that is freed is used again. In a process of its own, for it holds for the whole process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

ROUNDS = """
import resource
{first}
def rounds(count):
    for _ in range(count):
        texts = [b"x" * (4 << 20) for _ in range(6)]
rounds(3)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
rounds(5)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(first: str) -> int:
    """Pages that the system gave for large texts made again and again."""
    done = subprocess.run(
        [sys.executable, "-c", ROUNDS.format(first=first)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_large_texts_use_the_memory_of_those_before() -> None:
    kept = faults("from casm_ctrl.base.allocator import keep_memory; keep_memory()")
    assert kept * 10 < faults("")
