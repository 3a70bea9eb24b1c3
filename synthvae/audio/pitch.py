"""Fundamental frequency of sounds, by YIN with its aperiodicity.

With d(l) the squared difference between a window and itself l samples later, summed over the window, a sound of
period P has d(P) = 0. YIN divides d by its mean over shorter lags, d'(l) = d(l) / mean of d over (0, l], and takes the
first deep trough (de Cheveigné and Kawahara, "YIN, a fundamental frequency estimator for speech and music", JASA
111:1917, 2002, equations 6 and 8). The depth is as informative as the lag: for a tone in noise d'(P) is the noise's
share of the power, the frame's aperiodicity.

`librosa.yin` (0.11) is not used because it does not return the depth, its windows shrink with the lag, and it computes
d at whole samples only: in frames of 4096 at 44.1 kHz it is 14 cents off on a sine of 40 Hz, and an octave low on a
sawtooth of 3834 Hz, whose period falls between two samples. Here windows have one length, and d has half-sample
resolution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy  # which loads its parts on first use: the page of `explore` does not wait for them
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.core.checks import require_finite
from synthvae.core.errors import UserError
from synthvae.core.executor import on_threads
from synthvae.features.base import as_constant

__all__ = ["LOWEST", "Measured", "Pitch", "check_sounds", "f0_error_cents", "loud_frames", "track_pitch"]

LOWEST = 30.0
"""The lowest frequency that is looked for, in Hz: a piano's third note."""

APERIODIC = 0.2
"""Most aperiodicity of a periodic frame: a fifth of its power is noise, 6 dB below the tone. White noise is far from it
(in 20 of 20 seconds the median is above 0.95) and noise an octave wide too (0.58); half an octave is the edge (0.20),
and a third, which has an audible pitch, is inside (0.09). The exact value matters little: of 300 uniform presets of
`VOICE_63` (torch's generator, seed 1) 75 % are pitched, with 0.1 it would be 70 %, with 0.5 76 %."""

MOSTLY = 0.5
"""A sound is pitched where at least this share of its loud frames is periodic."""

DEEP = 0.1
"""The first trough no more than this above the deepest is the period. The threshold of the paper, but from the deepest
up: noise raises all troughs, and if all exceed a fixed threshold the deepest one is chosen, at any multiple."""

QUIET = 1e-8
"""Mean square of -80 dB, the floor of the log-mel spectrogram: quieter frames are inaudible."""

RANGE = 1e-4
"""Frames more than 40 dB below the loudest of their sound are masked by it."""

STEP = 0.02
"""Seconds between frames."""

_HALVES = 2  # d is evaluated at this many points per sample
_MARGIN = 32  # samples faded at both ends of a frame, where interpolation would ring
_LONG_ENOUGH = 128  # samples: a lag measured to a tenth of a sample, the worst, is good to 1.4 cents
_ROUNDING = 1e-5  # of the energy of a frame: more than single precision leaves of a difference that should be zero
FRAMES = 64  # at a time: an array of their differences is 750 kB and stays in the cache


@dataclass(frozen=True)
class Measured:
    """One value per sound, which may be undefined.

    Attributes:
        values: shape (N,), finite; 0 where undefined.
        defined: shape (N,), whether the value is defined.
    """

    values: NDArray[np.float64]
    defined: NDArray[np.bool_]

    @property
    def kept(self) -> NDArray[np.float64]:
        """The defined values alone, shape (K,)."""
        return self.values[self.defined]


@dataclass(frozen=True)
class Pitch:
    """Fundamental frequency of N sounds, and of F frames of each.

    Attributes:
        frequency: shape (N,), median over frames that are loud and periodic, in Hz; 0 where not pitched.
        pitched: shape (N,), whether most loud frames are periodic.
        share: shape (N,), how many of the loud frames are periodic, 0 to 1; 0 for silence.
        aperiodicity: shape (N,), median over loud frames, 0 to 1; 1 for silence.
        track: shape (N, F), in Hz; 0 where a frame is not loud or not periodic.
        times: shape (F,), the middle of each frame's window in seconds. The window is compared with one a period later,
            so the pitch is that of half a period after.
    """

    frequency: NDArray[np.float64]
    pitched: NDArray[np.bool_]
    share: NDArray[np.float64]
    aperiodicity: NDArray[np.float64]
    track: NDArray[np.float64]
    times: NDArray[np.float64]


