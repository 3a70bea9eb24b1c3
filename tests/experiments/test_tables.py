from __future__ import annotations

import csv
import dataclasses
import io

import numpy as np
import pytest

from synthvae.analysis.thesis import thesis_figures
from synthvae.experiments.compare import Interval
from synthvae.experiments.distances import EmbeddingDistances, Reference, RunDistances
from synthvae.experiments.tables import Table, audible_error_table, thesis_tables
from synthvae.metrics.frechet import GaussianStatistics
from tests.experiments.synthetic import results


def read(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.frame().to_csv(index=False, float_format="%.6g"))))


def test_there_are_twelve_tables_where_every_experiment_was_run():
    tables = thesis_tables(results({"exp1-scl": 0.9, "exp2-scl": 0.8, "exp3-cqt": 0.7}))
    assert [table.name for table in tables] == [f"table-5.{n:02d}" for n in range(1, 13)]
    assert [table.rows[0][0] for table in tables] == ["exp1-scl"] * 4 + ["exp2-scl"] * 4 + ["exp3-cqt"] * 4


def test_ours_the_null_and_the_thesis_stand_in_one_row():
    epochs, distances, errors, clusters = thesis_tables(results({"exp1-lmsl": 0.9}))
    assert read(epochs)[0] == {
        "case": "exp1-lmsl", "epochs": "31", "of the seeds": "30 to 32", "best epoch": "25", "thesis: epochs": "282",
    }  # fmt: skip
    row, floor, mean_preset = read(distances)
    assert [r["log-mel test"] for r in (row, floor, mean_preset)] == ["20", "10", "400"]
    assert (floor["case"], mean_preset["case"]) == ("*floor*", "*mean preset*")
    assert (row["thesis: VGGish test"], row["thesis: PANNs test ×10³"]) == ("0.7325", "0.1163")
    assert "VGGish test" not in row  # which was not measured
    row = read(errors)[0]
    assert float(row["stft / mean preset"]) == pytest.approx(0.9)
    assert float(row["stft / mean preset low"]) < 0.9 < float(row["stft / mean preset high"])
    assert float(row["logmel / mean spectrogram"]) == pytest.approx(1.8)
    assert row["thesis: cqt"] == "18178.7"
    assert float(row["complex STFT / mean preset"]) == pytest.approx(0.9)
    assert float(row["complex STFT / silence"]) == pytest.approx(0.9 / 0.8)
    assert float(row["complex STFT / silence low"]) < 0.9 / 0.8 < float(row["complex STFT / silence high"])
    assert float(row["rise of the level (dB/s)"]) == pytest.approx(10.0, abs=0.5)
    rows = {row["case"]: row for row in read(errors)}
    assert float(rows["*mean spectrogram*"]["stft / mean preset"]) == pytest.approx(0.5)
    assert rows["*mean spectrogram*"]["complex STFT / silence"] == ""
    assert rows["*silence*"]["stft MSE"] == ""
    assert float(rows["*silence*"]["complex STFT / mean preset"]) == pytest.approx(0.8)
    assert float(rows["*random preset*"]["complex STFT / silence"]) == pytest.approx(1.5)
    slopes = [rows[f"*{null}*"]["rise of the level (dB/s)"] for null in ("mean preset", "random preset", "silence")]
    assert slopes == ["5", "0", "20"]
    row, noise, collapsed = read(clusters)
    assert (row["clusters"], row["DBCV"]) == ("7", "0.4")
    assert noise["case"] == "*normal noise, eps 0.04*"
    assert collapsed["case"] == "*collapsed encoder 16, eps 0.04*"
    assert (noise["clusters"], noise["DBCV"], collapsed["DBCV"]) == ("5", "0.2", "0.3")
    assert float(noise["DBCV low"]) == pytest.approx(0.2 - 4.302653 * 0.02 * (4 / 3) ** 0.5, rel=1e-4)
    assert (row["thesis: clusters"], row["thesis: noise share"], row["thesis: DBCV"]) == ("818", "0.3616", "0.4136")


def test_nulls_of_every_radius_and_who_leads_them():
    found = results({"exp1-scl": 0.9, "exp1-lmsl": 0.9, "exp3-stft": 0.9, "exp3-phase1": 0.9})
    measured = dict(found.measures)
    weak = measured["exp1-scl", 1]
    measured["exp1-scl", 1] = dataclasses.replace(weak, map=weak.map | {"dbcv": 0.1})
    clusters = thesis_tables(dataclasses.replace(found, measures=measured))[3], thesis_tables(found)[7]
    assert [row["case"] for row in read(clusters[0])][2:] == [
        "*normal noise, eps 0.04*", "*collapsed encoder 16, eps 0.04*",
    ]  # fmt: skip
    assert [row["case"] for row in read(clusters[1])][2:] == [
        "*normal noise, eps 0.05*", "*collapsed encoder 16, eps 0.05*",
    ]  # fmt: skip
    assert "1 of 2 lead the normal noise, eps 0.04 (not exp1-scl), which has 0.20 (0.10 to 0.30 for" in clusters[0].note
    assert "none of 2 lead the collapsed encoder 16, eps 0.04, which has 0.30" in clusters[0].note
    assert "all of 2 lead the normal noise, eps 0.05" in clusters[1].note
    assert "The thesis prints" not in clusters[0].note  # 500 points and 2 dimensions are not the thesis's


