"""Distances between the sounds of reconstructions and targets, with different invariances.

No single distance suffices: bin by bin a tone a semitone off is as wrong as an octave off, transport is invariant to
level, warped cepstra to timing, and the fundamental frequency to everything else. The set contains that of Hayes,
Saitis and Fazekas, "Audio synthesizer inversion in symmetric parameter spaces with approximately equivariant flow
matching", ISMIR 2025 (multi-resolution spectra, warped MFCC, spectral transport, envelope similarity), the two oldest
spectral distances, and the error in pitch. Measures over all bands and frames hardly depend on a lost transient, which
is one frame of many: errors of the onset and of the attack time, and a log-mel error weighted by energy, do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from synthvae.audio.descriptors import attack_span, power_envelope
from synthvae.audio.pitch import Measured, check_sounds, f0_error_cents, loud_frames, track_pitch
from synthvae.core.compile import tolerate_caches
from synthvae.core.executor import on_threads
from synthvae.features import build_feature, stft
from synthvae.features.mel import FLOOR, FULL_SCALE, log_mel
from synthvae.features.mfcc import BANDS
from synthvae.losses import build_loss
from synthvae.losses.envelope import HOP, WINDOW

__all__ = ["DISTANCES", "Distance", "measure_distances"]

_BATCH = 16  # number of presets at a time

Audio = NDArray[np.floating] | Tensor


@dataclass(frozen=True)
class Distance:
    """One measure.

    Attributes:
        name: name of the measure.
        function: function of targets and reconstructions, ``(N, T)`` each, and the sample rate in Hz.
        unit: unit of its values; empty for a ratio.
        better: whether lower or higher values are better.
        meaning: description in one line.
    """

    name: str
    function: Callable[[Tensor, Tensor, int], Measured]
    unit: str
    better: Literal["lower", "higher"]
    meaning: str


def measure_distances(
    target: Audio, reconstruction: Audio, sample_rate: int, progress: Callable[[int], object] = lambda done: None
) -> dict[str, Measured]:
    """Measure every reconstruction against its target by all of `DISTANCES`.

    Args:
        target: targets, shape (N, T), full scale is 1.
        reconstruction: reconstructions, shape (N, T).
        sample_rate: sample rate in Hz.
        progress: called with the number of presets done.

    Returns:
        By name, one number per preset and whether it is defined: there is no error in pitch if either sound has none.
        Each is a function of that preset's two sounds alone, and finite for silence.

    Raises:
        ValueError: if the shapes differ, or are not (N, T), or the audio is not floating point.
        UserError: if it is empty or not finite.
    """
    targets = check_sounds(target, "targets")
    answers = check_sounds(reconstruction, "reconstructions")
    if targets.shape != answers.shape:
        raise ValueError(f"targets {tuple(targets.shape)} and reconstructions {tuple(answers.shape)} differ")
    common = torch.promote_types(targets.dtype, answers.dtype)

    def measure(start: int) -> dict[str, Measured]:
        first, second = (sounds[start : start + _BATCH].to(common) for sounds in (targets, answers))
        return {name: distance.function(first, second, sample_rate) for name, distance in DISTANCES.items()}

    parts: dict[str, list[Measured]] = {name: [] for name in DISTANCES}
    done = 0
    for found in on_threads(measure, range(0, len(targets), _BATCH)):
        for name, measured in found.items():
            parts[name].append(measured)
        done = min(done + _BATCH, len(targets))
        progress(done)
    return {
        name: Measured(np.concatenate([m.values for m in measured]), np.concatenate([m.defined for m in measured]))
        for name, measured in parts.items()
    }


def log_spectral(target: Tensor, reconstruction: Tensor, sample_rate: int) -> Measured:
    """RMS difference of levels over the bins of a frame, mean over frames.

    Gray and Markel, "Distance measures for speech processing", IEEE Trans. ASSP 24:380, 1976, with their L2 norm.
    Levels are 20 log10(|S| / 512 + 1e-4), as in `synthvae.features.mel`, with 0 dB for a full-scale sine and -80 dB for
    silence; without the floor, bins with nothing but rounding errors would contribute as much as all others.
    """
    level = [20.0 * torch.log10(stft(audio).abs() / FULL_SCALE + FLOOR) for audio in (target, reconstruction)]
    return _everywhere((level[0] - level[1]).square().mean(1).sqrt().mean(1))


def warped_mfcc(target: Tensor, reconstruction: Tensor, sample_rate: int) -> Measured:
    """Mean distance of MFCC frames along the path of dynamic time warping with the smallest sum.

    The distance of two frames is Euclidean over the 20 coefficients of `synthvae.features.Mfcc`, over the root of
    the 128 bands: as the cosine transform is orthonormal, the RMS difference in dB of the smoothed mel spectra. Level
    has an effect (coefficient 0), because otherwise silence would equal white noise.
    """
    tolerate_caches()
    from librosa.sequence import dtw  # takes seconds to import, and only this function needs it

    feature = build_feature("mfcc", sample_rate)
    frames = [feature(audio).double().transpose(1, 2) / BANDS**0.5 for audio in (target, reconstruction)]
    # Not by a matrix product, with which the distance between equal frames is not 0.
    costs = torch.cdist(frames[0], frames[1], compute_mode="donot_use_mm_for_euclid_dist").numpy()
    means = []
    for cost in costs:
        total, path = dtw(C=cost)
        means.append(total[-1, -1] / len(path))
    return _everywhere(torch.tensor(means))


def envelope_similarity(target: Tensor, reconstruction: Tensor, sample_rate: int) -> Measured:
    """Cosine of the angle between RMS envelopes (2048 samples every 512).

    It is invariant to level. It is 1 for two silent sounds, and 0 for silence and a sound. As envelopes are never
    negative, the cosine of two unrelated ones is far from 0: of 300 uniform presets of `VOICE_63` (torch's generator,
    seed 1), each compared with the previous one, the median is 0.71.
    """
    power = [
        F.avg_pool1d(audio.double().square()[:, None], WINDOW, HOP, WINDOW // 2)[:, 0]
        for audio in (target, reconstruction)
    ]
    silent = [~loud_frames(p).any(1) for p in power]
    cosine = F.cosine_similarity(power[0].sqrt(), power[1].sqrt(), dim=1, eps=1e-12)
    some_silent = silent[0] | silent[1]
    return _everywhere(torch.where(some_silent, (silent[0] & silent[1]).double(), cosine.clamp(0.0, 1.0)))


def f0_error(target: Tensor, reconstruction: Tensor, sample_rate: int) -> Measured:
    """Error of the fundamental frequency; see `synthvae.audio.pitch.f0_error_cents`."""
    return f0_error_cents(track_pitch(target, sample_rate), track_pitch(reconstruction, sample_rate))


def onset_error(target: Tensor, reconstruction: Tensor, sample_rate: int) -> Measured:
    """Absolute difference of onset times in ms, to 2.5 ms.

    The onset is where the envelope (RMS of 10 ms every 2.5 ms) first reaches 10 % of its maximum. The onset of a silent
    sound is at its end, so that an omitted sound has a large error; two silent sounds have 0.
    """
    first, second = (_attack(audio, sample_rate)[0] for audio in (target, reconstruction))
    return _everywhere(1000.0 * (first - second).abs())


def attack_error(target: Tensor, reconstruction: Tensor, sample_rate: int) -> Measured:
    """Absolute difference of attack times in ms, to 2.5 ms.

    The attack is the time from 10 % to 90 % of the envelope's maximum, the descriptor `attack`. The attack of a silent
    sound is as long as the sound.
    """
    first, second = (_attack(audio, sample_rate)[1] for audio in (target, reconstruction))
    return _everywhere(1000.0 * (first - second).abs())


def _attack(audio: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Onset and attack time ``(B,)`` in seconds; both are the length of the sound for a silent one."""
    still = audio.double()
    power, seconds = power_envelope(still - still.mean(1, keepdim=True), sample_rate)
    starts, arrives = attack_span(power.sqrt(), seconds)
    silent, length = ~loud_frames(power).any(1), audio.shape[1] / sample_rate
    return tuple(torch.where(silent, length, time) for time in (starts, arrives - starts))  # type: ignore[return-value]


