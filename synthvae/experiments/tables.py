"""The thesis's tables 5.1 to 5.12 with our results, the nulls and the thesis's values, as Markdown and CSV."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pandas as pd

from synthvae.analysis.thesis import lead_in_words, thesis_clusters, thesis_figures
from synthvae.experiments.cases import Case
from synthvae.experiments.compare import Interval, mean_value, relative_error
from synthvae.experiments.distances import EmbeddingDistances
from synthvae.experiments.maps import MapNull, by_radius
from synthvae.experiments.measures import CaseMeasures, NullMeasures
from synthvae.maps.clusters import MapSettings
from synthvae.maps.nulls import Expected
from synthvae.metrics.waveforms import MAX_LAG, PHASE_JUDGES
from synthvae.report.document import format_number

__all__ = ["Results", "Table", "audible_error_table", "thesis_tables"]

#: Features of the thesis's tables; the log-mel, ours, stands beside them.
THESIS_FEATURES = ("stft", "mfcc", "cqt")
#: The thesis's tables of each experiment begin here. It does not number them in what is known of it; that they come
#: in the order epochs, Fréchet distances, errors, clusters is an assumption.
FIRST_TABLE = {"exp1": 1, "exp2": 5, "exp3": 9}
#: Latents that the thesis clustered.
THESIS_LATENTS = 10_000
#: A latent dimension counts as active above this, in nats.
ACTIVE_NATS = 0.05

Cell = str | float | Interval | None


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: name of its CSV file.
        title: title with number and unit.
        columns: headings.
        rows: a cell per column.
        note: remarks on its interpretation.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """As a Markdown table under its title."""
        lines = [f"**{self.title}**", ""]
        lines.append("| " + " | ".join(self.columns) + " |")
        lines.append("|" + "---|" * len(self.columns))
        lines += ["| " + " | ".join(_text(cell) for cell in row) + " |" for row in self.rows]
        return "\n".join([*lines, "", self.note, ""] if self.note else [*lines, ""])

    def frame(self) -> pd.DataFrame:
        """As a data frame; an interval takes three columns, ``NAME``, ``NAME low`` and ``NAME high``."""
        columns: dict[str, list[str | float | None]] = {}
        for name, cells in zip(self.columns, zip(*self.rows, strict=True), strict=True):
            values = [cell.value if isinstance(cell, Interval) else cell for cell in cells]
            columns[name] = values
            if any(isinstance(cell, Interval) for cell in cells):
                for end in ("low", "high"):
                    columns[f"{name} {end}"] = [getattr(c, end) if isinstance(c, Interval) else None for c in cells]
        return pd.DataFrame(columns)


#: Heading of a column, and its cell from the measures of a case's seeds and the thesis's figures of that case (empty
#: where it has none).
_Column: TypeAlias = tuple[str, Callable[[list[CaseMeasures], Mapping[str, float]], Cell]]


@dataclass(frozen=True)
class Results:
    """All measures of one scale.

    Attributes:
        cases: cases in the order of the tables.
        seeds: finished seeds of each case by its name.
        measures: measures by case name and seed.
        nulls: measures of the null models on the test presets.
        distances: Fréchet distances in pretrained embeddings, by the embedding's name.
        null_maps: clusters of nulls, by case name and then by that of the null (`synthvae.experiments.maps`).
    """

    cases: tuple[Case, ...]
    seeds: Mapping[str, tuple[int, ...]]
    measures: Mapping[tuple[str, int], CaseMeasures]
    nulls: NullMeasures
    distances: Mapping[str, EmbeddingDistances] = field(default_factory=dict)
    null_maps: Mapping[str, Mapping[str, MapNull]] = field(default_factory=dict)

    def of(self, case: str) -> list[CaseMeasures]:
        """The measures of a case, one per seed."""
        return [self.measures[case, seed] for seed in self.seeds[case]]

    def to_null(self, case: str, judge: str, null: str = "mean_preset") -> Interval:
        """Mean error of a case relative to a null model's, by a feature or one of `PHASE_JUDGES`."""
        errors = self.nulls.waveforms if judge in PHASE_JUDGES else self.nulls.mse
        return relative_error([_errors_of(m, judge) for m in self.of(case)], [errors[judge][null]])

    def to_case(self, case: str, other: str, judge: str) -> Interval | None:
        """Mean error of a case relative to another's, over the seeds that both have."""
        common = sorted(set(self.seeds.get(case, ())) & set(self.seeds.get(other, ())))
        if not common:
            return None
        first, second = ([_errors_of(self.measures[name, s], judge) for s in common] for name in (case, other))
        return relative_error(first, second)

    def level_slope(self, case: str, null: str | None = None) -> Interval:
        """Slope of the level of a case's reconstructions minus that of the originals, or of a null model, in dB/s."""
        other = np.array(self.nulls.waveforms["level_slope"][null]) if null else 0.0
        return mean_value([np.array(m.waveforms["level_slope"]) - other for m in self.of(case)])


