"""Sixty sounds to invert: of the Voice, plucked strings, noises and synthetic words, fifteen of each.

All are computed from a seed, so that anyone can measure the same ones. No recorded speech comes with the packages that
the project needs: words are vowels and consonants of a source and formant filters (Klatt, JASA 67:971, 1980, in its
simplest form), with a gliding pitch, bursts and hisses. They have what makes speech hard to invert, harmonics beside
noise and silence before a burst, but nobody speaks like that.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import butter as butterworth
from scipy.signal import lfilter, sosfilt, sosfiltfilt
from torch import Tensor

from synthvae.synths.voice.parameters import VOICE_63
from synthvae.synths.voice.voice import Voice

__all__ = ["KINDS", "sounds_to_invert"]

Array = NDArray[np.float64]

#: Formants of vowels in Hz (Peterson and Barney, JASA 24:175, 1952, men).
_VOWELS = {
    "i": (270, 2290, 3010), "e": (530, 1840, 2480), "a": (730, 1090, 2440), "o": (570, 840, 2410),
    "u": (300, 870, 2240), "er": (490, 1350, 1690), "ae": (660, 1720, 2410), "uh": (440, 1020, 2240),
}  # fmt: skip
#: Bands of noise in Hz and seconds of consonants: bursts of stops, behind 50 ms of silence, and fricatives.
_STOPS = {"p": (300, 1500, 0.012), "t": (2500, 7000, 0.018), "k": (1200, 3000, 0.025)}
_FRICATIVES = {"s": (3800, 7600, 0.12), "sh": (1800, 6000, 0.12), "f": (1000, 7500, 0.09), "h": (400, 3000, 0.07)}
_STEP = 80  # samples between which the formants of a word stand still
_AUDIBLE = 1e-3  # of a Voice sound's loudest tenth of a second, in its fourth fifth


def sounds_to_invert(sample_rate: int = 16000, seconds: float = 2.0, each: int = 15, seed: int = 0) -> Tensor:
    """The sounds ``(4 * each, T)``, in the order of `KINDS`, every one at a peak of 0.9.

    Args:
        sample_rate: sample rate in Hz.
        seconds: duration of a sound in seconds.
        each: sounds of each kind.
        seed: seed of the draws.
    """
    generator = np.random.default_rng(seed)
    samples = round(sample_rate * seconds)
    made = [make(generator, sample_rate, samples, each) for make in KINDS.values()]
    sounds = torch.from_numpy(np.concatenate(made))
    return (0.9 * sounds / sounds.abs().amax(1, keepdim=True)).float()


def _voices(generator: np.random.Generator, rate: int, samples: int, count: int) -> Array:
    """Uniform presets of `VOICE_63` that are still audible in the fourth fifth of the sound."""
    voice = Voice(VOICE_63, sample_rate=rate, seconds=samples / rate, control_rate=rate // 100)
    found: list[Array] = []
    while len(found) < count:
        unit = torch.from_numpy(generator.uniform(size=(count, len(VOICE_63)))).float()
        with torch.inference_mode():
            sounds = voice(unit).double().numpy()
        for sound in sounds:
            power = np.square(sound[: samples - samples % 20]).reshape(20, -1).mean(1) ** 0.5
            if power[12:16].mean() > _AUDIBLE * power.max() > 0.0:
                found.append(sound)
    return np.stack(found[:count])


def _plucks(generator: np.random.Generator, rate: int, samples: int, count: int) -> Array:
    """Strings by Karplus and Strong (CMJ 7:2, 1983), 55 to 1,000 Hz, plucked within a tenth of a second."""
    sounds = np.zeros((count, samples))
    for sound in sounds:
        period = round(rate / (55.0 * 18.0 ** generator.uniform()) - 0.5)
        start = int(generator.uniform(0.0, 0.1) * rate)
        damping = 0.999 - 0.01 * generator.uniform() ** 2
        burst = np.zeros(samples)
        burst[start : start + period] = generator.uniform(-1.0, 1.0, period)
        loop = np.zeros(period + 2)
        loop[0], loop[period], loop[period + 1] = 1.0, -0.5 * damping, -0.5 * damping
        sound[:] = lfilter([1.0], loop, burst)
    return sounds


def _noises(generator: np.random.Generator, rate: int, samples: int, count: int) -> Array:
    """White, pink and band noise in turns, steady, decaying or in bursts."""
    sounds = generator.standard_normal((count, samples))
    time = np.arange(samples) / rate
    for number, sound in enumerate(sounds):
        if number % 3 == 1:
            spectrum = np.fft.rfft(sound)
            spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
            sound[:] = np.fft.irfft(spectrum, samples)
        elif number % 3 == 2:
            low = 100.0 * 30.0 ** generator.uniform()
            edges = [low, min(low * generator.uniform(1.5, 4.0), 0.47 * rate)]
            sound[:] = sosfilt(butterworth(4, edges, "bandpass", fs=rate, output="sos"), sound)
        shape = (number // 3) % 3
        if shape == 1:
            sound *= np.exp(-time / generator.uniform(0.05, 0.5))
        elif shape == 2:
            sound *= np.exp(-((time * generator.uniform(2.0, 6.0)) % 1.0) / 0.15)
    return sounds


def _words(generator: np.random.Generator, rate: int, samples: int, count: int) -> Array:
    """Three or four syllables of a consonant and a vowel, as many as fit; see the module."""
    sounds = np.zeros((count, samples))
    for sound in sounds:
        pitch, place = generator.uniform(90.0, 240.0), int(0.05 * rate)
        vowels = list(generator.choice(list(_VOWELS), 4))
        for last, vowel in zip([vowels[0], *vowels], vowels, strict=False):
            consonant = generator.choice([*_STOPS, *_FRICATIVES])
            low, high, seconds = (_STOPS | _FRICATIVES)[consonant]
            if consonant in _STOPS:
                place += int(0.05 * rate)
            hiss = _hiss(generator, rate, low, high, seconds)
            length = int(generator.uniform(0.18, 0.32) * rate)
            voiced = _glide(rate, length, pitch * generator.uniform(0.85, 1.15), pitch, _VOWELS[last], _VOWELS[vowel])
            for part in (0.25 * hiss, voiced):
                end = min(samples, place + len(part))
                if end > place:
                    sound[place:end] += part[: end - place]
                place += int(0.8 * len(part))
    return sounds


def _hiss(generator: np.random.Generator, rate: int, low: float, high: float, seconds: float) -> Array:
    band = butterworth(2, [low, min(high, 0.47 * rate)], "bandpass", fs=rate, output="sos")
    length = max(64, int(seconds * rate))
    hiss = sosfiltfilt(band, generator.standard_normal(length))
    return np.asarray(hiss / np.abs(hiss).max() * np.minimum(1.0, np.arange(length, 0, -1) / (0.3 * length)))


def _glide(rate: int, length: int, first: float, last: float, before: tuple[int, ...], after: tuple[int, ...]) -> Array:
    """Pulses of a gliding pitch through three resonators in series that glide from one vowel to the other."""
    course = np.linspace(0.0, 1.0, length)
    phase = np.cumsum(first + (last - first) * course) / rate
    source = lfilter([1.0], [1.0, -0.95], np.diff(np.floor(phase), prepend=0.0))
    sound = np.asarray(source)
    for number, (start, end) in enumerate(zip(before, after, strict=True)):
        state, filtered = np.zeros(2), np.empty(length)
        for step in range(0, length, _STEP):
            share = min(1.0, 4.0 * course[step])
            frequency = start + (end - start) * share
            radius = np.exp(-np.pi * (60.0 + 40.0 * number) / rate)
            poles = [1.0, -2.0 * radius * np.cos(2 * np.pi * frequency / rate), radius**2]
            part = slice(step, step + _STEP)
            filtered[part], state = lfilter([sum(poles)], poles, sound[part], zi=state)
        sound = filtered
    edge = np.minimum(1.0, np.minimum(np.arange(length), np.arange(length, 0, -1)) / (0.02 * rate))
    return np.asarray(sound / np.abs(sound).max() * edge)


KINDS = {"Voice": _voices, "plucks": _plucks, "noises": _noises, "words": _words}
"""The kinds of sounds, in order."""
