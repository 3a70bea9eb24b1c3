"""In-memory cache of the rendered target sounds of training presets."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError

__all__ = ["TargetSounds", "check_room"]


class TargetSounds:
    """Renders a preset on first use, and caches its sound.

    The synth renders each row independently, so that a cached sound is bit-identical to one rendered again.
    """

    def __init__(self, synth: nn.Module, unit: Tensor, samples: int) -> None:
        """Allocate memory.

        Args:
            synth: maps unit parameters ``(B, P)`` to audio ``(B, T)``.
            unit: unit parameters of all presets ``(N, P)``.
            samples: number of samples per sound, T.
        """
        self._synth, self._unit = synth, unit
        if (
            unit.device.type == "cpu"
        ):  # NumPy requests huge pages; faulting in 4 KiB pages takes as long as rendering their samples
            kind = np.float32 if unit.dtype == torch.float32 else np.float64
            self._audio = torch.from_numpy(np.empty((len(unit), samples), kind))
        else:
            self._audio = torch.empty(len(unit), samples, dtype=unit.dtype, device=unit.device)
        self._rendered = torch.zeros(len(unit), dtype=torch.bool, device=unit.device)

    @torch.no_grad()
    def __call__(self, rows: Tensor) -> Tensor:
        """The sounds ``(B, T)`` of presets by number ``(B,)``."""
        missing = rows[~self._rendered[rows]]
        if len(missing):
            self._audio[missing] = self._synth(self._unit[missing])
            self._rendered[missing] = True
        return self._audio[rows]


def check_room(presets: int, samples: int, device: torch.device) -> int:
    """Size in bytes of the float32 sounds of `presets` presets, checked against the free memory.

    Raises:
        UserError: if they do not fit.
    """
    needed, free = 4 * presets * samples, _free(device)
    if free is not None and needed > free:
        why = f"but the sounds of {presets:,} presets take {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
        raise UserError("cache_targets", True, "leave it out", why=why)
    return needed


def _free(device: torch.device) -> int | None:
    """Memory in bytes that may be used without swapping; None where the system does not report it."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if not sys.platform.startswith("linux"):
        return None
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024
