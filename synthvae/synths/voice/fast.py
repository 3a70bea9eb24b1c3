"""The Voice on a CPU in float32, with compiled kernels and a hand-derived backward pass.

`synthvae.synths.voice.reference` is the definition; `synthvae.synths.voice.kernels` computes the same to float32
accuracy. The kernels are compiled on first use and cached on disk. Importing this module loads numba.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from synthvae.core.threads import over_rows
from synthvae.features.fourier import HOP
from synthvae.features.mel import BANDS, FLOOR, FULL_SCALE, kernel_tables
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.voice.kernels.forward_mode import mel_jacobian, tangents
from synthvae.synths.voice.kernels.layout import BLOCK, LANES, NAMES, blocks, chunks
from synthvae.synths.voice.kernels.voice import Grid, Space, backward, forward

__all__ = ["FastVoice"]

Floats = NDArray[np.float32]
#: Result of `FastVoice.render`.
Rendered = tuple[Floats, Floats, NDArray[np.int64]]

#: Maximum number of rows that a thread processes per call.
_ROWS = 16


class FastVoice:
    """Renders float32 rows on a CPU, split over ``torch.get_num_threads()`` threads.

    A row's samples and gradient are the same bits in any batch, at any position and on any number of threads.
    """

    def __init__(
        self, parameters: ParameterSpace, noise: Tensor, control_size: int, sample_rate: float, control_rate: float
    ) -> None:
        """Prepare the arguments of the kernels; the white noise ``(T,)`` is the same for every preset."""
        table = list(parameters)
        minimum = np.array([p.minimum for p in table])
        maximum = np.array([p.maximum for p in table])
        curve = np.array([p.curve for p in table])
        symmetric = np.array([p.symmetric for p in table])
        fixed = np.zeros(len(NAMES))
        for name, value in parameters.fixed.items():
            fixed[NAMES.index(name)] = value
        self.samples = noise.shape[0]
        self._space = Space(
            columns=np.array([NAMES.index(p.name) for p in table]),
            minimum=minimum,
            span=np.where(symmetric, (maximum - minimum) / 2, maximum - minimum),
            power=1.0 / curve,
            symmetric=symmetric,
            linear=curve == 1.0,
            fixed=fixed,
        )
        before, first, offset = blocks(self.samples, control_size)
        step = (control_size - 1) / max(self.samples - 1, 1)
        self._grid = Grid(before, first, offset, np.diff(first).astype(np.float64), step)
        rates = (float(control_rate), float(sample_rate))
        self._setting = (self._space, self._grid, chunks(first), rates, control_size, _padded(noise))

    def with_noise(self, noise: Tensor) -> FastVoice:
        """The same Voice with other noise ``(T,)``; copies only the noise."""
        other = copy.copy(self)
        other._setting = (*self._setting[:-1], _padded(noise))
        return other

    def __call__(self, unit: Tensor, hold_phases: bool = False) -> Tensor:
        """Render unit parameters ``(B, P)``, float32 on the CPU, to ``(B, T)``; differentiable once.

        A row with a NaN gives a row of NaN. With `hold_phases`, oscillator phases are constants in the backward pass.
        """
        return _Render.apply(unit, self, hold_phases)

    def render(self, unit: Floats) -> Rendered:
        """Sounds ``(B, T)`` and, for each, its normalisation factor and the index of its peak, -1 if not normalised."""
        size = unit.shape[0]
        # NumPy requests huge pages for large arrays; PyTorch does not, and allocating a page every 4 KiB takes as
        # much time as computing the samples in it.
        out = np.empty((size, self.samples), dtype=np.float32)
        peak_gains, peak_indices = np.empty(size, dtype=np.float32), np.empty(size, dtype=np.int64)
        over_rows(size, lambda low, high: forward(unit, low, high, self._setting, out, peak_gains, peak_indices), _ROWS)
        return out, peak_gains, peak_indices

    def vjp(self, unit: Floats, found: Rendered, grad: Floats, hold_phases: bool = False) -> Floats:
        """Gradient by unit parameters ``(B, P)`` from the gradient by samples ``(B, T)`` and the result of `render`."""
        result = np.empty_like(unit)
        given = (self._setting, found, grad, result, hold_phases)
        over_rows(unit.shape[0], lambda low, high: backward(unit, low, high, *given), _ROWS)
        return result

    def tangents(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Sounds and their derivatives by all parameters, by forward-mode differentiation.

        Returns:
            Audio ``(B, T)`` and d audio / d unit ``(B, P, T)``, a view with parameters innermost in memory.
        """
        rows = unit.detach().contiguous().numpy()
        size, width = rows.shape[0], -(-rows.shape[1] // LANES) * LANES
        found = self.render(rows)
        result = np.empty((size, self.samples, width), dtype=np.float32)
        over_rows(size, lambda low, high: tangents(rows, low, high, self._setting, found, result), 1)
        return torch.from_numpy(found[0]), torch.from_numpy(result)[..., : rows.shape[1]].transpose(1, 2)

    def log_mel_jacobian(self, unit: Tensor, sample_rate: int) -> Tensor:
        """Derivatives of `synthvae.features.mel.LogMel`, at `sample_rate`, by every parameter.

        Returns:
            Derivatives in dB per unit, ``(B, P, 128, frames)``, a view with parameters innermost in memory; bands and
            frames can be flattened without a copy.
        """
        rows = unit.detach().contiguous().numpy()
        size, groups = rows.shape[0], -(-rows.shape[1] // LANES)
        tables = kernel_tables(sample_rate)
        found, floor = self.render(rows), np.float32(FLOOR * FULL_SCALE)
        result = np.empty((size, BANDS, self.samples // HOP + 1, groups * LANES), dtype=np.float32)
        # A few presets are too little work for all threads: their parameters are divided among threads too.
        parts = min(groups, -(-torch.get_num_threads() // max(size, 1)))
        edges = [groups * k // parts for k in range(parts + 1)]

        def work(low: int, high: int) -> None:
            for task in range(low, high):
                row, part = divmod(task, parts)
                share = edges[part], edges[part + 1]
                mel_jacobian(rows, row, row + 1, self._setting, found, tables, floor, share, result)

        over_rows(size * parts, work, at_once=1)
        return torch.from_numpy(result)[..., : rows.shape[1]].permute(0, 3, 1, 2)


def _padded(noise: Tensor) -> Floats:
    padded = np.zeros(noise.shape[0] + BLOCK, dtype=np.float32)
    padded[: noise.shape[0]] = noise.detach().numpy()
    return padded


class _Render(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, unit: Tensor, voice: FastVoice, hold_phases: bool) -> Tensor:  # noqa: ANN401
        rows = unit.detach().contiguous()
        samples, peak_gains, peak_indices = voice.render(rows.numpy())
        audio = torch.from_numpy(samples)
        ctx.voice, ctx.peak_gains, ctx.peak_indices, ctx.hold_phases = voice, peak_gains, peak_indices, hold_phases
        ctx.save_for_backward(rows, audio)
        return audio

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        unit, audio = ctx.saved_tensors
        found = audio.detach().numpy(), ctx.peak_gains, ctx.peak_indices
        samples = grad.detach().contiguous().numpy()
        return torch.from_numpy(ctx.voice.vjp(unit.numpy(), found, samples, ctx.hold_phases)), None, None
