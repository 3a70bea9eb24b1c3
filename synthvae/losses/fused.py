"""Losses on the STFT by compiled kernels: value and gradient of float32 sounds on a CPU in one pass.

`synthvae.losses.spectral` is the definition; the kernels compute the same to float32 accuracy, several times faster
than PyTorch, and need no memory of the size of a spectrogram. Importing this module loads numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from synthvae.core.threads import over_rows
from synthvae.features import Frames
from synthvae.features.fourier import HOP, check_frames
from synthvae.features.kernels.vector import LANES
from synthvae.features.mel import FLOOR, FULL_SCALE, kernel_tables
from synthvae.losses.kernels import parseval, spectra

__all__ = ["fused"]

Limits = tuple[float, float, float]


def fused(
    name: str, estimate: Tensor, target: Tensor, frames: Frames, sample_rate: int, limits: Limits, derive: bool
) -> Tensor:
    """Compare sounds by a kernel, differentiable once with respect to the reconstruction.

    Args:
        name: name of a comparison in `synthvae.losses.kernels.spectra`, or ``PHASE_CONVERGENCE``, which is
            `parseval`'s.
        estimate: reconstructions ``(B, T)``, float32 on the CPU.
        target: targets ``(B, T)``, float32 on the CPU; no derivatives with respect to them.
        frames: frames to compare.
        sample_rate: sample rate in Hz, for the log-mel bands.
        limits: eps of the logarithms, the radius around the pole of the complex logarithm, and the minimum norm of a
            target.
        derive: whether derivatives are needed.

    Returns:
        ``(B,)``. A row's value and gradient are bit-identical in any batch and on any number of threads.

    Raises:
        ValueError: as `synthvae.features.stft`.
        TypeError: as `synthvae.features.stft`.
    """
    check_frames(estimate, frames)
    kind = None if name == "PHASE_CONVERGENCE" else getattr(spectra, name)
    value: Tensor = _Fused.apply(estimate, target, (kind, frames, sample_rate, limits), derive)[0]
    return value


class _Fused(Function):
    @staticmethod
    def forward(
        estimate: Tensor, target: Tensor, setting: tuple[int | None, Frames, int, Limits], derive: bool
    ) -> tuple[Tensor, Tensor]:
        kind, frames, sample_rate, (offset, pole, silence) = setting
        found, wanted = (audio.detach().contiguous().numpy() for audio in (estimate, target))
        size = len(found)
        value = np.empty(size, np.float32)
        gradient = np.empty(found.shape if derive else (0, found.shape[1]), np.float32)
        if kind is None:
            count = (found.shape[1] // HOP - frames.first) // frames.step + 1
            tables = parseval.coverage(count, frames.step), parseval.waves()

            def distances(low: int, high: int) -> None:
                parseval.compare(found, wanted, low, high, tuple(frames), *tables, silence, value, gradient)

            over_rows(size, distances, at_once=4)
            return torch.from_numpy(value), torch.from_numpy(gradient)
        if kind == spectra.LOG_MEL:
            offset = FLOOR * FULL_SCALE
        limits = np.float32(offset), np.float32(pole), silence
        given = (kind, tuple(frames), *kernel_tables(sample_rate), limits, value, gradient)

        def work(low: int, high: int) -> None:
            spectra.compare(found, wanted, low * LANES, min(high * LANES, size), *given)

        over_rows(-(-size // LANES), work, at_once=1)
        return torch.from_numpy(value), torch.from_numpy(gradient)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:  # noqa: ANN401
        gradient = output[1]
        ctx.mark_non_differentiable(gradient)
        ctx.set_materialize_grads(False)  # else zeros for the second output, as large as the batch of sounds
        ctx.gradient = gradient
        ctx.save_for_forward(gradient)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_value: Tensor | None, _: None) -> tuple[Tensor | None, None, None, None]:  # noqa: ANN401
        # The incoming gradient of a sum of losses is ones, which needs no product over a batch of sounds. The returned
        # tensor is also referenced here, so that PyTorch copies it before adding to it.
        gradient = ctx.gradient
        if by_value is None:
            return None, None, None, None
        if bool((by_value == 1.0).all()):
            return gradient, None, None, None
        # Into a NumPy array, which requests huge pages: page faults in a PyTorch tensor take longer than the product.
        scaled = torch.from_numpy(np.empty(gradient.shape, np.float32))
        return torch.mul(gradient, by_value[:, None], out=scaled), None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, None]:  # noqa: ANN401
        (gradient,) = ctx.saved_tensors
        return (gradient * tangent).sum(1), None