def test_no_column_of_the_clusters_is_empty():
    table = thesis_tables(results({"exp1-scl": 0.9}))[3]
    assert all(any(cell not in (None, "") for cell in column) for column in zip(*table.rows, strict=True))


def embedded(dimension: int, sounds: int, floor: float) -> EmbeddingDistances:
    """Distances 1, 2, 3 of three seeds on test, ten times as much on training sounds."""
    gaussian = GaussianStatistics(sounds, np.zeros(dimension), np.eye(dimension))
    reference = Reference(gaussian, gaussian, sounds, sounds, floor, 50.0, 60.0)
    runs = {("exp1-lmsl", seed): RunDistances(seed + 1.0, 10.0 * (seed + 1)) for seed in range(3)}
    return EmbeddingDistances(reference, runs, "0123456789abcdef0123")


def test_vggish_and_panns_stand_beside_the_thesis():
    measured = {"vggish": embedded(128, 400, 0.5), "panns": embedded(2048, 400, 7.0)}
    table = thesis_tables(dataclasses.replace(results({"exp1-lmsl": 0.9}), distances=measured))[1]
    row, floor, mean_preset = read(table)
    for label, null, factor in (("VGGish", "0.5", ""), ("PANNs", "7", " ×10³")):
        assert (row[f"{label} test"], row[f"{label} train"]) == ("2", "20")
        assert (floor[f"{label} test"], floor[f"{label} train"]) == (null, null)
        assert (mean_preset[f"{label} test"], mean_preset[f"{label} train"]) == ("50", "60")
        headings = list(row)
        assert headings[headings.index(f"{label} test") + 2] == f"thesis: {label} test{factor}"
    assert (row["thesis: VGGish train"], row["thesis: PANNs train ×10³"]) == ("0.7454", "0.0923")
    assert (
        "VGGish: 400 test and 400 training sounds, 128 dimensions, weights with SHA-256 0123456789abcdef…" in table.note
    )
    assert "covariances of PANNs do not have full rank" in table.note
    assert "covariances of VGGish" not in table.note


def test_other_embeddings_have_columns_of_their_own():
    measured = {"panns-collapsed": embedded(1, 9, 0.1)}
    table = thesis_tables(dataclasses.replace(results({"exp1-lmsl": 0.9}), distances=measured))[1]
    assert [heading for heading in table.columns if heading.startswith("panns-collapsed")] == [
        "panns-collapsed test", "panns-collapsed train",
    ]  # fmt: skip
    assert len(table.rows[0]) == len(table.columns)


def test_a_case_of_our_own_has_no_figures_of_the_thesis():
    tables = thesis_tables(results({"exp3-stft": 0.9, "exp3-phase1": 0.95}))
    assert [read(table)[1]["case"] for table in tables] == ["exp3-phase1"] * 4
    assert read(tables[1])[1]["thesis: VGGish train"] == ""
    assert read(tables[0])[1]["thesis: epochs"] == ""
    assert read(tables[3])[0]["thesis: clusters"] == "656"


def test_measures_that_are_not_defined_leave_a_gap():
    _, distances, _, clusters = thesis_tables(results({"exp1-scl": 0.9}, dbcv=None, fad=None))
    assert read(distances)[0]["log-mel test"] == ""
    assert read(clusters)[0]["DBCV"] == ""


def test_audible_errors_are_reported_for_every_case():
    table = audible_error_table(results({"best-16": 0.1, "exp1-scl": 0.9}))
    row = read(table)[0]
    assert float(row["log-mel MSE / mean preset"]) == pytest.approx(0.1)
    assert float(row["log-mel MSE / mean spectrogram"]) == pytest.approx(0.2)
    assert row["parameter error / mean preset"] == "0.5"
    assert row["active units"] == "1 of 2"
    assert row["KL (nats)"] == "1.01"
    assert float(row["complex STFT / silence"]) == pytest.approx(0.125)
    assert float(row["rise of the level (dB/s)"]) == pytest.approx(-70.0, abs=0.5)


def test_markdown_has_a_cell_for_every_column():
    for table in [*thesis_tables(results({"exp1-scl": 0.9})), audible_error_table(results({"exp1-scl": 0.9}))]:
        lines = [line for line in table.markdown().splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1
        assert len(lines) == len(table.rows) + 2


def test_an_interval_takes_three_columns_of_a_file():
    table = Table("t", "T", ("a", "b"), (("x", Interval(1.0, 0.5, 2.0, 3, 9)), ("y", None)))
    frame = table.frame()
    assert list(frame.columns) == ["a", "b", "b low", "b high"]
    assert frame.iloc[0].tolist() == ["x", 1.0, 0.5, 2.0]
    assert frame.iloc[1, 1:].isna().all()


def test_the_thesis_figures_are_complete():
    figures = thesis_figures()
    assert len(figures) == 15
    assert figures["Exp3-CQT"]["dbcv"] == 0.3129
    assert all(len(row) == 11 for row in figures.values())


def test_negative_numbers_of_a_markdown_table_begin_with_a_hyphen():
    interval = Interval(-1.5, -2.5, -0.5, 3, 10)
    text = Table("1", "t", ("a", "b", "c"), ((interval, -1.5, -2.0),)).markdown()
    assert "| -1.5 (-2.5 to -0.5) | -1.50 | -2 |" in text