def track_pitch(audio: NDArray[np.floating] | Tensor, sample_rate: int) -> Pitch:
    """Find the fundamental frequency of sounds, from 30 Hz to a third of the sample rate.

    For periodic sounds without noise the error is below 0.2 cents up to a tenth of the sample rate, and below 1 up to a
    third. Above it a sound may be estimated an octave low; below 30 Hz it is not pitched.

    Frames of two longest periods (67 ms) start every 20 ms, the first at the start. A sound shorter than a frame is
    padded with silence.

    Args:
        audio: shape (N, T), full scale is 1.
        sample_rate: sample rate in Hz.

    Returns:
        See `Pitch`. Each sound's is a function of that sound alone.

    Raises:
        ValueError: if `audio` is not (N, T) or not floating point.
        UserError: if it is empty or not finite.
    """
    sounds = check_sounds(audio, "audio")
    longest = math.ceil(sample_rate / LOWEST)
    length = 2 * (longest + _MARGIN)
    step = max(1, round(STEP * sample_rate))

    def analyse(sound: Tensor) -> list[Tensor]:
        # Single precision is good to 0.1 cents, and half the work.
        centred = (sound - sound.mean()).float()
        padded = torch.nn.functional.pad(centred, (0, max(0, length - len(centred))))
        parts = [_analyse(frames, longest) for frames in padded.unfold(0, length, step).split(FRAMES)]
        return [torch.cat(values).double() for values in zip(*parts, strict=True)]

    rows = zip(*on_threads(analyse, sounds), strict=True)
    lag, aperiodicity, power = (torch.stack(values) for values in rows)
    frequency = sample_rate / lag
    loud = loud_frames(power)
    periodic = loud & (aperiodicity <= APERIODIC)
    share = periodic.sum(1) / loud.sum(1).clamp_min(1)
    pitched = share >= MOSTLY
    # Of an even number of frames the lower middle one, not the mean of two: an octave apart, it would be neither.
    median = frequency.masked_fill(~periodic, torch.nan).nanmedian(1).values
    noise = aperiodicity.masked_fill(~loud, torch.nan).nanmedian(1).values
    return Pitch(
        torch.where(pitched, median, 0.0).numpy(),
        pitched.numpy(),
        share.double().numpy(),
        noise.nan_to_num(1.0).numpy(),
        torch.where(periodic, frequency, 0.0).numpy(),
        (np.arange(frequency.shape[1]) * step + _MARGIN + longest / 2) / sample_rate,
    )


def f0_error_cents(target: Pitch, reconstruction: Pitch) -> Measured:
    """Absolute errors of N fundamental frequencies in cents, 1200 to the octave; defined where both sounds are pitched.

    Raises:
        ValueError: if they are not equally many.
    """
    if target.frequency.shape != reconstruction.frequency.shape:
        raise ValueError(f"{len(target.frequency)} targets against {len(reconstruction.frequency)} reconstructions")
    both = target.pitched & reconstruction.pitched
    cents = np.zeros(len(both))
    cents[both] = 1200.0 * np.abs(np.log2(reconstruction.frequency[both] / target.frequency[both]))
    return Measured(cents, both)


def loud_frames(power: Tensor) -> Tensor:
    """Mask of a sound's audible frames: above -80 dB, and within 40 dB of the loudest.

    Mean squares ``(N, F)`` to bool ``(N, F)``, all False for a silent sound.
    """
    return (power > QUIET) & (power >= RANGE * power.amax(1, keepdim=True))


def check_sounds(audio: NDArray[np.floating] | Tensor, name: str) -> Tensor:
    """Sounds ``(N, T)`` as a tensor, float32 or float64, on the CPU and without gradient.

    Raises:
        ValueError: if `audio` is not two-dimensional or not floating point.
        UserError: if it is empty or not finite; calls it `name`.
    """
    tensor = torch.as_tensor(audio).detach().cpu()
    if tensor.ndim != 2:
        raise ValueError(f"{name}: expected shape (N, T), got {tuple(tensor.shape)}")
    if not tensor.is_floating_point():
        raise ValueError(f"{name}: expected floating-point audio of full scale 1, got {tensor.dtype}")
    if not tensor.numel():
        raise UserError(name, tensor, "check that the split is not empty", f"shape {tuple(tensor.shape)} is empty")
    if tensor.dtype not in (torch.float32, torch.float64):
        tensor = tensor.float()
    require_finite(tensor.numpy(), name)
    return tensor


def _analyse(frames: Tensor, longest: int) -> tuple[Tensor, Tensor, Tensor]:
    """Period in samples, aperiodicity and mean square ``(R,)`` of frames ``(R, 2 * (longest + margin))``."""
    difference = _difference(frames, longest)
    count = torch.arange(difference.shape[1], dtype=difference.dtype)
    total = difference.cumsum(1)
    relative = torch.where(total > 0, difference * count / total.clamp_min(torch.finfo(total.dtype).tiny), 1.0)
    first = _first_trough(relative)
    depth = _vertex(relative, first)[1]
    lag = _refine(difference, relative, first, depth)
    return lag / _HALVES, depth.clamp(0.0, 1.0), frames.square().mean(1)