def _errors_of(measures: CaseMeasures, judge: str) -> list[float]:
    """Errors of each preset: phase-sensitive waveform errors, mean squared errors on any other feature."""
    return measures.waveforms[judge] if judge in PHASE_JUDGES else measures.mse[judge]


def thesis_tables(results: Results) -> list[Table]:
    """Tables 5.1 to 5.12 of the cases that were run."""
    tables = []
    for experiment, first in FIRST_TABLE.items():
        cases = [case for case in results.cases if case.group == experiment]
        if cases:
            makers = (_epochs, _distances, _errors, _clusters)
            tables += [make(results, cases, first + i) for i, make in enumerate(makers)]
    return tables


def audible_error_table(results: Results) -> Table:
    """Audible errors of each case and of the nulls (log-mel, FAD): the table for cases of any kind."""
    rows: list[tuple[Cell, ...]] = []
    for case in results.cases:
        seeds = results.of(case.name)
        width = {len(m.kl) for m in seeds}.pop()
        rows.append(
            (
                case.name,
                results.to_null(case.name, "logmel"),
                results.to_null(case.name, "logmel", "mean_spectrogram"),
                float(np.mean([np.mean(m.parameter) for m in seeds]) / np.mean(results.nulls.parameter)),
                f"{np.mean([np.sum(np.array(m.kl) > ACTIVE_NATS) for m in seeds]):.3g} of {width}",
                _mean(seeds, lambda m: sum(m.kl)),
                _mean(seeds, lambda m: m.fad_test),
                _mean(seeds, lambda m: m.fad_prior),
                results.nulls.fad_floor,
                results.to_null(case.name, "complex_stft", "silence"),
                results.level_slope(case.name),
                _mean(seeds, lambda m: m.seconds / 60),
            )
        )
    mean, other = (
        np.mean(results.nulls.mse["logmel"]["mean_preset"]),
        np.mean(results.nulls.mse["logmel"]["random_preset"]),
    )
    columns = (
        "case",
        "log-mel MSE / mean preset",
        "log-mel MSE / mean spectrogram",
        "parameter error / mean preset",
        "active units",
        "KL (nats)",
        "FAD (log-mel) reconstructions",
        "FAD (log-mel) prior",
        "FAD (log-mel) floor",
        "complex STFT / silence",
        "rise of the level (dB/s)",
        "minutes",
    )
    note = (
        f"The mean preset's log-mel MSE is {mean:.4g} dB², a random preset's {other / mean:.3g} of it, the mean "
        f"spectrogram's {np.mean(results.nulls.mse['logmel']['mean_spectrogram']) / mean:.3g} of it. Parameter error "
        "is the squared distance in the unit cube, to that of 0.5 everywhere."
    )
    return Table("audible", "Audible errors (log-mel, 95 % intervals)", columns, tuple(rows), note)


def _table(
    results: Results, cases: Sequence[Case], number: int, what: str, columns: Sequence[_Column], note: str = ""
) -> Table:
    """A table of one row per case, with the thesis's figures in it."""
    thesis = thesis_figures()
    rows = [tuple(cell(results.of(case.name), thesis.get(case.thesis, {})) for _, cell in columns) for case in cases]
    named = tuple((case.name, *row) for case, row in zip(cases, rows, strict=True))
    headings = ("case", *(heading for heading, _ in columns))
    return Table(f"table-5.{number:02d}", f"Table 5.{number}: {what}", headings, named, note)


