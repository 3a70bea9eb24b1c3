from __future__ import annotations

import pytest

from synthvae.experiments.compare import Interval
from synthvae.experiments.conclusions import answers, answers_frame, group_tests
from synthvae.experiments.report import ratio_chart
from synthvae.metrics.waveforms import PHASE_JUDGES
from tests.experiments.synthetic import results


def found(factors: dict[str, float], **others: float | None):
    return {answer.name: answer for answer in answers(results(factors, **others))}


def test_a_gradient_that_helps_is_said_to_help():
    answer = found({"exp1-scl": 0.9, "exp2-scl": 0.6, "exp1-lmsl": 0.9, "exp2-lmsl": 0.95})["gradient"]
    on_logmel = [c for c in answer.comparisons if c.feature == "logmel"]
    assert [(c.case, c.other) for c in on_logmel] == [("exp2-lmsl", "exp1-lmsl"), ("exp2-scl", "exp1-scl")]
    assert on_logmel[1].interval.value == pytest.approx(0.6 / 0.9)
    assert [c.verdict for c in on_logmel] == ["higher", "lower"]
    assert answer.sentences[0] == (
        "On logmel, back-propagating through the Voice (exp2 against exp1) lowers the error in 1 of 2 comparisons, "
        "raises it in 1 and is undecided in 0 (ratios from 0.667 to 1.06)."
    )


def test_one_seed_decides_nothing():
    answers = found({"exp1-scl": 0.9, "exp2-scl": 0.6}, seeds=1)
    assert {c.verdict for c in answers["gradient"].comparisons} == {"undecided"}
    # But of the models at hand it can be said whether they are better than a null model, which has no seed.
    assert answers["nulls"].sentences[0].startswith("On logmel 2 of 2 cases are better than the mean preset")


def test_only_questions_that_can_be_answered_are_asked():
    assert set(found({"exp1-scl": 0.9, "exp1-sclp": 0.9})) == {"phase", "level", "nulls"}
    assert set(found({"exp3-stft": 0.9, "exp3-cqt": 0.8})) == {"feature", "level", "nulls"}
    assert set(found({"exp3-stft": 0.9, "exp3-phase1": 0.8})) == {"sounds-alone", "level", "nulls"}
    assert set(found({"best-16": 0.1})) == {"level", "nulls"}


def test_nulls_are_beaten_or_not():
    answer = found({"best-16": 0.1, "exp1-scl": 0.9})["nulls"]
    assert answer.sentences[0].startswith("On logmel 2 of 2 cases are better than the mean preset;")
    assert "1 of 2 cases are better than the mean spectrogram: best-16; 1 are worse" in answer.sentences[1]
    assert "2 of 2 cases have a DBCV that leads the normal noise, with every seed" in answer.sentences[2]
    assert "0 of 2 cases have a DBCV that leads the collapsed encoder" in answer.sentences[3]
    assert answer.sentences[4].endswith("are 2 to 2 times the floor; that of the mean preset is 40 times.")
    assert "0 of 1 cases have a DBCV that leads" in found({"best-16": 0.1}, dbcv=0.2)["nulls"].sentences[2]
    assert "0 of 1 cases have a DBCV that leads" in found({"best-16": 0.1}, dbcv=None)["nulls"].sentences[2]


def test_every_comparison_is_in_the_file():
    asked = answers(results({"exp1-scl": 0.9, "exp2-scl": 0.6}))
    rows = answers_frame(asked).to_dict("records")
    assert len(rows) == sum(len(answer.comparisons) for answer in asked)
    assert {row["verdict"] for row in rows} <= {"lower", "higher", "undecided"}
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows)
    assert {row["feature"] for row in rows if row["unit"] == "dB/s"} == {"level_slope"}


def test_groups_are_the_cases_of_an_experiment():
    tests = group_tests(results({"exp1-scl": 0.9, "exp1-lmsl": 0.2, "best-16": 0.1}))
    assert {experiment for experiment, _ in tests} == {"exp1"}
    assert tests["exp1", "stft"].n == 6  # two cases of three seeds
    assert tests["exp1", "stft"].medians["exp1-lmsl"] < tests["exp1", "stft"].medians["exp1-scl"]


def test_phase_is_judged_by_what_hears_it():
    magnitudes, phase = "exp2-scl", "exp2-sclp"
    whole = results({magnitudes: 0.6, phase: 0.7})
    for seed in range(3):  # worse on magnitudes, better by all that hear phase
        heard = whole.measures[phase, seed].waveforms
        for judge in PHASE_JUDGES:
            heard[judge] = [0.5 * value for value in whole.measures[magnitudes, seed].waveforms[judge]]
    answer = next(answer for answer in answers(whole) if answer.name == "phase")
    verdicts = {c.feature: c.verdict for c in answer.comparisons}
    assert verdicts == {"logmel": "higher", "stft": "higher", **dict.fromkeys(PHASE_JUDGES, "lower")}
    assert answer.comparisons[2].interval.value == pytest.approx(0.5)
    assert answer.sentences[2].startswith("On the complex STFT, a phase-aware loss lowers the error in 1 of 1")
    # Silence has 0.8 of the mean preset's error, the two cases 0.6 and half of that.
    assert "errors of these cases are 0.375 to 0.75 of silence's, and 2 of 2 are below it" in answer.sentences[-1]


def test_rising_levels_are_distinguished_from_others():
    answer = found({"exp1-scl": 0.9, "exp2-scl": 0.7, "best-16": 0.8})["level"]
    verdicts = {(c.other, c.case): c.verdict for c in answer.comparisons}
    assert verdicts == {
        ("the originals", "exp1-scl"): "higher",  # by 10 dB/s
        ("the originals", "exp2-scl"): "lower",
        ("the originals", "best-16"): "undecided",
        ("the mean preset", "exp1-scl"): "higher",  # which rises by 5 dB/s
        ("the mean preset", "exp2-scl"): "lower",
        ("the mean preset", "best-16"): "lower",
    }
    assert answer.sentences[0].startswith(
        "The level of the reconstructions rises against the originals in 1 of 3 cases,"
    )
    assert "The slope of the mean preset is 5 dB/s; 2 cases have a smaller and 1 a larger one." in (answer.sentences[0])


def test_the_second_set_up_is_compared_with_early_stopping_case_by_case():
    answer = found({"exp1-scl": 0.9, "exp1-scl-500": 0.8, "exp2-lmsl-500": 0.7, "exp3-cqt": 0.7, "exp3-cqt-250": 0.75})[
        "set-up"
    ]
    verdicts = {(c.case, c.other): c.verdict for c in answer.comparisons if c.feature == "logmel"}
    assert verdicts == {("exp1-scl-500", "exp1-scl"): "lower", ("exp3-cqt-250", "exp3-cqt"): "higher"}
    assert "set-up" not in found({"exp1-scl-500": 0.8, "exp2-scl": 0.9})


@pytest.mark.parametrize("logarithmic", [True, False])
def test_the_chart_has_a_row_per_comparison_and_a_name_per_judge(logarithmic: bool):
    answer = found({"exp1-scl": 0.9, "exp1-sclp": 0.8, "exp2-scl": 0.9, "exp2-sclp": 1.1})["phase"]
    series: dict[str, dict[str, Interval]] = {}
    for c in answer.comparisons:
        series.setdefault(c.feature, {})[c.case] = c.interval
    figure = ratio_chart(series, "ratio of errors", {"no difference": 1.0}, logarithmic=logarithmic)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["exp1-sclp", "exp2-sclp"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["logmel", "stft", *PHASE_JUDGES]
    assert axes.get_xscale() == ("log" if logarithmic else "linear")
