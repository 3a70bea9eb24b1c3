"""Constant-Q transform, by products in the frequency domain."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from synthvae.features.base import EVERY_FRAME, Feature, Frames, as_constant, check_audio, pad_centred
from synthvae.features.fourier import HOP, real_fft

__all__ = ["Cqt", "fast_length"]

LOWEST = 32.70
BINS = 84
PER_OCTAVE = 12
QUALITY = 1.0 / (2.0 ** (1.0 / PER_OCTAVE) - 1.0)
FRAMES_AT_ONCE = 256
NEGLIGIBLE = 3e-6


class Cqt(Feature):
    """Constant-Q transform, `(B, 84, N)`: 12 bins an octave from 32.70 Hz, hop 512, centred.

    `X[k, n] = sqrt(L_k) sum_t conj(g_k[t]) x[512 n + t]`, with `g_k` a Hann window of `L_k = ceil(Q fs / f_k)`
    samples times `exp(2 pi i f_k t / fs)`, of unit L1 norm, and the ends of the audio mirrored. The same as
    `nnAudio.features.CQT1992v2` at its defaults, from nnAudio's own kernels; audio that is too short to
    mirror the longest kernel's half (11,341 samples at 44.1 kHz) gets zeros around it, and bins above Nyquist
    are left out (below 7.9 kHz there are fewer than 84).

    How: convolution and hop together are one FFT of the padded audio, a product with each kernel's
    spectrum, and a short inverse FFT, since keeping every 512th sample folds the spectrum into N / 512
    bins. A kernel's spectrum is narrow: blocks below 3e-6 of its peak are left out, which moves the result by
    about 1e-5 of its maximum. Sums of products over blocks are batched matrix products, octave by octave.
    The idea of sparse spectral kernels is from J. C. Brown and M. S. Puckette, "An efficient algorithm for
    the calculation of a constant Q transform", JASA 92 (1992).

    Args:
        sample_rate: sample rate in Hz, above 65.4.

    Raises:
        ValueError: if not even the lowest bin is below Nyquist.
    """

    name: ClassVar[str] = "cqt"
    description: ClassVar[str] = "constant-Q transform, 84 bins from 32.70 Hz, 12 an octave, hop 512"
    complex: ClassVar[bool] = True
    linear: ClassVar[bool] = True

    def __init__(self, sample_rate: int) -> None:
        super().__init__(sample_rate)
        if sample_rate < 2 * LOWEST:
            raise ValueError(f"sample_rate must be at least {2 * LOWEST:g} Hz for the CQT, got {sample_rate}")

    def spectrum(self, audio: Tensor, frames: Frames = EVERY_FRAME) -> Tensor:
        """Transform `audio` `(B, T)` to `(B, 84, T // 512 + 1)`, complex; see the class.

        Selecting frames saves no computation here: all are computed together.
        """
        check_audio(audio)
        count = audio.shape[1] // HOP + 1
        at_once = min(count, FRAMES_AT_ONCE)
        kernels = _kernels(self.sample_rate, at_once, audio.dtype, audio.device)
        segments = -(-count // at_once)
        padded = pad_centred(audio, kernels.reach)
        needed = (segments - 1) * at_once * HOP + kernels.blocks * HOP
        padded = torch.nn.functional.pad(padded, (0, max(0, needed - padded.shape[1])))
        starts = [segment * at_once * HOP for segment in range(segments)]
        pieces = torch.cat([padded[:, start : start + kernels.blocks * HOP] for start in starts])
        result = _transform(pieces, kernels)[..., :at_once]
        result = torch.cat(result.split(audio.shape[0]), 2)
        return result[..., frames.first : count : frames.step]


class _Kernels(NamedTuple):
    """Spectra of the kernels, cut into blocks of as many FFT bins as the folded spectrum has.

    `groups` holds, for each octave, its first block, one past its last, and the weights `(block size, blocks, bins)`;
    `adjoints` their conjugate transposes, and `reaches` how many blocks lie below and above frequency 0.
    """

    reach: int
    blocks: int
    groups: tuple[tuple[int, int, Tensor], ...]
    adjoints: tuple[Tensor, ...]
    reaches: tuple[int, int]


def _transform(audio: Tensor, kernels: _Kernels) -> Tensor:
    """CQT of segments `(B, blocks * HOP)` that include their padding: `(B, bins, blocks)`, circular in time."""
    folded: Tensor = _Fold.apply(real_fft(audio), kernels)
    return torch.fft.ifft(folded.permute(1, 2, 0))


class _Fold(Function):
    """Products of a spectrum `(B, F)` with those of the kernels, summed over blocks: `(size, B, bins)`.

    In the backward pass PyTorch would copy conjugate weights matrix by matrix, and zero and add a whole spectrum for
    each octave.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(spectrum: Tensor, kernels: _Kernels) -> Tensor:
        size, (below, above) = kernels.blocks, kernels.reaches
        mirrored = spectrum[..., 1 : below * size + 1].flip(-1).conj()  # negative frequencies of a real signal
        parts = [half.unflatten(-1, (-1, size)).permute(2, 0, 1) for half in (mirrored, spectrum[..., : above * size])]
        blocks = torch.cat(parts, 2)
        return torch.cat([blocks[..., low + below : high + below] @ octave for low, high, octave in kernels.groups], 2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, _Kernels], output: Tensor) -> None:  # noqa: ANN401
        spectrum, ctx.kernels = inputs
        ctx.bins = spectrum.shape[-1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        size, (below, above) = ctx.kernels.blocks, ctx.kernels.reaches
        total = gradient.new_zeros(*gradient.shape[:2], below + above)
        octaves = gradient.split([octave.shape[2] for _, _, octave in ctx.kernels.groups], 2)
        for part, (low, high, _), adjoint in zip(octaves, ctx.kernels.groups, ctx.kernels.adjoints, strict=True):
            total[..., low + below : high + below] += part @ adjoint
        mirrored, upper = total.permute(1, 2, 0).flatten(1).split([below * size, above * size], 1)
        found = torch.nn.functional.pad(upper, (0, ctx.bins - above * size))
        found[..., 1 : below * size + 1] += mirrored.flip(-1).conj()
        return found, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:  # noqa: ANN401
        moved: Tensor = _Fold.apply(tangent, ctx.kernels)
        return moved


@lru_cache(maxsize=8)
def _kernels(sample_rate: int, frames: int, dtype: torch.dtype, device: torch.device) -> _Kernels:
    from nnAudio.utils import create_cqt_kernels  # takes half a second to import, and only the CQT needs it

    frequencies = LOWEST * 2.0 ** (np.arange(BINS) / PER_OCTAVE)
    count = int((frequencies <= sample_rate / 2).sum())
    waves, width, _, _ = create_cqt_kernels(QUALITY, sample_rate, LOWEST, count, PER_OCTAVE)
    lengths = np.ceil(QUALITY * sample_rate / frequencies[:count])
    reach = (int(lengths.max()) + 1) // 2
    waves = waves[:, width // 2 - reach : width // 2 + reach] * np.sqrt(lengths)[:, None]
    size = fast_length(frames + -(-2 * reach // HOP))
    groups = []
    for first in range(0, count, PER_OCTAVE):
        # a frame's centre is `reach` samples into the padded audio
        spectra = np.conj(np.fft.fft(waves[first : first + PER_OCTAVE], size * HOP)) / HOP
        blocks = np.roll(spectra.reshape(-1, HOP, size), HOP // 2, 1)  # block 0 at HOP // 2
        peak = np.abs(blocks).max((1, 2), keepdims=True)
        used = np.flatnonzero((np.abs(blocks) > NEGLIGIBLE * peak).any((0, 2)))
        low, high = int(used[0]), int(used[-1]) + 1
        weights = as_constant(blocks[:, low:high].transpose(2, 1, 0), dtype.to_complex(), device)
        groups.append((low - HOP // 2, high - HOP // 2, weights))
    with torch.inference_mode(False):
        adjoints = tuple(weights.mH.resolve_conj().contiguous() for _, _, weights in groups)
    reaches = max(0, -min(low for low, _, _ in groups)), max(high for _, high, _ in groups)
    return _Kernels(reach, size, tuple(groups), adjoints, reaches)


def fast_length(length: int) -> int:
    """Round up to a product of 2, 3 and 5."""
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1
