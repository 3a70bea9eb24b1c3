"""Twenty test sounds from other syntheses than the Voice's: strings, bells, drums, vowels, organs, noise.

They are computed, so that anyone can match the same ones; none of them is in the Voice's reach exactly, which has two
oscillators, one noise and no filter.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter as butterworth
from scipy.signal import lfilter, sosfilt

__all__ = ["OTHER_SOUNDS", "other_sound"]

Array = NDArray[np.float64]


def _time(rate: int, seconds: float = 1.0) -> Array:
    return np.arange(round(rate * seconds)) / rate


def _noise(samples: int, seed: int) -> Array:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, samples)


def _string(rate: int, frequency: float, damping: float, seed: int) -> Array:
    """A plucked string (Karplus and Strong, "Digital synthesis of plucked-string and drum timbres", CMJ 7:2, 1983)."""
    period = round(rate / frequency - 0.5)
    burst = np.zeros(rate)
    burst[:period] = _noise(period, seed)
    loop = np.zeros(period + 2)
    loop[0], loop[period], loop[period + 1] = 1.0, -0.5 * damping, -0.5 * damping
    return np.asarray(lfilter([1.0], loop, burst))


def _bell(rate: int, frequency: float, ratio: float, index: float, decay: float) -> Array:
    """Two sines in frequency modulation (Chowning, JAES 21:526, 1973)."""
    t = _time(rate)
    envelope = np.exp(-t / decay)
    return envelope * np.sin(2 * np.pi * frequency * t + index * envelope * np.sin(2 * np.pi * ratio * frequency * t))


def _partials(rate: int, frequency: float, levels: list[float], ratios: list[float], decays: list[float]) -> Array:
    t = _time(rate)
    tones = zip(levels, ratios, decays, strict=True)
    return sum(
        (level * np.exp(-t / decay) * np.sin(2 * np.pi * ratio * frequency * t) for level, ratio, decay in tones),
        np.zeros_like(t),
    )


def _organ(rate: int, frequency: float) -> Array:
    drawbars = [(0.5, 0.6), (1.0, 1.0), (1.5, 0.4), (2.0, 0.7), (3.0, 0.3), (4.0, 0.35), (6.0, 0.15), (8.0, 0.2)]
    levels, ratios = [level for _, level in drawbars], [ratio for ratio, _ in drawbars]
    t = _time(rate)
    edge = np.minimum(1.0, np.minimum(t / 0.01, (t[-1] - t) / 0.03))
    return edge * _partials(rate, frequency, levels, ratios, [1e9] * len(ratios))


def _vowel(rate: int, frequency: float, formants: list[float]) -> Array:
    """Pulses through resonators in parallel (Klatt, JASA 67:971, 1980, in its simplest form)."""
    t = _time(rate)
    phase = np.cumsum(frequency * (1.0 + 0.01 * np.sin(2 * np.pi * 5.5 * t))) / rate
    pulses = np.diff(np.floor(phase), prepend=0.0)
    sound = np.zeros(rate)
    for number, formant in enumerate(formants):
        radius, angle = np.exp(-np.pi * (60.0 + 40.0 * number) / rate), 2 * np.pi * formant / rate
        sound += lfilter([1.0 - radius], [1.0, -2.0 * radius * np.cos(angle), radius**2], pulses) / (number + 1.0)
    return sound * np.minimum(1.0, np.minimum(t / 0.05, (t[-1] - t) / 0.15))


def _kick(rate: int, low: float, high: float, decay: float) -> Array:
    t = _time(rate)
    frequency = low + (high - low) * np.exp(-t / 0.03)
    return np.exp(-t / decay) * np.sin(2 * np.pi * np.cumsum(frequency) / rate)


def _band(rate: int, low: float, high: float, decay: float, seed: int) -> Array:
    filtered = sosfilt(butterworth(4, [low, high], "bandpass", fs=rate, output="sos"), _noise(rate, seed))
    return np.asarray(filtered * np.exp(-_time(rate) / decay))


def _snare(rate: int) -> Array:
    return 0.6 * _kick(rate, 170.0, 240.0, 0.08) + _band(rate, 1500.0, 9000.0, 0.12, 3)


def _wind(rate: int) -> Array:
    t = _time(rate, 2.0)
    noise, sound = _noise(len(t), 4), np.zeros(len(t))
    middle = 700.0 + 400.0 * np.sin(2 * np.pi * 0.6 * t)
    low = high = 0.0
    for n in range(len(t)):  # a state-variable filter that moves (Chamberlin 1980)
        f = 2.0 * np.sin(np.pi * middle[n] / rate)
        low += f * high
        high += f * (noise[n] - low - 0.15 * high)
        sound[n] = high
    return sound * np.sin(np.pi * t / 2.0)


def _brass(rate: int, frequency: float) -> Array:
    t = _time(rate)
    rise = np.minimum(1.0, t / 0.12) * np.minimum(1.0, (t[-1] - t) / 0.1)
    parts = [
        rise ** (1.0 + 0.5 * k) / k * np.sin(2 * np.pi * k * frequency * t)
        for k in range(1, int(0.45 * rate / frequency))
    ]
    return np.sum(parts, axis=0)


def _reed(rate: int, frequency: float) -> Array:
    """A clarinet's odd partials with breath."""
    t = _time(rate)
    edge = np.minimum(1.0, np.minimum(t / 0.04, (t[-1] - t) / 0.08))
    odd = sum((np.sin(2 * np.pi * k * frequency * t) / k**1.2 for k in range(1, 20, 2)), np.zeros_like(t))
    return edge * (odd + 0.08 * _band(rate, frequency, 8.0 * frequency, 1e9, 5))


