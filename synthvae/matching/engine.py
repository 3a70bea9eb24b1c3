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
#: Answers are unlike each other: mean difference of their parameters, as a share of the range.
UNLIKE = 0.05
#: Number of random presets of the null.
NULL_PRESETS = 128
NULL_SEED = 2**61 + 7


@dataclass(frozen=True)
class Progress:
    """Progress of a match.

    Attributes:
        renders: sounds so far.
        budget: sounds in all; None where time is the limit.
        seconds: so far.
        limit: seconds in all; None where the budget is the limit.
        unit: the closest preset so far, ``(P,)``.
        distance: of it, in dB.
    """

    renders: int
    budget: int | None
    seconds: float
    limit: float | None
    unit: Tensor
    distance: float

    @property
    def fraction(self) -> float:
        """Done, 0 to 1."""
        spent = self.renders / self.budget if self.budget else self.seconds / (self.limit or 1.0)
        return min(spent, 1.0)


@dataclass(frozen=True)
class Candidate:
    """A matched preset.

    Attributes:
        preset: it, with the settings it was rendered with and where it came from.
        unit: its parameters ``(P,)``.
        audio: its sound ``(T,)``.
        distance: to the target, in dB.
    """

    preset: Preset
    unit: Tensor
    audio: Tensor
    distance: float


@dataclass(frozen=True)
class MatchResult:
    """Result of a match.

    Attributes:
        target: what was to be matched.
        candidates: answers, the closest first.
        random: median distance of random presets to the target, in dB: the null.
        nearest_random: the smallest of them.
        renders: sounds it took; one with its gradient counts as three.
        seconds: it took.
        stopped: whether it was stopped before its time.
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

        1 - d / r, with d its distance and r the median distance of random presets. Targets that the Voice itself made
        reach 0.8 to 0.95; `python -m benchmarks match` prints what other sounds reach.
        """
        return min(1.0, max(0.0, 1.0 - self.candidates[0].distance / max(self.random, 1e-9)))

    @property
    def verdict(self) -> str:
        """The confidence in words."""
        steps = ((0.85, "nearly indistinguishable"), (0.7, "close"), (0.5, "related"), (0.3, "distantly related"))
        return next((words for least, words in steps if self.confidence >= least), "not a sound of this synthesizer")


def budget_for(seconds: float) -> int:
    """Renders that a target of so many seconds gets: as many as take the time of `BUDGET` sounds of one second."""
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

    Given the same seed and a budget the answer is the same; with `seconds` it depends on the machine. Ctrl-C ends the
    search and keeps what was found.

    Args:
        target: the recording, see `synthvae.matching.target`.
        parameters: of the presets.
        run: a model with these parameters whose audio encoder, if it has one, proposes starts.
        index: whose nearest sounds are tried first.
        settings: how presets are rendered, but for rate and length, which are the target's; by default those of the
            run, or else of the index.
        budget: renders; `budget_for` the target's length unless `seconds` is given.
        seconds: limit of time.
        top: answers at most, unlike each other; no more than 64.
        seed: of all draws.
        search: one of `SEARCHES`.
        stop: asked before every batch; true ends the search.
        progress: called after every batch.

    Raises:
        UserError: for a budget too small to search with, a limit of time that is not positive, no answers, or a seed
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
        UserError: if it was stopped before there was anything to answer with.
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
