"""Inverse transform, phase recovery and its refinement: audio from complex spectra and magnitudes.

PyTorch's inverse transform, and librosa's and PyTorch's Griffin-Lim, move the spectra of a whole batch through memory
at every step. Here one thread processes one sound through all steps, in its core's cache: the FFT is scipy's, which
preserves float32 and releases the GIL, and everything else is in compiled kernels. The result of a sound is
bit-identical in any batch and on any number of threads.

References: Prusa, Balazs and Sondergaard, "A noniterative method for reconstruction of phase from STFT magnitude",
IEEE/ACM TASLP 25:1154, 2017. Griffin and Lim, "Signal estimation from modified short-time Fourier transform", IEEE
Trans. ASSP 32:236, 1984. Perraudin, Balazs and Sondergaard, "A fast Griffin-Lim algorithm", WASPAA 2013.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from torch import Tensor

from synthvae.core.compile import tolerate_caches
from synthvae.core.errors import UserError, choose_one
from synthvae.core.threads import over_rows
from synthvae.features.inversion import kernels
from synthvae.features.invertible_stft import ShortTime, window_of

__all__ = ["PHASES", "TOLERANCE", "Method", "inverse_transform", "phase_gradient", "read_phase", "recover"]

Array = NDArray[np.float32]

#: Share of a sound's largest magnitude at and below which phase gradient heap integration uses random phases.
TOLERANCE = 1e-7
#: Momentum of fast Griffin-Lim, librosa's default: after PGHI, too, five iterations with it reach what ten reach
#: without.
MOMENTUM = 0.99
#: Default number of iterations of `griffin-lim`, as in librosa.
ITERATIONS = 32
_NONE = np.float32(0.0)

PHASES: dict[str, str] = {
    "zero": "0 everywhere",
    "random": "drawn uniformly, by number of the cell",
    "pghi": "phase gradient heap integration",
    "START+N": "one of these three, then N iterations of fast Griffin-Lim, such as pghi+5",
    "griffin-lim": f"fast Griffin-Lim by librosa from a random phase, {ITERATIONS} iterations, momentum {MOMENTUM}",
    "griffin-lim-N": "the same with N iterations, such as griffin-lim-100",
}
"""Methods of phase recovery."""


class Method(NamedTuple):
    """How a phase is recovered: the initial phase, and the number of Griffin-Lim iterations from it."""

    start: str
    iterations: int


def read_phase(name: str) -> Method:
    """Read one of `PHASES`.

    Raises:
        UserError: if there is no such method.
    """
    found = re.fullmatch(r"(zero|random|pghi)(?:\+([0-9]{1,4}))?", name)
    if found is not None:
        return Method(found[1], int(found[2] or 0))
    found = re.fullmatch(r"(griffin-lim)(?:-([0-9]{1,4}))?", name)
    if found is not None:
        return Method(found[1], int(found[2] or ITERATIONS))
    raise UserError("phase", name, choose_one(name, PHASES))


def recover(
    magnitude: Tensor,
    transform: ShortTime,
    samples: int,
    phase: str = "pghi+5",
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> Tensor:
    """Sounds whose short-time Fourier transforms have the given magnitudes, as closely as `phase` finds.

    Args:
        magnitude: magnitudes ``(B, bins, frames)``, non-negative.
        transform: transform of the magnitudes.
        samples: number of samples of a sound.
        phase: method, one of `PHASES`.
        tolerance: see `TOLERANCE`; used only by methods that start with heap integration.
        seed: seed of random phases, which are the same for every sound.

    Returns:
        ``(B, samples)``, float32 on the device of the magnitudes.

    Raises:
        ValueError: if the magnitudes are not ``(B, bins, frames)`` of that transform.
        UserError: if there is no such method.
    """
    method = read_phase(phase)
    sizes = _rows(magnitude, transform, np.float32)
    if method.start == "griffin-lim":
        return _back(_librosa(sizes, transform, samples, method.iterations, seed), magnitude)

    def start(size: Array) -> Array:
        if method.start == "pghi":
            return _integrate(size, transform, tolerance, seed)
        phase = np.zeros_like(size)
        if method.start == "random":
            # With a tolerance of 1 all phases are random.
            kernels.integrate_phase(size, transform.hop, transform.size, transform.gamma, 1.0, seed, phase)
        return phase

    def work(size: Array, sound: Array) -> None:
        spectrum = np.empty(size.shape, np.complex64)
        kernels.polar(size, start(size), spectrum)
        workspace = _Workspace(transform, len(size), samples)
        workspace.inverse(spectrum, sound)
        previous = np.zeros((len(size), 2 * transform.bins), np.float32)
        for iteration in range(method.iterations):
            parts = workspace.forward(sound)
            kernels.project(size, parts.view(np.float32), previous, np.float32(MOMENTUM) if iteration else _NONE)
            workspace.inverse(parts, sound)

    return _back(_each(work, sizes, samples), magnitude)


def phase_gradient(magnitude: Tensor, transform: ShortTime, tolerance: float = TOLERANCE, seed: int = 0) -> Tensor:
    """Phase by heap integration of the gradients that a Gaussian window relates to the log magnitude.

    For any other window it is an approximation, by the closest Gaussian.

    Args:
        magnitude: magnitudes ``(B, bins, frames)``, non-negative.
        transform: transform of the magnitudes.
        tolerance: see `TOLERANCE`.
        seed: seed of the random phases of cells below the tolerance.

    Returns:
        ``(B, bins, frames)`` in [-pi, pi), float32. It is determined up to a constant for each connected region.

    Raises:
        ValueError: if the magnitudes are not ``(B, bins, frames)`` of that transform.
    """
    sizes = _rows(magnitude, transform, np.float32)
    found = np.empty_like(sizes)

    def work(low: int, high: int) -> None:
        for row in range(low, high):
            found[row] = _integrate(sizes[row], transform, tolerance, seed)

    over_rows(len(sizes), work, at_once=1)
    return torch.from_numpy(found).transpose(1, 2).to(magnitude.device)


def inverse_transform(spectrum: Tensor, transform: ShortTime, samples: int) -> Tensor:
    """The sounds whose transforms are closest to the given spectra, by least squares.

    Args:
        spectrum: spectra ``(B, bins, frames)``, complex.
        transform: transform of the spectra.
        samples: number of samples of a sound; those outside all frames are 0.

    Returns:
        ``(B, samples)``, float32 on the device of the spectra.

    Raises:
        ValueError: if the spectra are not ``(B, bins, frames)`` of that transform.
    """
    rows = _rows(spectrum, transform, np.complex64)

    def work(parts: NDArray[np.complex64], sound: Array) -> None:
        _Workspace(transform, len(parts), samples).inverse(parts, sound)

    return _back(_each(work, rows, samples), spectrum)


class _Workspace:
    """Buffer for one sound's frames, and the transforms to and from its spectrum."""

    def __init__(self, transform: ShortTime, frames: int, samples: int) -> None:
        self._offset, self._hop, self._size = transform.offset, transform.hop, transform.size
        self._window = window_of(transform).astype(np.float32)
        self._reciprocal = transform.reciprocal(frames, samples)
        self._frames = np.empty((frames, transform.size), np.float32)

    def forward(self, sound: Array) -> NDArray[np.complex64]:
        kernels.cut_frames(sound, self._offset, self._hop, self._window, self._frames)
        return np.asarray(fft.rfft(self._frames))

    def inverse(self, spectrum: NDArray[np.complex64], sound: Array) -> None:
        frames = fft.irfft(spectrum, self._size)
        kernels.overlap_add(frames, self._offset, self._hop, self._window, self._reciprocal, sound)