def energy_weighted_logmel(target: Tensor, reconstruction: Tensor, sample_rate: int) -> Measured:
    """Root mean square difference of log-mel spectrograms, every band and frame weighted by its energy.

    The weight is the power of the louder of the two sounds in that cell, down to -80 dB, so that missing and added
    energy have equal weight. Two silent sounds have 0.
    """
    with torch.inference_mode():
        level, other = (log_mel(audio, sample_rate).flatten(1).double() for audio in (target, reconstruction))
    weight = 10.0 ** (torch.maximum(level, other) / 10.0)
    return _everywhere((((level - other).square() * weight).sum(1) / weight.sum(1)).sqrt())


def _loss(name: str, target: Tensor, reconstruction: Tensor, sample_rate: int) -> Measured:
    """Loss of each reconstruction, by name (`synthvae.losses`)."""
    with torch.inference_mode():
        return _everywhere(build_loss(name, sample_rate)(reconstruction, target))


def _everywhere(values: Tensor) -> Measured:
    array = values.double().numpy()
    return Measured(array, np.ones(len(array), dtype=np.bool_))


DISTANCES: dict[str, Distance] = {
    distance.name: distance
    for distance in (
        Distance("spectral_convergence", partial(_loss, "scl"), "", "lower",
                 "norm of the difference of STFT magnitudes over that of the target's: the loud bins, 1 for silence"),
        Distance("log_spectral", log_spectral, "dB", "lower",
                 "RMS difference of levels over bins, mean over frames: loud and quiet bins alike, down to -80 dB"),
        Distance("mrstft", partial(_loss, "mrstft"), "", "lower",
                 "convergence plus log-magnitude difference at three resolutions"),
        Distance("warped_mfcc", warped_mfcc, "dB", "lower",
                 "RMS difference of smoothed mel spectra, aligned in time: colour and level, whenever they happen"),
        Distance("transport", partial(_loss, "sot"), "bandwidth²", "lower",
                 "how far power has to move along frequency, squared, in bandwidths up to Nyquist: not how loud it is"),
        Distance("envelope_similarity", envelope_similarity, "", "higher",
                 "cosine between RMS envelopes, 0 to 1: the course of loudness, not its size"),
        Distance("f0_error", f0_error, "cents", "lower",
                 "absolute difference of fundamental frequencies, where both sounds have one"),
        Distance("onset_error", onset_error, "ms", "lower",
                 "absolute difference of onset times (10 % of the envelope's maximum); a silent sound begins at its "
                 "end"),
        Distance("attack_error", attack_error, "ms", "lower",
                 "absolute difference of attack times (10 to 90 % of the envelope's maximum); a silent sound's is its "
                 "length"),
        Distance("energy_weighted_logmel", energy_weighted_logmel, "dB", "lower",
                 "RMS difference of log-mel spectrograms, every cell weighted by the power of the louder sound: the "
                 "loud moments, however short"),
    )
}  # fmt: skip
"""Every measure of `measure_distances`, in order."""
