"""Answers of listening tests."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from synthvae.analysis.listening import (
    COLUMNS,
    analyse_answers,
    listener_means,
    read_answers,
    screened,
)
from synthvae.core.errors import UserError
from synthvae.metrics.statistics import kruskal_wallis
from synthvae.report.listening import write_listening_report

#: Spread of ratings between listeners, of one listener's ratings, and between trials, in MUSHRA points.
BETWEEN, WITHIN, TRIALS = 5.0, 12.0, 5.0


def rows(kind: str, cells: list[tuple[object, ...]]) -> pd.DataFrame:
    """Answers from (listener, trial, stimulus, other, label, answer)."""
    return pd.DataFrame(
        [
            (who, "t", kind, trial, one, other, label, str(answer), "3")
            for who, trial, one, other, label, answer in cells
        ],
        columns=list(COLUMNS),
    )


def simulated(effect: float, seed: int, listeners: int = 12, trials: int = 8) -> pd.DataFrame:
    """MUSHRA answers: reference, anchors and three systems, one of which is better by `effect`."""
    random = np.random.default_rng(seed)
    means = {"reference": 100.0, "anchor35": 20.0, "anchor70": 45.0, "a": 55.0, "b": 55.0, "c": 55.0 + effect}
    bias, item = random.normal(0, BETWEEN, listeners), random.normal(0, TRIALS, trials)
    cells = []
    for name, mean in means.items():
        noise = random.normal(0, WITHIN if name != "reference" else 2.0, (listeners, trials))
        score = mean + noise + (bias[:, None] + item if name != "reference" else 0.0)
        score = np.clip(np.rint(score), 0, 100).astype(int)
        cells += [(f"l{i}", f"s{j}", name, "", "", score[i, j]) for i in range(listeners) for j in range(trials)]
    return rows("mushra", cells)


def p_value(answers: pd.DataFrame) -> float:
    """Of Kruskal-Wallis between systems, as `analyse_answers` has it."""
    means = listener_means(answers[~answers["listener"].isin(screened(answers))])
    return kruskal_wallis({name: 100.0 - means[name] for name in "abc"}).p_value


def test_an_effect_of_ten_points_is_found_and_none_where_there_is_none():
    found = sum(p_value(simulated(10.0, seed)) < 0.05 for seed in range(100))
    false = sum(p_value(simulated(0.0, 1000 + seed)) < 0.05 for seed in range(100))
    assert found >= 80
    assert false <= 7


def test_ratings_are_compared_by_listener(tmp_path: Path):
    answers = simulated(10.0, 1)
    results = analyse_answers(answers)
    assert results.left_out == {}
    assert results.ratings.comparison.kruskal_wallis.p_value == p_value(answers)
    means = answers[answers["stimulus"] == "c"].assign(answer=lambda t: t["answer"].astype(float))
    expected = means.groupby("listener")["answer"].mean()
    assert results.ratings.conditions["c"].mean == pytest.approx(expected.mean())
    assert results.ratings.conditions["c"].n == 12
    groups = [100 - means for name, means in listener_means(answers).items() if name in "abc"]
    assert results.ratings.comparison.kruskal_wallis.statistic == pytest.approx(stats.kruskal(*groups).statistic)
    assert {(p.first, p.second) for p in results.ratings.comparison.dunn} == {("a", "b"), ("a", "c"), ("b", "c")}
    page = write_listening_report(results, answers, tmp_path / "r", "synthvae listening-test analyze")
    assert {p.name for p in page.parent.iterdir()} == {
        "answers.csv", "conditions.csv", "listeners.csv", "metrics.json", "pairs.csv", "report.html"
    }  # fmt: skip
    assert "c is better than a" in page.read_text()


def test_power_is_that_of_a_simulation():
    results = [analyse_answers(simulated(10.0, seed)).ratings.power for seed in range(3)]
    needed = int(np.median([power.needed for power in results]))
    assert 6 <= needed <= 12  # 12 listeners find it in nearly all draws
    found = np.mean([p_value(simulated(10.0, 50 + seed, listeners=needed)) < 0.05 for seed in range(60)])
    assert 0.65 < found < 0.97
    assert results[0].detectable < 10.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("listeners", "apart"), [(2, 1), (6, 1), (40, 1), (2, 30)])
def test_power_that_cannot_be_computed_is_none(listeners: int, apart: int):
    """Ratings that are all but equal, and two listeners: statsmodels finds no root."""
    means = {"reference": 100, "a": 60, "b": 60}
    cells = [(f"l{i}", "s", name, "", "", mean) for i in range(listeners) for name, mean in means.items()]
    cells[1] = (*cells[1][:5], 60 + apart)
    power = analyse_answers(rows("mushra", cells)).ratings.power
    assert power.listeners == listeners
    assert power.detectable is None or 0.0 < power.detectable < 200.0
    assert power.needed is None or power.needed >= 2
    assert None in (power.detectable, power.needed)


def test_listeners_are_screened_after_the_recommendation():
    answers = simulated(0.0, 3)
    for name, stimulus, score, count in (
        ("l1", "reference", 89, 1),
        ("l2", "reference", 89, 2),
        ("l3", "anchor70", 91, 2),
    ):
        index = answers.index[(answers["listener"] == name) & (answers["stimulus"] == stimulus)][:count]
        answers.loc[index, "answer"] = str(score)
    clean = answers["stimulus"].eq("reference") & ~answers["listener"].isin(["l1", "l2"])
    answers.loc[clean, "answer"] = "100"
    answers.loc[answers["stimulus"].eq("anchor70") & ~answers["listener"].eq("l3"), "answer"] = "40"
    # One of eight trials is 12.5 %, two are 25 %.
    left = screened(answers)
    assert set(left) == {"l2", "l3"}
    assert "hidden reference below 90 in 25 %" in left["l2"]
    assert "l2" not in listener_means(answers[~answers["listener"].isin(left)])
    assert len(listener_means(answers[~answers["listener"].isin(left)])["a"]) == 10


def test_preferences():
    cells = [
        (f"l{i}", f"s{j}", "a", "b", "", "a" if j < 6 else "none" if j == 6 else "b")
        for i in range(8)
        for j in range(8)
    ]
    cells += [("l0", "s9", "b", "a", "", "a")]
    (pair,) = analyse_answers(rows("ab", cells)).preferences
    assert (pair.first, pair.second, pair.counts) == ("a", "b", (49, 8, 8))
    assert pair.share.mean == pytest.approx((7 * 6.5 / 8 + 7.5 / 9) / 8)
    assert pair.p_value == pytest.approx(2 / 2**8)  # all eight on one side
    assert pair.counts_p_value == pytest.approx(stats.chisquare([49, 8]).pvalue)


def test_classes(tmp_path: Path):
    cells = [(f"l{i}", f"s{j}", "net", "", label, label if (i + j) % 4 else "clap")
             for i in range(6) for j, label in enumerate(["kick", "snare", "clap"] * 4)]  # fmt: skip
    cells += [
        (f"l{i}", f"s{j}", "real", "", label, label) for i in range(6) for j, label in enumerate(["kick", "snare"])
    ]
    answers = rows("classify", cells)
    results = analyse_answers(answers)
    found = results.classification
    assert found.labels == ("clap", "kick", "snare")
    assert found.chance == pytest.approx(1 / 3)
    assert found.confusion["net"].sum() == 72
    assert found.confusion["net"][0, 0] == 24
    assert found.confusion["net"][1, 2] == 0
    assert found.accuracy["real"].mean == 1.0
    assert found.p_values["real"] == pytest.approx(1 / 2**6)
    right = sum(a == b for a, b in zip(answers["label"], answers["answer"], strict=True)) - 12
    expected = stats.chi2_contingency([[right, 72 - right], [12, 0]], correction=False)
    assert found.between.statistic == pytest.approx(expected.statistic)
    page = write_listening_report(results, answers, tmp_path, "command")
    assert pd.read_csv(tmp_path / "confusion_net.csv").shape == (3, 4)
    assert "Sounds of real are recognised above chance" in page.read_text()


def test_files_of_webmushra(tmp_path: Path):
    header = "session_test_id,email,age,session_uuid,trial_id,rating_stimulus,rating_score,rating_time,rating_comment\n"
    lines = [f"x,{who}@y.z,30,{who},t{t},{c},{s},12000,\n"
             for who in "ab" for t in range(2) for c, s in (("reference", 100), ("C1", 60), ("C2", 40))]  # fmt: skip
    (tmp_path / "mushra.csv").write_text(header + "".join(lines))
    found = read_answers([tmp_path / "mushra.csv"])
    assert set(found["kind"]) == {"mushra"}
    assert found["listener"].nunique() == 2
    assert set(found["seconds"]) == {"12"}
    np.testing.assert_array_equal(listener_means(found)["C1"], [60.0, 60.0])

    # Without a form for the participant, one answer to each question makes a listener.
    header = "session_test_id,trial_id,choice_reference,choice_non_reference,choice_answer,choice_time,choice_comment\n"
    lines = [f"x,t{t},A,B,{answer},900,\n" for answer in ("reference", "nonReference", "undecided") for t in range(2)]
    (tmp_path / "paired_comparison.csv").write_text(header + "".join(lines))
    found = read_answers([tmp_path / "paired_comparison.csv"])
    assert list(found["answer"].unique()) == ["A", "B", "none"]
    assert found["listener"].nunique() == 3

    header = "session_test_id,listener,trial_id,stimuli_rating,stimuli,rating_time\n"
    (tmp_path / "lss.csv").write_text(header + 'mos-x,ann,001_kick," 4 ",net,900\nmos-x,ann,002_tom," 2 ",net,900\n')
    found = read_answers([tmp_path / "lss.csv"])
    assert (set(found["kind"]), listener_means(found)["net"].tolist()) == ({"mos"}, [3.0])
    (tmp_path / "lss.csv").write_text(
        header + 'c,ann,001_k|label=kick," kick ",net,900\nc,ann,2_t|label=tom," kick ",net,9\n'
    )
    found = read_answers([tmp_path / "lss.csv"])
    assert (set(found["kind"]), list(found["label"])) == ({"classify"}, ["kick", "tom"])


def test_files_of_several_listeners(tmp_path: Path):
    one, other = (rows("mos", [("ann", "k", "net", "", "", score)]) for score in (4, 2))
    for name, table in (("a", one), ("b", other), ("c", one)):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    found = read_answers([tmp_path / f"{name}.csv" for name in "abc"])
    assert list(found["listener"]) == ["ann", "ann (2)"]  # the copy counts once
    assert analyse_answers(found).ratings.comparison is None
    rows("ab", [("ann", "k", "x", "y", "", "x")]).to_csv(tmp_path / "d.csv", index=False)
    for files, message in (
        (["a.csv", "d.csv"], "answers of mos and ab"),
        (["none.csv"], "cannot be read"),
        (["e.csv"], r"e.csv: no .* have the columns listener, .*, seconds; give a CSV file that the page of the test"),
        (["g.csv"], "g.csv: not a table in CSV; give a CSV file"),
        (["h.csv"], "h.csv: not a table in CSV; give a CSV file"),
        (["i.csv"], "i.csv: empty; give a CSV file"),
        (["j.csv"], "j.csv: no answers of a listening test, which have the column answer; give"),
        (["f.csv"], "row 2, answer is '7'; give a number from 1 to 5"),
    ):
        (tmp_path / "e.csv").write_text("x,y\n1,2\n")
        (tmp_path / "g.csv").write_bytes(b"\xf7\x00\x01")
        (tmp_path / "h.csv").write_text("x,y\n1,2\n1,2,3,4\n")
        (tmp_path / "i.csv").write_text("")
        one.drop(columns="answer").to_csv(tmp_path / "j.csv", index=False)
        rows("mos", [("ann", "k", "net", "", "", 7)]).to_csv(tmp_path / "f.csv", index=False)
        with pytest.raises(UserError, match=message):
            read_answers([tmp_path / name for name in files])
    spoilt = rows("mushra", [("ann", f"s{j}", "reference", "", "", 10) for j in range(4)])
    with pytest.raises(UserError, match="all listeners were left out"):
        analyse_answers(spoilt)