def _integrate(size: Array, transform: ShortTime, tolerance: float, seed: int) -> Array:
    phase = np.empty_like(size)
    kernels.integrate_phase(size, transform.hop, transform.size, transform.gamma, tolerance, seed, phase)
    return phase


def _librosa(sizes: Array, transform: ShortTime, samples: int, iterations: int, seed: int) -> Array:
    """Fast Griffin-Lim as published: `librosa.griffinlim`, sound by sound.

    Frames that are not centred are passed as centred ones, because otherwise librosa divides by the window alone at
    both ends, where it is almost 0, and the result contains noise a thousand times larger than the sound. The recovered
    phase is then that of the frames.
    """
    tolerate_caches()
    from librosa import griffinlim  # takes seconds to import, and only this function needs it

    frames = sizes.shape[1]
    # librosa needs a length with exactly these frames; samples beyond the last one stay 0.
    length = min(max(samples, (frames - 1) * transform.hop), frames * transform.hop - 1)
    sounds = np.zeros((len(sizes), samples), np.float32)
    for row, size in enumerate(sizes):
        found = griffinlim(
            size.T, n_iter=iterations, hop_length=transform.hop, n_fft=transform.size, window=window_of(transform),
            length=length, momentum=MOMENTUM, random_state=seed,
        )  # fmt: skip
        if transform.centred:
            sounds[row, : len(found)] = found[:samples]
            continue
        spectrum = _Workspace(replace(transform, centred=True), frames, len(found)).forward(found)
        kernels.project(size, spectrum.view(np.float32), np.zeros((frames, 2 * transform.bins), np.float32), _NONE)
        _Workspace(transform, frames, samples).inverse(spectrum, sounds[row])
    return sounds


def _rows(values: Tensor, transform: ShortTime, kind: type) -> NDArray:
    """Convert ``(B, bins, frames)`` to a contiguous NumPy array ``(B, frames, bins)``."""
    if values.ndim != 3 or values.shape[1] != transform.bins:
        raise ValueError(f"expected (B, {transform.bins}, frames), got shape {tuple(values.shape)}")
    return np.ascontiguousarray(values.detach().transpose(1, 2).cpu().resolve_conj().numpy(), kind)


def _each(work: Callable[[NDArray, Array], None], rows: NDArray, samples: int) -> Array:
    sounds = np.empty((len(rows), samples), np.float32)

    def several(low: int, high: int) -> None:
        for row in range(low, high):
            work(rows[row], sounds[row])

    over_rows(len(rows), several, at_once=1)
    return sounds


def _back(sounds: Array, like: Tensor) -> Tensor:
    return torch.from_numpy(sounds).to(like.device)
