"""The study's tables 5.1 to 5.12 with our figures, the nulls and the study's in one row, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

from synthvae.analysis.report import format_number
from synthvae.experiments.cases import Case
from synthvae.experiments.compare import Interval, relative_error
from synthvae.experiments.measures import CaseMeasures, NullMeasures

__all__ = ["Results", "Table", "heard_table", "study_figures", "study_tables"]

#: Features of the study's tables; the log-mel, ours, stands beside them.
STUDY_FEATURES = ("stft", "mfcc", "cqt")
#: The study's tables of each experiment begin here. It does not number them in what is known of it; that they come
#: in the order epochs, Fréchet distances, errors, clusters is an assumption.
FIRST_TABLE = {"exp1": 1, "exp2": 5, "exp3": 9}
#: Latents that the study clustered.
STUDY_LATENTS = 10_000
#: A latent dimension counts as active above this, in nats.
ACTIVE_NATS = 0.05

Cell = str | float | Interval | None


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: of its CSV file.
        title: with number and unit.
        columns: headings.
        rows: a cell per column.
        note: what has to be known to read it.
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

    def csv(self) -> str:
        """As CSV; an interval takes three columns."""
        wide = [any(isinstance(row[i], Interval) for row in self.rows) for i in range(len(self.columns))]
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        heading: list[str] = []
        for name, triple in zip(self.columns, wide, strict=True):
            heading += [name, f"{name} low", f"{name} high"] if triple else [name]
        writer.writerow(heading)
        for row in self.rows:
            values: list[object] = []
            for cell, triple in zip(row, wide, strict=True):
                if isinstance(cell, Interval):
                    values += [f"{number:.6g}" for number in (cell.value, cell.low, cell.high)]
                else:
                    values += [_plain(cell)] + ["", ""] * triple
            writer.writerow(values)
        return stream.getvalue()


@dataclass(frozen=True)
class Results:
    """All measures of one scale.

    Attributes:
        cases: in the order of the tables.
        seeds: finished seeds of each case by its name.
        measures: by case name and seed.
        nulls: of the test presets.
    """

    cases: tuple[Case, ...]
    seeds: Mapping[str, tuple[int, ...]]
    measures: Mapping[tuple[str, int], CaseMeasures]
    nulls: NullMeasures

    def of(self, case: str) -> list[CaseMeasures]:
        """The measures of a case, one per seed."""
        return [self.measures[case, seed] for seed in self.seeds[case]]

    def to_null(self, case: str, feature: str, null: str = "mean_preset") -> Interval:
        """Mean squared error of a case relative to a null model's."""
        return relative_error([m.mse[feature] for m in self.of(case)], [self.nulls.mse[feature][null]])

    def to_case(self, case: str, other: str, feature: str) -> Interval | None:
        """Mean squared error of a case relative to another's, over the seeds that both have."""
        common = sorted(set(self.seeds.get(case, ())) & set(self.seeds.get(other, ())))
        if not common:
            return None
        first, second = ([self.measures[name, seed].mse[feature] for seed in common] for name in (case, other))
        return relative_error(first, second)


def study_figures() -> dict[str, dict[str, float]]:
    """The study's own figures by case (``Exp1-LMSL``) and column."""
    text = (resources.files("synthvae.experiments") / "study.csv").read_text(encoding="utf-8")
    return {
        row["case"]: {name: float(value) for name, value in row.items() if name != "case"}
        for row in csv.DictReader(io.StringIO(text))
    }


def study_tables(results: Results) -> list[Table]:
    """Tables 5.1 to 5.12, as far as their cases were run."""
    tables = []
    for experiment, first in FIRST_TABLE.items():
        cases = [case for case in results.cases if case.experiment == experiment]
        if cases:
            makers = (_epochs, _distances, _errors, _clusters)
            tables += [make(results, cases, first + i) for i, make in enumerate(makers)]
    return tables


def heard_table(results: Results) -> Table:
    """What each case is worth on what is heard, beside the nulls: the table for cases of any kind."""
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
        "FAD reconstructions",
        "FAD prior",
        "FAD floor",
        "minutes",
    )
    note = (
        f"The mean preset's log-mel MSE is {mean:.4g} dB², a random preset's {other / mean:.3g} of it, the mean "
        f"spectrogram's {np.mean(results.nulls.mse['logmel']['mean_spectrogram']) / mean:.3g} of it. Parameter error "
        "is the squared distance in the unit cube, to that of 0.5 everywhere."
    )
    return Table("heard", "What is heard (log-mel, 95 % intervals)", columns, tuple(rows), note)


def _epochs(results: Results, cases: Sequence[Case], number: int) -> Table:
    study = study_figures()
    rows = []
    for case in cases:
        seeds = results.of(case.name)
        rows.append(
            (
                case.name,
                _mean(seeds, lambda m: m.epochs),
                _spread(seeds, lambda m: m.epochs),
                _mean(seeds, lambda m: m.best_epoch),
                study[case.study]["epochs"] if case.study else None,
            )
        )
    columns = ("case", "epochs", "of the seeds", "best epoch", "study: epochs")
    return Table(f"table-5.{number:02d}", f"Table 5.{number}: epochs", columns, tuple(rows))


