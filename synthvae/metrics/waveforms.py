"""Phase-sensitive waveform errors of reconstructions, and the slope of their level over time.

Log-mel and STFT magnitudes are independent of phase. The complex STFT and the waveform are not: two sines of equal
level and frequency with independent random phases differ on average by twice the power of either, so that a good
reconstruction without the phase is worse than silence. Silence is therefore one of the null models. The correlation at
the best lag is invariant to a delay of the whole sound, and to its level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor

from synthvae.audio.pitch import check_sounds
from synthvae.core.executor import on_threads
from synthvae.features import stft
from synthvae.losses.envelope import FLOOR, HOP, envelope
from synthvae.metrics.reconstruction import derangement

__all__ = ["MAX_LAG", "PHASE_JUDGES", "WAVEFORM_UNITS", "WaveformErrors", "WaveformNulls", "null_waveforms",
           "waveform_errors"]  # fmt: skip

#: Maximum lag of the cross-correlation in seconds, in both directions: a period of 50 Hz.
MAX_LAG = 0.02
#: The measures, and the unit of each.
WAVEFORM_UNITS = {
    "complex_stft": "magnitude²",
    "waveform": "full scale",
    "decorrelation": "share",
    "lag": "s",
    "level_slope": "dB/s",
}
#: Measures that are errors: non-negative, and 0 for the target itself.
PHASE_JUDGES = ("complex_stft", "waveform", "decorrelation")

_BATCH = 16  # number of presets at a time


@dataclass(frozen=True)
class WaveformErrors:
    """Measures of each preset's waveform against its target's, float64.

    Attributes:
        complex_stft: mean squared magnitude of the difference of complex STFTs over bins and frames, shape (N,).
        waveform: mean absolute difference of samples, shape (N,).
        decorrelation: one minus the largest normalised cross-correlation over lags up to `MAX_LAG`, shape (N,): 0 for
            the target at any level, 1 for silence, up to 2.
        lag: lag of that maximum, shape (N,), in seconds; above 0 the reconstruction is late.
        level_slope: slope of the least-squares line through the level of the reconstruction minus that of
            the target over time, shape (N,), in dB/s; above 0 the reconstruction rises relative to the target.
    """

    complex_stft: NDArray[np.float64]
    waveform: NDArray[np.float64]
    decorrelation: NDArray[np.float64]
    lag: NDArray[np.float64]
    level_slope: NDArray[np.float64]


@dataclass(frozen=True)
class WaveformNulls:
    """The same measures of the three null models.

    Attributes:
        mean_preset: the sound of 0.5 in every unit parameter, for every target.
        random_preset: another target, drawn at random. Its slopes have a mean of 0, since each target is drawn once.
        silence: zeros, for every target.
    """

    mean_preset: WaveformErrors
    random_preset: WaveformErrors
    silence: WaveformErrors


def waveform_errors(target: Tensor, reconstruction: Tensor, sample_rate: int) -> WaveformErrors:
    """Compare sounds sample by sample.

    The STFT is that of `synthvae.features.stft`. The cross-correlation is a sum over the whole sounds, 0 beyond their
    ends, divided by the product of their norms; a sound below -80 dB RMS is silent, the correlation of two silent
    sounds is 1 and that of a silent sound with another 0. Levels are those of `synthvae.losses.envelope`, from -80 dB
    up, over all frames: a reconstruction that continues after the end of the target rises relative to it.

    Args:
        target: targets, shape (N, T), full scale 1.
        reconstruction: reconstructions, shape (N, T).
        sample_rate: sample rate in Hz.

    Returns:
        Measures per preset, each a function of that preset's two sounds alone.

    Raises:
        ValueError: if the shapes differ, or are not (N, T), or the audio is not floating point.
        UserError: if it is empty or not finite.
    """
    targets, answers = check_sounds(target, "targets"), check_sounds(reconstruction, "reconstructions")
    if targets.shape != answers.shape:
        raise ValueError(f"targets {tuple(targets.shape)} and reconstructions {tuple(answers.shape)} differ")

    def compare(start: int) -> list[Tensor]:
        first, second = (sounds[start : start + _BATCH].double() for sounds in (targets, answers))
        spectrum = torch.view_as_real(stft(first - second))  # that of the difference, as the transform is linear
        correlation, lag = _best_correlation(first, second, sample_rate)
        return [
            spectrum.square().sum(3).mean((1, 2)),
            (first - second).abs().mean(1),
            1.0 - correlation,
            lag,
            _slope(envelope(second) - envelope(first), HOP / sample_rate),
        ]

    with torch.inference_mode():
        parts = list(on_threads(compare, range(0, len(targets), _BATCH)))
    return WaveformErrors(*(torch.cat(column).numpy() for column in zip(*parts, strict=True)))


def null_waveforms(target: Tensor, mean_preset: Tensor, sample_rate: int, seed: int = 0) -> WaveformNulls:
    """The measures of the three null models on `target`.

    Args:
        target: targets, shape (N, T), at least two presets.
        mean_preset: sound of 0.5 in every unit parameter, shape (1, T).
        sample_rate: sample rate in Hz.
        seed: seed that selects the random preset of each preset, as in `synthvae.metrics.reconstruction.null_errors`.

    Raises:
        ValueError: as `waveform_errors`.
        UserError: if there are fewer than two presets, or a sound is empty or not finite.
    """
    others = torch.from_numpy(derangement(len(target), seed))
    answers = (mean_preset.expand_as(target), target[others], torch.zeros_like(target))
    return WaveformNulls(*(waveform_errors(target, answer, sample_rate) for answer in answers))


def _best_correlation(target: Tensor, answer: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """The largest normalised cross-correlation ``(B,)`` of sounds ``(B, T)``, and its lag in seconds."""
    samples = target.shape[1]
    most = min(round(MAX_LAG * sample_rate), samples - 1)
    size = next_fast_len(samples + most, real=True)  # zero-padding that prevents circular overlap at the lags used
    spectra = [torch.fft.rfft(sounds, size) for sounds in (target, answer)]
    products = torch.fft.irfft(spectra[0].conj() * spectra[1], size)
    lags = torch.arange(-most, most + 1)
    lags = lags[lags.abs().argsort(stable=True)]  # among equal correlations the smallest delay is chosen
    power = [sounds.square().sum(1) for sounds in (target, answer)]
    silent = [p <= FLOOR * samples for p in power]
    best, place = products[:, lags % size].max(1)
    correlation = (best / (power[0] * power[1]).sqrt().clamp_min(torch.finfo(best.dtype).tiny)).clamp(-1.0, 1.0)
    some, both = silent[0] | silent[1], silent[0] & silent[1]
    return torch.where(some, both.double(), correlation), torch.where(some, 0.0, lags[place].double() / sample_rate)


def _slope(values: Tensor, step: float) -> Tensor:
    """Slope ``(B,)`` of the least-squares line through ``(B, K)`` at equal steps; 0 for a single value."""
    time = step * torch.arange(values.shape[1], dtype=values.dtype)
    time -= time.mean()
    spread = float(time.square().sum())
    return (values @ time) / spread if spread > 0.0 else values.new_zeros(len(values))