def _difference(frames: Tensor, longest: int) -> Tensor:
    """The difference d at lags 0, 1/2, 1 ... `longest` samples, ``(R, 2 * longest + 1)``.

    d(l) = sum over the window of x[j]^2 + x[j + l]^2 - 2 x[j] x[j + l], the products by FFT. A spectrum filled up
    with zeros gives them between samples; the squares are slow there, and interpolated.
    """
    length = frames.shape[1]
    window = slice(_MARGIN, _MARGIN + longest)
    size = scipy.fft.next_fast_len(length + length % 2, real=True)
    size += size % 2
    later = torch.fft.rfft(frames * _fades(length), size)
    first = torch.fft.rfft(frames[:, window], size)
    # The window starts a margin into the frame: multiplying by this moves its start to lag 0.
    products = torch.fft.irfft(first.conj() * later * _shift(size), _HALVES * size)
    products = _HALVES * products[:, : _HALVES * longest + 1]
    squares = torch.nn.functional.pad(frames.double().square().cumsum(1), (1, 0))
    power = squares[:, window.stop : window.stop + longest + 1] - squares[:, window.start : window.start + longest + 1]
    own = power[:, :1]
    power = torch.nn.functional.interpolate(
        power[:, None], size=_HALVES * longest + 1, mode="linear", align_corners=True
    )[:, 0]
    difference = (own + power).to(frames.dtype) - 2.0 * products
    difference = difference.clamp_min(0.0) + _ROUNDING * squares[:, -1:].to(frames.dtype)
    difference[:, 0] = 0.0
    return difference


def _first_trough(relative: Tensor) -> Tensor:
    """Place ``(R,)`` of the first deep trough of d' ``(R, L)``, from a lag of two samples (Nyquist) up."""
    left, middle, right = relative[:, :-2], relative[:, 1:-1], relative[:, 2:]
    trough = (middle <= left) & (middle < right)
    trough[:, : 2 * _HALVES - 1] = False
    curvature = torch.where(trough, left - 2.0 * middle + right, 1.0)
    depth = torch.where(trough, middle - (left - right).square() / (8.0 * curvature), torch.inf)
    deep = depth <= depth.amin(1, keepdim=True) + DEEP
    # Without any trough all are infinitely high and the first place is taken, where d' is large.
    return deep.to(torch.uint8).argmax(1) + 1


def _refine(difference: Tensor, relative: Tensor, first: Tensor, depth: Tensor) -> Tensor:
    """The period, in half samples, ``(R,)``: a share of the longest multiple of it that is as deep a trough.

    A place on d, where d' leans (step 5 of the paper), is good to a part of a sample whatever the period: the more
    periods to share that, the better. Doubling stops at 128 samples, before vibrato or detuning blur the trough.
    """
    lag = _vertex(difference, first)[0]
    periods = torch.ones_like(lag)
    going = torch.ones_like(first, dtype=torch.bool)
    longest = min(_HALVES * _LONG_ENOUGH, difference.shape[1] - 3)
    while True:
        going = going & (2.0 * lag * periods <= longest)
        if not going.any():
            return lag
        near = (2.0 * lag * periods).round().long().clamp(2, difference.shape[1] - 3)
        around = near[:, None] + torch.arange(-1, 2)
        place = around.gather(1, difference.gather(1, around).argmin(1, keepdim=True))[:, 0]
        going = going & (_vertex(relative, place)[1] <= depth + DEEP)
        periods = torch.where(going, 2.0 * periods, periods)
        lag = torch.where(going, _vertex(difference, place)[0] / periods, lag)


def _vertex(values: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Place and value ``(R,)`` of the parabola through the places before, at and after `place` of ``(R, L)``."""
    left, middle, right = values.gather(1, place[:, None] + torch.arange(-1, 2)).unbind(1)
    curvature = left - 2.0 * middle + right
    lean = 0.5 * (left - right)
    shift = torch.where(curvature > 0, lean / torch.where(curvature > 0, curvature, 1.0), 0.0).clamp(-1.0, 1.0)
    return place + shift, middle - 0.5 * lean * shift


@lru_cache(maxsize=8)
def _fades(length: int) -> Tensor:
    """Ones that rise from zero over the margin at the start and fall over that at the end, ``(length,)``."""
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(_MARGIN) + 0.5) / _MARGIN)
    fades = np.concatenate([rise, np.ones(length - 2 * _MARGIN), rise[::-1]])
    return as_constant(fades, torch.float32, torch.device("cpu"))


@lru_cache(maxsize=8)
def _shift(size: int) -> Tensor:
    """Spectrum of a step of one margin back in time, ``(size // 2 + 1,)``, complex."""
    turns = np.exp(2j * np.pi * _MARGIN * np.arange(size // 2 + 1) / size)
    return as_constant(turns, torch.complex64, torch.device("cpu"))
