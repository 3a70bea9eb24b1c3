"""Measurements of a run on recorded sounds: reconstructions, latents, draws and clicks, beside what needs no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.core.randomness import generator
from synthvae.core.store import Agenda, Step, Store
from synthvae.data.library import Library, read_library
from synthvae.features import log_mel
from synthvae.features.representations import Encoded
from synthvae.metrics.clicks import click_crest
from synthvae.metrics.embeddings.logmel import logmel_embedding
from synthvae.metrics.frechet import GaussianStatistics, frechet_distance, frechet_floor
from synthvae.metrics.reconstruction import Summary, preset_errors, summarise
from synthvae.training.sound_quality import JUDGED, SoundErrors, SoundQuality, sound_errors
from synthvae.training.sounds import PRIORS, SoundRun, own_library
from synthvae.training.tasks.spectrogram import ACTIVE_VARIANCE, CHUNK, conditions

__all__ = [
    "ONE_GAUSSIAN",
    "ClickCrests",
    "DecodedSounds",
    "DrawDistances",
    "DrawnSounds",
    "HeardSounds",
    "LatentUse",
    "RunMeasurement",
    "SoundWork",
    "decode_sounds",
    "draw_sounds",
    "find_library",
    "measure_run",
    "spread_rows",
]

Result = TypeVar("Result")

#: Sounds that are drawn for the Fréchet distance, at most, and decoded for log-mel errors and click crests.
DRAWS, HEARD = 400, 60
#: Dimensions of the embedding of the Fréchet distance: a covariance of full rank takes one sound more.
DIMENSIONS = 64
BATCH = 50
#: Raised when what is measured changes, so that nothing older is read from the store.
VERSION = 1
#: Seconds on two cores, for each second of a sound that is analysed, and of one that is decoded and compared.
SECONDS_ANALYSED, SECONDS_DECODED = 0.002, 0.015
#: A single Gaussian, fitted to the latents of the training sounds, as a distribution that latents are drawn from.
ONE_GAUSSIAN = "one gaussian"


@dataclass(frozen=True)
class DecodedSounds:
    """Log-mel error of sounds against the originals: mean absolute difference over bands and frames of each, in dB.

    Attributes:
        sounds: how many test sounds were compared.
        reconstructions: of what the run decodes.
        recovered: of the originals' own spectrograms turned back into sound: the floor of the representation.
        mean_sound: of the mean training spectrogram as a sound, for every original.
    """

    sounds: int
    reconstructions: Summary
    recovered: Summary
    mean_sound: Summary


@dataclass(frozen=True)
class LatentUse:
    """Use of the latent space by the test sounds.

    Attributes:
        active: dimensions whose latents have a variance above 0.01 over the sounds (Burda et al. 2016).
        variance: of the latents without noise over the sounds, of each dimension.
        kl_divergence: mean over sounds, in nats, of each dimension; empty for an autoencoder without one.
    """

    active: int
    variance: tuple[float, ...]
    kl_divergence: tuple[float, ...]


@dataclass(frozen=True)
class DrawDistances:
    """Fréchet distance of draws to training sounds, in the log-mel embedding, in dB².

    Attributes:
        draws: sounds that were drawn from each distribution; there are twice as many training sounds.
        floor: distance between two halves of these training sounds.
        priors: distance of draws from each distribution of latents: `aggregate`, a mixture of Gaussians fitted to the
            latents of the training sounds, `one gaussian` fitted to them, and `normal`, the standard normal one.
        mean_sound: distance of as many copies of the sound of the mean training spectrogram.
    """

    draws: int
    floor: float
    mean_sound: float
    priors: Mapping[Annotated[str, "prior"], float]


@dataclass(frozen=True)
class ClickCrests:
    """Median click crest of sounds, at least 1; short sounds have more even without clicks at the transform's hop.

    Attributes:
        sounds: for which it is defined.
        originals: of the test sounds.
        griffin_lim: of their spectrograms with a phase by Griffin-Lim.
        reconstructions: of what the run decodes.
    """

    sounds: int
    originals: float
    griffin_lim: float
    reconstructions: float


@dataclass(frozen=True)
class HeardSounds:
    """What is measured of sounds, not of spectrograms.

    Attributes:
        decoded: log-mel errors.
        rows: numbers of the sounds that these are of.
        errors: of the reconstruction of each of them, in dB.
        crest: None where no sound is long enough.
    """

    decoded: DecodedSounds
    rows: tuple[int, ...]
    errors: tuple[float, ...]
    crest: ClickCrests | None


@dataclass(frozen=True)
class DrawnSounds:
    """Distances of draws; None where there are too few training sounds."""

    distances: DrawDistances | None


@dataclass(frozen=True)
class RunMeasurement:
    """Figures of a run.

    Attributes:
        name: of the run.
        steps: of training, up to the best epoch.
        seconds: of training.
        errors: of the spectrogram of each test sound.
        heard: log-mel errors and click crests.
        latents: use of the latent space.
        draws: None where there are too few training sounds.
    """

    name: str
    steps: int
    seconds: float
    errors: SoundErrors
    heard: HeardSounds
    latents: LatentUse
    draws: DrawDistances | None

    @property
    def decoded(self) -> DecodedSounds:
        """Log-mel errors."""
        return self.heard.decoded

    @property
    def crest(self) -> ClickCrests | None:
        """Click crests; None where no sound is long enough."""
        return self.heard.crest

    @property
    def quality(self) -> SoundQuality:
        """Of all test sounds."""
        return self.errors.quality()

    @property
    def labels(self) -> dict[str, SoundQuality]:
        """Of the test sounds of each label."""
        return {str(label): self.errors.quality(str(label)) for label in np.unique(self.errors.labels)}


def find_library(model: SoundRun, path: Path | None = None) -> Library:
    """The library that a run was trained on, or a copy of it.

    Raises:
        UserError: if it is gone, or another one.
    """
    if path is None:
        return own_library(model.run)
    library = read_library(path)
    if library.hash != model.run.dataset_hash:
        why = f"which is not the library that {model.run.name} was trained on"
        raise UserError("data", path, "name a copy of that one", why=why)
    return library


class SoundWork:
    """All measurements of runs on recorded sounds, as cached steps.

    Attributes:
        models: the runs.
        library: that they were trained on.
        seed: of draws and halves.
        agenda: the steps.
    """

    def __init__(
        self,
        models: Sequence[SoundRun],
        library: Library,
        seed: int = 0,
        limit: int = JUDGED,
        store: Store | None = None,
        priors: Mapping[str, Callable[[int], Tensor]] | None = None,
    ) -> None:
        """Plan the work; nothing is computed.

        Args:
            models: the runs.
            library: that they were trained on.
            seed: of draws and halves.
            limit: of the number of test sounds.
            store: keeps results; none by default.
            priors: further distributions of latents by their names: functions of a number of latents to draw,
                ``(N, D)``. Nothing says what they are, so they go with no store that keeps anything.
        """
        self.models, self.library, self.seed = list(models), library, seed
        self.agenda = Agenda(store or Store(None))
        self._runs = [self._plan(model, limit, priors or {}) for model in self.models]

    @torch.inference_mode()
    def measure(self) -> list[RunMeasurement]:
        """The figures of every run, computed where they are missing."""
        return [run() for run in self._runs]

    def _plan(
        self, model: SoundRun, limit: int, priors: Mapping[str, Callable[[int], Tensor]]
    ) -> Callable[[], RunMeasurement]:
        """Add the steps of a run; returns what puts their results together."""
        library, seed, name = self.library, self.seed, model.run.name
        train, tests = len(library.rows("train")), min(limit, JUDGED, len(library.rows("test")))
        draws = (len(PRIORS) + 1 + len(priors)) * min(DRAWS, train // 2)
        inputs = [VERSION, model.run.weights_hash, library.hash]

        def add(
            kind: type[Result],
            step: str,
            more: Sequence[object],
            sounds: int,
            decoded: int,
            compute: Callable[[], Result],
        ) -> Step[Result]:
            seconds = (sounds * SECONDS_ANALYSED + decoded * SECONDS_DECODED) * model.seconds
            return self.agenda.add(
                kind, f"sounds-{step}", f"{step} of {name}", [*inputs, *more], seconds, lambda _: compute()
            )

        errors = add(
            SoundErrors,
            "reconstructions",
            [limit],
            train + tests,
            0,
            lambda: sound_errors(model, library, "test", limit),
        )
        latents = add(
            LatentUse,
            "latents",
            [limit, seed],
            2 * tests,
            0,
            lambda: _latent_use(model, library, errors.result.rows, seed),
        )
        heard = add(
            HeardSounds,
            "sounds",
            [limit],
            train,
            5 * min(HEARD, tests),
            lambda: _heard(model, library, errors.result.rows),
        )
        drawn = add(
            DrawnSounds,
            "draws",
            [seed],
            train,
            draws,
            lambda: DrawnSounds(_draws(model, library, seed, priors)),
        )

        def together() -> RunMeasurement:
            epoch = model.config.epoch_steps or -(-train // model.config.batch_size)
            return RunMeasurement(
                name,
                (int(model.run.state["best_epoch"]) + 1) * epoch,
                float(model.run.state["seconds"]),
                errors.result,
                heard.result,
                latents.result,
                drawn.result.distances,
            )

        return together


def measure_run(
    model: SoundRun,
    library: Library,
    seed: int = 0,
    limit: int = JUDGED,
    priors: Mapping[str, Callable[[int], Tensor]] | None = None,
) -> RunMeasurement:
    """Measure a run on the test sounds of the library that it was trained on. Arguments as of `SoundWork`."""
    (measured,) = SoundWork([model], library, seed, limit, priors=priors).measure()
    return measured


def _heard(model: SoundRun, library: Library, rows: Sequence[int]) -> HeardSounds:
    chosen = spread_rows(rows, HEARD)
    audio, decoded = _audio(library, chosen), decode_sounds(model, library, chosen)
    own, recovered, mean_sound = _decoded_errors(model, library, audio, decoded)
    summary = DecodedSounds(len(chosen), *(summarise(found) for found in (own, recovered, mean_sound)))
    return HeardSounds(summary, tuple(chosen), tuple(own.tolist()), _crests(model, audio, decoded))


def spread_rows(rows: Sequence[int], count: int) -> list[int]:
    """Some of the rows, evenly spaced: those of a library may lie in the order of their labels."""
    return [rows[len(rows) * number // count] for number in range(count)] if count < len(rows) else list(rows)


def decode_sounds(model: SoundRun, library: Library, rows: list[int]) -> Tensor:
    """Reconstructions ``(N, T)`` of items of a library."""
    return _decoded(model, model.library_latents(library, rows), conditions(library, model.config.condition)[rows])


def draw_sounds(model: SoundRun, library: Library, latents: Tensor, seed: int) -> tuple[Tensor, NDArray[np.intp]]:
    """Sounds ``(N, T)`` of drawn latents.

    Where the run has labels or pitches, sounds have those of training sounds, whose numbers ``(N,)`` are given too.
    """
    train = library.rows("train")
    count = len(latents) // model.latents_per_sound
    chosen = np.random.default_rng((seed, 1)).choice(len(train), count, replace=count > len(train)) + train.start
    return _decoded(model, latents, conditions(library, model.config.condition)[chosen]), chosen


def _audio(library: Library, rows: NDArray[np.intp] | list[int]) -> Tensor:
    return torch.from_numpy(np.array(library.audio[np.sort(np.asarray(rows))]))


def _decoded(model: SoundRun, latents: Tensor, condition: Tensor) -> Tensor:
    parts = zip(latents.split(BATCH * model.latents_per_sound), condition.split(BATCH), strict=True)
    return torch.cat([model.decode(part, given) for part, given in parts])


def _latent_use(model: SoundRun, library: Library, rows: Sequence[int], seed: int) -> LatentUse:
    found, divergence = [], []
    every = conditions(library, model.config.condition)
    for first in range(0, len(rows), CHUNK):
        part = list(rows[first : first + CHUNK])
        values, level = model.representation.analyse(_audio(library, part))
        found.append(model.model.embed(values, level, every[part]))
        noise = torch.randn(found[-1].shape, generator=generator(seed, first))
        divergence.append(model.model(values, level, every[part], noise).kl)
    variance = torch.cat(found).double().var(0, correction=0)
    kl = [] if model.config.autoencoder else torch.cat(divergence).double().mean(0).tolist()
    return LatentUse(int((variance > ACTIVE_VARIANCE).sum()), tuple(variance.tolist()), tuple(kl))


def _decoded_errors(
    model: SoundRun, library: Library, audio: Tensor, decoded: Tensor
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Log-mel errors ``(N,)`` of reconstructions, of the originals' own spectrograms, and of the mean sound."""
    representation = model.representation
    target = log_mel(audio, model.sample_rate).numpy()
    recovered = representation.invert(representation.analyse(audio), model.samples)
    own, floor, null = (
        log_mel(sounds, model.sample_rate).numpy() for sounds in (decoded, recovered, _mean_sound(model, library))
    )
    return preset_errors(target, own).l1, preset_errors(target, floor).l1, preset_errors(target, null[0]).l1