def _thesis(heading: str, figure: str, scale: float = 1.0) -> _Column:
    """The thesis's own figure, where the thesis has that case."""
    return heading, lambda seeds, thesis: thesis[figure] / scale if thesis else None


def _ours(heading: str, pick: Callable[[CaseMeasures], float | None]) -> _Column:
    """The mean over seeds."""
    return heading, lambda seeds, thesis: _mean(seeds, pick)


def _range(pick: Callable[[CaseMeasures], float | None]) -> _Column:
    """The least and the largest over seeds."""
    return "of the seeds", lambda seeds, thesis: _spread(seeds, pick)


def _epochs(results: Results, cases: Sequence[Case], number: int) -> Table:
    columns = (
        _ours("epochs", lambda m: m.epochs),
        _range(lambda m: m.epochs),
        _ours("best epoch", lambda m: m.best_epoch),
        _thesis("thesis: epochs", "epochs"),
    )
    return _table(results, cases, number, "epochs", columns)


#: Embeddings of the thesis: name, label, and the columns of its figures for test and train with their headings.
THESIS_EMBEDDINGS = {
    "vggish": ("VGGish", {"test": "fad_vggish_test", "train": "fad_vggish_train"}, ""),
    "panns": ("PANNs", {"test": "fad_panns_test_e3", "train": "fad_panns_train_e3"}, " ×10³"),
}


def _distances(results: Results, cases: Sequence[Case], number: int) -> Table:
    """Cases in rows, then the nulls; ours and the thesis's figures of each embedding side by side."""
    thesis, nulls = thesis_figures(), results.nulls
    columns: dict[str, list[Cell]] = {"case": [*(case.name for case in cases), "*floor*", "*mean preset*"]}

    def add(heading: str, cells: Sequence[Cell], floor: Cell = None, mean_preset: Cell = None) -> None:
        columns[heading] = [*cells, floor, mean_preset]

    def ours(pick: Callable[[CaseMeasures], float | None]) -> list[Cell]:
        return [_mean(results.of(case.name), pick) for case in cases]

    add("log-mel test", ours(lambda m: m.fad_test), nulls.fad_floor, nulls.fad_mean_preset)
    add("of the seeds", [_spread(results.of(case.name), lambda m: m.fad_test) for case in cases])
    add("log-mel train", ours(lambda m: m.fad_train))
    add("log-mel prior", ours(lambda m: m.fad_prior), nulls.fad_floor, nulls.fad_mean_preset)
    for name in dict.fromkeys([*THESIS_EMBEDDINGS, *results.distances]):
        label, figures, factor = THESIS_EMBEDDINGS.get(name, (name, {}, ""))
        measured = results.distances.get(name)
        if measured is not None:
            reference = measured.reference
            for split, mean_preset in (("test", reference.mean_preset), ("train", reference.mean_preset_train)):
                add(f"{label} {split}", _over_seeds(results, cases, measured, split), reference.floor, mean_preset)
        for split, figure in figures.items():
            add(f"thesis: {label} {split}{factor}", [thesis[c.thesis][figure] if c.thesis else None for c in cases])
    rows = tuple(zip(*columns.values(), strict=True))
    title = f"Table 5.{number}: Fréchet audio distance"
    return Table(f"table-5.{number:02d}", title, tuple(columns), rows, _distances_note(results))


def _over_seeds(results: Results, cases: Sequence[Case], measured: EmbeddingDistances, split: str) -> list[Cell]:
    """The mean distance over the seeds of each case."""
    return [
        float(np.mean([getattr(measured.runs[case.name, seed], split) for seed in results.seeds[case.name]]))
        for case in cases
    ]


