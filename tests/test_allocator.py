from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import resource, sys
import torch
from synthvae.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()

def work():
    for _ in range(12):
        torch.ones(30_000_000)

work()  # aligned blocks take some rounds to settle
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_large_blocks_are_not_taken_anew_from_the_kernel():
    faults = {
        mode: int(subprocess.run([sys.executable, "-c", CODE, mode], check=True, capture_output=True).stdout)
        for mode in ("give", "keep")
    }
    assert faults["keep"] < faults["give"] / 10