def _mean_sound(model: SoundRun, library: Library) -> Tensor:
    """The mean spectrogram and level of the training sounds as a sound ``(1, T)``."""
    rows = library.rows("train")
    values, level = torch.zeros(1, *model.representation.shape, dtype=torch.float64), 0.0
    for first in range(0, len(rows), CHUNK):
        encoded = model.representation.analyse(_audio(library, list(rows[first : first + CHUNK])))
        values += encoded.values.sum(0)
        level += float(encoded.level.sum())
    mean = Encoded((values / len(rows)).float(), torch.tensor([level / len(rows)]))
    return model.representation.invert(mean, model.samples)


def _draws(
    model: SoundRun, library: Library, seed: int, priors: Mapping[str, Callable[[int], Tensor]]
) -> DrawDistances | None:
    """Fréchet distances; None where half of the training sounds have no covariance of full rank."""
    train = library.rows("train")
    count = min(DRAWS, len(train) // 2)
    if count <= DIMENSIONS:
        return None
    chosen = np.random.default_rng(seed).permutation(len(train))[: 2 * count] + train.start
    real = _embedded(_audio(library, chosen), model)
    against = GaussianStatistics.of(real)
    each = count * model.latents_per_sound
    latents = {prior: model.sample(each, seed, prior) for prior in PRIORS}
    latents[ONE_GAUSSIAN] = _one_gaussian(model.training_latents(), each, seed)
    latents |= {name: draw(each) for name, draw in priors.items()}
    found = {
        name: GaussianStatistics.of(_embedded(draw_sounds(model, library, drawn, seed)[0], model))
        for name, drawn in latents.items()
    }
    distances = {name: frechet_distance(statistics, against).value for name, statistics in found.items()}
    one = GaussianStatistics(count, _embedded(_mean_sound(model, library), model)[0], np.zeros_like(against.covariance))
    return DrawDistances(count, frechet_floor(real, seed).value, frechet_distance(one, against).value, distances)


def _embedded(audio: Tensor, model: SoundRun) -> NDArray[np.float64]:
    parts = [logmel_embedding(log_mel(part, model.sample_rate).numpy()) for part in audio.split(BATCH)]
    return np.concatenate(parts)


def _one_gaussian(latents: Tensor, count: int, seed: int) -> Tensor:
    values = latents.double().numpy()
    covariance = np.atleast_2d(np.cov(values.T))
    drawn = np.random.default_rng(seed).multivariate_normal(values.mean(0), covariance, count, method="eigh")
    return torch.from_numpy(drawn).float()


def _crests(model: SoundRun, audio: Tensor, decoded: Tensor) -> ClickCrests | None:
    """Medians over the sounds of which the crest is defined; None where there are none."""
    representation = model.representation
    again = representation.invert(representation.analyse(audio), model.samples, "griffin-lim")
    found = [click_crest(sounds, representation.transform.hop) for sounds in (audio, again, decoded)]
    defined = np.logical_and.reduce([measured.defined for measured in found])
    if not defined.any():
        return None
    return ClickCrests(int(defined.sum()), *(float(np.median(measured.values[defined])) for measured in found))
