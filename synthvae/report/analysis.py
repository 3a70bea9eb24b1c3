"""``analyze``: measure runs and write the results as JSON, CSV, figures and an HTML report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from synthvae.analysis.comparison import compare_runs
from synthvae.analysis.plan import MapPlan, Work, usual_workers
from synthvae.analysis.results import DistanceTable, Results, RunResults
from synthvae.analysis.sounds import ErrorTable
from synthvae.core.errors import UserError
from synthvae.core.files import atomic_write, ensure_directory
from synthvae.core.store import Store
from synthvae.data.presets import Dataset
from synthvae.metrics.embeddings import build_embedding
from synthvae.report import figures
from synthvae.report.document import write_csv, write_metrics_json
from synthvae.report.html import write_report
from synthvae.report.metrics_json import metrics_document
from synthvae.report.page import build_report, draw_figures
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
    """Plan an analysis; nothing is computed.

    Args:
        runs: runs with the parameters of the dataset and different names.
        dataset: the presets.
        out: the directory to write to; results are cached in ``.cache`` next to it.
        limit: maximum number of test presets.
        seed: seed of everything random.
        workers: parallel processes; one per core, up to 2, by default.
        embeddings: names of `EMBEDDINGS` in which sets of sounds are compared; ``logmel`` is always among them.
        weights_dir: folder with the weights of pretrained ones.
        maps: settings of the maps of the latents and of their nulls; the thesis's by default.

    Raises:
        UserError: for runs that do not fit the dataset or each other, or an embedding that cannot be made.
    """
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise UserError("runs", names, "rename one directory", f"two runs are called {max(names, key=names.count)!r}")
    for run in runs:
        run.require_parameters(dataset.parameters, str(dataset.path))
        if run.settings != dataset.header.settings:
            raise UserError(
                dataset.path,
                dataset.path,
                "analyse it with a dataset of its own settings",
                f"rendered with {dataset.header.settings}, but {run.path} was trained with {run.settings}",
            )
    tested, trained = (len(dataset.indices(name)) for name in ("test", "train"))
    if min(tested, limit) < 2 or trained < LEAST_TRAINED:
        raise UserError(
            dataset.path,
            dataset.path,
            f"an analysis needs at least 2 and {LEAST_TRAINED}: make a larger dataset",
            f"{tested} test and {trained} training presets",
        )
    rate = dataset.header.settings.sample_rate
    spaces = [build_embedding(name, rate, weights_dir) for name in dict.fromkeys(["logmel", *embeddings])]
    return Work(runs, dataset, limit, seed, Store(out.parent / ".cache"), workers or usual_workers(), spaces, maps)


def analyze_runs(work: Work, out: Path, command: str, example: int = 0) -> Path:
    """Run an analysis and write its results.

    Args:
        work: what `plan_analysis` returned.
        out: the directory to write to.
        command: command that reproduces the analysis, for the page.
        example: index of the test preset that is shown for all runs.

    Returns:
        The page, ``report.html``; ``metrics.json``, ``figures/`` and the tables of `run_tables` (``NAME_RUN.csv``) are
        in the same directory.

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
    """Tables of a run's measurements per preset and per parameter.

    Returns:
        ``reconstruction`` of the test presets and ``training`` of presets that were trained on, one row per preset;
        ``effects``, one row per parameter and latent dimension. NaN where a number is not defined.
    """
    tests, effects = results.tests, run.movement.effects
    parameters, dimensions = effects.movement.shape
    return {
        "reconstruction": _per_preset(tests.numbers, run.sounds, run.distances).assign(**vars(run.sounds.waveforms)),
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
    for name, measured in distances.items():
        columns[name] = np.where(measured.defined, measured.values, np.nan)
    return pd.DataFrame(columns | {"parameter_squared_error": sounds.parameter_error})
