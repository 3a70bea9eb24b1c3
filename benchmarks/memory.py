"""Peak memory of a process that a benchmark starts."""

from __future__ import annotations

__all__ = ["PEAK_MEMORY"]

#: Source of `peak_memory()`, the largest memory of its process in GiB, for code that is run by ``python -c``.
PEAK_MEMORY = """
def peak_memory():
    import resource, sys
    # Linux hands ru_maxrss on from the process that started this one.
    try:
        return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 2**20
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30
"""
