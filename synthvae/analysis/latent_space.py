"""Latent-space neighbourhoods, path smoothness and disentanglement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.audio.descriptors import DESCRIPTORS, describe
from synthvae.core.errors import UserError
from synthvae.maps.stability import MAP, SpaceSurvey
from synthvae.metrics.neighbourhoods import (
    NEIGHBOURS,
    CosineSimilarity,
    MapTrust,
    NeighbourhoodTrust,
    cosine_similarity,
    map_trust,
    neighbourhood_trust,
)
from synthvae.metrics.paths import (
    ParameterEffects,
    PathComparison,
    compare_paths,
    interpolate,
    parameter_effects,
    path_scores,
    slerp,
)
from synthvae.synths.angles import angles, unwrapped, within
from synthvae.synths.base import Synth
from synthvae.synths.rendering import render_all
from synthvae.training.run import Run

__all__ = [
    "Movement",
    "Neighbourhoods",
    "PathComparisons",
    "measure_movement",
    "measure_neighbourhoods",
    "parameter_paths",
    "path_pairs",
    "walk",
]

#: Paths between pairs of test presets, and sounds on each, both ends included.
PATHS, STEPS = 50, 9
#: Presets from which every parameter is varied.
EFFECT_PRESETS = 64
BATCH = 64


@dataclass(frozen=True)
class Neighbourhoods:
    """Neighbourhood statistics of the latent space.

    Attributes:
        latents_and_sounds: whether near latents have similar sounds; null if there are too few.
        umap: trustworthiness and continuity of the first map; null where there are too few points.
        cosine_similarity: cosine similarity of latents within and across DBSCAN's clusters on that map.
        cosine_similarity_of_sounds: the same of their sounds, in the standardised log-mel embedding.
        reason: why something is missing; empty where nothing is.
    """

    latents_and_sounds: NeighbourhoodTrust | None
    umap: MapTrust | None
    cosine_similarity: CosineSimilarity
    cosine_similarity_of_sounds: CosineSimilarity
    reason: str


@dataclass(frozen=True)
class PathComparisons:
    """Paths between latents against interpolation of the parameters; empty where no descriptor varies.

    Attributes:
        linear: straight paths, by score (`smoothness`, `nonlinearity`).
        slerp: spherical linear interpolation, likewise.
    """

    linear: Mapping[Annotated[str, "score"], PathComparison]
    slerp: Mapping[Annotated[str, "score"], PathComparison]


@dataclass(frozen=True)
class Movement:
    """Scores of latent paths, and effects of parameters.

    Attributes:
        paths: scores of latent paths against plain interpolation of the parameters.
        effects: effects of each parameter on the latent.
        pairs: test presets that the paths join ``(paths, 2)``.
    """

    paths: PathComparisons
    effects: ParameterEffects
    pairs: NDArray[np.intp]


def measure_neighbourhoods(
    latents: NDArray[np.float64],
    embedding: NDArray[np.float64],
    mapped: NDArray[np.float64],
    mapped_embedding: NDArray[np.float64],
    survey: SpaceSurvey,
    seed: int,
) -> Neighbourhoods:
    """Compare neighbourhoods of latents with those of sounds, and of the map.

    Args:
        latents: latents of the test presets ``(N, D)``.
        embedding: embedding of their sounds ``(N, F)``.
        mapped: the latents that are mapped ``(M, D)``.
        mapped_embedding: embedding of the sounds of these ``(M, F)``.
        survey: survey of those.
        seed: seed of pairs and resamples.
    """
    reasons: list[str] = []
    first = survey.seeds[0]
    trust, near = None, None
    if len(latents) > 2:
        trust = neighbourhood_trust(latents, embedding, min(NEIGHBOURS, len(latents) - 1), seed=seed)
    else:
        reasons.append(f"{len(latents)} test presets: neighbours need 3 or more")
    try:
        near = map_trust(mapped, survey.maps[first], seed=seed)
    except UserError as error:
        reasons.append(str(error))
    labels = survey.of(MAP, "DBSCAN")[0].labels
    sounds = cosine_similarity(_standardised(mapped_embedding), labels, seed)
    return Neighbourhoods(trust, near, cosine_similarity(mapped, labels, seed), sounds, "; ".join(reasons))


def _standardised(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows with mean 0 and standard deviation 1 in every column that varies.

    Levels in dB are all far below 0, so without centring the cosine of any two sounds would be nearly 1.
    """
    spread = rows.std(axis=0)
    return (rows - rows.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)


