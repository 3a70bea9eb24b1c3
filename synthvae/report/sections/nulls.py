"""Report section on the null models: every figure that needs no trained model, once for all runs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from synthvae.analysis.results import Results, RunResults
from synthvae.analysis.sounds import FEATURE_UNITS, TRAIN_LIMIT
from synthvae.maps.nulls import Expected
from synthvae.metrics.distances import DISTANCES
from synthvae.metrics.reconstruction import derangement, summarise
from synthvae.metrics.waveforms import WAVEFORM_UNITS
from synthvae.report.document import Cell, Column, Item, Measured, Section, SoundTable, Table, sound_row

__all__ = ["expected_cells", "expected_columns", "null_models", "parameter_nulls"]

MODELS = ("mean preset", "mean spectrogram", "random preset", "silence")


def null_models(results: Results) -> Section:
    """Errors of the null models, their clusters, and the sound of the mean preset."""
    tests = results.tests
    sound = sound_row("mean preset", ["0.5 in every unit parameter"], [tests.mean_audio[0].numpy()], tests.sample_rate)
    text = [
        "Baselines without a trained model: one preset, one spectrogram or silence in place of every reconstruction, "
        "or another test preset at random. The tables of the other sections compare every run with these figures."
    ]
    items: list[Item] = [_errors(results), _clusters(results.runs), SoundTable("The sound of the mean preset", [sound])]
    return Section("Null models", text, items)


def parameter_nulls(results: Results) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Squared errors of the parameters of test and of training presets, by null model."""
    found: dict[str, list[NDArray[np.float64]]] = {"mean preset": [], "random preset": []}
    for unit in (results.tests.unit, results.tests.train_unit[:TRAIN_LIMIT]):
        rows = unit.double().numpy()
        found["mean preset"].append(np.square(rows - 0.5).sum(axis=1))
        found["random preset"].append(np.square(rows - rows[derangement(len(rows))]).sum(axis=1))
    return {name: (test, train) for name, (test, train) in found.items()}


def expected_columns(names: Iterable[str]) -> list[Column]:
    """Three columns for each null's clusters on several maps."""
    return [Column(f"{name}: {what}") for name in names for what in ("clusters", "noise share", "DBCV")]


def expected_cells(found: Iterable[Expected | None]) -> list[Cell]:
    """Cells of `expected_columns`, of one null."""
    return [
        Measured(None, unit) if values is None else Measured(values.mean, unit, values.low, values.high)
        for unit, values in zip(("clusters", "share", "index"), found, strict=True)
    ]


def _errors(results: Results) -> Table:
    rows: list[list[Cell]] = []

    def add(measure: str, unit: str, presets: str, values: dict[str, NDArray[np.float64]]) -> None:
        cells = [_mean(values[name], unit) if name in values else Measured(None, unit) for name in MODELS]
        rows.append([measure, presets, *cells])

    for presets, every in (("test", results.nulls.nulls), ("training", results.train_nulls)):
        for feature, unit in FEATURE_UNITS.items():
            models = {name.replace("_", " "): errors for name, errors in vars(every[feature]).items()}
            add(f"{feature}, squared error", f"{unit}²", presets, {name: e.mse for name, e in models.items()})
            add(f"{feature}, absolute error", unit, presets, {name: e.l1 for name, e in models.items()})
    for measure, unit in WAVEFORM_UNITS.items():
        waveforms = {name.replace("_", " "): getattr(e, measure) for name, e in vars(results.nulls.waveforms).items()}
        add(measure.replace("_", " "), unit, "test", waveforms)
    for name, distance in DISTANCES.items():
        add(name, distance.unit or "ratio", "test", {null: t[name].kept for null, t in results.null_distances.items()})
    for number, presets in enumerate(("test", "training")):
        errors = {name: pair[number] for name, pair in parameter_nulls(results).items()}
        add("parameters, squared error", "unit cube²", presets, errors)
    columns = [Column("measure"), Column("presets"), *(Column(name, note="mean, 95 % interval") for name in MODELS)]
    note = "A dash: not defined for this null. A mean spectrogram has no waveform, and silence is compared by sound."
    return Table("Errors of the null models", columns, rows, note)


def _mean(values: NDArray[np.float64], unit: str) -> Measured:
    if not len(values):
        return Measured(None, unit)
    summary = summarise(values)
    return Measured(summary.mean, unit, summary.low, summary.high)


def _clusters(runs: Iterable[RunResults]) -> Table:
    rows: list[list[Cell]] = []
    shown = set()
    for run in runs:
        for name, survey in run.survey.nulls.items():
            if id(survey) in shown:  # runs of one width share their nulls
                continue
            shown.add(id(survey))
            label = f"{name}, {survey.dimension} dimensions"
            if any(row[0] == label for row in rows):
                label = f"{label}, network of {run.name}"
            for row in run.survey.rows:
                null = row.nulls[name]
                rows.append(
                    [label, row.space, row.method, *expected_cells((null.clusters, null.noise_share, null.dbcv))]
                )
    columns = [Column("null model"), Column("clustered"), Column("method")]
    columns += [Column("clusters"), Column("noise share"), Column("DBCV")]
    note = "Means over maps, each of a separate draw, with the 95 % prediction interval of one more map."
    return Table("Clusters of the null models", columns, rows, note)