def _distances(results: Results, cases: Sequence[Case], number: int) -> Table:
    study = study_figures()
    names = ("fad_vggish_test", "fad_vggish_train", "fad_panns_test_e3", "fad_panns_train_e3")
    rows = []
    for case in cases:
        seeds = results.of(case.name)
        rows.append(
            (
                case.name,
                _mean(seeds, lambda m: m.fad_test),
                _spread(seeds, lambda m: m.fad_test),
                _mean(seeds, lambda m: m.fad_train),
                _mean(seeds, lambda m: m.fad_prior),
                results.nulls.fad_floor,
                results.nulls.fad_mean_preset,
                *(study[case.study][name] if case.study else None for name in names),
            )
        )
    columns = (
        "case",
        "test",
        "of the seeds",
        "train",
        "prior",
        "floor",
        "mean preset",
        "study: VGGish test",
        "train",
        "PANNs ×10³ test",
        "train ",
    )
    note = (
        "Ours is on the log-mel embedding of 64 dimensions, in dB²; the study's embeddings are others, so only the "
        "order of cases can be compared, not the figures."
    )
    return Table(f"table-5.{number:02d}", f"Table 5.{number}: Fréchet audio distance", columns, tuple(rows), note)


def _errors(results: Results, cases: Sequence[Case], number: int) -> Table:
    study = study_figures()
    columns: list[str] = ["case"]
    for feature in STUDY_FEATURES:
        columns += [f"{feature} MSE", f"{feature} / mean preset", f"study: {feature}"]
    columns += ["logmel / mean preset", "logmel / mean spectrogram"]
    rows: list[tuple[Cell, ...]] = []
    for case in cases:
        row: list[Cell] = [case.name]
        for feature in STUDY_FEATURES:
            row.append(float(np.mean([np.mean(m.mse[feature]) for m in results.of(case.name)])))
            row.append(results.to_null(case.name, feature))
            row.append(study[case.study][f"mse_{feature}"] if case.study else None)
        row.append(results.to_null(case.name, "logmel"))
        row.append(results.to_null(case.name, "logmel", "mean_spectrogram"))
        rows.append(tuple(row))
    null: list[Cell] = ["*mean spectrogram*"]
    for feature in STUDY_FEATURES:
        mean = float(np.mean(results.nulls.mse[feature]["mean_spectrogram"]))
        null += [mean, mean / float(np.mean(results.nulls.mse[feature]["mean_preset"])), None]
    logmel = results.nulls.mse["logmel"]
    null += [float(np.mean(logmel["mean_spectrogram"]) / np.mean(logmel["mean_preset"])), 1.0]
    rows.append(tuple(null))
    note = (
        "The scaling of the study's transforms is not known: its figures can be compared with each other only. Below 1 "
        "is better than answering every time with the mean preset."
    )
    return Table(f"table-5.{number:02d}", f"Table 5.{number}: mean squared errors", tuple(columns), tuple(rows), note)


def _clusters(results: Results, cases: Sequence[Case], number: int) -> Table:
    study = study_figures()
    rows: list[tuple[Cell, ...]] = []
    for case in cases:
        seeds = results.of(case.name)
        of_study = study.get(case.study)
        rows.append(
            (
                case.name,
                _mean(seeds, lambda m: m.map["clusters"]),
                _mean(seeds, lambda m: m.map["noise_share"]),
                _mean(seeds, lambda m: m.map["dbcv"]),
                _spread(seeds, lambda m: m.map["dbcv"]),
                _mean(seeds, lambda m: m.map_of_noise["clusters"]),
                _mean(seeds, lambda m: m.map_of_noise["noise_share"]),
                _mean(seeds, lambda m: m.map_of_noise["dbcv"]),
                *(
                    (of_study["clusters"], of_study["noise"] / STUDY_LATENTS, of_study["dbcv"])
                    if of_study
                    else (None, None, None)
                ),
            )
        )
    columns = (
        "case",
        "clusters",
        "noise share",
        "DBCV",
        "of the seeds",
        "null: clusters",
        "null: noise share",
        "null: DBCV",
        "study: clusters",
        "study: noise share",
        "study: DBCV",
    )
    points = results.of(cases[0].name)[0].map["points"]
    note = (
        f"{points:,} latents; the study clustered {STUDY_LATENTS:,}, on which the same recipe finds 715 clusters and a "
        "DBCV of 0.19 in standard normal noise. The null is such noise, of as many points and dimensions."
    )
    return Table(f"table-5.{number:02d}", f"Table 5.{number}: clusters of the latent map", columns, tuple(rows), note)


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
    return format_number(int(value) if float(value).is_integer() else value)


def _plain(cell: str | float | None) -> str:
    return "" if cell is None else cell if isinstance(cell, str) else f"{cell:.6g}"
