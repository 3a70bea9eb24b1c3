"""How well sounds come back from each representation, by the phase that their magnitudes are given.

Every representation's ladder goes from the original phase down to a random one: a heap integration that equals random
phase is a known way to fail, and log-mel alone cannot tell them apart well.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.inversion_sounds import KINDS
from benchmarks.timing import Candidate, measure
from synthvae.features import log_mel
from synthvae.features.inversion import inverse_transform, recover
from synthvae.features.invertible_stft import ShortTime
from synthvae.features.representations import Encoded, Representation, build_representation
from synthvae.features.representations.base import TOLERANCE
from synthvae.metrics.clicks import click_crest
from synthvae.metrics.distances import DISTANCES
from synthvae.metrics.visqol import visqol

__all__ = ["CONFIGURATIONS", "PHASES", "Claim", "Rung", "claims_table", "ladder_table", "measure_claims",
           "measure_ladder"]  # fmt: skip

#: Name, and options that are not the default. `frames` on the mel scale is `mel`.
CONFIGURATIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("mel-r", {}),
    ("mel-r", {"to_linear": "kl"}),
    ("mel", {}),
    ("stft-g", {}),
    ("stft", {"phase": "if"}),
    ("stft", {"phase": "unit"}),
    ("stft", {"phase": "none"}),
    ("frames", {"scale": "linear"}),
)
#: Rungs: the phase of the original's transform, then those of `synthvae.features.inversion`.
ORIGINAL = "original"
PHASES = (ORIGINAL, "pghi", "pghi+5", "griffin-lim", "zero", "random")
#: The baseline of the claims.
BASELINE = "griffin-lim"


@dataclass(frozen=True)
class Rung:
    """One representation with one phase.

    Attributes:
        representation: its name and options, or the sounds themselves.
        phase: ``modelled``, or one of `PHASES`.
        log_spectral: RMS difference of levels over linear frequency in dB, mean over sounds.
        by_kind: the same by kind of sound.
        log_mel: RMS difference of log-mel spectrograms in dB, mean over sounds.
        convergence: spectral convergence, mean over sounds.
        crest: click crest at the representation's hop, median over sounds.
        opinion: ViSQOL's score, mean over sounds; None where it was not measured.
        milliseconds: time in milliseconds for a sound, from values to samples, on all threads.
    """

    representation: str
    phase: str
    log_spectral: float
    by_kind: dict[str, float]
    log_mel: float
    convergence: float
    crest: float
    opinion: float | None
    milliseconds: float


@dataclass(frozen=True)
class Claim:
    """A phase beside Griffin-Lim with 32 iterations by librosa.

    Attributes:
        magnitudes: which are inverted.
        phase: phase that is compared.
        distance: its log-spectral distance over that of the baseline.
        most_distance: largest distance that is claimed; None where there is only a figure.
        seconds: its time over that of the baseline on one thread, median over repetitions.
        seconds_threads: the same on all threads, of which librosa uses one.
        most_seconds: largest time that is claimed on one thread.
    """

    magnitudes: str
    phase: str
    distance: float
    most_distance: float | None
    seconds: float
    seconds_threads: float
    most_seconds: float | None

    @property
    def passed(self) -> bool:
        """Whether both figures are within the claim."""
        limits = ((self.distance, self.most_distance), (self.seconds, self.most_seconds))
        return all(most is None or value <= most for value, most in limits)


def measure_ladder(
    audio: Tensor, sample_rate: int, opinions: bool, progress: Callable[[int, str], object] = lambda done, name: None
) -> list[Rung]:
    """Invert sounds ``(4 * each, T)`` of `sounds_to_invert` from every representation with every phase.

    Args:
        audio: as many sounds of each kind, in order.
        sample_rate: sample rate in Hz.
        opinions: whether to measure ViSQOL.
        progress: called with the number of representations done, and the name of the next.
    """
    rungs: list[Rung] = []
    hops: set[int] = set()
    for done, (name, options) in enumerate(CONFIGURATIONS):
        representation = build_representation(name, sample_rate, audio.shape[1], **options)
        label = " ".join((name, *(str(value) for value in options.values())))
        progress(done, label)
        encoded = representation.analyse(audio)
        hop = representation.transform.hop
        if hop not in hops:  # the click crest depends on it
            hops.add(hop)
            rungs.append(_rung(f"the sounds, hop {hop}", "", audio, audio, sample_rate, hop, 0.0, opinions))
        if representation.phase == "modelled":
            found, seconds = _timed(representation.invert, encoded)
            rungs.append(_rung(label, "modelled", audio, found, sample_rate, hop, seconds, opinions))
        if name == "stft" and representation.phase == "modelled":
            continue  # the magnitudes are those of its form without phase
        magnitude, to_linear = _timed(representation.magnitude, encoded)
        for phase in PHASES:
            found, seconds = _timed(_invert, representation, encoded, magnitude, audio, phase)
            seconds += to_linear
            rungs.append(_rung(label, phase, audio, found, sample_rate, hop, seconds, opinions))
    return rungs


def measure_claims(audio: Tensor, sample_rate: int, repetitions: int) -> list[Claim]:
    """Compare heap integration with Griffin-Lim on exact magnitudes and on mel bands.

    Args:
        audio: as for `measure_ladder`.
        sample_rate: sample rate in Hz.
        repetitions: timed rounds.
    """
    representation = build_representation("mel", sample_rate, audio.shape[1])
    encoded, transform, samples = representation.analyse(audio), representation.transform, audio.shape[1]
    exact = transform.forward(audio, representation.frames(samples)).abs()
    name = f"exact, {transform.size}/{transform.hop}, Gaussian"

    def from_magnitude(phase: str) -> Tensor:
        return recover(exact, transform, samples, phase)

    def from_mel(phase: str) -> Tensor:
        return representation.invert(encoded, phase=phase)

    return [
        *_claims(name, from_magnitude, audio, sample_rate, repetitions,
                 {"pghi+5": (0.7, 0.6), "pghi": (1.2, 0.35), "random+32": (None, None)}),
        *_claims("mel", from_mel, audio, sample_rate, repetitions,
                 {"pghi+5": (1.05, 0.6), "pghi": (None, None), "random+32": (None, None)}),
    ]  # fmt: skip


def _claims(
    magnitudes: str,
    invert: Callable[[str], Tensor],
    audio: Tensor,
    sample_rate: int,
    repetitions: int,
    limits: dict[str, tuple[float | None, float | None]],
) -> list[Claim]:
    phases = (BASELINE, *limits)
    distances = {phase: _log_spectral(audio, invert(phase), sample_rate).mean() for phase in phases}
    ratios = []
    threads = torch.get_num_threads()
    for number in (1, threads):
        torch.set_num_threads(number)
        try:
            candidates = [Candidate(phase, partial(invert, phase), len(audio)) for phase in phases]
            measured = measure(magnitudes, candidates, repetitions)
        finally:
            torch.set_num_threads(threads)
        ratios.append({m.name: 1.0 / m.ratio for m in measured})
    return [
        Claim(
            magnitudes,
            phase,
            float(distances[phase] / distances[BASELINE]),
            most_distance,
            ratios[0][phase],
            ratios[1][phase],
            most_seconds,
        )
        for phase, (most_distance, most_seconds) in limits.items()
    ]


def _invert(representation: Representation, encoded: Encoded, magnitude: Tensor, audio: Tensor, phase: str) -> Tensor:
    transform: ShortTime = representation.transform
    if phase == ORIGINAL:
        angle = transform.forward(audio, magnitude.shape[2]).angle()
        sounds = inverse_transform(torch.polar(magnitude, angle), transform, audio.shape[1])
    else:
        sounds = recover(magnitude, transform, audio.shape[1], phase, TOLERANCE)
    return representation.at_level(sounds, encoded.level)


def _timed(function: Callable[..., Tensor], *arguments: Any) -> tuple[Tensor, float]:  # noqa: ANN401
    start = time.perf_counter()
    found = function(*arguments)
    return found, time.perf_counter() - start


def _log_spectral(audio: Tensor, found: Tensor, sample_rate: int) -> np.ndarray:
    return np.asarray(DISTANCES["log_spectral"].function(audio, found, sample_rate).values)


def _rung(
    name: str, phase: str, audio: Tensor, found: Tensor, sample_rate: int, hop: int, seconds: float, opinions: bool
) -> Rung:
    distances = _log_spectral(audio, found, sample_rate)
    levels = log_mel(audio, sample_rate) - log_mel(found, sample_rate)
    crest = click_crest(found, hop)
    return Rung(
        representation=name,
        phase=phase,
        log_spectral=float(distances.mean()),
        by_kind={kind: float(part.mean()) for kind, part in zip(KINDS, np.split(distances, len(KINDS)), strict=True)},
        log_mel=float(levels.square().mean((1, 2)).sqrt().mean()),
        convergence=float(DISTANCES["spectral_convergence"].function(audio, found, sample_rate).values.mean()),
        crest=statistics.median(crest.values[crest.defined]) if crest.defined.any() else float("nan"),
        opinion=float(visqol(audio, found, sample_rate).mean()) if opinions else None,
        milliseconds=1000.0 * seconds / len(audio),
    )


def ladder_table(rungs: list[Rung]) -> str:
    """The ladders as one Markdown table."""
    opinions = any(rung.opinion is not None for rung in rungs)
    lines = [
        "| representation | phase | log-spectral dB | " + " | ".join(KINDS) + " | log-mel dB | convergence "
        "| click crest |" + (" ViSQOL |" if opinions else "") + " ms a sound |",
        "|---" * (7 + len(KINDS) + opinions) + "|",
    ]
    for rung in rungs:
        cells = [rung.representation, rung.phase, f"{rung.log_spectral:.2f}"]
        cells += [f"{value:.2f}" for value in rung.by_kind.values()]
        cells += [f"{rung.log_mel:.2f}", f"{rung.convergence:.3f}", f"{rung.crest:.2f}"]
        cells += [f"{rung.opinion:.2f}"] if rung.opinion is not None else []
        lines.append("| " + " | ".join([*cells, f"{rung.milliseconds:.3g}"]) + " |")
    return "\n".join(lines)


def claims_table(claims: list[Claim]) -> str:
    """Distances and times over those of Griffin-Lim, as a Markdown table."""
    lines = [
        "| magnitudes | phase | distance | at most | time, one thread | at most | time, all threads | passed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for claim in claims:
        limits = ["" if most is None else f"{most:g}" for most in (claim.most_distance, claim.most_seconds)]
        passed = "" if claim.most_distance is None else ("yes" if claim.passed else "no")
        lines.append(
            f"| {claim.magnitudes} | {claim.phase} | {claim.distance:.2f} | {limits[0]} | {claim.seconds:.2f} "
            f"| {limits[1]} | {claim.seconds_threads:.2f} | {passed} |"
        )
    return "\n".join(lines)
