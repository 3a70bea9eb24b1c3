"""Provenance of numbers: versions of packages, and hardware."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

__all__ = ["hardware", "versions"]

PACKAGES = (
    "synthvae",
    "torch",
    "torchsynth",
    "nnAudio",
    "auraloss",
    "lightning-fabric",
    "numpy",
    "scipy",
    "numba",
    "soundfile",
    "soxr",
    "umap-learn",
    "hdbscan",
    "scikit-learn",
)


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # run from a checkout, or without an extra
    return found


def hardware() -> dict[str, str]:
    """Description of the machine's hardware by component."""
    import torch

    parts = {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": str(os.cpu_count() or "unknown"),
        "threads": str(torch.get_num_threads()),
        "vector instructions": torch.backends.cpu.get_cpu_capability(),
    }
    if hasattr(os, "sysconf"):  # not on Windows
        parts["memory"] = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    if torch.cuda.is_available():
        parts["gpu"] = torch.cuda.get_device_name()
    return parts


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
