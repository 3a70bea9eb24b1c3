"""Measurements of a run on recorded sounds: reconstructions, latents, draws and clicks, with model-free baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.analysis.sound_sets import RoundTrips, SoundSets, compare_sets, map_positions, measure_round_trips, see
from synthvae.core.errors import UserError
from synthvae.core.randomness import generator
from synthvae.core.store import Agenda, Step, Store
from synthvae.data.library import Library, read_library
from synthvae.features import log_mel
from synthvae.features.representations import Encoded
from synthvae.features.representations.stft import PublishedStft
from synthvae.maps.projection import umap_map
from synthvae.metrics.clicks import click_crest
from synthvae.metrics.distances import log_spectral
from synthvae.metrics.frechet import GaussianStatistics, frechet_distance, frechet_floor
from synthvae.metrics.programs import difference_grade, fingerprint_agreement, installed
from synthvae.metrics.reconstruction import Summary, preset_errors, summarise
from synthvae.metrics.visqol import visqol, visqol_installed
from synthvae.training.sound_quality import JUDGED, SoundErrors, SoundQuality, sound_errors
from synthvae.training.sounds import PRIORS, SoundRun, own_library
from synthvae.training.tasks.spectrogram import ACTIVE_VARIANCE, CHUNK, conditions

__all__ = [
    "ONE_GAUSSIAN",
    "ChannelAccuracies",
    "ChannelAccuracy",
    "ClickCrests",
    "DecodedSounds",
    "DrawDistances",
    "DrawnSounds",
    "LatentUse",
    "RunMeasurement",
    "SoundComparison",
    "SoundWork",
    "channel_accuracies",
    "click_crests",
    "decode_sounds",
    "draw_sounds",
    "find_library",
    "latent_use",
    "measure_run",
    "spread_rows",
]

Result = TypeVar("Result")

#: Sounds that are drawn for the Fréchet distance, at most, and decoded for log-mel errors and click crests.
DRAWS, COMPARED = 400, 60
#: Number of sounds scored by external programs, which take a second for each; and these programs by name: whether it is
#: installed, and its scores of sounds against their originals.
SCORED = 20
SCORES: Mapping[str, tuple[Callable[[], bool], Callable[[Tensor, Tensor, int], NDArray[np.float64]]]] = {
    "visqol": (visqol_installed, visqol),
    "odg": (partial(installed, "peaq"), difference_grade),
    "fingerprint": (partial(installed, "fpcalc"), fingerprint_agreement),
}
#: Latents that are laid out on a map, at most: UMAP takes two seconds for these.
MAPPED = 1000
#: Dimensions of the embedding of the Fréchet distance: a covariance of full rank takes one sound more.
DIMENSIONS = 64
BATCH = 50
#: Version of the measurements, to be incremented when they change: older results in the store are not read.
VERSION = 2
#: Seconds on two cores, for each second of a sound that is analysed, and of one that is decoded and compared.
SECONDS_ANALYSED, SECONDS_DECODED = 0.002, 0.015
#: Added to the energy of a sound in the published accuracy.
ACCURACY_FLOOR = 1e-8
#: A single Gaussian, fitted to the latents of the training sounds, as a distribution that latents are drawn from.
ONE_GAUSSIAN = "one gaussian"
#: Sounds at positions drawn evenly over the map.
MAP = "map"


@dataclass(frozen=True)
class DecodedSounds:
    """Errors of sounds against the originals, in dB.

    Log-mel errors, the mean absolute difference over bands and frames of each, or log-spectral distances.

    Attributes:
        sounds: how many test sounds were compared.
        reconstructions: error of what the run decodes.
        recovered: error of the originals' own spectrograms turned back into sound, the floor of the representation.
        mean_sound: error of the mean training spectrogram as a sound, for every original.
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
        variance: variance of the latents without noise over the sounds, of each dimension.
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
        sounds: number of sounds for which it is defined.
        originals: crest of the test sounds.
        griffin_lim: crest of their spectrograms with a phase by Griffin-Lim.
        reconstructions: crest of what the run decodes.
    """

    sounds: int
    originals: float
    griffin_lim: float
    reconstructions: float


@dataclass(frozen=True)
class ChannelAccuracy:
    """Accuracy after García López (2025), in percent: max(0, 1 - |x - y|² / |x|²) of each sound, mean over sounds.

    Attributes:
        both: accuracy of magnitude and phase together, as published.
        magnitude: accuracy of the magnitude alone.
        phase: accuracy of the phase in radians alone.
    """

    both: float
    magnitude: float
    phase: float


@dataclass(frozen=True)
class ChannelAccuracies:
    """Accuracies of spectrograms of magnitude and phase, of some of the test sounds.

    Attributes:
        model: accuracy of what the run decodes.
        zero_phase: accuracy of the exact magnitude with a phase of zero, which rises with the size of the transform by
            itself.
        mean: accuracy of the mean spectrogram of these sounds.
    """

    model: ChannelAccuracy
    zero_phase: ChannelAccuracy
    mean: ChannelAccuracy


@dataclass(frozen=True)
class SoundComparison:
    """What is measured of sounds, not of spectrograms.

    Attributes:
        decoded: log-mel errors.
        linear: the same over linear frequency.
        accuracy: None where the representation is not magnitude and phase as García López (2025) has them.
        rows: numbers of the sounds that these are of.
        errors: errors of the reconstruction of each of them, in dB.
        crest: None where no sound is long enough.
    """

    decoded: DecodedSounds
    linear: DecodedSounds
    accuracy: ChannelAccuracies | None
    rows: tuple[int, ...]
    errors: tuple[float, ...]
    crest: ClickCrests | None


@dataclass(frozen=True)
class DrawnSounds:
    """What is measured of sets of sounds; None where there are too few training sounds.

    Attributes:
        distances: distances of draws by what latents are drawn from.
        sets: sets of sounds beside the training sounds.
        trips: round trips over maps; None also for networks that encode frames, a sound of which is no point of a map.
    """

    distances: DrawDistances | None
    sets: SoundSets | None
    trips: RoundTrips | None


@dataclass(frozen=True)
class ProgramScore:
    """Scores by a program or package of others, means over the sounds that have all of them.

    Attributes:
        sounds: test sounds that were given to it.
        scored: those that have a score, reconstructed and recovered.
        missing: share of the reconstructions without a score.
        reconstructions: mean of what the run decodes; null where nothing was scored.
        recovered: score of the originals' own spectrograms turned back into sound, the cost of the representation
            itself.
    """

    sounds: int
    scored: int
    missing: float
    reconstructions: float | None
    recovered: float | None


@dataclass(frozen=True)
class ProgramScores:
    """Scores of reconstructions by what is installed of ViSQOL, PEAQ and Chromaprint.

    Attributes:
        scores: scores by name: `visqol`, an opinion from 1 to about 4.7; `odg`, PEAQ's grade from 0 to about -4;
            `fingerprint`, the share of equal bits, 0.5 by chance.
    """

    scores: Mapping[Annotated[str, "score"], ProgramScore]


@dataclass(frozen=True)
class RunMeasurement:
    """Figures of a run.

    Attributes:
        name: name of the run.
        steps: number of training steps up to the best epoch.
        seconds: duration of the training in seconds.
        errors: errors of the spectrogram of each test sound.
        compared: log-mel errors and click crests.
        latents: use of the latent space.
        drawn: sets of sounds: draws, reconstructions and sounds at positions of the map.
        programs: scores by ViSQOL, PEAQ and Chromaprint, where these are installed.
    """

    name: str
    steps: int
    seconds: float
    errors: SoundErrors
    compared: SoundComparison
    latents: LatentUse
    drawn: DrawnSounds
    programs: ProgramScores

    @property
    def draws(self) -> DrawDistances | None:
        """Distances of draws; None where there are too few training sounds."""
        return self.drawn.distances

    @property
    def decoded(self) -> DecodedSounds:
        """Log-mel errors."""
        return self.compared.decoded

    @property
    def crest(self) -> ClickCrests | None:
        """Click crests; None where no sound is long enough."""
        return self.compared.crest

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
        library: library that the runs were trained on.
        seed: seed of draws and halves.
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
            library: library that the runs were trained on.
            seed: seed of draws and halves.
            limit: largest number of test sounds.
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
        each = min(DRAWS, train // 2)
        draws = (len(PRIORS) + 2 + len(priors)) * each + min(each, len(library.rows("test"))) + 4 * min(COMPARED, train)
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
            lambda: latent_use(model, library, errors.result.rows, seed),
        )
        compared = add(
            SoundComparison,
            "sounds",
            [limit],
            train,
            5 * min(COMPARED, tests),
            lambda: _compare_sounds(model, library, errors.result.rows),
        )
        drawn = add(
            DrawnSounds,
            "draws",
            [seed],
            train,
            draws,
            lambda: _draws(model, library, seed, priors),
        )

        there = [name for name in SCORES if SCORES[name][0]()]
        programs = add(
            ProgramScores,
            "programs",
            [limit, there],
            0,
            len(there) * 4 * min(SCORED, tests),
            lambda: _program_scores(model, library, errors.result.rows, there),
        )

        def together() -> RunMeasurement:
            epoch = model.config.epoch_steps or -(-train // model.config.batch_size)
            return RunMeasurement(
                name,
                (int(model.run.state["best_epoch"]) + 1) * epoch,
                float(model.run.state["seconds"]),
                errors.result,
                compared.result,
                latents.result,
                drawn.result,
                programs.result,
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


def _compare_sounds(model: SoundRun, library: Library, rows: Sequence[int]) -> SoundComparison:
    chosen = spread_rows(rows, COMPARED)
    audio, decoded = _audio(library, chosen), decode_sounds(model, library, chosen)
    errors, linear = _decoded_errors(model, library, audio, decoded)
    return SoundComparison(
        DecodedSounds(len(chosen), *map(summarise, errors)),
        DecodedSounds(len(chosen), *map(summarise, linear)),
        channel_accuracies(model, library, chosen),
        tuple(chosen),
        tuple(errors[0].tolist()),
        click_crests(model, audio, decoded),
    )


def _program_scores(model: SoundRun, library: Library, rows: Sequence[int], names: Sequence[str]) -> ProgramScores:
    if not names:
        return ProgramScores({})
    chosen = spread_rows(rows, SCORED)
    audio = _audio(library, chosen)
    recovered = model.representation.invert(model.representation.analyse(audio), model.samples)
    decoded, found = decode_sounds(model, library, chosen), {}
    for name in names:
        own, floor = (SCORES[name][1](audio, sounds, model.sample_rate) for sounds in (decoded, recovered))
        both = np.isfinite(own) & np.isfinite(floor)
        means = [float(scores[both].mean()) if both.any() else None for scores in (own, floor)]
        found[name] = ProgramScore(len(chosen), int(both.sum()), float(np.isnan(own).mean()), *means)
    return ProgramScores(found)


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


def latent_use(model: SoundRun, library: Library, rows: Sequence[int], seed: int = 0) -> LatentUse:
    """Use of the latent space by some items of a library."""
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
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Errors ``(N,)`` of reconstructions, of the originals' own spectrograms, and of the mean sound, in dB.

    Log-mel errors, and log-spectral distances over linear frequency.
    """
    representation, rate = model.representation, model.sample_rate
    recovered = representation.invert(representation.analyse(audio), model.samples)
    answers = decoded, recovered, _mean_sound(model, library).expand(audio.shape)
    target = log_mel(audio, rate).numpy()
    errors = [preset_errors(target, log_mel(sounds, rate).numpy()).l1 for sounds in answers]
    return errors, [log_spectral(audio, sounds, rate).values for sounds in answers]