def path_pairs(presets: int, seed: int) -> NDArray[np.intp]:
    """Test presets that paths join ``(paths, 2)``, each in one pair at most.

    Args:
        presets: how many there are.
        seed: seed of the draw.
    """
    order = np.random.default_rng(seed).permutation(presets)
    count = min(PATHS, presets // 2)
    return order[: 2 * count].reshape(count, 2)


def parameter_paths(synth: Synth, unit: Tensor, descriptors: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Descriptors ``(paths, STEPS, K)`` along straight lines through the parameters, the same for every model.

    Args:
        synth: plays the presets.
        unit: test presets ``(N, P)``.
        descriptors: descriptors of their sounds ``(N, K)``.
        seed: draws the pairs.
    """
    pairs = path_pairs(len(unit), seed)
    first, last = _ends(unit, pairs)
    path = _straight(first, last, angles(synth.parameter_space), STEPS)
    return _describe_paths(synth, path, descriptors[pairs])


def measure_movement(
    run: Run,
    unit: Tensor,
    descriptors: NDArray[np.float64],
    reference: NDArray[np.float64],
    seed: int,
    tell: Callable[[str], object],
) -> Movement:
    """Score latent paths between test presets, and vary each parameter alone.

    All paths start and end at the presets themselves, as in morphs: the reconstruction residual is interpolated along
    the path, so that latent paths and the reference have the same ends. The reference interpolates the parameters
    linearly, angles along the shorter arc on all paths.

    Args:
        run: the model.
        unit: test presets ``(N, P)``.
        descriptors: descriptors of their sounds ``(N, K)``.
        reference: descriptors of the sounds along `parameter_paths` of the same presets and seed.
        seed: draws the pairs.
        tell: called with the current step.
    """
    pairs = path_pairs(len(unit), seed)
    first, last = _ends(unit, pairs)
    # The standard deviation of equal numbers is not 0 but their rounding.
    spread = np.where(np.ptp(descriptors, axis=0) > 0.0, descriptors.std(axis=0), 0.0)
    ends = descriptors[pairs]
    names = list(DESCRIPTORS)
    expected = path_scores(reference, spread, ends)
    compared: dict[str, dict[str, PathComparison]] = {}
    for kind in ("straight", "arc"):
        tell(f"{kind} paths")
        along = _describe_paths(run.voice, walk(run, first, last, kind, STEPS), ends)
        found = path_scores(along, spread, ends)
        compared[kind] = {}
        if spread.any():
            compared[kind] = compare_paths(
                found, expected, names, f"{kind} latent paths", "plain interpolation of the parameters"
            )
    tell("varying parameters")
    effects = parameter_effects(run.encode, unit[:EFFECT_PRESETS])
    return Movement(PathComparisons(compared["straight"], compared["arc"]), effects, pairs)


def _ends(unit: Tensor, pairs: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
    """Presets ``(paths, P)`` where paths begin, and where they end."""
    return unit[torch.from_numpy(pairs[:, 0].copy())], unit[torch.from_numpy(pairs[:, 1].copy())]


def _describe_paths(synth: Synth, path: Tensor, ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Descriptors ``(N, S, K)`` of the sounds on paths ``(N, S, P)``; those of the ends ``(N, 2, K)`` are known."""
    count, steps = path.shape[:2]
    inner = path[:, 1:-1].reshape(count * (steps - 2), -1)
    audio = torch.cat(list(render_all(synth, inner, BATCH)))
    between = describe(audio, synth.sample_rate).reshape(count, steps - 2, -1)
    return np.concatenate((ends[:, :1], between, ends[:, 1:]), axis=1)


def walk(run: Run, first: Tensor, last: Tensor, kind: str, steps: int) -> Tensor:
    """Presets ``(N, steps, P)`` on latent paths between presets ``(N, P)``.

    Args:
        run: the model.
        first: where the paths begin.
        last: where they end.
        kind: ``straight`` or ``arc`` through the latent space, or ``parameter`` for straight lines in the unit cube.
        steps: presets on a path, both ends included, which are the presets themselves.
    """
    circular = angles(run.parameters)
    if kind == "parameter":
        return _straight(first, last, circular, steps)
    start, end = (run.encode(unit) for unit in (first, last))
    before, after = first - run.decode(start), last - run.decode(end)
    join = slerp if kind == "arc" else interpolate
    latents = torch.from_numpy(join(start.double().numpy(), end.double().numpy(), steps))
    decoded = run.decode(latents.flatten(0, 1)).reshape(len(first), steps, -1)
    path = within(decoded + _line(before, after, circular, steps), circular)
    path[:, 0], path[:, -1] = first, last  # free of rounding
    return path


def _straight(first: Tensor, last: Tensor, circular: Tensor, steps: int) -> Tensor:
    """Presets ``(N, steps, P)`` on straight lines in the unit cube, angles the shorter way around."""
    path = within(_line(first, last, circular, steps), circular)
    path[:, 0], path[:, -1] = first, last  # free of rounding
    return path


def _line(first: Tensor, last: Tensor, circular: Tensor, steps: int) -> Tensor:
    """Straight lines ``(N, steps, P)`` between rows ``(N, P)``, angles the shorter way around."""
    start, end = unwrapped(torch.stack((first, last)), circular).numpy()
    return torch.from_numpy(interpolate(start, end, steps)).float()
