"""Report section on reconstruction errors, measured on sound."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from synthvae.analysis.comparison import Comparisons
from synthvae.analysis.results import Results, RunResults
from synthvae.analysis.sounds import FEATURE_UNITS
from synthvae.audio.pitch import Measured as Defined
from synthvae.metrics.distances import DISTANCES
from synthvae.metrics.reconstruction import PresetErrors, Ratio, error_ratio, summarise
from synthvae.metrics.waveforms import MAX_LAG, WAVEFORM_UNITS
from synthvae.report.document import Cell, Column, FigureItem, Item, Measured, Section, Table, Verdict
from synthvae.report.judgement import against_mean_preset, of_all, of_ratio
from synthvae.report.sections.nulls import parameter_nulls

__all__ = ["reconstruction"]


def reconstruction(results: Results, comparisons: Comparisons | None, images: Mapping[str, bytes]) -> Section:
    """Errors on features, distances, parameter errors and differences between runs, each against its nulls."""
    items: list[Item] = [
        _features(results, False),
        _features(results, True),
        _waveforms(results),
        _distances(results),
        _parameters(results),
    ]
    if comparisons is not None:
        items += [_differences(comparisons), _pairs(comparisons), _counts(comparisons)]
    items += [
        FigureItem(
            images[f"errors_{feature}"],
            f"Distributions of the mean squared error on {feature}, with the null models' means",
            f"Mean squared error per test preset on {feature}; lines are the means of the null models.",
        )
        for feature in FEATURE_UNITS
    ]
    items += [
        FigureItem(
            images[f"l1_{feature}"],
            f"Distributions of the mean absolute error on {feature}, with the null models' means",
            f"Mean absolute error (L1) per test preset on {feature}; lines are the means of the null models.",
        )
        for feature in (*FEATURE_UNITS, "waveform")
    ]
    return Section("Reconstruction", ["Errors of reconstructed presets, measured on their sounds."], items)


def _features(results: Results, trained: bool) -> Table:
    """Errors on test presets, or on presets that were `trained` on."""
    columns = [
        Column("reconstruction"),
        Column("feature"),
        Column("mean squared error", note="with its 95 % interval"),
        Column("mean absolute error"),
        Column("to mean preset", "ratio", "mean squared error over that of the mean preset; below 1 is better"),
        Column("to mean spectrogram", "ratio", "below 1 is better; one minus this is the explained variance"),
        Column("verdict"),
    ]
    rows: list[list[Cell]] = []
    every = results.train_nulls if trained else results.nulls.nulls
    for feature, unit in FEATURE_UNITS.items():
        nulls = every[feature]
        for run in results.runs:
            errors = (run.train_sounds if trained else run.sounds).errors[feature]
            to_preset = error_ratio(errors.mse, nulls.mean_preset.mse)
            to_spectrogram = error_ratio(errors.mse, nulls.mean_spectrogram.mse)
            verdict = _against_both(to_preset, to_spectrogram)
            rows.append([run.name, feature, *_errors(errors, unit), to_preset.value, to_spectrogram.value, verdict])
    count = len(every["logmel"].mean_preset.mse)
    which = "training presets" if trained else "test presets"
    return Table(f"Errors of the reconstructions of {count:,} {which}", columns, rows)


def _against_both(to_preset: Ratio, to_spectrogram: Ratio) -> Verdict:
    judgements = {"mean preset": of_ratio(to_preset), "mean spectrogram": of_ratio(to_spectrogram)}
    words = {"good": "better than", "bad": "worse than", "neutral": "undecided against"}
    found = list(judgements.values())
    if len(set(found)) == 1:
        return Verdict(found[0], f"{words[found[0]]} both nulls")
    return Verdict(of_all(found), ", ".join(f"{words[judged]} the {null}" for null, judged in judgements.items()))


def _errors(errors: PresetErrors, unit: str) -> list[Cell]:
    return [_summary(errors.mse, f"{unit}²"), _summary(errors.l1, unit)]


def _waveforms(results: Results) -> Table:
    """Phase-sensitive measures, and the slope of the level."""
    nulls = results.nulls.waveforms
    answers = {run.name: run.sounds.waveforms for run in results.runs}
    rows: list[list[Cell]] = []
    for name, found in answers.items():
        row: list[Cell] = [name]
        for judge in ("complex_stft", "waveform"):
            errors = getattr(found, judge)
            row.append(_summary(errors, WAVEFORM_UNITS[judge]))
            for null in (nulls.mean_preset, nulls.silence):
                ratio = error_ratio(errors, getattr(null, judge))
                row.append(Measured(ratio.value, "ratio", ratio.low, ratio.high))
        row.append(_summary(1.0 - found.decorrelation, "correlation"))
        row.append(1000.0 * float(np.median(np.abs(found.lag))))
        row.append(_summary(found.level_slope, "dB/s"))
        rows.append(row)
    columns = [
        Column("reconstruction"),
        Column("complex STFT", note="mean squared magnitude of the complex difference, with its 95 % interval"),
        Column("to mean preset", note="below 1 is better"),
        Column("to silence", note="below 1 is better"),
        Column("waveform", note="mean absolute difference of samples"),
        Column("to mean preset", note="below 1 is better"),
        Column("to silence", note="below 1 is better"),
        Column("correlation", note="the largest over lags, 1 is best; 0 is silence"),
        Column("lag", "ms", "median of its absolute value"),
        Column("level slope", note="against the original; 0 is best"),
    ]
    note = (
        f"Lags up to {1000 * MAX_LAG:g} ms. The original with random phases has on average twice "
        "the error of silence on the complex STFT: a sound with a larger error than silence can still be "
        "similar. The level slope is that of the reconstruction's level minus the original's, above -80 dB; for a "
        "random preset it is 0 on average, since each original is drawn once."
    )
    return Table("Phase-sensitive waveform errors on test presets", columns, rows, note)


def _summary(values: NDArray[np.float64], unit: str) -> Measured:
    summary = summarise(values)
    return Measured(summary.mean, unit, summary.low, summary.high)


def _distances(results: Results) -> Table:
    rows: list[list[Cell]] = []
    for name, distance in DISTANCES.items():
        unit = distance.unit or "ratio"
        for run in results.runs:
            test, train = (_mean(table[name], unit) for table in (run.distances, run.train_distances))
            null = results.null_distances["mean preset"][name]
            share = _share(run.distances[name])
            rows.append([run.name, name, test, train, share, _beats(run, name, null)])
    columns = [
        Column("reconstruction"),
        Column("distance", note="; ".join(f"{d.name}: {d.meaning}" for d in DISTANCES.values())),
        Column("test", note="mean with its 95 % interval"),
        Column("training presets", note="the same on training presets"),
        Column("defined for", "share", "presets for which the distance is defined"),
        Column("to the mean preset"),
    ]
    note = " ".join(f"{d.name}: {d.meaning} ({d.better} is better)." for d in DISTANCES.values())
    return Table("Distances between sounds with different invariances", columns, rows, note)


def _mean(measured: Defined, unit: str) -> Measured:
    values = measured.kept
    return _summary(values, unit) if len(values) else Measured(None, unit)


def _share(measured: Defined) -> float:
    return float(measured.defined.mean())


def _beats(run: RunResults, name: str, null: Defined) -> Verdict:
    """Whether a run's mean is better than the mean preset's on the presets where both are defined."""
    judgement = against_mean_preset(run, name, null)
    return Verdict(judgement, {"good": "better", "bad": "worse", "neutral": "undecided"}[judgement])


def _parameters(results: Results) -> Table:
    answers = {run.name: (run.sounds.parameter_error, run.train_sounds.parameter_error) for run in results.runs}
    null = parameter_nulls(results)["mean preset"]
    rows: list[list[Cell]] = []
    for name, errors in answers.items():
        row: list[Cell] = [name]
        for error, of_null in zip(errors, null, strict=True):
            summary = summarise(error)
            row += [
                Measured(summary.mean, "unit cube²", summary.low, summary.high), error_ratio(error, of_null).value
            ]  # fmt: skip
        rows.append(row)
    columns = [
        Column("reconstruction"),
        Column("test", note="mean squared error with its 95 % interval"),
        Column("to mean preset", "ratio", "below 1 is better"),
        Column("training presets"),
        Column("to mean preset", "ratio", "below 1 is better"),
    ]
    note = "Squared distance in the unit cube. Inaudible parameters have the same weight as audible ones."
    return Table("Errors of the parameters", columns, rows, note)


def _differences(comparisons: Comparisons) -> Table:
    columns = [
        Column("measure"),
        Column("H", "statistic"),
        Column("p", "probability"),
        Column("ε²", "share"),
        Column("effect"),
        Column("spread", note="Levene's test around the median"),
        Column("normality", note="Shapiro-Wilk"),
    ]
    rows: list[list[Cell]] = [
        [
            measure,
            c.kruskal_wallis.statistic,
            c.kruskal_wallis.p_value,
            c.kruskal_wallis.epsilon_squared,
            c.kruskal_wallis.effect,
            c.levene.sentence,
            " ".join(test.sentence for test in c.shapiro_wilk.values()),
        ]
        for measure, c in comparisons.errors.items()
    ]
    names = "; ".join(f"{name}: {', '.join(runs)}" for name, runs in comparisons.groups.items() if len(runs) > 1)
    note = f"{comparisons.note} {names}".strip()
    return Table(f"Differences between {_groups(comparisons)} (Kruskal-Wallis)", columns, rows, note)


def _pairs(comparisons: Comparisons) -> Table:
    columns = [
        Column("pair"),
        Column("measure"),
        Column("p", "probability", "Dunn's test with Holm's correction"),
        Column("lower", "share", "of comparisons in which the first run has the lower error"),
        Column("effect"),
    ]
    rows: list[list[Cell]] = [
        [f"{pair.first} – {pair.second}", measure, pair.p_value, pair.share_lower, pair.effect]
        for measure, c in comparisons.errors.items()
        for pair in c.dunn
    ]
    return Table(f"Pairwise differences of {_groups(comparisons)} (Dunn, Holm's correction)", columns, rows)


def _counts(comparisons: Comparisons) -> Table:
    columns = [
        Column("counted"),
        Column("χ²", "statistic"),
        Column("p", "probability"),
        Column("Cramér's V", "share"),
        Column("in words"),
    ]
    rows: list[list[Cell]] = [
        [what, test.statistic, test.p_value, test.cramers_v, test.sentence] for what, test in comparisons.counts.items()
    ]
    return Table(f"Counts compared between {_groups(comparisons)} (chi-squared)", columns, rows)


def _groups(comparisons: Comparisons) -> str:
    return "methods" if comparisons.unit == "seed" else "runs"
