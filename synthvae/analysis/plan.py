"""The steps of an analysis, with their dependencies and estimated durations."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.analysis.distributions import (
    AudioDistances,
    EmbeddedTests,
    RunAudioDistances,
    embed_sounds,
    measure_nulls,
    measure_set,
)
from synthvae.analysis.latent_space import (
    PATHS,
    STEPS,
    Movement,
    Neighbourhoods,
    measure_movement,
    measure_neighbourhoods,
    parameter_paths,
)
from synthvae.analysis.map_grid import GRID_NEIGHBOURS, GridCell, measure_grid
from synthvae.analysis.results import DistanceTable, ExplainedVariance, Latents, Results, RunResults, Views
from synthvae.analysis.sound_map import sound_map
from synthvae.analysis.sounds import (
    BATCH,
    MAPPED,
    TRAIN_LIMIT,
    ErrorTable,
    RunMeasures,
    TestMeasures,
    TestSounds,
    measure_run,
    measure_tests,
    measure_train,
    measure_train_nulls,
    presets_to_map,
    render_tests,
    train_part,
)
from synthvae.audio.descriptors import describe
from synthvae.core.executor import on_threads
from synthvae.core.store import Agenda, Step, Store
from synthvae.data.presets import Dataset
from synthvae.maps.clusters import MapSettings
from synthvae.maps.nulls import COLLAPSED, NOISE, NULL_SEEDS, CollapsedEncoder, collapsed_encoder, noise_draws
from synthvae.maps.projection import map_store, pca_map, tsne_map, umap_map
from synthvae.maps.stability import LatentSurvey, SpaceSurvey, survey_draws, survey_latents
from synthvae.metrics.distances import measure_distances
from synthvae.metrics.embeddings.base import Embedding
from synthvae.metrics.reconstruction import Nulls, derangement
from synthvae.models import parse_architecture
from synthvae.naming import name_sounds
from synthvae.synths.rendering import build_synth, render_all
from synthvae.training.run import Run

__all__ = ["SURVEY_SEEDS", "MapPlan", "Work", "usual_workers"]

Rows: TypeAlias = NDArray[np.float64]

#: Version of the measurements, to be incremented when they change: older results in the store are not read.
VERSION = 10
#: Maximum number of test presets on which null models are compared by every distance.
NULL_LIMIT = 500
#: Null models that every distance is measured of.
NULLS = ("mean preset", "random preset", "silence")
#: Number of maps of the latents, each with its own seed.
SURVEY_SEEDS = (0, 1, 2)
#: Latents below which one process makes all maps: another one compiles UMAP first, for ten seconds.
FEW_LATENTS = 2000
#: Processes at most, unless more are asked for: DBCV holds the distances of the largest cluster, gigabytes of them.
MOST_WORKERS = 2

# Seconds on two cores, measured with `synthvae analyze`: of a sound on every feature, of a pair of sounds by every
# distance, of a sound's descriptors, of its name, of one map of 10,000 latents with its clusters, and of a collapsed
# encoder.
SECONDS_FEATURES, SECONDS_DISTANCES, SECONDS_DESCRIPTORS, SECONDS_NAME = 0.002, 0.018, 0.006, 0.012
SECONDS_MAP, SECONDS_ENCODER = 22.0, 4.0
#: Seconds of a sound in an embedding, where it is more than for ``logmel``.
SECONDS_EMBEDDING = {"vggish": 0.06, "vggish-windows": 0.06, "panns": 0.12, "panns-32k": 0.12, "panns-collapsed": 0.12,
                     "clap": 0.6, "encodec": 0.1}  # fmt: skip

#: Maps of the test presets, and how each is drawn; fewer presets than `LEAST_MAPPED` have none.
VIEWS: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "UMAP": umap_map,
    "PCA": lambda latents: pca_map(latents).points,
    "t-SNE": tsne_map,
}
LEAST_MAPPED = 4
#: Name of the latents among the grids of a run.
LATENTS = "latents"


@dataclass(frozen=True)
class MapPlan:
    """Settings of the latent maps and of their nulls.

    Attributes:
        settings: settings of maps and clusters.
        presets: how many are mapped.
        nulls: seeds of the nulls.
        grid: whether clusters are found over a grid of settings as well.
    """

    settings: MapSettings = field(default_factory=MapSettings)
    presets: int = MAPPED
    nulls: tuple[int, ...] = NULL_SEEDS
    grid: bool = False


def usual_workers() -> int:
    """Default number of worker processes."""
    return min(os.cpu_count() or 1, MOST_WORKERS)


class Work:
    """All measurements of `analyze` on some runs, as cached steps."""

    def __init__(
        self,
        runs: Sequence[Run],
        dataset: Dataset,
        limit: int,
        seed: int,
        store: Store,
        workers: int,
        embeddings: Sequence[Embedding],
        maps: MapPlan | None = None,
    ) -> None:
        """Plan the work; nothing is computed.

        Args:
            runs: runs with the parameters of the dataset.
            dataset: the presets.
            limit: test presets at most.
            seed: seed of everything random.
            store: where results are kept, but maps and collapsed encoders (`synthvae.maps.projection.map_store`).
            workers: processes for what takes long.
            embeddings: embeddings in which sets of sounds are compared.
            maps: settings of the maps of the latents; the thesis's by default.
        """
        self.embeddings, self.maps = embeddings, maps or MapPlan()
        self.runs, self.dataset, self.limit, self.seed, self.workers = runs, dataset, limit, seed, workers
        self.agenda, self.map_store = Agenda(store), map_store(dataset.path, store.directory)
        self.tested, self.trained = min(limit, len(dataset.indices("test"))), train_part(dataset, limit)
        self._data: list[object] = [VERSION, dataset.hash, limit, seed]
        add, tested = self.agenda.add, self.tested
        self.nulls = add(
            TestMeasures, "nulls", "null models", self._data, 5 * tested * SECONDS_FEATURES,
            lambda tell: measure_tests(self.sounds, seed, tell),
        )  # fmt: skip
        trained = min(limit, TRAIN_LIMIT, len(dataset.indices("train")))
        self.train_nulls = add(
            dict[str, Nulls], "train-nulls", "null models on training presets", self._data,
            4 * trained * SECONDS_FEATURES, lambda tell: measure_train_nulls(self.sounds, seed, tell),
        )  # fmt: skip
        self.null_distances = {name: self._add_null(name) for name in NULLS}
        self.descriptors = add(
            Rows, "descriptors", "descriptors of the test sounds", self._data, tested * SECONDS_DESCRIPTORS,
            lambda tell: self._describe(self.sounds.audio, tell),
        )  # fmt: skip
        self.parameter_paths = add(
            Rows, "parameter-paths", "straight paths through the parameters", [*self._data, PATHS, STEPS],
            PATHS * STEPS * SECONDS_DESCRIPTORS, lambda tell: self._describe_parameter_paths(),
        )  # fmt: skip
        self.names = add(
            list[str], "names", "names of the test sounds", self._data, tested * SECONDS_NAME,
            lambda tell: self._name(self.sounds.audio, tell),
        )  # fmt: skip
        self.sound_map = add(
            Rows, "sound-map", "map of the test sounds", self._data, tested * SECONDS_FEATURES,
            lambda tell: sound_map(self.sounds.audio, self.sounds.features["logmel"]),
        )  # fmt: skip
        self.embedded = {embedding.name: self._add_embedded(embedding) for embedding in self.embeddings}
        plan = self.maps
        self._drawn: list[object] = [VERSION, plan.presets, *plan.nulls]
        self.mapped_sounds = add(
            Rows, "mapped-sounds", "sounds of the mapped presets", [VERSION, dataset.hash, plan.presets],
            plan.presets * SECONDS_FEATURES, self._embed_mapped,
        )  # fmt: skip
        self._nulls: dict[object, tuple[Step[SpaceSurvey], Step[tuple[GridCell, ...]] | None]] = {}
        self.of_runs = [_RunWork(self, run) for run in runs]

    @cached_property
    def sounds(self) -> TestSounds:
        """The test sounds, rendered when they are first needed."""
        self.agenda.tell("rendering the test presets")
        settings = self.dataset.header.settings
        return render_tests(build_synth(self.dataset.parameters, settings), self.dataset, self.limit)

    @cached_property
    def mapped(self) -> Tensor:
        """The presets whose latents are mapped ``(M, P)``."""
        return presets_to_map(self.dataset, self.maps.presets)

    @property
    def survey_workers(self) -> int:
        """Processes that make maps."""
        return self.workers if self.maps.presets >= FEW_LATENTS else 1

    def noise(self, dimension: int) -> tuple[Step[SpaceSurvey], Step[tuple[GridCell, ...]] | None]:
        """The maps of noise of one dimension, and their grid where there is one; runs share them."""
        plan = self.maps
        label = f"maps of noise, {plan.presets:,} x {dimension}"
        return self._null(
            "noise", label, [dimension], 0.0, lambda tell: noise_draws(plan.presets, dimension, plan.nulls)
        )

    def collapsed(self, widths: tuple[int, ...]) -> tuple[Step[SpaceSurvey], Step[tuple[GridCell, ...]] | None]:
        """The same of collapsed encoders of some widths."""

        def draws(tell: Callable[[str], object]) -> dict[int, NDArray[np.float64]]:
            return {seed: encoder.latents for seed, encoder in self.encoders(widths, tell).items()}

        label, inputs = f"maps of collapsed encoders {'-'.join(map(str, widths))}", [self.dataset.hash, *widths]
        return self._null("collapsed", label, inputs, SECONDS_ENCODER, draws)

    def encoders(
        self, widths: tuple[int, ...], tell: Callable[[str], object] = lambda what: None
    ) -> dict[int, CollapsedEncoder]:
        """Collapsed encoders of some widths by seed, trained where they are not stored."""
        seeds = self.maps.nulls
        tell(f"{len(seeds)} collapsed encoders")
        found = on_threads(lambda seed: collapsed_encoder(self.mapped, widths, seed, store=self.map_store), seeds)
        return dict(zip(seeds, found, strict=True))

    def _null(
        self, name: str, label: str, inputs: Sequence[object], seconds: float,
        draws: Callable[[Callable[[str], object]], dict[int, NDArray[np.float64]]],
    ) -> tuple[Step[SpaceSurvey], Step[tuple[GridCell, ...]] | None]:  # fmt: skip
        key, plan = (name, *inputs), self.maps
        if key not in self._nulls:
            whole, count = [*self._drawn, *inputs, plan.settings], len(plan.nulls)
            step = self.agenda.add(
                SpaceSurvey, name, label, whole, self.map_seconds(count) + count * seconds,
                lambda tell: survey_draws(
                    draws(tell), name, plan.settings, self.survey_workers, tell, self.map_store
                ),
            )  # fmt: skip
            self._nulls[key] = step, self.add_grid(f"{name}-grid", label, whole, draws, count)
        return self._nulls[key]

    def add_grid(
        self, name: str, label: str, inputs: Sequence[object],
        draws: Callable[[Callable[[str], object]], dict[int, NDArray[np.float64]]], maps: int,
    ) -> Step[tuple[GridCell, ...]] | None:  # fmt: skip
        """The clusters of some draws over a grid of settings, where one is asked for."""
        if not self.maps.grid:
            return None
        return self.agenda.add(
            tuple[GridCell, ...], name, f"{label}, grid", inputs, self.map_seconds(maps * len(GRID_NEIGHBOURS)),
            lambda tell: measure_grid(
                draws(tell), label, self.maps.settings, self.survey_workers, tell, self.map_store
            ),
        )  # fmt: skip

    def map_seconds(self, maps: int) -> float:
        """Estimate of what some maps take."""
        return maps * SECONDS_MAP * self.maps.presets / 10_000

    def _embed_mapped(self, tell: Callable[[str], object]) -> Rows:
        settings = self.dataset.header.settings
        voice = build_synth(self.dataset.parameters, settings)
        logmel = next(embedding for embedding in self.embeddings if embedding.name == "logmel")
        return self.embed(logmel, render_all(voice, self.mapped, BATCH), tell)

    def results(self) -> Results:
        """Compute the missing steps and return all results."""
        self.agenda.run()
        runs = tuple(work.results() for work in self.of_runs)
        return Results(
            self.sounds,
            self.nulls.result,
            self.train_nulls.result,
            {name: step.result for name, step in self.null_distances.items()},
            {name: step.result for name, step in self.embedded.items()},
            self.descriptors.result,
            self.names.result,
            self.sound_map.result,
            self.mapped,
            runs,
        )

    def distances(self, target: Tensor, answers: Tensor, tell: Callable[[str], object]) -> DistanceTable:
        """Distances of sounds ``(N, T)`` to their targets."""
        rate, count = self.dataset.header.settings.sample_rate, len(target)
        return measure_distances(target, answers, rate, lambda done: tell(f"{done} of {count}"))

    def _add_null(self, name: str) -> Step[DistanceTable]:
        return self.agenda.add(
            DistanceTable, f"null-{name.replace(' ', '-')}", f"distances of the {name}", self._data,
            min(self.tested, NULL_LIMIT) * SECONDS_DISTANCES,
            lambda tell: self._null_distances(name, tell),
        )  # fmt: skip

    def _add_embedded(self, embedding: Embedding) -> Step[EmbeddedTests]:
        return self.agenda.add(
            EmbeddedTests, f"embedded-{embedding.name}", f"test and training sounds in {embedding.name}",
            [*self._data, embedding.fingerprint],
            (self.tested + self.trained) * SECONDS_EMBEDDING.get(embedding.name, 0.002),
            lambda tell: self._embed_tests(embedding, tell),
        )  # fmt: skip

    def _embed_tests(self, embedding: Embedding, tell: Callable[[str], object]) -> EmbeddedTests:
        rate = self.dataset.header.settings.sample_rate
        rows, train_rows = (
            self.embed(embedding, audio.split(BATCH), tell) for audio in (self.sounds.audio, self.sounds.train_audio)
        )
        mean_preset = embedding.embed(self.sounds.mean_audio, rate)
        nulls = measure_nulls(rows, mean_preset, self.seed, embedding.per_sound)
        return EmbeddedTests(embedding.name, embedding.per_sound, rows, train_rows, nulls)

    def embed(
        self, embedding: Embedding, audio: Iterable[Tensor], tell: Callable[[str], object]
    ) -> NDArray[np.float64]:
        """Rows ``(N, D)`` of sounds that come in parts ``(B, T)``."""
        rate = self.dataset.header.settings.sample_rate
        return embed_sounds(embedding, audio, rate, lambda done: tell(f"{done} sounds"))

    def _null_distances(self, name: str, tell: Callable[[str], object]) -> DistanceTable:
        every = self.sounds.audio
        audio = every[:NULL_LIMIT]
        if name != "random preset":
            answer = self.sounds.mean_audio if name == "mean preset" else torch.zeros_like(self.sounds.mean_audio)
            return self.distances(audio, answer.expand_as(audio), tell)
        others = torch.from_numpy(derangement(len(every), self.seed)[: len(audio)])
        return self.distances(audio, every[others], tell)

    def _name(self, audio: Tensor, tell: Callable[[str], object]) -> list[str]:
        rate = self.dataset.header.settings.sample_rate
        return [named.name for named in name_sounds(audio, rate, lambda done: tell(f"{done} of {len(audio)}"))]

    def _describe_parameter_paths(self) -> Rows:
        synth = build_synth(self.dataset.parameters, self.dataset.header.settings)
        return parameter_paths(synth, self.sounds.unit, self.descriptors.result, self.seed)

    def _describe(self, audio: Tensor, tell: Callable[[str], object]) -> Rows:
        rate = self.dataset.header.settings.sample_rate
        return describe(audio, rate, progress=lambda done: tell(f"{done} of {len(audio)}"))


class _RunWork:
    """The steps of one run."""

    def __init__(self, work: Work, run: Run) -> None:
        self.work, self.run = work, run
        weights = hashlib.sha256((run.path / "weights.safetensors").read_bytes()).hexdigest()
        inputs = [*work._data, weights]
        add, name, tested = work.agenda.add, run.name, work.tested
        self.sounds = add(
            RunMeasures, "sounds", f"{name}: errors", inputs, 3 * tested * SECONDS_FEATURES,
            lambda tell: measure_run(run, work.sounds, tell),
        )  # fmt: skip
        self.train_sounds = add(
            ErrorTable, "train-sounds", f"{name}: errors of training presets", inputs,
            min(tested, TRAIN_LIMIT) * SECONDS_FEATURES, lambda tell: measure_train(run, work.sounds, tell),
        )  # fmt: skip
        self.distances = add(
            DistanceTable, "distances", f"{name}: distances", inputs, tested * SECONDS_DISTANCES,
            lambda tell: work.distances(work.sounds.audio, self._render(self.sounds.result.unit), tell),
        )  # fmt: skip
        self.train_distances = add(
            DistanceTable, "train-distances", f"{name}: distances of training presets", inputs,
            min(tested, TRAIN_LIMIT) * SECONDS_DISTANCES, self._train_distances,
        )  # fmt: skip
        plan = work.maps
        widths = parse_architecture(run.config.architecture, len(run.parameters), run.config.latent)
        nulls = {NOISE: work.noise(run.latent_size), COLLAPSED: work.collapsed(widths)}
        mapped = [*inputs, *work._drawn, *SURVEY_SEEDS, plan.settings]
        self.widths, self.nulls = widths, {null: survey for null, (survey, _) in nulls.items()}
        self.survey = add(
            SpaceSurvey, "survey", f"{name}: maps of latents", mapped, work.map_seconds(len(SURVEY_SEEDS)),
            lambda tell: survey_latents(
                self.latents.mapped, SURVEY_SEEDS, plan.settings, work.survey_workers, tell, work.map_store
            ),
        )  # fmt: skip
        own_grid = work.add_grid(
            "grid", f"{name}: maps of latents", mapped,
            lambda tell: dict.fromkeys(SURVEY_SEEDS, self.latents.mapped), len(SURVEY_SEEDS),
        )  # fmt: skip
        grids = {LATENTS: own_grid} | {null: grid for null, (_, grid) in nulls.items()}
        self.grids = {of: grid for of, grid in grids.items() if grid is not None}
        self.neighbourhoods = add(
            Neighbourhoods, "neighbourhoods", f"{name}: neighbourhoods", mapped, 0.005 * tested,
            lambda tell: measure_neighbourhoods(
                self.latents.test, work.embedded["logmel"].result.rows, self.latents.mapped,
                work.mapped_sounds.result, self.survey.result, work.seed,
            ),
        )  # fmt: skip
        self.movement = add(
            Movement, "movement", f"{name}: paths", [*inputs, "exact ends"], 2 * PATHS * STEPS * SECONDS_DESCRIPTORS,
            lambda tell: measure_movement(
                run, work.sounds.unit, work.descriptors.result, work.parameter_paths.result, work.seed, tell
            ),
        )  # fmt: skip
        self.views = add(Views, "views", f"{name}: maps of the test presets", inputs, 0.01 * tested, self._views)
        self.sets = {
            embedding.name: add(
                RunAudioDistances, f"sets-{embedding.name}", f"{name}: distances of sets, {embedding.name}",
                [*inputs, embedding.fingerprint],
                (2 * tested + work.trained) * SECONDS_EMBEDDING.get(embedding.name, 0.002),
                partial(self._sets, embedding),
            )
            for embedding in work.embeddings
        }  # fmt: skip

    @cached_property
    def latents(self) -> Latents:
        """Posterior means of presets; not cached."""
        test = self.work.dataset.split("test", self.work.tested)
        encoded, mapped = (self.run.encode(unit).double().numpy() for unit in (test, self.work.mapped))
        return Latents(encoded, mapped)

    def results(self) -> RunResults:
        """Return all results, computing the missing ones."""
        return RunResults(
            self.run,
            self.sounds.result,
            self.train_sounds.result,
            self.distances.result,
            self.train_distances.result,
            self.latents,
            LatentSurvey(self.survey.result, self.nulls[NOISE].result, self.nulls[COLLAPSED].result),
            self.neighbourhoods.result,
            self.movement.result,
            {name: step.result for name, step in self.sets.items()},
            self.views.result,
            {name: step.result for name, step in self.grids.items()},
            {seed: encoder.kl for seed, encoder in self.work.encoders(self.widths).items()},
        )

    def _sets(self, embedding: Embedding, tell: Callable[[str], object]) -> RunAudioDistances:
        run, seed, tests = self.run, self.work.seed, self.work.embedded[embedding.name].result

        def measure(reference: NDArray[np.float64], unit: Tensor) -> AudioDistances:
            rows = self.work.embed(embedding, render_all(run.voice, unit, BATCH), tell)
            return measure_set(reference, rows, seed, tests.per_sound)

        return RunAudioDistances(
            measure(tests.rows, self.sounds.result.unit),
            measure(tests.train_rows, run.decode(run.encode(self.work.sounds.train_unit))),
            measure(tests.rows, run.sample(self.work.tested, seed)),
        )

    def _views(self, tell: Callable[[str], object]) -> Views:
        latents, maps = self.latents.test, {}
        if len(latents) < LEAST_MAPPED:
            return Views({}, ExplainedVariance(None, None))
        for name, draw in VIEWS.items():
            tell(name)
            maps[name] = draw(latents)
        noise = np.random.default_rng(self.work.seed).standard_normal(latents.shape)
        shares = [float(pca_map(points).explained[:2].sum()) for points in (latents, noise)]
        return Views(maps, ExplainedVariance(shares[0] or None, shares[1]))

    def _train_distances(self, tell: Callable[[str], object]) -> DistanceTable:
        unit = self.work.sounds.train_unit[:TRAIN_LIMIT]
        target = self.work.sounds.train_audio[:TRAIN_LIMIT]
        return self.work.distances(target, self._render(self.run.decode(self.run.encode(unit))), tell)

    def _render(self, unit: Tensor) -> Tensor:
        return torch.cat(list(render_all(self.run.voice, unit, BATCH)))
