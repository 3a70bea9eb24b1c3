"""``analyze``: measure runs, and write what came out as JSON, CSV, figures and one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synthvae.analysis import figures, latent_figures
from synthvae.analysis.comparison import compare_runs
from synthvae.analysis.metrics_json import metrics_document
from synthvae.analysis.page import build_report
from synthvae.analysis.plan import MapPlan, Work, cache_directory, usual_workers
from synthvae.analysis.report import write_csv, write_metrics_json, write_report
from synthvae.analysis.results import DistanceTable, Results, RunResults
from synthvae.analysis.sections.latent import COLOUR, cluster_spectra, shown_clusters
from synthvae.analysis.sections.listening import answer, example_indices
from synthvae.analysis.sections.movement import paths
from synthvae.analysis.sounds import FEATURE_UNITS, ErrorTable
from synthvae.audio.descriptors import DESCRIPTORS
from synthvae.core.errors import UserError
from synthvae.core.files import atomic_write, ensure_directory
from synthvae.core.store import Store
from synthvae.data.presets import Dataset
from synthvae.features.mel import mel_centres
from synthvae.maps.stability import MAP
from synthvae.metrics.embeddings import build_embedding
from synthvae.training.log import read_metrics
from synthvae.training.run import Run

__all__ = ["analyze_runs", "plan_analysis"]


#: UMAP needs so many points.
LEAST_TRAINED = 4


def plan_analysis(
    runs: Sequence[Run],
    dataset: Dataset,
    out: Path,
    limit: int = 2000,
    seed: int = 0,
    workers: int | None = None,
    embeddings: Sequence[str] = ("logmel",),
    weights_dir: Path | None = None,
    maps: MapPlan | None = None,
) -> Work:
    """What an analysis will do; nothing is computed.

    Args:
        runs: with the parameters of the dataset and different names.
        dataset: the presets.
        out: the directory to write to; results are kept in ``.cache`` beside it.
        limit: test presets at most.
        seed: of everything random.
        workers: processes for what takes long; one per core, up to 2, by default.
        embeddings: names of `EMBEDDINGS` in which sets of sounds are compared; ``logmel`` is always among them.
        weights_dir: folder with the weights of pretrained ones.
        maps: of the latents, and their nulls; the thesis's settings by default.

    Raises:
        UserError: for runs that do not fit the dataset or each other, or an embedding that cannot be made.
    """
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise UserError(f"analyze: two runs are called {max(names, key=names.count)!r}; rename one directory")
    for run in runs:
        run.require_parameters(dataset.parameters, str(dataset.path))
        if run.settings != dataset.header.settings:
            raise UserError(
                f"{dataset.path}: rendered with {dataset.header.settings}, but {run.path} was trained with "
                f"{run.settings}; analyse it with a dataset of its own settings"
            )
    tested, trained = (len(dataset.split(name)) for name in ("test", "train"))
    if min(tested, limit) < 2 or trained < LEAST_TRAINED:
        raise UserError(
            f"{dataset.path}: {tested} test and {trained} training presets; an analysis needs at least 2 and "
            f"{LEAST_TRAINED}: make a larger dataset"
        )
    rate = dataset.header.settings.sample_rate
    heard = [build_embedding(name, rate, weights_dir) for name in dict.fromkeys(["logmel", *embeddings])]
    store = Store(cache_directory(out))
    return Work(runs, dataset, limit, seed, store, workers or usual_workers(), heard, maps)


def analyze_runs(work: Work, out: Path, command: str, example: int = 0) -> Path:
    """Do an analysis and write what came out.

    Args:
        work: from `plan_analysis`.
        out: the directory to write to.
        command: that makes the same analysis again, for the page.
        example: place among the test presets of the one that is shown of all runs.

    Returns:
        The page, ``report.html``; beside it lie ``metrics.json``, the tables of `run_tables` as ``NAME_RUN.csv`` and
        ``figures/``.

    Raises:
        UserError: for an unwritable directory, or sounds that are not finite.
    """
    ensure_directory(out)
    results = work.results()
    comparisons = compare_runs(results.runs, results.nulls.nulls["logmel"].mean_preset.mse)
    work.agenda.tell("writing figures")
    drawn = draw_figures(results, example)
    for ending in ("png", "svg"):
        for old in (out / "figures").glob(f"*.{ending}"):
            old.unlink()
    images = {}
    for name, figure in drawn.items():
        images[name], drawing = figures.both_bytes(figure)
        atomic_write(out / "figures" / f"{name}.png", images[name])
        atomic_write(out / "figures" / f"{name}.svg", drawing)
    for run in results.runs:
        for name, table in run_tables(run, results).items():
            write_csv(table, out / f"{name}_{run.name}.csv")
    write_metrics_json(vars(metrics_document(results, comparisons, work.dataset, work.seed)), out / "metrics.json")
    work.agenda.tell("writing the page")
    page = out / "report.html"
    write_report(build_report(results, comparisons, images, work.dataset, command, work.seed, example), page)
    return page


def run_tables(run: RunResults, results: Results) -> dict[str, pd.DataFrame]:
    """Everything measured of each preset and of each parameter.

    Returns:
        ``reconstruction`` of the test presets and ``training`` of presets that were trained on, one row per preset;
        ``effects``, one row per parameter and latent dimension. NaN where a number is not defined.
    """
    tests, own = results.tests, ErrorTable(run.sounds.errors, run.sounds.parameter_error)
    effects = run.movement.effects
    parameters, dimensions = effects.movement.shape
    return {
        "reconstruction": _per_preset(tests.numbers, own, run.distances).assign(**vars(run.sounds.waveforms)),
        "training": _per_preset(tests.train_numbers, run.train_sounds, run.train_distances),
        "effects": pd.DataFrame(
            {
                "parameter": np.repeat(run.run.parameters.names, dimensions),
                "dimension": np.tile(np.arange(dimensions), parameters),
                "movement": effects.movement.ravel(),
                "slope": effects.slope.ravel(),
                "linearity": effects.linearity.ravel(),
            }
        ),
    }


def _per_preset(numbers: range, sounds: ErrorTable, distances: DistanceTable) -> pd.DataFrame:
    columns = {"preset": np.array(numbers[: len(sounds.parameter_error)])}
    for feature, errors in sounds.errors.items():
        columns |= {f"{feature}_mse": errors.mse, f"{feature}_l1": errors.l1}
    for name, measured in distances.values.items():
        columns[name] = np.where(measured.defined, measured.values, np.nan)
    return pd.DataFrame(columns | {"parameter_squared_error": sounds.parameter_error})


def draw_figures(results: Results, example: int) -> dict[str, Figure]:
    """All figures by name; `example` is the place of the test preset that is shown of all runs."""
    sounds = {run.name: answer(run, example).numpy() for run in results.runs}
    target, rate = results.tests.audio[example].numpy(), results.tests.sample_rate
    drawn = {"waveforms": figures.waveform_overlays(target, sounds, rate)}
    for feature, unit in FEATURE_UNITS.items():
        models = vars(results.nulls.nulls[feature])
        nulls = {name.replace("_", " "): float(errors.mse.mean()) for name, errors in models.items()}
        groups = {run.name: run.sounds.errors[feature].mse for run in results.runs}
        drawn[f"errors_{feature}"] = figures.error_distributions(
            groups, f"mean squared error on {feature} ({unit}²)", nulls
        )
        nulls = {name.replace("_", " "): float(errors.l1.mean()) for name, errors in models.items()}
        groups = {run.name: run.sounds.errors[feature].l1 for run in results.runs}
        drawn[f"l1_{feature}"] = figures.error_distributions(
            groups, f"mean absolute error on {feature} ({unit})", nulls
        )
    answers = vars(results.nulls.waveforms)
    drawn["l1_waveform"] = figures.error_distributions(
        {run.name: run.sounds.waveforms.waveform for run in results.runs},
        "mean absolute error of samples (full scale)",
        {name.replace("_", " "): float(found.waveform.mean()) for name, found in answers.items()},
    )
    for run in results.runs:
        survey = run.survey
        seed = survey.latents.seeds[0]
        points = survey.latents.maps[seed]
        drawn[f"{run.name}_map"] = figures.density_map(points, survey.noise.maps[seed])
        drawn[f"{run.name}_clusters"] = figures.cluster_map(
            points, survey.latents.of(MAP, "DBSCAN")[0].labels, [example.label for example in shown_clusters(run)]
        )
        spectra, hertz = cluster_spectra(run, results)
        if spectra:
            drawn[f"{run.name}_spectra"] = latent_figures.cluster_spectra(spectra, hertz)
        column = results.descriptors.values[:, list(DESCRIPTORS).index(COLOUR)]
        for name, plane in run.views.maps.items():
            label = f"{COLOUR} ({DESCRIPTORS[COLOUR].unit})"
            drawn[f"{run.name}_{name.lower()}_by_{COLOUR}"] = latent_figures.value_map(plane, column, label, name)
        if run.movement.straight:
            drawn[f"{run.name}_paths"] = latent_figures.interpolation_chart(run.movement.straight)
        logmel = results.tests.features["logmel"]
        for path in paths(run, results):
            if path.figure:
                spectrograms, steps = list(logmel(path.audio).numpy()), list(path.audio.numpy())
                drawn[path.figure] = figures.path_grid(
                    steps, spectrograms, path.labels, mel_centres(logmel.sample_rate), logmel.sample_rate
                )
        drawn |= _effects(run)
        for index in example_indices(run):
            drawn[f"{run.name}_preset_{results.tests.numbers[index]}"] = _comparison(run, results, index)
        curves = run.run.path / "metrics.csv"
        if curves.exists():
            drawn[f"{run.name}_training"] = figures.loss_curves(curves, _panels(curves))
    return drawn


def _effects(run: RunResults) -> dict[str, Figure]:
    """Two heat maps with the same cells: how far parameters move the latent, and how straight; none where nothing."""
    effects, names = run.movement.effects, run.run.parameters.names
    label = "movement of the latent (spread of the prior = 1)"
    drawn = {f"{run.name}_effects": latent_figures.effect_heatmap(effects.movement, names, label)}
    if not np.isnan(effects.linearity).all():
        label = f"share that a straight line explains (R², {effects.linearity_by_chance:.3g} by chance)"
        drawn[f"{run.name}_linearity"] = latent_figures.effect_heatmap(
            effects.linearity, names, label, strength=effects.movement
        )
    return drawn


def _panels(curves: Path) -> dict[str, list[str]]:
    """The curves of a run: a panel per term, and one for all latent dimensions."""
    columns = list(read_metrics(curves).columns)
    labels = {
        "total": "total loss",
        "parameter": "parameter error (squared)",
        "spectral": "spectral term",
        "perceptual": "perceptual term",
        "clamp": "clamp penalty",
        "kl": "KL divergence (nats)",
    }
    panels = {
        label: [f"{split}/{term}" for split in ("train", "validation") if f"{split}/{term}" in columns]
        for term, label in labels.items()
    }
    panels["KL per dimension (nats)"] = [name for name in columns if name.startswith("kl/")]
    return {label: names for label, names in panels.items() if names}


def _comparison(run: RunResults, results: Results, index: int) -> Figure:
    logmel = results.tests.features["logmel"]
    sounds = (results.tests.audio[index], answer(run, index))
    return figures.sound_comparison(
        sounds[0].numpy(),
        sounds[1].numpy(),
        logmel(sounds[0][None])[0].numpy(),
        logmel(sounds[1][None])[0].numpy(),
        mel_centres(logmel.sample_rate),
        logmel.sample_rate,
    )