def channel_accuracies(model: SoundRun, library: Library, rows: list[int]) -> ChannelAccuracies | None:
    """Accuracies of magnitude and phase; None for other representations."""
    if not isinstance(model.representation, PublishedStft):
        return None
    condition = conditions(library, model.config.condition)[rows]
    values, level = model.representation.analyse(_audio(library, rows))
    answer = model.spectrograms(model.model.embed(values, level, condition), condition, values.shape[3]).values
    silent = values.clone()
    silent[:, 1] = 0.0
    return ChannelAccuracies(
        *(_accuracy(values, found) for found in (answer, silent, values.mean(0, keepdim=True).expand_as(values)))
    )


def _accuracy(values: Tensor, answers: Tensor) -> ChannelAccuracy:
    """Accuracies of answers ``(N, 2, H, W)``."""
    errors, energy = ((part.double().square().sum((2, 3))) for part in (values - answers, values))

    def percent(error: Tensor, of: Tensor) -> float:
        return float((1.0 - error / (of + ACCURACY_FLOOR)).clamp_min(0.0).mean()) * 100.0

    channels = [percent(errors[:, channel], energy[:, channel]) for channel in (0, 1)]
    return ChannelAccuracy(percent(errors.sum(1), energy.sum(1)), *channels)


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


def _draws(model: SoundRun, library: Library, seed: int, priors: Mapping[str, Callable[[int], Tensor]]) -> DrawnSounds:
    """Sets of sounds; nothing where half of the training sounds have no covariance of full rank."""
    train, rate = library.rows("train"), model.sample_rate
    count = min(DRAWS, len(train) // 2)
    if count <= DIMENSIONS:
        return DrawnSounds(None, None, None)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(train))[: 2 * count] + train.start)
    real = see(_audio(library, chosen), rate)
    against = GaussianStatistics.of(real.embedding)
    each = count * model.latents_per_sound
    latents = {prior: model.sample(each, seed, prior) for prior in PRIORS}
    latents[ONE_GAUSSIAN] = _one_gaussian(model.training_latents(), each, seed)
    latents |= {name: draw(each) for name, draw in priors.items()}
    trips = None
    if model.latents_per_sound == 1:
        laid = spread_rows(range(len(train)), MAPPED)
        own = model.training_latents()[laid]
        places = umap_map(own.numpy(), seed)
        latents[MAP] = map_positions(own, places, count, seed)
        compared = np.array(spread_rows(range(len(laid)), COMPARED))
        given = conditions(library, model.config.condition)[np.array(laid)[compared] + train.start]
        trips = measure_round_trips(own, places, compared, lambda rows: _decoded(model, rows, given), rate)
    seen = {name: see(draw_sounds(model, library, drawn, seed)[0], rate) for name, drawn in latents.items()}
    distances = {
        name: frechet_distance(GaussianStatistics.of(found.embedding), against).value
        for name, found in seen.items()
        if name != MAP
    }
    copies = np.zeros_like(against.covariance)
    one = GaussianStatistics(count, see(_mean_sound(model, library), rate).embedding[0], copies)
    floor = frechet_floor(real.embedding, seed).value
    tests = spread_rows(library.rows("test"), count)
    sets = {
        "test": see(_audio(library, tests), rate),
        "reconstructions": see(decode_sounds(model, library, tests), rate),
    }
    sets |= {name: seen[name] for name in (*PRIORS, MAP) if name in seen}
    numbers = pd.Categorical(library.items["label"].astype(str), categories=library.labels).codes
    return DrawnSounds(
        DrawDistances(count, floor, frechet_distance(one, against).value, distances),
        compare_sets(real, sets, numbers[chosen], numbers[tests], library.labels, seed),
        trips,
    )


def _one_gaussian(latents: Tensor, count: int, seed: int) -> Tensor:
    values = latents.double().numpy()
    covariance = np.atleast_2d(np.cov(values.T))
    drawn = np.random.default_rng(seed).multivariate_normal(values.mean(0), covariance, count, method="eigh")
    return torch.from_numpy(drawn).float()


def click_crests(model: SoundRun, audio: Tensor, decoded: Tensor) -> ClickCrests | None:
    """Medians over the sounds of which the crest is defined; None where there are none."""
    representation = model.representation
    again = representation.invert(representation.analyse(audio), model.samples, "griffin-lim")
    found = [click_crest(sounds, representation.transform.hop) for sounds in (audio, again, decoded)]
    defined = np.logical_and.reduce([measured.defined for measured in found])
    if not defined.any():
        return None
    return ClickCrests(int(defined.sum()), *(float(np.median(measured.values[defined])) for measured in found))