def _drone(rate: int) -> Array:
    t = _time(rate, 3.0)
    voices = [np.mod(55.0 * 2.0 ** (c / 1200.0) * t, 1.0) - 0.5 for c in (-9.0, -4.0, 0.0, 5.0, 11.0)]
    return np.asarray(sosfilt(butterworth(2, 900.0, fs=rate, output="sos"), np.sum(voices, axis=0)))


def _siren(rate: int) -> Array:
    t = _time(rate, 1.5)
    return np.sin(2 * np.pi * np.cumsum(600.0 + 300.0 * np.sin(2 * np.pi * 1.5 * t)) / rate)


def _chirp(rate: int) -> Array:
    t = _time(rate, 0.6)
    sweeps = np.sin(2 * np.pi * np.cumsum(2200.0 + 1800.0 * np.abs(np.sin(2 * np.pi * 9.0 * t))) / rate)
    return sweeps * np.clip(np.sin(2 * np.pi * 9.0 * t), 0.0, 1.0) ** 0.5


def _clap(rate: int) -> Array:
    sound = np.zeros(rate)
    for delay in (0.0, 0.011, 0.023, 0.034):
        first = round(delay * rate)
        sound[first:] += _band(rate, 800.0, 2600.0, 0.09 if delay > 0.03 else 0.006, 6)[: rate - first]
    return sound


def _gong(rate: int) -> Array:
    ratios = [1.0, 1.483, 1.932, 2.546, 2.63, 3.897, 4.4, 5.21]
    return _partials(
        rate, 110.0, [1.0, 0.8, 0.7, 0.5, 0.5, 0.4, 0.3, 0.2], ratios, [1.5, 1.1, 0.9, 0.7, 0.6, 0.4, 0.3, 0.2]
    )


OTHER_SOUNDS: dict[str, Callable[[int], Array]] = {
    "string low": lambda rate: _string(rate, 110.0, 0.998, 1),
    "string high": lambda rate: _string(rate, 523.0, 0.995, 2),
    "bell": lambda rate: _bell(rate, 440.0, 1.414, 5.0, 0.5),
    "electric piano": lambda rate: _bell(rate, 220.0, 1.0, 1.5, 0.6),
    "wood block": lambda rate: _bell(rate, 800.0, 2.41, 2.0, 0.03),
    "organ": lambda rate: _organ(rate, 220.0),
    "vowel a": lambda rate: _vowel(rate, 130.0, [730.0, 1090.0, 2440.0]),
    "vowel i": lambda rate: _vowel(rate, 220.0, [270.0, 2290.0, 3010.0]),
    "kick": lambda rate: _kick(rate, 48.0, 180.0, 0.18),
    "tom": lambda rate: _kick(rate, 110.0, 190.0, 0.25),
    "snare": _snare,
    "hi-hat": lambda rate: _band(rate, 7000.0, 16000.0, 0.05, 7),
    "clap": _clap,
    "wind": _wind,
    "brass": lambda rate: _brass(rate, 196.0),
    "clarinet": lambda rate: _reed(rate, 294.0),
    "drone": _drone,
    "siren": _siren,
    "bird": _chirp,
    "gong": _gong,
}
"""Every sound by name, from a sample rate of at least 40 kHz to ``(T,)``."""


def other_sound(name: str, sample_rate: int = 44100) -> Array:
    """One of `OTHER_SOUNDS`, its peak at -1 dB.

    Args:
        name: name of the sound.
        sample_rate: sample rate in Hz.

    Returns:
        ``(T,)``, 0.6 to 3 seconds.
    """
    sound = OTHER_SOUNDS[name](sample_rate)
    return sound * (10 ** (-1 / 20) / np.abs(sound).max())
