"""``metrics.json``: schema and content of all numbers of an analysis.

The dataclasses here, and those they hold, are the schema: their fields are the keys and their docstrings what
``docs/metrics.md`` says of each. ``python -m synthvae.report.metrics_json > docs/metrics.md`` writes it anew.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin, get_type_hints

from synthvae.analysis.comparison import Comparisons
from synthvae.analysis.distributions import AudioDistanceNulls, RunAudioDistances
from synthvae.analysis.latent_space import Neighbourhoods, PathComparisons
from synthvae.analysis.recorded_sounds import (
    ChannelAccuracies,
    ClickCrests,
    DecodedSounds,
    DrawDistances,
    LatentUse,
    ProgramScore,
    RunMeasurement,
)
from synthvae.analysis.results import DistanceTable, ExplainedVariance, Results, RunResults
from synthvae.analysis.saved import FORMAT, VERSION
from synthvae.analysis.sound_sets import RoundTrips, SoundSets
from synthvae.analysis.sounds import FEATURE_UNITS, ErrorTable
from synthvae.core.provenance import hardware, versions
from synthvae.data.library import Library
from synthvae.data.presets import Dataset
from synthvae.maps.clusters import ClusterQuality, MapSettings
from synthvae.maps.stability import SurveyRow
from synthvae.metrics.distances import DISTANCES
from synthvae.metrics.paths import ParameterEffects
from synthvae.metrics.reconstruction import Nulls, Ratio, Summary, error_ratio, summarise
from synthvae.metrics.statistics import CountTest, GroupComparison
from synthvae.metrics.waveforms import PHASE_JUDGES, WAVEFORM_UNITS, WaveformErrors, WaveformNulls
from synthvae.training.sound_quality import SoundQuality

__all__ = ["MetricsDocument", "SoundMetricsDocument", "describe", "metrics_document", "sound_metrics_document"]

#: Of the ``metrics.json`` of runs on recorded sounds.
SOUND_FORMAT, SOUND_VERSION = "synthvae-sound-analysis", 2

# Keys that are no fields: what stands for each in docs/metrics.md.
RunName: TypeAlias = Annotated[str, "run"]
GroupName: TypeAlias = Annotated[str, "group"]
FeatureName: TypeAlias = Annotated[str, "feature"]
DistanceName: TypeAlias = Annotated[str, "distance"]
MeasureName: TypeAlias = Annotated[str, "measure"]
EmbeddingName: TypeAlias = Annotated[str, "embedding"]
NullName: TypeAlias = Annotated[str, "null model"]
PointsName: TypeAlias = Annotated[str, "points"]
LabelName: TypeAlias = Annotated[str, "label"]


@dataclass(frozen=True)
class MeanErrors:
    """Errors of a null model on one feature, mean over presets.

    Attributes:
        mse: mean squared error, in the feature's unit squared.
        l1: mean absolute error, in the feature's unit.
    """

    mse: float
    l1: float


@dataclass(frozen=True)
class FeatureErrors:
    """Errors of reconstructions on one feature of their sounds.

    Attributes:
        unit: unit of the feature.
        mse: mean squared error of each preset, in the unit squared.
        l1: mean absolute error of each preset, in the unit.
        mse_relative_to_mean_preset: mean of `mse` over that of the mean preset, 0.5 in every unit parameter.
        mse_relative_to_mean_spectrogram: mean of `mse` over that of the mean of the targets' features.
    """

    unit: str
    mse: Summary
    l1: Summary
    mse_relative_to_mean_preset: Ratio
    mse_relative_to_mean_spectrogram: Ratio


@dataclass(frozen=True)
class DistanceSummary:
    """A distance of sounds to their targets, over presets.

    Attributes:
        unit: unit of the distance; empty for a plain ratio.
        defined: presets for which it is defined.
        summary: over these; null where there are none.
    """

    unit: str
    defined: int
    summary: Summary | None


@dataclass(frozen=True)
class WaveformSummary:
    """A measure of waveforms against their targets, phase included, over presets.

    Attributes:
        unit: unit of the measure.
        summary: over presets.
    """

    unit: str
    summary: Summary


@dataclass(frozen=True)
class WaveformMetrics(WaveformSummary):
    """A measure of a run's waveforms beside that of null models.

    Attributes:
        relative_to: mean over that of each null model; empty for measures that are no errors.
    """

    relative_to: Mapping[NullName, Ratio]


@dataclass(frozen=True)
class ReconstructionMetrics:
    """Reconstructed presets against their targets, sound by sound.

    Attributes:
        features: errors on each feature (`logmel`, `stft`, `mfcc`, `cqt`).
        distances: each distance between two sounds (`spectral_convergence`, `f0_error`, `onset_error`, `attack_error`,
            `energy_weighted_logmel` and others).
        parameter_squared_error: squared L2 distance over all unit parameters.
    """

    features: Mapping[FeatureName, FeatureErrors]
    distances: Mapping[DistanceName, DistanceSummary]
    parameter_squared_error: Summary


@dataclass(frozen=True)
class MapParameters:
    """Settings of UMAP and of DBSCAN on its map, under the names that umap-learn and scikit-learn have for them.

    Attributes:
        n_neighbors: UMAP's number of neighbours.
        min_dist: UMAP's minimum distance between points on the map.
        eps: DBSCAN's radius on the map.
        min_samples: points in a neighbourhood, itself included, that make a core point of DBSCAN.
    """

    n_neighbors: int
    min_dist: float
    eps: float
    min_samples: int

    @staticmethod
    def of(settings: MapSettings) -> dict[str, Any]:
        """The settings of a map under these names."""
        return {
            "n_neighbors": settings.neighbours,
            "min_dist": settings.min_distance,
            "eps": settings.eps,
            "min_samples": settings.min_samples,
        }


@dataclass(frozen=True)
class MapMetrics(MapParameters):
    """Settings of the map of a run's latents.

    Attributes:
        presets: number of mapped presets.
    """

    presets: int


@dataclass(frozen=True)
class ClusteringMetrics(ClusterQuality):
    """One clustering of the latents or of a null.

    Attributes:
        data: `latents`, or the name of the null.
        space: `UMAP map` or `latent space`.
        method: `DBSCAN` or `HDBSCAN`.
        seed: seed of the map; null in the latent space.
        eps: DBSCAN's radius, in the unit of the points; null for HDBSCAN.
        silhouette: mean silhouette of the points in clusters (of 3,000 drawn where there are more), -1 to 1; null where
            there are no two clusters.
    """

    data: str
    space: str
    method: str
    seed: int | None
    eps: float | None
    silhouette: float | None


@dataclass(frozen=True)
class GridMetrics(MapParameters, ClusterQuality):
    """DBSCAN on one map, at one cell of the grid of settings.

    Attributes:
        map: number of the map, from 0.
    """

    map: int


@dataclass(frozen=True)
class EffectMetrics:
    """Movement of the latent when one parameter alone is moved over its range.

    Attributes:
        presets: number of presets.
        r_squared: share of the movement that straight lines explain, weighted by squared movement; null where nothing
            moves.
        r_squared_by_chance: mean `r_squared` where latents do not depend on the parameter.
    """

    presets: int
    r_squared: float | None
    r_squared_by_chance: float


@dataclass(frozen=True)
class RunMetrics:
    """Measurements of one run.

    Attributes:
        test: reconstructions of the test presets.
        training: reconstructions of presets that were trained on.
        waveforms: the test presets' waveforms, by measure (`complex_stft`, `waveform`, `decorrelation`, `lag`,
            `level_slope`).
        audio_distances: distances of sets of sounds, by embedding; `logmel` is always among them.
        kl_divergence: mean over test presets, in nats, of each latent dimension.
        map: how the latents are mapped and clustered.
        clusters: all clusterings of the latents and of each null.
        clusters_against_nulls: one entry per space and method, over all seeds.
        clusters_by_settings: over a grid of settings, of the latents and of each null; empty unless asked for.
        collapsed_encoder_kl_divergence: remaining KL divergence of each collapsed encoder, a null model, in nats.
        explained_variance_ratio: share of the variance that PCA explains.
        neighbourhoods: neighbourhoods of latents, of their sounds and on the map.
        interpolation: smoothness of descriptors along paths.
        parameter_effects: effects of single parameters on the latent.
    """

    test: ReconstructionMetrics
    training: ReconstructionMetrics
    waveforms: Mapping[MeasureName, WaveformMetrics]
    audio_distances: Mapping[EmbeddingName, RunAudioDistances]
    kl_divergence: tuple[float, ...]
    map: MapMetrics
    clusters: tuple[ClusteringMetrics, ...]
    clusters_against_nulls: tuple[SurveyRow, ...]
    clusters_by_settings: Mapping[PointsName, tuple[GridMetrics, ...]]
    collapsed_encoder_kl_divergence: tuple[float, ...]
    explained_variance_ratio: ExplainedVariance
    neighbourhoods: Neighbourhoods
    interpolation: PathComparisons
    parameter_effects: EffectMetrics


@dataclass(frozen=True)
class NullMetrics:
    """Null models and other figures that need no trained model.

    Attributes:
        test: errors on the test presets, by feature.
        training: errors on training presets, by feature.
        distances: distances of each null model (`mean preset`, `random preset`, `silence`) to the test sounds.
        waveforms: errors of the samples of each null model against the test sounds.
        audio_distances: distances of sets of sounds, by embedding.
    """

    test: Mapping[FeatureName, Mapping[NullName, MeanErrors]]
    training: Mapping[FeatureName, Mapping[NullName, MeanErrors]]
    distances: Mapping[NullName, Mapping[DistanceName, DistanceSummary]]
    waveforms: Mapping[NullName, Mapping[MeasureName, WaveformSummary]]
    audio_distances: Mapping[EmbeddingName, AudioDistanceNulls]


@dataclass(frozen=True)
class AcrossRuns:
    """Runs compared with each other.

    Attributes:
        unit: `preset` or `seed`: the unit of observation in a group.
        groups: names of each group's runs.
        errors: comparison of errors by measure (`L1 error on logmel` and others); less is better.
        chi_squared: test of independence, by what is counted.
    """

    unit: str
    groups: Mapping[GroupName, tuple[RunName, ...]]
    errors: Mapping[MeasureName, GroupComparison]
    chi_squared: Mapping[Annotated[str, "counted"], CountTest]


@dataclass(frozen=True)
class MetricsDocument:
    """The content of `metrics.json`.

    Attributes:
        format: `synthvae-analysis`.
        version: version of the format; a file of another version is recomputed, not read.
        dataset_hash: hash of the dataset.
        parameter_hash: hash of its parameter space.
        test_presets: number of the first test preset in the dataset, and one more than that of the last.
        seed: seed of everything random.
        versions: versions of Python and of packages that numbers depend on.
        hardware: the machine, in words.
        nulls: null models, and other figures that need no model.
        runs: measurements of each run.
        across_runs: tests of differences between runs; null where there is one run.
    """

    format: str
    version: int
    dataset_hash: str
    parameter_hash: str
    test_presets: tuple[int, int]
    seed: int
    versions: Mapping[Annotated[str, "package"], str]
    hardware: Mapping[Annotated[str, "part"], str]
    nulls: NullMetrics
    runs: Mapping[RunName, RunMetrics]
    across_runs: AcrossRuns | None


def metrics_document(results: Results, comparisons: Comparisons | None, dataset: Dataset, seed: int) -> MetricsDocument:
    """Every number of an analysis, for ``metrics.json``."""
    return MetricsDocument(
        FORMAT,
        VERSION,
        dataset.hash,
        dataset.parameters.hash,
        (results.tests.numbers.start, results.tests.numbers.stop),
        seed,
        versions(),
        hardware(),
        NullMetrics(
            _null_errors(results.nulls.nulls),
            _null_errors(results.train_nulls),
            {name: _distances(table) for name, table in results.null_distances.items()},
            {
                null: {name: WaveformSummary(*found) for name, found in _waveforms(errors)}
                for null, errors in vars(results.nulls.waveforms).items()
            },
            {name: tests.nulls for name, tests in results.embedded.items()},
        ),
        {run.name: _run(run, results) for run in results.runs},
        None if comparisons is None else _across_runs(comparisons),
    )


def _run(run: RunResults, results: Results) -> RunMetrics:
    survey = run.survey
    return RunMetrics(
        _reconstruction(run.sounds, run.distances, results.nulls.nulls),
        _reconstruction(run.train_sounds, run.train_distances, results.train_nulls),
        {
            name: WaveformMetrics(*found, _relative(name, run.sounds.waveforms, results.nulls.waveforms))
            for name, found in _waveforms(run.sounds.waveforms)
        },
        run.sets,
        tuple(run.sounds.kl.tolist()),
        MapMetrics(presets=survey.latents.points, **MapParameters.of(survey.latents.settings)),
        tuple(
            ClusteringMetrics(
                **vars(c.quality),
                data=name,
                space=c.space,
                method=c.method,
                seed=c.seed,
                eps=c.eps,
                silhouette=c.silhouette,
            )
            for name, part in {"latents": survey.latents, **survey.nulls}.items()
            for c in part.clusterings
        ),
        survey.rows,
        {
            name: tuple(
                GridMetrics(**vars(quality), **MapParameters.of(cell.settings), map=number)
                for cell in grid
                for number, quality in enumerate(cell.qualities)
            )
            for name, grid in run.grids.items()
        },
        tuple(run.collapsed_kl.values()),
        run.views.explained,
        run.neighbourhoods,
        run.movement.paths,
        _effects(run.movement.effects),
    )


def _reconstruction(sounds: ErrorTable, distances: DistanceTable, nulls: Mapping[str, Nulls]) -> ReconstructionMetrics:
    features = {
        feature: FeatureErrors(
            FEATURE_UNITS[feature],
            summarise(found.mse),
            summarise(found.l1),
            error_ratio(found.mse, nulls[feature].mean_preset.mse),
            error_ratio(found.mse, nulls[feature].mean_spectrogram.mse),
        )
        for feature, found in sounds.errors.items()
    }
    return ReconstructionMetrics(features, _distances(distances), summarise(sounds.parameter_error))


def _distances(table: DistanceTable) -> dict[str, DistanceSummary]:
    return {
        name: DistanceSummary(
            DISTANCES[name].unit, int(measured.defined.sum()), summarise(measured.kept) if len(measured.kept) else None
        )
        for name, measured in table.items()
    }


def _waveforms(found: WaveformErrors) -> Iterator[tuple[str, tuple[str, Summary]]]:
    """Name, and unit and summary, of each measure."""
    for name, unit in WAVEFORM_UNITS.items():
        yield name, (unit, summarise(getattr(found, name)))


def _relative(name: str, found: WaveformErrors, nulls: WaveformNulls) -> dict[str, Ratio]:
    if name not in PHASE_JUDGES:
        return {}
    return {null: error_ratio(getattr(found, name), getattr(answers, name)) for null, answers in vars(nulls).items()}


def _null_errors(nulls: Mapping[str, Nulls]) -> dict[str, dict[str, MeanErrors]]:
    return {
        feature: {
            null: MeanErrors(float(errors.mse.mean()), float(errors.l1.mean())) for null, errors in vars(models).items()
        }
        for feature, models in nulls.items()
    }


def _effects(effects: ParameterEffects) -> EffectMetrics:
    return EffectMetrics(effects.presets, effects.mean_linearity, effects.linearity_by_chance)


def _across_runs(comparisons: Comparisons) -> AcrossRuns:
    groups = {name: tuple(runs) for name, runs in comparisons.groups.items()}
    return AcrossRuns(comparisons.unit, groups, comparisons.errors, comparisons.counts)


@dataclass(frozen=True)
class SoundRunMetrics:
    """Measurements of one run on recorded sounds.

    Attributes:
        steps: number of training steps up to the best epoch.
        seconds: duration of the training in seconds.
        quality: error of the spectrograms of all test sounds.
        labels: the same of the test sounds of each label; shares are of the error of the mean of all sounds.
        decoded: log-mel errors of some of the test sounds, evenly spaced over them.
        linear: log-spectral distances of the same sounds, over linear frequency: phase shows in it.
        accuracy: accuracy of magnitude and phase as defined by García López (2025); null for other representations.
        latents: use of the latent space by the test sounds.
        draws: new sounds as a set; null where there are too few training sounds.
        sets: test sounds, reconstructions, draws and sounds of the map beside the training sounds; null likewise.
        round_trips: round trips from latents to maps and back; null likewise, and for networks that encode frames.
        crest: clicks; null where no sound is long enough.
        programs: scores of what is installed of ViSQOL (`visqol`), PEAQ (`odg`) and Chromaprint (`fingerprint`).
    """

    steps: int
    seconds: float
    quality: SoundQuality
    labels: Mapping[LabelName, SoundQuality]
    decoded: DecodedSounds
    linear: DecodedSounds
    accuracy: ChannelAccuracies | None
    latents: LatentUse
    draws: DrawDistances | None
    sets: SoundSets | None
    round_trips: RoundTrips | None
    crest: ClickCrests | None
    programs: Mapping[Annotated[str, "score"], ProgramScore]


@dataclass(frozen=True)
class SoundMetricsDocument:
    """The content of `metrics.json` for runs on recorded sounds.

    Attributes:
        format: `synthvae-sound-analysis`.
        version: version of the format.
        library_hash: hash of the library.
        sample_rate: sample rate of its sounds, in Hz.
        samples: number of samples of each of its sounds.
        seed: seed of everything random.
        versions: versions of Python and of packages that numbers depend on.
        hardware: the machine, in words.
        runs: measurements of each run.
    """

    format: str
    version: int
    library_hash: str
    sample_rate: int
    samples: int
    seed: int
    versions: Mapping[Annotated[str, "package"], str]
    hardware: Mapping[Annotated[str, "part"], str]
    runs: Mapping[RunName, SoundRunMetrics]


def sound_metrics_document(runs: Sequence[RunMeasurement], library: Library, seed: int) -> SoundMetricsDocument:
    """Every number of an analysis of runs on recorded sounds, for ``metrics.json``."""
    return SoundMetricsDocument(
        SOUND_FORMAT,
        SOUND_VERSION,
        library.hash,
        library.sample_rate,
        library.samples,
        seed,
        versions(),
        hardware(),
        {
            run.name: SoundRunMetrics(
                run.steps,
                run.seconds,
                run.quality,
                run.labels,
                run.decoded,
                run.compared.linear,
                run.compared.accuracy,
                run.latents,
                run.draws,
                run.drawn.sets,
                run.drawn.trips,
                run.crest,
                run.programs.scores,
            )
            for run in runs
        },
    )


_HEAD = """\
# metrics.json

