"""Sets of sounds that a run on recorded sounds makes, beside the training sounds: likeness, bins, copies and classes.

Reconstructions of test sounds, draws and sounds at positions of the map are measured apart, and the test sounds
themselves beside them: what no difference looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import Tensor
from torch.nn import functional as F

from synthvae.core.errors import UserError
from synthvae.features import log_mel
from synthvae.maps.labels import predict_labels
from synthvae.maps.nearest import draw_places, latents_between
from synthvae.metrics.bins import BINS, Bins, DifferentBins
from synthvae.metrics.embeddings.logmel import logmel_embedding
from synthvae.metrics.frechet import GaussianStatistics, frechet_distance, frechet_extrapolated
from synthvae.metrics.kernel import SCALE, kernel_distance, kernel_floor
from synthvae.metrics.reconstruction import preset_errors

__all__ = ["Classes", "LikeTraining", "RoundTrip", "RoundTrips", "Seen", "SoundSets", "compare_sets", "map_positions"]
__all__ += ["measure_round_trips", "see"]

#: Height and width that log-mel spectrograms are shrunk to before they are put into bins (Rebnord 2022).
PICTURE = 16, 32
BATCH = 50


class Seen(NamedTuple):
    """What is compared of N sounds.

    Attributes:
        embedding: ``(N, D)``, the log-mel embedding in dB.
        picture: ``(N, K)``, the log-mel spectrogram in dB, shrunk to 16 x 32.
    """

    embedding: NDArray[np.float64]
    picture: NDArray[np.float64]


@dataclass(frozen=True)
class LikeTraining:
    """A set of sounds beside the training sounds.

    Attributes:
        sounds: how many.
        frechet: Fréchet distance in the log-mel embedding in dB²; null where there are too few sounds.
        frechet_limit: the same of infinitely many sounds, extrapolated; null where there are too few sounds.
        frechet_low: lower end of its 95 % interval.
        frechet_high: upper end.
        kernel: squared maximum mean discrepancy in the same embedding, times 100; around 0 without any difference.
        bins: number of statistically different bins; null where there are fewer training sounds than bins.
        copies: share of the sounds that are closer to a training sound than its nearest other training sound is. Of
            sounds that are drawn as the training sounds were it is about 0.5, of copies 1.
    """

    sounds: int
    frechet: float | None
    frechet_limit: float | None
    frechet_low: float | None
    frechet_high: float | None
    kernel: float
    bins: DifferentBins | None
    copies: float


@dataclass(frozen=True)
class Classes:
    """Labels by a classifier that was trained on log-mel spectrograms of training sounds.

    Attributes:
        originals: share of the test sounds whose label it finds.
        reconstructions: the same of their reconstructions, with the label of the original.
        majority: share of the most frequent label: what one answer for all would reach.
        drawn: share of each label among draws, as the classifier finds them.
        training: share of each label among the training sounds.
    """

    originals: float
    reconstructions: float
    majority: float
    drawn: Mapping[Annotated[str, "label"], float]
    training: Mapping[Annotated[str, "label"], float]


@dataclass(frozen=True)
class SoundSets:
    """Sets of sounds beside the training sounds.

    Attributes:
        training: number of training sounds that sets are compared with.
        kernel_floor: kernel distance, times 100, that halves of the training sounds stay below in 95 of 100 cases.
        sets: `test`, the test sounds; `reconstructions` of them; draws from the distributions `aggregate` and `normal`;
            and `map`, sounds at positions drawn evenly over the map.
        classes: null where there is only one label.
    """

    training: int
    kernel_floor: float
    sets: Mapping[Annotated[str, "set"], LikeTraining]
    classes: Classes | None


@dataclass(frozen=True)
class RoundTrip:
    """Latents that are laid out on a map and found again from their positions.

    Attributes:
        explained: share of the latents' variance that comes back: 1 less the squared error over the variance. Answering
            the mean latent has 0.
        decoded: median log-mel distance in dB between what a latent and what comes back decode to.
    """

    explained: float
    decoded: float


@dataclass(frozen=True)
class RoundTrips:
    """Round trips of latents over maps in two dimensions.

    Attributes:
        sounds: how many latents were decoded.
        pca: over the two directions of largest variance.
        umap: over the map of `explore`, each point from its neighbours on the map without itself.
        mean: median log-mel distance in dB to what the mean latent decodes to: of a map that says nothing.
    """

    sounds: int
    pca: RoundTrip
    umap: RoundTrip
    mean: float


def see(audio: Tensor, sample_rate: int) -> Seen:
    """What is compared of sounds ``(N, T)``."""
    embedded, pictures = [], []
    for part in audio.split(BATCH):
        spectrograms = log_mel(part, sample_rate)
        embedded.append(logmel_embedding(spectrograms.numpy()))
        pictures.append(F.adaptive_avg_pool2d(spectrograms[:, None], PICTURE).flatten(1).double().numpy())
    return Seen(np.concatenate(embedded), np.concatenate(pictures))


def compare_sets(
    training: Seen,
    sets: Mapping[str, Seen],
    training_labels: NDArray[np.integer],
    test_labels: NDArray[np.integer],
    names: tuple[str, ...],
    seed: int = 0,
) -> SoundSets:
    """Compare sets of sounds with training sounds.

    Args:
        training: the training sounds.
        sets: sets by name, `test`, `reconstructions` and `aggregate` among them.
        training_labels: number of the label of each training sound.
        test_labels: labels of the test sounds, and of the reconstructions.
        names: names of the labels.
        seed: seed of bins and divisions.
    """
    real = training.embedding
    statistics = GaussianStatistics.of(real)
    bins = Bins(training.picture, seed=seed) if len(real) > BINS else None
    among = cdist(real, real)
    np.fill_diagonal(among, np.inf)
    reach = among.min(1)

    def beside(seen: Seen) -> LikeTraining:
        count, dimension = seen.embedding.shape
        frechet = limit = None
        if count > dimension:
            frechet = frechet_distance(GaussianStatistics.of(seen.embedding), statistics).value
            try:
                limit = frechet_extrapolated(real, seen.embedding, seed)
            except UserError:  # too few to be halved
                limit = None
        across = cdist(seen.embedding, real)
        nearest = across.argmin(1)
        return LikeTraining(
            count,
            frechet,
            limit.intercept if limit else None,
            limit.low if limit else None,
            limit.high if limit else None,
            SCALE * kernel_distance(real, seen.embedding).value,
            bins.compare(seen.picture) if bins else None,
            float((across.min(1) < reach[nearest]).mean()),
        )

    classes = None
    if len(np.unique(training_labels)) > 1:
        order = ("test", "reconstructions", "aggregate")
        guesses = predict_labels(
            training.picture, training_labels, np.concatenate([sets[name].picture for name in order])
        )
        first, second, drawn = np.split(guesses, np.cumsum([len(sets[name].picture) for name in order])[:-1])
        classes = Classes(
            float((first == test_labels).mean()),
            float((second == test_labels).mean()),
            float(np.bincount(test_labels).max() / len(test_labels)),
            _shares(drawn, names),
            _shares(training_labels, names),
        )
    floor = SCALE * kernel_floor(real, seed).high
    return SoundSets(len(real), floor, {name: beside(seen) for name, seen in sets.items()}, classes)


def _shares(labels: NDArray[np.integer], names: tuple[str, ...]) -> dict[str, float]:
    return dict(zip(names, (np.bincount(labels, minlength=len(names)) / len(labels)).tolist(), strict=True))


def map_positions(latents: Tensor, places: NDArray[np.floating], count: int, seed: int) -> Tensor:
    """Latents ``(count, D)`` at positions drawn evenly over a map of latents ``(N, D)`` at places ``(N, 2)``."""
    points = np.asarray(places, np.float32)
    return torch.from_numpy(latents_between(points, latents.numpy(), draw_places(points, count, seed)))


def measure_round_trips(
    latents: Tensor,
    places: NDArray[np.floating],
    chosen: NDArray[np.intp],
    decode: Callable[[Tensor], Tensor],
    sample_rate: int,
) -> RoundTrips:
    """Find latents again from their positions on maps.

    Args:
        latents: ``(N, D)``.
        places: theirs on the map, ``(N, 2)``.
        chosen: numbers of those that are decoded, ``(B,)``.
        decode: latents ``(B, D)`` to sounds ``(B, T)``.
        sample_rate: sample rate of these, in Hz.
    """
    values = latents.double().numpy()
    mean = values.mean(0)
    centred = values - mean
    directions = np.linalg.svd(centred, full_matrices=False)[2][:2]
    total = max(float(np.square(centred).sum()), np.finfo(float).tiny)
    pca = mean + centred @ directions.T @ directions
    umap = latents_between(np.asarray(places, np.float32), latents.float().numpy()).astype(np.float64)

    def spectrograms(rows: NDArray[np.float64]) -> NDArray[np.float32]:
        return log_mel(decode(torch.from_numpy(rows[chosen]).float()), sample_rate).numpy()

    originals = spectrograms(values)

    def distance(rows: NDArray[np.float64]) -> float:
        return float(np.median(preset_errors(originals, spectrograms(rows)).l1))

    def trip(rows: NDArray[np.float64]) -> RoundTrip:
        return RoundTrip(1.0 - float(np.square(rows - values).sum()) / total, distance(rows))

    return RoundTrips(len(chosen), trip(pca), trip(umap), distance(np.broadcast_to(mean, values.shape)))
