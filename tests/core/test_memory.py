from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import ctypes, sys
import torch
from synthvae.core.memory import keep_freed_memory

class Info(ctypes.Structure):  # struct mallinfo2 of glibc's malloc.h
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Info
if sys.argv[1] == "keep":
    assert keep_freed_memory()
torch.ones(30_000_000)
print(mallinfo2().fordblks)
"""
TENSOR = 4 * 30_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_large_blocks_stay_in_the_process_when_they_are_freed():
    free = {
        mode: int(subprocess.run([sys.executable, "-c", CODE, mode], check=True, capture_output=True).stdout)
        for mode in ("give", "keep")
    }
    assert free["keep"] >= TENSOR > free["give"]
