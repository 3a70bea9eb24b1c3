"""Mel bands of sounds, sixteen sounds side by side: frames, transform and filterbank in one pass over memory.

Several times faster than a transform of all frames followed by a product with the filterbank, which is nearly all
zeros. Importing this module loads numba.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from synthvae.core.compile import aligned, cached, flush_denormals, hash_of, restore_denormals
from synthvae.core.threads import over_rows
from synthvae.features.base import Frames
from synthvae.features.fourier import HOP, N_FFT
from synthvae.features.kernels.fourier import BINS, WORK, Transform, frame_spectrum, places
from synthvae.features.kernels.mel import Bands, frame_bands
from synthvae.features.kernels.vector import LANES, interleave

__all__ = ["mel_bands"]


def mel_bands(audio: Tensor, frames: Frames, tables: tuple[Transform, Bands]) -> Tensor:
    """The filterbank applied to the magnitudes of the STFT, without derivatives.

    Args:
        audio: ``(B, T)``, float32 on the CPU.
        frames: which to compute.
        tables: constants of the transform, and the filterbank.

    Returns:
        ``(B, bands, N)``. A row's values are the same bits in any batch and on any number of threads.
    """
    found: Tensor = _MelBands.apply(audio, frames, tables)
    return found


class _MelBands(Function):
    @staticmethod
    def forward(audio: Tensor, frames: Frames, tables: tuple[Transform, Bands]) -> Tensor:
        rows = audio.detach().contiguous().numpy()
        size, samples = rows.shape
        count = (samples // HOP - frames.first) // frames.step + 1
        out = np.empty((size, tables[1].number, count), np.float32)

        def work(low: int, high: int) -> None:
            bands(rows, low * LANES, min(high * LANES, size), tuple(frames), *tables, out)

        over_rows(-(-size // LANES), work, at_once=1)
        return torch.from_numpy(out)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        audio: Tensor,
        frames: Frames,
        tables: tuple[Transform, Bands],
    ) -> tuple[Tensor, int]:
        batches = audio.movedim(in_dims[0] or 0, 0)
        return mel_bands(batches.flatten(0, 1), frames, tables).unflatten(0, batches.shape[:2]), 0


def _kernel(sources: str) -> Any:
    # See `cached` about `sources`.
    def bands(audio, low, high, frames, constants, filters, out):
        sources  # noqa: B018
        denormals = flush_denormals()
        (first, step), number, samples = frames, filters[4], audio.shape[1]
        window, cosine, sine = constants[0], constants[1], constants[2]
        signals, work, mel = aligned(samples * LANES), aligned(WORK), aligned(number * LANES)
        directions = aligned(2 * BINS * LANES)
        place, taper = np.empty(N_FFT, np.int64), np.empty(N_FFT, np.float32)
        for start in range(low, high, LANES):
            end = min(start + LANES, high)
            interleave(audio, start, end, signals)
            for frame in range(out.shape[2]):
                places(first + frame * step, samples, -1, place, taper, window)
                frame_spectrum(signals, 0, place, taper, work, cosine, sine)
                frame_bands(work, constants, filters, directions, mel)
                for row in range(start, end):
                    for band in range(number):
                        out[row, band, frame] = mel[band * LANES + row - start]
        restore_denormals(denormals)

    return cached(bands)


#: ``bands(audio, low, high, frames, constants, filters, out)``: the mel bands of rows `low` to `high` of sounds
#: ``(B, T)`` in frames ``(first, step)``, into `out` ``(B, number, N)``.
_PACKAGE = Path(__file__).parents[2]
bands = _kernel(
    hash_of([_PACKAGE / "core/compile.py", _PACKAGE / "features/fourier.py", *_PACKAGE.glob("features/kernels/*.py")])
)
