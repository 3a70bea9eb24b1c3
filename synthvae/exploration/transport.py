"""Morph of two sounds by optimal transport of their spectrogram frames over log frequency, without a model.

After Henderson and Solomon, "Audio Transport: A Generalized Portamento via Optimal Transport", DAFx 2019: each frame's
spectrum is grouped into masses around frequencies estimated from the phases of its bins, the masses of two frames are
transported into each other, and between the ends every mass is at an intermediate frequency, its lobe copied from both
ends and its phase integrated from frame to frame.

Two things differ. Masses move along log frequency, so that a tone halfway between 220 and 330 Hz is at 269 Hz (along
frequency at 275 Hz), and all of its harmonics are multiples of that. And transport is partial (Figalli 2010, "The
optimal partial transport problem"), up to one translation for the whole sound: the shift that makes the spectra overlap
most is free, motion beyond it costs the square of the interval, and mass that would have to move further than `REACH`
fades with the shift instead. With balanced transport, as published, the second harmonic of a sawtooth goes to the
fundamental of a square wave, which has no second, and a third of the energy ends up between the harmonics
(docs/decisions/exploration.md).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, optimize, sparse

from synthvae.features.invertible_stft import ShortTime

__all__ = ["REACH", "SILENT", "Plan", "Transport", "morph_transform", "transport_plan"]

Floats = NDArray[np.float64]

#: Maximum motion of energy in semitones beyond the common shift; energy without a partner within it fades.
REACH = 2.0
#: Maximum length of a frame in seconds; a power of two in samples.
FRAME = 0.13
#: Masses below this share of their frame are dropped; frames this far below the loudest one (in power) count as silent.
LEAST_MASS, SILENT = 1e-6, 1e-8
#: Range and step of the shifts tried, and smoothing of the compared spectra, in semitones.
LARGEST_SHIFT, SHIFT_STEP, BLUR = 48.0, 0.1, 0.5
#: Ratio of power to that of the previous frame above which phases are restarted: an attack.
ATTACK = 2.0


def morph_transform(sample_rate: int) -> ShortTime:
    """Short-time transform for morphing: Hann windows of about an eighth of a second, hop an eighth of that."""
    size = 2 ** int(math.log2(FRAME * sample_rate))
    return ShortTime(size, size // 8, "hann")


@dataclass(frozen=True)
class _Masses:
    """A frame's spectrum in groups of bins, each around one frequency.

    Attributes:
        spectrum: complex spectrum ``(bins,)``.
        power: power of the frame.
        bounds: the first bin of each of the M groups, and the one after its last, ``(2, M)``.
        share: share of the frame's power, ``(M,)``.
        semitones: log frequency, ``(M,)``, 12 to the octave of bins.
        peak: the loudest bin, ``(M,)``.
    """

    spectrum: NDArray[np.complex128]
    power: float
    bounds: NDArray[np.intp]
    share: Floats
    semitones: Floats
    peak: NDArray[np.intp]


@dataclass(frozen=True)
class Plan:
    """P parts of the masses of two frames, with their sources and targets.

    Attributes:
        source: index of the mass in the first frame, -1 for parts that fade in.
        target: index of the mass in the second frame, -1 for parts that fade out.
        mass: share of the frame's power.
    """

    source: NDArray[np.intp]
    target: NDArray[np.intp]
    mass: Floats


def transport_plan(source: Floats, at: Floats, target: Floats, to: Floats, reach: float = REACH) -> Plan:
    """Optimal partial transport of masses on a line, at the squared distance.

    The plan minimises the sum of mass times (distance² - reach²): mass is moved, as cheaply as possible, if it moves
    less than `reach`, and the rest is left. Without a limit all mass moves in order, the optimal transport on a line.

    Args:
        source: masses ``(M,)``, which sum to 1.
        at: positions of the source masses, increasing.
        target: masses ``(N,)``, which sum to 1.
        to: positions of the target masses, increasing.
        reach: maximum distance; infinite for balanced transport.
    """
    if math.isinf(reach):
        return _in_order(source, target)
    i, j = np.nonzero(np.abs(to - at[:, None]) < reach)
    moved = np.zeros(len(i))
    if len(i):
        cost = (to[j] - at[i]) ** 2 - reach**2
        number = np.arange(len(i))
        rows = sparse.csr_array(
            (np.ones(2 * len(i)), (np.concatenate((i, len(source) + j)), np.concatenate((number, number)))),
            shape=(len(source) + len(target), len(i)),
        )
        moved = optimize.linprog(cost, rows, np.concatenate((source, target)), method="highs-ds").x
    left = source - np.bincount(i, moved, len(source))
    missing = target - np.bincount(j, moved, len(target))
    out, into = np.arange(len(source)), np.arange(len(target))
    return _without_dust(
        np.concatenate((i, out, np.full(len(target), -1))),
        np.concatenate((j, np.full(len(source), -1), into)),
        np.concatenate((moved, left, missing)),
    )


def _in_order(source: Floats, target: Floats) -> Plan:
    ends = np.sort(np.concatenate((source.cumsum(), target.cumsum())))
    middle = ends - 0.5 * np.diff(ends, prepend=0.0)
    i, j = (np.searchsorted(mass.cumsum(), middle).clip(max=len(mass) - 1) for mass in (source, target))
    return _without_dust(i, j, np.diff(ends, prepend=0.0))


def _without_dust(source: NDArray[np.intp], target: NDArray[np.intp], mass: Floats) -> Plan:
    kept = mass > LEAST_MASS
    return Plan(source[kept], target[kept], mass[kept])


@dataclass(frozen=True)
class Transport:
    """A path from one sound to another by transport of their spectra.

    Attributes:
        first: first sound, ``(T,)``.
        second: second sound, ``(T',)``; the shorter of the two is padded with silence.
        sample_rate: sample rate in Hz.
        reach: maximum distance in semitones, see `transport_plan`.
    """

    first: NDArray[np.floating]
    second: NDArray[np.floating]
    sample_rate: int
    reach: float = REACH

    @property
    def samples(self) -> int:
        """Number of samples of the sounds on the path: that of the longer end."""
        return max(len(self.first), len(self.second))

    @cached_property
    def shift(self) -> float:
        """Semitones by which the first sound's spectrum is shifted to overlap most with the second's.

        Spectra are mean amplitudes over time at log frequency, smoothed and normalised to sum 1; their overlap is the
        sum of the smaller of the two. Among equal overlaps the smallest shift is chosen.
        """
        if math.isinf(self.reach):
            return 0.0
        transform, lowest = morph_transform(self.sample_rate), 30.0
        at = np.arange(0.0, 12.0 * math.log2(self.sample_rate / 2.0 / lowest), SHIFT_STEP)
        bins = lowest * 2.0 ** (at / 12.0) * transform.size / self.sample_rate
        margin = round(LARGEST_SHIFT / SHIFT_STEP)
        densities = []
        for frames in self._frames:
            power = np.mean([np.abs(frame.spectrum) ** 2 for frame in frames], axis=0)
            sampled = np.interp(bins, np.arange(len(power)), np.sqrt(power))
            amplitude = ndimage.gaussian_filter1d(sampled, BLUR / SHIFT_STEP)
            densities.append(np.pad(amplitude / max(amplitude.sum(), np.finfo(float).tiny), margin))
        shifts = sorted(range(-margin, margin + 1), key=abs)
        overlaps = [np.minimum(np.roll(densities[0], shift), densities[1]).sum() for shift in shifts]
        return float(shifts[int(np.argmax(overlaps))] * SHIFT_STEP)

    @cached_property
    def _frames(self) -> tuple[list[_Masses], list[_Masses]]:
        return self._masses(self.first), self._masses(self.second)

    @cached_property
    def _plans(self) -> list[Plan]:
        return [
            transport_plan(a.share, a.semitones + self.shift, b.share, b.semitones, self.reach)
            for a, b in zip(*self._frames, strict=True)
        ]

    def _masses(self, sound: NDArray[np.floating]) -> list[_Masses]:
        transform = morph_transform(self.sample_rate)
        count = -(-self.samples // transform.hop) + 1
        padded = torch.from_numpy(np.pad(sound.astype(np.float64), (1, self.samples + 1 - len(sound))))
        # The same frames one sample earlier and later: the phase's advance over two samples is the frequency.
        both = torch.stack((padded[:-2], padded[1:-1], padded[2:]))
        earlier, spectra, later = transform.forward(both, count).numpy().transpose(0, 2, 1)
        turns = np.angle(later * earlier.conj()) / (4.0 * np.pi)
        near = np.arange(transform.bins) / transform.size
        frequencies = turns + 0.5 * np.round(2.0 * (near - turns))  # unambiguous up to half turns per sample
        return [
            _grouped(spectrum, frequency * transform.size)
            for spectrum, frequency in zip(spectra, frequencies, strict=True)
        ]

    def __call__(self, position: float) -> NDArray[np.float32]:
        """The sound ``(samples,)`` at a position from 0, the first, to 1, the second.

        The ends are returned unchanged; between them levels of frames are interpolated in dB.
        """
        if position in (0.0, 1.0):
            end = (self.first, self.second)[int(position)]
            return np.pad(end, (0, self.samples - len(end))).astype(np.float32)
        from synthvae.features.inversion import inverse_transform  # numba

        transform = morph_transform(self.sample_rate)
        floor = SILENT * max(frame.power for frames in self._frames for frame in frames)
        if floor == 0.0:
            return np.zeros(self.samples, np.float32)
        phases, before = np.zeros(transform.bins), 0.0
        spectra = np.zeros((transform.bins, len(self._plans)), np.complex64)
        for number, (first, second, plan) in enumerate(zip(*self._frames, self._plans, strict=True)):
            power = math.exp(
                (1.0 - position) * math.log(first.power + floor) + position * math.log(second.power + floor)
            )
            attack = power > ATTACK * before
            found, phases = _between(first, second, plan, self.shift, position, phases, transform, attack)
            energy = float((np.abs(found) ** 2).sum())
            spectra[:, number] = found * math.sqrt(power / energy) if energy > 0.0 and power > 2.0 * floor else 0.0
            before = power
        return inverse_transform(torch.from_numpy(spectra)[None], transform, self.samples)[0].numpy()


def _grouped(spectrum: NDArray[np.complex128], frequency: Floats) -> _Masses:
    """Groups of bins between local minima of power; their frequencies are those of the bins, weighted by power."""
    power = np.abs(spectrum) ** 2
    total = float(power.sum())
    first = np.concatenate(([0], 1 + np.nonzero((power[1:-1] < power[:-2]) & (power[1:-1] <= power[2:]))[0]))
    mass = np.add.reduceat(power, first)
    kept = mass > LEAST_MASS * max(total, np.finfo(float).tiny)
    bounds = np.append(first, len(power))
    centre = np.add.reduceat(power * frequency.clip(0.5, len(power) - 1.0), first)[kept] / mass[kept]
    peak = np.array([low + power[low:high].argmax() for low, high in itertools.pairwise(bounds)])
    starts = np.stack((bounds[:-1], bounds[1:]))[:, kept]
    share = mass[kept] / max(float(mass[kept].sum()), np.finfo(float).tiny)
    return _Masses(spectrum, total, starts, share, 12.0 * np.log2(centre), peak[kept])


def _between(
    first: _Masses,
    second: _Masses,
    plan: Plan,
    shift: float,
    position: float,
    phases: Floats,
    transform: ShortTime,
    attack: bool,
) -> tuple[NDArray[np.complex128], Floats]:
    """Interpolate two frames: spectrum ``(bins,)``, of arbitrary power, and the phases of its bins.

    Phases are those of each bin's frequency at the first sample of the frame. They continue from the previous frame; at
    attack they start as in the nearer end, in the middle of the frame.
    """
    ends = (first, second)
    numbers = (plan.source, plan.target)
    # The index -1, for no partner, selects the appended element.
    own = [np.append(end.semitones, 0.0)[number] for end, number in zip(ends, numbers, strict=True)]
    start = np.where(plan.source >= 0, own[0], own[1] - shift)
    goal = np.where(plan.target >= 0, own[1], own[0] + shift)
    place = 2.0 ** ((start + position * (goal - start)) / 12.0)
    inside = (place >= 0.5) & (place < transform.bins - 1.5)
    centre = np.where(inside, np.rint(place), 1).astype(np.intp)
    phase = phases[centre] + 2.0 * np.pi * transform.hop / transform.size * place
    if attack:
        alone = (plan.source < 0, plan.target < 0)
        nearer = (~alone[0] & (alone[1] | (position < 0.5)), ~alone[1] & (alone[0] | (position >= 0.5)))
        for end, number, mine in zip(ends, numbers, nearer, strict=True):
            middle = _start_phase(end, number[mine]) + np.pi * 2.0 ** (end.semitones[number[mine]] / 12.0)
            phase[mine] = middle - np.pi * place[mine]
    values, targets, starts = [], [], []
    paired = (plan.source >= 0) & (plan.target >= 0)
    for end, number, weight in zip(ends, numbers, (1.0 - position, position), strict=True):
        parts = np.nonzero((number >= 0) & inside)[0]
        mass = number[parts]
        low, high = end.bounds[:, mass]
        part = np.repeat(np.arange(len(parts)), high - low)
        bins = np.arange(len(part)) - np.repeat(np.cumsum(high - low) - (high - low), high - low) + low[part]
        moved = centre[parts] - end.peak[mass]
        gain = np.sqrt(plan.mass[parts] / (end.share[mass] * end.power))
        gain = gain * np.where(paired[parts], weight, math.sqrt(weight))
        turned = phase[parts] - _start_phase(end, mass)
        turned += np.pi * (place[parts] - 2.0 ** (end.semitones[mass] / 12.0) - moved)
        values.append(end.spectrum[bins] * (gain * np.exp(1j * turned))[part])
        targets.append(bins + moved[part])
        starts.append(phase[parts][part])
    value, target, start = np.concatenate(values), np.concatenate(targets), np.concatenate(starts)
    kept = (target >= 0) & (target < transform.bins)
    value, target, start = value[kept], target[kept], start[kept]
    spectrum = np.zeros(transform.bins, np.complex128)
    np.add.at(spectrum, target, value)
    loudest = np.argsort(np.abs(value), kind="stable")
    after = phases + 2.0 * np.pi * transform.hop / transform.size * np.arange(transform.bins)
    after[target[loudest]] = start[loudest]  # with several, the last assignment wins, which is the loudest
    return spectrum, after


def _start_phase(end: _Masses, mass: NDArray[np.intp]) -> Floats:
    """Phases at the frame's first sample: a bin's phase refers to the window's middle, half a frame later."""
    peak = end.peak[mass]
    return np.asarray(np.angle(end.spectrum[peak]) + np.pi * (peak - 2.0 ** (end.semitones[mass] / 12.0)))