def _distances_note(results: Results) -> str:
    """Notes on embeddings, numbers of sounds, and comparability."""
    sentences = [
        "Log-mel: our embedding of 64 dimensions, in dB²; its floor is the distance between two halves of the test "
        "sounds. The thesis's embeddings are VGGish and PANNs."
    ]
    for name, measured in results.distances.items():
        label, reference = THESIS_EMBEDDINGS.get(name, (name, {}, ""))[0], measured.reference
        dimension = len(reference.test.mean)
        sentences.append(
            f"{label}: {reference.test_sounds:,} test and {reference.train_sounds:,} training sounds, {dimension:,} "
            f"dimensions, weights with SHA-256 {measured.fingerprint[:16]}…; the floor is the distance between these "
            "two sets of sounds."
        )
        if min(reference.test.n, reference.train.n) <= dimension:
            sentences.append(
                f"With no more sounds than dimensions the covariances of {label} do not have full rank, and the bias "
                "of a finite set is most of each figure: compare it with the floor only."
            )
    if "vggish" not in results.distances or "panns" not in results.distances:
        sentences.append("Figures of different embeddings cannot be compared, only the order of cases.")
    sentences.append(
        "The thesis prints its PANNs figures with a factor of 10³ and does not name its implementation; "
        "frechet-audio-distance, which has both embeddings, takes the 2,048 dimensions of PANNs for one (docs/fad.md)."
    )
    return " ".join(sentences)


def _errors(results: Results, cases: Sequence[Case], number: int) -> Table:
    thesis = thesis_figures()
    columns: list[str] = ["case"]
    for feature in THESIS_FEATURES:
        columns += [f"{feature} MSE", f"{feature} / mean preset", f"thesis: {feature}"]
    columns += ["logmel / mean preset", "logmel / mean spectrogram", *WAVEFORM_COLUMNS]
    rows: list[tuple[Cell, ...]] = []
    for case in cases:
        row: list[Cell] = [case.name]
        for feature in THESIS_FEATURES:
            row.append(float(np.mean([np.mean(m.mse[feature]) for m in results.of(case.name)])))
            row.append(results.to_null(case.name, feature))
            row.append(thesis[case.thesis][f"mse_{feature}"] if case.thesis else None)
        row.append(results.to_null(case.name, "logmel"))
        row.append(results.to_null(case.name, "logmel", "mean_spectrogram"))
        row += [results.to_null(case.name, judge, null) for judge, null in WAVEFORM_RATIOS]
        row.append(mean_value([1.0 - np.array(m.waveforms["decorrelation"]) for m in results.of(case.name)]))
        row.append(results.level_slope(case.name))
        rows.append(tuple(row))
    rows += [_null_row(results, null) for null in ("mean_preset", "mean_spectrogram", "random_preset", "silence")]
    note = (
        "The scaling of the thesis's transforms is not known: its figures can be compared with each other only. Below "
        "1 is better than the mean preset for every target. The complex STFT, the waveform (L1) and the correlation "
        f"(the largest over lags up to {1000 * MAX_LAG:g} ms) depend on phase: the original with random phases has on "
        "average twice the error of silence on the complex STFT. The rise of the level is the mean slope of the level "
        "of the reconstruction minus that of the original."
    )
    return Table(
        f"table-5.{number:02d}",
        f"Table 5.{number}: mean squared errors, and waveforms",
        tuple(columns),
        tuple(rows),
        note,
    )


#: Phase-sensitive measures, each with the null model it is compared with.
WAVEFORM_RATIOS = (("complex_stft", "mean_preset"), ("complex_stft", "silence"), ("waveform", "silence"))
WAVEFORM_COLUMNS = (
    "complex STFT / mean preset", "complex STFT / silence", "waveform L1 / silence", "correlation",
    "rise of the level (dB/s)",
)  # fmt: skip


def _null_row(results: Results, null: str) -> tuple[Cell, ...]:
    """Row of a null model in the table of errors; empty cells for measures it lacks."""
    mse, waveforms = results.nulls.mse, results.nulls.waveforms
    row: list[Cell] = [f"*{null.replace('_', ' ')}*"]

    def ratio(errors: Mapping[str, Sequence[float]], other: str) -> Cell:
        return float(np.mean(errors[null]) / np.mean(errors[other])) if null in errors else None

    for feature in THESIS_FEATURES:
        mean = float(np.mean(mse[feature][null])) if null in mse[feature] else None
        row += [mean, ratio(mse[feature], "mean_preset"), None]
    row += [ratio(mse["logmel"], "mean_preset"), ratio(mse["logmel"], "mean_spectrogram")]
    row += [ratio(waveforms[judge], other) for judge, other in WAVEFORM_RATIOS]
    if null not in waveforms["complex_stft"]:
        return (*row, None, None)
    return (
        *row,
        1.0 - float(np.mean(waveforms["decorrelation"][null])),
        float(np.mean(waveforms["level_slope"][null])),
    )


