"""``analyze``: measure runs, and write what came out as JSON, CSV, figures and one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from synthvae.analysis import figures
from synthvae.analysis.measure import (
    FEATURE_UNITS,
    Frechet,
    RunMeasures,
    TestSounds,
    measure_run,
    render_targets,
)
from synthvae.analysis.page import build_report, example_indices
from synthvae.analysis.reconstruction import error_ratio, summarise
from synthvae.analysis.report import write_csv, write_metrics_json, write_report
from synthvae.analysis.statistics import GroupTest, kruskal_wallis
from synthvae.errors import UserError
from synthvae.features.mel import mel_centres
from synthvae.files import atomic_write, ensure_directory
from synthvae.presets.dataset import Dataset
from synthvae.provenance import hardware, versions
from synthvae.training.metrics import read_metrics
from synthvae.training.run_directory import Run

__all__ = ["analyze_runs", "metrics_document"]

#: UMAP needs so many points.
LEAST_TRAINED = 4

Progress = Callable[[str], object]


def analyze_runs(
    runs: Sequence[Run],
    dataset: Dataset,
    out: Path,
    command: str,
    limit: int = 2000,
    seed: int = 0,
    progress: Progress = lambda what: None,
) -> Path:
    """Analyse runs on the test split of a dataset.

    Args:
        runs: with the parameters of the dataset and different names.
        dataset: the presets.
        out: the directory to write to.
        command: that makes the same analysis again, for the page.
        limit: test presets at most.
        seed: of everything random.
        progress: told what is being done.

    Returns:
        The page, ``report.html``; beside it lie ``metrics.json``, ``reconstruction_RUN.csv`` and ``figures/``.

    Raises:
        UserError: for runs that do not fit the dataset or each other, or an unwritable directory.
    """
    names = [run.path.name for run in runs]
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
    ensure_directory(out)
    for old in (out / "figures").glob("*.png"):
        old.unlink()
    test = render_targets(runs[0].voice, dataset, limit, seed, progress)
    measures = [
        measure_run(run, dataset, test, seed, lambda what, run=run: progress(f"{run.path.name}: {what}"))  # type: ignore[misc]
        for run in runs
    ]
    tests = compare_runs(measures)
    progress("writing figures")
    images = draw_figures(runs, measures, test)
    for name, png in images.items():
        atomic_write(out / "figures" / f"{name}.png", png)
    for measured in measures:
        columns: dict[str, Sequence[object] | np.ndarray] = {"preset": list(test.numbers)}
        for feature, errors in measured.errors.items():
            columns |= {f"{feature}_mse": errors.mse, f"{feature}_l1": errors.l1}
        columns["parameter_squared_error"] = measured.parameter_error
        write_csv(columns, out / f"reconstruction_{measured.name}.csv")
    document = metrics_document(measures, test, tests, dataset, seed)
    write_metrics_json(document, out / "metrics.json")
    progress("writing the page")
    page = out / "report.html"
    write_report(build_report(runs, measures, test, tests, images, dataset, command, seed), page)
    return page


def compare_runs(measures: Sequence[RunMeasures]) -> dict[str, GroupTest]:
    """Kruskal-Wallis over the runs' L1 errors on each feature; nothing for a single run."""
    if len(measures) < 2:
        return {}
    return {
        feature: kruskal_wallis({m.name: m.errors[feature].l1 for m in measures}, f"L1 error on {feature}")
        for feature in FEATURE_UNITS
    }


