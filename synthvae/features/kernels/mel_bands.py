"""Mel bands of sounds and their derivatives, sixteen sounds side by side: frames, transform, filterbank in one pass.

Several times faster than a transform of all frames followed by a product with the filterbank, whose weights are mostly
zero, and nothing of the size of a spectrogram is stored. Importing this module loads numba.
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
from synthvae.features.fourier import HOP, N_FFT, stft
from synthvae.features.kernels.fourier import BINS, WORK, Transform, add_adjoint, frame_spectrum, places
from synthvae.features.kernels.mel import Bands, frame_bands, slope_of_bands
from synthvae.features.kernels.vector import LANES, interleave, separate

__all__ = ["mel_bands"]


def mel_bands(audio: Tensor, frames: Frames, tables: tuple[Transform, Bands], dense: Tensor, powers: bool) -> Tensor:
    """A filterbank applied to the magnitudes or powers of the STFT; differentiable once.

    Args:
        audio: sounds ``(B, T)``, float32 on the CPU.
        frames: frames to compute.
        tables: constants of the transform, and the filterbank.
        dense: the filterbank, ``(1025, bands)``, for forward-mode derivatives.
        powers: whether the filterbank is applied to powers.

    Returns:
        ``(B, bands, N)``, a transposed view of ``(B, N, bands)``. A row's values and derivatives are bit-identical in
        any batch and on any number of threads.
    """
    found: Tensor = _MelBands.apply(audio, frames, tables, dense, powers)
    return found


class _MelBands(Function):
    @staticmethod
    def forward(audio: Tensor, frames: Frames, tables: tuple[Transform, Bands], dense: Tensor, powers: bool) -> Tensor:
        rows = audio.detach().contiguous().numpy()
        size, samples = rows.shape
        count = (samples // HOP - frames.first) // frames.step + 1
        out = np.empty((size, count, tables[1].number), np.float32)

        def work(low: int, high: int) -> None:
            bands(rows, low * LANES, min(high * LANES, size), tuple(frames), *tables, powers, out)

        over_rows(-(-size // LANES), work, at_once=1)
        return torch.from_numpy(out).transpose(1, 2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        audio, *ctx.setting = inputs
        ctx.save_for_backward(audio)
        ctx.save_for_forward(audio)

    @staticmethod
    def backward(ctx: Any, by_bands: Tensor) -> tuple[Tensor, None, None, None, None]:
        frames, tables, _, powers = ctx.setting
        gradient: Tensor = _Adjoint.apply(ctx.saved_tensors[0], by_bands, frames, tables, powers)
        return gradient, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        frames, _, dense, powers = ctx.setting
        spectrum, moved = stft(ctx.saved_tensors[0], frames), stft(tangent, frames)
        change = spectrum.real * moved.real + spectrum.imag * moved.imag
        magnitude = spectrum.abs()
        slope = 2.0 * change if powers else torch.where(magnitude > 0, change / magnitude, 0.0)
        return (slope.transpose(1, 2) @ dense).transpose(1, 2)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], audio: Tensor, *setting: Any) -> tuple[Tensor, int]:
        (batches,) = _batches(info, in_dims, audio)
        return _MelBands.apply(batches.flatten(0, 1), *setting).unflatten(0, batches.shape[:2]), 0


class _Adjoint(Function):
    """Derivatives with respect to samples, given those with respect to bands."""

    @staticmethod
    def forward(
        audio: Tensor, by_bands: Tensor, frames: Frames, tables: tuple[Transform, Bands], powers: bool
    ) -> Tensor:
        rows, slopes = audio.detach().contiguous().numpy(), by_bands.detach().transpose(1, 2).contiguous().numpy()
        gradient, size = np.empty_like(rows), len(rows)

        def work(low: int, high: int) -> None:
            given = rows, slopes, low * LANES, min(high * LANES, size)
            adjoint(*given, tuple(frames), *tables, powers, gradient)

        over_rows(-(-size // LANES), work, at_once=1)
        return torch.from_numpy(gradient)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], audio: Tensor, by_bands: Tensor, *setting: Any
    ) -> tuple[Tensor, int]:
        batches, slopes = _batches(info, in_dims, audio, by_bands)
        gradient = _Adjoint.apply(batches.flatten(0, 1), slopes.flatten(0, 1), *setting)
        return gradient.unflatten(0, batches.shape[:2]), 0


def _batches(info: Any, in_dims: tuple[int | None, ...], *given: Tensor) -> list[Tensor]:
    """Tensors under `torch.func.vmap`, with the mapped dimension first."""
    return [
        value.expand(info.batch_size, *value.shape) if at is None else value.movedim(at, 0)
        for value, at in zip(given, in_dims, strict=False)
    ]


def _kernels(sources: str) -> tuple[Any, Any]:
    # See `cached` about `sources`.
    def bands(audio, low, high, frames, constants, filters, powers, out):
        sources  # noqa: B018
        denormals = flush_denormals()
        (first, step), number, samples, count = frames, filters[4], audio.shape[1], out.shape[1]
        window, cosine, sine = constants[0], constants[1], constants[2]
        signals, work, mel = aligned(samples * LANES), aligned(WORK), aligned(number * LANES)
        no_directions = aligned(0)
        place, taper = np.empty(N_FFT, np.int64), np.empty(N_FFT, np.float32)
        for start in range(low, high, LANES):
            end = min(start + LANES, high)
            interleave(audio, start * samples, samples, end - start, signals)
            for frame in range(count):
                places(first + frame * step, samples, -1, place, taper, window)
                frame_spectrum(signals, 0, place, taper, work, cosine, sine)
                frame_bands(work, constants, filters, no_directions, mel, powers)
                separate(mel, end - start, out, (start * count + frame) * number, count * number)
        restore_denormals(denormals)

    def adjoint(audio, by_bands, low, high, frames, constants, filters, powers, gradient):
        sources  # noqa: B018
        denormals = flush_denormals()
        (first, step), number, samples, count = frames, filters[4], audio.shape[1], by_bands.shape[1]
        window, cosine, sine = constants[0], constants[1], constants[2]
        signals, derived, work = aligned(samples * LANES), aligned(samples * LANES), aligned(WORK)
        mel, slopes = aligned(number * LANES), aligned(2 * BINS * LANES)
        place, taper = np.empty(N_FFT, np.int64), np.empty(N_FFT, np.float32)
        for start in range(low, high, LANES):
            end = min(start + LANES, high)
            interleave(audio, start * samples, samples, end - start, signals)
            derived[:] = 0.0
            for frame in range(count):
                places(first + frame * step, samples, -1, place, taper, window)
                frame_spectrum(signals, 0, place, taper, work, cosine, sine)
                frame_bands(work, constants, filters, slopes, mel, powers)
                interleave(by_bands, (start * count + frame) * number, count * number, end - start, mel)
                slope_of_bands(filters, mel, slopes)
                add_adjoint(slopes, constants, place, taper, work, derived)
            separate(derived, end - start, gradient, start * samples, samples)
        restore_denormals(denormals)

    return cached(bands), cached(adjoint)


#: ``bands(audio, low, high, frames, constants, filters, powers, out)``: the mel bands of rows `low` to `high` of sounds
#: ``(B, T)`` in frames ``(first, step)``, into `out` ``(B, number, N)``.
#:
#: ``adjoint(audio, by_bands, low, high, frames, constants, filters, powers, gradient)``: derivatives with respect to
#: samples, given those with respect to bands ``(B, number, N)``, into `gradient` ``(B, T)``.
_PACKAGE = Path(__file__).parents[2]
bands, adjoint = _kernels(
    hash_of([_PACKAGE / "core/compile.py", _PACKAGE / "features/fourier.py", *_PACKAGE.glob("features/kernels/*.py")])
)