def _clusters(results: Results, cases: Sequence[Case], number: int) -> Table:
    """Cases in rows, then the nulls at each radius with their intervals; the note says which cases lead them."""
    columns = (
        _ours("clusters", lambda m: m.map["clusters"]),
        _ours("noise share", lambda m: m.map["noise_share"]),
        _ours("DBCV", lambda m: m.map["dbcv"]),
        _range(lambda m: m.map["dbcv"]),
        _thesis("thesis: clusters", "clusters"),
        _thesis("thesis: noise share", "noise", THESIS_LATENTS),
        _thesis("thesis: DBCV", "dbcv"),
    )
    points = results.of(cases[0].name)[0].map["points"]
    nulls = by_radius(results.null_maps, [case.name for case in cases])
    rows: list[tuple[Cell, ...]] = []
    for label, null in nulls.items():
        rows.append((f"*{label}*", *map(_interval, null.expected), "", None, None, None))
    note = [
        f"{points:,} latents on each map; the thesis mapped {THESIS_LATENTS:,}. Nulls: means over several "
        "maps, each of a separate draw, with the 95 % prediction interval of one more map. A collapsed encoder is "
        "a network of the same widths trained with the thesis's KL weight 1. A DBCV leads a null if it is above 0 and "
        "above that interval, and a case leads if every seed does.",
        *_leads(results, cases),
    ]
    table = _table(results, cases, number, "clusters of the latent map", columns, " ".join(note))
    return dataclasses.replace(table, rows=(*table.rows, *rows))


def _leads(results: Results, cases: Sequence[Case]) -> list[str]:
    """Sentences on which of our cases, and of the thesis's, lead the nulls, for each radius and network."""
    groups: dict[tuple[str, ...], list[Case]] = {}
    for case in cases:
        groups.setdefault(tuple(null.label for null in results.null_maps.get(case.name, {}).values()), []).append(case)
    sentences = []
    for labels, group in groups.items():
        if not labels:
            continue
        nulls = results.null_maps[group[0].name]
        dbcv = {null.label: null.dbcv for null in nulls.values()}
        least = {case.name: _least([m.map["dbcv"] for m in results.of(case.name)]) for case in group}
        first = results.of(group[0].name)[0]
        settings = MapSettings(eps=group[0].eps)
        sentences.append(f"Ours: {lead_in_words(least, dbcv)}.")
        sentences.append(thesis_clusters(settings, first.map["points"], len(first.kl), dbcv))
    return [sentence for sentence in sentences if sentence]


def _least(values: Sequence[float | None]) -> float | None:
    """The least of some DBCVs; None where one is not defined, which leads nothing."""
    present = [value for value in values if value is not None]
    return min(present) if present and len(present) == len(values) else None


def _interval(null: Expected | None) -> Cell:
    if null is None or null.low is None or null.high is None:
        return None if null is None else null.mean
    return Interval(null.mean, null.low, null.high, null.maps, 0)


def _values(seeds: Sequence[CaseMeasures], pick: Callable[[CaseMeasures], float | None]) -> list[float]:
    return [float(value) for value in map(pick, seeds) if value is not None]


def _mean(seeds: Sequence[CaseMeasures], pick: Callable[[CaseMeasures], float | None]) -> float | None:
    values = _values(seeds, pick)
    return float(np.mean(values)) if values else None


def _spread(seeds: Sequence[CaseMeasures], pick: Callable[[CaseMeasures], float | None]) -> str:
    values = _values(seeds, pick)
    return f"{_number(min(values))} to {_number(max(values))}" if values else ""


def _text(cell: Cell) -> str:
    if isinstance(cell, Interval):
        return f"{cell.value:.3g} ({cell.low:.3g} to {cell.high:.3g})"
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else _number(cell)


def _number(value: float) -> str:
    """As on HTML pages, but with a hyphen: in Markdown negative numbers of intervals and sentences begin with one."""
    return format_number(int(value) if float(value).is_integer() else value).replace("−", "-")