def draw_figures(runs: Sequence[Run], measures: Sequence[RunMeasures], test: TestSounds) -> dict[str, bytes]:
    """All figures as PNG by name."""
    images = {}
    for feature, unit in FEATURE_UNITS.items():
        nulls = {
            "mean preset": float(test.nulls[feature].mean_preset.mse.mean()),
            "mean spectrogram": float(test.nulls[feature].mean_spectrogram.mse.mean()),
            "random preset": float(test.nulls[feature].random_preset.mse.mean()),
        }
        groups = {m.name: m.errors[feature].mse for m in measures}
        figure = figures.error_distributions(groups, f"mean squared error on {feature} ({unit}²)", nulls)
        images[f"errors_{feature}"] = figures.png_bytes(figure)
    for run, measured in zip(runs, measures, strict=True):
        images[f"{measured.name}_map"] = figures.png_bytes(
            figures.density_map(measured.map.points, measured.noise.points)
        )
        images[f"{measured.name}_clusters"] = figures.png_bytes(
            figures.cluster_map(measured.map.points, measured.map.labels)
        )
        for index in example_indices(measured):
            name = f"{measured.name}_preset_{test.numbers[index]}"
            images[name] = figures.png_bytes(_comparison(test, measured, index))
        curves = run.path / "metrics.csv"
        if curves.exists():
            images[f"{measured.name}_training"] = figures.png_bytes(figures.loss_curves(curves, _panels(curves)))
    return images


def _panels(curves: Path) -> dict[str, list[str]]:
    """The curves of a run: a panel per term, and one for all latent dimensions."""
    columns = list(read_metrics(curves)[-1])
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


def _comparison(test: TestSounds, measured: RunMeasures, index: int) -> Figure:
    logmel = test.features["logmel"]
    sounds = (test.audio[index], measured.audio[index])
    return figures.sound_comparison(
        sounds[0].numpy(),
        sounds[1].numpy(),
        logmel(sounds[0][None])[0].numpy(),
        logmel(sounds[1][None])[0].numpy(),
        mel_centres(logmel.sample_rate),
        logmel.sample_rate,
    )


def metrics_document(
    measures: Sequence[RunMeasures],
    test: TestSounds,
    tests: dict[str, GroupTest],
    dataset: Dataset,
    seed: int,
) -> dict[str, object]:
    """Every number of the analysis, for ``metrics.json``."""
    return {
        "format": "synthvae-analysis",
        "version": 1,
        "dataset_hash": dataset.hash,
        "parameter_hash": dataset.parameters.hash,
        "test_presets": [test.numbers.start, test.numbers.stop],
        "seed": seed,
        "versions": versions(),
        "hardware": hardware(),
        "nulls": {
            "reconstruction": {
                feature: {
                    null: {"mse": float(errors.mse.mean()), "l1": float(errors.l1.mean())}
                    for null, errors in vars(nulls).items()
                }
                for feature, nulls in test.nulls.items()
            },
            "fad_logmel_floor": _frechet(test.floor),
            "fad_logmel_mean_preset": _frechet(test.mean_preset_distance),
        },
        "runs": {m.name: _run_document(m, test) for m in measures},
        "across_runs": {feature: vars(result) for feature, result in tests.items()},
    }


def _run_document(measured: RunMeasures, test: TestSounds) -> dict[str, object]:
    reconstruction = {}
    for feature, errors in measured.errors.items():
        nulls = test.nulls[feature]
        reconstruction[feature] = {
            "unit": FEATURE_UNITS[feature],
            "mse": vars(summarise(errors.mse)),
            "l1": vars(summarise(errors.l1)),
            "mse_relative_to_mean_preset": vars(error_ratio(errors.mse, nulls.mean_preset.mse)),
            "mse_relative_to_mean_spectrogram": vars(error_ratio(errors.mse, nulls.mean_spectrogram.mse)),
        }
    return {
        "reconstruction": reconstruction,
        "parameter_squared_error": vars(summarise(measured.parameter_error)),
        "fad_logmel_reconstruction": _frechet(measured.reconstruction_distance),
        "fad_logmel_train_reconstruction": _frechet(measured.train_distance),
        "fad_logmel_prior": _frechet(measured.prior_distance),
        "kl_nats": measured.kl.tolist(),
        "latent_map": vars(measured.map.quality),
        "latent_map_of_noise": vars(measured.noise.quality),
    }


def _frechet(result: Frechet) -> dict[str, object]:
    return vars(result.distance) if result.distance else {"value": None, "reason": result.reason}
