from __future__ import annotations

import csv
import io

import pytest

from synthvae.experiments.conclusions import answers, answers_csv, group_tests
from tests.experiments.synthetic import results


def found(factors: dict[str, float], **others: float | None):
    return {answer.name: answer for answer in answers(results(factors, **others))}


def test_a_gradient_that_helps_is_said_to_help():
    answer = found({"exp1-scl": 0.9, "exp2-scl": 0.6, "exp1-lmsl": 0.9, "exp2-lmsl": 0.95})["gradient"]
    on_logmel = [c for c in answer.comparisons if c.feature == "logmel"]
    assert [(c.case, c.other) for c in on_logmel] == [("exp2-lmsl", "exp1-lmsl"), ("exp2-scl", "exp1-scl")]
    assert on_logmel[1].ratio.value == pytest.approx(0.6 / 0.9)
    assert [c.verdict for c in on_logmel] == ["higher", "lower"]
    assert answer.sentences[0] == (
        "On logmel, sending the gradient through the Voice (exp2 against exp1) lowers the error in 1 of 2 comparisons, "
        "raises it in 1 and leaves 0 undecided (ratios from 0.667 to 1.06)."
    )


def test_one_seed_decides_nothing():
    answers = found({"exp1-scl": 0.9, "exp2-scl": 0.6}, seeds=1)
    assert {c.verdict for c in answers["gradient"].comparisons} == {"undecided"}
    # But of the models at hand it can be said whether they are better than a null model, which has no seed.
    assert answers["nulls"].sentences[0].startswith("On logmel 2 of 2 cases are better than the mean preset")


def test_only_questions_that_can_be_answered_are_asked():
    assert set(found({"exp1-scl": 0.9, "exp1-sclp": 0.9})) == {"phase", "nulls"}
    assert set(found({"exp3-stft": 0.9, "exp3-cqt": 0.8})) == {"feature", "nulls"}
    assert set(found({"exp3-stft": 0.9, "exp3-phase1": 0.8})) == {"sounds-alone", "nulls"}
    assert set(found({"best-16": 0.1})) == {"nulls"}


def test_nulls_are_beaten_or_not():
    answer = found({"best-16": 0.1, "exp1-scl": 0.9})["nulls"]
    assert answer.sentences[0].startswith("On logmel 2 of 2 cases are better than the mean preset;")
    assert "1 of 2 cases are better than the mean spectrogram: best-16; 1 are worse" in answer.sentences[1]
    assert "2 of 2 cases have a DBCV above" in answer.sentences[2]
    assert answer.sentences[3].endswith("are 2 to 2 times the floor; that of the mean preset is 40 times.")
    assert "0 of 1 cases have a DBCV above" in found({"best-16": 0.1}, dbcv=0.2)["nulls"].sentences[2]
    assert "0 of 1 cases have a DBCV above" in found({"best-16": 0.1}, dbcv=None)["nulls"].sentences[2]


def test_every_comparison_is_in_the_file():
    asked = answers(results({"exp1-scl": 0.9, "exp2-scl": 0.6}))
    rows = list(csv.DictReader(io.StringIO(answers_csv(asked))))
    assert len(rows) == sum(len(answer.comparisons) for answer in asked)
    assert {row["verdict"] for row in rows} <= {"lower", "higher", "undecided"}
    assert float(rows[0]["low"]) <= float(rows[0]["ratio"]) <= float(rows[0]["high"])


def test_groups_are_the_cases_of_an_experiment():
    tests = group_tests(results({"exp1-scl": 0.9, "exp1-lmsl": 0.2, "best-16": 0.1}))
    assert {experiment for experiment, _ in tests} == {"exp1"}
    assert tests["exp1", "stft"].n == 6  # two cases of three seeds
    assert tests["exp1", "stft"].medians["exp1-lmsl"] < tests["exp1", "stft"].medians["exp1-scl"]