`synthvae analyze` writes every number of an analysis to `metrics.json`. Keys in angle brackets stand for names that
differ from file to file, `[]` for each entry of a list. Numbers that are not defined are null. The file has the keys of
[MetricsDocument](#metricsdocument) for runs on presets, those of [SoundMetricsDocument](#soundmetricsdocument) for
runs on recorded sounds.

<!-- Made by: python -m synthvae.report.metrics_json > docs/metrics.md -->
"""
_PLAIN = {str: "text", int: "integer", float: "number", bool: "true or false"}


def describe() -> str:
    """The text of ``docs/metrics.md``: a table of keys for each dataclass, those of whole files first."""
    kinds: list[type] = [MetricsDocument, SoundMetricsDocument]
    sections = [_HEAD]
    for kind in kinds:  # grows on the way
        meanings, hints = dict(_meanings(kind)), get_type_hints(kind, include_extras=True)
        lines = [f"## {kind.__name__}", "", _markdown(inspect.getdoc(kind) or "").split("\n")[0], ""]
        lines += ["| key | value | meaning |", "|---|---|---|"]
        for field in dataclasses.fields(kind):
            keys, value, held = _value(hints[field.name])
            kinds += [held] if held and held not in kinds else []
            lines.append(f"| `{field.name}{keys}` | {value} | {meanings[field.name]} |")
        sections.append("\n".join([*lines, ""]))
    return "\n".join(sections)


def _meanings(kind: type) -> Iterator[tuple[str, str]]:
    """Fields of a dataclass and of those it extends, with what their docstrings say of them."""
    for part in reversed(kind.__mro__[:-1]):
        attributes = (inspect.getdoc(part) or "").partition("Attributes:\n")[2]
        for name, text in re.findall(r"^    (\w+): (.+(?:\n {5,}.+)*)", attributes, re.M):
            yield name, _markdown(" ".join(text.split())).replace("|", r"\|")


def _markdown(text: str) -> str:
    return re.sub(r"\bNone\b", "null", text.replace("``", "`"))


def _value(hint: Any) -> tuple[str, str, type | None]:  # noqa: ANN401
    """The suffix of the key, the kind of value in words, and its dataclass, if it is one."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (present,) = (part for part in inner if part is not type(None))
        keys, value, held = _value(present)
        return keys, f"{value} or null", held
    if origin is Annotated:
        return _value(inner[0])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        keys, value, held = _value(inner[1])
        (placeholder,) = getattr(inner[0], "__metadata__", ("name",))
        return f".<{placeholder}>{keys}", value, held
    if origin is tuple and inner[-1] is Ellipsis:
        keys, value, held = _value(inner[0])
        return f"[]{keys}", value, held
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return "", f"[{hint.__name__}](#{hint.__name__.lower()})", hint
    if hasattr(hint, "_fields"):
        return "", f"list: {', '.join(hint._fields)}", None
    if origin is tuple:
        return "", f"list: {', '.join(_value(part)[1] for part in inner)}", None
    return "", _PLAIN[hint], None


if __name__ == "__main__":
    print(describe(), end="")
