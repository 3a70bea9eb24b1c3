"""Preset matching: search for the presets closest to a recording."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from synthvae.core.checks import check_seed
from synthvae.core.errors import UserError
from synthvae.data.preset import Preset
from synthvae.matching.differential_evolution import Population
from synthvae.matching.index import SoundIndex
from synthvae.matching.local import SEARCHES
from synthvae.matching.objective import Objective, Stopped
from synthvae.matching.starts import encoder_of, starts_of_encoder, starts_of_index
from synthvae.matching.target import Target
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.rendering import build_synth
from synthvae.synths.settings import RenderSettings
from synthvae.training.run import Run

__all__ = ["BUDGET", "Candidate", "MatchResult", "Progress", "budget_for", "check_search", "match"]

BUDGET = 32_000
"""Default number of renders for a target of a second; longer ones get fewer, so that all take as long."""

FEWEST = 200
#: Number of closest presets stored, from which the results are chosen.
KEPT = 64
#: Minimum mean absolute difference of parameters between results, as a fraction of the range.
UNLIKE = 0.05
#: Number of random presets of the null.
NULL_PRESETS = 128
NULL_SEED = 2**61 + 7


@dataclass(frozen=True)
class Progress:
    """Progress of a match.

    Attributes:
        renders: number of sounds rendered so far.
        budget: maximum number of sounds; None where time is the limit.
        seconds: time elapsed, in seconds.
        limit: maximum time in seconds; None where the budget is the limit.
        unit: the closest preset so far, ``(P,)``.
        distance: its distance, in dB.
    """

    renders: int
    budget: int | None
    seconds: float
    limit: float | None
    unit: Tensor
    distance: float

    @property
    def fraction(self) -> float:
        """Fraction of the work done, 0 to 1."""
        spent = self.renders / self.budget if self.budget else self.seconds / (self.limit or 1.0)
        return min(spent, 1.0)


@dataclass(frozen=True)
class Candidate:
    """A matched preset.

    Attributes:
        preset: the preset, with its render settings and origin.
        unit: parameters ``(P,)``.
        audio: sound ``(T,)``.
        distance: distance to the target, in dB.
    """

    preset: Preset
    unit: Tensor
    audio: Tensor
    distance: float


@dataclass(frozen=True)
class MatchResult:
    """Result of a match.

    Attributes:
        target: target of the match.
        candidates: results, the closest first.
        random: median distance of random presets to the target, in dB: the null.
        nearest_random: smallest distance of the random presets.
        renders: number of sounds rendered; one with its gradient counts as three.
        seconds: duration in seconds.
        stopped: whether it was stopped early.
    """

    target: Target
    candidates: tuple[Candidate, ...]
    random: float
    nearest_random: float
    renders: int
    seconds: float
    stopped: bool

    @property
    def confidence(self) -> float:
        """One minus the ratio of the best distance to that of a random preset, 0 to 1.

        1 - d / r, with d the best distance and r the median distance of random presets. Targets rendered by the Voice
        itself reach 0.8 to 0.95; `python -m benchmarks match` prints the values for other sounds.
        """
        return min(1.0, max(0.0, 1.0 - self.candidates[0].distance / max(self.random, 1e-9)))

    @property
    def verdict(self) -> str:
        """Verdict on the confidence as a phrase."""
        steps = ((0.85, "nearly indistinguishable"), (0.7, "close"), (0.5, "related"), (0.3, "distantly related"))
        return next((words for least, words in steps if self.confidence >= least), "not a sound of this synthesizer")


def budget_for(seconds: float) -> int:
    """Number of renders for a target of this duration: as many as take the time of `BUDGET` sounds of one second."""
    return round(BUDGET / max(1.0, seconds))


def match(
    target: Target,
    parameters: ParameterSpace,
    *,
    run: Run | None = None,
    index: SoundIndex | None = None,
    settings: RenderSettings | None = None,
    budget: int | None = None,
    seconds: float | None = None,
    top: int = 5,
    seed: int = 0,
    search: str = "combined",
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Progress], object] = lambda state: None,
) -> MatchResult:
    """Find presets that sound like a target.

    With the same seed and a budget the result is reproducible; with `seconds` it depends on the machine. SIGINT ends
    the search and returns the results so far.

    Args:
        target: the recording, see `synthvae.matching.target`.
        parameters: parameters of the presets.
        run: model with these parameters; its audio encoder, if any, proposes starting points.
        index: index whose sounds nearest to the target are tried first.
        settings: render settings, except for rate and length, which are the target's; by default those of the run, or
            else of the index.
        budget: number of renders; `budget_for` the target's length unless `seconds` is given.
        seconds: time limit in seconds.
        top: maximum number of results, unlike each other; no more than 64.
        seed: seed of all draws.
        search: one of `SEARCHES`.
        stop: called before every batch; returning true ends the search.
        progress: called after every batch.

    Raises:
        UserError: for a budget too small to search with, a time limit that is not positive, `top` below 1, or a seed
            outside its range; if the run has other parameters.
    """
    check_search(budget, seconds, top, seed)
    if run is not None:
        run.require_parameters(parameters, target.name)
    if budget is None and seconds is None:
        budget = budget_for(target.seconds)
    if settings is None:
        settings = run.settings if run is not None else index.settings if index is not None else RenderSettings()
    settings = replace(settings, sample_rate=target.sample_rate, seconds=target.seconds)
    voice = build_synth(parameters, settings)
    begun = time.monotonic()
    interrupted = False

    def over() -> bool:
        return interrupted or stop() or (seconds is not None and time.monotonic() - begun > seconds)

    objective = Objective(voice, target.audio, over, budget)

    def tell(state: Objective) -> None:
        if state.best is not None:
            spent = time.monotonic() - begun
            progress(Progress(state.renders, budget, spent, seconds, state.best.unit, state.best.distance))

    objective.on_progress = tell
    null = Population(*_null(objective, len(parameters)))
    archive = _Archive(null)
    objective.keep = archive.add
    try:
        starts = _starts(target, run, index, budget or BUDGET, seed)
        SEARCHES[search](objective, len(parameters), seed, starts)
    except KeyboardInterrupt:
        interrupted = True
    chosen, distances = archive.unit[:top], archive.distance[:top].tolist()
    with torch.inference_mode():
        audio = voice(chosen)
    origin = {"matched": target.name, "seed": seed, "renders": objective.renders}
    human = parameters.denormalise(chosen.double().numpy())
    candidates = tuple(
        Candidate(Preset(parameters, row, settings, origin | {"distance": distance}), unit, sound, distance)
        for row, unit, sound, distance in zip(human, chosen, audio, distances, strict=True)
    )
    return MatchResult(
        target,
        candidates,
        float(null.distance.median()),
        float(null.distance.min()),
        objective.renders,
        time.monotonic() - begun,
        interrupted or stop(),
    )


class _Archive:
    """The closest presets found, all dissimilar: of similar ones the closest."""

    def __init__(self, population: Population) -> None:
        self.unit, self.distance = population.best(KEPT)

    def add(self, unit: Tensor, distance: Tensor) -> None:
        for place in distance.argsort(stable=True).tolist():
            if distance[place] >= self.distance[-1]:
                return
            alike = (self.unit - unit[place]).abs().mean(1) < UNLIKE
            if alike.any() and distance[place] >= self.distance[alike].min():
                continue
            kept = Population(
                torch.cat([self.unit[~alike], unit[place : place + 1]]),
                torch.cat([self.distance[~alike], distance[place : place + 1]]),
            )
            self.unit, self.distance = kept.best(KEPT)


def _null(objective: Objective, parameters: int) -> tuple[Tensor, Tensor]:
    """Random presets and their distances: the null of every match, and its first candidates.

    Raises:
        UserError: if stopped before there was any result.
    """
    unit = torch.rand(NULL_PRESETS, parameters, generator=torch.Generator().manual_seed(NULL_SEED))
    try:
        return unit, objective(unit)
    except Stopped:
        raise UserError("seconds", None, "give more", "stopped before any sound was rendered") from None


def _starts(target: Target, run: Run | None, index: SoundIndex | None, budget: int, seed: int) -> Tensor | None:
    found = []
    encoder = encoder_of(run) if run is not None else None
    if index is not None:
        found.append(starts_of_index(target, index, budget))
    if run is not None and encoder is not None and encoder.sample_rate == target.sample_rate:
        found.append(starts_of_encoder(target, run, encoder, budget, seed))
    return torch.cat(found) if found else None


def check_search(budget: int | None, seconds: float | None, top: int, seed: int) -> None:
    """Check the arguments of `match`.

    Raises:
        UserError: naming the argument.
    """
    if budget is not None and budget < FEWEST:
        raise UserError("budget", budget, f"give at least {FEWEST} renders")
    if seconds is not None and not 0.0 < seconds < float("inf"):
        raise UserError("seconds", seconds, "give more than 0")
    if top < 1:
        raise UserError("top", top, "give at least 1")
    check_seed(seed)
